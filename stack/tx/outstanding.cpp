// SPDX-License-Identifier: BSD-3-Clause
// What a SACK means, chunk by chunk, in one walk over the list from its head; the list is walked
// past its head only when there are gaps.
#include "tx/outstanding.h"

#include <algorithm>
#include <utility>

#include "wire/data_chunk.h"

namespace trunkline {
namespace {

constexpr uint8_t kMissesForLoss = 3;  // 7.2.4

uint32_t wire_size(const TxChunk& chunk) {
  return static_cast<uint32_t>((wire::kDataHeaderSize + chunk.size + 3) & ~size_t{3});
}

}  // namespace

void Outstanding::add(TxChunk* chunk, TimePoint now, uint8_t path) {
  chunk->tsn = next_tsn_;
  ++next_tsn_;
  chunk->sent_at = now;
  chunk->path = path;
  chunks_.push_back(chunk);
  bytes_ += chunk->size;
  put_in_flight(chunk);
}

bool Outstanding::plausible(const wire::SackChunk& sack) const {
  const Tsn last_sent = next_tsn_ - 1;
  if (sack.cum_tsn_ack.after(last_sent)) return false;
  uint32_t previous_end = 0;
  for (size_t i = 0; i < sack.gap_count(); ++i) {
    const wire::GapBlock gap = sack.gap(i);
    // A block begins at least one missing TSN after the last one (3.3.4).
    if (gap.start <= previous_end + (i == 0 ? 1u : 0u) || gap.end < gap.start) return false;
    if ((sack.cum_tsn_ack + gap.end).after(last_sent)) return false;
    previous_end = gap.end;
  }
  return true;
}

bool Outstanding::acknowledges_unsent(const wire::SackChunk& sack) const {
  const Tsn last_sent = next_tsn_ - 1;
  if (sack.cum_tsn_ack.after(last_sent)) return true;
  for (size_t i = 0; i < sack.gap_count(); ++i) {
    const wire::GapBlock gap = sack.gap(i);
    if (gap.start <= gap.end && (sack.cum_tsn_ack + gap.end).after(last_sent)) return true;
  }
  return false;
}

void Outstanding::snapshot(SackOutcome& outcome) const {
  for (size_t i = 0; i < kMaxPaths; ++i) outcome.paths[i].flight_before = path_flight_[i];
}

void Outstanding::put_in_flight(TxChunk* chunk) {
  chunk->state = TxChunk::State::kInFlight;
  flight_ += chunk->size;
  path_flight_[chunk->path] += wire_size(*chunk);
}

void Outstanding::unflight(TxChunk* chunk) {
  flight_ -= chunk->size;
  path_flight_[chunk->path] -= wire_size(*chunk);
}

// Counts a chunk as acknowledged, once, whether by a gap block or by the cumulative TSN.
void Outstanding::ack(TxChunk* chunk, TimePoint resent_at, SackOutcome& outcome) {
  if (chunk->state == TxChunk::State::kInFlight) unflight(chunk);
  if (chunk->state == TxChunk::State::kRetransmit) --retransmit_count_;
  SackOutcome::PerPath& path = outcome.paths[chunk->path];
  path.acked += wire_size(*chunk);
  if (!chunk->many_paths) path.certain = true;
  path.largest_acked = std::max(path.largest_acked, chunk->packet);
  // 6.3.1 C5: the round trip is not told by a chunk that was sent twice, nor by one that waited
  // while another with a lower TSN was.
  if (!chunk->retransmitted && chunk->sent_at >= resent_at) path.rtt_from = chunk->sent_at;
  outcome.newly_acked = true;
  if (highest_newly_acked_.before(chunk->tsn)) highest_newly_acked_ = chunk->tsn;
}

void Outstanding::ack_up_to(Tsn cum_tsn_ack, SackOutcome& outcome) {
  if (!cum_tsn_ack.after(cum_ack_)) return;
  outcome.cum_advanced = true;
  for (TxChunk* chunk = chunks_.front(); chunk != nullptr && chunk->tsn.at_or_before(cum_tsn_ack);
       chunk = chunks_.next(chunk)) {
    if (chunk->tsn.at_or_before(cum_ack_)) continue;  // acked before, not yet popped
    if (chunk->retransmitted) resent_at_ = std::max(resent_at_, chunk->sent_at);
    if (chunk->state == TxChunk::State::kGapAcked) {
      --gap_acked_count_;
    } else {
      ack(chunk, resent_at_, outcome);
      outcome.paths[chunk->path].first_acked = true;
    }
    bytes_ -= chunk->size;
    // It must not count as anything any more while it waits to be popped.
    chunk->state = TxChunk::State::kGapAcked;
  }
  cum_ack_ = cum_tsn_ack;
}

void Outstanding::process_cum_ack(Tsn cum_tsn_ack, SackOutcome& outcome) {
  snapshot(outcome);
  highest_newly_acked_ = cum_ack_;
  ack_up_to(cum_tsn_ack, outcome);
}

void Outstanding::process(const wire::SackChunk& sack, bool in_fast_recovery,
                          SackOutcome& outcome) {
  snapshot(outcome);
  highest_newly_acked_ = cum_ack_;
  ack_up_to(sack.cum_tsn_ack, outcome);
  if (sack.gap_count() == 0 && gap_acked_count_ == 0) return;
  apply_gaps(sack, outcome);
  count_misses(sack, in_fast_recovery, outcome);
}

// Marks what the gap blocks cover, and takes back what they no longer cover (reneging).
void Outstanding::apply_gaps(const wire::SackChunk& sack, SackOutcome& outcome) {
  size_t block = 0;
  TimePoint resent_at = resent_at_;
  for (TxChunk* chunk = chunks_.front(); chunk != nullptr; chunk = chunks_.next(chunk)) {
    if (chunk->tsn.at_or_before(cum_ack_)) continue;
    const uint32_t offset = chunk->tsn.distance_from(cum_ack_);
    while (block < sack.gap_count() && sack.gap(block).end < offset) ++block;
    if (block == sack.gap_count() && gap_acked_count_ == 0) break;
    const bool covered = block < sack.gap_count() && sack.gap(block).start <= offset;
    if (chunk->retransmitted) resent_at = std::max(resent_at, chunk->sent_at);
    if (covered && chunk->state != TxChunk::State::kGapAcked) {
      ack(chunk, resent_at, outcome);
      chunk->state = TxChunk::State::kGapAcked;
      chunk->misses = 0;
      ++gap_acked_count_;
    } else if (!covered && chunk->state == TxChunk::State::kGapAcked) {
      put_in_flight(chunk);         // 6.2.1 D iii
      chunk->retransmitted = true;  // its round trip means nothing any more
      chunk->reneged = true;
      ++reneged_count_;
      --gap_acked_count_;
      outcome.paths[chunk->path].reneged = true;
    }
  }
}

void Outstanding::count_misses(const wire::SackChunk& sack, bool in_fast_recovery,
                               SackOutcome& outcome) {
  if (sack.gap_count() == 0 && reneged_count_ == 0) return;
  // Missing TSNs lie before the end of the last block; of those, the ones before the highest TSN
  // newly acknowledged count, or all of them in fast recovery when the cumulative TSN moved. What
  // was taken back counts wherever it lies (6.2.1 D iii). One SACK is one indication.
  Tsn limit = highest_newly_acked_;
  if (in_fast_recovery && outcome.cum_advanced && sack.gap_count() > 0) {
    limit = cum_ack_ + sack.gap(sack.gap_count() - 1).end;
  }
  for (TxChunk* chunk = chunks_.front();
       chunk != nullptr && (reneged_count_ > 0 || chunk->tsn.before(limit));
       chunk = chunks_.next(chunk)) {
    const bool reneged = std::exchange(chunk->reneged, false);
    if (reneged) --reneged_count_;
    if (chunk->tsn.at_or_before(cum_ack_) || chunk->state != TxChunk::State::kInFlight) continue;
    if (chunk->fast_retransmitted || !(reneged || chunk->tsn.before(limit))) continue;
    if (++chunk->misses < kMissesForLoss) continue;
    chunk->state = TxChunk::State::kRetransmit;
    chunk->fast_retransmitted = true;
    ++retransmit_count_;
    unflight(chunk);
    outcome.paths[chunk->path].lost = true;
  }
}

TxChunk* Outstanding::pop_acked() {
  TxChunk* const chunk = chunks_.front();
  if (chunk == nullptr || chunk->tsn.after(cum_ack_)) return nullptr;
  return chunks_.pop_front();
}

uint64_t Outstanding::mark_lost(uint8_t path) {
  const uint64_t before = flight_;
  for (TxChunk* chunk = chunks_.front(); chunk != nullptr; chunk = chunks_.next(chunk)) {
    if (chunk->path != path || chunk->state != TxChunk::State::kInFlight) continue;
    unflight(chunk);
    chunk->state = TxChunk::State::kRetransmit;
    chunk->misses = 0;
    chunk->fast_retransmitted = false;
    ++retransmit_count_;
  }
  return before - flight_;
}

TxChunk* Outstanding::next_retransmission(TxChunk* after) const {
  if (retransmit_count_ == 0) return nullptr;
  TxChunk* chunk = after == nullptr ? chunks_.front() : chunks_.next(after);
  while (chunk != nullptr && chunk->state != TxChunk::State::kRetransmit) {
    chunk = chunks_.next(chunk);
  }
  return chunk;
}

void Outstanding::retransmit(TxChunk* chunk, TimePoint now, uint8_t path) {
  --retransmit_count_;
  if (chunk->path != path) chunk->many_paths = true;
  chunk->path = path;
  chunk->sent_at = now;
  chunk->retransmitted = true;
  put_in_flight(chunk);
}

uint16_t Outstanding::largest_packet(uint8_t path) const {
  uint16_t largest = 0;
  for (const TxChunk* chunk = chunks_.front(); chunk != nullptr; chunk = chunks_.next(chunk)) {
    if (chunk->path != path || chunk->state != TxChunk::State::kInFlight) continue;
    largest = std::max(largest, chunk->packet);
  }
  return largest;
}

const TxChunk* Outstanding::in_flight(Tsn tsn) const {
  for (const TxChunk* chunk = chunks_.front(); chunk != nullptr; chunk = chunks_.next(chunk)) {
    if (chunk->tsn == tsn) return chunk->state == TxChunk::State::kInFlight ? chunk : nullptr;
  }
  return nullptr;
}

TxChunk* Outstanding::earliest(uint8_t path) const {
  TxChunk* chunk = chunks_.front();
  while (chunk != nullptr && (chunk->path != path || chunk->state != TxChunk::State::kInFlight)) {
    chunk = chunks_.next(chunk);
  }
  return chunk;
}

TxChunk* Outstanding::pop_any() {
  TxChunk* const chunk = chunks_.pop_front();
  if (chunk == nullptr) return nullptr;
  if (chunk->state == TxChunk::State::kInFlight) unflight(chunk);
  if (chunk->state == TxChunk::State::kRetransmit) --retransmit_count_;
  if (chunk->state == TxChunk::State::kGapAcked && chunk->tsn.after(cum_ack_)) --gap_acked_count_;
  if (chunk->tsn.after(cum_ack_)) bytes_ -= chunk->size;
  return chunk;
}

}  // namespace trunkline
