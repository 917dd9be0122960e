// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 8899 that need a peer made by hand: when probes are sent, which answers count, and
// what neither they nor ICMP may change. What the search finds: assoc/path_mtu_test.cpp.
#include "support/pair.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

class DatagramPmtu : public Peer {
 protected:
  DatagramPmtu() {
    setup.profile.heartbeat_interval = Duration{0};
    setup.profile.pmtu_discovery = PmtuDiscovery::kProbing;
  }
  // The association is up; the first probe.
  Packet begin() {
    EXPECT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
    EXPECT_EQ(answer_up_to_cookie_echo().names(), "COOKIE ECHO");
    tell(wire::write_cookie_ack);
    return hear_probe(1280);
  }
  // In an IP packet of that size, as far as chunks of four bytes fill it.
  Packet hear_probe(size_t size) {
    const Packet probe = hear_one();
    EXPECT_EQ(probe.names(), "HEARTBEAT + PAD");
    EXPECT_EQ(probe.bytes.size(), (size - 20) / 4 * 4);
    EXPECT_EQ(probe.fragment_size, 0);
    return probe;
  }
  void answer(const Packet& probe) {
    const auto heartbeat = probe.find(ChunkType::kHeartbeat);
    ASSERT_TRUE(heartbeat.has_value());
    const auto info = wire::HeartbeatChunk::parse(*heartbeat)->info;
    tell([&](PacketWriter& w) { return wire::write_heartbeat_ack(w, info); });
  }
  void too_big(const Packet& sent, uint16_t mtu) {
    host().shard().packet_too_big(now, {sent.source, sent.destination, sent.bytes}, mtu);
    host().drain(now);
  }
  [[nodiscard]] PathStatus path() { return host().status().paths[0]; }
};

TEST_F(DatagramPmtu, AProbeFollowsTheAnswerToTheOneBeforeOrItsTimeOut) {
  Packet probe = begin();
  uint32_t found = 1200;
  for (const uint16_t next : {uint16_t{1400}, uint16_t{1420}, uint16_t{1450}}) {
    wait(milliseconds(700));  // the round trip
    EXPECT_EQ(hear(), "");
    EXPECT_EQ(path().mtu, found);
    found = static_cast<uint32_t>(probe.bytes.size() + 20);
    answer(probe);
    EXPECT_EQ(path().mtu, found);
    probe = hear_probe(next);
  }
  for (int i = 0; i < 2; ++i) {
    wait(setup.profile.pmtu_probe_timeout - milliseconds(1));
    EXPECT_EQ(hear(), "");
    wait(milliseconds(1));
    hear_probe(1450);
  }
}

TEST_F(DatagramPmtu, AProbeHasASecondAtLeastAndTheRto) {
  EXPECT_GT(Profile().pmtu_probe_timeout, seconds(15));
  setup.profile.pmtu_probe_timeout = milliseconds(10);
  setup.profile.rto_min = setup.profile.rto_initial = milliseconds(100);
  begin();
  wait(milliseconds(999));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  hear_probe(1280);

  start_over();
  setup.profile.rto_min = setup.profile.rto_initial = seconds(3);
  begin();
  wait(milliseconds(2999));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  hear_probe(1280);
}

TEST_F(DatagramPmtu, AnAnswerCountsOnceAndForItsOwnProbeOnly) {
  const Packet first = begin();
  answer(first);
  ASSERT_EQ(path().mtu, 1280u);
  const Packet second = hear_probe(1400);
  answer(first);
  EXPECT_EQ(host().count(Counter::k_drop_bad_heartbeat_ack), 1u) << "a repetition";
  EXPECT_EQ(path().mtu, 1280u);
  EXPECT_EQ(hear(), "");
  wait(setup.profile.pmtu_probe_timeout);
  const Packet again = hear_probe(1400);
  EXPECT_NE(again.bytes, second.bytes) << "of the same size, but not the same";
  answer(second);
  EXPECT_EQ(host().count(Counter::k_drop_bad_heartbeat_ack), 2u) << "too late";
  EXPECT_EQ(path().mtu, 1280u);
  answer(again);
  EXPECT_EQ(path().mtu, 1400u);
}

TEST_F(DatagramPmtu, ALostProbeIsNoSignOfCongestionNorOfFailure) {
  begin();
  const PathStatus before = path();
  for (int i = 0; i < 2; ++i) {
    wait(setup.profile.pmtu_probe_timeout);
    hear_probe(1280);
  }
  wait(setup.profile.pmtu_probe_timeout);
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_pmtu_probes_lost), 3u);
  EXPECT_EQ(path().cwnd, before.cwnd);
  EXPECT_EQ(path().ssthresh, before.ssthresh);
  EXPECT_EQ(path().rto, before.rto);
  EXPECT_EQ(path().state, PathState::kActive);
  EXPECT_EQ(path().error_count, 0u);
  EXPECT_EQ(host().status().error_count, 0u);
  EXPECT_EQ(path().mtu, 1200u);
}

