// SPDX-License-Identifier: BSD-3-Clause
// PAD (RFC 4820 section 3): built to fill a packet exactly, read back as what it is.
#include "wire/pad_chunk.h"

#include <gtest/gtest.h>

#include <array>

namespace trunkline::wire {
namespace {

TEST(PadChunk, RoundTripOfEverySize) {
  for (size_t size = 4; size <= 64; size += 4) {
    std::array<uint8_t, kCommonHeaderSize + 64> room;
    room.fill(0xee);
    PacketWriter writer(std::span<uint8_t>(room).first(kCommonHeaderSize + size));
    ASSERT_TRUE(write_pad(writer, size)) << size;
    EXPECT_EQ(writer.remaining(), 0u);
    ChunkCursor cursor(std::span<const uint8_t>(room).subspan(kCommonHeaderSize, size));
    const auto chunk = cursor.next();
    ASSERT_TRUE(chunk) << size;
    EXPECT_EQ(chunk->type, ChunkType::kPad);
    EXPECT_EQ(chunk->flags, 0);
    EXPECT_EQ(chunk->whole.size(), size);
    for (const uint8_t byte : chunk->value) EXPECT_EQ(byte, 0);
    EXPECT_FALSE(cursor.next());
    EXPECT_EQ(cursor.end(), CursorEnd::kClean);
  }
}

TEST(PadChunk, WhatIsNotAWholeChunkOrDoesNotFitIsNotWritten) {
  std::array<uint8_t, kCommonHeaderSize + 64> room{};
  for (const size_t size : {0u, 3u, 5u, 6u, 7u, 68u, 65536u, 65540u}) {
    PacketWriter writer(room);
    EXPECT_FALSE(write_pad(writer, size)) << size;
    EXPECT_TRUE(writer.empty());
  }
}

TEST(PadChunk, CutShortItIsNoChunk) {
  std::array<uint8_t, kCommonHeaderSize + 12> room{};
  PacketWriter writer(room);
  ASSERT_TRUE(write_pad(writer, 12));
  for (size_t size = 0; size < 12; ++size) {
    ChunkCursor cursor(std::span<const uint8_t>(room).subspan(kCommonHeaderSize, size));
    EXPECT_FALSE(cursor.next()) << size;
    EXPECT_EQ(cursor.end() == CursorEnd::kClean, size == 0);
  }
}

// The upper two bits say: pass over it, and do not report it. The sections 3 and 3.2 agree.
TEST(PadChunk, WhoDoesNotKnowItPassesOverItToo) {
  EXPECT_FALSE(stops(unknown_chunk_action(ChunkType::kPad)));
  EXPECT_FALSE(reports(unknown_chunk_action(ChunkType::kPad)));
  EXPECT_EQ(chunk_name(ChunkType::kPad), "PAD");
}

}  // namespace
}  // namespace trunkline::wire
