// SPDX-License-Identifier: BSD-3-Clause
// INIT and INIT ACK (RFC 9260 sections 3.3.2, 3.3.3, 3.2.1): the walk over the parameters, the
// rules on the values, the builders.
#include "wire/init_chunk.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "captured_packets.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

constexpr std::string_view kFixedPart = "11223344 00010000 000a ffff 55667788 ";

// Shared by the cases below: an INIT (or INIT ACK) with the usual fixed part and these parameters.
OwnedChunk with_parameters(std::string_view parameters, bool is_ack = false) {
  return OwnedChunk(is_ack ? 2 : 1, 0, from_hex(std::string(kFixedPart) + std::string(parameters)));
}

InitFields usual_fields() {
  return {.initiate_tag = VerificationTag(0x11223344),
          .a_rwnd = 0x10000,
          .outbound_streams = 10,
          .inbound_streams = 65535,
          .initial_tsn = Tsn(0x55667788)};
}

std::vector<std::string> texts(std::span<const IpAddress> addresses) {
  std::vector<std::string> out;
  for (const IpAddress& address : addresses) out.push_back(address.to_string());
  return out;
}

std::vector<std::string> hexes(std::span<const std::span<const uint8_t>> list) {
  std::vector<std::string> out;
  for (const auto& item : list) out.push_back(to_hex(item));
  return out;
}

using Strings = std::vector<std::string>;

TEST(InitChunk, TellsWhetherAddressesAreListedAtAll) {
  EXPECT_FALSE(has_address_parameters(with_parameters("").view()));
  EXPECT_FALSE(has_address_parameters(with_parameters("c000000480000004").view()));
  EXPECT_TRUE(has_address_parameters(with_parameters("c000000400050008c0000201").view()));
  EXPECT_TRUE(
      has_address_parameters(with_parameters("0006001420010db8000000000000000000000001").view()));
  EXPECT_FALSE(has_address_parameters(OwnedChunk(1, 0, from_hex("0005")).view()));
}

TEST(InitChunk, Captured) {
  const OwnedChunk chunk = only_chunk(captured::kInit);
  const InitParseResult result = InitChunk::parse(chunk.view(), false);
  ASSERT_TRUE(result.ok());
  const InitChunk& init = result.init;
  EXPECT_EQ(init.initiate_tag, VerificationTag(0xeb26dc6b));
  EXPECT_EQ(init.a_rwnd, 0x20000u);
  EXPECT_EQ(init.outbound_streams, 10);
  EXPECT_EQ(init.inbound_streams, 2048);
  EXPECT_EQ(init.initial_tsn, Tsn(0x24d59d63));
  EXPECT_EQ(init.address_count, 0u);
  EXPECT_FALSE(init.address_types_present);
  EXPECT_TRUE(init.supports_ipv4);
  EXPECT_TRUE(init.supports_ipv6);
  EXPECT_TRUE(init.forward_tsn_supported);
  EXPECT_FALSE(init.ecn_capable);
  EXPECT_EQ(to_hex(init.supported_extensions), "c00fc18082");
  // AUTH's three parameters have the skip bits and go unreported; forward TSN is reported.
  EXPECT_EQ(hexes(init.unrecognized_list()), Strings{"c0000004"});
  EXPECT_FALSE(init.walk_stopped);
  EXPECT_EQ(validate_init(init, false), InitParseError::kNone);
}

TEST(InitChunk, CapturedAck) {
  const OwnedChunk chunk = only_chunk(captured::kInitAck);
  const InitParseResult result = InitChunk::parse(chunk.view(), true);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.init.initiate_tag, VerificationTag(0x4395129f));
  EXPECT_EQ(result.init.initial_tsn, Tsn(0xaf193acf));
  // What the client sent back is what the server gave out.
  const OwnedChunk echo = only_chunk(captured::kCookieEcho);
  EXPECT_EQ(to_hex(result.init.cookie), to_hex(echo.view().value));
  EXPECT_EQ(validate_init(result.init, true), InitParseError::kNone);
}

