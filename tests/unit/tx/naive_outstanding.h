// SPDX-License-Identifier: BSD-3-Clause
// The rules of outstanding data in the plainest way, chunk by chunk over all that was ever sent:
// what stack/tx/outstanding.h must agree with, whatever comes. Slow by design.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "tx/outstanding.h"

namespace trunkline {

struct NaiveChunk {
  using State = TxChunk::State;
  Tsn tsn;
  TimePoint sent_at;
  uint16_t size = 0;
  uint16_t packet = 0;
  uint8_t path = 0;
  uint8_t misses = 0;
  State state = State::kInFlight;
  bool retransmitted = false;
  bool fast_retransmitted = false;
  bool many_paths = false;
  bool reneged = false;  // by the SACK that is being processed
};

class NaiveOutstanding {
 public:
  using State = TxChunk::State;
  explicit NaiveOutstanding(Tsn initial) : next_(initial), cum_(initial - 1) {}

  [[nodiscard]] Tsn next_tsn() const { return next_; }
  [[nodiscard]] Tsn cum_ack() const { return cum_; }
  // From the first that is not acknowledged cumulatively.
  [[nodiscard]] std::vector<NaiveChunk>& chunks() { return chunks_; }
  [[nodiscard]] uint64_t flight() const {
    return sum([](const NaiveChunk& c) { return c.state == State::kInFlight ? c.size : 0u; });
  }
  [[nodiscard]] uint64_t flight(uint8_t path) const {
    return sum([&](const NaiveChunk& c) { return flies(c, path) ? wire_size(c) : 0u; });
  }
  [[nodiscard]] uint64_t bytes() const {
    return sum([](const NaiveChunk& c) { return c.size; });
  }
  [[nodiscard]] static bool flies(const NaiveChunk& c, uint8_t path) {
    return c.state == State::kInFlight && c.path == path;
  }

  void add(uint16_t size, uint16_t packet, TimePoint now, uint8_t path) {
    NaiveChunk& chunk = chunks_.emplace_back();
    chunk.tsn = next_;
    ++next_;
    chunk.size = size;
    chunk.packet = packet;
    chunk.sent_at = now;
    chunk.path = path;
  }
  uint64_t mark_lost(uint8_t path) {
    uint64_t bytes = 0;
    for (NaiveChunk& chunk : chunks_) {
      if (!flies(chunk, path)) continue;
      bytes += chunk.size;
      chunk.state = State::kRetransmit;
      chunk.misses = 0;
      chunk.fast_retransmitted = false;
    }
    return bytes;
  }
  void retransmit(NaiveChunk& chunk, TimePoint now, uint8_t path) {
    if (chunk.path != path) chunk.many_paths = true;
    chunk.path = path;
    chunk.sent_at = now;
    chunk.retransmitted = true;
    chunk.state = State::kInFlight;
    if (taken_back_ > 0 && !ignoring_) --taken_back_;
  }
  void process_cum_ack(Tsn cum, SackOutcome& outcome) {
    begin(outcome);
    ack_up_to(cum, outcome);
  }
  void process(Tsn cum, const std::vector<wire::GapBlock>& gaps, bool in_fast_recovery,
               SackOutcome& outcome) {
    begin(outcome);
    ack_up_to(cum, outcome);
    const bool any_acked = std::any_of(chunks_.begin(), chunks_.end(), [](const NaiveChunk& c) {
      return c.state == State::kGapAcked;
    });
    if (gaps.empty() && !any_acked) return;
    if (taken_back_ > 0 && !in_window(window_end_)) {
      taken_back_ = 0;
      ignoring_ = false;
    }
    if (ignoring_) return;
    const std::vector<wire::GapBlock> sound = sound_ones(gaps, outcome);
    apply(sound, outcome);
    count(sound, in_fast_recovery, outcome);
  }

