// SPDX-License-Identifier: BSD-3-Clause
// The addresses of this host: asked of each set-up chunk whether an address that somebody names is
// one of ours. An address may be put in more than once (endpoints share them) and stays until it
// was taken out as often. Strangers choose what is looked up, but not what is in here, so that no
// keyed hash is needed for O(1).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trunkline/stack/address.h"

namespace trunkline {

class AddressSet {
 public:
  AddressSet() = default;
  explicit AddressSet(std::span<const IpAddress> addresses) {
    for (const IpAddress& address : addresses) add(address);
  }

  void add(const IpAddress& address);
  void remove(const IpAddress& address);
  [[nodiscard]] bool contains(const IpAddress& address) const {
    return !slots_.empty() && slots_[place_of(address)].count > 0;
  }

 private:
  struct Slot {
    IpAddress address;   // none: never used
    uint32_t count = 0;  // 0: it was taken out; the slot stays, others may lie behind it
  };

  // Where it is, or where it would go: half of the slots at least were never used.
  [[nodiscard]] size_t place_of(const IpAddress& address) const;
  void grow();

  std::vector<Slot> slots_;  // a power of two
  size_t touched_ = 0;
};

}  // namespace trunkline
