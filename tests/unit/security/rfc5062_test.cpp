// SPDX-License-Identifier: BSD-3-Clause
// The attacks of RFC 5062 that aim at associations: camping on addresses (section 2), hijacking (3,
// 4), redirection (7), cookies forged and replayed, and what somebody who can't see the packets may
// try. Bombing is in rfc5062_bombing_test.cpp.
#include "support/staged.h"
#include "wire/abort_chunk.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

bool contains(std::span<const uint8_t> bytes, uint32_t word) {
  for (size_t at = 0; at + 4 <= bytes.size(); ++at) {
    if (load_be32(bytes.data() + at) == word) return true;
  }
  return false;
}

using Rfc5062 = Staged;

// ---------------------------------------------------------------- 2: address camping

using Rfc5062Section2AddressCamping = Rfc5062;

// The attacker at peer_address lists the victim's address and port.
TEST_F(Rfc5062Section2AddressCamping, AnAddressThatOnlyThePeerNamesIsUnconfirmed) {
  peer_list = {kVictim};
  open();
  const AssocStatus status = host().status();
  ASSERT_EQ(status.paths.size(), 2u);
  EXPECT_EQ(status.paths[0].state, PathState::kActive);
  EXPECT_EQ(status.paths[1].state, PathState::kUnconfirmed);
}

// The attacker answers for the victim, with its source address: without the nonce of the HEARTBEAT
// that went to the victim, that proves nothing.
TEST_F(Rfc5062Section2AddressCamping, AForgedHeartbeatAckConfirmsNothing) {
  peer_list = {kVictim};
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  host().advance(now);
  std::vector<uint8_t> info;
  for (const Packet& one : listen()) {
    const auto chunk = one.find(ChunkType::kHeartbeat);
    if (!chunk || !(one.destination == kVictim)) continue;
    const auto heartbeat = wire::HeartbeatChunk::parse(*chunk);
    info.assign(heartbeat->info.begin(), heartbeat->info.end());
  }
  ASSERT_FALSE(info.empty());
  const std::string before = picture();
  const IpAddress attacker = peer_address;
  uint64_t refused = 0;
  for (const IpAddress& source : {attacker, kVictim}) {
    peer_address = source;
    for (size_t bit = 0; bit < 64; bit += 3) {
      std::vector<uint8_t> guess = info;
      guess[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
      tell([&](PacketWriter& w) { return wire::write_heartbeat_ack(w, guess); });
      ++refused;
    }
  }
  peer_address = attacker;
  EXPECT_EQ(host().count(Counter::k_drop_bad_heartbeat_ack), refused);
  EXPECT_EQ(picture(), before);
  // Who saw the HEARTBEAT has the address.
  peer_address = kVictim;
  tell([&](PacketWriter& w) { return wire::write_heartbeat_ack(w, info); });
  EXPECT_EQ(host().status().paths[1].state, PathState::kActive);
  peer_address = attacker;
}

// An answer to the HEARTBEAT on the attacker's own path is not one for the victim's.
TEST_F(Rfc5062Section2AddressCamping, TheAnswerOfOnePathConfirmsNoOther) {
  peer_list = {kVictim};
  open();
  listen();
  ASSERT_EQ(host().shard().request_heartbeat(now, host().assoc, peer_address), Status::kOk);
  const std::vector<Packet> packets = listen();
  std::vector<uint8_t> info;
  for (const Packet& one : packets) {
    if (!(one.destination == peer_address)) continue;
    const auto heartbeat = wire::HeartbeatChunk::parse(*one.find(ChunkType::kHeartbeat));
    info.assign(heartbeat->info.begin(), heartbeat->info.end());
  }
  ASSERT_GE(info.size(), 9u);
  info[8] = 1;  // the index of the victim's path
  tell([&](PacketWriter& w) { return wire::write_heartbeat_ack(w, info); });
  EXPECT_EQ(host().status().paths[1].state, PathState::kUnconfirmed);
  EXPECT_EQ(host().count(Counter::k_drop_bad_heartbeat_ack), 1u);
}

// The victim says ABORT to a HEARTBEAT out of the blue, with our tag reflected: the camp is over.
TEST_F(Rfc5062Section2AddressCamping, TheVictimsAbortEndsTheCamp) {
  peer_list = {kVictim};
  open();
  peer_address = kVictim;
  tell(peer_tag, [](PacketWriter& w) { return wire::write_abort(w, true); });
  EXPECT_EQ(host().count(EventKind::kLost), 1u);
  EXPECT_EQ(host().shard().association_count(), 0u);
  // And may call itself now.
  peer_tag = VerificationTag(0x1234);
  peer_list.clear();
  open();
}

TEST_F(Rfc5062Section2AddressCamping, ThePortOfACallIsNotToBeGuessed) {
  std::vector<uint16_t> ports;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SeededRandom random(seed);
    const DirectoryPtr directory = make_directory(random, 16);
    Shard shard(ShardConfig{}, *directory, random, now);
    EndpointConfig config;
    config.addresses = {ip("192.0.2.1")};
    ports.push_back(shard.add_endpoint(config).port.value);
  }
  std::sort(ports.begin(), ports.end());
  EXPECT_EQ(std::unique(ports.begin(), ports.end()), ports.end());
  EXPECT_GE(ports.front(), 49152);
}

