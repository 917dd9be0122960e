// SPDX-License-Identifier: BSD-3-Clause
// A fixed number of objects of one type, reserved once: the shard's memory. Untouched slots are
// never written, so that a large pool costs address space and not memory until it is used.
// Exhaustion is an answer (nullptr), never a crash.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "base/reserved.h"

namespace trunkline {

template <typename T>
class Pool {
 public:
  explicit Pool(uint32_t capacity, MemorySource* memory = nullptr)
      : capacity_(capacity), slots_(memory, capacity) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { assert(used_ == 0); }

  // nullptr when every slot is in use.
  template <typename... Args>
  [[nodiscard]] T* make(Args&&... args) {
    Slot* slot = free_;
    if (slot != nullptr) {
      free_ = slot->next_free;
    } else {
      if (touched_ == capacity_) return nullptr;
      slot = &slots_[touched_++];
    }
    ++used_;
    return ::new (static_cast<void*>(slot->bytes)) T(std::forward<Args>(args)...);
  }
  void destroy(T* object) {
    object->~T();
    Slot* slot = reinterpret_cast<Slot*>(object);
    slot->next_free = free_;
    free_ = slot;
    --used_;
  }

  [[nodiscard]] uint32_t index_of(const T* object) const {
    return static_cast<uint32_t>(reinterpret_cast<const Slot*>(object) - slots_.data());
  }
  // The object in a slot that is in use.
  [[nodiscard]] T* at(uint32_t index) const { return reinterpret_cast<T*>(slots_[index].bytes); }
  [[nodiscard]] uint32_t used() const { return used_; }
  [[nodiscard]] uint32_t available() const { return capacity_ - used_; }
  [[nodiscard]] uint32_t capacity() const { return capacity_; }
  // Slots from here on have never been used.
  [[nodiscard]] uint32_t touched() const { return touched_; }

 private:
  union Slot {
    Slot* next_free;
    alignas(T) unsigned char bytes[sizeof(T)];
  };

  const uint32_t capacity_;
  uint32_t used_ = 0;
  uint32_t touched_ = 0;
  Slot* free_ = nullptr;
  const Reserved<Slot> slots_;
};

}  // namespace trunkline
