// SPDX-License-Identifier: BSD-3-Clause
// Lanes without room: what waits, in which order, what is given up in the end, and who wakes whom.
#include <cerrno>
#include <string>

#include "ring_harness.h"

namespace trunkline::test {
namespace {

using appring::RingCounter;

class LaneTest : public RingHarness {};

// ---------------------------------------------------------------- lanes without room

TEST_F(LaneTest, MessagesWaitInOrderForASlowReader) {
  ClientSetup slow;
  slow.geometry.rx_slots = 32;  // holds one message of 16 KiB, or 32 small ones
  tl_lane* const reader = lane_of(attach(slow));
  tl_lane* const writer = lane_of(attach());
  const Pair pair = join(writer, reader);
  std::vector<std::string> sent;
  for (int i = 0; i < 60; ++i) {
    sent.push_back(std::to_string(i) + bytes(static_cast<size_t>(i * 37 % 600), 'w'));
    while (send(writer, pair.client, sent.back()) == -EAGAIN) {
      turn();
      poll(writer);
    }
  }
  for (int i = 0; i < 5; ++i) turn();
  EXPECT_GT(counter(RingCounter::k_ring_backlogged), 0U);
  EXPECT_GT(shard.kept_bytes, 0U);
  std::vector<std::string> received;
  for (int i = 0; i < 60 && received.size() < sent.size(); ++i) {
    turn();
    for (const Got& got : poll(reader)) {
      if (got.event.kind == TL_EVENT_MESSAGE) received.push_back(got.text);
    }
  }
  EXPECT_EQ(received, sent);
  EXPECT_EQ(shard.consumed_bytes, shard.kept_bytes);
  EXPECT_EQ(shard.chains_out, 0U);
  EXPECT_EQ(counter(RingCounter::k_abort_lane_backlog), 0U);
}

TEST_F(LaneTest, LaterEventsStayBehindAWaitingMessage) {
  ClientSetup slow;
  slow.geometry.rx_slots = 32;
  tl_lane* const reader = lane_of(attach(slow));
  tl_lane* const writer = lane_of(attach());
  const Pair pair = join(writer, reader);
  const AssocId id = shard.assocs.at(1).id;  // the accepted end
  for (int i = 0; i < 33; ++i) {
    shard.inject(id, std::vector<uint8_t>(10, 'm'), 0, 0,
                 [&](Event& event) { bridge.deliver(now, event); });
  }
  shard.push(id, EventKind::kRemoteError);
  shard.end(id.slot, EventKind::kLost, Reason::kTimedOut);
  turn();
  tl_event events[64];
  int n = tl_poll(reader, events, 64);
  ASSERT_EQ(n, 32);
  for (int i = 0; i < n; ++i) EXPECT_EQ(events[i].kind, TL_EVENT_MESSAGE);
  tl_event_release(reader, events, 32);
  turn();
  n = tl_poll(reader, events, 64);
  ASSERT_EQ(n, 3);
  EXPECT_EQ(events[0].kind, TL_EVENT_MESSAGE);
  EXPECT_EQ(events[1].kind, TL_EVENT_REMOTE_ERROR);
  EXPECT_EQ(events[2].kind, TL_EVENT_LOST);
  EXPECT_EQ(events[2].reason, TL_REASON_TIMED_OUT);
  EXPECT_EQ(events[2].assoc, pair.server);
  tl_event_release(reader, events, 3);
}

// A lane that never polls: notifications are dropped, then associations; nothing grows, and the
// end of each association is told in the end.
// ---------------------------------------------------------------- why the peer aborted

class SaidTest : public LaneTest {
 protected:
  // The association's end, as the stack tells it when the peer's user gave a reason.
  void end(AssocId id, EventKind kind, const std::string& text) {
    Event event;
    event.kind = kind;
    event.assoc = id;
    event.reason = Reason::kReset;
    event.borrowed = true;
    event.borrowed_piece = shard.said(text);
    event.cause = FakeShard::kUserAbort;
    shard.assocs.erase(id.slot);
    shard.push(std::move(event));
  }
};

TEST_F(SaidTest, ComesWithTheEnd) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  ASSERT_EQ(tl_abort(lane, pair.client, "enough"), 0);
  turn();
  const auto events = poll(lane);
  ASSERT_EQ(count(events, TL_EVENT_LOST), 2U);
  for (const Got& got : events) {
    if (got.event.kind != TL_EVENT_LOST) continue;
    EXPECT_EQ(got.text, got.event.assoc == pair.server ? "enough" : "");
  }
  shard.answer_connects = false;
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 5000, &assoc), 0);
  turn();
  end(shard.assocs.begin()->second.id, EventKind::kConnectFailed, bytes(600, 'z'));
  turn();
  const auto refused = poll(lane);
  EXPECT_EQ(only(refused, TL_EVENT_CONNECT_FAILED).text, bytes(512, 'z'));  // one slot
  EXPECT_EQ(counter(RingCounter::k_refuse_bad_return), 0U);
}

