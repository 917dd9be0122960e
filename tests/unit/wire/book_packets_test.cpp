// SPDX-License-Identifier: BSD-3-Clause
// The book's packets: parsed to the values that the book prints, rebuilt by our own builders to the
// same bytes, checksum included.
#include "book_packets.h"

#include <gtest/gtest.h>

#include "wire/common_header.h"
#include "wire/cookie_chunk.h"
#include "wire/crc32c.h"
#include "wire/init_chunk.h"
#include "wire/sack_chunk.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

TEST(BookPackets, Init) {
  const Bytes packet = from_hex(book::kInit);
  const auto header = CommonHeader::parse(packet);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->source_port, PortNumber(56231));
  EXPECT_EQ(header->destination_port, PortNumber(4444));
  EXPECT_EQ(header->verification_tag, VerificationTag(0));
  EXPECT_EQ(header->checksum, 0x1d06220du);
  EXPECT_EQ(packet_checksum(packet), 0x1d06220du);

  const OwnedChunk chunk = only_chunk(book::kInit);
  ASSERT_EQ(chunk.view().type, ChunkType::kInit);
  const InitParseResult result = InitChunk::parse(chunk.view(), false);
  ASSERT_TRUE(result.ok());
  const InitChunk& init = result.init;
  EXPECT_EQ(init.initiate_tag, VerificationTag(0x08fe2132));
  EXPECT_EQ(init.a_rwnd, 106496u);
  EXPECT_EQ(init.outbound_streams, 10);
  EXPECT_EQ(init.inbound_streams, 65535);
  EXPECT_EQ(init.initial_tsn, Tsn(3543192493));
  ASSERT_EQ(init.address_count, 2u);
  EXPECT_EQ(init.addresses[0].to_string(), "127.0.0.1");
  EXPECT_EQ(init.addresses[1].to_string(), "192.168.10.4");
  EXPECT_TRUE(init.address_types_present);
  EXPECT_TRUE(init.supports_ipv4);
  EXPECT_FALSE(init.supports_ipv6);
  EXPECT_TRUE(init.ecn_capable);
  EXPECT_TRUE(init.forward_tsn_supported);
  EXPECT_EQ(validate_init(init, false), InitParseError::kNone);

  const InitOptions options{.cookie_preservative_ms = init.cookie_preservative_ms,
                            .lists_ipv4 = init.supports_ipv4,
                            .lists_ipv6 = init.supports_ipv6,
                            .ecn_capable = init.ecn_capable,
                            .supported_extensions = init.supported_extensions,
                            .forward_tsn_supported = init.forward_tsn_supported};
  EXPECT_EQ(
      rebuilt(book::kInit,
              [&](PacketWriter& w) { return write_init(w, init, init.address_list(), options); }),
      book::kInit);
}

TEST(BookPackets, CookieEcho) {
  const Bytes packet = from_hex(book::kCookieEcho);
  const auto header = CommonHeader::parse(packet);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->source_port, PortNumber(56231));
  EXPECT_EQ(header->destination_port, PortNumber(4444));
  EXPECT_EQ(header->verification_tag, VerificationTag(0xa556dfe4));
  EXPECT_EQ(header->checksum, 0xaa256669u);
  EXPECT_EQ(packet_checksum(packet), 0xaa256669u);

  const OwnedChunk chunk = only_chunk(book::kCookieEcho);
  const auto echo = CookieEchoChunk::parse(chunk.view());
  ASSERT_TRUE(echo.has_value());
  EXPECT_EQ(echo->cookie.size(), 260u);
  EXPECT_EQ(rebuilt(book::kCookieEcho,
                    [&](PacketWriter& w) { return write_cookie_echo(w, echo->cookie); }),
            book::kCookieEcho);
}

TEST(BookPackets, Sack) {
  const Bytes packet = from_hex(book::kSack);
  const auto header = CommonHeader::parse(packet);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->source_port, PortNumber(4444));
  EXPECT_EQ(header->destination_port, PortNumber(50792));
  EXPECT_EQ(header->verification_tag, VerificationTag(0x88e5e376));
  EXPECT_EQ(header->checksum, 0x883432dfu);
  EXPECT_EQ(packet_checksum(packet), 0x883432dfu);

  const OwnedChunk chunk = only_chunk(book::kSack);
  const auto sack = SackChunk::parse(chunk.view());
  ASSERT_TRUE(sack.has_value());
  EXPECT_EQ(sack->cum_tsn_ack, Tsn(2322614346));
  EXPECT_EQ(sack->a_rwnd, 106490u);
  EXPECT_EQ(sack->gap_count(), 0u);
  EXPECT_EQ(sack->dup_count(), 0u);
  EXPECT_EQ(rebuilt(book::kSack,
                    [&](PacketWriter& w) {
                      return write_sack(w, sack->cum_tsn_ack, sack->a_rwnd, {}, {});
                    }),
            book::kSack);
}

}  // namespace
}  // namespace trunkline::wire
