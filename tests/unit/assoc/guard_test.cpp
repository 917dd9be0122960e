// SPDX-License-Identifier: BSD-3-Clause
// How long an end may take (RFC 9260 section 9.2): while data still waits for a peer that takes
// none, and from the SHUTDOWN on (T5); and what the guard must not cut off.
#include "support/states.h"

namespace trunkline::test {
namespace {

using enum AssocState;

class ShutdownGuard : public InEveryState {
 protected:
  // The peer has taken what it got, and its window is shut: one message waits.
  void shut_the_window() {
    open();
    ASSERT_EQ(host().send(now, "taken"), Status::kOk);
    ASSERT_EQ(hear(), "DATA");
    ASSERT_EQ(host().send(now, "left"), Status::kOk);
    tell(sack(last_tsn(), {}, 0));
    acked_ = last_tsn();
    listen();
  }
  // Up to `span` from now: whatever comes is answered with what was said last, and no window.
  void insist(Duration span) {
    const TimePoint end = now + span;
    while (host().shard().association_count() > 0 && host().shard().next_deadline() <= end) {
      pass_to_deadline();
      for (const Packet& packet : listen()) {
        last_ = packet;
        if (packet.find(ChunkType::kData)) tell(sack(acked_, {}, 0));
      }
    }
    if (host().shard().association_count() > 0) {
      now = end;
      host().advance(now);
    }
  }
  void expect_aborted(uint64_t times = 1) {
    EXPECT_EQ(last_.names(), "ABORT");
    EXPECT_EQ(last_.header().verification_tag, peer_tag);
    EXPECT_EQ(host().events.back().kind, EventKind::kLost);
    EXPECT_EQ(host().events.back().reason, Reason::kTimedOut);
    EXPECT_EQ(host().count(Counter::k_shutdown_guard_expirations), times);
    EXPECT_EQ(host().shard().association_count(), 0u);
  }

