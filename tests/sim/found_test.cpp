// SPDX-License-Identifier: BSD-3-Clause
// What the simulator found in the stack, each as small as it became: a plan written by hand, or the
// part that was wrong.
#include <gtest/gtest.h>

#include <algorithm>

#include "runner.h"
#include "rx/tsn_tracker.h"

namespace trunkline::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Two hosts, one association over IPv4, all of it calm.
Plan calm_plan() {
  Plan plan;
  for (uint8_t i = 0; i < 2; ++i) {
    HostPlan host;
    host.addresses = {IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(i + 1)),
                      *IpAddress::parse("2001:db8::" + std::to_string(i + 1))};
    plan.hosts.push_back(host);
  }
  plan.links = {{0, 1, false, {}}, {1, 0, false, {}}};
  AssocPlan assoc;
  assoc.client_port = 10'000;
  assoc.server_port = 20'004;
  assoc.client_side.ending = Ending::kWhenAllDone;
  assoc.server_side.traffic.pattern = Pattern::kSilent;
  plan.assocs = {assoc};
  return plan;
}

void expect_pass(const Plan& plan, uint64_t seeds) {
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const RunResult result = run_plan(plan, seed);
    ASSERT_TRUE(result.passed) << result.report;
  }
}

TEST(Found, ACalmPlanPasses) {
  expect_pass(calm_plan(), 3);
}

// A held fragment gave way to one that filled a gap. The tracker took back only the highest TSN,
// which was that of a whole message behind it: the fragment stayed acknowledged and was lost.
TEST(Found, AFragmentThatGaveWayIsForgottenWhereverItLies) {
  Pool<TsnDisorder> pool(4);
  TsnTracker tracker{Tsn(10)};
  for (const uint32_t tsn : {12u, 13u, 14u, 16u, 18u}) tracker.record(Tsn(tsn), pool);
  const auto is_new = [&](uint32_t tsn) {
    return tracker.classify(Tsn(tsn), pool) == TsnTracker::Verdict::kNew;
  };
  EXPECT_TRUE(tracker.forget(Tsn(13), Tsn(13), pool));  // the middle of a block
  EXPECT_TRUE(tracker.forget(Tsn(16), Tsn(16), pool));  // a block of its own, not the last
  EXPECT_FALSE(tracker.forget(Tsn(16), Tsn(16), pool));
  EXPECT_FALSE(tracker.forget(Tsn(11), Tsn(11), pool));
  EXPECT_FALSE(tracker.forget(Tsn(9), Tsn(9), pool));  // behind the cumulative TSN
  EXPECT_TRUE(is_new(13) && is_new(16) && is_new(11));
  EXPECT_FALSE(is_new(12) || is_new(14) || is_new(18));
  tracker.record(Tsn(10), pool);
  tracker.record(Tsn(11), pool);
  EXPECT_EQ(tracker.cum_tsn(), Tsn(12));
  tracker.record(Tsn(13), pool);
  EXPECT_EQ(tracker.cum_tsn(), Tsn(14));
  tracker.release(pool);
}

TEST(Found, FragmentsGiveWayInASmallWindowAndNothingIsLost) {
  Plan plan = calm_plan();
  for (HostPlan& host : plan.hosts) {
    host.profile.a_rwnd = 16 * 1024;
    host.profile.path_mtu = 576;
    host.profile.rto_initial = host.profile.rto_min = milliseconds(50);
    host.profile.rto_max = seconds(2);
    host.profile.association_max_retrans = 1000;
    host.profile.path_max_retrans = 1000;
  }
  for (LinkPlan& link : plan.links) link.faults.loss = 100'000;
  TrafficPlan& traffic = plan.assocs[0].client_side.traffic;
  traffic.messages = 60;
  traffic.max_size = 3000;
  traffic.streams = 8;
  traffic.unordered = 200'000;
  expect_pass(plan, 40);
}

