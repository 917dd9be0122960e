// SPDX-License-Identifier: BSD-3-Clause
// Counts the steps that queues and tables take: one for each node visited, each place probed, each
// item moved. Tests and fuzzers hold the sum against the bytes that came in, so that what walks
// where it should look up is found by its cost. Nothing is counted unless the build is configured
// with -Dsteps=true; a release build has none of it.
#pragma once

#include <atomic>
#include <cstdint>

namespace trunkline {

#ifdef TRUNKLINE_COUNT_STEPS
inline constexpr bool kCountsSteps = true;
inline std::atomic<uint64_t> steps_taken = 0;  // of all shards of the process
inline void count_steps(uint64_t steps = 1) {
  steps_taken.fetch_add(steps, std::memory_order_relaxed);
}
#else
inline constexpr bool kCountsSteps = false;
inline constexpr uint64_t steps_taken = 0;
inline void count_steps(uint64_t = 1) {}
#endif

}  // namespace trunkline
