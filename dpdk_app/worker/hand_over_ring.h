// SPDX-License-Identifier: BSD-3-Clause
// A bounded ring from one thread to one other. Neither side ever waits for the other, so that a
// thread that lost its core stops nobody: what does not fit is refused, what is not there yet is
// not there. Plain atomics, so that ThreadSanitizer sees all of it. No DPDK in here.
#pragma once

#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace trunkline::worker {

template <typename T>
class HandOverRing {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // `size` is a power of two.
  explicit HandOverRing(size_t size) : mask_(size - 1), slots_(std::make_unique<T[]>(size)) {
    assert(std::has_single_bit(size));
  }
  HandOverRing(const HandOverRing&) = delete;
  HandOverRing& operator=(const HandOverRing&) = delete;

  // -- producer
  // False: full. The other side sees it after publish().
  [[nodiscard]] bool put(const T& item) {
    if (written_ - consumed_seen_ > mask_) {
      consumed_seen_ = consumed_.load(std::memory_order_acquire);
      if (written_ - consumed_seen_ > mask_) return false;
    }
    slots_[written_++ & mask_] = item;
    return true;
  }
  // Shows what was put since the last time. False: nothing was. Ordered before whatever the caller
  // then asks about the other side's sleep.
  bool publish() {
    if (produced_.load(std::memory_order_relaxed) == written_) return false;
    produced_.store(written_, std::memory_order_seq_cst);
    return true;
  }
  // How many the other side has not taken, as far as is known here.
  [[nodiscard]] size_t waiting() {
    consumed_seen_ = consumed_.load(std::memory_order_acquire);
    return written_ - consumed_seen_;
  }
  [[nodiscard]] size_t size() const { return mask_ + 1; }

  // -- consumer
  // How many can be taken now.
  [[nodiscard]] size_t look() const {
    return produced_.load(std::memory_order_acquire) - consumed_.load(std::memory_order_relaxed);
  }
  // For a consumer that is about to sleep and has said so.
  [[nodiscard]] bool empty() const {
    return produced_.load(std::memory_order_seq_cst) == consumed_.load(std::memory_order_relaxed);
  }
  // Takes the oldest; only when look() said that there is one.
  [[nodiscard]] T take() {
    const size_t at = consumed_.load(std::memory_order_relaxed);
    const T item = slots_[at & mask_];
    consumed_.store(at + 1, std::memory_order_release);
    return item;
  }

 private:
  const size_t mask_;
  const std::unique_ptr<T[]> slots_;
  alignas(64) std::atomic<size_t> produced_{0};  // the producer writes
  size_t written_ = 0;                           // the producer's own
  size_t consumed_seen_ = 0;                     // the producer's own
  alignas(64) std::atomic<size_t> consumed_{0};  // the consumer writes
};

}  // namespace trunkline::worker
