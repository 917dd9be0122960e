// SPDX-License-Identifier: BSD-3-Clause
// Open addressing.
#include "base/address_set.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/steps.h"

namespace trunkline {
namespace {

size_t hash_of(const IpAddress& address) {
  uint64_t words[2] = {};
  const auto bytes = address.bytes();
  if (!bytes.empty()) std::memcpy(words, bytes.data(), bytes.size());
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
  const uint64_t mixed = (words[0] ^ std::rotl(words[1], 32)) * kOdd;
  return static_cast<size_t>(mixed ^ (mixed >> 32));
}

}  // namespace

size_t AddressSet::place_of(const IpAddress& address) const {
  size_t at = hash_of(address) & (slots_.size() - 1);
  while (!slots_[at].address.is_none() && !(slots_[at].address == address)) {
    count_steps();
    at = (at + 1) & (slots_.size() - 1);
  }
  return at;
}

void AddressSet::add(const IpAddress& address) {
  if (address.is_none()) return;
  if (touched_ * 2 >= slots_.size()) grow();
  Slot& slot = slots_[place_of(address)];
  if (slot.address.is_none()) ++touched_;
  slot.address = address;
  ++slot.count;
}

void AddressSet::remove(const IpAddress& address) {
  if (!contains(address)) return;
  --slots_[place_of(address)].count;
}

// What was taken out is left behind.
void AddressSet::grow() {
  const std::vector<Slot> old = std::exchange(slots_, {});
  const auto used = static_cast<size_t>(
      std::count_if(old.begin(), old.end(), [](const Slot& slot) { return slot.count > 0; }));
  slots_.resize(std::bit_ceil(std::max<size_t>(8, 4 * used)));
  touched_ = used;
  for (const Slot& slot : old) {
    if (slot.count > 0) slots_[place_of(slot.address)] = slot;
  }
}

}  // namespace trunkline
