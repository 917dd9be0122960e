// SPDX-License-Identifier: BSD-3-Clause
// Big-endian loads and stores at any alignment, and a copy that allows nothing to be copied.
// The caller has checked the bounds: these are used right after a gate that did (wire/tlv.h,
// wire/chunk.h), never instead of one.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace trunkline {

namespace bytes {

// Where values are shifted and stored one byte at a time, GCC 12 makes vectors of the shifts. So
// these are one load or store and a swap, but in a constant expression.
template <typename T>
[[nodiscard]] constexpr T swap(T value) {
  if constexpr (std::endian::native == std::endian::big) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

template <typename T>
[[nodiscard]] constexpr T load(const uint8_t* at) {
  if (std::is_constant_evaluated()) {
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value << 8 | at[i]);
    return value;
  }
  T value;
  std::memcpy(&value, at, sizeof value);
  return swap(value);
}

template <typename T>
constexpr void store(uint8_t* at, T value) {
  if (std::is_constant_evaluated()) {
    for (size_t i = sizeof(T); i > 0; --i, value = static_cast<T>(value >> 8)) {
      at[i - 1] = static_cast<uint8_t>(value);
    }
    return;
  }
  value = swap(value);
  std::memcpy(at, &value, sizeof value);
}

}  // namespace bytes

[[nodiscard]] constexpr uint16_t load_be16(const uint8_t* at) {
  return bytes::load<uint16_t>(at);
}
[[nodiscard]] constexpr uint32_t load_be32(const uint8_t* at) {
  return bytes::load<uint32_t>(at);
}
[[nodiscard]] constexpr uint64_t load_be64(const uint8_t* at) {
  return bytes::load<uint64_t>(at);
}
constexpr void store_be16(uint8_t* at, uint16_t value) {
  bytes::store(at, value);
}
constexpr void store_be32(uint8_t* at, uint32_t value) {
  bytes::store(at, value);
}
constexpr void store_be64(uint8_t* at, uint64_t value) {
  bytes::store(at, value);
}

// memcpy that may be given an empty span, whose data() may be null.
inline void copy_bytes(uint8_t* to, std::span<const uint8_t> from) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

}  // namespace trunkline
