// SPDX-License-Identifier: BSD-3-Clause
// The bridge of one worker: between the rings of its clients and the verbs of its shard. The fast
// path is in bridge.cpp; what is rare is in files of its own, which the parts below name. Tests
// link it with a shard that only plays SCTP (tests/unit/appring/fake_shard.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "appring/app_ring.h"
#include "appring/channel.h"
#include "appring/event_taker.h"
#include "appring/mailbox.h"
#include "appring/ring_client.h"
#include "appring/wire_types.h"
#include "trunkline/ring_abi.h"
#include "trunkline/stack/bound_addresses.h"
#include "trunkline/stack/pool_share.h"

namespace trunkline::appring {

// One worker's bridge to all clients. All methods are for the worker's thread, except mailbox().
class Bridge {
 public:
  // `shard` outlives the bridge. Allocates here; nothing in the fast calls below does, except
  // where a client comes or an endpoint is made.
  Bridge(const BridgeConfig& config, Shard& shard);
  ~Bridge();
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;

  // Takes what clients and the control thread asked for, retries events that waited for room.
  // Returns how many descriptors it took.
  size_t drain_submissions(TimePoint now);
  // Hands an event of the shard to the lane it belongs to. A borrowed message is copied or kept
  // before this returns, so the packet may go. Takes the event's payload.
  void deliver(TimePoint now, Event& event);
  // Events of no association of the bridge's go there; null: they are dropped. It is there until
  // the last call of deliver(), or of what may deliver events itself: drain_submissions().
  void set_other(EventTaker* other) { other_ = other; }
  // Publishes completions and rings those who sleep, once each. After each burst.
  void flush();

  // -- idle
  void arm();
  [[nodiscard]] bool has_work() const;
  // Sleeps until a client or the control thread rings or the time is over.
  void wait(Duration timeout) { mailbox_.wait(timeout.count()); }
  void disarm();
  // Readable while wait() would return at once; for a worker that waits on more than this.
  [[nodiscard]] int wait_fd() const { return mailbox_.wait_fd(); }

  // -- another consumer
  // The association is `to`'s from now on, a channel of this worker, of the same client or another:
  // what waits for room goes there, in its order, and what happens is told there. What was
  // delivered stays where it is, and counts as unread until it comes back from there; the ends of
  // its sends are told to who sent them. kNotEstablished: its connect has not ended. kClosing: that
  // client is gone. kOutOfResources: no room for one association more, or for what waits.
  // kMessageTooLarge: it has too few slots for a message that waits.
  Status rebind(TimePoint now, AssocId id, Channel& to);

  // -- ending
  // Takes no new associations and tells every lane, also those that come meanwhile, that
  // close_all() follows after that time.
  void announce_end(TimePoint now, Duration left);
  // Shuts down (or aborts) every association and refuses new ones; for a daemon that stops. Keep
  // iterating afterwards until associations() is 0 or patience ends.
  void close_all(TimePoint now, bool abort);
  [[nodiscard]] size_t associations() const { return association_count_; }

  // -- what operators see
  [[nodiscard]] const RingCounters& counters() const { return counters_; }
  // Which client an association belongs to, as ClientInfo::id; 0: none.
  [[nodiscard]] uint32_t client_of(AssocId assoc) const;
  [[nodiscard]] size_t endpoints_in_use() const;  // for tests

  // For AttachServer.
  [[nodiscard]] BridgeMailbox& mailbox() { return mailbox_; }

 private:
  static constexpr uint32_t kNone = 0xffffffff;
  static constexpr uint8_t kSendFlags = TLR_SEND_UNORDERED | TLR_SEND_SACK_IMMEDIATELY;
  static constexpr uint64_t kNobody = 0;                 // as EndpointConfig::owner
  static constexpr size_t kNoTurn = SIZE_MAX;            // nobody has had a turn yet
  static constexpr size_t kOrphansPerTurn = 256 * 1024;  // bytes copied, so that nobody waits long
  static constexpr size_t kLooksPerTurn = 16;            // at clients that may be let go
  static constexpr uint32_t kCrumbs = 2048;              // unread bytes that are no reader's delay

