// SPDX-License-Identifier: BSD-3-Clause
// How those who use a pool share it (decision 30). Knows numbers only.
#pragma once

#include <algorithm>
#include <cstdint>

namespace trunkline {

// Half of the pool is for whoever comes first. The other half is kept, in equal parts, for those
// who have less than their part: they find room whatever all others do and never give back. That
// holds where a part is not smaller than what is taken at a time; with more users than that, for as
// many of them as half of the pool has parts of that size.
class PoolShare {
 public:
  // `most` for `users` at most, each of whom takes `grain` at a time. A pool that is too small to
  // be divided is not.
  PoolShare(uint32_t most, uint32_t users, uint32_t grain = 1) {
    if (most < kDivisible) return;
    kept_ = most / 2;
    const uint32_t part = kept_ / std::max(users, 1u);
    part_ = part > grain ? part - (grain - 1) : 1;
  }
  // May one that holds so many take more, when so many are left?
  [[nodiscard]] bool allows(uint64_t held, uint64_t left) const {
    return held < part_ || left > kept_;
  }

 private:
  static constexpr uint32_t kDivisible = 64;

  uint32_t part_ = UINT32_MAX;
  uint32_t kept_ = 0;
};

}  // namespace trunkline
