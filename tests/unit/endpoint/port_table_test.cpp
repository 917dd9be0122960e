// SPDX-License-Identifier: BSD-3-Clause
// Sets of addresses that are bound, and the table of ports: what stays of it when all is given
// back.
#include "endpoint/port_table.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/ip.h"
#include "trunkline/stack/port_claim.h"

namespace trunkline {
namespace {

using test::ip;

BoundAddresses bound(std::vector<IpAddress> list) {
  return *BoundAddresses::of(list);
}

TEST(BoundAddresses, AreThoseNamedOrAllOfAFamily) {
  EXPECT_TRUE(bound({}).all_ipv4());
  EXPECT_TRUE(bound({}).all_ipv6());
  EXPECT_TRUE(bound({ip("0.0.0.0")}).all_ipv4());
  EXPECT_FALSE(bound({ip("0.0.0.0")}).all_ipv6());
  EXPECT_EQ(bound({ip("::")}), bound({}));
  EXPECT_EQ(bound({ip("0.0.0.0"), ip("::")}), bound({}));
  EXPECT_EQ(bound({ip("0.0.0.0"), ip("0.0.0.0")}), bound({ip("0.0.0.0")}));
  EXPECT_EQ(bound({ip("192.0.2.1"), ip("192.0.2.1")}).named().size(), 1u);
  EXPECT_EQ(bound({ip("192.0.2.1"), ip("::1")}), bound({ip("::1"), ip("192.0.2.1")}));
  EXPECT_FALSE(bound({ip("192.0.2.1")}) == bound({ip("192.0.2.1"), ip("::1")}));
  EXPECT_FALSE(bound({ip("192.0.2.1")}) == bound({ip("0.0.0.0")}));
  EXPECT_FALSE(BoundAddresses::of(std::vector{ip("0.0.0.0"), ip("192.0.2.1")}).has_value());
  EXPECT_FALSE(BoundAddresses::of(std::vector{ip("224.0.0.1")}).has_value());
  EXPECT_FALSE(BoundAddresses::of(std::vector{IpAddress()}).has_value());
  EXPECT_FALSE(BoundAddresses::of(std::vector{ip("::"), ip("::1")}).has_value());
}

TEST(PortTable, GivesBackAllThatItTook) {
  SeededRandom random(1);
  PortTable table;
  for (int round = 0; round < 3; ++round) {
    std::vector<PortTable::Claim> claims;
    // Each on another address of loopback: that must not cost a set of ports each.
    for (uint32_t i = 0; i < 16384; ++i) {
      const auto named =
          bound({IpAddress::ipv4(127, 1, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i))});
      claims.push_back(table.claim(PortNumber(0), named, 1 + i % 3, random));
      ASSERT_EQ(claims.back().status, Status::kOk);
    }
    EXPECT_EQ(table.claim(PortNumber(0), bound({ip("127.0.0.1")}), 1, random).status,
              Status::kOutOfResources);
    EXPECT_EQ(table.claim(PortNumber(0), bound({}), 1, random).status, Status::kOutOfResources);
    EXPECT_EQ(table.sets(), 1u);
    for (const auto& claim : claims) table.give_back(*claim.entry, true);
    EXPECT_EQ(table.sets(), 0u);
  }
}

// Somebody beside the shards has a port for an owner, whose endpoints may have it, too.
TEST(PortTable, IsClaimedBesideShards) {
  SeededRandom random(1);
  PortTable table;
  const std::vector all = {ip("0.0.0.0")};
  const std::vector one = {ip("192.0.2.1")};
  {
    PortClaim claim(table, PortNumber(0), all, 7, random);
    ASSERT_EQ(claim.status(), Status::kOk);
    const PortNumber port = claim.port();
    EXPECT_GE(port.value, PortTable::kFirstDynamic);
    EXPECT_EQ(PortClaim(table, port, all, 7, random).status(), Status::kOk);
    EXPECT_EQ(PortClaim(table, port, all, 8, random).status(), Status::kAlreadyExists);
    EXPECT_EQ(PortClaim(table, port, one, 7, random).status(), Status::kAlreadyExists);
    PortClaim moved = std::move(claim);
    EXPECT_EQ(moved.port(), port);
    EXPECT_EQ(PortClaim(table, port, all, 8, random).status(), Status::kAlreadyExists);
    moved = PortClaim();
    EXPECT_EQ(PortClaim(table, port, one, 8, random).status(), Status::kOk);
  }
  EXPECT_EQ(table.sets(), 0u);
  const std::vector both = {ip("0.0.0.0"), ip("192.0.2.1")};
  EXPECT_EQ(PortClaim(table, PortNumber(9), both, 7, random).status(), Status::kInvalidAddress);
}

// Two addresses of 127.0.0.0/8 by name, at one port: taken until both are gone.
// An owner who keeps its own order may have several that overlap; nobody else may come between.
TEST(PortTable, AnOwnersOwnMayOverlap) {
  SeededRandom random(1);
  PortTable table;
  const std::vector all = {ip("0.0.0.0")};
  const std::vector one = {ip("192.0.2.1")};
  const PortNumber port(5000);
  const PortClaim first(table, port, all, 7, random, true);
  ASSERT_EQ(first.status(), Status::kOk);
  EXPECT_EQ(PortClaim(table, port, one, 7, random, true).status(), Status::kOk);
  EXPECT_EQ(PortClaim(table, port, one, 7, random).status(), Status::kAlreadyExists);
  EXPECT_EQ(PortClaim(table, port, one, 8, random, true).status(), Status::kAlreadyExists);
  const PortClaim second(table, port, one, 7, random, true);
  EXPECT_EQ(PortClaim(table, port, all, 8, random, true).status(), Status::kAlreadyExists);
  EXPECT_EQ(PortClaim(table, port, all, 7, random, true).status(), Status::kOk);
}

TEST(PortTable, APortIsChosenOnlyWhenTheLastOfItsHoldersIsGone) {
  SeededRandom random(1);
  PortTable table;
  std::vector<PortTable::Claim> claims;
  for (uint32_t port = 49152; port < 65536; ++port) {
    claims.push_back(
        table.claim(PortNumber(static_cast<uint16_t>(port)), bound({ip("127.0.0.1")}), 1, random));
  }
  const auto second = table.claim(PortNumber(50000), bound({ip("127.0.0.2")}), 1, random);
  ASSERT_EQ(second.status, Status::kOk);
  table.give_back(*claims[50000 - 49152].entry, true);
  EXPECT_EQ(table.claim(PortNumber(0), bound({}), 2, random).status, Status::kOutOfResources);
  table.give_back(*second.entry, true);
  EXPECT_EQ(table.claim(PortNumber(0), bound({}), 2, random).port, PortNumber(50000));
}

TEST(PortTable, AChosenPortIsNobodysElseNotEvenOfTheSameOwner) {
  SeededRandom random(1);
  PortTable table;
  const auto first = table.claim(PortNumber(0), bound({}), 1, random);
  for (uint32_t i = 1; i < 16384; ++i) {
    EXPECT_FALSE(table.claim(PortNumber(0), bound({}), 1, random).port == first.port);
  }
  EXPECT_EQ(table.claim(PortNumber(0), bound({}), 1, random).status, Status::kOutOfResources);
}

}  // namespace
}  // namespace trunkline
