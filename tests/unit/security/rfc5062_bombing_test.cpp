// SPDX-License-Identifier: BSD-3-Clause
// The bombing attacks of RFC 5062 (sections 5, 6, 8, 9, 10): an attacker makes this host send to a
// victim more than the attacker sends, or at all.
#include "support/staged.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

class Bombing : public Staged {
 protected:
  Bombing() {
    setup.profile.path_max_retrans = 1;
    setup.profile.association_max_retrans = 8;
  }
  void open_quietly() {
    send_init();
    take_init_ack(hear_one());
    tell(cookie_echo());
    ASSERT_EQ(host().state(), AssocState::kEstablished);
  }
  // What the victims get now: packets, and none with anything but HEARTBEATs in it.
  size_t heartbeats_to_victims() {
    size_t n = 0;
    for (const Packet& one : listen()) {
      if (one.destination == peer_address) continue;
      EXPECT_EQ(one.names(), "HEARTBEAT") << one.destination.to_string();
      EXPECT_LE(one.bytes.size(), 64u) << "small (6.3, 3)";
      ++n;
    }
    return n;
  }
};

// ---------------------------------------------------------------- 5: bombing 1

using Rfc5062Section5Bombing1 = Bombing;

// The attacker asks for much data, does not acknowledge it, and hopes that it is sent again to the
// victim.
TEST_F(Rfc5062Section5Bombing1, NoDataGoesToAnUnconfirmedAddress) {
  peer_list = {kVictim};
  open_quietly();
  for (int i = 0; i < 50; ++i) ASSERT_EQ(host().send(now, std::string(1000, 'b')), Status::kOk);
  size_t heartbeats = 0;
  int seconds_passed = 0;
  while (host().shard().association_count() == 1) {
    heartbeats += heartbeats_to_victims();
    wait(seconds(1));
    ++seconds_passed;
    ASSERT_LT(seconds_passed, 1000);
  }
  EXPECT_GE(heartbeats, 2u);
  EXPECT_LE(heartbeats, 20u) << "backed off";
}

// And does not send to the victim what the victim would be sent for, either: a SACK answers DATA
// that came with the victim's address.
TEST_F(Rfc5062Section5Bombing1, DataFromAForgedAddressIsNotAcknowledgedThere) {
  peer_list = {kVictim};
  open_quietly();
  heartbeats_to_victims();
  const IpAddress attacker = std::exchange(peer_address, kVictim);
  for (int i = 0; i < 10; ++i) tell_data("forged");
  tell(raw_chunk(0xc1, {1, 2, 3, 4}));
  tell(data({.text = "x", .stream = 5000, .ssn = uint16_t{0}}));
  peer_address = attacker;
  EXPECT_LE(heartbeats_to_victims(), 1u);
}

// Guessing which TSNs the victim has been sent: one too far, and the association is gone.
TEST_F(Rfc5062Section5Bombing1, AcknowledgingWhatWasNeverSentEndsTheAssociation) {
  open();
  ASSERT_EQ(host().send(now, "one"), Status::kOk);
  listen();
  tell(sack(host_tsn + 1));
  EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kProtocolViolation});
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kPeerViolation);
}

TEST_F(Rfc5062Section5Bombing1, SoDoesAGapThatWasNeverSent) {
  open();
  ASSERT_EQ(host().send(now, "one"), Status::kOk);
  listen();
  tell(sack(host_tsn - 1, {{2, 9}}));
  EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kProtocolViolation});
  EXPECT_EQ(host().count(Counter::k_drop_bad_sack), 1u);
}

