// SPDX-License-Identifier: BSD-3-Clause
// What a peer can make the sending side do, counted in steps: records, blocks and nodes visited. A
// SACK costs its blocks and what it changes; everything else a handful, whatever is outstanding.
#include <functional>

#include "base/steps.h"
#include "sent_chunks.h"
#include "tx/send_queue.h"

namespace trunkline {
namespace {

constexpr uint32_t kMany = 60000;  // chunks outstanding
constexpr uint64_t kHandful = 40;  // for whatever looks something up, or changes it

class OutstandingCost : public ::testing::Test {
 protected:
  void SetUp() override { s.send(kMany, 100, 0, 0, 1000); }
  static uint64_t cost(const std::function<void()>& what) {
    const uint64_t before = steps_taken;
    what();
    return steps_taken - before;
  }
  // So many blocks of one TSN, every second one, from that offset on.
  static Gaps comb(uint16_t from, size_t count) {
    Gaps out;
    for (size_t i = 0; i < count; ++i) {
      const auto at = static_cast<uint16_t>(from + 2 * i);
      out.push_back({at, at});
    }
    return out;
  }
  SentChunks s;
};

TEST_F(OutstandingCost, ASackThatSaysNothingNewCostsItsBlocks) {
  constexpr size_t kBlocks = 350;
  const Gaps gaps = comb(59000, kBlocks);
  s.sack(1, gaps);
  const uint64_t steps = cost([&] {
    for (int i = 0; i < 1000; ++i) s.sack(1, gaps);
  });
  EXPECT_LE(steps, 1000 * kBlocks * kHandful);
  EXPECT_LE(cost([&] { s.sack(1, {{59000, 59000}}); }), kBlocks * kHandful) << "takes most back";
  const uint64_t one = cost([&] {
    for (int i = 0; i < 1000; ++i) s.sack(1, {{59000, 59000}});
  });
  EXPECT_LE(one, 1000 * 2 * kHandful);
}

// Each reports all before it missing, three times at most; lost, each is sent again once.
TEST_F(OutstandingCost, OneNewBlockBehindAllThatIsMissing) {
  const uint64_t steps = cost([&] {
    for (uint16_t i = 0; i < 1000; ++i) s.sack(1, {{58000, static_cast<uint16_t>(58000 + i)}});
  });
  EXPECT_TRUE(s.out.has_retransmissions());
  EXPECT_LE(steps, kMany * 3 * 10 + 1000 * 3 * kHandful);
}

TEST_F(OutstandingCost, OneNewBlockBeforeAllTheOthersEachTime) {
  const uint64_t steps = cost([&] {
    for (uint16_t i = 0; i < 1000; ++i) s.sack(1, {{static_cast<uint16_t>(59000 - i), 59000}});
  });
  EXPECT_LE(steps, kMany * 3 * 10 + 1000 * 3 * kHandful);
}

TEST_F(OutstandingCost, ACumulativeTsnThatMovesByOneCostsOne) {
  s.sack(1, {{30000, 50000}});
  const uint64_t steps = cost([&] {
    for (uint16_t i = 0; i < 1000; ++i) {
      s.sack(2u + i, {{static_cast<uint16_t>(29999 - i), static_cast<uint16_t>(49999 - i)}});
    }
  });
  EXPECT_LE(steps, kMany * 3 * 10 + 1000 * 3 * kHandful);
}

// A peer that takes all back and acknowledges it again, with every SACK: in a window it is believed
// a few times.
TEST_F(OutstandingCost, TakingBackAndForthIsNotBelievedForLong) {
  int ignored = 0;
  const uint64_t steps = cost([&] {
    for (int i = 0; i < 1000; ++i) {
      ignored += s.sack(1, {{3, 59999}}).gaps_ignored ? 1 : 0;
      ignored += s.sack(1).gaps_ignored ? 1 : 0;
    }
  });
  EXPECT_EQ(ignored, 1);
  EXPECT_LE(steps, kMany * 6 * 4 * 10);
  EXPECT_EQ(s.state(30000), State::kInFlight) << "what is not believed is waited for";
  EXPECT_GT(s.out.mark_lost(0).bytes, 0u);
  s.sack(kMany);
  s.send(10);
  s.sack(kMany, {{3, 4}});
  EXPECT_EQ(s.state(kMany + 2), State::kGapAcked) << "a new window, a new judgement";
}

// SACKs that overtake each other take back a burst at a time.
TEST_F(OutstandingCost, SacksThatOvertakeEachOtherAreBelieved) {
  for (uint16_t end = 30; end < 59000; end = static_cast<uint16_t>(end + 24)) {
    EXPECT_FALSE(s.sack(1, {{3, end}}).gaps_ignored);
    EXPECT_FALSE(s.sack(1, {{3, static_cast<uint16_t>(end - 24)}}).gaps_ignored);
  }
}

// 59,999 chunks are in flight on one path, and one on another.
TEST_F(OutstandingCost, APathPaysForItsOwnChunks) {
  s.send(1, 100, 1, 0, 1000);
  EXPECT_LE(cost([&] { static_cast<void>(s.out.earliest(1)); }), kHandful);
  EXPECT_LE(cost([&] { s.out.mark_lost(1); }), 2 * kHandful);
  EXPECT_LE(cost([&] { s.out.mark_lost(2); }), kHandful);
  for (int i = 0; i < 100; ++i) {
    const uint64_t steps = cost([&] {
      TxChunk* const chunk = s.out.next_retransmission();
      ASSERT_EQ(chunk, &s.chunk(kMany));
      s.out.retransmit(chunk, at_ms(i), static_cast<uint8_t>(i % 7 + 1));
      EXPECT_EQ(s.out.earliest(chunk->path), chunk);
      EXPECT_EQ(s.out.next_retransmission(chunk), nullptr);
      s.out.mark_lost(chunk->path);
    });
    EXPECT_LE(steps, 5 * kHandful);
  }
}

TEST_F(OutstandingCost, LooksUpWithoutAWalk) {
  const uint64_t steps = cost([&] {
    for (uint32_t n = 0; n < kMany; n += 60) {
      EXPECT_NE(s.out.in_flight(s.tsn(n)), nullptr);
      EXPECT_FALSE(s.out.larger_in_flight(0, 1000));
      EXPECT_TRUE(s.out.larger_in_flight(0, 999));
    }
  });
  EXPECT_LE(steps, kMany / 60 * kHandful);
}

// Whoever can send ICMP asks for the largest packet in flight: that costs a walk once.
TEST_F(OutstandingCost, WhatIsNotInFlightAnyMoreIsFoundOutOnce) {
  s.send(1, 100, 0, 0, 1500);
  s.sack(1, {{kMany, kMany}});
  EXPECT_FALSE(s.out.larger_in_flight(0, 1400));
  const uint64_t steps = cost([&] {
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(s.out.larger_in_flight(0, 1400));
  });
  EXPECT_EQ(steps, 0u);
}

TEST_F(OutstandingCost, WhatIsSentAgainIsWalkedOnce) {
  const uint64_t marked = cost([&] { s.out.mark_lost(0); });
  EXPECT_LE(marked, kMany * 15);
  const uint64_t sent = cost([&] {
    for (TxChunk* chunk = s.out.next_retransmission(); chunk != nullptr;
         chunk = s.out.next_retransmission()) {
      s.out.retransmit(chunk, at_ms(1), 0);
    }
  });
  EXPECT_LE(sent, kMany * 20);
}

TEST_F(OutstandingCost, AllAtOnceCostsEachChunkOnce) {
  EXPECT_LE(cost([&] { s.sack(kMany); }), kMany * 3);
}

// ---------------------------------------------------------------- messages that wait

class SendQueueCost : public ::testing::Test {};

TEST_F(SendQueueCost, ThousandsOfStreamsCostWhatOneDoes) {
  constexpr size_t kMessages = 60000;
  SendQueue queue;
  std::deque<TxMessage> messages(kMessages);
  const uint64_t before = steps_taken;
  for (size_t i = 0; i < kMessages; ++i) {
    messages[i].stream = StreamId(static_cast<uint16_t>(i * 7919));
    messages[i].unsent_size = 10;
    ASSERT_TRUE(queue.push(&messages[i]));
  }
  while (TxMessage* message = queue.front()) queue.advance(message, message->unsent_size);
  for (const TxMessage& message : messages) queue.finish(message);
  EXPECT_LE(steps_taken - before, kMessages * 8);
}

// By time: what is late is found once, and what was sent again is not looked at with every SACK.
TEST_F(OutstandingCost, LookingForWhatIsLate) {
  constexpr uint32_t kNewest = 30000;
  LateLimits limits;
  limits[0] = {.any = true, .newest_us = 1, .patience = std::chrono::milliseconds(20)};
  SackOutcome outcome;
  const auto look = [&](int64_t ms) {
    limits[0].newest_tsn = static_cast<uint16_t>(s.tsn(kNewest).value);
    return cost([&] { static_cast<void>(s.out.mark_late(at_ms(ms), limits, false, outcome)); });
  };
  limits[0].newest_us = at_ms(0).ns() / 1000;
  EXPECT_LE(look(0), kHandful) << "none is";
  EXPECT_LE(look(20), kNewest * 10) << "each of them is";
  EXPECT_TRUE(outcome.lost);
  while (TxChunk* const chunk = s.out.next_retransmission()) s.out.retransmit(chunk, at_ms(20), 0);
  limits[0].newest_us = at_ms(21).ns() / 1000;
  uint64_t all = 0;
  for (int i = 0; i < 1000; ++i) all += look(30);
  EXPECT_LE(all, kNewest * 20 + 1000 * 16 * kHandful) << "what has changed is found out, once";
}

}  // namespace
}  // namespace trunkline
