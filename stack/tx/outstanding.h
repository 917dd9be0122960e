// SPDX-License-Identifier: BSD-3-Clause
// DATA chunks sent and not yet passed by the cumulative TSN, in TSN order: which are in flight,
// gap-acknowledged or to be sent again (RFC 9260 sections 6.2.1, 6.3.3, 7.2.4). Says what a SACK
// means for each path; what to do about it is the association's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/list.h"
#include "base/pool.h"
#include "tx/messages.h"
#include "wire/sack_chunk.h"

namespace trunkline {

inline constexpr size_t kMaxPaths = 8;  // destination addresses of a peer that are used

// TSNs that may be outstanding at once. A gap block names no more; and while no stream has more
// messages under way than that, its SSNs are told apart (6.1).
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
    bool lost = false;                  // a chunk was marked by its third miss indication
    std::optional<TimePoint> rtt_from;  // when a chunk that was sent once, and is now acked, went
  };
  std::array<PerPath, kMaxPaths> paths;
  bool cum_advanced = false;
  bool newly_acked = false;
};

class Outstanding {
 public:
  explicit Outstanding(Tsn initial_tsn) : next_tsn_(initial_tsn), cum_ack_(initial_tsn - 1) {}

  [[nodiscard]] Tsn next_tsn() const { return next_tsn_; }
  // The Cumulative TSN Ack Point: everything up to it is acknowledged.
  [[nodiscard]] Tsn cum_ack() const { return cum_ack_; }
  [[nodiscard]] bool empty() const { return chunks_.empty(); }
  // Bytes of user data in flight on all paths: what the peer's window counts (6.2.1).
  [[nodiscard]] uint64_t flight() const { return flight_; }
  // Bytes of DATA chunks in flight on one path: what its congestion window counts (7.2).
  [[nodiscard]] uint32_t flight(size_t path) const { return path_flight_[path]; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }  // in flight or to be sent again
  [[nodiscard]] size_t size() const { return chunks_.size(); }
  // The TSNs from the first that is not acknowledged to the last that was sent.
  [[nodiscard]] uint32_t span() const { return next_tsn_.distance_from(cum_ack_ + 1); }
  [[nodiscard]] const TxChunk* front() const { return chunks_.front(); }
  [[nodiscard]] bool has_retransmissions() const { return retransmit_count_ > 0; }

  // A new chunk goes out now; gives it its TSN.
  void add(TxChunk* chunk, TimePoint now, uint8_t path);

  // Is the SACK possible at all: a cumulative TSN that was sent, gap blocks ascending and within
  // what was sent? (A peer that acknowledges what was never sent breaks the protocol.)
  [[nodiscard]] bool plausible(const wire::SackChunk& sack) const;
  // Does it acknowledge a TSN that was never sent, in a gap block or without?
  [[nodiscard]] bool acknowledges_unsent(const wire::SackChunk& sack) const;
  // For a plausible SACK that is not older than cum_ack(). `in_fast_recovery` widens the miss
  // indications (7.2.4). Chunks passed by the cumulative TSN leave through pop_acked().
  void process(const wire::SackChunk& sack, bool in_fast_recovery, SackOutcome& outcome);
  // The SHUTDOWN chunk's cumulative TSN: like a SACK without gap blocks, that takes none back.
  void process_cum_ack(Tsn cum_tsn_ack, SackOutcome& outcome);
  // The next chunk that the cumulative TSN has passed; the caller frees it.
  [[nodiscard]] TxChunk* pop_acked();

  // T3 expired on a path: everything in flight there is to be sent again. Returns how many
  // bytes of user data that is.
  uint64_t mark_lost(uint8_t path);
  // The first chunk to send again that was last sent on any path, or nullptr.
  [[nodiscard]] TxChunk* next_retransmission(TxChunk* after = nullptr) const;
  // It is being sent again.
  void retransmit(TxChunk* chunk, TimePoint now, uint8_t path);
  // Bytes of the largest IP packet that is in flight on a path.
  [[nodiscard]] uint16_t largest_packet(uint8_t path) const;
  // The chunk with this TSN if it is in flight, or nullptr.
  [[nodiscard]] const TxChunk* in_flight(Tsn tsn) const;
  // The earliest chunk in flight on a path, or nullptr.
  [[nodiscard]] TxChunk* earliest(uint8_t path) const;

  // For an association that ends or restarts: takes every chunk out.
  [[nodiscard]] TxChunk* pop_any();
  // After a restart, when all is popped: TSNs begin anew.
  void restart(Tsn initial_tsn) {
    next_tsn_ = initial_tsn;
    cum_ack_ = initial_tsn - 1;
    resent_at_ = {};
  }

 private:
  void snapshot(SackOutcome& outcome) const;
  void put_in_flight(TxChunk* chunk);
  void ack(TxChunk* chunk, TimePoint resent_at, SackOutcome& outcome);
  void unflight(TxChunk* chunk);
  void ack_up_to(Tsn cum_tsn_ack, SackOutcome& outcome);
  void apply_gaps(const wire::SackChunk& sack, SackOutcome& outcome);
  void count_misses(const wire::SackChunk& sack, bool in_fast_recovery, SackOutcome& outcome);

  List<TxChunk, &TxChunk::link> chunks_;
  Tsn next_tsn_;
  Tsn cum_ack_;
  Tsn highest_newly_acked_;
  uint64_t flight_ = 0;
  uint64_t bytes_ = 0;
  std::array<uint32_t, kMaxPaths> path_flight_{};
  uint32_t retransmit_count_ = 0;
  uint32_t gap_acked_count_ = 0;
  uint32_t reneged_count_ = 0;  // by the SACK that is being processed
  TimePoint resent_at_;         // the latest retransmission of what cum_ack_ has passed
};

}  // namespace trunkline