// Data sent into an open window met a closed one, since what a receiver holds costs it more than
// the payload: its retransmissions counted as errors and killed a peer that answered each of them.
TEST(Found, AReaderThatStallsForLongIsNotDead) {
  Plan plan = calm_plan();
  for (HostPlan& host : plan.hosts) {
    host.profile.a_rwnd = 8 * 1024;
    host.profile.path_mtu = 576;
    host.profile.rto_initial = host.profile.rto_min = milliseconds(20);
    host.profile.rto_max = milliseconds(20);
    host.profile.linear_backoff = true;
    host.profile.association_max_retrans = 5;
  }
  AssocPlan& assoc = plan.assocs[0];
  assoc.client_side.traffic.messages = 60;
  assoc.client_side.traffic.max_size = 1500;
  assoc.server_side.reader = {1'000'000, 200'000, seconds(4), false};
  expect_pass(plan, 40);
}

// Once the window is open again, the first SACK that says so starts the flow, not a timer that has
// backed off for as long as the reader slept.
TEST(Found, AWindowThatOpensIsUsedAtOnce) {
  Plan plan = calm_plan();
  plan.hosts[1].profile.a_rwnd = 8 * 1024;
  AssocPlan& assoc = plan.assocs[0];
  assoc.client_side.traffic.messages = 40;
  assoc.client_side.traffic.min_size = 900;
  assoc.client_side.traffic.max_size = 1500;
  assoc.server_side.reader = {1'000'000, 30'000, seconds(40), false};
  uint64_t stalled = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const RunResult result = run_plan(plan, seed);
    ASSERT_TRUE(result.passed) << result.report;
    // Each stall begins with a message that arrives; what one stall delays is over when it ends.
    const int64_t stalls = result.simulated / seconds(40);
    stalled += stalls > 0 ? 1 : 0;
    EXPECT_LT(result.simulated - stalls * seconds(40), seconds(5)) << result.report << seed;
  }
  EXPECT_GT(stalled, 10u) << "the plan does not do what it is for";
}

// The shard's receive buffers are full of two unfinished messages: neither can ever be finished,
// and heartbeats kept both associations, and the deadlock, alive.
TEST(Found, UnfinishedMessagesDoNotBlockAShardForEver) {
  Plan plan = calm_plan();
  plan.hosts[1].receive_buffer_bytes = 24 * 1024;
  for (HostPlan& host : plan.hosts) {
    host.profile.heartbeat_interval = milliseconds(500);
    host.profile.rto_initial = host.profile.rto_min = milliseconds(100);
    host.profile.rto_max = seconds(1);
  }
  plan.assocs[0].client_side.traffic.messages = 1;
  plan.assocs[0].client_side.traffic.min_size = 20'000;
  plan.assocs[0].client_side.traffic.max_size = 20'000;
  plan.assocs.push_back(plan.assocs[0]);
  plan.assocs[1].client_port = 10'001;
  plan.expect.all_close = false;
  plan.limit = seconds(600);
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const RunResult result = run_plan(plan, seed);
    ASSERT_TRUE(result.passed) << result.report;
    EXPECT_EQ(result.accepted, 2u);
  }
}

// A virtual bridge has the same address on every host, and hosts list it. The HEARTBEAT that was to
// verify it came back to its sender, out of the blue, and the ABORT that answered it was believed.
TEST(Found, APeerThatListsOurAddressIsNotAskedThere) {
  Plan plan = calm_plan();
  for (HostPlan& host : plan.hosts) host.profile.heartbeat_interval = milliseconds(500);
  plan.hosts[0].lists = {plan.hosts[1].addresses[1]};
  plan.hosts[1].lists = {plan.hosts[0].addresses[1], IpAddress::ipv4(172, 17, 0, 1)};
  plan.assocs[0].client_side.ending_after = seconds(20);
  expect_pass(plan, 10);
}

// Whoever has the address today would be believed as the peer.
TEST(Found, AnAddressThatIsNotListedAfterARestartIsLeft) {
  for (const uint8_t again : {uint8_t{1}, uint8_t{2}}) {
    Plan plan = calm_plan();
    AssocPlan& assoc = plan.assocs[0];
    assoc.client_paths = assoc.server_paths = 2;
    assoc.client_paths_again = again;
    assoc.named = 1;
    assoc.reconnect = true;
    assoc.client_side.ending_after = seconds(5);
    plan.expect.all_close = false;
    plan.incidents = {{Incident::kCrash, seconds(1), 0, 0, {}, 0, 0},
                      {Incident::kStart, seconds(2), 0, 0, {}, 0, 0}};
    expect_pass(plan, 10);
  }
}

// Both INITs may be answered before the first cookie comes back.
TEST(Found, TwoCallersThatListOnePrivateAddressAreBothServed) {
  Plan plan = calm_plan();
  HostPlan third = plan.hosts[0];
  third.addresses = {IpAddress::ipv4(192, 0, 2, 3), *IpAddress::parse("2001:db8::3")};
  plan.hosts.push_back(third);
  for (const HostIndex host : {HostIndex{0}, HostIndex{2}}) {
    plan.hosts[host].lists = {IpAddress::ipv4(172, 17, 0, 1)};
  }
  plan.links = {{0, 1, 0, {}}, {1, 0, 0, {}}, {2, 1, 0, {}}, {1, 2, 0, {}}};
  for (HostPlan& host : plan.hosts) host.profile.max_init_retransmits = 2;
  plan.assocs[0].client_side.ending_after = seconds(60);
  AssocPlan second = plan.assocs[0];
  second.client = 2;
  plan.assocs.push_back(second);
  expect_pass(plan, 10);
}

