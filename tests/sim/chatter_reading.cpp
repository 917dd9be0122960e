// SPDX-License-Identifier: BSD-3-Clause
// How a simulated application reads: at once, or from what it keeps in the shard, or from memory of
// its own.
#include "chatter.h"

#include <algorithm>
#include <utility>

#include "rx/receive_blocks.h"

namespace trunkline::sim {

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
  side.unread_before = std::min(side.unread_before, side.unread_bytes);
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
// The INIT ACK of a restart grants a whole window, whatever of the former life is still unread.
void Chatter::check_unread(TimePoint now, const Side& side) {
  const Profile& profile = plan_.hosts[host_].profile;
  const uint32_t most = profile.a_rwnd + side.unread_before + side.most_of_a_turn +
                        profile.path_mtu + side.peer_plan->traffic.max_size;
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

}  // namespace trunkline::sim
