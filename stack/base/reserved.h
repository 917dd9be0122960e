// SPDX-License-Identifier: BSD-3-Clause
// A fixed run of objects in memory that was reserved once, all bytes zero. They are never
// constructed: for pools, which make their objects themselves, and for tables of plain values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include "trunkline/stack/memory.h"

namespace trunkline {

inline constexpr size_t kCacheLine = 64;

// As the verbs of MemorySource; from the heap where `source` is null.
[[nodiscard]] void* reserve_zeroed(MemorySource* source, size_t bytes);
void release_zeroed(MemorySource* source, void* memory, size_t bytes);

template <typename T>
class Reserved {
 public:
  // No memory at the start is no way to begin: the process ends.
  Reserved(MemorySource* source, size_t count)
      : source_(source),
        bytes_(std::max<size_t>(count, 1) * sizeof(T)),
        first_(static_cast<T*>(reserve_zeroed(source, bytes_))) {
    static_assert(alignof(T) <= kCacheLine);
    if (first_ == nullptr) std::abort();
  }
  Reserved(const Reserved&) = delete;
  Reserved& operator=(const Reserved&) = delete;
  ~Reserved() { release_zeroed(source_, first_, bytes_); }

  [[nodiscard]] T& operator[](size_t index) const { return first_[index]; }
  [[nodiscard]] T* data() const { return first_; }

 private:
  MemorySource* const source_;
  const size_t bytes_;
  T* const first_;
};

// Asks for the lines of an object that will be needed soon, from the first to the last byte given.
inline void prefetch(const void* object, size_t bytes = kCacheLine) {
  const char* const first = static_cast<const char*>(object);
  for (size_t at = 0; at < bytes; at += kCacheLine) __builtin_prefetch(first + at);
}

}  // namespace trunkline
