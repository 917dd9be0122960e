// SPDX-License-Identifier: BSD-3-Clause
// The daemon's end of one channel: one lane of one client, at one worker. Ring mechanics, who owns
// which slot, and the events that wait for room. Of associations it knows the names that stand on
// messages, and no verb; the bridge does. Everything that decides anything lives here, in the
// daemon's memory; the segment is only read once and written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "trunkline/ring_end.h"
#include "trunkline/stack/payload.h"
#include "trunkline/stack/stack.h"

namespace trunkline::appring {

struct RingClient;

struct ChannelLimits {
  uint32_t max_associations = 4096;
  uint32_t max_listeners = 64;
  uint32_t backlog = 16384;
  uint64_t receive_buffer = UINT64_MAX;  // bytes of messages that lie in the lane's slots unread
};

// What names an association at one worker, in a word.
struct AssocName {
  uint64_t value = 0;
  AssocName() = default;
  explicit AssocName(AssocId id) : value(uint64_t{id.slot} << 32 | id.generation) {}
  [[nodiscard]] uint32_t index() const { return static_cast<uint32_t>(value >> 32); }
  [[nodiscard]] uint32_t generation() const { return static_cast<uint32_t>(value); }
  bool operator==(const AssocName&) const = default;
};

// Made by the control thread; used by one worker from kAdd to kGone.
class Channel final : public RingEnd, public PieceOwner {
 public:
  // A completion, and what lies behind it if tlr_has_more() says so.
  struct Notice {
    tlr_completion head{};
    tlr_completion_more more{};
    [[nodiscard]] uint32_t entries() const { return tlr_has_more(head.kind) != 0 ? 2 : 1; }
  };
  enum class Claim : uint8_t { kOk, kBadLength, kBadSlot, kTwice };

  // `block` is the channel's part of the segment; `wake_fd` wakes the lane that sleeps.
  Channel(RingClient& client, uint8_t* block, int wake_fd, const tlr_geometry& geometry,
          const ChannelLimits& limits);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Bytes of the daemon's own memory that a channel takes.
  static uint64_t memory_bytes(const tlr_geometry& geometry, const ChannelLimits& limits);

  [[nodiscard]] RingClient& client() const { return client_; }
  [[nodiscard]] const ChannelLimits& limits() const { return limits_; }
  [[nodiscard]] int wake_fd() const { return wake_fd_; }
  [[nodiscard]] uint32_t send_credit() const { return send_credit_; }
  // The client wrote an index that no correct one writes. Nothing is taken from it any more.
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
  // The next one, copied. Only after pending_submissions() said that there is one.
  [[nodiscard]] tlr_submission take_submission() {
    return copy_once<tlr_submission>(&submissions_[submission_consumed_++ & submission_mask_]);
  }
  // It was not its turn after all: the last one taken, and what reserve() set aside for it.
  void put_back_submission() {
    --submission_consumed_;
    --operations_;
    --reserved_;
  }
  void publish_submissions() {
    store_release(shared_->submission_consumed.value, submission_consumed_);
  }

  // -- completions
  // Sets aside the entry in which an operation will end. False: no room, or the client has as
  // many operations under way as it may.
  [[nodiscard]] bool reserve() {
    if (operations_ >= max_operations_ || !has_room(2)) return false;
    ++operations_;
    ++reserved_;
    return true;
  }
  // Right after reserve(): its end takes two entries.
  void reserve_more() { ++reserved_; }
  // There are so many of those that another one would leave too few entries for events.
  [[nodiscard]] bool too_many_connects() const {
    return reserved_ - operations_ >= std::max((completion_mask_ + 1) / 4, 1u);
  }
  // Ends an operation: uses its reserved entry.
  void complete(const tlr_completion& completion) {
    --operations_;
    --reserved_;
    put(completion);
  }
  // Ends one that reserved two; needs only the first if there is no more to tell.
  void complete(const Notice& notice) {
    --operations_;
    reserved_ -= 2;
    put(notice);
  }
  // Ends a send whose payload is acknowledged. Shares an entry with other sends until it is full
  // or published.
  void complete_send(uint32_t slot) {
    --operations_;
    --reserved_;
    if (batch_.count == 0) batch_at_ = completion_produced_++;
    batch_.slots[batch_.count++] = static_cast<uint16_t>(slot);
    if (batch_.count == TLR_SENDS_DONE_MAX) close_batch();
  }
  // Room for `entries` events besides everything that is reserved.
  [[nodiscard]] bool has_room(uint32_t entries) {
    const uint32_t wanted = reserved_ + entries;
    if (completion_mask_ + 1 - (completion_produced_ - completion_consumed_) >= wanted) return true;
    refresh_consumed();
    return completion_mask_ + 1 - (completion_produced_ - completion_consumed_) >= wanted;
  }
  // Writes an event. Only after has_room() for its entries.
  void notify(const Notice& notice) { put(notice); }
  // Writes a message: copies it into RX slots. False: no entry or not enough slots. The entry is
  // filled in its place: a copy of one that was just written field by field would wait until the
  // payload has left the core's store buffer. The slots are lent until take_returns() has them, and
  // the message is unread until then.
  struct MessageHead {
    AssocId assoc;
    StreamId stream;
    Ppid ppid;
    uint8_t flags = 0;  // enum tlr_message_flag
  };
  [[nodiscard]] bool put_message(const MessageHead& head, const Piece* pieces, size_t size);
  // Attaches what goes with another event, cut to one slot. False: no slot is free.
  [[nodiscard]] bool put_text(tlr_completion& completion, const Piece* pieces, size_t size);
  // Could ever hold a message of this size.
  [[nodiscard]] bool fits_message(size_t size) const {
    return size <= static_cast<uint64_t>(rx_slots_) * slot_size_;
  }

