// SPDX-License-Identifier: BSD-3-Clause
// The daemon's end of a channel's rings: ring mechanics, who owns which slot, and the events that
// wait for room. What lanes of ring clients add is in channel.h, what sockets add in
// sockets/socket_channel.h. Of associations it knows the names that stand on messages, and no verb;
// bridges do. Everything that decides anything lives here, in the daemon's memory; the shared part
// is only read once and written. Tables are touched as they are needed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include "appring/table_memory.h"
#include "trunkline/ring_end.h"
#include "trunkline/stack/payload.h"
#include "trunkline/stack/stack.h"

namespace trunkline::appring {

// What names an association at one worker, in a word.
struct AssocName {
  uint64_t value = 0;
  AssocName() = default;
  explicit AssocName(AssocId id) : value(uint64_t{id.slot} << 32 | id.generation) {}
  [[nodiscard]] uint32_t index() const { return static_cast<uint32_t>(value >> 32); }
  [[nodiscard]] uint32_t generation() const { return static_cast<uint32_t>(value); }
  bool operator==(const AssocName&) const = default;
};

// What a message takes of what all users share: itself, and the chunks that it may be cut into.
[[nodiscard]] constexpr uint64_t units_of(uint64_t bytes) {
  constexpr uint64_t kChunk = 512;  // of no usual path is a chunk smaller
  return 1 + bytes / kChunk;
}

class ChannelCore : public RingEnd, public PieceOwner {
 public:
  // A completion, and what lies behind it if tlr_has_more() says so.
  struct Notice {
    tlr_completion head{};
    tlr_completion_more more{};
    [[nodiscard]] uint32_t entries() const { return tlr_has_more(head.kind) != 0 ? 2 : 1; }
  };
  enum class Claim : uint8_t { kOk, kBadLength, kBadSlot, kTwice };

  ChannelCore(const ChannelCore&) = delete;
  ChannelCore& operator=(const ChannelCore&) = delete;

  // An index was written that no correct program writes. Nothing is taken from it any more.
  [[nodiscard]] bool faulted() const { return faulted_; }
  [[nodiscard]] uint32_t submission_size() const { return submission_mask_ + 1; }

  // -- submissions
  // How many descriptors wait; 0 once faulted.
  [[nodiscard]] uint32_t pending_submissions() {
    const uint32_t produced = load_acquire(shared_->submission_produced.value);
    const uint32_t pending = produced - submission_consumed_;
    if (pending > submission_mask_ + 1 || pending < submission_seen_ - submission_consumed_) {
      faulted_ = true;
      return 0;
    }
    submission_seen_ = produced;
    return pending;
  }
  // The one that lies so many behind the next, copied and not taken.
  [[nodiscard]] tlr_submission look_at_submission(uint32_t ahead) const {
    return copy_once<tlr_submission>(
        &submissions_[(submission_consumed_ + ahead) & submission_mask_]);
  }
  // The next one, copied. Only after pending_submissions() said that there is one.
  [[nodiscard]] tlr_submission take_submission() {
    return copy_once<tlr_submission>(&submissions_[submission_consumed_++ & submission_mask_]);
  }
  // The next one if it is a send, likewise, among those that pending_submissions() has seen.
  [[nodiscard]] std::optional<tlr_submission> take_send_behind() {
    if (submission_consumed_ == submission_seen_) return {};
    const tlr_submission next = look_at_submission(0);
    if (next.op != TLR_OP_SEND) return {};
    ++submission_consumed_;
    return next;
  }
  // How many were taken, ever.
  [[nodiscard]] uint32_t submissions_taken() const { return submission_consumed_; }
  // It was not its turn after all: the last one taken.
  void put_back_submission() { --submission_consumed_; }
  void publish_submissions() {
    store_release(shared_->submission_consumed.value, submission_consumed_);
  }

