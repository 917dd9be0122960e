// SPDX-License-Identifier: BSD-3-Clause
// Path MTU discovery (RFC 9260 section 7.3, RFC 8899): probes, ICMP and black holes between two
// hosts, whose path takes packets up to a size that the test sets.
#include <tuple>

#include "support/pair.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

class PathMtuTest : public Pair {
 protected:
  PathMtuTest() {
    a_setup.profile.heartbeat_interval = z_setup.profile.heartbeat_interval = Duration{0};
    eats = [this](const Packet& packet) {
      const size_t header = packet.source.is_ipv6() ? 40 : 20;
      size_t size = packet.bytes.size() + header;
      if (packet.fragment_size != 0) size = std::min<size_t>(size, packet.fragment_size);
      largest = std::max(largest, size);
      return size > link_mtu || (drops && drops(packet));
    };
  }
  [[nodiscard]] PathStatus path() { return a().status().paths[0]; }
  Status send(size_t size) { return a().send(now, std::string(size, 'x')); }
  // ICMP quotes the first `size` bytes of the packet.
  void too_big(const Packet& sent, uint16_t mtu, size_t size = SIZE_MAX) {
    const std::vector<uint8_t> bytes(
        sent.bytes.begin(),
        sent.bytes.begin() + static_cast<ptrdiff_t>(std::min(size, sent.bytes.size())));
    a().shard().packet_too_big(now, {sent.source, sent.destination, bytes}, mtu);
    a().drain(now);
  }
  // One full packet that the network has eaten.
  Packet lose_full(size_t size = 1452) {
    EXPECT_EQ(send(size), Status::kOk);
    const std::vector<Packet> packets = a().transmit(now);
    EXPECT_FALSE(packets.empty());
    return packets.empty() ? Packet{} : packets[0];
  }

  size_t link_mtu = 65535;
  size_t largest = 0;
  std::function<bool(const Packet&)> drops;
};

TEST_F(PathMtuTest, WithoutTroubleNoProbeIsSentAndPacketsAreAsLargeAsTheProfileSays) {
  connect();
  EXPECT_EQ(path().mtu, 1500);
  EXPECT_EQ(path().mtu_state, PmtuState::kComplete);
  ASSERT_EQ(send(5000), Status::kOk);
  run(seconds(2000));
  EXPECT_EQ(largest, 1500u);
  EXPECT_EQ(a().count(Counter::k_pmtu_probes_sent), 0u);
}

TEST_F(PathMtuTest, ProbingBeginsAtTheBaseAndFindsExactlyWhatPasses) {
  a_setup.profile.pmtu_discovery = PmtuDiscovery::kProbing;
  link_mtu = 1450;
  connect();
  run(seconds(120));
  EXPECT_EQ(path().mtu, 1450);
  EXPECT_EQ(path().mtu_state, PmtuState::kComplete);
  EXPECT_EQ(a().count(Counter::k_pmtu_raised), 4u);  // 1280, 1400, 1420, 1450
  EXPECT_EQ(a().count(Counter::k_pmtu_probes_lost), 3u);
  EXPECT_EQ(a().count(Counter::k_pmtu_probes_sent), 7u);
  EXPECT_EQ(path().error_count, 0u);
  EXPECT_EQ(a().status().error_count, 0u);
  EXPECT_EQ(path().state, PathState::kActive);
  // PMTU_RAISE_TIMER: the network takes more now.
  link_mtu = 1500;
  run(seconds(600));
  EXPECT_EQ(path().mtu, 1500);
}

TEST_F(PathMtuTest, AProbeIsAHeartbeatPaddedToTheSizeAndOneByteLessIsTooLittleForIt) {
  a_setup.profile.pmtu_discovery = PmtuDiscovery::kProbing;
  z();
  ASSERT_EQ(dial().status, Status::kOk);
  link_mtu = 1279;
  exchange();
  EXPECT_EQ(path().mtu, 1200);
  bool seen = false;
  for (const Packet& packet : wire) {
    if (packet.names() != "HEARTBEAT + PAD") continue;
    seen = true;
    EXPECT_EQ(packet.bytes.size() + 20, 1280u);
    EXPECT_EQ(packet.fragment_size, 0);
  }
  EXPECT_TRUE(seen);
  link_mtu = 1280;
  run(seconds(16));
  EXPECT_EQ(path().mtu, 1280);
}