// 5.3: the victim's host does not speak SCTP and says so. It must quote what it got; a guess does
// not do.
TEST_F(Rfc5062Section5Bombing1, TheVictimsProtocolUnreachableEndsTheAssociation) {
  peer_list = {kVictim};
  open_quietly();
  host().advance(now);
  std::vector<Packet> probes = listen();
  std::erase_if(probes, [](const Packet& one) { return !(one.destination == kVictim); });
  ASSERT_EQ(probes.size(), 1u);
  const auto quote = [&](const Packet& sent) {
    const PacketIn in{sent.source, sent.destination, std::span(sent.bytes).first(8), {}};
    host().shard().protocol_unreachable(now, in);
    host().drain(now);
  };
  Packet guess = probes[0];
  guess.bytes[7] ^= 1;
  quote(guess);
  EXPECT_EQ(host().shard().association_count(), 1u);
  EXPECT_EQ(host().count(Counter::k_drop_icmp), 1u);
  quote(probes[0]);
  EXPECT_EQ(host().shard().association_count(), 0u);
}

// ---------------------------------------------------------------- 6: bombing 2

class Rfc5062Section6Bombing2 : public Bombing {
 protected:
  Rfc5062Section6Bombing2() {
    for (uint8_t i = 0; i < 40; ++i) peer_list.push_back(IpAddress::ipv4(203, 0, 113, i));
  }
};

// A list of forty addresses: seven are looked at, one an RTO.
TEST_F(Rfc5062Section6Bombing2, AListOfAddressesIsCutAndProbedOneByOne) {
  open_quietly();
  EXPECT_EQ(host().status().paths.size(), 8u);
  host().advance(now);
  EXPECT_EQ(heartbeats_to_victims(), 1u);
  for (int i = 0; i < 30; ++i) {
    wait(milliseconds(999));
    EXPECT_LE(heartbeats_to_victims(), 1u);
  }
}

// The cookie again and again, each time after the victim's ABORT has ended the association.
TEST_F(Rfc5062Section6Bombing2, TheSameCookieStartsNoSecondRoundOfHeartbeats) {
  open_quietly();
  host().advance(now);
  EXPECT_EQ(heartbeats_to_victims(), 1u);
  host().shard().abort(now, host().assoc, {});
  listen();
  for (int i = 0; i < 50; ++i) tell(cookie_echo());
  host().advance(now);
  EXPECT_EQ(heartbeats_to_victims(), 0u);
  EXPECT_EQ(host().count(Counter::k_drop_spent_cookie), 50u);
}

// Restarts instead of new associations.
TEST_F(Rfc5062Section6Bombing2, RestartsStartNoRoundsOfHeartbeats) {
  open_quietly();
  size_t heartbeats = 0;
  for (uint32_t i = 0; i < 50; ++i) {
    heartbeats += heartbeats_to_victims();
    peer_tag = VerificationTag(0x400 + i);
    open_quietly();
    host().advance(now);
  }
  EXPECT_EQ(host().count(EventKind::kRestarted), 50u);
  EXPECT_LE(heartbeats, 1u);
}

// A flood of INITs with the victim as their source: as many INIT ACKs as the rate allows.
TEST_F(Rfc5062Section6Bombing2, InitsFromAForgedSourceAreAnsweredByTheRate) {
  setup.shard.inits_per_second_per_source = 20;
  peer_list.clear();
  size_t sent = 0;
  for (int tenth = 0; tenth < 100; ++tenth) {
    for (int i = 0; i < 100; ++i) send_init();
    sent += listen().size();
    wait(milliseconds(100));
  }
  EXPECT_GE(sent, 20u + 9 * 20u);
  EXPECT_LE(sent, 20u + 10 * 20u);
  EXPECT_EQ(host().count(Counter::k_drop_init_source_rate), 10000u - sent);
}

// ---------------------------------------------------------------- 8 and 10: bombing 3 and 5

class Rfc5062Section8Bombing3 : public Bombing {
 protected:
  // Packets drawn by one with as many of that chunk as fit.
  size_t drawn_by(const Write& chunk) {
    tell([&](PacketWriter& w) {
      for (int i = 0; i < 200; ++i) {
        if (!chunk(w)) return false;
      }
      return true;
    });
    return listen().size();
  }
};

