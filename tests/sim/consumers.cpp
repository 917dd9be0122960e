// SPDX-License-Identifier: BSD-3-Clause
// The life of a host's clients: how it begins, what the stack and the workers' bridges tell, when
// an association goes to another, how it ends. What clients do on their rings is in
// consumers_clients.cpp.
#include "consumers.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "rx/receive_blocks.h"

namespace trunkline::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr uint32_t kCrumbs = 2048;  // unread bytes of which the bridge says nothing

// The table of mapped segments is the process's, and other runs have theirs.
std::mutex& segments() {
  static std::mutex mutex;
  return mutex;
}

tlr_geometry geometry_for(const HostPlan& host) {
  tlr_geometry g{};
  g.lanes = 1;
  g.workers = host.shards;
  g.submission_size = 64;
  g.completion_size = 128;
  g.return_size = 512;
  g.tx_slots = 64;
  g.rx_slots = host.rx_slots;
  g.slot_size = 512;
  g.send_credit = 48;
  g.max_operations = 64;
  return g;
}

}  // namespace

Consumers::Consumers(Simulator& simulator, const Plan& plan, HostIndex host, Meetings& meetings)
    : simulator_(simulator),
      plan_(plan),
      host_(host),
      random_(simulator.seed() * 7927 + host),
      meetings_(meetings) {}

// Where the run has failed, shards still have what is ours.
Consumers::~Consumers() {
  if (running_ != nullptr) crashed(*running_, simulator_.now());
}

void Consumers::crashed(Host& host, TimePoint now) {
  for (uint16_t i = 0; i < bridges_.size(); ++i) {
    bridges_[i]->close_all(now, true);
    while (Event* event = host.shard(i).next_event()) bridges_[i]->deliver(now, *event);
  }
  lanes_.clear();
  sides_.clear();
  sends_.clear();
  bridges_.clear();
  running_ = nullptr;
  next_action_ = TimePoint::never();
  const std::lock_guard lock(segments());
  clients_.clear();
}

void Consumers::fail(TimePoint now, const std::string& what) {
  simulator_.verdict().fail(now, "host " + std::to_string(host_) + ": " + what);
}

Duration Consumers::some_time(Duration most) {
  return Duration(static_cast<int64_t>(random_.below(static_cast<uint64_t>(most.count()) + 1)));
}

// ---------------------------------------------------------------- beginning

void Consumers::started(Host& host, TimePoint now) {
  running_ = &host;
  appring::BridgeConfig config;
  config.workers = mine().shards;
  config.local_addresses = mine().addresses;
  config.default_profile = mine().profile;
  config.max_associations = mine().max_associations;
  config.burst = 1;  // so that each is known to be accepted or refused
  for (uint16_t i = 0; i < host.shard_count(); ++i) {
    config.worker = i;
    bridges_.push_back(std::make_unique<appring::Bridge>(config, host.shard(i)));
  }
  make_clients();
  make_sides(now);
  listen(now);
  drain(host, now);
  update_next_action();
}

void Consumers::make_clients() {
  const appring::ChannelLimits limits{64, 64, 4096};
  const appring::ClientRights rights{{{1, 65535}}, true};
  for (ConsumerIndex i = 0; i < mine().consumers; ++i) {
    const appring::ClientIdentity identity{i + 1u, "consumer", 1, 1000, 1000};
    {
      const std::lock_guard lock(segments());
      clients_.push_back(
          appring::RingClient::create(identity, rights, geometry_for(mine()), limits));
    }
    if (clients_.back() == nullptr) return fail(simulator_.now(), "no segment for a client");
    for (uint16_t worker = 0; worker < mine().shards; ++worker) {
      lanes_.push_back(std::make_unique<Lane>(*clients_.back(), i, worker));
      static_cast<void>(bridges_[worker]->mailbox().post_to_worker(
          {appring::MailKind::kAdd, clients_.back().get()}));
    }
  }
}

