// SPDX-License-Identifier: BSD-3-Clause
// FORWARD TSN, type 192 (RFC 3758 section 3.2): view, parse, build. Whether its cumulative TSN can
// be true is asked by whoever keeps ours.
//
//  0   | 192 | flags = 0       | length               |
//  4   | new cumulative TSN                           |
//  8   | stream 1              | SSN 1                |  as often as the length says
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "trunkline/stack/types.h"
#include "wire/chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::wire {

inline constexpr size_t kForwardTsnHeaderSize = 8;  // the chunk header included
inline constexpr size_t kSkippedStreamSize = 4;

// The stream's ordered messages up to that number are not waited for any more.
struct SkippedStream {
  StreamId stream;
  Ssn ssn;
  constexpr bool operator==(const SkippedStream&) const = default;
};

struct ForwardTsnChunk {
  Tsn new_cum_tsn;

  [[nodiscard]] size_t stream_count() const { return streams_.size() / kSkippedStreamSize; }
  // The index must be below the count.
  [[nodiscard]] SkippedStream stream(size_t i) const {
    const uint8_t* const at = streams_.data() + i * kSkippedStreamSize;
    return {StreamId(load_be16(at)), Ssn(load_be16(at + 2))};
  }

  // Nothing unless the length is that of the fixed part and whole streams.
  [[nodiscard]] static std::optional<ForwardTsnChunk> parse(const ChunkView& chunk);

 private:
  std::span<const uint8_t> streams_;  // four bytes each
};

// False if it does not fit with all of them; nothing is written then.
[[nodiscard]] bool write_forward_tsn(PacketWriter& writer, Tsn new_cum_tsn,
                                     std::span<const SkippedStream> streams);

}  // namespace trunkline::wire
