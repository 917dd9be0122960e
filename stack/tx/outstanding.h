// SPDX-License-Identifier: BSD-3-Clause
// DATA chunks sent and not yet passed by the cumulative TSN, in TSN order: which are in flight,
// gap-acknowledged or to be sent again (RFC 9260 sections 6.2.1, 6.3.3, 7.2.4). Says what a SACK
// means for each path; what to do about it is the association's. A SACK costs its blocks and what
// changes by it, however much is outstanding.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "tx/chunk_ring.h"
#include "tx/rack.h"
#include "wire/data_chunk.h"
#include "wire/sack_chunk.h"

namespace trunkline {

// TSNs that may be outstanding at once: a gap block names no more.
inline constexpr uint32_t kMaxSendWindow = 65535;

// What a SACK said, by path index.
struct SackOutcome {
  struct PerPath {
    // Bytes of DATA chunks, headers and padding included: what congestion control counts (7.2).
    uint32_t acked = 0;                 // newly acknowledged, by cumulative TSN or gap block
    uint32_t flight_before = 0;         // outstanding before
    bool certain = false;               // one of those acknowledged was sent nowhere else
    uint16_t largest_acked = 0;         // the largest packet of which something was acknowledged
    bool first_acked = false;           // its earliest outstanding TSN was acknowledged (6.3.2 R3)
    bool reneged = false;               // a chunk counts as in flight again (6.3.2 R4)
    bool lost = false;                  // a chunk was marked by its miss indications
    bool lost_again = false;            // what fast retransmit had sent
    bool shrinks = false;               // cwnd must, though no recovery begins
    std::optional<TimePoint> rtt_from;  // when a chunk that was sent once, and is now acked, went
  };
  std::array<PerPath, kMaxPaths> paths;
  Tsn highest_acked;  // of those newly acknowledged; none: what was cumulatively acknowledged
                      // before
  bool cum_advanced = false;
  bool newly_acked = false;
  bool lost = false;          // on any path
  bool shrinks = false;       // likewise
  bool lost_again = false;    // likewise
  bool gaps_ignored = false;  // the peer has taken back too often what it acknowledged
  size_t unsound_gaps = 0;    // gap blocks that make no sense
  // Loss is found by time: filled in, and nothing is counted as missing.
  Deliveries* deliveries = nullptr;
};

// What shows a loss beside three miss indications.
struct EarlySigns {
  bool few = false;    // where no more than two can come, fewer do (RFC 5827)
  bool again = false;  // what was sent after a fast retransmission tells that this is lost too
};

class Outstanding {
 public:
  explicit Outstanding(Tsn initial_tsn) : ring_(initial_tsn), cum_ack_(initial_tsn - 1) {}
  Outstanding(const Outstanding&) = delete;
  Outstanding& operator=(const Outstanding&) = delete;

  [[nodiscard]] Tsn next_tsn() const { return ring_.next(); }
  // The Cumulative TSN Ack Point: everything up to it is acknowledged.
  [[nodiscard]] Tsn cum_ack() const { return cum_ack_; }
  [[nodiscard]] bool empty() const { return ring_.empty(); }
  // Bytes of user data in flight on all paths: what the peer's window counts (6.2.1).
  [[nodiscard]] uint64_t flight() const { return flight_; }
  // Bytes of DATA chunks in flight on one path: what its congestion window counts (7.2).
  [[nodiscard]] uint32_t flight(size_t path) const { return flights_[path].bytes; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }  // in flight or to be sent again
  [[nodiscard]] size_t size() const { return ring_.size(); }
  // The TSNs from the first that is not acknowledged to the last that was sent.
  [[nodiscard]] uint32_t span() const { return next_tsn().distance_from(first_tsn()); }
  // The earliest chunk, which is not acknowledged; nullptr if there is none.
  [[nodiscard]] const TxChunk* front() const { return span() == 0 ? nullptr : &at(first_tsn()); }
  [[nodiscard]] bool has_retransmissions() const { return retransmit_count_ > 0; }
  // Has the peer acknowledged something by a gap block?
  [[nodiscard]] bool has_gaps() const { return gap_acked_count_ > 0; }
  // The chunk with this TSN, from its first transmission until it is popped.
  [[nodiscard]] TxChunk& at(Tsn tsn) const { return ring_.at(tsn); }

