// SPDX-License-Identifier: BSD-3-Clause
// Loss, and what else changes the network under an association (RFC 9260 sections 7.2.3 to 7.3):
// fast retransmit and recovery as an association does them, new beginnings, and the path MTU.
#include "support/many_paths.h"

namespace trunkline::test {
namespace {

class Section7Loss : public ManyPaths {
 protected:
  // A window of twenty packets is in flight; what was sent before is acknowledged.
  void begin() {
    open();
    grow(20 * kPmdcs);
    drain();
    first = last_tsn() + 1;
    fill();
    listen();
  }
  // The SACK for all before `first`, and then a gap: `from` to `to` count from 1 for `first`.
  void report(uint16_t from, uint16_t to) { tell(sack(first - 1, {{from, to}})); }

  Tsn first;
};

TEST_F(Section7Loss, AThirdMissIndicationHalvesTheWindow) {
  begin();
  report(2, 2);
  report(2, 3);
  const uint32_t cwnd = path().cwnd;
  ASSERT_EQ(path().ssthresh, UINT32_MAX) << "two reports are no loss yet";
  ASSERT_LT(path().flight, cwnd);
  report(2, 4);
  EXPECT_EQ(path().ssthresh, cwnd / 2);
  EXPECT_EQ(path().cwnd, cwnd / 2);
  const auto again = data_of(hear_one());
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].tsn, first);
}

TEST_F(Section7Loss, OnlyWhatIsBelowTheHighestNewlyAcknowledgedMisses) {
  begin();
  report(2, 2);
  report(2, 2);
  report(2, 2);
  report(2, 2);
  EXPECT_EQ(host().count(Counter::k_fast_retransmits), 0u) << "nothing is newly acknowledged";
  // The fifth packet is reported missing by all that follow; of it, only these count.
  tell(sack(first - 1, {{2, 4}, {6, 6}}));
  tell(sack(first - 1, {{2, 4}, {6, 7}}));
  EXPECT_EQ(host().count(Counter::k_fast_retransmits), 1u) << "three for the first";
  const auto again = data_of(listen()[0]);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].tsn, first) << "two for the fifth";
}

TEST_F(Section7Loss, OnePacketIsRetransmittedWhateverTheWindowSays) {
  begin();
  report(4, 4);
  listen();
  report(4, 5);
  listen();
  ASSERT_GE(path().flight, path().cwnd);
  report(4, 6);  // three are lost, a packet each
  ASSERT_GE(path().flight, path().cwnd) << "the window has no room";
  const auto again = data_of(hear_one());
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].tsn, first) << "the earliest, at once, and one packet";
  // The others wait for the window, and come before anything new.
  uint16_t end = 6;
  std::vector<Packet> more;
  while (more.empty() && end < 40) {
    report(4, ++end);
    more = listen();
  }
  ASSERT_FALSE(more.empty());
  EXPECT_EQ(data_of(more[0])[0].tsn, first + 1);
  EXPECT_GT(end, 8) << "half a window had to be acknowledged";
}

TEST_F(Section7Loss, AsManyAsFitAreInTheOnePacket) {
  open();
  send("x");
  listen();
  acknowledge_all();
  first = last_tsn() + 1;
  for (int i = 0; i < 7; ++i) send(std::string(600, 'x'));
  listen();
  report(4, 4);
  report(4, 5);
  report(4, 6);
  const auto packets = listen();
  ASSERT_GE(packets.size(), 1u);
  const auto again = data_of(packets[0]);
  ASSERT_EQ(again.size(), 2u) << "two chunks of 616 fit, three do not";
  EXPECT_EQ(again[0].tsn, first);
  EXPECT_EQ(again[1].tsn, first + 1);
}

TEST_F(Section7Loss, FastRecoveryChangesNoWindowUntilItsExitPoint) {
  begin();
  const Tsn exit = last_tsn();
  for (uint16_t end = 2; end <= 4; ++end) report(2, end);
  const uint32_t cwnd = path().cwnd;
  ASSERT_EQ(cwnd, path().ssthresh);
  listen();
  // A second loss, in the middle.
  for (uint16_t end = 8; end <= 19; ++end) {
    tell(sack(first - 1, {{2, 5}, {7, end}}));
    listen();
  }
  EXPECT_EQ(host().status().retransmitted_chunks, 2u) << "the second loss is known";
  EXPECT_EQ(path().cwnd, cwnd) << "but the window is not halved again";
  EXPECT_EQ(path().ssthresh, cwnd);
  EXPECT_EQ(host().count(Counter::k_fast_retransmits), 1u);
  // Nor does it grow, though it is full and the peer acknowledges.
  fill();
  listen();
  tell(sack(exit - 1));
  EXPECT_EQ(path().cwnd, cwnd);
  listen();
  tell(sack(exit));
  listen();
  ASSERT_GE(path().flight, cwnd);
  tell(sack(last_tsn()));
  EXPECT_EQ(path().cwnd, cwnd + kPmdcs) << "past the exit point it grows again";
}

