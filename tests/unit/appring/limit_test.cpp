// SPDX-License-Identifier: BSD-3-Clause
// Messages that are not to be sent at any price: what the library and the bridge make of a limit,
// and what becomes of one that no correct client writes.
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "hostile.h"

namespace trunkline::test {
namespace {

using Policy = Reliability::Policy;

class LimitTest : public RingHarness {
 protected:
  using RingHarness::RingHarness;
  void open(const ClientSetup& setup = {}) {
    lane_ = lane_of(attach(setup));
    pair_ = join(lane_, lane_);
  }
  // As the shard has it.
  [[nodiscard]] const SendRequest& request(size_t at) {
    return shard.assocs.at(0).queue.at(at).request;
  }
  void expect_reliability(size_t at, Policy policy, uint32_t value) {
    EXPECT_EQ(request(at).reliability.policy, policy) << at;
    EXPECT_EQ(request(at).reliability.value, value) << at;
  }
  uint32_t taken() { return shared(*clients.back()).submission_consumed.value; }

  tl_lane* lane_ = nullptr;
  Pair pair_;
};

TEST_F(LimitTest, EachFlagIsAPolicyOfTheStack) {
  open();
  const struct {
    uint16_t flags;
    Policy policy;
  } cases[] = {{TL_SEND_LIFETIME, Policy::kLifetime},
               {TL_SEND_RETRANSMISSIONS, Policy::kRetransmissions},
               {TL_SEND_PRIORITY, Policy::kPriority}};
  for (const auto& [flags, policy] : cases) {
    for (const uint32_t limit : {0u, 1u, 200u, UINT32_MAX}) {
      const tl_message limited = limited_of("x", flags | TL_SEND_UNORDERED, limit);
      ASSERT_EQ(tl_send(lane_, pair_.client, &limited), 0) << tl_last_error();
      turn(0);
      expect_reliability(0, policy, limit);
      EXPECT_TRUE(request(0).unordered);
      turn();
      EXPECT_EQ(only(poll(lane_), TL_EVENT_MESSAGE).text, "x");
    }
  }
}

TEST_F(LimitTest, WithoutAFlagItIsNotLookedAt) {
  open();
  const tl_message plain = limited_of("x", 0, 77);
  ASSERT_EQ(tl_send(lane_, pair_.client, &plain), 0);
  turn(0);
  expect_reliability(0, Policy::kFull, 0);
}

TEST_F(LimitTest, OfABurstEachMessageHasItsOwn) {
  open();
  const std::string large = bytes(2000, 'l');
  const tl_message burst[] = {message_of("a"),
                              limited_of("b", TL_SEND_LIFETIME, 10),
                              limited_of("c", TL_SEND_PRIORITY, 3),
                              message_of("d"),
                              message_of("e"),
                              limited_of(large, TL_SEND_RETRANSMISSIONS, 2),
                              message_of("g")};
  ASSERT_EQ(tl_send_burst(lane_, pair_.client, burst, 7), 7) << tl_last_error();
  const uint32_t before = taken();
  turn(0);
  EXPECT_EQ(taken() - before, 10u);
  expect_reliability(0, Policy::kFull, 0);
  expect_reliability(1, Policy::kLifetime, 10);
  expect_reliability(2, Policy::kPriority, 3);
  expect_reliability(3, Policy::kFull, 0);
  expect_reliability(4, Policy::kFull, 0);
  expect_reliability(5, Policy::kRetransmissions, 2);
  expect_reliability(6, Policy::kFull, 0);
  EXPECT_EQ(counter(RingCounter::k_ring_messages_in), 7u);
  turn();
  std::string all;
  for (const Got& got : poll(lane_)) all += got.text;
  EXPECT_EQ(all, "abcde" + large + "g");
}

TEST_F(LimitTest, OfABuffer) {
  open();
  tl_buffer buffer{};
  ASSERT_EQ(tl_buffer_alloc(lane_, pair_.client, 4, &buffer), 0);
  std::memcpy(buffer.first.iov_base, "zero", 4);
  tl_message how = limited_of("", TL_SEND_LIFETIME | TL_SEND_PRIORITY, 50);
  EXPECT_EQ(tl_send_buffer(lane_, pair_.client, &buffer, &how), -EINVAL);
  how.flags = TL_SEND_LIFETIME;
  ASSERT_EQ(tl_send_buffer(lane_, pair_.client, &buffer, &how), 0) << tl_last_error();
  turn(0);
  expect_reliability(0, Policy::kLifetime, 50);
  turn();
  EXPECT_EQ(only(poll(lane_), TL_EVENT_MESSAGE).text, "zero");
}

TEST_F(LimitTest, AMessageHasAtMostOne) {
  open();
  for (const int flags :
       {TL_SEND_LIFETIME | TL_SEND_RETRANSMISSIONS, TL_SEND_LIFETIME | TL_SEND_PRIORITY,
        TL_SEND_RETRANSMISSIONS | TL_SEND_PRIORITY,
        TL_SEND_LIFETIME | TL_SEND_RETRANSMISSIONS | TL_SEND_PRIORITY}) {
    const tl_message two = limited_of("x", static_cast<uint16_t>(flags), 5);
    EXPECT_EQ(tl_send(lane_, pair_.client, &two), -EINVAL);
    EXPECT_NE(std::string(tl_last_error()).find("at most one of TL_SEND_LIFETIME"),
              std::string::npos);
  }
  const uint32_t before = taken();
  turn(0);
  EXPECT_EQ(taken(), before);
}

// With room for one entry it waits, and is not told to go on before there is room for both.
TEST_F(LimitTest, ItTakesTwoEntriesOfTheRing) {
  ClientSetup setup;
  setup.geometry.submission_size = 4;
  open(setup);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(send(lane_, pair_.client, "plain"), 0);
  const tl_message limited = limited_of("limited", TL_SEND_LIFETIME, 10);
  EXPECT_EQ(tl_send(lane_, pair_.client, &limited), -EAGAIN);
  EXPECT_NE(std::string(tl_last_error()).find("submission ring is full"), std::string::npos);
  EXPECT_EQ(count(poll(lane_), TL_EVENT_WRITABLE), 0u);
  tl_buffer buffer{};
  ASSERT_EQ(tl_buffer_alloc(lane_, pair_.client, 4, &buffer), 0);
  EXPECT_EQ(tl_send_buffer(lane_, pair_.client, &buffer, &limited), -EAGAIN);
  tl_buffer_free(lane_, &buffer);
  turn(0);
  EXPECT_EQ(count(poll(lane_), TL_EVENT_WRITABLE), 1u);
  EXPECT_EQ(tl_send(lane_, pair_.client, &limited), 0) << tl_last_error();
  turn(0);
  expect_reliability(3, Policy::kLifetime, 10);
}

TEST_F(LimitTest, WhatIsGivenUpComesBackAndSaysWhetherItHadBegun) {
  open();
  for (const bool started : {false, true}) {
    tl_message limited = limited_of("given up", TL_SEND_LIFETIME | TL_SEND_UNORDERED, 10);
    limited.context = 4711;
    ASSERT_EQ(tl_send(lane_, pair_.client, &limited), 0);
    turn(0);
    auto& queue = shard.assocs.at(0).queue;
    Event event;
    event.kind = EventKind::kSendFailed;
    event.reason = Reason::kAbandoned;
    event.assoc = shard.assocs.at(0).id;
    event.started = started;
    event.context = 4711;
    event.payload = std::move(queue.front().payload);
    queue.pop_front();
    shard.push(std::move(event));
    turn();
    const auto events = poll(lane_);
    const Got& failed = only(events, TL_EVENT_SEND_FAILED);
    EXPECT_EQ(failed.text, "given up");
    EXPECT_EQ(failed.event.context, 4711u);
    EXPECT_EQ(failed.event.reason, TL_REASON_ABANDONED);
    EXPECT_EQ(failed.event.error, -ECONNABORTED);
    EXPECT_EQ(failed.event.flags, TL_SEND_UNORDERED | (started ? TL_FAILED_STARTED : 0));
  }
  EXPECT_EQ(clients.back()->ring->channel(0, 0).tx_in_use(), 0u);
}

class ShortTurnTest : public LimitTest {
 protected:
  static appring::BridgeConfig short_turns() {
    appring::BridgeConfig out = test_bridge_config();
    out.burst = 2;
    return out;
  }
  ShortTurnTest() : LimitTest(short_turns()) {}
};

// The end of a turn does not part it from its message.
TEST_F(ShortTurnTest, TakesBothEntries) {
  open();
  const tl_message burst[] = {message_of("a"), limited_of("b", TL_SEND_PRIORITY, 3),
                              message_of("c")};
  ASSERT_EQ(tl_send_burst(lane_, pair_.client, burst, 3), 3);
  const uint32_t before = taken();
  bridge.drain_submissions(now);
  EXPECT_EQ(taken() - before, 3u);
  expect_reliability(1, Policy::kPriority, 3);
  bridge.drain_submissions(now);
  EXPECT_EQ(taken() - before, 4u);
  expect_reliability(2, Policy::kFull, 0);
}

// ---------------------------------------------------------------- that no correct client writes

class HostileLimitTest : public HostileTest {
 protected:
  static tlr_submission limit_of(uint8_t policy, uint32_t value) {
    tlr_submission out{};
    out.op = TLR_OP_LIMIT;
    out.flags = policy;
    out.length = value;
    return out;
  }
  [[nodiscard]] const std::deque<FakeShard::Queued>& queue() { return shard.assocs.at(0).queue; }
  [[nodiscard]] uint32_t completions() const { return channel_->completion_produced.value; }
  // Both at once; the send alone has a completion.
  void expect_send_refused(const tlr_submission& limit) {
    const uint64_t before = counter(RingCounter::k_refuse_bad_operation);
    const uint32_t told = completions();
    put(limit);
    put(send_of(1));
    turn(0);
    EXPECT_EQ(counter(RingCounter::k_refuse_bad_operation), before + 1);
    EXPECT_EQ(completions(), told + 1);
    EXPECT_EQ(last_completion().kind, TLR_SEND_FAILED);
    EXPECT_EQ(last_completion().status, TLR_STATUS_BAD_DESCRIPTOR);
    EXPECT_EQ(last_completion().context, 0xabcu);
    EXPECT_EQ(last_completion().slot, TLR_NO_SLOT);
    EXPECT_TRUE(queue().empty());
    EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 0u);
    poll(bad_lane_);
  }
};

// But what was never published.
TEST_F(HostileLimitTest, NothingBehindIt) {
  submissions_[(channel_->submission_produced.value + 1) & 63] = send_of(2);
  expect_refused(limit_of(TLR_POLICY_LIFETIME, 5), RingCounter::k_refuse_bad_operation,
                 TLR_STATUS_BAD_DESCRIPTOR);
  EXPECT_EQ(last_completion().kind, TLR_OP_FAILED);
  put(send_of(1));  // too late to be its
  turn(0);
  ASSERT_EQ(queue().size(), 1u);
  EXPECT_EQ(queue()[0].request.reliability.policy, Policy::kFull);
}

TEST_F(HostileLimitTest, AnotherOperationBehindIt) {
  const uint32_t told = completions();
  tlr_submission shutdown = send_of(TLR_NO_SLOT, 0);
  shutdown.op = TLR_OP_SHUTDOWN;
  put(limit_of(TLR_POLICY_LIFETIME, 5));
  put(shutdown);
  turn(0);
  EXPECT_EQ(counter(RingCounter::k_refuse_bad_operation), 1u);
  EXPECT_EQ(completions(), told + 3);
  EXPECT_EQ(last_completion().kind, TLR_CLOSED);
  EXPECT_EQ(shard.shutdowns, 1u);
}

TEST_F(HostileLimitTest, OfTwoTheLastCounts) {
  put(limit_of(TLR_POLICY_LIFETIME, 5));
  put(limit_of(TLR_POLICY_PRIORITY, 6));
  put(send_of(1));
  turn(0);
  EXPECT_EQ(counter(RingCounter::k_refuse_bad_operation), 1u);
  ASSERT_EQ(queue().size(), 1u);
  EXPECT_EQ(queue()[0].request.reliability.policy, Policy::kPriority);
  EXPECT_EQ(queue()[0].request.reliability.value, 6u);
}

TEST_F(HostileLimitTest, PoliciesThatThereAreNot) {
  for (const uint32_t policy : {0u, 4u, 16u, 255u}) {
    expect_send_refused(limit_of(static_cast<uint8_t>(policy), 5));
  }
}

TEST_F(HostileLimitTest, WordsThatMustBeZero) {
  const tlr_submission right = limit_of(TLR_POLICY_LIFETIME, 5);
  for (size_t byte = 2; byte < offsetof(tlr_submission, length); ++byte) {
    tlr_submission wrong = right;
    reinterpret_cast<uint8_t*>(&wrong)[byte] = 1;
    expect_send_refused(wrong);
  }
}

// What is wrong with the send is found as ever.
TEST_F(HostileLimitTest, BeforeAWrongSend) {
  tlr_submission stray = send_of(64);
  put(limit_of(TLR_POLICY_LIFETIME, 5));
  expect_refused(stray, RingCounter::k_refuse_bad_slot, TLR_STATUS_BAD_SLOT);
  stray = send_of(1);
  stray.assoc_generation += 1;
  put(limit_of(TLR_POLICY_LIFETIME, 5));
  expect_refused(stray, RingCounter::k_refuse_no_association, TLR_STATUS_NO_ASSOCIATION);
  EXPECT_TRUE(queue().empty());
}

// Nobody reads completions, and there is no entry for one more: both stay where they are.
TEST_F(HostileLimitTest, WaitsForRoomTogetherWithItsSend) {
  tlr_submission stray = send_of(TLR_NO_SLOT);
  stray.op = TLR_OP_SHUTDOWN;
  stray.assoc_index = 50;  // fails at once
  while (counter(RingCounter::k_ring_submission_stalls) == 0) {
    if (channel_->submission_produced.value - channel_->submission_consumed.value < 64) put(stray);
    turn(0);
  }
  const uint32_t waiting = channel_->submission_consumed.value;
  submissions_[waiting & 63] = limit_of(TLR_POLICY_LIFETIME, 5);
  put(send_of(1));
  turn(0);
  EXPECT_EQ(channel_->submission_consumed.value, waiting);
  __atomic_store_n(&channel_->completion_consumed.value, channel_->completion_produced.value,
                   __ATOMIC_SEQ_CST);
  turn(0);
  EXPECT_EQ(channel_->submission_consumed.value, waiting + 2);
  ASSERT_EQ(queue().size(), 1u);
  EXPECT_EQ(queue()[0].request.reliability.value, 5u);
}

}  // namespace
}  // namespace trunkline::test
