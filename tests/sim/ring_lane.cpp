// SPDX-License-Identifier: BSD-3-Clause
// A lane's rings, as the client writes them.
#include "ring_lane.h"

#include <algorithm>

namespace trunkline::sim {
namespace {

constexpr uint8_t kReclaimedByte = 0xdd;

}  // namespace

uint32_t RingLane::submit(const tlr_submission& operation, std::span<const uint8_t> bytes) {
  tlr_submission submission = operation;
  submission.slot = TLR_NO_SLOT;
  submission.length = static_cast<uint32_t>(bytes.size());
  if (!bytes.empty()) {
    std::vector<uint32_t> slots;
    for (uint32_t n = slots_for(submission.length); n > 0; --n) {
      slots.push_back(free_.back());
      free_.pop_back();
    }
    for (size_t i = 0; i < slots.size(); ++i) {
      const size_t at = i * slot_size_;
      const size_t n = std::min<size_t>(slot_size_, bytes.size() - at);
      std::memcpy(tx_data(slots[i]), bytes.data() + at, n);
      if (i > 0) tx_next_[slots[i - 1]] = slots[i];
    }
    submission.slot = slots[0];
    out_[slots[0]] = std::move(slots);
  }
  uint32_t& produced = shared_->submission_produced.value;
  submissions_[produced & submission_mask_] = submission;
  store_release(produced, produced + 1);
  return submission.slot;
}

tlr_completion RingLane::take() {
  uint32_t& consumed = shared_->completion_consumed.value;
  const tlr_completion entry = completions_[consumed & completion_mask_];
  store_release(consumed, consumed + (tlr_has_more(entry.kind) != 0 ? 2 : 1));
  return entry;
}

std::vector<uint8_t> RingLane::bytes_of(const tlr_completion& entry) const {
  std::vector<uint8_t> out(entry.length);
  uint32_t slot = entry.slot;
  for (size_t at = 0; at < out.size(); slot = rx_next_[slot]) {
    const size_t n = std::min<size_t>(slot_size_, out.size() - at);
    std::memcpy(out.data() + at, rx_data_ + size_t{slot} * slot_size_, n);
    at += n;
  }
  return out;
}

void RingLane::give_back(uint32_t slot) {
  uint32_t& produced = shared_->return_produced.value;
  returns_[produced & return_mask_] = slot;
  store_release(produced, produced + 1);
}

bool RingLane::reclaim(uint32_t slot) {
  const auto found = out_.find(slot);
  if (found == out_.end()) return false;
  for (const uint32_t each : found->second) {
    std::memset(tx_data(each), kReclaimedByte, slot_size_);
    free_.push_back(each);
  }
  out_.erase(found);
  return true;
}

}  // namespace trunkline::sim