  // -- completions
  // Room for `entries` events besides everything that is reserved.
  [[nodiscard]] bool has_room(uint32_t entries) {
    if (completion_free_ >= entries) return true;
    refresh_consumed();
    return completion_free_ >= entries;
  }
  // Writes an event. Only after has_room() for its entries.
  void notify(const Notice& notice) {
    completion_free_ -= notice.entries();
    put(notice);
  }
  // Writes a message: copies it into RX slots. False: no entry or not enough slots. The entry is
  // filled in its place: a copy of one that was just written field by field would wait until the
  // payload has left the core's store buffer. The slots are lent until take_returns() has them, and
  // the message is unread until then.
  struct MessageHead {
    explicit MessageHead(const Event& event, const IpAddress* source = nullptr)
        : assoc(event.assoc),
          from(source),
          stream(event.stream),
          ppid(event.ppid),
          tsn(event.tsn),
          ssn_or_ahead(event.unordered ? ahead(event.cum_tsn(), event.tsn) : event.ssn().value),
          flags(static_cast<uint8_t>((event.unordered ? TLR_MESSAGE_UNORDERED : 0) |
                                     (event.more ? TLR_MESSAGE_MORE : 0))) {}
    [[nodiscard]] static uint16_t ahead(Tsn cum_tsn, Tsn tsn) {
      const auto by = static_cast<int32_t>(cum_tsn.distance_from(tsn));
      return static_cast<uint16_t>(std::clamp(by, INT16_MIN, INT16_MAX));
    }
    AssocId assoc;
    const IpAddress* from;  // to be told: TLR_MESSAGE_FROM; else null
    StreamId stream;
    Ppid ppid;
    Tsn tsn;
    uint16_t ssn_or_ahead;
    uint8_t flags;  // enum tlr_message_flag
  };
  [[nodiscard]] bool put_message(const MessageHead& head, const Piece* pieces, size_t size) {
    if (head.from != nullptr) return put_message_from(head, pieces, size);
    if (!may_put(1, size)) return false;
    const uint32_t slot = lend(pieces, size);
    if (slot == TLR_NO_SLOT) return false;
    put_message_at(slot, TLR_MESSAGE, head, static_cast<uint32_t>(size));
    --completion_free_;
    return true;
  }
  // The usual message: borrowed, in one piece, into one slot that was used before. Says where its
  // bytes, borrowed_piece.length of them, must be written. Null: it is another one, or there is no
  // room; put_message() knows.
  [[nodiscard]] uint8_t* put_short(const Event& event) {
    const uint32_t size = event.borrowed_piece.length;
    if (!event.borrowed || size - 1 >= slot_size_ || completion_free_ == 0 || rx_free_count_ == 0 ||
        unread_bytes_ + size > receive_buffer_) {
      return nullptr;
    }
    const uint32_t slot = rx_free_[--rx_free_count_];
    rx_lent_[slot].count = 1;
    put_message_at(slot, TLR_MESSAGE, MessageHead(event), size);
    --completion_free_;
    return rx_data_ + static_cast<size_t>(slot) * slot_size_;
  }
  // Attaches what goes with another event, cut to so many slots. False: they are not free.
  [[nodiscard]] bool put_text(tlr_completion& completion, const Piece* pieces, size_t size,
                              uint32_t slots = 1);
  // Could ever hold a message of this size.
  [[nodiscard]] bool fits_message(size_t size) const {
    return size <= static_cast<uint64_t>(rx_slots_) * slot_size_;
  }

  // -- TX slots
  // Checks and takes the chain of a descriptor: the slots are the worker's from now on.
  [[nodiscard]] Claim claim(const tlr_submission& submission) {
    return claim_short(submission.slot, submission.length) != nullptr ? Claim::kOk
                                                                      : claim_chain(submission);
  }
  // Likewise, of one slot; null: it is several, or something is wrong with it.
  [[nodiscard]] Piece* claim_short(uint32_t at, uint32_t length) {
    if (length - 1 >= slot_size_ || at >= tx_slots_) return nullptr;
    TxSlot& slot = slots_[at];
    if (slot.state != TxState::kClients) return nullptr;
    slot.state = TxState::kOurs;
    slot.data = tx_data(at);
    slot.length = length;
    slot.next = nullptr;
    ++tx_in_use_;
    return &slot;
  }
  // The pieces of a claimed chain.
  [[nodiscard]] Piece* piece(uint32_t slot) { return &slots_[slot]; }
  [[nodiscard]] uint32_t slot_of(const Piece* piece) const {
    return static_cast<uint32_t>(static_cast<const TxSlot*>(piece) - slots_);
  }
  // Gives a chain back; returns how many slots it had.
  uint32_t unclaim(Piece* head) {
    const uint32_t count = mark_returned(head);
    tx_in_use_ -= count;
    return count;
  }
  [[nodiscard]] uint32_t tx_in_use() const { return tx_in_use_; }

  // -- RX slots
  // Takes back the RX slots that the client has done with. Once a turn: the next messages then go
  // to slots that both sides have in their caches, however many there are. `read(association,
  // bytes)` hears of each run of messages of one association.
  [[nodiscard]] bool has_returns() const {
    return load_acquire(shared_->return_produced.value) != return_consumed_;
  }
  template <typename Read>
  void take_returns(Read&& read);
  // The client is gone and returns nothing: read() as if it had returned all.
  template <typename Read>
  void forget_lent(Read&& read);
  [[nodiscard]] uint64_t unread_bytes() const { return unread_bytes_; }
  // Returned slots that were not lent, since the last call.
  [[nodiscard]] uint32_t take_bad_returns() {
    const uint32_t n = bad_returns_;
    bad_returns_ = 0;
    return n;
  }

