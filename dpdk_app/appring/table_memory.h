// SPDX-License-Identifier: BSD-3-Clause
// Memory for the tables of a channel, all bytes zero, reserved at once and given out in parts. A
// page costs nothing before it is touched, so a channel that never carries much stays small.
// Made and destroyed by the control thread; the objects in it are plain values.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace trunkline::appring {

class TableMemory {
 public:
  static constexpr size_t kAlignment = 64;

  explicit TableMemory(size_t bytes) : size_(bytes) {
    if (size_ == 0) return;
    void* const base = mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<uint8_t*>(base);
  }
  ~TableMemory() { drop(); }
  TableMemory(const TableMemory&) = delete;
  TableMemory& operator=(const TableMemory&) = delete;

  // Bytes that a table of `count` takes.
  template <typename T>
  static constexpr size_t room(size_t count) {
    static_assert(alignof(T) <= kAlignment);
    constexpr size_t kElement = sizeof(T[1]);  // T is a pointer in some tables
    return (count * kElement + kAlignment - 1) / kAlignment * kAlignment;
  }
  // The next table; the sum of all must have been asked for.
  template <typename T>
  [[nodiscard]] T* take(size_t count) {
    return reinterpret_cast<T*>(base_ + std::exchange(taken_, taken_ + room<T>(count)));
  }
  // All of it goes back.
  void drop() {
    if (base_ != nullptr) munmap(std::exchange(base_, nullptr), size_);
  }

 private:
  uint8_t* base_ = nullptr;
  size_t size_ = 0;
  size_t taken_ = 0;
};

}  // namespace trunkline::appring
