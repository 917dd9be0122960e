// SPDX-License-Identifier: BSD-3-Clause
// Three ways to take a CRC32c and the choice between them. The only file of the wire layer that
// knows what processor it runs on.
#include "wire/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>
#include <climits>

#include "base/bytes.h"
#include "wire/common_header.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace trunkline::wire {
namespace {

#if defined(__x86_64__)
bool has_vpclmulqdq() {
  return __builtin_cpu_supports("vpclmulqdq") != 0;
}
#else
bool has_vpclmulqdq() {
  return false;
}
#endif

constexpr uint32_t kReflectedPolynomial = 0x82f63b78;  // 0x1edc6f41 with its bits reversed

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ ((value & 1) != 0 ? kReflectedPolynomial : 0);
    }
    table[byte] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = make_table();

bool isal_is_faster(size_t size) {
  if (size < crc32c_ways::kIsalFromWithVpclmulqdq) return false;
  return size >= crc32c_ways::kIsalFrom || has_vpclmulqdq();
}

#if defined(__x86_64__)
[[gnu::target("sse4.2")]] uint32_t header_state_by_sse42(const uint8_t* header) {
  uint64_t ports_and_tag;
  std::memcpy(&ports_and_tag, header, sizeof ports_and_tag);
  return _mm_crc32_u32(static_cast<uint32_t>(_mm_crc32_u64(~uint32_t{0}, ports_and_tag)), 0);
}
#endif

// The state behind a common header whose checksum field is zero: the packet itself, which may be in
// memory that somebody else reads, is not touched.
uint32_t header_state(std::span<const uint8_t> packet) {
  static_assert(kChecksumOffset == 8 && kCommonHeaderSize == 12);
#if defined(__x86_64__)
  if (crc32c_ways::has_sse42()) return header_state_by_sse42(packet.data());
#endif
  std::array<uint8_t, kCommonHeaderSize> header{};
  copy_bytes(header.data(), packet.first(kChecksumOffset));
  return crc32c_ways::by_table(~uint32_t{0}, header);
}

uint32_t extend(uint32_t state, std::span<const uint8_t> bytes) {
  if (isal_is_faster(bytes.size())) return crc32c_ways::by_isal(state, bytes);
  if (crc32c_ways::has_sse42()) return crc32c_ways::by_sse42(state, bytes);
  return crc32c_ways::by_table(state, bytes);
}

}  // namespace

namespace crc32c_ways {

uint32_t by_table(uint32_t state, std::span<const uint8_t> bytes) {
  for (const uint8_t byte : bytes) state = (state >> 8) ^ kTable[(state ^ byte) & 0xff];
  return state;
}

uint32_t by_isal(uint32_t state, std::span<const uint8_t> bytes) {
  constexpr size_t kLongest = INT_MAX;  // what ISA-L's length can say
  while (!bytes.empty()) {
    const size_t size = std::min(bytes.size(), kLongest);
    // ISA-L only reads, but its prototype does not say so.
    state = crc32_iscsi(const_cast<uint8_t*>(bytes.data()), static_cast<int>(size), state);
    bytes = bytes.subspan(size);
  }
  return state;
}

#if defined(__x86_64__)

bool has_sse42() {
  return __builtin_cpu_supports("sse4.2") != 0;
}

[[gnu::target("sse4.2")]] uint32_t by_sse42(uint32_t state, std::span<const uint8_t> bytes) {
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  uint64_t wide = state;
  for (; left >= 32; at += 32, left -= 32) {
    std::array<uint64_t, 4> words;
    std::memcpy(words.data(), at, sizeof words);
    wide = _mm_crc32_u64(wide, words[0]);
    wide = _mm_crc32_u64(wide, words[1]);
    wide = _mm_crc32_u64(wide, words[2]);
    wide = _mm_crc32_u64(wide, words[3]);
  }
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, sizeof word);
    wide = _mm_crc32_u64(wide, word);
  }
  state = static_cast<uint32_t>(wide);
  if ((left & 4) != 0) {
    uint32_t word;
    std::memcpy(&word, at, sizeof word);
    state = _mm_crc32_u32(state, word);
    at += 4;
  }
  for (left &= 3; left > 0; ++at, --left) state = _mm_crc32_u8(state, *at);
  return state;
}

#else

bool has_sse42() {
  return false;
}
uint32_t by_sse42(uint32_t state, std::span<const uint8_t> bytes) {
  return by_table(state, bytes);
}

#endif

}  // namespace crc32c_ways

uint32_t crc32c(std::span<const uint8_t> bytes) {
  return ~extend(~uint32_t{0}, bytes);
}

uint32_t packet_checksum(std::span<const uint8_t> packet) {
  if (packet.size() < kCommonHeaderSize) return 0;
  const std::span<const uint8_t> rest = packet.subspan(kCommonHeaderSize);
  const uint32_t crc = ~extend(header_state(packet), rest);
  return __builtin_bswap32(crc);
}

void write_checksum(std::span<uint8_t> packet) {
  if (packet.size() < kCommonHeaderSize) return;
  store_be32(packet.data() + kChecksumOffset, packet_checksum(packet));
}

bool verify_checksum(std::span<const uint8_t> packet) {
  return packet.size() >= kCommonHeaderSize &&
         load_be32(packet.data() + kChecksumOffset) == packet_checksum(packet);
}

}  // namespace trunkline::wire
