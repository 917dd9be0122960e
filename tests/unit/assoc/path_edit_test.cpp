// SPDX-License-Identifier: BSD-3-Clause
// What is said of one of the peer's addresses (RFC 6458 section 8.1.12): it counts there and
// nowhere else, as long as the address is the peer's.
#include "support/pair.h"

namespace trunkline::test {
namespace {

class PathEdits : public Pair {
 protected:
  PathEdits() {
    a_setup.addresses = {ip("192.0.2.1"), ip("198.51.100.1")};
    z_setup.addresses = {ip("192.0.2.26"), ip("198.51.100.26")};
    a_setup.profile.heartbeat_interval = z_setup.profile.heartbeat_interval = seconds(30);
    one = z_setup.addresses[0];
    two = z_setup.addresses[1];
  }
  EditResult edit(const IpAddress& address, const PathEdit& wanted) {
    return a().shard().set_path_profile(now, a().assoc, address, wanted);
  }
  const Profile& at(const IpAddress& address) {
    return *a().shard().path_profile(a().assoc, address);
  }
  PathStatus path(const IpAddress& address) {
    for (const PathStatus& some : a().status().paths) {
      if (some.remote == address) return some;
    }
    return {};
  }
  void settle() {
    connect();
    run(seconds(2));
    ASSERT_EQ(path(two).state, PathState::kActive);
    forget_trace();
  }
  uint64_t profiles() { return a().shard().pool_usage().profiles_used; }

