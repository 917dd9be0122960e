// SPDX-License-Identifier: BSD-3-Clause
// The tree of pages: how it grows and shrinks, and how a trait is found in it.
#include "tx/chunk_ring.h"

#include <bit>
#include <utility>

namespace trunkline {

// One page more, for next_.
bool ChunkRing::add_page(ChunkMemory& memory) {
  // Nodes for growth and for the way down: all or none.
  if (memory.nodes_.available() < height() + 3) return false;
  ChunkPage* const page = memory.pages_.make();
  if (page == nullptr) return false;
  count_steps();
  // Two need no tree; a root's children are a ring.
  if (reach(next_, height()) >= (root_ == nullptr ? 2 : ChunkNode::kChildren)) grow(memory);
  last_page_ = page;
  if (root_ == nullptr) return true;
  ChunkNode* node = root_;
  for (unsigned at = root_->height; at > 1; --at) {
    void*& child = node->children[slot(next_, at)];
    if (child == nullptr) child = memory.nodes_.make();
    node = static_cast<ChunkNode*>(child);
  }
  node->children[slot(next_, 1)] = page;
  return true;
}

// One level more. Those of the root's children that lie before the slot of the first one come
// behind the last one, and so belong to a second node.
void ChunkRing::grow(ChunkMemory& memory) {
  ChunkNode* const old = std::exchange(root_, memory.nodes_.make());
  if (old == nullptr) {
    root_->children[slot(first_, 1)] = first_page_;
    mark_above(first_, first_page_->may_have);
    root_->children[slot(next_ - 1, 1)] = last_page_;
    mark_above(next_ - 1, last_page_->may_have);
    return;
  }
  root_->height = static_cast<uint8_t>(old->height + 1);
  ChunkNode* const second = memory.nodes_.make();
  const uint32_t first_slot = slot(first_, old->height);
  for (uint32_t i = 0; i < first_slot; ++i) std::swap(second->children[i], old->children[i]);
  const uint32_t at = slot(first_, root_->height);
  const uint32_t behind = (at + 1) % ChunkNode::kChildren;
  root_->children[at] = old;
  root_->children[behind] = second;
  for (size_t trait = 0; trait < old->may_have.size(); ++trait) {
    uint64_t& bits = old->may_have[trait];
    second->may_have[trait] = bits & ((uint64_t{1} << first_slot) - 1);
    bits &= ~second->may_have[trait];
    root_->may_have[trait] = uint64_t{bits != 0} << at | uint64_t{second->may_have[trait] != 0}
                                                             << behind;
  }
}

// The last TSN of the first page has left.
void ChunkRing::drop_page(ChunkMemory& memory) {
  count_steps();
  memory.pages_.destroy(first_page_);
  if (root_ == nullptr) {
    first_page_ = last_page_;
    return;
  }
  const Tsn gone = first_ - 1;
  std::array<ChunkNode*, 8> way;  // by height
  const unsigned top = root_->height;
  way[top] = root_;
  for (unsigned at = top; at > 1; --at) {
    way[at - 1] = static_cast<ChunkNode*>(way[at]->children[slot(gone, at)]);
  }
  way[1]->children[slot(gone, 1)] = nullptr;
  for (unsigned at = 1; at < top && slot(first_, at) == 0; ++at) {
    memory.nodes_.destroy(way[at]);
    way[at + 1]->children[slot(gone, at + 1)] = nullptr;
  }
  ChunkNode* node = root_;
  const bool last = reach(next_ - 1, 0) == 0;  // it needs no tree
  for (unsigned at = top; at > 0; --at) {
    void* const child = node->children[slot(first_, at)];
    if (last) memory.nodes_.destroy(node);
    if (at == 1) first_page_ = static_cast<ChunkPage*>(child);
    node = static_cast<ChunkNode*>(child);
  }
  if (last) root_ = nullptr;
}

// The nodes above the page of a TSN know that it may have these.
void ChunkRing::mark_above(Tsn tsn, uint32_t traits) const {
  void* at = root_;
  for (unsigned left = height(); left > 0; --left) {
    auto* const node = static_cast<ChunkNode*>(at);
    const uint32_t child = slot(tsn, left);
    for (uint32_t more = traits; more != 0; more &= more - 1) {
      count_steps();
      node->may_have[static_cast<size_t>(std::countr_zero(more))] |= uint64_t{1} << child;
    }
    at = node->children[child];
  }
}

// The first page that may have a chunk with the trait, at or behind `at`, which moves there;
// nullptr if `at` would have to move by more than `most`.
ChunkPage* ChunkRing::seek(Trait trait, Tsn& at, uint32_t most) const {
  const size_t which = static_cast<size_t>(trait);
  const uint32_t bit = TraitSet{trait}.bits;
  const Tsn from = at;
  const auto go_to = [&](Tsn to) {
    at = to;
    return at.distance_from(from) <= most;
  };
  if (root_ == nullptr) {
    while (true) {
      count_steps();
      ChunkPage* const page = find_page(at);
      if (page != nullptr && (page->may_have & bit) != 0) return page;
      if (!go_to(Tsn((at.value | (ChunkPage::kChunks - 1)) + 1))) return nullptr;
    }
  }
  ChunkNode* parent = nullptr;
  ChunkNode* node = root_;
  unsigned level = root_->height;
  while (true) {
    count_steps();
    uint64_t& may = node->may_have[which];
    const uint32_t here = slot(at, level);
    const uint64_t bits = node == root_ ? std::rotr(may, static_cast<int>(here)) : may >> here;
    const unsigned below = bits_below(level);
    if (bits == 0) {
      if (node == root_) return nullptr;
      if (may == 0) parent->may_have[which] &= ~(uint64_t{1} << slot(at, level + 1));
      const unsigned whole = below + ChunkNode::kBits;
      if (!go_to(Tsn(((at.value >> whole) + 1) << whole))) return nullptr;
    } else {
      const auto skipped = static_cast<uint32_t>(std::countr_zero(bits));
      if (skipped > 0 && !go_to(Tsn(((at.value >> below) + skipped) << below))) return nullptr;
      void* const child = node->children[slot(at, level)];
      if (level == 1) {
        auto* const page = static_cast<ChunkPage*>(child);
        if (page != nullptr && (page->may_have & bit) != 0) return page;
      } else if (child != nullptr) {
        parent = node;
        node = static_cast<ChunkNode*>(child);
        --level;
        continue;
      }
      may &= ~(uint64_t{1} << slot(at, level));  // out of date
    }
    node = root_;
    parent = nullptr;
    level = root_->height;
  }
}

TxChunk* ChunkRing::find(Trait trait, Tsn from, Tsn end) const {
  while (from.before(end)) {
    ChunkPage* const page = seek(trait, from, end.distance_from(from) - 1);
    if (page == nullptr) return nullptr;
    const std::span<TxChunk> run = run_from(*page, from, end);
    for (TxChunk& chunk : run) {
      if (has_trait(chunk, trait)) return &chunk;
    }
    forget(*page, trait, from, run.size());
    from = from + static_cast<uint32_t>(run.size());
  }
  return nullptr;
}

}  // namespace trunkline
