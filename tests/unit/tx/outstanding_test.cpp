// SPDX-License-Identifier: BSD-3-Clause
// Outstanding data: what a SACK means for chunks and paths (RFC 9260 sections 6.2.1, 6.3, 7.2.4),
// as tables of cases and against a naive model with random SACKs.
#include "tx/outstanding.h"

#include <gtest/gtest.h>

#include <deque>
#include <set>
#include <vector>

#include "trunkline/stack/random.h"
#include "wire/common_header.h"

namespace trunkline {
namespace {

using State = TxChunk::State;
using Gaps = std::vector<wire::GapBlock>;

constexpr TimePoint at_ms(int64_t ms) {
  return TimePoint::from_ns(ms * 1'000'000);
}

// A SACK as it comes off the wire, with the bytes that its view points to.
class Sack {
 public:
  Sack(Tsn cum, const Gaps& gaps) : bytes_(12 + 16 + 4 * gaps.size()) {
    wire::PacketWriter writer(bytes_);
    EXPECT_TRUE(wire::write_sack(writer, cum, 100000, gaps, {}));
    wire::ChunkCursor cursor(std::span<const uint8_t>(bytes_).subspan(wire::kCommonHeaderSize));
    view_ = *wire::SackChunk::parse(*cursor.next());
  }
  Sack(const Sack&) = delete;
  Sack& operator=(const Sack&) = delete;
  [[nodiscard]] const wire::SackChunk& view() const { return view_; }

 private:
  std::vector<uint8_t> bytes_;
  wire::SackChunk view_;
};

// Chunks are numbered from 0; chunk n has TSN initial + n.
class Sender {
 public:
  explicit Sender(uint32_t initial = 0xfffffffcu) : out(Tsn(initial)), base_(initial) {}
  ~Sender() {
    while (out.pop_any() != nullptr) {
    }
    EXPECT_EQ(out.flight(), 0u);
    EXPECT_EQ(out.bytes(), 0u);
    EXPECT_FALSE(out.has_retransmissions());
    for (size_t path = 0; path < kMaxPaths; ++path) EXPECT_EQ(out.flight(path), 0u);
  }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  [[nodiscard]] Tsn tsn(uint32_t n) const { return Tsn(base_ + n); }
  void send(size_t count, uint16_t size = 100, uint8_t path = 0, int64_t ms = 0) {
    for (size_t i = 0; i < count; ++i) {
      TxChunk& chunk = chunks.emplace_back();
      chunk.size = size;
      out.add(&chunk, at_ms(ms), path);
      EXPECT_EQ(chunk.tsn, tsn(static_cast<uint32_t>(chunks.size() - 1)));
    }
  }
  // Acknowledges the first `cum` chunks and what the gap blocks say, in offsets from there.
  SackOutcome sack(uint32_t cum, const Gaps& gaps = {}, bool in_fast_recovery = false) {
    const Sack sack(tsn(cum) - 1, gaps);
    EXPECT_TRUE(out.plausible(sack.view()));
    SackOutcome outcome;
    out.process(sack.view(), in_fast_recovery, outcome);
    while (TxChunk* chunk = out.pop_acked()) popped.push_back(chunk);
    return outcome;
  }
  [[nodiscard]] bool plausible(uint32_t cum, const Gaps& gaps) const {
    const Sack sack(tsn(cum) - 1, gaps);
    return out.plausible(sack.view());
  }
  [[nodiscard]] State state(size_t n) const { return chunks[n].state; }

  Outstanding out;
  std::deque<TxChunk> chunks;
  std::vector<TxChunk*> popped;

