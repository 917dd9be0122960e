// SPDX-License-Identifier: BSD-3-Clause
// Messages that lie in an application's slots are its association's until they come back: what it
// does not read uses the window, and no more than that.
#include <string>
#include <vector>

#include "ring_harness.h"

namespace trunkline::test {
namespace {

using appring::MailKind;
using appring::RingCounter;

class WindowTest : public RingHarness {
 protected:
  void SetUp() override {
    setup_.geometry.rx_slots = 128;
    setup_.geometry.return_size = 128;
    setup_.geometry.completion_size = 512;
    reader_ = lane_of(attach(setup_));
    writer_ = lane_of(attach());
    pair_ = join(writer_, reader_);
    id_ = shard.assocs.at(1).id;  // the accepted end
  }
  void come(size_t size, AssocId id) {
    shard.inject(id, std::vector<uint8_t>(size, 'm'), 0, 0,
                 [&](Event& event) { bridge.deliver(now, event); });
  }
  void come(size_t size) { come(size, id_); }
  [[nodiscard]] size_t unread() const { return shard.assocs.at(id_.slot).unread; }
  // What there is, to be released.
  std::vector<tl_event> take() const {
    std::vector<tl_event> out(64);
    out.resize(static_cast<size_t>(tl_poll(reader_, out.data(), 64)));
    return out;
  }
  void release(std::vector<tl_event>& events) const {
    tl_event_release(reader_, events.data(), events.size());
  }

  ClientSetup setup_;
  tl_lane* reader_ = nullptr;
  tl_lane* writer_ = nullptr;
  Pair pair_;
  AssocId id_;
};

TEST_F(WindowTest, UnreadBytesCountUntilTheirSlotsComeBack) {
  for (const size_t size : {1000u, 2000u, 3000u}) come(size);
  turn();
  EXPECT_EQ(unread(), 6000u);
  auto events = take();
  turn();
  EXPECT_EQ(unread(), 6000u) << "polled is not read";
  tl_event_release(reader_, events.data(), 1);
  turn();
  EXPECT_EQ(unread(), 5000u);
  tl_event_release(reader_, events.data() + 1, 2);
  turn();
  EXPECT_EQ(unread(), 0u);
}

TEST_F(WindowTest, ABurstIsToldOnceAndCrumbsAreNot) {
  const size_t before = shard.unread_told;
  come(100);
  turn();
  auto crumb = take();
  release(crumb);
  turn();
  EXPECT_EQ(shard.unread_told, before);
  for (int i = 0; i < 60; ++i) come(100);
  turn();
  EXPECT_EQ(shard.unread_told, before + 1);
  auto burst = take();
  release(burst);
  turn();
  EXPECT_EQ(shard.unread_told, before + 2);
  EXPECT_EQ(unread(), 0u);
}

TEST_F(WindowTest, EachAssociationOfALaneHasItsOwn) {
  const Pair second = join(writer_, reader_);
  AssocId other;
  for (const auto& [slot, entry] : shard.assocs) {
    if (shard.listening[entry.endpoint.value] && entry.id != id_) other = entry.id;
  }
  ASSERT_NE(second.server, pair_.server);
  for (int i = 0; i < 5; ++i) {
    come(1000);
    come(2000, other);
  }
  turn();
  EXPECT_EQ(unread(), 5000u);
  EXPECT_EQ(shard.assocs.at(other.slot).unread, 10000u);
  auto events = take();
  release(events);
  turn();
  EXPECT_EQ(unread() + shard.assocs.at(other.slot).unread, 0u);
}

// It sleeps with a window that is shut; nothing else would tell it that it can open.
TEST_F(WindowTest, AReaderThatShutsTheWindowWakesTheWorkerWhenItReads) {
  shard.window = 16 * 1024;
  for (int i = 0; i < 8; ++i) come(2000);
  turn();
  auto events = take();
  turn();
  bridge.arm();
  EXPECT_FALSE(bridge.has_work());
  EXPECT_EQ(shared(*clients[0]).worker_armed.value, 2u);
  release(events);
  EXPECT_TRUE(bridge.has_work());
  bridge.wait(std::chrono::seconds(60));  // returns at once, or the test times out
  bridge.disarm();
  turn();
  EXPECT_EQ(unread(), 0u);
  bridge.arm();
  EXPECT_EQ(shared(*clients[0]).worker_armed.value, 1u) << "who keeps up is left alone";
  bridge.disarm();
}

TEST_F(WindowTest, WhatWasKeptIsUnreadOnceItIsDelivered) {
  for (int i = 0; i < 130; ++i) come(500);
  turn();
  EXPECT_EQ(shard.assocs.at(id_.slot).held, 1000u);
  EXPECT_EQ(unread(), 128u * 500);
  auto events = take();
  release(events);
  turn();
  EXPECT_EQ(shard.assocs.at(id_.slot).held, 0u);
  EXPECT_EQ(unread(), 66u * 500);
}

TEST_F(WindowTest, SlotsThatAreGivenBackTwiceCountOnce) {
  for (int i = 0; i < 10; ++i) come(500);
  turn();
  auto events = take();
  ASSERT_EQ(events.size(), 10u);
  tl_event_release(reader_, events.data(), 1);
  tlr_channel& channel = shared(*clients[0]);
  const tlr_layout layout = tlr_layout_of(&setup_.geometry);
  auto* const returns =
      reinterpret_cast<uint32_t*>(reinterpret_cast<uint8_t*>(&channel) + layout.returns);
  const uint32_t at = channel.return_produced.value;
  returns[at % 128] = returns[(at - 1) % 128];
  channel.return_produced.value = at + 1;
  turn();
  EXPECT_EQ(counter(RingCounter::k_refuse_bad_return), 1u);
  EXPECT_EQ(unread(), 4500u);
}

// An id is used again while messages of its last life are unread.
TEST_F(WindowTest, WhatAnEndedAssociationLeftIsNobodys) {
  for (int i = 0; i < 10; ++i) come(500);
  turn();
  auto events = take();
  shard.end(id_.slot, EventKind::kLost, Reason::kTimedOut);
  turn();
  const Pair next = join(writer_, reader_);
  ASSERT_NE(next.server, 0u);
  id_ = shard.assocs.at(id_.slot).id;
  for (int i = 0; i < 10; ++i) come(600);
  turn();
  EXPECT_EQ(unread(), 6000u);
  release(events);
  turn();
  EXPECT_EQ(unread(), 6000u);
}

class ReceiveBufferTest : public WindowTest {
 protected:
  ReceiveBufferTest() { setup_.limits.receive_buffer = 4000; }
};

// More than its limit waits in the daemon, in order, and is charged there.
TEST_F(ReceiveBufferTest, BindsBeforeTheSlotsDo) {
  for (int i = 0; i < 6; ++i) come(1000);
  turn();
  EXPECT_EQ(unread(), 4000u);
  EXPECT_EQ(shard.assocs.at(id_.slot).held, 2000u);
  auto events = take();
  EXPECT_EQ(events.size(), 4u);
  tl_event_release(reader_, events.data(), 1);
  turn();
  EXPECT_EQ(unread(), 4000u);
  EXPECT_EQ(shard.assocs.at(id_.slot).held, 1000u);
}

TEST_F(ReceiveBufferTest, HasRoomForOneMessageHoweverLarge) {
  come(9000);
  turn();
  EXPECT_EQ(take().size(), 1u);
}

}  // namespace
}  // namespace trunkline::test
