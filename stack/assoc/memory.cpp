// SPDX-License-Identifier: BSD-3-Clause
// The shard's buffers for received data are everybody's: who gives way when they run short (RFC
// 9260 section 6.2). First whoever holds most behind its gaps drops the highest of it, which its
// peer sends again. What is acknowledged can't be dropped: where nothing else is left, the
// association that holds most of unfinished messages ends, but only once the next TSN of another
// has come in vain for some time. See docs/decisions/0022.

#include "assoc/context.h"
#include "wire/data_chunk.h"

namespace trunkline {
namespace {

// Times on end, an RTO.Min apart at least, that the next TSN is dropped for lack of memory before
// somebody ends for it: meanwhile messages that only compete for the buffers are finished.
constexpr uint16_t kPatience = 3;

constexpr size_t kMaxPayload = 65535 - wire::kDataHeaderSize;

}  // namespace

// What it holds has changed.
void Association::weigh(ShardContext& ctx) {
  const uint64_t loose = received_.loose_blocks();
  ctx.holders.update(this, loose << 32 | received_.held_blocks());
}

void Association::forget_received(ShardContext& ctx) {
  received_.clear(ctx.blocks);
  weigh(ctx);
}

// The highest fragment or waiting message goes, if it lies behind that TSN and is not acknowledged
// for good. The peer learns from the next SACK that it has to send it again.
bool Association::drop_held_behind(ShardContext& ctx, Tsn tsn, Counter why) {
  const auto last = received_.last_loose();
  if (!last || !last->first.after(tsn)) return false;
  if (!tsns_.forget(last->first, last->last, ctx.disorder)) return false;
  received_.drop_last_loose(ctx.blocks);
  ctx.counters.add(why);
  weigh(ctx);
  return true;
}

// Another association needs the memory; no handler of this one is at work.
bool Association::give_way(ShardContext& ctx) {
  if (!drop_held_behind(ctx, tsns_.cum_tsn(), Counter::k_drop_held_no_memory)) return false;
  sack_due_ = true;
  mark_ready(ctx);
  return true;
}

// The next TSN came and found no memory. What comes again sooner than a sender would send it again
// is the same try: nobody makes others end by repeating himself.
bool Association::is_out_of_patience(TimePoint now) {
  using std::chrono::milliseconds;
  const auto at = static_cast<uint32_t>(now.ns() / 1'000'000);
  const auto least = std::chrono::duration_cast<milliseconds>(profile_.rto_min).count();
  if (starved_ == 0 || at - starved_ms_ >= static_cast<uint64_t>(least)) {
    ++starved_;
    starved_ms_ = at;
  }
  return starved_ > kPatience;
}

// Blocks for a chunk. False: there are none for it, or the association has ended.
bool Association::find_blocks(ShardContext& ctx, TimePoint now, const wire::DataChunk& chunk,
                              DataSeen& data) {
  const size_t size = chunk.payload.size();
  const uint32_t needed = ReceiveBlocks::blocks_for(size);
  const bool is_next = chunk.tsn == tsns_.cum_tsn() + 1;
  while (!ctx.blocks.has_room(size)) {
    Association* const most = ctx.holders.top();
    if (most == nullptr || most->received_.loose_blocks() == 0) break;
    if (most == this) {
      if (!drop_held_behind(ctx, chunk.tsn, Counter::k_drop_held_no_memory)) break;
      data.immediate = true;
      continue;
    }
    // The next in order comes first; behind a gap it must come from somebody who has more.
    if (!is_next && most->received_.loose_blocks() <= received_.loose_blocks() + needed) break;
    // One whose SACK has no room for another gap can't tell that it dropped something.
    if (!most->give_way(ctx)) {
      if (!is_next) break;
      most->abort_for_memory(ctx);
    }
  }
  if (ctx.blocks.has_room(size)) return true;
  if (!is_next || !is_out_of_patience(now)) return false;
  while (!ctx.blocks.has_room(size)) {
    Association* most = ctx.holders.top();
    if (most == nullptr) {
      // Slow readers have it all, or it is less than the chunk.
      if (starved_ <= profile_.association_max_retrans) return false;
      most = this;
    }
    most->abort_for_memory(ctx);
    if (most == this) return false;
  }
  return true;
}

// The receive queue found no memory for the chunk.
ReceiveQueue::Outcome Association::add_when_short(ShardContext& ctx, TimePoint now,
                                                  const wire::DataChunk& chunk, DataSeen& data) {
  constexpr auto kNoMemory = ReceiveQueue::Outcome::kNoMemory;
  if (!find_blocks(ctx, now, chunk, data)) return kNoMemory;
  // What gave way may have used, or moved, the gap block that this TSN counted on.
  if (tsns_.classify(chunk.tsn, ctx.disorder) != TsnTracker::Verdict::kNew) return kNoMemory;
  return received_.add(chunk, tsns_.cum_tsn(), ctx.blocks, profile_.max_message_size);
}

// A message that is acknowledged, and can't wait.
bool Association::free_blocks_to_keep(ShardContext& ctx, size_t bytes, const Association* keeper) {
  while (!ctx.blocks.has_room(bytes)) {
    Association* const most = ctx.holders.top();
    if (most == nullptr) return false;
    if (most->received_.loose_blocks() > 0 && most->give_way(ctx)) continue;
    const uint64_t own = keeper != nullptr ? keeper->held_bytes() : 0;
    if (most == keeper || own > most->received_.held_bytes()) return false;
    most->abort_for_memory(ctx);
  }
  return true;
}

const char* Association::receive_fault(const ShardContext& ctx) const {
  constexpr uint64_t kChunk =
      uint64_t{ReceiveBlocks::blocks_for(kMaxPayload)} * ReceiveBlock::kSize;
  const uint64_t held = received_.held_bytes();
  if (held >= profile_.a_rwnd + kChunk) return "an association holds more than its window";
  if (!received_.is_sound()) return "a receive queue is out of order";
  const uint64_t weight = uint64_t{received_.loose_blocks()} << 32 | received_.held_blocks();
  if (ctx.holders.weight_of(this) != weight) return "a holder is weighed wrongly";
  return nullptr;
}

}  // namespace trunkline
