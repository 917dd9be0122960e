// SPDX-License-Identifier: BSD-3-Clause
// Open addressing with a keyed hash, since peers choose their addresses and ports; removal closes
// the gap behind it, so that there are no tombstones.
#include "shards/directory.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"

namespace trunkline {
namespace {

SipKey draw_key(RandomSource& random) {
  return {random.u64(), random.u64()};
}

}  // namespace

Directory::Directory(RandomSource& random, uint32_t max_entries)
    : address_key_(draw_key(random)),
      tag_key_(draw_key(random)),
      limit_(max_entries),
      slots_(std::bit_ceil(std::max<size_t>(16, size_t{max_entries} * 3 / 2))) {}

size_t Directory::home(const DirectoryKey& key) const {
  uint8_t bytes[4 + 2 + 1 + 16] = {};
  store_be32(bytes, key.endpoint.value);
  store_be16(bytes + 4, key.peer_port.value);
  bytes[6] = static_cast<uint8_t>(key.peer.family());
  copy_bytes(bytes + 7, key.peer.bytes());
  return SipHash::of(address_key_, bytes) & (slots_.size() - 1);
}

size_t Directory::locate(const DirectoryKey& key) const {
  size_t at = home(key);
  while (slots_[at].assoc.is_valid() && !(slots_[at].key == key)) {
    at = (at + 1) & (slots_.size() - 1);
  }
  return at;
}

std::optional<AssocId> Directory::find(const DirectoryKey& key) const {
  const Slot& slot = slots_[locate(key)];
  if (!slot.assoc.is_valid()) return std::nullopt;
  return slot.assoc;
}

bool Directory::insert_all(EndpointId endpoint, PortNumber peer_port,
                           std::span<const IpAddress> peers, AssocId assoc) {
  size_t fresh = 0;
  for (const IpAddress& peer : peers) {
    const Slot& slot = slots_[locate({endpoint, peer_port, peer})];
    if (!slot.assoc.is_valid()) ++fresh;
    if (slot.assoc.is_valid() && !(slot.assoc == assoc)) return false;
  }
  if (used_ + fresh > limit_) return false;
  for (const IpAddress& peer : peers) {
    const DirectoryKey key{endpoint, peer_port, peer};
    Slot& slot = slots_[locate(key)];
    if (slot.assoc.is_valid()) continue;  // listed twice
    slot = {key, assoc};
    ++used_;
  }
  return true;
}

void Directory::erase(const DirectoryKey& key, AssocId assoc) {
  size_t hole = locate(key);
  if (!slots_[hole].assoc.is_valid() || !(slots_[hole].assoc == assoc)) return;
  const size_t mask = slots_.size() - 1;
  --used_;
  for (size_t at = (hole + 1) & mask; slots_[at].assoc.is_valid(); at = (at + 1) & mask) {
    // An entry may move into the hole unless its home lies behind the hole.
    if (((at - home(slots_[at].key)) & mask) >= ((at - hole) & mask)) {
      slots_[hole] = slots_[at];
      hole = at;
    }
  }
  slots_[hole] = {};
}

void DirectoryDeleter::operator()(Directory* directory) const {
  delete directory;
}

DirectoryPtr make_directory(RandomSource& random, uint32_t max_entries) {
  return DirectoryPtr(new Directory(random, max_entries));
}

uint16_t owner_of(const Directory& directory, VerificationTag tag, uint16_t shard_count) {
  return directory.owner(tag, shard_count);
}

}  // namespace trunkline
