// SPDX-License-Identifier: BSD-3-Clause
// ERROR (RFC 9260 section 3.3.10).
#include "wire/error_chunk.h"

#include <gtest/gtest.h>

#include "captured_packets.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

TEST(ErrorChunk, CapturedReportOfAnUnknownChunk) {
  const OwnedChunk chunk = only_chunk(captured::kError);
  const auto error = ErrorChunk::parse(chunk.view());
  ASSERT_TRUE(error.has_value());
  CauseCursor cursor = error->cursor();
  const auto cause = cursor.next();
  ASSERT_TRUE(cause.has_value());
  EXPECT_EQ(cause->code, CauseCode::kUnrecognizedChunkType);
  EXPECT_EQ(to_hex(cause->value), "c511000801020304");
  EXPECT_FALSE(cursor.next().has_value());
  EXPECT_EQ(rebuilt(captured::kError,
                    [&](PacketWriter& w) {
                      return begin_error(w) && append_unrecognized_chunk(w, cause->value) &&
                             w.end_chunk();
                    }),
            captured::kError);
  EXPECT_EQ(
      rebuilt(captured::kError, [&](PacketWriter& w) { return write_error(w, error->causes); }),
      captured::kError);
}

TEST(ErrorChunk, CutAtEveryLength) {
  const OwnedChunk whole = only_chunk(captured::kError);
  for (size_t size = 0; size < whole.view().value.size(); ++size) {
    const OwnedChunk part = OwnedChunk::cut(whole.view(), size);
    EXPECT_FALSE(ErrorChunk::parse(part.view()).has_value()) << size;
  }
}

TEST(ErrorChunk, OtherTypesAreNotErrors) {
  const OwnedChunk chunk(6, 0, from_hex("00040004"));
  EXPECT_FALSE(ErrorChunk::parse(chunk.view()).has_value());
}

TEST(ErrorChunk, WithoutACauseThereIsNothingToSend) {
  EXPECT_EQ(chunk_hex([](PacketWriter& w) { return write_error(w, {}); }), "refused");
  expect_needs_its_room([](PacketWriter& w) { return write_error(w, Bytes(24)); });
}

}  // namespace
}  // namespace trunkline::wire