void Consumers::make_sides(TimePoint now) {
  for (const AssocPlan& assoc : plan_.assocs) {
    for (const bool client : {true, false}) {
      if ((client ? assoc.client : assoc.server) != host_) continue;
      Side side;
      side.assoc = &assoc;
      side.plan = client ? &assoc.client_side : &assoc.server_side;
      side.peer_plan = client ? &assoc.server_side : &assoc.client_side;
      side.client = client;
      side.connector = client || assoc.both_connect;
      side.peer_host = client ? assoc.server : assoc.client;
      side.local_port = client ? assoc.client_port : assoc.server_port;
      side.peer_port = client ? assoc.server_port : assoc.client_port;
      if (side.connector) {
        side.connect_at = now + (client ? assoc.connect_after : assoc.peer_connect_after);
      }
      book(now, side);
      sides_.push_back(side);
    }
  }
}

// Clients that use a port share its endpoint.
void Consumers::book(TimePoint now, const Side& side) {
  if (side.client)
    meetings_[static_cast<size_t>(side.assoc - plan_.assocs.data())].client_port = side.local_port;
  const bool known = std::any_of(sides_.begin(), sides_.end(), [&](const Side& other) {
    return other.local_port == side.local_port;
  });
  if (known) return;
  const std::vector<IpAddress> addresses = plan_.addresses_of(*side.assoc, side.client);
  static_cast<void>(simulator_.ends().opened(now, host_, PortNumber(side.local_port),
                                             *BoundAddresses::of(addresses)));
}

tlr_open_body Consumers::open_body(const Side& side) const {
  tlr_open_body body{};
  body.local_port = side.local_port;
  body.affinity = TLR_ANY_WORKER;
  for (const IpAddress& address : plan_.addresses_of(*side.assoc, side.client)) {
    body.addresses[body.local_count++] = appring::address_to_wire(address);
  }
  return body;
}

// Everybody listens, at every worker: whose an association is at first is the bridge's to say.
void Consumers::listen(TimePoint now) {
  std::vector<uint16_t> done;
  for (const Side& side : sides_) {
    const bool listens = !side.client || side.assoc->both_connect;
    if (!listens || std::find(done.begin(), done.end(), side.local_port) != done.end()) continue;
    done.push_back(side.local_port);
    const tlr_open_body body = open_body(side);
    for (const auto& lane : lanes_) {
      tlr_submission submission{};
      submission.op = TLR_OP_LISTEN;
      lane->submitted.emplace_back();
      lane->submitted.back().body =
          lane->ring.submit(submission, {reinterpret_cast<const uint8_t*>(&body), sizeof(body)});
    }
  }
  worker_is_due(now);
}

void Consumers::connect(TimePoint now, Side& side) {
  side.connect_at = TimePoint::never();
  if (side.phase != Phase::kWaiting) return;  // the peer was faster
  const uint16_t planned = side.client ? side.assoc->client_shard : side.assoc->server_shard;
  const auto by = static_cast<ConsumerIndex>(random_.below(mine().consumers));
  Lane& at = lane(by, static_cast<uint16_t>(planned % mine().shards));
  if (!at.ring.has_room(sizeof(tlr_open_body))) {
    side.connect_at = now + milliseconds(1);
    return;
  }
  side.phase = Phase::kConnecting;
  const std::vector<IpAddress> peer = plan_.addresses_of(*side.assoc, !side.client);
  const size_t named = side.assoc->named > 0 ? side.assoc->named : peer.size();
  tlr_open_body body = open_body(side);
  body.peer_port = side.peer_port;
  body.outbound_streams = side.assoc->outbound_streams;
  body.address_count = static_cast<uint16_t>(std::min(named, peer.size()));
  for (size_t i = body.local_count; i-- > 0;) {
    body.addresses[body.address_count + i] = body.addresses[i];
  }
  for (size_t i = 0; i < body.address_count; ++i) {
    body.addresses[i] = appring::address_to_wire(peer[i]);
    simulator_.paths().named(host_, side.peer_host, PortNumber(side.local_port),
                             PortNumber(side.peer_port), peer[i]);
  }
  tlr_submission submission{};
  submission.op = TLR_OP_CONNECT;
  const uint32_t slot =
      at.ring.submit(submission, {reinterpret_cast<const uint8_t*>(&body), sizeof(body)});
  at.submitted.push_back({{}, index_of(side), true, slot});
  worker_is_due(now);
}

