// SPDX-License-Identifier: BSD-3-Clause
// Local verification tag to association, within one shard. Tags are random and not unique, so a
// tag may be in the table more than once: the caller says which of them it means. Associations are
// named by their slot in the shard's pool: eight bytes an entry, eight entries a cache line.
//
// Who asks for many INIT ACKs may echo the cookies of those tags alone that lie close together, so
// the place of a tag follows from a key that nobody outside has.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>

#include "base/reserved.h"
#include "base/steps.h"
#include "trunkline/stack/types.h"

namespace trunkline {

class TagTable {
 public:
  TagTable(uint64_t key, uint32_t max_associations, MemorySource* memory = nullptr)
      : key_(key),
        mask_(std::bit_ceil(std::max<size_t>(16, size_t{max_associations} * 2)) - 1),
        entries_(memory, mask_ + 1) {}

  void insert(VerificationTag tag, uint32_t slot) {
    size_t at = home(tag);
    for (; entries_[at].used(); at = next(at)) count_steps();
    entries_[at] = {tag, slot + 1};
  }
  // The first association with this tag for which `fits(slot)` holds.
  template <typename Fits>
  [[nodiscard]] std::optional<uint32_t> find(VerificationTag tag, Fits&& fits) const {
    for (size_t at = home(tag); entries_[at].used(); at = next(at)) {
      count_steps();
      if (entries_[at].tag == tag && fits(entries_[at].slot())) return entries_[at].slot();
    }
    return std::nullopt;
  }
  void erase(VerificationTag tag, uint32_t slot) {
    size_t hole = home(tag);
    while (!(entries_[hole] == Entry{tag, slot + 1})) {
      count_steps();
      if (!entries_[hole].used()) return;
      hole = next(hole);
    }
    for (size_t at = next(hole); entries_[at].used(); at = next(at)) {
      count_steps();
      if (((at - home(entries_[at].tag)) & mask_) >= ((at - hole) & mask_)) {
        entries_[hole] = entries_[at];
        hole = at;
      }
    }
    entries_[hole] = {};
  }
  // Where a tag is looked for first, and of how many places.
  struct Place {
    size_t at;
    size_t size;
  };
  [[nodiscard]] Place place_of(VerificationTag tag) const { return {home(tag), mask_ + 1}; }
  // find() for this tag comes soon.
  void prefetch(VerificationTag tag) const { trunkline::prefetch(&entries_[home(tag)]); }

 private:
  struct Entry {
    VerificationTag tag;
    uint32_t slot_and_one = 0;  // 0: free
    bool operator==(const Entry&) const = default;
    [[nodiscard]] bool used() const { return slot_and_one != 0; }
    [[nodiscard]] uint32_t slot() const { return slot_and_one - 1; }
  };
  static_assert(sizeof(Entry) == 8);

  // Two multiplications by odd numbers, of which one is the key: every bit of the tag and of the
  // key has its share in the upper half.
  [[nodiscard]] size_t home(VerificationTag tag) const {
    constexpr uint64_t kOdd = 0x9e3779b97f4a7c15ull;
    uint64_t mixed = (tag.value ^ (key_ >> 32)) * (key_ | 1);
    mixed = (mixed ^ mixed >> 32) * kOdd;
    return mixed >> 32 & mask_;
  }
  [[nodiscard]] size_t next(size_t at) const { return (at + 1) & mask_; }

  const uint64_t key_;
  const size_t mask_;  // a power of two less one: linear probing, half full at most
  const Reserved<Entry> entries_;
};

}  // namespace trunkline
