// SPDX-License-Identifier: BSD-3-Clause
// The cursors over chunks, parameters and causes: lengths, padding, endings, unknown types (RFC
// 9260 sections 3.2, 3.2.1, 3.3.10).
#include <gtest/gtest.h>

#include "wire/cause.h"
#include "wire/chunk.h"
#include "wire/parameter.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

struct WalkCase {
  const char* name;
  const char* bytes;
  std::vector<const char*> values;  // of each item, as hex
  CursorEnd end;
};

// Types 7 (one byte), 0007 (two bytes): the same walks serve all three cursors.
const std::vector<WalkCase>& walk_cases() {
  static const std::vector<WalkCase> cases = {
      {"nothing", "", {}, CursorEnd::kClean},
      {"empty value", "00070004", {""}, CursorEnd::kClean},
      {"full word", "0007000801020304", {"01020304"}, CursorEnd::kClean},
      {"padded", "0007000501000000", {"01"}, CursorEnd::kClean},
      {"padding is ignored", "00070006 0102ffff 00070004", {"0102", ""}, CursorEnd::kClean},
      {"last padding missing", "00070004 0007000501", {"", "01"}, CursorEnd::kClean},
      {"last padding cut", "00070005 010000", {"01"}, CursorEnd::kClean},
      {"one stray byte", "00070004 00", {""}, CursorEnd::kStrayBytes},
      {"three stray bytes", "00070004 000700", {""}, CursorEnd::kStrayBytes},
      {"nothing but stray bytes", "000700", {}, CursorEnd::kStrayBytes},
      {"length 0", "00070004 00070000 00070004", {""}, CursorEnd::kBadLength},
      {"length 3", "00070003 00070004", {}, CursorEnd::kBadLength},
      {"one byte too long", "00070009 01020304", {}, CursorEnd::kTruncated},
      {"longest length", "00070004 0007ffff 01020304", {""}, CursorEnd::kTruncated},
      {"header only, length 5", "00070005", {}, CursorEnd::kTruncated},
  };
  return cases;
}

template <typename Cursor>
void walk(const WalkCase& c) {
  const Bytes bytes = from_hex(c.bytes);
  Cursor cursor{std::span<const uint8_t>(bytes)};
  for (const char* value : c.values) {
    const auto item = cursor.next();
    ASSERT_TRUE(item.has_value()) << c.name;
    EXPECT_EQ(to_hex(item->value), value) << c.name;
    EXPECT_EQ(item->whole.size(), item->value.size() + 4) << c.name;
    EXPECT_EQ(item->whole.data() + 4, item->value.data()) << c.name;
  }
  for (int again = 0; again < 3; ++again) {  // the end is stable
    EXPECT_FALSE(cursor.next().has_value()) << c.name;
    EXPECT_EQ(cursor.end(), c.end) << c.name;
  }
}

TEST(Cursors, WalkTheSameWay) {
  for (const WalkCase& c : walk_cases()) {
    walk<ChunkCursor>(c);
    walk<ParameterCursor>(c);
    walk<CauseCursor>(c);
  }
}

TEST(Cursors, TheLongestItemIsWalked) {
  Bytes bytes(65536 + 4, 0xaa);
  store_be32(bytes.data(), 0x0007ffff);
  store_be32(bytes.data() + 65536, 0x00070004);
  ChunkCursor cursor{std::span<const uint8_t>(bytes)};
  const auto first = cursor.next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->whole.size(), 65535u);
  const auto second = cursor.next();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->value.size(), 0u);
  EXPECT_FALSE(cursor.next().has_value());
  EXPECT_EQ(cursor.end(), CursorEnd::kClean);
}

TEST(ChunkCursor, SplitsTypeAndFlags) {
  const Bytes bytes = from_hex("030a0005 99000000 c1ff0004");
  ChunkCursor cursor{std::span<const uint8_t>(bytes)};
  const auto first = cursor.next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->type, ChunkType::kSack);
  EXPECT_EQ(first->flags, 0x0a);
  EXPECT_EQ(to_hex(first->whole), "030a000599");
  const auto second = cursor.next();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(static_cast<uint8_t>(second->type), 0xc1);
  EXPECT_EQ(second->flags, 0xff);
}

