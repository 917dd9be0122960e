// SPDX-License-Identifier: BSD-3-Clause
// Extensions as INIT and INIT ACK announce them, and what is done with those that are not
// understood (RFC 5061 section 4.2.7, RFC 3758 section 3.3.1).
#include "wire/features.h"

#include <gtest/gtest.h>

#include "wire/init_chunk.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

constexpr Feature kAll[] = {Feature::kPartialReliability, Feature::kReconfiguration,
                            Feature::kInterleaving, Feature::kAuthentication,
                            Feature::kDynamicAddresses};
constexpr FeatureSet kEvery{Feature::kPartialReliability, Feature::kReconfiguration,
                            Feature::kInterleaving, Feature::kAuthentication,
                            Feature::kDynamicAddresses};

InitChunk lists(std::span<const uint8_t> types) {
  InitChunk init;
  init.supported_extensions = types;
  return init;
}

TEST(Features, BothMustHaveOne) {
  const FeatureSet ours{Feature::kReconfiguration, Feature::kInterleaving};
  const FeatureSet theirs{Feature::kInterleaving, Feature::kAuthentication};
  const FeatureSet both = ours & theirs;
  EXPECT_EQ(both, FeatureSet{Feature::kInterleaving});
  EXPECT_FALSE(both.has(Feature::kReconfiguration));
  EXPECT_TRUE((ours & FeatureSet{}).empty());
  EXPECT_EQ(FeatureSet::from_bits(ours.bits()), ours);
}

TEST(Features, WhatIsListedIsAnnounced) {
  for (const Feature feature : kAll) {
    const ExtensionList list = extensions_of({feature});
    EXPECT_EQ(announced(lists(list.list())), FeatureSet{feature});
  }
  const ExtensionList every = extensions_of(kEvery);
  EXPECT_EQ(to_hex(every.list()), "c082400fc180");
  EXPECT_EQ(announced(lists(every.list())), kEvery);
  EXPECT_EQ(extensions_of({}).count, 0u);
  EXPECT_TRUE(announced(InitChunk{}).empty());
}

TEST(Features, HalfAnExtensionIsNone) {
  for (const uint8_t type : {uint8_t{193}, uint8_t{128}}) {  // ASCONF without its ACK, and back
    EXPECT_TRUE(announced(lists({&type, 1})).empty());
  }
}

TEST(Features, PartialReliabilityHasAParameterOfItsOwn) {
  InitChunk init;
  init.forward_tsn_supported = true;
  EXPECT_EQ(announced(init), FeatureSet{Feature::kPartialReliability});
}

TEST(Features, AParameterIsReportedUnlessItsExtensionIsUnderstood) {
  const auto bytes = from_hex("01000018 00000001 00010000 00010001 00000001 c0000004");
  ChunkCursor cursor(bytes);
  const ChunkView chunk = *cursor.next();
  for (const bool understood : {false, true}) {
    const FeatureSet features =
        understood ? FeatureSet{Feature::kPartialReliability} : FeatureSet{Feature::kInterleaving};
    const InitParseResult parsed = InitChunk::parse(chunk, false, features);
    ASSERT_TRUE(parsed.ok());
    EXPECT_TRUE(parsed.init.forward_tsn_supported);
    EXPECT_EQ(parsed.init.unrecognized_count, understood ? 0u : 1u);
  }
}

}  // namespace
}  // namespace trunkline::wire
