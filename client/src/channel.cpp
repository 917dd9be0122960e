// SPDX-License-Identifier: BSD-3-Clause
// Ring mechanics and TX slots of the application's end; see channel.h.
#include "channel.h"

#include <unistd.h>

#include <algorithm>

namespace trunkline::client {

Channel::Channel(uint8_t* block, const tlr_geometry& geometry, int doorbell)
    : RingEnd(block, geometry),
      doorbell_(doorbell),
      tx_free_(geometry.tx_slots),
      tx_free_count_(geometry.tx_slots),
      tx_chain_(geometry.tx_slots),
      notes_(geometry.tx_slots) {
  for (uint32_t i = 0; i < tx_slots_; ++i) tx_free_[i] = tx_slots_ - 1 - i;
}

void Channel::ring() const {
  const uint64_t one = 1;
  // A full counter wakes as well as one more would.
  [[maybe_unused]] const ssize_t n = ::write(doorbell_, &one, sizeof(one));
}

void Channel::publish() {
  if (published_ == produced_) return;
  published_ = produced_;
  store_seq_cst(shared_->submission_produced.value, produced_);
  if (load_seq_cst(shared_->worker_armed.value) == 0) return;
  store_relaxed(shared_->worker_armed.value, 0);
  ring();
}

// The worker asks to be woken for room (2) only when it lacks some.
void Channel::publish_completions() {
  if (completion_published_ == completion_consumed_) return;
  completion_published_ = completion_consumed_;
  store_seq_cst(shared_->completion_consumed.value, completion_consumed_);
  if (load_seq_cst(shared_->worker_armed.value) == 2) ring();
}

void Channel::publish_returns() {
  returned = false;
  store_seq_cst(shared_->return_produced.value, return_produced_);
  if (load_seq_cst(shared_->worker_armed.value) == 2) ring();
}

uint32_t Channel::take_slots(uint32_t count, uint32_t length) {
  const uint32_t head = tx_free_[--tx_free_count_];
  uint32_t slot = head;
  for (uint32_t i = 1; i < count; ++i) {
    const uint32_t next = tx_free_[--tx_free_count_];
    tx_chain_[slot] = next;
    store_relaxed(tx_next_[slot], next);
    slot = next;
  }
  notes_[head] = TxNote{};
  notes_[head].length = length;
  notes_[head].slot_count = count;
  return head;
}

void Channel::free_chain(uint32_t head, uint32_t count) {
  uint32_t slot = head;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t next = tx_chain_[slot];
    tx_free_[tx_free_count_++] = slot;
    slot = next;
  }
}

void Channel::trim_slots(uint32_t head, uint32_t count) {
  TxNote& note = notes_[head];
  uint32_t slot = head;
  for (uint32_t i = 1; i < count; ++i) slot = tx_chain_[slot];
  for (uint32_t i = count; i < note.slot_count; ++i) {
    slot = tx_chain_[slot];
    tx_free_[tx_free_count_++] = slot;
  }
  note.slot_count = count;
}

void Channel::write(uint32_t head, const void* from, uint32_t length) {
  const auto* bytes = static_cast<const uint8_t*>(from);
  uint32_t slot = head;
  while (true) {
    const uint32_t n = std::min(length, slot_size_);
    std::memcpy(tx_data(slot), bytes, n);
    bytes += n;
    length -= n;
    if (length == 0) return;
    slot = tx_chain_[slot];
  }
}

void Channel::read(uint32_t head, void* to, uint32_t length) {
  auto* bytes = static_cast<uint8_t*>(to);
  uint32_t slot = head;
  while (true) {
    const uint32_t n = std::min(length, slot_size_);
    std::memcpy(bytes, tx_data(slot), n);
    bytes += n;
    length -= n;
    if (length == 0) return;
    slot = tx_chain_[slot];
  }
}

void Channel::set_assoc(uint32_t wire_index, uint32_t assoc) {
  if (wire_index >= assoc_of_wire_.size()) assoc_of_wire_.resize(wire_index + 1, UINT32_MAX);
  assoc_of_wire_[wire_index] = assoc;
}

}  // namespace trunkline::client
