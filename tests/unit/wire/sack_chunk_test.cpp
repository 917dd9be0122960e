// SPDX-License-Identifier: BSD-3-Clause
// SACK (RFC 9260 section 3.3.4).
#include "wire/sack_chunk.h"

#include <gtest/gtest.h>

#include "captured_packets.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

struct Lists {
  std::vector<GapBlock> gaps;
  std::vector<Tsn> dups;
};

Lists lists_of(const SackChunk& sack) {
  Lists out;
  for (size_t i = 0; i < sack.gap_count(); ++i) out.gaps.push_back(sack.gap(i));
  for (size_t i = 0; i < sack.dup_count(); ++i) out.dups.push_back(sack.dup(i));
  return out;
}

TEST(SackChunk, CapturedPlain) {
  const OwnedChunk chunk = only_chunk(captured::kSack);
  const auto sack = SackChunk::parse(chunk.view());
  ASSERT_TRUE(sack.has_value());
  EXPECT_EQ(sack->cum_tsn_ack, Tsn(0x24d59d63));
  EXPECT_EQ(sack->a_rwnd, 0x20000u);
  EXPECT_EQ(sack->gap_count(), 0u);
  EXPECT_EQ(sack->dup_count(), 0u);
}

TEST(SackChunk, CapturedWithGapAndDuplicate) {
  const OwnedChunk chunk = only_chunk(captured::kSackGapAndDuplicate);
  const auto sack = SackChunk::parse(chunk.view());
  ASSERT_TRUE(sack.has_value());
  EXPECT_EQ(sack->cum_tsn_ack, Tsn(0x24d59d64));
  EXPECT_EQ(sack->a_rwnd, 0x1fdf6u);
  ASSERT_EQ(sack->gap_count(), 1u);
  EXPECT_EQ(sack->gap(0), (GapBlock{2, 3}));
  ASSERT_EQ(sack->dup_count(), 1u);
  EXPECT_EQ(sack->dup(0), Tsn(0x24d59d67));
  const Lists lists = lists_of(*sack);
  EXPECT_EQ(rebuilt(captured::kSackGapAndDuplicate,
                    [&](PacketWriter& w) {
                      return write_sack(w, sack->cum_tsn_ack, sack->a_rwnd, lists.gaps, lists.dups);
                    }),
            captured::kSackGapAndDuplicate);
}

// The example of section 3.3.4: 10 to 12, 14, 15 and 17 received.
TEST(SackChunk, TheExampleOfTheRfc) {
  const std::vector<GapBlock> gaps = {{2, 3}, {5, 5}};
  EXPECT_EQ(chunk_hex([&](PacketWriter& w) { return write_sack(w, Tsn(12), 4660, gaps, {}); }),
            "03000018"
            "0000000c"
            "00001234"
            "00020000"
            "00020003"
            "00050005");
}

TEST(SackChunk, LengthMustBeExactlyWhatTheCountsSay) {
  const struct {
    const char* name;
    const char* value;
    bool good;
  } cases[] = {
      {"no lists", "00000001 00000002 00000000", true},
      {"a gap", "00000001 00000002 00010000 00020003", true},
      {"a duplicate", "00000001 00000002 00000001 00000009", true},
      {"gap missing", "00000001 00000002 00010000", false},
      {"duplicate missing", "00000001 00000002 00010001 00020003", false},
      {"one too many", "00000001 00000002 00010000 00020003 00020003", false},
      {"trailing word", "00000001 00000002 00000000 00000000", false},
      {"trailing byte", "00000001 00000002 00000000 00", false},
      {"half a gap", "00000001 00000002 00010000 0002", false},
      // 65535 gaps and 65535 duplicates make 524280 bytes: no 16-bit wrap may hide that.
      {"highest counts", "00000001 00000002 ffffffff", false},
      {"counts whose bytes wrap to zero", "00000001 00000002 40004000", false},
      {"gap bytes wrap to four", "00000001 00000002 40010000 00020003", false},
  };
  for (const auto& c : cases) {
    const OwnedChunk chunk(3, 0, from_hex(c.value));
    EXPECT_EQ(SackChunk::parse(chunk.view()).has_value(), c.good) << c.name;
  }
}

TEST(SackChunk, CutAtEveryLength) {
  const OwnedChunk whole = only_chunk(captured::kSackGapAndDuplicate);
  for (size_t size = 0; size < whole.view().value.size(); ++size) {
    const OwnedChunk part = OwnedChunk::cut(whole.view(), size);
    EXPECT_FALSE(SackChunk::parse(part.view()).has_value()) << size;
  }
}

TEST(SackChunk, OtherTypesAreNotSack) {
  const OwnedChunk chunk(2, 0, Bytes(12));
  EXPECT_FALSE(SackChunk::parse(chunk.view()).has_value());
}

TEST(SackChunk, WritesAsMuchAsFitsGapsFirst) {
  const std::vector<GapBlock> gaps = {{2, 3}, {5, 6}, {8, 9}};
  const std::vector<Tsn> dups = {Tsn(71), Tsn(72)};
  for (size_t room = 0; room <= 60; ++room) {
    Bytes bytes(room, 0xee);
    PacketWriter writer(bytes);
    const bool written = write_sack(writer, Tsn(70), 1000, gaps, dups);
    EXPECT_EQ(written, room >= 28) << room;
    if (!written) {
      EXPECT_TRUE(writer.empty());
      continue;
    }
    const size_t entries = std::min<size_t>((room - 28) / 4, 5);
    EXPECT_EQ(writer.size(), 28 + entries * 4);
    ChunkCursor cursor(writer.finish(false).subspan(12));
    const auto sack = SackChunk::parse(*cursor.next());
    ASSERT_TRUE(sack.has_value()) << room;
    ASSERT_EQ(sack->gap_count(), std::min<size_t>(entries, 3));
    ASSERT_EQ(sack->dup_count(), entries - sack->gap_count());
    for (size_t i = 0; i < sack->gap_count(); ++i) EXPECT_EQ(sack->gap(i), gaps[i]);
    for (size_t i = 0; i < sack->dup_count(); ++i) EXPECT_EQ(sack->dup(i), dups[i]);
  }
}

TEST(SackChunk, TheLengthFieldLimitsEvenAHugeRoom) {
  const std::vector<GapBlock> gaps(20000, GapBlock{2, 2});
  const std::vector<Tsn> dups(20000, Tsn(5));
  Bytes room(200000);
  PacketWriter writer(room);
  ASSERT_TRUE(write_sack(writer, Tsn(1), 2, gaps, dups));
  ChunkCursor cursor(writer.finish(false).subspan(12));
  const auto chunk = cursor.next();
  ASSERT_TRUE(chunk.has_value());
  const auto sack = SackChunk::parse(*chunk);
  ASSERT_TRUE(sack.has_value());
  EXPECT_EQ(sack->gap_count(), 16379u);  // (65535 - 16) / 4
  EXPECT_EQ(sack->dup_count(), 0u);
  EXPECT_FALSE(cursor.next().has_value());
}

}  // namespace
}  // namespace trunkline::wire
