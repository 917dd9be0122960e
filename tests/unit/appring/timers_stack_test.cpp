// SPDX-License-Identifier: BSD-3-Clause
// Timers of an association and of an address, as an application asks for them: through the rings to
// a real shard, within what the operator grants.
#include <cerrno>
#include <thread>

#include "real_stack.h"

namespace trunkline::test {
namespace {

using appring::RingCounter;

class TimersTest : public RealStackTest {
 protected:
  void SetUp() override {
    step_ = std::chrono::milliseconds(1);
    server_ = attach(left, {});
    lane_ = attach(right, {});
    listen(server_);
    ASSERT_EQ(dial(lane_, &assoc_, {.peer = "10.1.0.1"}), 0);
    tl_event event{};
    while (tl_poll(lane_, &event, 1) != 1) turn();
    ASSERT_EQ(event.kind, TL_EVENT_CONNECTED);
    ASSERT_EQ(tl_address_parse("10.1.0.1", &peer_), 0);
  }
  // The call waits for its worker.
  template <typename Call>
  int asked(Call&& call) {
    std::atomic<bool> done{false};
    int result = 0;
    std::thread application([&] {
      result = call();
      if (result != 0) why_ = tl_last_error();
      done.store(true);
    });
    while (!done.load()) turn();
    application.join();
    return result;
  }
  int set(const tl_timers& timers, const tl_address* address = nullptr) {
    why_.clear();
    return asked([&] { return tl_assoc_set_timers(lane_, assoc_, address, &timers); });
  }
  tl_timers get(const tl_address* address = nullptr) {
    tl_timers out{};
    EXPECT_EQ(asked([&] { return tl_assoc_timers(lane_, assoc_, address, &out); }), 0) << why_;
    return out;
  }
  void expect_refused(const tl_timers& timers, const char* why,
                      const tl_address* address = nullptr) {
    const Profile before = *right.shard.profile(right.shard.associations().at(0));
    EXPECT_EQ(set(timers, address), -EINVAL) << why;
    EXPECT_EQ(why_, why);
    EXPECT_EQ(*right.shard.profile(right.shard.associations().at(0)), before) << why;
  }

