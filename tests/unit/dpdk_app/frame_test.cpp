// SPDX-License-Identifier: BSD-3-Clause
// Parsing of frames: every header, cut at every length, and every reason to drop; then the rules
// about addresses.
#include "net/frame.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "net/input.h"
#include "net_helpers.h"

namespace trunkline::net {
namespace {

const Bytes kPayload{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc};

// A copy in a heap block of exactly that size, so that a sanitizer sees any read beyond it.
Frame parse(const Bytes& bytes, uint16_t vlan = 0, bool good = false) {
  const auto exact = std::make_unique<uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), exact.get());
  return parse_frame({exact.get(), bytes.size()}, vlan, good);
}

void expect_drop(const Bytes& bytes, NetCounter why, uint16_t vlan = 0) {
  const Frame frame = parse(bytes, vlan);
  EXPECT_EQ(frame.kind, FrameKind::kDropped);
  EXPECT_EQ(kNetCounterInfo[static_cast<size_t>(frame.drop)].name,
            kNetCounterInfo[static_cast<size_t>(why)].name);
}

TEST(Frame, Ipv4) {
  const Frame frame = parse(ipv4_frame(kPayload));
  ASSERT_EQ(frame.kind, FrameKind::kSctp);
  EXPECT_EQ(frame.source, ip("192.0.2.77"));
  EXPECT_EQ(frame.destination, ip("192.0.2.1"));
  EXPECT_EQ(frame.source_mac, kPeerMac);
  EXPECT_EQ(frame.destination_mac, kOurMac);
  EXPECT_EQ(frame.hop_limit, 64);
  EXPECT_EQ(frame.traffic_class, 0xa0);
  EXPECT_EQ(frame.payload_offset, 34);
  EXPECT_EQ(frame.payload_length, kPayload.size());
}

TEST(Frame, Ipv6) {
  const Frame frame = parse(ipv6_frame(132, kPayload));
  ASSERT_EQ(frame.kind, FrameKind::kSctp);
  EXPECT_EQ(frame.source, ip("2001:db8::77"));
  EXPECT_EQ(frame.destination, ip("2001:db8::1"));
  EXPECT_EQ(frame.payload_offset, 54);
  EXPECT_EQ(frame.payload_length, kPayload.size());
}

TEST(Frame, CutAtEveryLengthIsDropped) {
  Ipv4Options tagged;
  tagged.vlan = 7;
  for (const auto& [whole, vlan] :
       {std::pair{ipv4_frame(kPayload), 0}, std::pair{ipv6_frame(132, kPayload), 0},
        std::pair{ipv4_frame(kPayload, tagged), 7}}) {
    for (size_t length = 0; length < whole.size(); ++length) {
      const Frame frame = parse(Bytes(whole.begin(), whole.begin() + static_cast<long>(length)),
                                static_cast<uint16_t>(vlan));
      EXPECT_EQ(frame.kind, FrameKind::kDropped) << length;
    }
    EXPECT_EQ(parse(whole, static_cast<uint16_t>(vlan)).kind, FrameKind::kSctp);
  }
}

TEST(Frame, EthernetPaddingIsNotPayload) {
  for (Bytes frame : {ipv4_frame({1, 2, 3, 4}), ipv6_frame(132, {1, 2, 3, 4})}) {
    frame.resize(frame.size() + 18);
    EXPECT_EQ(parse(frame).payload_length, 4);
  }
}

TEST(Frame, LengthsThatLie) {
  for (const int change : {1, 1000, -static_cast<int>(kPayload.size()) - 1}) {
    Ipv4Options how;
    how.length_change = change;
    expect_drop(ipv4_frame(kPayload, how), NetCounter::k_drop_ip_header);
  }
  Ipv4Options shorter;
  shorter.length_change = -4;  // the rest is padding
  EXPECT_EQ(parse(ipv4_frame(kPayload, shorter)).payload_length, kPayload.size() - 4);
  Bytes short_header = ipv4_frame(kPayload);
  short_header[14] = 0x44;
  expect_drop(short_header, NetCounter::k_drop_ip_header);
  Bytes long_header = ipv4_frame(kPayload);
  long_header[14] = 0x4f;
  expect_drop(long_header, NetCounter::k_drop_ip_header);
  Bytes version = ipv4_frame(kPayload);
  version[14] = 0x65;
  expect_drop(version, NetCounter::k_drop_ip_header);
  expect_drop(ipv6_frame(132, kPayload, 1), NetCounter::k_drop_ip_header);
  EXPECT_EQ(parse(ipv6_frame(132, kPayload, -4)).payload_length, kPayload.size() - 4);
}