TEST(InitChunk, CutAtEveryLength) {
  for (const bool is_ack : {false, true}) {
    const OwnedChunk whole = only_chunk(is_ack ? captured::kInitAck : captured::kInit);
    // Where a parameter ends, so that the cut chunk is a shorter but sound one.
    std::vector<size_t> sound = {16};
    ParameterCursor cursor(whole.view().value.subspan(16));
    while (const auto parameter = cursor.next()) {
      const auto end = static_cast<size_t>(parameter->whole.data() + parameter->whole.size() -
                                           whole.view().value.data());
      for (size_t at = end; at <= padded(end); ++at) sound.push_back(at);
    }
    for (size_t size = 0; size <= whole.view().value.size(); ++size) {
      const OwnedChunk part = OwnedChunk::cut(whole.view(), size);
      const InitParseResult result = InitChunk::parse(part.view(), is_ack);
      const bool good = std::find(sound.begin(), sound.end(), size) != sound.end();
      EXPECT_EQ(result.ok(), good) << size;
      if (!good) {
        EXPECT_EQ(result.error,
                  size < 16 ? InitParseError::kTooShort : InitParseError::kBadParameterLength)
            << size;
      }
      // The tag is there as soon as the fixed part is: the ABORT needs it.
      EXPECT_EQ(result.init.initiate_tag.value != 0, size >= 16) << size;
    }
  }
}

TEST(InitChunk, BadParameterLengths) {
  const struct {
    const char* name;
    const char* parameters;
    uint16_t bad;
  } cases[] = {
      {"IPv4 of 3", "00050007 010203", 5},
      {"IPv4 of 5", "00050009 0102030405", 5},
      {"IPv4 of 16", "00050014 00000000000000000000000000000001", 5},
      {"IPv6 of 4", "00060008 00000001", 6},
      {"IPv6 of 15", "00060013 000000000000000000000000000001", 6},
      {"IPv6 of 0", "00060004", 6},
      {"cookie preservative of 3", "00090007 000000", 9},
      {"cookie preservative of 8", "0009000c 0000000000000000", 9},
      {"odd address types", "000c0007 000500", 12},
      {"second one bad", "00050008 0a000001 00060008 00000001", 6},
      {"zero length", "00050008 0a000001 00050000", 0},
      {"length 3", "00050003", 0},
      {"past the end", "0005000c 0a000001", 0},
      {"far past the end", "8001ffff", 0},
      {"stray bytes", "00050008 0a000001 0005", 0},
  };
  for (const auto& c : cases) {
    for (const bool is_ack : {false, true}) {
      const OwnedChunk chunk = with_parameters(c.parameters, is_ack);
      const InitParseResult result = InitChunk::parse(chunk.view(), is_ack);
      EXPECT_EQ(result.error, InitParseError::kBadParameterLength) << c.name;
      EXPECT_EQ(result.bad_parameter, c.bad) << c.name;
      EXPECT_EQ(result.init.initiate_tag, VerificationTag(0x11223344)) << c.name;
    }
  }
}

TEST(InitChunk, AddressesInOrderWithoutRepetition) {
  const OwnedChunk chunk = with_parameters(
      "00050008 0a000001 00060014 20010db8000000000000000000000001 00050008 0a000001 "
      "00050008 0a000002");
  const InitParseResult result = InitChunk::parse(chunk.view(), false);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(texts(result.init.address_list()), (Strings{"10.0.0.1", "2001:db8::1", "10.0.0.2"}));
  EXPECT_EQ(result.init.addresses_dropped, 0u);
}

