// SPDX-License-Identifier: BSD-3-Clause
// What clients share at a worker is shared: nobody has more of the messages under way than leaves
// something for the next one, and each sees it as a refusal of its own.
#include <cerrno>
#include <string>
#include <vector>

#include "ring_harness.h"

namespace trunkline::test {
namespace {

using appring::RingCounter;

constexpr uint32_t kUnits = 120;

class ShareTest : public RingHarness {
 protected:
  static appring::BridgeConfig config() {
    appring::BridgeConfig out = test_bridge_config();
    out.max_units = kUnits;
    return out;
  }
  ShareTest() : RingHarness(config()) {}
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
  EXPECT_EQ(fill(other), kUnits / 4 - 1);
}

TEST_F(ShareTest, HoweverManyTakeWhatTheyCanTheNextOneFindsRoom) {
  for (int i = 0; i < 6; ++i) {
    User hog = user(4);
    EXPECT_GT(fill(hog), 0U) << i;
  }
  User last = user(1);
  EXPECT_GT(fill(last), 0U);
}

// Large messages take chunks as well as themselves.
TEST_F(ShareTest, AMessageCountsAsWhatItIsCutInto) {
  User hog = user(8);
  EXPECT_EQ(fill(hog, bytes(5120, 'l')), 6U);  // 11 each: the one that passes the half is the last
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

}  // namespace
}  // namespace trunkline::test