 private:
  uint32_t base_;
};

TEST(Outstanding, CountsWhatIsInFlightByPath) {
  Sender s;
  EXPECT_TRUE(s.out.empty());
  s.send(2, 100, 0);
  s.send(1, 7, 3);
  EXPECT_EQ(s.out.flight(), 207u);
  EXPECT_EQ(s.out.flight(0), 2 * 116u) << "chunks, with headers and padding (7.2)";
  EXPECT_EQ(s.out.flight(3), 24u);
  EXPECT_EQ(s.out.bytes(), 207u);
  EXPECT_EQ(s.out.size(), 3u);
  EXPECT_EQ(s.out.next_tsn(), s.tsn(3));
  EXPECT_EQ(s.out.earliest(3), &s.chunks[2]);
  EXPECT_EQ(s.out.earliest(1), nullptr);
}

TEST(Outstanding, ACumulativeAckTakesChunksInOrder) {
  Sender s;
  s.send(5);
  const SackOutcome outcome = s.sack(3);
  EXPECT_TRUE(outcome.cum_advanced);
  EXPECT_TRUE(outcome.newly_acked);
  EXPECT_EQ(outcome.paths[0].acked, 3 * 116u) << "with headers (7.2)";
  EXPECT_EQ(outcome.paths[0].flight_before, 5 * 116u);
  EXPECT_TRUE(outcome.paths[0].first_acked);
  ASSERT_EQ(s.popped.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(s.popped[i], &s.chunks[i]);
  EXPECT_EQ(s.out.cum_ack(), s.tsn(2));
  EXPECT_EQ(s.out.flight(), 200u);
  EXPECT_EQ(s.out.bytes(), 200u);
  const SackOutcome again = s.sack(3);
  EXPECT_FALSE(again.cum_advanced);
  EXPECT_FALSE(again.newly_acked);
  EXPECT_EQ(again.paths[0].acked, 0u);
}

TEST(Outstanding, HeadersAndPaddingCountForCongestionControl) {
  Sender s;
  s.send(1, 1);
  s.send(1, 101);
  const SackOutcome outcome = s.sack(2);
  EXPECT_EQ(outcome.paths[0].acked, 20u + 120u);
}

TEST(Outstanding, GapAckedChunksLeaveTheFlightAndStay) {
  Sender s;
  s.send(6);
  const SackOutcome outcome = s.sack(1, {{2, 3}, {5, 5}});  // chunks 2, 3 and 5
  EXPECT_EQ(outcome.paths[0].acked, 4 * 116u);
  EXPECT_EQ(s.out.flight(), 200u);
  EXPECT_EQ(s.out.bytes(), 500u) << "the peer may take them back";
  EXPECT_EQ(s.state(1), State::kInFlight);
  EXPECT_EQ(s.state(2), State::kGapAcked);
  EXPECT_EQ(s.state(3), State::kGapAcked);
  EXPECT_EQ(s.state(4), State::kInFlight);
  EXPECT_EQ(s.state(5), State::kGapAcked);
  const SackOutcome rest = s.sack(6);
  EXPECT_EQ(rest.paths[0].acked, 2 * 116u) << "each byte is acknowledged once";
  EXPECT_TRUE(s.out.empty());
}

TEST(Outstanding, OnlyPossibleSacksArePlausible) {
  Sender s;
  s.send(10);
  struct Row {
    const char* what;
    uint32_t cum;
    Gaps gaps;
    bool plausible;
  };
  const Row rows[] = {
      {"all", 10, {}, true},
      {"one more than was sent", 11, {}, false},
      {"up to the last sent", 1, {{2, 9}}, true},
      {"a gap block past the last sent", 1, {{2, 10}}, false},
      {"nothing yet", 0, {}, true},
      {"offset 0", 1, {{0, 3}}, false},
      {"offset 1 is what the cumulative TSN should have told", 1, {{1, 3}}, false},
      {"backwards", 1, {{5, 4}}, false},
      {"not ascending", 1, {{5, 6}, {2, 3}}, false},
      {"overlapping", 1, {{2, 5}, {5, 6}}, false},
      {"repeated", 1, {{2, 3}, {2, 3}}, false},
      {"single TSNs", 1, {{2, 2}, {4, 4}, {6, 6}, {9, 9}}, true},
      {"a block far ahead", 1, {{65535, 65535}}, false},
  };
  for (const Row& row : rows) EXPECT_EQ(s.plausible(row.cum, row.gaps), row.plausible) << row.what;
}

TEST(Outstanding, ThreeMissIndicationsMarkForFastRetransmit) {
  Sender s;
  s.send(10);
  EXPECT_FALSE(s.sack(1, {{2, 2}}).paths[0].lost);  // chunk 1 is missing
  EXPECT_FALSE(s.sack(1, {{2, 3}}).paths[0].lost);
  EXPECT_EQ(s.state(1), State::kInFlight);
  const SackOutcome third = s.sack(1, {{2, 4}});
  EXPECT_TRUE(third.paths[0].lost);
  EXPECT_EQ(s.state(1), State::kRetransmit);
  EXPECT_TRUE(s.chunks[1].fast_retransmitted);
  EXPECT_EQ(s.out.next_retransmission(), &s.chunks[1]);
  EXPECT_EQ(s.out.next_retransmission(&s.chunks[1]), nullptr);
  EXPECT_EQ(s.out.flight(), 500u) << "what is thought lost is not in flight";
}

TEST(Outstanding, ASackThatNewlyAcknowledgesNothingIsNoMissIndication) {
  Sender s;
  s.send(10);
  for (int i = 0; i < 10; ++i) s.sack(1, {{2, 2}});
  EXPECT_EQ(s.state(1), State::kInFlight);
  EXPECT_EQ(s.chunks[1].misses, 1);
}

TEST(Outstanding, OnlyTsnsBeforeTheHighestNewlyAcknowledgedMiss) {
  Sender s;
  s.send(12);
  s.sack(1, {{8, 8}});  // chunks 1 to 7 miss for the first time
  s.sack(1, {{3, 3}, {8, 8}});
  EXPECT_EQ(s.chunks[1].misses, 2);
  EXPECT_EQ(s.chunks[2].misses, 2);
  EXPECT_EQ(s.chunks[4].misses, 1) << "behind the highest newly acknowledged";
  EXPECT_EQ(s.chunks[9].misses, 0) << "behind the last block nothing misses";
}

TEST(Outstanding, InFastRecoveryAnAdvancingSackCountsForAllThatMiss) {
  Sender s;
  s.send(12);
  s.sack(1, {{9, 9}});
  s.sack(2, {{8, 8}}, true);  // advances by one; newly acknowledged is only chunk 1
  EXPECT_EQ(s.chunks[2].misses, 2);
  EXPECT_EQ(s.chunks[8].misses, 2);
  s.sack(2, {{2, 2}, {8, 8}}, true);  // does not advance: as ever
  EXPECT_EQ(s.chunks[2].misses, 3);
  EXPECT_EQ(s.chunks[8].misses, 2);
}

TEST(Outstanding, AFastRetransmittedChunkIsNotFastRetransmittedAgain) {
  Sender s;
  s.send(20);
  for (uint16_t i = 2; i <= 4; ++i) s.sack(1, {{2, i}});
  ASSERT_EQ(s.state(1), State::kRetransmit);
  s.out.retransmit(&s.chunks[1], at_ms(5), 1);
  EXPECT_EQ(s.state(1), State::kInFlight);
  EXPECT_EQ(s.out.flight(1), 116u) << "counted where it was sent last";
  for (uint16_t i = 5; i <= 15; ++i) s.sack(1, {{2, i}});
  EXPECT_EQ(s.state(1), State::kInFlight) << "only T3 helps now (7.2.4 rule 5)";
  EXPECT_EQ(s.out.mark_lost(1), 100u);
  EXPECT_EQ(s.state(1), State::kRetransmit);
  EXPECT_FALSE(s.chunks[1].fast_retransmitted) << "T3 makes it eligible again";
}

TEST(Outstanding, ARenegedChunkIsInFlightAgainAndTold) {
  Sender s;
  for (int n = 0; n < 6; ++n) s.send(1, 100, 0, 10 * n);
  s.sack(1, {{3, 4}});
  ASSERT_EQ(s.out.flight(), 300u);
  const SackOutcome outcome = s.sack(1, {{3, 3}});
  EXPECT_TRUE(outcome.paths[0].reneged);
  EXPECT_EQ(s.state(4), State::kInFlight);
  EXPECT_EQ(s.out.flight(), 400u);
  const SackOutcome all = s.sack(1);
  EXPECT_TRUE(all.paths[0].reneged);
  EXPECT_EQ(s.out.flight(), 500u);
  EXPECT_FALSE(s.sack(1).paths[0].reneged);
  const SackOutcome last = s.sack(6);
  EXPECT_EQ(last.paths[0].acked, 5 * 116u);
  EXPECT_EQ(last.paths[0].rtt_from, at_ms(50)) << "no round trip from what was taken back";
}

// 6.2.1 D iii: wherever the chunk lies, and once for one SACK.
TEST(Outstanding, TakingAChunkBackIsOneMissIndication) {
  Sender s;
  s.send(8);
  s.sack(1, {{2, 7}});  // chunks 2 to 7; chunk 1 misses once
  s.sack(1, {{2, 6}});
  EXPECT_EQ(s.state(7), State::kInFlight);
  EXPECT_EQ(s.chunks[7].misses, 1) << "behind all that is acknowledged";
  s.sack(1, {{2, 3}});
  EXPECT_EQ(s.chunks[4].misses, 1);
  EXPECT_EQ(s.chunks[6].misses, 1);
  EXPECT_EQ(s.chunks[7].misses, 1);
  s.sack(1);
  EXPECT_EQ(s.chunks[2].misses, 1) << "by a SACK without gap blocks, too";
  EXPECT_EQ(s.chunks[1].misses, 1) << "no indication for what was missing before";
  s.sack(1, {{7, 7}});
  EXPECT_EQ(s.chunks[4].misses, 2);
  s.sack(1, {{3, 3}, {7, 7}});
  const SackOutcome both = s.sack(1, {{6, 6}});  // takes back two, acknowledges one
  EXPECT_EQ(s.chunks[3].misses, 1) << "counted anew since it was acknowledged";
  EXPECT_EQ(s.state(4), State::kRetransmit) << "third miss";
  EXPECT_TRUE(both.paths[0].lost);
}

TEST(Outstanding, AShutdownsCumulativeTsnTakesNothingBack) {
  Sender s;
  s.send(6);
  s.sack(1, {{3, 4}});
  SackOutcome outcome;
  s.out.process_cum_ack(s.tsn(1), outcome);
  EXPECT_TRUE(outcome.cum_advanced);
  EXPECT_FALSE(outcome.paths[0].reneged);
  EXPECT_EQ(s.state(3), State::kGapAcked);
  EXPECT_EQ(s.out.flight(), 200u);
  while (s.out.pop_acked() != nullptr) {
  }
}

TEST(Outstanding, RoundTripsComeOnlyFromChunksSentOnce) {
  Sender s;
  s.send(1, 100, 0, 10);
  s.send(1, 100, 0, 20);
  s.send(1, 100, 0, 30);
  EXPECT_EQ(s.sack(2).paths[0].rtt_from, at_ms(20)) << "the latest says most about now";
  s.out.mark_lost(0);
  s.out.retransmit(&s.chunks[2], at_ms(100), 0);
  s.send(1, 100, 0, 110);
  EXPECT_FALSE(s.sack(3).paths[0].rtt_from.has_value());
  EXPECT_EQ(s.sack(4).paths[0].rtt_from, at_ms(110)) << "sent after the retransmission";
}

// C5: while a lower TSN was sent again, a chunk may have waited for it.
TEST(Outstanding, NoRoundTripFromWhatWaitedWhileALowerTsnWasSentAgain) {
  Sender s;
  s.send(5, 100, 0, 10);
  s.out.mark_lost(0);
  s.out.retransmit(&s.chunks[0], at_ms(50), 0);
  EXPECT_FALSE(s.sack(0, {{3, 3}}).paths[0].rtt_from.has_value()) << "acknowledged behind it";
  EXPECT_FALSE(s.sack(1, {{2, 2}}).paths[0].rtt_from.has_value());
  EXPECT_FALSE(s.sack(4).paths[0].rtt_from.has_value()) << "and after it has left";
  s.send(1, 100, 0, 60);
  EXPECT_FALSE(s.sack(5).paths[0].rtt_from.has_value());
  EXPECT_EQ(s.sack(6).paths[0].rtt_from, at_ms(60)) << "sent since";
}

TEST(Outstanding, T3MarksWhatIsInFlightOnItsPathOnly) {
  Sender s;
  s.send(2, 100, 0);
  s.send(2, 100, 1);
  s.send(2, 100, 0);
  s.sack(0, {{5, 5}});  // chunk 4, on path 0
  EXPECT_EQ(s.out.mark_lost(0), 300u);
  EXPECT_EQ(s.out.flight(0), 0u);
  EXPECT_EQ(s.out.flight(1), 2 * 116u);
  EXPECT_EQ(s.out.bytes(), 600u);
  std::vector<TxChunk*> again;
  for (TxChunk* chunk = s.out.next_retransmission(); chunk != nullptr;
       chunk = s.out.next_retransmission(chunk)) {
    again.push_back(chunk);
  }
  EXPECT_EQ(again, (std::vector<TxChunk*>{&s.chunks[0], &s.chunks[1], &s.chunks[5]}));
  EXPECT_EQ(s.out.mark_lost(0), 0u) << "nothing is in flight there any more";
  EXPECT_EQ(s.out.earliest(0), nullptr);
  EXPECT_EQ(s.out.earliest(1), &s.chunks[2]);
}

TEST(Outstanding, AnAcknowledgedRetransmissionIsNotSentAgain) {
  Sender s;
  s.send(3);
  s.out.mark_lost(0);
  s.sack(0, {{2, 2}});
  EXPECT_EQ(s.state(1), State::kGapAcked);
  s.sack(1, {{1 + 1, 2}});
  EXPECT_FALSE(s.out.has_retransmissions() && s.out.next_retransmission() == &s.chunks[0]);
  s.sack(3);
  EXPECT_FALSE(s.out.has_retransmissions());
}

TEST(Outstanding, RestartBeginsAnew) {
  Sender s;
  s.send(3);
  s.sack(0, {{2, 2}});
  while (s.out.pop_any() != nullptr) {
  }
  s.out.restart(Tsn(77));
  EXPECT_EQ(s.out.next_tsn(), Tsn(77));
  EXPECT_EQ(s.out.cum_ack(), Tsn(76));
  TxChunk chunk;
  chunk.size = 5;
  s.out.add(&chunk, at_ms(0), 0);
  EXPECT_EQ(chunk.tsn, Tsn(77));
  EXPECT_EQ(s.out.pop_any(), &chunk);
}

// ---------------------------------------------------------------- against a model

uint32_t on_the_wire(const TxChunk& chunk) {
  return (16u + chunk.size + 3) & ~3u;
}

struct Audit {
  uint64_t flight = 0;
  uint64_t bytes = 0;
  std::array<uint64_t, kMaxPaths> path_flight{};
  size_t retransmit = 0;
};

Audit audit(const Sender& s) {
  Audit out;
  for (const TxChunk& chunk : s.chunks) {
    if (chunk.tsn.at_or_before(s.out.cum_ack())) continue;
    out.bytes += chunk.size;
    if (chunk.state == State::kRetransmit) ++out.retransmit;
    if (chunk.state != State::kInFlight) continue;
    out.flight += chunk.size;
    out.path_flight[chunk.path] += on_the_wire(chunk);
  }
  return out;
}

void check_counts(const Sender& s) {
  const Audit expected = audit(s);
  ASSERT_EQ(s.out.flight(), expected.flight);
  ASSERT_EQ(s.out.bytes(), expected.bytes);
  ASSERT_EQ(s.out.has_retransmissions(), expected.retransmit > 0);
  size_t retransmit = 0;
  for (TxChunk* chunk = s.out.next_retransmission(); chunk != nullptr;
       chunk = s.out.next_retransmission(chunk)) {
    ++retransmit;
  }
  ASSERT_EQ(retransmit, expected.retransmit);
  for (size_t path = 0; path < kMaxPaths; ++path) {
    ASSERT_EQ(s.out.flight(path), expected.path_flight[path]);
  }
}

void random_conversation(uint64_t seed) {
  SeededRandom random(seed);
  Sender s(static_cast<uint32_t>(0u - random.below(500)));
  uint32_t cum = 0;             // chunks acknowledged cumulatively
  std::set<uint32_t> received;  // beyond that, as the peer says now
  for (int step = 0; step < 3000; ++step) {
    const auto sent = static_cast<uint32_t>(s.chunks.size());
    switch (random.below(6)) {
      case 0:
      case 1:
        s.send(random.below(5), static_cast<uint16_t>(1 + random.below(1452)),
               static_cast<uint8_t>(random.below(3)), step);
        break;
      case 2:
        s.out.mark_lost(static_cast<uint8_t>(random.below(3)));
        break;
      case 3:
        for (TxChunk* chunk = s.out.next_retransmission(); chunk != nullptr;
             chunk = s.out.next_retransmission(chunk)) {
          if (random.below(2) == 0) {
            s.out.retransmit(chunk, at_ms(step), static_cast<uint8_t>(random.below(3)));
          }
        }
        break;
      default: {
        std::set<uint32_t> before = received;
        const uint32_t cum_before = cum;
        for (uint32_t n = cum; n < sent; ++n) {
          if (random.below(4) == 0) received.insert(n);
          if (random.below(20) == 0) received.erase(n);  // the peer reneges
        }
        if (random.below(3) == 0) received.insert(cum);
        while (cum < sent && received.erase(cum) != 0) ++cum;
        received.erase(received.lower_bound(sent), received.end());
        Gaps gaps;
        for (const uint32_t n : received) {
          const auto offset = static_cast<uint16_t>(n - cum + 1);
          if (!gaps.empty() && gaps.back().end + 1 == offset) {
            gaps.back().end = offset;
          } else {
            gaps.push_back({offset, offset});
          }
        }
        uint64_t newly = 0;
        for (uint32_t n = cum_before; n < sent; ++n) {
          const bool now = n < cum || received.count(n) != 0;
          if (now && before.count(n) == 0) newly += on_the_wire(s.chunks[n]);
        }
        const SackOutcome outcome = s.sack(cum, gaps, random.below(2) == 0);
        uint64_t acked = 0;
        for (const auto& path : outcome.paths) acked += path.acked;
        ASSERT_EQ(acked, newly);
        ASSERT_EQ(outcome.newly_acked, newly > 0);
        ASSERT_EQ(outcome.cum_advanced, cum > cum_before);
        for (uint32_t n = cum; n < sent; ++n) {
          ASSERT_EQ(s.state(n) == State::kGapAcked, received.count(n) != 0) << n;
        }
        ASSERT_EQ(s.popped.size(), cum);
        break;
      }
    }
    check_counts(s);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(Outstanding, AgreesWithAModelUnderRandomSacks) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    random_conversation(seed);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace trunkline
