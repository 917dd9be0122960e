// SPDX-License-Identifier: BSD-3-Clause
#include "wire/features.h"

#include <algorithm>

#include "wire/init_chunk.h"

namespace trunkline::wire {
namespace {

struct Announcement {
  Feature feature;
  ChunkType chunk;
};

// An extension is there with all of its rows. I-FORWARD-TSN has none: it goes with two extensions.
constexpr std::array kAnnouncements = {
    Announcement{Feature::kPartialReliability, ChunkType::kForwardTsn},
    Announcement{Feature::kReconfiguration, ChunkType::kReconfig},
    Announcement{Feature::kInterleaving, ChunkType::kIData},
    Announcement{Feature::kAuthentication, ChunkType::kAuth},
    Announcement{Feature::kDynamicAddresses, ChunkType::kAsconf},
    Announcement{Feature::kDynamicAddresses, ChunkType::kAsconfAck},
};
static_assert(kAnnouncements.size() <= ExtensionList{}.types.size());

}  // namespace

ExtensionList extensions_of(FeatureSet features) {
  ExtensionList out;
  for (const Announcement& row : kAnnouncements) {
    if (features.has(row.feature)) out.types[out.count++] = static_cast<uint8_t>(row.chunk);
  }
  return out;
}

FeatureSet announced(const InitChunk& init) {
  const auto lists = [&](ChunkType type) {
    const auto& listed = init.supported_extensions;
    return std::find(listed.begin(), listed.end(), static_cast<uint8_t>(type)) != listed.end();
  };
  FeatureSet some;
  FeatureSet incomplete;
  for (const Announcement& row : kAnnouncements) {
    (lists(row.chunk) ? some : incomplete).add(row.feature);
  }
  FeatureSet out = FeatureSet::from_bits(some.bits() & ~incomplete.bits());
  if (init.forward_tsn_supported) out.add(Feature::kPartialReliability);
  return out;
}

}  // namespace trunkline::wire
