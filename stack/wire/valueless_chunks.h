// SPDX-License-Identifier: BSD-3-Clause
// The chunks without a value: SHUTDOWN ACK, type 8, COOKIE ACK, type 11, and SHUTDOWN COMPLETE,
// type 14 (RFC 9260 sections 3.3.9, 3.3.12, 3.3.13): parse, build.
//
//  0   | type | - - - - - - - T | length = 4   |  T in SHUTDOWN COMPLETE only
#pragma once

#include <optional>

#include "wire/chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::wire {

// Each is true if the chunk is of that type and has the length 4.
[[nodiscard]] bool is_shutdown_ack(const ChunkView& chunk);
[[nodiscard]] bool is_cookie_ack(const ChunkView& chunk);

struct ShutdownCompleteChunk {
  bool tag_reflected = false;  // the T bit

  // Nothing unless the length is 4.
  [[nodiscard]] static std::optional<ShutdownCompleteChunk> parse(const ChunkView& chunk);
};

[[nodiscard]] bool write_shutdown_ack(PacketWriter& writer);
[[nodiscard]] bool write_cookie_ack(PacketWriter& writer);
[[nodiscard]] bool write_shutdown_complete(PacketWriter& writer, bool tag_reflected);

}  // namespace trunkline::wire
