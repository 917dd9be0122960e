// SPDX-License-Identifier: BSD-3-Clause
// ABORT (RFC 9260 section 3.3.7): parse, build.
#include "wire/abort_chunk.h"

namespace trunkline::wire {

std::optional<AbortChunk> AbortChunk::parse(const ChunkView& chunk) {
  if (chunk.type != ChunkType::kAbort) return std::nullopt;
  CauseCursor cursor(chunk.value);
  while (cursor.next()) {
  }
  if (cursor.end() != CursorEnd::kClean) return std::nullopt;
  return AbortChunk{(chunk.flags & kTagReflectedFlag) != 0, chunk.value};
}

bool begin_abort(PacketWriter& writer, bool tag_reflected) {
  return writer.begin_chunk(ChunkType::kAbort, tag_reflected ? kTagReflectedFlag : uint8_t{0});
}

bool write_abort(PacketWriter& writer, bool tag_reflected, std::span<const uint8_t> causes) {
  if (!begin_abort(writer, tag_reflected)) return false;
  writer.append_bytes(causes);
  return writer.end_chunk();
}

}  // namespace trunkline::wire