TEST_F(Rfc5062Section8Bombing3, OnePacketDrawsOnePacket) {
  open();
  const Write heartbeat = [](PacketWriter& w) {
    return wire::write_heartbeat(w, std::array<uint8_t, 100>{});
  };
  EXPECT_EQ(drawn_by(heartbeat), 1u);
  EXPECT_EQ(drawn_by(raw_chunk(0xc1, std::vector<uint8_t>(100))), 1u);
  EXPECT_EQ(drawn_by(raw_chunk(0xc1, std::vector<uint8_t>(2))), 1u);
  EXPECT_EQ(drawn_by(data({.text = "x", .stream = 5000, .ssn = uint16_t{0}})), 1u);
  EXPECT_EQ(drawn_by(sack(host_tsn - 1)), 0u);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

// Section 10 is the same by way of a small MTU: what does not fit is left out.
TEST_F(Rfc5062Section8Bombing3, ASmallMtuMakesNoMorePacketsOfIt) {
  setup.profile.path_mtu = 576;
  open();
  const Write heartbeat = [](PacketWriter& w) {
    return wire::write_heartbeat(w, std::array<uint8_t, 300>{});
  };
  EXPECT_EQ(drawn_by(heartbeat), 1u);
  EXPECT_EQ(drawn_by(raw_chunk(0xc1, std::vector<uint8_t>(300))), 1u);
  EXPECT_GE(host().count(Counter::k_drop_answer_too_long), 1u);
}

// To a forged source address of the association, too: only what may go there does (8.3).
TEST_F(Rfc5062Section8Bombing3, AForgedSourceDrawsNoReports) {
  peer_list = {kVictim};
  open_quietly();
  heartbeats_to_victims();
  const IpAddress attacker = std::exchange(peer_address, kVictim);
  for (int i = 0; i < 20; ++i) {
    tell([](PacketWriter& w) {
      for (int n = 0; n < 100; ++n) {
        if (!raw_chunk(0xc1, {1, 2, 3, 4})(w)) return false;
      }
      return true;
    });
  }
  peer_address = attacker;
  EXPECT_EQ(heartbeats_to_victims(), 0u);
}

// Out of the blue: one packet of no more bytes than came, and so many a second.
TEST_F(Rfc5062Section8Bombing3, OutOfTheBlueNothingIsMultiplied) {
  setup.shard.out_of_blue_replies_per_second = 10;
  size_t sent = 0;
  for (int i = 0; i < 200; ++i) {
    tell(VerificationTag(7), data({}));
    for (const Packet& one : listen()) {
      EXPECT_LE(one.bytes.size(), 16u);
      ++sent;
    }
  }
  EXPECT_EQ(sent, 10u);
}

// ---------------------------------------------------------------- 9: bombing 4

using Rfc5062Section9Bombing4 = Bombing;

// Bytes instead of packets: the INIT ACK is larger than the INIT by the cookie and what we must say
// of ourselves, however the INIT looks.
TEST_F(Rfc5062Section9Bombing4, TheInitAckIsBoundedByTheInit) {
  setup.shard.inits_per_second_per_source = 0;
  constexpr size_t kCookie = 300;
  const auto check = [&](const std::vector<uint8_t>& parameters) {
    send_init_with(parameters);
    const Packet answer = hear_one();
    ASSERT_EQ(answer.names(), "INIT ACK");
    EXPECT_LE(answer.bytes.size(), 12 + 20 + parameters.size() + kCookie);
    EXPECT_LE(answer.bytes.size(), 1480u);
  };
  std::vector<uint8_t> parameters;
  check(parameters);
  for (int i = 0; i < 150; ++i) {  // unknown and to be reported
    parameters.insert(parameters.end(), {0xc1, 0, 0, 4});
    check(parameters);
  }
  parameters.clear();
  for (uint8_t i = 0; i < 100; ++i) {
    parameters.insert(parameters.end(), {0, 5, 0, 8, 203, 0, 113, i});
    check(parameters);
  }
}

TEST_F(Rfc5062Section9Bombing4, TheSmallestInitDrawsASmallInitAck) {
  send_init();
  const Packet answer = hear_one();
  EXPECT_LE(answer.bytes.size(), 200u);
}

}  // namespace
}  // namespace trunkline::test
