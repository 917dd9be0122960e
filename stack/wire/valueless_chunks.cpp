// SPDX-License-Identifier: BSD-3-Clause
// SHUTDOWN ACK, COOKIE ACK, SHUTDOWN COMPLETE (RFC 9260 sections 3.3.9, 3.3.12, 3.3.13): parse,
// build.
#include "wire/valueless_chunks.h"

namespace trunkline::wire {

bool is_shutdown_ack(const ChunkView& chunk) {
  return chunk.type == ChunkType::kShutdownAck && chunk.value.empty();
}

bool is_cookie_ack(const ChunkView& chunk) {
  return chunk.type == ChunkType::kCookieAck && chunk.value.empty();
}

std::optional<ShutdownCompleteChunk> ShutdownCompleteChunk::parse(const ChunkView& chunk) {
  if (chunk.type != ChunkType::kShutdownComplete || !chunk.value.empty()) return std::nullopt;
  return ShutdownCompleteChunk{(chunk.flags & kTagReflectedFlag) != 0};
}

bool write_shutdown_ack(PacketWriter& writer) {
  return writer.reserve_chunk(ChunkType::kShutdownAck, 0, 0) != nullptr;
}

bool write_cookie_ack(PacketWriter& writer) {
  return writer.reserve_chunk(ChunkType::kCookieAck, 0, 0) != nullptr;
}

bool write_shutdown_complete(PacketWriter& writer, bool tag_reflected) {
  const uint8_t flags = tag_reflected ? kTagReflectedFlag : uint8_t{0};
  return writer.reserve_chunk(ChunkType::kShutdownComplete, flags, 0) != nullptr;
}

}  // namespace trunkline::wire
