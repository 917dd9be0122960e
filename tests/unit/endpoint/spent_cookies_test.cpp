// SPDX-License-Identifier: BSD-3-Clause
// The memory of cookies that have made an association: what counts as the same, and its size.
#include "endpoint/spent_cookies.h"

#include <gtest/gtest.h>

namespace trunkline {
namespace {

Cookie cookie(uint32_t local_tag) {
  Cookie out;
  out.local_tag = VerificationTag(local_tag);
  out.peer_tag = VerificationTag(2);
  out.local_initial_tsn = Tsn(3);
  out.peer_initial_tsn = Tsn(4);
  return out;
}

class Spent : public ::testing::Test {
 protected:
  SeededRandom random{1};
};

TEST_F(Spent, OnlyWhatWasRemembered) {
  SpentCookies spent(random, 8);
  EXPECT_FALSE(spent.contains(cookie(1)));
  spent.remember(cookie(1));
  EXPECT_TRUE(spent.contains(cookie(1)));
  EXPECT_FALSE(spent.contains(cookie(2)));
}

TEST_F(Spent, TagsAndTsnsMakeTheName) {
  SpentCookies spent(random, 8);
  spent.remember(cookie(1));
  Cookie same = cookie(1);
  same.created = TimePoint::from_ns(77);  // the INIT came twice
  same.peer_rwnd = 5;
  EXPECT_TRUE(spent.contains(same));
  Cookie other = cookie(1);
  other.peer_tag = VerificationTag(9);
  EXPECT_FALSE(spent.contains(other));
  other = cookie(1);
  other.local_initial_tsn = Tsn(9);
  EXPECT_FALSE(spent.contains(other));
  other = cookie(1);
  other.peer_initial_tsn = Tsn(9);
  EXPECT_FALSE(spent.contains(other));
}

TEST_F(Spent, TheOldestGivesWay) {
  for (const uint32_t capacity : {1u, 3u, 8u, 100u}) {
    SpentCookies spent(random, capacity);
    for (uint32_t i = 0; i < 1000; ++i) {
      spent.remember(cookie(i));
      const uint32_t first = i < capacity ? 0 : i - capacity + 1;
      ASSERT_TRUE(spent.contains(cookie(first))) << capacity << " " << i;
      ASSERT_TRUE(spent.contains(cookie(i)));
      if (first > 0) {
        ASSERT_FALSE(spent.contains(cookie(first - 1)));
      }
    }
  }
}

TEST_F(Spent, TheSameTwiceTakesOnePlace) {
  SpentCookies spent(random, 2);
  spent.remember(cookie(1));
  for (int i = 0; i < 10; ++i) spent.remember(cookie(2));
  EXPECT_TRUE(spent.contains(cookie(1)));
}

TEST_F(Spent, WithoutRoomNothingIsRemembered) {
  SpentCookies spent(random, 0);
  spent.remember(cookie(1));
  EXPECT_FALSE(spent.contains(cookie(1)));
}

}  // namespace
}  // namespace trunkline
