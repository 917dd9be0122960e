// SPDX-License-Identifier: BSD-3-Clause
// The rate limit: a second's worth at once, then evenly, and never more than a second's worth.
#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace trunkline {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

int take_all(TokenBucket& bucket, TimePoint now, uint32_t rate) {
  int n = 0;
  while (bucket.take(now, rate)) ++n;
  return n;
}

TEST(TokenBucket, HoldsASecondsWorth) {
  for (const uint32_t rate : {1u, 2u, 3u, 7u, 1000u}) {
    TokenBucket bucket;
    EXPECT_EQ(take_all(bucket, TimePoint::from_ns(0), rate), static_cast<int>(rate));
  }
}

TEST(TokenBucket, IsRefilledEvenly) {
  TokenBucket bucket;
  TimePoint now = TimePoint::from_ns(5);
  EXPECT_EQ(take_all(bucket, now, 10), 10);
  now = now + milliseconds(99);
  EXPECT_EQ(take_all(bucket, now, 10), 0);
  now = now + milliseconds(1);
  EXPECT_EQ(take_all(bucket, now, 10), 1);
  now = now + milliseconds(350);
  EXPECT_EQ(take_all(bucket, now, 10), 3);
  now = now + milliseconds(50);
  EXPECT_EQ(take_all(bucket, now, 10), 1);
}

TEST(TokenBucket, SavesNoMoreThanASecondsWorth) {
  TokenBucket bucket;
  EXPECT_EQ(take_all(bucket, TimePoint::from_ns(0), 4), 4);
  EXPECT_EQ(take_all(bucket, TimePoint::from_ns(0) + hours(100), 4), 4);
}

TEST(TokenBucket, HoldsTheRateOverALongTime) {
  TokenBucket bucket;
  TimePoint now;
  int taken = 0;
  for (int i = 0; i < 1000; ++i) {
    taken += take_all(bucket, now, 7);
    now = now + milliseconds(10);
  }
  EXPECT_GE(taken, 7 + 69);
  EXPECT_LE(taken, 7 + 70);
}

TEST(TokenBucket, RatesBeyondTheClocksResolution) {
  TokenBucket bucket;
  EXPECT_TRUE(bucket.take(TimePoint::from_ns(0), UINT32_MAX));
  EXPECT_TRUE(bucket.take(TimePoint::from_ns(0), UINT32_MAX));
}

}  // namespace
}  // namespace trunkline
