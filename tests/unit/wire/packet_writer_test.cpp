// SPDX-License-Identifier: BSD-3-Clause
// PacketWriter: rooms of every size, padding, chunks that grow, and what is refused.
#include "wire/packet_writer.h"

#include <gtest/gtest.h>

#include "wire/crc32c.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

constexpr auto kType = static_cast<ChunkType>(0x99);

TEST(PacketWriter, CountsWholePaddedChunks) {
  Bytes room(12 + 20 + 3, 0xee);
  PacketWriter writer(room);
  EXPECT_EQ(writer.size(), 12u);
  EXPECT_EQ(writer.remaining(), 20u);  // the last three bytes can't hold a word
  EXPECT_TRUE(writer.empty());
  uint8_t* const value = writer.reserve_chunk(kType, 0x42, 5);
  ASSERT_NE(value, nullptr);
  std::fill_n(value, 5, uint8_t{0x11});
  EXPECT_EQ(writer.size(), 24u);
  EXPECT_EQ(writer.remaining(), 8u);
  EXPECT_FALSE(writer.empty());
  EXPECT_EQ(writer.reserve_chunk(kType, 0, 5), nullptr);
  EXPECT_EQ(writer.size(), 24u);
  ASSERT_NE(writer.reserve_chunk(kType, 0, 4), nullptr);
  EXPECT_EQ(writer.remaining(), 0u);
  EXPECT_EQ(writer.reserve_chunk(kType, 0, 0), nullptr);
  EXPECT_EQ(to_hex(writer.finish(false).subspan(12, 12)), "994200091111111111000000");
  EXPECT_EQ(Bytes(room.end() - 3, room.end()), Bytes(3, 0xee));
}

TEST(PacketWriter, PadsEveryValueSizeWithZeros) {
  for (size_t size = 0; size <= 9; ++size) {
    Bytes room(64, 0xee);
    PacketWriter writer(room);
    uint8_t* const value = writer.reserve_chunk(kType, 0, size);
    ASSERT_NE(value, nullptr);
    std::fill_n(value, size, uint8_t{0x11});
    const auto chunk = writer.finish(false).subspan(12);
    EXPECT_EQ(chunk.size(), padded(4 + size));
    EXPECT_EQ(load_be16(chunk.data() + 2), 4 + size);
    for (size_t i = 4; i < chunk.size(); ++i) EXPECT_EQ(chunk[i], i < 4 + size ? 0x11 : 0) << i;
  }
}

TEST(PacketWriter, ARoomWithoutSpaceForAHeaderYieldsNothing) {
  for (size_t size = 0; size < 12; ++size) {
    Bytes room(size, 0xee);
    PacketWriter writer(room);
    writer.write_header(PortNumber(1), PortNumber(2), VerificationTag(3));
    EXPECT_EQ(writer.remaining(), 0u);
    EXPECT_TRUE(writer.empty());
    EXPECT_EQ(writer.reserve_chunk(kType, 0, 0), nullptr);
    EXPECT_FALSE(writer.begin_chunk(kType, 0));
    EXPECT_TRUE(writer.finish(true).empty());
    EXPECT_EQ(room, Bytes(size, 0xee));
  }
}

TEST(PacketWriter, RefusesAChunkLongerThanItsLengthCanSay) {
  Bytes room(200000);
  PacketWriter writer(room);
  EXPECT_EQ(writer.reserve_chunk(kType, 0, 65532), nullptr);
  EXPECT_EQ(writer.reserve_chunk(kType, 0, 65536), nullptr);
  EXPECT_EQ(writer.reserve_chunk(kType, 0, SIZE_MAX), nullptr);
  EXPECT_EQ(writer.reserve_chunk(kType, 0, SIZE_MAX - 3), nullptr);
  EXPECT_EQ(writer.reserve_chunk(kType, 0, SIZE_MAX - 5), nullptr);
  EXPECT_TRUE(writer.empty());
  ASSERT_NE(writer.reserve_chunk(kType, 0, 65531), nullptr);
  EXPECT_EQ(writer.size(), 12u + 65536u);

  ASSERT_TRUE(writer.begin_chunk(kType, 0));
  EXPECT_EQ(writer.open_remaining(), 65531u);
  EXPECT_NE(writer.append(65531), nullptr);
  EXPECT_EQ(writer.append(1), nullptr);
  EXPECT_FALSE(writer.end_chunk());
  EXPECT_EQ(writer.size(), 12u + 65536u);
  ASSERT_TRUE(writer.begin_chunk(kType, 0));
  EXPECT_NE(writer.append(65531), nullptr);
  EXPECT_TRUE(writer.end_chunk());
  EXPECT_EQ(writer.size(), 12u + 2 * 65536u);
}

TEST(PacketWriter, HeaderMayComeLast) {
  Bytes room(64, 0xee);
  PacketWriter writer(room);
  ASSERT_NE(writer.reserve_chunk(kType, 0, 0), nullptr);
  writer.write_header(PortNumber(0x1234), PortNumber(0x5678), VerificationTag(0x9abcdef0));
  EXPECT_EQ(to_hex(writer.finish(false)), "123456789abcdef00000000099000004");
  const auto packet = writer.finish(true);
  EXPECT_TRUE(verify_checksum(packet));
  EXPECT_NE(load_be32(packet.data() + 8), 0u);
}

