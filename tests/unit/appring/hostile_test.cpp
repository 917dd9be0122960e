// SPDX-License-Identifier: BSD-3-Clause
// A client that writes what it likes into its segment. Each case says what the bridge must count,
// and that another client's association goes on unharmed.
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <random>
#include <thread>

#include "hostile.h"

namespace trunkline::test {
namespace {

using appring::MailKind;

TEST_F(HostileTest, UnknownOperationsFlagsAndOptions) {
  tlr_submission s = send_of(1);
  s.op = 0;
  expect_refused(s, RingCounter::k_refuse_bad_operation, TLR_STATUS_BAD_DESCRIPTOR);
  s.op = 0xff;
  expect_refused(s, RingCounter::k_refuse_bad_operation, TLR_STATUS_BAD_DESCRIPTOR);
  s = send_of(1);
  s.flags = 0x40;
  expect_refused(s, RingCounter::k_refuse_bad_operation, TLR_STATUS_BAD_DESCRIPTOR);
  s = send_of(1);
  s.op = TLR_OP_GET_OPTION;
  s.option = 99;
  expect_refused(s, RingCounter::k_refuse_bad_operation, TLR_STATUS_BAD_DESCRIPTOR);
  s.op = TLR_OP_SET_OPTION;
  s.option = TLR_OPTION_INFO;
  expect_refused(s, RingCounter::k_refuse_bad_operation, TLR_STATUS_BAD_DESCRIPTOR);
}

TEST_F(HostileTest, LengthsThatNoChainHolds) {
  for (const uint32_t length : {0U, 64 * 512 + 1U, 65 * 512U, 0x10000000U, 0x7fffffffU, 0xfffffe00U,
                                0xfffffe01U, 0xffffffffU}) {
    tlr_submission s = send_of(1);
    s.length = length;
    expect_refused(s, RingCounter::k_refuse_bad_length, TLR_STATUS_BAD_DESCRIPTOR);
    EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 0U);
  }
}

TEST_F(HostileTest, SlotsOutOfRange) {
  for (const uint32_t slot : {64U, 65U, 0x7fffffffU, 0xffffffffU}) {
    expect_refused(send_of(slot), RingCounter::k_refuse_bad_slot, TLR_STATUS_BAD_SLOT);
  }
  // In the middle of a chain: what was taken before is given back.
  tx_next_[1] = 2;
  tx_next_[2] = 9999;
  expect_refused(send_of(1, 1500), RingCounter::k_refuse_bad_slot, TLR_STATUS_BAD_SLOT);
  EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 0U);
}

TEST_F(HostileTest, SlotsSubmittedTwice) {
  put(send_of(7));
  turn(0);
  EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 1U);
  expect_refused(send_of(7), RingCounter::k_refuse_slot_twice, TLR_STATUS_BAD_SLOT);
  tx_next_[1] = 7;  // a chain that runs into the slot
  expect_refused(send_of(1, 600), RingCounter::k_refuse_slot_twice, TLR_STATUS_BAD_SLOT);
  EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 1U);
  turn();
  EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 0U);
  put(send_of(7));  // free again
  turn(0);
  EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 1U);
}

TEST_F(HostileTest, ChainsWithCycles) {
  tx_next_[1] = 2;
  tx_next_[2] = 3;
  tx_next_[3] = 1;
  expect_refused(send_of(1, 512 * 10), RingCounter::k_refuse_slot_twice, TLR_STATUS_BAD_SLOT);
  tx_next_[4] = 4;
  expect_refused(send_of(4, 1000), RingCounter::k_refuse_slot_twice, TLR_STATUS_BAD_SLOT);
  EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 0U);
}

