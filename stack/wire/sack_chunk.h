// SPDX-License-Identifier: BSD-3-Clause
// SACK, type 3 (RFC 9260 section 3.3.4): view, parse, build. Whether what it acknowledges was sent
// is asked by whoever keeps the outstanding data.
//
//  0   | 3 | flags = 0         | length               |
//  4   | cumulative TSN ack                           |
//  8   | a_rwnd                                       |
//  12  | number of gap blocks N | number of dups. M   |
//  16  | gap block 1: start     | end                 |  N times; offsets from the cumulative TSN
//      | duplicate TSN 1                              |  M times
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/steps.h"
#include "trunkline/stack/types.h"
#include "wire/chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::wire {

inline constexpr size_t kSackHeaderSize = 16;  // the chunk header included

// Both ends included, counted from the cumulative TSN ack.
struct GapBlock {
  uint16_t start = 0;
  uint16_t end = 0;
  constexpr bool operator==(const GapBlock&) const = default;
};

struct SackChunk {
  Tsn cum_tsn_ack;
  uint32_t a_rwnd = 0;

  [[nodiscard]] size_t gap_count() const { return gaps_.size() / 4; }
  [[nodiscard]] size_t dup_count() const { return dups_.size() / 4; }
  // The index must be below the count.
  [[nodiscard]] GapBlock gap(size_t i) const {
    return {load_be16(gaps_.data() + i * 4), load_be16(gaps_.data() + i * 4 + 2)};
  }
  [[nodiscard]] Tsn dup(size_t i) const { return Tsn(load_be32(dups_.data() + i * 4)); }

  // Nothing unless the length is exactly what the two counts say.
  [[nodiscard]] static std::optional<SackChunk> parse(const ChunkView& chunk);

 private:
  std::span<const uint8_t> gaps_;  // four bytes each
  std::span<const uint8_t> dups_;
};

// A SACK with neither gap blocks nor duplicates, as most are.
struct PlainSack {
  Tsn cum_tsn_ack;
  uint32_t a_rwnd = 0;

  // Nothing if the first of the chunks is anything else. It has kSackHeaderSize bytes.
  [[nodiscard]] static std::optional<PlainSack> first_of(std::span<const uint8_t> chunks) {
    const uint8_t* const at = chunks.data();
    if (chunks.size() < kSackHeaderSize || at[0] != static_cast<uint8_t>(ChunkType::kSack) ||
        load_be16(at + 2) != kSackHeaderSize || load_be32(at + 12) != 0) {
      return std::nullopt;
    }
    return PlainSack{Tsn(load_be32(at + 4)), load_be32(at + 8)};
  }
};

// The gap blocks that make sense: each names at least one TSN, behind those of the blocks before
// it, and not the one behind the cumulative TSN, which that would have told. Others are passed
// over.
class GapCursor {
 public:
  explicit GapCursor(const SackChunk& sack) : sack_(sack) {}

  [[nodiscard]] std::optional<GapBlock> next() {
    while (at_ < sack_.gap_count()) {
      count_steps();
      const GapBlock gap = sack_.gap(at_++);
      if (gap.start > behind_ && gap.end >= gap.start) {
        behind_ = gap.end;
        return gap;
      }
      ++unsound_;
    }
    return std::nullopt;
  }
  [[nodiscard]] size_t unsound() const { return unsound_; }  // passed over so far

 private:
  const SackChunk& sack_;
  size_t at_ = 0;
  size_t unsound_ = 0;
  uint16_t behind_ = 1;
};

// One without gap blocks and duplicates; false if it does not fit.
[[nodiscard]] inline bool write_plain_sack(PacketWriter& writer, Tsn cum_tsn_ack, uint32_t a_rwnd) {
  uint8_t* const at = writer.reserve_chunk(ChunkType::kSack, 0, kSackHeaderSize - kChunkHeaderSize);
  if (at == nullptr) return false;
  store_be32(at, cum_tsn_ack.value);
  store_be32(at + 4, a_rwnd);
  store_be32(at + 8, 0);
  return true;
}
// Writes as many gap blocks as fit, from the first, then as many duplicates; false if not even the
// fixed part fits.
[[nodiscard]] bool write_sack(PacketWriter& writer, Tsn cum_tsn_ack, uint32_t a_rwnd,
                              std::span<const GapBlock> gaps, std::span<const Tsn> dups);

}  // namespace trunkline::wire
