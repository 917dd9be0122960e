// SPDX-License-Identifier: BSD-3-Clause
// Clients that leave, orderly or not, and a daemon that closes: what stays and what goes.
#include <cerrno>
#include <string>

#include "ring_harness.h"

namespace trunkline::test {
namespace {

using appring::ClientDeath;
using appring::RingCounter;

class ClientTest : public RingHarness {};

// ---------------------------------------------------------------- clients that leave

class ShutdownBridgeTest : public RingHarness {
 protected:
  static appring::BridgeConfig config() {
    appring::BridgeConfig out = test_bridge_config();
    out.on_death = ClientDeath::kShutdown;
    return out;
  }
  ShutdownBridgeTest() : RingHarness(config()) {}
};

TEST_F(ClientTest, ADeadClientTakesOnlyItsOwnAssociations) {
  TestClient& victim = attach();
  tl_lane* const dead = lane_of(victim);
  tl_lane* const alive = lane_of(attach());
  tl_lane* const peer = lane_of(attach());
  ASSERT_EQ(listen(peer, 5000), 0);
  tl_assoc doomed = 0;
  tl_assoc safe = 0;
  ASSERT_EQ(connect(dead, 5000, &doomed), 0);
  ASSERT_EQ(connect(alive, 5000, &safe), 0);
  ASSERT_EQ(listen(dead, 6000), 0);
  turn();
  poll(dead);
  poll(alive);
  poll(peer);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(send(dead, doomed, bytes(600, 'd')), 0);
  ASSERT_EQ(send(alive, safe, "still here"), 0);
  turn(3);
  ASSERT_TRUE(bridge.mailbox().post_to_worker({appring::MailKind::kRemove, victim.ring.get()}));
  bridge.drain_submissions(now);
  EXPECT_EQ(gone, 0U);
  turn();
  turn();
  EXPECT_EQ(gone, 1U);
  EXPECT_EQ(shard.aborts, 1U);
  EXPECT_EQ(victim.ring->channel(0, 0).tx_in_use(), 0U);
  EXPECT_EQ(bridge.endpoints_in_use(), 2U);  // the peer's, and that of the living connect
  const auto events = poll(peer);
  EXPECT_EQ(count(events, TL_EVENT_LOST), 1U);
  bool heard = false;
  for (const Got& got : events) heard |= got.text == "still here";
  EXPECT_TRUE(heard);
  ASSERT_EQ(send(alive, safe, "and still"), 0);
  turn();
  EXPECT_EQ(only(poll(peer), TL_EVENT_MESSAGE).text, "and still");
  EXPECT_EQ(counter(RingCounter::k_ring_clients_removed), 1U);
}

// The slots of a dead client are unmapped before the stack has given every payload back.
TEST_F(ShutdownBridgeTest, ADeadClientsLastMessagesStillGoOut) {
  TestClient& victim = attach();
  tl_lane* const dead = lane_of(victim);
  tl_lane* const peer = lane_of(attach());
  const Pair pair = join(dead, peer);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(send(dead, pair.client, "testament"), 0);
  turn(0);
  ASSERT_EQ(send(dead, pair.client, "testament"), 0);  // not even taken from the ring yet
  ASSERT_TRUE(bridge.mailbox().post_to_worker({appring::MailKind::kRemove, victim.ring.get()}));
  turn(2);
  EXPECT_EQ(gone, 0U);
  EXPECT_EQ(detached, 1U);
  EXPECT_EQ(victim.ring->segment, nullptr);
  EXPECT_EQ(shard.shutdowns, 1U);
  EXPECT_EQ(shard.aborts, 0U);
  turn();
  turn();
  EXPECT_EQ(gone, 1U);
  const auto events = poll(peer);
  EXPECT_EQ(count(events, TL_EVENT_MESSAGE), 5U);
  EXPECT_EQ(count(events, TL_EVENT_CLOSED), 1U);
}

TEST_F(ClientTest, ADeadClientsBacklogIsGivenBack) {
  ClientSetup slow;
  slow.geometry.rx_slots = 32;
  TestClient& victim = attach(slow);
  tl_lane* const dead = lane_of(victim);
  tl_lane* const writer = lane_of(attach());
  const Pair pair = join(writer, dead);
  for (int i = 0; i < 50; ++i) {
    while (send(writer, pair.client, "x") == -EAGAIN) {
      turn();
      poll(writer);
    }
  }
  turn();
  EXPECT_GT(shard.kept_bytes, shard.consumed_bytes);
  ASSERT_TRUE(bridge.mailbox().post_to_worker({appring::MailKind::kRemove, victim.ring.get()}));
  turn();
  turn();
  EXPECT_EQ(shard.kept_bytes, shard.consumed_bytes);
  EXPECT_EQ(shard.chains_out, 0U);
  EXPECT_EQ(gone, 1U);
}

// Once for each lane, also of a client that comes meanwhile; what it has still works.
TEST_F(ClientTest, LanesAreToldBeforeTheDaemonEnds) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  poll(lane);
  bridge.announce_end(now, std::chrono::milliseconds(700));
  turn();
  auto events = poll(lane);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].event.kind, TL_EVENT_DAEMON_ENDING);
  EXPECT_EQ(events[0].event.time_left_ms, 700U);
  EXPECT_EQ(events[0].event.assoc, 0U);
  EXPECT_STREQ(tl_event_kind_name(TL_EVENT_DAEMON_ENDING), "DAEMON_ENDING");
  now = now + std::chrono::milliseconds(200);
  tl_lane* const late = lane_of(attach());
  turn();
  EXPECT_EQ(only(poll(late), TL_EVENT_DAEMON_ENDING).event.time_left_ms, 500U);
  EXPECT_EQ(listen(lane, 5001), -ENOTCONN);
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 5000, &assoc), 0);
  turn();
  only(poll(lane), TL_EVENT_CONNECT_FAILED);
  ASSERT_EQ(send(lane, pair.client, "ASP-DOWN"), 0);
  ASSERT_EQ(tl_shutdown(lane, pair.client), 0);
  turn();
  events = poll(lane);
  EXPECT_EQ(only(events, TL_EVENT_MESSAGE).text, "ASP-DOWN");
  EXPECT_EQ(count(events, TL_EVENT_CLOSED), 2U);
  EXPECT_EQ(count(events, TL_EVENT_DAEMON_ENDING), 0U);
}

