// SPDX-License-Identifier: BSD-3-Clause
// What the receive lock guards. Taking the front away changes two indices and gives slots back;
// what it will be is written first, so that whoever inherits the lock can do it again.
#include <algorithm>
#include <cstring>

#include "rings.h"

namespace trunkline::sctp {

bool Rings::read_entry(uint32_t at, uint32_t produced, Front& out) const {
  const uint32_t there = produced - at;
  if (there == 0 || there > completion_mask_ + 1) return false;
  out.head = copy_once<tlr_completion>(&completions_[at & completion_mask_]);
  out.entries = 1;
  if (tlr_has_more(out.head.kind) != 0 && there > 1) {
    out.more = copy_once<tlr_completion_more>(&completions_[(at + 1) & completion_mask_]);
    out.entries = 2;
  } else {
    out.more = tlr_completion_more{};
  }
  return true;
}

bool Rings::front(Front& out) const {
  return read_entry(load_relaxed(shared_->completion_consumed.value),
                    load_seq_cst(shared_->completion_produced.value), out);
}

bool Rings::behind(const Front& front, Front& out) const {
  return read_entry(load_relaxed(shared_->completion_consumed.value) + front.entries,
                    load_acquire(shared_->completion_produced.value), out);
}

// `size` bytes of the message that begins in that slot, from there on.
static void copy_slots(const uint8_t* data, const uint32_t* next, uint32_t slots,
                       uint32_t slot_size, uint32_t slot, uint32_t from, uint8_t* to,
                       uint32_t size) {
  while (size != 0 && slot < slots) {
    if (from < slot_size) {
      const uint32_t n = std::min(size, slot_size - from);
      std::memcpy(to, data + static_cast<size_t>(slot) * slot_size + from, n);
      to += n;
      size -= n;
      from = 0;
    } else {
      from -= slot_size;
    }
    if (size != 0) slot = load_relaxed(next[slot]);
  }
}

void Rings::copy_rx(uint32_t slot, uint32_t from, uint8_t* to, uint32_t size) const {
  copy_slots(rx_data_, rx_next_, rx_slots_, slot_size_, slot, from, to, size);
}

void Rings::copy_tx(uint32_t slot, uint32_t from, uint8_t* to, uint32_t size) const {
  copy_slots(tx_data_, tx_next_, tx_slots_, slot_size_, slot, from, to, size);
}

void Rings::pop(const Front& front, uint32_t rx_slot) {
  store_relaxed(page_.rx_pop_consumed,
                load_relaxed(shared_->completion_consumed.value) + front.entries);
  store_relaxed(page_.rx_pop_returned, load_relaxed(shared_->return_produced.value));
  store_relaxed(page_.rx_pop_slot, rx_slot);
  store_relaxed(page_.rx_unkicked, load_relaxed(page_.rx_unkicked) +
                                       (rx_slot == TLR_NO_SLOT ? 1 : slots_for(front.head.length)));
  if (rx_slot != TLR_NO_SLOT) {
    store_relaxed(page_.rx_unkicked_bytes,
                  load_relaxed(page_.rx_unkicked_bytes) + front.head.length);
  }
  store_release(page_.rx_popping, 1);
  finish_pop();
}

void Rings::finish_pop() {
  const uint32_t slot = load_relaxed(page_.rx_pop_slot);
  uint32_t returned = load_relaxed(page_.rx_pop_returned);
  if (slot != TLR_NO_SLOT) {
    store_relaxed(returns_[returned++ & return_mask_], slot);
    store_seq_cst(shared_->return_produced.value, returned);
  }
  store_release(page_.rx_offset, 0);
  store_seq_cst(shared_->completion_consumed.value, load_relaxed(page_.rx_pop_consumed));
  store_release(page_.rx_popping, 0);
}

// A part of the window, too, which is half of the buffer: if the peer heard of it only when all was
// read, either side would wait for the other all the time.
bool Rings::returns_are_news(bool empty) {
  const uint32_t taken = load_relaxed(page_.rx_unkicked);
  if (taken == 0) return false;
  const uint32_t bytes = load_relaxed(page_.rx_unkicked_bytes);
  if (!empty && taken < std::min(rx_slots_, completion_mask_ + 1) / 4 &&
      bytes < load_relaxed(page_.receive_buffer) / 8) {
    return false;
  }
  store_relaxed(page_.rx_unkicked, 0);
  store_relaxed(page_.rx_unkicked_bytes, 0);
  return true;
}

void Rings::repair_receiving() {
  if (load_acquire(page_.rx_popping) != 0) finish_pop();
  if (load_relaxed(page_.rx_unkicked) == 0) store_relaxed(page_.rx_unkicked, 1);
}

}  // namespace trunkline::sctp