TEST(Frame, Ipv4Checksum) {
  Ipv4Options how;
  how.bad_checksum = true;
  expect_drop(ipv4_frame(kPayload, how), NetCounter::k_drop_ip_checksum);
  EXPECT_EQ(parse(ipv4_frame(kPayload, how), 0, true).kind, FrameKind::kSctp);  // the port said so
}

TEST(Frame, Ipv4OptionsAreSkipped) {
  Ipv4Options how;
  how.options = {7, 7, 4, 0, 0, 0, 0, 1};  // record route
  const Frame frame = parse(ipv4_frame(kPayload, how));
  EXPECT_EQ(frame.kind, FrameKind::kSctp);
  EXPECT_EQ(frame.payload_offset, 42);
  EXPECT_EQ(frame.payload_length, kPayload.size());
  for (const int source_route : {131, 137}) {
    how.options = {1, static_cast<uint8_t>(source_route), 7, 4, 0, 0, 0, 0};
    expect_drop(ipv4_frame(kPayload, how), NetCounter::k_drop_source_route);
  }
  how.options = {0, 131, 0, 0};  // behind the end of options
  EXPECT_EQ(parse(ipv4_frame(kPayload, how)).kind, FrameKind::kSctp);
}

// Whoever reads them differently may find a source route behind a length that does not add up.
TEST(Frame, Ipv4OptionsThatAreMalformed) {
  Ipv4Options how;
  for (const Bytes& options :
       {Bytes{7, 0, 131, 3}, Bytes{7, 1, 131, 3}, Bytes{7, 5, 0, 0}, Bytes{1, 1, 1, 7},
        Bytes{1, 1, 1, 131 ^ 1}, Bytes{68, 255, 0, 0}, Bytes{148, 4, 0, 0, 7, 200, 137, 3}}) {
    how.options = options;
    expect_drop(ipv4_frame(kPayload, how), NetCounter::k_drop_ip_options);
    how.fragment = 0x2000;  // a fragment hides it no better
    expect_drop(ipv4_frame(kPayload, how), NetCounter::k_drop_ip_options);
    how.fragment = 0;
  }
  how.options = {1, 1, 1, 131};  // its type alone, without a length
  expect_drop(ipv4_frame(kPayload, how), NetCounter::k_drop_source_route);
  how.options = {148, 4, 0, 0};  // router alert: fits to the byte
  EXPECT_EQ(parse(ipv4_frame(kPayload, how)).kind, FrameKind::kSctp);
}

TEST(Frame, Ipv6OptionsThatAreMalformedOrMayNotBeSkipped) {
  const auto drop = [](Bytes header, unsigned which) {
    add(header, kPayload);
    expect_drop(ipv6_frame(which, header), NetCounter::k_drop_ip_options);
  };
  for (const unsigned which : {0u, 60u}) {
    drop({132, 0, 1, 5, 0, 0, 0, 0}, which);  // one byte too long
    drop({132, 0, 1, 3, 0, 0, 0, 1}, which);  // a type without a length
    drop({132, 0, 0x3e, 200, 0, 0, 0, 0}, which);
    for (const unsigned action : {0x40u, 0x80u, 0xc0u}) {  // RFC 8200 section 4.2
      drop({132, 0, static_cast<uint8_t>(action | 9u), 4, 0, 0, 0, 0}, which);
    }
    Bytes unknown{132, 0, 0x1e, 2, 0, 0, 0, 0};  // may be skipped; then two of Pad1
    add(unknown, kPayload);
    EXPECT_EQ(parse(ipv6_frame(which, unknown)).kind, FrameKind::kSctp);
  }
  // Mobile IP's home address (RFC 6275 section 6.3): the packet would be another one's.
  Bytes home{132, 2, 1, 2, 0, 0, 201, 16};
  home.resize(24, 0x20);
  drop(home, 60);
}

TEST(Frame, NoTimeLeftToLive) {
  Bytes four = ipv4_frame(kPayload);
  four[22] = 0;
  expect_drop(four, NetCounter::k_drop_ip_checksum);
  Frame known_good = parse(four, 0, true);
  EXPECT_EQ(known_good.kind, FrameKind::kDropped);
  EXPECT_EQ(known_good.drop, NetCounter::k_drop_ttl);
  four[22] = 1;
  EXPECT_EQ(parse(four, 0, true).kind, FrameKind::kSctp);
  for (const unsigned protocol : {132u, 58u}) {
    expect_drop(ipv6_frame(protocol, kPayload, 0, "2001:db8::77", "2001:db8::1", 0),
                NetCounter::k_drop_ttl);
  }
  EXPECT_EQ(parse(ipv6_frame(132, kPayload, 0, "2001:db8::77", "2001:db8::1", 1)).kind,
            FrameKind::kSctp);
}