  // Before chunks go by any path but the first one, until forget_paths().
  void know_paths(ChunkMemory& memory) {
    if (knows_paths()) return;
    flights_ = memory.make_flights()->data();
    flights_[0] = first_path_;
  }
  // The end: nothing is outstanding.
  void forget_paths(ChunkMemory& memory) {
    if (!knows_paths()) return;
    memory.destroy(reinterpret_cast<PathFlights*>(std::exchange(flights_, &first_path_)));
  }
  // Is there memory for one more chunk, within the association's share? Then add() must follow.
  [[nodiscard]] bool make_room(ChunkMemory& memory) { return ring_.make_room(memory); }
  // A chunk with the next TSN goes out.
  void add(ChunkMemory& memory, const TxChunk& chunk) {
    bytes_ += chunk.size;
    count_in_flight(chunk);
    ring_.push(memory, chunk);
  }

  // The same for several that go out in one packet: each of them, then what they are together, with
  // the size of the packet up to the end of the last one.
  void record(ChunkMemory& memory, const TxChunk& chunk) { ring_.push(memory, chunk); }
  void count_sent(uint8_t path, uint32_t user_bytes, uint32_t wire_bytes, uint16_t packet) {
    bytes_ += user_bytes;
    count_in_flight(path, user_bytes, wire_bytes, packet);
  }

  // Does the SACK acknowledge a TSN that was never sent, in a gap block or without? Such a peer
  // breaks the protocol.
  [[nodiscard]] bool acknowledges_unsent(const wire::SackChunk& sack) const;
  // For any other SACK that is not older than cum_ack(). Gap blocks that make no sense are passed
  // over. `in_fast_recovery` widens the miss indications (7.2.4). Chunks passed by the cumulative
  // TSN leave through pop_acked().
  void process(const wire::SackChunk& sack, bool in_fast_recovery, SackOutcome& outcome,
               EarlySigns signs = {});
  // Is all that is outstanding in flight?
  [[nodiscard]] bool is_plain() const {
    return retransmit_count_ == 0 && gap_acked_count_ == 0 && any_abandoned_ == 0;
  }
  // While it is plain, and all of it on path 0, a SACK without gap blocks is no more than this: the
  // chunks up to `cum_tsn_ack`, which is ahead, leave; done(TxMessage*) for each.
  template <typename Done>
  void ack_front(ChunkMemory& memory, Tsn cum_tsn_ack, SackOutcome::PerPath& said, Done&& done);
  // The SHUTDOWN chunk's cumulative TSN: like a SACK without gap blocks, that takes none back.
  void process_cum_ack(Tsn cum_tsn_ack, SackOutcome& outcome);
  // Takes out the chunks that the cumulative TSN has passed; done(const TxChunk&) for each.
  template <typename Done>
  void pop_acked(ChunkMemory& memory, Done&& done) {
    while (const uint32_t left = first_tsn().distance_from(ring_.first())) {
      const std::span<TxChunk> chunks = ring_.first_run(left);
      for (const TxChunk& chunk : chunks) done(chunk);
      ring_.pop_front(memory, static_cast<uint32_t>(chunks.size()));
    }
  }

  // T3 expired on a path: everything in flight there is to be sent again.
  struct Lost {
    uint32_t bytes = 0;           // of user data
    uint16_t largest_packet = 0;  // bytes of an IP packet
  };
  Lost mark_lost(uint8_t path);
  // The last chunk in flight on a path, or the first if that would have to be searched for: it is
  // to be sent again, by the same way. nullptr: there is none.
  [[nodiscard]] const TxChunk* mark_probe(uint8_t path);
  // That is done: it may be found missing as before.
  void forget_probe(TxChunk& chunk) {
    chunk.misses = 0;
    chunk.fast_retransmitted = false;
    ring_.note(chunk, {Trait::kCountable});
  }
  // -- rack.cpp: loss by time
  // What is late is to be sent again. When something else will be, or never().
  [[nodiscard]] TimePoint mark_late(TimePoint now, const LateLimits& limits, bool in_recovery,
                                    SackOutcome& outcome);
  // Have gap blocks reported three packets?
  [[nodiscard]] bool reports_enough() const;
  // May one of those outstanding have been sent more than once?
  [[nodiscard]] bool any_again() const {
    return ambiguous_from_ != ambiguous_to_ && in_this_window(ambiguous_to_ - 1);
  }
  // So few packets hold all that is outstanding; four for any more than three chunks.
  [[nodiscard]] uint32_t packets() const;

