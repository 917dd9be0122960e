// SPDX-License-Identifier: BSD-3-Clause
// How a simulated application lives and talks. Its endpoints, its reading and what it does besides
// are in chatter_*.cpp.
#include "chatter.h"

#include <algorithm>
#include <utility>

namespace trunkline::sim {

using std::chrono::milliseconds;

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
      side->unread_before = side->unread_bytes;
      up(host, now, *side, event);
      break;
    }
    case EventKind::kMessage:
      got_message(host, now, *side, event);
      break;
    case EventKind::kSendFailed:
      if (event.reason != Reason::kAbandoned) break;
      [[fallthrough]];
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

// ---------------------------------------------------------------- writing

bool Chatter::has_sent_all(const Side& side) const {
  if (side.plan->traffic.pattern == Pattern::kSilent) return true;
  return side.sent >= side.plan->traffic.messages;
}

Reliability Chatter::draw_limit() {
  using Policy = Reliability::Policy;
  switch (random_.below(3)) {
    case 0:
      return {Policy::kLifetime, static_cast<uint32_t>(random_.below(400))};
    case 1:
      return {Policy::kRetransmissions, static_cast<uint32_t>(random_.below(3))};
    default:
      return {Policy::kPriority, static_cast<uint32_t>(random_.below(4))};
  }
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
  if (traffic.limited > 0 && random_.below(1'000'000) < traffic.limited) {
    outgoing.request.reliability = draw_limit();
    simulator_.ledger().limit(outgoing);
  }
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
      const uint64_t got = side.received + simulator_.ledger().given_up_to(side.record);
      ends = sent_all && got >= (theirs.pattern == Pattern::kSilent ? 0 : theirs.messages);
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
    // Nobody tells it that the peer has given up its last message.
    if (!side.ended_it && side.peer_plan->traffic.limited > 0) next = std::min(next, side.look_at);
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
    if (side.look_at <= now) side.look_at = now + milliseconds(50);
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
