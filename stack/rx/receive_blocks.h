// SPDX-License-Identifier: BSD-3-Clause
// The shard's own byte buffers for payload that can't be delivered yet: out of order, incomplete,
// or its reader is slow. Blocks of 512 bytes with their book-keeping inside, so that what is
// charged against a_rwnd is what is really held.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/pool.h"
#include "trunkline/stack/payload.h"
#include "trunkline/stack/types.h"

namespace trunkline {

struct ReceiveBlock;

// The children of a block in one of the receive queue's trees.
struct BlockLinks {
  std::array<ReceiveBlock*, 2> child;
};

// What a held chunk or message remembers; lives in the first block of its payload. It is a
// fragment, or a message: from a beginning to an ending.
struct HeldInfo {
  // The first and the last fragment of a run of consecutive ones know each other, and the payload
  // bytes of the run.
  struct Run {
    ReceiveBlock* other_end;
    uint32_t size;
  };

  BlockLinks by_tsn = {};
  union {
    Run run = {};            // of a fragment
    BlockLinks by_turn;      // of a message that waits in its stream
    ReceiveBlock* is_ready;  // of a message that is to be delivered: the next one
  };
  uint64_t place = 0;   // the TSN, of a message its first, on a line instead of a circle
  Mid turn;             // its number, likewise once the message is whole; of an unordered one,
                        // which has none, the cumulative TSN when it had come
  uint32_t chunks = 1;  // so many TSNs
  uint32_t size = 0;    // payload bytes of the chunk, then of the message
  uint32_t blocks = 0;  // of the chunk, then of the message
  Ppid ppid;
  StreamId stream;
  bool unordered : 1 = false;
  bool beginning : 1 = false;
  bool ending : 1 = false;
  bool whole_chunk : 1 = false;  // a message that came in one chunk
  // The reader has its front. What stands for that front while the rest comes has no payload, and
  // as its size that of all that was given.
  bool given : 1 = false;
  bool more : 1 = false;        // to be delivered: the message is not over
  uint8_t tsn_balance : 2 = 1;  // of the two trees, and one
  uint8_t turn_balance : 2 = 1;
  uint8_t path : 6 = 0;  // by which the chunk came, of a message its first

  [[nodiscard]] bool is_message() const { return beginning && ending; }
  [[nodiscard]] Tsn first_tsn() const { return Tsn(static_cast<uint32_t>(place)); }
  [[nodiscard]] Tsn last_tsn() const { return first_tsn() + (chunks - 1); }
};

struct ReceiveBlock {
  static constexpr size_t kSize = 512;
  static constexpr size_t kDataSize = kSize - sizeof(Piece) - sizeof(HeldInfo);

  Piece piece;  // first, so that a Piece* of ours is a ReceiveBlock*
  HeldInfo held;
  uint8_t data[kDataSize];

  [[nodiscard]] static ReceiveBlock* from(Piece* first) {
    return reinterpret_cast<ReceiveBlock*>(first);
  }
  [[nodiscard]] ReceiveBlock* next() const { return reinterpret_cast<ReceiveBlock*>(piece.next); }
};
static_assert(sizeof(ReceiveBlock) == ReceiveBlock::kSize);

class ReceiveBlocks : public PieceOwner {
 public:
  explicit ReceiveBlocks(uint64_t bytes, MemorySource* memory = nullptr)
      : pool_(static_cast<uint32_t>(bytes / ReceiveBlock::kSize), memory) {}
  virtual ~ReceiveBlocks() = default;

  [[nodiscard]] static constexpr uint32_t blocks_for(size_t payload) {
    return static_cast<uint32_t>((payload + ReceiveBlock::kDataSize - 1) / ReceiveBlock::kDataSize);
  }
  [[nodiscard]] bool has_room(size_t payload) const {
    return pool_.available() >= blocks_for(payload);
  }
  // A chain with a copy of the payload, its `held` sizes filled in; nullptr if there is no room.
  [[nodiscard]] ReceiveBlock* copy_in(std::span<const uint8_t> payload);
  // One that says where the front of a message was that is here no more; nullptr if there is none.
  [[nodiscard]] ReceiveBlock* make_mark(const HeldInfo& held);
  // The last block of a chain.
  [[nodiscard]] static ReceiveBlock* last_of(ReceiveBlock* first);
  // Appends chain `tail` to chain `head`, which ends with `last`: sizes add up. Returns the last
  // block of both.
  static ReceiveBlock* join(ReceiveBlock* head, ReceiveBlock* last, ReceiveBlock* tail);
  // Moves the payload to the front of its chain and frees the blocks that this leaves empty, so
  // that a message of many small fragments holds no more than its size needs.
  void pack(ReceiveBlock* head);
  void free_chain(ReceiveBlock* first);
  void release(Piece* head) noexcept override { free_chain(ReceiveBlock::from(head)); }

  [[nodiscard]] uint32_t used() const { return pool_.used(); }
  [[nodiscard]] uint32_t capacity() const { return pool_.capacity(); }

  // Of those in use, what is held in receive queues; the rest is in messages that were given to
  // their readers.
  void count_held(uint32_t blocks) { held_ += blocks; }
  void count_given(uint32_t blocks) { held_ -= blocks; }
  [[nodiscard]] uint32_t held() const { return held_; }
  [[nodiscard]] uint32_t given() const { return pool_.used() - held_; }
  // Blocks that may yet be put aside for slow readers: of all of them three quarters, so that there
  // are always some with which messages can be completed.
  [[nodiscard]] uint32_t left_to_keep() const {
    const uint32_t most = pool_.capacity() - pool_.capacity() / 4;
    return given() < most ? most - given() : 0;
  }

 private:
  Pool<ReceiveBlock> pool_;
  uint32_t held_ = 0;
};

}  // namespace trunkline
