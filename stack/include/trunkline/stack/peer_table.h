// SPDX-License-Identifier: BSD-3-Clause
// The peers that the configuration knows: whose address begins with a prefix gets a profile of its
// own, and the longest prefix wins. Built once and only read from then on, so that all endpoints,
// and all shards, may share one table. Asked for each INIT: a look-up costs a probe for each length
// of prefix that is in use, however many peers there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trunkline/stack/address.h"
#include "trunkline/stack/profile.h"

namespace trunkline {

struct PeerProfile {
  IpAddress prefix;
  uint8_t prefix_length = 0;  // bits
  Profile profile;
  uint32_t peer = 0;  // entries with the same number are the addresses of one peer; 0: of none
};

class PeerTable {
 public:
  // Of entries with the same prefix the first counts.
  explicit PeerTable(std::vector<PeerProfile> entries);

  // The entry with the longest prefix that this address has, or null.
  [[nodiscard]] const PeerProfile* find(const IpAddress& peer) const;
  // The entries of that peer that are whole addresses.
  [[nodiscard]] std::span<const IpAddress> addresses_of(uint32_t peer) const;
  [[nodiscard]] size_t size() const { return entries_.size(); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Length {
    AddressFamily family;
    uint8_t bits;
    bool operator==(const Length&) const = default;
  };

  [[nodiscard]] size_t home(const IpAddress& address, size_t bits) const;
  [[nodiscard]] size_t next(size_t at) const { return (at + 1) & (slots_.size() - 1); }

  std::vector<PeerProfile> entries_;
  std::vector<Length> lengths_;  // those in use, the longest first
  std::vector<uint32_t> slots_;  // by prefix and its length: into entries_; a power of two
  // Whole addresses in the order of their peers' numbers, and these numbers.
  std::vector<IpAddress> addresses_;
  std::vector<uint32_t> owners_;
};

}  // namespace trunkline