TEST(PacketWriter, AGrowingChunkCountsAllPaddingButTheLast) {
  EXPECT_EQ(chunk_hex([](PacketWriter& w) {
              return w.begin_chunk(kType, 7) && w.append_tlv(0x0101, Bytes{1}) &&
                     w.append_tlv(0x0202, Bytes{1, 2, 3, 4, 5}) && w.end_chunk();
            }),
            "99070015"
            "0101000501000000"
            "02020009010203040500"
            "0000");
}

TEST(PacketWriter, ParametersNestInsideCauses) {
  EXPECT_EQ(chunk_hex([](PacketWriter& w) {
              return w.begin_chunk(kType, 0) && w.begin_tlv(11) &&
                     w.append_tlv(5, Bytes{1, 2, 3}) &&
                     w.append_address(IpAddress::ipv4(10, 0, 0, 1)) && w.end_tlv() &&
                     w.append_tlv(4, {}) && w.end_chunk();
            }),
            "9900001c"
            "000b0014"
            "0005000701020300"
            "000500080a000001"
            "00040004");
}

TEST(PacketWriter, WhatDoesNotFitTakesTheWholeChunkBack) {
  expect_needs_its_room([](PacketWriter& w) {
    if (!w.begin_chunk(kType, 7)) return false;
    w.append_bytes(Bytes{1, 2, 3, 4, 5, 6});
    w.append_tlv(0x0101, Bytes{1});
    w.begin_tlv(0x0202);
    w.append_tlv(0x0303, Bytes{1, 2, 3, 4, 5});
    w.end_tlv();
    return w.end_chunk();
  });
}

TEST(PacketWriter, AFailureSticksUntilTheChunkEnds) {
  Bytes room(12 + 4 + 8, 0xee);
  PacketWriter writer(room);
  ASSERT_TRUE(writer.begin_chunk(kType, 0));
  EXPECT_FALSE(writer.append_bytes(Bytes(9)));
  EXPECT_EQ(writer.open_remaining(), 0u);
  EXPECT_FALSE(writer.append_bytes(Bytes(1)));  // would fit, but something before it is missing
  EXPECT_FALSE(writer.append_bytes({}));
  EXPECT_FALSE(writer.end_chunk());
  EXPECT_TRUE(writer.empty());
  ASSERT_TRUE(writer.begin_chunk(kType, 0));  // and is forgotten with the next one
  EXPECT_TRUE(writer.append_bytes(Bytes(8)));
  EXPECT_TRUE(writer.end_chunk());
}

TEST(PacketWriter, RefusesCallsOutOfOrder) {
  Bytes room(256);
  PacketWriter writer(room);
  EXPECT_FALSE(writer.end_chunk());
  EXPECT_EQ(writer.append(1), nullptr);
  EXPECT_FALSE(writer.begin_tlv(1));
  EXPECT_FALSE(writer.end_tlv());
  EXPECT_EQ(writer.open_remaining(), 0u);
  ASSERT_TRUE(writer.begin_chunk(kType, 0));
  EXPECT_FALSE(writer.begin_chunk(kType, 0));
  EXPECT_EQ(writer.reserve_chunk(kType, 0, 0), nullptr);
  EXPECT_TRUE(writer.end_chunk());
  // A parameter left open, one too many, one nested too deep, no address.
  ASSERT_TRUE(writer.begin_chunk(kType, 0));
  EXPECT_TRUE(writer.begin_tlv(1));
  EXPECT_FALSE(writer.end_chunk());
  ASSERT_TRUE(writer.begin_chunk(kType, 0));
  EXPECT_FALSE(writer.end_tlv());
  EXPECT_FALSE(writer.end_chunk());
  ASSERT_TRUE(writer.begin_chunk(kType, 0));
  EXPECT_TRUE(writer.begin_tlv(1));
  EXPECT_TRUE(writer.begin_tlv(2));
  EXPECT_FALSE(writer.begin_tlv(3));
  EXPECT_FALSE(writer.end_chunk());
  ASSERT_TRUE(writer.begin_chunk(kType, 0));
  EXPECT_FALSE(writer.append_address(IpAddress()));
  EXPECT_FALSE(writer.end_chunk());
  EXPECT_EQ(writer.size(), 16u);
}

TEST(PacketWriter, ACancelledOrUnfinishedChunkIsNotInThePacket) {
  Bytes room(256);
  PacketWriter writer(room);
  ASSERT_TRUE(writer.begin_chunk(kType, 0));
  writer.cancel_chunk();
  EXPECT_FALSE(writer.end_chunk());
  ASSERT_NE(writer.reserve_chunk(kType, 0, 0), nullptr);
  ASSERT_TRUE(writer.begin_chunk(kType, 0));
  EXPECT_TRUE(writer.append_bytes(Bytes(40)));
  EXPECT_EQ(writer.finish(false).size(), 16u);
  EXPECT_FALSE(writer.end_chunk());
}

}  // namespace
}  // namespace trunkline::wire