TEST(InitChunk, TooManyAddressesAreCounted) {
  std::string parameters;
  for (int i = 0; i < 200; ++i) {
    parameters += "000500080a0000";
    parameters += to_hex(Bytes{static_cast<uint8_t>(i)});
  }
  const OwnedChunk chunk = with_parameters(parameters);
  const InitParseResult result = InitChunk::parse(chunk.view(), false);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.init.address_count, 32u);
  EXPECT_EQ(result.init.addresses_dropped, 168u);
  EXPECT_EQ(result.init.addresses[31].to_string(), "10.0.0.31");
}

TEST(InitChunk, SupportedAddressTypes) {
  const struct {
    const char* parameters;
    bool present, ipv4, ipv6;
  } cases[] = {
      {"", false, true, true},
      {"000c0004", true, false, false},
      {"000c0006 0005", true, true, false},
      {"000c0006 0006", true, false, true},
      {"000c0008 0005 0006", true, true, true},
      {"000c000a 000b 0006 1234", true, false, true},  // host name and unknown types are ignored
  };
  for (const auto& c : cases) {
    const OwnedChunk chunk = with_parameters(c.parameters);
    const InitParseResult result = InitChunk::parse(chunk.view(), false);
    ASSERT_TRUE(result.ok()) << c.parameters;
    EXPECT_EQ(result.init.address_types_present, c.present) << c.parameters;
    EXPECT_EQ(result.init.supports_ipv4, c.ipv4) << c.parameters;
    EXPECT_EQ(result.init.supports_ipv6, c.ipv6) << c.parameters;
  }
}

TEST(InitChunk, EachParameterInItsOwnChunk) {
  const char* const parameters =
      "00070007 abcdef00 00090008 00001388 00080008 c0050004 80000004 80080006 4082 0000 "
      "000b0008 61620000";
  const OwnedChunk as_init = with_parameters(parameters);
  const InitParseResult init = InitChunk::parse(as_init.view(), false);
  ASSERT_TRUE(init.ok());
  EXPECT_FALSE(init.init.has_cookie());  // a cookie in an INIT means nothing
  EXPECT_EQ(init.init.cookie_preservative_ms, 5000u);
  EXPECT_EQ(init.init.reported_by_peer, 0u);
  EXPECT_TRUE(init.init.ecn_capable);
  EXPECT_EQ(to_hex(init.init.supported_extensions), "4082");
  EXPECT_TRUE(init.init.host_name_present);
  EXPECT_EQ(to_hex(init.init.host_name), "000b000861620000");
  EXPECT_EQ(init.init.unrecognized_count, 0u);

  const OwnedChunk as_ack = with_parameters(parameters, true);
  const InitParseResult ack = InitChunk::parse(as_ack.view(), true);
  ASSERT_TRUE(ack.ok());
  EXPECT_EQ(to_hex(ack.init.cookie), "abcdef");
  EXPECT_FALSE(ack.init.cookie_preservative_ms.has_value());
  EXPECT_EQ(ack.init.reported_by_peer, 1u);
}

TEST(InitChunk, OfTwoCookiesTheFirstCounts) {
  const OwnedChunk chunk = with_parameters("00070008 11111111 00070008 22222222", true);
  const InitParseResult result = InitChunk::parse(chunk.view(), true);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(to_hex(result.init.cookie), "11111111");
}

TEST(InitChunk, ACookieOfNoLengthIsOneAndCountsToo) {
  const OwnedChunk chunk = with_parameters("00070004 00070008 22222222", true);
  const InitParseResult result = InitChunk::parse(chunk.view(), true);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result.init.has_cookie());
  EXPECT_TRUE(result.init.cookie.empty());
  const OwnedChunk none = with_parameters("", true);
  EXPECT_FALSE(InitChunk::parse(none.view(), true).init.has_cookie());
}

