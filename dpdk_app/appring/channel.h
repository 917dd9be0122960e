// SPDX-License-Identifier: BSD-3-Clause
// The daemon's end of one channel of a ring client: one lane at one worker. To the rings of
// channel_core.h it adds operations that end in a completion, sends that share one, sleeping by
// armed words, and what becomes of payload when the client has died.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "appring/channel_core.h"

namespace trunkline::appring {

struct RingClient;
struct ClientUse;

struct ChannelLimits {
  uint32_t max_associations = 4096;
  uint32_t max_listeners = 64;
  uint32_t backlog = 16384;
  uint64_t receive_buffer = UINT64_MAX;  // bytes of messages that lie in the lane's slots unread
};

// Made by the control thread; used by one worker from kAdd to kGone.
class Channel final : public ChannelCore {
 public:
  // `block` is the channel's part of the segment; `wake_fd` wakes the lane that sleeps.
  Channel(RingClient& client, uint8_t* block, int wake_fd, const tlr_geometry& geometry,
          const ChannelLimits& limits);

  // Bytes of the daemon's own memory that a channel takes.
  static uint64_t memory_bytes(const tlr_geometry& geometry, const ChannelLimits& limits);

  [[nodiscard]] RingClient& client() const { return client_; }
  [[nodiscard]] const ChannelLimits& limits() const { return limits_; }
  [[nodiscard]] int wake_fd() const { return wake_fd_; }
  [[nodiscard]] uint32_t send_credit() const { return send_credit_; }

  // -- operations
  // It was not its turn after all: the last one taken, and what reserve() set aside for it.
  void put_back_submission() {
    ChannelCore::put_back_submission();
    --operations_;
    ++completion_free_;
  }
  // Sets aside the entry in which an operation will end. False: no room, or the client has as
  // many operations under way as it may.
  [[nodiscard]] bool reserve() {
    if (operations_ >= max_operations_ || !has_room(2)) {
      close_batch();
      if (operations_ >= max_operations_ || !has_room(2)) return false;
    }
    ++operations_;
    --completion_free_;
    return true;
  }
  // Right after reserve(): its end takes two entries.
  void reserve_more() {
    ++connects_;
    --completion_free_;
  }
  // There are so many of those that another one would leave too few entries for events.
  [[nodiscard]] bool too_many_connects() const {
    return connects_ >= std::max((completion_mask_ + 1) / 4, 1u);
  }
  // How many of `wanted` operations reserve() would let begin, each with one entry.
  [[nodiscard]] uint32_t reservable(uint32_t wanted) {
    if (!has_room(wanted + 1) && completion_free_ < 2) return 0;
    return std::min({wanted, max_operations_ - operations_, completion_free_ - 1});
  }
  // So many sends, which lie one after the other and were claimed, are taken.
  void take_sends(uint32_t count) {
    submission_consumed_ += count;
    operations_ += count;
    completion_free_ -= count;
  }
  // Ends an operation: uses its reserved entry.
  void complete(const tlr_completion& completion) {
    --operations_;
    put(completion);
  }
  // Ends one that reserved two; needs only the first if there is no more to tell.
  void complete(const Notice& notice) {
    --operations_;
    --connects_;
    completion_free_ += 2 - notice.entries();
    put(notice);
  }
  // Ends a send whose payload is acknowledged. Shares an entry with other sends until it is full
  // or published.
  void complete_send(uint32_t slot) {
    if (batch_.count == 0) batch_at_ = completion_produced_++;
    batch_.slots[batch_.count++] = static_cast<uint16_t>(slot);
    if (batch_.count == TLR_SENDS_DONE_MAX) close_batch();
  }

  // Makes what was written visible. True: the client sleeps and must be woken.
  [[nodiscard]] bool publish_completions();