TEST_F(PathMtuTest, TheBaseOfIpv6IsWhatEveryLinkTakes) {
  a_setup.addresses = {ip("2001:db8::1")};
  z_setup.addresses = {ip("2001:db8::26")};
  a_setup.profile.pmtu_discovery = PmtuDiscovery::kProbing;
  link_mtu = 1280;
  connect();
  EXPECT_EQ(path().mtu, 1280);
  ASSERT_EQ(send(4000), Status::kOk);
  run(seconds(1));
  EXPECT_EQ(z().messages().size(), 1u);
  EXPECT_EQ(a().count(Counter::k_retransmitted_chunks), 0u);
}

TEST_F(PathMtuTest, JumboFramesAreFoundStepByStep) {
  a_setup.profile.pmtu_discovery = PmtuDiscovery::kProbing;
  a_setup.profile.path_mtu = 9000;
  link_mtu = 9000;
  connect();
  run(seconds(1));
  EXPECT_EQ(path().mtu, 9000);
  ASSERT_EQ(send(20000), Status::kOk);
  run(seconds(1));
  EXPECT_EQ(largest, 9000u);
}

TEST_F(PathMtuTest, ABlackHoleIsEscapedAndNothingIsLost) {
  connect();
  link_mtu = 1400;
  for (int i = 0; i < 5; ++i) ASSERT_EQ(send(3000), Status::kOk);
  run(seconds(60));
  EXPECT_EQ(z().messages().size(), 5u);
  EXPECT_EQ(a().count(Counter::k_pmtu_black_holes), 1u);
  EXPECT_EQ(path().mtu, 1400);
  EXPECT_EQ(a().state(), AssocState::kEstablished);
  EXPECT_EQ(a().status().error_count, 0u);
  EXPECT_GT(a().count(Counter::k_fragmentable_packets), 0u);
  EXPECT_EQ(path().t3_expirations, 2u);
  for (const Packet& packet : wire) {
    if (packet.fragment_size == 0) continue;
    EXPECT_EQ(packet.names(), "DATA");
    EXPECT_LE(packet.fragment_size, 1400);
  }
}

TEST_F(PathMtuTest, NoPortWritesTheChecksumOfWhatIpFragments) {
  a().checksum_by_port = true;
  connect();
  link_mtu = 1400;
  ASSERT_EQ(send(3000), Status::kOk);
  run(seconds(60));
  EXPECT_GT(a().count(Counter::k_fragmentable_packets), 0u);
  EXPECT_EQ(z().messages().size(), 1u);
  EXPECT_EQ(z().count(Counter::k_checksum_errors), 0u);
}

TEST_F(PathMtuTest, ABlackHoleBelowTheBaseIsEscapedToo) {
  connect();
  link_mtu = 700;
  ASSERT_EQ(send(5000), Status::kOk);
  run(seconds(120));
  EXPECT_EQ(z().messages().size(), 1u);
  EXPECT_EQ(path().mtu, 576);
  EXPECT_EQ(path().mtu_state, PmtuState::kError);
}

TEST_F(PathMtuTest, ADeadPathIsNoBlackHole) {
  connect();
  drops = [](const Packet&) { return true; };
  ASSERT_EQ(send(3000), Status::kOk);
  run(seconds(30));
  EXPECT_EQ(path().mtu, 1500);
  drops = nullptr;
  run(seconds(120));
  EXPECT_EQ(z().messages().size(), 1u);
}

TEST_F(PathMtuTest, SwitchedOffTheMtuStaysWhateverHappens) {
  a_setup.profile.pmtu_discovery = PmtuDiscovery::kOff;
  connect();
  const Packet sent = lose_full();
  too_big(sent, 1300);
  EXPECT_EQ(a().count(Counter::k_drop_icmp_pmtu_off), 1u);
  EXPECT_EQ(path().mtu, 1500);
  EXPECT_EQ(path().mtu_state, PmtuState::kFixed);
  run(seconds(5));
  EXPECT_EQ(z().messages().size(), 1u);
}