  IpAddress one;
  IpAddress two;
};

TEST_F(PathEdits, CountForOneAddressAlone) {
  settle();
  ASSERT_EQ(edit(two, {.path_max_retrans = uint16_t{1}, .dscp = uint8_t{46}}).status, Status::kOk);
  EXPECT_EQ(at(two).path_max_retrans, 1);
  EXPECT_EQ(at(two).dscp, 46);
  EXPECT_EQ(at(one), a_setup.profile);
  EXPECT_EQ(*a().shard().profile(a().assoc), a_setup.profile);
  ASSERT_EQ(edit(two, {.dscp = uint8_t{34}}).status, Status::kOk);
  EXPECT_EQ(at(two).path_max_retrans, 1);
  EXPECT_EQ(at(two).dscp, 34);
}

TEST_F(PathEdits, AreRefusedWhereTheyCannotBe) {
  settle();
  EXPECT_EQ(edit(ip("203.0.113.1"), {}).status, Status::kInvalidAddress);
  const EditResult wild = edit(two, {.path_max_retrans = uint16_t{256}});
  EXPECT_EQ(wild.status, Status::kInvalidValue);
  EXPECT_EQ(wild.fault.field, "path_max_retrans");
  EXPECT_EQ(edit(two, {.fixed_path_mtu = uint16_t{1501}}).status, Status::kInvalidValue);
  EXPECT_EQ(edit(two, {.heartbeat_interval = Duration{-1}}).status, Status::kInvalidValue);
  EXPECT_EQ(a().count(Counter::k_refused_edits), 4u);
  EXPECT_EQ(profiles(), 1u);
  a().shard().abort(now, a().assoc, {});
  EXPECT_EQ(edit(two, {}).status, Status::kNoSuchAssociation);
}

// What few use has room for few.
TEST_F(PathEdits, AreRefusedWhenNoMoreIsRemembered) {
  a_setup.shard.max_extended = 0;
  settle();
  EXPECT_EQ(edit(two, {.dscp = uint8_t{1}}).status, Status::kOutOfResources);
  EXPECT_EQ(a().count(Counter::k_refused_extensions), 1u);
  EXPECT_EQ(at(two).dscp, 0);
}

TEST_F(PathEdits, HeartbeatsGoAsOftenAsTheirAddressWants) {
  settle();
  ASSERT_EQ(edit(one, {.heartbeat_interval = Duration{0}}).status, Status::kOk);
  ASSERT_EQ(edit(two, {.heartbeat_interval = seconds(1)}).status, Status::kOk);
  const uint32_t before_one = static_cast<uint32_t>(path(one).heartbeats_sent);
  const uint32_t before_two = static_cast<uint32_t>(path(two).heartbeats_sent);
  run(seconds(60));
  EXPECT_EQ(path(one).heartbeats_sent, before_one);
  EXPECT_GE(path(two).heartbeats_sent, before_two + 20);
}

TEST_F(PathEdits, AnAddressFailsByItsOwnLimits) {
  settle();
  ASSERT_EQ(edit(two, {.heartbeat_interval = seconds(1),
                       .path_max_retrans = uint16_t{1},
                       .potentially_failed_max_retrans = uint16_t{1}})
                .status,
            Status::kOk);
  eats = [&](const Packet& packet) { return packet.destination == two; };
  run(seconds(12));
  EXPECT_EQ(path(two).state, PathState::kInactive);
  EXPECT_LT(path(two).error_count, 5u);
}

TEST_F(PathEdits, PacketsCarryTheDscpOfTheirAddress) {
  settle();
  ASSERT_EQ(edit(two, {.dscp = uint8_t{46}}).status, Status::kOk);
  ASSERT_EQ(a().shard().request_heartbeat(now, a().assoc, two), Status::kOk);
  ASSERT_EQ(a().send(now, "x"), Status::kOk);
  size_t seen = 0;
  for (const Packet& packet : a().transmit(now)) {
    EXPECT_EQ(packet.dscp, packet.destination == two ? 46 : 0) << packet.names();
    ++seen;
  }
  EXPECT_EQ(seen, 2u);
}

TEST_F(PathEdits, APathMtuMayBeFixedForOneAddress) {
  settle();
  ASSERT_EQ(
      edit(two, {.pmtu_discovery = PmtuDiscovery::kOff, .fixed_path_mtu = uint16_t{1000}}).status,
      Status::kOk);
  EXPECT_EQ(path(two).mtu, 1000u);
  EXPECT_EQ(path(two).mtu_state, PmtuState::kFixed);
  EXPECT_EQ(path(one).mtu, 1500u);
  ASSERT_EQ(a().send(now, std::string(1400, 'x')), Status::kOk);
  size_t fragments = 0;
  for (const Packet& packet : a().transmit(now)) {
    for (const wire::DataChunk& chunk : data_of(packet)) {
      EXPECT_LE(chunk.payload.size(), 1000u - 20 - 12 - 16);
      ++fragments;
    }
  }
  EXPECT_EQ(fragments, 2u);
}

// RFC 6458 section 8.1.12: what is said of the association counts for all addresses.
TEST_F(PathEdits, GiveWayToWhatIsSaidOfAll) {
  settle();
  ASSERT_EQ(edit(two, {.path_max_retrans = uint16_t{1}, .dscp = uint8_t{46}}).status, Status::kOk);
  ASSERT_EQ(a().shard().set_profile(now, a().assoc, {.dscp = uint8_t{10}}).status, Status::kOk);
  EXPECT_EQ(at(two).dscp, 10);
  EXPECT_EQ(at(two).path_max_retrans, 1);
  EXPECT_EQ(at(one).dscp, 10);
  EXPECT_EQ(profiles(), 2u);
  ASSERT_EQ(a().shard().set_profile(now, a().assoc, {.path_max_retrans = uint16_t{3}}).status,
            Status::kOk);
  EXPECT_EQ(at(two), at(one));
  EXPECT_EQ(profiles(), 1u);
}

// An edit of all that would not go together with what one address has is refused as a whole.
TEST_F(PathEdits, AnEditOfAllMustFitToTheirs) {
  settle();
  ASSERT_EQ(
      edit(two, {.path_max_retrans = uint16_t{9}, .potentially_failed_max_retrans = uint16_t{9}})
          .status,
      Status::kOk);
  const EditResult result = a().shard().set_profile(
      now, a().assoc, {.primary_switchover_max_retrans = uint16_t{5}, .dscp = uint8_t{1}});
  EXPECT_EQ(result.status, Status::kInvalidValue);
  EXPECT_EQ(a().shard().profile(a().assoc)->dscp, 0);
}

TEST_F(PathEdits, TenThousandLeaveNothing) {
  settle();
  for (uint32_t n = 0; n < 10'000; ++n) {
    ASSERT_EQ(edit(n % 2 == 0 ? one : two, {.heartbeat_interval = milliseconds(1000 + n)}).status,
              Status::kOk);
    ASSERT_LE(profiles(), 3u);
  }
  ASSERT_EQ(a().shard().set_profile(now, a().assoc, {.heartbeat_interval = seconds(30)}).status,
            Status::kOk);
  EXPECT_EQ(profiles(), 1u);
}

// A block is had once, and given back with the association.
TEST_F(PathEdits, AreGoneWithTheirAssociation) {
  a_setup.shard.max_extended = 1;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(dial().status, Status::kOk);
    ASSERT_EQ(edit(one, {.dscp = uint8_t{1}}).status, Status::kOk);
    ASSERT_EQ(a().shard().abort(now, a().assoc, {}), Status::kOk);
    a().transmit(now);
    EXPECT_EQ(profiles(), 0u);
  }
}

TEST_F(PathEdits, ARestartOfThePeerKeepsThem) {
  connect();
  run(seconds(2));
  Host& host = z();
  const IpAddress peer = a_setup.addresses[1];
  ASSERT_EQ(host.shard().set_path_profile(now, host.assoc, peer, {.dscp = uint8_t{46}}).status,
            Status::kOk);
  ASSERT_EQ(host.shard().pool_usage().profiles_used, 2u);
  crash_a();
  ASSERT_EQ(dial().status, Status::kOk);
  exchange();
  ASSERT_EQ(host.count(EventKind::kRestarted), 1u);
  EXPECT_EQ(host.shard().path_profile(host.assoc, peer)->dscp, 46);
  EXPECT_EQ(host.shard().path_profile(host.assoc, a_setup.addresses[0])->dscp, 0);
  EXPECT_EQ(host.shard().pool_usage().profiles_used, 2u);
}

// The first of the addresses that were named is not the peer's: the others are numbered anew.
TEST_F(PathEdits, FollowTheirAddressWhenPathsAreNumberedAnew) {
  z();
  const IpAddress nobody = ip("192.0.2.99");
  eats = [&](const Packet& packet) { return packet.destination == nobody; };
  ASSERT_EQ(a().connect(now, {nobody, one, two}, z_setup.port).status, Status::kOk);
  ASSERT_EQ(edit(nobody, {.dscp = uint8_t{1}}).status, Status::kOk);
  ASSERT_EQ(edit(two, {.dscp = uint8_t{46}}).status, Status::kOk);
  ASSERT_EQ(profiles(), 3u);
  run(seconds(10));
  ASSERT_EQ(a().state(), AssocState::kEstablished);
  EXPECT_EQ(a().shard().path_profile(a().assoc, nobody), nullptr);
  EXPECT_EQ(at(one).dscp, 0);
  EXPECT_EQ(at(two).dscp, 46);
  EXPECT_EQ(profiles(), 2u);
}

TEST_F(PathEdits, SurviveTheCookieOfACollision) {
  a_setup.listening = true;
  ASSERT_EQ(dial().status, Status::kOk);
  a().transmit(now);  // our INIT is lost
  ASSERT_EQ(edit(one, {.dscp = uint8_t{46}}).status, Status::kOk);
  ASSERT_EQ(z().connect(now, {a_setup.addresses[0]}, a_setup.port).status, Status::kOk);
  exchange();
  ASSERT_EQ(a().count(EventKind::kConnected), 1u);
  EXPECT_EQ(at(one).dscp, 46);
}

}  // namespace
}  // namespace trunkline::test
