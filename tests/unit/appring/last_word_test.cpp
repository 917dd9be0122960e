// SPDX-License-Identifier: BSD-3-Clause
// Every send of an association ends before the association's last event, whatever ends it, and
// nothing is told of it afterwards: over the whole of rings, bridges and the stack. Some messages
// are acknowledged then, some are on the wire, some wait for the window, some lie in the ring.
#include <map>

#include "real_stack.h"

namespace trunkline::test {
namespace {

enum class Way : uint8_t {
  kOwnShutdown,
  kShutdownWithoutEnd,  // the peer's window stays shut until the guard's time is over
  kPeerShutdown,
  kBothShutdown,
  kOwnAbort,
  kPeerAbort,
  kSilence,              // the retransmission limit
  kProtocolUnreachable,  // ICMP
  kDaemonShutsDown,      // SIGTERM
  kDaemonAborts,         // SIGTERM, and the associations do not end in time
  kDaemonHangsUp,        // the daemon is gone without a word
};

std::string name_of(const testing::TestParamInfo<Way>& way) {
  static const char* const kNames[] = {
      "OwnShutdown",     "ShutdownWithoutEnd", "PeerShutdown", "BothShutdown",
      "OwnAbort",        "PeerAbort",          "Silence",      "ProtocolUnreachable",
      "DaemonShutsDown", "DaemonAborts",       "DaemonHangsUp"};
  return kNames[static_cast<size_t>(way.param)];
}

class LastWordTest : public RealStackTest, public testing::WithParamInterface<Way> {
 protected:
  static constexpr uint64_t kNewUser = 0xfeed;

  void SetUp() override {
    step_ = std::chrono::milliseconds(1);
    ClientSetup setup;
    setup.limits.backlog = 1024;
    peer_ = attach(left, setup);
    lane_ = attach(right, setup);
    listen(peer_);
    ASSERT_EQ(dial(lane_, &assoc_, {.peer = "10.1.0.1", .user = 1}), 0) << tl_last_error();
    tl_event event{};
    while (tl_poll(lane_, &event, 1) != 1) turn();
    ASSERT_EQ(event.kind, TL_EVENT_CONNECTED);
    while (peer_assoc_ == 0) {
      if (tl_poll(peer_, &event, 1) == 1 && event.kind == TL_EVENT_ACCEPTED) {
        peer_assoc_ = event.assoc;
      }
      turn();
    }
  }
  // As many as there is room for, at most `n`.
  void send(int n, size_t length) {
    for (; n > 0; --n) {
      if (send_text(lane_, assoc_, std::string(length, 's'), 0, TL_SEND_NOTIFY, sent_) != 0) return;
      ++sent_;
    }
  }
  // As a worker that does not come to look into the lane's ring.
  void turn_beside_the_ring() {
    now_ = now_ + step_;
    left.bridge.drain_submissions(now_);
    for (StackHost* host : {&left, &right}) {
      host->deliver(now_);
      host->shard.advance(now_);
      host->deliver(now_);
    }
    carry(left, right);
    carry(right, left);
    left.bridge.flush();
    read_at_peer();
  }
  void read_at_peer() {
    if (!peer_reads_) return;
    tl_event events[8];
    const int got = tl_poll(peer_, events, 8);
    if (got > 0) tl_event_release(peer_, events, static_cast<size_t>(got));
  }
  void poll() {
    tl_event events[8];
    const int n = tl_poll(lane_, events, 8);
    for (int i = 0; i < n; ++i) take(events[i]);
    if (n > 0) tl_event_release(lane_, events, static_cast<size_t>(n));
  }
  void take(const tl_event& event) {
    if (event.kind == TL_EVENT_DAEMON_GONE) {
      EXPECT_NE(last_, 0) << "the association ends before the daemon is said to be gone";
      return;
    }
    EXPECT_EQ(event.assoc, assoc_);
    EXPECT_EQ(last_, 0) << tl_event_kind_name(event.kind) << " after " << tl_event_kind_name(last_);
    if (event.kind == TL_EVENT_SENT || event.kind == TL_EVENT_SEND_FAILED) {
      EXPECT_EQ(++ends_[event.context], 1) << event.context;
      EXPECT_EQ(event.user, user_);
      failed_ += event.kind == TL_EVENT_SEND_FAILED ? 1 : 0;
      if (event.kind == TL_EVENT_SEND_FAILED) {
        EXPECT_EQ(text_of(lane_, event), std::string(event.length, 's'));
      }
    }
    if (event.kind == TL_EVENT_CLOSED || event.kind == TL_EVENT_LOST) {
      last_ = event.kind;
      reason_ = event.reason;
      EXPECT_EQ(ends_.size(), sent_);
    }
  }
  void turns(int n) {
    for (; n > 0; --n) {
      turn();
      poll();
      read_at_peer();
    }
  }
  void end(Way way);