TEST_F(PathMtuTest, IcmpLowersItToTheBaseAndAProbeConfirmsTheSizeThatWasTold) {
  connect();
  link_mtu = 1436;
  const Packet sent = lose_full();
  too_big(sent, 1436);
  EXPECT_EQ(a().count(Counter::k_pmtu_lowered), 1u);
  EXPECT_EQ(path().mtu, 1200);
  run(Duration{0});
  EXPECT_EQ(path().mtu, 1436);
  // Not by T3: the message arrived at once, as fragments.
  EXPECT_EQ(z().messages().size(), 1u);
  EXPECT_EQ(path().t3_expirations, 0u);
  too_big(sent, 1300);  // stale: it has been acknowledged
  EXPECT_EQ(a().count(Counter::k_drop_icmp_not_in_flight), 1u);
  EXPECT_EQ(path().mtu, 1436);
}

TEST_F(PathMtuTest, IcmpIsBelievedOnlyOfAPacketThatIsOnItsWay) {
  connect();
  const Packet sent = lose_full();
  const auto refused = [&](Packet forged, Counter counter, const char* what) {
    const uint64_t before = a().count(counter);
    too_big(forged, 1300);
    EXPECT_EQ(a().count(counter), before + 1) << what;
    EXPECT_EQ(path().mtu, 1500) << what;
  };
  for (const size_t at : {0u, 2u, 4u, 7u}) {  // ports and tag
    Packet forged = sent;
    forged.bytes[at] ^= 1;
    refused(forged, Counter::k_drop_icmp, "ports or tag");
  }
  Packet forged = sent;
  forged.source = ip("192.0.2.77");
  refused(forged, Counter::k_drop_icmp, "source");
  forged = sent;
  forged.destination = ip("192.0.2.77");
  refused(forged, Counter::k_drop_icmp, "destination");
  forged = sent;
  forged.bytes[12 + 7] ^= 0x55;
  refused(forged, Counter::k_drop_icmp_not_in_flight, "TSN");
  for (const uint16_t mtu : {uint16_t{1500}, uint16_t{9000}}) {
    too_big(sent, mtu);
    EXPECT_EQ(path().mtu, 1500);
  }
  too_big(sent, 1300, 8);  // the least that a router quotes
  EXPECT_EQ(a().count(Counter::k_pmtu_lowered), 1u);
  EXPECT_EQ(path().mtu, 1200);
}

TEST_F(PathMtuTest, ASizeBelowTheBaseIsLiftedToIt) {
  connect();
  too_big(lose_full(), 68);
  EXPECT_EQ(path().mtu, 1200);
  EXPECT_EQ(a().count(Counter::k_clamped_icmp_size), 1u);
}

TEST_F(PathMtuTest, ARouterThatDoesNotTellASizeIsBelievedToo) {
  connect();
  too_big(lose_full(), 0);
  EXPECT_EQ(path().mtu, 1200);
  EXPECT_EQ(a().count(Counter::k_clamped_icmp_size), 0u);
}

TEST_F(PathMtuTest, WithOnlySmallPacketsOnTheirWayIcmpIsNotBelieved) {
  connect();
  const Packet sent = lose_full(100);
  too_big(sent, 1300);
  EXPECT_EQ(a().count(Counter::k_drop_icmp_not_in_flight), 1u);
  EXPECT_EQ(path().mtu, 1500);
}

TEST_F(PathMtuTest, WhatIsSentAfterItShrankIsCutSmallerAndGrowsAgain) {
  connect();
  link_mtu = 1200;
  too_big(lose_full(), 1200);
  ASSERT_EQ(send(5000), Status::kOk);
  largest = 0;
  run(seconds(1));
  EXPECT_EQ(largest, 1200u);
  EXPECT_EQ(z().messages().size(), 2u);
  link_mtu = 1500;
  run(seconds(700));
  EXPECT_EQ(path().mtu, 1500);
  largest = 0;
  ASSERT_EQ(send(5000), Status::kOk);
  run(seconds(1));
  EXPECT_EQ(largest, 1500u);
  EXPECT_EQ(a().count(Counter::k_t3_expirations), 0u);
}

TEST_F(PathMtuTest, ShutdownWaitsForWhatShrankOnTheWay) {
  connect();
  const Packet sent = lose_full();
  ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
  link_mtu = 1300;
  too_big(sent, 1300);
  run(seconds(5));
  EXPECT_EQ(z().messages().size(), 1u);
  EXPECT_EQ(a().state(), AssocState::kClosed);
  EXPECT_EQ(z().state(), AssocState::kClosed);
}

