// SPDX-License-Identifier: BSD-3-Clause
// Cumulative TSN and gap blocks as a short sorted array; binary search on the circle is sound
// because every block lies within half the circle after the cumulative TSN.
#include "rx/tsn_tracker.h"

#include <algorithm>
#include <cassert>

#include "base/steps.h"

namespace trunkline {
namespace {

constexpr uint32_t kMaxGapOffset = 65535;  // a gap block counts in 16 bits (3.3.4)
constexpr size_t kBlocksAStep = 8;         // moved together, in a cache line

}  // namespace

size_t TsnTracker::first_block_ending_at_or_after(Tsn tsn) const {
  if (disorder_ == nullptr) return 0;
  size_t low = 0;
  size_t high = disorder_->block_count;
  while (low < high) {
    count_steps();
    const size_t mid = (low + high) / 2;
    if (disorder_->blocks[mid].last.before(tsn)) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return low;
}

TsnTracker::Verdict TsnTracker::classify(Tsn tsn, const Pool<TsnDisorder>& pool) const {
  if (tsn.at_or_before(cum_)) return Verdict::kDuplicate;
  const uint32_t offset = tsn.distance_from(cum_);
  if (offset == 1)
    return has_gaps() && disorder_->blocks[0].first == tsn ? Verdict::kDuplicate : Verdict::kNew;
  if (offset > kMaxGapOffset) return Verdict::kTooFar;
  if (disorder_ == nullptr) return pool.available() > 0 ? Verdict::kNew : Verdict::kTooFar;
  const size_t at = first_block_ending_at_or_after(tsn);
  if (at < disorder_->block_count && disorder_->blocks[at].first.at_or_before(tsn)) {
    return Verdict::kDuplicate;
  }
  if (disorder_->block_count == TsnDisorder::kMaxBlocks) {
    // No room for a block of its own: only what extends one may come in.
    const bool after_previous = at > 0 && disorder_->blocks[at - 1].last + 1 == tsn;
    const bool before_next = at < disorder_->block_count && disorder_->blocks[at].first == tsn + 1;
    if (!after_previous && !before_next) return Verdict::kTooFar;
  }
  return Verdict::kNew;
}

void TsnTracker::record(Tsn tsn, Pool<TsnDisorder>& pool) {
  if (tsn == cum_ + 1) {
    cum_ = tsn;
    if (has_gaps() && disorder_->blocks[0].first == cum_ + 1) {
      cum_ = disorder_->blocks[0].last;
      erase_blocks(0, 1);
      drop_if_calm(pool);
    }
    return;
  }
  if (!ensure_disorder(pool)) return;
  auto& blocks = disorder_->blocks;
  const size_t at = first_block_ending_at_or_after(tsn);
  const bool joins_previous = at > 0 && blocks[at - 1].last + 1 == tsn;
  const bool joins_next = at < disorder_->block_count && blocks[at].first == tsn + 1;
  if (joins_previous && joins_next) {
    blocks[at - 1].last = blocks[at].last;
    erase_blocks(at, 1);
  } else if (joins_previous) {
    blocks[at - 1].last = tsn;
  } else if (joins_next) {
    blocks[at].first = tsn;
  } else {
    insert_block(at, {tsn, tsn});
  }
}

bool TsnTracker::may_forward(Tsn tsn) const {
  return tsn.distance_from(cum_) <= kMaxGapOffset;
}

void TsnTracker::forward(Tsn tsn, Pool<TsnDisorder>& pool) {
  cum_ = tsn;
  if (!has_gaps()) return;
  size_t passed = first_block_ending_at_or_after(tsn + 1);
  if (passed < disorder_->block_count && disorder_->blocks[passed].first.at_or_before(tsn + 1)) {
    cum_ = disorder_->blocks[passed++].last;
  }
  erase_blocks(0, passed);
  drop_if_calm(pool);
}

void TsnTracker::record_duplicate(Tsn tsn, Pool<TsnDisorder>& pool) {
  if (!ensure_disorder(pool)) return;
  if (disorder_->duplicate_count < TsnDisorder::kMaxDuplicates) {
    disorder_->duplicates[disorder_->duplicate_count++] = tsn;
  }
}

bool TsnTracker::forget(Tsn first, Tsn last, Pool<TsnDisorder>& pool) {
  const size_t at = first_block_ending_at_or_after(last);
  if (disorder_ == nullptr || at == disorder_->block_count) return false;
  auto& blocks = disorder_->blocks;
  const TsnDisorder::Block whole = blocks[at];
  if (whole.first.after(first)) return false;
  if (whole.first == first && whole.last == last) {
    erase_blocks(at, 1);
    drop_if_calm(pool);
  } else if (whole.last == last) {
    blocks[at].last = first - 1;
  } else if (whole.first == first) {
    blocks[at].first = last + 1;
  } else {
    if (disorder_->block_count == TsnDisorder::kMaxBlocks) return false;
    insert_block(at, {whole.first, first - 1});
    blocks[at + 1].first = last + 1;
  }
  return true;
}

size_t TsnTracker::gap_blocks(std::span<wire::GapBlock> out) const {
  if (disorder_ == nullptr) return 0;
  const size_t n = std::min(out.size(), disorder_->block_count);
  for (size_t i = 0; i < n; ++i) {
    out[i] = {static_cast<uint16_t>(disorder_->blocks[i].first.distance_from(cum_)),
              static_cast<uint16_t>(disorder_->blocks[i].last.distance_from(cum_))};
  }
  return n;
}

std::span<const Tsn> TsnTracker::duplicates() const {
  if (disorder_ == nullptr) return {};
  return {disorder_->duplicates.data(), disorder_->duplicate_count};
}

void TsnTracker::clear_duplicates(Pool<TsnDisorder>& pool) {
  if (disorder_ == nullptr) return;
  disorder_->duplicate_count = 0;
  drop_if_calm(pool);
}

void TsnTracker::release(Pool<TsnDisorder>& pool) {
  if (disorder_ != nullptr) pool.destroy(disorder_);
  disorder_ = nullptr;
}

bool TsnTracker::ensure_disorder(Pool<TsnDisorder>& pool) {
  if (disorder_ == nullptr) disorder_ = pool.make();
  return disorder_ != nullptr;
}

void TsnTracker::drop_if_calm(Pool<TsnDisorder>& pool) {
  if (disorder_->block_count == 0 && disorder_->duplicate_count == 0) release(pool);
}

void TsnTracker::insert_block(size_t at, TsnDisorder::Block block) {
  auto& blocks = disorder_->blocks;
  assert(disorder_->block_count < TsnDisorder::kMaxBlocks);
  count_steps((disorder_->block_count - at) / kBlocksAStep + 1);
  std::move_backward(blocks.begin() + static_cast<ptrdiff_t>(at),
                     blocks.begin() + static_cast<ptrdiff_t>(disorder_->block_count),
                     blocks.begin() + static_cast<ptrdiff_t>(disorder_->block_count + 1));
  blocks[at] = block;
  ++disorder_->block_count;
}

void TsnTracker::erase_blocks(size_t at, size_t count) {
  auto& blocks = disorder_->blocks;
  count_steps((disorder_->block_count - at) / kBlocksAStep + 1);
  std::move(blocks.begin() + static_cast<ptrdiff_t>(at + count),
            blocks.begin() + static_cast<ptrdiff_t>(disorder_->block_count),
            blocks.begin() + static_cast<ptrdiff_t>(at));
  disorder_->block_count -= count;
}

}  // namespace trunkline
