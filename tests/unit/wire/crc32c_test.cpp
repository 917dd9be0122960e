// SPDX-License-Identifier: BSD-3-Clause
// CRC32c against a bit-wise reference at every size and alignment, and the packet checksum against
// packets of others (RFC 9260 section 6.8, appendix A).
#include "wire/crc32c.h"

#include <gtest/gtest.h>

#include "book_packets.h"
#include "captured_packets.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

// One bit at a time, straight from the definition, starting from `state`.
uint32_t reference(uint32_t state, std::span<const uint8_t> bytes) {
  for (const uint8_t byte : bytes) {
    state ^= byte;
    for (int bit = 0; bit < 8; ++bit) {
      state = (state & 1) != 0 ? (state >> 1) ^ 0x82f63b78u : state >> 1;
    }
  }
  return state;
}

Bytes noise(size_t size) {
  Bytes out(size);
  uint32_t x = 12345;
  for (uint8_t& byte : out) {
    x = x * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(x >> 24);
  }
  return out;
}

TEST(Crc32c, KnownValues) {
  const std::string_view digits = "123456789";
  EXPECT_EQ(crc32c({reinterpret_cast<const uint8_t*>(digits.data()), digits.size()}), 0xe3069283u);
  EXPECT_EQ(crc32c({}), 0u);
  EXPECT_EQ(crc32c(Bytes(32, 0)), 0x8a9136aau);  // RFC 3720 appendix B.4
  EXPECT_EQ(crc32c(Bytes(32, 0xff)), 0x62a8ab43u);
}

TEST(Crc32c, EverySizeAndAlignmentAgreesWithTheReference) {
  constexpr size_t kMaxSize = 2048;
  const Bytes bytes = noise(kMaxSize + 16);
  for (size_t offset = 0; offset < 16; ++offset) {
    // The reference runs along, one byte further for each size.
    uint32_t state = ~uint32_t{0};
    for (size_t size = 0; size <= kMaxSize; ++size) {
      const std::span<const uint8_t> part = std::span(bytes).subspan(offset, size);
      ASSERT_EQ(crc32c(part), ~state) << "size " << size << " offset " << offset;
      if (size < kMaxSize) state = reference(state, std::span(bytes).subspan(offset + size, 1));
    }
  }
}

TEST(Crc32c, EachWayAgreesAndContinuesARunningState) {
  const Bytes bytes = noise(900);
  for (const uint32_t start : {~uint32_t{0}, uint32_t{0}, uint32_t{0x1234abcd}}) {
    for (size_t size = 0; size <= bytes.size(); size += size < 300 ? 1 : 37) {
      const std::span<const uint8_t> part = std::span(bytes).first(size);
      const uint32_t expected = reference(start, part);
      ASSERT_EQ(crc32c_ways::by_table(start, part), expected) << size;
      ASSERT_EQ(crc32c_ways::by_isal(start, part), expected) << size;
      if (crc32c_ways::has_sse42()) {
        ASSERT_EQ(crc32c_ways::by_sse42(start, part), expected) << size;
      }
    }
  }
}

TEST(PacketChecksum, AgreesWithThePacketsOfOthers) {
  using namespace captured;
  for (const std::string_view hex :
       {book::kInit, book::kCookieEcho, book::kSack, kInit, kInitAck, kCookieEcho, kCookieAck,
        kData, kDataUnordered, kSack, kSackGapAndDuplicate, kError, kHeartbeat, kHeartbeatAck,
        kShutdown, kShutdownAck, kShutdownComplete, kAbort, kAbortReflected}) {
    Bytes packet = from_hex(hex);
    const uint32_t stored = load_be32(packet.data() + 8);
    EXPECT_EQ(packet_checksum(packet), stored) << hex;
    EXPECT_TRUE(verify_checksum(packet)) << hex;
    // The field itself is read as zero whatever it holds, and is not written.
    store_be32(packet.data() + 8, 0xffffffff);
    EXPECT_EQ(packet_checksum(packet), stored) << hex;
    EXPECT_EQ(load_be32(packet.data() + 8), 0xffffffffu);
    EXPECT_FALSE(verify_checksum(packet)) << hex;
    write_checksum(packet);
    EXPECT_EQ(to_hex(packet), hex);
  }
}

TEST(PacketChecksum, EverySingleBitErrorIsSeen) {
  Bytes packet = from_hex(captured::kData);
  for (size_t bit = 0; bit < packet.size() * 8; ++bit) {
    packet[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    EXPECT_FALSE(verify_checksum(packet)) << bit;
    packet[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
  }
  EXPECT_TRUE(verify_checksum(packet));
}

TEST(PacketChecksum, EverySizeAcrossTheThresholdsVerifies) {
  for (size_t size = 12; size <= 2048; ++size) {
    Bytes packet = noise(size);
    write_checksum(packet);
    Bytes zeroed = packet;
    store_be32(zeroed.data() + 8, 0);
    ASSERT_EQ(load_be32(packet.data() + 8), __builtin_bswap32(~reference(~uint32_t{0}, zeroed)))
        << size;
    ASSERT_TRUE(verify_checksum(packet)) << size;
  }
}

TEST(PacketChecksum, LessThanACommonHeaderIsNeverRight) {
  for (size_t size = 0; size < 12; ++size) {
    Bytes packet(size, 0);
    write_checksum(packet);
    EXPECT_EQ(packet, Bytes(size, 0));
    EXPECT_EQ(packet_checksum(packet), 0u);
    EXPECT_FALSE(verify_checksum(packet));
  }
}

}  // namespace
}  // namespace trunkline::wire
