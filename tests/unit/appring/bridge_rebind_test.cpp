// SPDX-License-Identifier: BSD-3-Clause
// An association that changes its consumer: what goes with it, what stays, who hears of the ends of
// its sends, and what becomes of it when one of the two dies.
#include <string>
#include <vector>

#include "raw_lane.h"
#include "ring_harness.h"

namespace trunkline::test {
namespace {

using appring::Channel;
using appring::ClientDeath;
using appring::MailKind;
using appring::RingCounter;

class RebindTest : public RingHarness {
 protected:
  explicit RebindTest(const appring::BridgeConfig& how = test_bridge_config()) : RingHarness(how) {}
  void SetUp() override {
    ClientSetup setup;
    setup.geometry.rx_slots = 32;
    attach(setup);
    attach(setup);
    writer_ = lane_of(attach());
    tl_lane* const listener = lane_of(*clients[0]);
    join(writer_, listener);
    id_ = shard.assocs.at(1).id;  // the accepted end, of the first client
  }
  Channel& channel(size_t client) { return clients[client]->ring->channel(0, 0); }
  RawLane& lane(size_t client) {
    while (lanes_.size() <= client) lanes_.emplace_back(*clients[lanes_.size()]->ring);
    return lanes_[client];
  }
  Status move_to(size_t client) { return bridge.rebind(now, id_, channel(client)); }
  void come(const std::string& text) {
    shard.inject(id_, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()), 0, 0,
                 [&](Event& event) { bridge.deliver(now, event); });
  }
  void come(int from, int to) {
    for (int i = from; i < to; ++i) come(std::to_string(i));
  }
  static std::vector<std::string> numbers(int from, int to) {
    std::vector<std::string> out;
    for (int i = from; i < to; ++i) out.push_back(std::to_string(i));
    return out;
  }
  void die(size_t client) {
    ASSERT_TRUE(bridge.mailbox().post_to_worker({MailKind::kRemove, clients[client]->ring.get()}));
  }
  // One more of the first client's.
  AssocId another() {
    const EndpointId endpoint = shard.assocs.at(1).endpoint;
    const AssocId out = shard.accept(endpoint, shard.endpoints.at(endpoint.value).user);
    turn(0);
    return out;
  }
  // Messages that the writer has got.
  size_t heard() { return count(poll(writer_), TL_EVENT_MESSAGE); }

