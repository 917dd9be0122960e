// SPDX-License-Identifier: BSD-3-Clause
// What a client that goes leaves to be acknowledged, over the stack.
#include <new>
#include <string>

#include "real_stack.h"

namespace trunkline::test {
namespace {

using appring::ClientDeath;
using appring::MailKind;

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
  listen(peer);
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
