// SPDX-License-Identifier: BSD-3-Clause
// ICMP messages and the validity rules of Neighbor Discovery (RFC 4861 section 7.1).
#include "net/icmp.h"

#include <gtest/gtest.h>

#include "net_helpers.h"

namespace trunkline::net {
namespace {

constexpr std::string_view kPeer = "2001:db8::77";
constexpr std::string_view kUs = "2001:db8::1";

Bytes solicitation(bool with_option = true) {
  Bytes out{135, 0, 0, 0, 0, 0, 0, 0};
  add(out, ip(kUs));
  if (with_option) {
    out.push_back(1);
    out.push_back(1);
    add(out, kPeerMac);
  }
  return out;
}

Bytes advertisement(uint8_t flags) {
  Bytes out{136, 0, 0, 0, flags, 0, 0, 0};
  add(out, ip(kPeer));
  out.push_back(2);
  out.push_back(1);
  add(out, kPeerMac);
  return out;
}

TEST(Icmp, EchoReply) {
  Bytes message = icmp({8, 0, 0, 0, 0x12, 0x34, 0, 1, 'a', 'b', 'c'});
  ASSERT_EQ(classify_icmp(message), IcmpKind::kEcho);
  make_echo_reply(message);
  EXPECT_EQ(message, icmp({0, 0, 0, 0, 0x12, 0x34, 0, 1, 'a', 'b', 'c'}));
}

TEST(Icmp, DamagedOrOther) {
  const Bytes good = icmp({8, 0, 0, 0, 0x12, 0x34, 0, 1, 'a', 'b', 'c', 'd'});
  for (size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= 0x10;
    EXPECT_EQ(classify_icmp(bad), IcmpKind::kMalformed) << i;
  }
  for (size_t length = 0; length < 8; ++length) {
    EXPECT_EQ(classify_icmp({good.data(), length}), IcmpKind::kMalformed);
  }
  EXPECT_EQ(classify_icmp(icmp({3, 4, 0, 0, 0, 0, 5, 0xdc})), IcmpKind::kOther);
  EXPECT_EQ(classify_icmp(icmp({8, 1, 0, 0, 0, 0, 0, 0})), IcmpKind::kOther);
}

// The SCTP packet that an error quotes, behind an IP header of its own.
Bytes quoting_ipv4(uint8_t type, uint8_t code, size_t quoted = SIZE_MAX) {
  Bytes packet{0x45, 0, 0, 36, 0, 0, 0x40, 0, 64, 132, 0, 0};
  add(packet, ip("192.0.2.1"));
  add(packet, ip("192.0.2.77"));
  for (uint8_t i = 0; i < 16; ++i) packet.push_back(i);
  packet.resize(std::min(packet.size(), quoted));
  Bytes out{type, code, 0, 0, 0, 0, 0, 0};
  add(out, packet);
  return icmp(out);
}

Bytes quoting_ipv6(uint8_t type, uint8_t code, size_t quoted = SIZE_MAX) {
  Bytes packet{0x60, 0, 0, 0, 0, 16, 132, 64};
  add(packet, ip(kUs));
  add(packet, ip(kPeer));
  for (uint8_t i = 0; i < 16; ++i) packet.push_back(i);
  packet.resize(std::min(packet.size(), quoted));
  Bytes out{type, code, 0, 0, 0, 0, 0, 0};
  add(out, packet);
  return icmpv6(out, kPeer, kUs);
}

std::optional<PacketIn> protocol_unreachable(const Bytes& message, bool ipv6) {
  const auto error = parse_icmp_error(message, ipv6);
  if (!error || error->kind != IcmpErrorKind::kProtocolUnreachable) return std::nullopt;
  return error->sent;
}

TEST(Icmp, ProtocolUnreachableShowsWhatItQuotes) {
  const Bytes message = quoting_ipv4(3, 2);
  const auto sent = protocol_unreachable(message, false);
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->source, ip("192.0.2.1"));
  EXPECT_EQ(sent->destination, ip("192.0.2.77"));
  ASSERT_EQ(sent->bytes.size(), 16u);
  EXPECT_EQ(sent->bytes[0], 0);
  EXPECT_EQ(sent->bytes[15], 15);
  const Bytes least = quoting_ipv4(3, 2, 28);
  EXPECT_EQ(protocol_unreachable(least, false)->bytes.size(), 8u);

