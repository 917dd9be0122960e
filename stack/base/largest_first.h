// SPDX-License-Identifier: BSD-3-Clause
// Who has most of something: a heap of objects by a weight that changes now and then. To ask is
// O(1), to tell of a change O(log n). An object is in it as long as its weight is not zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/steps.h"

namespace trunkline {

// `Place` is the heap's word in each object: 0 while it is not in there.
template <typename T, uint32_t T::*Place>
class LargestFirst {
 public:
  [[nodiscard]] size_t size() const { return entries_.size(); }
  // nullptr when empty.
  [[nodiscard]] T* top() const { return entries_.empty() ? nullptr : entries_[0].item; }
  [[nodiscard]] uint64_t weight_of(const T* item) const {
    return item->*Place == 0 ? 0 : entries_[item->*Place - 1].weight;
  }

  void update(T* item, uint64_t weight) {
    if (weight == 0) return leave(item);
    if (item->*Place == 0) {
      entries_.push_back({weight, item});
      rise(entries_.size() - 1);
      return;
    }
    move(item->*Place - 1, weight);
  }

  // For tests.
  [[nodiscard]] bool is_sound() const {
    for (size_t at = 0; at < entries_.size(); ++at) {
      if (entries_[at].item->*Place != at + 1 || entries_[at].weight == 0) return false;
      if (at > 0 && entries_[at].weight > entries_[(at - 1) / 2].weight) return false;
    }
    return true;
  }

 private:
  struct Entry {
    uint64_t weight;
    T* item;
  };

  void put(size_t at, Entry entry) {
    entries_[at] = entry;
    entry.item->*Place = static_cast<uint32_t>(at) + 1;
  }
  void leave(T* item) {
    if (item->*Place == 0) return;
    const size_t at = item->*Place - 1;
    const Entry last = entries_.back();
    entries_.pop_back();
    item->*Place = 0;
    if (last.item == item) return;
    put(at, last);
    move(at, last.weight);
  }
  void move(size_t at, uint64_t weight) {
    T* const item = entries_[at].item;
    entries_[at].weight = weight;
    rise(at);
    sink(item->*Place - 1);
  }
  void rise(size_t at) {
    const Entry entry = entries_[at];
    while (at > 0 && entries_[(at - 1) / 2].weight < entry.weight) {
      count_steps();
      put(at, entries_[(at - 1) / 2]);
      at = (at - 1) / 2;
    }
    put(at, entry);
  }
  void sink(size_t at) {
    const Entry entry = entries_[at];
    while (2 * at + 1 < entries_.size()) {
      count_steps();
      size_t child = 2 * at + 1;
      if (child + 1 < entries_.size() && entries_[child + 1].weight > entries_[child].weight) {
        ++child;
      }
      if (entries_[child].weight <= entry.weight) break;
      put(at, entries_[child]);
      at = child;
    }
    put(at, entry);
  }

  std::vector<Entry> entries_;
};

}  // namespace trunkline