TEST_F(PathMtuTest, AForgedOrRepeatedProbeAnswerChangesNothing) {
  a_setup.profile.pmtu_discovery = PmtuDiscovery::kProbing;
  link_mtu = 1250;
  connect();
  const auto tag = a().status().local_tag;
  for (const size_t size : {size_t{9}, size_t{8}}) {
    a().receive(now, from_z(tag, [&](PacketWriter& w) {
                  return wire::write_heartbeat_ack(w, std::vector<uint8_t>(size, 0));
                }));
  }
  EXPECT_EQ(a().count(Counter::k_drop_bad_heartbeat_ack), 2u);
  EXPECT_EQ(path().mtu, 1200);
}

TEST_F(PathMtuTest, AnswersToStrangersCarryTheDscpOfTheirProfile) {
  z_setup.profile.dscp = 40;
  for (const auto& write : {Write(wire::write_cookie_ack), Write(wire::write_shutdown_ack)}) {
    z().receive(now, from_a(VerificationTag(7), write));
  }
  z().receive(now, from_a(VerificationTag(7), [](PacketWriter& w) {
                return wire::write_heartbeat(w, std::vector<uint8_t>(8, 1));
              }));
  z().receive(now, from_a(VerificationTag(0), [](PacketWriter& w) {
                return wire::write_init(w, {VerificationTag(5), 10000, 1, 1, Tsn(1)}, {});
              }));
  z().receive(now, from_a(VerificationTag(0), [](PacketWriter& w) {
                return wire::write_init(w, {VerificationTag(5), 10000, 0, 1, Tsn(1)}, {});
              }));
  const auto packets = z().transmit(now);
  EXPECT_EQ(names(packets), "SHUTDOWN COMPLETE, ABORT, INIT ACK, ABORT");
  for (const Packet& packet : packets) EXPECT_EQ(packet.dscp, 40) << packet.names();
}

TEST_F(PathMtuTest, TheCookiesOfTheHandshakeCarryTheDscpOfTheirProfile) {
  a_setup.profile.dscp = 12;
  z_setup.profile.dscp = 40;
  z_setup.profile.valid_cookie_life = seconds(1);
  z();
  ASSERT_EQ(dial().status, Status::kOk);
  carry(a().transmit(now), 'a', z());
  carry(z().transmit(now), 'z', a());
  const std::vector<Packet> echo = a().transmit(now);
  now = now + seconds(2);
  carry(echo, 'a', z());
  exchange();
  EXPECT_EQ(a().state(), AssocState::kEstablished);
  size_t echoes = 0;
  size_t errors = 0;
  for (const Packet& packet : wire) {
    EXPECT_EQ(packet.dscp, packet.source == a_setup.addresses[0] ? 12 : 40) << packet.names();
    if (packet.find(ChunkType::kCookieEcho)) ++echoes;
    if (causes(packet) == std::vector{CauseCode::kStaleCookie}) ++errors;
  }
  EXPECT_EQ(echoes, 2u);
  EXPECT_EQ(errors, 1u);
}

// What passes, and how often HEARTBEATs are sent, which do pass.
class PathMtuOfBlackHole : public PathMtuTest,
                           public ::testing::WithParamInterface<std::tuple<size_t, Duration>> {};

TEST_P(PathMtuOfBlackHole, WithNothingButLargeMessagesNeverEndsTheAssociation) {
  const auto [hole, interval] = GetParam();
  a_setup.profile.heartbeat_interval = interval;
  a_setup.profile.association_max_retrans = 4;
  a_setup.profile.path_max_retrans = 3;
  connect();
  link_mtu = hole;
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(send(3000), Status::kOk);
    run(seconds(2));
    ASSERT_EQ(a().state(), AssocState::kEstablished);
  }
  run(seconds(60));
  EXPECT_EQ(z().messages().size(), 50u);
  EXPECT_EQ(a().count(Counter::k_pmtu_black_holes), 1u);
  EXPECT_LE(path().mtu, hole);
  EXPECT_EQ(path().mtu_state == PmtuState::kError, hole < 1200);
  EXPECT_EQ(path().state, PathState::kActive);
  EXPECT_EQ(a().status().error_count, 0u);
}

