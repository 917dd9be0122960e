// SPDX-License-Identifier: BSD-3-Clause
// The last event of an association that the daemon itself ends, and of all of them when the daemon
// goes: every send has ended before, whatever lay in the ring.
#include <cerrno>
#include <string>
#include <vector>

#include "ring_harness.h"

namespace trunkline::test {
namespace {

using appring::RingCounter;

class EndTest : public RingHarness {
 protected:
  // Sends that the shard has, and `late` ones that lie in the ring when `end` is over.
  template <typename End>
  std::vector<Got> end_with_sends(tl_lane* lane, tl_assoc assoc, End end) {
    for (uint64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(send(lane, assoc, "taken", 0, 0, i), 0) << tl_last_error();
    }
    bridge.drain_submissions(now);
    for (uint64_t i = 3; i < 7; ++i) {
      EXPECT_EQ(send(lane, assoc, "in the ring", 0, 0, i), 0) << tl_last_error();
    }
    end();
    std::vector<Got> out;
    for (int i = 0; i < 4; ++i) {
      for (Got& got : poll(lane)) out.push_back(std::move(got));
      turn();
    }
    return out;
  }
  // Seven sends have failed, then it is over, and then there is nothing.
  static void expect_last(const std::vector<Got>& events, tl_assoc assoc, int kind) {
    size_t failed = 0;
    int last = 0;
    for (const Got& got : events) {
      if (got.event.assoc != assoc) continue;
      EXPECT_EQ(last, 0) << tl_event_kind_name(got.event.kind);
      failed += got.event.kind == TL_EVENT_SEND_FAILED ? 1 : 0;
      if (got.event.kind == kind) last = kind;
    }
    EXPECT_EQ(failed, 7U);
    EXPECT_EQ(last, kind);
  }
};

TEST_F(EndTest, AnAssociationThatCostTooMuchMemory) {
  ClientSetup small;
  small.geometry.rx_slots = 33;
  tl_lane* const lane = lane_of(attach(small));
  const Pair pair = join(lane, lane_of(attach()));
  const auto events = end_with_sends(lane, pair.client, [&] {
    shard.keep_fails = true;
    const auto deliver = [&](Event& event) { bridge.deliver(now, event); };
    for (int i = 0; i < 40 && shard.assocs.contains(0); ++i) {
      shard.inject(shard.assocs.begin()->second.id, std::vector<uint8_t>(100), 0, 0, deliver);
    }
    shard.run(deliver, 0);
    bridge.flush();
  });
  EXPECT_EQ(counter(RingCounter::k_abort_no_receive_memory), 1U);
  expect_last(events, pair.client, TL_EVENT_LOST);
}

TEST_F(EndTest, AnAssociationWhoseLaneDoesNotPoll) {
  ClientSetup small;
  small.geometry.rx_slots = 33;
  small.limits.backlog = 4;
  tl_lane* const lane = lane_of(attach(small));
  const Pair pair = join(lane, lane_of(attach()));
  const auto events = end_with_sends(lane, pair.client, [&] {
    const auto deliver = [&](Event& event) { bridge.deliver(now, event); };
    for (int i = 0; i < 60 && shard.aborts == 0; ++i) {
      shard.inject(shard.assocs.begin()->second.id, std::vector<uint8_t>(100), 0, 0, deliver);
    }
    shard.run(deliver, 0);
    bridge.flush();
  });
  EXPECT_EQ(counter(RingCounter::k_abort_lane_backlog), 1U);
  expect_last(events, pair.client, TL_EVENT_LOST);
}

TEST_F(EndTest, AMessageThatNoLaneCanHold) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane_of(attach()));
  const auto events = end_with_sends(lane, pair.client, [&] {
    const auto deliver = [&](Event& event) { bridge.deliver(now, event); };
    shard.inject(shard.assocs.begin()->second.id, std::vector<uint8_t>(40'000), 0, 0, deliver);
    shard.run(deliver, 0);
    bridge.flush();
  });
  EXPECT_EQ(counter(RingCounter::k_abort_message_too_large), 1U);
  expect_last(events, pair.client, TL_EVENT_LOST);
}

// One association is up, one is being set up, one has ended and nobody knows: each has an end of
// its own before the daemon is said to be gone, however few events fit the array.
TEST_F(EndTest, ADaemonThatGoesWithoutAWord) {
  shard.answer_connects = false;
  TestClient& client = attach();
  tl_lane* const lane = lane_of(client);
  ASSERT_EQ(listen(lane, 5000), 0);
  tl_assoc up = 0;
  tl_assoc down = 0;
  tl_assoc opening = 0;
  ASSERT_EQ(connect(lane, 5000, &up), 0);
  ASSERT_EQ(connect(lane, 5000, &down, 7), 0);
  ASSERT_EQ(connect(lane, 5000, &opening, 9), 0);
  turn();
  shard.finish_connect(shard.assocs.at(0).id);
  shard.finish_connect(shard.assocs.at(1).id);
  turn();
  EXPECT_EQ(count(poll(lane), TL_EVENT_CONNECTED), 2U);
  for (uint64_t i = 0; i < 3; ++i) {
    ASSERT_EQ(send(lane, up, "never", 0, 0, 100 + i), 0);
    ASSERT_EQ(send(lane, down, "never", 0, 0, 200 + i), 0);
  }
  shard.end(1, EventKind::kLost, Reason::kReset);
  shard.run([&](Event& event) { bridge.deliver(now, event); }, 0);
  bridge.flush();
  client.hang_up();

  std::vector<tl_event> events;
  tl_event one{};
  for (int i = 0; i < 20'000; ++i) {
    const int n = tl_poll(lane, &one, 1);
    if (n == 1) events.push_back(one);
    if (n == 1 && one.kind == TL_EVENT_SEND_FAILED) {
      EXPECT_EQ(one.error, -EPIPE);
      EXPECT_EQ(one.reason, TL_REASON_DAEMON_GONE);
      EXPECT_EQ(std::string(static_cast<const char*>(one.data), one.length), "never");
      tl_event_release(lane, &one, 1);
    }
    if (n < 0) break;
  }
  EXPECT_EQ(tl_poll(lane, &one, 1), -EPIPE);
  std::vector<tl_assoc> over;
  size_t failed = 0;
  for (const tl_event& event : events) {
    for (const tl_assoc ended : over) EXPECT_NE(event.assoc, ended);
    failed += event.kind == TL_EVENT_SEND_FAILED ? 1 : 0;
    if (event.kind != TL_EVENT_LOST && event.kind != TL_EVENT_CONNECT_FAILED) continue;
    over.push_back(event.assoc);
    if (event.assoc == down) {
      EXPECT_EQ(event.reason, TL_REASON_RESET);  // as the daemon had told
      EXPECT_EQ(event.user, 7U);
    } else {
      EXPECT_EQ(event.error, -EPIPE);
      EXPECT_EQ(event.reason, TL_REASON_DAEMON_GONE);
    }
    if (event.assoc == opening) {
      EXPECT_EQ(event.kind, TL_EVENT_CONNECT_FAILED);
      EXPECT_EQ(event.user, 9U);
    }
  }
  EXPECT_EQ(failed, 6U);
  EXPECT_EQ(over.size(), 5U);  // two of them the listener's ends
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().kind, TL_EVENT_DAEMON_GONE);
}

// The application's word is what it is when the event is handed out, not when it came.
TEST_F(EndTest, TheUserWordOfAnEventThatWaited) {
  tl_lane* const lane = lane_of(attach());
  tl_lane* const peer = lane_of(attach());
  const Pair pair = join(lane, peer);
  ASSERT_EQ(send(peer, pair.server, "waits"), 0);
  turn();
  tl_assoc_info info{};
  ASSERT_EQ(with_daemon([&] { return tl_assoc_query(lane, pair.client, &info); }), 0);
  ASSERT_EQ(tl_assoc_set_user(lane, pair.client, 77), 0);
  EXPECT_EQ(only(poll(lane), TL_EVENT_MESSAGE).event.user, 77U);
}

// While its end waits for its sends, an association takes nothing more, and is still known.
TEST_F(EndTest, AnAssociationThatIsEnding) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane_of(attach()));
  ASSERT_EQ(send(lane, pair.client, "in the ring"), 0);
  shard.end(0, EventKind::kClosed, Reason::kNone);
  shard.run([&](Event& event) { bridge.deliver(now, event); }, 0);
  bridge.flush();
  EXPECT_EQ(count(poll(lane), TL_EVENT_CLOSED), 0U);
  EXPECT_EQ(send(lane, pair.client, "too late"), -ENOTCONN);
  EXPECT_EQ(tl_shutdown(lane, pair.client), -ENOTCONN);
  EXPECT_EQ(tl_abort(lane, pair.client, nullptr), -ENOTCONN);
  EXPECT_EQ(tl_assoc_set_user(lane, pair.client, 5), 0);
  turn();
  const auto events = poll(lane);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].event.kind, TL_EVENT_SEND_FAILED);
  EXPECT_EQ(events[0].event.user, 5U);
  EXPECT_EQ(events[1].event.kind, TL_EVENT_CLOSED);
  EXPECT_EQ(tl_assoc_set_user(lane, pair.client, 6), -ENOTCONN);
}

// What was told in the turn in which its client is let go reaches it.
TEST_F(EndTest, WhatWasToldLastIsPublished) {
  TestClient& client = attach();
  tl_lane* const lane = lane_of(client);
  const Pair pair = join(lane, lane_of(attach()));
  ASSERT_EQ(send(lane, pair.client, "to nobody"), 0);
  turn(0);
  bridge.close_all(now, true);
  shard.run([&](Event& event) { bridge.deliver(now, event); }, 0);
  ASSERT_TRUE(bridge.mailbox().post_to_worker({appring::MailKind::kRemove, client.ring.get()}));
  bridge.drain_submissions(now);
  bridge.flush();
  const auto events = poll(lane);
  EXPECT_EQ(count(events, TL_EVENT_SEND_FAILED), 1U);
  EXPECT_EQ(count(events, TL_EVENT_LOST), 1U);
}

}  // namespace
}  // namespace trunkline::test