 private:
  template <typename Of>
  [[nodiscard]] uint64_t sum(Of&& of) const {
    uint64_t out = 0;
    for (const NaiveChunk& chunk : chunks_) out += of(chunk);
    return out;
  }
  [[nodiscard]] static uint32_t wire_size(const NaiveChunk& c) { return (16u + c.size + 3) & ~3u; }
  [[nodiscard]] bool in_window(Tsn tsn) const { return tsn.after(cum_) && tsn.before(next_); }
  static std::vector<wire::GapBlock> sound_ones(const std::vector<wire::GapBlock>& gaps,
                                                SackOutcome& outcome) {
    std::vector<wire::GapBlock> out;
    for (const wire::GapBlock& gap : gaps) {
      const bool behind = out.empty() ? gap.start > 1 : gap.start > out.back().end;
      if (behind && gap.end >= gap.start) {
        out.push_back(gap);
      } else {
        ++outcome.unsound_gaps;
      }
    }
    return out;
  }
  void begin(SackOutcome& outcome) {
    for (uint8_t i = 0; i < kMaxPaths; ++i) {
      outcome.paths[i].flight_before = static_cast<uint32_t>(flight(i));
    }
    outcome.highest_acked = cum_;
  }
  void ack(NaiveChunk& chunk, TimePoint resent_at, SackOutcome& outcome) {
    SackOutcome::PerPath& path = outcome.paths[chunk.path];
    path.acked += wire_size(chunk);
    if (!chunk.many_paths) path.certain = true;
    path.largest_acked = std::max(path.largest_acked, chunk.packet);
    if (!chunk.retransmitted && chunk.sent_at >= resent_at) path.rtt_from = chunk.sent_at;
    outcome.newly_acked = true;
    if (outcome.highest_acked.before(chunk.tsn)) outcome.highest_acked = chunk.tsn;
    chunk.state = State::kGapAcked;
    chunk.misses = 0;
  }
  void ack_up_to(Tsn cum, SackOutcome& outcome) {
    if (!cum.after(cum_)) return;
    outcome.cum_advanced = true;
    for (NaiveChunk& chunk : chunks_) {
      if (chunk.tsn.after(cum)) break;
      if (chunk.retransmitted) resent_at_ = std::max(resent_at_, chunk.sent_at);
      if (chunk.state == State::kGapAcked) continue;
      ack(chunk, resent_at_, outcome);
      outcome.paths[chunk.path].first_acked = true;
    }
    chunks_.erase(chunks_.begin(),
                  chunks_.begin() + static_cast<std::ptrdiff_t>(cum.distance_from(cum_)));
    cum_ = cum;
  }
  void apply(const std::vector<wire::GapBlock>& gaps, SackOutcome& outcome) {
    TimePoint resent_at = resent_at_;
    auto gap = gaps.begin();
    for (NaiveChunk& chunk : chunks_) {
      const uint32_t offset = chunk.tsn.distance_from(cum_);
      while (gap != gaps.end() && gap->end < offset) ++gap;
      const bool covered = gap != gaps.end() && gap->start <= offset;
      if (chunk.retransmitted) resent_at = std::max(resent_at, chunk.sent_at);
      if (covered && chunk.state != State::kGapAcked) {
        ack(chunk, resent_at, outcome);
      } else if (!covered && chunk.state == State::kGapAcked) {
        take_back(chunk, outcome);
      }
    }
    const auto outstanding = static_cast<uint32_t>(chunks_.size());
    if (!outcome_reneged(outcome) || taken_back_ <= 4 * outstanding + 1024) return;
    for (NaiveChunk& chunk : chunks_) {
      if (chunk.state == State::kGapAcked) take_back(chunk, outcome);
    }
    ignoring_ = outcome.gaps_ignored = true;
    window_end_ = next_ - 1;
  }
  static bool outcome_reneged(const SackOutcome& outcome) {
    return std::any_of(outcome.paths.begin(), outcome.paths.end(),
                       [](const SackOutcome::PerPath& path) { return path.reneged; });
  }
  void take_back(NaiveChunk& chunk, SackOutcome& outcome) {
    chunk.state = State::kInFlight;
    chunk.retransmitted = true;
    chunk.reneged = true;
    outcome.paths[chunk.path].reneged = true;
    if (taken_back_++ == 0) window_end_ = next_ - 1;
  }
  void count(const std::vector<wire::GapBlock>& gaps, bool in_fast_recovery, SackOutcome& outcome) {
    Tsn limit = outcome.highest_acked;
    if (in_fast_recovery && outcome.cum_advanced && !gaps.empty()) limit = cum_ + gaps.back().end;
    for (NaiveChunk& chunk : chunks_) {
      const bool reneged = std::exchange(chunk.reneged, false);
      if (chunk.state != State::kInFlight || chunk.fast_retransmitted) continue;
      if (!reneged && !chunk.tsn.before(limit)) continue;
      if (++chunk.misses < 3) continue;
      chunk.state = State::kRetransmit;
      chunk.fast_retransmitted = true;
      outcome.paths[chunk.path].lost = true;
    }
  }

  std::vector<NaiveChunk> chunks_;
  Tsn next_;
  Tsn cum_;
  TimePoint resent_at_;
  uint32_t taken_back_ = 0;
  Tsn window_end_;
  bool ignoring_ = false;
};

}  // namespace trunkline