  // What the bridge knows of an association, at index AssocId::slot.
  struct Assoc {
    Channel* channel = nullptr;  // null: not one of ours
    AssocId id;
    uint32_t endpoint = kNone;  // index in endpoints_
    uint32_t tx_in_use = 0;     // slots that its channel has sent and not got back: its send credit
    uint32_t unread = 0;        // bytes of messages that lie with readers; see charge()
    uint32_t unread_told = 0;   // as the shard knows it
    bool changed = false;       // it is to be told anew
    bool connecting = false;    // its connect operation has not ended yet
    uint64_t connect_context = 0;
  };
  struct Listener {
    Channel* channel = nullptr;
    uint64_t context = 0;
    uint32_t affinity = TLR_ANY_WORKER;
  };
  // One that the configuration names is there for good, so that packets to its port meet with what
  // the operator wants on every worker, whoever uses it; others are there while a client uses them.
  struct Endpoint {
    bool in_use = false;
    bool configured = false;
    bool owned = false;  // `uid` has it
    bool listening = false;
    EndpointId id;
    PortNumber port;
    BoundAddresses bound;
    uint32_t next = kNone;  // of those with that port
    uint32_t uid = 0;
    uint32_t associations = 0;
    const Profile* own_profile = nullptr;  // as configured
    const Profile* profile = nullptr;      // of new associations: what the listeners named, or own
    size_t next_listener = kNoTurn;        // whose turn it is
    std::vector<Listener> listeners;
    size_t preferring = 0;  // of them, those whose affinity is this worker
  };
  // The local end that an operation names, or that is meant if it names no addresses.
  struct LocalName {
    uint16_t port = 0;                 // 0: any
    std::vector<IpAddress> addresses;  // as EndpointConfig has them
    BoundAddresses bound;              // the same
  };
  struct Client {
    RingClient* ring = nullptr;
    bool dying = false;     // its associations are ended,
    bool orderly = false;   // by being shut down
    bool released = false;  // the control thread said kRemove
    bool detached = false;  // nothing here refers to its segment,
    bool told = false;      // and the control thread knows
  };

  // What associations have under way, by AssocId::slot.
  struct Sum {
    uint32_t slots = 0;
    uint64_t bytes = 0;
    uint64_t units = 0;  // see units_of()
  };
  using UnderWay = std::map<uint32_t, Sum>;

  // -- submissions (bridge.cpp)
  size_t drain_channel(TimePoint now, Channel& channel);
  uint32_t take_sends(TimePoint now, Channel& channel, uint32_t waiting);
  // By itself, so that the shard's has one caller, and is a part of it.
  [[nodiscard, gnu::noinline]] Status send(TimePoint now, Channel& channel, AssocId assoc,
                                           const tlr_submission& submission,
                                           Reliability reliability, Piece* head);
  uint32_t take_next(TimePoint now, Channel& channel);
  uint32_t take_limited(TimePoint now, Channel& channel, const tlr_submission& limit);
  void handle(TimePoint now, Channel& channel, const tlr_submission& submission);
  void handle_send(TimePoint now, Channel& channel, const tlr_submission& submission,
                   Reliability reliability = {});
  [[nodiscard]] uint8_t claim(Channel& channel, const tlr_submission& submission) {
    const Channel::Claim verdict = channel.claim(submission);
    return verdict == Channel::Claim::kOk ? uint8_t{TLR_STATUS_OK} : refuse_claim(verdict);
  }
  [[nodiscard]] uint8_t refuse_claim(Channel::Claim verdict);
  // When it has `more` than it has now.
  [[nodiscard]] bool has_share(const ClientUse& use, uint64_t more) const {
    const uint64_t units = units_ + more;
    return share_.allows(use.units + more,
                         units < config_.max_units ? config_.max_units - units : 0);
  }
  void fail_send(Channel& channel, const tlr_submission& submission, uint8_t status, uint32_t slot);
  void end_operation(Channel& channel, uint64_t context, uint8_t status);

