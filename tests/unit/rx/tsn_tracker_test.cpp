// SPDX-License-Identifier: BSD-3-Clause
// The TSN tracker against a set of numbers that do not wrap: what is new, what is double, what a
// SACK would say, with the table of gaps full and empty and the TSN going round.
#include "rx/tsn_tracker.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

#include "trunkline/stack/random.h"

namespace trunkline {
namespace {

using Verdict = TsnTracker::Verdict;

class Tracked {
 public:
  explicit Tracked(uint32_t initial, uint32_t pool_size = 1)
      : pool(pool_size), tracker(Tsn(initial)), base_(initial) {}
  ~Tracked() {
    tracker.release(pool);
    EXPECT_EQ(pool.used(), 0u);
  }
  Tracked(const Tracked&) = delete;
  Tracked& operator=(const Tracked&) = delete;

  // The n-th TSN of the peer.
  [[nodiscard]] Tsn tsn(uint64_t n) const { return Tsn(base_ + static_cast<uint32_t>(n)); }
  Verdict receive(uint64_t n) {
    const Verdict verdict = tracker.classify(tsn(n), pool);
    if (verdict == Verdict::kNew) tracker.record(tsn(n), pool);
    if (verdict == Verdict::kDuplicate) tracker.record_duplicate(tsn(n), pool);
    return verdict;
  }
  [[nodiscard]] std::vector<wire::GapBlock> gaps() const {
    std::vector<wire::GapBlock> out(TsnDisorder::kMaxBlocks);
    out.resize(tracker.gap_blocks(out));
    return out;
  }

  Pool<TsnDisorder> pool;
  TsnTracker tracker;

