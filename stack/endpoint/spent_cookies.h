// SPDX-License-Identifier: BSD-3-Clause
// Which cookies have made an association. A cookie stays valid for up to two minutes; without this
// memory, whoever has seen it on the wire could set the association up again once it has ended,
// with its tags and TSNs known (RFC 5062 section 6). Fixed in size: the oldest entry gives way.
// Only asked when no association answers to the cookie: the retransmissions of one that lives are
// section 5.2.4's business (RFC 9260).
#pragma once

#include <cstdint>
#include <vector>

#include "assoc/cookie.h"
#include "base/siphash.h"

namespace trunkline {

class SpentCookies {
 public:
  // `capacity` 0: nothing is remembered.
  SpentCookies(RandomSource& random, uint32_t capacity);

  // Nothing happens if it is remembered already.
  void remember(const Cookie& cookie);
  [[nodiscard]] bool contains(const Cookie& cookie) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Entry {
    uint64_t name = 0;
    uint32_t next = kNone;  // in its chain
  };

  // What both sides call the association: cookies sealed twice for one INIT count as one.
  [[nodiscard]] uint64_t name_of(const Cookie& cookie) const;
  [[nodiscard]] uint32_t& chain_of(uint64_t name) { return chains_[name & (chains_.size() - 1)]; }
  [[nodiscard]] bool contains(uint64_t name) const;
  void forget(uint32_t index);

  SipKey key_;
  uint32_t capacity_;
  uint32_t oldest_ = 0;           // of a full ring: the next to be overwritten
  std::vector<Entry> entries_;    // in the order of their coming, once around
  std::vector<uint32_t> chains_;  // by name: the first entry, or kNone
};

}  // namespace trunkline
