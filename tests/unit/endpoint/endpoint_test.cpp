// SPDX-License-Identifier: BSD-3-Clause
// Endpoints: who is found for a packet, ports given and taken, profiles by prefix, which local
// address speaks to whom and which are announced; and the budget of answers to strangers.
#include "endpoint/endpoint.h"

#include <gtest/gtest.h>

#include <set>

#include "assoc/peer_addresses.h"
#include "base/steps.h"
#include "endpoint/listener.h"
#include "support/ip.h"

namespace trunkline {
namespace {

using test::ip;

EndpointConfig config(uint16_t port, std::vector<IpAddress> addresses) {
  EndpointConfig out;
  out.port = PortNumber(port);
  out.addresses = std::move(addresses);
  return out;
}

TEST(EndpointTable, FindsByAddressAndPort) {
  SeededRandom random(1);
  EndpointTable table;
  const auto a = table.add(config(2905, {ip("192.0.2.1"), ip("192.0.2.2")}), random);
  const auto b = table.add(config(2905, {ip("192.0.2.3")}), random);
  const auto c = table.add(config(3868, {ip("192.0.2.1")}), random);
  ASSERT_EQ(a.status, Status::kOk);
  ASSERT_EQ(b.status, Status::kOk);
  ASSERT_EQ(c.status, Status::kOk);
  EXPECT_EQ(a.port, PortNumber(2905));
  EXPECT_EQ(table.find(ip("192.0.2.2"), PortNumber(2905))->endpoint, a.endpoint);
  EXPECT_EQ(table.find(ip("192.0.2.3"), PortNumber(2905))->endpoint, b.endpoint);
  EXPECT_EQ(table.find(ip("192.0.2.1"), PortNumber(3868))->endpoint, c.endpoint);
  EXPECT_EQ(table.find(ip("192.0.2.3"), PortNumber(3868)), nullptr);
  EXPECT_EQ(table.find(ip("192.0.2.1"), PortNumber(1)), nullptr);
  EXPECT_EQ(table.find(EndpointId(99)), nullptr);
}

TEST(EndpointTable, APortIsTakenOnAnyOfItsAddresses) {
  SeededRandom random(1);
  EndpointTable table;
  table.add(config(2905, {ip("192.0.2.1"), ip("192.0.2.2")}), random);
  EXPECT_EQ(table.add(config(2905, {ip("192.0.2.9"), ip("192.0.2.2")}), random).status,
            Status::kAlreadyExists);
  EXPECT_EQ(table.find(ip("192.0.2.9"), PortNumber(2905)), nullptr) << "nothing half done";
}

TEST(EndpointTable, NeedsUnicastAddresses) {
  SeededRandom random(1);
  EndpointTable table;
  for (const char* bad : {"0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"}) {
    EXPECT_EQ(table.add(config(1, {ip("192.0.2.1"), ip(bad)}), random).status,
              Status::kInvalidAddress)
        << bad;
    EXPECT_EQ(table.add(config(1, {ip(bad), ip("192.0.2.1")}), random).status,
              Status::kInvalidAddress)
        << bad;
  }
}

// RFC 6458 sections 3.1.2, 9.1: every pair of ways to bind, at one port.
TEST(EndpointTable, OnePortBelongsToSeveralEndpointsWithoutACommonAddress) {
  const std::vector<IpAddress> all = {};
  const std::vector<IpAddress> all_four = {ip("0.0.0.0")};
  const std::vector<IpAddress> all_six = {ip("::")};  // of both families
  const std::vector<IpAddress> one = {ip("192.0.2.1")};
  const std::vector<IpAddress> other = {ip("192.0.2.2")};
  const std::vector<IpAddress> both = {ip("192.0.2.2"), ip("192.0.2.1")};
  const std::vector<IpAddress> six = {ip("2001:db8::1")};
  const std::vector<IpAddress> mixed = {ip("192.0.2.1"), ip("2001:db8::1")};
  const std::vector<IpAddress> loopback = {ip("127.0.0.5")};
  const std::vector<IpAddress> later = {ip("192.0.2.77")};  // that the host does not have yet
  const std::vector<std::vector<IpAddress>> ways = {all,  all_four, all_six, one,      other,
                                                    both, six,      mixed,   loopback, later};
  // Rows and columns as above; x: beside each other.
  const char* const beside[] = {"..........", "......x...", "..........", "....x.x.xx",
                                "...x..xxxx", "......x.xx", ".x.xxx..xx", "....x...xx",
                                "...xxxxx.x", "...xxxxxx."};
  for (size_t i = 0; i < ways.size(); ++i) {
    for (size_t j = 0; j < ways.size(); ++j) {
      SeededRandom random(1);
      EndpointTable table(both);
      const auto first = table.add(config(2905, ways[i]), random);
      ASSERT_EQ(first.status, Status::kOk);
      const auto second = table.add(config(2905, ways[j]), random);
      const bool fits = beside[i][j] == 'x';
      EXPECT_EQ(second.status, fits ? Status::kOk : Status::kAlreadyExists) << i << " and " << j;
      for (const IpAddress& address : ways[i]) {
        if (address.is_unspecified()) continue;
        EXPECT_EQ(table.find(address, PortNumber(2905))->endpoint, first.endpoint) << i << j;
      }
      for (const IpAddress& address : fits ? ways[j] : all) {
        if (address.is_unspecified()) continue;
        EXPECT_EQ(table.find(address, PortNumber(2905))->endpoint, second.endpoint) << i << j;
      }
    }
  }
}

TEST(EndpointTable, BoundToAllAnswersToAllAndTellsOfOneLoopbackAddressOfAFamily) {
  SeededRandom random(1);
  const std::vector<IpAddress> own = {ip("192.0.2.1"), ip("2001:db8::1"), ip("192.0.2.2")};
  EndpointTable table(own);
  const auto result = table.add(config(2905, {}), random);
  const Endpoint& endpoint = *table.find(result.endpoint);
  EXPECT_EQ(endpoint.addresses,
            (std::vector<IpAddress>{own[0], own[1], own[2], ip("127.0.0.1"), ip("::1")}));
  for (const char* ours :
       {"192.0.2.1", "2001:db8::1", "127.0.0.1", "127.0.0.5", "127.255.1.2", "::1"}) {
    EXPECT_EQ(table.find(ip(ours), PortNumber(2905)), &endpoint) << ours;
    EXPECT_TRUE(endpoint.has_address(ip(ours))) << ours;
  }
  for (const char* other : {"192.0.2.3", "2001:db8::2", "224.0.0.1", "0.0.0.0", "::"}) {
    EXPECT_EQ(table.find(ip(other), PortNumber(2905)), nullptr) << other;
  }
  EXPECT_EQ(endpoint.known_as(ip("127.0.0.5")), ip("127.0.0.1"));
  EXPECT_EQ(endpoint.known_as(ip("192.0.2.2")), ip("192.0.2.2"));
  EXPECT_EQ(endpoint.known_as(ip("192.0.2.3")), ip("192.0.2.3")) << "not ours";
}

TEST(EndpointTable, BoundToAllOfOneFamilyLeavesTheOther) {
  SeededRandom random(1);
  EndpointTable table(std::vector{ip("192.0.2.1"), ip("2001:db8::1")});
  const auto four = table.add(config(2905, {ip("0.0.0.0")}), random);
  EXPECT_EQ(table.find(four.endpoint)->addresses,
            (std::vector<IpAddress>{ip("192.0.2.1"), ip("127.0.0.1")}));
  EXPECT_EQ(table.find(ip("::1"), PortNumber(2905)), nullptr);
  EXPECT_EQ(table.find(ip("2001:db8::1"), PortNumber(2905)), nullptr);
}

// An address that was bound by name counts: it is told, and known as itself.
TEST(EndpointTable, ALoopbackAddressThatWasNamedIsNoOther) {
  SeededRandom random(1);
  EndpointTable table;
  const auto result = table.add(config(2905, {ip("127.0.0.5")}), random);
  const Endpoint& endpoint = *table.find(result.endpoint);
  EXPECT_EQ(endpoint.addresses, std::vector{ip("127.0.0.5")});
  EXPECT_EQ(endpoint.known_as(ip("127.0.0.5")), ip("127.0.0.5"));
  EXPECT_EQ(table.find(ip("127.0.0.1"), PortNumber(2905)), nullptr);
}

TEST(EndpointTable, AnAddressThatComesLaterIsOfThoseWhoHaveAll) {
  SeededRandom random(1);
  EndpointTable table(std::vector{ip("192.0.2.1")});
  const auto all = table.add(config(2905, {}), random);
  EXPECT_EQ(table.find(ip("192.0.2.9"), PortNumber(2905)), nullptr);
  table.add(config(3868, {ip("192.0.2.9")}), random);
  EXPECT_EQ(table.find(ip("192.0.2.9"), PortNumber(2905))->endpoint, all.endpoint);
}

TEST(EndpointTable, EveryHostHasTheAddressesOfLoopback) {
  EndpointTable table;
  for (const char* ours : {"127.0.0.1", "127.9.9.9", "::1"}) EXPECT_TRUE(table.is_ours(ip(ours)));
  EXPECT_FALSE(table.is_ours(ip("128.0.0.1")));
  EXPECT_FALSE(table.is_ours(ip("::2")));
}

// What comes to a port is looked for among few, whoever binds what.
TEST(EndpointTable, AtMostSoManyEndpointsOfOnePort) {
  SeededRandom random(1);
  EndpointTable table;
  for (uint8_t i = 1; i <= PortTable::kMostOfAPort; ++i) {
    ASSERT_EQ(table.add(config(2905, {IpAddress::ipv4(127, 0, 1, i)}), random).status, Status::kOk);
  }
  EXPECT_EQ(table.add(config(2905, {ip("127.0.2.1")}), random).status, Status::kOutOfResources);
  EXPECT_EQ(table.add(config(2906, {ip("127.0.2.1")}), random).status, Status::kOk);
}

TEST(EndpointTable, AnOwnerIsTheSameAtAllShards) {
  SeededRandom random(1);
  PortTable ports;
  EndpointTable here({}, {}, &ports);
  EndpointTable there({}, {}, &ports);
  EndpointConfig of_one = config(2905, {ip("192.0.2.1")});
  of_one.owner = 1;
  EndpointConfig of_two = of_one;
  of_two.owner = 2;
  const auto first = here.add(of_one, random);
  ASSERT_EQ(first.status, Status::kOk);
  EXPECT_EQ(there.add(of_two, random).status, Status::kAlreadyExists);
  EndpointConfig wider = of_one;
  wider.addresses.push_back(ip("192.0.2.2"));
  EXPECT_EQ(there.add(wider, random).status, Status::kAlreadyExists) << "not the same endpoint";
  const auto second = there.add(of_one, random);
  ASSERT_EQ(second.status, Status::kOk);
  EXPECT_EQ(there.add(of_one, random).status, Status::kAlreadyExists) << "once at each";
  const auto forget = [](EndpointTable& table, EndpointId id) {
    table.find(id)->closing = true;
    table.forget_if_unused(*table.find(id));
  };
  forget(here, first.endpoint);
  EXPECT_EQ(here.add(of_two, random).status, Status::kAlreadyExists) << "it lives there";
  forget(there, second.endpoint);
  EXPECT_EQ(here.add(of_two, random).status, Status::kOk);
}

TEST(EndpointTable, NobodysEndpointIsThatOfWhoTakesItFirst) {
  SeededRandom random(1);
  PortTable ports;
  EndpointTable here({}, {}, &ports);
  EndpointTable there({}, {}, &ports);
  Endpoint& a = *here.find(here.add(config(2905, {}), random).endpoint);
  Endpoint& b = *there.find(there.add(config(2905, {}), random).endpoint);
  EXPECT_TRUE(here.own(a, 1));
  EXPECT_FALSE(there.own(b, 2));
  EXPECT_TRUE(there.own(b, 1));
  EXPECT_TRUE(there.own(b, 1)) << "has it already";
  EXPECT_TRUE(here.own(a, PortTable::kNobody));
  EXPECT_TRUE(here.own(a, PortTable::kNobody));
  EXPECT_FALSE(here.own(a, 2));
  EXPECT_TRUE(there.own(b, PortTable::kNobody));
  EXPECT_TRUE(here.own(a, 2));
}

// What comes to an address that several of one owner have is for the one that listens.
TEST(EndpointTable, TheOneThatListensIsFound) {
  SeededRandom random(1);
  EndpointTable table;
  EndpointConfig all = config(2905, {});
  all.owner = 1;
  all.beside_own = true;
  EndpointConfig one = all;
  one.addresses = {ip("127.0.0.1")};
  Endpoint& first = *table.find(table.add(one, random).endpoint);
  Endpoint& second = *table.find(table.add(all, random).endpoint);
  EXPECT_EQ(table.add(all, random).status, Status::kAlreadyExists) << "the very same";
  EXPECT_NE(table.find(ip("127.0.0.1"), PortNumber(2905)), nullptr);
  first.listening = true;
  EXPECT_EQ(table.find(ip("127.0.0.1"), PortNumber(2905)), &first);
  EXPECT_EQ(table.find(ip("127.0.0.2"), PortNumber(2905)), &second);
  std::swap(first.listening, second.listening);
  EXPECT_EQ(table.find(ip("127.0.0.1"), PortNumber(2905)), &second);
  all.beside_own = false;
  all.addresses = {ip("127.0.0.3")};
  EXPECT_EQ(table.add(all, random).status, Status::kAlreadyExists);
}

TEST(EndpointTable, WhatATableHeldIsFreeWhenItIsGone) {
  SeededRandom random(1);
  PortTable ports;
  EndpointConfig owned = config(2905, {});
  owned.owner = 1;
  {
    EndpointTable gone({}, {}, &ports);
    EXPECT_EQ(gone.add(owned, random).status, Status::kOk);
  }
  EndpointTable table({}, {}, &ports);
  owned.owner = 2;
  EXPECT_EQ(table.add(owned, random).status, Status::kOk);
}

TEST(EndpointTable, PortZeroGivesEveryDynamicPortAndThenNone) {
  SeededRandom random(2);
  EndpointTable table;
  table.add(config(50000, {ip("192.0.2.1")}), random);
  std::set<uint16_t> given = {50000};
  for (uint32_t i = 49152; i < 65535; ++i) {
    const auto result = table.add(config(0, {ip("192.0.2.1")}), random);
    ASSERT_EQ(result.status, Status::kOk);
    ASSERT_GE(result.port.value, 49152);
    ASSERT_TRUE(given.insert(result.port.value).second);
  }
  EXPECT_EQ(table.add(config(0, {ip("192.0.2.1")}), random).status, Status::kOutOfResources);
  EXPECT_EQ(table.add(config(0, {ip("192.0.2.2")}), random).status, Status::kOk);
}

// One table of ports for all shards: none is given twice, whoever asks, until there is none.
TEST(EndpointTable, NoTwoShardsGiveTheSamePort) {
  PortTable ports;
  std::vector<std::unique_ptr<EndpointTable>> tables;
  std::set<uint16_t> given;
  for (int i = 0; i < 4; ++i) {
    tables.push_back(std::make_unique<EndpointTable>(std::span<const IpAddress>(),
                                                     std::span<const uint8_t>(), &ports));
  }
  for (uint32_t i = 0; i < 16384; ++i) {
    SeededRandom random(7);  // the worst: all draw the same numbers
    const auto result = tables[i % 4]->add(config(0, {}), random);
    ASSERT_EQ(result.status, Status::kOk);
    ASSERT_TRUE(given.insert(result.port.value).second);
  }
  SeededRandom random(7);
  for (const auto& table : tables) {
    EXPECT_EQ(table->add(config(0, {}), random).status, Status::kOutOfResources);
    EXPECT_EQ(table->add(config(0, {ip("127.0.0.9")}), random).status, Status::kOutOfResources);
  }
}

TEST(EndpointTable, AChosenPortIsFreeOnEachOfItsAddresses) {
  SeededRandom random(5);
  EndpointTable table(std::vector{ip("192.0.2.1"), ip("192.0.2.2")});
  for (uint32_t i = 0; i < 8192; ++i) {
    ASSERT_EQ(table.add(config(0, {ip("192.0.2.1")}), random).status, Status::kOk);
    ASSERT_EQ(table.add(config(0, {ip("192.0.2.2"), ip("192.0.2.1")}), random).status, Status::kOk);
  }
  EXPECT_EQ(table.add(config(0, {}), random).status, Status::kOutOfResources);
  EXPECT_EQ(table.add(config(0, {ip("0.0.0.0")}), random).status, Status::kOutOfResources);
  EXPECT_EQ(table.add(config(0, {ip("192.0.2.1")}), random).status, Status::kOutOfResources);
  EXPECT_EQ(table.add(config(0, {ip("192.0.2.2")}), random).status, Status::kOk);
  EXPECT_EQ(table.add(config(0, {ip("2001:db8::1")}), random).status, Status::kOk);
}

// A client may hold nearly every port and ask on: that costs a look at words of 64 of them.
TEST(EndpointTable, ThePortThatIsLeftIsFoundSoon) {
  SeededRandom random(4);
  EndpointTable table;
  for (uint32_t i = 49152; i < 65535; ++i) table.add(config(0, {ip("192.0.2.1")}), random);
  const uint64_t before = steps_taken;
  const auto last = table.add(config(0, {ip("192.0.2.1")}), random);
  ASSERT_EQ(last.status, Status::kOk);
  EXPECT_EQ(table.add(config(0, {ip("192.0.2.1")}), random).status, Status::kOutOfResources);
  EXPECT_LE(steps_taken - before, 512u + 2u * 257u);
}

TEST(EndpointTable, AForgottenEndpointFreesItsPortAndId) {
  SeededRandom random(3);
  EndpointTable table;
  std::vector<EndpointId> ids;
  for (const char* address : {"192.0.2.1", "192.0.2.2", "192.0.2.3"}) {
    ids.push_back(table.add(config(7, {ip(address)}), random).endpoint);
  }
  Endpoint* const middle = table.find(ids[1]);
  table.forget_if_unused(*middle);
  EXPECT_NE(table.find(ids[1]), nullptr) << "it is not closing";
  middle->closing = true;
  middle->associations = 1;
  table.forget_if_unused(*middle);
  EXPECT_NE(table.find(ids[1]), nullptr) << "an association lives";
  middle->associations = 0;
  table.forget_if_unused(*middle);
  EXPECT_EQ(table.find(ids[1]), nullptr);
  EXPECT_EQ(table.find(ip("192.0.2.2"), PortNumber(7)), nullptr);
  EXPECT_NE(table.find(ip("192.0.2.1"), PortNumber(7)), nullptr);
  EXPECT_NE(table.find(ip("192.0.2.3"), PortNumber(7)), nullptr);
  EXPECT_EQ(table.add(config(7, {ip("192.0.2.2")}), random).endpoint, ids[1]);
}

TEST(Endpoint, TheLongestPrefixChoosesTheProfile) {
  Endpoint endpoint;
  const auto with_streams = [](uint16_t n) {
    Profile profile;
    profile.outbound_streams = n;
    return profile;
  };
  endpoint.profile = with_streams(1);
  endpoint.peers = std::make_shared<const PeerTable>(
      std::vector<PeerProfile>{{ip("10.0.0.0"), 8, with_streams(8)},
                               {ip("10.1.2.0"), 24, with_streams(24)},
                               {ip("10.1.0.0"), 16, with_streams(16)},
                               {ip("10.1.2.128"), 25, with_streams(25)},
                               {ip("10.9.9.9"), 32, with_streams(32)},
                               {ip("2001:db8::"), 33, with_streams(33)},
                               {ip("fd00::"), 0, with_streams(6)}});
  const std::pair<const char*, int> cases[] = {
      {"192.0.2.1", 1},    {"10.200.0.1", 8},        {"10.1.9.1", 16},        {"10.1.2.127", 24},
      {"10.1.2.128", 25},  {"10.1.2.255", 25},       {"10.9.9.9", 32},        {"10.9.9.8", 8},
      {"2001:db8::1", 33}, {"2001:db8:7fff::1", 33}, {"2001:db8:8000::1", 6}, {"::1", 6}};
  for (const auto& [peer, streams] : cases) {
    EXPECT_EQ(endpoint.profile_for(ip(peer)).outbound_streams, streams) << peer;
  }
  // What a listener named stands in for the endpoint's own, not for a peer's.
  const Profile named = with_streams(77);
  endpoint.listening_profile = named;
  EXPECT_EQ(endpoint.profile_for(ip("192.0.2.1")).outbound_streams, 77);
  EXPECT_EQ(endpoint.profile_for(ip("10.200.0.1")).outbound_streams, 8);
}

TEST(Endpoint, SpeaksFromAnAddressOfTheSameFamilyAndScope) {
  LocalEnd local;
  local.addresses = {ip("127.0.0.1"), ip("192.0.2.1"), ip("192.0.2.2"),
                     ip("::1"),       ip("fe80::1"),   ip("2001:db8::1")};
  const std::pair<const char*, const char*> cases[] = {{"198.51.100.1", "192.0.2.1"},
                                                       {"127.0.0.9", "127.0.0.1"},
                                                       {"::1", "::1"},
                                                       {"fe80::9", "fe80::1"},
                                                       {"2001:db8::9", "2001:db8::1"}};
  for (const auto& [peer, expected] : cases) {
    EXPECT_EQ(local.address_towards(ip(peer)), ip(expected)) << peer;
  }
  EXPECT_EQ(local.address_towards(ip("198.51.100.1"), ip("192.0.2.2")), ip("192.0.2.2"));
  EXPECT_EQ(local.address_towards(ip("198.51.100.1"), ip("192.0.2.9")), ip("192.0.2.1"))
      << "a preference that is not ours counts for nothing";
  AddressSet of_host;
  LocalEnd all;
  all.addresses = {ip("127.0.0.1")};
  all.all_ipv4 = true;
  all.of_host = &of_host;
  EXPECT_EQ(all.address_towards(ip("127.0.0.1"), ip("127.0.0.5")), ip("127.0.0.5"))
      << "it answers from where it was called";
  EXPECT_EQ(all.address_towards(ip("127.0.0.9")), ip("127.0.0.1"));
  LocalEnd four;
  four.addresses = {ip("192.0.2.1")};
  EXPECT_TRUE(four.address_towards(ip("2001:db8::1")).is_none());
  LocalEnd loopback;
  loopback.addresses = {ip("127.0.0.1")};
  EXPECT_TRUE(loopback.address_towards(ip("192.0.2.1")).is_none());
}

TEST(Endpoint, AnnouncesToAGlobalPeerOnlyGlobalAddresses) {
  LocalEnd local;
  local.addresses = {ip("127.0.0.1"), ip("192.0.2.1"), ip("fe80::1"), ip("2001:db8::1")};
  EXPECT_EQ(local.announced_to(ip("198.51.100.1"), ip("192.0.2.1")),
            (std::vector<IpAddress>{ip("192.0.2.1"), ip("2001:db8::1")}));
  EXPECT_EQ(local.announced_to(ip("127.0.0.1"), ip("127.0.0.1")).size(), 4u);
  EXPECT_EQ(local.announced_to(ip("fe80::9"), ip("fe80::1")),
            (std::vector<IpAddress>{ip("192.0.2.1"), ip("fe80::1"), ip("2001:db8::1")}))
      << "loopback is another host there";
}

TEST(Endpoint, AnnouncesNothingThatThePacketSaysItself) {
  LocalEnd local;
  local.addresses = {ip("127.0.0.1"), ip("192.0.2.1")};
  EXPECT_TRUE(local.announced_to(ip("198.51.100.1"), ip("192.0.2.1")).empty());
  EXPECT_EQ(local.announced_to(ip("198.51.100.1"), ip("192.0.2.2")), std::vector{ip("192.0.2.1")});
}

TEST(PeerAddresses, TakesOnlyWhatCanBeReachedEachOnce) {
  LocalEnd local;
  local.addresses = {ip("192.0.2.1")};
  const IpAddress listed[] = {ip("198.51.100.2"), ip("198.51.100.1"), ip("127.0.0.1"),
                              ip("224.0.0.1"),    ip("0.0.0.0"),      ip("169.254.1.1"),
                              ip("2001:db8::1"),  ip("198.51.100.2"), ip("198.51.100.3")};
  const PeerAddresses peers = collect_peer_addresses(local, ip("198.51.100.1"), listed);
  const std::vector<IpAddress> got(peers.list().begin(), peers.list().end());
  EXPECT_EQ(got,
            (std::vector<IpAddress>{ip("198.51.100.1"), ip("198.51.100.2"), ip("198.51.100.3")}))
      << "the source of the packet first";
}

TEST(PeerAddresses, AtMostAsManyAsThereArePaths) {
  LocalEnd local;
  local.addresses = {ip("192.0.2.1")};
  std::vector<IpAddress> listed;
  for (uint8_t i = 1; i < 40; ++i) listed.push_back(IpAddress::ipv4(198, 51, 100, i));
  const PeerAddresses peers = collect_peer_addresses(local, ip("203.0.113.1"), listed);
  EXPECT_EQ(peers.count, kMaxPaths);
  EXPECT_EQ(peers.addresses[0], ip("203.0.113.1"));
}

TEST(Endpoint, WithoutPeersKnowsNone) {
  const Endpoint endpoint;
  EXPECT_EQ(endpoint.configured(ip("198.51.100.1")), nullptr);
  EXPECT_EQ(&endpoint.profile_for(ip("198.51.100.1")), &endpoint.profile);
}

TEST(ReplyBudget, AnswersSoManyASecond) {
  TimePoint now = TimePoint::from_ns(5);
  ReplyBudget budget(3);
  const auto allows = [&] { return budget.judge(now, nullptr) == ReplyBudget::Verdict::kAnswer; };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(allows());
  EXPECT_EQ(budget.judge(now, nullptr), ReplyBudget::Verdict::kRate);
  now = now + std::chrono::seconds(1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(allows());
  EXPECT_FALSE(allows());
}

TEST(ReplyBudget, ZeroIsSilence) {
  ReplyBudget none(0);
  EXPECT_EQ(none.judge(TimePoint::from_ns(5), nullptr), ReplyBudget::Verdict::kRate);
}

TEST(ReplyBudget, ASilentEndpointUsesNothingUp) {
  const TimePoint now = TimePoint::from_ns(5);
  ReplyBudget budget(1);
  Endpoint endpoint;
  endpoint.out_of_blue = OutOfBlue::kSilent;
  EXPECT_EQ(budget.judge(now, &endpoint), ReplyBudget::Verdict::kSilent);
  EXPECT_EQ(budget.judge(now, nullptr), ReplyBudget::Verdict::kAnswer);
  endpoint.out_of_blue = OutOfBlue::kAnswer;
  EXPECT_EQ(budget.judge(now, &endpoint), ReplyBudget::Verdict::kRate);
}

}  // namespace
}  // namespace trunkline