// A lane without room hears it as soon as it has some.
TEST_F(ClientTest, AFullLaneIsToldOfTheEndLater) {
  ClientSetup setup;
  setup.geometry.completion_size = 8;
  setup.geometry.max_operations = 4;
  tl_lane* const reader = lane_of(attach(setup));
  tl_lane* const writer = lane_of(attach());
  const Pair pair = join(writer, reader);
  for (int i = 0; i < 12; ++i) {
    ASSERT_EQ(send(writer, pair.client, "fills the ring"), 0);
    turn();
    poll(writer);
  }
  ASSERT_GT(counter(RingCounter::k_ring_backlogged), 0U);
  bridge.announce_end(now, std::chrono::milliseconds(700));
  turn();
  auto events = poll(reader);
  EXPECT_EQ(count(events, TL_EVENT_DAEMON_ENDING), 0U);
  size_t messages = count(events, TL_EVENT_MESSAGE);
  size_t told = 0;
  for (int i = 0; i < 4; ++i) {
    turn();
    events = poll(reader);
    messages += count(events, TL_EVENT_MESSAGE);
    told += count(events, TL_EVENT_DAEMON_ENDING);
  }
  EXPECT_EQ(messages, 12U);
  EXPECT_EQ(told, 1U);
}

// CONNECTED takes two entries: a worker that has one left does not take the connect yet.
TEST_F(ClientTest, AConnectWaitsForTheTwoEntriesOfItsEnd) {
  ClientSetup setup;
  setup.geometry.completion_size = 8;
  setup.geometry.max_operations = 4;
  tl_lane* const lane = lane_of(attach(setup));
  join(lane, lane_of(attach()));
  turn();
  poll(lane);
  const AssocId first = shard.assocs.begin()->second.id;
  for (int i = 0; i < 7; ++i) shard.push(first, EventKind::kSenderDry);
  turn();
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 5000, &assoc), 0);
  turn();
  turn();
  EXPECT_GT(counter(RingCounter::k_ring_submission_stalls), 0U);
  auto events = poll(lane);
  EXPECT_EQ(events.size(), 7U);
  EXPECT_EQ(count(events, TL_EVENT_SENDER_DRY), 7U);
  turn();
  turn();
  events = poll(lane);
  EXPECT_EQ(only(events, TL_EVENT_CONNECTED).event.assoc, assoc);
}

// A quarter of the ring at least is left for what happens to those that are up.
TEST_F(ClientTest, ConnectsLeaveRoomForEvents) {
  ClientSetup setup;
  setup.geometry.completion_size = 16;
  setup.geometry.max_operations = 8;
  tl_lane* const lane = lane_of(attach(setup));
  join(lane, lane_of(attach()));
  turn();
  poll(lane);
  const AssocId first = shard.assocs.begin()->second.id;
  shard.answer_connects = false;
  for (int i = 0; i < 8; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(connect(lane, static_cast<uint16_t>(6000 + i), &assoc), 0);
    turn();
  }
  shard.push(first, EventKind::kSenderDry);
  turn();
  EXPECT_EQ(count(poll(lane), TL_EVENT_SENDER_DRY), 1U);
  EXPECT_GT(counter(RingCounter::k_ring_submission_stalls), 0U);
  EXPECT_EQ(shard.assocs.size(), 2U + 4U) << "the others wait";
  // Each that ends lets another one begin.
  for (int i = 0; i < 8; ++i) {
    const auto waits = std::find_if(shard.assocs.begin(), shard.assocs.end(),
                                    [](const auto& each) { return !each.second.up; });
    ASSERT_NE(waits, shard.assocs.end());
    shard.finish_connect(AssocId(waits->second.id));
    turn();
    turn();
    EXPECT_EQ(count(poll(lane), TL_EVENT_CONNECT_FAILED), 1U);
  }
  turn();
  EXPECT_EQ(shard.assocs.size(), 2U);
}

TEST_F(ClientTest, CloseAllRefusesNewWork) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  ASSERT_EQ(send(lane, pair.client, "before the end"), 0);
  turn(0);
  bridge.close_all(now, false);
  turn();
  EXPECT_EQ(bridge.associations(), 0U);
  const auto events = poll(lane);
  EXPECT_EQ(count(events, TL_EVENT_CLOSED), 2U);
  EXPECT_EQ(only(events, TL_EVENT_MESSAGE).text, "before the end");
  EXPECT_EQ(listen(lane, 5001), -ENOTCONN);
  EXPECT_TRUE(shard.listening.empty() || !shard.listening.begin()->second);
}

}  // namespace
}  // namespace trunkline::test
