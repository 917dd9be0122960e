// SPDX-License-Identifier: BSD-3-Clause
// Ring mechanics and slot ownership of one channel; see channel.h.
#include "appring/channel.h"

#include <algorithm>
#include <new>
#include <utility>

namespace trunkline::appring {

Channel::Channel(RingClient& client, uint8_t* block, int wake_fd, const tlr_geometry& geometry,
                 const ChannelLimits& limits)
    : RingEnd(block, geometry),
      client_(client),
      wake_fd_(wake_fd),
      limits_(limits),
      send_credit_(geometry.send_credit),
      pieces_(geometry.tx_slots),
      tx_owned_(geometry.tx_slots),
      sent_for_(geometry.tx_slots, kNone),
      rx_free_(geometry.rx_slots),
      rx_chain_(geometry.rx_slots),
      rx_lent_(geometry.rx_slots),
      node_memory_(std::make_unique_for_overwrite<std::byte[]>(
          (size_t{limits.backlog} + limits.max_associations) * sizeof(BacklogNode))),
      free_nodes_(limits.backlog + limits.max_associations) {
  for (uint32_t slot = 0; slot < tx_slots_; ++slot) pieces_[slot].data = tx_data(slot);
  // Lowest on top, so that a quiet lane touches few pages.
  for (uint32_t i = 0; i < rx_slots_; ++i) rx_free_[i] = rx_slots_ - 1 - i;
  rx_free_count_ = rx_slots_;
}

Channel::~Channel() {
  drop_nodes();
}

void Channel::drop_nodes() {
  for (uint32_t at = 0; at < made_nodes_; ++at) node(at).~BacklogNode();
  node_memory_.reset();
  made_nodes_ = free_nodes_ = 0;
  free_node_ = kNone;
}

uint64_t Channel::memory_bytes(const tlr_geometry& geometry, const ChannelLimits& limits) {
  return sizeof(Channel) + uint64_t{geometry.tx_slots} * kBytesPerTxSlot +
         uint64_t{geometry.rx_slots} * (2 * sizeof(uint32_t) + sizeof(Lent)) +
         (uint64_t{limits.backlog} + limits.max_associations) * sizeof(BacklogNode);
}

// ---------------------------------------------------------------- completions

void Channel::refresh_consumed() {
  if (faulted_) return;
  const uint32_t consumed = load_acquire(shared_->completion_consumed.value);
  if (consumed - completion_consumed_ > completion_published_ - completion_consumed_) {
    faulted_ = true;
    return;
  }
  completion_consumed_ = consumed;
}

bool Channel::publish_completions() {
  close_batch();
  if (completion_published_ == completion_produced_) return false;
  completion_published_ = completion_produced_;
  store_seq_cst(shared_->completion_produced.value, completion_published_);
  if (load_seq_cst(shared_->client_armed.value) == 0) return false;
  store_relaxed(shared_->client_armed.value, 0);
  return true;
}

bool Channel::look_at_returns(uint32_t& produced) {
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

bool Channel::put_message(const MessageHead& head, const Piece* pieces, size_t size) {
  if (!fits_message(size) || size == 0 || !has_room(1)) return false;
  // One may always lie there, however large.
  if (unread_bytes_ + size > limits_.receive_buffer && unread_bytes_ != 0) return false;
  const uint32_t slot = lend(pieces, size);
  if (slot == TLR_NO_SLOT) return false;
  rx_lent_[slot].bytes = static_cast<uint32_t>(size);
  rx_lent_[slot].assoc = AssocName(head.assoc);
  unread_bytes_ += size;
  tlr_completion& entry = completions_[completion_produced_++ & completion_mask_];
  entry = tlr_completion{};
  entry.kind = TLR_MESSAGE;
  entry.flags = head.flags;
  entry.stream = head.stream.value;
  entry.assoc_index = head.assoc.slot;
  entry.assoc_generation = head.assoc.generation;
  entry.slot = slot;
  entry.length = static_cast<uint32_t>(size);
  entry.ppid = head.ppid.value;
  return true;
}

bool Channel::put_text(tlr_completion& completion, const Piece* pieces, size_t size) {
  const size_t length = std::min<size_t>(size, slot_size_);
  const uint32_t slot = lend(pieces, length);
  if (slot == TLR_NO_SLOT) return false;
  rx_lent_[slot].bytes = 0;
  completion.slot = slot;
  completion.length = static_cast<uint32_t>(length);
  return true;
}

uint32_t Channel::lend(const Piece* pieces, size_t size) {
  const uint32_t count = slots_for(static_cast<uint32_t>(size));
  if (rx_free_count_ < count) return TLR_NO_SLOT;
  const uint32_t head = rx_free_[--rx_free_count_];
  uint32_t slot = head;
  uint32_t filled = 0;  // bytes of the current slot
  size_t rest = size;
  for (const Piece* piece = pieces; piece != nullptr && rest > 0; piece = piece->next) {
    const uint8_t* from = piece->data;
    auto left = static_cast<uint32_t>(std::min<size_t>(piece->length, rest));
    rest -= left;
    while (left > 0) {
      if (filled == slot_size_) {
        const uint32_t next = rx_free_[--rx_free_count_];
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

Channel::Claim Channel::claim(const tlr_submission& submission) {
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
    if (tx_owned_[slot] != 0) {  // by an earlier message, or by this one: a cycle
      verdict = Claim::kTwice;
      break;
    }
    tx_owned_[slot] = 1;
    ++tx_in_use_;
    Piece& piece = pieces_[slot];
    piece.length = std::min(left, slot_size_);
    piece.next = nullptr;
    left -= piece.length;
    if (last != nullptr) last->next = &piece;
    last = &piece;
    if (i + 1 < count) slot = load_relaxed(tx_next_[slot]);
  }
  if (verdict != Claim::kOk && last != nullptr) unclaim(&pieces_[submission.slot]);
  return verdict;
}

uint32_t Channel::unclaim(Piece* head) {
  uint32_t count = 0;
  sent_for_[slot_of(head)] = kNone;
  while (head != nullptr) {
    Piece* const next = std::exchange(head->next, nullptr);
    tx_owned_[slot_of(head)] = 0;
    ++count;
    head = next;
  }
  tx_in_use_ -= count;
  if (orphaning_ && tx_in_use_ == 0) orphans_.reset();
  return count;
}

// ---------------------------------------------------------------- orphans

Channel::Orphaned Channel::orphan(size_t& budget) {
  if (!orphaning_) {
    size_t size = 0;
    for (uint32_t slot = 0; slot < tx_slots_; ++slot) {
      if (tx_owned_[slot] != 0) size += pieces_[slot].length;
    }
    orphans_.reset(new (std::nothrow) uint8_t[size]);
    if (orphans_ == nullptr) return Orphaned::kNoMemory;
    orphaning_ = true;
    // Nobody is told anything any more; `= {}` would keep the memory.
    std::vector<uint32_t>().swap(rx_free_);
    std::vector<uint32_t>().swap(rx_chain_);
    std::vector<Lent>().swap(rx_lent_);
    drop_nodes();
  }
  for (; orphan_slot_ < tx_slots_; ++orphan_slot_) {
    if (tx_owned_[orphan_slot_] == 0) continue;
    Piece& piece = pieces_[orphan_slot_];
    if (piece.length > budget) return Orphaned::kPart;
    budget -= piece.length;
    uint8_t* const copy = orphans_.get() + orphan_bytes_;
    std::memcpy(copy, piece.data, piece.length);
    piece.data = copy;
    orphan_bytes_ += piece.length;
  }
  return Orphaned::kAll;
}

// ---------------------------------------------------------------- backlog

bool Channel::backlog_push(Event& event, uint32_t keep_free) {
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

void Channel::backlog_pop() {
  const uint32_t at = backlog_head_;
  backlog_head_ = node(at).next;
  if (backlog_head_ == kNone) backlog_tail_ = kNone;
  free_node(at);
}

void Channel::free_node(uint32_t at) {
  BacklogNode& given_back = node(at);
  given_back.event.payload.reset();
  given_back.next = free_node_;
  free_node_ = at;
  ++free_nodes_;
}

void Channel::move_backlog(AssocId assoc, Channel& to) {
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

// ---------------------------------------------------------------- sleeping

bool Channel::has_news() const {
  const uint32_t produced = load_seq_cst(shared_->submission_produced.value);
  if (!stalled && produced != submission_consumed_) return true;
  if (!awaits_client()) return false;
  return load_seq_cst(shared_->completion_consumed.value) != look_consumed_ ||
         load_seq_cst(shared_->return_produced.value) != look_returns_;
}

}  // namespace trunkline::appring
