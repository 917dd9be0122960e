// SPDX-License-Identifier: BSD-3-Clause
// Two hosts with two links between them, which break and come back: which way everything goes, and
// when, to the nanosecond (RFC 9260 sections 5.4, 6.4, 8.2; RFC 7829).
#include <algorithm>

#include "support/pair.h"

namespace trunkline::test {
namespace {

// The first link joins 10.1.0.1 and 10.1.0.26, the second 10.2.0.1 and 10.2.0.26.
class Failover : public Pair {
 protected:
  Failover() {
    for (HostSetup* setup : {&a_setup, &z_setup}) {
      setup->profile.rto_initial = milliseconds(200);
      setup->profile.rto_min = milliseconds(200);
      setup->profile.rto_max = seconds(2);
      setup->profile.heartbeat_interval = seconds(1);
      setup->profile.association_max_retrans = 40;
    }
    a_setup.addresses = {ip("10.1.0.1"), ip("10.2.0.1")};
    z_setup.addresses = {ip("10.1.0.26"), ip("10.2.0.26")};
    eats = [this](const Packet& packet) {
      const size_t link = link_of(packet);
      if (packet.find(ChunkType::kData)) data_on[link].push_back(now);
      return cut[link][packet.source.bytes()[3] == 1 ? 0 : 1];
    };
  }
  static size_t link_of(const Packet& packet) {
    EXPECT_EQ(packet.source.bytes()[1], packet.destination.bytes()[1]) << "the links do not cross";
    return packet.destination.bytes()[1] - 1u;
  }
  void open() {
    z();
    ASSERT_EQ(a().connect(now, z_setup.addresses, z_setup.port).status, Status::kOk);
    run(seconds(3));
    for (Host* host : {&a(), &z()}) {
      ASSERT_EQ(host->status().paths.size(), 2u);
      for (const PathStatus& path : host->status().paths) {
        ASSERT_EQ(path.state, PathState::kActive);
      }
    }
    forget();
  }
  void forget() {
    forget_trace();
    for (auto& times : data_on) times.clear();
  }
  void cut_link(size_t link, bool from_a = true, bool from_z = true) {
    cut[link][0] = from_a;
    cut[link][1] = from_z;
  }
  void mend_link(size_t link) { cut_link(link, false, false); }
  void send() { ASSERT_EQ(a().send(now, std::to_string(sent++)), Status::kOk); }
  // A message every ten milliseconds.
  void load(Duration span) {
    for (const TimePoint end = now + span; now < end;) {
      send();
      run(milliseconds(10));
    }
  }
  void expect_all_in_order() {
    run(seconds(20));
    const std::vector<std::string> got = z().messages();
    ASSERT_EQ(got.size(), static_cast<size_t>(sent));
    for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], std::to_string(i));
    EXPECT_EQ(a().count(EventKind::kSendFailed), 0u);
  }
  PathStatus path(size_t i) { return a().status().paths[i]; }

  bool cut[2][2] = {};
  std::vector<TimePoint> data_on[2];
  int sent = 0;
};

TEST_F(Failover, EachLocalAddressHasItsOwnRemoteOne) {
  open();
  for (const Host* host : {&a(), &z()}) {
    for (const PathStatus& each : host->status().paths) {
      EXPECT_EQ(each.local.bytes()[1], each.remote.bytes()[1]) << each.remote.to_string();
    }
  }
}

TEST_F(Failover, PairsAreDisjointWhereNoNetworkIsShared) {
  z_setup.addresses = {ip("203.0.113.5"), ip("203.0.113.7")};
  eats = nullptr;
  z();
  ASSERT_EQ(a().connect(now, z_setup.addresses, z_setup.port).status, Status::kOk);
  run(seconds(3));
  EXPECT_FALSE(path(0).local == path(1).local);
  const auto far = z().status().paths;
  ASSERT_EQ(far.size(), 2u);
  EXPECT_FALSE(far[0].local == far[1].local);
}

TEST_F(Failover, NewDataIsOnTheOtherLinkOneRtoAfterTheFirstUnanswered) {
  open();
  load(milliseconds(100));
  run(milliseconds(100));
  cut_link(0);
  forget();
  const TimePoint first_unanswered = now;
  const Duration rto = path(0).rto;
  ASSERT_EQ(rto, milliseconds(200));
  load(milliseconds(1000));
  ASSERT_FALSE(data_on[1].empty());
  EXPECT_EQ(data_on[1].front(), first_unanswered + rto);
  EXPECT_LT(data_on[0].back(), first_unanswered + rto) << "nothing more went the dead way";
  EXPECT_EQ(path(0).failovers, 1u);
  EXPECT_EQ(path(1).failovers, 0u);
  EXPECT_EQ(path(0).state_since, first_unanswered + rto);
  expect_all_in_order();
}

