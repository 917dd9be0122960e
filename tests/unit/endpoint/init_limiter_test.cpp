// SPDX-License-Identifier: BSD-3-Clause
// INITs by the second: of one source, of all strangers, and who is spared.
#include "endpoint/init_limiter.h"

#include <gtest/gtest.h>

namespace trunkline {
namespace {

using Verdict = InitLimiter::Verdict;

class InitLimits : public ::testing::Test {
 protected:
  // How many of `count` pass at once.
  int pass(InitLimiter& limiter, const char* source, int count, bool known = false) {
    int passed = 0;
    for (int i = 0; i < count; ++i) {
      passed += limiter.judge(now, *IpAddress::parse(source), known) == Verdict::kPass ? 1 : 0;
    }
    return passed;
  }
  SeededRandom random{1};
  TimePoint now = TimePoint::from_ns(1'000'000'000);
};

TEST_F(InitLimits, EachSourceHasItsRate) {
  InitLimiter limiter(random, 10, 0);
  EXPECT_EQ(pass(limiter, "198.51.100.1", 50), 10);
  EXPECT_EQ(limiter.judge(now, *IpAddress::parse("198.51.100.1"), false), Verdict::kSourceRate);
  EXPECT_EQ(pass(limiter, "198.51.100.2", 50), 10);
  now = now + std::chrono::milliseconds(100);
  EXPECT_EQ(pass(limiter, "198.51.100.1", 50), 1);
}

TEST_F(InitLimits, AnIpv6SourceIsItsNetworkOf64Bits) {
  InitLimiter limiter(random, 10, 0);
  EXPECT_EQ(pass(limiter, "2001:db8:0:1::1", 6), 6);
  EXPECT_EQ(pass(limiter, "2001:db8:0:1:ffff::2", 50), 4);
  EXPECT_EQ(pass(limiter, "2001:db8:0:2::1", 50), 10);
}

TEST_F(InitLimits, StrangersShareATotal) {
  InitLimiter limiter(random, 10, 25);
  EXPECT_EQ(pass(limiter, "198.51.100.1", 50), 10);
  EXPECT_EQ(pass(limiter, "198.51.100.2", 50), 10);
  EXPECT_EQ(pass(limiter, "198.51.100.3", 50), 5);
  EXPECT_EQ(limiter.judge(now, *IpAddress::parse("198.51.100.4"), false), Verdict::kTotalRate);
}

TEST_F(InitLimits, OneLoudSourceDoesNotUseUpTheTotal) {
  InitLimiter limiter(random, 10, 20);
  EXPECT_EQ(pass(limiter, "198.51.100.1", 100000), 10);
  EXPECT_EQ(pass(limiter, "198.51.100.2", 1), 1);
}

TEST_F(InitLimits, TheKnownHaveARateOfTheirOwn) {
  InitLimiter limiter(random, 10, 20);
  for (int i = 1; i < 250; ++i) {
    pass(limiter, ("203.0.113." + std::to_string(i)).c_str(), 20);
  }
  EXPECT_EQ(pass(limiter, "198.51.100.1", 1), 0) << "the flood has used the total up";
  EXPECT_EQ(pass(limiter, "198.51.100.1", 50, true), 10);
  EXPECT_EQ(pass(limiter, "203.0.113.1", 50, true), 10) << "a stranger's rate is not counted here";
}

TEST_F(InitLimits, ZeroIsNoLimit) {
  InitLimiter none(random, 0, 0);
  EXPECT_EQ(pass(none, "198.51.100.1", 100000), 100000);
  InitLimiter total_only(random, 0, 30);
  EXPECT_EQ(pass(total_only, "198.51.100.1", 100), 30);
  InitLimiter source_only(random, 30, 0);
  EXPECT_EQ(pass(source_only, "198.51.100.1", 100), 30);
}

}  // namespace
}  // namespace trunkline