  tl_lane* server_ = nullptr;
  tl_lane* lane_ = nullptr;
  tl_assoc assoc_ = 0;
  tl_address peer_{};
  std::string why_;
};

TEST_F(TimersTest, AreWhatTheProfileSaysUntilTheyAreChanged) {
  tl_timers timers = get();
  EXPECT_EQ(timers.rto_initial_ms, 20U);
  EXPECT_EQ(timers.rto_min_ms, 10U);
  EXPECT_EQ(timers.rto_max_ms, 100U);
  EXPECT_EQ(timers.sack_delay_ms, 1U);
  EXPECT_EQ(timers.sack_frequency, 2);
  EXPECT_EQ(timers.heartbeat_ms, 30'000U);
  EXPECT_EQ(timers.association_max_retrans, 10);
  EXPECT_EQ(timers.path_max_retrans, 5);
  EXPECT_EQ(timers.potentially_failed_max_retrans, 0);
  // Back again is no change.
  EXPECT_EQ(set(timers), 0) << why_;

  tl_timers some{};
  some.fields = TL_TIMER_RTO_INITIAL | TL_TIMER_RTO_MIN | TL_TIMER_RTO_MAX | TL_TIMER_SACK_DELAY |
                TL_TIMER_SACK_FREQUENCY | TL_TIMER_ASSOCIATION_MAX_RETRANS;
  some.rto_initial_ms = 300;
  some.rto_min_ms = 200;
  some.rto_max_ms = 4000;
  some.sack_delay_ms = 40;
  some.sack_frequency = 1;
  some.association_max_retrans = 4;
  some.path_max_retrans = 99;  // not asked for
  ASSERT_EQ(set(some), 0) << why_;
  timers = get();
  EXPECT_EQ(timers.rto_initial_ms, 300U);
  EXPECT_EQ(timers.rto_min_ms, 200U);
  EXPECT_EQ(timers.rto_max_ms, 4000U);
  EXPECT_EQ(timers.sack_delay_ms, 40U);
  EXPECT_EQ(timers.sack_frequency, 1);
  EXPECT_EQ(timers.association_max_retrans, 4);
  EXPECT_EQ(timers.path_max_retrans, 5);
  AssocStatus status;
  ASSERT_TRUE(right.shard.status(right.shard.associations().at(0), status));
  EXPECT_GE(status.paths[0].rto, std::chrono::milliseconds(200));
}

TEST_F(TimersTest, OfAnAddressAreItsOwn) {
  tl_timers own{};
  own.fields = TL_TIMER_HEARTBEAT | TL_TIMER_PATH_MAX_RETRANS | TL_TIMER_POTENTIALLY_FAILED;
  own.heartbeat_ms = 500;
  own.path_max_retrans = 2;
  own.potentially_failed_max_retrans = 1;
  ASSERT_EQ(set(own, &peer_), 0) << why_;
  const tl_timers there = get(&peer_);
  EXPECT_EQ(there.heartbeat_ms, 500U);
  EXPECT_EQ(there.path_max_retrans, 2);
  EXPECT_EQ(there.potentially_failed_max_retrans, 1);
  EXPECT_EQ(get().heartbeat_ms, 30'000U);
  tl_address other{};
  ASSERT_EQ(tl_address_parse("10.1.0.77", &other), 0);
  EXPECT_EQ(set(own, &other), -EADDRNOTAVAIL);
  tl_timers out{};
  EXPECT_EQ(asked([&] { return tl_assoc_timers(lane_, assoc_, &other, &out); }), -EADDRNOTAVAIL);
  // What is said of all counts for it too.
  own.fields = TL_TIMER_HEARTBEAT;
  own.heartbeat_ms = 0;
  ASSERT_EQ(set(own), 0) << why_;
  EXPECT_EQ(get(&peer_).heartbeat_ms, 0U);
  EXPECT_EQ(get(&peer_).path_max_retrans, 2);
}

TEST_F(TimersTest, WhatCannotBeIsRefusedWithAWord) {
  tl_timers t{};
  t.fields = TL_TIMER_RTO_MAX;
  t.rto_max_ms = UINT32_MAX;
  expect_refused(t, "rto_max is out of range");
  t.rto_max_ms = 15;
  expect_refused(t, "rto_max is below rto_initial");
  t.fields = TL_TIMER_SACK_FREQUENCY;
  t.sack_frequency = 257;
  expect_refused(t, "sack_frequency is out of range");
  t.fields = TL_TIMER_SACK_DELAY;
  t.sack_delay_ms = 501;
  expect_refused(t, "sack_delay is out of range");
  t.fields = TL_TIMER_ASSOCIATION_MAX_RETRANS | TL_TIMER_HEARTBEAT;
  t.association_max_retrans = 0;
  t.heartbeat_ms = 1000;
  expect_refused(t, "association_max_retrans is out of range");
  t.fields = 0x8000'0000;
  expect_refused(t, "fields has a bit that is unknown, or none of an address");
  t.fields = TL_TIMER_RTO_MIN;
  expect_refused(t, "fields has a bit that is unknown, or none of an address", &peer_);
  EXPECT_EQ(right.bridge.counters().get(RingCounter::k_refuse_operation), 5U);
  EXPECT_EQ(right.bridge.counters().get(RingCounter::k_refuse_bad_body), 2U);
}

// A client must not flood the network with what the operator would never have asked for.
TEST_F(TimersTest, TheOperatorSaysHowShortTheyMayBe) {
  tl_timers t{};
  t.fields = TL_TIMER_RTO_MIN;
  t.rto_min_ms = 9;
  expect_refused(t, "rto_min is below what the daemon grants to clients");
  t.fields = TL_TIMER_HEARTBEAT;
  t.heartbeat_ms = 99;
  expect_refused(t, "heartbeat_interval is below what the daemon grants to clients");
  expect_refused(t, "heartbeat_interval is below what the daemon grants to clients", &peer_);
  t.heartbeat_ms = 0;
  ASSERT_EQ(set(t), 0) << why_;
  t.heartbeat_ms = 99;
  expect_refused(t, "heartbeat_interval is below what the daemon grants to clients");
  t.heartbeat_ms = 100;
  EXPECT_EQ(set(t), 0) << why_;
}

TEST_F(TimersTest, ManyEditsLeaveNothing) {
  tl_timers t{};
  t.fields = TL_TIMER_RTO_MAX;
  for (uint32_t n = 0; n < 50; ++n) {
    t.rto_max_ms = 1000 + n;
    ASSERT_EQ(set(t), 0) << why_;
  }
  EXPECT_EQ(right.shard.pool_usage().profiles_used, 1U);
}

}  // namespace
}  // namespace trunkline::test