TEST_F(DatagramPmtu, AnAnswerForgivesTheErrorsOfAPathThatIsUsed) {
  setup.profile.potentially_failed_max_retrans = setup.profile.path_max_retrans;
  const Packet probe = begin();
  ASSERT_EQ(host().send(now, "x"), Status::kOk);
  listen();
  wait(seconds(3));
  listen();
  ASSERT_GT(path().error_count, 0u);
  ASSERT_EQ(path().state, PathState::kActive);
  answer(probe);
  EXPECT_EQ(path().error_count, 0u);
  EXPECT_EQ(host().status().error_count, 0u);
}

TEST_F(DatagramPmtu, ALargerMtuIsNoLargerWindow) {
  Packet probe = begin();
  const uint32_t cwnd = path().cwnd;
  for (const size_t next : {1400u, 1420u, 1450u, 1476u, 1492u, 1500u}) {
    answer(probe);
    probe = hear_probe(next);
  }
  answer(probe);
  ASSERT_EQ(path().mtu, 1500u);
  EXPECT_EQ(path().cwnd, cwnd);
}

TEST_F(DatagramPmtu, NeitherWindowHoldsAProbeBack) {
  setup.profile.max_burst = 0;
  Packet probe = begin();
  for (int i = 0; i < 20; ++i) ASSERT_EQ(host().send(now, std::string(1000, 'x')), Status::kOk);
  listen();
  ASSERT_GE(path().flight, path().cwnd) << "it is full";
  answer(probe);
  probe = hear_probe(1400);
  tell(sack(last_tsn(), {}, 0));
  listen();
  ASSERT_GT(host().status().queued_bytes, 0u);
  EXPECT_EQ(hear(), "") << "the peer has no room";
  answer(probe);
  hear_probe(1420);
}

TEST_F(DatagramPmtu, WhatIsToldOfAProbeIsProbedAndNotBelieved) {
  answer(begin());
  const Packet probe = hear_probe(1400);
  for (const uint16_t told : {uint16_t{1400}, uint16_t{1401}, uint16_t{1500}, uint16_t{65535}}) {
    too_big(probe, told);
    EXPECT_EQ(path().mtu, 1280u) << told;
    EXPECT_EQ(hear(), "") << told;
  }
  EXPECT_EQ(host().count(Counter::k_drop_icmp_not_in_flight), 4u) << "it was no larger";
  too_big(probe, 1320);
  EXPECT_EQ(path().mtu, 1280u);
  EXPECT_EQ(path().mtu_state, PmtuState::kSearching);
  answer(hear_probe(1320));
  EXPECT_EQ(path().mtu, 1320u);
  EXPECT_EQ(path().mtu_state, PmtuState::kComplete);
  EXPECT_EQ(hear(), "");
}

TEST_F(DatagramPmtu, OfAProbeTheNonceIsProof) {
  const Packet probe = begin();
  Packet forged = probe;
  forged.bytes[wire::kCommonHeaderSize + wire::kChunkHeaderSize + wire::kTlvHeaderSize] ^= 1;
  too_big(forged, 1250);
  EXPECT_EQ(host().count(Counter::k_drop_icmp_not_in_flight), 1u);
  EXPECT_EQ(hear(), "");
  too_big(probe, 1250);
  hear_probe(1250);
}

TEST_F(DatagramPmtu, WhatWasFoundIsNotProbedAgain) {
  Packet probe = begin();
  answer(probe);
  answer(hear_probe(1400));
  hear_probe(1420);
  for (int i = 0; i < 2; ++i) {
    wait(setup.profile.pmtu_probe_timeout);
    hear_probe(1420);
  }
  wait(setup.profile.pmtu_probe_timeout);
  ASSERT_EQ(path().mtu_state, PmtuState::kComplete);
  for (int i = 0; i < 3; ++i) {
    wait(setup.profile.pmtu_raise_interval - milliseconds(1));
    EXPECT_EQ(hear(), "");
    EXPECT_EQ(path().mtu_state, PmtuState::kComplete);
    wait(milliseconds(1));
    for (int k = 0; k < 3; ++k) {
      hear_probe(1420);  // not 1400
      wait(setup.profile.pmtu_probe_timeout);
    }
    EXPECT_EQ(path().mtu, 1400u);
  }
  // At the most that the profile allows there is nothing left to ask.
  wait(setup.profile.pmtu_raise_interval);
  probe = hear_probe(1420);
  for (const size_t next : {1450u, 1476u, 1492u, 1500u}) {
    answer(probe);
    probe = hear_probe(next);
  }
  answer(probe);
  wait(minutes(600));
  EXPECT_EQ(hear(), "");
  EXPECT_TRUE(host().shard().next_deadline().is_never());
}

}  // namespace
}  // namespace trunkline::test
