// SPDX-License-Identifier: BSD-3-Clause
// What is held of DATA chunks, by TSN: the fragments of a message have consecutive ones (RFC 9260
// section 6.9), so it is whole when a run goes from B to E. Whole messages that wait for their turn
// lie among them, since what comes must fit beside them too. Knows nothing of streams, but that a
// message has one. Each chunk costs O(log n) in what is held, in whatever order they come.
#pragma once

#include <cstdint>
#include <optional>

#include "base/ordered_tree.h"
#include "rx/receive_blocks.h"
#include "wire/data_chunk.h"

namespace trunkline {

class FragmentsByTsn {
 public:
  enum class Outcome : uint8_t {
    kHeld,
    kWhole,      // `message` is complete, and still lies here
    kNoMemory,   // nothing changed
    kViolation,  // fragments contradict each other
    kTooLarge,   // the message exceeds the limit
  };
  struct Added {
    Outcome outcome;
    ReceiveBlock* message = nullptr;
  };

  // The cumulative TSN is that: what it covers is bound, and can't be dropped any more.
  void acknowledge(Tsn cum_tsn);

  // -- the peer may give messages up (RFC 3758 section 3.6)
  // It has given up all TSNs up to that one which have not come, and is about to be acknowledged
  // up to there. Unfinished messages go that miss one of them, or end there: who gives a message up
  // need not have sent the rest of it. So does the one that goes on behind it, if it is
  // `given_up(HeldInfo)`. The place of the front that a reader has, if its rest is gone.
  template <typename GivenUp>
  std::optional<Tsn> skip(Tsn last, ReceiveBlocks& blocks, GivenUp&& given_up);
  // Is the chunk with the TSN before that one here, and not the end of a message? If not, the next
  // TSN is no orphan only as a beginning.
  [[nodiscard]] bool is_open_before(Tsn tsn) const;
  // Is the chunk with that TSN here, and not the beginning of a message?
  [[nodiscard]] bool goes_on_at(Tsn tsn) const;
  // The message that is open before that TSN does not go on there: it goes, and this is what is
  // known of it by its first fragment.
  std::optional<HeldInfo> cut_off_before(Tsn tsn, ReceiveBlocks& blocks);
  // The cumulative TSN is about to be that. Fragments whose beginning it has passed go, but that
  // which was next was asked about when it came; returns how many they were.
  uint32_t drop_orphans(Tsn cum_tsn, ReceiveBlocks& blocks);

  // A fragment, whose TSN is new and not acknowledged cumulatively.
  Added add(const wire::DataChunk& chunk, ReceiveBlocks& blocks, uint32_t max_message_size);
  // The same in steps, for a message of one chunk: what will be remembered of it, may it lie where
  // its TSN says, a copy in its place (null: no memory).
  [[nodiscard]] HeldInfo describe(const wire::DataChunk& chunk) const;
  [[nodiscard]] bool fits(const HeldInfo& held) const { return fits(held, neighbours(held.place)); }
  ReceiveBlock* hold(const wire::DataChunk& chunk, HeldInfo held, ReceiveBlocks& blocks);

  // Would the chunk complete a message whose beginning is here?
  [[nodiscard]] bool completes(const wire::DataChunk& chunk) const;
  // TSNs behind the cumulative one, up to where that lies.
  [[nodiscard]] uint64_t tsns_before(const HeldInfo& held) const {
    return held.place > cum_place_ ? held.place - cum_place_ : 0;
  }

  // A whole message leaves its place; it is held until it is given.
  void take_out(ReceiveBlock* message);
  void give(const ReceiveBlock& message, ReceiveBlocks& blocks) {
    held_blocks_ -= message.held.blocks;
    blocks.count_given(message.held.blocks);
  }
  // Of the message that the cumulative TSN lies in: its number and so on, while it is incomplete
  // and its beginning is here, or was given; null: it is not.
  [[nodiscard]] const HeldInfo* front() const;
  // Bytes of it that are here.
  [[nodiscard]] uint32_t front_bytes() const;
  // They leave as if they were a message, but that there is `more` of it, and a mark stands for
  // them. Null: there are none, or there is no memory for the mark.
  ReceiveBlock* cut_front(ReceiveBlocks& blocks);