  // The first chunk to send again that was last sent on any path, or nullptr.
  [[nodiscard]] TxChunk* next_retransmission(const TxChunk* after = nullptr) const {
    if (retransmit_count_ == 0) return nullptr;
    return find(Trait::kLost, after == nullptr ? first_tsn() : after->tsn + 1);
  }
  // It is being sent again.
  void retransmit(TxChunk* chunk, TimePoint now, uint8_t path);
  // Is an IP packet of more than `size` bytes in flight on a path?
  [[nodiscard]] bool larger_in_flight(uint8_t path, uint16_t size);
  // The chunk with this TSN if it is in flight, or nullptr.
  [[nodiscard]] const TxChunk* in_flight(Tsn tsn) const;
  // The earliest chunk in flight on a path, or nullptr.
  [[nodiscard]] TxChunk* earliest(uint8_t path) const {
    return flight(path) == 0 ? nullptr : find(in_flight_on(path), first_tsn());
  }

  // -- abandoned.cpp: messages that are given up (RFC 3758 section 3.5)
  // All chunks of a message that are outstanding, `of` among them: they leave flight, and stay
  // until the cumulative TSN passes them. Returns how many.
  uint32_t abandon(const TxMessage& message, Tsn of);
  // A TSN that no DATA ever has: in the place of what was not sent of such a message. There is
  // room.
  void add_abandoned_end(ChunkMemory& memory, const TxMessage& message);
  // The first chunk that is lost and must not be sent again, or nullptr.
  [[nodiscard]] TxChunk* first_over_limit() const { return find(Trait::kOverLimit, first_tsn()); }
  [[nodiscard]] bool has_abandoned() const { return any_abandoned_ != 0; }
  // None is left.
  void forget_abandoned() { any_abandoned_ = 0; }
  // Behind the cumulative TSN, or a TSN behind it, the last one before anything else.
  [[nodiscard]] Tsn last_abandoned(Tsn from) const;
  // Is one of a message's chunks, `of` among them, to be sent again?
  [[nodiscard]] bool waits_to_go_again(const TxMessage& message, Tsn of) const;

  // For an association that ends: takes a chunk out, the oldest first, if there is one.
  [[nodiscard]] std::optional<TxChunk> pop_any(ChunkMemory& memory);

