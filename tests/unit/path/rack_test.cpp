// SPDX-License-Identifier: BSD-3-Clause
// What RACK knows of a path, as sequences of what is delivered (RFC 8985 section 6.2).
#include "path/rack.h"

#include <gtest/gtest.h>

namespace trunkline {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

TimePoint ms_after(int64_t ms) {
  return TimePoint::from_ns(1'000'000'000 + ms * 1'000'000);
}

class RackOfAPath : public ::testing::Test {
 protected:
  // Round trips of 20 ms.
  RackOfAPath() { rack.on_sample(milliseconds(20)); }
  // The window alone.
  [[nodiscard]] Duration window(bool sure = false, Duration srtt = milliseconds(20)) const {
    return rack.patience(sure, srtt) - milliseconds(20);
  }
  void deliver() { rack.on_delivered(ms_after(20), ms_after(0), Tsn(7)); }

  Rack rack;
};

TEST_F(RackOfAPath, TheNewestIsTheOneThatWasSentLastThenThatOfTheHighestTsn) {
  EXPECT_FALSE(rack.knows());
  deliver();
  ASSERT_TRUE(rack.knows());
  EXPECT_TRUE(rack.is_before_newest(ms_after(20), ms_after(0), Tsn(6)));
  EXPECT_FALSE(rack.is_before_newest(ms_after(20), ms_after(0), Tsn(7)));
  EXPECT_FALSE(rack.is_before_newest(ms_after(20), ms_after(0), Tsn(8)));
  EXPECT_TRUE(rack.is_before_newest(ms_after(20), ms_after(-1), Tsn(8)));
  EXPECT_FALSE(rack.is_before_newest(ms_after(20), ms_after(1), Tsn(6)));
  rack.on_delivered(ms_after(30), ms_after(-1), Tsn(8));
  EXPECT_EQ(rack.newest_tsn(), 7) << "what is older changes nothing";
  rack.on_delivered(ms_after(30), ms_after(1), Tsn(5));
  EXPECT_EQ(rack.newest_tsn(), 5);
  EXPECT_EQ(rack.patience(true, milliseconds(20)), milliseconds(29)) << "its round trip";
  rack.forget();
  EXPECT_FALSE(rack.knows());
}

TEST_F(RackOfAPath, TimesAndTsnsWrap) {
  const TimePoint late = TimePoint::from_ns(int64_t{UINT32_MAX} * 1000);
  rack.on_delivered(late + milliseconds(20), late, Tsn(65535));
  const TimePoint now = late + milliseconds(25);
  EXPECT_TRUE(rack.is_before_newest(now, late, Tsn(65534)));
  EXPECT_FALSE(rack.is_before_newest(now, late, Tsn(65536)));
  EXPECT_FALSE(rack.is_before_newest(now, late + milliseconds(1), Tsn(0)));
  EXPECT_TRUE(rack.is_before_newest(now, late - milliseconds(1), Tsn(0)));
}

// The answer to the first transmission: nothing is known of the second one.
TEST_F(RackOfAPath, AnAnswerSoonerThanAnyRoundTripIsToTheFirstTransmission) {
  rack.on_delivered_again(ms_after(19), ms_after(0), Tsn(7), false);
  EXPECT_FALSE(rack.knows());
  EXPECT_FALSE(rack.sees_reordering()) << "a probe, or T3, may have been hasty";
  rack.on_delivered_again(ms_after(19), ms_after(0), Tsn(7), true);
  EXPECT_FALSE(rack.knows());
  EXPECT_TRUE(rack.sees_reordering());
  rack.on_delivered_again(ms_after(20), ms_after(0), Tsn(7), true);
  EXPECT_TRUE(rack.knows());
}

TEST_F(RackOfAPath, TheWindowIsAQuarterOfTheShortestRoundTrip) {
  deliver();
  EXPECT_EQ(window(), milliseconds(5));
  rack.on_sample(milliseconds(12));
  EXPECT_EQ(window(), milliseconds(3));
  rack.on_sample(milliseconds(40));
  EXPECT_EQ(window() / microseconds(1), 3027) << "it is forgotten, slowly";
  EXPECT_EQ(window(false, milliseconds(2)), milliseconds(2)) << "never more than SRTT";
}

TEST_F(RackOfAPath, NoneWhereALossIsSureAndNothingWasReordered) {
  deliver();
  EXPECT_EQ(window(true), milliseconds(0));
  rack.see_reordering();
  EXPECT_EQ(window(true), milliseconds(5));
}

TEST_F(RackOfAPath, ItGrowsOnceARoundTripAndStaysWideForSixteenRecoveries) {
  deliver();
  rack.on_spurious();
  rack.on_spurious();
  EXPECT_TRUE(rack.sees_reordering());
  EXPECT_EQ(window(), milliseconds(10));
  rack.on_sample(milliseconds(20));
  rack.on_spurious();
  EXPECT_EQ(window(), milliseconds(15));
  for (int i = 0; i < 15; ++i) rack.on_recovery_end();
  EXPECT_EQ(window(), milliseconds(15));
  rack.on_recovery_end();
  EXPECT_EQ(window(), milliseconds(5));
}

TEST_F(RackOfAPath, ItStaysWideWhileTheNetworkReorders) {
  deliver();
  rack.on_spurious();
  for (int i = 0; i < 12; ++i) rack.on_recovery_end();
  rack.see_reordering();
  for (int i = 0; i < 12; ++i) rack.on_recovery_end();
  EXPECT_EQ(window(), milliseconds(10));
}

TEST_F(RackOfAPath, ARecoveryWasNeedlessWhenAllOfItCameTwice) {
  EXPECT_FALSE(rack.on_came_twice()) << "nothing was sent again";
  rack.begin_recovery();
  rack.on_sent_again(2);
  EXPECT_FALSE(rack.on_came_twice());
  EXPECT_TRUE(rack.on_came_twice());
  EXPECT_FALSE(rack.on_came_twice());
  // So many are not counted.
  rack.begin_recovery();
  rack.on_sent_again(60);
  rack.on_sent_again(60);
  for (int i = 0; i < 200; ++i) EXPECT_FALSE(rack.on_came_twice());
}

}  // namespace
}  // namespace trunkline