  // Makes what was written visible. True: the client sleeps and must be woken.
  [[nodiscard]] bool publish_completions();

  // -- TX slots
  // Checks and takes the chain of a descriptor: the slots are the worker's from now on.
  [[nodiscard]] Claim claim(const tlr_submission& submission);
  // The pieces of a claimed chain.
  [[nodiscard]] Piece* piece(uint32_t slot) { return &pieces_[slot]; }
  [[nodiscard]] uint32_t slot_of(const Piece* piece) const {
    return static_cast<uint32_t>(piece - pieces_.data());
  }
  // The message that begins there is of that association (AssocId::slot) until it comes back.
  void assign(const Piece* head, uint32_t assoc) { sent_for_[slot_of(head)] = assoc; }
  // visit(association, slots, bytes) of each message that is under way.
  template <typename Visit>
  void each_under_way(Visit&& visit) const;
  // Gives a chain back; returns how many slots it had.
  uint32_t unclaim(Piece* head);
  void release(Piece* head) noexcept override { unclaim(head); }
  [[nodiscard]] uint32_t tx_in_use() const { return tx_in_use_; }

  // -- once the client is gone
  // Copies what is still claimed into the daemon's own memory, at most `budget` bytes of it, which
  // is counted down; nothing here refers to the segment when all is done. The memory goes when the
  // last of it is released.
  enum class Orphaned : uint8_t { kPart, kAll, kNoMemory };
  [[nodiscard]] Orphaned orphan(size_t& budget);
  // Bytes of bookkeeping that stay until then.
  [[nodiscard]] uint64_t orphan_overhead() const { return uint64_t{tx_slots_} * kBytesPerTxSlot; }

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
  [[nodiscard]] bool lacks_room() const { return stalled || end_untold || !backlog_empty(); }
  // Something is to be done as soon as the client takes events or returns slots.
  [[nodiscard]] bool awaits_client() const {
    return lacks_room() || (awaited && unread_bytes_ != 0);
  }
  [[nodiscard]] Event& backlog_front() { return node(backlog_head_).event; }
  void backlog_pop();
  // visit(event) of each that waits.
  template <typename Visit>
  void each_waiting(Visit&& visit);
  // Those of one association go to the end of another backlog, in their order. There is room.
  void move_backlog(AssocId assoc, Channel& to);

  // -- sleeping
  void arm() { store_seq_cst(shared_->worker_armed.value, awaits_client() ? 2 : 1); }
  void disarm() { store_relaxed(shared_->worker_armed.value, 0); }
  // Before an attempt to go on without having had room: what the client does later is news.
  void look() {
    look_consumed_ = load_acquire(shared_->completion_consumed.value);
    look_returns_ = load_acquire(shared_->return_produced.value);
  }
  // After arm(): is there anything that the client did before it could see the armed word?
  [[nodiscard]] bool has_news() const;

  // -- the bridge's notes
  uint32_t associations = 0;
  uint32_t listeners = 0;
  bool dirty = false;       // has something to publish
  bool end_untold = false;  // must still hear that the daemon ends
  bool stalled = false;     // has submissions that wait for completion entries
  bool dying = false;       // the client is gone
  bool awaited = false;     // what is unread there shuts somebody's window, or did
  // Once it is: what the orphan buffer has room for.
  uint32_t granted_slots = 0;
  uint64_t granted_bytes = 0;

 private:
  static constexpr uint32_t kNone = 0xffffffff;
  static constexpr uint64_t kBytesPerTxSlot = sizeof(Piece) + sizeof(uint32_t) + 1;
  struct BacklogNode {
    Event event;
    uint32_t next = kNone;
  };

  void put(const tlr_completion& completion) {
    completions_[completion_produced_++ & completion_mask_] = completion;
  }
  void put(const Notice& notice) {
    put(notice.head);
    if (notice.entries() == 1) return;
    std::memcpy(&completions_[completion_produced_++ & completion_mask_], &notice.more,
                sizeof(notice.more));
  }
  void close_batch() {
    if (batch_.count == 0) return;
    batch_.kind = TLR_SENDS_DONE;
    tlr_completion entry;
    static_assert(sizeof(entry) == sizeof(batch_));
    std::memcpy(&entry, &batch_, sizeof(entry));
    completions_[batch_at_ & completion_mask_] = entry;
    batch_.count = 0;
  }
  void refresh_consumed();
  // What lies in the slots from this one on.
  struct Lent {
    uint32_t count = 0;  // slots; 0: nothing begins here
    uint32_t bytes = 0;  // unread, of a message
    AssocName assoc;     // whose it is
  };
  // Copies the first `size` bytes into RX slots, and returns the first; TLR_NO_SLOT: there are not
  // enough.
  [[nodiscard]] uint32_t lend(const Piece* pieces, size_t size);
  [[nodiscard]] bool look_at_returns(uint32_t& produced);