// The worker has begun what a lane asked for.
void Consumers::begun(Host& host, TimePoint now, const Lane& at, Side& side) {
  AssocStatus status;
  for (const AssocId id : host.shard(at.worker).associations()) {
    if (!host.shard(at.worker).status(id, status)) continue;
    const bool it = status.local_port.value == side.local_port &&
                    status.peer_port.value == side.peer_port &&
                    simulator_.network().host_of(status.paths[0].remote) == side.peer_host;
    if (!it) continue;
    side.id = id;
    side.record =
        simulator_.ledger().connecting(now, host_, host.boot(), id, PortNumber(side.local_port),
                                       side.peer_host, PortNumber(side.peer_port));
    side.holder = at.consumer;
    simulator_.consumers().bound(side.record, side.holder);
    return;
  }
  fail(now, "a connect began no association");
}

// ---------------------------------------------------------------- events

size_t Consumers::index_of(const Side& side) const {
  size_t at = 0;
  while (&sides_[at] != &side) ++at;
  return at;
}

size_t Consumers::side_of(AssocId id) const {
  for (size_t i = 0; i < sides_.size(); ++i) {
    if (sides_[i].record != kNoRecord && sides_[i].id == id) return i;
  }
  return kNone;
}

size_t Consumers::side_of(const tlr_completion& entry, uint16_t worker) const {
  for (size_t i = 0; i < sides_.size(); ++i) {
    const Side& side = sides_[i];
    if (side.record != kNoRecord && side.id.shard == worker && side.id.slot == entry.assoc_index &&
        side.id.generation == entry.assoc_generation) {
      return i;
    }
  }
  return kNone;
}

void Consumers::up(TimePoint now, Side& side, const Event& event) {
  side.phase = Phase::kUp;
  side.up_since = now;
  side.streams = std::min(side.plan->traffic.streams, event.outbound_streams);
  side.next_send = now;
  plan_rebind(now, side);
}

void Consumers::over(TimePoint now, Side& side, const Event& event) {
  side.phase = Phase::kOver;
  side.unread = side.unread_least = 0;
  limit_window(side, 0);
  simulator_.consumers().ended(side.record, event.kind == EventKind::kClosed);
  if (event.kind == EventKind::kLost && event.reason == Reason::kTimedOut &&
      !side.closing_since.is_never() && now >= side.closing_since + mine().profile.guard()) {
    guarded_.push_back(side.assoc);
  }
}

void Consumers::on_event(Host&, TimePoint now, RecordId record, Event& event) {
  asked_ = true;
  next_action_ = now;
  size_t at = side_of(event.assoc);
  if (event.kind == EventKind::kAccepted) {
    const AssocRecord& entry = simulator_.ledger().record(record);
    for (size_t i = 0; i < sides_.size(); ++i) {
      const Side& side = sides_[i];
      const bool it = side.peer_host == entry.peer_host &&
                      side.local_port == entry.local_port.value &&
                      side.peer_port == entry.peer_port.value;
      if (it) at = i;
    }
    if (at == kNone) return fail(now, "accepted an association that nobody planned");
    sides_[at].id = event.assoc;
    sides_[at].record = record;
  }
  if (at == kNone) return fail(now, "an event for an association that is over");
  Side& side = sides_[at];
  switch (event.kind) {
    case EventKind::kAccepted:
    case EventKind::kConnected:
      up(now, side, event);
      break;
    case EventKind::kMessage:
      side.turn_bytes += static_cast<uint32_t>(event.size());
      simulator_.consumers().delivered(record, event.ppid.value, simulator_.ledger().last_offset(),
                                       static_cast<uint32_t>(event.size()));
      break;
    case EventKind::kSendAcknowledged:
    case EventKind::kSendFailed:
      side.blocked = false;
      side.next_send = std::min(side.next_send, now);
      break;
    case EventKind::kPeerShutdown:
      side.closing = true;
      side.closing_since = std::min(side.closing_since, now);
      break;
    case EventKind::kClosed:
    case EventKind::kLost:
    case EventKind::kConnectFailed:
      over(now, side, event);
      break;
    default:
      break;
  }
}

