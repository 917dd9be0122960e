// SPDX-License-Identifier: BSD-3-Clause
// HEARTBEAT and HEARTBEAT ACK (RFC 9260 sections 3.3.5, 3.3.6): parse, build.
#include "wire/heartbeat_chunk.h"

#include "wire/parameter.h"

namespace trunkline::wire {
namespace {

bool write(PacketWriter& writer, ChunkType type, std::span<const uint8_t> info) {
  if (info.size() > kMaxChunkSize) return false;
  uint8_t* const at = writer.reserve_chunk(type, 0, kParameterHeaderSize + info.size());
  if (at == nullptr) return false;
  store_be16(at, static_cast<uint16_t>(ParameterType::kHeartbeatInfo));
  store_be16(at + 2, static_cast<uint16_t>(kParameterHeaderSize + info.size()));
  copy_bytes(at + kParameterHeaderSize, info);
  return true;
}

}  // namespace

std::optional<HeartbeatChunk> HeartbeatChunk::parse(const ChunkView& chunk) {
  if (chunk.type != ChunkType::kHeartbeat && chunk.type != ChunkType::kHeartbeatAck) {
    return std::nullopt;
  }
  std::optional<HeartbeatChunk> out;
  ParameterCursor cursor(chunk.value);
  while (const auto parameter = cursor.next()) {
    if (parameter->type == ParameterType::kHeartbeatInfo) {
      if (!out) out = HeartbeatChunk{parameter->value};
    } else if (stops(unknown_parameter_action(parameter->type))) {
      return out;
    }
  }
  if (cursor.end() != CursorEnd::kClean) return std::nullopt;
  return out;
}

bool write_heartbeat(PacketWriter& writer, std::span<const uint8_t> info) {
  return write(writer, ChunkType::kHeartbeat, info);
}

bool write_heartbeat_ack(PacketWriter& writer, std::span<const uint8_t> info) {
  return write(writer, ChunkType::kHeartbeatAck, info);
}

}  // namespace trunkline::wire
