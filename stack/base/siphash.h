// SPDX-License-Identifier: BSD-3-Clause
// SipHash-2-4 (Aumasson, Bernstein 2012), inline: the keyed hash behind tables whose keys a
// stranger may choose, and behind the owner of a tag.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace trunkline {

struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

class SipHash {
 public:
  explicit SipHash(SipKey key)
      : v0_(key.k0 ^ 0x736f6d6570736575ull),
        v1_(key.k1 ^ 0x646f72616e646f6dull),
        v2_(key.k0 ^ 0x6c7967656e657261ull),
        v3_(key.k1 ^ 0x7465646279746573ull) {}

  // The hash of bytes in memory, little endian words as the paper defines.
  [[nodiscard]] static uint64_t of(SipKey key, std::span<const uint8_t> bytes) {
    SipHash hash(key);
    size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, 8);
      hash.compress(word);
    }
    uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
    for (size_t i = 0; at + i < bytes.size(); ++i) {
      last |= static_cast<uint64_t>(bytes[at + i]) << (8 * i);
    }
    hash.compress(last);
    return hash.finish();
  }
  // The hash of so many words of eight bytes and one of four, as `of` would give for their bytes.
  [[nodiscard]] static uint64_t of(SipKey key, std::span<const uint64_t> words, uint32_t rest) {
    SipHash hash(key);
    for (const uint64_t word : words) hash.compress(word);
    hash.compress(static_cast<uint64_t>(8 * words.size() + 4) << 56 | rest);
    return hash.finish();
  }
  // The hash of a 64-bit word, as `of` would give for its eight bytes.
  [[nodiscard]] static uint64_t of(SipKey key, uint64_t word) {
    SipHash hash(key);
    hash.compress(word);
    hash.compress(uint64_t{8} << 56);
    return hash.finish();
  }

 private:
  void round() {
    v0_ += v1_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v3_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ += v3_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v2_ = std::rotl(v2_, 32);
  }
  void compress(uint64_t word) {
    v3_ ^= word;
    round();
    round();
    v0_ ^= word;
  }
  uint64_t finish() {
    v2_ ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

  uint64_t v0_, v1_, v2_, v3_;
};

}  // namespace trunkline
