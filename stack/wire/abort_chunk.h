// SPDX-License-Identifier: BSD-3-Clause
// ABORT, type 6 (RFC 9260 section 3.3.7): view, parse, build.
//
//  0   | 6 | - - - - - - - T | length   |
//  4   | zero or more error causes ...
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "wire/cause.h"
#include "wire/chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::wire {

struct AbortChunk {
  bool tag_reflected = false;       // the T bit
  std::span<const uint8_t> causes;  // checked: a cursor over them ends clean

  [[nodiscard]] CauseCursor cursor() const { return CauseCursor(causes); }

  // Nothing if a cause is malformed: such an ABORT is to be discarded silently (section 3.3.7).
  [[nodiscard]] static std::optional<AbortChunk> parse(const ChunkView& chunk);
};

// Opens an ABORT; append causes (wire/cause.h), then writer.end_chunk().
[[nodiscard]] bool begin_abort(PacketWriter& writer, bool tag_reflected);
// A whole ABORT, with causes that are already in their wire form, or none.
[[nodiscard]] bool write_abort(PacketWriter& writer, bool tag_reflected,
                               std::span<const uint8_t> causes = {});

}  // namespace trunkline::wire
