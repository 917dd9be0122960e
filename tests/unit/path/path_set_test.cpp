// SPDX-License-Identifier: BSD-3-Clause
// The set of paths alone: which there are, which carries data, what errors and answers make of
// them, and when each is asked. No association is near.
#include "path/path_set.h"

#include <gtest/gtest.h>

#include <vector>

namespace trunkline {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

IpAddress peer(uint8_t n) {
  return IpAddress::ipv4(198, 51, 100, n);
}

class PathSetTest : public testing::Test {
 protected:
  PathSetTest() {
    ends.port = PortNumber(5000);
    ends.addresses = {IpAddress::ipv4(192, 0, 2, 1), IpAddress::ipv4(192, 0, 2, 2)};
    profile.path_max_retrans = 2;
    profile.potentially_failed_max_retrans = 0;
  }
  ~PathSetTest() override {
    paths.release(memory);
    EXPECT_EQ(memory.paths.used() + memory.lists.used() + memory.details.used(), 0u);
  }
  // Three that are up, the first of them primary.
  void open(uint8_t count = 3) {
    for (uint8_t n = 1; n <= count; ++n) ASSERT_TRUE(paths.add(memory, profile, ends, peer(n)));
    for (Path* path : paths.list()) paths.set_state(ctx, now, *path, PathState::kActive);
    paths.begin_with(paths.at(0));
  }
  PathNews fail(size_t index) { return paths.count_error(ctx, now, paths.at(index)); }
  void expect_fewest_errors(PathState state) {
    open();
    for (int i = 0; i < 3; ++i) fail(1);
    fail(2);
    fail(0);
    for (const Path* path : paths.list()) ASSERT_EQ(path->state, state);
    EXPECT_EQ(paths.data_path().index, 2);
    EXPECT_EQ(paths.at(1).error_count, 3u);
    EXPECT_EQ(paths.at(2).error_count, 1u);
  }

