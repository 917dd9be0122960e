// SPDX-License-Identifier: BSD-3-Clause
// Chunks of extensions: a row each. One whose extension the two ends have not agreed on is an
// unknown chunk (RFC 9260 section 3.2), whatever this stack could do with it.
#include <algorithm>
#include <array>
#include <optional>

#include "assoc/context.h"

namespace trunkline {

struct Association::ExtensionChunk {
  wire::ChunkType type;
  std::optional<wire::Feature> needs;  // none: it is nothing to agree on
  // False: the rest of the packet is not to be processed. Null: passed over.
  bool (Association::*handler)(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                               const wire::ChunkView& chunk, PacketSeen& seen);
};

bool Association::on_extension_chunk(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                                     const wire::ChunkView& chunk, PacketSeen& seen) {
  static constexpr std::array kRows = {
      ExtensionChunk{wire::ChunkType::kPad, std::nullopt, nullptr},  // RFC 4820 section 3
      ExtensionChunk{wire::ChunkType::kForwardTsn, wire::Feature::kPartialReliability,
                     &Association::on_forward_tsn},
  };
  const auto* const row = std::find_if(kRows.begin(), kRows.end(), [&](const ExtensionChunk& each) {
    return each.type == chunk.type;
  });
  if (row == kRows.end() || (row->needs && !features_.has(*row->needs))) {
    return on_unknown_chunk(ctx, chunk, seen);
  }
  return row->handler == nullptr || (this->*row->handler)(ctx, now, packet, chunk, seen);
}

}  // namespace trunkline
