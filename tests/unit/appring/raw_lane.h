// SPDX-License-Identifier: BSD-3-Clause
// A lane's rings by hand, for tests of what libtrunkline has no call for: it sees what the daemon
// wrote, of whatever association, and sends for any.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "appring/ring_client.h"
#include "trunkline/ring_end.h"

namespace trunkline::test {

class RawLane : public RingEnd {
 public:
  struct Got {
    tlr_completion entry;
    std::string text;  // of a message
  };

  explicit RawLane(appring::RingClient& ring)
      : RingEnd(ring.segment->channel(0, 0), ring.geometry), busy_(tx_slots_) {}

  // What there is, at most `most`; slots of messages are given back unless they are to be held.
  std::vector<Got> poll(bool hold = false, size_t most = SIZE_MAX) {
    std::vector<Got> out;
    uint32_t& consumed = shared_->completion_consumed.value;
    const uint32_t produced = load_acquire(shared_->completion_produced.value);
    for (; consumed != produced && out.size() < most; store_release(consumed, consumed + 1)) {
      const tlr_completion entry = completions_[consumed & completion_mask_];
      if (tlr_has_more(entry.kind)) store_release(consumed, consumed + 1);
      out.push_back({entry, {}});
      if (entry.kind == TLR_MESSAGE) {
        out.back().text = read(entry);
        held_.push_back(entry.slot);
      } else if (entry.kind == TLR_SENDS_DONE) {
        tlr_sends_done done;
        std::memcpy(&done, &entry, sizeof(done));
        for (uint32_t i = 0; i < done.count; ++i) busy_[done.slots[i]] = false;
        ends += done.count;
      } else if (entry.kind == TLR_SEND_FAILED) {
        busy_[entry.slot] = false;
        ++failures;
      }
    }
    if (!hold) give_back();
    return out;
  }
  std::vector<std::string> messages(bool hold = false, size_t most = SIZE_MAX) {
    std::vector<std::string> out;
    for (Got& got : poll(hold, most)) {
      if (got.entry.kind == TLR_MESSAGE) out.push_back(std::move(got.text));
    }
    return out;
  }
  void give_back() {
    uint32_t& produced = shared_->return_produced.value;
    for (const uint32_t slot : held_) {
      returns_[produced & return_mask_] = slot;
      store_release(produced, produced + 1);
    }
    held_.clear();
  }
  // In one slot. False: none is free, or the ring is full.
  bool send(AssocId assoc, std::string_view text) {
    uint32_t& produced = shared_->submission_produced.value;
    uint32_t slot = 0;
    while (slot < tx_slots_ && busy_[slot]) ++slot;
    if (slot == tx_slots_ ||
        produced - load_acquire(shared_->submission_consumed.value) > submission_mask_) {
      return false;
    }
    busy_[slot] = true;
    std::memcpy(tx_data(slot), text.data(), text.size());
    tlr_submission submission{};
    submission.op = TLR_OP_SEND;
    submission.assoc_index = assoc.slot;
    submission.assoc_generation = assoc.generation;
    submission.slot = slot;
    submission.length = static_cast<uint32_t>(text.size());
    submissions_[produced & submission_mask_] = submission;
    store_release(produced, produced + 1);
    return true;
  }

  size_t ends = 0;      // of its sends
  size_t failures = 0;  // likewise

 private:
  std::string read(const tlr_completion& entry) const {
    std::string out;
    uint32_t slot = entry.slot;
    for (uint32_t left = entry.length; left != 0; slot = rx_next_[slot]) {
      const uint32_t n = std::min(left, slot_size_);
      out.append(reinterpret_cast<const char*>(rx_data_) + size_t{slot} * slot_size_, n);
      left -= n;
    }
    return out;
  }

  std::vector<bool> busy_;
  std::vector<uint32_t> held_;
};

}  // namespace trunkline::test
