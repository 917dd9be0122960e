// SPDX-License-Identifier: BSD-3-Clause
// Prefixes in one open hash, found by masking the address that is looked for.
#include "trunkline/stack/peer_table.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/bytes.h"
#include "base/steps.h"

namespace trunkline {

PeerTable::PeerTable(std::vector<PeerProfile> entries)
    : entries_(std::move(entries)),
      slots_(std::bit_ceil(std::max<size_t>(4, 2 * entries_.size())), kNone) {
  std::vector<uint32_t> whole;
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    const PeerProfile& entry = entries_[i];
    const Length length{entry.prefix.family(), entry.prefix_length};
    const size_t most = 8 * entry.prefix.bytes().size();
    if (entry.prefix.is_none() || length.bits > most) continue;  // nobody has it
    if (std::find(lengths_.begin(), lengths_.end(), length) == lengths_.end()) {
      lengths_.push_back(length);
    }
    size_t at = home(entry.prefix, length.bits);
    while (slots_[at] != kNone) at = next(at);
    slots_[at] = i;
    if (length.bits == most) whole.push_back(i);
  }
  std::sort(lengths_.begin(), lengths_.end(),
            [](const Length& a, const Length& b) { return a.bits > b.bits; });
  std::stable_sort(whole.begin(), whole.end(),
                   [this](uint32_t a, uint32_t b) { return entries_[a].peer < entries_[b].peer; });
  for (const uint32_t i : whole) {
    addresses_.push_back(entries_[i].prefix);
    owners_.push_back(entries_[i].peer);
  }
}

// No key: prefixes come from the operator, and a stranger's address only chooses where to look.
size_t PeerTable::home(const IpAddress& address, size_t bits) const {
  const std::span<const uint8_t> bytes = address.bytes();
  const bool narrow = bytes.size() < 16;
  uint64_t high = narrow ? uint64_t{load_be32(bytes.data())} << 32 : load_be64(bytes.data());
  uint64_t low = narrow ? 0 : load_be64(bytes.data() + 8);
  if (bits < 64) high &= ~(UINT64_MAX >> bits);
  if (bits <= 64) low = 0;
  if (bits > 64 && bits < 128) low &= ~(UINT64_MAX >> (bits - 64));
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15ull;  // spreads the difference of near addresses
  const uint64_t mixed = ((high * kOdd) ^ std::rotl(low, 32) ^ bits) * kOdd;
  return (mixed >> 32) & (slots_.size() - 1);
}

const PeerProfile* PeerTable::find(const IpAddress& peer) const {
  for (const Length& length : lengths_) {
    if (length.family != peer.family()) continue;
    for (size_t at = home(peer, length.bits); slots_[at] != kNone; at = next(at)) {
      count_steps();
      const PeerProfile& entry = entries_[slots_[at]];
      if (entry.prefix_length == length.bits && peer.has_prefix(entry.prefix, length.bits)) {
        return &entry;
      }
    }
  }
  return nullptr;
}

std::span<const IpAddress> PeerTable::addresses_of(uint32_t peer) const {
  const auto [first, last] = std::equal_range(owners_.begin(), owners_.end(), peer);
  return std::span(addresses_)
      .subspan(static_cast<size_t>(first - owners_.begin()), static_cast<size_t>(last - first));
}

}  // namespace trunkline
