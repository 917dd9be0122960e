// SPDX-License-Identifier: BSD-3-Clause
// Which chunks are late (RFC 8985 section 6.2 step 5).
#include "tx/rack.h"

#include "sent_chunks.h"

namespace trunkline {
namespace {

class LateChunks : public ::testing::Test {
 protected:
  // What was sent by that path before a chunk is late 25 ms after it was sent.
  LateLimits& limit(uint32_t newest, uint8_t path = 0) {
    const TxChunk& chunk = s.chunk(newest);
    limits[path] = {.any = true,
                    .newest_tsn = static_cast<uint16_t>(chunk.tsn.value),
                    .newest_us = chunk.sent_at.ns() / 1000,
                    .patience = std::chrono::milliseconds(25)};
    return limits;
  }
  SackOutcome sack(uint32_t cum, const Gaps& gaps) {
    const Sack sack(s.tsn(cum) - 1, gaps);
    SackOutcome said;
    deliveries = {};
    said.deliveries = &deliveries;
    s.out.process(sack.view(), true, said);
    s.pop();
    return said;
  }
  TimePoint look(int64_t ms) {
    outcome = {};
    return s.out.mark_late(at_ms(ms), limits, false, outcome);
  }
  // What is lost goes out, in its order.
  void send_again(int64_t ms) {
    while (TxChunk* const chunk = s.out.next_retransmission()) {
      s.out.retransmit(chunk, at_ms(ms), chunk->path);
    }
  }

  SentChunks s;
  LateLimits limits;
  Deliveries deliveries;
  SackOutcome outcome;
};

TEST_F(LateChunks, AreThoseBeforeTheNewestThatWereSentLongAgo) {
  for (int n = 0; n < 6; ++n) s.send(1, 100, 0, 10 * n);
  EXPECT_FALSE(sack(0, {{5, 5}}).lost) << "nothing is counted as missing";
  EXPECT_FALSE(deliveries.paths[0].again.any);
  EXPECT_EQ(deliveries.paths[0].first.tsn, s.tsn(4));
  EXPECT_EQ(deliveries.paths[0].last.tsn, s.tsn(4));
  limit(4);
  EXPECT_EQ(look(36), at_ms(20 + 25)) << "when the next one will be";
  EXPECT_TRUE(outcome.lost);
  EXPECT_TRUE(outcome.paths[0].lost);
  EXPECT_EQ(s.state(0), State::kRetransmit);
  EXPECT_EQ(s.state(1), State::kRetransmit);
  EXPECT_EQ(s.state(2), State::kInFlight);
  EXPECT_TRUE(look(1000).is_never());
  EXPECT_EQ(s.state(3), State::kRetransmit);
  EXPECT_EQ(s.state(5), State::kInFlight) << "nothing that went after it has come";
}

TEST_F(LateChunks, OfOneMomentTheTsnTells) {
  s.send(4);
  sack(0, {{3, 3}});
  limit(2);
  look(25);
  EXPECT_EQ(s.state(1), State::kRetransmit);
  EXPECT_EQ(s.state(3), State::kInFlight);
}

TEST_F(LateChunks, AnotherPathTellsNothing) {
  s.send(1, 100, 1, 0);
  s.send(3, 100, 0, 1);
  sack(0, {{4, 4}});
  limit(3);
  look(1000);
  EXPECT_EQ(s.state(0), State::kInFlight);
  EXPECT_EQ(s.state(1), State::kRetransmit);
  EXPECT_EQ(s.state(2), State::kRetransmit);
}

TEST_F(LateChunks, WhatWasSentAgainIsLostByWhatWentAfterThat) {
  for (int n = 0; n < 4; ++n) s.send(1, 100, 0, n);
  sack(0, {{2, 3}});
  limit(2);
  look(30);
  ASSERT_EQ(s.state(0), State::kRetransmit);
  EXPECT_FALSE(outcome.lost_again);
  send_again(30);
  sack(0, {{2, 4}});
  limit(3);
  EXPECT_TRUE(look(1000).is_never()) << "that went before it";
  EXPECT_EQ(s.state(0), State::kInFlight);
  s.send(1, 100, 0, 31);
  sack(0, {{2, 5}});
  limit(4);
  EXPECT_EQ(look(54), at_ms(55));
  EXPECT_TRUE(look(55).is_never());
  EXPECT_TRUE(outcome.lost_again);
  EXPECT_TRUE(s.chunk(0).is_lost_again());
}

TEST_F(LateChunks, ThreePacketsAreReportedNotThreeChunks) {
  s.send(1);
  for (const auto end : std::vector<uint16_t>{200, 400, 600})
    s.send(1, 100, 0, 1, end);  // one packet
  for (const int64_t ms : {2, 3}) s.send(1, 100, 0, ms, 200);
  sack(0, {{2, 4}});
  EXPECT_FALSE(s.out.reports_enough());
  sack(0, {{2, 5}});
  EXPECT_FALSE(s.out.reports_enough());
  sack(0, {{2, 6}});
  EXPECT_TRUE(s.out.reports_enough());
}

}  // namespace
}  // namespace trunkline
