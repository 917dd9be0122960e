// SPDX-License-Identifier: BSD-3-Clause
// FORWARD TSN (RFC 3758 section 3.2).
#include "wire/forward_tsn_chunk.h"

#include <gtest/gtest.h>

#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

constexpr const char* kTwoStreams =
    "c0000010"
    "24d59d63"
    "00020007"
    "ffffffff";

TEST(ForwardTsnChunk, WritesWhatTheRfcShows) {
  const std::vector<SkippedStream> streams = {{StreamId(2), Ssn(7)},
                                              {StreamId(0xffff), Ssn(0xffff)}};
  EXPECT_EQ(
      chunk_hex([&](PacketWriter& w) { return write_forward_tsn(w, Tsn(0x24d59d63), streams); }),
      kTwoStreams);
  EXPECT_EQ(chunk_hex([&](PacketWriter& w) { return write_forward_tsn(w, Tsn(1), {}); }),
            "c0000008"
            "00000001");
}

TEST(ForwardTsnChunk, ReadsWhatIsWritten) {
  const Bytes whole = from_hex(kTwoStreams);
  ChunkCursor cursor(whole);
  const auto chunk = ForwardTsnChunk::parse(*cursor.next());
  ASSERT_TRUE(chunk.has_value());
  EXPECT_EQ(chunk->new_cum_tsn, Tsn(0x24d59d63));
  ASSERT_EQ(chunk->stream_count(), 2u);
  EXPECT_EQ(chunk->stream(0), (SkippedStream{StreamId(2), Ssn(7)}));
  EXPECT_EQ(chunk->stream(1), (SkippedStream{StreamId(0xffff), Ssn(0xffff)}));
}

TEST(ForwardTsnChunk, TheFlagsMeanNothing) {
  const OwnedChunk chunk(192, 0xff, from_hex("00000001"));
  EXPECT_TRUE(ForwardTsnChunk::parse(chunk.view()).has_value());
}

// Section 3.2: its length counts whole streams.
TEST(ForwardTsnChunk, CutAtEveryLength) {
  const OwnedChunk whole(192, 0, from_hex("00000001 00020007 00030008"));
  for (size_t size = 0; size <= whole.view().value.size(); ++size) {
    const OwnedChunk part = OwnedChunk::cut(whole.view(), size);
    const auto chunk = ForwardTsnChunk::parse(part.view());
    EXPECT_EQ(chunk.has_value(), size >= 4 && size % 4 == 0) << size;
    if (!chunk) continue;
    EXPECT_EQ(chunk->stream_count(), size / 4 - 1) << size;
  }
}

TEST(ForwardTsnChunk, OtherTypesAreNotForwardTsn) {
  const OwnedChunk chunk(194, 0, from_hex("00000001"));
  EXPECT_FALSE(ForwardTsnChunk::parse(chunk.view()).has_value());
}

TEST(ForwardTsnChunk, IsWrittenWholeOrNotAtAll) {
  const std::vector<SkippedStream> streams(3);
  expect_needs_its_room([&](PacketWriter& w) { return write_forward_tsn(w, Tsn(1), streams); });
}

TEST(ForwardTsnChunk, TheLengthFieldLimitsEvenAHugeRoom) {
  const std::vector<SkippedStream> most((65535 - 8) / 4);
  const std::vector<SkippedStream> too_many(most.size() + 1);
  Bytes room(200000);
  PacketWriter writer(room);
  EXPECT_FALSE(write_forward_tsn(writer, Tsn(1), too_many));
  EXPECT_TRUE(writer.empty());
  EXPECT_TRUE(write_forward_tsn(writer, Tsn(1), most));
}

}  // namespace
}  // namespace trunkline::wire
