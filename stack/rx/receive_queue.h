// SPDX-License-Identifier: BSD-3-Clause
// The order of one association's inbound messages (RFC 9260 sections 6.5, 6.6). Takes DATA chunks
// whose TSN is new, gives whole messages in the order of their streams; what a message is put
// together from is FragmentsByTsn's. Knows nothing of SACKs or windows beyond saying how much it
// really holds, and what of it may yet be dropped.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/ordered_tree.h"
#include "base/pool.h"
#include "base/stream_table.h"
#include "rx/fragments_by_tsn.h"
#include "rx/message_order.h"
#include "rx/receive_blocks.h"
#include "wire/data_chunk.h"
#include "wire/forward_tsn_chunk.h"

namespace trunkline {

using SsnOrder = MessageOrder<Ssn>;

// Where a message that waits has its place.
struct MessageTurn {
  StreamId stream;
  bool unordered = false;
  Mid turn;  // of an unordered message its TSN
};

struct ByTurn {
  using Key = MessageTurn;
  static Key key(const ReceiveBlock& block) {
    const HeldInfo& held = block.held;
    return {held.stream, held.unordered, held.unordered ? Mid(held.first_tsn().value) : held.turn};
  }
  static bool before(Key a, Key b) {
    if (a.stream != b.stream) return a.stream.value < b.stream.value;
    if (a.unordered != b.unordered) return b.unordered;
    return SsnOrder::before(a.turn, b.turn);
  }
  static ReceiveBlock*& child(ReceiveBlock& block, size_t side) {
    return block.held.by_turn.child[side];
  }
  static int balance(const ReceiveBlock& block) { return block.held.turn_balance - 1; }
  static void set_balance(ReceiveBlock& block, int balance) {
    block.held.turn_balance = static_cast<uint8_t>(balance + 1) & 3;
  }
};

// What a queue has while it holds anything.
struct HeldMessages {
  FragmentsByTsn fragments;  // and messages that wait
  // Messages for the one before theirs in the stream, and unordered ones for their stream to open.
  OrderedTree<ReceiveBlock, ByTurn> waiting;
  ReceiveBlock* first_ready = nullptr;  // in the order of delivery
  ReceiveBlock* last_ready = nullptr;
  // The stream of the message that is given in pieces, and what kind it is.
  StreamId partial_stream;
  enum class Partial : uint8_t { kNone, kOrdered, kUnordered } partial = Partial::kNone;
};

// A shard's memory for all queues.
class ReceiveMemory final : public ReceiveBlocks {
 public:
  explicit ReceiveMemory(uint64_t bytes, MemorySource* memory = nullptr,
                         uint32_t associations = UINT32_MAX)
      : ReceiveBlocks(bytes, memory), held_(std::min(associations, capacity() + 1), memory) {}

  // Queues that hold anything.
  [[nodiscard]] uint32_t queues() const { return held_.used(); }

 private:
  friend class ReceiveQueue;
  // Each that is in use has a block, but for one that looks for its first: never empty.
  Pool<HeldMessages> held_;
};

class ReceiveQueue {
 public:
  using Order = SsnOrder;

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
                                     ReceiveMemory& memory, uint32_t max_message_size) {
    if (chunk.payload.size() > max_message_size) return Outcome::kTooLarge;
    if (!chunk.beginning || !chunk.ending) {
      return add_fragment(chunk, cum_tsn, memory, max_message_size);
    }
    if (chunk.unordered) {
      if (!is_closed(chunk.stream)) return Outcome::kWholeInOrder;
      return hold_unordered(chunk, cum_tsn, memory);
    }
    Order* const order = streams_.get(chunk.stream);
    if (order == nullptr) return Outcome::kNoMemory;
    if (!order->is_next(chunk.mid)) return hold_message(chunk, cum_tsn, *order, memory);
    if (!empty()) return take_in_turn(chunk, cum_tsn, *order, memory);
    order->advance();
    return Outcome::kWholeInOrder;
  }
  // While it is empty, whole ordered messages need not come here: whose number is the next one of
  // its stream is delivered, and the stream advanced. nullptr: no memory for the stream.
  [[nodiscard]] Order* order_of(StreamId stream) { return streams_.get(stream); }
  // The cumulative TSN has come to be that: what it covers can't be dropped any more.
  void acknowledge(Tsn cum_tsn) {
    if (held_ != nullptr) held_->fragments.acknowledge(cum_tsn);
  }

