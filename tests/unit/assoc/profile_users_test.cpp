// SPDX-License-Identifier: BSD-3-Clause
// The profiles that associations have: shared where they are equal, and gone with the last that
// has them, however the application chose them.
#include "support/pair.h"

namespace trunkline::test {
namespace {

class ProfileUsers : public Pair {
 protected:
  static Profile numbered(uint32_t n) {
    Profile profile;
    profile.rto_max = milliseconds(60'000 + n);
    return profile;
  }
  // Calls a port of Z's, whether anybody listens there or not.
  ConnectResult call(uint16_t port, const Profile& profile) {
    return a().connect(now, {z_setup.addresses[0]}, PortNumber(port), &profile);
  }
  uint64_t profiles() { return a().shard().pool_usage().profiles_used; }
};

TEST_F(ProfileUsers, TenThousandConnectsLeaveNothing) {
  for (uint32_t n = 0; n < 10'000; ++n) {
    const ConnectResult result = call(5026, numbered(n));
    ASSERT_EQ(result.status, Status::kOk);
    EXPECT_EQ(profiles(), 1u);
    ASSERT_EQ(a().shard().abort(now, result.assoc, {}), Status::kOk);
    a().transmit(now);
  }
  EXPECT_EQ(profiles(), 0u);
}

TEST_F(ProfileUsers, EqualOnesAreShared) {
  for (uint16_t port = 1; port <= 20; ++port) {
    ASSERT_EQ(call(port, numbered(port % 2)).status, Status::kOk);
  }
  EXPECT_EQ(profiles(), 2u);
}

// One that cannot begin has none.
TEST_F(ProfileUsers, ARefusedConnectLeavesNothing) {
  a_setup.shard.max_associations = 1;
  ASSERT_EQ(call(1, numbered(1)).status, Status::kOk);
  EXPECT_EQ(call(1, numbered(2)).status, Status::kAlreadyExists);
  EXPECT_EQ(call(2, numbered(3)).status, Status::kOutOfResources);
  EXPECT_EQ(profiles(), 1u);
}

// What is listened with is for those that begin from now on; the others keep theirs.
TEST_F(ProfileUsers, AnEndpointMayChangeItsMindAsOftenAsItLikes) {
  connect();
  for (uint32_t n = 0; n < 10'000; ++n) {
    const Profile profile = numbered(n);
    ASSERT_EQ(z().shard().set_listening(z().endpoint, true, 7, &profile), Status::kOk);
  }
  EXPECT_EQ(z().shard().pool_usage().profiles_used, 1u);
}

// The association that a restart begins in the place of another has the same.
TEST_F(ProfileUsers, ARestartKeepsIt) {
  connect();
  for (int i = 0; i < 3; ++i) {
    crash_a();
    ASSERT_EQ(dial().status, Status::kOk);
    exchange();
    EXPECT_EQ(z().count(EventKind::kRestarted), static_cast<size_t>(i + 1));
    EXPECT_EQ(z().shard().pool_usage().profiles_used, 1u);
  }
}

}  // namespace
}  // namespace trunkline::test
