// SPDX-License-Identifier: BSD-3-Clause
// DATA (RFC 9260 section 3.3.1).
#include "wire/data_chunk.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "captured_packets.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

bool write(PacketWriter& writer, const DataChunk& data) {
  uint8_t* const at = write_data_header(writer, data, data.payload.size());
  if (at == nullptr) return false;
  copy_bytes(at, data.payload);
  return true;
}

TEST(DataChunk, CapturedOrdered) {
  const OwnedChunk chunk = only_chunk(captured::kData);
  const auto data = DataChunk::parse(chunk.view());
  ASSERT_TRUE(data.has_value());
  EXPECT_FALSE(data->immediate);
  EXPECT_FALSE(data->unordered);
  EXPECT_TRUE(data->beginning);
  EXPECT_TRUE(data->ending);
  EXPECT_EQ(data->tsn, Tsn(0x24d59d63));
  EXPECT_EQ(data->stream, StreamId(3));
  EXPECT_EQ(data->mid, Mid(0));
  EXPECT_EQ(data->ppid, Ppid(60));
  EXPECT_EQ(to_hex(data->payload), "68656c6c6f");
  EXPECT_EQ(rebuilt(captured::kData, [&](PacketWriter& w) { return write(w, *data); }),
            captured::kData);
}

TEST(DataChunk, CapturedUnorderedImmediate) {
  const OwnedChunk chunk = only_chunk(captured::kDataUnordered);
  const auto data = DataChunk::parse(chunk.view());
  ASSERT_TRUE(data.has_value());
  EXPECT_TRUE(data->immediate);
  EXPECT_TRUE(data->unordered);
  EXPECT_EQ(data->stream, StreamId(4));
  EXPECT_EQ(rebuilt(captured::kDataUnordered, [&](PacketWriter& w) { return write(w, *data); }),
            captured::kDataUnordered);
}

TEST(DataChunk, EachFlagIsItsOwnBit) {
  const Bytes value(13, 0);
  for (unsigned flags = 0; flags < 256; ++flags) {
    const OwnedChunk chunk(0, static_cast<uint8_t>(flags), value);
    const auto data = DataChunk::parse(chunk.view());
    ASSERT_TRUE(data.has_value());
    EXPECT_EQ(data->ending, (flags & 1) != 0);
    EXPECT_EQ(data->beginning, (flags & 2) != 0);
    EXPECT_EQ(data->unordered, (flags & 4) != 0);
    EXPECT_EQ(data->immediate, (flags & 8) != 0);
    Bytes room(64);
    PacketWriter writer(room);
    ASSERT_TRUE(write(writer, *data));
    EXPECT_EQ(writer.finish(false)[13], flags & 15);  // the reserved bits are not sent
  }
}

TEST(DataChunk, CutAtEveryLength) {
  const OwnedChunk whole = only_chunk(captured::kData);
  for (size_t size = 0; size <= whole.view().value.size(); ++size) {
    const OwnedChunk part = OwnedChunk::cut(whole.view(), size);
    const auto data = DataChunk::parse(part.view());
    ASSERT_EQ(data.has_value(), size >= 12) << size;
    if (data) {
      EXPECT_EQ(data->payload.size(), size - 12);
    }
  }
}

TEST(DataChunk, AnEmptyPayloadParsesButIsNeverSent) {
  const OwnedChunk chunk(0, 3, Bytes(12, 0x11));
  const auto data = DataChunk::parse(chunk.view());
  ASSERT_TRUE(data.has_value());
  EXPECT_TRUE(data->payload.empty());
  EXPECT_EQ(chunk_hex([&](PacketWriter& w) { return write(w, *data); }), "refused");
}

TEST(DataChunk, OtherTypesAreNotData) {
  for (unsigned type = 1; type < 256; ++type) {
    const OwnedChunk chunk(static_cast<uint8_t>(type), 3, Bytes(20));
    EXPECT_FALSE(DataChunk::parse(chunk.view()).has_value()) << type;
  }
}

TEST(DataChunk, RoundTripOfExtremes) {
  const Bytes payload{0xff};
  const DataChunk data{.immediate = true,
                       .unordered = false,
                       .beginning = false,
                       .ending = true,
                       .tsn = Tsn(0xfffffffe),
                       .stream = StreamId(0xfffd),
                       .mid = Mid(0xfffc),
                       .ppid = Ppid(0x80000001),
                       .payload = payload};
  EXPECT_EQ(chunk_hex([&](PacketWriter& w) { return write(w, data); }),
            "00090011fffffffefffdfffc80000001ff000000");
}

TEST(DataChunk, PayloadSizes) {
  Bytes room(70000);
  for (const size_t size : {size_t{1}, size_t{65519}}) {
    PacketWriter writer(room);
    EXPECT_NE(write_data_header(writer, DataChunk{}, size), nullptr) << size;
    EXPECT_EQ(writer.size(), 12 + padded(16 + size));
  }
  for (const size_t size : {size_t{0}, size_t{65520}, size_t{65536}, SIZE_MAX, SIZE_MAX - 12}) {
    PacketWriter writer(room);
    EXPECT_EQ(write_data_header(writer, DataChunk{}, size), nullptr) << size;
    EXPECT_TRUE(writer.empty());
  }
  const Bytes payload(101, 0x55);
  DataChunk data;
  data.payload = payload;
  expect_needs_its_room([&](PacketWriter& w) { return write(w, data); });
}

// A packet filled to the last byte: the chunk header and the padding count (an unpadded count once
// cost others a silent black hole at small path MTUs).
TEST(DataChunk, ExactlyFullPackets) {
  for (size_t payload = 1; payload <= 70; ++payload) {
    const size_t each = padded(16 + payload);
    Bytes room(12 + 3 * each);
    PacketWriter writer(room);
    for (int i = 0; i < 3; ++i) {
      ASSERT_NE(write_data_header(writer, DataChunk{}, payload), nullptr) << payload;
    }
    EXPECT_EQ(writer.remaining(), 0u);
    Bytes less(12 + 3 * each - 1);
    PacketWriter tight(less);
    ASSERT_NE(write_data_header(tight, DataChunk{}, payload), nullptr);
    ASSERT_NE(write_data_header(tight, DataChunk{}, payload), nullptr);
    EXPECT_EQ(write_data_header(tight, DataChunk{}, payload), nullptr) << payload;
  }
}

}  // namespace
}  // namespace trunkline::wire
