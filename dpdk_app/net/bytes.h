// SPDX-License-Identifier: BSD-3-Clause
// Big-endian loads and stores, and the internet checksum. Callers have checked the bounds.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace trunkline::net {

// One load or store and a swap: byte by byte GCC 12 makes vectors of the shifts.
template <typename T>
T load_be(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::big) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
}
inline uint16_t load_be16(const uint8_t* at) {
  return load_be<uint16_t>(at);
}
inline uint32_t load_be32(const uint8_t* at) {
  return load_be<uint32_t>(at);
}
inline void store_be16(uint8_t* at, uint16_t value) {
  value = load_be16(reinterpret_cast<const uint8_t*>(&value));
  std::memcpy(at, &value, sizeof value);
}
inline void store_be32(uint8_t* at, uint32_t value) {
  value = load_be32(reinterpret_cast<const uint8_t*>(&value));
  std::memcpy(at, &value, sizeof value);
}

// RFC 1071: the sum of 16-bit words before it is folded; sums of parts of even length add up.
inline uint64_t checksum_add(std::span<const uint8_t> bytes, uint64_t sum = 0) {
  size_t i = 0;
  for (; i + 1 < bytes.size(); i += 2) sum += load_be16(&bytes[i]);
  if (i < bytes.size()) sum += static_cast<uint64_t>(bytes[i]) << 8;
  return sum;
}
inline uint16_t checksum_fold(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum & 0xffff);
}

}  // namespace trunkline::net
