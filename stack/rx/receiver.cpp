// SPDX-License-Identifier: BSD-3-Clause
// What comes in, and the window that it has (RFC 9260 sections 6.2, 6.5).
#include "rx/receiver.h"

#include <limits>

namespace trunkline {

Receiver::Arrival Receiver::settle(const ReceiverContext& ctx, const wire::DataChunk& chunk,
                                   TsnTracker::Verdict verdict, DataSeen& seen) {
  if (verdict == TsnTracker::Verdict::kTooFar) {
    drop(ctx, Counter::k_drop_data_beyond_tsn_range, seen);
    return Arrival::kSettled;
  }
  ctx.counters.add(Counter::k_duplicate_tsns);
  seen.duplicate = true;
  tsns_.record_duplicate(chunk.tsn, ctx.disorder);
  seen.immediate = true;
  return Arrival::kSettled;
}

// The advertised window binds (6.2): with nothing left of it, the next in order comes in if it
// leaves nothing behind and the reader keeps up, and what fills a gap in the place of the highest
// that is held behind it. No reader keeps up whose unread bytes alone are the whole window.
Receiver::Room Receiver::make_room(const ReceiverContext& ctx, const wire::DataChunk& chunk,
                                   DataSeen& seen) {
  if (was_granted(ctx, chunk.payload.size())) return Room::kFound;
  const bool fills_gap = chunk.tsn.before(tsns_.highest());
  const bool next_to_be_read = is_next(chunk.tsn) && keeps_up(ctx.profile);
  if (next_to_be_read && queue_.delivers(chunk)) return Room::kFound;
  bool dropped = false;
  while (window(ctx.profile) == 0 &&
         drop_held_behind(ctx, chunk.tsn, Counter::k_drop_held_no_window)) {
    dropped = true;
    seen.immediate = true;
  }
  // What was dropped may have used, or moved, the gap block that this TSN counted on.
  if (dropped && tsns_.classify(chunk.tsn, ctx.disorder) != TsnTracker::Verdict::kNew) {
    drop(ctx, Counter::k_drop_data_beyond_tsn_range, seen);
    return Room::kNone;
  }
  if (dropped && window(ctx.profile) > 0 && fills_gap) return Room::kFound;
  // Where it may be given in pieces, nothing but a block to mark the place may be missing.
  const bool no_mark = ctx.profile.partial_delivery_point != 0 && !ctx.blocks.has_room(1);
  const bool nothing_else = unread_ == 0 && queue_.loose_blocks() == 0 && !no_mark;
  if (next_to_be_read && nothing_else) return Room::kNever;
  drop(ctx, Counter::k_drop_data_no_window, seen);
  return Room::kNone;
}

ReceiveQueue::Outcome Receiver::add_again(const ReceiverContext& ctx,
                                          const wire::DataChunk& chunk) {
  // What gave way may have used, or moved, the gap block that this TSN counted on.
  if (tsns_.classify(chunk.tsn, ctx.disorder) != TsnTracker::Verdict::kNew) {
    return ReceiveQueue::Outcome::kNoMemory;
  }
  return add(ctx, chunk);
}

bool Receiver::drop_held_behind(const ReceiverContext& ctx, Tsn tsn, Counter why) {
  const auto last = queue_.last_loose();
  if (!last || !last->first.after(tsn)) return false;
  if (!tsns_.forget(last->first, last->last, ctx.disorder)) return false;
  queue_.drop_last_loose(ctx.blocks);
  ctx.counters.add(why);
  return true;
}

Receiver::Skipped Receiver::skip(const ReceiverContext& ctx, const wire::ForwardTsnChunk& chunk,
                                 DataSeen& seen) {
  seen.any = true;
  const Tsn last = chunk.new_cum_tsn;
  if (last.at_or_before(tsns_.cum_tsn())) {  // our last SACK may be lost
    seen.duplicate = true;
    drop(ctx, Counter::k_drop_old_forward_tsn, seen);
    return Skipped::kNothing;
  }
  if (!tsns_.may_forward(last)) {
    drop(ctx, Counter::k_drop_forward_tsn_too_far, seen);
    return Skipped::kNothing;
  }
  if (!knows_streams(ctx, chunk)) {
    drop(ctx, Counter::k_drop_forward_tsn_no_memory, seen);
    return Skipped::kNothing;
  }
  seen.fresh = true;
  starved_ = 0;
  ctx.counters.add(Counter::k_forward_tsns_received);
  tsns_.forward(last, ctx.disorder);
  return queue_.skip(chunk, ctx.blocks) ? Skipped::kBroken : Skipped::kSome;
}

// Is there a place to remember each stream that the chunk names, of those that there are?
bool Receiver::knows_streams(const ReceiverContext& ctx, const wire::ForwardTsnChunk& chunk) {
  uint32_t others = 0;
  for (size_t i = 0; i < chunk.stream_count(); ++i) {
    const StreamId stream = chunk.stream(i).stream;
    if (stream.value >= streams_) {
      ++others;
    } else if (queue_.order_of(stream) == nullptr) {
      return false;
    }
  }
  ctx.counters.add(Counter::k_drop_forward_tsn_stream, others);
  return true;
}

void Receiver::drop_orphans(const ReceiverContext& ctx) {
  const uint32_t dropped = queue_.drop_orphans(tsns_.cum_tsn(), ctx.blocks);
  if (dropped != 0) ctx.counters.add(Counter::k_drop_orphaned_data, dropped);
}

uint16_t Receiver::count_starved(const Profile& profile, TimePoint now) {
  using std::chrono::milliseconds;
  constexpr int64_t kFurthest = std::numeric_limits<uint16_t>::max();
  const auto at = static_cast<uint16_t>(now.ns() / 1'000'000 / kStarvedTick.count());
  const auto rto_min = std::chrono::duration_cast<milliseconds>(profile.rto_min);
  const int64_t least = std::clamp<int64_t>(rto_min / kStarvedTick, 1, kFurthest);
  if (starved_ == 0 || static_cast<uint16_t>(at - starved_at_) >= least) {
    ++starved_;
    starved_at_ = at;
  }
  return starved_;
}

bool Receiver::may_keep(const ReceiverContext& ctx, size_t bytes) const {
  const uint64_t share = static_cast<uint64_t>(ctx.blocks.left_to_keep()) * ReceiveBlock::kSize;
  const uint64_t most = std::max<uint64_t>(ctx.profile.a_rwnd, share);
  return kept_bytes() + charge(bytes) <= std::min<uint64_t>(most, kMostOfAReader - 1);
}

// It closes with what comes in, and opens only by a packet or half the buffer, lest the peer fill
// it with crumbs (6.2, receiver's SWS; RFC 1122 section 4.2.3.3). Without a late reader there is
// nobody who would open it any further.
//
// A slow reader has no more than is left for others: however many they are, something always is.
uint32_t Receiver::told_window(const ReceiverContext& ctx, uint32_t packet) const {
  uint32_t left = window(ctx.profile);
  if (const uint32_t kept = kept_bytes(); kept != 0) {
    const uint64_t share = static_cast<uint64_t>(ctx.blocks.left_to_keep()) * ReceiveBlock::kSize;
    left = static_cast<uint32_t>(std::min<uint64_t>(left, share > kept ? share - kept : 0));
  } else if (unread_ == 0) {
    return left;
  }
  if (left <= offered_) return left;
  const uint32_t step = std::min(ctx.profile.a_rwnd / 2, packet);
  return left - offered_ < step ? offered_ : left;
}

void Receiver::release(const ReceiverContext& ctx) {
  queue_.clear(ctx.blocks);
  tsns_.release(ctx.disorder);
}

}  // namespace trunkline