// ---------------------------------------------------------------- 3, 4: association hijacking

using Rfc5062Section3AssociationHijacking1 = Rfc5062;

// The new owner of the peer's address gets a cookie: the tags of the association are not in it.
TEST_F(Rfc5062Section3AssociationHijacking1, TheCookieDoesNotTellTheTags) {
  open();
  const AssocStatus status = host().status();
  const VerificationTag old_peer_tag = std::exchange(peer_tag, VerificationTag(0x66666666));
  send_init();
  take_init_ack(hear_one());
  EXPECT_FALSE(contains(cookie, status.local_tag.value));
  EXPECT_FALSE(contains(cookie, old_peer_tag.value));
  EXPECT_FALSE(host_tag == status.local_tag);
}

// Two INITs during one life name the association by the same nonces; after a restart, by others.
TEST_F(Rfc5062Section3AssociationHijacking1, TieTagsAreOfNoUseAfterARestart) {
  open();
  peer_tag = VerificationTag(0x2001);
  send_init();
  take_init_ack(hear_one());
  const auto first = cookie;
  const auto first_tag = host_tag;
  peer_tag = VerificationTag(0x2002);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  ASSERT_EQ(hear(), "COOKIE ACK");
  const std::string before = picture();
  cookie = first;
  tell(first_tag, cookie_echo());
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(host().count(Counter::k_drop_cookie_collision), 1u);
}

using Rfc5062Section4AssociationHijacking2 = Rfc5062;

// Who can receive at the peer's address may restart; the user is told, and nothing of the old life
// reaches the new peer.
TEST_F(Rfc5062Section4AssociationHijacking2, ARestartIsToldAndOldDataDoesNotGoToTheNewPeer) {
  open();
  ASSERT_EQ(host().send(now, "for the old peer's eyes"), Status::kOk);
  listen();
  peer_tag = VerificationTag(0x2001);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
  EXPECT_EQ(host().last(EventKind::kSendFailed).reason, Reason::kRestarted);
  for (int i = 0; i < 10; ++i) {
    for (const Packet& one : listen()) EXPECT_FALSE(one.find(ChunkType::kData).has_value());
    wait(seconds(1));
  }
  EXPECT_EQ(host().count(Counter::k_restarts), 1u);
}