INSTANTIATE_TEST_SUITE_P(Each, PathMtuOfBlackHole,
                         ::testing::Combine(::testing::Values(576, 1199, 1200, 1201, 1499),
                                            ::testing::Values(Duration{0}, milliseconds(300),
                                                              seconds(30))));

TEST_F(PathMtuTest, ItMayShrinkInFastRecovery) {
  a_setup.profile.max_burst = 0;
  connect();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(send(1452), Status::kOk);  // opens the window
  run(milliseconds(300));  // less than an RTO: it does not shrink
  for (int i = 0; i < 12; ++i) ASSERT_EQ(send(1452), Status::kOk);
  const std::vector<Packet> packets = a().transmit(now);
  ASSERT_EQ(packets.size(), 12u);
  const uint32_t before = path().cwnd;
  for (size_t i = 1; i < 5; ++i) {
    z().receive(now, packets[i]);
    a().receive(now, z().transmit(now));
  }
  ASSERT_EQ(a().count(Counter::k_fast_retransmits), 1u);
  const std::vector<Packet> again = a().transmit(now);
  ASSERT_EQ(names(again), "DATA");
  const uint32_t halved = path().cwnd;
  EXPECT_LT(halved, before);
  // The fast retransmission and what is behind it come to a link that has shrunk.
  link_mtu = 1300;
  too_big(again[0], 1300);
  EXPECT_EQ(a().count(Counter::k_pmtu_lowered), 1u);
  EXPECT_EQ(path().mtu, 1200);
  EXPECT_EQ(path().cwnd, halved) << "the network was not full";
  EXPECT_EQ(path().flight, 0u);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(send(5000), Status::kOk);
  run(seconds(1));
  EXPECT_EQ(path().mtu, 1300);
  EXPECT_EQ(a().count(Counter::k_fast_retransmits), 1u);
  EXPECT_EQ(a().count(Counter::k_t3_expirations), 0u);
  const std::vector<std::string> got = z().messages();
  ASSERT_EQ(got.size(), 117u);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i].size(), i < 112 ? 1452u : 5000u) << i;
}

struct AbortRow {
  uint16_t mtu;
  size_t told;
};
class PathMtuOfAbort : public PathMtuTest, public ::testing::WithParamInterface<AbortRow> {};

// As far as the packet of an answer goes, and no further than the path.
TEST_P(PathMtuOfAbort, AsMuchOfALongReasonIsToldAsFits) {
  const auto [mtu, told] = GetParam();
  a_setup.profile.path_mtu = z_setup.profile.path_mtu = mtu;
  connect();
  std::string reason(5000, 'r');
  reason[told - 1] = 'e';
  const auto* const bytes = reinterpret_cast<const uint8_t*>(reason.data());
  ASSERT_EQ(a().shard().abort(now, a().assoc, {bytes, reason.size()}), Status::kOk);
  exchange();
  EXPECT_EQ(wire.back().names(), "ABORT");
  EXPECT_EQ(wire.back().fragment_size, 0);
  EXPECT_EQ(z().state(), AssocState::kClosed);
  EXPECT_EQ(z().last(EventKind::kLost).said, reason.substr(0, told));
}

INSTANTIATE_TEST_SUITE_P(Each, PathMtuOfAbort,
                         ::testing::Values(AbortRow{9000, 1460}, AbortRow{1500, 1460},
                                           AbortRow{1400, 1360}, AbortRow{576, 536}));

// ICMP while the COOKIE ECHO is under way, which can be as large as a packet.
class PathMtuOfCookie : public Peer {
 protected:
  PathMtuOfCookie() { setup.profile.heartbeat_interval = Duration{0}; }
  // The COOKIE ECHO with a cookie of that size.
  Packet open_with(size_t size) {
    EXPECT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
    const Packet init = hear_one();
    const auto parsed = wire::InitChunk::parse(init.chunks()[0], false);
    EXPECT_TRUE(parsed.ok());
    host_tag = parsed.init.initiate_tag;
    cookie = std::vector<uint8_t>(size, 7);
    tell(
        [&](PacketWriter& w) { return wire::write_init_ack(w, init_fields(), peer_list, cookie); });
    return hear_one();
  }
  void too_big(const Packet& sent, uint16_t mtu) {
    host().shard().packet_too_big(now, {sent.source, sent.destination, sent.bytes}, mtu);
    host().drain(now);
  }
  [[nodiscard]] uint32_t mtu() { return host().status().paths[0].mtu; }
};