void Consumers::deliver(Host&, TimePoint now, Event& event) {
  const AssocId id = event.assoc;
  const bool accepted = event.kind == EventKind::kAccepted;
  bridges_[id.shard]->deliver(now, event);
  dirty_ = true;
  next_action_ = now;
  if (!accepted || simulator_.verdict().failed()) return;
  Side& side = sides_[side_of(id)];
  const uint32_t client = bridges_[id.shard]->client_of(id);
  if (client == 0) return fail(now, "an association that no consumer has");
  side.holder = static_cast<ConsumerIndex>(client - 1);
  simulator_.consumers().bound(side.record, side.holder);
}

// ---------------------------------------------------------------- the worker

void Consumers::worker_is_due(TimePoint now) {
  drain_at_ = std::min(drain_at_, now + some_time(microseconds(30)));
}

void Consumers::drain(Host& host, TimePoint now) {
  drain_at_ = TimePoint::never();
  for (uint16_t worker = 0; worker < bridges_.size(); ++worker) drain(host, now, worker);
}

void Consumers::drain(Host& host, TimePoint now, uint16_t worker) {
  dirty_ = true;
  struct Before {
    Lane* lane;
    uint32_t taken;
    uint32_t tx_in_use;
  };
  for (;;) {
    std::vector<Before> all;
    for (const auto& at : lanes_) {
      if (at->worker != worker) continue;
      all.push_back({at.get(), at->ring.taken(), at->channel.tx_in_use()});
      for (const auto& [side, bytes] : at->returned) {
        sides_[side].unread -= std::min(sides_[side].unread, bytes);
        sides_[side].unread_least = std::min(sides_[side].unread_least, sides_[side].unread);
      }
      at->returned.clear();
    }
    if (bridges_[worker]->drain_submissions(now) == 0) return;
    for (const Before& before : all) {
      if (before.lane->ring.taken() == before.taken) continue;
      settle(host, now, *before.lane, before.lane->channel.tx_in_use() > before.tx_in_use);
    }
  }
}

void Consumers::settle(Host& host, TimePoint now, Lane& at, bool accepted) {
  Submitted first = std::move(at.submitted.front());
  at.submitted.pop_front();
  // It has been read.
  if (first.body != TLR_NO_SLOT && !at.ring.reclaim(first.body)) fail(now, "a body's slot");
  if (first.connects) return begun(host, now, at, sides_[first.side]);
  if (!first.outgoing) return;
  Side& side = sides_[first.side];
  if (accepted) return simulator_.ledger().accepted(now, *first.outgoing);
  simulator_.ledger().refused(now, *first.outgoing);
  --side.sent;
  side.blocked = true;
  if (simulator_.ledger().record(side.record).pending == 0) {
    side.blocked = false;
    side.next_send = std::max(side.next_send, now + milliseconds(5));
  }
}

void Consumers::plan_rebind(TimePoint now, Side& side) {
  side.rebind_at = TimePoint::never();
  if (side.rebinds++ == side.assoc->rebinds) return;
  side.rebind_at = now + Duration(1) + some_time(2 * side.assoc->rebind_every);
}

void Consumers::rebind(Host& host, TimePoint now, Side& side) {
  plan_rebind(now, side);
  appring::Bridge& bridge = *bridges_[side.id.shard];
  // What the former consumer asked for is taken before, or refused after.
  if (random_.below(2) == 0) drain(host, now);
  if (side.phase != Phase::kUp) return;
  const ConsumerIndex before = side.holder;
  const auto next = static_cast<ConsumerIndex>(random_.below(mine().consumers));
  const size_t waiting = messages_waiting(lane(before, side.id.shard), side.id);
  const Status status = bridge.rebind(now, side.id, lane(next, side.id.shard).channel);
  if (status != Status::kOk && status != Status::kNotEstablished &&
      status != Status::kOutOfResources) {
    fail(now, "rebind(): " + std::string(status_text(status)));
  }
  dirty_ = true;
  if (status == Status::kOk && next != before) {
    side.holder = next;
    simulator_.consumers().bound(side.record, next, waiting);
    simulator_.note(now, "host " + std::to_string(host_) + " port " +
                             std::to_string(side.local_port) + ": from consumer " +
                             std::to_string(before) + " to " + std::to_string(next));
    side.blocked = false;
    side.next_send = now;
    // Who does not know yet that it is another's.
    if (random_.below(4) == 0 && !side.closing && !has_sent_all(side)) {
      static_cast<void>(send_one(now, side, before));
    }
  }
  if (bridge.client_of(side.id) != side.holder + 1u) fail(now, "an association of another client");
}

