// SPDX-License-Identifier: BSD-3-Clause
// The DATA chunks of an association that are outstanding, one record a TSN, in pages from the
// shard's pool: a page is taken with its first TSN and given back with its last, so that nothing is
// held when nothing is outstanding. Pages hang in a tree as high as the span of TSNs demands, whose
// root is used as a ring. For each trait the tree knows which pages may have a chunk with it, so
// that whoever looks for one walks over none of the others (decision 0024).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <span>
#include <utility>

#include "base/pool.h"
#include "base/steps.h"
#include "trunkline/stack/pool_share.h"
#include "tx/messages.h"

namespace trunkline {

// What chunks are looked for by. The first ones: in flight on the path of that index.
enum class Trait : uint8_t {
  kFirstPath = 0,
  kLost = kMaxPaths,  // to be sent again
  kCountable,         // a miss indication counts for it
  kGapAcked,
  kOpen,       // not gap-acknowledged
  kAgain,      // in flight, as what was found missing: not in the order of its TSN
  kOverLimit,  // lost, and not to be sent again
  kCount,
};
inline constexpr Trait in_flight_on(uint8_t path) {
  return static_cast<Trait>(path);
}
struct TraitSet {
  uint32_t bits = 0;
  constexpr TraitSet() = default;
  constexpr TraitSet(std::initializer_list<Trait> traits) {
    for (const Trait trait : traits) bits |= uint32_t{1} << static_cast<unsigned>(trait);
  }
};
[[nodiscard]] inline bool has_trait(const TxChunk& chunk, Trait trait) {
  using enum TxChunk::State;
  switch (trait) {
    case Trait::kLost:
      return chunk.state == kRetransmit;
    case Trait::kCountable:
      return chunk.state == kInFlight && !chunk.fast_retransmitted;
    case Trait::kGapAcked:
      return chunk.is_gap_acked();
    case Trait::kOpen:
      return !chunk.is_gap_acked();
    case Trait::kAgain:
      return chunk.state == kInFlight && chunk.fast_retransmitted;
    case Trait::kOverLimit:
      return chunk.state == kRetransmit && chunk.over_limit;
    default:
      return chunk.state == kInFlight && trait == in_flight_on(chunk.path);
  }
}

// Did a chunk go in the packet of the one before? Each ends there behind the one before.
[[nodiscard]] inline bool follows(const TxChunk* before, const TxChunk& chunk) {
  return before != nullptr && before->sent_at == chunk.sent_at && before->path == chunk.path &&
         before->packet < chunk.packet;
}

struct ChunkPage {
  static constexpr unsigned kBits = 3;
  static constexpr uint32_t kChunks = 1u << kBits;

  ChunkPage() {}  // a record is made when its TSN is sent

  uint32_t may_have = 0;    // as TraitSet
  uint8_t fresh_on = 0xff;  // a path: the bits of a fresh chunk there are known to be set
  union {
    std::array<TxChunk, kChunks> chunks;
  };
};

// Its children are pages, or nodes that are all one lower.
struct ChunkNode {
  static constexpr unsigned kBits = 6;
  static constexpr uint32_t kChildren = 1u << kBits;

  // By trait, which children may have a chunk with it. A bit may be out of date: whoever follows it
  // in vain clears it, and so pays what setting it has earned.
  std::array<uint64_t, static_cast<size_t>(Trait::kCount)> may_have{};
  std::array<void*, kChildren> children{};
  uint8_t height = 1;  // of a root; 1: its children are pages
};

// What is in flight on one path.
struct PathFlight {
  uint32_t bytes = 0;           // of DATA chunks
  uint16_t largest_packet = 0;  // of those there is none larger
};
using PathFlights = std::array<PathFlight, kMaxPaths>;

// A shard's memory for all that: so many chunks over all its associations.
class ChunkMemory {
 public:
  // Chunks run out first: `most` of them lie in no more pages than that, since each page has one at
  // least, and all but two of an association's are full; a tree begins with the third page.
  ChunkMemory(uint32_t most, uint32_t associations, MemorySource* memory)
      : most_(most),
        share_(most, associations, ChunkPage::kChunks),
        pages_(static_cast<uint32_t>(std::min<uint64_t>(
                   most, most / ChunkPage::kChunks + uint64_t{2} * associations + 1)),
               memory),
        nodes_(most / ChunkPage::kChunks + 4, memory),
        flights_(associations, memory) {}

