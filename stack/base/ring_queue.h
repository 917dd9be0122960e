// SPDX-License-Identifier: BSD-3-Clause
// A first-in first-out queue on one array that grows by doubling and never shrinks: after the
// first burst it allocates no more.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace trunkline {

template <typename T>
class RingQueue {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] T& front() { return slots_[head_]; }
  [[nodiscard]] T& back() { return slots_[(head_ + size_ - 1) & (slots_.size() - 1)]; }

  T& push(T&& item) {
    if (size_ == slots_.size()) grow();
    T& slot = slots_[(head_ + size_) & (slots_.size() - 1)];
    slot = std::move(item);
    ++size_;
    return slot;
  }
  T pop() {
    T item = std::move(slots_[head_]);
    head_ = (head_ + 1) & (slots_.size() - 1);
    --size_;
    return item;
  }

 private:
  void grow() {
    std::vector<T> larger(slots_.empty() ? 64 : slots_.size() * 2);
    for (size_t i = 0; i < size_; ++i) {
      larger[i] = std::move(slots_[(head_ + i) & (slots_.size() - 1)]);
    }
    slots_ = std::move(larger);
    head_ = 0;
  }

  std::vector<T> slots_;  // a power of two
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace trunkline
