// SPDX-License-Identifier: BSD-3-Clause
// What a client that goes leaves to be acknowledged: its segment goes at once, its messages within
// the share for the dead, and nothing else.
#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "ring_harness.h"

namespace trunkline::test {
namespace {

using appring::ClientDeath;
using appring::MailKind;
using appring::RingCounter;

constexpr uint64_t kBuffer = 64 * 1024;

class OrphanTest : public RingHarness {
 protected:
  static appring::BridgeConfig config() {
    appring::BridgeConfig out = test_bridge_config();
    out.on_death = ClientDeath::kShutdown;
    out.orphan_buffer = kBuffer;
    return out;
  }
  OrphanTest() : RingHarness(config()) {}
  void die(TestClient& client) {
    ASSERT_TRUE(bridge.mailbox().post_to_worker({MailKind::kRemove, client.ring.get()}));
  }
  // A client with `n` messages of 500 bytes that its peer does not take.
  TestClient& with_messages(tl_lane* peer, uint16_t port, int n) {
    TestClient& client = attach();
    tl_lane* const lane = lane_of(client);
    tl_assoc assoc = 0;
    EXPECT_EQ(connect(lane, port, &assoc), 0);
    turn(0);
    poll(lane);
    poll(peer);
    for (int i = 0; i < n; ++i) EXPECT_EQ(send(lane, assoc, bytes(500, 'o')), 0);
    turn(0);
    return client;
  }
};

TEST_F(OrphanTest, TheSegmentGoesBeforeTheMessagesAreAcknowledged) {
  tl_lane* const peer = lane_of(attach());
  ASSERT_EQ(listen(peer, 5000), 0);
  TestClient& victim = with_messages(peer, 5000, 20);
  die(victim);
  turn(0);
  turn(0);
  EXPECT_EQ(detached, 1U);
  EXPECT_EQ(gone, 0U);
  EXPECT_EQ(victim.ring->segment, nullptr);
  EXPECT_EQ(counter(RingCounter::k_ring_orphaned), 1U);
  turn();
  size_t heard = 0;
  for (const Got& got : poll(peer)) {
    if (got.event.kind != TL_EVENT_MESSAGE) continue;
    EXPECT_EQ(got.text, bytes(500, 'o'));
    ++heard;
  }
  EXPECT_EQ(heard, 20U);
  turn();
  EXPECT_EQ(gone, 1U);
  EXPECT_EQ(shard.aborts, 0U);
}

// Whoever had begun to close has not begun to lose: what is under way is delivered all the same.
TEST_F(OrphanTest, WhatIsShuttingDownAlreadyGoesOn) {
  tl_lane* const peer = lane_of(attach());
  ASSERT_EQ(listen(peer, 5000), 0);
  TestClient& victim = attach();
  tl_lane* const lane = lane_of(victim);
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 5000, &assoc), 0);
  turn(0);
  poll(lane);
  poll(peer);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(send(lane, assoc, bytes(500, 'o')), 0);
  ASSERT_EQ(tl_shutdown(lane, assoc), 0);
  turn(0);
  ASSERT_EQ(shard.shutdowns, 1U);
  die(victim);
  turn(0);
  turn(0);
  EXPECT_EQ(counter(RingCounter::k_ring_orphaned), 1U);
  EXPECT_EQ(shard.aborts, 0U);
  turn();
  const auto is_message = [](const Got& got) { return got.event.kind == TL_EVENT_MESSAGE; };
  const std::vector<Got> heard = poll(peer);
  EXPECT_EQ(std::count_if(heard.begin(), heard.end(), is_message), 20);
}

// Likewise where the daemon is told to end.
TEST_F(OrphanTest, WhatIsShuttingDownAlreadyGoesOnWhenTheDaemonEnds) {
  tl_lane* const peer = lane_of(attach());
  ASSERT_EQ(listen(peer, 5000), 0);
  tl_lane* const lane = lane_of(attach());
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 5000, &assoc), 0);
  turn(0);
  poll(lane);
  ASSERT_EQ(send(lane, assoc, bytes(500, 'o')), 0);
  ASSERT_EQ(tl_shutdown(lane, assoc), 0);
  turn(0);
  ASSERT_EQ(shard.shutdowns, 1U);
  bridge.close_all(now, false);
  EXPECT_EQ(shard.aborts, 0U);
}

// A client that is gone waits for its associations without anybody looking at it.
TEST_F(OrphanTest, TheDeadThatWaitCostNothing) {
  tl_lane* const peer = lane_of(attach());
  ASSERT_EQ(listen(peer, 5000), 0);
  for (int i = 0; i < 24; ++i) {
    TestClient& victim = with_messages(peer, 5000, 1);
    die(victim);
    for (int k = 0; k < 4; ++k) turn(0);
  }
  EXPECT_EQ(detached, 24U);
  EXPECT_EQ(gone, 0U);
  bridge.flush();
  EXPECT_FALSE(bridge.has_work());
  for (int i = 0; i < 20; ++i) {
    turn();
    poll(peer);
  }
  EXPECT_EQ(gone, 24U);
}

