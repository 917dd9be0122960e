// SPDX-License-Identifier: BSD-3-Clause
// The fixture of the tests of hostile clients: one client whose segment the test writes as it
// likes, another one that must not notice, and their common peer.
#pragma once

#include "ring_harness.h"

namespace trunkline::test {

using appring::RingCounter;

class HostileTest : public RingHarness {
 protected:
  void SetUp() override {
    hostile_ = &attach();
    bad_lane_ = lane_of(*hostile_);
    good_lane_ = lane_of(attach());
    peer_lane_ = lane_of(attach());
    ASSERT_EQ(listen(peer_lane_, 5000), 0);
    ASSERT_EQ(connect(bad_lane_, 5000, &bad_), 0);
    ASSERT_EQ(connect(good_lane_, 5000, &good_), 0);
    turn();
    poll(bad_lane_);
    poll(good_lane_);
    for (const Got& got : poll(peer_lane_)) {
      if (got.event.kind == TL_EVENT_ACCEPTED) accepted_.push_back(got.event.assoc);
    }
    ASSERT_EQ(accepted_.size(), 2U);
    const tlr_geometry g = hostile_->ring->segment->geometry();
    const tlr_layout layout = tlr_layout_of(&g);
    uint8_t* const block = hostile_->ring->segment->channel(0, 0);
    channel_ = reinterpret_cast<tlr_channel*>(block);
    submissions_ = reinterpret_cast<tlr_submission*>(block + layout.submissions);
    tx_next_ = reinterpret_cast<uint32_t*>(block + layout.tx_next);
    tx_data_ = block + layout.tx_data;
    returns_ = reinterpret_cast<uint32_t*>(block + layout.returns);
    wire_ = shard.assocs.at(0).id;
  }
  void TearDown() override {
    // Whatever happened, the other client is as well as before.
    while (send(good_lane_, good_, "alive") != 0) {
      turn();
      poll(good_lane_);
    }
    for (int i = 0; i < 3; ++i) turn();
    bool heard = false;
    for (const Got& got : poll(peer_lane_)) heard |= got.text == "alive";
    EXPECT_TRUE(heard);
  }
  // A correct send of one slot, to be spoilt.
  tlr_submission send_of(uint32_t slot, uint32_t length = 5) const {
    tlr_submission s{};
    s.op = TLR_OP_SEND;
    s.assoc_index = wire_.slot;
    s.assoc_generation = wire_.generation;
    s.slot = slot;
    s.length = length;
    s.context = 0xabc;
    return s;
  }
  void put(const tlr_submission& submission) {
    const uint32_t at = channel_->submission_produced.value;
    submissions_[at & 63] = submission;
    __atomic_store_n(&channel_->submission_produced.value, at + 1, __ATOMIC_SEQ_CST);
  }
  // The status of the last completion that was written.
  tlr_completion last_completion() const {
    const tlr_layout layout = tlr_layout_of(&hostile_->ring->segment->geometry());
    const auto* const ring = reinterpret_cast<const tlr_completion*>(
        hostile_->ring->segment->channel(0, 0) + layout.completions);
    return ring[(channel_->completion_produced.value - 1) & 127];
  }
  void expect_refused(const tlr_submission& submission, RingCounter which, uint8_t status) {
    const uint64_t before = counter(which);
    put(submission);
    turn(0);
    EXPECT_EQ(counter(which), before + 1) << counter_name(which);
    EXPECT_EQ(last_completion().status, status);
    EXPECT_EQ(last_completion().context, submission.context);
    poll(bad_lane_);
  }
  // The client has been ended: its association aborted, the control thread told.
  void expect_ended(RingCounter which) {
    for (int i = 0; i < 3; ++i) turn();
    EXPECT_EQ(counter(which), 1U) << counter_name(which);
    EXPECT_EQ(faults, 1U);
    EXPECT_EQ(shard.aborts, 1U);
    EXPECT_EQ(count(poll(peer_lane_), TL_EVENT_LOST), 1U);
    EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 0U);
  }

  TestClient* hostile_ = nullptr;
  tl_lane* bad_lane_ = nullptr;
  tl_lane* good_lane_ = nullptr;
  tl_lane* peer_lane_ = nullptr;
  tl_assoc bad_ = 0;
  tl_assoc good_ = 0;
  std::vector<tl_assoc> accepted_;  // the peer's ends: of the hostile client, of the other one
  AssocId wire_;
  tlr_channel* channel_ = nullptr;
  tlr_submission* submissions_ = nullptr;
  uint32_t* tx_next_ = nullptr;
  uint32_t* returns_ = nullptr;
  uint8_t* tx_data_ = nullptr;
};

}  // namespace trunkline::test
