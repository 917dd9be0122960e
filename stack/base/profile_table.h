// SPDX-License-Identifier: BSD-3-Clause
// The profiles of a shard's associations, each once however many have it: an association has a
// pointer, and is counted as a user of what it points to. Endpoints keep theirs by value: whoever
// begins an association with one puts it in here. Knows neither associations nor endpoints.
//
//   const Profile& profile = table.intern(wanted);  // one user more
//   table.share(profile);                           // and another
//   table.release(profile);                         // once for each; with the last one it is gone
#pragma once

#include <cstdint>

#include "base/pool.h"
#include "base/reserved.h"
#include "base/siphash.h"
#include "trunkline/stack/profile.h"

namespace trunkline {

class ProfileTable {
 public:
  // `max_users`: of intern() and share(), less the calls of release(). Applications choose what is
  // looked up, so the key is one that none of them knows.
  ProfileTable(uint64_t key, uint32_t max_users, MemorySource* memory = nullptr);
  ProfileTable(const ProfileTable&) = delete;
  ProfileTable& operator=(const ProfileTable&) = delete;

  // What is equal to that profile. Stays where it is until its last user has released it.
  [[nodiscard]] const Profile& intern(const Profile& profile);
  static void share(const Profile& interned) { ++entry_of(interned)->users; }
  void release(const Profile& interned);

  // Different ones.
  [[nodiscard]] uint32_t size() const { return entries_.used(); }

 private:
  struct Entry {
    Profile profile;
    uint32_t users = 0;
    uint32_t hash = 0;
    Entry* next = nullptr;  // of those in one bucket
  };
  // What intern() gives is the first member of an entry, and no constant.
  [[nodiscard]] static Entry* entry_of(const Profile& interned) {
    return reinterpret_cast<Entry*>(const_cast<Profile*>(&interned));
  }
  [[nodiscard]] uint32_t hash_of(const Profile& profile) const;
  [[nodiscard]] Entry*& bucket(uint32_t hash) const { return buckets_[hash & mask_]; }

  const SipKey key_;
  const uint32_t mask_;  // a power of two less one: no more entries than buckets
  Pool<Entry> entries_;
  const Reserved<Entry*> buckets_;
};

}  // namespace trunkline