 private:
  uint32_t base_;
};

TEST(TsnTracker, InOrderNeedsNoMemory) {
  Tracked t(0xfffffff0u, 0);
  EXPECT_EQ(t.tracker.cum_tsn(), Tsn(0xffffffefu));
  for (uint64_t n = 0; n < 100; ++n) {
    ASSERT_EQ(t.receive(n), Verdict::kNew);
    ASSERT_EQ(t.tracker.cum_tsn(), t.tsn(n));
    ASSERT_EQ(t.tracker.highest(), t.tsn(n));
  }
  EXPECT_FALSE(t.tracker.has_gaps());
  EXPECT_EQ(t.receive(5), Verdict::kDuplicate);
  EXPECT_FALSE(t.tracker.has_duplicates()) << "no memory to remember it";
  EXPECT_EQ(t.receive(101), Verdict::kTooFar) << "no memory for a gap";
}

TEST(TsnTracker, WhatIsCalmHasNothingToTell) {
  Pool<TsnDisorder> pool(1);
  TsnTracker tracker{Tsn(10)};
  EXPECT_TRUE(tracker.duplicates().empty());
  std::array<wire::GapBlock, 4> gaps;
  EXPECT_EQ(tracker.gap_blocks(gaps), 0u);
  tracker.clear_duplicates(pool);
  EXPECT_FALSE(tracker.forget(Tsn(10), Tsn(10), pool));
  EXPECT_EQ(tracker.highest(), Tsn(9));
}

TEST(TsnTracker, TheExampleOf334) {
  // Received: 10, 11, 12, 14, 15, 17. Cumulative 12, blocks 2-3 and 5-5.
  Tracked t(10);
  for (const unsigned n : {0u, 1u, 2u, 4u, 5u, 7u}) t.receive(n);
  EXPECT_EQ(t.tracker.cum_tsn(), Tsn(12));
  EXPECT_EQ(t.gaps(), (std::vector<wire::GapBlock>{{2, 3}, {5, 5}}));
  EXPECT_EQ(t.tracker.highest(), Tsn(17));
  EXPECT_EQ(t.receive(3), Verdict::kNew);
  EXPECT_EQ(t.tracker.cum_tsn(), Tsn(15));
  EXPECT_EQ(t.gaps(), (std::vector<wire::GapBlock>{{2, 2}}));
  EXPECT_EQ(t.receive(6), Verdict::kNew);
  EXPECT_EQ(t.tracker.cum_tsn(), Tsn(17));
  EXPECT_EQ(t.pool.used(), 0u) << "calm again: the memory is given back";
}

TEST(TsnTracker, ClassifyChangesNothing) {
  Tracked t(1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(t.tracker.classify(Tsn(1), t.pool), Verdict::kNew);
    EXPECT_EQ(t.tracker.classify(Tsn(9), t.pool), Verdict::kNew);
  }
  EXPECT_EQ(t.pool.used(), 0u);
}

TEST(TsnTracker, AGapBlockCanNameOffset65535AndNoMore) {
  Tracked t(100);
  EXPECT_EQ(t.tracker.classify(Tsn(99 + 65535), t.pool), Verdict::kNew);
  EXPECT_EQ(t.tracker.classify(Tsn(99 + 65536), t.pool), Verdict::kTooFar);
  EXPECT_EQ(t.receive(65534), Verdict::kNew);
  EXPECT_EQ(t.gaps(), (std::vector<wire::GapBlock>{{65535, 65535}}));
}

TEST(TsnTracker, HalfTheCircleAheadIsOldNotNew) {
  const Tracked t(1);
  EXPECT_EQ(t.tracker.classify(Tsn(0), t.pool), Verdict::kDuplicate);
  EXPECT_EQ(t.tracker.classify(Tsn(0xffffffffu), t.pool), Verdict::kDuplicate);
  EXPECT_EQ(t.tracker.classify(Tsn(0x80000001u), t.pool), Verdict::kDuplicate);
  EXPECT_EQ(t.tracker.classify(Tsn(0x7fffffffu), t.pool), Verdict::kTooFar);
}

TEST(TsnTracker, ReportsDuplicatesOncePerSack) {
  Tracked t(1);
  t.receive(0);
  t.receive(0);
  t.receive(3);
  t.receive(3);
  t.receive(3);
  const auto dups = t.tracker.duplicates();
  ASSERT_EQ(dups.size(), 3u);
  EXPECT_EQ(dups[0], Tsn(1));
  EXPECT_EQ(dups[1], Tsn(4));
  EXPECT_EQ(dups[2], Tsn(4));
  t.tracker.clear_duplicates(t.pool);
  EXPECT_FALSE(t.tracker.has_duplicates());
  EXPECT_TRUE(t.tracker.has_gaps()) << "the gap stays";
  for (size_t i = 0; i < 100; ++i) t.receive(0);
  EXPECT_EQ(t.tracker.duplicates().size(), TsnDisorder::kMaxDuplicates);
}

TEST(TsnTracker, AFullTableTakesOnlyWhatNeedsNoNewBlock) {
  Tracked t(0xffffff80u);  // wraps in the middle of the table
  for (uint64_t i = 0; i < TsnDisorder::kMaxBlocks; ++i) {
    ASSERT_EQ(t.receive(3 + 3 * i), Verdict::kNew);
  }
  const uint64_t last = 3 * TsnDisorder::kMaxBlocks;
  EXPECT_EQ(t.gaps().size(), TsnDisorder::kMaxBlocks);
  EXPECT_EQ(t.receive(last + 3), Verdict::kTooFar);
  EXPECT_EQ(t.receive(1), Verdict::kTooFar) << "a block of its own before the first";
  EXPECT_EQ(t.receive(last + 1), Verdict::kNew) << "extends the last block";
  EXPECT_EQ(t.receive(2), Verdict::kNew) << "extends the first block downwards";
  EXPECT_EQ(t.receive(3), Verdict::kDuplicate);
  EXPECT_EQ(t.receive(4), Verdict::kNew);
  EXPECT_EQ(t.receive(5), Verdict::kNew) << "joins two: there is room again";
  EXPECT_EQ(t.gaps().size(), TsnDisorder::kMaxBlocks - 1);
  EXPECT_EQ(t.receive(last + 4), Verdict::kNew);
  EXPECT_EQ(t.receive(0), Verdict::kNew) << "the next in order always fits";
  EXPECT_EQ(t.tracker.cum_tsn(), t.tsn(0));
  EXPECT_EQ(t.receive(1), Verdict::kNew);
  EXPECT_EQ(t.tracker.cum_tsn(), t.tsn(7 - 1));
}

TEST(TsnTracker, ForgetsTheOneThatWasDropped) {
  Tracked t(1);
  for (const unsigned n : {2u, 3u, 4u, 6u}) t.receive(n);
  EXPECT_FALSE(t.tracker.forget(t.tsn(0), t.tsn(0), t.pool)) << "never came";
  EXPECT_FALSE(t.tracker.forget(t.tsn(5), t.tsn(5), t.pool)) << "in a gap";
  EXPECT_FALSE(t.tracker.forget(t.tsn(9), t.tsn(9), t.pool)) << "behind all";
  EXPECT_EQ(t.gaps(), (std::vector<wire::GapBlock>{{3, 5}, {7, 7}}));
  EXPECT_TRUE(t.tracker.forget(t.tsn(6), t.tsn(6), t.pool));
  EXPECT_EQ(t.gaps(), (std::vector<wire::GapBlock>{{3, 5}}));
  EXPECT_TRUE(t.tracker.forget(t.tsn(3), t.tsn(3), t.pool));
  EXPECT_EQ(t.gaps(), (std::vector<wire::GapBlock>{{3, 3}, {5, 5}}));
  EXPECT_TRUE(t.tracker.forget(t.tsn(4), t.tsn(4), t.pool));
  EXPECT_TRUE(t.tracker.forget(t.tsn(2), t.tsn(2), t.pool));
  EXPECT_FALSE(t.tracker.has_gaps());
  EXPECT_EQ(t.pool.used(), 0u);
  EXPECT_EQ(t.receive(3), Verdict::kNew) << "it may come again";
}

TEST(TsnTracker, CanNotForgetTheMiddleOfABlockWhenTheTableIsFull) {
  Tracked t(1);
  for (const unsigned n : {2u, 3u, 4u}) t.receive(n);
  for (uint64_t i = 1; i < TsnDisorder::kMaxBlocks; ++i) t.receive(4 + 2 * i);
  ASSERT_EQ(t.gaps().size(), TsnDisorder::kMaxBlocks);
  const auto before = t.gaps();
  EXPECT_FALSE(t.tracker.forget(t.tsn(3), t.tsn(3), t.pool));
  EXPECT_EQ(t.gaps(), before);
  EXPECT_TRUE(t.tracker.forget(t.tsn(4), t.tsn(4), t.pool)) << "an edge needs no room";
}

// The model: all numbers received, on a line instead of a circle.
class Model {
 public:
  [[nodiscard]] bool has(uint64_t n) const { return n < next_ || ahead_.count(n) != 0; }
  void add(uint64_t n) {
    ahead_.insert(n);
    while (ahead_.erase(next_) != 0) ++next_;
  }
  void remove(uint64_t n) { ahead_.erase(n); }
  void forward(uint64_t n) {
    next_ = n + 1;
    ahead_.erase(ahead_.begin(), ahead_.upper_bound(n));
    while (ahead_.erase(next_) != 0) ++next_;
  }
  [[nodiscard]] uint64_t next() const { return next_; }
  [[nodiscard]] const std::set<uint64_t>& ahead() const { return ahead_; }
  [[nodiscard]] std::vector<wire::GapBlock> gaps() const {
    std::vector<wire::GapBlock> out;
    for (const uint64_t n : ahead_) {
      const auto offset = static_cast<uint16_t>(n - next_ + 1);
      if (!out.empty() && out.back().end + 1 == offset) {
        out.back().end = offset;
      } else {
        out.push_back({offset, offset});
      }
    }
    return out;
  }

