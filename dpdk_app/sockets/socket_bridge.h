// SPDX-License-Identifier: BSD-3-Clause
// The sockets of one worker: between the channels of sockets and the verbs of its shard, as
// appring/bridge.h is for the lanes of ring clients. Differences: channels are looked at when they
// are kicked, not each turn; an association that is accepted is parked until the sockets thread has
// made a socket for it; state and names of a socket are written to its page before what follows.
// Submissions and the turn are in socket_bridge.cpp, the rest in the files that the parts name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "appring/bridge.h"
#include "sockets/news.h"
#include "sockets/socket_bridge_config.h"
#include "sockets/socket_counters.h"
#include "sockets/socket_end.h"
#include "trunkline/stack/bound_addresses.h"
#include "trunkline/stack/pool_share.h"
#include "trunkline/stack/stack.h"

namespace trunkline::sockets {

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
// `shard` and `mail` outlive it. A SocketEnd that it has not let go of outlives both it and the
// shard, which then still has payload that lies there.
class SocketBridge final : public appring::EventTaker {
 public:
  // May throw std::runtime_error: no descriptors left.
  SocketBridge(const SocketBridgeConfig& config, Shard& shard, SocketMail& mail);
  ~SocketBridge();
  SocketBridge(const SocketBridge&) = delete;
  SocketBridge& operator=(const SocketBridge&) = delete;

  // -- for the sockets thread
  void add_process(const KickArea& area);
  void remove_process(const KickArea& area);
  // Associations that peers begin are parked, at most `backlog` of them at once (others are
  // aborted), and told with `listener`. Those that lie unaccepted in the listener's pair count,
  // too: its daemon's end stays open until unlisten(). A second call changes all of it. Listeners
  // of one name take turns; an association is aborted when none of them has room.
  Status listen(const LocalEndName& name, uint64_t listener, uint32_t backlog,
                const Profile& profile, int pair_fd = -1);
  // Aborts what is parked for it there, unless it is to be kept: the listener has moved.
  void unlisten(TimePoint now, const LocalEndName& name, uint64_t listener,
                bool keep_parked = false);
  // What a socket has from the beginning of its association on.
  struct Terms {
    uint32_t receive_buffer = 0;  // SO_RCVBUF: see set_receive_buffer()
    Duration autoclose{0};        // SCTP_AUTOCLOSE: zero, never
  };
  struct ConnectCommand {
    LocalEndName from;
    std::vector<IpAddress> peers;
    PortNumber peer_port;
    Profile profile;
  };
  // kOk: kConnected or kFailed follows; page.assoc_id is written, the state is CONNECTING.
  Status connect(TimePoint now, SocketEnd& socket, const ConnectCommand& command);
  // After connect() or accept(): the association is shut down when it has been idle for so long.
  void begin_autoclose(TimePoint now, SocketEnd& socket, Duration idle);
  // The parked association is the socket's: its names and state are in the page, what waited is in
  // its channel. One that has ended meanwhile is, too: the socket is ENDED at once.
  // kNoSuchAssociation: nobody is parked under that name.
  Status accept(TimePoint now, AssocId parked, SocketEnd& socket);
  void refuse(TimePoint now, AssocId parked);
  // The last handle is gone. `abort`: SO_LINGER with a time of zero; without, what the program has
  // not read decides (an ABORT if there is any), else what it sent goes out and the association is
  // shut down. kGone follows when nothing here refers to the socket; its memory stays mapped until
  // then, so that what is under way need not be copied.
  void close(TimePoint now, SocketEnd& socket, bool abort);
  // A member with a pair of its own is a one-to-one socket from here on.
  void peel_off(SocketEnd& socket);
  EditResult edit(TimePoint now, SocketEnd& socket, const ProfileEdit& edit);
  EditResult edit_path(TimePoint now, SocketEnd& socket, IpAddress peer, const PathEdit& edit);
  // SO_RCVBUF: bytes that may lie in the socket's slots unread. a_rwnd is a matter of edit().
  void set_receive_buffer(SocketEnd& socket, uint64_t bytes);
  Status set_primary(TimePoint now, SocketEnd& socket, IpAddress peer);
  // kSenderDry, if nothing is under way.
  void tell_if_dry(TimePoint now, SocketEnd& socket);
  Status request_heartbeat(TimePoint now, SocketEnd& socket, IpAddress peer);
  [[nodiscard]] bool status(const SocketEnd& socket, AssocStatus& out) const;
  [[nodiscard]] const Profile* profile(const SocketEnd& socket) const;
  [[nodiscard]] const Profile* path_profile(const SocketEnd& socket, IpAddress peer) const;
  // An association's name to programs: sctp_assoc_t.
  [[nodiscard]] uint32_t assoc_id_of(AssocId id) const;

