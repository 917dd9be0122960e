// SPDX-License-Identifier: BSD-3-Clause
// How a simulated application talks.
#include "chatter.h"

#include <algorithm>
#include <array>
#include <utility>

#include "rx/receive_blocks.h"

namespace trunkline::sim {

using std::chrono::milliseconds;

namespace {

// Of this host's ports, in the table that its shards share.
constexpr uint64_t kOwner = 1;
constexpr uint64_t kAnother = 2;

}  // namespace

Chatter::Chatter(Simulator& simulator, const Plan& plan, HostIndex host, Meetings& meetings)
    : simulator_(simulator),
      plan_(plan),
      host_(host),
      random_(simulator.seed() * 7919 + host),
      meetings_(meetings) {}

void Chatter::fail(TimePoint now, const std::string& what) {
  simulator_.verdict().fail(now, "host " + std::to_string(host_) + ": " + what);
}

// ---------------------------------------------------------------- life of the host

void Chatter::started(Host& host, TimePoint now) {
  sides_.clear();
  bounds_.clear();
  for (const AssocPlan& assoc : plan_.assocs) {
    for (const bool client : {true, false}) {
      if ((client ? assoc.client : assoc.server) != host_) continue;
      Side side;
      side.assoc = &assoc;
      side.plan = client ? &assoc.client_side : &assoc.server_side;
      side.peer_plan = client ? &assoc.server_side : &assoc.client_side;
      side.connector = client || assoc.both_connect;
      side.peer_host = client ? assoc.server : assoc.client;
      side.local_port = client ? assoc.client_port : assoc.server_port;
      side.peer_port = client ? assoc.server_port : assoc.client_port;
      side.client = client;
      if (client) meeting(side).client_port = assoc.client_port;
      if (side.local_port != 0) {
        side.bound = bind(host, now, side, 0, host.shard_count());
        (client ? meeting(side).client_end : meeting(side).server_end) = bounds_[side.bound].end;
      }
      if (side.connector) {
        // After a restart the client is back at once.
        const bool again = host.boot() > 1;
        side.connect_at =
            again ? now : now + (client ? assoc.connect_after : assoc.peer_connect_after);
      }
      sides_.push_back(std::move(side));
    }
  }
  update_next_action();
}

size_t Chatter::bind(Host& host, TimePoint now, const Side& side, uint16_t first, uint16_t count) {
  const HostPlan& mine = plan_.hosts[host_];
  EndpointConfig config;
  config.port = PortNumber(side.local_port);
  config.addresses = plan_.bound_of(*side.assoc, side.client, host.boot() > 1);
  config.owner = kOwner;
  config.profile = mine.profile;
  config.listening = mine.listening && (!side.client || side.assoc->both_connect);
  config.user = side.local_port;
  const auto addresses = BoundAddresses::of(config.addresses);
  if (!addresses) {
    fail(now, "a plan with addresses that do not go together");
    return SIZE_MAX;
  }
  const bool lists = !side.assoc->client_bound.empty() || !side.assoc->server_bound.empty();
  for (size_t i = 0; i < bounds_.size() && side.local_port != 0; ++i) {
    Bound& known = bounds_[i];
    if (known.port != side.local_port || (lists && !(known.addresses == *addresses))) continue;
    for (uint16_t at = 0; at < host.shard_count() && lists && config.listening; ++at) {
      static_cast<void>(host.shard(at).set_listening(known.ids[at], true, known.port));
    }
    return i;
  }
  Bound bound;
  bound.addresses = *addresses;
  bound.ids.resize(host.shard_count());
  bound.first = first;
  bound.count = count;
  for (uint16_t i = first; i < first + count; ++i) {
    const EndpointResult result = host.shard(i).add_endpoint(config);
    if (side.local_port == 0 && result.status == Status::kOutOfResources) return SIZE_MAX;
    if (result.status != Status::kOk ||
        (side.local_port != 0 && result.port.value != side.local_port)) {
      fail(now, "add_endpoint: " + std::string(status_text(result.status)));
      return SIZE_MAX;
    }
    bound.ids[i] = result.endpoint;
    bound.port = result.port.value;
  }
  bound.end = simulator_.ends().opened(now, host_, PortNumber(bound.port), bound.addresses);
  if (lists) try_to_take(host, now, bound);
  bounds_.push_back(std::move(bound));
  return bounds_.size() - 1;
}

// As whoever calls without a port of its own gets one: at the shard that calls.
bool Chatter::bind_ephemeral(Host& host, TimePoint now, Side& side, uint16_t shard) {
  side.local_port = 0;
  side.bound = bind(host, now, side, shard, 1);
  if (side.bound == SIZE_MAX) {
    const auto addresses = BoundAddresses::of(plan_.bound_of(*side.assoc, side.client));
    simulator_.ends().refused(now, host_, *addresses);
    side.connect_at = now + milliseconds(50);  // somebody else will have ended by then
    return false;
  }
  const Bound& bound = bounds_[side.bound];
  if (bound.port < 49152) fail(now, "an ephemeral port below the dynamic ones (RFC 6335)");
  side.local_port = bound.port;
  side.endpoint_closed = false;
  meeting(side).client_port = bound.port;
  meeting(side).client_end = bound.end;
  simulator_.ends().note_ephemeral(host_, PortNumber(bound.port));
  return true;
}

// Nobody else gets that port on one of its addresses, at whichever shard.
void Chatter::try_to_take(Host& host, TimePoint now, const Bound& bound) {
  EndpointConfig config;
  config.port = PortNumber(bound.port);
  if (!bound.addresses.is_all() && random_.below(2) == 0) {
    const auto named = bound.addresses.named();
    config.addresses = {named[random_.below(named.size())]};
  }
  config.owner = kAnother;
  const auto shard = static_cast<uint16_t>(random_.below(host.shard_count()));
  const EndpointResult result = host.shard(shard).add_endpoint(config);
  if (result.status != Status::kAlreadyExists) {
    fail(now, "port " + std::to_string(bound.port) +
                  " was given to two users: " + std::string(status_text(result.status)));
  }
}

size_t Chatter::bound_of(uint16_t shard, EndpointId endpoint) const {
  for (size_t i = 0; i < bounds_.size(); ++i) {
    const Bound& bound = bounds_[i];
    const bool here = shard >= bound.first && shard < bound.first + bound.count;
    if (here && bound.ids[shard] == endpoint) return i;
  }
  return SIZE_MAX;
}

Status Chatter::close(Host& host, const Bound& bound) {
  Status status = Status::kOk;
  for (uint16_t i = bound.first; i < bound.first + bound.count; ++i) {
    const Status here = host.shard(i).close_endpoint(bound.ids[i]);
    if (here != Status::kOk) status = here;
  }
  return status;
}

void Chatter::crashed(Host&, TimePoint) {
  sides_.clear();  // kept messages go back to the shard while it exists
  next_action_ = TimePoint::never();
}

bool Chatter::finished() const {
  return std::all_of(sides_.begin(), sides_.end(), [](const Side& side) {
    return side.phase == Phase::kOver || (side.phase == Phase::kWaiting && !side.connector);
  });
}

std::string Chatter::pending() const {
  std::string out;
  for (const Side& side : sides_) {
    if (side.phase == Phase::kOver) continue;
    out += "host " + std::to_string(host_) + " port " + std::to_string(side.local_port) +
           ": phase " + std::to_string(static_cast<int>(side.phase)) + ", sent " +
           std::to_string(side.sent) + " of " + std::to_string(side.plan->traffic.messages) +
           ", received " + std::to_string(side.received) + " of " +
           std::to_string(side.peer_plan->traffic.messages) + (side.blocked ? ", blocked" : "") +
           (side.closing ? ", closing" : "") + (side.ended_it ? ", ended it" : "") + ", kept " +
           std::to_string(side.kept.size()) + "\n";
  }
  return out;
}

// ---------------------------------------------------------------- associations

Chatter::Side* Chatter::side_of(AssocId id) {
  for (Side& side : sides_) {
    if (side.id == id) return &side;
  }
  return nullptr;
}

Chatter::Side* Chatter::side_for(HostIndex peer_host, size_t bound, const IpAddress& peer,
                                 uint16_t peer_port) {
  const uint8_t end = simulator_.ends().end_of(peer_host, peer, PortNumber(peer_port));
  for (Side& side : sides_) {
    const Meeting& met = meeting(side);
    const uint16_t port = side.client ? side.peer_port : met.client_port;
    if (side.peer_host != peer_host || side.bound != bound || port != peer_port) continue;
    if ((side.client ? met.server_end : met.client_end) != end) continue;
    side.peer_port = peer_port;
    return &side;
  }
  return nullptr;
}

IpAddress Chatter::peer_address(Host& host, const Side& side) const {
  AssocStatus status;
  if (!side.assoc->dialled.empty() && host.shard_of(side.id).status(side.id, status)) {
    return status.paths[0].remote;
  }
  return plan_.addresses_of(*side.assoc, !side.client)[0];
}

void Chatter::connect(Host& host, TimePoint now, Side& side) {
  side.connect_at = TimePoint::never();
  if (side.phase != Phase::kWaiting) return;  // the peer was faster
  const uint16_t planned = side.client ? side.assoc->client_shard : side.assoc->server_shard;
  const auto shard = static_cast<uint16_t>(planned % host.shard_count());
  const bool ephemeral = side.client && side.assoc->client_port == 0;
  if (ephemeral && !bind_ephemeral(host, now, side, shard)) return;
  const Bound& bound = bounds_[side.bound];
  const std::vector<IpAddress> peer = plan_.addresses_of(*side.assoc, !side.client);
  const size_t named = side.assoc->named > 0 ? side.assoc->named : peer.size();
  ConnectRequest request;
  request.endpoint = bound.ids[shard];
  request.peer_addresses = std::span(peer).first(std::min(named, peer.size()));
  request.peer_port = PortNumber(side.peer_port);
  request.outbound_streams = side.assoc->outbound_streams;
  request.user = side.local_port;
  const ConnectResult result = host.shard(shard).connect(now, request);
  if (result.status == Status::kOutOfResources && plan_.expect.refusals) {
    side.connect_at = ++side.refusals < 20 ? now + milliseconds(100) : TimePoint::never();
    if (side.refusals == 20) side.phase = Phase::kOver;
    return;
  }
  if (result.status != Status::kOk) {
    return fail(now, "connect: " + std::string(status_text(result.status)));
  }
  if (side.peer_host == host_) {
    simulator_.ends().expect_within(host_, PortNumber(side.local_port), PortNumber(side.peer_port));
  }
  for (const IpAddress& address : request.peer_addresses) {
    const uint8_t end =
        simulator_.ends().end_of(side.peer_host, address, PortNumber(side.peer_port));
    simulator_.paths().named({host_, bound.end}, {side.peer_host, end}, PortNumber(side.local_port),
                             PortNumber(side.peer_port), address);
  }
  const RecordId record = simulator_.ledger().connecting(
      now, host_, host.boot(), result.assoc, PortNumber(side.local_port), side.peer_host,
      PortNumber(side.peer_port));
  begin(now, side, result.assoc, record);
  side.phase = Phase::kConnecting;
  const auto other =
      static_cast<uint16_t>(bound.first + random_.below(ephemeral ? 1 : host.shard_count()));
  request.endpoint = bound.ids[other];
  const ConnectResult twice = host.shard(other).connect(now, request);
  if (twice.status != Status::kAlreadyExists) {
    fail(now, "a second connect to the same peer: " + std::string(status_text(twice.status)));
  }
  if (side.plan->traffic.early) send_some(host, now, side);
}

void Chatter::begin(TimePoint now, Side& side, AssocId id, RecordId record) {
  side.id = id;
  side.record = record;
  side.user = side.former_user = side.local_port;
  side.streams = 1;
  side.sent = side.received = 0;
  side.to_answer = side.connector ? 1 : 0;
  side.blocked = side.closing = side.ended_it = false;
  side.next_send = TimePoint::never();
  side.stalled_until = now;
  side.closing_since = TimePoint::never();
}

void Chatter::up(Host& host, TimePoint now, Side& side, const Event& event) {
  side.phase = Phase::kUp;
  side.ever_up = true;
  side.up_since = now;
  side.streams = std::min(side.plan->traffic.streams, event.outbound_streams);
  side.next_send = now;
  if (side.assoc->close_in_one && !side.endpoint_closed) {
    const auto shard = static_cast<uint16_t>(random_.below(host.shard_count()));
    static_cast<void>(host.shard(shard).close_endpoint(bounds_[side.bound].ids[shard]));
  }
  if (side.connector && side.assoc->close_endpoint && !side.endpoint_closed) {
    side.endpoint_closed = true;
    const Status status = close(host, bounds_[side.bound]);
    if (status != Status::kOk && !side.assoc->close_in_one) fail(now, "close_endpoint()");
  }
}

void Chatter::over(Host& host, TimePoint now, Side& side, const Event& event) {
  side.phase = Phase::kOver;
  // The application may still hold messages of an association that is no more.
  side.kept.clear();
  side.kept_bytes = 0;
  side.unread.clear();
  side.unread_bytes = side.unread_told = side.unread_least = 0;
  limit_window(side);
  const AssocId dead = side.id;
  auto outgoing = simulator_.ledger().make(side.record, StreamId(0), false, 10, 1);
  const Status status = host.shard_of(dead).send(now, dead, outgoing.request, outgoing.payload);
  if (status != Status::kNoSuchAssociation) {
    fail(now, "send() on a dead id: " + std::string(status_text(status)));
  }
  simulator_.ledger().refused(now, outgoing);
  if (host.shard_of(dead).shutdown(now, dead) != Status::kNoSuchAssociation ||
      host.shard_of(dead).abort(now, dead, {}) != Status::kNoSuchAssociation) {
    fail(now, "shutdown() or abort() on a dead id was accepted");
  }
  host.shard_of(dead).consumed(now, dead, 1000);
  side.id = AssocId{};
  const Duration guard = plan_.hosts[host_].profile.guard();
  if (event.kind == EventKind::kLost && event.reason == Reason::kTimedOut &&
      !side.closing_since.is_never() && now >= side.closing_since + guard) {
    guarded_.push_back(side.assoc);
  }
  if (side.client && side.assoc->client_port == 0) {
    Bound& bound = bounds_[side.bound];
    if (close(host, bound) != Status::kOk) fail(now, "close_endpoint() of an ephemeral port");
    simulator_.ends().closed(host_, PortNumber(bound.port), bound.addresses);
    bound.count = 0;
    meeting(side).client_port = 0;  // whoever has it next is another one
  }
  const bool lost = event.kind == EventKind::kLost || event.kind == EventKind::kConnectFailed;
  if (lost && side.connector && side.assoc->reconnect && !side.ended_it) {
    side.phase = Phase::kWaiting;
    side.connect_at = now + milliseconds(50);
  }
}

void Chatter::on_event(Host& host, TimePoint now, RecordId record, Event& event) {
  Side* side = side_of(event.assoc);
  if (event.kind == EventKind::kAccepted) {
    const AssocRecord& entry = simulator_.ledger().record(record);
    side = side_for(entry.peer_host, bound_of(event.assoc.shard, event.endpoint), event.path,
                    entry.peer_port.value);
    if (side == nullptr) return fail(now, "accepted an association that nobody planned");
    if (side->phase == Phase::kConnecting || side->phase == Phase::kUp) {
      return fail(now, "accepted a second association with the same peer and ports");
    }
    begin(now, *side, event.assoc, record);
    for (const Side& caller : sides_) {
      if (caller.assoc != side->assoc || &caller == side) continue;
      ++within_;
      across_ += caller.id.shard != event.assoc.shard;
    }
  }
  if (side == nullptr) return fail(now, "an event for an association that is over");
  // Those that waited when it was set have the one before it, and come before the others.
  if (event.user == side->user) side->former_user = side->user;
  if (event.user != side->former_user) fail(now, "an event with the wrong user word");
  side->asked = true;
  switch (event.kind) {
    case EventKind::kAccepted:
    case EventKind::kConnected:
      up(host, now, *side, event);
      break;
    case EventKind::kRestarted: {
      const uint64_t user = side->user;
      begin(now, *side, event.assoc, record);
      side->user = user;
      up(host, now, *side, event);
      break;
    }
    case EventKind::kMessage:
      got_message(host, now, *side, event);
      break;
    case EventKind::kSendAcknowledged:
      if (side->blocked || side->plan->traffic.pattern != Pattern::kPaced) {
        side->next_send = std::min(side->next_send, now);
      }
      side->blocked = false;
      break;
    case EventKind::kPeerShutdown:
      side->closing = true;
      side->closing_since = std::min(side->closing_since, now);
      break;
    case EventKind::kClosed:
    case EventKind::kLost:
    case EventKind::kConnectFailed:
      over(host, now, *side, event);
      break;
    default:
      break;
  }
  update_next_action();
}

// ---------------------------------------------------------------- reading

void Chatter::got_message(Host& host, TimePoint now, Side& side, Event& event) {
  const uint32_t offset = simulator_.ledger().last_offset();
  if (!event.more) ++side.received;
  if (side.plan->traffic.pattern == Pattern::kPingPong && !event.more) {
    ++side.to_answer;
    side.next_send = std::min(side.next_send, now);
  }
  side.turn_bytes += static_cast<uint32_t>(event.size());
  const ReaderPlan& reader = side.plan->reader;
  const bool stalls = reader.stall > 0 && random_.below(1'000'000) < reader.stall;
  if (stalls && side.stalled_until <= now) side.stalled_until = now + reader.stall_for;
  const bool keeps = side.stalled_until > now || !side.kept.empty() ||
                     (reader.keep > 0 && random_.below(1'000'000) < reader.keep);
  const bool waits = side.plan->reader.slots > 0 && !side.unread.empty();
  if (!keeps && !waits) return;
  if (reader.slots > 0 && side.kept.empty() && has_slots(side, event.size())) {
    return lend(now, side, event.size());
  }
  if (!host.shard_of(event.assoc).keep(now, event)) {
    // The association is aborted; its last event follows.
    return;
  }
  simulator_.ledger().check_kept(now, side.record, event, offset);
  side.kept_bytes += event.size();
  Kept kept;
  kept.take_at =
      std::max(side.stalled_until, now + Duration(static_cast<int64_t>(random_.below(3'000'000))));
  kept.event = std::move(event);
  kept.offset = offset;
  side.kept.push_back(std::move(kept));
}

// The message has left the daemon and lies with the reader, who is slow.
void Chatter::lend(TimePoint now, Side& side, size_t bytes) {
  const auto lag = static_cast<uint64_t>(side.plan->reader.lag.count());
  const TimePoint after = side.unread.empty() ? now : std::max(now, side.unread.back().read_at);
  const Duration takes(static_cast<int64_t>(random_.below(lag + 1)));
  side.unread.push_back(
      {static_cast<uint32_t>(bytes), std::max(side.stalled_until, after) + takes});
  side.unread_bytes += static_cast<uint32_t>(bytes);
}

// What is kept gets the room that reading makes. What is unread then is told first: the window must
// not seem to open in between.
void Chatter::read(Host& host, TimePoint now, Side& side) {
  while (!side.unread.empty() && side.unread.front().read_at <= now) {
    side.unread_bytes -= side.unread.front().bytes;
    side.unread.pop_front();
  }
  while (!side.kept.empty() && has_slots(side, side.kept.front().event.size())) {
    const Kept& first = side.kept.front();
    simulator_.ledger().check_kept(now, side.record, first.event, first.offset);
    const size_t bytes = first.event.size();
    lend(now, side, bytes);
    side.kept_bytes -= bytes;
    side.kept.pop_front();
    tell_unread(host, side);
    host.shard_of(side.id).consumed(now, side.id, bytes);
  }
}

void Chatter::tell_unread(Host& host, Side& side) {
  if (side.unread_told == side.unread_bytes) return;
  side.unread_told = side.unread_bytes;
  side.unread_least = std::min(side.unread_least, side.unread_told);
  static_cast<void>(host.shard_of(side.id).set_unread(side.id, side.unread_bytes));
}

// A SACK that was written in the course of a turn knows what was told before.
void Chatter::limit_window(const Side& side) {
  const uint32_t whole = plan_.hosts[host_].profile.a_rwnd;
  simulator_.referee().limit_window(host_, side.peer_host, PortNumber(side.local_port),
                                    PortNumber(side.peer_port),
                                    whole - std::min(whole, side.unread_least));
}

// What the peer may send is bounded by what it was told, which knows nothing of what the same turn
// delivered; a packet more is a probe of it (6.1 A), and a message that has begun comes in whole.
void Chatter::check_unread(TimePoint now, const Side& side) {
  const Profile& profile = plan_.hosts[host_].profile;
  const uint32_t most =
      profile.a_rwnd + side.most_of_a_turn + profile.path_mtu + side.peer_plan->traffic.max_size;
  if (side.unread_bytes <= most) return;
  fail(now, std::to_string(side.unread_bytes) + " bytes unread, the window has " +
                std::to_string(profile.a_rwnd) + ", and a turn delivered " +
                std::to_string(side.most_of_a_turn));
}

void Chatter::end_turn(Host& host, TimePoint now, uint16_t shard) {
  for (Side& side : sides_) {
    if (side.phase != Phase::kUp || side.plan->reader.slots == 0 || side.id.shard != shard)
      continue;
    side.most_of_a_turn = std::max(side.most_of_a_turn, std::exchange(side.turn_bytes, 0));
    tell_unread(host, side);
    limit_window(side);
    side.unread_least = side.unread_told;
    check_unread(now, side);
  }
}

uint64_t Chatter::unread_of(uint16_t shard) const {
  uint64_t bytes = 0;
  for (const Side& side : sides_) {
    if (side.id.shard == shard) bytes += side.unread_told;
  }
  return bytes;
}

uint64_t Chatter::kept_blocks() const {
  uint64_t blocks = 0;
  for (const Side& side : sides_) {
    for (const Kept& kept : side.kept) {
      blocks += ReceiveBlocks::blocks_for(kept.event.size()) * uint64_t{ReceiveBlock::kSize};
    }
  }
  return blocks;
}

void Chatter::take_kept(Host& host, TimePoint now, Side& side) {
  while (!side.kept.empty() && side.kept.front().take_at <= now) {
    Kept& first = side.kept.front();
    simulator_.ledger().check_kept(now, side.record, first.event, first.offset);
    const size_t bytes = first.event.size();
    side.kept_bytes -= bytes;
    side.kept.pop_front();
    host.shard_of(side.id).consumed(now, side.id, bytes);
    if (side.plan->reader.trickle && !side.kept.empty()) {
      side.kept.front().take_at =
          std::max(side.kept.front().take_at,
                   now + Duration(static_cast<int64_t>(1 + random_.below(2'000'000))));
    }
  }
}

// ---------------------------------------------------------------- writing

bool Chatter::has_sent_all(const Side& side) const {
  if (side.plan->traffic.pattern == Pattern::kSilent) return true;
  return side.sent >= side.plan->traffic.messages;
}

bool Chatter::send_one(Host& host, TimePoint now, Side& side) {
  const TrafficPlan& traffic = side.plan->traffic;
  const bool up = side.phase == Phase::kUp;
  const auto stream = static_cast<uint16_t>(up ? random_.below(side.streams) : 0);
  const bool unordered = random_.below(1'000'000) < traffic.unordered;
  const auto size = static_cast<uint32_t>(traffic.min_size +
                                          random_.below(traffic.max_size - traffic.min_size + 1));
  auto outgoing = simulator_.ledger().make(side.record, StreamId(stream), unordered, size,
                                           1 + static_cast<uint32_t>(random_.below(4)));
  outgoing.request.sack_immediately = random_.below(20) == 0;
  const Status status =
      host.shard_of(side.id).send(now, side.id, outgoing.request, outgoing.payload);
  if (status == Status::kOk) {
    simulator_.ledger().accepted(now, outgoing);
    ++side.sent;
    return true;
  }
  simulator_.ledger().refused(now, outgoing);
  if (status == Status::kWouldBlock) {
    if (simulator_.ledger().record(side.record).pending == 0) {
      fail(now, "send() would block though nothing is pending");
    }
    side.blocked = true;
  } else if (status == Status::kOutOfResources && plan_.expect.refusals) {
    side.next_send = now + milliseconds(10);
  } else if (status == Status::kClosing) {
    if (!side.closing && !side.ended_it && up) fail(now, "send(): kClosing, and nobody closes");
    side.closing = true;
  } else if (status != Status::kNotEstablished || up) {
    fail(now, "send(): " + std::string(status_text(status)));
  }
  return false;
}

void Chatter::send_some(Host& host, TimePoint now, Side& side) {
  const TrafficPlan& traffic = side.plan->traffic;
  side.next_send = TimePoint::never();
  if (traffic.pattern == Pattern::kSilent) return;
  if (traffic.pattern == Pattern::kPingPong) {
    while (side.to_answer > 0 && !side.blocked && !side.closing && !has_sent_all(side)) {
      if (!send_one(host, now, side)) return;
      --side.to_answer;
    }
    return;
  }
  // Streams come in portions, so that an iteration stays one.
  const uint32_t portion = traffic.pattern == Pattern::kIdle     ? 1
                           : traffic.pattern == Pattern::kBursts ? traffic.burst
                           : traffic.pattern == Pattern::kPaced  ? traffic.burst
                                                                 : 32;
  for (uint32_t i = 0; i < portion && !has_sent_all(side); ++i) {
    if (side.blocked || side.closing || !send_one(host, now, side)) return;
  }
  if (has_sent_all(side)) return;
  side.next_send = now + (traffic.pattern == Pattern::kStream ? milliseconds(1) : traffic.gap);
}

// Looks and touches where nothing may come of it.
void Chatter::meddle(Host& host, TimePoint now, Side& side) {
  Shard& shard = host.shard_of(side.id);
  const Profile& profile = plan_.hosts[host_].profile;
  const bool up = side.phase == Phase::kUp;
  switch (random_.below(5)) {
    case 0: {
      AssocStatus status;
      if (!shard.status(side.id, status)) return fail(now, "no status of a living association");
      bool good = status.id == side.id && status.local_port.value == side.local_port &&
                  status.peer_port.value == side.peer_port && !status.paths.empty() &&
                  status.state != AssocState::kClosed && status.user == side.user &&
                  status.a_rwnd <= profile.a_rwnd;
      uint64_t flight = 0;
      for (const PathStatus& path : status.paths) {
        flight += path.flight;
        good = good && path.rto >= profile.rto_min && path.rto <= profile.rto_max &&
               path.mtu <= profile.path_mtu && path.cwnd > 0;
      }
      // The one counts payload, the other DATA chunks: at most twenty bytes for one of payload.
      if (!good || flight > 20 * status.outstanding_bytes) fail(now, "status() makes no sense");
      break;
    }
    case 1: {
      side.former_user = side.user;
      side.user = random_.next();
      if (shard.set_user(side.id, side.user) != Status::kOk) fail(now, "set_user()");
      edit_profile(host, now, side);
      break;
    }
    case 2: {
      const IpAddress peer = peer_address(host, side);
      const Status status = shard.request_heartbeat(now, side.id, peer);
      const bool expected =
          status == Status::kOk || status == Status::kNotEstablished || status == Status::kClosing;
      if (!expected || (up && !side.closing && status != Status::kOk)) {
        fail(now, "request_heartbeat(): " + std::string(status_text(status)));
      }
      if (shard.request_heartbeat(now, side.id, IpAddress::ipv4(9, 9, 9, 9)) !=
          Status::kInvalidAddress) {
        fail(now, "request_heartbeat() to an unknown address");
      }
      break;
    }
    case 3: {
      AssocId wrong = side.id;
      ++wrong.generation;
      AssocStatus status;
      if (shard.status(wrong, status) || shard.shutdown(now, wrong) == Status::kOk ||
          shard.set_user(wrong, 1) == Status::kOk) {
        fail(now, "an id of another generation was taken");
      }
      break;
    }
    default: {
      if (!up) return;
      const auto size = profile.max_message_size + 1;
      auto outgoing = simulator_.ledger().make(side.record, StreamId(0), false, size, 2);
      const Status status =
          host.shard_of(side.id).send(now, side.id, outgoing.request, outgoing.payload);
      if (status != Status::kMessageTooLarge && status != Status::kClosing) {
        fail(now, "send() of too much: " + std::string(status_text(status)));
      }
      simulator_.ledger().refused(now, outgoing);
      break;
    }
  }
}

// Of the association, and of one of the peer's addresses: what changes how it sends, and nothing
// that its referee goes by.
void Chatter::edit_profile(Host& host, TimePoint now, const Side& side) {
  Shard& shard = host.shard_of(side.id);
  const Profile& profile = plan_.hosts[host_].profile;
  ProfileEdit edit;
  edit.max_burst = static_cast<uint8_t>(1 + side.user % 8);
  edit.nagle = side.user % 16 < 8;
  // A plan may say what no operator may.
  const bool good = !fault_of(edit.applied_to(profile));
  const EditResult edited = shard.set_profile(now, side.id, edit);
  if (edited.status != (good ? Status::kOk : Status::kInvalidValue)) {
    fail(now, "set_profile(): " + std::string(edited.fault.field));
  }
  edit.rto_min = std::chrono::seconds(100);
  edit.rto_initial = std::chrono::seconds(1);
  if (shard.set_profile(now, side.id, edit).status != Status::kInvalidValue) {
    fail(now, "set_profile() of what contradicts itself");
  }
  PathEdit path;
  path.dscp = static_cast<uint8_t>(side.user % 64);
  const IpAddress peer = peer_address(host, side);
  const Status status = shard.set_path_profile(now, side.id, peer, path).status;
  if (good && status != Status::kOk && status != Status::kOutOfResources)
    fail(now, "set_path_profile()");
}

// To any address of the peer, dead or alive. One that is not confirmed is refused (5.4).
void Chatter::switch_primary(Host& host, TimePoint now, Side& side) {
  const std::vector<IpAddress> peer = plan_.addresses_of(*side.assoc, !side.client);
  const IpAddress& to = peer[random_.below(peer.size())];
  const Status status = host.shard_of(side.id).set_primary(now, side.id, to);
  if (status != Status::kOk && status != Status::kInvalidAddress && status != Status::kClosing) {
    fail(now, "set_primary(): " + std::string(status_text(status)));
  }
}

void Chatter::check_end(Host& host, TimePoint now) {
  for (const Bound& bound : bounds_) {
    static_cast<void>(close(host, bound));
    for (uint16_t i = bound.first; i < bound.first + bound.count; ++i) {
      if (host.shard(i).close_endpoint(bound.ids[i]) != Status::kNoSuchEndpoint) {
        fail(now, "an endpoint that was closed and has no association is still there");
      }
    }
  }
  for (const Bound& bound : bounds_) {
    EndpointConfig config;
    config.port = PortNumber(bound.port);
    config.addresses = {plan_.hosts[host_].addresses[0]};
    for (uint16_t i = 0; i < host.shard_count(); ++i) {
      const EndpointResult again = host.shard(i).add_endpoint(config);
      if (again.status != Status::kOk) {
        fail(now,
             "add_endpoint() on a port that was closed: " + std::string(status_text(again.status)));
      }
      static_cast<void>(host.shard(i).close_endpoint(again.endpoint));
    }
  }
}

void Chatter::try_wrong_calls(Host& host, TimePoint now, Side& side) {
  const uint16_t streams = simulator_.ledger().record(side.record).outbound_streams;
  if (streams < 65535) {
    auto outgoing = simulator_.ledger().make(side.record, StreamId(streams), false, 5, 1);
    const Status status =
        host.shard_of(side.id).send(now, side.id, outgoing.request, outgoing.payload);
    if (status != Status::kInvalidStream && status != Status::kClosing) {
      fail(now, "send() on a stream too many: " + std::string(status_text(status)));
    }
    simulator_.ledger().refused(now, outgoing);
  }
  Payload nothing;
  SendRequest request;
  const Status status = host.shard_of(side.id).send(now, side.id, request, nothing);
  if (status != Status::kEmptyMessage && status != Status::kClosing) {
    fail(now, "send() of nothing: " + std::string(status_text(status)));
  }
}

// ---------------------------------------------------------------- ending

void Chatter::try_ending(Host& host, TimePoint now, Side& side) {
  if (side.phase != Phase::kUp || side.ended_it) return;
  if (now < side.up_since + side.plan->ending_after) return;
  const bool sent_all = has_sent_all(side) || side.closing;
  bool ends = false;
  switch (side.plan->ending) {
    case Ending::kPassive:
      return;
    case Ending::kWhenAllDone: {
      const TrafficPlan& theirs = side.peer_plan->traffic;
      ends =
          sent_all && side.received >= (theirs.pattern == Pattern::kSilent ? 0 : theirs.messages);
      break;
    }
    case Ending::kWhenAllSent:
      ends = sent_all;
      break;
    case Ending::kShutdownAt:
    case Ending::kAbortAt:
      ends = true;
      break;
  }
  if (!ends) return;
  side.ended_it = true;
  side.next_send = TimePoint::never();
  if (side.plan->ending == Ending::kAbortAt) {
    const std::vector<uint8_t> reason(random_.below(40), 'x');
    const Status status = host.shard_of(side.id).abort(now, side.id, reason);
    if (status != Status::kOk) fail(now, "abort(): " + std::string(status_text(status)));
    return;
  }
  side.closing = true;
  side.closing_since = std::min(side.closing_since, now);
  const Status status = host.shard_of(side.id).shutdown(now, side.id);
  if (status != Status::kOk && status != Status::kClosing) {
    fail(now, "shutdown(): " + std::string(status_text(status)));
  }
}

// ---------------------------------------------------------------- time

TimePoint Chatter::next_of(const Side& side) const {
  if (side.asked) return simulator_.now();
  TimePoint next = side.connect_at;
  if (side.phase == Phase::kUp) {
    if (!side.blocked && !side.closing) next = std::min(next, side.next_send);
    if (!side.ended_it && side.plan->ending != Ending::kPassive &&
        side.plan->ending_after.count() > 0) {
      // Once past, every event of the association asks again.
      const TimePoint end = side.up_since + side.plan->ending_after;
      if (end > simulator_.now()) next = std::min(next, end);
    }
  }
  if (side.plan->reader.slots > 0) {
    if (!side.unread.empty()) next = std::min(next, side.unread.front().read_at);
  } else if (!side.kept.empty()) {
    next = std::min(next, side.kept.front().take_at);
  }
  return next;
}

void Chatter::update_next_action() {
  next_action_ = TimePoint::never();
  for (const Side& side : sides_) next_action_ = std::min(next_action_, next_of(side));
}

void Chatter::act(Host& host, TimePoint now) {
  for (Side& side : sides_) {
    side.asked = false;
    if (side.connect_at <= now) connect(host, now, side);
    if (side.plan->reader.slots > 0) {
      read(host, now, side);
    } else if (!side.kept.empty() && side.kept.front().take_at <= now) {
      take_kept(host, now, side);
    }
    if (side.phase == Phase::kUp || side.phase == Phase::kConnecting) {
      if (plan_.hosts[host_].meddles && random_.below(10) == 0) meddle(host, now, side);
    }
    if (side.phase != Phase::kUp) continue;
    if (side.assoc->switches_primary && random_.below(30) == 0) switch_primary(host, now, side);
    if (side.sent == 0 && random_.below(10) == 0) try_wrong_calls(host, now, side);
    if (side.next_send <= now && !side.blocked && !side.closing) send_some(host, now, side);
    try_ending(host, now, side);
  }
  update_next_action();
}

}  // namespace trunkline::sim
