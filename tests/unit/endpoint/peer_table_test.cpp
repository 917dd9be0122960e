// SPDX-License-Identifier: BSD-3-Clause
// Which of the configured peers an address belongs to: as one would find by asking each of them.
#include "trunkline/stack/peer_table.h"

#include <gtest/gtest.h>

#include "support/ip.h"
#include "trunkline/stack/random.h"

namespace trunkline {
namespace {

using test::ip;

PeerProfile entry(const IpAddress& prefix, uint8_t length, uint32_t peer = 0) {
  PeerProfile out;
  out.prefix = prefix;
  out.prefix_length = length;
  out.peer = peer;
  return out;
}

TEST(PeerTable, TheLongestPrefixOfTheSameFamily) {
  const PeerTable table({entry(ip("10.0.0.0"), 8, 1), entry(ip("10.1.2.0"), 23, 2),
                         entry(ip("2001:db8::"), 32, 3), entry(ip("10.1.2.9"), 32, 4),
                         entry(ip("2001:db8::7:1"), 112, 5)});
  const auto of = [&](const char* text) {
    const PeerProfile* const found = table.find(ip(text));
    return found != nullptr ? found->peer : 0;
  };
  EXPECT_EQ(of("10.200.0.1"), 1u);
  EXPECT_EQ(of("10.1.2.1"), 2u);
  EXPECT_EQ(of("10.1.3.255"), 2u);
  EXPECT_EQ(of("10.1.4.0"), 1u);
  EXPECT_EQ(of("10.1.2.9"), 4u);
  EXPECT_EQ(of("11.0.0.1"), 0u);
  EXPECT_EQ(of("2001:db8:1::1"), 3u);
  EXPECT_EQ(of("2001:db8::7:ffff"), 5u);
  EXPECT_EQ(of("2001:db8::8:1"), 3u);
  EXPECT_EQ(of("2001:db9::1"), 0u);
  EXPECT_EQ(table.find(IpAddress()), nullptr);
}

TEST(PeerTable, BitsBehindThePrefixCountForNothing) {
  const PeerTable table({entry(ip("10.1.2.3"), 13, 1), entry(ip("2001:db8::1"), 65, 2)});
  EXPECT_NE(table.find(ip("10.7.255.255")), nullptr);
  EXPECT_EQ(table.find(ip("10.8.0.0")), nullptr);
  EXPECT_NE(table.find(ip("2001:db8::7fff:0:0:0")), nullptr);
  EXPECT_EQ(table.find(ip("2001:db8::8000:0:0:0")), nullptr);
}

TEST(PeerTable, OfTwoThatAreTheSameTheFirstCounts) {
  const PeerTable table({entry(ip("10.0.0.0"), 8, 1), entry(ip("10.255.0.0"), 8, 2)});
  EXPECT_EQ(table.find(ip("10.1.1.1"))->peer, 1u);
}

TEST(PeerTable, NobodyHasWhatIsNoPrefix) {
  const PeerTable table({entry(ip("10.0.0.0"), 33, 1), entry(IpAddress(), 0, 2)});
  EXPECT_EQ(table.find(ip("10.0.0.0")), nullptr);
  EXPECT_EQ(table.find(IpAddress()), nullptr);
  EXPECT_EQ(PeerTable({}).find(ip("10.0.0.0")), nullptr);
}

TEST(PeerTable, AnEmptyPrefixIsEverybodyOfItsFamily) {
  const PeerTable table({entry(ip("0.0.0.0"), 0, 1), entry(ip("10.0.0.1"), 32, 2)});
  EXPECT_EQ(table.find(ip("203.0.113.1"))->peer, 1u);
  EXPECT_EQ(table.find(ip("10.0.0.1"))->peer, 2u);
  EXPECT_EQ(table.find(ip("::1")), nullptr);
}

TEST(PeerTable, GivesTheWholeAddressesOfAPeer) {
  const PeerTable table({entry(ip("10.0.0.1"), 32, 2), entry(ip("10.0.1.1"), 32, 1),
                         entry(ip("2001:db8::1"), 128, 2), entry(ip("10.0.2.0"), 24, 2),
                         entry(ip("10.0.0.2"), 32, 2)});
  const auto of = [&](uint32_t peer) {
    const auto found = table.addresses_of(peer);
    return std::vector<IpAddress>(found.begin(), found.end());
  };
  EXPECT_EQ(of(2), (std::vector{ip("10.0.0.1"), ip("2001:db8::1"), ip("10.0.0.2")}));
  EXPECT_EQ(of(1), std::vector{ip("10.0.1.1")});
  EXPECT_TRUE(of(3).empty());
}

TEST(PeerTable, FindsWhatAskingEachWouldFind) {
  SeededRandom random(7);
  const auto draw = [&](bool narrow) {  // near enough to each other to have much in common
    std::array<uint8_t, 16> bytes{};
    random.fill(bytes);
    for (size_t i = 0; i < 14; ++i)
      bytes[i] = static_cast<uint8_t>(bytes[i] & (i % 3 == 0 ? 1u : 0x80u));
    return narrow ? IpAddress::from_ipv4(std::span(bytes).first<4>()) : IpAddress::from_ipv6(bytes);
  };
  std::vector<PeerProfile> entries;
  for (uint32_t i = 1; i <= 1000; ++i) {
    const bool narrow = i % 2 == 0;
    entries.push_back(
        entry(draw(narrow), static_cast<uint8_t>(random.below(narrow ? 33 : 129)), i));
  }
  const PeerTable table(entries);
  for (int i = 0; i < 1000; ++i) {
    const IpAddress address = draw(i % 2 == 0);
    const PeerProfile* best = nullptr;
    for (const PeerProfile& each : entries) {
      if (!address.has_prefix(each.prefix, each.prefix_length)) continue;
      if (best == nullptr || each.prefix_length > best->prefix_length) best = &each;
    }
    const PeerProfile* const found = table.find(address);
    ASSERT_EQ(found != nullptr ? found->peer : 0, best != nullptr ? best->peer : 0)
        << address.to_string();
  }
}

}  // namespace
}  // namespace trunkline
