// SPDX-License-Identifier: BSD-3-Clause
// HEARTBEAT, type 4, and HEARTBEAT ACK, type 5 (RFC 9260 sections 3.3.5, 3.3.6): view, parse,
// build. The information is opaque here: only its author understands it.
//
//  0   | 4 or 5 | flags = 0 | length        |
//  4   | parameter type 1   | length        |
//  8   | information ...
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "wire/chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::wire {

struct HeartbeatChunk {
  std::span<const uint8_t> info;

  // Either of the two types. Nothing if a parameter is malformed or there is no Heartbeat Info.
  [[nodiscard]] static std::optional<HeartbeatChunk> parse(const ChunkView& chunk);
};

[[nodiscard]] bool write_heartbeat(PacketWriter& writer, std::span<const uint8_t> info);
// `info` as the HEARTBEAT brought it.
[[nodiscard]] bool write_heartbeat_ack(PacketWriter& writer, std::span<const uint8_t> info);

}  // namespace trunkline::wire