TEST_F(Rfc5062Section4AssociationHijacking2, ARestartBringsNoNewAddresses) {
  open();
  const AssocStatus before = host().status();
  peer_tag = VerificationTag(0x2001);
  peer_list = {peer_address, kVictim};
  send_init();
  const std::vector<Packet> said = listen();
  ASSERT_EQ(names(said), "ABORT, HEARTBEAT");
  EXPECT_EQ(causes(said[0]), std::vector{CauseCode::kRestartWithNewAddresses});
  EXPECT_EQ(said[0].header().verification_tag, peer_tag);
  EXPECT_EQ(said[1].destination, peer_address) << "the victim hears nothing";
  const AssocStatus after = host().status();
  EXPECT_EQ(after.state, before.state);
  EXPECT_EQ(after.local_tag, before.local_tag);
  EXPECT_EQ(after.peer_tag, before.peer_tag);
  EXPECT_EQ(after.paths.size(), 1u);
  EXPECT_EQ(after.cum_tsn_ack, before.cum_tsn_ack);
}

// ---------------------------------------------------------------- 7: association redirection

using Rfc5062Section7AssociationRedirection = Rfc5062;

TEST_F(Rfc5062Section7AssociationRedirection, ACookieIsGoodForItsPortsAlone) {
  send_init();
  take_init_ack(hear_one());
  uint64_t refused = 0;
  for (const int by : {-1, 1, 100}) {
    const PortNumber right = peer_port;
    peer_port = PortNumber(static_cast<uint16_t>(right.value + by));
    tell(cookie_echo());
    peer_port = right;
    EXPECT_EQ(host().count(Counter::k_drop_bad_cookie), ++refused);
    const PortNumber local = host_port;
    host_port = PortNumber(static_cast<uint16_t>(local.value + by));
    tell(cookie_echo());
    host_port = local;
    EXPECT_EQ(host().count(Counter::k_drop_bad_cookie), ++refused);
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().shard().association_count(), 0u);
}

TEST_F(Rfc5062Section7AssociationRedirection, ACookieIsGoodForItsAddressesAlone) {
  peer_list = {ip("198.51.100.2")};
  send_init();
  take_init_ack(hear_one());
  const IpAddress right = std::exchange(peer_address, kVictim);
  tell(cookie_echo());
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_bad_cookie), 1u);
  peer_address = ip("198.51.100.2");
  tell(cookie_echo());
  EXPECT_EQ(host().count(EventKind::kAccepted), 1u) << "one of those that the INIT listed";
  EXPECT_EQ(host().last(EventKind::kAccepted).path, right)
      << "where the INIT ACK went is confirmed";
  peer_address = right;
}

TEST_F(Rfc5062Section7AssociationRedirection, ACookieIsGoodForItsEndpointAlone) {
  EndpointConfig other;
  other.addresses = {ip("192.0.2.9")};
  other.port = host_port;
  other.listening = true;
  send_init();
  take_init_ack(hear_one());
  ASSERT_EQ(host().shard().add_endpoint(other).status, Status::kOk);
  const IpAddress right = std::exchange(host_address, ip("192.0.2.9"));
  tell(cookie_echo());
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_no_endpoint), 1u);
  EXPECT_EQ(host().shard().association_count(), 0u);
  host_address = right;
}

// ---------------------------------------------------------------- cookies forged and replayed

using Rfc5062CookieForging = Rfc5062;

TEST_F(Rfc5062CookieForging, ACookieOfAnotherHostIsRefused) {
  send_init();
  take_init_ack(hear_one());
  Host other(99, setup, now);
  other.receive(now, packet(host_tag, cookie_echo()));
  EXPECT_EQ(other.count(Counter::k_drop_bad_cookie), 1u);
  EXPECT_EQ(other.shard().association_count(), 0u);
  other.finish(now);
}

TEST_F(Rfc5062CookieForging, ACookieNeedsItsTag) {
  send_init();
  take_init_ack(hear_one());
  for (const uint32_t tag : {1u, host_tag.value ^ 1, host_tag.value + 1, peer_tag.value}) {
    tell(VerificationTag(tag), cookie_echo());
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_bad_cookie), 4u);
  EXPECT_EQ(host().shard().association_count(), 0u);
}