  // -- where the peer may give messages up (RFC 3758 section 3.6)
  // What the chunk gives up is not waited for any more; the cumulative TSN, as it was told to
  // acknowledge(), lies before what it says. Streams for which order_of() was never asked are
  // passed over. True: the message that is given in pieces breaks off.
  bool skip(const wire::ForwardTsnChunk& chunk, ReceiveMemory& memory);
  // Is a chunk whose TSN is the next one part of a message whose beginning was skipped?
  [[nodiscard]] bool is_orphan(const wire::DataChunk& chunk) const {
    if (chunk.beginning) return false;
    return held_ == nullptr || !held_->fragments.is_open_before(chunk.tsn);
  }
  [[nodiscard]] bool goes_on_at(Tsn tsn) const {
    return held_ != nullptr && held_->fragments.goes_on_at(tsn);
  }
  // A sender may give up the rest of a message before it has TSNs, and go on with another: what is
  // here of one that should go on at that TSN, and does not, goes.
  enum class CutOff : uint8_t {
    kNothing,
    kSome,
    kGiven,  // it was given in pieces
  };
  CutOff cut_off_before(Tsn tsn, ReceiveMemory& memory);
  // A message with that number does not come, if it is the next.
  void pass_number(StreamId stream, Mid number);
  // Before acknowledge(): such chunks that are held, and are reached by it, go. How many?
  uint32_t drop_orphans(Tsn cum_tsn, ReceiveMemory& memory);

  // The next message in order, or nullptr. The chain and its charge become the caller's.
  [[nodiscard]] ReceiveBlock* pop_ready(ReceiveMemory& memory);

  // Partial delivery: what has come of the message that the cumulative TSN lies in, if it is in its
  // turn, incomplete and at least that many bytes, is a piece for pop_ready(), `more` of it to
  // come. Until it is whole its stream is closed for other messages: they wait. False: there is
  // none, or no memory.
  bool give_front(ReceiveMemory& memory, uint32_t least);

  [[nodiscard]] bool gives_pieces() const {
    return held_ != nullptr && held_->partial != Partial::kNone;
  }

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
  void drop_last_loose(ReceiveMemory& memory);

  // The peer restarted, or the association ended: everything held goes.
  void clear(ReceiveMemory& memory);

  [[nodiscard]] bool empty() const { return held_ == nullptr; }
  // Memory held, in bytes of blocks: what a_rwnd is charged.
  [[nodiscard]] uint64_t held_bytes() const {
    return static_cast<uint64_t>(held_blocks()) * ReceiveBlock::kSize;
  }
  [[nodiscard]] uint32_t held_blocks() const {
    return held_ != nullptr ? held_->fragments.held_blocks() : 0;
  }
  // Of these, what is not acknowledged cumulatively, and may be dropped.
  [[nodiscard]] uint32_t loose_blocks() const {
    return held_ != nullptr ? held_->fragments.loose_blocks() : 0;
  }

  // For tests: do order, runs and sums agree? Walks over all that is held.
  [[nodiscard]] bool is_sound() const;

 private:
  using Partial = HeldMessages::Partial;

  // There is memory for what is held; and what of that the cumulative TSN covers is known.
  HeldMessages& open(ReceiveMemory& memory, Tsn cum_tsn);
  // If nothing is held, the memory goes back.
  void close(ReceiveMemory& memory);
  Outcome close(ReceiveMemory& memory, Outcome outcome);
  Outcome wait_for_turn(const wire::DataChunk& chunk, const HeldInfo& held, ReceiveMemory& memory);
  Outcome hold_message(const wire::DataChunk& chunk, Tsn cum_tsn, const Order& order,
                       ReceiveMemory& memory);
  Outcome add_fragment(const wire::DataChunk& chunk, Tsn cum_tsn, ReceiveMemory& memory,
                       uint32_t max_message_size);
  Outcome take_in_turn(const wire::DataChunk& chunk, Tsn cum_tsn, Order& order,
                       ReceiveMemory& memory);
  Outcome hold_unordered(const wire::DataChunk& chunk, Tsn cum_tsn, ReceiveMemory& memory);
  Outcome take_whole(ReceiveBlock* message, Order* order);
  bool take_ordered(ReceiveBlock* message, Order& order);
  void take_rest(ReceiveBlock* message, Order* order);
  void reopen(StreamId stream, Order* order, Tsn first);
  void break_off(Tsn first);
  void skip_stream(wire::SkippedStream skipped);
  [[nodiscard]] bool is_closed(StreamId stream) const {
    return gives_pieces() && stream == held_->partial_stream;
  }
  [[nodiscard]] bool completes(const wire::DataChunk& chunk) const {
    return held_ != nullptr && held_->fragments.completes(chunk);
  }
  [[nodiscard]] bool may_wait(const HeldInfo& held, const Order& order) const;
  void queue_ready(ReceiveBlock* message);
  void append_ready(ReceiveBlock* message);
  void release_waiting(StreamId id, Order& order);
  void release_passed(StreamId id, const Order& order);
  void release_unordered(StreamId id, Tsn behind);

  [[no_unique_address]] StreamTable<Order> streams_;
  HeldMessages* held_ = nullptr;  // null: nothing is held
};

}  // namespace trunkline