TEST_F(Failover, WithAnswersUnderWayItTakesNotMuchLonger) {
  open();
  load(milliseconds(100));
  cut_link(0);  // the last message before may still wait for its delayed SACK
  forget();
  const TimePoint first_unanswered = now;
  load(milliseconds(1000));
  ASSERT_FALSE(data_on[1].empty());
  EXPECT_LE(data_on[1].front(), first_unanswered + milliseconds(300)) << "1.5 RTO";
  expect_all_in_order();
}

TEST_F(Failover, AllThatWasLostGoesAgainAtOnce) {
  open();
  load(milliseconds(100));
  run(milliseconds(100));
  cut_link(0);
  forget();
  for (int i = 0; i < 20; ++i) send();
  run(milliseconds(199));
  ASSERT_EQ(z().messages().size(), 10u);
  run(milliseconds(1));
  EXPECT_EQ(z().messages().size(), 30u) << "bundled, in one go";
  EXPECT_EQ(data_on[1].size(), 1u);
  EXPECT_EQ(path(1).retransmitted_chunks, 20u);
  expect_all_in_order();
}

TEST_F(Failover, OneDirectionIsEnough) {
  for (const bool from_a : {true, false}) {
    mend_link(0);
    SCOPED_TRACE(from_a ? "what A sends is lost" : "what Z answers is lost");
    if (sent == 0) open();
    run(seconds(10));
    ASSERT_EQ(path(0).state, PathState::kActive);
    cut_link(0, from_a, !from_a);
    forget();
    const TimePoint first_unanswered = now;
    load(milliseconds(600));
    ASSERT_FALSE(data_on[1].empty());
    EXPECT_EQ(data_on[1].front(), first_unanswered + milliseconds(200));
    EXPECT_NE(path(0).state, PathState::kActive);
  }
  expect_all_in_order();
}

TEST_F(Failover, TheDefaultsOfTheRfcTakeOneSecond) {
  a_setup.profile = z_setup.profile = Profile{};
  open();
  load(milliseconds(100));
  run(milliseconds(100));
  cut_link(0);
  forget();
  const TimePoint first_unanswered = now;
  load(seconds(3));
  ASSERT_FALSE(data_on[1].empty());
  EXPECT_EQ(data_on[1].front(), first_unanswered + seconds(1));
  mend_link(0);
  expect_all_in_order();
}

TEST_F(Failover, WithLinearBackOffAPathIsInactiveAfterSoManyRtos) {
  a_setup.profile.linear_backoff = true;
  a_setup.profile.path_max_retrans = 4;
  open();
  load(milliseconds(100));
  run(milliseconds(100));
  cut_link(0);
  const TimePoint first_unanswered = now;
  send();
  run(milliseconds(999));
  EXPECT_EQ(path(0).state, PathState::kPotentiallyFailed);
  EXPECT_EQ(path(0).state_since, first_unanswered + milliseconds(200));
  run(milliseconds(1));
  EXPECT_EQ(path(0).state, PathState::kInactive) << "T3 and four HEARTBEATs";
  EXPECT_EQ(path(0).state_since, first_unanswered + milliseconds(1000));
  EXPECT_EQ(path(0).error_count, 5u);
  EXPECT_EQ(a().status().error_count, 0u) << "no data went there";
}

TEST_F(Failover, WithoutQuickFailoverDataStaysUntilThePathIsInactive) {
  a_setup.profile.potentially_failed_max_retrans = 2;
  a_setup.profile.path_max_retrans = 2;
  a_setup.profile.linear_backoff = true;
  open();
  load(milliseconds(100));
  run(milliseconds(100));
  cut_link(0);
  forget();
  load(seconds(2));
  EXPECT_EQ(a().count(Counter::k_path_doubts), 0u);
  EXPECT_EQ(path(0).state, PathState::kInactive);
  EXPECT_GE(path(0).error_count, 3u);
  expect_all_in_order();
}

