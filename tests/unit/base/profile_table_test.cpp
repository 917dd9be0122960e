// SPDX-License-Identifier: BSD-3-Clause
// Profiles that associations share: equal ones are one, and go with their last user.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <set>
#include <vector>

#include "base/profile_table.h"
#include "base/steps.h"

namespace trunkline {
namespace {

using std::chrono::milliseconds;

Profile numbered(uint32_t n) {
  Profile profile;
  profile.rto_max = milliseconds(60'000 + n);
  return profile;
}

TEST(ProfileTable, EqualProfilesAreOne) {
  ProfileTable table(1, 10);
  const Profile& first = table.intern(numbered(1));
  const Profile& again = table.intern(numbered(1));
  const Profile& other = table.intern(numbered(2));
  EXPECT_EQ(&first, &again);
  EXPECT_NE(&first, &other);
  EXPECT_EQ(first, numbered(1));
  EXPECT_EQ(table.size(), 2u);
  table.release(first);
  table.release(again);
  table.release(other);
}

TEST(ProfileTable, OneIsGoneWithItsLastUser) {
  ProfileTable table(1, 10);
  const Profile& first = table.intern(numbered(1));
  ProfileTable::share(first);
  static_cast<void>(table.intern(numbered(1)));
  table.release(first);
  table.release(first);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(first, numbered(1));
  table.release(first);
  EXPECT_EQ(table.size(), 0u);
}

// In whichever order they go: those that share a bucket do not lose each other.
TEST(ProfileTable, WhatStaysIsStillFound) {
  constexpr uint32_t kMany = 1000;
  ProfileTable table(1, kMany);
  std::vector<const Profile*> all;
  for (uint32_t n = 0; n < kMany; ++n) all.push_back(&table.intern(numbered(n)));
  for (uint32_t n = 0; n < kMany; n += 2) table.release(*all[n]);
  EXPECT_EQ(table.size(), kMany / 2);
  for (uint32_t n = 1; n < kMany; n += 2) {
    EXPECT_EQ(&table.intern(numbered(n)), all[n]);
    table.release(*all[n]);
  }
  for (uint32_t n = 0; n < kMany; n += 2) all[n] = &table.intern(numbered(n));
  EXPECT_EQ(table.size(), kMany);
  for (const Profile* profile : all) table.release(*profile);
  EXPECT_EQ(table.size(), 0u);
}

// A change of any field makes another profile, found by another hash.
TEST(ProfileTable, EveryFieldCounts) {
  using Change = std::function<void(Profile&)>;
  const std::vector<Change> changes = {
      [](Profile& p) { p.rto_initial += milliseconds(1); },
      [](Profile& p) { ++p.adaptation; },
      [](Profile& p) { p.rto_min += milliseconds(1); },
      [](Profile& p) { p.rto_max += milliseconds(1); },
      [](Profile& p) { p.linear_backoff = !p.linear_backoff; },
      [](Profile& p) { ++p.association_max_retrans; },
      [](Profile& p) { ++p.path_max_retrans; },
      [](Profile& p) { ++p.max_init_retransmits; },
      [](Profile& p) { p.heartbeat_interval += milliseconds(1); },
      [](Profile& p) { ++p.potentially_failed_max_retrans; },
      [](Profile& p) { --p.primary_switchover_max_retrans; },
      [](Profile& p) { ++p.primary_return_heartbeats; },
      [](Profile& p) { p.peer_address_check = AddressCheck::kExact; },
      [](Profile& p) { p.sack_delay += milliseconds(1); },
      [](Profile& p) { ++p.sack_frequency; },
      [](Profile& p) { ++p.outbound_streams; },
      [](Profile& p) { ++p.max_inbound_streams; },
      [](Profile& p) { p.valid_cookie_life += milliseconds(1); },
      [](Profile& p) { p.shutdown_guard += milliseconds(1); },
      [](Profile& p) { ++p.a_rwnd; },
      [](Profile& p) { ++p.send_buffer; },
      [](Profile& p) { ++p.max_message_size; },
      [](Profile& p) { --p.path_mtu; },
      [](Profile& p) { p.pmtu_discovery = PmtuDiscovery::kOff; },
      [](Profile& p) { ++p.pmtu_base; },
      [](Profile& p) { ++p.fixed_path_mtu; },
      [](Profile& p) { p.pmtu_probe_timeout += milliseconds(1); },
      [](Profile& p) { p.pmtu_raise_interval += milliseconds(1); },
      [](Profile& p) { ++p.max_burst; },
      [](Profile& p) { p.loss_recovery = LossRecovery::kEarly; },
      [](Profile& p) { p.loss_recovery = LossRecovery::kRack; },
      [](Profile& p) { p.nagle = !p.nagle; },
      [](Profile& p) { p.one_data_per_packet = !p.one_data_per_packet; },
      [](Profile& p) { p.partial_reliability = !p.partial_reliability; },
      [](Profile& p) { ++p.dscp; },
  };
  // So many buckets that none has two but by a hash that is the same.
  ProfileTable table(1, 1u << 20);
  std::vector<const Profile*> all{&table.intern(Profile{})};
  const uint64_t before = steps_taken;
  for (const Change& change : changes) {
    Profile changed;
    change(changed);
    all.push_back(&table.intern(changed));
  }
  EXPECT_EQ(steps_taken, before);
  EXPECT_EQ(table.size(), changes.size() + 1);
  EXPECT_EQ(std::set<const Profile*>(all.begin(), all.end()).size(), all.size());
  for (const Profile* profile : all) table.release(*profile);
}

// As many users as were promised may all want something else, and what one leaves another gets.
TEST(ProfileTable, ThereIsRoomForEachUser) {
  ProfileTable table(1, 3);
  for (uint32_t round = 0; round < 10'000; ++round) {
    const Profile& a = table.intern(numbered(3 * round));
    const Profile& b = table.intern(numbered(3 * round + 1));
    const Profile& c = table.intern(numbered(3 * round + 2));
    ASSERT_EQ(table.size(), 3u);
    table.release(b);
    table.release(a);
    table.release(c);
  }
  EXPECT_EQ(table.size(), 0u);
}

// Ten thousand are found as fast as ten.
TEST(ProfileTable, ManyAreFoundAsFastAsFew) {
  constexpr uint32_t kMany = 10'000;
  ProfileTable table(0x123456789abcdef, kMany);
  std::vector<const Profile*> all;
  const uint64_t before = steps_taken;
  for (uint32_t n = 0; n < kMany; ++n) all.push_back(&table.intern(numbered(n)));
  EXPECT_LT(steps_taken - before, kMany);
  for (const Profile* profile : all) table.release(*profile);
}

}  // namespace
}  // namespace trunkline
