// SPDX-License-Identifier: BSD-3-Clause
// The application's end of one channel: rings, its own free TX slots, what is on its way. Used by
// the one thread that owns the lane. Knows the ring ABI, no association.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
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

// What the worker calls an association.
struct WireName {
  uint32_t index = 0;
  uint32_t generation = 0;
};

class Channel : public RingEnd {
 public:
  Channel(uint8_t* block, const tlr_geometry& geometry, int doorbell);

  // -- submissions
  // Room for one more operation, of so many entries: in the ring, and for its completion.
  [[nodiscard]] bool can_submit(uint32_t entries = 1) {
    return operations_ < max_operations_ && ring_room(entries) >= entries;
  }
  // For how many more of one entry, as far as that matters to who wants so many.
  [[nodiscard]] uint32_t submission_room(uint32_t wanted) {
    if (operations_ >= max_operations_) return 0;
    return std::min(ring_room(wanted), max_operations_ - operations_);
  }
  // The limit of the message that is put next: enum tlr_policy and its value. Only after
  // can_submit(2).
  void put_limit(uint8_t policy, uint32_t value) {
    tlr_submission& entry = next_entry();
    entry.op = TLR_OP_LIMIT;
    entry.flags = policy;
    entry.length = value;
  }
  // A message that lies at `slot` and behind it, with its note. Only after submission_room().
  void put_send(uint32_t slot, const TxNote& note, const WireName& assoc) {
    notes_[slot] = note;
    tlr_submission& entry = submissions_[produced_++ & submission_mask_];
    entry.op = TLR_OP_SEND;
    entry.flags = note.flags & kWireFlags;
    entry.stream = note.stream;
    entry.ppid = note.ppid;
    entry.assoc_index = assoc.index;
    entry.assoc_generation = assoc.generation;
    entry.context = note.context;
    entry.slot = slot;
    entry.length = note.length;
    ++operations_;
  }
  // The next entry, zeroed; not seen by the worker before publish(). Only after can_submit().
  tlr_submission& next_submission() {
    ++operations_;
    return next_entry();
  }
  // One of one slot, and its payload. Only if tx_free(), too.
  void put_short(const void* data, const TxNote& note, const WireName& assoc) {
    const uint32_t slot = tx_free_[--tx_free_count_];
    put_send(slot, note, assoc);
    std::memcpy(tx_data(slot), data, note.length);
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
  // What lies there from the same entry on, in one piece, and at most so many.
  [[nodiscard]] std::span<const tlr_completion> peek_completions(size_t most) const {
    const uint32_t at = completion_consumed_ & completion_mask_;
    const uint32_t count = completion_seen_ - completion_consumed_;
    const uint32_t in_one = std::min(count, completion_mask_ + 1 - at);
    return {&completions_[at], std::min<size_t>(most, in_one)};
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
  [[nodiscard]] uint32_t rx_slots() const { return rx_slots_; }
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
  [[nodiscard]] uint32_t tx_free() const { return tx_free_count_; }
  [[nodiscard]] uint32_t tx_slots() const { return tx_slots_; }
  // A chain of `count` slots, at most tx_free(). Its note is reset, with count and length.
  uint32_t take_slots(uint32_t count, uint32_t length);
  void free_slots(uint32_t head) {
    TxNote& note = notes_[head];
    const uint32_t count = note.slot_count;
    note.slot_count = 0;
    note.submitted = false;
    if (count == 1) [[likely]] {
      tx_free_[tx_free_count_++] = head;
    } else {
      free_chain(head, count);
    }
  }
  // Keeps only the first `count` slots of a chain.
  void trim_slots(uint32_t head, uint32_t count);
  [[nodiscard]] bool tx_valid(uint32_t head) const {
    return head < tx_slots_ && notes_[head].slot_count != 0;
  }
  // It is, and the message is the worker's.
  [[nodiscard]] bool is_submitted(uint32_t head) const {
    return head < tx_slots_ && notes_[head].submitted;
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
  uint32_t done_cursor = 0;  // how many of the SENDS_DONE in front have been told
  // Associations that met -EAGAIN, the first of them first, and that wait for nothing but room that
  // all share: who has used up its own comes here when some of it is back.
  struct Blocked {
    uint32_t assoc = 0;
    uint32_t generation = 0;  // of whom it was: its place may be another's by now
  };
  std::deque<Blocked> blocked;
  bool returned = false;

 private:
  static constexpr uint8_t kWireFlags = TLR_SEND_UNORDERED | TLR_SEND_SACK_IMMEDIATELY;

  [[nodiscard]] uint32_t ring_room(uint32_t wanted) {
    uint32_t room = submission_mask_ + 1 - (produced_ - submission_consumed_);
    if (room < wanted) {
      submission_consumed_ = load_acquire(shared_->submission_consumed.value);
      room = submission_mask_ + 1 - (produced_ - submission_consumed_);
      if (room > submission_mask_ + 1) return 0;  // from a daemon that counts wrongly
    }
    return room;
  }
  [[nodiscard]] tlr_submission& next_entry() {
    tlr_submission& entry = submissions_[produced_++ & submission_mask_];
    std::memset(static_cast<void*>(&entry), 0, sizeof(entry));
    return entry;
  }
  void ring() const;
  void free_chain(uint32_t head, uint32_t count);

  int doorbell_;

  uint32_t produced_ = 0;
  uint32_t published_ = 0;
  uint32_t submission_consumed_ = 0;
  uint32_t completion_consumed_ = 0;
  uint32_t completion_published_ = 0;
  uint32_t completion_seen_ = 0;
  uint32_t return_produced_ = 0;
  uint32_t operations_ = 0;

  // A stack, of which so many are there: the last one freed is warm in the cache.
  std::vector<uint32_t> tx_free_;
  uint32_t tx_free_count_ = 0;
  std::vector<uint32_t> tx_chain_;  // what the library wrote to tx_shared_next_
  std::vector<TxNote> notes_;
  std::vector<uint32_t> assoc_of_wire_;
};

}  // namespace trunkline::client
