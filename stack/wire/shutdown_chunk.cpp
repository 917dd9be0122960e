// SPDX-License-Identifier: BSD-3-Clause
// SHUTDOWN (RFC 9260 section 3.3.8): parse, build.
#include "wire/shutdown_chunk.h"

namespace trunkline::wire {
namespace {

constexpr size_t kValueSize = 4;

}  // namespace

std::optional<ShutdownChunk> ShutdownChunk::parse(const ChunkView& chunk) {
  if (chunk.type != ChunkType::kShutdown || chunk.value.size() != kValueSize) return std::nullopt;
  return ShutdownChunk{Tsn(load_be32(chunk.value.data()))};
}

bool write_shutdown(PacketWriter& writer, Tsn cum_tsn_ack) {
  uint8_t* const at = writer.reserve_chunk(ChunkType::kShutdown, 0, kValueSize);
  if (at == nullptr) return false;
  store_be32(at, cum_tsn_ack.value);
  return true;
}

}  // namespace trunkline::wire