void Consumers::end_turn(Host&, TimePoint now, uint16_t shard) {
  bridges_[shard]->flush();
  dirty_ = false;
  for (const auto& at : lanes_) {
    if (at->worker != shard) continue;
    at->ring.each_new([&](const tlr_completion& entry) {
      const size_t side = side_of(entry, shard);
      if (entry.kind == TLR_MESSAGE && side != kNone && sides_[side].phase == Phase::kUp) {
        sides_[side].unread += entry.length;
      }
    });
    if (at->ring.has_any() && at->poll_at.is_never()) {
      at->poll_at = std::max(now + some_time(microseconds(200)), at->stalled_until);
    }
  }
  for (Side& side : sides_) {
    if (side.phase != Phase::kUp || side.id.shard != shard) continue;
    side.most_of_a_turn = std::max(side.most_of_a_turn, std::exchange(side.turn_bytes, 0));
    const uint32_t least = std::min(side.unread, side.unread_least);
    limit_window(side, least - std::min(least, given_back(side)));
    side.unread_least = side.unread;
    check_unread(now, side);
  }
  update_next_action();
}

// What lies on its way back to the bridge: it looks there for slots when it needs some, too, and
// not only when the worker drains, so it may know of it or not.
uint32_t Consumers::given_back(const Side& side) const {
  uint32_t sum = 0;
  for (const auto& at : lanes_) {
    for (const auto& [index, bytes] : at->returned) {
      if (&sides_[index] == &side) sum += bytes;
    }
  }
  return sum;
}

// Of a few bytes the bridge says nothing.
void Consumers::limit_window(const Side& side, uint32_t unread) {
  const uint32_t whole = mine().profile.a_rwnd;
  const uint32_t told = unread > kCrumbs ? unread : 0;
  simulator_.referee().limit_window(host_, side.peer_host, PortNumber(side.local_port),
                                    PortNumber(side.peer_port), whole - std::min(whole, told));
}

// As Chatter has it; a reader may have crumbs beside.
void Consumers::check_unread(TimePoint now, const Side& side) {
  const Profile& profile = mine().profile;
  const uint32_t most = profile.a_rwnd + side.most_of_a_turn + profile.path_mtu + kCrumbs +
                        side.peer_plan->traffic.max_size;
  if (side.unread <= most) return;
  fail(now, std::to_string(side.unread) + " bytes unread, the window has " +
                std::to_string(profile.a_rwnd) + ", and a turn delivered " +
                std::to_string(side.most_of_a_turn));
}

uint64_t Consumers::unread_of(uint16_t shard) const {
  uint64_t bytes = 0;
  for (const Side& side : sides_) {
    if (side.phase == Phase::kUp && side.id.shard == shard) bytes += side.unread;
  }
  return bytes;
}

size_t Consumers::messages_waiting(const Lane& at, AssocId id) {
  size_t n = 0;
  at.channel.each_waiting([&](const Event& event) {
    n += event.assoc == id && event.kind == EventKind::kMessage ? 1 : 0;
  });
  return n;
}

uint64_t Consumers::waiting(const Lane& at, bool of_the_dead) const {
  uint64_t bytes = 0;
  at.channel.each_waiting([&](const Event& event) {
    const size_t side = side_of(event.assoc);
    if (of_the_dead && side != kNone && sides_[side].phase == Phase::kUp) return;
    bytes += ReceiveBlocks::blocks_for(event.size()) * uint64_t{ReceiveBlock::kSize};
  });
  return bytes;
}

uint64_t Consumers::kept_blocks() const {
  uint64_t bytes = 0;
  for (const auto& at : lanes_) bytes += waiting(*at, false);
  return bytes;
}

uint64_t Consumers::left_blocks(uint16_t shard) const {
  uint64_t bytes = 0;
  for (const auto& at : lanes_) bytes += at->worker == shard ? waiting(*at, true) : 0;
  return bytes;
}

// ---------------------------------------------------------------- time