  tl_lane* writer_ = nullptr;
  AssocId id_;
  std::vector<RawLane> lanes_;
};

TEST_F(RebindTest, WhatWaitsGoesAlongAndWhatWasDeliveredStays) {
  come(0, 40);
  turn();
  ASSERT_EQ(shard.assocs.at(id_.slot).held, 16U);
  ASSERT_EQ(move_to(1), Status::kOk);
  come(40, 50);
  turn();
  EXPECT_EQ(lane(0).messages(), numbers(0, 32));
  EXPECT_EQ(lane(1).messages(), numbers(32, 50));
  EXPECT_EQ(shard.assocs.at(id_.slot).held, 0U);
  EXPECT_EQ(channel(0).associations, 0U);
  EXPECT_EQ(channel(1).associations, 1U);
  EXPECT_EQ(bridge.client_of(id_), clients[1]->ring->identity.id);
  EXPECT_EQ(counter(RingCounter::k_ring_rebound), 1U);
}

// It comes behind what waits there already; what waits for others stays where it is.
TEST_F(RebindTest, WhatWaitsComesBehindWhatWaitsThere) {
  const AssocId first = id_;
  ASSERT_EQ(bridge.rebind(now, first, channel(1)), Status::kOk);
  come(0, 34);  // two wait at the second client
  id_ = another();
  ASSERT_NE(id_.slot, first.slot);
  come(100, 135);  // three at the first one
  shard.push(id_, EventKind::kPeerShutdown);
  turn();
  ASSERT_EQ(bridge.rebind(now, id_, channel(1)), Status::kOk);
  EXPECT_TRUE(channel(0).backlog_empty());
  turn();
  EXPECT_EQ(lane(1).messages(), numbers(0, 32));
  turn();
  const auto rest = lane(1).poll();
  ASSERT_EQ(rest.size(), 6U);
  const char* const texts[] = {"32", "33", "132", "133", "134", ""};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(rest[i].text, texts[i]);
  EXPECT_EQ(rest[5].entry.kind, TLR_PEER_SHUTDOWN);
  EXPECT_EQ(shard.chains_out, 0U);
}

TEST_F(RebindTest, UnreadBytesStayWithWhoHasThem) {
  for (int i = 0; i < 10; ++i) come(bytes(500, 'u'));
  turn();
  ASSERT_EQ(move_to(1), Status::kOk);
  for (int i = 0; i < 4; ++i) come(bytes(500, 'u'));
  turn();
  EXPECT_EQ(shard.assocs.at(id_.slot).unread, 7000U);
  lane(0).poll(true);
  turn();
  bridge.arm();  // the window is what they hold: their return is awaited there
  EXPECT_EQ(shared(*clients[0]).worker_armed.value, 2U);
  bridge.disarm();
  lane(0).give_back();
  turn();
  EXPECT_EQ(shard.assocs.at(id_.slot).unread, 2000U);
  lane(1).poll();
  turn();
  EXPECT_EQ(shard.assocs.at(id_.slot).unread, 0U);
}

TEST_F(RebindTest, ADeadClientsUnreadBytesAreNobodys) {
  for (int i = 0; i < 10; ++i) come(bytes(500, 'u'));
  turn();
  ASSERT_EQ(move_to(1), Status::kOk);
  die(0);
  turn();
  turn();
  EXPECT_EQ(gone, 1U);
  EXPECT_EQ(shard.aborts, 0U);
  EXPECT_EQ(shard.assocs.at(id_.slot).unread, 0U);
}

TEST_F(RebindTest, EndsOfSendsGoToWhoSentThem) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(lane(0).send(id_, "first"));
  turn(0);
  ASSERT_EQ(channel(0).tx_in_use(), 5U);
  ASSERT_EQ(move_to(1), Status::kOk);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(lane(1).send(id_, "second"));
  ASSERT_TRUE(lane(0).send(id_, "no more"));
  turn(0);
  lane(0).poll();
  EXPECT_EQ(lane(0).failures, 1U) << "it is another's now";
  shard.fail_queued(id_.slot, Reason::kRestarted);
  turn(0);
  lane(0).poll();
  lane(1).poll();
  EXPECT_EQ(lane(0).failures, 6U);
  EXPECT_EQ(lane(1).failures, 3U);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(lane(1).send(id_, "third"));
  turn(0);
  ASSERT_EQ(move_to(0), Status::kOk);
  ASSERT_TRUE(lane(0).send(id_, "fourth"));
  turn();
  lane(0).poll();
  lane(1).poll();
  EXPECT_EQ(lane(0).ends, 1U);
  EXPECT_EQ(lane(1).ends, 2U);
  EXPECT_EQ(heard(), 3U);
  EXPECT_EQ(channel(0).tx_in_use() + channel(1).tx_in_use(), 0U);
}

// Back where it was, what it sent there before counts against the credit again.
TEST_F(RebindTest, CreditIsOfWhatLiesInTheLane) {
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(lane(0).send(id_, "x"));
  turn(0);
  ASSERT_EQ(move_to(1), Status::kOk);
  for (int i = 0; i < 33; ++i) ASSERT_TRUE(lane(1).send(id_, "y"));
  turn(0);
  EXPECT_EQ(counter(RingCounter::k_refuse_send_credit), 1U) << "32 are its own";
  ASSERT_EQ(move_to(0), Status::kOk);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(lane(0).send(id_, "z"));
  turn(0);
  EXPECT_EQ(counter(RingCounter::k_refuse_send_credit), 2U);
  for (int i = 0; i < 3; ++i) turn();
  EXPECT_EQ(channel(0).tx_in_use() + channel(1).tx_in_use(), 0U);
}

