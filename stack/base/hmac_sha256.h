// SPDX-License-Identifier: BSD-3-Clause
// HMAC-SHA256 (RFC 2104, FIPS 198-1) under a key that stays: what depends on the key alone is
// computed once, so that a MAC costs a block for each 64 bytes and one more, and no allocation.
#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <span>

namespace trunkline {

class HmacSha256 {
 public:
  static constexpr size_t kSize = 32;
  static constexpr size_t kMaxKeySize = 64;  // a longer key would have to be hashed first

  explicit HmacSha256(std::span<const uint8_t> key);
  HmacSha256(const HmacSha256&) = default;
  HmacSha256& operator=(const HmacSha256&) = default;
  ~HmacSha256();

  void compute(std::span<const uint8_t> bytes, std::span<uint8_t, kSize> out) const;

 private:
  SHA256_CTX inner_;  // fed with the padded key; as secret as the key
  SHA256_CTX outer_;
};

}  // namespace trunkline
