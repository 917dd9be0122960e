// SPDX-License-Identifier: BSD-3-Clause
// A ring of names, and chains through it by hash.
#include "endpoint/spent_cookies.h"

#include <algorithm>
#include <bit>

#include "base/bytes.h"
#include "base/steps.h"

namespace trunkline {

SpentCookies::SpentCookies(RandomSource& random, uint32_t capacity)
    : key_{random.u64(), random.u64()},
      capacity_(capacity),
      chains_(std::bit_ceil(std::max<size_t>(capacity, 1)), kNone) {
  entries_.reserve(capacity);
}

uint64_t SpentCookies::name_of(const Cookie& cookie) const {
  uint8_t bytes[16];
  store_be32(bytes, cookie.local_tag.value);
  store_be32(bytes + 4, cookie.local_initial_tsn.value);
  store_be32(bytes + 8, cookie.peer_tag.value);
  store_be32(bytes + 12, cookie.peer_initial_tsn.value);
  return SipHash::of(key_, bytes);
}

bool SpentCookies::contains(uint64_t name) const {
  uint32_t at = chains_[name & (chains_.size() - 1)];
  for (; at != kNone && entries_[at].name != name; at = entries_[at].next) count_steps();
  return at != kNone;
}

bool SpentCookies::contains(const Cookie& cookie) const {
  return contains(name_of(cookie));
}

void SpentCookies::forget(uint32_t index) {
  uint32_t* link = &chain_of(entries_[index].name);
  for (; *link != index; link = &entries_[*link].next) count_steps();
  *link = entries_[index].next;
}

void SpentCookies::remember(const Cookie& cookie) {
  const uint64_t name = name_of(cookie);
  if (capacity_ == 0 || contains(name)) return;
  uint32_t index = static_cast<uint32_t>(entries_.size());
  if (index < capacity_) {
    entries_.emplace_back();
  } else {
    index = oldest_;
    oldest_ = (oldest_ + 1) % capacity_;
    forget(index);
  }
  uint32_t& chain = chain_of(name);
  entries_[index] = {name, chain};
  chain = index;
}

}  // namespace trunkline