// 7.2.3: after T3 it is slow start again, not the rest of a fast recovery.
TEST_F(Section7Loss, T3EndsFastRecovery) {
  begin();
  for (uint16_t end = 2; end <= 4; ++end) report(2, end);
  ASSERT_EQ(host().count(Counter::k_fast_retransmits), 1u);
  ASSERT_NE(hear(), "") << "and that is lost, too";
  wait(path().rto);
  ASSERT_EQ(path().t3_expirations, 1u);
  ASSERT_EQ(path().cwnd, kPmdcs);
  ASSERT_EQ(data_of(hear_one())[0].tsn, first);
  tell(sack(first + 3));
  EXPECT_EQ(path().cwnd, 2 * kPmdcs) << "it grows, before the exit point of what was";
  ASSERT_NE(hear(), "");
  tell(sack(first + 5));
  EXPECT_EQ(path().cwnd, 3 * kPmdcs);
  // A loss among what is sent then is a loss of its own.
  while (path().cwnd < 8 * kPmdcs) {
    listen();
    acknowledge_all();
  }
  fill();
  listen();
  const Tsn lost = host().status().next_tsn - path().flight / kPmdcs;
  for (uint16_t end = 2; end <= 4; ++end) tell(sack(lost - 1, {{2, end}}));
  EXPECT_EQ(host().count(Counter::k_fast_retransmits), 2u);
}

TEST_F(Section7Loss, AnAdvancingSackFirstGrowsTheWindowThenHalvesIt) {
  begin();
  // The first and the third are missing; then the first arrives with the third's third report.
  tell(sack(first - 1, {{2, 2}, {4, 4}}));
  listen();
  tell(sack(first - 1, {{2, 2}, {4, 5}}));
  listen();
  const uint32_t cwnd = path().cwnd;
  ASSERT_GE(path().flight, cwnd);
  tell(sack(first + 1, {{2, 5}}));
  EXPECT_EQ(host().count(Counter::k_fast_retransmits), 1u);
  EXPECT_EQ(path().ssthresh, (cwnd + kPmdcs) / 2);
  EXPECT_EQ(path().cwnd, (cwnd + kPmdcs) / 2);
}

TEST_F(Section7Loss, AHoleIsToldWithEveryPacketUntilItIsFilled) {
  setup.profile.sack_frequency = 100;
  setup.profile.sack_delay = milliseconds(500);
  open();
  tell_data();
  ASSERT_EQ(hear(), "SACK") << "the first of all";
  tell_data();
  EXPECT_EQ(hear(), "") << "in order: no hurry";
  const Tsn missing = peer_tsn;
  const Write late = data({});
  for (int i = 0; i < 5; ++i) {
    tell_data();
    EXPECT_EQ(hear(), "SACK");
  }
  tell(late);
  EXPECT_EQ(hear(), "") << "filled";
  EXPECT_EQ(host().status().cum_tsn_ack, missing + 5);
}

// ---------------------------------------------------------------- 7.2.5

TEST_F(Section7Loss, ARestartedPeerIsANewBeginning) {
  begin();
  for (uint16_t end = 2; end <= 4; ++end) report(2, end);
  ASSERT_NE(path().ssthresh, UINT32_MAX);
  listen();
  peer_tag = VerificationTag(0x55);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  ASSERT_EQ(host().count(EventKind::kRestarted), 1u);
  EXPECT_EQ(path().cwnd, 4404u);
  EXPECT_EQ(path().ssthresh, UINT32_MAX);
  EXPECT_EQ(path().flight, 0u);
}

using Section7Life = Pair;

// A change would demand new windows: there is none.
TEST_F(Section7Life, TheDscpIsThatOfTheProfileFromTheFirstPacketToTheLast) {
  a_setup.profile.dscp = z_setup.profile.dscp = 46;
  a_setup.addresses.push_back(ip("192.0.2.2"));
  z_setup.addresses.push_back(ip("192.0.2.27"));
  a_setup.profile.heartbeat_interval = seconds(1);
  connect();
  size_t n = 0;
  eats = [&](const Packet&) { return ++n % 7 == 0; };
  for (int i = 0; i < 30; ++i) {
    a().send(now, std::string(3000, 'a'));
    z().send(now, std::string(3000, 'z'));
    run(seconds(3));
  }
  eats = nullptr;
  ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
  run(minutes(5));
  ASSERT_EQ(a().count(EventKind::kClosed), 1u);
  std::set<std::string> kinds;
  for (const Packet& packet : wire) {
    EXPECT_EQ(packet.dscp, 46) << packet.names();
    kinds.insert(packet.names());
  }
  for (const char* kind : {"INIT", "INIT ACK", "COOKIE ECHO", "COOKIE ACK", "SACK", "DATA",
                           "HEARTBEAT", "HEARTBEAT ACK", "SHUTDOWN", "SHUTDOWN COMPLETE"}) {
    EXPECT_EQ(kinds.count(kind), 1u) << kind;
  }
}