// Half of the buffer is the most that one may have; what is beyond that is aborted and counted.
TEST_F(OrphanTest, WhatDoesNotFitIsAborted) {
  tl_lane* const peer = lane_of(attach());
  ASSERT_EQ(listen(peer, 5000), 0);
  ClientSetup many;
  many.geometry.tx_slots = 256;
  many.geometry.submission_size = 256;
  many.geometry.completion_size = 512;
  many.geometry.max_operations = 256;
  TestClient& victim = attach(many);
  tl_lane* const lane = lane_of(victim);
  for (int i = 0; i < 5; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(connect(lane, 5000, &assoc), 0);
    turn(0);
    poll(lane);
    for (int k = 0; k < 20; ++k) ASSERT_EQ(send(lane, assoc, bytes(500, 'o')), 0);
  }
  turn(0);
  die(victim);
  turn(0);
  turn(0);
  EXPECT_EQ(detached, 1U);
  // 10,000 bytes each, and what remembers the slots.
  EXPECT_EQ(counter(RingCounter::k_ring_orphaned), 2U);
  EXPECT_EQ(counter(RingCounter::k_abort_orphan_buffer), 3U);
  EXPECT_EQ(shard.aborts, 3U);
  EXPECT_EQ(shard.shutdowns, 2U);
  for (int i = 0; i < 10; ++i) {
    turn();
    poll(peer);
  }
  EXPECT_EQ(gone, 1U);
}

// However many have died before and left as much as they could, the next one finds room, and room
// comes back with the acknowledgements.
TEST_F(OrphanTest, WhoDiesLaterFindsRoomToo) {
  tl_lane* const peer = lane_of(attach());
  ASSERT_EQ(listen(peer, 5000), 0);
  for (int i = 0; i < 8; ++i) {
    TestClient& victim = with_messages(peer, 5000, i < 7 ? 30 : 1);
    die(victim);
    turn(0);
    turn(0);
  }
  EXPECT_EQ(detached + gone, 8U);
  EXPECT_GE(counter(RingCounter::k_ring_orphaned), 2U);
  EXPECT_GE(counter(RingCounter::k_abort_orphan_buffer), 1U);
  const uint64_t orphaned = counter(RingCounter::k_ring_orphaned);
  for (int i = 0; i < 20; ++i) {
    turn();
    poll(peer);
  }
  EXPECT_EQ(gone, 8U);
  TestClient& last = with_messages(peer, 5000, 30);
  die(last);
  turn(0);
  EXPECT_EQ(counter(RingCounter::k_ring_orphaned), orphaned + 1);
  turn();
  turn();
}

// A process may have closed its socket and go on writing to its rings: the worker takes what lay
// there, and goes its way.
TEST_F(OrphanTest, AClientThatNeverStopsSubmitting) {
  TestClient& victim = attach();
  tl_lane* const lane = lane_of(victim);
  const Pair pair = join(lane, lane_of(attach()));
  tlr_channel& channel = shared(victim);
  const tlr_geometry g = small_geometry();
  auto* const submissions = reinterpret_cast<tlr_submission*>(victim.ring->segment->channel(0, 0) +
                                                              tlr_layout_of(&g).submissions);
  uint64_t refused = 0;
  // Each send that is looked at brings another one.
  shard.on_send = [&] {
    ++refused;
    ASSERT_LT(refused, 10'000U);
    uint32_t& produced = channel.submission_produced.value;
    submissions[produced & 63] = submissions[(produced - 1) & 63];
    __atomic_store_n(&produced, produced + 1, __ATOMIC_RELEASE);
    // What the worker writes to the ring of completions is consumed at once.
    __atomic_store_n(&channel.completion_consumed.value, channel.completion_produced.value,
                     __ATOMIC_RELEASE);
  };
  shard.next_send = Status::kWouldBlock;
  ASSERT_EQ(send(lane, pair.client, "again"), 0);
  die(victim);
  bridge.drain_submissions(now);
  shard.on_send = {};
  EXPECT_LE(refused, 64U) << "what one ring holds";
  EXPECT_EQ(shard.shutdowns, 1U);
}

// A segment whose pages vanish under the copy: nothing of it may go out.
TEST_F(OrphanTest, MemoryThatIsLostIsNotSent) {
  ClientSetup setup;
  setup.seals = appring::Segment::Seals::kOff;
  TestClient& victim = attach(setup);
  tl_lane* const lane = lane_of(victim);
  tl_lane* const peer = lane_of(attach());
  const Pair pair = join(lane, peer);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(send(lane, pair.client, "precious"), 0);
  turn(0);
  // The hang-up has been taken, the events of the abort have not come: nothing is copied yet.
  die(victim);
  const int fd = victim.ring->segment->fd();
  ASSERT_EQ(ftruncate(fd, TLR_PAGE), 0);
  turn(0);
  turn(0);
  turn();
  const auto events = poll(peer);
  EXPECT_EQ(count(events, TL_EVENT_MESSAGE), 0U);
  EXPECT_EQ(count(events, TL_EVENT_LOST), 1U);
  EXPECT_EQ(gone, 1U);
  EXPECT_GE(counter(RingCounter::k_refuse_lost_segment), 1U);
}

}  // namespace
}  // namespace trunkline::test
