// SPDX-License-Identifier: BSD-3-Clause
// What the send lock guards. A message is under way from the moment its submission is published
// until its first slot comes back in tx_done; tx_length says so for each slot that a message begins
// at, and everything else (the stack of free slots, the sum of bytes) follows from it: that is how
// a holder's death in the middle is put right.
#include <algorithm>
#include <cstring>

#include "rings.h"

namespace trunkline::sctp {

namespace {

// The entry that goes in front of the message.
tlr_submission limit_of(const Outgoing& message) {
  tlr_submission out{};
  out.op = TLR_OP_LIMIT;
  out.flags = message.policy;
  out.length = message.limit;
  return out;
}

}  // namespace

bool Rings::has_entries(uint32_t wanted) const {
  const uint32_t used = load_relaxed(shared_->submission_produced.value) -
                        load_acquire(shared_->submission_consumed.value);
  return used <= submission_mask_ && submission_mask_ + 1 - used >= wanted;
}

bool Rings::room_for(const Outgoing& message) {
  take_back_ends();
  return load_relaxed(page_.tx_bytes) < load_relaxed(page_.send_buffer) &&
         slots_for(message.length) <= load_relaxed(page_.tx_free_count) &&
         has_entries(message.policy != 0 ? 2 : 1);
}

// Puts the slots of a chain on the stack of free ones; returns its new height.
uint32_t Rings::push_chain(uint32_t head, uint32_t length, uint32_t top) {
  uint32_t slot = head;
  for (uint32_t n = slots_for(length); n != 0 && slot < tx_slots_ && top < tx_slots_; --n) {
    tx_free_[top++] = static_cast<uint16_t>(slot);
    slot = load_relaxed(tx_next_[slot]);
  }
  return top;
}

void Rings::free_message(uint32_t head) {
  if (head >= tx_slots_) return;
  const uint32_t length = load_relaxed(tx_length_[head]);
  if (length == 0) return;
  const uint32_t top = push_chain(head, length, load_relaxed(page_.tx_free_count));
  store_release(tx_length_[head], 0);
  store_release(page_.tx_free_count, top);
  const uint32_t bytes = load_relaxed(page_.tx_bytes);
  store_relaxed(page_.tx_bytes, bytes - std::min(bytes, length));
}

// seq_cst: who has put the ballast in looks for ends that the worker did not connect with it.
void Rings::take_back_ends() {
  const uint32_t produced = load_seq_cst(page_.tx_done_produced);
  uint32_t consumed = load_relaxed(page_.tx_done_consumed);
  if (produced - consumed > tx_done_mask_ + 1) consumed = produced;  // no daemon writes that
  while (consumed != produced) {
    free_message(__atomic_load_n(&tx_done_[consumed & tx_done_mask_], __ATOMIC_RELAXED));
    store_release(page_.tx_done_consumed, ++consumed);
  }
}

void Rings::fill(uint32_t head, const Outgoing& message) {
  uint32_t slot = head;
  uint8_t* to = tx_data(slot);
  uint32_t room = slot_size_;
  uint32_t wanted = message.length;
  for (size_t i = 0; i < message.count && wanted != 0; ++i) {
    const auto* from = static_cast<const uint8_t*>(message.parts[i].iov_base);
    size_t left = std::min<size_t>(message.parts[i].iov_len, wanted);
    wanted -= static_cast<uint32_t>(left);
    while (left != 0) {
      if (room == 0) {
        slot = load_relaxed(tx_next_[slot]);
        to = tx_data(slot);
        room = slot_size_;
      }
      const auto n = static_cast<uint32_t>(std::min<size_t>(left, room));
      std::memcpy(to, from, n);
      to += n;
      from += n;
      left -= n;
      room -= n;
    }
  }
}

void Rings::submit(const Outgoing& message, tlr_operation operation) {
  uint32_t top = load_relaxed(page_.tx_free_count);
  const uint32_t head = std::min<uint32_t>(tx_free_[--top], tx_slots_ - 1);
  uint32_t last = head;
  for (uint32_t n = slots_for(message.length); n > 1; --n) {
    const uint32_t next = std::min<uint32_t>(tx_free_[--top], tx_slots_ - 1);
    store_relaxed(tx_next_[last], next);
    last = next;
  }
  fill(head, message);

  tlr_submission entry{};
  entry.op = static_cast<uint8_t>(operation);
  entry.flags = message.flags;
  entry.stream = message.stream;
  entry.ppid = message.ppid;
  entry.assoc_index = load_relaxed(page_.assoc_index);
  entry.assoc_generation = load_relaxed(page_.assoc_generation);
  entry.context = message.context;
  entry.slot = head;
  entry.length = message.length;

  const uint32_t produced = load_relaxed(shared_->submission_produced.value);
  uint32_t next = produced;
  if (operation == TLR_OP_SEND && message.policy != 0) put(next++, limit_of(message));
  put(next++, entry);
  // From here to the end a death is noticed by tx_pending, and told apart by the ring's index.
  store_release(page_.tx_pending_at, produced);
  store_release(page_.tx_pending, head + 1);
  store_release(tx_length_[head], message.length);
  store_seq_cst(shared_->submission_produced.value, next);
  store_release(page_.tx_free_count, top);
  store_release(page_.tx_bytes, load_relaxed(page_.tx_bytes) + message.length);
  store_release(page_.tx_pending, 0);
}

bool Rings::submit(tlr_operation operation) {
  if (!has_entries(1)) return false;
  tlr_submission entry{};
  entry.op = static_cast<uint8_t>(operation);
  entry.assoc_index = load_relaxed(page_.assoc_index);
  entry.assoc_generation = load_relaxed(page_.assoc_generation);
  entry.slot = TLR_NO_SLOT;
  const uint32_t produced = load_relaxed(shared_->submission_produced.value);
  put(produced, entry);
  store_seq_cst(shared_->submission_produced.value, produced + 1);
  return true;
}

void Rings::repair_sending() {
  const uint32_t pending = load_acquire(page_.tx_pending);
  if (pending != 0 && pending <= tx_slots_ &&
      load_acquire(shared_->submission_produced.value) == load_relaxed(page_.tx_pending_at)) {
    store_release(tx_length_[pending - 1], 0);  // the worker has not seen it
  }
  store_release(page_.tx_pending, 0);

  const uint32_t produced = load_seq_cst(page_.tx_done_produced);
  uint32_t consumed = load_relaxed(page_.tx_done_consumed);
  if (produced - consumed > tx_done_mask_ + 1) consumed = produced;
  for (; consumed != produced; ++consumed) {
    const uint16_t head = __atomic_load_n(&tx_done_[consumed & tx_done_mask_], __ATOMIC_RELAXED);
    if (head < tx_slots_) store_release(tx_length_[head], 0);
  }
  store_release(page_.tx_done_consumed, produced);

  uint64_t used[TLR_MAX_SLOTS / 64] = {};
  uint32_t bytes = 0;
  for (uint32_t head = 0; head < tx_slots_; ++head) {
    const uint32_t length = load_relaxed(tx_length_[head]);
    if (length == 0) continue;
    bytes += length;
    uint32_t slot = head;
    for (uint32_t n = slots_for(length); n != 0 && slot < tx_slots_; --n) {
      used[slot / 64] |= uint64_t{1} << slot % 64;
      slot = load_relaxed(tx_next_[slot]);
    }
  }
  uint32_t top = 0;
  for (uint32_t slot = tx_slots_; slot-- != 0;) {
    if ((used[slot / 64] >> slot % 64 & 1) == 0) tx_free_[top++] = static_cast<uint16_t>(slot);
  }
  store_release(page_.tx_free_count, top);
  store_release(page_.tx_bytes, bytes);
}

}  // namespace trunkline::sctp
