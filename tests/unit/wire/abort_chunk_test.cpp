// SPDX-License-Identifier: BSD-3-Clause
// ABORT (RFC 9260 section 3.3.7).
#include "wire/abort_chunk.h"

#include <gtest/gtest.h>

#include "captured_packets.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

TEST(AbortChunk, CapturedWithReason) {
  const OwnedChunk chunk = only_chunk(captured::kAbort);
  const auto abort = AbortChunk::parse(chunk.view());
  ASSERT_TRUE(abort.has_value());
  EXPECT_FALSE(abort->tag_reflected);
  CauseCursor cursor = abort->cursor();
  const auto cause = cursor.next();
  ASSERT_TRUE(cause.has_value());
  EXPECT_EQ(cause->code, CauseCode::kUserInitiatedAbort);
  EXPECT_EQ(to_hex(cause->value), "726561736f6e21");
  EXPECT_FALSE(cursor.next().has_value());
  EXPECT_EQ(rebuilt(captured::kAbort,
                    [&](PacketWriter& w) {
                      return begin_abort(w, false) &&
                             append_user_initiated_abort(w, cause->value) && w.end_chunk();
                    }),
            captured::kAbort);
  EXPECT_EQ(rebuilt(captured::kAbort,
                    [&](PacketWriter& w) { return write_abort(w, false, abort->causes); }),
            captured::kAbort);
}

TEST(AbortChunk, CapturedReflected) {
  const OwnedChunk chunk = only_chunk(captured::kAbortReflected);
  const auto abort = AbortChunk::parse(chunk.view());
  ASSERT_TRUE(abort.has_value());
  EXPECT_TRUE(abort->tag_reflected);
  EXPECT_TRUE(abort->causes.empty());
  EXPECT_EQ(
      rebuilt(captured::kAbortReflected, [](PacketWriter& w) { return write_abort(w, true); }),
      captured::kAbortReflected);
}

TEST(AbortChunk, OnlyTheLowestFlagIsTheTBit) {
  const OwnedChunk chunk(6, 0xfe, {});
  const auto abort = AbortChunk::parse(chunk.view());
  ASSERT_TRUE(abort.has_value());
  EXPECT_FALSE(abort->tag_reflected);
}

// Section 3.3.7: an ABORT with a format error is discarded.
TEST(AbortChunk, CutAtEveryLength) {
  const OwnedChunk whole = only_chunk(captured::kAbort);
  for (size_t size = 0; size < whole.view().value.size(); ++size) {
    const OwnedChunk part = OwnedChunk::cut(whole.view(), size);
    EXPECT_EQ(AbortChunk::parse(part.view()).has_value(), size == 0) << size;
  }
}

TEST(AbortChunk, ASecondCauseIsCheckedToo) {
  for (const char* value : {"00040004 000d0003", "00040004 000d0009 00000000", "00040004 00"}) {
    const OwnedChunk chunk(6, 0, from_hex(value));
    EXPECT_FALSE(AbortChunk::parse(chunk.view()).has_value()) << value;
  }
  const OwnedChunk chunk(6, 0, from_hex("00040004 000d0008 00000000"));
  EXPECT_TRUE(AbortChunk::parse(chunk.view()).has_value());
  const OwnedChunk error(9, 0, from_hex("00040004"));
  EXPECT_FALSE(AbortChunk::parse(error.view()).has_value());
}

TEST(AbortChunk, NeedsItsRoom) {
  expect_needs_its_room([](PacketWriter& w) { return write_abort(w, true, Bytes(24)); });
  expect_needs_its_room([](PacketWriter& w) { return write_abort(w, true); });
}

}  // namespace
}  // namespace trunkline::wire