  // -- the worker's turn
  // Mail, kicks, submissions, what waited for room. Returns how much it did.
  size_t drain(TimePoint now);
  // False: the event is of no socket. Takes it otherwise.
  bool deliver(TimePoint now, Event& event) override;
  // Once events were delivered, before packets are asked for: a SACK tells what the window is then.
  void tell_unread();
  void flush();  // completions and the ends of sends become visible; tokens; answers
  void arm();
  [[nodiscard]] bool has_work() const;
  // When drain() has something to do though nobody asked; never, if nothing.
  [[nodiscard]] TimePoint next_deadline() const {
    return idle_.empty() ? TimePoint::never() : idle_.begin()->first;
  }
  void disarm();
  [[nodiscard]] int wait_fd() const {
    return epoll_fd_;
  }                  // an epoll descriptor: doorbells and mail
  void wait_over();  // takes what made it readable
  void close_all(TimePoint now, bool abort);
  [[nodiscard]] size_t associations() const { return association_count_; }
  [[nodiscard]] const SocketCounters& counters() const { return counters_; }

 private:
  static constexpr uint32_t kNone = 0xffffffff;
  static constexpr uint32_t kCrumbs = 2048;      // unread bytes that are no reader's delay
  static constexpr size_t kParkedOptional = 64;  // events that wait, before notifications go

  // An association that waits to be accepted; it may have ended.
  struct Parked {
    uint32_t endpoint = kNone;
    uint64_t listener = 0;
    bool over = false;
    std::vector<Event> events;  // the first is kAccepted
    IpAddress local{};
    std::vector<IpAddress> peers;
  };
  // What the bridge knows of an association, at index AssocId::slot.
  struct Assoc {
    SocketEnd* socket = nullptr;  // both null: not one of ours
    Parked* parked = nullptr;
    AssocId id;
    uint32_t endpoint = kNone;
    uint32_t unread = 0;  // bytes of messages that lie with readers
    uint32_t unread_told = 0;
    bool changed = false;  // it is to be told anew
    [[nodiscard]] bool used() const { return socket != nullptr || parked != nullptr; }
  };
  struct Listener {
    uint64_t name = 0;
    uint32_t backlog = 0;
    int pair_fd = -1;  // or none
    Profile profile;
    uint32_t parked = 0;
    [[nodiscard]] bool has_room() const;
  };
  struct Endpoint {
    bool in_use = false;
    EndpointId id;
    PortNumber port;
    uint64_t owner = 0;
    BoundAddresses bound;
    uint32_t next = kNone;  // of those with that port
    uint32_t users = 0;     // associations, and parked ones that are over
    uint32_t parked = 0;
    std::vector<Listener> listeners;  // INITs are answered by the last one's profile
    uint32_t turn = 0;                // whose the next association is, if it has room
    [[nodiscard]] Listener* listener(uint64_t name);
    [[nodiscard]] Listener* next_listener();
  };
  struct Process {
    KickArea area;
    uint32_t next_word = 0;  // where the next turn begins
  };
  enum class Taken : uint8_t { kYes, kLater, kFault };

  // -- submissions (socket_bridge.cpp)
  size_t look_at(TimePoint now, SocketEnd& socket);
  size_t take_submissions(TimePoint now, SocketEnd& socket, uint32_t limit);
  [[nodiscard]] Taken take_one(TimePoint now, SocketEnd& socket, const tlr_submission& submission);
  [[nodiscard]] Taken take_limited(TimePoint now, SocketEnd& socket, const tlr_submission& limit);
  [[nodiscard]] Taken take_send(TimePoint now, SocketEnd& socket, const tlr_submission& submission,
                                const Reliability& reliability);
  [[nodiscard]] Taken take_abort(TimePoint now, SocketEnd& socket,
                                 const tlr_submission& submission);
  void take_shutdown(TimePoint now, SocketEnd& socket);
  [[nodiscard]] bool claim(TimePoint now, SocketEnd& socket, const tlr_submission& submission);
  void fail_send(TimePoint now, SocketEnd& socket, const tlr_submission& submission,
                 Payload& payload, Reason reason);
  void on_fault(TimePoint now, SocketEnd& socket, SocketCounter why);
  size_t look_again(TimePoint now);
  void publish(SocketEnd& socket);
  void make_room(SocketEnd& socket);
  [[nodiscard]] bool has_share(const SocketUser& user) const {
    return share_.allows(user.shares[config_.worker].units,
                         units_ < config_.max_units ? config_.max_units - units_ : 0);
  }

