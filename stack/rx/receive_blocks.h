// SPDX-License-Identifier: BSD-3-Clause
// The shard's own byte buffers for payload that can't be delivered yet: out of order, incomplete,
// or its reader is slow. Blocks of 512 bytes with their book-keeping inside, so that what is
// charged against a_rwnd is what is really held.
#pragma once

#include <cstdint>
#include <span>

#include "base/list.h"
#include "base/pool.h"
#include "trunkline/stack/payload.h"
#include "trunkline/stack/types.h"

namespace trunkline {

struct ReceiveBlock;

// What a held chunk or message remembers; lives in the first block of its payload.
struct HeldInfo {
  ListLink<ReceiveBlock> order;  // by TSN while in reassembly, by SSN while waiting in a stream
  Tsn tsn;
  Ppid ppid;
  uint32_t size = 0;    // payload bytes of the chunk, then of the message
  uint32_t blocks = 0;  // of the chunk, then of the message
  StreamId stream;
  Ssn ssn;
  bool unordered = false;
  bool beginning = false;
  bool ending = false;
  bool whole_chunk = false;  // a message that came in one chunk
};

struct ReceiveBlock {
  static constexpr size_t kSize = 512;
  static constexpr size_t kDataSize = kSize - sizeof(Piece) - sizeof(void*) - sizeof(HeldInfo);

  Piece piece;                   // first, so that a Piece* of ours is a ReceiveBlock*
  ReceiveBlock* last = nullptr;  // of the chain; kept right in its first block only
  HeldInfo held;
  uint8_t data[kDataSize];

  [[nodiscard]] static ReceiveBlock* from(Piece* first) {
    return reinterpret_cast<ReceiveBlock*>(first);
  }
  [[nodiscard]] ReceiveBlock* next() const { return reinterpret_cast<ReceiveBlock*>(piece.next); }
};
static_assert(sizeof(ReceiveBlock) == ReceiveBlock::kSize);

class ReceiveBlocks final : public PieceOwner {
 public:
  explicit ReceiveBlocks(uint64_t bytes, MemorySource* memory = nullptr)
      : pool_(static_cast<uint32_t>(bytes / ReceiveBlock::kSize), memory) {}

  [[nodiscard]] static uint32_t blocks_for(size_t payload) {
    return static_cast<uint32_t>((payload + ReceiveBlock::kDataSize - 1) / ReceiveBlock::kDataSize);
  }
  [[nodiscard]] bool has_room(size_t payload) const {
    return pool_.available() >= blocks_for(payload);
  }
  // A chain with a copy of the payload, its `held` sizes filled in; nullptr if there is no room.
  [[nodiscard]] ReceiveBlock* copy_in(std::span<const uint8_t> payload);
  // Appends chain `tail` to chain `head`: sizes add up.
  static void join(ReceiveBlock* head, ReceiveBlock* tail);
  // Moves the payload to the front of its chain and frees the blocks that this leaves empty, so
  // that a message of many small fragments holds no more than its size needs.
  void pack(ReceiveBlock* head);
  void free_chain(ReceiveBlock* first);
  void release(Piece* head) noexcept override { free_chain(ReceiveBlock::from(head)); }

  [[nodiscard]] uint32_t used() const { return pool_.used(); }

 private:
  Pool<ReceiveBlock> pool_;
};

}  // namespace trunkline