  Profile profile;
  LocalEnd ends;
  Counters counters;
  PathContext ctx{profile, counters};
  PathMemory memory{4, nullptr};
  SeededRandom random{1};
  PathSet paths;
  TimePoint now = TimePoint::from_ns(1'000'000'000);
};

// What a seal takes, no chunk may take: of fragments, of packets, of probes.
TEST_F(PathSetTest, ASealTakesItsRoomFromEverything) {
  open(2);
  const Path& first = paths.at(0);
  const uint32_t fragment = paths.fragment_limit();
  const size_t packet = first.packet_size();
  const uint32_t chunks = first.pmdcs();
  const size_t probe = first.packet_size_in(1400);
  paths.seal(40);
  EXPECT_EQ(paths.fragment_limit(), fragment - 40);
  EXPECT_EQ(first.packet_size(), packet - 40);
  EXPECT_EQ(first.pmdcs(), chunks - 40);
  EXPECT_EQ(first.packet_size_in(1400), probe - 40);
  EXPECT_EQ(first.ip_size(first.packet_size_in(1400)), 1400);
  ASSERT_TRUE(paths.add(memory, profile, ends, peer(9)));
  EXPECT_EQ(paths.at(2).packet_size(), packet - 40) << "a path that comes later, too";
}

TEST_F(PathSetTest, FewPathsHaveDetails) {
  open(1);
  EXPECT_EQ(memory.details.used(), 0u);
  EXPECT_FALSE(paths.at(0).mtu.may_doubt(profile.pmtu_base));
  EXPECT_TRUE(paths.at(0).mtu.may_doubt(profile.path_mtu));
  EXPECT_EQ(paths.at(0).mtu.state(), PmtuState::kComplete);
  for (int i = 0; i < 2; ++i) PathSet::give_detail(memory, paths.at(0));
  EXPECT_EQ(memory.details.used(), 1u);
  EXPECT_EQ(paths.at(0).mtu.value(), profile.path_mtu);
  profile.loss_recovery = LossRecovery::kRack;
  ASSERT_TRUE(paths.add(memory, profile, ends, peer(2)));
  ASSERT_NE(paths.at(1).rack(), nullptr);
  EXPECT_EQ(memory.details.used(), 2u);
  profile.loss_recovery = LossRecovery::kRfc9260;
  profile.pmtu_discovery = PmtuDiscovery::kProbing;
  ASSERT_TRUE(paths.add(memory, profile, ends, peer(3)));
  EXPECT_EQ(memory.details.used(), 3u);
  EXPECT_EQ(paths.at(2).mtu.value(), profile.pmtu_base);
  EXPECT_TRUE(paths.remove(memory, peer(2)).has_value());
  EXPECT_EQ(memory.details.used(), 2u);
}

// Below the base there is the least that IP carries.
TEST_F(PathSetTest, APathThatIsAtItsBaseMayBeABlackHoleToo) {
  profile.path_mtu = profile.pmtu_base = 1000;
  open(1);
  EXPECT_TRUE(paths.at(0).mtu.may_doubt(1000));
  EXPECT_TRUE(paths.at(0).mtu.may_doubt(577));
  EXPECT_FALSE(paths.at(0).mtu.may_doubt(576));
}

TEST_F(PathSetTest, HoldsAsManyAsItMay) {
  for (uint8_t n = 1; n <= kMaxPaths; ++n) {
    EXPECT_TRUE(paths.add(memory, profile, ends, peer(n))) << int{n};
  }
  EXPECT_FALSE(paths.add(memory, profile, ends, peer(99)));
  EXPECT_EQ(paths.size(), kMaxPaths);
  EXPECT_EQ(memory.paths.used(), kMaxPaths - 1) << "the first lies in the set";
  EXPECT_EQ(paths.find(peer(3))->index, 2);
  EXPECT_EQ(paths.find(peer(99)), nullptr);
}

TEST_F(PathSetTest, SharesLocalAddressesEvenly) {
  open(4);
  EXPECT_EQ(paths.at(0).local, ends.addresses[0]);
  EXPECT_EQ(paths.at(1).local, ends.addresses[1]);
  EXPECT_EQ(paths.at(2).local, ends.addresses[0]);
}

TEST_F(PathSetTest, AnIndexFollowsItsPath) {
  open(4);
  paths.make_primary(ctx, paths.at(2));
  EXPECT_EQ(paths.data_path().remote, peer(3));
  EXPECT_EQ(paths.remove(memory, peer(2)), 1);
  EXPECT_EQ(paths.remove(memory, peer(2)), std::nullopt);
  EXPECT_EQ(paths.primary().remote, peer(3));
  EXPECT_EQ(paths.primary_index(), 1);
  for (size_t i = 0; i < paths.size(); ++i) EXPECT_EQ(paths.at(i).index, i);
}

TEST_F(PathSetTest, KeepsWhatIsThePeersUnlessNothingNamedIsLeft) {
  for (uint8_t n = 1; n <= 2; ++n) ASSERT_TRUE(paths.add(memory, profile, ends, peer(n)));
  paths.name_all();
  EXPECT_FALSE(paths.keep_only(memory, [](const Path*) { return false; }));
  EXPECT_EQ(paths.size(), 2u);
  EXPECT_TRUE(paths.keep_only(memory, [](const Path* path) { return path->remote == peer(2); }));
  EXPECT_EQ(paths.size(), 1u);
  EXPECT_EQ(paths.named(), 1);
  EXPECT_EQ(paths.primary().remote, peer(2));
}

// RFC 7829: the first error moves the data, the third one makes the path inactive.
TEST_F(PathSetTest, AnErrorMovesTheData) {
  open();
  const PathNews first = fail(0);
  EXPECT_EQ(first.state, PathState::kPotentiallyFailed);
  EXPECT_TRUE(first.moved);
  EXPECT_FALSE(first.primary_changed);
  EXPECT_EQ(paths.data_path().index, 1);
  EXPECT_EQ(counters.get(Counter::k_failovers), 1u);
  EXPECT_EQ(paths.at(0).heartbeat_due, now) << "it is asked at once";
  EXPECT_EQ(fail(0).state, std::nullopt);
  EXPECT_EQ(fail(0).state, PathState::kInactive);
  EXPECT_EQ(counters.get(Counter::k_path_failures), 1u);
  EXPECT_FALSE(paths.choose_data_path(ctx)) << "it is where it ought to be";
  paths.set_state(ctx, now, paths.at(0), PathState::kActive);
  EXPECT_TRUE(paths.choose_data_path(ctx));
  EXPECT_EQ(paths.data_path().index, 0);
}

TEST_F(PathSetTest, AllThatFailedStillHasOneThatIsUsed) {
  open();
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < 3; ++i) fail(i);
  }
  fail(0);
  EXPECT_NE(paths.data_path().index, 0) << "the one with the fewest errors";
  EXPECT_TRUE(paths.data_path().failed());
}

TEST_F(PathSetTest, ThePrimaryMayChangeByItself) {
  profile.primary_switchover_max_retrans = 1;
  open();
  EXPECT_FALSE(fail(0).primary_changed);
  const PathNews second = fail(0);
  EXPECT_TRUE(second.primary_changed);
  EXPECT_EQ(paths.primary_index(), paths.data_path().index);
  EXPECT_EQ(counters.get(Counter::k_primary_switchovers), 1u);
}

TEST_F(PathSetTest, ThePrimaryMayChangeAsSoonAsDataLeavesIt) {
  profile.primary_switchover_max_retrans = profile.potentially_failed_max_retrans;
  open();
  const PathNews first = fail(0);
  EXPECT_EQ(first.state, PathState::kPotentiallyFailed);
  EXPECT_TRUE(first.moved);
  EXPECT_TRUE(first.primary_changed);
  EXPECT_EQ(paths.primary_index(), 1);
  EXPECT_EQ(paths.data_path().index, 1);
  paths.set_state(ctx, now, paths.at(0), PathState::kActive);
  EXPECT_FALSE(paths.choose_data_path(ctx)) << "data does not return";
}

