// SPDX-License-Identifier: BSD-3-Clause
// What a client that goes leaves to be acknowledged: its segment goes at once, its messages within
// the share for the dead, and nothing else.
#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "real_stack.h"

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

// ---------------------------------------------------------------- over the stack

class OrphanStackTest : public RealStackTest {
 protected:
  explicit OrphanStackTest(uint64_t loss = 0) : RealStackTest(loss) {
    step_ = std::chrono::milliseconds(1);
  }
  void run(bool peer_reads = true);
};

// A megabyte, more than is copied in a turn, to a peer that reads nothing until the segment is
// gone.
void OrphanStackTest::run(bool peer_reads) {
  right.bridge.~Bridge();
  appring::BridgeConfig config = StackHost::config(right.address);
  config.on_death = ClientDeath::kShutdown;
  config.default_profile.send_buffer = 4 << 20;
  new (&right.bridge) appring::Bridge(config, right.shard);
  ClientSetup setup;
  setup.limits.backlog = 1024;
  tl_lane* const peer = attach(left, setup);
  setup.geometry.tx_slots = 4096;
  setup.geometry.send_credit = 4096;
  setup.geometry.submission_size = 4096;
  setup.geometry.completion_size = 8192;
  setup.geometry.max_operations = 4096;
  tl_lane* const lane = attach(right, setup);
  appring::RingClient& ring = *clients_.back()->ring;
  std::atomic<bool> done{false};
  std::thread application([&] {
    EXPECT_EQ(open_listener(peer), 0) << tl_last_error();
    done.store(true);
  });
  while (!done.load()) turn();
  application.join();
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(lane, &assoc, {.peer = "10.1.0.1"}), 0);
  tl_event event{};
  while (tl_poll(lane, &event, 1) != 1) turn();
  ASSERT_EQ(event.kind, TL_EVENT_CONNECTED);
  const auto text = [](size_t i) { return std::to_string(i) + bytes(400 + i * 7 % 1600, 'z'); };
  size_t sent = 0;
  size_t octets = 0;
  while (octets < 1'000'000) {
    const std::string message = text(sent);
    ASSERT_EQ(send_text(lane, assoc, message), 0) << tl_last_error();
    octets += message.size();
    ++sent;
    if (sent % 64 == 0) turn();
  }
  for (int i = 0; i < 50; ++i) turn();
  ASSERT_TRUE(right.bridge.mailbox().post_to_worker({MailKind::kRemove, &ring}));
  appring::Mail mail;
  int turns = 0;
  while (!right.bridge.mailbox().take_from_worker(mail)) {
    turn();
    ++turns;
  }
  EXPECT_GT(turns, 3);
  EXPECT_LT(turns, 20);
  ASSERT_EQ(mail.kind, MailKind::kDetached);
  for (const int fd : ring.doorbells) right.bridge.mailbox().unwatch(fd);
  ring.drop_segment();

  size_t heard = 0;
  bool closed = false;
  tl_event events[16];
  for (int i = 0; peer_reads && i < 100'000 && !closed; ++i) {
    turn();
    const int n = tl_poll(peer, events, 16);
    for (int k = 0; k < n; ++k) {
      if (events[k].kind == TL_EVENT_MESSAGE) {
        EXPECT_EQ(text_of(peer, events[k]), text(heard));
        ++heard;
      }
      closed |= events[k].kind == TL_EVENT_CLOSED;
    }
    if (n > 0) tl_event_release(peer, events, static_cast<size_t>(n));
  }
  EXPECT_EQ(closed, peer_reads);
  EXPECT_EQ(heard, peer_reads ? sent : 0);
  for (int i = 0; i < 10'000 && right.bridge.associations() != 0; ++i) turn();
  turn();
  ASSERT_TRUE(right.bridge.mailbox().take_from_worker(mail));
  EXPECT_EQ(mail.kind, MailKind::kGone);
  EXPECT_EQ(right.shard.pool_usage().messages_used, 0U);
  // What the other host has put aside for its reader lies in its shard.
  for (int i = 0; i < 200; ++i) {
    turn();
    const int n = tl_poll(peer, events, 16);
    if (n > 0) tl_event_release(peer, events, static_cast<size_t>(n));
  }
}

TEST_F(OrphanStackTest, EverythingArrives) {
  run();
}

// A peer that takes nothing for ever does not keep what a dead client left for ever.
TEST_F(OrphanStackTest, WhatNobodyTakesEndsInTime) {
  run(false);
}

class LossyOrphanStackTest : public OrphanStackTest {
 protected:
  LossyOrphanStackTest() : OrphanStackTest(30) {}
};

// What is sent again is read from the daemon's copy.
TEST_F(LossyOrphanStackTest, EverythingArrives) {
  run();
}

}  // namespace
}  // namespace trunkline::test
