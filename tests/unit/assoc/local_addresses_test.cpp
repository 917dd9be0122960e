// SPDX-License-Identifier: BSD-3-Clause
// Endpoints by the addresses that they are bound to (RFC 6458 sections 3.1.2, 9.1): each gets what
// comes to its own, and tells of no others; and associations over loopback, which every host has.
#include <gmock/gmock.h>

#include "peer_with_four.h"
#include "shards/directory.h"
#include "wire/abort_chunk.h"

namespace trunkline::test {
namespace {

using enum AssocState;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

const IpAddress kOne = ip("192.0.2.1");  // Peer::host_address
const IpAddress kTwo = ip("192.0.2.2");
const IpAddress kSix = ip("2001:db8::1");
const PortNumber kOther(7777);

class LocalAddresses : public Peer {
 protected:
  LocalAddresses() { setup.shard.own_addresses = {kOne, kTwo, kSix}; }
  EndpointId add_endpoint(const std::vector<IpAddress>& addresses, PortNumber port,
                          uint64_t user = 8) {
    EndpointConfig config;
    config.addresses = addresses;
    config.port = port;
    config.listening = true;
    config.user = user;
    const EndpointResult result = host().shard().add_endpoint(config);
    EXPECT_EQ(result.status, Status::kOk);
    return result.endpoint;
  }
  // The associations of this host with itself go round, and meet their deadlines.
  void live(Duration span) {
    const TimePoint end = now + span;
    EXPECT_EQ(hear(), "") << "left the host";
    while (now < end) {
      wait(seconds(1));
      EXPECT_EQ(hear(), "") << "left the host";
    }
  }
  void call_loopback(const char* address) {
    ASSERT_EQ(host().connect(now, {ip(address)}, kOther).status, Status::kOk);
    live(seconds(10));
    ASSERT_EQ(host().shard().association_count(), 2u);
    for (const AssocId id : host().shard().associations()) {
      ASSERT_EQ(host().status(id).state, kEstablished);
    }
  }
  [[nodiscard]] AssocStatus accepted() {
    for (const AssocId id : host().shard().associations()) {
      if (!(id == host().assoc)) return host().status(id);
    }
    return {};
  }
};

// ---------------------------------------------------------------- subsets

TEST_F(LocalAddresses, TwoEndpointsOfOnePortEachAcceptWhatComesToThem) {
  setup.addresses = {kOne};
  add_endpoint({kTwo, kSix}, host_port);
  open();
  EXPECT_TRUE(host_list.empty()) << "its only address is the source of the packet";
  EXPECT_EQ(host().last(EventKind::kAccepted).user, 7u);
  host_address = kTwo;
  peer_port = PortNumber(5);
  peer_tag = VerificationTag(0x5555);
  open();
  EXPECT_THAT(host_list, ElementsAre(kTwo, kSix));
  EXPECT_EQ(host().last(EventKind::kAccepted).user, 8u);
  EXPECT_EQ(host().shard().association_count(), 2u);
}

// The same peer and ports: what differs is the local address alone.
TEST_F(LocalAddresses, TwoEndpointsOfOnePortEachConnectToOnePeer) {
  setup.addresses = {kOne};
  const EndpointId second = add_endpoint({kTwo}, host_port);
  be_opened();
  ConnectRequest request;
  request.endpoint = second;
  request.peer_addresses = std::span(&peer_address, 1);
  request.peer_port = peer_port;
  const ConnectResult result = host().shard().connect(now, request);
  ASSERT_EQ(result.status, Status::kOk);
  host_address = kTwo;
  const Packet init = hear_one();
  EXPECT_EQ(init.names(), "INIT");
  EXPECT_EQ(init.source, kTwo);
  host_tag = host().status(result.assoc).local_tag;
  cookie = {1, 2, 3};
  peer_tag = VerificationTag(0x5555);
  tell([&](PacketWriter& w) { return wire::write_init_ack(w, init_fields(), peer_list, cookie); });
  const Packet echo = hear_one();
  EXPECT_EQ(echo.names(), "COOKIE ECHO");
  EXPECT_EQ(echo.source, kTwo);
  tell(wire::write_cookie_ack);
  EXPECT_EQ(host().status(result.assoc).state, kEstablished);
  EXPECT_EQ(host().state(), kEstablished);
}

TEST_F(LocalAddresses, AnInitToAnAddressOutsideTheSetIsRefused) {
  setup.addresses = {kTwo, kSix};
  send_init();
  EXPECT_EQ(hear(), "ABORT");
  EXPECT_EQ(host().count(Counter::k_drop_no_endpoint), 1u);
  host_address = kTwo;
  open();
}

// Nor does a packet of an association that comes to another address of the host belong to it.
TEST_F(LocalAddresses, WhatComesToAnAddressOutsideTheSetIsOutOfTheBlue) {
  setup.addresses = {kOne};
  open();
  host_address = kTwo;
  tell(data({.text = "not for it"}));
  EXPECT_THAT(host().messages(), ElementsAre());
  EXPECT_EQ(host().state(), kEstablished);
}

TEST_F(LocalAddresses, OnlyTheSetIsAnnounced) {
  setup.addresses = {kOne, kSix};
  send_init();
  take_init_ack(hear_one());
  EXPECT_THAT(host_list, ElementsAre(kOne, kSix));
  peer_address = ip("198.51.100.77");
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  const Packet init = hear_one();
  const auto parsed = wire::InitChunk::parse(init.chunks()[0], false);
  ASSERT_TRUE(parsed.ok());
  const auto list = parsed.init.address_list();
  EXPECT_THAT(std::vector(list.begin(), list.end()), ElementsAre(kOne, kSix));
}

TEST_F(LocalAddresses, BoundToAllAnnouncesAllButLoopbackToOtherHosts) {
  setup.addresses = {};
  send_init();
  take_init_ack(hear_one());
  EXPECT_THAT(host_list, ElementsAre(kOne, kTwo, kSix));
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  host_address = kTwo;
  tell(data({.text = "to another of them"}));
  EXPECT_THAT(host().messages(), ElementsAre("to another of them"));
}

// ---------------------------------------------------------------- loopback

TEST_F(LocalAddresses, LoopbackNeedsNoAddressOfItsOwn) {
  setup.addresses = {};
  add_endpoint({}, kOther);
  call_loopback("127.0.0.1");
  EXPECT_EQ(host().status().paths[0].local, ip("127.0.0.1"));
  ASSERT_EQ(host().send(now, "to myself"), Status::kOk);
  live(seconds(1));
  EXPECT_THAT(host().messages(), ElementsAre("to myself"));
  for (const PathStatus& path : host().status().paths) {
    EXPECT_EQ(path.state, PathState::kActive) << path.remote.to_string();
  }
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  live(seconds(1));
  EXPECT_EQ(host().shard().association_count(), 0u);
}

TEST_F(LocalAddresses, LoopbackOfIpv6) {
  setup.addresses = {};
  add_endpoint({}, kOther);
  call_loopback("::1");
  EXPECT_EQ(host().status().paths[0].local, ip("::1"));
}

TEST_F(LocalAddresses, AHostWithoutAnyAddressHasLoopback) {
  setup.shard.own_addresses = {};
  setup.addresses = {};
  add_endpoint({}, kOther);
  call_loopback("127.0.0.1");
  EXPECT_THAT(remotes_of(host().status()), ElementsAre(ip("127.0.0.1"), ip("::1")));
}

// It answers to all of 127.0.0.0/8, from where it was called, and tells of 127.0.0.1 and ::1.
TEST_F(LocalAddresses, BoundToAllAnswersToEachLoopbackAddress) {
  setup.addresses = {ip("0.0.0.0")};
  add_endpoint({ip("0.0.0.0")}, kOther);
  call_loopback("127.0.0.5");
  EXPECT_THAT(remotes_of(host().status()),
              UnorderedElementsAre(ip("127.0.0.5"), ip("127.0.0.1"), kOne, kTwo));
  const AssocStatus other = accepted();
  EXPECT_EQ(other.paths[0].local, ip("127.0.0.5"));
  EXPECT_EQ(other.paths[0].remote, ip("127.0.0.1"));
  ASSERT_EQ(host().send(now, "to myself"), Status::kOk);
  live(minutes(2));
  EXPECT_THAT(host().messages(), ElementsAre("to myself"));
  EXPECT_EQ(host().state(), kEstablished);
  for (const PathStatus& path : host().status().paths) {
    EXPECT_EQ(path.state, PathState::kActive) << path.remote.to_string();
  }
}

TEST_F(LocalAddresses, ALoopbackAddressByNameIsTheOnlyOne) {
  setup.addresses = {ip("127.0.0.2")};
  add_endpoint({ip("127.0.0.5")}, kOther);
  add_endpoint({ip("127.0.0.6")}, kOther);
  call_loopback("127.0.0.5");
  EXPECT_THAT(remotes_of(host().status()), ElementsAre(ip("127.0.0.5")));
  EXPECT_THAT(remotes_of(accepted()), ElementsAre(ip("127.0.0.2")));
  EXPECT_EQ(host().connect(now, {ip("127.0.0.7")}, kOther).status, Status::kOk);
  live(seconds(1));
  EXPECT_EQ(host().count(EventKind::kConnectFailed), 1u) << "nobody is bound to it";
}

TEST_F(LocalAddresses, BoundToAllIsNoPeerOfItselfWhateverItIsCalled) {
  setup.addresses = {};
  for (const char* name : {"127.0.0.1", "127.0.0.9", "::1", "192.0.2.2"}) {
    EXPECT_EQ(host().connect(now, {ip(name)}, host_port).status, Status::kInvalidAddress) << name;
  }
}

// RFC 1122 section 3.2.1.3: such an address never appears outside a host.
TEST_F(LocalAddresses, AStrangerIsNotAtALoopbackAddress) {
  setup.addresses = {};
  const Packet init =
      build(ip("127.0.0.1"), kOne, peer_port, host_port, VerificationTag(0),
            [&](PacketWriter& w) { return wire::write_init(w, init_fields(), {}); });
  const PacketIn in{init.source, init.destination, init.bytes};  // from outside
  host().shard().receive(now, {&in, 1});
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_own_source), 1u);
  // Nor is one that a peer elsewhere lists its own.
  peer_list = {peer_address, ip("127.0.0.1"), ip("::1")};
  open();
  EXPECT_THAT(remotes_of(host().status()), ElementsAre(peer_address));
}