TEST_F(PathMtuOfCookie, ItIsSentAgainAtOnceForIpToFragment) {
  const Packet echo = open_with(1300);
  ASSERT_EQ(echo.names(), "COOKIE ECHO");
  EXPECT_EQ(echo.fragment_size, 0);
  too_big(echo, 1280);
  EXPECT_EQ(host().count(Counter::k_pmtu_lowered), 1u);
  const Packet again = hear_one();
  EXPECT_EQ(again.bytes, echo.bytes);
  EXPECT_EQ(again.fragment_size, 1200);
  EXPECT_EQ(host().count(Counter::k_fragmentable_packets), 1u);
  // Once more the same, and it is not sent a third time.
  too_big(echo, 1280);
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_icmp_size), 1u);
  tell(wire::write_cookie_ack);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  const Packet probe = hear_one();
  EXPECT_EQ(probe.names(), "HEARTBEAT + PAD") << "what the router told is tried";
  EXPECT_EQ(probe.bytes.size() + 20, 1280u);
}

TEST_F(PathMtuOfCookie, OneThatNoPacketTakesIsLeftToIpFromTheStart) {
  const Packet echo = open_with(2000);
  ASSERT_EQ(echo.names(), "COOKIE ECHO");
  EXPECT_EQ(echo.bytes.size(), 2016u);
  EXPECT_EQ(echo.fragment_size, 1500);
  too_big(echo, 1300);
  EXPECT_EQ(hear_one().fragment_size, 1200);
  tell(wire::write_cookie_ack);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(PathMtuOfCookie, ASmallOneCanNotHaveBeenTooBig) {
  too_big(open_with(100), 1280);
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(mtu(), 1500u);
  EXPECT_EQ(host().count(Counter::k_drop_icmp_not_in_flight), 1u);
}

// Two links; the first swallows large packets from a moment on.
class PathMtuOfTwo : public Pair {
 protected:
  PathMtuOfTwo() {
    for (HostSetup* setup : {&a_setup, &z_setup}) {
      setup->profile.rto_initial = setup->profile.rto_min = milliseconds(200);
      setup->profile.rto_max = seconds(2);
      setup->profile.heartbeat_interval = seconds(1);
    }
    a_setup.addresses = {ip("10.1.0.1"), ip("10.2.0.1")};
    z_setup.addresses = {ip("10.1.0.26"), ip("10.2.0.26")};
    eats = [this](const Packet& packet) {
      const size_t link = packet.destination.bytes()[1] - 1u;
      size_t size = packet.bytes.size() + 20;
      if (packet.fragment_size != 0) size = std::min<size_t>(size, packet.fragment_size);
      if (packet.find(ChunkType::kData) && size > 1000) ++large_on[link];
      return size > link_mtu[link];
    };
  }
  [[nodiscard]] PathStatus path(size_t i) { return a().status().paths[i]; }

  size_t link_mtu[2] = {65535, 65535};
  size_t large_on[2] = {};
};

TEST_F(PathMtuOfTwo, ABlackHoleOnOneLosesNothingAndThePathIsUsedAgain) {
  z();
  ASSERT_EQ(a().connect(now, z_setup.addresses, z_setup.port).status, Status::kOk);
  run(seconds(3));
  ASSERT_EQ(path(0).remote, ip("10.1.0.26"));
  link_mtu[0] = 1400;
  size_t sent = 0;
  for (; sent < 400; ++sent) {
    ASSERT_EQ(a().send(now, std::string(1000 + 10 * sent, 'x')), Status::kOk);
    run(milliseconds(50));
    ASSERT_EQ(a().state(), AssocState::kEstablished);
  }
  EXPECT_GT(large_on[1], 0u) << "quick failover";
  EXPECT_EQ(a().count(Counter::k_pmtu_black_holes), 1u);
  EXPECT_EQ(path(0).mtu, 1400);
  EXPECT_EQ(path(1).mtu, 1500);
  EXPECT_EQ(a().count(Counter::k_path_failures), 0u);
  // Now everything goes the first way again, in packets that fit.
  large_on[0] = large_on[1] = 0;
  const uint64_t expirations = a().count(Counter::k_t3_expirations);
  for (int i = 0; i < 100; ++i, ++sent) {
    ASSERT_EQ(a().send(now, std::string(1000 + 10 * sent, 'x')), Status::kOk);
    run(milliseconds(50));
  }
  run(seconds(10));
  EXPECT_EQ(a().count(Counter::k_t3_expirations), expirations);
  EXPECT_GT(large_on[0], 100u);
  EXPECT_EQ(large_on[1], 0u);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(path(i).state, PathState::kActive);
  const std::vector<std::string> got = z().messages();
  ASSERT_EQ(got.size(), sent);
  for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i].size(), 1000 + 10 * i);
  EXPECT_EQ(a().count(EventKind::kSendFailed), 0u);
  EXPECT_EQ(a().status().error_count, 0u);
}

