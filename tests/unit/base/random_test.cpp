// SPDX-License-Identifier: BSD-3-Clause
// The two sources of randomness, and the serial number arithmetic that tags and TSNs live by.
#include "trunkline/stack/random.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

#include "trunkline/stack/types.h"

namespace trunkline {
namespace {

TEST(SeededRandom, IsSplitMix64) {
  // The sequence of the published algorithm for seed 1234567.
  SeededRandom random(1234567);
  for (const uint64_t expected :
       {6457827717110365317ull, 3203168211198807973ull, 9817491932198370423ull,
        4593380528125082431ull, 16408922859458223821ull}) {
    EXPECT_EQ(random.next(), expected);
  }
}

TEST(SeededRandom, SameSeedSameBytesOtherSeedOtherBytes) {
  const auto draw = [](uint64_t seed) {
    SeededRandom random(seed);
    std::vector<uint8_t> out(1001);
    random.fill(out);
    return out;
  };
  EXPECT_EQ(draw(7), draw(7));
  EXPECT_NE(draw(7), draw(8));
}

TEST(SeededRandom, BelowStaysBelowAndReachesAll) {
  SeededRandom random(9);
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t n = random.below(7);
    ASSERT_LT(n, 7u);
    seen.insert(n);
  }
  EXPECT_EQ(seen.size(), 7u);
}

TEST(SecureRandom, FillsEverySizeAcrossItsPool) {
  SecureRandom random;
  for (const size_t size : {0u, 1u, 7u, 1023u, 1024u, 1025u, 5000u}) {
    // A byte that stays zero in twenty draws was not written (chance 2^-160 each otherwise).
    std::vector<uint8_t> touched(size, 0);
    for (int round = 0; round < 20; ++round) {
      std::vector<uint8_t> bytes(size, 0);
      random.fill(bytes);
      for (size_t i = 0; i < size; ++i) touched[i] |= bytes[i];
    }
    for (size_t i = 0; i < size; ++i) ASSERT_NE(touched[i], 0) << size << " " << i;
  }
}

TEST(SecureRandom, DoesNotRepeatItself) {
  SecureRandom one;
  SecureRandom two;
  std::set<uint64_t> seen;
  for (int i = 0; i < 2000; ++i) {
    EXPECT_TRUE(seen.insert(one.u64()).second);
    EXPECT_TRUE(seen.insert(two.u64()).second);
  }
}

template <typename S>
void check_circle() {
  using Rep = typename S::rep;
  constexpr Rep kMax = static_cast<Rep>(~Rep{0});
  constexpr Rep kHalf = static_cast<Rep>(Rep{1} << (sizeof(Rep) * 8 - 1));
  for (const Rep start : {Rep{0}, Rep{1}, kHalf, static_cast<Rep>(kHalf - 1), kMax}) {
    const S here(start);
    EXPECT_FALSE(here.before(here));
    EXPECT_TRUE(here.at_or_before(here));
    EXPECT_TRUE(here.before(here + 1));
    EXPECT_TRUE((here + 1).after(here));
    EXPECT_TRUE(here.before(here + static_cast<Rep>(kHalf - 1)));
    EXPECT_FALSE((here + static_cast<Rep>(kHalf - 1)).before(here));
    EXPECT_TRUE((here - 1).before(here));
    EXPECT_EQ((here + 5).distance_from(here), 5u);
    EXPECT_EQ(here.distance_from(here + 1), kMax);
  }
  S last(kMax);
  EXPECT_EQ(++last, S(0));
}

TEST(Serial, ComparesOnTheCircle) {
  check_circle<Tsn>();
  check_circle<Ssn>();
}

TEST(TimePoint, NeverStaysNever) {
  EXPECT_TRUE((TimePoint::never() + std::chrono::hours(1)).is_never());
  EXPECT_TRUE((TimePoint::never() - std::chrono::hours(1)).is_never());
  EXPECT_LT(TimePoint::from_ns(INT64_MAX - 1), TimePoint::never());
  EXPECT_EQ(TimePoint::from_ns(5) + Duration(7), TimePoint::from_ns(12));
  EXPECT_EQ(TimePoint::from_ns(5) - TimePoint::from_ns(7), Duration(-2));
}

}  // namespace
}  // namespace trunkline
