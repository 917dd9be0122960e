// SPDX-License-Identifier: BSD-3-Clause
// Reassembly and ordering of one association's inbound messages (RFC 9260 sections 6.5, 6.6, 6.9).
// Takes DATA chunks whose TSN is new, gives whole messages in the order of their streams. Knows
// nothing of SACKs or windows beyond saying how many bytes it really holds.
#pragma once

#include <cstdint>
#include <optional>

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

  // The chunk's TSN is new and its stream is valid. On kNoMemory the caller must not record it.
  Outcome add(const wire::DataChunk& chunk, ReceiveBlocks& blocks, uint32_t max_message_size);

  // The next message in order, or nullptr. The chain and its charge become the caller's.
  [[nodiscard]] ReceiveBlock* pop_ready();

  // The highest TSN of the fragments held; whole messages that wait for their turn are not asked.
  [[nodiscard]] std::optional<Tsn> last_fragment() const;
  // Drops it: the peer will have to send it again.
  void drop_last_fragment(ReceiveBlocks& blocks);

  // The peer restarted, or the association ended: everything held goes.
  void clear(ReceiveBlocks& blocks);

  // Memory held, in bytes of blocks: what a_rwnd is charged.
  [[nodiscard]] uint64_t held_bytes() const {
    return static_cast<uint64_t>(held_blocks_) * ReceiveBlock::kSize;
  }

 private:
  struct Stream {
    ReceiveBlock* waiting = nullptr;  // whole messages, ascending SSN from next_ssn
    Ssn next_ssn;
  };

  // A list threaded through HeldInfo::order.
  struct Sequence {
    ReceiveBlock* head = nullptr;
    ReceiveBlock* tail = nullptr;
    void insert_after(ReceiveBlock* where, ReceiveBlock* item);
    void remove(ReceiveBlock* item);
  };

  Outcome insert_fragment(const wire::DataChunk& chunk, ReceiveBlock* block,
                          uint32_t max_message_size);
  Outcome try_assemble(ReceiveBlock* at, uint32_t max_message_size);
  bool take_whole(ReceiveBlock* message);
  void queue_ready(ReceiveBlock* message);
  void release_waiting(Stream& stream);

  StreamTable<Stream> streams_;
  Sequence fragments_;  // by TSN
  Sequence ready_;      // in the order of delivery
  uint32_t held_blocks_ = 0;
};

}  // namespace trunkline
