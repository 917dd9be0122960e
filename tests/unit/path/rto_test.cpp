// SPDX-License-Identifier: BSD-3-Clause
// The retransmission time-out, rule by rule of RFC 9260 section 6.3.1 and 6.3.3, with values worked
// out by hand.
#include "path/rto.h"

#include <gtest/gtest.h>

#include "trunkline/stack/random.h"

namespace trunkline {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

Profile bounds(Duration initial, Duration min, Duration max) {
  Profile profile;
  profile.rto_initial = initial;
  profile.rto_min = min;
  profile.rto_max = max;
  return profile;
}

const Profile kWide = bounds(seconds(3), milliseconds(1), seconds(60));

TEST(Rto, C1UntilMeasuredItIsTheInitialValue) {
  const Rto rto(kWide);
  EXPECT_EQ(rto.value(), seconds(3));
  EXPECT_FALSE(rto.measured());
  EXPECT_EQ(rto.srtt(), Duration{0});
}

TEST(Rto, C2TheFirstMeasurementAndC3TheFollowingOnes) {
  Rto rto(kWide);
  struct Row {
    Duration rtt;
    Duration srtt;
    Duration rto;
  };
  const Row rows[] = {
      {milliseconds(100), milliseconds(100), milliseconds(300)},                 // RTTVAR 50
      {milliseconds(200), microseconds(112500), microseconds(362500)},           // RTTVAR 62.5
      {milliseconds(50), nanoseconds(104687500), nanoseconds(354687500)},        // RTTVAR 62.5
      {nanoseconds(104687500), nanoseconds(104687500), nanoseconds(292187500)},  // RTTVAR 46.875
  };
  for (const Row& row : rows) {
    rto.on_sample(kWide, row.rtt);
    EXPECT_TRUE(rto.measured());
    EXPECT_EQ(rto.srtt().count(), row.srtt.count());
    EXPECT_EQ(rto.value().count(), row.rto.count());
  }
}

TEST(Rto, G1AVarianceOfZeroIsLiftedToTheClockGranularity) {
  Rto rto(kWide);
  for (int i = 0; i < 100; ++i) rto.on_sample(kWide, milliseconds(10));
  EXPECT_EQ(rto.srtt(), milliseconds(10));
  EXPECT_EQ(rto.value(), milliseconds(14));
  Rto none(kWide);
  none.on_sample(kWide, Duration{0});
  EXPECT_EQ(none.value(), milliseconds(4));
}

TEST(Rto, C6NeverBelowTheMinimum) {
  const Profile profile = bounds(seconds(1), milliseconds(500), seconds(60));
  Rto rto(profile);
  rto.on_sample(profile, milliseconds(1));
  EXPECT_EQ(rto.value(), milliseconds(500));
  EXPECT_EQ(rto.srtt(), milliseconds(1)) << "only the time-out is bounded";
}

TEST(Rto, C7NeverAboveTheMaximum) {
  const Profile profile = bounds(seconds(1), milliseconds(500), seconds(2));
  Rto rto(profile);
  rto.on_sample(profile, seconds(30));
  EXPECT_EQ(rto.value(), seconds(2));
}

TEST(Rto, E2AnExpiryDoublesUpToTheMaximum) {
  const Profile profile = bounds(seconds(1), milliseconds(500), seconds(10));
  Rto rto(profile);
  for (const int expected : {2, 4, 8, 10, 10}) {
    rto.on_expiry(profile);
    EXPECT_EQ(rto.value(), seconds(expected));
  }
}

TEST(Rto, ANewMeasurementEndsTheBackOff) {
  const Profile profile = bounds(seconds(1), milliseconds(100), seconds(60));
  Rto rto(profile);
  rto.on_sample(profile, milliseconds(100));
  ASSERT_EQ(rto.value(), milliseconds(300));
  for (int i = 0; i < 4; ++i) rto.on_expiry(profile);
  ASSERT_EQ(rto.value(), milliseconds(4800));
  rto.on_sample(profile, milliseconds(100));
  EXPECT_EQ(rto.value(), microseconds(250000));  // RTTVAR 37.5
}

TEST(Rto, LinearBackOffKeepsTheValue) {
  Profile profile = bounds(seconds(1), milliseconds(500), seconds(60));
  profile.linear_backoff = true;
  Rto rto(profile);
  for (int i = 0; i < 10; ++i) rto.on_expiry(profile);
  EXPECT_EQ(rto.value(), seconds(1));
}

TEST(Rto, ATimeThatRanBackwardsCountsAsNoTime) {
  Rto rto(kWide);
  rto.on_sample(kWide, -seconds(5));
  EXPECT_EQ(rto.srtt(), Duration{0});
  EXPECT_EQ(rto.value(), milliseconds(4));
}

TEST(Rto, StaysWithinItsBoundsWhateverHappens) {
  SeededRandom random(1);
  const Profile profile = bounds(milliseconds(200), milliseconds(100), seconds(5));
  Rto rto(profile);
  for (int i = 0; i < 100000; ++i) {
    if (random.below(3) == 0) {
      rto.on_expiry(profile);
    } else {
      rto.on_sample(profile, nanoseconds(random.below(10'000'000'000ull)));
    }
    ASSERT_GE(rto.value(), profile.rto_min);
    ASSERT_LE(rto.value(), profile.rto_max);
  }
}

}  // namespace
}  // namespace trunkline