TEST(Frame, Ipv4Fragments) {
  struct Case {
    unsigned bits;
    uint16_t offset;
    bool more;
  };
  for (const Case& c : {Case{0x2000, 0, true}, Case{0x0001, 8, false}, Case{0x2010, 128, true},
                        Case{0x1fff, 65528, false}, Case{0x6001, 8, true}}) {
    Ipv4Options how;
    how.fragment = c.bits;
    Bytes bytes = ipv4_frame(kPayload, how);
    const Frame frame = parse(bytes);
    ASSERT_EQ(frame.kind, FrameKind::kFragment) << c.bits;
    EXPECT_EQ(frame.fragment_offset, c.offset);
    EXPECT_EQ(frame.more_fragments, c.more);
    EXPECT_EQ(frame.fragment_protocol, 132);
    EXPECT_EQ(frame.header_length, 20);
    EXPECT_EQ(frame.payload_offset, 34);
    EXPECT_EQ(frame.payload_length, kPayload.size());
  }
  Ipv4Options whole;
  whole.fragment = 0x4000;  // DF
  EXPECT_EQ(parse(ipv4_frame(kPayload, whole)).kind, FrameKind::kSctp);
  Ipv4Options other;
  other.fragment = 0x2000;
  for (const unsigned protocol : {1u, 17u, 60u}) {
    other.protocol = protocol;
    expect_drop(ipv4_frame(kPayload, other), NetCounter::k_drop_fragment_protocol);
  }
}

Bytes fragment_header(unsigned next, unsigned offset_and_more) {
  return {static_cast<uint8_t>(next),
          0,
          static_cast<uint8_t>(offset_and_more >> 8),
          static_cast<uint8_t>(offset_and_more),
          0xde,
          0xad,
          0xbe,
          0xef};
}

TEST(Frame, Ipv6Fragments) {
  Bytes first = fragment_header(132, 1);
  add(first, kPayload);
  Frame frame = parse(ipv6_frame(44, first));
  ASSERT_EQ(frame.kind, FrameKind::kFragment);
  EXPECT_EQ(frame.fragment_id, 0xdeadbeef);
  EXPECT_EQ(frame.fragment_offset, 0);
  EXPECT_TRUE(frame.more_fragments);
  EXPECT_EQ(frame.header_length, 0);
  EXPECT_EQ(frame.payload_offset, 62);
  EXPECT_EQ(frame.payload_length, kPayload.size());
  // Behind options; options may also be in the part that was fragmented.
  Bytes later{44, 0, 1, 4, 0, 0, 0, 0};
  add(later, fragment_header(60, 0xfff8));
  add(later, kPayload);
  frame = parse(ipv6_frame(0, later));
  ASSERT_EQ(frame.kind, FrameKind::kFragment);
  EXPECT_EQ(frame.fragment_offset, 65528);
  EXPECT_FALSE(frame.more_fragments);
  EXPECT_EQ(frame.fragment_protocol, 60);
  EXPECT_EQ(frame.header_length, 8);
  for (size_t length = 0; length < 16; ++length) {
    expect_drop(ipv6_frame(0, Bytes(later.begin(), later.begin() + static_cast<long>(length))),
                NetCounter::k_drop_extension_header);
  }
  Bytes other = fragment_header(58, 1);
  add(other, kPayload);
  expect_drop(ipv6_frame(44, other), NetCounter::k_drop_fragment_protocol);
}

// RFC 6946: a fragment that is all of its packet needs no others.
TEST(Frame, Ipv6AtomicFragmentIsAPacket) {
  for (const unsigned reserved : {0u, 2u, 6u}) {
    Bytes atomic = fragment_header(132, reserved);
    add(atomic, kPayload);
    const Frame frame = parse(ipv6_frame(44, atomic));
    ASSERT_EQ(frame.kind, FrameKind::kSctp);
    EXPECT_EQ(frame.payload_offset, 62);
    EXPECT_EQ(frame.payload_length, kPayload.size());
  }
  Bytes twice = fragment_header(44, 0);
  add(twice, fragment_header(132, 0));
  add(twice, kPayload);
  expect_drop(ipv6_frame(44, twice), NetCounter::k_drop_extension_header);
  twice[3] = 0;
  twice[11] = 1;
  expect_drop(ipv6_frame(44, twice), NetCounter::k_drop_extension_header);
}