TEST_F(PathMtuOfTwo, BlackHolesOnBothAreEscapedToo) {
  z();
  ASSERT_EQ(a().connect(now, z_setup.addresses, z_setup.port).status, Status::kOk);
  run(seconds(3));
  link_mtu[0] = 700;
  link_mtu[1] = 1400;
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(a().send(now, std::string(3000, 'x')), Status::kOk);
    run(milliseconds(200));
    ASSERT_EQ(a().state(), AssocState::kEstablished);
  }
  run(seconds(20));
  EXPECT_EQ(z().messages().size(), 100u);
  EXPECT_EQ(path(0).mtu, 576);
  EXPECT_EQ(path(1).mtu, 1400);
}

// A path has one address at either end: what is said of another pair is not about it.
TEST_F(PathMtuOfTwo, TooBigFromAnotherAddressOfOursIsAboutNoPath) {
  z();
  ASSERT_EQ(a().connect(now, z_setup.addresses, z_setup.port).status, Status::kOk);
  run(seconds(3));
  ASSERT_EQ(a().send(now, std::string(1452, 'x')), Status::kOk);
  const Packet sent = a().transmit(now).at(0);
  ASSERT_EQ(sent.source, a_setup.addresses[0]);
  a().shard().packet_too_big(now, {a_setup.addresses[1], sent.destination, sent.bytes}, 1300);
  EXPECT_EQ(path(0).mtu, 1500);
  EXPECT_EQ(a().count(Counter::k_drop_icmp_not_in_flight), 1u);
  a().shard().packet_too_big(now, {sent.source, sent.destination, sent.bytes}, 1300);
  EXPECT_LT(path(0).mtu, 1500);
}

TEST_F(PathMtuOfTwo, WhatIsCutAfterOneShrankFitsBoth) {
  z();
  ASSERT_EQ(a().connect(now, z_setup.addresses, z_setup.port).status, Status::kOk);
  run(seconds(3));
  link_mtu[1] = 1300;
  ASSERT_EQ(a().shard().set_primary(now, a().assoc, z_setup.addresses[1]), Status::kOk);
  ASSERT_EQ(a().send(now, std::string(1452, 'x')), Status::kOk);
  const Packet sent = a().transmit(now).at(0);
  a().shard().packet_too_big(now, {sent.source, sent.destination, sent.bytes}, 1300);
  run(seconds(1));
  ASSERT_EQ(path(0).mtu, 1500);
  ASSERT_EQ(path(1).mtu, 1300);
  ASSERT_EQ(a().shard().set_primary(now, a().assoc, z_setup.addresses[0]), Status::kOk);
  forget_trace();
  ASSERT_EQ(a().send(now, std::string(20000, 'x')), Status::kOk);
  run(seconds(1));
  size_t chunks = 0;
  for (const Packet& packet : wire) {
    for (const wire::DataChunk& chunk : data_of(packet)) {
      EXPECT_LE(chunk.payload.size() + 20 + 12 + 16, 1300u);
      EXPECT_EQ(packet.destination, z_setup.addresses[0]);
      ++chunks;
    }
  }
  EXPECT_EQ(chunks, 16u);  // of 1252 bytes at most
  EXPECT_EQ(z().messages().size(), 2u);
}

}  // namespace
}  // namespace trunkline::test
