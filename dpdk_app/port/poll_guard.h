// SPDX-License-Identifier: BSD-3-Clause
// What a driver does in DPDK's interrupt thread, and tells nobody.
//
// PollGuard keeps a driver from taking memory away while a worker polls it. When the peer of a
// memif dies, the driver unmaps the shared regions in DPDK's interrupt thread, and does not ask
// whether a worker is just reading them. A worker says when it is inside bursts; the interrupt
// thread waits until it is not (see poll_guard.cpp for how it is made to).
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace trunkline::port {

class PollGuard {
 public:
  PollGuard();  // registers; made before the worker starts
  ~PollGuard();
  PollGuard(const PollGuard&) = delete;
  PollGuard& operator=(const PollGuard&) = delete;

  // Around bursts. The exchange is a full barrier: the driver's "connected" flag is read after it,
  // so either this worker sees that the peer is gone or the interrupt thread sees this worker.
  void enter() { inside_.store(true, std::memory_order_seq_cst); }
  void leave() {
    passes_.store(passes_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    inside_.store(false, std::memory_order_release);
  }

  // Called by any thread: returns once every worker has been outside since the call. False: a
  // worker stayed inside for a second.
  static bool wait_all_outside();

 private:
  alignas(64) std::atomic<bool> inside_{false};  // worker writes, interrupt thread reads
  std::atomic<uint64_t> passes_{0};              // worker writes, interrupt thread reads
  PollGuard* next_ = nullptr;                    // registry, under its mutex
};

// What a memif listens on, or talks to its peer over: DPDK does not say whether there still is one,
// or whether the peer has hung up. Known by the callback that the driver registers for it.
class ControlChannel {
 public:
  // Runs `start`, and remembers the callback that this thread registers meanwhile, if any.
  template <typename Start>
  static std::optional<ControlChannel> of(Start&& start) {
    const uint64_t before = last_registered();
    start();
    const uint64_t after = last_registered();
    if (after == before) return std::nullopt;
    return ControlChannel(after);
  }
  // Whether the driver has given it up.
  [[nodiscard]] bool closed() const;
  // For a driver that forgets to: the callback's memory must still be there.
  void close() const;

 private:
  explicit ControlChannel(uint64_t serial) : serial_(serial) {}
  // The serial number of the last callback that the calling thread has registered.
  [[nodiscard]] static uint64_t last_registered();

  uint64_t serial_;
};

}  // namespace trunkline::port
