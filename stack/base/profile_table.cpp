// SPDX-License-Identifier: BSD-3-Clause
#include "base/profile_table.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "base/steps.h"

namespace trunkline {
namespace {

constexpr uint64_t word(Duration duration) {
  return static_cast<uint64_t>(duration.count());
}
constexpr uint64_t word(uint32_t a) {
  return a;
}
constexpr uint64_t word(uint64_t a, uint64_t b) {
  return a << 32 | b;
}
constexpr uint64_t word(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  return a << 48 | b << 32 | c << 16 | d;
}

// A new field belongs into hash_of(): forgotten there, profiles that differ in it alone share a
// bucket.
static_assert(sizeof(Profile) == 136);

}  // namespace

ProfileTable::ProfileTable(uint64_t key, uint32_t max_users, MemorySource* memory)
    : key_{key, 0x70726f66696c6573ull},  // the key is not this table's alone
      mask_(std::bit_ceil(std::max(max_users, 16u)) - 1),
      entries_(max_users, memory),
      buckets_(memory, size_t{mask_} + 1) {}

uint32_t ProfileTable::hash_of(const Profile& p) const {
  const uint64_t words[] = {
      word(p.rto_initial),
      word(p.rto_min),
      word(p.rto_max),
      word(p.heartbeat_interval),
      word(p.sack_delay),
      word(p.valid_cookie_life),
      word(p.shutdown_guard),
      word(p.pmtu_probe_timeout),
      word(p.pmtu_raise_interval),
      word(p.a_rwnd, p.send_buffer),
      word(p.max_message_size, p.path_mtu),
      word(p.partial_delivery_point, p.receive_memory),
      word(p.adaptation, 0),
      word(p.association_max_retrans, p.path_max_retrans, p.max_init_retransmits,
           p.potentially_failed_max_retrans),
      word(p.primary_switchover_max_retrans, p.primary_return_heartbeats, p.outbound_streams,
           p.max_inbound_streams),
      word(p.pmtu_base, p.fixed_path_mtu, p.sack_frequency, p.max_burst),
  };
  const uint32_t choices =
      static_cast<uint32_t>(p.linear_backoff) | static_cast<uint32_t>(p.nagle) << 1 |
      static_cast<uint32_t>(p.one_data_per_packet) << 2 |
      static_cast<uint32_t>(p.partial_reliability) << 3 |
      static_cast<uint32_t>(p.loss_recovery) << 4 |
      static_cast<uint32_t>(p.peer_address_check) << 8 | static_cast<uint32_t>(p.scheduler) << 12 |
      static_cast<uint32_t>(p.pmtu_discovery) << 16 | static_cast<uint32_t>(p.dscp) << 24;
  return static_cast<uint32_t>(SipHash::of(key_, words, choices));
}

const Profile& ProfileTable::intern(const Profile& profile) {
  const uint32_t hash = hash_of(profile);
  for (Entry* known = bucket(hash); known != nullptr; known = known->next) {
    count_steps();
    if (known->hash != hash || !(known->profile == profile)) continue;
    ++known->users;
    return known->profile;
  }
  Entry* const entry = entries_.make(Entry{profile, 1, hash, bucket(hash)});
  assert(entry != nullptr);
  bucket(hash) = entry;
  return entry->profile;
}

void ProfileTable::release(const Profile& interned) {
  Entry* const entry = entry_of(interned);
  if (--entry->users > 0) return;
  Entry** link = &bucket(entry->hash);
  for (; *link != entry; link = &(*link)->next) count_steps();
  *link = entry->next;
  entries_.destroy(entry);
}

}  // namespace trunkline