TEST(InitChunk, UnknownParametersByTheirTopBits) {
  const char* const address = "00050008 0a000001";
  const struct {
    const char* unknown;
    bool reported;
    bool stopped;
  } cases[] = {
      {"00020005 aa000000", false, true},
      {"3fff0004", false, true},
      {"00010004", false, true},  // Heartbeat Info has no place here
      {"40010005 aa000000", true, true},
      {"80010005 aa000000", false, false},
      {"c0010005 aa000000", true, false},
      {"c0000004", true, false},  // forward TSN, not supported yet
  };
  for (const auto& c : cases) {
    const OwnedChunk chunk = with_parameters(std::string(c.unknown) + address);
    const InitParseResult result = InitChunk::parse(chunk.view(), false);
    ASSERT_TRUE(result.ok()) << c.unknown;
    EXPECT_EQ(result.init.walk_stopped, c.stopped) << c.unknown;
    EXPECT_EQ(result.init.address_count, c.stopped ? 0u : 1u) << c.unknown;
    ASSERT_EQ(result.init.unrecognized_count, c.reported ? 1u : 0u) << c.unknown;
    if (c.reported) {
      const Bytes whole = from_hex(c.unknown);
      const size_t length = load_be16(whole.data() + 2);
      EXPECT_EQ(to_hex(result.init.unrecognized[0]), to_hex(std::span(whole).first(length)));
    }
  }
}

TEST(InitChunk, WhatWasReadBeforeAStopStays) {
  const OwnedChunk chunk = with_parameters("00050008 0a000001 00020004 00050003 ff");
  const InitParseResult result = InitChunk::parse(chunk.view(), false);
  ASSERT_TRUE(result.ok());  // what follows is not processed, so it can't be wrong either
  EXPECT_EQ(result.init.address_count, 1u);
  EXPECT_TRUE(result.init.walk_stopped);
}

TEST(InitChunk, TooManyUnrecognizedAreCounted) {
  std::string parameters;
  for (int i = 0; i < 20; ++i) parameters += "c0010004";
  const OwnedChunk chunk = with_parameters(parameters);
  const InitParseResult result = InitChunk::parse(chunk.view(), false);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.init.unrecognized_count, 16u);
  EXPECT_EQ(result.init.unrecognized_dropped, 4u);
}

TEST(ValidateInit, EachRuleAndItsRank) {
  InitChunk good;
  static_cast<InitFields&>(good) = usual_fields();
  const Bytes cookie(4);
  good.cookie = cookie;
  EXPECT_EQ(validate_init(good, false), InitParseError::kNone);
  EXPECT_EQ(validate_init(good, true), InitParseError::kNone);

  // Each step breaks one more rule, from the last rank to the first.
  InitChunk init = good;
  init.a_rwnd = 1500;
  EXPECT_EQ(validate_init(init, true), InitParseError::kNone);
  init.cookie = {};
  EXPECT_EQ(validate_init(init, true), InitParseError::kMissingCookie);
  EXPECT_EQ(validate_init(init, false), InitParseError::kNone);
  init.host_name_present = true;
  EXPECT_EQ(validate_init(init, true), InitParseError::kHostName);
  EXPECT_EQ(validate_init(init, false), InitParseError::kHostName);
  init.a_rwnd = 1499;
  EXPECT_EQ(validate_init(init, false), InitParseError::kSmallWindow);
  init.inbound_streams = 0;
  EXPECT_EQ(validate_init(init, false), InitParseError::kZeroStreams);
  init.inbound_streams = 1;
  init.outbound_streams = 0;
  EXPECT_EQ(validate_init(init, false), InitParseError::kZeroStreams);
  init.initiate_tag = VerificationTag(0);
  EXPECT_EQ(validate_init(init, true), InitParseError::kZeroTag);
}

