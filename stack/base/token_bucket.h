// SPDX-License-Identifier: BSD-3-Clause
// A rate limit in eight bytes: a bucket that holds a second's worth of tokens and is refilled
// evenly. All that is remembered is the moment at which it will be full again.
#pragma once

#include <algorithm>
#include <cstdint>

#include "trunkline/stack/types.h"

namespace trunkline {

class TokenBucket {
 public:
  // `per_second` is above zero, and the same each time.
  [[nodiscard]] bool take(TimePoint now, uint32_t per_second) {
    constexpr int64_t kSecond = 1'000'000'000;
    const int64_t refill = std::max<int64_t>(kSecond / per_second, 1);  // time for one token
    const int64_t full_at = std::max(full_at_, now.ns()) + refill;
    if (full_at - now.ns() > kSecond) return false;
    full_at_ = full_at;
    return true;
  }

 private:
  int64_t full_at_ = INT64_MIN;
};

}  // namespace trunkline