TEST_F(HostileTest, AssociationsOfOthers) {
  tlr_submission s = send_of(1);
  for (const auto& [slot, assoc] : shard.assocs) {
    if (slot == wire_.slot) continue;
    s.assoc_index = slot;
    s.assoc_generation = assoc.id.generation;
    expect_refused(s, RingCounter::k_refuse_no_association, TLR_STATUS_NO_ASSOCIATION);
    tlr_submission abort = s;
    abort.op = TLR_OP_ABORT;
    abort.slot = TLR_NO_SLOT;
    expect_refused(abort, RingCounter::k_refuse_no_association, TLR_STATUS_NO_ASSOCIATION);
  }
  s.assoc_index = 0xffffffff;
  expect_refused(s, RingCounter::k_refuse_no_association, TLR_STATUS_NO_ASSOCIATION);
  s = send_of(1);
  s.assoc_generation += 1;
  expect_refused(s, RingCounter::k_refuse_no_association, TLR_STATUS_NO_ASSOCIATION);
  EXPECT_EQ(shard.aborts, 0U);
}

TEST_F(HostileTest, CreditIsTheDaemonsToGive) {
  for (uint32_t i = 0; i < 32; ++i) put(send_of(i));
  turn(0);
  EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 32U);
  expect_refused(send_of(40), RingCounter::k_refuse_send_credit, TLR_STATUS_WOULD_BLOCK);
}

TEST_F(HostileTest, BodiesThatMakeNoSense) {
  tlr_open_body body{};
  const auto refuse = [&](uint8_t op, uint32_t length, uint8_t status) {
    memcpy(tx_data_ + 3 * 512, &body, sizeof(body));
    tlr_submission s = send_of(3, length);
    s.op = op;
    expect_refused(s, RingCounter::k_refuse_bad_body, status);
  };
  body.local_port = 5001;
  refuse(TLR_OP_LISTEN, sizeof(body) - 1, TLR_STATUS_BAD_DESCRIPTOR);
  refuse(TLR_OP_LISTEN, sizeof(body) + 8, TLR_STATUS_BAD_DESCRIPTOR);
  memset(body.profile, 'x', sizeof(body.profile));  // no NUL
  refuse(TLR_OP_LISTEN, sizeof(body), TLR_STATUS_BAD_DESCRIPTOR);
  body = {};
  refuse(TLR_OP_LISTEN, sizeof(body), TLR_STATUS_BAD_DESCRIPTOR);  // port 0
  body.peer_port = 5000;
  refuse(TLR_OP_CONNECT, sizeof(body), TLR_STATUS_BAD_DESCRIPTOR);  // no address
  body.address_count = 17;
  refuse(TLR_OP_CONNECT, sizeof(body), TLR_STATUS_BAD_DESCRIPTOR);
  body.address_count = 0xffff;
  refuse(TLR_OP_CONNECT, sizeof(body), TLR_STATUS_BAD_DESCRIPTOR);
  body.address_count = 8;
  body.local_count = 16;  // more than there is room for
  refuse(TLR_OP_CONNECT, sizeof(body), TLR_STATUS_BAD_DESCRIPTOR);
  body.address_count = 1;
  body.local_count = 17;
  refuse(TLR_OP_CONNECT, sizeof(body), TLR_STATUS_BAD_DESCRIPTOR);
  body.local_count = 0xffff;
  refuse(TLR_OP_CONNECT, sizeof(body), TLR_STATUS_BAD_DESCRIPTOR);
  body.local_count = 0;
  body.address_count = 2;
  body.addresses[0].family = 4;
  body.addresses[1].family = 5;
  refuse(TLR_OP_CONNECT, sizeof(body), TLR_STATUS_INVALID_ADDRESS);
  body.addresses[1].family = 6;
  body.peer_port = 0;
  refuse(TLR_OP_CONNECT, sizeof(body), TLR_STATUS_BAD_DESCRIPTOR);
}

