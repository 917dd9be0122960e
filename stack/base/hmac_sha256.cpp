// SPDX-License-Identifier: BSD-3-Clause
// Two hashes that begin where the padded key ends. By OpenSSL's plain SHA-256 functions: they are
// called deprecated in favour of those that look the algorithm up and keep its state on the heap,
// which costs as much as the hash of a cookie (docs/decisions/0010-set-up.md).
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hmac_sha256.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cassert>

namespace trunkline {
namespace {

SHA256_CTX begin(std::span<const uint8_t> key, uint8_t pad) {
  std::array<uint8_t, HmacSha256::kMaxKeySize> block;
  block.fill(pad);
  for (size_t i = 0; i < key.size(); ++i) block[i] ^= key[i];
  SHA256_CTX state;
  SHA256_Init(&state);
  SHA256_Update(&state, block.data(), block.size());
  OPENSSL_cleanse(block.data(), block.size());
  return state;
}

}  // namespace

HmacSha256::HmacSha256(std::span<const uint8_t> key)
    : inner_(begin(key.first(std::min(key.size(), kMaxKeySize)), 0x36)),
      outer_(begin(key.first(std::min(key.size(), kMaxKeySize)), 0x5c)) {
  assert(key.size() <= kMaxKeySize);
}

HmacSha256::~HmacSha256() {
  OPENSSL_cleanse(&inner_, sizeof inner_);
  OPENSSL_cleanse(&outer_, sizeof outer_);
}

void HmacSha256::compute(std::span<const uint8_t> bytes, std::span<uint8_t, kSize> out) const {
  std::array<uint8_t, kSize> digest;
  SHA256_CTX state = inner_;
  SHA256_Update(&state, bytes.data(), bytes.size());
  SHA256_Final(digest.data(), &state);
  state = outer_;
  SHA256_Update(&state, digest.data(), digest.size());
  SHA256_Final(out.data(), &state);
}

}  // namespace trunkline
