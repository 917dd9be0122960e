// SPDX-License-Identifier: BSD-3-Clause
// ERROR (RFC 9260 section 3.3.10): parse, build.
#include "wire/error_chunk.h"

namespace trunkline::wire {

std::optional<ErrorChunk> ErrorChunk::parse(const ChunkView& chunk) {
  if (chunk.type != ChunkType::kError || chunk.value.empty()) return std::nullopt;
  CauseCursor cursor(chunk.value);
  while (cursor.next()) {
  }
  if (cursor.end() != CursorEnd::kClean) return std::nullopt;
  return ErrorChunk{chunk.value};
}

bool begin_error(PacketWriter& writer) {
  return writer.begin_chunk(ChunkType::kError, 0);
}

bool write_error(PacketWriter& writer, std::span<const uint8_t> causes) {
  if (causes.empty() || !begin_error(writer)) return false;
  writer.append_bytes(causes);
  return writer.end_chunk();
}

}  // namespace trunkline::wire
