// SPDX-License-Identifier: BSD-3-Clause
#include "endpoint/port_table.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/steps.h"
#include "trunkline/stack/port_claim.h"

namespace trunkline {
namespace {

// What an entry is found under where a free port is looked for: its addresses, with one for all of
// 127.0.0.0/8, of which there are too many to keep books on; or the unspecified ones.
std::vector<IpAddress> keys_of(const BoundAddresses& bound) {
  constexpr IpAddress kLoopback = IpAddress::ipv4(127, 0, 0, 1);
  std::vector<IpAddress> out;
  const auto add = [&](const IpAddress& key) {
    if (std::find(out.begin(), out.end(), key) == out.end()) out.push_back(key);
  };
  if (bound.all_ipv4()) add(IpAddress::ipv4(0, 0, 0, 0));
  if (bound.all_ipv6()) add(IpAddress::from_ipv6(std::array<uint8_t, 16>{}));
  for (const IpAddress& address : bound.named()) {
    const bool loopback = address.is_ipv4() && address.scope() == AddressScope::kLoopback;
    add(loopback ? kLoopback : address);
  }
  return out;
}

bool clash(const IpAddress& one, const IpAddress& other) {
  return one == other ||
         (one.family() == other.family() && (one.is_unspecified() || other.is_unspecified()));
}

}  // namespace

PortTable::~PortTable() {
  for (size_t port = 0; port < 65536; ++port) {
    for (Entry* entry = first_[port]; entry != nullptr;) delete std::exchange(entry, entry->next_);
  }
}

PortTable::Claim PortTable::claim(PortNumber port, const BoundAddresses& bound, uint64_t owner,
                                  RandomSource& random, bool beside_own) {
  auto fresh = std::make_unique<Entry>();
  fresh->bound_ = bound;
  fresh->keys_ = keys_of(bound);
  fresh->beside_own_ = beside_own;
  const uint32_t from = port.value == 0 ? random.u32() : 0;
  const SpinGuard guard(lock_);
  Entry* entry = nullptr;
  if (port.value == 0) {
    port = free_port(fresh->keys_, from);
    if (port.value == 0) return {Status::kOutOfResources, {}, nullptr};
  } else {
    const Overlap there = overlap(port, bound, owner, beside_own);
    if (there.taken) return {Status::kAlreadyExists, {}, nullptr};
    entry = there.same;
  }
  if (entry == nullptr) {
    if (is_full(port)) return {Status::kOutOfResources, {}, nullptr};
    fresh->port_ = port;
    entry = fresh.release();
    link(*entry);
  }
  ++entry->holders_;
  if (owner != kNobody) {
    entry->owner_ = owner;
    ++entry->owning_;
  }
  return {Status::kOk, port, entry};
}

bool PortTable::own(Entry& entry, uint64_t owner) {
  const SpinGuard guard(lock_);
  if (entry.owning_ > 0 && entry.owner_ != owner) return false;
  entry.owner_ = owner;
  ++entry.owning_;
  return true;
}

void PortTable::disown(Entry& entry) {
  const SpinGuard guard(lock_);
  --entry.owning_;
}

void PortTable::give_back(Entry& entry, bool owned) {
  std::unique_ptr<Entry> gone;  // outlives the guard
  const SpinGuard guard(lock_);
  if (owned) --entry.owning_;
  if (--entry.holders_ > 0) return;
  unlink(entry);
  gone.reset(&entry);
}

PortTable::Overlap PortTable::overlap(PortNumber port, const BoundAddresses& bound, uint64_t owner,
                                      bool beside_own) const {
  Overlap out;
  for (Entry* entry = first_[port.value]; entry != nullptr; entry = entry->next_) {
    count_steps();
    if (!entry->bound_.overlaps(bound)) continue;
    if (entry->bound_ == bound) {
      out.same = entry;
      out.taken |= owner != kNobody && entry->owning_ > 0 && entry->owner_ != owner;
    } else {
      const bool of_the_same = owner != kNobody && entry->owning_ > 0 && entry->owner_ == owner;
      out.taken |= !(beside_own && entry->beside_own_ && of_the_same);
    }
  }
  return out;
}

bool PortTable::is_full(PortNumber port) const {
  size_t n = 0;
  for (const Entry* entry = first_[port.value]; entry != nullptr; entry = entry->next_) ++n;
  return n >= kMostOfAPort;
}

PortNumber PortTable::free_port(std::span<const IpAddress> keys, uint32_t from) const {
  PortSet taken{};
  for (const auto& some : taken_) {
    if (std::none_of(keys.begin(), keys.end(),
                     [&](const IpAddress& key) { return clash(key, some->key); })) {
      continue;
    }
    for (size_t i = 0; i < kWords; ++i) taken[i] |= some->ports[i];
    count_steps(kWords);
  }
  const size_t start = from % (64 * kWords);
  // Once around, and the first word again for what lies before the start in it.
  for (size_t i = 0; i <= kWords; ++i) {
    count_steps();
    const size_t word = (start / 64 + i) % kWords;
    uint64_t free = ~taken[word];
    if (i == 0) free &= ~uint64_t{0} << start % 64;
    for (; free != 0; free &= free - 1) {
      const size_t offset = word * 64 + static_cast<size_t>(std::countr_zero(free));
      const PortNumber port(static_cast<uint16_t>(kFirstDynamic + offset));
      if (!is_full(port)) return port;
    }
  }
  return {};
}

bool PortTable::has_key(PortNumber port, const IpAddress& key) const {
  for (const Entry* entry = first_[port.value]; entry != nullptr; entry = entry->next_) {
    count_steps();
    const auto& keys = entry->keys_;
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) return true;
  }
  return false;
}