TEST(ParameterCursor, SplitsTypes) {
  const Bytes bytes = from_hex("80080005 40000000 c0000004");
  ParameterCursor cursor{std::span<const uint8_t>(bytes)};
  EXPECT_EQ(cursor.next()->type, ParameterType::kSupportedExtensions);
  EXPECT_EQ(cursor.next()->type, ParameterType::kForwardTsnSupported);
  EXPECT_FALSE(cursor.next().has_value());
}

TEST(UnknownActions, TheTopTwoBitsOfAChunkDecide) {
  const struct {
    uint8_t type;
    UnknownAction action;
  } cases[] = {
      {15, UnknownAction::kStop},
      {0x3f, UnknownAction::kStop},
      {0x40, UnknownAction::kStopAndReport},
      {0x7f, UnknownAction::kStopAndReport},
      {0x80, UnknownAction::kSkip},
      {0xbf, UnknownAction::kSkip},
      {0xc0, UnknownAction::kSkipAndReport},
      {0xff, UnknownAction::kSkipAndReport},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(unknown_chunk_action(static_cast<ChunkType>(c.type)), c.action) << +c.type;
  }
}

TEST(UnknownActions, TheTopTwoBitsOfAParameterDecide) {
  const struct {
    uint16_t type;
    UnknownAction action;
  } cases[] = {
      {0x0002, UnknownAction::kStop},          {0x3fff, UnknownAction::kStop},
      {0x4000, UnknownAction::kStopAndReport}, {0x7fff, UnknownAction::kStopAndReport},
      {0x8000, UnknownAction::kSkip},          {0xbfff, UnknownAction::kSkip},
      {0xc000, UnknownAction::kSkipAndReport}, {0xffff, UnknownAction::kSkipAndReport},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(unknown_parameter_action(static_cast<ParameterType>(c.type)), c.action) << c.type;
  }
}

TEST(UnknownActions, StopAndReportAreApart) {
  EXPECT_TRUE(stops(UnknownAction::kStop));
  EXPECT_TRUE(stops(UnknownAction::kStopAndReport));
  EXPECT_FALSE(stops(UnknownAction::kSkip));
  EXPECT_FALSE(stops(UnknownAction::kSkipAndReport));
  EXPECT_FALSE(reports(UnknownAction::kStop));
  EXPECT_TRUE(reports(UnknownAction::kStopAndReport));
  EXPECT_FALSE(reports(UnknownAction::kSkip));
  EXPECT_TRUE(reports(UnknownAction::kSkipAndReport));
}

TEST(Names, EveryChunkOfAnExtensionHasOne) {
  EXPECT_EQ(chunk_name(ChunkType::kIData), "I-DATA");
  EXPECT_EQ(chunk_name(ChunkType::kAsconfAck), "ASCONF-ACK");
  EXPECT_EQ(chunk_name(ChunkType::kReconfig), "RE-CONFIG");
  EXPECT_EQ(chunk_name(ChunkType::kForwardTsn), "FORWARD-TSN");
  EXPECT_EQ(chunk_name(ChunkType::kAsconf), "ASCONF");
  EXPECT_EQ(chunk_name(ChunkType::kIForwardTsn), "I-FORWARD-TSN");
}

TEST(Names, EveryChunkOfTable1HasOne) {
  const char* const names[] = {
      "DATA",          "INIT",       "INIT ACK", "SACK",         "HEARTBEAT",
      "HEARTBEAT ACK", "ABORT",      "SHUTDOWN", "SHUTDOWN ACK", "ERROR",
      "COOKIE ECHO",   "COOKIE ACK", "ECNE",     "CWR",          "SHUTDOWN COMPLETE"};
  for (size_t type = 0; type < std::size(names); ++type) {
    EXPECT_EQ(chunk_name(static_cast<ChunkType>(type)), names[type]);
  }
  EXPECT_EQ(chunk_name(static_cast<ChunkType>(15)), "AUTH");
  EXPECT_EQ(chunk_name(static_cast<ChunkType>(16)), "unknown");
  EXPECT_EQ(chunk_name(static_cast<ChunkType>(255)), "unknown");
}

}  // namespace
}  // namespace trunkline::wire
