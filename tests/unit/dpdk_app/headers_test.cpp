// SPDX-License-Identifier: BSD-3-Clause
// Headers that we send: byte for byte, and read back by the parser.
#include "net/headers.h"

#include <gtest/gtest.h>

#include "net/arp.h"
#include "net/bytes.h"
#include "net/frame.h"
#include "net_helpers.h"

namespace trunkline::net {
namespace {

TEST(Headers, ChecksumOfRfc1071) {
  const Bytes example{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(checksum_fold(checksum_add(example)), static_cast<uint16_t>(~0xddf2));
  const Bytes odd{0x01, 0x02, 0x03};
  EXPECT_EQ(checksum_fold(checksum_add(odd)), static_cast<uint16_t>(~0x0402));
  EXPECT_EQ(slow_checksum(example), checksum_fold(checksum_add(example)));
}

TEST(Headers, Ipv4TemplateByteForByte) {
  const IpFields fields{ip("192.0.2.1"), ip("192.0.2.77"), kProtocolSctp, 0, 64};
  const HeaderTemplate header(kPeerMac, kOurMac, 0, fields);
  ASSERT_EQ(header.size(), 34u);
  Bytes out(34);
  header.write(out.data(), 100, 40);
  const Bytes wanted{0x02, 0,    0,    0,    0, 0x77, 0x02, 0, 0,    0, 0,  0x01,
                     0x08, 0x00, 0x45, 0xa0, 0, 120,  0,    0, 0x40, 0, 64, 132,
                     0xb5, 0x9c, 192,  0,    2, 1,    192,  0, 2,    77};
  Bytes ip_header(out.begin() + 14, out.end());
  EXPECT_EQ(slow_checksum(ip_header), 0);
  out[24] = wanted[24];  // the sum was verified above
  out[25] = wanted[25];
  EXPECT_EQ(out, wanted);
}

TEST(Headers, TemplateIsReadBackForEveryLengthAndDscp) {
  for (const uint16_t vlan : {uint16_t{0}, uint16_t{101}}) {
    for (const bool v6 : {false, true}) {
      const IpFields fields{ip(v6 ? "2001:db8::1" : "192.0.2.1"),
                            ip(v6 ? "2001:db8::77" : "192.0.2.77"), kProtocolSctp, 0, 64};
      const HeaderTemplate header(kPeerMac, kOurMac, vlan, fields);
      ASSERT_EQ(header.size(), 14u + (vlan != 0 ? 4u : 0u) + (v6 ? 40u : 20u));
      for (unsigned dscp = 0; dscp < 64; ++dscp) {
        const size_t length = 12 + dscp * 20;
        Bytes out(header.size() + length);
        header.write(out.data(), length, static_cast<uint8_t>(dscp));
        const Frame frame = parse_frame(out, vlan, false);  // checks the IPv4 checksum
        ASSERT_EQ(frame.kind, FrameKind::kSctp) << dscp;
        EXPECT_EQ(frame.payload_length, length);
        EXPECT_EQ(frame.traffic_class >> 2, static_cast<int>(dscp));
        EXPECT_EQ(frame.traffic_class & 3, 0);  // no ECN
        EXPECT_EQ(frame.source, fields.source);
        EXPECT_EQ(frame.destination, fields.destination);
      }
    }
  }
}

TEST(Headers, DscpIsWhereIpv4AndIpv6HaveIt) {
  constexpr uint8_t kExpedited = 46;
  Bytes out(54 + 8);
  HeaderTemplate(kPeerMac, kOurMac, 0, {ip("192.0.2.1"), ip("192.0.2.77")})
      .write(out.data(), 8, kExpedited);
  EXPECT_EQ(out[15], 0xb8);  // type of service
  HeaderTemplate(kPeerMac, kOurMac, 0, {ip("2001:db8::1"), ip("2001:db8::77")})
      .write(out.data(), 8, kExpedited);
  EXPECT_EQ(out[14], 0x6b);  // version, upper half of the traffic class
  EXPECT_EQ(out[15], 0x80);  // lower half, flow label 0
}

TEST(Headers, FragmentsAreReadBack) {
  for (const bool v6 : {false, true}) {
    const IpFields fields{ip(v6 ? "2001:db8::1" : "192.0.2.1"),
                          ip(v6 ? "2001:db8::77" : "192.0.2.77"), kProtocolSctp, 0, 64};
    const HeaderTemplate header(kPeerMac, kOurMac, 101, fields);
    ASSERT_EQ(header.fragment_size(), header.size() + (v6 ? 8 : 0));
    for (const FragmentField& field :
         {FragmentField{0x89abcdef, 0, true}, FragmentField{0x89abcdef, 1232, true},
          FragmentField{0x89abcdef, 65528, false}}) {
      Bytes out(header.fragment_size() + 64);
      header.write_fragment(out.data(), 64, 46, field);
      const Frame frame = parse_frame(out, 101, false);
      ASSERT_EQ(frame.kind, FrameKind::kFragment);
      EXPECT_EQ(frame.fragment_id, v6 ? 0x89abcdefu : 0xcdefu);
      EXPECT_EQ(frame.fragment_offset, field.offset);
      EXPECT_EQ(frame.more_fragments, field.more);
      EXPECT_EQ(frame.fragment_protocol, 132);
      EXPECT_EQ(frame.payload_length, 64);
      EXPECT_EQ(frame.payload_offset, header.fragment_size());
      EXPECT_EQ(frame.traffic_class, 46 << 2);
      EXPECT_EQ(v6 ? 0 : out[18 + 6] & 0x40, 0) << "DF";
    }
    Bytes whole(header.size());
    header.write(whole.data(), 0, 0);
    EXPECT_EQ(v6 ? 0x40 : whole[18 + 6], 0x40) << "DF, and no fragment";
  }
}

TEST(Headers, DestinationMacIsSetLater) {
  HeaderTemplate header(MacAddress{}, kOurMac, 0, {ip("192.0.2.1"), ip("192.0.2.77")});
  header.set_destination_mac(kPeerMac);
  Bytes out(header.size());
  header.write(out.data(), 0, 0);
  EXPECT_EQ(MacAddress::from(out.data()), kPeerMac);
}

TEST(Headers, ArpByteForByte) {
  Bytes out(60);
  const ArpPacket reply{ArpOperation::kReply, kOurMac, ip("192.0.2.1"), kPeerMac, ip("192.0.2.77")};
  ASSERT_EQ(build_arp(reply, kPeerMac, 0, out), 42u);
  out.resize(42);
  const Bytes wanted{0x02, 0, 0, 0, 0,    0x77, 0x02, 0, 0,    0,    0,   0x01, 0x08, 0x06,
                     0,    1, 8, 0, 6,    4,    0,    2, 0x02, 0,    0,   0,    0,    0x01,
                     192,  0, 2, 1, 0x02, 0,    0,    0, 0,    0x77, 192, 0,    2,    77};
  EXPECT_EQ(out, wanted);
}

TEST(Headers, ArpThatIsRefused) {
  const Bytes frame = arp_frame(1, "192.0.2.77", "192.0.2.1");
  const Bytes good(frame.begin() + 14, frame.end());
  ASSERT_TRUE(parse_arp(good).has_value());
  EXPECT_EQ(parse_arp(good)->sender, ip("192.0.2.77"));
  EXPECT_EQ(parse_arp(good)->target, ip("192.0.2.1"));
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(parse_arp({good.data(), length}).has_value());
  }
  for (const size_t at : {0u, 1u, 2u, 3u, 4u, 5u, 6u}) {
    Bytes bad = good;
    bad[at] ^= 0x40;
    EXPECT_FALSE(parse_arp(bad).has_value()) << at;
  }
  Bytes group = good;
  group[8] |= 1;  // a sender that is a group
  EXPECT_FALSE(parse_arp(group).has_value());
  Bytes nobody = good;
  std::fill_n(nobody.begin() + 8, 6, uint8_t{0});
  EXPECT_FALSE(parse_arp(nobody).has_value());
}

TEST(Headers, MulticastOfIpv6) {
  EXPECT_EQ(solicited_node(ip("2001:db8::12:3456")), ip("ff02::1:ff12:3456"));
  EXPECT_EQ(multicast_mac(ip("ff02::1:ff12:3456")).to_string(), "33:33:ff:12:34:56");
  EXPECT_EQ(all_nodes(), ip("ff02::1"));
}

}  // namespace
}  // namespace trunkline::net
