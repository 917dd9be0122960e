// SPDX-License-Identifier: BSD-3-Clause
// Applications over the whole of it: rings, bridges and the stack, with and without loss.
#include <thread>

#include "real_stack.h"
#include "talker.h"

namespace trunkline::test {
namespace {

using appring::MailKind;
using appring::RingCounter;

class TalkTest : public RealStackTest {
 protected:
  using RealStackTest::RealStackTest;

  void talk() {
    Talker::reset();
    ClientSetup setup;
    setup.limits.backlog = 1024;
    tl_lane* const server_lane = attach(left, setup);
    tl_lane* const client_lane = attach(right, setup);
    std::thread worker([&] { run_worker(); });
    Talker server(server_lane, true);
    Talker client(client_lane, false, "10.1.0.1");
    std::thread server_thread([&] { server.run(); });
    client.run();
    server_thread.join();
    stop_.store(true);
    worker.join();
    EXPECT_EQ(server.received, Talker::kAssociations * Talker::kMessages);
    EXPECT_EQ(client.received, Talker::kAssociations * Talker::kMessages);
    for (StackHost* host : {&left, &right}) {
      for (const RingCounter c :
           {RingCounter::k_refuse_send, RingCounter::k_refuse_send_credit,
            RingCounter::k_refuse_slot_twice, RingCounter::k_refuse_bad_return,
            RingCounter::k_abort_lane_backlog, RingCounter::k_drop_orphan_event}) {
        EXPECT_EQ(host->bridge.counters().get(c), 0U) << counter_name(c);
      }
      // What was lost last is sent again first.
      while (host->shard.pool_usage().messages_used != 0) turn();
      EXPECT_EQ(host->shard.pool_usage().receive_blocks_used, 0U);
    }
  }
};

TEST_F(TalkTest, TwoApplicationsExchangeEverything) {
  talk();
}

class LossyTalkTest : public TalkTest {
 protected:
  LossyTalkTest() : TalkTest(20) {}
};

TEST_F(LossyTalkTest, TwoApplicationsExchangeEverything) {
  talk();
}

// An association ends and another one begins before anybody has heard of the end: the new one has
// the place of the old one at the daemon, and each has its own last word.
TEST_F(RealStackTest, AnAbortAndACallInOneBurst) {
  const ClientSetup setup;
  tl_lane* const server = attach(left, setup);
  tl_lane* const client = attach(right, setup);
  listen(server);
  constexpr uint64_t kRounds = 5;
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(client, &assoc, {.peer = "10.1.0.1", .user = 0}), 0);
  std::vector<uint64_t> connected;
  std::vector<uint64_t> lost;
  const auto hear = [&] {
    tl_event event{};
    while (tl_poll(client, &event, 1) == 1) {
      if (event.kind == TL_EVENT_CONNECTED) connected.push_back(event.user);
      if (event.kind == TL_EVENT_LOST) lost.push_back(event.user);
      tl_event_release(client, &event, 1);
    }
  };
  for (uint64_t round = 0; round < kRounds; ++round) {
    for (int i = 0; i < 10000 && connected.size() <= round; ++i, hear()) turn();
    ASSERT_EQ(connected.size(), round + 1);
    ASSERT_EQ(tl_abort(client, assoc, "again"), 0) << tl_last_error();
    ASSERT_EQ(dial(client, &assoc, {.peer = "10.1.0.1", .user = round + 1}), 0) << tl_last_error();
  }
  for (int i = 0; i < 10000 && connected.size() <= kRounds; ++i, hear()) turn();
  EXPECT_EQ(connected, (std::vector<uint64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(lost, (std::vector<uint64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(right.bridge.associations(), 1U);
  EXPECT_EQ(right.bridge.counters().get(RingCounter::k_drop_orphan_event), 0U);
}

// A client that goes away while its messages are on the wire: the peer sees the ABORT, the slots
// are the daemon's again, and the worker lets the segment go.
TEST_F(RealStackTest, AClientGoesWithMessagesInFlight) {
  const ClientSetup setup;
  tl_lane* const server = attach(left, setup);
  tl_lane* const client = attach(right, setup);
  appring::RingClient& ring = *clients_[1]->ring;
  listen(server);
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(client, &assoc, {.peer = "10.1.0.1"}), 0);
  tl_event event{};
  while (tl_poll(client, &event, 1) != 1) turn();
  ASSERT_EQ(event.kind, TL_EVENT_CONNECTED);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(send_text(client, assoc, std::string(5000, 't')), 0) << tl_last_error();
  }
  right.bridge.drain_submissions(now_);
  EXPECT_EQ(ring.channel(0, 0).tx_in_use(), 30U);
  EXPECT_EQ(right.bridge.client_of(right.shard.associations().at(0)), ring.identity.id);
  ASSERT_TRUE(right.bridge.mailbox().post_to_worker({MailKind::kRemove, &ring}));
  appring::Mail mail;
  while (!right.bridge.mailbox().take_from_worker(mail)) turn();
  EXPECT_EQ(mail.kind, MailKind::kGone);
  EXPECT_EQ(ring.channel(0, 0).tx_in_use(), 0U);
  EXPECT_EQ(right.shard.association_count(), 0U);
  bool lost = false;
  while (!lost) {
    turn();
    const int n = tl_poll(server, &event, 1);
    if (n == 1) tl_event_release(server, &event, 1);
    lost = n == 1 && event.kind == TL_EVENT_LOST;
  }
  EXPECT_EQ(event.reason, TL_REASON_RESET);
}

// Told of the daemon's end, an application says goodbye to its peer and goes; the daemon need not
// shut down anything then.
TEST_F(RealStackTest, AnApplicationFinishesItsBusinessBeforeTheDaemonEnds) {
  step_ = std::chrono::milliseconds(1);
  tl_lane* const peer = attach(left, {});
  tl_lane* const lane = attach(right, {});
  listen(peer);
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(lane, &assoc, {.peer = "10.1.0.1"}), 0);
  tl_event event{};
  while (tl_poll(lane, &event, 1) != 1) turn();
  ASSERT_EQ(event.kind, TL_EVENT_CONNECTED);
  right.bridge.announce_end(now_, std::chrono::seconds(1));
  while (tl_poll(lane, &event, 1) != 1) turn();
  ASSERT_EQ(event.kind, TL_EVENT_DAEMON_ENDING);
  EXPECT_EQ(event.time_left_ms, 1000U);
  ASSERT_EQ(send_text(lane, assoc, "ASP-DOWN"), 0);
  ASSERT_EQ(tl_shutdown(lane, assoc), 0);
  std::vector<int> heard;
  while (heard.empty() || heard.back() != TL_EVENT_CLOSED) {
    turn();
    if (tl_poll(peer, &event, 1) != 1) continue;
    if (event.kind == TL_EVENT_MESSAGE) {
      EXPECT_EQ(text_of(peer, event), "ASP-DOWN");
    }
    tl_event_release(peer, &event, 1);
    heard.push_back(event.kind);
  }
  EXPECT_EQ(heard, (std::vector<int>{TL_EVENT_ACCEPTED, TL_EVENT_MESSAGE, TL_EVENT_PEER_SHUTDOWN,
                                     TL_EVENT_CLOSED}));
  EXPECT_EQ(right.bridge.associations(), 0U);
  EXPECT_EQ(right.shard.association_count(), 0U);
}

}  // namespace
}  // namespace trunkline::test
