// SPDX-License-Identifier: BSD-3-Clause
// Addresses that a peer lists and that are also this host's: a bridge that every host numbers
// alike, a virtual address that two hosts share. What goes there comes back to us, and ends
// nothing.
#include <gmock/gmock.h>

#include "peer_with_four.h"
#include "wire/abort_chunk.h"

namespace trunkline::test {
namespace {

using enum AssocState;
using ::testing::ElementsAre;

const IpAddress kBridge = ip("172.17.0.1");     // of the endpoint, and in the peer's list
const IpAddress kOtherPort = ip("10.99.99.9");  // of this host, not of the endpoint

class OwnAddresses : public Peer {
 protected:
  OwnAddresses() {
    setup.addresses = {host_address, kBridge};
    setup.shard.own_addresses = {host_address, kBridge, kOtherPort};
    peer_list = {kFirst, kBridge, kOtherPort, kSecond};
  }
  // The peer answers HEARTBEATs to its own addresses.
  void live(Duration span) {
    const TimePoint end = now + span;
    while (now < end) {
      for (const Packet& sent : listen()) {
        const auto heartbeat = sent.find(ChunkType::kHeartbeat);
        if (!heartbeat) continue;
        const std::vector<uint8_t> value(heartbeat->value.begin(), heartbeat->value.end());
        host().receive(now, build(sent.destination, sent.source, peer_port, host_port, host_tag,
                                  [&](PacketWriter& w) {
                                    uint8_t* const at =
                                        w.reserve_chunk(ChunkType::kHeartbeatAck, 0, value.size());
                                    std::copy(value.begin(), value.end(), at);
                                    return true;
                                  }));
      }
      wait(std::min<Duration>(seconds(1), end - now));
    }
  }
  void expect_only_the_peers() {
    EXPECT_THAT(remotes_of(host().status()), ElementsAre(kFirst, kSecond));
    live(minutes(10));
    EXPECT_EQ(host().state(), kEstablished);
    EXPECT_EQ(host().packets_looped, 0u) << "asked for what cannot be the peer's";
    for (const PathStatus& path : host().status().paths) {
      EXPECT_EQ(path.state, PathState::kActive) << path.remote.to_string();
    }
  }
  // Packets from outside that claim to come from an address of ours.
  void tell_from_outside(const IpAddress& source, VerificationTag tag, const Write& write) {
    const Packet forged = build(source, host_address, peer_port, host_port, tag, write);
    const PacketIn in{forged.source, forged.destination, forged.bytes};
    host().shard().receive(now, {&in, 1});
    host().drain(now);
  }
  EndpointId add_endpoint(const std::vector<IpAddress>& addresses, uint16_t port) {
    EndpointConfig config;
    config.addresses = addresses;
    config.port = PortNumber(port);
    config.listening = true;
    const EndpointResult result = host().shard().add_endpoint(config);
    EXPECT_EQ(result.status, Status::kOk);
    return result.endpoint;
  }
};

TEST_F(OwnAddresses, InThePeersInitAreNotThePeers) {
  open();
  expect_only_the_peers();
}

TEST_F(OwnAddresses, InThePeersInitAckAreNotThePeers) {
  be_opened();
  expect_only_the_peers();
}

TEST_F(OwnAddresses, InACollisionAreNotThePeers) {
  ASSERT_EQ(host().connect(now, {kFirst}, peer_port).status, Status::kOk);
  EXPECT_EQ(hear(), "INIT");
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  expect_only_the_peers();
}

// The list of a restart has nothing new in it when all that is new cannot be the peer's.
TEST_F(OwnAddresses, AreNoNewAddressesOfARestart) {
  peer_list = {kFirst, kSecond};
  open();
  peer_list = {kFirst, kBridge, kSecond, kOtherPort};
  peer_tag = VerificationTag(0x55);
  peer_tsn = Tsn(77);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
  expect_only_the_peers();
}

TEST_F(OwnAddresses, CountForNothingWhereTheListMustBeExact) {
  Profile exact = setup.profile;
  exact.peer_address_check = AddressCheck::kExact;
  setup.peer_profiles = {{kFirst, 32, exact, 1}, {kSecond, 32, exact, 1}};
  open();
  expect_only_the_peers();
}

TEST_F(OwnAddresses, AreLeftOutOfWhatAConnectNames) {
  ASSERT_EQ(host().connect(now, {kBridge, kFirst, kOtherPort, kSecond}, peer_port).status,
            Status::kOk);
  EXPECT_THAT(remotes_of(host().status()), ElementsAre(kFirst, kSecond));
  EXPECT_EQ(answer_up_to_cookie_echo().names(), "COOKIE ECHO");
  tell(wire::write_cookie_ack);
  expect_only_the_peers();
}

// The cookie was made when the address was the peer's alone.
TEST_F(OwnAddresses, ThatBecameOursSinceTheCookieWasMadeAreLeftOut) {
  setup.addresses = {host_address};
  setup.shard.own_addresses = {host_address};
  peer_list = {kFirst, kBridge, kSecond};
  send_init();
  take_init_ack(hear_one());
  add_endpoint({kBridge}, 7777);
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  EXPECT_THAT(remotes_of(host().status()), ElementsAre(kFirst, kSecond));
}

TEST_F(OwnAddresses, ThatTheInitCameFromSpoilTheCookieWhenTheyBecomeOurs) {
  setup.addresses = {host_address};
  setup.shard.own_addresses = {host_address};
  peer_list = {kFirst, kSecond};
  send_init();
  take_init_ack(hear_one());
  add_endpoint({kFirst}, 7777);
  host().receive(now, build(kSecond, host_address, peer_port, host_port, host_tag, cookie_echo()));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_bad_cookie), 1u);
}