  // One that can't be true is a fragment again, with nothing to wait for: clear() frees it.
  static void disown(ReceiveBlock* message);
  // The highest, where anything is loose; then the same, out of its place and given.
  [[nodiscard]] const HeldInfo& last() const { return by_tsn_.last()->held; }
  ReceiveBlock* take_last(ReceiveBlocks& blocks);
  void clear(ReceiveBlocks& blocks);

  [[nodiscard]] bool empty() const { return held_blocks_ == 0; }
  [[nodiscard]] uint32_t held_blocks() const { return held_blocks_; }
  // Of these, what is not acknowledged cumulatively, and may be dropped.
  [[nodiscard]] uint32_t loose_blocks() const { return held_blocks_ - bound_blocks_; }

  // All that is in its place, in order.
  [[nodiscard]] ReceiveBlock* first() const { return by_tsn_.first(); }
  [[nodiscard]] ReceiveBlock* after(const ReceiveBlock& block) const {
    return by_tsn_.after(block.held.place);
  }
  // For tests: do order, runs and sums agree?
  [[nodiscard]] bool is_sound() const;

 private:
  struct ByTsn {
    using Key = uint64_t;
    static Key key(const ReceiveBlock& block) { return block.held.place; }
    static bool before(Key a, Key b) { return a < b; }
    static ReceiveBlock*& child(ReceiveBlock& block, size_t side) {
      return block.held.by_tsn.child[side];
    }
    static int balance(const ReceiveBlock& block) { return block.held.tsn_balance - 1; }
    static void set_balance(ReceiveBlock& block, int balance) {
      block.held.tsn_balance = static_cast<uint8_t>(balance + 1) & 3;
    }
  };
  // What lies next to a chunk that is held, or is to be.
  struct Neighbours {
    ReceiveBlock* before = nullptr;  // its last TSN is the one before the chunk's
    ReceiveBlock* after = nullptr;
  };
  [[nodiscard]] Neighbours neighbours(uint64_t place) const;
  [[nodiscard]] static bool fits(const HeldInfo& held, const Neighbours& beside);
  [[nodiscard]] ReceiveBlock* front_last() const { return by_tsn_.before(cum_place_ + 1); }
  ReceiveBlock* assemble(ReceiveBlock* first, const ReceiveBlock* last, ReceiveBlocks& blocks);
  void remove(ReceiveBlock* block, ReceiveBlocks& blocks);
  // A run. Returns what follows it.
  ReceiveBlock* remove_run(ReceiveBlock* first, ReceiveBlocks& blocks);
  // Where a TSN lies on the line on which the cumulative one has its place.
  [[nodiscard]] uint64_t place_of(Tsn tsn) const {
    return cum_place_ + tsn.distance_from(Tsn(static_cast<uint32_t>(cum_place_)));
  }

  OrderedTree<ReceiveBlock, ByTsn> by_tsn_;
  uint64_t cum_place_ = 0;  // known while something is held
  uint32_t held_blocks_ = 0;
  uint32_t bound_blocks_ = 0;  // at or before the cumulative TSN
};

template <typename GivenUp>
std::optional<Tsn> FragmentsByTsn::skip(Tsn last, ReceiveBlocks& blocks, GivenUp&& given_up) {
  std::optional<Tsn> broken;
  const uint64_t end = place_of(last);
  ReceiveBlock* at = front_last();
  const bool in_front = at != nullptr && at->held.place == cum_place_ && !at->held.is_message();
  at = in_front ? at->held.run.other_end : by_tsn_.after(cum_place_);
  while (at != nullptr && at->held.place <= end) {
    const HeldInfo& held = at->held;
    if (held.is_message()) {
      at = by_tsn_.after(held.place);
      continue;
    }
    ReceiveBlock* const run_end = held.run.other_end;
    if (held.beginning && run_end->held.place > end && !given_up(held)) break;
    if (held.given) broken = held.first_tsn();
    at = remove_run(at, blocks);
  }
  return broken;
}

}  // namespace trunkline
