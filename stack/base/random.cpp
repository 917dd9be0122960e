// SPDX-License-Identifier: BSD-3-Clause
// The two sources of randomness: OpenSSL's generator, and a seeded sequence for simulations.
#include "trunkline/stack/random.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>

namespace trunkline {

SecureRandom::~SecureRandom() {
  OPENSSL_cleanse(pool_.data(), pool_.size());
}

void SecureRandom::fill(std::span<uint8_t> out) {
  while (!out.empty()) {
    if (left_ == 0) {
      if (RAND_bytes(pool_.data(), static_cast<int>(pool_.size())) != 1) std::abort();
      left_ = pool_.size();
    }
    const size_t n = std::min(out.size(), left_);
    uint8_t* const from = pool_.data() + (pool_.size() - left_);
    std::copy_n(from, n, out.begin());
    // What has been handed out must not be found in memory a second time.
    std::fill_n(from, n, uint8_t{0});
    left_ -= n;
    out = out.subspan(n);
  }
}

uint64_t SeededRandom::next() {
  state_ += 0x9e3779b97f4a7c15ull;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

void SeededRandom::fill(std::span<uint8_t> out) {
  while (!out.empty()) {
    uint64_t word = next();
    const size_t n = std::min(out.size(), sizeof word);
    for (size_t i = 0; i < n; ++i) {
      out[i] = static_cast<uint8_t>(word);
      word >>= 8;
    }
    out = out.subspan(n);
  }
}

}  // namespace trunkline