// A path from before the address was ours: HEARTBEATs, ABORTs for them and all that we can say to
// ourselves leave the association alone.
TEST_F(OwnAddresses, WhatIsLoopedEndsNoAssociationWithAnotherHost) {
  setup.addresses = {host_address, ip("192.0.2.2")};
  setup.shard.own_addresses = setup.addresses;
  peer_list = {kFirst, kBridge};
  open();
  ASSERT_THAT(remotes_of(host().status()), ElementsAre(kFirst, kBridge));
  // The peer's port, so that an answer out of the blue has all that an answer of the peer would.
  const EndpointId endpoint = add_endpoint({kBridge}, peer_port.value);
  setup.shard.own_addresses.push_back(kBridge);
  host().add_own(kBridge);
  live(minutes(10));
  EXPECT_EQ(host().state(), kEstablished);
  EXPECT_GT(host().packets_looped, 0u);
  EXPECT_GT(host().count(Counter::k_drop_looped), 0u);
  uint64_t dropped = host().count(Counter::k_drop_looped);
  const auto say_looped = [&](VerificationTag tag, const Write& write) {
    host().receive(now, build(kBridge, host_address, peer_port, host_port, tag, write));
    EXPECT_EQ(hear(), "");
    EXPECT_EQ(host().state(), kEstablished);
    EXPECT_EQ(host().count(Counter::k_drop_looped), ++dropped);
  };
  for (const VerificationTag tag : {host_tag, peer_tag}) {
    for (const bool reflected : {false, true}) {
      say_looped(tag, [&](PacketWriter& w) { return wire::write_abort(w, reflected); });
      say_looped(tag, [&](PacketWriter& w) { return wire::write_shutdown_complete(w, reflected); });
    }
    say_looped(tag, wire::write_shutdown_ack);
    say_looped(tag, [&](PacketWriter& w) { return wire::write_shutdown(w, last_tsn()); });
    say_looped(tag, data({.text = "not the peer's"}));
  }
  say_looped(VerificationTag(0),
             [&](PacketWriter& w) { return wire::write_init(w, init_fields(), {}); });
  EXPECT_EQ(host().count(Counter::k_inits_answered), 1u) << "the peer's";
  EXPECT_THAT(host().messages(), ElementsAre());
  EXPECT_EQ(host().shard().close_endpoint(endpoint), Status::kOk);
}

TEST_F(OwnAddresses, AsTheSourceOfWhatComesFromOutsideAreForged) {
  tell_from_outside(kBridge, VerificationTag(0),
                    [&](PacketWriter& w) { return wire::write_init(w, init_fields(), {}); });
  EXPECT_EQ(host().count(Counter::k_drop_own_source), 1u);
  send_init();
  take_init_ack(hear_one());
  tell_from_outside(kOtherPort, host_tag, cookie_echo());
  EXPECT_EQ(host().count(Counter::k_drop_own_source), 2u);
  tell_from_outside(host_address, host_tag, data({}));
  EXPECT_EQ(host().count(Counter::k_drop_own_source), 3u);
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().shard().association_count(), 0u);
}

