// SPDX-License-Identifier: BSD-3-Clause
// The common header (RFC 9260 section 3.1).
#include "wire/common_header.h"

#include <gtest/gtest.h>

#include "captured_packets.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

TEST(CommonHeader, ParsesACapturedPacket) {
  const auto header = CommonHeader::parse(from_hex(captured::kData));
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->source_port.value, 2905);
  EXPECT_EQ(header->destination_port.value, 38412);
  EXPECT_EQ(header->verification_tag.value, 0x4395129fu);
  EXPECT_EQ(header->checksum, 0x767dbe01u);
}

TEST(CommonHeader, NeedsTwelveBytes) {
  const Bytes packet = from_hex(captured::kData);
  for (size_t size = 0; size < kCommonHeaderSize; ++size) {
    const Bytes part(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(CommonHeader::parse(part).has_value()) << size;
  }
  EXPECT_TRUE(CommonHeader::parse(std::span(packet).first(kCommonHeaderSize)).has_value());
}

TEST(CommonHeader, RoundTrip) {
  Bytes room(12, 0xee);
  PacketWriter writer(room);
  writer.write_header(PortNumber(0xfffe), PortNumber(1), VerificationTag(0x80000001));
  const auto packet = writer.finish(true);
  ASSERT_EQ(packet.size(), 12u);
  const auto header = CommonHeader::parse(packet);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->source_port, PortNumber(0xfffe));
  EXPECT_EQ(header->destination_port, PortNumber(1));
  EXPECT_EQ(header->verification_tag, VerificationTag(0x80000001));
}

}  // namespace
}  // namespace trunkline::wire
