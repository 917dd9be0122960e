// SPDX-License-Identifier: BSD-3-Clause
// SHUTDOWN, type 7 (RFC 9260 section 3.3.8): view, parse, build. SHUTDOWN ACK and SHUTDOWN COMPLETE
// have no value and are in valueless_chunks.h.
//
//  0   | 7 | flags = 0 | length = 8     |
//  4   | cumulative TSN ack             |
#pragma once

#include <cstdint>
#include <optional>

#include "trunkline/stack/types.h"
#include "wire/chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::wire {

struct ShutdownChunk {
  Tsn cum_tsn_ack;

  // Nothing unless the length is 8.
  [[nodiscard]] static std::optional<ShutdownChunk> parse(const ChunkView& chunk);
};

[[nodiscard]] bool write_shutdown(PacketWriter& writer, Tsn cum_tsn_ack);

}  // namespace trunkline::wire
