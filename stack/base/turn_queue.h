// SPDX-License-Identifier: BSD-3-Clause
// Who is next, and next after that: a first-in first-out queue that objects may also leave from the
// middle. It is an array of pointers rather than a list through the objects, so that one can ask
// for the memory of those who come next before they are needed. Grows by doubling, never shrinks.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/steps.h"

namespace trunkline {

// `Place` is the queue's word in each object: 0 while it is in no queue.
template <typename T, uint32_t T::*Place>
class TurnQueue {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] static bool contains(const T* item) { return item->*Place != 0; }

  // `item` is not in the queue.
  void push_back(T* item) {
    assert(!contains(item));
    if (tail_ - head_ == slots_.size()) make_room();
    put(tail_++, item);
    ++size_;
  }
  // nullptr when empty.
  T* pop_front() {
    while (size_ > 0) {
      count_steps();
      T* const item = slots_[head_++ & mask()];
      if (item == nullptr) continue;  // it has left
      item->*Place = 0;
      --size_;
      return item;
    }
    return nullptr;
  }
  // `item` is in the queue.
  void remove(T* item) {
    slots_[item->*Place - 1] = nullptr;
    item->*Place = 0;
    --size_;
  }
  // The one that is `ahead` places behind the front; nullptr if there is none, or if it has left.
  [[nodiscard]] T* peek(size_t ahead) const {
    return ahead < tail_ - head_ ? slots_[(head_ + ahead) & mask()] : nullptr;
  }

 private:
  static constexpr size_t kFirstSize = 64;

  [[nodiscard]] size_t mask() const { return slots_.size() - 1; }
  void put(size_t at, T* item) {
    slots_[at & mask()] = item;
    item->*Place = static_cast<uint32_t>(at & mask()) + 1;
  }
  // Closes the gaps; twice as large, if that does not make it half empty.
  [[gnu::noinline, gnu::cold]] void make_room() {
    std::vector<T*> old(size_ * 2 > slots_.size() ? slots_.size() * 2
                                                  : std::max(slots_.size(), kFirstSize));
    old.swap(slots_);
    const size_t end = tail_;
    size_t from = head_;
    head_ = tail_ = 0;
    for (; from != end; ++from) {
      count_steps();
      T* const item = old[from & (old.size() - 1)];
      if (item != nullptr) put(tail_++, item);
    }
  }

  std::vector<T*> slots_;  // a power of two; null where somebody has left
  size_t head_ = 0;        // both only grow, but for make_room()
  size_t tail_ = 0;
  size_t size_ = 0;  // of those who are in it
};

}  // namespace trunkline
