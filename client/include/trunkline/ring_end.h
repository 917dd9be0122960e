// SPDX-License-Identifier: BSD-3-Clause
// What the two ends of a channel have in common: where its parts lie in the segment, its sizes as
// this end took them once, and how a word is read or written that the other end may change at any
// moment. For the library and the daemon, in C++; programs need none of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "trunkline/ring_abi.h"

namespace trunkline {

// A value is read once, by an atomic load that the compiler cannot repeat, and only the copy is
// looked at afterwards.
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
  T out;
  const auto* from = static_cast<const uint64_t*>(shared);
  auto* to = reinterpret_cast<uint8_t*>(&out);
  const auto copy_word = [&](size_t at) {
    const uint64_t word = __atomic_load_n(&from[at], __ATOMIC_RELAXED);
    std::memcpy(to + at * 8, &word, 8);
  };
  // No loop, of which the compiler would make one.
  [&]<size_t... At>(std::index_sequence<At...>) {
    (copy_word(At), ...);
  }
  (std::make_index_sequence<sizeof(T) / 8>{});
  return out;
}

// An end of the channel that lies at `block`; the base of both.
class RingEnd {
 public:
  [[nodiscard]] uint32_t slot_size() const { return slot_size_; }
  // As tlr_slots_for(); most messages fit one, and need no division.
  [[nodiscard]] uint32_t slots_for(uint32_t bytes) const {
    return bytes <= slot_size_ ? 1 : tlr_slots_for(bytes, slot_size_);
  }
  // The bytes of a TX slot.
  [[nodiscard]] uint8_t* tx_data(uint32_t slot) {
    return tx_data_ + static_cast<size_t>(slot) * slot_size_;
  }

 protected:
  RingEnd(uint8_t* block, const tlr_geometry& geometry)
      : RingEnd(block, geometry, tlr_layout_of(&geometry)) {}

  tlr_channel* shared_;
  tlr_submission* submissions_;
  tlr_completion* completions_;
  uint32_t* returns_;
  uint32_t* tx_next_;  // of each TX slot the next one in its chain; the client writes it
  uint32_t* rx_next_;  // likewise, and the daemon does
  uint8_t* tx_data_;
  uint8_t* rx_data_;

  uint32_t submission_mask_;
  uint32_t completion_mask_;
  uint32_t return_mask_;
  uint32_t tx_slots_;
  uint32_t rx_slots_;
  uint32_t slot_size_;
  uint32_t max_operations_;

 private:
  RingEnd(uint8_t* block, const tlr_geometry& geometry, const tlr_layout& layout)
      : shared_(reinterpret_cast<tlr_channel*>(block)),
        submissions_(reinterpret_cast<tlr_submission*>(block + layout.submissions)),
        completions_(reinterpret_cast<tlr_completion*>(block + layout.completions)),
        returns_(reinterpret_cast<uint32_t*>(block + layout.returns)),
        tx_next_(reinterpret_cast<uint32_t*>(block + layout.tx_next)),
        rx_next_(reinterpret_cast<uint32_t*>(block + layout.rx_next)),
        tx_data_(block + layout.tx_data),
        rx_data_(block + layout.rx_data),
        submission_mask_(geometry.submission_size - 1),
        completion_mask_(geometry.completion_size - 1),
        return_mask_(geometry.return_size - 1),
        tx_slots_(geometry.tx_slots),
        rx_slots_(geometry.rx_slots),
        slot_size_(geometry.slot_size),
        max_operations_(geometry.max_operations) {}
};

}  // namespace trunkline
