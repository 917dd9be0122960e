// SPDX-License-Identifier: BSD-3-Clause
// The worker's time line: nanoseconds from the TSC, read once per iteration. CLOCK_MONOTONIC costs
// five times as much and drifts against nothing that the stack can see.
#pragma once

#include <rte_cycles.h>

#include <cstdint>

#include "trunkline/stack/types.h"

namespace trunkline::worker {

class TscClock {
 public:
  TscClock() : base_(rte_rdtsc()), hz_(rte_get_tsc_hz()) {
    scale_ = static_cast<uint64_t>((static_cast<unsigned __int128>(1'000'000'000) << 32) / hz_);
  }
  // Never 0, so that 0 can stand for "not yet".
  [[nodiscard]] TimePoint now() const {
    const uint64_t ticks = rte_rdtsc() - base_;
    const auto product = static_cast<unsigned __int128>(ticks) * scale_;
    return TimePoint::from_ns(static_cast<int64_t>(static_cast<uint64_t>(product >> 32) + 1));
  }

 private:
  uint64_t base_;
  uint64_t hz_;
  uint64_t scale_;  // nanoseconds per tick, 32 bits behind the point
};

}  // namespace trunkline::worker
