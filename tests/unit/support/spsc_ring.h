// SPDX-License-Identifier: BSD-3-Clause
// A ring from one thread to another, for tests whose threads talk to each other: fixed size, full
// is an answer. Anything that can be moved goes through it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <utility>

namespace trunkline::test {

template <typename T, size_t kSize>
class SpscRing {
  static_assert((kSize & (kSize - 1)) == 0);

 public:
  // The producer's.
  bool push(T&& item) {
    const size_t at = produced_.load(std::memory_order_relaxed);
    if (at - consumed_.load(std::memory_order_acquire) == kSize) return false;
    items_[at % kSize] = std::move(item);
    produced_.store(at + 1, std::memory_order_release);
    return true;
  }
  // The consumer's.
  bool pop(T& item) {
    const size_t at = consumed_.load(std::memory_order_relaxed);
    if (at == produced_.load(std::memory_order_acquire)) return false;
    item = std::move(items_[at % kSize]);
    consumed_.store(at + 1, std::memory_order_release);
    return true;
  }

 private:
  std::array<T, kSize> items_;
  alignas(64) std::atomic<size_t> produced_ = 0;  // written by the producer
  alignas(64) std::atomic<size_t> consumed_ = 0;  // written by the consumer
};

}  // namespace trunkline::test
