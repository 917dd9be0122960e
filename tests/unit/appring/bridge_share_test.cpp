// SPDX-License-Identifier: BSD-3-Clause
// What clients share at a worker is shared: half of the messages under way is for whoever comes
// first, half in equal parts for those that have little, and each sees it as a refusal of its own.
#include <cerrno>
#include <string>
#include <vector>

#include "ring_harness.h"

namespace trunkline::test {
namespace {

using appring::RingCounter;

constexpr uint32_t kUnits = 240;
constexpr uint32_t kUsers = 6;
constexpr uint32_t kPart = kUnits / 2 / kUsers;

class ShareTest : public RingHarness {
 protected:
  static appring::BridgeConfig config() {
    appring::BridgeConfig out = test_bridge_config();
    out.max_units = kUnits;
    out.max_clients = kUsers;
    return out;
  }
  explicit ShareTest(const appring::BridgeConfig& how = config()) : RingHarness(how) {}
  void SetUp() override {
    peer_ = lane_of(attach());
    ASSERT_EQ(listen(peer_, 5000), 0);
  }
  struct User {
    TestClient* client = nullptr;
    tl_lane* lane = nullptr;
    std::vector<tl_assoc> assocs;
  };
  User user(size_t associations) {
    ClientSetup setup;
    setup.geometry.tx_slots = 256;
    setup.geometry.submission_size = 256;
    setup.geometry.completion_size = 512;
    setup.geometry.max_operations = 256;
    User out;
    out.client = &attach(setup);
    out.lane = lane_of(*out.client);
    for (size_t i = 0; i < associations; ++i) {
      tl_assoc assoc = 0;
      EXPECT_EQ(connect(out.lane, 5000, &assoc), 0);
      turn(0);
      poll(out.lane);
      poll(peer_);
      out.assocs.push_back(assoc);
    }
    return out;
  }
  // Tiny messages to peers that take nothing, until none is taken; returns how many were.
  size_t fill(User& user, std::string_view text = "x") {
    size_t taken = 0;
    for (const tl_assoc assoc : user.assocs) {
      for (int i = 0; i < 32 && send(user.lane, assoc, text) == 0; ++i) ++taken;
      turn(0);
    }
    for (const Got& got : poll(user.lane)) {
      if (got.event.kind != TL_EVENT_SEND_FAILED) continue;
      EXPECT_EQ(got.event.error, -EAGAIN);
      EXPECT_EQ(got.text, text);  // to be sent again
      --taken;
    }
    return taken;
  }

  tl_lane* peer_ = nullptr;
};

TEST_F(ShareTest, OneClientDoesNotTakeAllMessages) {
  User hog = user(8);
  User other = user(1);
  EXPECT_EQ(fill(hog), kUnits / 2);
  EXPECT_GT(counter(RingCounter::k_refuse_client_share), 0U);
  const uint64_t refused = counter(RingCounter::k_refuse_client_share);
  ASSERT_EQ(send(other.lane, other.assocs[0], "well-behaved"), 0);
  turn(0);
  EXPECT_EQ(counter(RingCounter::k_refuse_client_share), refused);
  EXPECT_EQ(fill(other), kPart - 1);
}

TEST_F(ShareTest, HoweverManyTakeWhatTheyCanTheNextOneFindsRoom) {
  User hog = user(8);
  EXPECT_EQ(fill(hog), kUnits / 2);
  for (uint32_t i = 1; i < kUsers; ++i) {
    User next = user(4);
    EXPECT_EQ(fill(next), kPart) << i;
  }
}

// Large messages take chunks as well as themselves.
TEST_F(ShareTest, AMessageCountsAsWhatItIsCutInto) {
  User hog = user(8);
  EXPECT_EQ(fill(hog, bytes(5120, 'l')), 11U);  // 11 each: the one that passes the half is the last
}

TEST_F(ShareTest, WhatIsAcknowledgedCountsNoMore) {
  User hog = user(8);
  EXPECT_EQ(fill(hog), kUnits / 2);
  for (int i = 0; i < 4; ++i) {
    turn();
    poll(hog.lane);
    poll(peer_);
  }
  EXPECT_EQ(fill(hog), kUnits / 2);
  shard.end(shard.assocs.begin()->first, EventKind::kLost, Reason::kReset);
  for (const tl_assoc assoc : hog.assocs) tl_abort(hog.lane, assoc, nullptr);
  turn(0);
  poll(hog.lane);
  User next = user(8);
  EXPECT_EQ(fill(next), kUnits / 2);
}

class DyingShareTest : public ShareTest {
 protected:
  static appring::BridgeConfig config() {
    appring::BridgeConfig out = ShareTest::config();
    out.on_death = appring::ClientDeath::kShutdown;
    return out;
  }
  DyingShareTest() : ShareTest(config()) {}
};

// However many die and leave what they can, a living client has its part.
TEST_F(DyingShareTest, TheDeadLeaveTheLivingTheirParts) {
  for (int i = 0; i < 20; ++i) {
    User one = user(8);
    EXPECT_GE(fill(one), kPart) << i;
    ASSERT_TRUE(
        bridge.mailbox().post_to_worker({appring::MailKind::kRemove, one.client->ring.get()}));
    turn(0);
    turn(0);
    poll(peer_);
  }
  EXPECT_GT(counter(RingCounter::k_ring_orphaned), 0U);
  EXPECT_GT(counter(RingCounter::k_abort_orphan_buffer), 0U);
}

}  // namespace
}  // namespace trunkline::test