TimePoint Consumers::next_of(const Side& side) const {
  TimePoint next = side.connect_at;
  if (side.phase != Phase::kUp) return next;
  next = std::min(next, side.rebind_at);
  if (!side.blocked && !side.closing && !has_sent_all(side)) next = std::min(next, side.next_send);
  const TimePoint end = side.up_since + side.plan->ending_after;
  if (!side.ended_it && end > simulator_.now()) next = std::min(next, end);
  return next;
}

TimePoint Consumers::next_of(const Lane& at) {
  return at.held.empty() ? at.poll_at : std::min(at.poll_at, at.held.front().give_at);
}

void Consumers::update_next_action() {
  next_action_ = asked_ || dirty_ ? simulator_.now() : drain_at_;
  for (const Side& side : sides_) next_action_ = std::min(next_action_, next_of(side));
  for (const auto& at : lanes_) next_action_ = std::min(next_action_, next_of(*at));
}

void Consumers::act(Host& host, TimePoint now) {
  asked_ = false;
  if (drain_at_ <= now) drain(host, now);
  for (const auto& at : lanes_) {
    if (at->poll_at <= now) poll(now, *at);
    give_back(now, *at);
  }
  for (Side& side : sides_) {
    if (side.connect_at <= now) connect(now, side);
    if (side.phase != Phase::kUp) continue;
    if (side.rebind_at <= now) rebind(host, now, side);
    const bool sends = !side.blocked && !side.closing && !has_sent_all(side);
    if (sends && side.next_send <= now) send_some(now, side);
    try_ending(now, side);
  }
  update_next_action();
}

// ---------------------------------------------------------------- the end

bool Consumers::finished() const {
  const bool sides_are = std::all_of(sides_.begin(), sides_.end(), [](const Side& side) {
    return side.phase == Phase::kOver || (side.phase == Phase::kWaiting && !side.connector);
  });
  return sides_are && std::all_of(lanes_.begin(), lanes_.end(), [](const auto& at) {
           return at->submitted.empty() && at->held.empty() && at->returned.empty() &&
                  !at->ring.has_any() && at->channel.backlog_empty();
         });
}

void Consumers::check_end(Host& host, TimePoint now) {
  drain(host, now);
  for (const auto& bridge : bridges_) {
    if (bridge->associations() != 0) fail(now, "a bridge has associations left");
  }
  for (const auto& at : lanes_) {
    if (at->channel.tx_in_use() != 0) fail(now, "slots of sends are not given back");
    if (at->channel.unread_bytes() != 0) fail(now, "bytes are unread when all is read");
    if (at->ring.under_way() != 0) fail(now, "a lane waits for the end of a send");
  }
  if (!simulator_.verdict().failed()) let_go(host, now);
}

void Consumers::let_go(Host& host, TimePoint now) {
  for (const auto& bridge : bridges_) {
    for (const auto& client : clients_) {
      static_cast<void>(
          bridge->mailbox().post_to_worker({appring::MailKind::kRemove, client.get()}));
    }
  }
  drain(host, now);
  for (const auto& bridge : bridges_) {
    size_t gone = 0;
    appring::Mail mail;
    while (bridge->mailbox().take_from_worker(mail)) gone += mail.kind == appring::MailKind::kGone;
    if (gone != clients_.size()) fail(now, "a client that has hung up is still known to a bridge");
    if (bridge->endpoints_in_use() != 0) fail(now, "a bridge has endpoints left, and no clients");
  }
}

std::string Consumers::pending() const {
  std::string out;
  for (const Side& side : sides_) {
    out += "host " + std::to_string(host_) + " port " + std::to_string(side.local_port) +
           ": phase " + std::to_string(static_cast<int>(side.phase)) + ", consumer " +
           std::to_string(side.holder) + ", sent " + std::to_string(side.sent) + " of " +
           std::to_string(side.plan->traffic.messages) + ", read " + std::to_string(side.read) +
           " of " + std::to_string(side.peer_plan->traffic.messages) + ", unread " +
           std::to_string(side.unread) + (side.blocked ? ", blocked" : "") +
           (side.closing ? ", closing" : "") + (side.ended_it ? ", ended it" : "") + "\n";
  }
  return out;
}

}  // namespace trunkline::sim