TEST_F(RebindTest, IsRefusedWhereThereIsNoRoom) {
  EXPECT_EQ(bridge.rebind(now, AssocId{99, 0, 0}, channel(1)), Status::kNoSuchAssociation);
  EXPECT_EQ(move_to(0), Status::kOk) << "it is there";
  ClientSetup small;
  small.geometry.rx_slots = 2;
  small.limits = {1, 8, 2};
  attach(small);
  come(0, 32);
  come(std::string(1025, 'w'));
  turn();
  EXPECT_EQ(move_to(3), Status::kMessageTooLarge);
  lane(0).poll();
  turn();
  lane(0).poll();
  for (int i = 0; i < 32 + 3; ++i) come("x");
  EXPECT_EQ(move_to(3), Status::kOutOfResources) << "two may wait there";
  EXPECT_EQ(channel(0).associations, 1U);
  turn();
  lane(0).poll();
  turn();
  EXPECT_EQ(lane(0).messages().size(), 3U) << "nothing has changed";
  ASSERT_EQ(move_to(3), Status::kOk);
  id_ = another();
  EXPECT_EQ(move_to(3), Status::kOutOfResources) << "it has the one that it may have";
  die(3);
  turn(0);
  EXPECT_EQ(move_to(3), Status::kClosing);
  shard.answer_connects = false;
  tl_assoc calling = 0;
  ASSERT_EQ(connect(writer_, 5000, &calling), 0);
  turn(0);
  for (const auto& [slot, entry] : shard.assocs) {
    if (!entry.up) id_ = entry.id;
  }
  EXPECT_EQ(move_to(1), Status::kNotEstablished);
  EXPECT_EQ(counter(RingCounter::k_refuse_rebind), 5U);
}

// The former consumer dies, aborted or not: what it sent goes out, from the daemon's memory.
TEST_F(RebindTest, WhatADeadClientSentBeforeGoesOut) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(lane(0).send(id_, "precious"));
  turn(0);
  ASSERT_EQ(move_to(1), Status::kOk);
  die(0);
  turn(0);
  turn(0);
  EXPECT_EQ(detached, 1U);
  EXPECT_EQ(clients[0]->ring->segment, nullptr);
  EXPECT_EQ(gone, 0U) << "what remembers them stays";
  turn();
  size_t right = 0;
  for (const Got& got : poll(writer_)) right += got.text == "precious" ? 1 : 0;
  EXPECT_EQ(right, 20U);
  turn();
  EXPECT_EQ(gone, 1U);
  EXPECT_EQ(shard.aborts, 0U);
  come("on");
  turn();
  EXPECT_EQ(lane(1).messages(), std::vector<std::string>{"on"});
}

// The new one dies: the association ends as that client's, and the former one hears of its sends.
TEST_F(RebindTest, TheNewConsumersDeathIsTheAssociations) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(lane(0).send(id_, "old"));
  turn(0);
  ASSERT_EQ(move_to(1), Status::kOk);
  ASSERT_TRUE(lane(1).send(id_, "new"));
  turn(0);
  die(1);
  turn();
  turn();
  EXPECT_EQ(gone, 1U);
  EXPECT_EQ(shard.aborts, 1U);
  lane(0).poll();
  EXPECT_EQ(lane(0).failures, 4U);
  EXPECT_EQ(channel(0).tx_in_use(), 0U);
  EXPECT_EQ(bridge.associations(), 0U);
}

class TightRebindTest : public RebindTest {
 protected:
  static appring::BridgeConfig config() {
    appring::BridgeConfig out = test_bridge_config();
    out.orphan_buffer = 100;
    return out;
  }
  TightRebindTest() : RebindTest(config()) {}
};

TEST_F(TightRebindTest, WithoutRoomForWhatADeadClientSentItEnds) {
  ASSERT_TRUE(lane(0).send(id_, "precious"));
  turn(0);
  ASSERT_EQ(move_to(1), Status::kOk);
  die(0);
  turn(0);
  turn();
  turn();
  EXPECT_EQ(gone, 1U);
  EXPECT_EQ(shard.aborts, 1U);
  EXPECT_EQ(counter(RingCounter::k_abort_orphan_buffer), 1U);
  EXPECT_EQ(heard(), 0U);
  const auto last = lane(1).poll();
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].entry.kind, TLR_LOST);
}

class OrderlyRebindTest : public RebindTest {
 protected:
  static appring::BridgeConfig config() {
    appring::BridgeConfig out = test_bridge_config();
    out.on_death = ClientDeath::kShutdown;
    return out;
  }
  OrderlyRebindTest() : RebindTest(config()) {}
};

// Of a client that is gone, while it shuts down: somebody hears its end.
TEST_F(OrderlyRebindTest, FromADeadClient) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(lane(0).send(id_, "last words"));
  turn(0);
  die(0);
  turn(0);
  ASSERT_EQ(move_to(1), Status::kOk);
  turn(0);
  EXPECT_EQ(gone, 0U);
  turn();
  EXPECT_EQ(heard(), 4U);
  turn();
  EXPECT_EQ(gone, 1U);
  const auto last = lane(1).poll();
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].entry.kind, TLR_CLOSED);
  EXPECT_EQ(channel(1).associations, 0U);
}

}  // namespace
}  // namespace trunkline::test
