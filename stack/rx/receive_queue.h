// SPDX-License-Identifier: BSD-3-Clause
// Reassembly and ordering of one association's inbound messages (RFC 9260 sections 6.5, 6.6, 6.9).
// Takes DATA chunks whose TSN is new, gives whole messages in the order of their streams. Knows
// nothing of SACKs or windows beyond saying how much it really holds, and what of it may yet be
// dropped. Each chunk costs O(log n) in what is held, in whatever order they come.
#pragma once

#include <cstdint>
#include <optional>

#include "base/ordered_tree.h"
#include "base/stream_table.h"
#include "rx/receive_blocks.h"
#include "wire/data_chunk.h"

namespace trunkline {

class ReceiveQueue {
 public:
  enum class Outcome : uint8_t {
    kWholeInOrder,  // the chunk is a message that can be delivered at once, where it lies
    kHeld,          // kept; pop_ready() may have something now
    kNoMemory,      // nothing changed: treat the chunk as never received
    kViolation,     // fragments contradict each other; abort the association
    kTooLarge,      // the message exceeds the limit; abort the association
  };

  // The chunk's TSN is new, `cum_tsn` does not cover it yet, and its stream is valid. On kNoMemory
  // the caller must not record it.
  [[gnu::always_inline]] Outcome add(const wire::DataChunk& chunk, Tsn cum_tsn,
                                     ReceiveBlocks& blocks, uint32_t max_message_size) {
    if (chunk.payload.size() > max_message_size) return Outcome::kTooLarge;
    if (!chunk.beginning || !chunk.ending) {
      return add_fragment(chunk, cum_tsn, blocks, max_message_size);
    }
    if (chunk.unordered) return Outcome::kWholeInOrder;
    Stream* const stream = streams_.get(chunk.stream);
    if (stream == nullptr) return Outcome::kNoMemory;
    if (chunk.ssn != Ssn(static_cast<uint16_t>(stream->next_turn))) {
      return hold_message(chunk, cum_tsn, *stream, blocks);
    }
    ++stream->next_turn;
    if (!waiting_.empty()) release_waiting(chunk.stream, *stream);
    return Outcome::kWholeInOrder;
  }
  // The cumulative TSN has come to be that: what it covers can't be dropped any more.
  void acknowledge(Tsn cum_tsn);

  // The next message in order, or nullptr. The chain and its charge become the caller's.
  [[nodiscard]] ReceiveBlock* pop_ready(ReceiveBlocks& blocks);

  // Would the chunk, the next in order, leave nothing behind: a message whose turn it is, or the
  // end of one?
  [[nodiscard]] bool delivers(const wire::DataChunk& chunk);

  // The TSNs of the highest fragment or waiting message, if they are not acknowledged cumulatively.
  struct Tsns {
    Tsn first;
    Tsn last;
  };
  [[nodiscard]] std::optional<Tsns> last_loose() const;
  // Drops it: the peer will have to send it again.
  void drop_last_loose(ReceiveBlocks& blocks);

  // The peer restarted, or the association ended: everything held goes.
  void clear(ReceiveBlocks& blocks);

  [[nodiscard]] bool empty() const { return held_blocks_ == 0; }
  // Memory held, in bytes of blocks: what a_rwnd is charged.
  [[nodiscard]] uint64_t held_bytes() const {
    return static_cast<uint64_t>(held_blocks_) * ReceiveBlock::kSize;
  }
  [[nodiscard]] uint32_t held_blocks() const { return held_blocks_; }
  // Of these, what is not acknowledged cumulatively, and may be dropped.
  [[nodiscard]] uint32_t loose_blocks() const { return held_blocks_ - bound_blocks_; }

  // For tests: do order, runs and sums agree? Walks over all that is held.
  [[nodiscard]] bool is_sound() const;

 private:
  struct Stream {
    uint32_t next_turn = 0;  // its lower half is the next SSN
  };

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
  // The turns that wait in a stream lie within 65,536: their order on the circle is one.
  struct Turn {
    StreamId stream;
    uint32_t turn;
  };
  struct BySsn {
    using Key = Turn;
    static Key key(const ReceiveBlock& block) { return {block.held.stream, block.held.turn}; }
    static bool before(Key a, Key b) {
      if (a.stream != b.stream) return a.stream.value < b.stream.value;
      return static_cast<int32_t>(a.turn - b.turn) < 0;
    }
    static ReceiveBlock*& child(ReceiveBlock& block, size_t side) {
      return block.held.by_ssn.child[side];
    }
    static int balance(const ReceiveBlock& block) { return block.held.ssn_balance - 1; }
    static void set_balance(ReceiveBlock& block, int balance) {
      block.held.ssn_balance = static_cast<uint8_t>(balance + 1) & 3;
    }
  };

  // What lies next to a chunk that is held, or is to be.
  struct Neighbours {
    ReceiveBlock* before = nullptr;  // its last TSN is the one before the chunk's
    ReceiveBlock* after = nullptr;
  };
  [[nodiscard]] Neighbours neighbours(uint64_t place) const;
  [[nodiscard]] static bool fits(const HeldInfo& held, const Neighbours& beside);
  ReceiveBlock* hold(const wire::DataChunk& chunk, HeldInfo held, ReceiveBlocks& blocks);
  Outcome hold_message(const wire::DataChunk& chunk, Tsn cum_tsn, Stream& stream,
                       ReceiveBlocks& blocks);
  Outcome add_fragment(const wire::DataChunk& chunk, Tsn cum_tsn, ReceiveBlocks& blocks,
                       uint32_t max_message_size);
  // `stream`: null for unordered ones.
  Outcome hold_fragment(const wire::DataChunk& chunk, Stream* stream, ReceiveBlocks& blocks,
                        uint32_t max_message_size);
  void assemble(ReceiveBlock* first, const ReceiveBlock* last);
  bool take_whole(ReceiveBlock* message, Stream& stream);
  [[nodiscard]] bool may_wait(const HeldInfo& held, const Stream& stream) const;
  void queue_ready(ReceiveBlock* message);
  void release_waiting(StreamId id, Stream& stream);
  // Where a TSN lies on the line on which the cumulative one has its place.
  [[nodiscard]] uint64_t place_of(Tsn tsn) const {
    return cum_place_ + tsn.distance_from(Tsn(static_cast<uint32_t>(cum_place_)));
  }

  StreamTable<Stream> streams_;
  OrderedTree<ReceiveBlock, ByTsn> by_tsn_;   // fragments, and messages that wait
  OrderedTree<ReceiveBlock, BySsn> waiting_;  // messages for the one before theirs in the stream
  ReceiveBlock* first_ready_ = nullptr;       // in the order of delivery
  ReceiveBlock* last_ready_ = nullptr;
  uint64_t cum_place_ = 0;  // known while something is held
  uint32_t held_blocks_ = 0;
  uint32_t bound_blocks_ = 0;  // at or before the cumulative TSN
};

}  // namespace trunkline
