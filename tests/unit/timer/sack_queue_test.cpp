// SPDX-License-Identifier: BSD-3-Clause
#include "timer/sack_queue.h"

#include <gtest/gtest.h>

namespace trunkline {
namespace {

TimePoint at(int64_t ns) {
  return TimePoint::from_ns(ns);
}

TEST(SackQueue, GivesThemAsTheyComeDue) {
  SackQueue queue(4, nullptr);
  EXPECT_TRUE(queue.next_due().is_never());
  EXPECT_TRUE(queue.file(7, at(100)));
  EXPECT_TRUE(queue.file(8, at(100)));
  EXPECT_TRUE(queue.file(9, at(101)));
  EXPECT_EQ(queue.next_due(), at(100));
  EXPECT_EQ(queue.peek(2), 9u);
  EXPECT_EQ(queue.peek(3), std::nullopt);
  EXPECT_EQ(queue.pop(at(99)), std::nullopt);
  EXPECT_EQ(queue.pop(at(100)), 7u);
  EXPECT_EQ(queue.pop(at(100)), 8u);
  EXPECT_EQ(queue.pop(at(100)), std::nullopt);
  EXPECT_EQ(queue.next_due(), at(101));
  EXPECT_EQ(queue.pop(at(500)), 9u);
  EXPECT_TRUE(queue.next_due().is_never());
}

TEST(SackQueue, RefusesWhatWouldBeDueBefore) {
  SackQueue queue(4, nullptr);
  EXPECT_TRUE(queue.file(1, at(100)));
  EXPECT_FALSE(queue.file(2, at(99)));
  EXPECT_EQ(queue.pop(at(100)), 1u);
  EXPECT_TRUE(queue.file(2, at(99)));  // nothing is before it any more
}

TEST(SackQueue, HasRoomForSoManyAndGoesRound) {
  SackQueue queue(4, nullptr);
  for (int64_t round = 0; round < 10; ++round) {
    while (queue.file(static_cast<uint32_t>(round), at(round))) {
    }
    EXPECT_FALSE(queue.file(99, at(round)));
    EXPECT_EQ(queue.pop(at(round)), static_cast<uint32_t>(round < 4 ? 0 : round - 3));
    EXPECT_TRUE(queue.peek(2).has_value());
  }
  for (int left = 3; left > 0; --left) EXPECT_TRUE(queue.pop(at(100)).has_value());
  EXPECT_EQ(queue.pop(at(100)), std::nullopt);
}

}  // namespace
}  // namespace trunkline