void PortTable::link(Entry& entry) {
  entry.next_ = std::exchange(first_[entry.port_.value], &entry);
  if (entry.port_.value < kFirstDynamic) return;
  const size_t offset = entry.port_.value - kFirstDynamic;
  for (const IpAddress& key : entry.keys_) {
    auto at = std::find_if(taken_.begin(), taken_.end(),
                           [&](const auto& some) { return some->key == key; });
    if (at == taken_.end()) at = taken_.insert(at, std::make_unique<Taken>(Taken{key}));
    ++(*at)->entries;
    (*at)->ports[offset / 64] |= uint64_t{1} << offset % 64;
  }
}

void PortTable::unlink(Entry& entry) {
  Entry** link = &first_[entry.port_.value];
  for (; *link != &entry; link = &(*link)->next_) count_steps();
  *link = entry.next_;
  if (entry.port_.value < kFirstDynamic) return;
  const size_t offset = entry.port_.value - kFirstDynamic;
  for (const IpAddress& key : entry.keys_) {
    const auto at = std::find_if(taken_.begin(), taken_.end(),
                                 [&](const auto& some) { return some->key == key; });
    if (!has_key(entry.port_, key)) (*at)->ports[offset / 64] &= ~(uint64_t{1} << offset % 64);
    if (--(*at)->entries == 0) taken_.erase(at);
  }
}

// -- the public face

void PortTableDeleter::operator()(PortTable* table) const {
  delete table;
}

PortTablePtr make_port_table(MemorySource* memory) {
  return PortTablePtr(new PortTable(memory));
}

PortClaim::PortClaim(PortTable& table, PortNumber port, std::span<const IpAddress> addresses,
                     uint64_t owner, RandomSource& random, bool beside_own) {
  const auto bound = BoundAddresses::of(addresses);
  if (!bound) {
    status_ = Status::kInvalidAddress;
    return;
  }
  const PortTable::Claim claim = table.claim(port, *bound, owner, random, beside_own);
  status_ = claim.status;
  port_ = claim.port;
  entry_ = claim.entry;
  if (entry_ != nullptr) table_ = &table;
}

PortClaim::~PortClaim() {
  if (entry_ != nullptr) table_->give_back(*static_cast<PortTable::Entry*>(entry_), true);
}

PortClaim::PortClaim(PortClaim&& other) noexcept {
  *this = std::move(other);
}

PortClaim& PortClaim::operator=(PortClaim&& other) noexcept {
  std::swap(table_, other.table_);
  std::swap(entry_, other.entry_);
  std::swap(port_, other.port_);
  std::swap(status_, other.status_);
  return *this;
}

}  // namespace trunkline