 private:
  uint64_t next_ = 0;
  std::set<uint64_t> ahead_;
};

void random_walk(uint64_t seed, uint64_t reach, uint32_t initial) {
  SeededRandom random(seed);
  Tracked t(initial);
  Model model;
  for (int step = 0; step < 20000; ++step) {
    const uint64_t n = model.next() - std::min<uint64_t>(model.next(), 3) + random.below(reach);
    if (random.below(16) == 0) {
      const bool may = model.ahead().count(n) != 0;
      const size_t blocks = model.gaps().size();
      const bool splits = may && model.ahead().count(n - 1) != 0 && model.ahead().count(n + 1) != 0;
      const bool room = !splits || blocks < TsnDisorder::kMaxBlocks;
      ASSERT_EQ(t.tracker.forget(t.tsn(n), t.tsn(n), t.pool), may && room);
      if (may && room) model.remove(n);
    } else if (model.has(n)) {
      ASSERT_EQ(t.receive(n), Verdict::kDuplicate);
    } else {
      Model with = model;
      with.add(n);
      const bool fits = n == model.next() || (n - model.next() + 1 <= 65535 &&
                                              with.gaps().size() <= TsnDisorder::kMaxBlocks);
      ASSERT_EQ(t.receive(n), fits ? Verdict::kNew : Verdict::kTooFar) << step;
      if (fits) model = with;
    }
    // With room for gaps in general, the head must not stall for ever.
    if (random.below(64) == 0) {
      ASSERT_EQ(t.receive(model.next()), Verdict::kNew);
      model.add(model.next());
    }
    if (random.below(64) == 0) {
      const uint64_t last = model.next() + random.below(reach);
      ASSERT_EQ(t.tracker.may_forward(t.tsn(last)), last - model.next() + 1 <= 65535);
      if (t.tracker.may_forward(t.tsn(last))) {
        t.tracker.forward(t.tsn(last), t.pool);
        model.forward(last);
      }
    }
    if (random.below(8) == 0) t.tracker.clear_duplicates(t.pool);
    ASSERT_EQ(t.tracker.cum_tsn(), t.tsn(model.next()) - 1) << step;
    ASSERT_EQ(t.gaps(), model.gaps()) << step;
    ASSERT_EQ(t.tracker.has_gaps(), !model.ahead().empty());
    ASSERT_EQ(t.tracker.highest(),
              model.ahead().empty() ? t.tracker.cum_tsn() : t.tsn(*model.ahead().rbegin()));
    ASSERT_EQ(t.pool.used() > 0, t.tracker.has_gaps() || t.tracker.has_duplicates());
  }
}

TEST(TsnTracker, AgreesWithASetWhenLittleIsAmiss) {
  random_walk(1, 8, 0);
}
TEST(TsnTracker, AgreesWithASetAroundTheWrap) {
  random_walk(2, 40, 0xffffff00u);
  random_walk(3, 40, 0x7fffff00u);
}
TEST(TsnTracker, AgreesWithASetWhenItsTableIsFull) {
  random_walk(4, 2000, 0xfffffc00u);
}
TEST(TsnTracker, AgreesWithASetAtTheLimitOfGapBlocks) {
  random_walk(5, 70000, 0xffff0000u);
}

// The example of RFC 3758 section 3.6: 104, 105 and 107 have come when 103 is skipped.
TEST(TsnTracker, TheExampleOfForwardTsn) {
  Tracked t(102);
  for (const unsigned n : {0u, 2u, 3u, 5u}) ASSERT_EQ(t.receive(n), Verdict::kNew);
  ASSERT_EQ(t.tracker.cum_tsn(), Tsn(102));
  t.tracker.forward(Tsn(103), t.pool);
  EXPECT_EQ(t.tracker.cum_tsn(), Tsn(105));
  EXPECT_EQ(t.gaps(), (std::vector<wire::GapBlock>{{2, 2}}));
  EXPECT_EQ(t.receive(1), Verdict::kDuplicate) << "it was skipped";
  t.tracker.forward(Tsn(200), t.pool);
  EXPECT_EQ(t.tracker.cum_tsn(), Tsn(200));
  EXPECT_FALSE(t.tracker.has_gaps());
}

TEST(TsnTracker, SkippingNeedsNoMemory) {
  Tracked t(0xfffffff0u, 0);
  t.tracker.forward(Tsn(5), t.pool);
  EXPECT_EQ(t.tracker.cum_tsn(), Tsn(5));
  EXPECT_FALSE(t.tracker.has_disorder());
}

// A receiver without room drops what it holds behind a gap before it takes what fills one. That
// moves blocks: the verdict on the new TSN must be asked for again, and then be "no".
TEST(TsnTracker, ForgettingCanTakeTheRoomThatATsnCountedOn) {
  Tracked t(1000);
  for (uint64_t i = 0; i < TsnDisorder::kMaxBlocks; ++i) {
    const uint64_t first = 10 + i * 4;
    ASSERT_EQ(t.receive(first), Verdict::kNew);
    ASSERT_EQ(t.receive(first + 1), Verdict::kNew);
  }
  const uint64_t victim = 10 + 5 * 4;
  EXPECT_EQ(t.tracker.classify(t.tsn(victim - 1), t.pool), Verdict::kNew);  // joins its block
  EXPECT_TRUE(t.tracker.forget(t.tsn(victim), t.tsn(victim), t.pool));
  EXPECT_EQ(t.tracker.classify(t.tsn(victim - 1), t.pool), Verdict::kTooFar);
}

}  // namespace
}  // namespace trunkline