  // -- events (bridge.cpp)
  [[nodiscard]] bool tell_short(Event& event);
  void deliver_other(TimePoint now, Event& event);
  void finish_sends(SentMessage* first, Assoc* assoc);
  void fail_send(Event& event, Assoc* assoc);
  void settle(Channel& channel, Assoc* assoc, uint32_t slots, uint64_t units);
  [[nodiscard]] bool try_message(Channel& channel, Event& event, Assoc* assoc);
  void notify_or_keep(TimePoint now, Channel& channel, Event& event, Assoc& assoc);
  [[nodiscard]] bool try_notify(Channel& channel, Event& event, Assoc* assoc);
  void attach_text(Channel& channel, Event& event, tlr_completion& out);
  void keep(TimePoint now, Channel& channel, Event& event);
  void retry_backlog(TimePoint now, Channel& channel);
  void take_returns(Channel& channel);
  [[nodiscard]] static bool is_crumb(const Assoc& assoc) {
    return assoc.unread <= kCrumbs && assoc.unread_told == 0;
  }
  // A message was delivered to its reader. The shard hears of what is unread once a turn.
  void charge(Assoc& assoc, uint32_t bytes) {
    assoc.unread += bytes;
    note_change(assoc);
  }
  void note_change(Assoc& assoc) {
    if (assoc.changed || is_crumb(assoc)) return;
    assoc.changed = true;
    changed_.push_back(static_cast<uint32_t>(&assoc - assocs_.data()));
  }
  void on_read(AssocName name, uint32_t bytes);
  void tell_unread();
  void tell_unread(Assoc& assoc);
  [[nodiscard]] static bool is_final(EventKind kind);
  void mark_dirty(Channel& channel) {
    if (channel.dirty) return;
    channel.dirty = true;
    dirty_.push_back(&channel);
  }
  [[nodiscard]] Assoc* find(AssocId id);
  [[nodiscard]] Assoc* find(AssocName name);
  [[nodiscard]] Assoc* find(const Channel& channel, const tlr_submission& submission);

  // -- what is asked of an association (bridge_options.cpp)
  void handle_end(TimePoint now, Channel& channel, const tlr_submission& submission);
  void handle_option(TimePoint now, Channel& channel, const tlr_submission& submission);
  [[nodiscard]] uint8_t get_info(TimePoint now, Channel& channel, const Assoc& assoc,
                                 const tlr_submission& submission);
  [[nodiscard]] uint8_t set_address(TimePoint now, Channel& channel, const Assoc& assoc,
                                    const tlr_submission& submission);
  // bridge_timers.cpp
  [[nodiscard]] uint8_t handle_timers(TimePoint now, Channel& channel, const Assoc& assoc,
                                      const tlr_submission& submission);
  [[nodiscard]] uint8_t set_timers(TimePoint now, AssocId assoc, const IpAddress& address,
                                   tlr_timers_body& body);
  // What of it the operator leaves to no client.
  [[nodiscard]] ProfileFault beyond_grant(const ProfileEdit& edit, const Profile& present) const;

  // -- endpoints (bridge_endpoints.cpp)
  void handle_listen(Channel& channel, const tlr_submission& submission);
  void handle_unlisten(Channel& channel, const tlr_submission& submission);
  [[nodiscard]] uint8_t listen(Channel& channel, const tlr_open_body& body, uint64_t context);
  [[nodiscard]] uint8_t read_open_body(Channel& channel, const tlr_submission& submission,
                                       bool connect, tlr_open_body& out);
  void make_configured_endpoints();
  [[nodiscard]] uint8_t read_local(const tlr_open_body& body, LocalName& out);
  // The endpoint that is configured so, or null.
  [[nodiscard]] const NamedEndpoint* configured(const LocalName& local) const;
  // `owner`: as EndpointConfig::owner.
  [[nodiscard]] uint8_t make_endpoint(const LocalName& local, uint64_t owner, uint32_t& index);
  // The endpoint with that name (port 0: a new one) as this client's; made if it is not there.
  [[nodiscard]] uint8_t own_endpoint(const Channel& channel, const LocalName& local,
                                     uint32_t& index);
  using WhichListeners = std::function<bool(const Listener&)>;
  size_t remove_listeners(Endpoint& endpoint, const WhichListeners& which);
  [[nodiscard]] uint32_t find_endpoint(const LocalName& local) const;
  [[nodiscard]] const Profile* find_profile(std::string_view name) const;
  void stop_listening(Endpoint& endpoint);
  [[nodiscard]] uint64_t limits_of(const Endpoint& endpoint, const IpAddress& peer) const;
  [[nodiscard]] static uint64_t limits_word(const Profile& profile) {
    return static_cast<uint64_t>(profile.send_buffer) << 32 | profile.max_message_size;
  }
  void release_endpoint(uint32_t index);

