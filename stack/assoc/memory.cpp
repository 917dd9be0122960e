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
  ctx.holders.update(this, receiver_.weight());
}

void Association::release_received(ShardContext& ctx) {
  receiver_.release(receiver_context(ctx));
  weigh(ctx);
}

// Another association needs the memory; no handler of this one is at work.
bool Association::give_way(ShardContext& ctx) {
  if (!receiver_.drop_last_held(receiver_context(ctx))) return false;
  weigh(ctx);
  receiver_.owe_sack();
  mark_ready(ctx);
  return true;
}

// Blocks for a chunk. False: there are none for it, or the association has ended.
bool Association::find_blocks(ShardContext& ctx, TimePoint now, const wire::DataChunk& chunk,
                              DataSeen& seen) {
  const size_t size = chunk.payload.size();
  const uint32_t needed = ReceiveBlocks::blocks_for(size);
  const bool is_next = receiver_.is_next(chunk.tsn);
  while (!ctx.blocks.has_room(size)) {
    Association* const most = ctx.holders.top();
    if (most == nullptr || most->loose_blocks() == 0) break;
    if (most == this) {
      if (!receiver_.drop_held_behind(receiver_context(ctx), chunk.tsn,
                                      Counter::k_drop_held_no_memory)) {
        break;
      }
      weigh(ctx);
      seen.immediate = true;
      continue;
    }
    // The next in order comes first; behind a gap it must come from somebody who has more.
    if (!is_next && most->loose_blocks() <= loose_blocks() + needed) break;
    // One whose SACK has no room for another gap can't tell that it dropped something.
    if (!most->give_way(ctx)) {
      if (!is_next) break;
      most->abort_for_memory(ctx);
    }
  }
  if (ctx.blocks.has_room(size)) return true;
  // What the reader takes now is there for the chunk when it comes again.
  if (!is_next || give_front(ctx)) return false;
  const uint16_t starved = receiver_.count_starved(*profile_, now);
  if (starved <= kPatience) return false;
  while (!ctx.blocks.has_room(size)) {
    Association* most = ctx.holders.top();
    if (most == nullptr) {
      // Slow readers have it all, or it is less than the chunk.
      if (starved <= profile_->association_max_retrans) return false;
      most = this;
    }
    most->abort_for_memory(ctx);
    if (most == this) return false;
  }
  return true;
}

// The receiver found no memory for the chunk.
ReceiveQueue::Outcome Association::add_when_short(ShardContext& ctx, TimePoint now,
                                                  const wire::DataChunk& chunk, DataSeen& seen) {
  if (!find_blocks(ctx, now, chunk, seen)) return ReceiveQueue::Outcome::kNoMemory;
  return receiver_.add_again(receiver_context(ctx), chunk);
}

// A message that is acknowledged, and can't wait.
bool Association::free_blocks_to_keep(ShardContext& ctx, size_t bytes, const Association* keeper) {
  while (!ctx.blocks.has_room(bytes)) {
    Association* const most = ctx.holders.top();
    if (most == nullptr) return false;
    if (most->loose_blocks() > 0 && most->give_way(ctx)) continue;
    const uint64_t own = keeper != nullptr ? keeper->receiver_.held_bytes() : 0;
    if (most == keeper || own > most->receiver_.queue().held_bytes()) return false;
    most->abort_for_memory(ctx);
  }
  return true;
}

const char* Association::receive_fault(const ShardContext& ctx) const {
  constexpr uint64_t kChunk =
      uint64_t{ReceiveBlocks::blocks_for(kMaxPayload)} * ReceiveBlock::kSize;
  const uint64_t held = receiver_.queue().held_bytes();
  const uint64_t most = std::max(profile_->a_rwnd, profile_->receive_memory);
  if (held >= most + kChunk) return "an association holds more than its window";
  if (!receiver_.queue().is_sound()) return "a receive queue is out of order";
  if (ctx.holders.weight_of(this) != receiver_.weight()) return "a holder is weighed wrongly";
  return nullptr;
}

}  // namespace trunkline
