// SPDX-License-Identifier: BSD-3-Clause
// Error causes (RFC 9260 section 3.3.10): the wire form of each, names, and what the fixed ones
// say.
#include "wire/cause.h"

#include <gtest/gtest.h>

#include "wire/error_chunk.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

using Append = std::function<bool(PacketWriter&)>;

bool in_error(PacketWriter& writer, const Append& append) {
  if (!begin_error(writer)) return false;
  append(writer);
  return writer.end_chunk();
}

struct CauseCase {
  CauseCode code;
  const char* name;
  const char* wire;  // without chunk header and last padding
  Append append;
};

const std::vector<CauseCase>& cause_cases() {
  static const Bytes host_name = from_hex("000b0008 61620000");
  static const Bytes unknown_chunk = from_hex("c1000005 aa");
  static const Bytes first = from_hex("c0050005 11");
  static const Bytes second = from_hex("40060004");
  static const std::vector<CauseCase> cases = {
      {CauseCode::kInvalidStreamIdentifier, "Invalid Stream Identifier", "0001000812340000",
       [](PacketWriter& w) { return append_invalid_stream_identifier(w, StreamId(0x1234)); }},
      {CauseCode::kMissingMandatoryParameter, "Missing Mandatory Parameter", "0002000a000000010007",
       [](PacketWriter& w) {
         const ParameterType missing[] = {ParameterType::kStateCookie};
         return append_missing_mandatory_parameters(w, missing);
       }},
      {CauseCode::kMissingMandatoryParameter, "Missing Mandatory Parameter",
       "0002000c0000000200070005",
       [](PacketWriter& w) {
         const ParameterType missing[] = {ParameterType::kStateCookie, ParameterType::kIpv4Address};
         return append_missing_mandatory_parameters(w, missing);
       }},
      {CauseCode::kStaleCookie, "Stale Cookie", "00030008000f4240",
       [](PacketWriter& w) { return append_stale_cookie(w, 1000000); }},
      {CauseCode::kOutOfResource, "Out of Resource", "00040004", append_out_of_resource},
      {CauseCode::kUnresolvableAddress, "Unresolvable Address", "0005000c000b000861620000",
       [](PacketWriter& w) { return append_unresolvable_address(w, host_name); }},
      {CauseCode::kUnrecognizedChunkType, "Unrecognized Chunk Type", "0006000cc1000005aa000000",
       [](PacketWriter& w) { return append_unrecognized_chunk(w, unknown_chunk); }},
      {CauseCode::kInvalidMandatoryParameter, "Invalid Mandatory Parameter", "00070004",
       append_invalid_mandatory_parameter},
      {CauseCode::kUnrecognizedParameters, "Unrecognized Parameters",
       "00080010c00500051100000040060004",
       [](PacketWriter& w) {
         const std::span<const uint8_t> both[] = {first, second};
         return append_unrecognized_parameters(w, both);
       }},
      {CauseCode::kNoUserData, "No User Data", "00090008fffffff0",
       [](PacketWriter& w) { return append_no_user_data(w, Tsn(0xfffffff0)); }},
      {CauseCode::kCookieReceivedWhileShuttingDown, "Cookie Received While Shutting Down",
       "000a0004", append_cookie_received_while_shutting_down},
      {CauseCode::kRestartWithNewAddresses, "Restart of an Association with New Addresses",
       "000b0020000500080a00000100060014"
       "20010db8000000000000000000000001",
       [](PacketWriter& w) {
         const IpAddress added[] = {*IpAddress::parse("10.0.0.1"),
                                    *IpAddress::parse("2001:db8::1")};
         return append_restart_with_new_addresses(w, added);
       }},
      {CauseCode::kUserInitiatedAbort, "User-Initiated Abort", "000c0006beef",
       [](PacketWriter& w) {
         return append_user_initiated_abort(w, Bytes{0xbe, 0xef});
       }},
      {CauseCode::kUserInitiatedAbort, "User-Initiated Abort", "000c0004",
       [](PacketWriter& w) { return append_user_initiated_abort(w, {}); }},
      {CauseCode::kProtocolViolation, "Protocol Violation", "000d0007776879",
       [](PacketWriter& w) { return append_protocol_violation(w, "why"); }},
  };
  return cases;
}

TEST(Causes, EachHasItsFormAndName) {
  for (const CauseCase& c : cause_cases()) {
    Bytes room(512, 0xee);
    PacketWriter writer(room);
    ASSERT_TRUE(in_error(writer, c.append)) << c.name;
    ChunkCursor chunks(writer.finish(false).subspan(12));
    const auto chunk = chunks.next();
    ASSERT_TRUE(chunk.has_value()) << c.name;
    EXPECT_EQ(to_hex(chunk->value), c.wire) << c.name;
    const auto error = ErrorChunk::parse(*chunk);
    ASSERT_TRUE(error.has_value()) << c.name;
    const auto cause = error->cursor().next();
    ASSERT_TRUE(cause.has_value()) << c.name;
    EXPECT_EQ(cause->code, c.code) << c.name;
    EXPECT_EQ(cause_name(cause->code), c.name);
  }
  EXPECT_EQ(cause_name(static_cast<CauseCode>(0)), "unknown cause");
  EXPECT_EQ(cause_name(static_cast<CauseCode>(14)), "unknown cause");
}