  [[nodiscard]] uint32_t used() const { return used_; }  // chunks
  // One for each association that has several paths: never null.
  [[nodiscard]] PathFlights* make_flights() { return flights_.make(); }
  void destroy(PathFlights* flights) { flights_.destroy(flights); }

 private:
  friend class ChunkRing;
  const uint32_t most_;
  const PoolShare share_;  // of an association
  uint32_t used_ = 0;
  Pool<ChunkPage> pages_;
  Pool<ChunkNode> nodes_;
  Pool<PathFlights> flights_;
};

class ChunkRing {
 public:
  explicit ChunkRing(Tsn first) : first_(first), next_(first) {}

  [[nodiscard]] Tsn first() const { return first_; }  // the oldest record
  [[nodiscard]] Tsn next() const { return next_; }
  [[nodiscard]] bool empty() const { return first_ == next_; }
  [[nodiscard]] uint32_t size() const { return next_.distance_from(first_); }

  // False: the shard has no memory for one more, or this ring its share of it. If it has, push()
  // must follow.
  [[nodiscard]] bool make_room(ChunkMemory& memory) {
    if (memory.used_ == memory.most_) return false;
    if (empty()) {
      first_page_ = last_page_ = memory.pages_.make();
      return last_page_ != nullptr;
    }
    return index_of(next_) != 0 ||
           (memory.share_.allows(size(), memory.most_ - memory.used_) && add_page(memory));
  }
  // The record of next(), in flight.
  void push(ChunkMemory& memory, const TxChunk& chunk) {
    ++memory.used_;
    ::new (static_cast<void*>(&last_page_->chunks[index_of(next_)])) TxChunk(chunk);
    ++next_;
    if (last_page_->fresh_on == chunk.path) return;
    last_page_->fresh_on = chunk.path;
    note(*last_page_, chunk, {in_flight_on(chunk.path), Trait::kCountable, Trait::kOpen});
  }
  // The oldest records, so many at most, that lie side by side.
  [[nodiscard]] std::span<TxChunk> first_run(uint32_t most) const {
    const uint32_t index = index_of(first_);
    return std::span(first_page_->chunks)
        .subspan(index, std::min(most, ChunkPage::kChunks - index));
  }
  // So many of these leave.
  void pop_front(ChunkMemory& memory, uint32_t count) {
    count_steps(count);
    memory.used_ -= count;
    first_ = first_ + count;
    if (empty()) {
      memory.pages_.destroy(last_page_);
    } else if (index_of(first_) == 0) {
      drop_page(memory);
    }
  }

  // The record of a TSN in the ring.
  [[nodiscard]] TxChunk& at(Tsn tsn) const { return find_page(tsn)->chunks[index_of(tsn)]; }
  // visit(TxChunk&), from one TSN up to and with another.
  template <typename Visit>
  void each(Tsn from, Tsn last, Visit&& visit) const {
    const Tsn end = last + 1;
    while (from != end) {
      TxChunk* chunk = &at(from);
      do {
        count_steps();
        visit(*chunk++);
        ++from;
      } while (from != end && index_of(from) != 0);
    }
  }

