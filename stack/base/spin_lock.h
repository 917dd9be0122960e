// SPDX-License-Identifier: BSD-3-Clause
// A lock for the few words that shards share, held for less than a microsecond. Whoever waits
// spins: the stack knows no scheduler that it could ask to wait for it. A holder that loses its
// core makes others wait until it is back, so nothing that a packet needs may stand behind this.
#pragma once

#include <atomic>

namespace trunkline {

class SpinLock {
 public:
  void lock() {
    while (taken_.exchange(true, std::memory_order_acquire)) {
      while (taken_.load(std::memory_order_relaxed)) relax();
    }
  }
  void unlock() { taken_.store(false, std::memory_order_release); }

 private:
  static void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  std::atomic<bool> taken_ = false;
};

// Holds the lock for a scope.
class SpinGuard {
 public:
  explicit SpinGuard(SpinLock& lock) : lock_(lock) { lock_.lock(); }
  ~SpinGuard() { lock_.unlock(); }
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  SpinLock& lock_;
};

}  // namespace trunkline