  // -- events (socket_bridge_events.cpp)
  void on_own_event(TimePoint now, SocketEnd& socket, Event& event);
  void finish_send(SocketEnd& socket, size_t bytes);
  void on_send_failed(TimePoint now, SocketEnd& socket, Event& event);
  void tell_or_keep(TimePoint now, SocketEnd& socket, Event& event);
  [[nodiscard]] bool try_tell(SocketEnd& socket, Event& event);
  [[nodiscard]] bool tell_no_auth(SocketEnd& socket);
  [[nodiscard]] bool put_message(SocketEnd& socket, Event& event);
  [[nodiscard]] bool put_notification(SocketEnd& socket, Event& event);
  void attach_causes(SocketEnd& socket, Event& event, tlr_completion& out);
  void keep(TimePoint now, SocketEnd& socket, Event& event);
  void retry_backlog(TimePoint now, SocketEnd& socket);
  void drop_backlog(TimePoint now, SocketEnd& socket);
  void after(SocketEnd& socket, const Event& event);
  void name_connecting(SocketEnd& socket, PortNumber port);
  void shut_receiving(SocketEnd& socket);
  void end_file(SocketEnd& socket);
  void on_connected(SocketEnd& socket, const Event& event);
  void on_connect_failed(SocketEnd& socket, Event& event);
  [[nodiscard]] int error_at_end(const SocketEnd& socket, const Event& event) const;
  void end_socket(SocketEnd& socket, int error);
  void write_association(SocketEnd& socket, const Event& event, IpAddress local);
  void write_limits(SocketEnd& socket, AssocId id, IpAddress peer, uint16_t streams, uint32_t mtu);
  void take_returns(SocketEnd& socket);
  void note_change(Assoc& assoc);
  void tell_unread(Assoc& assoc);
  void mark_dirty(SocketEnd& socket) {
    if (socket.notes.dirty) return;
    socket.notes.dirty = true;
    dirty_.push_back(&socket);
  }
  [[nodiscard]] Assoc* find(AssocId id);
  [[nodiscard]] Assoc* find(appring::AssocName name);
  [[nodiscard]] static bool is_final(EventKind kind) {
    return kind == EventKind::kClosed || kind == EventKind::kLost ||
           kind == EventKind::kConnectFailed;
  }

  // -- beginnings and ends (socket_bridge_open.cpp)
  [[nodiscard]] bool on_accepted(TimePoint now, Event& event);
  void park(TimePoint now, Assoc& assoc, Event& event);
  [[nodiscard]] Status use_endpoint(const LocalEndName& name, const Profile& profile,
                                    uint32_t& index);
  [[nodiscard]] uint32_t find_endpoint(const LocalEndName& name, const BoundAddresses& bound) const;
  void release_endpoint(uint32_t index);
  Assoc& record(AssocId id, uint32_t endpoint);
  void forget(Assoc& assoc);
  void take_in(SocketEnd& socket, AssocId id);
  void finish_close(TimePoint now, SocketEnd& socket);
  void let_go(SocketEnd& socket);     // and tell that it is gone
  void let_go_of(SocketEnd& socket);  // without
  void end_association(TimePoint now, AssocId id, bool abort);
  void close_idle(TimePoint now);
  void forget_idle(SocketEnd& socket);
  void stop_listening(TimePoint now, uint32_t index, uint64_t listener, bool keep_parked);
  void give_options(TimePoint now, AssocId id, const Endpoint& endpoint, const Listener& listener);
  void abort_parked(TimePoint now, uint32_t index, uint64_t listener);
  [[nodiscard]] std::unique_ptr<Parked> take_parked(AssocId id);

  // -- kicks (socket_bridge_kicks.cpp)
  size_t take_all_kicks(TimePoint now);
  size_t take_kicks(TimePoint now, Process& process, uint32_t& looks);
  size_t take_word(TimePoint now, tls_kicks& kicks, uint32_t word, uint32_t& looks);

  static void set_bits(uint32_t& word, uint32_t bits) {
    __atomic_fetch_or(&word, bits, __ATOMIC_SEQ_CST);
  }
  void count(SocketCounter counter, uint64_t n = 1) { counters_.add(counter, n); }

  SocketBridgeConfig config_;
  Shard& shard_;
  SocketMail& mail_;
  SocketCounters counters_;
  const PoolShare share_;  // of a user
  uint64_t units_ = 0;     // that all users have under way
  appring::TableMemory socket_memory_;
  SocketEnd** sockets_;  // by their index in the daemon; null: not here
  std::vector<Assoc> assocs_;
  std::vector<Assoc> displaced_;  // whose slot has another one, and whose last event is to come
  std::unordered_map<uint64_t, std::unique_ptr<Parked>> parked_;  // by AssocName
  std::vector<Endpoint> endpoints_;
  std::vector<uint32_t> free_endpoints_;
  std::vector<uint32_t> first_of_port_;  // index in endpoints_, or kNone; see Endpoint::next
  std::vector<Process> processes_;
  size_t next_process_ = 0;        // where the next turn begins
  uint32_t kickers_ = 1;           // processes that had kicks in the last one
  uint32_t submissions_left_ = 0;  // of this turn
  std::vector<SocketEnd*> dirty_;
  std::vector<SocketEnd*> again_;                  // stalled, or with more to do
  std::vector<uint32_t> changed_;                  // indices in assocs_
  std::set<std::pair<TimePoint, uint32_t>> idle_;  // sockets by their index: Notes::idle_until
  size_t association_count_ = 0;
  int epoll_fd_ = -1;
  bool retry_ = false;  // there is room where there was none
  bool closing_ = false;
};

}  // namespace trunkline::sockets
