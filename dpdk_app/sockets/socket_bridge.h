// SPDX-License-Identifier: BSD-3-Clause
// The sockets of one worker: between the channels of sockets and the verbs of its shard, as
// appring/bridge.h is for the lanes of ring clients. Differences: channels are looked at when they
// are kicked, not each turn; an association that is accepted is parked until the sockets thread has
// made a socket for it; state and names of a socket are written to its page before what follows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sockets/news.h"
#include "sockets/socket_end.h"
#include "trunkline/stack/bound_addresses.h"
#include "trunkline/stack/stack.h"

namespace trunkline::sockets {

struct SocketBridgeConfig {
  uint16_t worker = 0;
  uint16_t workers = 1;
  uint32_t max_associations = 4096;  // of the shard: slots of AssocId are below this
  uint32_t max_units = 262144;       // as BridgeConfig has it; of all sockets' users
  uint32_t max_users = 64;
  uint32_t burst = 256;  // submissions of one socket per call of drain()
  uint32_t looks = 64;   // at kicked sockets of one process per call of drain()
};

// The kick area of one process at this worker, and the event fd that wakes the worker.
struct KickArea {
  tls_kicks* kicks = nullptr;
  int doorbell = -1;
};

// The local end of sockets: a port and addresses that the sockets thread has claimed for `owner`
// (PortTable). Sockets that share the name share the endpoint.
struct LocalEndName {
  uint64_t owner = 0;
  PortNumber port;
  std::vector<IpAddress> addresses;  // as EndpointConfig has them
};

// All methods are for the worker's thread; those in the first part are called from SocketMail.
class SocketBridge {
 public:
  SocketBridge(const SocketBridgeConfig& config, Shard& shard, SocketMail& mail);

  // -- for the sockets thread
  void add_process(const KickArea& area);
  void remove_process(const KickArea& area);
  // Associations that peers begin are parked, at most `backlog` of them at once (others are
  // aborted), and told with `listener`. A second call changes backlog and profile.
  Status listen(const LocalEndName& name, uint64_t listener, uint32_t backlog,
                const Profile& profile);
  // Aborts what is parked there.
  void unlisten(TimePoint now, const LocalEndName& name);
  struct ConnectCommand {
    LocalEndName from;
    std::vector<IpAddress> peers;
    PortNumber peer_port;
    Profile profile;
  };
  // kOk: kConnected or kFailed follows.
  Status connect(TimePoint now, SocketEnd& socket, const ConnectCommand& command);
  // The parked association is the socket's: its names and state are in the page, what waited is in
  // its channel. kNoSuchAssociation: it has ended.
  Status accept(TimePoint now, AssocId parked, SocketEnd& socket);
  void refuse(TimePoint now, AssocId parked);
  // The last handle is gone. `abort`: SO_LINGER with a time of zero; without, what the program has
  // not read decides (an ABORT if there is any), else what it sent goes out and the association is
  // shut down. kGone follows when nothing here refers to the socket; its memory stays mapped until
  // then, so that what is under way need not be copied.
  void close(TimePoint now, SocketEnd& socket, bool abort);
  EditResult edit(TimePoint now, SocketEnd& socket, const ProfileEdit& edit);
  EditResult edit_path(TimePoint now, SocketEnd& socket, IpAddress peer, const PathEdit& edit);
  Status set_primary(TimePoint now, SocketEnd& socket, IpAddress peer);
  Status request_heartbeat(TimePoint now, SocketEnd& socket, IpAddress peer);
  [[nodiscard]] bool status(const SocketEnd& socket, AssocStatus& out) const;
  [[nodiscard]] const Profile* profile(const SocketEnd& socket) const;
  [[nodiscard]] const Profile* path_profile(const SocketEnd& socket, IpAddress peer) const;

  // -- the worker's turn
  // Mail, kicks, submissions, what waited for room. Returns how much it did.
  size_t drain(TimePoint now);
  // False: the event is of no socket. Takes it otherwise.
  bool deliver(TimePoint now, Event& event);
  void flush();  // tokens
  void arm();
  [[nodiscard]] bool has_work() const;
  void disarm();
  [[nodiscard]] int wait_fd() const;  // an epoll descriptor: doorbells and mail
  void wait_over();                   // takes what made it readable
  void close_all(TimePoint now, bool abort);
  [[nodiscard]] size_t associations() const;
};

}  // namespace trunkline::sockets
