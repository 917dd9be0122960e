// SPDX-License-Identifier: BSD-3-Clause
// Chains of receive blocks: copy in, join, free.
#include "rx/receive_blocks.h"

#include <algorithm>
#include <cstring>

#include "base/steps.h"

namespace trunkline {

ReceiveBlock* ReceiveBlocks::copy_in(std::span<const uint8_t> payload) {
  if (payload.empty() || !has_room(payload.size())) return nullptr;
  ReceiveBlock* first = nullptr;
  ReceiveBlock* last = nullptr;
  uint32_t blocks = 0;
  const uint32_t size = static_cast<uint32_t>(payload.size());
  while (!payload.empty()) {
    ReceiveBlock* const block = pool_.make();
    if (block == nullptr) {  // has_room() rules it out, but the compiler does not see that
      free_chain(first);
      return nullptr;
    }
    const size_t n = std::min(payload.size(), ReceiveBlock::kDataSize);
    std::memcpy(block->data, payload.data(), n);
    block->piece = {block->data, static_cast<uint32_t>(n), nullptr};
    if (last == nullptr) {
      first = block;
    } else {
      last->piece.next = &block->piece;
    }
    last = block;
    ++blocks;
    payload = payload.subspan(n);
  }
  first->held.size = size;
  first->held.blocks = blocks;
  return first;
}

ReceiveBlock* ReceiveBlocks::make_mark(const HeldInfo& held) {
  ReceiveBlock* const block = pool_.make();
  if (block == nullptr) return nullptr;
  block->piece = {block->data, 0, nullptr};
  block->held = held;
  block->held.blocks = 1;
  return block;
}

ReceiveBlock* ReceiveBlocks::last_of(ReceiveBlock* first) {
  while (first->next() != nullptr) {
    count_steps();
    first = first->next();
  }
  return first;
}

ReceiveBlock* ReceiveBlocks::join(ReceiveBlock* head, ReceiveBlock* last, ReceiveBlock* tail) {
  last->piece.next = &tail->piece;
  head->held.size += tail->held.size;
  head->held.blocks += tail->held.blocks;
  return last_of(tail);
}

void ReceiveBlocks::pack(ReceiveBlock* head) {
  // `to` never overtakes the block that is read: what it overwrites has been moved already.
  ReceiveBlock* to = head;
  size_t filled = head->piece.length;
  uint32_t blocks = 1;
  for (ReceiveBlock* from = head->next(); from != nullptr; from = from->next()) {
    const size_t size = from->piece.length;
    for (size_t taken = 0; taken < size;) {
      if (filled == ReceiveBlock::kDataSize) {
        to = to->next();
        filled = 0;
        ++blocks;
      }
      const size_t n = std::min(size - taken, ReceiveBlock::kDataSize - filled);
      std::memmove(to->data + filled, from->data + taken, n);
      filled += n;
      taken += n;
      to->piece.length = static_cast<uint32_t>(filled);
    }
  }
  free_chain(to->next());
  to->piece.next = nullptr;
  head->held.blocks = blocks;
}

void ReceiveBlocks::free_chain(ReceiveBlock* first) {
  while (first != nullptr) {
    ReceiveBlock* const next = first->next();
    pool_.destroy(first);
    first = next;
  }
}

}  // namespace trunkline
