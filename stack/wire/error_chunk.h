// SPDX-License-Identifier: BSD-3-Clause
// ERROR, type 9 (RFC 9260 section 3.3.10): view, parse, build.
//
//  0   | 9 | flags = 0 | length   |
//  4   | one or more error causes ...
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "wire/cause.h"
#include "wire/chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::wire {

struct ErrorChunk {
  std::span<const uint8_t> causes;  // checked: a cursor over them ends clean

  [[nodiscard]] CauseCursor cursor() const { return CauseCursor(causes); }

  // Nothing if there is no cause, or one is malformed.
  [[nodiscard]] static std::optional<ErrorChunk> parse(const ChunkView& chunk);
};

// Opens an ERROR; append causes (wire/cause.h), then writer.end_chunk().
[[nodiscard]] bool begin_error(PacketWriter& writer);
// A whole ERROR, with causes that are already in their wire form.
[[nodiscard]] bool write_error(PacketWriter& writer, std::span<const uint8_t> causes);

}  // namespace trunkline::wire
