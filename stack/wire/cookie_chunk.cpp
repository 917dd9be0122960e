// SPDX-License-Identifier: BSD-3-Clause
// COOKIE ECHO (RFC 9260 section 3.3.11): parse, build.
#include "wire/cookie_chunk.h"

namespace trunkline::wire {

std::optional<CookieEchoChunk> CookieEchoChunk::parse(const ChunkView& chunk) {
  if (chunk.type != ChunkType::kCookieEcho) return std::nullopt;
  return CookieEchoChunk{chunk.value};
}

bool write_cookie_echo(PacketWriter& writer, std::span<const uint8_t> cookie) {
  uint8_t* const at = writer.reserve_chunk(ChunkType::kCookieEcho, 0, cookie.size());
  if (at == nullptr) return false;
  copy_bytes(at, cookie);
  return true;
}

}  // namespace trunkline::wire
