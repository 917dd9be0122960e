// SPDX-License-Identifier: BSD-3-Clause
// IpAddress: text both ways, bytes, scopes, what can be a peer.
#include "trunkline/stack/address.h"

#include <gtest/gtest.h>

#include <vector>

namespace trunkline {
namespace {

TEST(Address, TextThatIsAnAddress) {
  const struct {
    const char* text;
    const char* canonical;  // RFC 5952
  } cases[] = {
      {"0.0.0.0", "0.0.0.0"},
      {"192.0.2.1", "192.0.2.1"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:db8::1", "2001:db8::1"},
      {"2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // one zero group is not shortened
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longest run is
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // of equal ones the first
      {"0:0:0:0:0:0:0:1", "::1"},
      {"1:0:0:0:0:0:0:0", "1::"},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"fe80::abcd:ef01", "fe80::abcd:ef01"},
      {"::ffff:192.0.2.1", "::ffff:c000:201"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
      {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
  };
  for (const auto& c : cases) {
    const auto address = IpAddress::parse(c.text);
    ASSERT_TRUE(address.has_value()) << c.text;
    EXPECT_EQ(address->to_string(), c.canonical) << c.text;
    EXPECT_EQ(IpAddress::parse(address->to_string()), address) << c.text;
  }
}

TEST(Address, TextThatIsNone) {
  const char* const cases[] = {
      "",
      " ",
      "localhost",
      "1",
      "1.2.3",
      "1.2.3.",
      "1.2.3.4.",
      "1.2.3.4.5",
      ".1.2.3.4",
      "1..2.3",
      "256.1.1.1",
      "1.1.1.256",
      "1.1.1.1000",
      "-1.2.3.4",
      "+1.2.3.4",
      "01.2.3.4",
      "1.2.3.00",
      "0x1.2.3.4",
      "1.2.3.4 ",
      " 1.2.3.4",
      "1.2.3.4/24",
      "1.2.3.a",
      ":",
      ":::",
      "1:",
      ":1",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8:",
      ":1:2:3:4:5:6:7:8",
      "1::2::3",
      "1:2:3:4::5:6:7:8",
      "::1:2:3:4:5:6:7:8",
      "1:2:3:4:5:6:7:8::",
      "12345::",
      "::12345",
      "::00001",
      "g::",
      "::g",
      "::-1",
      "::+1",
      "0x1::",
      "::1 ",
      " ::1",
      "::1/64",
      "fe80::1%eth0",
      "[::1]",
      "::1.2.3",
      "::1.2.3.4.5",
      "::256.1.1.1",
      "::01.2.3.4",
      "1.2.3.4::",
      "1.2.3.4::1",
      "::1.2.3.4:5",
      "1:2.3.4.5::6",
      "1:2:3:4:5:6:7:1.2.3.4",
      "1:2:3:4:5:1.2.3.4",
      "::1:2:3:4:5:6:1.2.3.4",
  };
  for (const char* text : cases) EXPECT_FALSE(IpAddress::parse(text).has_value()) << text;
  EXPECT_FALSE(IpAddress::parse(std::string_view()).has_value());
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)).has_value());
}

TEST(Address, TextEndsWhereTheViewEnds) {
  EXPECT_EQ(IpAddress::parse(std::string_view("1.2.3.45", 7)), IpAddress::ipv4(1, 2, 3, 4));
  EXPECT_EQ(IpAddress::parse(std::string_view("::12", 3)), IpAddress::parse("::1"));
}

TEST(Address, BytesAreInNetworkOrder) {
  const IpAddress v4 = IpAddress::ipv4(192, 0, 2, 1);
  ASSERT_EQ(v4.bytes().size(), 4u);
  EXPECT_EQ(std::vector<uint8_t>(v4.bytes().begin(), v4.bytes().end()),
            (std::vector<uint8_t>{192, 0, 2, 1}));
  EXPECT_EQ(IpAddress::from_ipv4(v4.bytes().first<4>()), v4);

  const IpAddress v6 = *IpAddress::parse("102:304:506:708:90a:b0c:d0e:f10");
  ASSERT_EQ(v6.bytes().size(), 16u);
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(v6.bytes()[i], i + 1);
  EXPECT_EQ(IpAddress::from_ipv6(v6.bytes().first<16>()), v6);
}

TEST(Address, NoneIsNeither) {
  const IpAddress none;
  EXPECT_TRUE(none.is_none());
  EXPECT_FALSE(none.is_ipv4());
  EXPECT_FALSE(none.is_ipv6());
  EXPECT_TRUE(none.bytes().empty());
  EXPECT_FALSE(none.is_unicast());
  EXPECT_EQ(none.to_string(), "none");
  EXPECT_EQ(none.family(), AddressFamily::kNone);
}

TEST(Address, FamiliesAreNotEqual) {
  const std::array<uint8_t, 16> zeros{};
  EXPECT_NE(IpAddress::ipv4(0, 0, 0, 0), IpAddress::from_ipv6(zeros));
  EXPECT_NE(IpAddress::ipv4(0, 0, 0, 0), IpAddress());
  EXPECT_NE(IpAddress::ipv4(1, 2, 3, 4), *IpAddress::parse("102:304::"));
  EXPECT_EQ(IpAddress::ipv4(1, 2, 3, 4), *IpAddress::parse("1.2.3.4"));
}

TEST(Address, Scopes) {
  const struct {
    const char* text;
    AddressScope scope;
  } cases[] = {
      {"127.0.0.1", AddressScope::kLoopback},
      {"127.255.255.255", AddressScope::kLoopback},
      {"126.255.255.255", AddressScope::kGlobal},
      {"128.0.0.0", AddressScope::kGlobal},
      {"169.254.0.1", AddressScope::kLinkLocal},
      {"169.253.255.255", AddressScope::kGlobal},
      {"169.255.0.0", AddressScope::kGlobal},
      {"10.0.0.1", AddressScope::kGlobal},
      {"::1", AddressScope::kLoopback},
      {"::2", AddressScope::kGlobal},
      {"1::1", AddressScope::kGlobal},
      {"fe80::1", AddressScope::kLinkLocal},
      {"febf:ffff::1", AddressScope::kLinkLocal},
      {"fec0::1", AddressScope::kGlobal},
      {"fe7f::1", AddressScope::kGlobal},
      {"2001:db8::1", AddressScope::kGlobal},
  };
  for (const auto& c : cases) EXPECT_EQ(IpAddress::parse(c.text)->scope(), c.scope) << c.text;
}

TEST(Address, OnlyUnicastCanBeAPeer) {
  for (const char* text : {"1.0.0.0", "10.0.0.1", "127.0.0.1", "223.255.255.255", "::1",
                           "2001:db8::1", "fe80::1", "feff::1"}) {
    EXPECT_TRUE(IpAddress::parse(text)->is_unicast()) << text;
  }
  for (const char* text : {"0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.1.1", "240.0.0.1",
                           "255.255.255.255", "::", "ff00::", "ff02::1", "::ffff:192.0.2.1"}) {
    EXPECT_FALSE(IpAddress::parse(text)->is_unicast()) << text;
  }
}

TEST(Address, PrefixesOfOddLengths) {
  const auto in = [](const char* text, const char* prefix, size_t length) {
    return IpAddress::parse(text)->has_prefix(*IpAddress::parse(prefix), length);
  };
  EXPECT_TRUE(in("10.0.0.1", "10.1.2.3", 13));
  EXPECT_TRUE(in("10.7.255.255", "10.1.2.3", 13));
  EXPECT_FALSE(in("10.8.0.0", "10.1.2.3", 13));
  EXPECT_TRUE(in("10.1.2.3", "10.1.2.3", 32));
  EXPECT_FALSE(in("10.1.2.2", "10.1.2.3", 32));
  EXPECT_FALSE(in("10.1.2.3", "10.1.2.3", 33));
  EXPECT_TRUE(in("192.0.2.1", "10.1.2.3", 0));
  EXPECT_TRUE(in("2001:db8::ffff", "2001:db8::1", 65));
  EXPECT_FALSE(in("2001:db8:0:0:8000::", "2001:db8::1", 65));
  EXPECT_TRUE(in("2001:db8::1", "2001:db8::1", 128));
  EXPECT_FALSE(in("2001:db8::2", "2001:db8::1", 127));
}

TEST(Address, ThePrefixesOfTwoFamiliesHaveNothingInCommon) {
  const IpAddress four = *IpAddress::parse("32.1.13.184");
  const IpAddress six = *IpAddress::parse("2001:db8::1");  // the same first four bytes
  EXPECT_EQ(four.common_prefix(six), 0U);
  EXPECT_FALSE(four.has_prefix(six, 0));
  EXPECT_FALSE(four.has_prefix(IpAddress(), 0));
}

TEST(Address, Unspecified) {
  EXPECT_TRUE(IpAddress::parse("0.0.0.0")->is_unspecified());
  EXPECT_TRUE(IpAddress::parse("::")->is_unspecified());
  EXPECT_FALSE(IpAddress::parse("0.0.0.1")->is_unspecified());
  EXPECT_FALSE(IpAddress::parse("::1")->is_unspecified());
}

}  // namespace
}  // namespace trunkline