TEST_F(HostileTest, ReturnsOfWhatWasNotLent) {
  const auto give_back = [&](uint32_t slot) {
    const uint32_t at = channel_->return_produced.value;
    returns_[at & 63] = slot;
    __atomic_store_n(&channel_->return_produced.value, at + 1, __ATOMIC_SEQ_CST);
  };
  for (int i = 0; i < 20; ++i) give_back(static_cast<uint32_t>(i * 1000));
  give_back(0);
  give_back(0);
  // Before its next turn, the bridge looks at returns when it runs out of slots.
  const AssocId id = wire_;
  for (int i = 0; i < 65; ++i) {
    shard.inject(id, std::vector<uint8_t>(10, 'm'), 0, 0,
                 [&](Event& event) { bridge.deliver(now, event); });
  }
  turn();
  turn();
  // By then slot 0 is lent, so one of its three returns is a true one: it spoils the client's own
  // first message, nothing else.
  EXPECT_EQ(counter(RingCounter::k_refuse_bad_return), 21U);
  const auto events = poll(bad_lane_);
  EXPECT_EQ(count(events, TL_EVENT_MESSAGE), 65U);
}

TEST_F(HostileTest, SubmissionIndexTooFarAhead) {
  __atomic_store_n(&channel_->submission_produced.value, channel_->submission_produced.value + 65,
                   __ATOMIC_SEQ_CST);
  expect_ended(RingCounter::k_refuse_bad_index);
}

TEST_F(HostileTest, SubmissionIndexBackwards) {
  __atomic_store_n(&channel_->submission_produced.value, channel_->submission_produced.value - 1,
                   __ATOMIC_SEQ_CST);
  expect_ended(RingCounter::k_refuse_bad_index);
}

TEST_F(HostileTest, CompletionIndexAhead) {
  __atomic_store_n(&channel_->completion_consumed.value, channel_->completion_produced.value + 1,
                   __ATOMIC_SEQ_CST);
  for (int i = 0; i < 130; ++i) shard.push(wire_, EventKind::kSenderDry);  // until room is short
  expect_ended(RingCounter::k_refuse_bad_index);
}

TEST_F(HostileTest, CompletionIndexBackwards) {
  for (int i = 0; i < 130; ++i) shard.push(wire_, EventKind::kSenderDry);
  turn();
  poll(bad_lane_);
  turn();
  __atomic_store_n(&channel_->completion_consumed.value, channel_->completion_consumed.value - 100,
                   __ATOMIC_SEQ_CST);
  for (int i = 0; i < 130; ++i) shard.push(wire_, EventKind::kSenderDry);
  expect_ended(RingCounter::k_refuse_bad_index);
}

TEST_F(HostileTest, ReturnIndexJumps) {
  __atomic_store_n(&channel_->return_produced.value, channel_->return_produced.value + 1000,
                   __ATOMIC_SEQ_CST);
  for (int i = 0; i < 65; ++i) {
    shard.inject(wire_, std::vector<uint8_t>(10, 'm'), 0, 0,
                 [&](Event& event) { bridge.deliver(now, event); });
  }
  expect_ended(RingCounter::k_refuse_bad_index);
}

// More operations than it may have under way, and a completion ring that it never reads: the
// bridge stops taking its submissions, and takes them again when there is room.
TEST_F(HostileTest, NeverReadingStopsItsOwnSubmissionsOnly) {
  tlr_submission s = send_of(1);
  s.op = TLR_OP_SHUTDOWN;
  s.slot = TLR_NO_SLOT;
  s.assoc_index = 50;  // fails at once: a completion each
  uint64_t produced = 0;
  for (int round = 0; round < 20; ++round) {
    while (channel_->submission_produced.value - channel_->submission_consumed.value < 64) {
      put(s);
      ++produced;
    }
    turn();
  }
  EXPECT_GT(counter(RingCounter::k_ring_submission_stalls), 0U);
  EXPECT_LE(counter(RingCounter::k_refuse_no_association), 128U);
  EXPECT_GT(produced, counter(RingCounter::k_refuse_no_association));
  bridge.arm();
  EXPECT_FALSE(bridge.has_work());  // nothing can be done for it: the worker may sleep
  bridge.disarm();
  poll(bad_lane_);
  const uint64_t before = counter(RingCounter::k_refuse_no_association);
  turn();
  EXPECT_GT(counter(RingCounter::k_refuse_no_association), before);
}