  const Bytes message6 = quoting_ipv6(4, 1);
  const auto sent6 = protocol_unreachable(message6, true);
  ASSERT_TRUE(sent6.has_value());
  EXPECT_EQ(sent6->source, ip(kUs));
  EXPECT_EQ(sent6->destination, ip(kPeer));
  EXPECT_EQ(sent6->bytes.size(), 16u);
}

TEST(Icmp, AllOtherErrorsAreIgnored) {
  for (unsigned type = 0; type < 256; ++type) {
    for (unsigned code = 0; code < 16; ++code) {
      const auto type8 = static_cast<uint8_t>(type);
      const auto code8 = static_cast<uint8_t>(code);
      EXPECT_EQ(protocol_unreachable(quoting_ipv4(type8, code8), false).has_value(),
                type == 3 && code == 2)
          << type << "/" << code;  // "port unreachable" and "fragmentation needed" among them
      EXPECT_EQ(protocol_unreachable(quoting_ipv6(type8, code8), true).has_value(),
                type == 4 && code == 1)
          << type << "/" << code;  // "port unreachable" and "packet too big" among them
    }
  }
}

TEST(Icmp, AQuoteThatIsNoSctpPacketIsIgnored) {
  for (size_t quoted = 0; quoted < 20; ++quoted) {
    EXPECT_FALSE(protocol_unreachable(quoting_ipv4(3, 2, quoted), false)) << quoted;
  }
  for (size_t quoted = 0; quoted < 40; ++quoted) {
    EXPECT_FALSE(protocol_unreachable(quoting_ipv6(4, 1, quoted), true)) << quoted;
  }
  const auto altered = [](Bytes message, size_t at, uint8_t value) {
    message[8 + at] = value;
    return message;
  };
  const Bytes good = quoting_ipv4(3, 2);
  EXPECT_FALSE(protocol_unreachable(altered(good, 0, 0x65), false)) << "version";
  EXPECT_FALSE(protocol_unreachable(altered(good, 0, 0x44), false)) << "header of 16 bytes";
  EXPECT_FALSE(protocol_unreachable(altered(good, 0, 0x4f), false)) << "header past the end";
  EXPECT_FALSE(protocol_unreachable(altered(good, 3, 19), false)) << "length below the header";
  EXPECT_FALSE(protocol_unreachable(altered(good, 7, 1), false)) << "a later fragment";
  EXPECT_FALSE(protocol_unreachable(altered(good, 9, 17), false)) << "UDP";
  EXPECT_EQ(protocol_unreachable(altered(good, 3, 24), false)->bytes.size(), 4u);
  const Bytes good6 = quoting_ipv6(4, 1);
  EXPECT_FALSE(protocol_unreachable(altered(good6, 0, 0x45), true)) << "version";
  EXPECT_FALSE(protocol_unreachable(altered(good6, 6, 17), true)) << "UDP";
  EXPECT_EQ(protocol_unreachable(altered(good6, 5, 3), true)->bytes.size(), 3u);
}

// The same message with other bytes 4 to 7, where "too big" has its MTU.
Bytes with_mtu(Bytes message, uint32_t mtu, bool ipv6) {
  for (size_t i = 0; i < 4; ++i) message[4 + i] = static_cast<uint8_t>(mtu >> (24 - 8 * i));
  return ipv6 ? icmpv6(message, kPeer, kUs) : icmp(message);
}

TEST(Icmp, TooBigTellsTheMtuAndWhatItQuotes) {
  struct Case {
    uint32_t field;
    uint16_t ipv4;
    uint16_t ipv6;
  };
  // RFC 1191 leaves the upper half of the field unused; old routers leave all of it zero.
  for (const Case& c : {Case{0, 0, 0}, Case{1280, 1280, 1280}, Case{0xabcd0500, 0x0500, 0xffff},
                        Case{0xffff, 0xffff, 0xffff}, Case{0x10000, 0, 0xffff}}) {
    const Bytes message = with_mtu(quoting_ipv4(3, 4), c.field, false);
    ASSERT_EQ(classify_icmp(message), IcmpKind::kOther);
    const auto error = parse_icmp_error(message, false);
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->kind, IcmpErrorKind::kTooBig);
    EXPECT_EQ(error->mtu, c.ipv4);
    EXPECT_EQ(error->sent.source, ip("192.0.2.1"));
    EXPECT_EQ(error->sent.destination, ip("192.0.2.77"));
    EXPECT_EQ(error->sent.bytes.size(), 16u);
    const Bytes message6 = with_mtu(quoting_ipv6(2, 0), c.field, true);
    ASSERT_EQ(classify_icmpv6(message6, ip(kPeer), ip(kUs)), IcmpKind::kOther);
    const auto error6 = parse_icmp_error(message6, true);
    ASSERT_TRUE(error6.has_value());
    EXPECT_EQ(error6->kind, IcmpErrorKind::kTooBig);
    EXPECT_EQ(error6->mtu, c.ipv6);
    EXPECT_EQ(error6->sent.bytes.size(), 16u);
  }
  EXPECT_TRUE(parse_icmp_error(quoting_ipv6(2, 9), true).has_value()) << "the code means nothing";
  EXPECT_FALSE(parse_icmp_error(quoting_ipv4(3, 3), false).has_value());
  EXPECT_FALSE(parse_icmp_error(quoting_ipv4(2, 0), false).has_value());
  EXPECT_FALSE(parse_icmp_error(quoting_ipv6(3, 4), true).has_value());
}

