// SPDX-License-Identifier: BSD-3-Clause
// The ready rings of a one-to-many socket: which of its members have something to be read. All
// under the front's receive lock.
#pragma once

#include "socket.h"

namespace trunkline::sctp {

class ReadyRings {
 public:
  explicit ReadyRings(Socket& front) : page_(*front.page), count_(page_.ready_rings) {}

  // The entry whose turn it is. False: there is none.
  [[nodiscard]] bool front(tls_ready_entry& out);
  // It is done with; another ring has the next turn.
  void pop();
  // Likewise, but there is more, up to `until` for now: behind all others.
  void put_back(uint32_t index, uint32_t until);
  [[nodiscard]] bool empty() {
    tls_ready_entry entry;
    return !front(entry);
  }

 private:
  [[nodiscard]] tls_ready& ring(uint32_t i) {
    auto* const memory = reinterpret_cast<uint8_t*>(&page_);
    return *reinterpret_cast<tls_ready*>(memory + tls_ready_at(&page_.geometry, i));
  }
  tls_page& page_;
  uint32_t count_;
};

inline bool ReadyRings::front(tls_ready_entry& out) {
  const uint32_t first = load_relaxed(page_.rx_source);
  for (uint32_t i = 0; i < count_; ++i) {
    const uint32_t at = (first + i) % count_;
    tls_ready& one = ring(at);
    const uint32_t consumed = load_relaxed(one.consumed.value);
    if (load_seq_cst(one.produced.value) == consumed) continue;
    const tls_ready_entry& entry = one.entries[consumed % TLS_READY_SIZE];
    out.index = load_relaxed(entry.index);
    out.until = load_relaxed(entry.until);
    store_relaxed(page_.rx_source, at);
    return true;
  }
  return false;
}

inline void ReadyRings::pop() {
  const uint32_t at = load_relaxed(page_.rx_source) % count_;
  tls_ready& one = ring(at);
  store_seq_cst(one.consumed.value, load_relaxed(one.consumed.value) + 1);
  store_relaxed(page_.rx_source, (at + 1) % count_);
}

// Written before the other is taken away: who dies between the two leaves one too many.
inline void ReadyRings::put_back(uint32_t index, uint32_t until) {
  tls_ready& last = ring(count_ - 1);
  const uint32_t produced = load_relaxed(last.produced.value);
  tls_ready_entry& entry = last.entries[produced % TLS_READY_SIZE];
  store_relaxed(entry.index, index);
  store_relaxed(entry.until, until);
  store_seq_cst(last.produced.value, produced + 1);
  pop();
}

}  // namespace trunkline::sctp
