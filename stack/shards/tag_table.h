// SPDX-License-Identifier: BSD-3-Clause
// Local verification tag to association, within one shard. Tags are random and not unique, so a
// tag may be in the table more than once: the caller says which of them it means.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "assoc/association.h"

namespace trunkline {

class TagTable {
 public:
  explicit TagTable(uint32_t max_associations)
      : slots_(std::bit_ceil(std::max<size_t>(16, size_t{max_associations} * 2))) {}

  void insert(VerificationTag tag, Association* association) {
    size_t at = home(tag);
    while (slots_[at].association != nullptr) at = next(at);
    slots_[at] = {tag, association};
  }
  // The first association with this tag for which `fits` holds.
  template <typename Fits>
  [[nodiscard]] Association* find(VerificationTag tag, Fits&& fits) const {
    for (size_t at = home(tag); slots_[at].association != nullptr; at = next(at)) {
      if (slots_[at].tag == tag && fits(*slots_[at].association)) return slots_[at].association;
    }
    return nullptr;
  }
  void erase(VerificationTag tag, const Association* association) {
    size_t hole = home(tag);
    while (slots_[hole].association != association || !(slots_[hole].tag == tag)) {
      if (slots_[hole].association == nullptr) return;
      hole = next(hole);
    }
    const size_t mask = slots_.size() - 1;
    for (size_t at = next(hole); slots_[at].association != nullptr; at = next(at)) {
      if (((at - home(slots_[at].tag)) & mask) >= ((at - hole) & mask)) {
        slots_[hole] = slots_[at];
        hole = at;
      }
    }
    slots_[hole] = {};
  }

 private:
  struct Slot {
    VerificationTag tag;
    Association* association = nullptr;  // null: free
  };

  // We drew the tags ourselves: they are as random as any hash of them.
  [[nodiscard]] size_t home(VerificationTag tag) const { return tag.value & (slots_.size() - 1); }
  [[nodiscard]] size_t next(size_t at) const { return (at + 1) & (slots_.size() - 1); }

  std::vector<Slot> slots_;  // a power of two, linear probing, half full at most
};

}  // namespace trunkline
