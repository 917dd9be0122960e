// SPDX-License-Identifier: BSD-3-Clause
// Which of the peer's TSNs have come: the cumulative TSN, the gaps behind it, the duplicates since
// the last SACK (RFC 9260 sections 3.3.4, 6.2, 6.7). Knows nothing of what the chunks hold.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/pool.h"
#include "trunkline/stack/types.h"
#include "wire/sack_chunk.h"

namespace trunkline {

// The memory of disorder: taken from the shard's pool when something is missing or doubled, and
// given back when all is in order again, so that a calm association does not pay for it.
struct TsnDisorder {
  static constexpr size_t kMaxBlocks = 128;
  static constexpr size_t kMaxDuplicates = 16;
  struct Block {
    Tsn first;
    Tsn last;
  };
  std::array<Block, kMaxBlocks> blocks;  // ascending, apart by at least one missing TSN
  size_t block_count = 0;
  std::array<Tsn, kMaxDuplicates> duplicates;
  size_t duplicate_count = 0;
};

class TsnTracker {
 public:
  enum class Verdict : uint8_t {
    kNew,
    kDuplicate,
    kTooFar,  // a gap block could not name it, or there is no memory for another gap
  };

  // The TSN before the first one that the peer will send.
  explicit TsnTracker(Tsn initial_tsn) : cum_(initial_tsn - 1) {}

  // Changes nothing: a chunk is recorded only once there is room for its payload.
  [[nodiscard]] Verdict classify(Tsn tsn, const Pool<TsnDisorder>& pool) const;
  // For a TSN that classify() called kNew, with nothing recorded in between.
  void record(Tsn tsn, Pool<TsnDisorder>& pool);
  // The next `count` have come, and there is no disorder.
  void advance(uint32_t count) { cum_ = cum_ + count; }
  // Could the peer skip to that TSN, which lies behind the cumulative one? A gap block can name all
  // that it has in flight.
  [[nodiscard]] bool may_forward(Tsn tsn) const;
  // Nothing up to there is missing any more (RFC 3758 section 3.6).
  void forward(Tsn tsn, Pool<TsnDisorder>& pool);
  void record_duplicate(Tsn tsn, Pool<TsnDisorder>& pool);
  // Takes back TSNs behind a gap (6.2: a receiver may drop what it holds). False, and nothing has
  // changed, if not all are recorded there or there is no room for the gap that they would leave.
  bool forget(Tsn first, Tsn last, Pool<TsnDisorder>& pool);

  [[nodiscard]] Tsn cum_tsn() const { return cum_; }
  // What it will be once that TSN, which is new, is recorded.
  [[nodiscard]] Tsn cum_tsn_with(Tsn tsn) const {
    if (tsn != cum_ + 1) return cum_;
    const bool joins = has_gaps() && disorder_->blocks[0].first == tsn + 1;
    return joins ? disorder_->blocks[0].last : tsn;
  }
  // Gaps or duplicates that a SACK would tell of.
  [[nodiscard]] bool has_disorder() const { return disorder_ != nullptr; }
  [[nodiscard]] bool has_gaps() const { return disorder_ != nullptr && disorder_->block_count > 0; }
  [[nodiscard]] bool has_duplicates() const {
    return disorder_ != nullptr && disorder_->duplicate_count > 0;
  }
  // Behind a gap.
  [[nodiscard]] bool has_behind_gap(Tsn tsn) const {
    if (!has_gaps()) return false;
    const size_t at = first_block_ending_at_or_after(tsn);
    return at < disorder_->block_count && disorder_->blocks[at].first.at_or_before(tsn);
  }
  [[nodiscard]] Tsn highest() const {
    return has_gaps() ? disorder_->blocks[disorder_->block_count - 1].last : cum_;
  }
  // Fills `out` with offsets from the cumulative TSN; returns how many.
  size_t gap_blocks(std::span<wire::GapBlock> out) const;
  [[nodiscard]] std::span<const Tsn> duplicates() const;
  // A SACK has told the peer.
  void clear_duplicates(Pool<TsnDisorder>& pool);

  void release(Pool<TsnDisorder>& pool);

 private:
  [[nodiscard]] size_t first_block_ending_at_or_after(Tsn tsn) const;
  bool ensure_disorder(Pool<TsnDisorder>& pool);
  void drop_if_calm(Pool<TsnDisorder>& pool);
  void insert_block(size_t at, TsnDisorder::Block block);
  void erase_blocks(size_t at, size_t count);

  Tsn cum_;
  TsnDisorder* disorder_ = nullptr;
};

}  // namespace trunkline
