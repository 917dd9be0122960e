// SPDX-License-Identifier: BSD-3-Clause
// Where packets are cut into IP fragments.
#include "net/fragment.h"

#include <gtest/gtest.h>

namespace trunkline::net {
namespace {

TEST(FragmentPlan, WhatFitsIsSentWhole) {
  for (const bool v6 : {false, true}) {
    const size_t header = v6 ? 40 : 20;
    EXPECT_EQ(FragmentPlan(1452, 0, v6).count(), 1u) << "no limit";
    EXPECT_EQ(FragmentPlan(1280 - header, 1280, v6).count(), 1u);
    EXPECT_EQ(FragmentPlan(1280 - header + 4, 1280, v6).count(), 2u);
    EXPECT_EQ(FragmentPlan(1280 - header, 1280, v6).length(0), 1280 - header);
  }
}

TEST(FragmentPlan, PiecesCoverThePacketAndFitThePath) {
  for (const bool v6 : {false, true}) {
    const size_t headers = v6 ? 48 : 20;
    for (uint16_t size = static_cast<uint16_t>(headers + 8); size < 1500; ++size) {
      for (const size_t length : {1u, 12u, 1452u, 8952u}) {
        const FragmentPlan plan(length, size, v6);
        if (plan.count() == 1) continue;
        size_t at = 0;
        for (size_t i = 0; i < plan.count(); ++i) {
          const bool last = i + 1 == plan.count();
          const FragmentField field = plan.field(i, 7);
          ASSERT_EQ(plan.offset(i), at);
          ASSERT_EQ(field.offset, at);
          ASSERT_EQ(field.more, !last);
          ASSERT_EQ(field.id, 7u);
          ASSERT_GT(plan.length(i), 0u);
          ASSERT_LE(headers + plan.length(i), size);
          ASSERT_TRUE(last || plan.length(i) % 8 == 0);
          ASSERT_TRUE(last || headers + plan.length(i) + 8 > size) << "as few as can be";
          at += plan.length(i);
        }
        ASSERT_EQ(at, length);
      }
    }
  }
}

TEST(FragmentPlan, NoRoomForEightBytesIsNoPlan) {
  EXPECT_EQ(FragmentPlan(100, 27, false).count(), 0u);
  EXPECT_EQ(FragmentPlan(100, 28, false).count(), 13u);
  EXPECT_EQ(FragmentPlan(100, 55, true).count(), 0u);
  EXPECT_EQ(FragmentPlan(100, 56, true).count(), 13u);
}

}  // namespace
}  // namespace trunkline::net