TEST_F(SaidTest, WaitsWithTheEventForRoom) {
  ClientSetup slow;
  slow.geometry.rx_slots = 32;
  tl_lane* const reader = lane_of(attach(slow));
  join(lane_of(attach()), reader);
  const AssocId id = shard.assocs.at(1).id;  // the accepted end
  for (int i = 0; i < 33; ++i) {
    shard.inject(id, std::vector<uint8_t>(10, 'm'), 0, 0,
                 [&](Event& event) { bridge.deliver(now, event); });
  }
  end(id, EventKind::kLost, "too late");
  turn();
  EXPECT_EQ(count(poll(reader), TL_EVENT_MESSAGE), 32U);
  turn();
  const auto rest = poll(reader);
  EXPECT_EQ(count(rest, TL_EVENT_MESSAGE), 1U);
  EXPECT_EQ(only(rest, TL_EVENT_LOST).text, "too late");
  EXPECT_EQ(counter(RingCounter::k_drop_abort_reason), 0U);
  EXPECT_EQ(shard.chains_out, 0U);
}

TEST_F(SaidTest, GoesWithoutASlotOrMemoryForIt) {
  ClientSetup slow;
  slow.geometry.rx_slots = 32;
  tl_lane* const reader = lane_of(attach(slow));
  tl_lane* const writer = lane_of(attach());
  join(writer, reader);
  const AssocId id = shard.assocs.at(1).id;
  for (int i = 0; i < 32; ++i) {
    shard.inject(id, std::vector<uint8_t>(10, 'm'), 0, 0,
                 [&](Event& event) { bridge.deliver(now, event); });
  }
  end(id, EventKind::kLost, "lost");
  turn();
  const auto events = poll(reader);
  EXPECT_EQ(only(events, TL_EVENT_LOST).text, "");
  EXPECT_EQ(counter(RingCounter::k_drop_abort_reason), 1U);
  // The same when it would have to wait and the shard has no buffer.
  turn();
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(writer, 5000, &assoc), 0);
  turn();
  poll(reader);
  AssocId second;
  for (const auto& [slot, entry] : shard.assocs) {
    if (shard.listening[entry.endpoint.value]) second = entry.id;
  }
  for (int i = 0; i < 33; ++i) {
    shard.inject(second, std::vector<uint8_t>(10, 'm'), 0, 0,
                 [&](Event& event) { bridge.deliver(now, event); });
  }
  shard.keep_fails = true;
  end(second, EventKind::kLost, "lost");
  turn();
  poll(reader);
  turn();
  const auto rest = poll(reader);
  EXPECT_EQ(only(rest, TL_EVENT_LOST).text, "");
  EXPECT_EQ(counter(RingCounter::k_drop_abort_reason), 2U);
}

// ---------------------------------------------------------------- patience and its end

TEST_F(LaneTest, ALaneThatNeverPollsIsBounded) {
  tl_lane* const idle = lane_of(attach());
  tl_lane* const writer = lane_of(attach());
  const Pair pair = join(writer, idle);
  const AssocId id = shard.assocs.at(1).id;
  for (int i = 0; i < 1000; ++i) shard.push(id, EventKind::kPathChanged);
  turn();
  EXPECT_GT(counter(RingCounter::k_drop_lane_backlog), 700U);
  const size_t aborts = shard.aborts;
  shard.inject(id, std::vector<uint8_t>(10, 'm'), 0, 0,
               [&](Event& event) { bridge.deliver(now, event); });
  turn();
  EXPECT_EQ(shard.aborts, aborts + 1);
  EXPECT_EQ(counter(RingCounter::k_abort_lane_backlog), 1U);
  EXPECT_EQ(bridge.associations(), 0U);
  size_t lost = 0;
  for (int i = 0; i < 10; ++i) {
    for (const Got& got : poll(idle)) lost += got.event.kind == TL_EVENT_LOST ? 1 : 0;
    turn();
  }
  EXPECT_EQ(lost, 1U);
  EXPECT_EQ(only(poll(writer), TL_EVENT_LOST).event.assoc, pair.client);
}