// Seeded random descriptors, with the indices kept right, so that the bridge has to look at each.
TEST_F(HostileTest, RandomDescriptors) {
  std::minstd_rand random(7);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  for (int i = 0; i < 100'000; ++i) {
    tlr_submission s = send_of(below(70), below(4) == 0 ? below(40'000) : 1 + below(1500));
    if (below(4) == 0) s.op = static_cast<uint8_t>(below(12));
    if (below(8) == 0) s.length = below(70) * 512;
    if (below(8) == 0) s.assoc_index = below(70);
    if (below(16) == 0) s.slot = TLR_NO_SLOT;
    if (below(8) == 0) s.option = static_cast<uint16_t>(below(4));
    if (below(8) == 0) s.stream = static_cast<uint16_t>(below(20));
    if (below(64) == 0) s.flags = static_cast<uint8_t>(below(256));
    tx_next_[below(64)] = below(66);
    reinterpret_cast<uint32_t*>(tx_data_)[below(64 * 128)] = below(10);
    put(s);
    if (below(8) == 0) {
      turn(below(16));
      poll(bad_lane_);
      poll(peer_lane_);
    }
    if (channel_->submission_produced.value - channel_->submission_consumed.value >= 60) {
      turn();
      poll(bad_lane_);
    }
  }
  for (int i = 0; i < 10; ++i) {
    turn();
    poll(bad_lane_);
    poll(peer_lane_);
  }
  EXPECT_EQ(faults, 0U);
  EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 0U);
  EXPECT_GT(counter(RingCounter::k_refuse_slot_twice), 0U);
  EXPECT_GT(counter(RingCounter::k_refuse_bad_slot), 0U);
  EXPECT_GT(counter(RingCounter::k_refuse_bad_body), 0U);
}

// Seeded random writes all over the segment while the other client's traffic flows. The writer
// uses a mapping of its own, as a real client does.
TEST_F(HostileTest, RandomWritesAllOverTheSegment) {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> writes{0};
  const size_t size = hostile_->ring->segment->size();
  void* const own =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, hostile_->ring->segment->fd(), 0);
  ASSERT_NE(own, MAP_FAILED);
  auto* const words = static_cast<uint32_t*>(own);
  // Asked before: the daemon's side of the segment goes while the vandal is at work.
  const auto channel_at =
      static_cast<uint32_t>(tlr_channel_offset(&hostile_->ring->segment->geometry(), 0, 0) / 4);
  std::thread vandal([&] {
    std::minstd_rand random(20261123);
    while (!stop.load()) {
      const uint32_t value = static_cast<uint32_t>(random() % 4 == 0 ? random() : random() % 80);
      // Half of the writes hit the indices and rings, where it hurts most.
      const uint32_t at = random() % 2 == 0 ? channel_at + static_cast<uint32_t>(random() % 4096)
                                            : static_cast<uint32_t>(random() % (size / 4));
      __atomic_store_n(&words[at], value, __ATOMIC_RELAXED);
      writes.fetch_add(1, std::memory_order_relaxed);
    }
  });
  uint64_t received = 0;
  uint64_t sent = 0;
  bool removed = false;
  // Sooner or later it hits an index.
  while (gone == 0 || sent < 500 || writes.load() < 10'000) {
    if (send(good_lane_, good_, std::to_string(sent)) == 0) ++sent;
    turn();
    if (faults != 0 && !removed) {
      // As the control thread would: hang up.
      removed = true;
      ASSERT_TRUE(bridge.mailbox().post_to_worker({MailKind::kRemove, hostile_->ring.get()}));
    }
    poll(good_lane_);
    for (const Got& got : poll(peer_lane_)) {
      if (got.event.kind != TL_EVENT_MESSAGE) continue;
      if (got.text == std::to_string(received)) ++received;
    }
  }
  stop.store(true);
  vandal.join();
  munmap(own, size);
  for (int i = 0; i < 3; ++i) turn();
  EXPECT_EQ(received, sent);
  EXPECT_EQ(faults, 1U);
  EXPECT_EQ(gone, 1U);
}

}  // namespace
}  // namespace trunkline::test