TEST(Frame, SctpBehindHeadersOfTheFragmentedPart) {
  EXPECT_EQ(find_sctp(132, kPayload), 0u);
  EXPECT_EQ(find_sctp(132, {}), 0u);
  Bytes options{132, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(find_sctp(60, options), 16u);
  for (size_t length = 0; length < options.size(); ++length) {
    EXPECT_EQ(find_sctp(60, std::span(options).first(length)), std::nullopt) << length;
  }
  EXPECT_EQ(find_sctp(0, options), std::nullopt) << "hop-by-hop options stay in front";
  EXPECT_EQ(find_sctp(44, fragment_header(132, 0)), std::nullopt);
  EXPECT_EQ(find_sctp(6, kPayload), std::nullopt);
}

TEST(Frame, Ipv6ExtensionHeaders) {
  Bytes chain{60, 0, 1, 4, 0, 0, 0, 0};                                 // hop by hop, then ...
  add(chain, Bytes{43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});  // destination options
  add(chain, Bytes{132, 0, 0, 0, 0, 0, 0, 0});                          // routing, 0 left
  const size_t headers = chain.size();
  add(chain, kPayload);
  const Frame frame = parse(ipv6_frame(0, chain));
  ASSERT_EQ(frame.kind, FrameKind::kSctp);
  EXPECT_EQ(frame.payload_offset, 54 + headers);
  EXPECT_EQ(frame.payload_length, kPayload.size());
  // Cut anywhere within the headers (the IPv6 length is adapted).
  for (size_t length = 0; length < headers; ++length) {
    expect_drop(ipv6_frame(0, Bytes(chain.begin(), chain.begin() + static_cast<long>(length))),
                NetCounter::k_drop_extension_header);
  }
}

TEST(Frame, Ipv6ExtensionHeadersThatAreRefused) {
  Bytes left{132, 0, 0, 1, 0, 0, 0, 0};
  add(left, kPayload);
  expect_drop(ipv6_frame(43, left), NetCounter::k_drop_source_route);
  Bytes late{0, 0, 1, 4, 0, 0, 0, 0, 132, 0, 1, 4, 0, 0, 0, 0};  // hop by hop in second place
  add(late, kPayload);
  expect_drop(ipv6_frame(60, late), NetCounter::k_drop_extension_header);
  Bytes beyond{132, 200, 1, 4, 0, 0, 0, 0};
  add(beyond, kPayload);
  expect_drop(ipv6_frame(60, beyond), NetCounter::k_drop_extension_header);
  Bytes many;
  for (int i = 0; i < 9; ++i)
    add(many, Bytes{static_cast<uint8_t>(i == 8 ? 132 : 60), 0, 1, 4, 0, 0, 0, 0});
  add(many, kPayload);
  expect_drop(ipv6_frame(60, many), NetCounter::k_drop_extension_header);
}

TEST(Frame, OtherProtocols) {
  Ipv4Options how;
  how.protocol = 6;
  expect_drop(ipv4_frame(kPayload, how), NetCounter::k_drop_ip_protocol);
  how.protocol = 58;  // ICMPv6 over IPv4
  expect_drop(ipv4_frame(kPayload, how), NetCounter::k_drop_ip_protocol);
  how.protocol = 1;
  EXPECT_EQ(parse(ipv4_frame(kPayload, how)).kind, FrameKind::kIcmp);
  expect_drop(ipv6_frame(1, kPayload), NetCounter::k_drop_ip_protocol);
  expect_drop(ipv6_frame(59, kPayload), NetCounter::k_drop_ip_protocol);
  EXPECT_EQ(parse(ipv6_frame(58, kPayload)).kind, FrameKind::kIcmpv6);
  Bytes other = ethernet(0x88cc);
  add(other, kPayload);
  expect_drop(other, NetCounter::k_drop_ethertype);
}

TEST(Frame, Vlan) {
  Ipv4Options tagged;
  tagged.vlan = 101;
  const Frame frame = parse(ipv4_frame(kPayload, tagged), 101);
  ASSERT_EQ(frame.kind, FrameKind::kSctp);
  EXPECT_EQ(frame.l3_offset, 18);
  expect_drop(ipv4_frame(kPayload, tagged), NetCounter::k_drop_wrong_vlan, 0);
  expect_drop(ipv4_frame(kPayload, tagged), NetCounter::k_drop_wrong_vlan, 102);
  expect_drop(ipv4_frame(kPayload), NetCounter::k_drop_wrong_vlan, 101);
  tagged.vlan = 0xa065;  // priority 5, VLAN 101
  EXPECT_EQ(parse(ipv4_frame(kPayload, tagged), 101).kind, FrameKind::kSctp);
  tagged.vlan = 0xa000;  // a priority tag: VLAN 0
  EXPECT_EQ(parse(ipv4_frame(kPayload, tagged), 0).kind, FrameKind::kSctp);
}

TEST(Input, WhoMayPass) {
  const RouteTable routes({local_port()});
  const LocalPort& port = routes.port(0);
  const auto judge = [&](const Bytes& bytes) {
    return judge_addresses(parse(bytes), port, routes);
  };
  EXPECT_EQ(judge(ipv4_frame(kPayload)), std::nullopt);
  EXPECT_EQ(judge(ipv6_frame(132, kPayload)), std::nullopt);
  EXPECT_EQ(judge(ipv4_frame(kPayload, {}, "192.0.2.77", "192.0.2.2")),
            NetCounter::k_drop_not_our_address);
  for (const char* source : {"224.0.0.1", "255.255.255.255", "0.0.0.0", "127.0.0.1"}) {
    EXPECT_EQ(judge(ipv4_frame(kPayload, {}, source)), NetCounter::k_drop_ip_source) << source;
  }
  for (const char* source : {"ff02::1", "::", "::1"}) {
    EXPECT_EQ(judge(ipv6_frame(132, kPayload, 0, source)), NetCounter::k_drop_ip_source) << source;
  }
  // What we send to ourselves is on no wire (RFC 1122 section 3.2.1.3).
  for (const char* destination : {"127.0.0.1", "127.0.0.5"}) {
    EXPECT_EQ(judge(ipv4_frame(kPayload, {}, "192.0.2.77", destination)),
              NetCounter::k_drop_not_our_address);
  }
  EXPECT_EQ(judge(ipv6_frame(132, kPayload, 0, "2001:db8::77", "::1")),
            NetCounter::k_drop_not_our_address);
  EXPECT_EQ(judge(ipv4_frame(kPayload, {}, "192.0.2.1")), NetCounter::k_drop_own_source);
  EXPECT_EQ(judge(ipv6_frame(132, kPayload, 0, "2001:db8::1")), NetCounter::k_drop_own_source);
  // A group is for Neighbor Discovery only.
  EXPECT_EQ(judge(ipv6_frame(132, kPayload, 0, "2001:db8::77", "ff02::1")),
            NetCounter::k_drop_not_our_address);
  EXPECT_EQ(judge(ipv6_frame(58, kPayload, 0, "2001:db8::77", "ff02::1")), std::nullopt);
  EXPECT_EQ(judge(ipv6_frame(58, kPayload, 0, "::", "ff02::1:ff00:1")), std::nullopt);
  EXPECT_EQ(judge(ipv6_frame(58, kPayload, 0, "2001:db8::77", "ff02::1:ff00:2")),
            NetCounter::k_drop_not_our_address);
  // To another station, on a promiscuous port.
  EXPECT_EQ(judge(ipv6_frame(132, kPayload, 0, "2001:db8::77", "2001:db8::1", 64, mac(9))),
            NetCounter::k_drop_not_our_mac);
}

// RFC 1122 section 3.3.6: what is for one station does not come to all of them.
TEST(Input, WhatIsForOneDoesNotComeToMany) {
  const RouteTable routes({local_port()});
  const auto judge = [&](Bytes bytes, const MacAddress& to) {
    std::copy(to.bytes.begin(), to.bytes.end(), bytes.begin());
    return judge_addresses(parse(bytes), routes.port(0), routes);
  };
  const MacAddress group{{0x01, 0x00, 0x5e, 0, 0, 1}};
  Ipv4Options ping;
  ping.protocol = 1;
  Ipv4Options fragment;
  fragment.fragment = 0x2000;
  for (const MacAddress& many : {MacAddress::broadcast(), group, multicast_mac(ip("ff02::1"))}) {
    EXPECT_EQ(judge(ipv4_frame(kPayload), many), NetCounter::k_drop_group_mac);
    EXPECT_EQ(judge(ipv4_frame(kPayload, ping), many), NetCounter::k_drop_group_mac);
    EXPECT_EQ(judge(ipv4_frame(kPayload, fragment), many), NetCounter::k_drop_group_mac);
    EXPECT_EQ(judge(ipv6_frame(132, kPayload), many), NetCounter::k_drop_group_mac);
    EXPECT_EQ(judge(ipv6_frame(58, kPayload), many), NetCounter::k_drop_group_mac);
  }
  // Neighbor Discovery comes to the group that it speaks to, and to no other.
  const Bytes solicit = ipv6_frame(58, kPayload, 0, "2001:db8::77", "ff02::1:ff00:1");
  EXPECT_EQ(judge(solicit, multicast_mac(ip("ff02::1:ff00:1"))), std::nullopt);
  EXPECT_EQ(judge(solicit, kOurMac), std::nullopt);  // RFC 6085
  EXPECT_EQ(judge(solicit, multicast_mac(ip("ff02::1"))), NetCounter::k_drop_group_mac);
  EXPECT_EQ(judge(solicit, MacAddress::broadcast()), NetCounter::k_drop_group_mac);
  // ARP asks all or one.
  const Bytes question = arp_frame(1, "192.0.2.77", "192.0.2.1");
  EXPECT_EQ(judge(question, MacAddress::broadcast()), std::nullopt);
  EXPECT_EQ(judge(question, kOurMac), std::nullopt);
  EXPECT_EQ(judge(question, group), NetCounter::k_drop_group_mac);
  // A group that is not ours is not ours, whatever the frame.
  EXPECT_EQ(
      judge(ipv6_frame(58, kPayload, 0, "2001:db8::77", "ff02::16"), multicast_mac(ip("ff02::16"))),
      NetCounter::k_drop_not_our_address);
}

// A reply to a group would make one frame into many.
TEST(Input, NoFrameComesFromAGroup) {
  const RouteTable routes({local_port()});
  for (const MacAddress& many : {MacAddress::broadcast(), multicast_mac(ip("ff02::1"))}) {
    for (Bytes bytes : {ipv4_frame(kPayload), ipv6_frame(58, kPayload),
                        arp_frame(1, "192.0.2.77", "192.0.2.1")}) {
      std::copy(many.bytes.begin(), many.bytes.end(), bytes.begin() + 6);
      EXPECT_EQ(judge_addresses(parse(bytes), routes.port(0), routes),
                NetCounter::k_drop_source_mac);
    }
  }
}

TEST(Input, NoHostHasAPrefixsBroadcastOrNetworkAddress) {
  LocalPort other;
  other.mac = mac(2);
  other.prefixes = {{ip("198.51.100.65"), 26}, {ip("203.0.113.4"), 31}, {ip("203.0.113.9"), 32}};
  const RouteTable routes({local_port(), other});
  Ipv4Options how;
  const auto judge = [&](std::string_view source) {
    return judge_addresses(parse(ipv4_frame(kPayload, how, source)), routes.port(0), routes);
  };
  for (const unsigned protocol : {132u, 1u}) {
    how.protocol = protocol;
    for (const char* source : {"192.0.2.0", "192.0.2.255", "198.51.100.64", "198.51.100.127"}) {
      EXPECT_EQ(judge(source), NetCounter::k_drop_subnet_source) << source;
    }
    for (const char* source : {"192.0.2.254", "192.0.3.255", "192.0.1.0", "198.51.100.63",
                               "198.51.100.128", "203.0.113.5", "203.0.113.8"}) {
      EXPECT_EQ(judge(source), std::nullopt) << source;
    }
  }
}

// Random changes of good frames: never a crash, and a payload always lies within the frame.
TEST(Frame, RandomDamage) {
  uint32_t state = 12345;
  const auto next = [&] { return state = state * 1664525u + 1013904223u; };
  Bytes chain{132, 0, 1, 4, 0, 0, 0, 0};
  add(chain, kPayload);
  const Bytes bases[] = {ipv4_frame(kPayload), ipv6_frame(0, chain),
                         arp_frame(1, "192.0.2.77", "192.0.2.1")};
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = bases[next() % 3];
    for (uint32_t changes = next() % 4; changes-- > 0;) {
      bytes[(next() >> 8) % bytes.size()] = static_cast<uint8_t>(next() >> 16);
    }
    bytes.resize((next() >> 8) % (bytes.size() + 1));
    const Frame frame = parse(bytes, 0, true);
    if (frame.kind == FrameKind::kDropped) continue;
    ASSERT_LE(static_cast<size_t>(frame.payload_offset) + frame.payload_length, bytes.size());
  }
}

}  // namespace
}  // namespace trunkline::net
