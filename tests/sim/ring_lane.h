// SPDX-License-Identifier: BSD-3-Clause
// The client's end of one channel, by hand: what a lane of libtrunkline does with its rings, one
// step at a time, so that the simulation decides when. It believes nothing: slots that come back
// must be ones that are out.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <span>
#include <vector>

#include "appring/ring_client.h"
#include "trunkline/ring_end.h"

namespace trunkline::sim {

class RingLane final : public RingEnd {
 public:
  RingLane(appring::RingClient& ring, uint32_t worker)
      : RingEnd(ring.segment->channel(0, worker), ring.geometry) {
    for (uint32_t slot = tx_slots_; slot-- > 0;) free_.push_back(slot);
  }

  // -- what is asked for
  [[nodiscard]] bool has_room(uint32_t bytes) const {
    return (bytes == 0 || free_.size() >= slots_for(bytes)) && submitted() <= submission_mask_;
  }
  // Those that the worker has not taken yet.
  [[nodiscard]] uint32_t submitted() const {
    return shared_->submission_produced.value - load_acquire(shared_->submission_consumed.value);
  }
  [[nodiscard]] uint32_t taken() const { return load_acquire(shared_->submission_consumed.value); }
  // With `bytes` in its slots; none: without slots. Only with room for it. The first slot.
  uint32_t submit(const tlr_submission& operation, std::span<const uint8_t> bytes);

  // -- what comes
  // Entries that the worker has written.
  [[nodiscard]] bool has_any() const {
    return shared_->completion_consumed.value != load_acquire(shared_->completion_produced.value);
  }
  // The next one, and what lies behind it. Only if there is one.
  tlr_completion take();
  // visit(entry) of each that the worker has written since the last call.
  template <typename Visit>
  void each_new(Visit&& visit);
  // The payload of a message.
  [[nodiscard]] std::vector<uint8_t> bytes_of(const tlr_completion& entry) const;
  void give_back(uint32_t slot);
  // A send has ended, of the message that begins there: its slots are ours again, and nobody reads
  // them any more. False: they were not out.
  [[nodiscard]] bool reclaim(uint32_t slot);
  [[nodiscard]] size_t under_way() const { return out_.size(); }

 private:
  std::vector<uint32_t> free_;                     // TX slots
  std::map<uint32_t, std::vector<uint32_t>> out_;  // those of what was submitted, by the first
  uint32_t seen_ = 0;                              // completions, by each_new()
};

template <typename Visit>
void RingLane::each_new(Visit&& visit) {
  const uint32_t produced = load_acquire(shared_->completion_produced.value);
  while (seen_ != produced) {
    const tlr_completion& entry = completions_[seen_ & completion_mask_];
    visit(entry);
    seen_ += tlr_has_more(entry.kind) != 0 ? 2 : 1;
  }
}

}  // namespace trunkline::sim
