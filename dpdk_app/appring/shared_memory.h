// SPDX-License-Identifier: BSD-3-Clause
// Reads and writes of memory that a client can change at any moment. A value is read once, by an
// atomic load that the compiler cannot repeat, and only the copy is looked at afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace trunkline::appring {

inline uint32_t load_acquire(const uint32_t& word) {
  return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}
inline uint32_t load_relaxed(const uint32_t& word) {
  return __atomic_load_n(&word, __ATOMIC_RELAXED);
}
inline uint32_t load_seq_cst(const uint32_t& word) {
  return __atomic_load_n(&word, __ATOMIC_SEQ_CST);
}
inline void store_release(uint32_t& word, uint32_t value) {
  __atomic_store_n(&word, value, __ATOMIC_RELEASE);
}
inline void store_relaxed(uint32_t& word, uint32_t value) {
  __atomic_store_n(&word, value, __ATOMIC_RELAXED);
}
inline void store_seq_cst(uint32_t& word, uint32_t value) {
  __atomic_store_n(&word, value, __ATOMIC_SEQ_CST);
}

// A private copy of `T` at `shared`, which is aligned to 8; every byte is read exactly once.
template <typename T>
inline T copy_once(const void* shared) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 8 == 0);
  uint64_t words[sizeof(T) / 8];
  const auto* from = static_cast<const uint64_t*>(shared);
  for (size_t i = 0; i < sizeof(T) / 8; ++i) words[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
  T out;
  std::memcpy(&out, words, sizeof(T));
  return out;
}

}  // namespace trunkline::appring