// No router complains of what never left.
TEST_F(OwnAddresses, AreNothingThatIcmpCanSpeakOf) {
  add_endpoint({kOtherPort}, 7777);
  ASSERT_EQ(host().connect(now, {kOtherPort}, PortNumber(7777)).status, Status::kOk);
  hear();
  ASSERT_EQ(host().state(), kEstablished);
  std::vector<uint8_t> quoted(8);
  const AssocStatus status = host().status();
  store_be16(quoted.data(), status.local_port.value);
  store_be16(quoted.data() + 2, status.peer_port.value);
  store_be32(quoted.data() + 4, status.peer_tag.value);
  const PacketIn sent{status.paths[0].local, kOtherPort, quoted};
  host().shard().protocol_unreachable(now, sent);
  host().drain(now);
  EXPECT_EQ(host().state(), kEstablished);
  EXPECT_EQ(host().count(Counter::k_drop_icmp), 1u);
}

// Two endpoints of one host list such addresses rightly, and use them.
TEST_F(OwnAddresses, AreThoseOfAPeerOnThisHost) {
  const std::vector<IpAddress> theirs = {kOtherPort, ip("10.99.99.10")};
  setup.shard.own_addresses.push_back(theirs[1]);
  add_endpoint(theirs, 7777);
  ASSERT_EQ(host().connect(now, {theirs[0]}, PortNumber(7777)).status, Status::kOk);
  const AssocId called = host().assoc;
  EXPECT_EQ(hear(), "") << "nothing leaves";
  wait(seconds(5));
  hear();
  wait(seconds(5));
  hear();
  EXPECT_EQ(host().shard().association_count(), 2u);
  for (const AssocId id : host().shard().associations()) {
    const AssocStatus status = host().status(id);
    EXPECT_EQ(status.state, kEstablished);
    EXPECT_THAT(remotes_of(status), id == called ? ElementsAre(theirs[0], theirs[1])
                                                 : ElementsAre(host_address, kBridge));
    for (const PathStatus& path : status.paths) {
      EXPECT_EQ(path.state, PathState::kActive) << path.remote.to_string();
    }
  }
  EXPECT_EQ(host().count(Counter::k_drop_looped), 0u);
}

// Nor does another host answer for a peer on this one by listing its address.
TEST_F(OwnAddresses, InAnInitAckFromOutsideNameNoPeerOnThisHost) {
  const DirectoryPtr directory = [] {
    SeededRandom random(4);
    return make_directory(random, 100);
  }();
  Host alone(9, setup, now, directory.get());  // nothing goes round by itself
  ASSERT_EQ(alone.connect(now, {kOtherPort}, PortNumber(7777)).status, Status::kOk);
  ASSERT_EQ(names(alone.transmit(now)), "INIT");
  const Packet forged =
      build(kFirst, host_address, PortNumber(7777), host_port, alone.status().local_tag,
            [&](PacketWriter& w) {
              return wire::write_init_ack(w, init_fields(), std::vector{kOtherPort},
                                          std::vector<uint8_t>{1});
            });
  const PacketIn in{forged.source, forged.destination, forged.bytes};
  alone.shard().receive(now, {&in, 1});
  EXPECT_EQ(names(alone.transmit(now)), "");
  EXPECT_EQ(alone.state(), kCookieWait);
  EXPECT_EQ(alone.count(Counter::k_drop_bad_tag), 1u);
  alone.finish(now);
  EXPECT_EQ(alone.violation(), "");
}

TEST_F(OwnAddresses, AnEndpointIsNoPeerOfItself) {
  EXPECT_EQ(host().connect(now, {host_address}, host_port).status, Status::kInvalidAddress);
  EXPECT_EQ(host().connect(now, {kBridge, host_address}, host_port).status,
            Status::kInvalidAddress);
  EXPECT_EQ(host().count(Counter::k_refused_connects), 2u);
}

}  // namespace
}  // namespace trunkline::test
