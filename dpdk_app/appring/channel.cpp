// SPDX-License-Identifier: BSD-3-Clause
// What lanes of ring clients add to the rings; see channel.h.
#include "appring/channel.h"

#include <algorithm>
#include <new>
#include <utility>

namespace trunkline::appring {

Channel::Channel(RingClient& client, uint8_t* block, int wake_fd, const tlr_geometry& geometry,
                 const ChannelLimits& limits)
    : ChannelCore(block, geometry, limits.backlog + limits.max_associations, limits.receive_buffer),
      client_(client),
      wake_fd_(wake_fd),
      limits_(limits),
      send_credit_(geometry.send_credit) {}

uint64_t Channel::memory_bytes(const tlr_geometry& geometry, const ChannelLimits& limits) {
  return sizeof(Channel) +
         table_bytes(geometry, uint64_t{limits.backlog} + limits.max_associations);
}

bool Channel::publish_completions() {
  close_batch();
  if (completion_published_ == completion_produced_) return false;
  completion_published_ = completion_produced_;
  store_seq_cst(shared_->completion_produced.value, completion_published_);
  if (load_seq_cst(shared_->client_armed.value) == 0) return false;
  store_relaxed(shared_->client_armed.value, 0);
  return true;
}

// ---------------------------------------------------------------- orphans

Channel::Orphaned Channel::orphan(size_t& budget) {
  if (!orphaning_) {
    size_t size = 0;
    for (uint32_t slot = 0; slot < tx_slots_; ++slot) {
      if (slots_[slot].state != TxState::kClients) size += slots_[slot].length;
    }
    orphans_.reset(new (std::nothrow) uint8_t[size]);
    if (orphans_ == nullptr) return Orphaned::kNoMemory;
    orphaning_ = true;
    drop_rest();
  }
  for (; orphan_slot_ < tx_slots_; ++orphan_slot_) {
    TxSlot& piece = slots_[orphan_slot_];
    if (piece.state == TxState::kClients) continue;
    if (piece.length > budget) return Orphaned::kPart;
    budget -= piece.length;
    uint8_t* const copy = orphans_.get() + orphan_bytes_;
    std::memcpy(copy, piece.data, piece.length);
    piece.data = copy;
    orphan_bytes_ += piece.length;
  }
  return Orphaned::kAll;
}

// ---------------------------------------------------------------- sleeping

bool Channel::has_news() const {
  const uint32_t produced = load_seq_cst(shared_->submission_produced.value);
  if (!stalled && produced != submission_consumed_) return true;
  if (!awaits_client()) return false;
  return load_seq_cst(shared_->completion_consumed.value) != look_consumed_ ||
         load_seq_cst(shared_->return_produced.value) != look_returns_;
}

}  // namespace trunkline::appring