TEST_F(Section7Loss, TheSourceAddressTowardsAPeerIsOneForLife) {
  setup.addresses = {ip("192.0.2.1"), ip("192.0.2.2")};
  open();
  for (int i = 0; i < 4; ++i) {
    host_address = ip(i % 2 == 0 ? "192.0.2.2" : "192.0.2.1");  // the peer may use any of them
    tell_data();
    send("x");
    const Packet out = hear_one();
    EXPECT_EQ(out.source, ip("192.0.2.1"));
    EXPECT_EQ(out.source, path().local);
    wait(path().rto);
    EXPECT_EQ(hear_one().source, ip("192.0.2.1"));
    acknowledge_all();
  }
}

// ---------------------------------------------------------------- 7.3

class Section7PathMtu : public Pair {
 protected:
  void SetUp() override {
    a_setup.addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
    z_setup.addresses = {ip("192.0.2.26"), ip("2001:db8::26")};
  }
  // What an IP packet with it is long.
  static size_t ip_length(const Packet& packet) {
    return packet.bytes.size() + (packet.destination.is_ipv4() ? 20u : 40u);
  }
};

TEST_F(Section7PathMtu, FragmentsFitTheSmallestOfThePeersAddresses) {
  connect();
  run(seconds(2));
  ASSERT_EQ(a().status().paths[0].remote, ip("192.0.2.26"));
  ASSERT_EQ(a().status().paths[1].state, PathState::kActive);
  forget_trace();
  bool cut = true;
  eats = [&](const Packet& packet) { return cut && packet.destination == ip("192.0.2.26"); };
  const std::string text(20000, 'f');
  ASSERT_EQ(a().send(now, text), Status::kOk);
  exchange();
  std::map<uint32_t, size_t> sizes;
  for (const Packet& packet : wire) {
    for (const wire::DataChunk& chunk : data_of(packet)) {
      sizes[chunk.tsn.value] = chunk.payload.size();
      EXPECT_LE(chunk.payload.size(), 1500u - 40 - 12 - 16) << "an IPv6 packet is the smaller one";
    }
  }
  ASSERT_FALSE(sizes.empty());
  EXPECT_EQ(sizes.begin()->second, 1500u - 40 - 12 - 16);
  forget_trace();
  run(minutes(3));
  size_t again = 0;
  for (const Packet& packet : wire) {
    EXPECT_LE(ip_length(packet), 1500u);
    if (packet.destination != ip("2001:db8::26")) continue;
    for (const wire::DataChunk& chunk : data_of(packet)) {
      const auto known = sizes.find(chunk.tsn.value);
      if (known == sizes.end()) continue;
      EXPECT_EQ(chunk.payload.size(), known->second);
      ++again;
    }
  }
  EXPECT_EQ(again, sizes.size()) << "every one of them fits the other address as it is";
  EXPECT_TRUE(z().messages() == std::vector<std::string>{text});
  cut = false;
}

TEST_F(Section7PathMtu, NoPacketIsLargerThanItsDestinationTakes) {
  // The operator says what the path to a peer takes; nothing is probed.
  PeerProfile narrow;
  narrow.prefix = ip("192.0.2.26");
  narrow.prefix_length = 32;
  narrow.profile.path_mtu = 700;
  a_setup.peer_profiles = {narrow};
  connect();
  run(seconds(2));
  for (int i = 0; i < 40; ++i) a().send(now, std::string(static_cast<size_t>(50 * i + 1), 'n'));
  a().send(now, std::string(20000, 'n'));
  run(seconds(10));
  EXPECT_EQ(z().messages().size(), 41u);
  size_t full = 0;
  for (const Packet& packet : wire) {
    if (packet.source != ip("192.0.2.1") && packet.source != ip("2001:db8::1")) continue;
    EXPECT_LE(ip_length(packet), 700u) << packet.names();
    full += ip_length(packet) >= 700 - 20;  // fragments fit IPv6 as well
  }
  EXPECT_GT(full, 20u) << "and all of it is used";
  for (const PathStatus& path : a().status().paths) EXPECT_EQ(path.mtu, 700u);
  for (const PathStatus& path : z().status().paths) EXPECT_EQ(path.mtu, 1500u);
}

}  // namespace
}  // namespace trunkline::test
