// SPDX-License-Identifier: BSD-3-Clause
// Outstanding data: what a SACK means for chunks and paths (RFC 9260 sections 6.2.1, 6.3, 7.2.4),
// as tables of cases.
#include <deque>
#include <set>
#include <vector>

#include "sent_chunks.h"

namespace trunkline {
namespace {

TEST(Outstanding, CountsWhatIsInFlightByPath) {
  SentChunks s;
  EXPECT_TRUE(s.out.empty());
  s.send(2, 100, 0);
  s.send(1, 7, 3);
  EXPECT_EQ(s.out.flight(), 207u);
  EXPECT_EQ(s.out.flight(0), 2 * 116u) << "chunks, with headers and padding (7.2)";
  EXPECT_EQ(s.out.flight(3), 24u);
  EXPECT_EQ(s.out.bytes(), 207u);
  EXPECT_EQ(s.out.size(), 3u);
  EXPECT_EQ(s.out.next_tsn(), s.tsn(3));
  EXPECT_EQ(s.out.earliest(3), &s.chunk(2));
  EXPECT_EQ(s.out.earliest(1), nullptr);
}

TEST(Outstanding, ACumulativeAckTakesChunksInOrder) {
  SentChunks s;
  s.send(5);
  const SackOutcome outcome = s.sack(3);
  EXPECT_TRUE(outcome.cum_advanced);
  EXPECT_TRUE(outcome.newly_acked);
  EXPECT_EQ(outcome.paths[0].acked, 3 * 116u) << "with headers (7.2)";
  EXPECT_EQ(outcome.paths[0].flight_before, 5 * 116u);
  EXPECT_TRUE(outcome.paths[0].first_acked);
  ASSERT_EQ(s.popped.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(s.popped[i], &s.messages[i]);
  EXPECT_EQ(s.out.cum_ack(), s.tsn(2));
  EXPECT_EQ(s.out.flight(), 200u);
  EXPECT_EQ(s.out.bytes(), 200u);
  const SackOutcome again = s.sack(3);
  EXPECT_FALSE(again.cum_advanced);
  EXPECT_FALSE(again.newly_acked);
  EXPECT_EQ(again.paths[0].acked, 0u);
}

TEST(Outstanding, HeadersAndPaddingCountForCongestionControl) {
  SentChunks s;
  s.send(1, 1);
  s.send(1, 101);
  const SackOutcome outcome = s.sack(2);
  EXPECT_EQ(outcome.paths[0].acked, 20u + 120u);
}

TEST(Outstanding, GapAckedChunksLeaveTheFlightAndStay) {
  SentChunks s;
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

// Of a SACK, what is sound counts; only a TSN that was never sent condemns it.
TEST(Outstanding, GapBlocksThatMakeNoSenseArePassedOver) {
  struct Row {
    const char* what;
    uint32_t cum;
    Gaps gaps;
    bool unsent;
    std::set<uint32_t> acked;  // chunks behind the cumulative TSN
    size_t unsound;
  };
  const Row rows[] = {
      {"all", 10, {}, false, {}, 0},
      {"one more than was sent", 11, {}, true, {}, 0},
      {"up to the last sent", 1, {{2, 9}}, false, {2, 3, 4, 5, 6, 7, 8, 9}, 0},
      {"a gap block past the last sent", 1, {{2, 10}}, true, {}, 0},
      {"past the last sent, behind one that makes no sense", 1, {{5, 4}, {9, 10}}, true, {}, 0},
      {"nothing yet", 0, {}, false, {}, 0},
      {"offset 0", 1, {{0, 3}}, false, {}, 1},
      {"offset 1 is what the cumulative TSN should have told", 1, {{1, 3}}, false, {}, 1},
      {"the same, and a sound one", 1, {{1, 3}, {3, 4}}, false, {3, 4}, 1},
      {"backwards", 1, {{5, 4}}, false, {}, 1},
      {"backwards, then on", 1, {{2, 2}, {7, 4}, {5, 6}}, false, {2, 5, 6}, 1},
      {"backwards from what was never sent", 1, {{30, 4}, {5, 6}}, false, {5, 6}, 1},
      {"not ascending", 1, {{5, 6}, {2, 3}}, false, {5, 6}, 1},
      {"overlapping", 1, {{2, 5}, {5, 6}}, false, {2, 3, 4, 5}, 1},
      {"overlapping, then on", 1, {{2, 5}, {3, 4}, {5, 6}, {8, 8}}, false, {2, 3, 4, 5, 8}, 2},
      {"repeated", 1, {{2, 3}, {2, 3}}, false, {2, 3}, 1},
      {"touching", 1, {{2, 3}, {4, 5}}, false, {2, 3, 4, 5}, 0},
      {"single TSNs", 1, {{2, 2}, {4, 4}, {6, 6}, {9, 9}}, false, {2, 4, 6, 9}, 0},
      {"a block far ahead", 1, {{65535, 65535}}, true, {}, 0},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    SentChunks s;
    s.send(10);
    const Sack sack(s.tsn(row.cum) - 1, row.gaps);
    ASSERT_EQ(s.out.acknowledges_unsent(sack.view()), row.unsent);
    if (row.unsent) continue;
    const SackOutcome outcome = s.sack(row.cum, row.gaps);
    EXPECT_EQ(outcome.unsound_gaps, row.unsound);
    EXPECT_EQ(s.out.cum_ack(), s.tsn(row.cum) - 1) << "what else it says counts";
    for (uint32_t n = row.cum; n < 10; ++n) {
      EXPECT_EQ(s.state(n) == State::kGapAcked, row.acked.count(n) != 0) << n;
    }
  }
}

TEST(Outstanding, ThreeMissIndicationsMarkForFastRetransmit) {
  SentChunks s;
  s.send(10);
  EXPECT_FALSE(s.sack(1, {{2, 2}}).paths[0].lost);  // chunk 1 is missing
  EXPECT_FALSE(s.sack(1, {{2, 3}}).paths[0].lost);
  EXPECT_EQ(s.state(1), State::kInFlight);
  const SackOutcome third = s.sack(1, {{2, 4}});
  EXPECT_TRUE(third.paths[0].lost);
  EXPECT_EQ(s.state(1), State::kRetransmit);
  EXPECT_TRUE(s.chunk(1).fast_retransmitted);
  EXPECT_EQ(s.out.next_retransmission(), &s.chunk(1));
  EXPECT_EQ(s.out.next_retransmission(&s.chunk(1)), nullptr);
  EXPECT_EQ(s.out.flight(), 500u) << "what is thought lost is not in flight";
}

TEST(Outstanding, ASackThatNewlyAcknowledgesNothingIsNoMissIndication) {
  SentChunks s;
  s.send(10);
  for (int i = 0; i < 10; ++i) s.sack(1, {{2, 2}});
  EXPECT_EQ(s.state(1), State::kInFlight);
  EXPECT_EQ(s.chunk(1).misses, 1);
}

TEST(Outstanding, OnlyTsnsBeforeTheHighestNewlyAcknowledgedMiss) {
  SentChunks s;
  s.send(12);
  s.sack(1, {{8, 8}});  // chunks 1 to 7 miss for the first time
  s.sack(1, {{3, 3}, {8, 8}});
  EXPECT_EQ(s.chunk(1).misses, 2);
  EXPECT_EQ(s.chunk(2).misses, 2);
  EXPECT_EQ(s.chunk(4).misses, 1) << "behind the highest newly acknowledged";
  EXPECT_EQ(s.chunk(9).misses, 0) << "behind the last block nothing misses";
}

TEST(Outstanding, InFastRecoveryAnAdvancingSackCountsForAllThatMiss) {
  SentChunks s;
  s.send(12);
  s.sack(1, {{9, 9}});
  s.sack(2, {{8, 8}}, true);  // advances by one; newly acknowledged is only chunk 1
  EXPECT_EQ(s.chunk(2).misses, 2);
  EXPECT_EQ(s.chunk(8).misses, 2);
  s.sack(2, {{2, 2}, {8, 8}}, true);  // does not advance: as ever
  EXPECT_EQ(s.chunk(2).misses, 3);
  EXPECT_EQ(s.chunk(8).misses, 2);
}

TEST(Outstanding, AFastRetransmittedChunkIsNotFastRetransmittedAgain) {
  SentChunks s;
  s.send(20);
  for (uint16_t i = 2; i <= 4; ++i) s.sack(1, {{2, i}});
  ASSERT_EQ(s.state(1), State::kRetransmit);
  s.out.retransmit(&s.chunk(1), at_ms(5), 1);
  EXPECT_EQ(s.state(1), State::kInFlight);
  EXPECT_EQ(s.out.flight(1), 116u) << "counted where it was sent last";
  for (uint16_t i = 5; i <= 15; ++i) s.sack(1, {{2, i}});
  EXPECT_EQ(s.state(1), State::kInFlight) << "only T3 helps now (7.2.4 rule 5)";
  EXPECT_EQ(s.out.mark_lost(1).bytes, 100u);
  EXPECT_EQ(s.state(1), State::kRetransmit);
  EXPECT_FALSE(s.chunk(1).fast_retransmitted) << "T3 makes it eligible again";
}

TEST(Outstanding, AFastRetransmissionIsLostWhenWhatWentAfterItByItsPathComes) {
  constexpr EarlySigns kAgain{.again = true};
  for (const uint8_t other : {uint8_t{0}, uint8_t{1}}) {
    SentChunks s;
    s.send(10);
    for (uint16_t i = 2; i <= 4; ++i) s.sack(1, {{2, i}}, i == 4, kAgain);
    ASSERT_EQ(s.state(1), State::kRetransmit);
    s.out.retransmit(&s.chunk(1), at_ms(5), 0);
    s.send(4, 100, other, 6);
    // Chunks 5 to 9 went before it.
    for (uint16_t i = 5; i <= 11; ++i) s.sack(1, {{2, i}}, true, kAgain);
    EXPECT_EQ(s.state(1), State::kInFlight);
    const bool lost = s.sack(1, {{2, 12}}, true, kAgain).lost_again;
    EXPECT_EQ(lost, other == 0) << "another path may work where this one does not";
    EXPECT_EQ(s.chunk(1).is_lost_again(), lost);
  }
}

TEST(Outstanding, ARenegedChunkIsInFlightAgainAndTold) {
  SentChunks s;
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
  SentChunks s;
  s.send(8);
  s.sack(1, {{2, 7}});  // chunks 2 to 7; chunk 1 misses once
  s.sack(1, {{2, 6}});
  EXPECT_EQ(s.state(7), State::kInFlight);
  EXPECT_EQ(s.chunk(7).misses, 1) << "behind all that is acknowledged";
  s.sack(1, {{2, 3}});
  EXPECT_EQ(s.chunk(4).misses, 1);
  EXPECT_EQ(s.chunk(6).misses, 1);
  EXPECT_EQ(s.chunk(7).misses, 1);
  s.sack(1);
  EXPECT_EQ(s.chunk(2).misses, 1) << "by a SACK without gap blocks, too";
  EXPECT_EQ(s.chunk(1).misses, 1) << "no indication for what was missing before";
  s.sack(1, {{7, 7}});
  EXPECT_EQ(s.chunk(4).misses, 2);
  s.sack(1, {{3, 3}, {7, 7}});
  const SackOutcome both = s.sack(1, {{6, 6}});  // takes back two, acknowledges one
  EXPECT_EQ(s.chunk(3).misses, 1) << "counted anew since it was acknowledged";
  EXPECT_EQ(s.state(4), State::kRetransmit) << "third miss";
  EXPECT_TRUE(both.paths[0].lost);
}

TEST(Outstanding, AShutdownsCumulativeTsnTakesNothingBack) {
  SentChunks s;
  s.send(6);
  s.sack(1, {{3, 4}});
  SackOutcome outcome;
  s.out.process_cum_ack(s.tsn(1), outcome);
  EXPECT_TRUE(outcome.cum_advanced);
  EXPECT_FALSE(outcome.paths[0].reneged);
  EXPECT_EQ(s.state(3), State::kGapAcked);
  EXPECT_EQ(s.out.flight(), 200u);
  s.pop();
}

TEST(Outstanding, RoundTripsComeOnlyFromChunksSentOnce) {
  SentChunks s;
  s.send(1, 100, 0, 10);
  s.send(1, 100, 0, 20);
  s.send(1, 100, 0, 30);
  EXPECT_EQ(s.sack(2).paths[0].rtt_from, at_ms(20)) << "the latest says most about now";
  s.out.mark_lost(0);
  s.out.retransmit(&s.chunk(2), at_ms(100), 0);
  s.send(1, 100, 0, 110);
  EXPECT_FALSE(s.sack(3).paths[0].rtt_from.has_value());
  EXPECT_EQ(s.sack(4).paths[0].rtt_from, at_ms(110)) << "sent after the retransmission";
}

// C5: while a lower TSN was sent again, a chunk may have waited for it.
TEST(Outstanding, NoRoundTripFromWhatWaitedWhileALowerTsnWasSentAgain) {
  SentChunks s;
  s.send(5, 100, 0, 10);
  s.out.mark_lost(0);
  s.out.retransmit(&s.chunk(0), at_ms(50), 0);
  EXPECT_FALSE(s.sack(0, {{3, 3}}).paths[0].rtt_from.has_value()) << "acknowledged behind it";
  EXPECT_FALSE(s.sack(1, {{2, 2}}).paths[0].rtt_from.has_value());
  EXPECT_FALSE(s.sack(4).paths[0].rtt_from.has_value()) << "and after it has left";
  s.send(1, 100, 0, 60);
  EXPECT_FALSE(s.sack(5).paths[0].rtt_from.has_value());
  EXPECT_EQ(s.sack(6).paths[0].rtt_from, at_ms(60)) << "sent since";
}

TEST(Outstanding, T3MarksWhatIsInFlightOnItsPathOnly) {
  SentChunks s;
  s.send(2, 100, 0);
  s.send(2, 100, 1);
  s.send(2, 100, 0);
  s.sack(0, {{5, 5}});  // chunk 4, on path 0
  EXPECT_EQ(s.out.mark_lost(0).bytes, 300u);
  EXPECT_EQ(s.out.flight(0), 0u);
  EXPECT_EQ(s.out.flight(1), 2 * 116u);
  EXPECT_EQ(s.out.bytes(), 600u);
  std::vector<TxChunk*> again;
  for (TxChunk* chunk = s.out.next_retransmission(); chunk != nullptr;
       chunk = s.out.next_retransmission(chunk)) {
    again.push_back(chunk);
  }
  EXPECT_EQ(again, (std::vector<TxChunk*>{&s.chunk(0), &s.chunk(1), &s.chunk(5)}));
  EXPECT_EQ(s.out.mark_lost(0).bytes, 0u) << "nothing is in flight there any more";
  EXPECT_EQ(s.out.earliest(0), nullptr);
  EXPECT_EQ(s.out.earliest(1), &s.chunk(2));
}

TEST(Outstanding, AnAcknowledgedRetransmissionIsNotSentAgain) {
  SentChunks s;
  s.send(3);
  s.out.mark_lost(0);
  s.sack(0, {{2, 2}});
  EXPECT_EQ(s.state(1), State::kGapAcked);
  s.sack(1, {{1 + 1, 2}});
  EXPECT_FALSE(s.out.has_retransmissions() && s.out.next_retransmission() == &s.chunk(0));
  s.sack(3);
  EXPECT_FALSE(s.out.has_retransmissions());
}

TEST(Outstanding, RestartBeginsAnew) {
  SentChunks s;
  s.send(3);
  s.sack(0, {{2, 2}});
  while (s.out.pop_any(s.memory)) {
  }
  s.begin_anew(Tsn(77));
  EXPECT_EQ(s.out.next_tsn(), Tsn(77));
  EXPECT_EQ(s.out.cum_ack(), Tsn(76));
  TxMessage message;
  ASSERT_TRUE(s.out.make_room(s.memory));
  TxChunk chunk;
  chunk.message = &message;
  chunk.tsn = Tsn(77);
  chunk.size = 5;
  s.out.add(s.memory, chunk);
  EXPECT_EQ(s.out.next_tsn(), Tsn(78));
  EXPECT_EQ(s.out.pop_any(s.memory)->message, &message);
}

TEST(Outstanding, TheLargestPacketInFlightIsKnownByPath) {
  SentChunks s;
  s.send(2, 100, 0, 0, 500);
  s.send(1, 100, 0, 0, 1500);
  s.send(1, 100, 1, 0, 900);
  EXPECT_TRUE(s.out.larger_in_flight(0, 1499));
  EXPECT_FALSE(s.out.larger_in_flight(0, 1500));
  EXPECT_TRUE(s.out.larger_in_flight(1, 899));
  EXPECT_FALSE(s.out.larger_in_flight(2, 0));
  s.sack(0, {{3, 3}});
  EXPECT_FALSE(s.out.larger_in_flight(0, 500)) << "the largest is acknowledged";
  EXPECT_TRUE(s.out.larger_in_flight(0, 499));
  s.sack(0);  // taken back
  EXPECT_TRUE(s.out.larger_in_flight(0, 1499));
  EXPECT_EQ(s.out.mark_lost(0).largest_packet, 1500);
  EXPECT_FALSE(s.out.larger_in_flight(0, 1));
}

TEST(Outstanding, ChunksOfAShardAreLimitedAndComeBack) {
  SentChunks s(0xfffffffcu, 20);
  s.send(20);
  EXPECT_FALSE(s.out.make_room(s.memory));
  EXPECT_EQ(s.memory.used(), 20u);
  s.sack(5);
  EXPECT_EQ(s.memory.used(), 15u);
  s.send(5);
  EXPECT_FALSE(s.out.make_room(s.memory));
}

// However many have outstanding what they may and nobody acknowledges, the next one finds its part.
TEST(Outstanding, OneAssociationLeavesChunksToOthers) {
  constexpr uint32_t kAssociations = 10;
  ChunkMemory memory(900, kAssociations, nullptr);
  std::deque<Outstanding> all;
  for (uint32_t i = 0; i < kAssociations; ++i) all.emplace_back(Tsn(1000 * i + 3));
  TxMessage message;
  for (uint32_t i = 0; i < kAssociations; ++i) {
    Outstanding& out = all[i];
    while (out.make_room(memory)) {
      TxChunk chunk;
      chunk.tsn = out.next_tsn();
      chunk.message = &message;
      chunk.size = 1;
      out.add(memory, chunk);
    }
    if (i == 0) {
      EXPECT_GE(out.size(), 450u);
      EXPECT_LT(out.size(), 460u);
    } else {
      EXPECT_GE(out.size(), 900u / 2 / kAssociations - 7);
    }
  }
  for (Outstanding& out : all) {
    while (out.pop_any(memory)) {
    }
  }
  EXPECT_EQ(memory.used(), 0u);
}

}  // namespace
}  // namespace trunkline