  // -- TX slots
  // The message that begins there is of that association (AssocId::slot) until it comes back.
  void assign(Piece* head, uint32_t assoc) {
    auto& slot = static_cast<TxSlot&>(*head);
    slot.assoc = assoc;
    slot.state = TxState::kSent;
  }
  // visit(association, slots, bytes) of each message that is under way.
  template <typename Visit>
  void each_under_way(Visit&& visit) const;
  // Gives a chain back; returns how many slots it had.
  uint32_t unclaim(Piece* head) {
    const uint32_t count = mark_returned(head);
    slots_returned(count);
    return count;
  }
  // What the peer has every byte of, the first of `sent` and those after it that this channel has
  // sent: they are told to the client, if it lives. Moves on to who comes next, and returns their
  // slots; `units` grows by theirs.
  uint32_t finish_sends(SentMessage*& sent, uint64_t& units) {
    uint32_t count = 0;
    do {
      units += units_of(sent->payload.size());
      Piece* const head = sent->payload.take();
      count += mark_returned(head);
      if (!dying) complete_send(slot_of(head));
      sent = sent->next_sent;
    } while (sent != nullptr && sent->payload.owner() == this);
    slots_returned(count);
    return count;
  }
  void release(Piece* head) noexcept override { unclaim(head); }

  // -- once the client is gone
  // Copies what is still claimed into the daemon's own memory, at most `budget` bytes of it, which
  // is counted down; nothing here refers to the segment when all is done. The memory goes when the
  // last of it is released.
  enum class Orphaned : uint8_t { kPart, kAll, kNoMemory };
  [[nodiscard]] Orphaned orphan(size_t& budget);
  // Bytes of bookkeeping that stay until then.
  [[nodiscard]] uint64_t orphan_overhead() const { return uint64_t{tx_slots_} * kBytesPerTxSlot; }

  // -- events that wait for room
  [[nodiscard]] bool lacks_room() const { return stalled || end_untold || !backlog_empty(); }
  // Something is to be done as soon as the client takes events or returns slots.
  [[nodiscard]] bool awaits_client() const {
    return lacks_room() || (awaited && unread_bytes() != 0);
  }

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
  ClientUse* use = nullptr;  // of its client at this worker
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
  void slots_returned(uint32_t count) {
    tx_in_use_ -= count;
    if (orphaning_ && tx_in_use_ == 0) orphans_.reset();
  }
  void close_batch() {
    if (batch_.count == 0) return;
    operations_ -= batch_.count;
    completion_free_ += batch_.count - 1u;
    batch_.kind = TLR_SENDS_DONE;
    tlr_completion entry;
    static_assert(sizeof(entry) == sizeof(batch_));
    std::memcpy(&entry, &batch_, sizeof(entry));
    completions_[batch_at_ & completion_mask_] = entry;
    batch_.count = 0;
  }

  RingClient& client_;
  int wake_fd_;
  ChannelLimits limits_;

  uint32_t send_credit_;

  uint32_t operations_ = 0;  // under way
  uint32_t connects_ = 0;    // of them, those that reserved two
  tlr_sends_done batch_{};   // written to its entry, batch_at_, when it is closed
  uint32_t batch_at_ = 0;
  uint32_t look_consumed_ = 0;  // the client's indices at the last look()
  uint32_t look_returns_ = 0;

  std::unique_ptr<uint8_t[]> orphans_;  // what lay in the slots
  size_t orphan_bytes_ = 0;             // of it that are filled
  uint32_t orphan_slot_ = 0;            // the next one to look at
  bool orphaning_ = false;
};

template <typename Visit>
void Channel::each_under_way(Visit&& visit) const {
  for (uint32_t slot = 0; slot < tx_slots_; ++slot) {
    if (slots_[slot].state != TxState::kSent) continue;
    uint32_t slots = 0;
    uint64_t bytes = 0;
    for (const Piece* piece = &slots_[slot]; piece != nullptr; piece = piece->next) {
      ++slots;
      bytes += piece->length;
    }
    visit(slots_[slot].assoc, slots, bytes);
  }
}

}  // namespace trunkline::appring