// -- what the directory has, with a peer played by hand: nothing goes round by itself

class LoopbackByHand : public ::testing::Test {
 protected:
  void TearDown() override {
    host.finish(now);
    EXPECT_EQ(host.violation(), "");
  }
  void tell(const IpAddress& to, VerificationTag tag, const Write& write) {
    host.receive(now, build(ip("127.0.0.1"), to, PortNumber(5), setup.port, tag, write));
  }
  // Opens an association as a peer that begins anew; true if it came up or up again.
  bool open(const IpAddress& to, VerificationTag tag) {
    tell(to, VerificationTag(0), [&](PacketWriter& w) {
      return wire::write_init(w, {tag, 65536, 10, 10, Tsn(tag.value)}, {});
    });
    const std::vector<Packet> answer = host.transmit(now);
    if (names(answer) != "INIT ACK") return false;
    EXPECT_EQ(answer[0].source, to) << "from where it was called";
    const auto parsed = wire::InitChunk::parse(answer[0].chunks()[0], true);
    const std::vector<uint8_t> cookie(parsed.init.cookie.begin(), parsed.init.cookie.end());
    tell(to, parsed.init.initiate_tag,
         [&](PacketWriter& w) { return wire::write_cookie_echo(w, cookie); });
    return names(host.transmit(now)) == "COOKIE ACK";
  }