  // The first chunk that has the trait, from a TSN in the ring up to but without `end`; nullptr:
  // none.
  [[nodiscard]] TxChunk* find(Trait trait, Tsn from, Tsn end) const;
  // visit(TxChunk&) for all of these. It may take the trait from the chunk that it visits.
  template <typename Visit>
  void each_with(Trait trait, Tsn from, Tsn end, Visit&& visit) const {
    while (from.before(end)) {
      ChunkPage* const page = seek(trait, from, end.distance_from(from) - 1);
      if (page == nullptr) return;
      const std::span<TxChunk> run = run_from(*page, from, end);
      bool any_left = false;
      for (TxChunk& chunk : run) {
        if (!has_trait(chunk, trait)) continue;
        visit(chunk);
        any_left = any_left || has_trait(chunk, trait);
      }
      if (!any_left) forget(*page, trait, from, run.size());
      from = from + static_cast<uint32_t>(run.size());
    }
  }
  // To be told when a chunk in the ring gets traits, so that find() knows.
  void note(const TxChunk& chunk, TraitSet traits) { note(*find_page(chunk.tsn), chunk, traits); }

 private:
  void note(ChunkPage& page, const TxChunk& chunk, TraitSet traits) {
    const uint32_t fresh = traits.bits & ~page.may_have;
    page.may_have |= fresh;
    if (fresh != 0 && root_ != nullptr) mark_above(chunk.tsn, fresh);
  }
  [[nodiscard]] static uint32_t index_of(Tsn tsn) { return tsn.value % ChunkPage::kChunks; }
  [[nodiscard]] unsigned height() const { return root_ == nullptr ? 0u : root_->height; }
  // The bits of a TSN below those that number the children of a node of that height; 0: the pages.
  static constexpr unsigned bits_below(unsigned height) {
    return ChunkPage::kBits + (height == 0 ? 0 : (height - 1) * ChunkNode::kBits);
  }
  [[nodiscard]] static uint32_t slot(Tsn tsn, unsigned height) {
    return tsn.value >> bits_below(height) & (ChunkNode::kChildren - 1);
  }
  // Pages, or children of a node of that height, from that of first_ to that of `tsn`.
  [[nodiscard]] uint32_t reach(Tsn tsn, unsigned height) const {
    const unsigned bits = bits_below(height);
    return (tsn.value - (first_.value >> bits << bits)) >> bits;
  }
  [[nodiscard]] ChunkPage* find_page(Tsn tsn) const {
    if (reach(tsn, 0) == 0) return first_page_;
    if (root_ == nullptr) return last_page_;
    void* at = root_;
    for (unsigned height = root_->height; height > 0 && at != nullptr; --height) {
      at = static_cast<ChunkNode*>(at)->children[slot(tsn, height)];
    }
    return static_cast<ChunkPage*>(at);
  }

  // Records of a page from one that is in it, up to `end` at most.
  [[nodiscard]] static std::span<TxChunk> run_from(ChunkPage& page, Tsn from, Tsn end) {
    const uint32_t index = index_of(from);
    const uint32_t count = std::min(ChunkPage::kChunks - index, end.distance_from(from));
    count_steps(count);
    return std::span(page.chunks).subspan(index, count);
  }
  // None of these has the trait; if they are all that the page has, nobody needs to look again.
  void forget(ChunkPage& page, Trait trait, Tsn from, size_t count) const {
    const Tsn end = from + static_cast<uint32_t>(count);
    if (index_of(from) != 0 && from != first_) return;
    if (index_of(end) != 0 && end != next_) return;
    page.may_have &= ~TraitSet{trait}.bits;
    page.fresh_on = 0xff;
  }

  [[nodiscard]] bool add_page(ChunkMemory& memory);
  void drop_page(ChunkMemory& memory);
  void grow(ChunkMemory& memory);
  void mark_above(Tsn tsn, uint32_t traits) const;
  [[nodiscard]] ChunkPage* seek(Trait trait, Tsn& at, uint32_t most) const;

  ChunkPage* first_page_ = nullptr;
  ChunkPage* last_page_ = nullptr;
  ChunkNode* root_ = nullptr;  // when there are more than two
  Tsn first_;
  Tsn next_;
};

}  // namespace trunkline
