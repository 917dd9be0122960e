// SPDX-License-Identifier: BSD-3-Clause
// FORWARD TSN (RFC 3758 section 3.2): parse, build.
#include "wire/forward_tsn_chunk.h"

namespace trunkline::wire {
namespace {

constexpr size_t kFixedPart = kForwardTsnHeaderSize - kChunkHeaderSize;

}  // namespace

std::optional<ForwardTsnChunk> ForwardTsnChunk::parse(const ChunkView& chunk) {
  if (chunk.type != ChunkType::kForwardTsn || chunk.value.size() < kFixedPart ||
      (chunk.value.size() - kFixedPart) % kSkippedStreamSize != 0) {
    return std::nullopt;
  }
  ForwardTsnChunk out;
  out.new_cum_tsn = Tsn(load_be32(chunk.value.data()));
  out.streams_ = chunk.value.subspan(kFixedPart);
  return out;
}

bool write_forward_tsn(PacketWriter& writer, Tsn new_cum_tsn,
                       std::span<const SkippedStream> streams) {
  uint8_t* at = writer.reserve_chunk(ChunkType::kForwardTsn, 0,
                                     kFixedPart + streams.size() * kSkippedStreamSize);
  if (at == nullptr) return false;
  store_be32(at, new_cum_tsn.value);
  at += kFixedPart;
  for (const SkippedStream& skipped : streams) {
    store_be16(at, skipped.stream.value);
    store_be16(at + 2, skipped.ssn.value);
    at += kSkippedStreamSize;
  }
  return true;
}

}  // namespace trunkline::wire