 private:
  [[nodiscard]] static uint32_t wire_size(const TxChunk& chunk) {
    return static_cast<uint32_t>(wire::padded(wire::kDataHeaderSize + chunk.size));
  }
  [[nodiscard]] Tsn first_tsn() const { return cum_ack_ + 1; }
  [[nodiscard]] TxChunk* find(Trait trait, Tsn from) const {
    return ring_.find(trait, from, next_tsn());
  }
  [[nodiscard]] bool knows_paths() const { return flights_ != &first_path_; }
  // Paths on which something may be in flight.
  [[nodiscard]] uint8_t known_paths() const { return knows_paths() ? kMaxPaths : 1; }
  void begin(SackOutcome& outcome) const;
  void count_in_flight(uint8_t path, uint32_t user_bytes, uint32_t wire_bytes, uint16_t packet) {
    flight_ += user_bytes;
    PathFlight& on_path = flights_[path];
    on_path.bytes += wire_bytes;
    if (packet > on_path.largest_packet) on_path.largest_packet = packet;
  }
  void count_in_flight(const TxChunk& chunk) {
    count_in_flight(chunk.path, chunk.size, wire_size(chunk), chunk.packet);
  }
  void put_in_flight(TxChunk& chunk);
  void unflight(const TxChunk& chunk) {
    flight_ -= chunk.size;
    flights_[chunk.path].bytes -= wire_size(chunk);
  }
  // It is not what it was any more.
  void leave_state(const TxChunk& chunk);
  // visit(TxChunk&) for each chunk of the message that is outstanding.
  template <typename Visit>
  void each_of(const TxMessage& message, Tsn of, Visit&& visit) const;
  void ack(const TxChunk& chunk, SackOutcome& outcome);
  void mark_for_retransmission(TxChunk& chunk);
  [[nodiscard]] TimePoint mark_late(TimePoint now, Trait trait, const LateLimits& limits,
                                    bool in_recovery, SackOutcome& outcome);
  void mark_as_late(TxChunk& chunk, bool in_recovery, SackOutcome& outcome);
  void ack_up_to(Tsn cum_tsn_ack, SackOutcome& outcome);
  void ack_gaps(const wire::SackChunk& sack, bool in_fast_recovery, SackOutcome& outcome,
                EarlySigns signs);
  void take_back(Tsn from, Tsn end, Tsn limit, SackOutcome& outcome);
  void count_misses(Tsn limit, SackOutcome& outcome, uint8_t enough, bool again);
  void count_front_again(SackOutcome& outcome, uint8_t enough);
  [[nodiscard]] uint8_t enough_misses() const;
  [[nodiscard]] bool believes_gaps();
  [[nodiscard]] bool in_this_window(Tsn tsn) const {
    return tsn.distance_from(first_tsn()) < span();
  }
  [[nodiscard]] bool is_ambiguous(Tsn tsn) const {
    return tsn.before(ambiguous_to_) && tsn.after(ambiguous_from_);
  }

  ChunkRing ring_;
  PathFlight* flights_ = &first_path_;  // of the only path that is known, or of all
  PathFlight first_path_;
  Tsn cum_ack_;
  // Those between were waiting when a TSN below them was sent again: their round trips are
  // ambiguous too (6.3.1 C5).
  Tsn ambiguous_from_;
  Tsn ambiguous_to_;
  uint32_t flight_ = 0;  // 65,535 TSNs of 65,535 bytes fit
  uint32_t bytes_ = 0;
  uint16_t retransmit_count_ = 0;
  uint16_t gap_acked_count_ = 0;
  // Chunks that were taken back and not sent again since, in the window that ends with that TSN;
  // after too many (kTooOften) the peer's gap blocks are not believed until then.
  uint32_t taken_back_ : 31 = 0;
  uint32_t any_abandoned_ : 1 = 0;
  static constexpr uint32_t kTooOften = (uint32_t{1} << 31) - 1;
  Tsn window_end_;
};

template <typename Done>
void Outstanding::ack_front(ChunkMemory& memory, Tsn cum_tsn_ack, SackOutcome::PerPath& said,
                            Done&& done) {
  uint32_t user_bytes = 0;
  uint32_t wire_bytes = 0;
  said.flight_before = flights_[0].bytes;
  const bool any_ambiguous = ambiguous_from_ != ambiguous_to_ && ambiguous_to_.after(first_tsn());
  while (const uint32_t left = (cum_tsn_ack + 1).distance_from(ring_.first())) {
    const std::span<TxChunk> chunks = ring_.first_run(left);
    for (const TxChunk& chunk : chunks) {
      user_bytes += chunk.size;
      wire_bytes += wire_size(chunk);
      said.largest_acked = std::max(said.largest_acked, chunk.packet);
      said.certain = said.certain || !chunk.many_paths;
      done(chunk.message);
    }
    // 6.3.1 C5, as in ack(). The last one that tells a round trip counts.
    if (const TxChunk& last = chunks.back(); !any_ambiguous && !last.retransmitted) {
      said.rtt_from = last.sent_at;
    } else {
      for (const TxChunk& chunk : chunks) {
        if (!chunk.retransmitted && !is_ambiguous(chunk.tsn)) said.rtt_from = chunk.sent_at;
      }
    }
    ring_.pop_front(memory, static_cast<uint32_t>(chunks.size()));
  }
  flight_ -= user_bytes;
  bytes_ -= user_bytes;
  flights_[0].bytes -= wire_bytes;
  said.acked = wire_bytes;
  said.first_acked = true;
  cum_ack_ = cum_tsn_ack;
}

}  // namespace trunkline
