// SPDX-License-Identifier: BSD-3-Clause
// PAD (RFC 4820 section 3): build.
#include "wire/pad_chunk.h"

#include <algorithm>

namespace trunkline::wire {

bool write_pad(PacketWriter& writer, size_t size) {
  if (size < kChunkHeaderSize || size % 4 != 0) return false;
  uint8_t* const at = writer.reserve_chunk(ChunkType::kPad, 0, size - kChunkHeaderSize);
  if (at == nullptr) return false;
  std::fill_n(at, size - kChunkHeaderSize, uint8_t{0});
  return true;
}

}  // namespace trunkline::wire
