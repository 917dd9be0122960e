// SPDX-License-Identifier: BSD-3-Clause
// Delayed SACKs in the order in which they are due. Nearly all of a shard's associations wait for
// them equally long, so that they come due in the order in which they were put off: who is filed
// here takes no place in the timing wheel for it, and so neither touches the neighbours in its
// lists nor moves through its levels. What would not keep the order stays with the wheel.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/reserved.h"
#include "trunkline/stack/types.h"

namespace trunkline {

class SackQueue {
 public:
  // Room for so many at once; memory is touched as far as there are some.
  SackQueue(size_t most, MemorySource* memory)
      : mask_(std::bit_ceil(most) - 1), entries_(memory, mask_ + 1) {}

  // False: it would be due before one that is in here, or there is no room.
  [[nodiscard]] bool file(uint32_t owner, TimePoint due) {
    const size_t size = tail_ - head_;
    if (size > mask_ || (size > 0 && due < at(tail_ - 1).due)) return false;
    entries_[tail_++ & mask_] = {due, owner};
    return true;
  }
  // Takes out one that is due, the earliest first; nullopt: there is none. Whether its SACK is
  // still owed is the owner's to know, and whether the owner is still the one that was filed.
  [[nodiscard]] std::optional<uint32_t> pop(TimePoint now) {
    if (head_ == tail_ || at(head_).due > now) return std::nullopt;
    const uint32_t owner = at(head_++).owner;
    if (head_ == tail_) clear();
    return owner;
  }
  // None of them is owed any more.
  void clear() { head_ = tail_ = 0; }
  // The owner of the one that will be popped after so many others, to have it at hand then.
  [[nodiscard]] std::optional<uint32_t> peek(size_t ahead) const {
    if (ahead >= tail_ - head_) return std::nullopt;
    return at(head_ + ahead).owner;
  }
  // When pop() gives the next one; never() when it is empty.
  [[nodiscard]] TimePoint next_due() const {
    return head_ == tail_ ? TimePoint::never() : at(head_).due;
  }

 private:
  struct Entry {
    TimePoint due;
    uint32_t owner;
  };
  [[nodiscard]] const Entry& at(size_t place) const { return entries_[place & mask_]; }

  size_t head_ = 0;
  size_t tail_ = 0;
  const size_t mask_;
  Reserved<Entry> entries_;
};

}  // namespace trunkline
