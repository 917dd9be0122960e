// SPDX-License-Identifier: BSD-3-Clause
// Which chunks are late (RFC 8985 section 6.2 step 5). Chunks lie in TSN order. What was sent once
// went in that order, so that the first of them that is not late ends the search. What recovery
// sent again went later than its TSN says; it is looked for by itself, and some of it that is not
// late is passed over, not all: a SACK costs what changes by it, and T3 finds the rest.
#include "tx/rack.h"

#include <algorithm>

#include "tx/sender.h"

namespace trunkline {
namespace {

constexpr uint32_t kPassedOver = 16;
constexpr uint32_t kLookedAt = 40;       // for three packets of small messages
constexpr uint32_t kPacketsForLoss = 3;  // DupThresh

}  // namespace

TimePoint Outstanding::mark_late(TimePoint now, const LateLimits& limits, bool in_recovery,
                                 SackOutcome& outcome) {
  uint32_t in_use = 0;
  for (uint8_t path = 0; path < known_paths(); ++path) in_use += flight(path) != 0 ? 1 : 0;
  TimePoint due = TimePoint::never();
  if (in_use == 1) {
    for (const Trait trait : {Trait::kCountable, Trait::kAgain}) {
      due = std::min(due, mark_late(now, trait, limits, in_recovery, outcome));
    }
    return due;
  }
  // What went by a path that is slow must not hide what is late on another one.
  for (uint8_t path = 0; path < known_paths(); ++path) {
    if (!limits[path].any || flight(path) == 0) continue;
    due = std::min(due, mark_late(now, in_flight_on(path), limits, in_recovery, outcome));
  }
  return due;
}

TimePoint Outstanding::mark_late(TimePoint now, Trait trait, const LateLimits& limits,
                                 bool in_recovery, SackOutcome& outcome) {
  TimePoint due = TimePoint::never();
  uint32_t passed_over = 0;
  for (TxChunk* chunk = find(trait, first_tsn()); chunk != nullptr;
       chunk = find(trait, chunk->tsn + 1)) {
    count_steps();
    const LateLimit& limit = limits[chunk->path];
    const bool concerns = limit.concerns(*chunk);
    if (concerns && chunk->sent_at + limit.patience <= now) {
      mark_as_late(*chunk, in_recovery, outcome);
      continue;
    }
    if (concerns) due = std::min(due, chunk->sent_at + limit.patience);
    const bool in_order = limit.any && !chunk->retransmitted;
    if (in_order || ++passed_over == kPassedOver) break;
  }
  return due;
}

// What recovery had sent again costs the window once more (RFC 8985 section 9.3): of the earliest
// chunk alone, as each becomes that.
void Outstanding::mark_as_late(TxChunk& chunk, bool in_recovery, SackOutcome& outcome) {
  const bool again = chunk.fast_retransmitted;
  mark_for_retransmission(chunk);
  chunk.fast_retransmitted = true;
  chunk.misses = again ? TxChunk::kLostAgain : uint8_t{0};
  SackOutcome::PerPath& path = outcome.paths[chunk.path];
  path.lost = outcome.lost = true;
  if (again) path.lost_again = outcome.lost_again = true;
  if (again && in_recovery && chunk.tsn == first_tsn()) path.shrinks = outcome.shrinks = true;
}

// Of few chunks, as many may have gone in one packet.
bool Outstanding::reports_enough() const {
  if (gap_acked_count_ < kPacketsForLoss) return false;
  const TxChunk* before = nullptr;
  uint32_t packets = 0;
  uint32_t seen = 0;
  for (const TxChunk* chunk = find(Trait::kGapAcked, first_tsn());
       chunk != nullptr && seen < kLookedAt; chunk = find(Trait::kGapAcked, chunk->tsn + 1)) {
    count_steps();
    ++seen;
    if (!follows(before, *chunk) && ++packets == kPacketsForLoss) return true;
    before = chunk;
  }
  return false;
}

void Sender::find_late(TimePoint now, const LateLimits& limits, SackOutcome& outcome) {
  const TimePoint due = outstanding_.mark_late(now, limits, in_recovery_, outcome);
  retry_at_ = std::min(retry_at_, due);
}

}  // namespace trunkline