  Tsn acked_;
  Packet last_{{}, {}, std::vector<uint8_t>(16), 0};
};

TEST_F(ShutdownGuard, APeerThatKeepsItsWindowShutEndsShutdownPending) {
  shut_the_window();
  const TimePoint begin = now;
  ASSERT_EQ(shut(), Status::kOk);
  insist(seconds(299));
  EXPECT_EQ(host().state(), kShutdownPending);
  EXPECT_GT(host().count(Counter::k_t3_expirations), 3u) << "the probe, and each is answered";
  insist(minutes(60));
  EXPECT_EQ(now - begin, seconds(300)) << "five times RTO.max";
  expect_aborted();
  EXPECT_EQ(causes(last_), std::vector{CauseCode::kUserInitiatedAbort}) << "our user wanted out";
  EXPECT_EQ(host().last(EventKind::kSendFailed).text, "left");
}

// The peer asked to end and then takes nothing: no user of ours did, and the ABORT names none.
TEST_F(ShutdownGuard, APeerThatKeepsItsWindowShutEndsShutdownReceived) {
  shut_the_window();
  insist(minutes(10));
  ASSERT_EQ(host().state(), kEstablished) << "as long as nobody wants out there is no guard";
  const TimePoint begin = now;
  tell(shutdown_up_to(acked_));
  ASSERT_EQ(host().state(), kShutdownReceived);
  // However often the peer says so.
  insist(seconds(200));
  tell(shutdown_up_to(acked_));
  insist(minutes(60));
  EXPECT_EQ(now - begin, seconds(300));
  expect_aborted();
  EXPECT_TRUE(causes(last_).empty());
}

TEST_F(ShutdownGuard, ThePeersShutdownDoesNotStartItAgain) {
  shut_the_window();
  const TimePoint begin = now;
  ASSERT_EQ(shut(), Status::kOk);
  insist(seconds(200));
  tell(shutdown_up_to(acked_));
  ASSERT_EQ(host().state(), kShutdownReceived);
  insist(minutes(60));
  EXPECT_EQ(now - begin, seconds(300));
  expect_aborted();
}

TEST_F(ShutdownGuard, ABacklogThatMovesIsNotCut) {
  for (const bool ours : {true, false}) {
    start_over();
    open();
    for (int i = 0; i < 6; ++i) host().send(now, "left");
    listen();
    acked_ = host_tsn - 1;
    if (ours) {
      ASSERT_EQ(shut(), Status::kOk);
    } else {
      tell(shutdown_up_to(acked_));
    }
    for (int i = 0; i < 5; ++i) {
      insist(seconds(299));
      ASSERT_EQ(host().state(), ours ? kShutdownPending : kShutdownReceived) << i;
      tell(sack(++acked_, {}, 0));
    }
    insist(seconds(299));
    tell(sack(++acked_, {}, 0));
    EXPECT_EQ(hear(), ours ? "SHUTDOWN" : "SHUTDOWN ACK");
    EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 6u);
    EXPECT_EQ(host().count(Counter::k_shutdown_guard_expirations), 0u);
  }
}

// What a peer acknowledges in gaps it may take back, again and again.
TEST_F(ShutdownGuard, OnlyTheCumulativeTsnMovesABacklog) {
  open();
  for (int i = 0; i < 3; ++i) host().send(now, "left");
  listen();
  acked_ = host_tsn - 1;
  ASSERT_EQ(shut(), Status::kOk);
  const TimePoint begin = now;
  for (int i = 0; i < 6 && host().shard().association_count() > 0; ++i) {
    tell(sack(acked_, {{2, 2}}, 0));
    insist(seconds(40));
    tell(sack(acked_, {}, 0));
    insist(seconds(40));
  }
  EXPECT_EQ(now - begin, seconds(300));
  EXPECT_EQ(host().count(Counter::k_shutdown_guard_expirations), 1u);
}

TEST_F(ShutdownGuard, TheProfileSaysHowLong) {
  for (const AssocState state : {kShutdownPending, kShutdownReceived, kShutdownSent}) {
    setup.profile.shutdown_guard = seconds(7);
    start_over();
    const TimePoint begin = now;
    if (state == kShutdownSent) {
      reach(state);
      while (host().shard().association_count() > 0) {
        tell_data();  // a peer that is never done
        listen();
        insist(milliseconds(500));
      }
    } else {
      shut_the_window();
      if (state == kShutdownPending) {
        ASSERT_EQ(shut(), Status::kOk);
      } else {
        tell(shutdown_up_to(acked_));
      }
      insist(minutes(10));
    }
    EXPECT_EQ(now - begin, seconds(7)) << state_name(state);
    expect_aborted();
  }
}

TEST_F(ShutdownGuard, CountsAnewFromTheShutdown) {
  shut_the_window();
  ASSERT_EQ(shut(), Status::kOk);
  insist(seconds(290));
  tell(sack(acked_));  // the window is open
  listen();
  tell(sack(last_tsn()));
  ASSERT_EQ(hear(), "SHUTDOWN");
  const TimePoint begin = now;
  while (host().shard().association_count() > 0 && now - begin < minutes(10)) {
    tell_data();
    listen();
    insist(milliseconds(900));
  }
  EXPECT_EQ(now - begin, seconds(300));
  expect_aborted();
}

// T5 is the sender of the SHUTDOWN's; who answers it has T2 and Association.Max.Retrans, which may
// take longer: 1 + 2 + 4 + 8 + 16 + 32 + 5 * 60 seconds.
TEST_F(ShutdownGuard, DoesNotCutOffTheShutdownAck) {
  open();
  const TimePoint begin = now;
  tell(shutdown_up_to(last_tsn()));
  ASSERT_EQ(hear(), "SHUTDOWN ACK");
  std::vector<std::string> said;
  while (host().shard().association_count() > 0) {
    pass_to_deadline();
    for (const Packet& packet : listen()) said.push_back(packet.names());
  }
  EXPECT_EQ(said, std::vector<std::string>(setup.profile.association_max_retrans, "SHUTDOWN ACK"));
  EXPECT_EQ(now - begin, seconds(1 + 2 + 4 + 8 + 16 + 32 + 5 * 60));
  EXPECT_EQ(host().events.back().kind, EventKind::kLost);
  EXPECT_EQ(host().events.back().reason, Reason::kTimedOut);
  EXPECT_EQ(host().count(Counter::k_shutdown_guard_expirations), 0u);
}

TEST_F(ShutdownGuard, OfABacklogDoesNotCutOffTheShutdownAckEither) {
  shut_the_window();
  tell(shutdown_up_to(acked_));
  insist(seconds(290));
  tell(sack(acked_));
  listen();
  tell(sack(last_tsn()));
  ASSERT_EQ(hear(), "SHUTDOWN ACK");
  ASSERT_EQ(host().state(), kShutdownAckSent);
  insist(seconds(330));
  EXPECT_EQ(host().state(), kShutdownAckSent);
  EXPECT_EQ(host().count(Counter::k_shutdown_guard_expirations), 0u);
}

// Each question is answered, and none of them puts off T2: its limit is the only one here.
TEST_F(ShutdownGuard, APeerThatAsksForEverDoesNotKeepUsInShutdownAckSent) {
  for (const bool by_init : {false, true}) {
    start_over();
    peer_tag = VerificationTag(0x11223344);
    open();
    const TimePoint begin = now;
    tell(shutdown_up_to(last_tsn()));
    ASSERT_EQ(hear(), "SHUTDOWN ACK");
    while (host().shard().association_count() > 0 && now - begin < minutes(30)) {
      wait(milliseconds(500));
      listen();
      if (host().shard().association_count() == 0) break;
      if (by_init) {
        send_init();
      } else {
        tell(shutdown_up_to(host_tsn - 1));
      }
      EXPECT_EQ(hear(), "SHUTDOWN ACK");
    }
    EXPECT_EQ(now - begin, seconds(1 + 2 + 4 + 8 + 16 + 32 + 5 * 60)) << by_init;
    EXPECT_EQ(host().events.back().kind, EventKind::kLost);
    EXPECT_EQ(host().events.back().reason, Reason::kTimedOut);
  }
}

// Where both asked at once, the SHUTDOWN ACK neither stops nor restarts the guard of our SHUTDOWN.
TEST_F(ShutdownGuard, OfOurOwnShutdownGoesOnBehindTheShutdownAck) {
  reach(kShutdownSent);
  const TimePoint begin = now;
  while (now - begin < seconds(250)) {
    tell_data();
    listen();
    insist(milliseconds(900));
  }
  tell(shutdown_up_to(last_tsn()));
  ASSERT_EQ(hear(), "SHUTDOWN ACK");
  ASSERT_EQ(host().state(), kShutdownAckSent);
  insist(minutes(10));
  EXPECT_EQ(now - begin, seconds(300));
  expect_aborted();
  EXPECT_EQ(causes(last_), std::vector{CauseCode::kUserInitiatedAbort});
}

}  // namespace
}  // namespace trunkline::test