TEST(WriteInit, RoundTripOfEverything) {
  const IpAddress addresses[] = {*IpAddress::parse("2001:db8::7"), *IpAddress::parse("192.0.2.1")};
  const Bytes extensions = {0x82, 0xc0, 0x80};
  const InitOptions options{.cookie_preservative_ms = 1234,
                            .lists_ipv4 = true,
                            .lists_ipv6 = true,
                            .ecn_capable = true,
                            .supported_extensions = extensions,
                            .forward_tsn_supported = true,
                            .adaptation = 0x01020304};
  const auto build = [&](PacketWriter& w) {
    return write_init(w, usual_fields(), addresses, options);
  };
  EXPECT_EQ(chunk_hex(build),
            "0100005811223344000100000"
            "00affff55667788"
            "0006001420010db8000000000000000000000007"
            "00050008c0000201"
            "00090008000004d2"
            "000c000800050006"
            "80000004"
            "8008000782c08000"
            "c0000004"
            "c006000801020304");
  expect_needs_its_room(build);

  Bytes room(256);
  PacketWriter writer(room);
  ASSERT_TRUE(build(writer));
  ChunkCursor cursor(writer.finish(false).subspan(12));
  const InitParseResult result = InitChunk::parse(*cursor.next(), false);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(texts(result.init.address_list()), (Strings{"2001:db8::7", "192.0.2.1"}));
  EXPECT_EQ(result.init.cookie_preservative_ms, 1234u);
  EXPECT_TRUE(result.init.address_types_present && result.init.supports_ipv4 &&
              result.init.supports_ipv6 && result.init.ecn_capable &&
              result.init.forward_tsn_supported);
  EXPECT_EQ(result.init.adaptation, 0x01020304u);
  EXPECT_EQ(to_hex(result.init.supported_extensions), to_hex(extensions));
}

TEST(WriteInit, TheBareMinimum) {
  EXPECT_EQ(chunk_hex([](PacketWriter& w) { return write_init(w, usual_fields(), {}); }),
            "010000141122334400010000000affff55667788");
}

TEST(WriteInit, RefusesAnAddressOfNoFamily) {
  const IpAddress addresses[] = {IpAddress()};
  EXPECT_EQ(chunk_hex([&](PacketWriter& w) { return write_init(w, usual_fields(), addresses); }),
            "refused");
}

TEST(WriteInitAck, CookieAndReports) {
  const IpAddress addresses[] = {*IpAddress::parse("192.0.2.1")};
  const Bytes cookie = from_hex("0102030405");
  const Bytes first = from_hex("c0050005aa");
  const Bytes second = from_hex("40060004");
  const std::span<const uint8_t> unrecognized[] = {first, second};
  const auto build = [&](PacketWriter& w) {
    return write_init_ack(w, usual_fields(), addresses, cookie, unrecognized);
  };
  EXPECT_EQ(chunk_hex(build),
            "0200003c"
            "1122334400010000000affff55667788"
            "00050008c0000201"
            "00070009"
            "0102030405000000"
            "00080009"
            "c0050005aa000000"
            "00080008"
            "40060004");
  expect_needs_its_room(build);

  Bytes room(256);
  PacketWriter writer(room);
  ASSERT_TRUE(build(writer));
  ChunkCursor cursor(writer.finish(false).subspan(12));
  const InitParseResult result = InitChunk::parse(*cursor.next(), true);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(to_hex(result.init.cookie), "0102030405");
  EXPECT_EQ(result.init.reported_by_peer, 2u);
}

TEST(WriteInitAck, IsWhatTheParametersOfTheInitWereAnsweredWith) {
  // What the walk says must be reported is what the answer reports, byte for byte.
  const OwnedChunk chunk = with_parameters("c0010006 abcd0000 40020004");
  const InitParseResult result = InitChunk::parse(chunk.view(), false);
  ASSERT_TRUE(result.ok());
  const Bytes cookie(4, 0x77);
  EXPECT_EQ(chunk_hex([&](PacketWriter& w) {
              return write_init_ack(w, usual_fields(), {}, cookie, result.init.unrecognized_list());
            }),
            "02000030"
            "1122334400010000000affff55667788"
            "0007000877777777"
            "0008000ac0010006abcd0000"
            "0008000840020004");
}

}  // namespace
}  // namespace trunkline::wire