TEST(Icmp, AQuoteIsReadBehindOptionsAndExtensionHeaders) {
  Bytes packet{0x47, 0, 0, 36, 0, 0, 0x40, 0, 64, 132, 0, 0};
  add(packet, ip("192.0.2.1"));
  add(packet, ip("192.0.2.77"));
  add(packet, Bytes{7, 7, 4, 0, 0, 0, 0, 1});  // record route
  for (uint8_t i = 0; i < 8; ++i) packet.push_back(i);
  Bytes message{3, 4, 0, 0, 0, 0, 5, 0};
  add(message, packet);
  const Bytes whole = icmp(message);
  const auto error = parse_icmp_error(whole, false);
  ASSERT_TRUE(error.has_value());
  ASSERT_EQ(error->sent.bytes.size(), 8u);
  EXPECT_EQ(error->sent.bytes[7], 7);

  const auto quoting = [](unsigned next, const Bytes& headers) {
    Bytes out{2, 0, 0, 0, 0, 0, 5, 0, 0x60, 0, 0, 0, 0x10, 0, static_cast<uint8_t>(next), 64};
    add(out, ip(kUs));
    add(out, ip(kPeer));
    add(out, headers);
    add(out, Bytes{0, 1, 2, 3, 4, 5, 6, 7});
    return icmpv6(out, kPeer, kUs);
  };
  const Bytes options = quoting(60, {132, 0, 1, 4, 0, 0, 0, 0});
  ASSERT_TRUE(parse_icmp_error(options, true).has_value());
  EXPECT_EQ(parse_icmp_error(options, true)->sent.bytes.size(), 8u);
  EXPECT_EQ(parse_icmp_error(options, true)->sent.bytes[0], 0);
  const Bytes first = quoting(44, {132, 0, 0, 1, 9, 9, 9, 9});
  ASSERT_TRUE(parse_icmp_error(first, true).has_value()) << "our own first fragment";
  EXPECT_EQ(parse_icmp_error(first, true)->sent.bytes.size(), 8u);
  const Bytes later = quoting(44, {132, 0, 0, 9, 9, 9, 9, 9});
  EXPECT_FALSE(parse_icmp_error(later, true).has_value()) << "which has no ports";
  // No quote keeps the reader busy for long.
  for (const size_t headers : {8u, 9u}) {
    Bytes many;
    for (size_t i = 1; i <= headers; ++i)
      add(many, Bytes{static_cast<uint8_t>(i == headers ? 132 : 60), 0, 1, 4, 0, 0, 0, 0});
    EXPECT_EQ(parse_icmp_error(quoting(60, many), true).has_value(), headers == 8) << headers;
  }
  // Cut within the headers.
  for (size_t size = 8; size < 8 + 40 + 8; ++size) {
    Bytes cut(options.begin(), options.begin() + static_cast<long>(size));
    EXPECT_FALSE(parse_icmp_error(cut, true).has_value()) << size;
    cut.assign(first.begin(), first.begin() + static_cast<long>(size));
    EXPECT_FALSE(parse_icmp_error(cut, true).has_value()) << size;
  }
}

TEST(Icmpv6, EchoReply) {
  Bytes message = icmpv6({128, 0, 0, 0, 0x12, 0x34, 0, 1, 'x', 'y', 'z'}, kPeer, kUs);
  ASSERT_EQ(classify_icmpv6(message, ip(kPeer), ip(kUs)), IcmpKind::kEcho);
  make_echo_reply_v6(message, ip(kUs), ip(kPeer));
  EXPECT_EQ(message, icmpv6({129, 0, 0, 0, 0x12, 0x34, 0, 1, 'x', 'y', 'z'}, kUs, kPeer));
}

TEST(Icmpv6, ChecksumCoversTheAddresses) {
  const Bytes message = icmpv6({128, 0, 0, 0, 0, 0, 0, 0}, kPeer, kUs);
  EXPECT_EQ(classify_icmpv6(message, ip(kPeer), ip("2001:db8::2")), IcmpKind::kMalformed);
  EXPECT_EQ(classify_icmpv6(icmpv6(solicitation(), kPeer, kUs), ip(kPeer), ip(kUs)),
            IcmpKind::kNeighborMessage);
}