  // -- events that wait for room, oldest first
  [[nodiscard]] bool backlog_empty() const { return backlog_head_ == kNone; }
  [[nodiscard]] bool backlog_has_room(uint32_t keep_free) const { return free_nodes_ > keep_free; }
  // Takes the event. `keep_free`: nodes that must stay free for others.
  [[nodiscard]] bool backlog_push(Event& event, uint32_t keep_free);
  [[nodiscard]] Event& backlog_front() { return node(backlog_head_).event; }
  void backlog_pop();
  // visit(event) of each that waits.
  template <typename Visit>
  void each_waiting(Visit&& visit);
  // Those of one association go to the end of another backlog, in their order. There is room.
  void move_backlog(AssocId assoc, ChannelCore& to);

 protected:
  static constexpr uint32_t kNone = 0xffffffff;
  // Whose a TX slot is.
  enum class TxState : uint8_t {
    kClients,
    kOurs,  // submitted, and not given back
    kSent,  // likewise, and a message of an association begins there
  };
  struct TxSlot : Piece {
    uint32_t assoc = 0;  // kSent: AssocId::slot
    TxState state = TxState::kClients;
  };
  static_assert(sizeof(TxSlot) == 32);
  static constexpr uint64_t kBytesPerTxSlot = sizeof(TxSlot);

  // `block` is the channel's part of the shared memory. `nodes`: events that may wait.
  // `receive_buffer`: bytes of messages that may lie in the slots unread.
  ChannelCore(uint8_t* block, const tlr_geometry& geometry, uint32_t nodes,
              uint64_t receive_buffer);
  ~ChannelCore() { drop_rest(); }
  // Bytes of the daemon's own memory that it takes, itself not counted.
  static uint64_t table_bytes(const tlr_geometry& geometry, uint64_t nodes);
  // Tables of received messages and events that wait: nobody is told anything any more.
  void drop_rest();

  struct BacklogNode {
    Event event;
    uint32_t next = kNone;
  };
  void put(const tlr_completion& completion) {
    completions_[completion_produced_++ & completion_mask_] = completion;
  }
  void put(const Notice& notice) {
    put(notice.head);
    if (notice.entries() == 2) put(notice.more);
  }
  void put(const tlr_completion_more& more) {
    std::memcpy(&completions_[completion_produced_++ & completion_mask_], &more, sizeof(more));
  }
  void refresh_consumed();

  // The daemon's own indices, and the other side's as last checked.
  uint32_t submission_consumed_ = 0;
  uint32_t submission_seen_ = 0;
  uint32_t completion_produced_ = 0;
  uint32_t completion_published_ = 0;
  uint32_t completion_consumed_ = 0;
  uint32_t return_consumed_ = 0;
  uint32_t return_seen_ = 0;
  uint32_t completion_free_;  // entries that are neither filled nor reserved, as last checked
  bool faulted_ = false;
  uint64_t receive_buffer_;

  TableMemory tx_memory_;
  TableMemory rest_memory_;  // RX tables and nodes
  TxSlot* slots_;
  uint32_t tx_in_use_ = 0;

  // The part of unclaim() that is each chain's own; returns how many slots it has.
  static uint32_t mark_returned(Piece* head) {
    uint32_t count = 0;
    for (; head != nullptr; head = head->next) {
      static_cast<TxSlot*>(head)->state = TxState::kClients;
      ++count;
    }
    return count;
  }