TEST_F(PathSetTest, WithoutQuickFailoverThePrimaryMayChangeWhenItIsInactive) {
  profile.potentially_failed_max_retrans = profile.path_max_retrans;
  profile.primary_switchover_max_retrans = profile.path_max_retrans;
  open();
  for (int i = 0; i < 2; ++i) {
    const PathNews news = fail(0);
    EXPECT_EQ(news.state, std::nullopt);
    EXPECT_FALSE(news.primary_changed);
  }
  const PathNews third = fail(0);
  EXPECT_EQ(third.state, PathState::kInactive);
  EXPECT_TRUE(third.primary_changed);
  EXPECT_EQ(paths.primary_index(), paths.data_path().index);
  EXPECT_EQ(paths.primary_index(), 1);
}

// RFC 7829 sections 3.2 rule 4 and 4.1 rule 3: not the next one, nor the most different one.
TEST_F(PathSetTest, OfPotentiallyFailedOnesTheOneWithTheFewestErrorsIsUsed) {
  profile.path_max_retrans = 5;
  expect_fewest_errors(PathState::kPotentiallyFailed);
}

TEST_F(PathSetTest, OfInactiveOnesTheOneWithTheFewestErrorsIsUsed) {
  profile.path_max_retrans = 0;
  expect_fewest_errors(PathState::kInactive);
}

TEST_F(PathSetTest, OfInactiveOnesAlikeOneUnlikeTheLastThatFailedIsUsed) {
  open(4);  // from two addresses of ours in turns
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < 4; ++i) fail(i);
  }
  const uint8_t used = paths.data_path().index;
  fail((used + 1u) % 4);
  ASSERT_EQ(paths.data_path().index, used);
  fail(used);
  const Path& other = paths.data_path();
  EXPECT_EQ(other.state, PathState::kInactive);
  EXPECT_EQ(other.error_count, 3u);
  EXPECT_EQ(paths.at((used + 2u) % 4).error_count, 3u) << "as few, and before it";
  EXPECT_EQ(other.index, (used + 3u) % 4) << "but from the same address of ours";
}

TEST_F(PathSetTest, TheOtherWayIsAnActiveOne) {
  open();
  EXPECT_EQ(paths.alternate_to(paths.at(0)).index, 1) << "another local address";
  paths.set_state(ctx, now, paths.at(1), PathState::kInactive);
  EXPECT_EQ(paths.alternate_to(paths.at(0)).index, 2);
  paths.set_state(ctx, now, paths.at(2), PathState::kInactive);
  EXPECT_EQ(paths.alternate_to(paths.at(0)).index, 0);
}

// 5.4: HB.Max.Burst is one, and each has its turn.
TEST_F(PathSetTest, UnconfirmedOnesAreProbedOneAnRto) {
  for (uint8_t n = 1; n <= 3; ++n) ASSERT_TRUE(paths.add(memory, profile, ends, peer(n)));
  std::vector<uint8_t> asked;
  for (int round = 0; round < 2; ++round) {
    for (Path* path : paths.list()) {
      if (!paths.on_heartbeat_due(profile, now, *path, false)) continue;
      asked.push_back(path->index);
      paths.on_heartbeat_sent(now, *path, 7);
      ++path->heartbeats_sent;
    }
    now = now + profile.rto_initial;
  }
  EXPECT_EQ(asked, (std::vector<uint8_t>{0, 1}));
  EXPECT_EQ(paths.next_probe_at(), now);
}

TEST_F(PathSetTest, AnIdlePathIsAskedOnceAnInterval) {
  profile.heartbeat_interval = seconds(30);
  open(1);
  Path& path = paths.at(0);
  paths.plan_heartbeat(profile, random, now, path);
  EXPECT_GE(path.heartbeat_due, now + seconds(30) + path.rto.value() / 2);
  EXPECT_LE(path.heartbeat_due, now + seconds(30) + path.rto.value() * 3 / 2);
  path.last_sent_at = now + seconds(20);  // data tests it as well
  now = path.heartbeat_due;
  EXPECT_FALSE(paths.on_heartbeat_due(profile, now, path, false));
  now = path.heartbeat_due;
  EXPECT_TRUE(paths.on_heartbeat_due(profile, now, path, false));
}

TEST_F(PathSetTest, APathIsBackWhenItHasAnsweredOftenEnough) {
  profile.primary_return_heartbeats = 2;
  open();
  fail(0);
  EXPECT_EQ(paths.on_heartbeat_answered(profile, now, paths.at(0)), PathState::kPotentiallyFailed);
  EXPECT_EQ(paths.on_heartbeat_answered(profile, now, paths.at(0)), PathState::kActive);
}

TEST_F(PathSetTest, AllAreAskedOnceAnRto) {
  open();
  EXPECT_TRUE(paths.ask_all(now));
  EXPECT_FALSE(paths.ask_all(now));
  for (Path* path : paths.list()) {
    paths.on_heartbeat_sent(now, *path, 7);
    ++path->heartbeats_sent;
  }
  EXPECT_FALSE(paths.ask_all(now + milliseconds(1)));
  EXPECT_TRUE(paths.ask_all(now + paths.at(0).rto.value()));
  paths.stop_heartbeats();
  for (const Path* path : paths.list()) EXPECT_FALSE(path->send_heartbeat);
}

}  // namespace
}  // namespace trunkline
