// SPDX-License-Identifier: BSD-3-Clause
// Ring mechanics and slot ownership; see channel_core.h.
#include "appring/channel_core.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "appring/wire_types.h"

namespace trunkline::appring {

ChannelCore::ChannelCore(uint8_t* block, const tlr_geometry& geometry, uint32_t nodes,
                         uint64_t receive_buffer)
    : RingEnd(block, geometry),
      completion_free_(geometry.completion_size),
      receive_buffer_(receive_buffer),
      tx_memory_(TableMemory::room<TxSlot>(geometry.tx_slots)),
      rest_memory_(2 * TableMemory::room<uint32_t>(geometry.rx_slots) +
                   TableMemory::room<Lent>(geometry.rx_slots) +
                   TableMemory::room<BacklogNode>(nodes)),
      slots_(tx_memory_.take<TxSlot>(geometry.tx_slots)),
      rx_free_(rest_memory_.take<uint32_t>(geometry.rx_slots)),
      rx_chain_(rest_memory_.take<uint32_t>(geometry.rx_slots)),
      rx_lent_(rest_memory_.take<Lent>(geometry.rx_slots)),
      nodes_(rest_memory_.take<BacklogNode>(nodes)),
      free_nodes_(nodes) {}

void ChannelCore::drop_rest() {
  for (uint32_t at = 0; at < made_nodes_; ++at) node(at).~BacklogNode();
  made_nodes_ = free_nodes_ = 0;
  free_node_ = backlog_head_ = backlog_tail_ = kNone;
  rx_free_count_ = rx_fresh_ = 0;
  rest_memory_.drop();
}

uint64_t ChannelCore::table_bytes(const tlr_geometry& geometry, uint64_t nodes) {
  return uint64_t{geometry.tx_slots} * kBytesPerTxSlot +
         uint64_t{geometry.rx_slots} * (2 * sizeof(uint32_t) + sizeof(Lent)) +
         nodes * sizeof(BacklogNode);
}

// ---------------------------------------------------------------- completions

void ChannelCore::refresh_consumed() {
  if (faulted_) return;
  const uint32_t consumed = load_acquire(shared_->completion_consumed.value);
  if (consumed - completion_consumed_ > completion_published_ - completion_consumed_) {
    faulted_ = true;
    return;
  }
  completion_free_ += consumed - completion_consumed_;
  completion_consumed_ = consumed;
}

bool ChannelCore::look_at_returns(uint32_t& produced) {
  if (faulted_) return false;
  produced = load_acquire(shared_->return_produced.value);
  const uint32_t pending = produced - return_consumed_;
  if (pending > return_mask_ + 1 || pending < return_seen_ - return_consumed_) {
    faulted_ = true;
    return false;
  }
  return_seen_ = produced;
  return pending != 0;
}

bool ChannelCore::put_message_from(const MessageHead& head, const Piece* pieces, size_t size) {
  if (!may_put(2, size)) return false;
  const uint32_t slot = lend(pieces, size);
  if (slot == TLR_NO_SLOT) return false;
  put_message_at(slot, TLR_MESSAGE_FROM, head, static_cast<uint32_t>(size));
  tlr_completion_more more{};
  set_address(more, *head.from);
  put(more);
  completion_free_ -= 2;
  return true;
}

bool ChannelCore::put_text(tlr_completion& completion, const Piece* pieces, size_t size,
                           uint32_t slots) {
  const size_t length = std::min<size_t>(size, size_t{slots} * slot_size_);
  const uint32_t slot = lend_chain(pieces, length);
  if (slot == TLR_NO_SLOT) return false;
  rx_lent_[slot].bytes = 0;
  completion.slot = slot;
  completion.length = static_cast<uint32_t>(length);
  return true;
}

uint32_t ChannelCore::lend_chain(const Piece* pieces, size_t size) {
  if (!fits_message(size)) return TLR_NO_SLOT;
  const uint32_t count = slots_for(static_cast<uint32_t>(size));
  if (rx_free_count_ + (rx_slots_ - rx_fresh_) < count) return TLR_NO_SLOT;
  const uint32_t head = take_rx_slot();
  uint32_t slot = head;
  uint32_t filled = 0;  // bytes of the current slot
  size_t rest = size;
  for (const Piece* piece = pieces; piece != nullptr && rest > 0; piece = piece->next) {
    const uint8_t* from = piece->data;
    auto left = static_cast<uint32_t>(std::min<size_t>(piece->length, rest));
    rest -= left;
    while (left > 0) {
      if (filled == slot_size_) {
        const uint32_t next = take_rx_slot();
        rx_chain_[slot] = next;
        store_relaxed(rx_next_[slot], next);
        slot = next;
        filled = 0;
      }
      const uint32_t n = std::min(left, slot_size_ - filled);
      std::memcpy(rx_data_ + static_cast<size_t>(slot) * slot_size_ + filled, from, n);
      filled += n;
      from += n;
      left -= n;
    }
  }
  rx_lent_[head].count = count;
  return head;
}

// ---------------------------------------------------------------- TX slots

ChannelCore::Claim ChannelCore::claim_chain(const tlr_submission& submission) {
  const uint32_t length = submission.length;
  const uint32_t count = slots_for(length);
  if (length == 0 || count > tx_slots_) return Claim::kBadLength;

  uint32_t slot = submission.slot;
  uint32_t left = length;
  Piece* last = nullptr;
  Claim verdict = Claim::kOk;
  for (uint32_t i = 0; i < count; ++i) {
    if (slot >= tx_slots_) {
      verdict = Claim::kBadSlot;
      break;
    }
    TxSlot& piece = slots_[slot];
    if (piece.state != TxState::kClients) {  // an earlier message has it, or this one: a cycle
      verdict = Claim::kTwice;
      break;
    }
    piece.state = TxState::kOurs;
    ++tx_in_use_;
    piece.data = tx_data(slot);
    piece.length = std::min(left, slot_size_);
    piece.next = nullptr;
    left -= piece.length;
    if (last != nullptr) last->next = &piece;
    last = &piece;
    if (i + 1 < count) slot = load_relaxed(tx_next_[slot]);
  }
  if (verdict != Claim::kOk && last != nullptr) unclaim(&slots_[submission.slot]);
  return verdict;
}

// ---------------------------------------------------------------- backlog

bool ChannelCore::backlog_push(Event& event, uint32_t keep_free) {
  if (free_nodes_ <= keep_free) return false;
  uint32_t at = free_node_;
  if (at == kNone) {
    at = made_nodes_++;
    new (&node(at)) BacklogNode;
  }
  BacklogNode& taken = node(at);
  free_node_ = taken.next;
  --free_nodes_;
  taken.event = std::move(event);
  taken.next = kNone;
  if (backlog_tail_ == kNone) {
    backlog_head_ = at;
  } else {
    node(backlog_tail_).next = at;
  }
  backlog_tail_ = at;
  return true;
}

void ChannelCore::backlog_pop() {
  const uint32_t at = backlog_head_;
  backlog_head_ = node(at).next;
  if (backlog_head_ == kNone) backlog_tail_ = kNone;
  free_node(at);
}

void ChannelCore::free_node(uint32_t at) {
  BacklogNode& given_back = node(at);
  given_back.event.payload.reset();
  given_back.next = free_node_;
  free_node_ = at;
  ++free_nodes_;
}

void ChannelCore::move_backlog(AssocId assoc, ChannelCore& to) {
  uint32_t before = kNone;
  for (uint32_t at = backlog_head_; at != kNone;) {
    const uint32_t next = node(at).next;
    if (node(at).event.assoc == assoc) {
      [[maybe_unused]] const bool moved = to.backlog_push(node(at).event, 0);
      (before == kNone ? backlog_head_ : node(before).next) = next;
      if (backlog_tail_ == at) backlog_tail_ = before;
      free_node(at);
    } else {
      before = at;
    }
    at = next;
  }
}

}  // namespace trunkline::appring
