// SPDX-License-Identifier: BSD-3-Clause
// One socket as the sockets thread knows it: its state, what it is bound to, its options. A
// one-to-many socket is fresh or listening, whatever associations it has; each of these is an
// object of its own, made by accepted() or began(). It says what each call may do in each state, in
// Linux's errnos; it makes no system call and asks no worker: who does that, SocketServer, tells it
// how that ended.
//
//                 listen        listen(0), a worker refuses
//   fresh ------------> listening ------------> fresh
//         connect               connected             ended
//   fresh ------> connecting ------------> established ----> ended
//                            ------------> fresh
//                               failed
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "appring/ring_client.h"
#include "sockets/address_set.h"
#include "sockets/linux_sctp.h"
#include "sockets/options.h"
#include "sockets/port_book.h"
#include "sockets/socket_options.h"
#include "trunkline/stack/peer_table.h"

namespace trunkline::sockets {

// A port that the operator gave a profile of its own.
struct ConfiguredEnd {
  uint16_t port = 0;
  std::vector<IpAddress> addresses;
  Profile profile;
};

// What the configuration says, and the ports; the same for all sockets.
struct SocketWorld {
  PortBook& ports;
  OwnAddresses own;
  Profile default_profile;
  std::vector<ConfiguredEnd> ends;
  std::shared_ptr<const PeerTable> peers;  // null: none
  OptionFloors floors;
  uint32_t max_backlog = 4096;  // net.core.somaxconn
};

enum class SocketState : uint8_t { kFresh, kListening, kConnecting, kEstablished, kEnded };
[[nodiscard]] const char* state_name(SocketState state);

// Where to connect to.
struct ConnectPlan {
  std::vector<IpAddress> peers;  // the first becomes the primary address
  uint16_t peer_port = 0;
  Profile profile;
};

class SocketObject {
 public:
  using Rights = appring::ClientRights;

  SocketObject(SocketWorld& world, bool ipv6, uint32_t uid, bool many = false);
  // As accept() makes it: with what its listener has. False after that: the port is gone.
  [[nodiscard]] bool accepted(const SocketObject& listener, const IpAddress& peer, uint16_t port);
  // The association of a one-to-many socket that is set up by that plan. False: likewise.
  [[nodiscard]] bool began(const SocketObject& front, const ConnectPlan& plan);
  ~SocketObject();
  SocketObject(const SocketObject&) = delete;
  SocketObject& operator=(const SocketObject&) = delete;

  [[nodiscard]] SocketState state() const { return state_; }
  [[nodiscard]] bool ipv6() const { return ipv6_; }
  [[nodiscard]] bool many() const { return many_; }
  // From now on its port is its own, as another socket's is.
  void peeled_off() { holder_.group = 0; }
  [[nodiscard]] const PortHolder& bound() const { return holder_; }
  [[nodiscard]] SocketOptions& options() { return options_; }
  [[nodiscard]] const SocketOptions& options() const { return options_; }
  [[nodiscard]] uint32_t backlog() const { return backlog_; }
  [[nodiscard]] FamilyView family() const { return {ipv6_, options_.v6_only, options_.mapped_v4}; }
  // As BoundAddresses has them: what workers make endpoints for. An association keeps those that it
  // began with.
  [[nodiscard]] const std::vector<IpAddress>& addresses() const { return holder_.addresses; }
  // Of its next association, or of those that it accepts.
  [[nodiscard]] Profile profile() const;
  // As SCTP_INITMSG tells it.
  [[nodiscard]] uint16_t outbound_streams() const {
    return options_.outbound_streams.value_or(profile().outbound_streams);
  }
  // Of the one that it has.
  [[nodiscard]] Profile profile_in_force() const;

  // -- calls: 0 or an errno. `rights`: of who calls.
  int bind(const Rights& rights, std::span<const uint8_t> address);
  int bind_add(const Rights& rights, std::span<const uint8_t> addresses);
  int bind_remove(const Rights& rights, std::span<const uint8_t> addresses);
  // What it had before.
  [[nodiscard]] bool bind_again(std::vector<IpAddress> addresses);
  // `backlog` as the program gave it. 0: ask the workers; listening then, or listen_failed(). With
  // `stops`, they are to stop.
  int listen(const Rights& rights, int backlog, bool& stops);
  void listen_failed();
  // 0: connecting; connected() or connect_failed() follows.
  // `init`: what this association has instead of SCTP_INITMSG, where it is not 0.
  int connect(const Rights& rights, std::span<const uint8_t> addresses, const sctp_initmsg& init,
              ConnectPlan& plan);
  // What connect() will do, but for the profile; binds to a free port where there is none.
  int plan_association(const Rights& rights, std::span<const uint8_t> addresses, ConnectPlan& plan);
  // `receive`: the receiving side is shut from now on, whatever else is answered.
  int shut_down(int how, bool& receive);
  // What SO_REUSEADDR and SO_REUSEPORT are, which only ports know.
  int get_option(int level, int name, const AssociationView* view, uint32_t assoc_id,
                 std::span<const uint8_t> there, size_t room, OptionAnswer& answer);
  int set_option(int level, int name, const AssociationView* view, uint32_t assoc_id,
                 std::span<const uint8_t> value, OptionAnswer& answer);

  // -- what became of it
  void connected();
  void connect_failed();
  // Where it connected from, which getsockname() goes on to tell, as on Linux.
  void set_source(const tls_name& local);
  void ended();
  // Of messages that are received, also of those that are unread when their association is over.
  [[nodiscard]] uint32_t receive_context() const;
  // What holds for all associations of a one-to-many socket is as that has it now; `events`: what
  // is notified, too.
  void follow(const SocketObject& front, bool events);
  // The port is free, as far as it is this one's.
  void release();

  // -- names, as getsockname() and getpeername() have them; length 0: none
  [[nodiscard]] tls_name local_name() const;
  // None if the association says which of several addresses it is.
  [[nodiscard]] tls_name name_to_connect_from() const;
  [[nodiscard]] tls_name peer_name() const;

 private:
  int bind_one(const Rights& rights, const SocketAddress& address);
  int add_all(const Rights& rights, std::span<const SocketAddress> list);
  int remove_all(const Rights& rights, std::span<const SocketAddress> list);
  int remove_one(const SocketAddress& one);
  int autobind(const Rights& rights);
  [[nodiscard]] bool has_family_of(const IpAddress& peer) const;
  [[nodiscard]] std::vector<IpAddress> as_bound(const IpAddress& address) const;
  [[nodiscard]] static bool PortHolder::*reuse_option(int level, int name);
  [[nodiscard]] const Profile& configured() const;
  [[nodiscard]] OptionTarget target(const AssociationView* view, uint32_t assoc_id);
  [[nodiscard]] bool has_association() const { return state_ == SocketState::kEstablished; }

  SocketWorld& world_;
  const bool ipv6_;
  const bool many_;  // a one-to-many socket, or an association of one
  SocketState state_ = SocketState::kFresh;
  PortHolder holder_;
  SocketOptions options_;
  AssocOptions begun_;         // kConnecting: what the association began with
  uint32_t last_context_ = 0;  // kEnded: what the association had
  uint32_t backlog_ = 0;
  bool shut_while_listening_ = false;
  IpAddress last_local_;  // what bind() named last
  IpAddress source_;      // where a connect() that failed came from
  IpAddress peer_;
  uint16_t peer_port_ = 0;
};

}  // namespace trunkline::sockets