// A window in which the next chunk has no room is a closed one (6.1 A): its probes are answered.
TEST(Found, AWindowTooSmallForTheNextChunkIsNoSignOfDeath) {
  for (const uint32_t window : {0u, 1u, 1300u}) {
    Plan plan = calm_plan();
    for (HostPlan& host : plan.hosts) {
      host.profile.heartbeat_interval = Duration{};
      host.profile.association_max_retrans = 5;
      host.profile.rto_max = seconds(10);
    }
    plan.hosts[1].window_cap = window;
    plan.hosts[1].window_cap_until = seconds(900);
    TrafficPlan& traffic = plan.assocs[0].client_side.traffic;
    traffic.pattern = Pattern::kPaced;
    traffic.gap = milliseconds(200);
    traffic.messages = 500;
    traffic.min_size = traffic.max_size = 1400;
    plan.assocs[0].client_side.ending_after = seconds(901);
    plan.expect.sound_paths = true;
    expect_pass(plan, 3);
  }
}

// What was sent into a closed window on two paths, and answered, was no error on the first whose
// timer expired, and one on the second.
TEST(Found, AClosedWindowIsNoSignOfDeathOnAnyOfTwoPaths) {
  Plan plan = calm_plan();
  for (HostPlan& host : plan.hosts) {
    host.profile.heartbeat_interval = Duration{};
    host.profile.rto_max = seconds(2);
    host.profile.path_max_retrans = 2;
  }
  plan.hosts[1].window_cap = 0;
  plan.hosts[1].window_cap_until = seconds(60);
  AssocPlan& assoc = plan.assocs[0];
  assoc.client_paths = assoc.server_paths = 2;
  TrafficPlan& traffic = assoc.client_side.traffic;
  traffic.messages = 20;
  traffic.min_size = traffic.max_size = 1400;
  assoc.client_side.ending_after = seconds(61);
  plan.expect.sound_paths = true;
  expect_pass(plan, 5);
}

// Each message of one byte takes a block: what came in behind a hole was bounded by the window of
// bytes, which is a hundred times less.
TEST(Found, TinyMessagesBehindAHoleKeepToTheWindow) {
  Plan plan = calm_plan();
  plan.hosts[1].profile.a_rwnd = 16 * 1024;
  for (LinkPlan& link : plan.links) link.faults.backwards = milliseconds(5);
  TrafficPlan& traffic = plan.assocs[0].client_side.traffic;
  traffic.messages = 2000;
  traffic.min_size = traffic.max_size = 1;
  expect_pass(plan, 5);
}

// A fast retransmission was taken for lost, again and again, by what came on the way that had taken
// over: it put T3 of the dead way off for ever.
TEST(Found, WhatIsLostAgainLeavesADeadPath) {
  Plan plan;
  plan.hosts.resize(2);
  for (size_t i = 0; i < 2; ++i) {
    for (const char* const prefix : {"192.0.2.", "2001:db8::", "198.51.100.", "2001:db8:3::"}) {
      plan.hosts[i].addresses.push_back(*IpAddress::parse(prefix + std::to_string(i + 1)));
    }
  }
  plan.hosts[1].profile.primary_return_heartbeats = 3;
  plan.hosts[1].profile.loss_recovery = LossRecovery::kEarly;
  AssocPlan assoc;
  assoc.client_port = 10002;
  assoc.server_port = 20043;
  assoc.client_paths = assoc.server_paths = 3;
  assoc.client_side.ending = Ending::kWhenAllDone;
  assoc.server_side.traffic = {
      .pattern = Pattern::kPaced, .messages = 238, .gap = microseconds(45'325)};
  plan.assocs = {assoc};
  const auto at = [](Incident what, int us, HostIndex from, uint8_t nets) {
    return IncidentPlan{.what = what,
                        .after = microseconds(us),
                        .from = from,
                        .to = static_cast<HostIndex>(1 - from),
                        .nets = nets};
  };
  plan.incidents = {at(Incident::kCut, 1'608'338, 1, 1), at(Incident::kRestore, 2'914'494, 1, 1),
                    at(Incident::kCut, 0, 0, 2), at(Incident::kCut, 6'121'934, 1, 2)};
  plan.expect = {.failover = true};
  const RunResult result = run_plan(plan, 103);
  EXPECT_TRUE(result.passed) << result.report;
}

}  // namespace
}  // namespace trunkline::sim
