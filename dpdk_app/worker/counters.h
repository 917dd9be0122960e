// SPDX-License-Identifier: BSD-3-Clause
// Names of what a worker counts about itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace trunkline::worker {

// clang-format off
#define TRUNKLINE_WORKER_COUNTERS(X)                                                   \
  X(iterations, "turns of the loop")                                                   \
  X(busy_iterations, "turns that found something to do")                               \
  X(waits, "times that the worker slept because there was nothing to do")              \
  X(wait_ns, "nanoseconds slept")                                                      \
  X(long_gaps, "turns that began more than 10 ms after the one before: lost the core") \
  X(capture_frames, "frames copied for captures")                                      \
  X(mail, "requests of the control thread")                                            \
  X(handed_over_out, "SCTP packets given to another worker, which owns them")          \
  X(handed_over_in, "SCTP packets taken from another worker")                          \
  X(misdirected, "SCTP packets given to a wrong worker first: workers.misdirect")      \
  X(spread_inits, "INITs given to another worker because a port has too few queues")   \
  X(frames_handed_over, "frames given to a worker that has a queue to send them on")   \
  X(icmp_handed_over, "ICMP messages given to the worker that they concern")           \
  X(news_handed_over, "what was learnt of neighbours, told to another worker")         \
  X(bells_rung, "workers woken because something was handed over to them")             \
  X(drop_hand_over_full, "SCTP packets for a worker whose ring was full")              \
  X(drop_frame_hand_over_full, "frames to send for a worker whose ring was full")      \
  X(drop_icmp_hand_over_full, "ICMP messages for a worker whose ring was full")        \
  X(drop_news_hand_over_full, "news of neighbours for a worker whose ring was full")
// clang-format on

enum class WorkerCounter : uint16_t {
#define X(name, text) k_##name,
  TRUNKLINE_WORKER_COUNTERS(X)
#undef X
      kCount
};
inline constexpr size_t kWorkerCounterCount = static_cast<size_t>(WorkerCounter::kCount);

struct WorkerCounterInfo {
  std::string_view name;
  std::string_view text;
};
inline constexpr std::array<WorkerCounterInfo, kWorkerCounterCount> kWorkerCounterInfo{{
#define X(name, text) {#name, text},
    TRUNKLINE_WORKER_COUNTERS(X)
#undef X
}};

class WorkerCounters {
 public:
  void add(WorkerCounter counter, uint64_t n = 1) { values_[static_cast<size_t>(counter)] += n; }
  [[nodiscard]] uint64_t get(WorkerCounter counter) const {
    return values_[static_cast<size_t>(counter)];
  }

 private:
  std::array<uint64_t, kWorkerCounterCount> values_{};
};

}  // namespace trunkline::worker