TEST_F(Rfc5062CookieForging, ACookieLivesNoLongerThanTwiceItsLife) {
  // 6.3, 1: however long a life the INIT asks for.
  tell(VerificationTag(0), [&](PacketWriter& w) {
    wire::InitOptions options;
    options.cookie_preservative_ms = UINT32_MAX;
    return wire::write_init(w, init_fields(), {}, options);
  });
  take_init_ack(hear_one());
  wait(seconds(121));
  tell(cookie_echo());
  EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kStaleCookie});
  EXPECT_EQ(host().shard().association_count(), 0u);
}

TEST_F(Rfc5062CookieForging, AReplayAfterTheEndMakesNoAssociation) {
  setup.shard.out_of_blue_replies_per_second = 3;
  open();
  tell([](PacketWriter& w) { return wire::write_abort(w, false); });
  for (int i = 0; i < 100; ++i) tell(cookie_echo());
  EXPECT_EQ(hear(), "ERROR, ERROR, ERROR") << "so many a second, and smaller than the question";
  EXPECT_EQ(host().count(Counter::k_drop_spent_cookie), 100u);
  EXPECT_EQ(host().shard().association_count(), 0u);
}

// ---------------------------------------------------------------- blind injection

class Rfc5062BlindInjection : public InEachState {};

// Who does not see the packets has to guess a tag of 32 bits, and learns nothing from a wrong one.
TEST_P(Rfc5062BlindInjection, AbortShutdownAndDataNeedTheTag) {
  reach(GetParam());
  const std::string before = picture();
  SeededRandom random(5);
  for (int i = 0; i < 300; ++i) {
    const VerificationTag guess(random.u32());
    tell(guess, [](PacketWriter& w) { return wire::write_abort(w, false); });
    tell(guess, [](PacketWriter& w) { return wire::write_abort(w, true); });
    tell(guess, [&](PacketWriter& w) { return wire::write_shutdown(w, host_tsn - 1); });
    tell(guess, data({.text = "false", .ssn = 0, .tsn = peer_tsn}));
    tell(guess, sack(host_tsn));
    tell(guess, [](PacketWriter& w) { return wire::write_shutdown_complete(w, false); });
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(host().count(Counter::k_drop_bad_tag), 1800u);
}

// An INIT needs no tag: it must change nothing (5.2.1, 5.2.2), however many come.
TEST_P(Rfc5062BlindInjection, InitsChangeNothing) {
  setup.shard.inits_per_second_per_source = 0;
  reach(GetParam());
  const std::string before = picture();
  const VerificationTag right = peer_tag;
  for (uint32_t i = 0; i < 100; ++i) {
    peer_tag = VerificationTag(0x30000 + i);
    send_init();
    listen();
    ASSERT_EQ(picture(), before);
  }
  peer_tag = right;
  tell([](PacketWriter& w) { return wire::write_abort(w, false); });
  EXPECT_EQ(host().shard().association_count(), 0u) << "its own tags still hold";
}

// The peer's addresses are half of the key: the right tag from elsewhere does nothing.
TEST_P(Rfc5062BlindInjection, TheRightTagFromAForeignAddressDoesNothing) {
  reach(GetParam());
  const std::string before = picture();
  const IpAddress right = std::exchange(peer_address, kVictim);
  tell([](PacketWriter& w) { return wire::write_abort(w, false); });
  tell([&](PacketWriter& w) { return wire::write_shutdown(w, host_tsn - 1); });
  tell(data({.text = "false", .ssn = 0, .tsn = peer_tsn}));
  peer_address = right;
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
}

INSTANTIATE_TEST_SUITE_P(All, Rfc5062BlindInjection, each_state(), state_of);

}  // namespace
}  // namespace trunkline::test