TEST_F(LaneTest, NoMemoryToKeepAMessageEndsItsAssociation) {
  tl_lane* const idle = lane_of(attach());
  tl_lane* const writer = lane_of(attach());
  join(writer, idle);
  const AssocId id = shard.assocs.at(1).id;
  shard.keep_fails = true;
  for (int i = 0; i < 65; ++i) {
    shard.inject(id, std::vector<uint8_t>(10, 'm'), 0, 0,
                 [&](Event& event) { bridge.deliver(now, event); });
  }
  turn();
  EXPECT_EQ(counter(RingCounter::k_abort_no_receive_memory), 1U);
  const auto first = poll(idle);
  EXPECT_EQ(count(first, TL_EVENT_MESSAGE), 64U);
  turn();
  EXPECT_EQ(count(first, TL_EVENT_LOST) + count(poll(idle), TL_EVENT_LOST), 1U);
}

TEST_F(LaneTest, AMessageThatNoLaneCanHoldEndsItsAssociation) {
  ClientSetup narrow;
  narrow.geometry.rx_slots = 4;
  tl_lane* const lane = lane_of(attach(narrow));
  tl_lane* const writer = lane_of(attach());
  join(writer, lane);
  shard.inject(shard.assocs.at(1).id, std::vector<uint8_t>(5000, 'm'), 0, 0,
               [&](Event& event) { bridge.deliver(now, event); });
  turn();
  EXPECT_EQ(counter(RingCounter::k_abort_message_too_large), 1U);
  EXPECT_EQ(count(poll(lane), TL_EVENT_LOST), 1U);
  EXPECT_EQ(shard.chains_out, 0U);
}

// ---------------------------------------------------------------- the rest

TEST_F(LaneTest, IndicesWrap) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(send(lane, pair.client, bytes(static_cast<size_t>(1 + i % 1500), 'i')), 0);
    turn();
    ASSERT_EQ(count(poll(lane), TL_EVENT_MESSAGE), 1U) << i;
  }
  EXPECT_EQ(counter(RingCounter::k_refuse_slot_twice), 0U);
}

TEST_F(LaneTest, SleepersAreWokenOnce) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  // Nobody sleeps: no doorbell.
  const uint64_t before = counter(RingCounter::k_ring_doorbells);
  ASSERT_EQ(send(lane, pair.client, "a"), 0);
  turn();
  poll(lane);
  EXPECT_EQ(counter(RingCounter::k_ring_doorbells), before);
  // A sleeper: one doorbell for a burst.
  ASSERT_EQ(tl_arm(lane), 0);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(send(lane, pair.client, "b"), 0);
  turn();
  EXPECT_EQ(counter(RingCounter::k_ring_doorbells), before + 1);
  EXPECT_EQ(tl_wait(lane, 0), 1);
  EXPECT_EQ(count(poll(lane), TL_EVENT_MESSAGE), 5U);
  EXPECT_EQ(tl_wait(lane, 0), 0);
  // The worker's side: it sees work that came before it armed, and is rung for what comes after.
  ASSERT_EQ(send(lane, pair.client, "c"), 0);
  bridge.arm();
  EXPECT_TRUE(bridge.has_work());
  bridge.disarm();
  turn();
  poll(lane);
  turn();
  bridge.arm();
  EXPECT_FALSE(bridge.has_work());
  ASSERT_EQ(send(lane, pair.client, "d"), 0);
  EXPECT_TRUE(bridge.has_work());
  bridge.wait(std::chrono::seconds(60));  // returns at once, or the test times out
  bridge.disarm();
  turn();
  EXPECT_EQ(count(poll(lane), TL_EVENT_MESSAGE), 1U);
}

// A worker that waits for room is woken by returned slots, although nothing was submitted.
TEST_F(LaneTest, RoomWakesAWorkerThatLacksIt) {
  ClientSetup slow;
  slow.geometry.rx_slots = 32;
  tl_lane* const reader = lane_of(attach(slow));
  tl_lane* const writer = lane_of(attach());
  const Pair pair = join(writer, reader);
  for (int i = 0; i < 40; ++i) {
    while (send(writer, pair.client, "x") == -EAGAIN) {
      turn();
      poll(writer);
    }
  }
  turn();
  poll(writer);
  turn();
  tl_event events[64];
  const int n = tl_poll(reader, events, 64);
  EXPECT_EQ(n, 32);
  turn();
  bridge.arm();
  EXPECT_FALSE(bridge.has_work());
  tl_event_release(reader, events, static_cast<size_t>(n));
  EXPECT_TRUE(bridge.has_work());
  bridge.wait(std::chrono::seconds(60));
  bridge.disarm();
  turn();
  EXPECT_EQ(count(poll(reader), TL_EVENT_MESSAGE), 8U);
}

}  // namespace
}  // namespace trunkline::test