TEST_F(Failover, BothLinksFailOneAfterTheOtherAndComeBack) {
  open();
  load(milliseconds(300));
  cut_link(0);
  load(milliseconds(700));
  EXPECT_EQ(path(0).state, PathState::kPotentiallyFailed);
  cut_link(1);
  load(milliseconds(700));
  EXPECT_NE(path(1).state, PathState::kActive);
  EXPECT_EQ(a().state(), AssocState::kEstablished);
  mend_link(1);
  load(seconds(4));
  EXPECT_EQ(path(1).state, PathState::kActive);
  mend_link(0);
  run(seconds(6));
  EXPECT_EQ(path(0).state, PathState::kActive);
  forget();
  load(milliseconds(100));
  EXPECT_TRUE(data_on[1].empty()) << "back on the primary";
  expect_all_in_order();
}

TEST_F(Failover, AnAssociationSleepsThroughTheLossOfAllLinks) {
  a_setup.profile.path_max_retrans = 2;
  open();
  load(milliseconds(100));
  cut_link(0);
  cut_link(1);
  load(milliseconds(100));
  run(seconds(20));
  EXPECT_EQ(path(0).state, PathState::kInactive);
  EXPECT_EQ(path(1).state, PathState::kInactive);
  ASSERT_EQ(a().state(), AssocState::kEstablished);
  forget();
  run(seconds(5));
  EXPECT_FALSE(data_on[0].empty()) << "each is tried in turn";
  EXPECT_FALSE(data_on[1].empty());
  mend_link(0);
  mend_link(1);
  run(seconds(10));
  EXPECT_EQ(path(0).state, PathState::kActive);
  expect_all_in_order();
}

TEST_F(Failover, AFlappingPrimaryCarriesNothingUntilItHasAnsweredOftenEnough) {
  a_setup.profile.primary_return_heartbeats = 3;
  open();
  load(milliseconds(100));
  run(milliseconds(100));
  for (int i = 0; i < 5; ++i) {
    cut_link(0);
    load(milliseconds(600));
    ASSERT_NE(path(0).state, PathState::kActive);
    forget();
    mend_link(0);
    // Two answers at most.
    const uint64_t answers = path(0).heartbeat_acks;
    for (int k = 0; k < 1000 && path(0).heartbeat_acks < answers + 2; ++k) load(milliseconds(10));
    EXPECT_NE(path(0).state, PathState::kActive);
    EXPECT_TRUE(data_on[0].empty());
  }
  load(seconds(1));
  EXPECT_EQ(path(0).state, PathState::kActive);
  EXPECT_FALSE(data_on[0].empty());
  expect_all_in_order();
}

TEST_F(Failover, AnIdlePathFailsByItsHeartbeats) {
  a_setup.profile.path_max_retrans = 3;
  open();
  cut_link(1);
  run(seconds(2));
  ASSERT_EQ(path(1).state, PathState::kPotentiallyFailed);
  const TimePoint since = path(1).state_since;
  run(since + milliseconds(400 + 800 + 1600 - 1) - now);
  EXPECT_EQ(path(1).state, PathState::kPotentiallyFailed);
  run(milliseconds(1));
  EXPECT_EQ(path(1).state, PathState::kInactive) << "one HEARTBEAT after the other, backed off";
  EXPECT_EQ(path(1).error_count, 4u);
  EXPECT_EQ(a().status().error_count, 0u);
  EXPECT_EQ(path(1).failovers, 0u) << "no data left it";
}

TEST_F(Failover, TheShutdownFindsTheOtherLink) {
  open();
  cut_link(0);
  ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
  run(seconds(1));
  EXPECT_EQ(a().count(EventKind::kClosed), 1u);
  EXPECT_EQ(z().count(EventKind::kClosed), 1u);
}

TEST_F(Failover, SetUpFindsTheOtherLink) {
  cut_link(0);
  z();
  ASSERT_EQ(a().connect(now, z_setup.addresses, z_setup.port).status, Status::kOk);
  run(milliseconds(250));
  ASSERT_EQ(a().state(), AssocState::kEstablished) << "the second INIT went the other way";
  EXPECT_TRUE(path(0).primary) << "the first that was named";
  EXPECT_EQ(path(0).state, PathState::kUnconfirmed);
  send();
  run(milliseconds(1));
  EXPECT_EQ(z().messages().size(), 1u);
  EXPECT_TRUE(data_on[0].empty()) << "an unconfirmed address carries no data";
  mend_link(0);
  run(seconds(10));
  forget();
  send();
  run(milliseconds(1));
  EXPECT_EQ(data_on[0].size(), 1u);
}