TEST(Neighbor, Solicitation) {
  const auto message = parse_neighbor_message(solicitation(), ip(kPeer), ip(kUs), 255);
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->solicitation);
  EXPECT_EQ(message->target, ip(kUs));
  EXPECT_EQ(message->link_address, kPeerMac);
  EXPECT_FALSE(parse_neighbor_message(solicitation(false), ip(kPeer), ip(kUs), 255)->link_address);
}

TEST(Neighbor, Advertisement) {
  const auto message = parse_neighbor_message(advertisement(0xe0), ip(kPeer), ip(kUs), 255);
  ASSERT_TRUE(message.has_value());
  EXPECT_FALSE(message->solicitation);
  EXPECT_EQ(message->target, ip(kPeer));
  EXPECT_EQ(message->link_address, kPeerMac);
  EXPECT_TRUE(message->router && message->solicited && message->override_cache);
  const auto plain = parse_neighbor_message(advertisement(0x20), ip(kPeer), ip(kUs), 255);
  EXPECT_FALSE(plain->router || plain->solicited);
  EXPECT_TRUE(plain->override_cache);
}

TEST(Neighbor, WhatSection71Refuses) {
  const auto refused = [](const Bytes& message, std::string_view source = kPeer,
                          std::string_view destination = kUs, uint8_t hop_limit = 255) {
    return !parse_neighbor_message(message, ip(source), ip(destination), hop_limit).has_value();
  };
  EXPECT_TRUE(refused(solicitation(), kPeer, kUs, 254));  // came through a router
  for (size_t length = 0; length < 32; ++length) {
    const Bytes whole = solicitation();
    if (length == 24) continue;  // without its option
    EXPECT_TRUE(refused(Bytes(whole.begin(), whole.begin() + static_cast<long>(length)))) << length;
  }
  Bytes code = solicitation();
  code[1] = 1;
  EXPECT_TRUE(refused(code));
  Bytes group = solicitation();
  group[8] = 0xff;
  EXPECT_TRUE(refused(group));
  Bytes zero_option = solicitation();
  zero_option[25] = 0;
  EXPECT_TRUE(refused(zero_option));
  Bytes long_option = solicitation();
  long_option[25] = 2;
  EXPECT_TRUE(refused(long_option));
  Bytes group_mac = solicitation();
  group_mac[26] |= 1;
  EXPECT_TRUE(refused(group_mac));
  EXPECT_TRUE(refused(advertisement(0x60), kPeer, "ff02::1"));  // solicited, to all
  EXPECT_FALSE(refused(advertisement(0x20), kPeer, "ff02::1"));
  // Duplicate address detection.
  EXPECT_FALSE(refused(solicitation(false), "::", "ff02::1:ff00:1"));
  EXPECT_TRUE(refused(solicitation(true), "::", "ff02::1:ff00:1"));
  EXPECT_TRUE(refused(solicitation(false), "::", kUs));
}

TEST(Neighbor, UnknownOptionsAreSkipped) {
  Bytes message = solicitation(false);
  add(message, Bytes{14, 1, 1, 2, 3, 4, 5, 6});  // nonce
  message.push_back(1);
  message.push_back(1);
  add(message, kPeerMac);
  const auto parsed = parse_neighbor_message(message, ip(kPeer), ip(kUs), 255);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->link_address, kPeerMac);
}

TEST(Neighbor, BuiltAndReadBack) {
  for (const bool solicit : {false, true}) {
    for (const bool with_mac : {false, true}) {
      NeighborMessage what{solicit, ip(kPeer), std::nullopt, false, !solicit, true};
      if (with_mac) what.link_address = kOurMac;
      Bytes out(64);
      out.resize(build_neighbor_message(what, ip(kUs), ip(kPeer), out));
      EXPECT_EQ(out.size(), with_mac ? 32u : 24u);
      EXPECT_EQ(out, icmpv6(out, kUs, kPeer));  // the checksum
      const auto parsed = parse_neighbor_message(out, ip(kUs), ip(kPeer), 255);
      ASSERT_TRUE(parsed.has_value());
      EXPECT_EQ(parsed->solicitation, solicit);
      EXPECT_EQ(parsed->target, what.target);
      EXPECT_EQ(parsed->link_address, what.link_address);
      EXPECT_EQ(parsed->solicited, what.solicited);
    }
  }
}

}  // namespace
}  // namespace trunkline::net