  tl_lane* lane_ = nullptr;
  tl_lane* peer_ = nullptr;
  tl_assoc assoc_ = 0;
  tl_assoc peer_assoc_ = 0;
  uint64_t sent_ = 0;
  uint64_t user_ = 1;
  std::map<uint64_t, int> ends_;  // by context
  size_t failed_ = 0;
  int last_ = 0;
  uint8_t reason_ = 0;
  bool peer_reads_ = true;
};

void LastWordTest::end(Way way) {
  const bool by_peer = way == Way::kPeerShutdown || way == Way::kPeerAbort;
  if (way == Way::kPeerAbort) {
    EXPECT_EQ(tl_abort(peer_, peer_assoc_, "enough"), 0);
  }
  if (way == Way::kPeerShutdown || way == Way::kBothShutdown) {
    EXPECT_EQ(tl_shutdown(peer_, peer_assoc_), 0);
  }
  if (way == Way::kOwnShutdown || way == Way::kShutdownWithoutEnd || way == Way::kBothShutdown) {
    EXPECT_EQ(tl_shutdown(lane_, assoc_), 0);
  }
  if (way == Way::kOwnAbort) {
    EXPECT_EQ(tl_abort(lane_, assoc_, "enough"), 0);
  }
  if (way == Way::kSilence) loss_ = 1000;
  if (way == Way::kProtocolUnreachable) {
    const PacketIn quoted{right.address, left.address, last_packet_, ChecksumState::kGood, 0};
    right.shard.protocol_unreachable(now_, quoted);
    right.deliver(now_);
  }
  if (way == Way::kDaemonShutsDown || way == Way::kDaemonAborts) {
    right.bridge.close_all(now_, way == Way::kDaemonAborts);
    right.deliver(now_);
  }
  if (way == Way::kDaemonHangsUp) clients_[1]->hang_up();
  for (int i = 0; by_peer && i < 200; ++i) turn_beside_the_ring();
}

INSTANTIATE_TEST_SUITE_P(Ways, LastWordTest,
                         testing::Values(Way::kOwnShutdown, Way::kShutdownWithoutEnd,
                                         Way::kPeerShutdown, Way::kBothShutdown, Way::kOwnAbort,
                                         Way::kPeerAbort, Way::kSilence, Way::kProtocolUnreachable,
                                         Way::kDaemonShutsDown, Way::kDaemonAborts,
                                         Way::kDaemonHangsUp),
                         name_of);

TEST_P(LastWordTest, EverySendEndsBeforeTheLastEvent) {
  const Way way = GetParam();
  const bool orderly = way == Way::kOwnShutdown || way == Way::kPeerShutdown ||
                       way == Way::kBothShutdown || way == Way::kDaemonShutsDown;
  send(3, 700);
  turns(100);
  // The peer's reader stops: what comes now stays unacknowledged once its buffers are full.
  peer_reads_ = orderly;
  send(10, 1000);
  // More than the peer's daemon keeps for a reader that has stopped.
  for (int i = 0; way == Way::kShutdownWithoutEnd && i < 300; ++i) {
    send(20, 1000);
    turn();
    poll();
  }
  right.bridge.drain_submissions(now_);
  ASSERT_EQ(tl_assoc_set_user(lane_, assoc_, kNewUser), 0);
  user_ = kNewUser;
  send(5, 100);  // in the ring
  end(way);
  for (int i = 0; i < 5000 && last_ == 0; ++i) {
    if (way == Way::kDaemonHangsUp) {
      poll();
    } else {
      turns(1);
    }
  }
  ASSERT_NE(last_, 0);
  EXPECT_EQ(last_, orderly ? TL_EVENT_CLOSED : TL_EVENT_LOST);
  EXPECT_EQ(ends_.size(), sent_);
  if (!orderly) {
    EXPECT_GE(failed_, 5U);
  }
  EXPECT_EQ(send_text(lane_, assoc_, "late"), way == Way::kDaemonHangsUp ? -EPIPE : -ENOTCONN);
  for (int i = 0; i < 100; ++i) poll();
  if (way == Way::kDaemonHangsUp) return;
  peer_reads_ = true;  // what was put aside for it lies in its shard
  turns(200);
}

}  // namespace
}  // namespace trunkline::test
