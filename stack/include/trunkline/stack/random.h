// SPDX-License-Identifier: BSD-3-Clause
// Where the stack's unpredictable numbers come from: tags, initial TSNs, nonces, keys.
// Injected, so that a simulation with the same seed makes the same bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace trunkline {

class RandomSource {
 public:
  virtual void fill(std::span<uint8_t> out) = 0;

  uint32_t u32() {
    std::array<uint8_t, 4> bytes{};
    fill(bytes);
    return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
           static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
  }
  uint64_t u64() { return static_cast<uint64_t>(u32()) << 32 | u32(); }
  // All 64 bits are random; zero is left out, which says that there is none.
  uint64_t nonce() {
    uint64_t out = 0;
    while (out == 0) out = u64();
    return out;
  }

 protected:
  ~RandomSource() = default;
};

// OpenSSL's generator, drawn in bulk: one call into the library every few hundred numbers.
// Not to be shared between threads.
class SecureRandom final : public RandomSource {
 public:
  SecureRandom() = default;
  SecureRandom(const SecureRandom&) = delete;
  SecureRandom& operator=(const SecureRandom&) = delete;
  ~SecureRandom();
  // Aborts the process when the generator fails: predictable tags are worse than none.
  void fill(std::span<uint8_t> out) override;

 private:
  std::array<uint8_t, 1024> pool_{};
  size_t left_ = 0;
};

// A fixed sequence from a seed (SplitMix64), for simulations and tests. Never for production.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  void fill(std::span<uint8_t> out) override;
  uint64_t next();
  // Uniform in [0, bound); bound > 0.
  uint64_t below(uint64_t bound) { return next() % bound; }

 private:
  uint64_t state_;
};

}  // namespace trunkline
