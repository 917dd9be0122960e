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
  // It is done with.
  void pop();
  // Likewise, but there is more, up to `until` for now: behind all others.
  void put_back(uint32_t index, uint32_t until);
  [[nodiscard]] bool empty() {
    tls_ready_entry entry;
    return !front(entry);
  }

 private:
  // A round is what lay in all rings when it began: who is put back waits for the next one.
  [[nodiscard]] bool front_of_round(tls_ready_entry& out);
  [[nodiscard]] bool begin_round();
  [[nodiscard]] tls_ready& ring(uint32_t i) {
    auto* const memory = reinterpret_cast<uint8_t*>(&page_);
    return *reinterpret_cast<tls_ready*>(memory + tls_ready_at(&page_.geometry, i));
  }
  tls_page& page_;
  uint32_t count_;
};

inline bool ReadyRings::front(tls_ready_entry& out) {
  return front_of_round(out) || (begin_round() && front_of_round(out));
}

inline bool ReadyRings::front_of_round(tls_ready_entry& out) {
  for (uint32_t at = load_relaxed(page_.rx_source); at < count_; ++at) {
    tls_ready& one = ring(at);
    const uint32_t consumed = load_relaxed(one.consumed.value);
    if (load_relaxed(one.round_end.value) == consumed) continue;
    const tls_ready_entry& entry = one.entries[consumed % TLS_READY_SIZE];
    out.index = load_relaxed(entry.index);
    out.until = load_relaxed(entry.until);
    store_relaxed(page_.rx_source, at);
    return true;
  }
  return false;
}

inline bool ReadyRings::begin_round() {
  bool any = false;
  for (uint32_t at = 0; at < count_; ++at) {
    tls_ready& one = ring(at);
    const uint32_t produced = load_seq_cst(one.produced.value);
    store_relaxed(one.round_end.value, produced);
    any = any || produced != load_relaxed(one.consumed.value);
  }
  store_relaxed(page_.rx_source, 0);
  return any;
}

inline void ReadyRings::pop() {
  const uint32_t at = load_relaxed(page_.rx_source);
  tls_ready& one = ring(at);
  store_seq_cst(one.consumed.value, load_relaxed(one.consumed.value) + 1);
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
