// SPDX-License-Identifier: BSD-3-Clause
// Where packets are cut into IP fragments.
#include "net/fragment.h"

#include <gtest/gtest.h>

#include "net/headers.h"
#include "net/reassembly.h"
#include "net_helpers.h"

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

// What is cut, given headers and received again is what it was.
TEST(FragmentPlan, WhatIsSentIsPutTogetherAgain) {
  const auto now = TimePoint::from_ns(1'000'000'000);
  SeededRandom random(4);
  NetCounters counters;
  Reassembler reassembler({}, random, counters);
  for (const bool v6 : {false, true}) {
    const HeaderTemplate header(
        kPeerMac, kOurMac, 0,
        {ip(v6 ? "2001:db8::1" : "192.0.2.1"), ip(v6 ? "2001:db8::77" : "192.0.2.77")});
    for (const uint16_t size : {uint16_t{576}, uint16_t{1280}, uint16_t{1400}}) {
      Bytes packet(1452);
      random.fill(packet);
      const FragmentPlan plan(packet.size(), size, v6);
      const uint32_t id = random.u32();
      for (size_t i = 0; i < plan.count(); ++i) {
        Bytes frame_bytes(header.fragment_size() + plan.length(i));
        header.write_fragment(frame_bytes.data(), plan.length(i), 0, plan.field(i, id));
        std::copy_n(packet.begin() + static_cast<long>(plan.offset(i)), plan.length(i),
                    frame_bytes.begin() + static_cast<long>(header.fragment_size()));
        ASSERT_LE(frame_bytes.size() - kEthernetHeader, size);
        const Frame frame = parse_frame(frame_bytes, 0, false);
        ASSERT_EQ(frame.kind, FrameKind::kFragment);
        const auto whole = reassembler.add(
            now, frame, std::span(frame_bytes).subspan(frame.payload_offset, frame.payload_length));
        ASSERT_EQ(whole.has_value(), i + 1 == plan.count());
        if (!whole) continue;
        EXPECT_EQ(Bytes(whole->begin(), whole->end()), packet);
      }
    }
  }
  EXPECT_EQ(counters.get(NetCounter::k_in_reassembled), 6u);
}

}  // namespace
}  // namespace trunkline::net