TEST_F(Failover, TheApplicationChoosesThePrimary) {
  open();
  EXPECT_EQ(a().shard().set_primary(now, a().assoc, ip("10.9.0.26")), Status::kInvalidAddress);
  EXPECT_EQ(a().shard().set_primary(now, AssocId{}, ip("10.2.0.26")), Status::kNoSuchAssociation);
  ASSERT_EQ(a().shard().set_primary(now, a().assoc, ip("10.2.0.26")), Status::kOk);
  run(Duration{0});
  EXPECT_EQ(a().last(EventKind::kPrimaryChanged).path, ip("10.2.0.26"));
  EXPECT_TRUE(path(1).primary);
  send();
  run(milliseconds(100));
  EXPECT_EQ(data_on[1].size(), 1u);
  EXPECT_TRUE(data_on[0].empty());
  EXPECT_EQ(path(0).failovers, 0u) << "it was not left for failing";
  ASSERT_EQ(a().shard().set_primary(now, a().assoc, ip("10.2.0.26")), Status::kOk);
  run(Duration{0});
  EXPECT_EQ(a().count(EventKind::kPrimaryChanged), 1u) << "it was primary already";
}

TEST_F(Failover, AnUnconfirmedAddressIsNotMadePrimary) {
  cut_link(1);
  z();
  ASSERT_EQ(a().connect(now, z_setup.addresses, z_setup.port).status, Status::kOk);
  run(milliseconds(50));
  ASSERT_EQ(path(1).state, PathState::kUnconfirmed);
  EXPECT_EQ(a().shard().set_primary(now, a().assoc, ip("10.2.0.26")), Status::kInvalidAddress);
}

TEST_F(Failover, AnInactiveAddressMayBeMadePrimaryAndTakesDataWhenItWorks) {
  a_setup.profile.path_max_retrans = 1;
  open();
  cut_link(1);
  run(seconds(5));
  ASSERT_EQ(path(1).state, PathState::kInactive);
  ASSERT_EQ(a().shard().set_primary(now, a().assoc, ip("10.2.0.26")), Status::kOk);
  load(milliseconds(50));
  EXPECT_TRUE(data_on[1].empty());
  mend_link(1);
  run(seconds(5));
  forget();
  send();
  run(milliseconds(100));
  EXPECT_EQ(data_on[1].size(), 1u);
}

TEST_F(Failover, ThePrimaryIsGivenUpAboveItsLimit) {
  a_setup.profile.primary_switchover_max_retrans = 1;
  open();
  load(milliseconds(100));
  run(milliseconds(100));
  cut_link(0);
  load(milliseconds(500));
  ASSERT_EQ(path(0).error_count, 1u);
  EXPECT_TRUE(path(0).primary) << "at the limit, not above it";
  load(milliseconds(200));
  ASSERT_EQ(path(0).error_count, 2u);
  EXPECT_TRUE(path(1).primary);
  EXPECT_EQ(a().last(EventKind::kPrimaryChanged).path, ip("10.2.0.26"));
  EXPECT_EQ(a().count(Counter::k_primary_switchovers), 1u);
  mend_link(0);
  run(seconds(5));
  ASSERT_EQ(path(0).state, PathState::kActive);
  forget();
  load(milliseconds(100));
  EXPECT_TRUE(data_on[0].empty()) << "data does not return";
  expect_all_in_order();
}

TEST_F(Failover, TheApplicationHearsOfEachStep) {
  a_setup.profile.path_max_retrans = 1;
  open();
  a().events.clear();
  cut_link(1);
  run(seconds(5));
  mend_link(1);
  run(seconds(5));
  std::vector<PathState> states;
  for (const Seen& event : a().events) {
    if (event.kind != EventKind::kPathChanged) continue;
    EXPECT_EQ(event.path, ip("10.2.0.26"));
    states.push_back(event.path_state);
  }
  EXPECT_EQ(states, (std::vector<PathState>{PathState::kPotentiallyFailed, PathState::kInactive,
                                            PathState::kActive}));
}

TEST_F(Failover, StatisticsAreKeptForEachPath) {
  open();
  const PathStatus before = path(0);
  EXPECT_GE(path(1).heartbeat_acks, 1u);
  load(milliseconds(100));
  EXPECT_EQ(path(0).packets_sent, before.packets_sent + 10);
  EXPECT_GE(path(0).packets_received, before.packets_received + 5);
  EXPECT_EQ(path(0).retransmitted_chunks, 0u);
}

}  // namespace
}  // namespace trunkline::test
