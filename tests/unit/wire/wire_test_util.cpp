// SPDX-License-Identifier: BSD-3-Clause
// Helpers of the wire tests.
#include "wire_test_util.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace trunkline::wire {

Bytes from_hex(std::string_view text) {
  Bytes out;
  int high = -1;
  for (const char c : text) {
    if (c == ' ') continue;
    const int digit = c >= 'a' ? c - 'a' + 10 : c - '0';
    EXPECT_TRUE(digit >= 0 && digit < 16) << c;
    if (high < 0) {
      high = digit;
    } else {
      out.push_back(static_cast<uint8_t>(high * 16 + digit));
      high = -1;
    }
  }
  EXPECT_EQ(high, -1) << "odd number of hex digits";
  return out;
}

std::string to_hex(std::span<const uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

OwnedChunk::OwnedChunk(uint8_t type, uint8_t flags, std::span<const uint8_t> value)
    : bytes_(new uint8_t[kChunkHeaderSize + value.size()]) {
  const size_t size = kChunkHeaderSize + value.size();
  bytes_[0] = type;
  bytes_[1] = flags;
  store_be16(bytes_.get() + 2, static_cast<uint16_t>(size));
  copy_bytes(bytes_.get() + kChunkHeaderSize, value);
  ChunkCursor cursor(std::span<const uint8_t>(bytes_.get(), size));
  const auto view = cursor.next();
  EXPECT_TRUE(view.has_value());
  if (view) view_ = *view;
}

OwnedChunk OwnedChunk::cut(const ChunkView& chunk, size_t value_size) {
  return OwnedChunk(static_cast<uint8_t>(chunk.type), chunk.flags, chunk.value.first(value_size));
}

OwnedChunk only_chunk(std::string_view packet_hex) {
  const Bytes packet = from_hex(packet_hex);
  ChunkCursor cursor{std::span<const uint8_t>(packet).subspan(kCommonHeaderSize)};
  const auto chunk = cursor.next();
  EXPECT_TRUE(chunk.has_value());
  EXPECT_FALSE(cursor.next().has_value());
  EXPECT_EQ(cursor.end(), CursorEnd::kClean);
  return OwnedChunk(static_cast<uint8_t>(chunk->type), chunk->flags, chunk->value);
}

std::string chunk_hex(const std::function<bool(PacketWriter&)>& build, size_t room) {
  Bytes bytes(room, 0xee);  // so that padding left unwritten shows
  PacketWriter writer(bytes);
  if (!build(writer)) {
    EXPECT_TRUE(writer.empty());
    return "refused";
  }
  return to_hex(writer.finish(false).subspan(kCommonHeaderSize));
}

std::string rebuilt(std::string_view like, const std::function<bool(PacketWriter&)>& build) {
  const auto header = CommonHeader::parse(from_hex(like));
  EXPECT_TRUE(header.has_value());
  Bytes room(65536, 0xee);
  PacketWriter writer(room);
  writer.write_header(header->source_port, header->destination_port, header->verification_tag);
  EXPECT_TRUE(build(writer));
  return to_hex(writer.finish(true));
}

void expect_needs_its_room(const std::function<bool(PacketWriter&)>& build) {
  Bytes large(70000, 0xee);
  PacketWriter writer(large);
  ASSERT_TRUE(build(writer));
  const Bytes whole(large.begin() + kCommonHeaderSize,
                    large.begin() + static_cast<ptrdiff_t>(writer.size()));
  const size_t needed = writer.size();
  for (size_t size = 0; size < needed; ++size) {
    Bytes room(size);
    PacketWriter small(room);
    EXPECT_FALSE(build(small)) << size << " of " << needed;
    EXPECT_TRUE(small.empty()) << size << " of " << needed;
  }
  Bytes exact(needed, 0x77);
  PacketWriter just(exact);
  EXPECT_TRUE(build(just));
  EXPECT_EQ(just.remaining(), 0u);
  EXPECT_TRUE(std::equal(whole.begin(), whole.end(), exact.begin() + kCommonHeaderSize));
}

}  // namespace trunkline::wire
