// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 7829 that need a peer made by hand: when a path may have failed, what
// acknowledgements say about paths that have, which of several failed paths is used, and HEARTBEATs
// to them.
#include <algorithm>

#include "support/many_paths.h"

namespace trunkline::test {
namespace {

class QuickFailover : public ManyPaths {
 protected:
  QuickFailover() {
    setup.profile.path_max_retrans = 3;
    setup.profile.association_max_retrans = 50;
    setup.addresses = {host_address, ip("192.0.2.2"), ip("192.0.2.3")};
  }
  std::vector<Packet> step() {
    now = std::max(now, host().shard().next_deadline());
    host().advance(now);
    return listen();
  }
  // Up to the next expiry of T3: the DATA that is sent then.
  Packet expire() {
    const uint64_t before = host().count(Counter::k_t3_expirations);
    std::vector<Packet> said;
    for (int i = 0; i < 100 && host().count(Counter::k_t3_expirations) == before; ++i)
      said = step();
    for (const Packet& packet : said) {
      if (!data_of(packet).empty()) return packet;
    }
    ADD_FAILURE() << names(said);
    return packet(VerificationTag(0), wire::write_cookie_ack);
  }

  const IpAddress p0 = ip("198.51.100.1");
  const IpAddress p1 = ip("198.51.100.2");
  const IpAddress p2 = ip("198.51.100.3");
};

TEST_F(QuickFailover, TheFirstExpirySendsAllElsewhere) {
  open_with({p0, p1});
  send("lost");
  ASSERT_EQ(hear_one().destination, p0);
  EXPECT_EQ(expire().destination, p1);
  EXPECT_EQ(path(0).state, PathState::kPotentiallyFailed);
  EXPECT_EQ(path(0).cwnd, kPmdcs);
  EXPECT_EQ(path(1).state, PathState::kActive) << "to be chosen changes nothing";
  send("new");
  EXPECT_EQ(hear_one().destination, p1);
}

TEST_F(QuickFailover, WhatWentOverTwoPathsRevivesNone) {
  open_with({p0, p1});
  send("lost");
  listen();
  expire();
  expire();  // back on the first, which is no worse than the second
  ASSERT_EQ(path(0).state, PathState::kPotentiallyFailed);
  ASSERT_EQ(path(1).state, PathState::kPotentiallyFailed);
  acknowledge_all();
  EXPECT_EQ(path(0).state, PathState::kPotentiallyFailed);
  EXPECT_EQ(path(1).state, PathState::kPotentiallyFailed);
  EXPECT_EQ(path(0).error_count, 1u);
  EXPECT_EQ(path(1).error_count, 1u);
  EXPECT_EQ(host().status().error_count, 0u) << "the peer is alive, by whichever way";
}

TEST_F(QuickFailover, WhatWentOverOnePathRevivesIt) {
  open_with({p0, p1});
  send("lost");
  listen();
  expire();
  expire();
  acknowledge_all();
  send("new");
  const IpAddress way = hear_one().destination;
  acknowledge_all();
  const size_t index = way == p0 ? 0 : 1;
  EXPECT_EQ(path(index).state, PathState::kActive);
  EXPECT_EQ(path(index).error_count, 0u);
  EXPECT_EQ(path(1 - index).state, PathState::kPotentiallyFailed);
}

TEST_F(QuickFailover, ALateAcknowledgementShowsThatTheExpiryWasSpurious) {
  open_with({p0, p1});
  setup.profile.max_burst = 0;
  send("late");
  listen();
  now = host().shard().next_deadline();
  host().advance(now);  // T3, and nothing is sent again before the SACK is read
  ASSERT_EQ(path(0).state, PathState::kPotentiallyFailed);
  acknowledge_all();
  EXPECT_EQ(path(0).state, PathState::kActive);
  EXPECT_EQ(hear(), "");
}

TEST_F(QuickFailover, OfFailedPathsTheOneWithTheFewestErrorsIsUsed) {
  open_with({p0, p1, p2});
  send("lost");
  ASSERT_EQ(hear_one().destination, p0);
  EXPECT_EQ(expire().destination, p1);
  EXPECT_EQ(expire().destination, p2);
  EXPECT_EQ(expire().destination, p0) << "one error each: not where it was lost just now";
  EXPECT_EQ(expire().destination, p1) << "p0 has two";
  EXPECT_EQ(expire().destination, p2);
  EXPECT_EQ(path(0).error_count, 2u);
  EXPECT_EQ(path(1).error_count, 2u);
  EXPECT_EQ(path(2).error_count, 1u);
}

TEST_F(QuickFailover, APathThatOnlyMayHaveFailedIsBetterThanOneThatHas) {
  setup.profile.path_max_retrans = 1;
  open_with({p0, p1});
  send("lost");
  listen();
  expire();
  expire();
  ASSERT_EQ(expire().destination, p1);
  ASSERT_EQ(path(0).state, PathState::kInactive);
  ASSERT_EQ(path(1).state, PathState::kPotentiallyFailed);
  send("new");
  for (const Packet& each : listen()) EXPECT_EQ(each.destination, p1);
  EXPECT_FALSE(path(1).error_count == 0) << "nor does that forget its errors";
}

TEST_F(QuickFailover, WithHeartbeatsOffAFailedPathIsNotAsked) {
  open_with({p0, p1});
  const uint64_t before = host().count(Counter::k_heartbeats_sent);
  send("lost");
  listen();
  expire();
  acknowledge_all();
  wait(seconds(600));
  listen();
  EXPECT_EQ(host().count(Counter::k_heartbeats_sent), before);
}

TEST_F(QuickFailover, AFailedPathIsAskedAtOnceAndBackWithTheAnswer) {
  setup.profile.heartbeat_interval = seconds(300);
  open_with({p0, p1});
  host().events.clear();
  send("lost");
  listen();
  now = now + path(0).rto;
  host().advance(now);
  const std::vector<Packet> said = listen();
  ASSERT_EQ(names(said), "HEARTBEAT, DATA");
  EXPECT_EQ(said[0].destination, p0);
  EXPECT_EQ(said[1].destination, p1);
  answer(said);
  EXPECT_EQ(path(0).state, PathState::kActive);
  EXPECT_EQ(path(0).error_count, 0u);
  EXPECT_EQ(path(0).cwnd, kPmdcs) << "as T3 left it (7.2.3)";
  send("new");
  EXPECT_EQ(hear_one().destination, p0);
  EXPECT_EQ(host().count(EventKind::kPathChanged), 2u);
}

TEST_F(QuickFailover, OneSilenceIsNotCountedTwice) {
  setup.profile.heartbeat_interval = seconds(300);
  setup.profile.linear_backoff = true;
  open_with({p0, p1});
  dead = {p0.to_string(), p1.to_string()};
  send("lost");
  listen();
  expire();
  expire();
  acknowledge_all();
  ASSERT_EQ(path(1).state, PathState::kPotentiallyFailed);
  ASSERT_EQ(path(1).error_count, 1u);
  wait(milliseconds(500));  // half of the time that its HEARTBEAT has
  send("new");
  ASSERT_EQ(hear_one().destination, p1);
  wait(milliseconds(500));
  listen();
  EXPECT_EQ(path(1).error_count, 1u) << "the HEARTBEAT got no answer, but data is on its way";
  wait(milliseconds(500));
  EXPECT_EQ(path(1).error_count, 2u) << "T3";
}

TEST_F(QuickFailover, AnOnlyPathIsTestedByItsData) {
  setup.profile.heartbeat_interval = seconds(300);
  open();
  send("lost");
  listen();
  now = now + path(0).rto;
  host().advance(now);
  EXPECT_EQ(hear(), "DATA");
  EXPECT_EQ(path(0).state, PathState::kPotentiallyFailed);
  acknowledge_all();
  EXPECT_EQ(path(0).state, PathState::kActive) << "it went nowhere else";
}

TEST_F(QuickFailover, APathMayHaveFailedAboveItsLimitAndNotAtIt) {
  setup.profile.potentially_failed_max_retrans = 1;
  open_with({p0, p1});
  send("lost");
  ASSERT_EQ(hear_one().destination, p0);
  EXPECT_EQ(expire().destination, p1) << "once, to another active one (6.4)";
  EXPECT_EQ(expire().destination, p0);
  for (const size_t i : {0u, 1u}) {
    EXPECT_EQ(path(i).state, PathState::kActive);
    EXPECT_EQ(path(i).error_count, 1u);
  }
  EXPECT_EQ(expire().destination, p1);
  EXPECT_EQ(path(0).state, PathState::kPotentiallyFailed);
  EXPECT_EQ(path(0).error_count, 2u);
  EXPECT_EQ(path(1).state, PathState::kActive) << "to be chosen changes nothing";
  EXPECT_EQ(path(1).error_count, 1u) << "and forgets nothing";
}

TEST_F(QuickFailover, APathThatMayHaveFailedIsNotUsedThoughTheUserNamesIt) {
  open_with({p0, p1});
  send("lost");
  listen();
  expire();
  acknowledge_all();
  ASSERT_EQ(path(0).state, PathState::kPotentiallyFailed);
  ASSERT_EQ(host().shard().set_primary(now, host().assoc, p1), Status::kOk);
  ASSERT_EQ(host().shard().set_primary(now, host().assoc, p0), Status::kOk);
  ASSERT_TRUE(path(0).primary);
  send("new");
  EXPECT_EQ(hear_one().destination, p1);
  EXPECT_EQ(path(0).state, PathState::kPotentiallyFailed);
  EXPECT_EQ(path(0).error_count, 1u);
}

TEST_F(QuickFailover, WhatWentOverTwoPathsRevivesNoInactiveOneEither) {
  setup.profile.path_max_retrans = 0;
  open_with({p0, p1});
  send("lost");
  listen();
  expire();
  expire();
  acknowledge_all();
  for (const size_t i : {0u, 1u}) {
    EXPECT_EQ(path(i).state, PathState::kInactive);
    EXPECT_EQ(path(i).error_count, 1u);
  }
}

TEST_F(QuickFailover, APathThatHasFailedIsAskedOnceAnIntervalOnly) {
  setup.profile.heartbeat_interval = seconds(30);
  setup.profile.path_max_retrans = 1;
  setup.profile.linear_backoff = true;
  open_with({p0, p1});
  dead = {p0.to_string()};
  host().events.clear();
  send("lost");
  listen();
  expire();
  acknowledge_all();
  std::vector<TimePoint> asked;
  for (const TimePoint end = now + minutes(10); host().shard().next_deadline() <= end;) {
    const std::vector<Packet> said = step();
    answer(said);
    for (const Packet& each : said) {
      if (each.destination != p0 || path(0).state != PathState::kInactive) continue;
      EXPECT_EQ(each.names(), "HEARTBEAT");
      asked.push_back(now);
    }
  }
  ASSERT_EQ(path(0).state, PathState::kInactive);
  EXPECT_EQ(host().last(EventKind::kPathChanged).path, p0);
  EXPECT_EQ(host().last(EventKind::kPathChanged).path_state, PathState::kInactive);
  EXPECT_EQ(host().count(EventKind::kPathChanged), 2u) << "each step was told once";
  ASSERT_GE(asked.size(), 10u);
  for (size_t i = 1; i < asked.size(); ++i) {
    EXPECT_GE(asked[i] - asked[i - 1], seconds(30)) << i;
    EXPECT_LE(asked[i] - asked[i - 1], seconds(33)) << i;
  }
}

// What becomes of an association all of whose paths are inactive does not depend on when they were
// taken for potentially failed, if ever.
class Dormant : public QuickFailover, public ::testing::WithParamInterface<uint16_t> {};

TEST_P(Dormant, OfInactivePathsTheOneWithTheFewestErrorsCarriesDataAndStaysAsItIs) {
  setup.profile.path_max_retrans = 1;
  setup.profile.potentially_failed_max_retrans = GetParam();
  const std::vector<IpAddress> all = {p0, p1, p2};
  open_with(all);
  const auto errors = [&] {
    std::vector<uint32_t> out;
    for (const PathStatus& each : host().status().paths) {
      if (each.state == PathState::kInactive) out.push_back(each.error_count);
    }
    return out;
  };
  send("lost");
  listen();
  for (int i = 0; i < 20 && errors().size() < all.size(); ++i) expire();
  ASSERT_EQ(errors().size(), all.size());
  // Of one there is worse news still.
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(host().shard().request_heartbeat(now, host().assoc, p1), Status::kOk);
    listen();
    const uint32_t before = path(1).error_count;
    for (int k = 0; k < 100 && path(1).error_count == before; ++k) step();
  }
  for (int i = 0; i < 9; ++i) {
    const std::vector<uint32_t> before = errors();
    const IpAddress chosen = expire().destination;
    const std::vector<uint32_t> after = errors();
    ASSERT_EQ(after.size(), all.size()) << "all are inactive still";
    size_t counted = 0;
    for (size_t k = 0; k < all.size(); ++k) {
      EXPECT_GE(after[k], before[k]) << "no count is forgotten";
      counted += after[k] - before[k];
      if (all[k] != chosen) continue;
      EXPECT_EQ(after[k], *std::min_element(after.begin(), after.end()));
    }
    EXPECT_EQ(counted, 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Dormant, ::testing::Values(0, 1, 5));

}  // namespace
}  // namespace trunkline::test
