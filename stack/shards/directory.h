// SPDX-License-Identifier: BSD-3-Clause
// The directory: (endpoint, peer address, peer port) to association, for every address of every
// association from COOKIE-WAIT on. The one structure that shards share, and with it the key that
// tells from a verification tag which shard owns it. All addresses of an association are in it, or
// none. Every shard is given the same endpoints in the same order, so that their ids agree.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/siphash.h"
#include "trunkline/stack/stack.h"

namespace trunkline {

struct DirectoryKey {
  EndpointId endpoint;
  PortNumber peer_port;
  IpAddress peer;
  bool operator==(const DirectoryKey&) const = default;
};

class Directory {
 public:
  Directory(RandomSource& random, uint32_t max_entries);

  [[nodiscard]] std::optional<AssocId> find(const DirectoryKey& key) const;
  // Inserts the association under each address, unless one of them is taken by another: then
  // nothing changes. Also false when the table is full.
  bool insert_all(EndpointId endpoint, PortNumber peer_port, std::span<const IpAddress> peers,
                  AssocId assoc);
  void erase(const DirectoryKey& key, AssocId assoc);

  // The owner of a tag: a keyed hash through a table of buckets, so that tags stay unpredictable.
  [[nodiscard]] uint16_t owner(VerificationTag tag, uint16_t shard_count) const {
    constexpr uint64_t kBuckets = 1024;
    const uint64_t bucket = SipHash::of(tag_key_, uint64_t{tag.value}) % kBuckets;
    return static_cast<uint16_t>(bucket * shard_count / kBuckets);
  }
  [[nodiscard]] size_t size() const { return used_; }

 private:
  struct Slot {
    DirectoryKey key;
    AssocId assoc;  // not valid: the slot is free
  };

  [[nodiscard]] size_t home(const DirectoryKey& key) const;
  [[nodiscard]] size_t locate(const DirectoryKey& key) const;  // its slot, or a free one

  SipKey address_key_;
  SipKey tag_key_;
  size_t used_ = 0;
  size_t limit_;
  std::vector<Slot> slots_;  // a power of two, linear probing
};

}  // namespace trunkline
