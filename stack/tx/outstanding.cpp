// SPDX-License-Identifier: BSD-3-Clause
// What a SACK means: the TSNs up to the cumulative one are walked once, and of the others only
// those whose state changes.
#include "tx/outstanding.h"

namespace trunkline {
namespace {

constexpr uint8_t kMissesForLoss = 3;  // 7.2.4

// More are not looked at one by one (RFC 5827, RFC 7765 section 4).
constexpr uint32_t kFewChunks = 4;

// How often chunks may be taken back in a window, for each that is outstanding and in all, before
// the peer's gap blocks are believed no more. SACKs that overtake each other look like it too, but
// by a burst at a time.
constexpr uint32_t kTakenBackPerChunk = 4;
constexpr uint32_t kTakenBackAnyway = 1024;

}  // namespace

bool Outstanding::acknowledges_unsent(const wire::SackChunk& sack) const {
  const Tsn last_sent = next_tsn() - 1;
  if (sack.cum_tsn_ack.after(last_sent)) return true;
  for (size_t i = 0; i < sack.gap_count(); ++i) {
    count_steps();
    const wire::GapBlock gap = sack.gap(i);
    if (gap.start <= gap.end && (sack.cum_tsn_ack + gap.end).after(last_sent)) return true;
  }
  return false;
}

void Outstanding::begin(SackOutcome& outcome) const {
  for (size_t i = 0; i < known_paths(); ++i) outcome.paths[i].flight_before = flight(i);
  outcome.highest_acked = cum_ack_;
}

void Outstanding::put_in_flight(TxChunk& chunk) {
  chunk.state = TxChunk::State::kInFlight;
  count_in_flight(chunk);
}

void Outstanding::mark_for_retransmission(TxChunk& chunk) {
  unflight(chunk);
  chunk.state = TxChunk::State::kRetransmit;
  ++retransmit_count_;
  ring_.note(chunk, {Trait::kLost});
  chunk.over_limit = chunk.again >= chunk.message->most_again;
  if (chunk.over_limit) ring_.note(chunk, {Trait::kOverLimit});
}

// Counts a chunk as acknowledged, once, whether by a gap block or by the cumulative TSN. They come
// in ascending order.
inline void Outstanding::ack(const TxChunk& chunk, SackOutcome& outcome) {
  if (chunk.state == TxChunk::State::kInFlight) {
    unflight(chunk);
  } else {
    --retransmit_count_;
  }
  SackOutcome::PerPath& path = outcome.paths[chunk.path];
  path.acked += wire_size(chunk);
  if (!chunk.many_paths) path.certain = true;
  if (chunk.packet > path.largest_acked) path.largest_acked = chunk.packet;
  // 6.3.1 C5: the round trip is not told by a chunk that was sent twice, nor by one that waited
  // while another with a lower TSN was.
  if (!chunk.retransmitted && !is_ambiguous(chunk.tsn)) path.rtt_from = chunk.sent_at;
  outcome.newly_acked = true;
  outcome.highest_acked = chunk.tsn;
  if (outcome.deliveries != nullptr) outcome.deliveries->note(chunk);
}

void Outstanding::ack_up_to(Tsn cum_tsn_ack, SackOutcome& outcome) {
  if (!cum_tsn_ack.after(cum_ack_)) return;
  outcome.cum_advanced = true;
  ring_.each(first_tsn(), cum_tsn_ack, [&](const TxChunk& chunk) {
    bytes_ -= chunk.size;
    if (chunk.is_gap_acked()) {
      --gap_acked_count_;
      return;
    }
    if (chunk.is_abandoned()) return;
    ack(chunk, outcome);
    outcome.paths[chunk.path].first_acked = true;
  });
  cum_ack_ = cum_tsn_ack;
}

void Outstanding::process_cum_ack(Tsn cum_tsn_ack, SackOutcome& outcome) {
  begin(outcome);
  ack_up_to(cum_tsn_ack, outcome);
}

void Outstanding::process(const wire::SackChunk& sack, bool in_fast_recovery, SackOutcome& outcome,
                          EarlySigns signs) {
  begin(outcome);
  ack_up_to(sack.cum_tsn_ack, outcome);
  if (sack.gap_count() == 0 && gap_acked_count_ == 0) return;
  if (believes_gaps()) ack_gaps(sack, in_fast_recovery, outcome, signs);
}

// Marks what the gap blocks cover, takes back what they no longer cover (reneging), and counts what
// misses.
void Outstanding::ack_gaps(const wire::SackChunk& sack, bool in_fast_recovery, SackOutcome& outcome,
                           EarlySigns signs) {
  uint32_t covered = 0;
  Tsn last = cum_ack_;
  wire::GapCursor gaps(sack);
  while (const auto gap = gaps.next()) {
    last = cum_ack_ + gap->end;
    covered += gap->end - gap->start + 1u;
    ring_.each_with(Trait::kOpen, cum_ack_ + gap->start, last + 1, [&](TxChunk& chunk) {
      if (chunk.is_abandoned()) {  // no window grows by it (RFC 3758 section 3.5 A2)
        chunk.state = TxChunk::State::kAbandonedGapAcked;
      } else {
        ack(chunk, outcome);
        chunk.state = TxChunk::State::kGapAcked;
      }
      chunk.misses = 0;
      ++gap_acked_count_;
      ring_.note(chunk, {Trait::kGapAcked});
    });
  }
  outcome.unsound_gaps = gaps.unsound();
  // Of what is missing, what lies before the highest TSN newly acknowledged counts, or before the
  // end of the last block in fast recovery when the cumulative TSN moved.
  const bool all = in_fast_recovery && outcome.cum_advanced && last != cum_ack_;
  const Tsn limit = all ? last : outcome.highest_acked;
  if (gap_acked_count_ > covered) {
    Tsn from = first_tsn();
    wire::GapCursor again(sack);
    while (const auto gap = again.next()) {
      take_back(from, cum_ack_ + gap->start, limit, outcome);
      from = cum_ack_ + gap->end + 1;
    }
    take_back(from, next_tsn(), limit, outcome);
    if (taken_back_ > kTakenBackPerChunk * span() + kTakenBackAnyway) {
      take_back(first_tsn(), next_tsn(), limit, outcome);
      taken_back_ = kTooOften;
      window_end_ = next_tsn() - 1;
      outcome.gaps_ignored = true;
    }
  }
  if (outcome.deliveries != nullptr) return;
  const uint8_t enough = signs.few ? enough_misses() : kMissesForLoss;
  count_misses(limit, outcome, enough, signs.again);
  if (signs.again && in_fast_recovery) count_front_again(outcome, enough);
}

// What of these is acknowledged by gap blocks is not any more (6.2.1 D iii). That is one miss
// indication wherever it lies; count_misses() gives one to all before `limit`.
void Outstanding::take_back(Tsn from, Tsn end, Tsn limit, SackOutcome& outcome) {
  ring_.each_with(Trait::kGapAcked, from, end, [&](TxChunk& chunk) {
    --gap_acked_count_;
    if (taken_back_ == 0) window_end_ = next_tsn() - 1;
    taken_back_ = (taken_back_ + 1) & kTooOften;
    if (chunk.is_abandoned()) {
      chunk.state = TxChunk::State::kAbandoned;
      return ring_.note(chunk, {Trait::kOpen});
    }
    put_in_flight(chunk);
    chunk.retransmitted = true;  // its round trip means nothing any more
    if (!chunk.fast_retransmitted && !chunk.tsn.before(limit)) ++chunk.misses;
    ring_.note(chunk, {in_flight_on(chunk.path), Trait::kCountable, Trait::kOpen, Trait::kAgain});
    outcome.paths[chunk.path].reneged = true;
  });
}

// A chunk is counted three times at most before it is sent again, so that this costs what sending
// does, however often the peer reports.
void Outstanding::count_misses(Tsn limit, SackOutcome& outcome, uint8_t enough, bool again) {
  ring_.each_with(Trait::kCountable, first_tsn(), limit, [&](TxChunk& chunk) {
    if (++chunk.misses < enough) return;
    mark_for_retransmission(chunk);
    chunk.fast_retransmitted = true;
    if (again) chunk.misses = 0;
    outcome.paths[chunk.path].lost = outcome.lost = true;
  });
}

// What fast retransmit has sent is missing still, and what was sent after it by the same path has
// come: what comes by another says nothing of this one, which may be dead. Of the earliest chunk
// alone: each becomes that.
void Outstanding::count_front_again(SackOutcome& outcome, uint8_t enough) {
  if (span() == 0 || !outcome.highest_acked.after(cum_ack_)) return;
  TxChunk& chunk = at(first_tsn());
  const TxChunk& newest = at(outcome.highest_acked);
  if (chunk.state != TxChunk::State::kInFlight || !chunk.fast_retransmitted) return;
  if (newest.path != chunk.path) return;
  if (newest.retransmitted || newest.sent_at <= chunk.sent_at || ++chunk.misses < enough) return;
  mark_for_retransmission(chunk);
  chunk.misses = TxChunk::kLostAgain;
  outcome.paths[chunk.path].lost_again = outcome.lost_again = true;
  outcome.paths[chunk.path].shrinks = outcome.shrinks = true;
}

uint32_t Outstanding::packets() const {
  if (span() >= kFewChunks) return kFewChunks;
  uint32_t count = 0;
  const TxChunk* before = nullptr;
  for (Tsn tsn = first_tsn(); tsn != next_tsn(); ++tsn) {
    count_steps();
    if (at(tsn).is_abandoned()) continue;
    if (!follows(before, at(tsn))) ++count;
    before = &at(tsn);
  }
  return count;
}

// RFC 5827: where all packets but the first have been reported, nothing is left to tell of it, and
// their number is enough.
uint8_t Outstanding::enough_misses() const {
  if (span() >= kFewChunks) return kMissesForLoss;
  const TxChunk* before = nullptr;
  uint32_t count = 0;
  for (Tsn tsn = first_tsn(); tsn != next_tsn(); ++tsn) {
    count_steps();
    const TxChunk& chunk = at(tsn);
    if (chunk.is_abandoned()) continue;
    if (!follows(before, chunk)) ++count;
    if (count > 1 && chunk.state != TxChunk::State::kGapAcked) return kMissesForLoss;
    before = &chunk;
  }
  return static_cast<uint8_t>(std::max(count, 2u) - 1);
}

const TxChunk* Outstanding::mark_probe(uint8_t path) {
  constexpr uint32_t kLookBack = 8;
  TxChunk* found = earliest(path);
  if (found == nullptr) return nullptr;
  Tsn tsn = next_tsn() - 1;
  for (uint32_t i = 0; i < kLookBack && tsn.after(found->tsn); ++i, tsn = tsn - 1) {
    count_steps();
    TxChunk& chunk = at(tsn);
    if (!has_trait(chunk, in_flight_on(path))) continue;
    found = &chunk;
    break;
  }
  if (found->again >= found->message->most_again) return nullptr;  // it waits for T3
  mark_for_retransmission(*found);
  found->misses = TxChunk::kLossProbe;
  found->fast_retransmitted = true;  // by the same way
  return found;
}

bool Outstanding::believes_gaps() {
  if (taken_back_ > 0 && !in_this_window(window_end_)) taken_back_ = 0;
  return taken_back_ != kTooOften;
}

Outstanding::Lost Outstanding::mark_lost(uint8_t path) {
  Lost lost;
  if (flight(path) == 0) return lost;
  ring_.each_with(in_flight_on(path), first_tsn(), next_tsn(), [&](TxChunk& chunk) {
    lost.bytes += chunk.size;
    lost.largest_packet = std::max(lost.largest_packet, chunk.packet);
    mark_for_retransmission(chunk);
    chunk.misses = 0;
    chunk.fast_retransmitted = false;
  });
  return lost;
}

void Outstanding::retransmit(TxChunk* chunk, TimePoint now, uint8_t path) {
  --retransmit_count_;
  if (chunk->path != path) chunk->many_paths = true;
  chunk->path = path;
  chunk->sent_at = now;
  chunk->retransmitted = true;
  if (chunk->again < TxChunk::kMostCounted) chunk->again = (chunk->again + 1) & 0x7f;
  put_in_flight(*chunk);
  ring_.note(*chunk, {in_flight_on(path), Trait::kCountable, Trait::kAgain});
  const bool more = in_this_window(ambiguous_to_ - 1);
  if (!more || chunk->tsn.before(ambiguous_from_)) ambiguous_from_ = chunk->tsn;
  if (ambiguous_from_.before(cum_ack_)) ambiguous_from_ = cum_ack_;
  ambiguous_to_ = next_tsn();
  if (taken_back_ > 0 && taken_back_ != kTooOften) taken_back_ = (taken_back_ - 1) & kTooOften;
}

// Of packets that were acknowledged one may have been larger: then it is found out, once.
bool Outstanding::larger_in_flight(uint8_t path, uint16_t size) {
  if (flights_[path].largest_packet <= size) return false;
  uint16_t largest = 0;
  for (const TxChunk* chunk = earliest(path); chunk != nullptr;
       chunk = find(in_flight_on(path), chunk->tsn + 1)) {
    if (chunk->packet > size) return true;
    largest = std::max(largest, chunk->packet);
  }
  flights_[path].largest_packet = largest;
  return false;
}

const TxChunk* Outstanding::in_flight(Tsn tsn) const {
  if (!in_this_window(tsn)) return nullptr;
  const TxChunk& chunk = at(tsn);
  return chunk.state == TxChunk::State::kInFlight ? &chunk : nullptr;
}

std::optional<TxChunk> Outstanding::pop_any(ChunkMemory& memory) {
  if (ring_.empty()) return std::nullopt;
  const TxChunk chunk = at(ring_.first());
  if (chunk.tsn.after(cum_ack_)) {
    leave_state(chunk);
    cum_ack_ = chunk.tsn;
  }
  ring_.pop_front(memory, 1);
  return chunk;
}

}  // namespace trunkline
