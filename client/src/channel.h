// SPDX-License-Identifier: BSD-3-Clause
// The application's end of one channel: rings, its own free TX slots, what is on its way. Used by
// the one thread that owns the lane. Knows the ring ABI, no association.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "trunkline/ring_end.h"

namespace trunkline::client {

// What the library remembers of the message that begins at a TX slot.
struct TxNote {
  uint64_t context = 0;
  uint32_t assoc = 0;  // index in the lane's table
  uint32_t length = 0;
  uint32_t slot_count = 0;  // 0: no message begins here
  uint32_t ppid = 0;
  uint16_t stream = 0;
  uint8_t flags = 0;
  bool submitted = false;
};

class Channel : public RingEnd {
 public:
  Channel(uint8_t* block, const tlr_geometry& geometry, int doorbell);

  // -- submissions
  // Room for one more operation: in the ring, and for its completion.
  [[nodiscard]] bool can_submit() {
    if (operations_ >= max_operations_) return false;
    if (produced_ - submission_consumed_ <= submission_mask_) return true;
    submission_consumed_ = load_acquire(shared_->submission_consumed.value);
    return produced_ - submission_consumed_ <= submission_mask_;
  }
  // The next entry, zeroed; not seen by the worker before publish(). Only after can_submit().
  tlr_submission& next_submission() {
    tlr_submission& entry = submissions_[produced_++ & submission_mask_];
    std::memset(static_cast<void*>(&entry), 0, sizeof(entry));
    ++operations_;
    return entry;
  }
  void publish();
  void end_operations(uint32_t n) { operations_ -= n <= operations_ ? n : operations_; }
  [[nodiscard]] uint32_t operations() const { return operations_; }

  // -- completions
  [[nodiscard]] const tlr_completion* peek_completion() {
    if (completion_seen_ == completion_consumed_) {
      completion_seen_ = load_acquire(shared_->completion_produced.value);
      if (completion_seen_ == completion_consumed_) return nullptr;
    }
    return &completions_[completion_consumed_ & completion_mask_];
  }
  // What lies in the entry behind it, when tlr_has_more() says so; nullptr from a daemon that did
  // not write it.
  [[nodiscard]] const tlr_completion_more* peek_more() const {
    if (completion_seen_ - completion_consumed_ < 2) return nullptr;
    return reinterpret_cast<const tlr_completion_more*>(
        &completions_[(completion_consumed_ + 1) & completion_mask_]);
  }
  void pop_completion(uint32_t entries = 1) { completion_consumed_ += entries; }
  // Tells the worker what was popped.
  void publish_completions();
  [[nodiscard]] bool has_completion() const {
    return load_seq_cst(shared_->completion_produced.value) != completion_consumed_;
  }
  void arm() { store_seq_cst(shared_->client_armed.value, 1); }
  void disarm() { store_relaxed(shared_->client_armed.value, 0); }

  // -- RX slots
  [[nodiscard]] bool rx_valid(uint32_t slot) const { return slot < rx_slots_; }
  [[nodiscard]] const uint8_t* rx_data(uint32_t slot) const {
    return rx_data_ + static_cast<size_t>(slot) * slot_size_;
  }
  [[nodiscard]] uint32_t rx_next(uint32_t slot) const { return load_relaxed(rx_next_[slot]); }
  // Gives a message's slots back, by its first one; the worker sees it after publish_returns().
  void return_slot(uint32_t slot) {
    store_relaxed(returns_[return_produced_++ & return_mask_], slot);
  }
  void publish_returns();

  // -- TX slots
  [[nodiscard]] uint32_t tx_free() const { return static_cast<uint32_t>(tx_free_.size()); }
  [[nodiscard]] uint32_t tx_slots() const { return tx_slots_; }
  // A chain of `count` slots, at most tx_free(). Its note is reset, with count and length.
  uint32_t take_slots(uint32_t count, uint32_t length);
  void free_slots(uint32_t head);
  // Keeps only the first `count` slots of a chain.
  void trim_slots(uint32_t head, uint32_t count);
  [[nodiscard]] bool tx_valid(uint32_t head) const {
    return head < tx_slots_ && notes_[head].slot_count != 0;
  }
  [[nodiscard]] TxNote& note(uint32_t head) { return notes_[head]; }
  [[nodiscard]] const TxNote& note(uint32_t head) const { return notes_[head]; }
  [[nodiscard]] uint32_t tx_next(uint32_t slot) const { return tx_chain_[slot]; }
  // Copies `length` bytes into a chain.
  void write(uint32_t head, const void* from, uint32_t length);
  // Copies what the chain holds out of it.
  void read(uint32_t head, void* to, uint32_t length);

  // Which association of the lane a wire index means.
  [[nodiscard]] uint32_t assoc_at(uint32_t wire_index) const {
    return wire_index < assoc_of_wire_.size() ? assoc_of_wire_[wire_index] : UINT32_MAX;
  }
  void set_assoc(uint32_t wire_index, uint32_t assoc);

  // -- the lane's notes
  uint32_t done_cursor = 0;       // how many of the SENDS_DONE in front have been told
  std::vector<uint32_t> blocked;  // associations that met -EAGAIN
  bool returned = false;

 private:
  void ring() const;

  int doorbell_;

  uint32_t produced_ = 0;
  uint32_t published_ = 0;
  uint32_t submission_consumed_ = 0;
  uint32_t completion_consumed_ = 0;
  uint32_t completion_published_ = 0;
  uint32_t completion_seen_ = 0;
  uint32_t return_produced_ = 0;
  uint32_t operations_ = 0;

  std::vector<uint32_t> tx_free_;   // a stack: the last one freed is warm in the cache
  std::vector<uint32_t> tx_chain_;  // what the library wrote to tx_shared_next_
  std::vector<TxNote> notes_;
  std::vector<uint32_t> assoc_of_wire_;
};

}  // namespace trunkline::client
