// SPDX-License-Identifier: BSD-3-Clause
// HEARTBEAT and HEARTBEAT ACK (RFC 9260 sections 3.3.5, 3.3.6).
#include "wire/heartbeat_chunk.h"

#include <gtest/gtest.h>

#include "captured_packets.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

TEST(HeartbeatChunk, Captured) {
  const OwnedChunk chunk = only_chunk(captured::kHeartbeat);
  const auto heartbeat = HeartbeatChunk::parse(chunk.view());
  ASSERT_TRUE(heartbeat.has_value());
  EXPECT_EQ(heartbeat->info.size(), 36u);
  EXPECT_EQ(to_hex(heartbeat->info.first(8)), "f2b4036bdb6c0e00");
  EXPECT_EQ(rebuilt(captured::kHeartbeat,
                    [&](PacketWriter& w) { return write_heartbeat(w, heartbeat->info); }),
            captured::kHeartbeat);
}

// The answer that usrsctp gave is the answer that we give.
TEST(HeartbeatChunk, TheAckReturnsTheInformation) {
  const OwnedChunk request = only_chunk(captured::kHeartbeat);
  const auto heartbeat = HeartbeatChunk::parse(request.view());
  ASSERT_TRUE(heartbeat.has_value());
  EXPECT_EQ(rebuilt(captured::kHeartbeatAck,
                    [&](PacketWriter& w) { return write_heartbeat_ack(w, heartbeat->info); }),
            captured::kHeartbeatAck);
  const OwnedChunk answer = only_chunk(captured::kHeartbeatAck);
  const auto ack = HeartbeatChunk::parse(answer.view());
  ASSERT_TRUE(ack.has_value());
  EXPECT_EQ(to_hex(ack->info), to_hex(heartbeat->info));
}

TEST(HeartbeatChunk, Shapes) {
  const struct {
    const char* name;
    const char* value;
    const char* info;  // nullptr: refused
  } cases[] = {
      {"empty information", "00010004", ""},
      {"odd size, padding counted", "0001000501000000", "01"},
      {"odd size, padding not counted", "0001000501", "01"},
      {"no parameter", "", nullptr},
      {"half a parameter header", "0001", nullptr},
      {"length below four", "00010003", nullptr},
      {"runs past the chunk", "0001000901020304", nullptr},
      {"stray byte behind", "0001000800000000 01", nullptr},
      {"only another parameter", "80010004", nullptr},
      {"skippable before it", "80010004 0001000511000000", "11"},
      {"skippable behind it", "0001000511000000 80010004", "11"},
      {"first of two", "0001000511000000 0001000522000000", "11"},
      {"stopped before it", "00020004 0001000511000000", nullptr},
      {"stopped behind it", "0001000511000000 00020004 ffff", "11"},
  };
  for (const auto& c : cases) {
    for (const uint8_t type : {uint8_t{4}, uint8_t{5}}) {
      const OwnedChunk chunk(type, 0, from_hex(c.value));
      const auto heartbeat = HeartbeatChunk::parse(chunk.view());
      ASSERT_EQ(heartbeat.has_value(), c.info != nullptr) << c.name;
      if (heartbeat) {
        EXPECT_EQ(to_hex(heartbeat->info), c.info) << c.name;
      }
    }
  }
}

TEST(HeartbeatChunk, CutAtEveryLength) {
  const OwnedChunk whole = only_chunk(captured::kHeartbeat);
  for (size_t size = 0; size < whole.view().value.size(); ++size) {
    const OwnedChunk part = OwnedChunk::cut(whole.view(), size);
    EXPECT_FALSE(HeartbeatChunk::parse(part.view()).has_value()) << size;
  }
}

TEST(HeartbeatChunk, OtherTypesAreNotHeartbeats) {
  for (const uint8_t type : {uint8_t{3}, uint8_t{6}}) {
    const OwnedChunk chunk(type, 0, from_hex("00010004"));
    EXPECT_FALSE(HeartbeatChunk::parse(chunk.view()).has_value());
  }
}

TEST(HeartbeatChunk, InformationSizes) {
  const Bytes info(41, 0x33);
  expect_needs_its_room([&](PacketWriter& w) { return write_heartbeat(w, info); });
  expect_needs_its_room([&](PacketWriter& w) { return write_heartbeat_ack(w, info); });
  EXPECT_EQ(chunk_hex([&](PacketWriter& w) { return write_heartbeat(w, {}); }), "0400000800010004");
  const Bytes longest(65527);
  EXPECT_NE(chunk_hex([&](PacketWriter& w) { return write_heartbeat(w, longest); }, 70000),
            "refused");
  const Bytes too_long(65528);
  EXPECT_EQ(chunk_hex([&](PacketWriter& w) { return write_heartbeat(w, too_long); }, 140000),
            "refused");
}

}  // namespace
}  // namespace trunkline::wire
