// SPDX-License-Identifier: BSD-3-Clause
// SHUTDOWN, COOKIE ECHO and the chunks without a value (RFC 9260 sections 3.3.8, 3.3.9, 3.3.11 to
// 3.3.13).
#include <gtest/gtest.h>

#include "captured_packets.h"
#include "wire/cookie_chunk.h"
#include "wire/shutdown_chunk.h"
#include "wire/valueless_chunks.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

TEST(ShutdownChunk, Captured) {
  const OwnedChunk chunk = only_chunk(captured::kShutdown);
  const auto shutdown = ShutdownChunk::parse(chunk.view());
  ASSERT_TRUE(shutdown.has_value());
  EXPECT_EQ(shutdown->cum_tsn_ack, Tsn(0xaf193ace));
  EXPECT_EQ(rebuilt(captured::kShutdown,
                    [&](PacketWriter& w) { return write_shutdown(w, shutdown->cum_tsn_ack); }),
            captured::kShutdown);
}

TEST(ShutdownChunk, OnlyOneLengthAndType) {
  for (size_t size = 0; size <= 12; ++size) {
    const OwnedChunk chunk(7, 0, Bytes(size));
    EXPECT_EQ(ShutdownChunk::parse(chunk.view()).has_value(), size == 4) << size;
  }
  const OwnedChunk other(8, 0, Bytes(4));
  EXPECT_FALSE(ShutdownChunk::parse(other.view()).has_value());
  expect_needs_its_room([](PacketWriter& w) { return write_shutdown(w, Tsn(1)); });
}

TEST(CookieEchoChunk, Captured) {
  const OwnedChunk chunk = only_chunk(captured::kCookieEcho);
  const auto echo = CookieEchoChunk::parse(chunk.view());
  ASSERT_TRUE(echo.has_value());
  EXPECT_EQ(echo->cookie.size(), 308u);
  EXPECT_EQ(rebuilt(captured::kCookieEcho,
                    [&](PacketWriter& w) { return write_cookie_echo(w, echo->cookie); }),
            captured::kCookieEcho);
}

TEST(CookieEchoChunk, AnyLengthAndNone) {
  for (size_t size = 0; size <= 9; ++size) {
    const Bytes cookie(size, 0x5a);
    const OwnedChunk chunk(10, 0, cookie);
    const auto echo = CookieEchoChunk::parse(chunk.view());
    ASSERT_TRUE(echo.has_value()) << size;
    EXPECT_EQ(to_hex(echo->cookie), to_hex(cookie));
    expect_needs_its_room([&](PacketWriter& w) { return write_cookie_echo(w, cookie); });
  }
  EXPECT_EQ(chunk_hex([](PacketWriter& w) { return write_cookie_echo(w, {}); }), "0a000004");
  const OwnedChunk other(11, 0, Bytes(4));
  EXPECT_FALSE(CookieEchoChunk::parse(other.view()).has_value());
}

TEST(ValuelessChunks, Captured) {
  EXPECT_TRUE(is_shutdown_ack(only_chunk(captured::kShutdownAck).view()));
  EXPECT_TRUE(is_cookie_ack(only_chunk(captured::kCookieAck).view()));
  const OwnedChunk chunk = only_chunk(captured::kShutdownComplete);
  const auto complete = ShutdownCompleteChunk::parse(chunk.view());
  ASSERT_TRUE(complete.has_value());
  EXPECT_FALSE(complete->tag_reflected);
  EXPECT_EQ(rebuilt(captured::kShutdownAck, write_shutdown_ack), captured::kShutdownAck);
  EXPECT_EQ(rebuilt(captured::kCookieAck, write_cookie_ack), captured::kCookieAck);
  EXPECT_EQ(rebuilt(captured::kShutdownComplete,
                    [](PacketWriter& w) { return write_shutdown_complete(w, false); }),
            captured::kShutdownComplete);
}

TEST(ValuelessChunks, TheTBit) {
  EXPECT_EQ(chunk_hex([](PacketWriter& w) { return write_shutdown_complete(w, true); }),
            "0e010004");
  const OwnedChunk set(14, 0xff, {});
  EXPECT_TRUE(ShutdownCompleteChunk::parse(set.view())->tag_reflected);
  const OwnedChunk clear(14, 0xfe, {});
  EXPECT_FALSE(ShutdownCompleteChunk::parse(clear.view())->tag_reflected);
}

TEST(ValuelessChunks, OneTypeEachAndNoValue) {
  for (unsigned type = 0; type < 256; ++type) {
    for (size_t size = 0; size <= 4; ++size) {
      const OwnedChunk chunk(static_cast<uint8_t>(type), 0, Bytes(size));
      EXPECT_EQ(is_shutdown_ack(chunk.view()), type == 8 && size == 0) << type;
      EXPECT_EQ(is_cookie_ack(chunk.view()), type == 11 && size == 0) << type;
      EXPECT_EQ(ShutdownCompleteChunk::parse(chunk.view()).has_value(), type == 14 && size == 0)
          << type;
    }
  }
  expect_needs_its_room(write_shutdown_ack);
  expect_needs_its_room(write_cookie_ack);
  expect_needs_its_room([](PacketWriter& w) { return write_shutdown_complete(w, true); });
}

}  // namespace
}  // namespace trunkline::wire
