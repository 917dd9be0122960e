// SPDX-License-Identifier: BSD-3-Clause
// SACK (RFC 9260 section 3.3.4): parse, build.
#include "wire/sack_chunk.h"

#include <algorithm>

namespace trunkline::wire {
namespace {

constexpr size_t kFixed = kSackHeaderSize - kChunkHeaderSize;
constexpr size_t kEntry = 4;  // a gap block or a duplicate TSN

}  // namespace

std::optional<SackChunk> SackChunk::parse(const ChunkView& chunk) {
  if (chunk.type != ChunkType::kSack || chunk.value.size() < kFixed) return std::nullopt;
  const uint8_t* const at = chunk.value.data();
  const size_t gap_bytes = load_be16(at + 8) * kEntry;
  const size_t dup_bytes = load_be16(at + 10) * kEntry;
  if (chunk.value.size() != kFixed + gap_bytes + dup_bytes) return std::nullopt;
  SackChunk out;
  out.cum_tsn_ack = Tsn(load_be32(at));
  out.a_rwnd = load_be32(at + 4);
  out.gaps_ = chunk.value.subspan(kFixed, gap_bytes);
  out.dups_ = chunk.value.subspan(kFixed + gap_bytes);
  return out;
}

bool write_sack(PacketWriter& writer, Tsn cum_tsn_ack, uint32_t a_rwnd,
                std::span<const GapBlock> gaps, std::span<const Tsn> dups) {
  const size_t room = std::min(writer.remaining(), kMaxChunkSize);
  if (room < kSackHeaderSize) return false;
  const size_t entries = (room - kSackHeaderSize) / kEntry;
  const size_t gap_count = std::min(gaps.size(), entries);
  const size_t dup_count = std::min(dups.size(), entries - gap_count);
  uint8_t* at =
      writer.reserve_chunk(ChunkType::kSack, 0, kFixed + (gap_count + dup_count) * kEntry);
  if (at == nullptr) return false;
  store_be32(at, cum_tsn_ack.value);
  store_be32(at + 4, a_rwnd);
  store_be16(at + 8, static_cast<uint16_t>(gap_count));
  store_be16(at + 10, static_cast<uint16_t>(dup_count));
  at += kFixed;
  for (const GapBlock& gap : gaps.first(gap_count)) {
    store_be16(at, gap.start);
    store_be16(at + 2, gap.end);
    at += kEntry;
  }
  for (const Tsn dup : dups.first(dup_count)) {
    store_be32(at, dup.value);
    at += kEntry;
  }
  return true;
}

}  // namespace trunkline::wire
