// SPDX-License-Identifier: BSD-3-Clause
// Which message of a stream is next, on a circle of 16 bits and on one of 32.
#include "rx/message_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace trunkline {
namespace {

template <typename Number>
class MessageOrderOf : public testing::Test {
 protected:
  static constexpr uint64_t kCircle = uint64_t{1} << 8 * sizeof(typename Number::rep);
  // The number as a chunk of that kind says it, so far on.
  static Mid said(Mid next, uint64_t ahead) {
    return Mid(static_cast<uint32_t>((next.value + ahead) % kCircle));
  }
};
using Numbers = testing::Types<Ssn, Mid>;
TYPED_TEST_SUITE(MessageOrderOf, Numbers);

TYPED_TEST(MessageOrderOf, CountsFromZeroAndNoOtherIsNext) {
  MessageOrder<TypeParam> order;
  for (uint32_t i = 0; i < 1000; ++i) {
    EXPECT_TRUE(order.is_next(Mid(i)));
    EXPECT_FALSE(order.is_next(Mid(i + 1)));
    if (i > 0) {
      EXPECT_FALSE(order.is_next(Mid(i - 1)));
    }
    order.advance();
  }
}

TYPED_TEST(MessageOrderOf, GoesRound) {
  MessageOrder<TypeParam> order(Mid(static_cast<uint32_t>(TestFixture::kCircle - 2)));
  for (const uint64_t number :
       {TestFixture::kCircle - 2, TestFixture::kCircle - 1, uint64_t{0}, uint64_t{1}}) {
    EXPECT_TRUE(order.is_next(Mid(static_cast<uint32_t>(number)))) << number;
    order.advance();
  }
}

// Wherever the circle begins.
TYPED_TEST(MessageOrderOf, TurnsAreInTheOrderInWhichTheyCome) {
  for (const uint32_t next : {0u, 1u, 32766u, 65530u, 65536u, 70000u, 0x7ffffffdu, 0xfffffffdu}) {
    const MessageOrder<TypeParam> order{Mid(next)};
    std::vector<Mid> turns;
    for (uint64_t ahead = 0; ahead < 60000; ahead += 7) {
      const Mid number = TestFixture::said(order.next(), ahead);
      EXPECT_EQ(order.is_next(number), ahead == 0);
      turns.push_back(order.turn_of(number));
      EXPECT_EQ(turns.back().distance_from(order.next()), ahead);
    }
    EXPECT_TRUE(std::is_sorted(turns.begin(), turns.end(), MessageOrder<TypeParam>::before));
    EXPECT_FALSE(MessageOrder<TypeParam>::before(turns[1], turns[0]));
    EXPECT_FALSE(MessageOrder<TypeParam>::before(turns[0], turns[0]));
  }
}

TYPED_TEST(MessageOrderOf, MoreThanHalfTheCircleAheadIsOldUnlessThereIsRoomForAsMany) {
  const uint64_t half = TestFixture::kCircle / 2 - 1;
  for (const uint32_t next : {0u, 5u, 65000u, 0xfffffff0u}) {
    const MessageOrder<TypeParam> order{Mid(next)};
    const auto turn = [&](uint64_t ahead) {
      return order.turn_of(TestFixture::said(order.next(), ahead));
    };
    EXPECT_TRUE(order.may_wait(turn(1), 0));
    EXPECT_TRUE(order.may_wait(turn(half), 0));
    EXPECT_FALSE(order.may_wait(turn(half + 1), 0));
    EXPECT_FALSE(order.may_wait(turn(half + 1), half));
    EXPECT_TRUE(order.may_wait(turn(half + 1), half + 1));
    EXPECT_FALSE(order.may_wait(turn(TestFixture::kCircle - 1), half + 1)) << "the one before";
  }
}

// What a DATA chunk says has 16 bits, and the turns go on where they end.
TEST(MessageOrder, AnSsnHasNoUpperHalf) {
  MessageOrder<Ssn> order(Mid(0x1ffff));
  EXPECT_TRUE(order.is_next(Mid(0xffff)));
  EXPECT_EQ(order.turn_of(Mid(0)), Mid(0x20000));
  order.advance();
  EXPECT_TRUE(order.is_next(Mid(0)));
  EXPECT_EQ(order.turn_of(Mid(0xffff)), Mid(0x2ffff));
}

TEST(MessageOrder, AMidHasOne) {
  const MessageOrder<Mid> order(Mid(0x1ffff));
  EXPECT_FALSE(order.is_next(Mid(0xffff)));
  EXPECT_TRUE(order.is_next(Mid(0x1ffff)));
  EXPECT_FALSE(order.may_wait(order.turn_of(Mid(0xffff)), 65535)) << "long gone";
}

}  // namespace
}  // namespace trunkline