 private:
  // What lies in the slots from this one on.
  struct Lent {
    uint32_t count = 0;  // slots; 0: nothing begins here
    uint32_t bytes = 0;  // unread, of a message
    AssocName assoc;     // whose it is
  };
  [[nodiscard]] Claim claim_chain(const tlr_submission& submission);
  [[nodiscard]] bool put_message_from(const MessageHead& head, const Piece* pieces, size_t size);
  // One may always lie there, however large.
  [[nodiscard]] bool may_put(uint32_t entries, size_t size) {
    return size != 0 && has_room(entries) &&
           (unread_bytes_ + size <= receive_buffer_ || unread_bytes_ == 0);
  }
  void put_message_at(uint32_t slot, uint8_t kind, const MessageHead& head, uint32_t size) {
    rx_lent_[slot].bytes = size;
    rx_lent_[slot].assoc = AssocName(head.assoc);
    unread_bytes_ += size;
    tlr_completion& entry = completions_[completion_produced_++ & completion_mask_];
    entry.kind = kind;
    entry.reason = 0;
    entry.flags = head.flags;
    entry.status = 0;
    entry.ssn = head.ssn_or_ahead;
    entry.stream = head.stream.value;
    entry.assoc_index = head.assoc.slot;
    entry.assoc_generation = head.assoc.generation;
    entry.ppid = head.ppid.value;
    entry.tsn = head.tsn.value;
    entry.slot = slot;
    entry.length = size;
  }
  // Copies the first `size` bytes into RX slots, and returns the first; TLR_NO_SLOT: there are not
  // enough.
  [[nodiscard]] uint32_t lend(const Piece* pieces, size_t size) {
    // Most are one piece, and fit a slot.
    if (size > slot_size_ || pieces->length < size) return lend_chain(pieces, size);
    if (rx_free_count_ == 0 && rx_fresh_ == rx_slots_) return TLR_NO_SLOT;
    const uint32_t slot = take_rx_slot();
    std::memcpy(rx_data_ + static_cast<size_t>(slot) * slot_size_, pieces->data, size);
    rx_lent_[slot].count = 1;
    return slot;
  }
  [[nodiscard]] uint32_t lend_chain(const Piece* pieces, size_t size);
  [[nodiscard]] bool look_at_returns(uint32_t& produced);

  // A slot that nobody has. There is one.
  [[nodiscard]] uint32_t take_rx_slot() {
    return rx_free_count_ != 0 ? rx_free_[--rx_free_count_] : rx_fresh_++;
  }

  // RX: free slots as a stack, and the first one that was never used; chains as the daemon wrote
  // them; what is lent, by its first slot.
  uint32_t* rx_free_;
  uint32_t rx_free_count_ = 0;
  uint32_t rx_fresh_ = 0;
  uint32_t* rx_chain_;
  Lent* rx_lent_;
  uint64_t unread_bytes_ = 0;  // of messages that are lent
  uint32_t bad_returns_ = 0;

  void free_node(uint32_t at);
  [[nodiscard]] BacklogNode& node(uint32_t at) { return nodes_[at]; }
  // The first `made_nodes_` have been used.
  BacklogNode* nodes_;
  uint32_t made_nodes_ = 0;
  uint32_t free_node_ = kNone;
  uint32_t free_nodes_;
  uint32_t backlog_head_ = kNone;
  uint32_t backlog_tail_ = kNone;
};

template <typename Visit>
void ChannelCore::each_waiting(Visit&& visit) {
  for (uint32_t at = backlog_head_; at != kNone; at = node(at).next) visit(node(at).event);
}

// Slots come back by the first one of a message; the rest of the chain is the daemon's knowledge.
template <typename Read>
void ChannelCore::take_returns(Read&& read) {
  uint32_t produced = 0;
  if (!look_at_returns(produced)) return;
  AssocName of;
  uint32_t bytes = 0;
  uint32_t* const free = rx_free_;
  uint32_t free_count = rx_free_count_;
  const uint32_t slots = rx_slots_;
  Lent* const lent_slots = rx_lent_;
  for (uint32_t at = return_consumed_; at != produced; ++at) {
    uint32_t slot = load_relaxed(returns_[at & return_mask_]);
    if (slot >= slots || lent_slots[slot].count == 0) {
      ++bad_returns_;
      continue;
    }
    Lent& lent = lent_slots[slot];
    if (lent.assoc != of) {
      if (bytes != 0) read(of, bytes);
      unread_bytes_ -= bytes;
      of = lent.assoc;
      bytes = 0;
    }
    bytes += lent.bytes;
    free[free_count++] = slot;
    for (uint32_t i = std::exchange(lent.count, 0); i != 1; --i) {
      slot = rx_chain_[slot];
      free[free_count++] = slot;
    }
  }
  rx_free_count_ = free_count;
  return_consumed_ = produced;
  if (bytes != 0) read(of, bytes);
  unread_bytes_ -= bytes;
  store_release(shared_->return_consumed.value, return_consumed_);
}

template <typename Read>
void ChannelCore::forget_lent(Read&& read) {
  for (uint32_t slot = 0; slot < rx_fresh_; ++slot) {
    Lent& lent = rx_lent_[slot];
    if (lent.count != 0 && lent.bytes != 0) read(lent.assoc, std::exchange(lent.bytes, 0));
  }
  unread_bytes_ = 0;
}

}  // namespace trunkline::appring