  // -- associations, from their beginning to their end (bridge_associations.cpp)
  void handle_connect(TimePoint now, Channel& channel, const tlr_submission& submission);
  [[nodiscard]] uint8_t connect(TimePoint now, Channel& channel, const tlr_open_body& body,
                                uint64_t context);
  // From an endpoint with that name, which is made if it is not there.
  [[nodiscard]] uint8_t connect_from(TimePoint now, const Channel& channel, const LocalName& local,
                                     ConnectRequest& request, uint32_t& index, AssocId& id);
  void finish_connect(Channel& channel, Assoc& assoc, Event& event);
  void accept(TimePoint now, Event& event);
  [[nodiscard]] Listener* choose_listener(Endpoint& endpoint);
  [[nodiscard]] Assoc* record(AssocId id, Channel& channel, uint32_t endpoint);
  static void clear(Assoc& assoc) {
    const bool changed = assoc.changed;  // it is on that list still
    assoc = Assoc{};
    assoc.changed = changed;
  }
  void finish_association(Channel& channel, Assoc& assoc);
  [[nodiscard]] Status may_rebind(const Assoc& assoc, Channel& to) const;
  void end_association(TimePoint now, AssocId id, bool abort);

  // -- clients (bridge_clients.cpp)
  [[nodiscard]] Client* client_record(const RingClient* ring);
  void take_mail(TimePoint now);
  void end_faulty(TimePoint now);
  // False: the lane has no room for it yet.
  bool tell_end(TimePoint now, Channel& channel);
  void refuse_peers();
  void end_client(TimePoint now, Client& client);
  void drop_backlog(TimePoint now, Channel& channel);
  enum class Going : uint8_t {
    kGone,
    kWaits,  // until something of it ends
    kAgain,  // there is more to do
  };
  void look_at_the_dead() { looks_due_ = clients_.size(); }
  void let_go(TimePoint now);
  [[nodiscard]] Going let_go(TimePoint now, Client& client, size_t& budget);

  // -- what clients leave behind (bridge_orphans.cpp)
  [[nodiscard]] UnderWay under_way_of(const Client& client);
  [[nodiscard]] bool adopt(Assoc& assoc, const UnderWay& under_way, uint64_t& too_many);
  [[nodiscard]] bool grant(Channel& channel, uint32_t slots, uint64_t bytes);
  void adopt_moved(TimePoint now, Channel& channel, bool abort);
  [[nodiscard]] bool detach(TimePoint now, Client& client, size_t& budget);
  void abort_all(TimePoint now, const Channel& channel);  // whose messages lie there, too
  void release_orphans(Channel& channel);

  void count(RingCounter counter, uint64_t n = 1) { counters_.add(counter, n); }
  uint8_t refuse(RingCounter counter, uint8_t status) {
    counters_.add(counter);
    return status;
  }

  BridgeConfig config_;
  Shard& shard_;
  EventTaker* other_ = nullptr;
  RingCounters counters_;
  BridgeMailbox mailbox_;
  std::vector<Assoc> assocs_;
  std::vector<Endpoint> endpoints_;
  std::vector<Client> clients_;
  std::vector<Channel*> channels_;  // of living clients
  std::vector<Channel*> dirty_;
  std::vector<uint32_t> changed_;        // indices in assocs_
  std::vector<uint32_t> first_of_port_;  // index in endpoints_, or kNone; see Endpoint::next
  std::vector<uint32_t> free_endpoints_;
  std::vector<uint32_t> listening_;  // those that have listeners, far fewer than there may be
  const PoolShare share_;            // of a client
  uint64_t units_ = 0;               // that all clients have under way
  uint64_t orphan_bytes_ = 0;        // of the orphan buffer, in use
  size_t association_count_ = 0;
  // Looks at clients that are due, since something of a dead one has ended; whose turn it is.
  size_t looks_due_ = 0;
  size_t next_look_ = 0;
  bool closing_ = false;
  TimePoint end_ = TimePoint::never();  // announced: what still lives then is closed
};

}  // namespace trunkline::appring