TEST(Causes, EachNeedsItsRoom) {
  for (const CauseCase& c : cause_cases()) {
    if (c.code == CauseCode::kUnrecognizedChunkType) continue;  // is cut short instead
    SCOPED_TRACE(c.name);
    expect_needs_its_room([&](PacketWriter& w) { return in_error(w, c.append); });
  }
}

TEST(Causes, AllOfThemInOneChunk) {
  Bytes room(1024, 0xee);
  PacketWriter writer(room);
  ASSERT_TRUE(begin_error(writer));
  for (const CauseCase& c : cause_cases()) EXPECT_TRUE(c.append(writer)) << c.name;
  ASSERT_TRUE(writer.end_chunk());
  ChunkCursor chunks(writer.finish(false).subspan(12));
  const auto error = ErrorChunk::parse(*chunks.next());
  ASSERT_TRUE(error.has_value());
  CauseCursor cursor = error->cursor();
  for (const CauseCase& c : cause_cases()) {
    const auto cause = cursor.next();
    ASSERT_TRUE(cause.has_value()) << c.name;
    EXPECT_EQ(to_hex(cause->whole), c.wire) << c.name;
  }
  EXPECT_FALSE(cursor.next().has_value());
}

// As the Linux kernel does, and as the chunk was: a multiple of four bytes (3.2).
TEST(Causes, AnUnrecognizedChunkIsReportedWithItsPadding) {
  for (size_t size = 4; size <= 12; ++size) {
    Bytes chunk(size, 0xab);
    store_be16(&chunk[2], static_cast<uint16_t>(size));
    Bytes room(256, 0xee);
    PacketWriter writer(room);
    ASSERT_TRUE(
        in_error(writer, [&](PacketWriter& w) { return append_unrecognized_chunk(w, chunk); }));
    ChunkCursor chunks(writer.finish(false).subspan(12));
    const auto reported = chunks.next();
    EXPECT_EQ(reported->whole.size(), 4 + 4 + padded(size)) << "both lengths count it";
    CauseCursor causes(reported->value);
    const auto cause = causes.next();
    chunk.resize(padded(size), 0);
    EXPECT_EQ(to_hex(cause->value), to_hex(chunk));
    EXPECT_FALSE(causes.next().has_value());
  }
}

TEST(Causes, AnUnrecognizedChunkIsCutToTheRoom) {
  const Bytes chunk = from_hex("c1000010 0102030405060708090a0b0c");
  // Header, cause header, and at least the header of the chunk complained about.
  for (size_t room = 12 + 4 + 4 + 4; room <= 12 + 4 + 4 + 16; room += 4) {
    Bytes bytes(room, 0xee);
    PacketWriter writer(bytes);
    ASSERT_TRUE(
        in_error(writer, [&](PacketWriter& w) { return append_unrecognized_chunk(w, chunk); }));
    ChunkCursor chunks(writer.finish(false).subspan(12));
    const auto error = ErrorChunk::parse(*chunks.next());
    ASSERT_TRUE(error.has_value());
    const auto cause = error->cursor().next();
    EXPECT_EQ(to_hex(cause->value), to_hex(std::span(chunk).first(room - 20))) << room;
  }
  for (size_t room = 0; room < 12 + 4 + 4 + 4; ++room) {
    Bytes bytes(room, 0xee);
    PacketWriter writer(bytes);
    EXPECT_FALSE(in_error(writer, [&](PacketWriter& w) {
      return append_unrecognized_chunk(w, chunk);
    })) << room;
  }
}

CauseView view_of(const Bytes& bytes) {
  CauseCursor cursor{std::span<const uint8_t>(bytes)};
  const auto cause = cursor.next();
  EXPECT_TRUE(cause.has_value());
  return *cause;
}

TEST(Causes, FixedOnesAreRead) {
  const Bytes stream = from_hex("00010008 1234ffff");  // the reserved half is ignored
  const Bytes stale = from_hex("00030008 000f4240");
  const Bytes no_data = from_hex("00090008 fffffff0");
  EXPECT_EQ(parse_invalid_stream_identifier(view_of(stream)), StreamId(0x1234));
  EXPECT_EQ(parse_stale_cookie_us(view_of(stale)), 1000000u);
  EXPECT_EQ(parse_no_user_data(view_of(no_data)), Tsn(0xfffffff0));
  // Another code, or another size, is not an answer.
  EXPECT_FALSE(parse_invalid_stream_identifier(view_of(stale)).has_value());
  EXPECT_FALSE(parse_stale_cookie_us(view_of(no_data)).has_value());
  EXPECT_FALSE(parse_no_user_data(view_of(stream)).has_value());
  for (const char* tail : {"0004", "0007 000000", "0009 0000000000", "000c 0000000000000000"}) {
    EXPECT_FALSE(parse_stale_cookie_us(view_of(from_hex(std::string("0003") + tail))).has_value());
    EXPECT_FALSE(parse_no_user_data(view_of(from_hex(std::string("0009") + tail))).has_value());
    EXPECT_FALSE(
        parse_invalid_stream_identifier(view_of(from_hex(std::string("0001") + tail))).has_value());
  }
}

}  // namespace
}  // namespace trunkline::wire