  RingClient& client_;
  int wake_fd_;
  ChannelLimits limits_;

  uint32_t send_credit_;

  // The daemon's own indices, and the client's as last checked.
  uint32_t submission_consumed_ = 0;
  uint32_t submission_seen_ = 0;
  uint32_t completion_produced_ = 0;
  uint32_t completion_published_ = 0;
  uint32_t completion_consumed_ = 0;
  uint32_t return_consumed_ = 0;
  uint32_t return_seen_ = 0;
  uint32_t operations_ = 0;  // under way
  uint32_t reserved_ = 0;    // entries in which they will end
  bool faulted_ = false;
  tlr_sends_done batch_{};  // written to its entry, batch_at_, when it is closed
  uint32_t batch_at_ = 0;
  uint32_t look_consumed_ = 0;  // the client's indices at the last look()
  uint32_t look_returns_ = 0;

  // TX: one piece a slot; 1: submitted and not yet given back.
  std::vector<Piece> pieces_;
  std::vector<uint8_t> tx_owned_;
  std::vector<uint32_t> sent_for_;  // where a message begins: whose; else kNone
  uint32_t tx_in_use_ = 0;
  std::unique_ptr<uint8_t[]> orphans_;  // what lay in the slots
  size_t orphan_bytes_ = 0;             // of it that are filled
  uint32_t orphan_slot_ = 0;            // the next one to look at
  bool orphaning_ = false;

  // RX: free slots as a stack; chains as the daemon wrote them; what is lent, by its first slot.
  std::vector<uint32_t> rx_free_;
  uint32_t rx_free_count_ = 0;
  std::vector<uint32_t> rx_chain_;
  std::vector<Lent> rx_lent_;
  uint64_t unread_bytes_ = 0;  // of messages that are lent
  uint32_t bad_returns_ = 0;

  void drop_nodes();
  void free_node(uint32_t at);
  [[nodiscard]] BacklogNode& node(uint32_t at) {
    return reinterpret_cast<BacklogNode*>(node_memory_.get())[at];
  }
  // Room for all nodes; the first `made_nodes_` have been used, so that a lane that never lags
  // costs no memory.
  std::unique_ptr<std::byte[]> node_memory_;
  uint32_t made_nodes_ = 0;
  uint32_t free_node_ = kNone;
  uint32_t free_nodes_ = 0;
  uint32_t backlog_head_ = kNone;
  uint32_t backlog_tail_ = kNone;
};

template <typename Visit>
void Channel::each_under_way(Visit&& visit) const {
  for (uint32_t slot = 0; slot < tx_slots_; ++slot) {
    if (sent_for_[slot] == kNone) continue;
    uint32_t slots = 0;
    uint64_t bytes = 0;
    for (const Piece* piece = &pieces_[slot]; piece != nullptr; piece = piece->next) {
      ++slots;
      bytes += piece->length;
    }
    visit(sent_for_[slot], slots, bytes);
  }
}

template <typename Visit>
void Channel::each_waiting(Visit&& visit) {
  for (uint32_t at = backlog_head_; at != kNone; at = node(at).next) visit(node(at).event);
}

// Slots come back by the first one of a message; the rest of the chain is the daemon's knowledge.
template <typename Read>
void Channel::take_returns(Read&& read) {
  uint32_t produced = 0;
  if (!look_at_returns(produced)) return;
  AssocName of;
  uint32_t bytes = 0;
  for (; return_consumed_ != produced; ++return_consumed_) {
    uint32_t slot = load_relaxed(returns_[return_consumed_ & return_mask_]);
    if (slot >= rx_slots_ || rx_lent_[slot].count == 0) {
      ++bad_returns_;
      continue;
    }
    Lent& lent = rx_lent_[slot];
    if (lent.assoc != of) {
      if (bytes != 0) read(of, bytes);
      unread_bytes_ -= bytes;
      of = lent.assoc;
      bytes = 0;
    }
    bytes += lent.bytes;
    for (uint32_t i = std::exchange(lent.count, 0); i != 0; --i) {
      rx_free_[rx_free_count_++] = slot;
      slot = rx_chain_[slot];
    }
  }
  if (bytes != 0) read(of, bytes);
  unread_bytes_ -= bytes;
  store_release(shared_->return_consumed.value, return_consumed_);
}

template <typename Read>
void Channel::forget_lent(Read&& read) {
  for (Lent& lent : rx_lent_) {
    if (lent.count != 0 && lent.bytes != 0) read(lent.assoc, std::exchange(lent.bytes, 0));
  }
  unread_bytes_ = 0;
}

}  // namespace trunkline::appring
