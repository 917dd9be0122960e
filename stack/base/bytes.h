// SPDX-License-Identifier: BSD-3-Clause
// Big-endian loads and stores at any alignment, and a copy that allows nothing to be copied.
// The caller has checked the bounds: these are used right after a gate that did (wire/tlv.h,
// wire/chunk.h), never instead of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace trunkline {

[[nodiscard]] constexpr uint16_t load_be16(const uint8_t* at) {
  return static_cast<uint16_t>((at[0] << 8) | at[1]);
}

[[nodiscard]] constexpr uint32_t load_be32(const uint8_t* at) {
  return (uint32_t{at[0]} << 24) | (uint32_t{at[1]} << 16) | (uint32_t{at[2]} << 8) | at[3];
}

[[nodiscard]] constexpr uint64_t load_be64(const uint8_t* at) {
  return (uint64_t{load_be32(at)} << 32) | load_be32(at + 4);
}

constexpr void store_be16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

constexpr void store_be32(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 24);
  at[1] = static_cast<uint8_t>(value >> 16);
  at[2] = static_cast<uint8_t>(value >> 8);
  at[3] = static_cast<uint8_t>(value);
}

constexpr void store_be64(uint8_t* at, uint64_t value) {
  store_be32(at, static_cast<uint32_t>(value >> 32));
  store_be32(at + 4, static_cast<uint32_t>(value));
}

// memcpy that may be given an empty span, whose data() may be null.
inline void copy_bytes(uint8_t* to, std::span<const uint8_t> from) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

}  // namespace trunkline