  TimePoint now = kStart;
  const HostSetup setup;
  SeededRandom random{4};
  DirectoryPtr directory = make_directory(random, 100);
  Host host{9, setup, now, directory.get()};  // bound to all
};

TEST_F(LoopbackByHand, TheDirectoryHasOneAddressForAllOf127) {
  ASSERT_TRUE(open(ip("127.0.0.5"), VerificationTag(0x77)));
  EXPECT_EQ(directory->size(), 1u);
  EXPECT_TRUE(directory->find({ip("127.0.0.1"), ip("127.0.0.1"), setup.port, PortNumber(5)}));
  EXPECT_FALSE(directory->find({ip("127.0.0.5"), ip("127.0.0.1"), setup.port, PortNumber(5)}));
}

// Section 5.2.4 A, at an address that the directory knows under another one.
TEST_F(LoopbackByHand, ARestartIsRecognizedAtEachOf127) {
  ASSERT_TRUE(open(ip("127.0.0.5"), VerificationTag(0x77)));
  ASSERT_TRUE(open(ip("127.0.0.5"), VerificationTag(0x78)));
  EXPECT_EQ(host.count(EventKind::kRestarted), 1u);
  ASSERT_TRUE(open(ip("127.0.0.6"), VerificationTag(0x79)));
  EXPECT_EQ(host.count(EventKind::kRestarted), 2u);
  EXPECT_EQ(host.shard().association_count(), 1u);
  EXPECT_EQ(directory->size(), 1u);
}

}  // namespace
}  // namespace trunkline::test
