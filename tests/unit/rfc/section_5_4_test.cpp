// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 9260, section 5.4, that no part's own tests prove: what may go to an address that
// the peer only says is its.
#include "set_up.h"

namespace trunkline::test {
namespace {

class Section5Paths : public States {
 protected:
  // Opened from kOne; the others are hearsay.
  void open_with(const std::vector<IpAddress>& hearsay) {
    peer_list = hearsay;
    open();
    for (const PathStatus& path : host().status().paths) {
      EXPECT_EQ(path.state, path.remote == kOne ? PathState::kActive : PathState::kUnconfirmed);
    }
  }
  // From that address; all that is answered.
  std::vector<Packet> told_from(const IpAddress& source, const Write& write) {
    const IpAddress right = std::exchange(peer_address, source);
    tell(write);
    peer_address = right;
    return listen();
  }
  void expect_answer(const IpAddress& source, const Write& write, const std::string& chunks,
                     const IpAddress& destination) {
    const std::vector<Packet> answers = told_from(source, write);
    ASSERT_EQ(names(answers), chunks);
    EXPECT_EQ(answers[0].destination, destination) << chunks;
  }
  Write answer_to(const Packet& packet) {
    const auto chunk = packet.find(ChunkType::kHeartbeat);
    const auto parsed = wire::HeartbeatChunk::parse(*chunk);
    const std::vector<uint8_t> info(parsed->info.begin(), parsed->info.end());
    return [info](PacketWriter& w) { return wire::write_heartbeat_ack(w, info); };
  }
};

TEST_F(Section5Paths, OneProbeInAnRto) {
  open_with({kTwo, kThree, kFour});
  std::vector<std::pair<int64_t, IpAddress>> probes;
  for (const auto& [at, packet] : overhear(seconds(20))) {
    EXPECT_EQ(packet.names(), "HEARTBEAT");
    probes.emplace_back(at, packet.destination);
  }
  ASSERT_GE(probes.size(), 6u);
  for (size_t i = 1; i < probes.size(); ++i) {
    EXPECT_GE(probes[i].first - probes[i - 1].first, 1000) << "RTO.Initial";
  }
  for (const size_t round : {size_t{0}, size_t{3}}) {  // nobody is forgotten
    std::set<std::string> reached;
    for (size_t i = 0; i < 3; ++i) reached.insert(probes[round + i].second.to_string());
    EXPECT_EQ(reached.size(), 3u);
  }
  EXPECT_EQ(probes[2].first, 2000);
}

TEST_F(Section5Paths, ProbingEndsWithTheLastAnswer) {
  setup.profile.heartbeat_interval = Duration{0};
  open_with({kTwo, kThree});
  for (const IpAddress& address : {kTwo, kThree}) {
    const auto probe = overhear(milliseconds(999));
    ASSERT_EQ(probe.size(), 1u);
    EXPECT_EQ(probe[0].second.destination, address);
    EXPECT_TRUE(told_from(address, answer_to(probe[0].second)).empty());
    EXPECT_EQ(host().last(EventKind::kPathChanged).path, address);
  }
  EXPECT_TRUE(overhear(minutes(1)).empty());
}

TEST_F(Section5Paths, NothingElseGoesToAnUnconfirmedAddress) {
  open_with({kTwo, kThree});
  // Everything that looks for another path: a T3 that expires, HEARTBEATs, a shutdown that stalls.
  ASSERT_EQ(host().send(now, std::string(9000, 'x')), Status::kOk);
  auto packets = overhear(seconds(10));
  tell(sack(last_tsn()));
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  for (auto& more : overhear(minutes(10))) packets.push_back(std::move(more));
  size_t probes = 0;
  for (const auto& [at, packet] : packets) {
    if (packet.destination == kOne) continue;
    EXPECT_EQ(packet.names(), "HEARTBEAT") << at;
    ++probes;
  }
  EXPECT_GT(probes, 3u);
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kTimedOut);
}

TEST_F(Section5Paths, WhatComesFromAnUnconfirmedAddressIsAnsweredElsewhere) {
  open_with({kTwo});
  expect_answer(kTwo, heartbeat, "HEARTBEAT ACK", kTwo);
  expect_answer(kTwo, data({}), "SACK", kOne);
  expect_answer(kTwo, unknown(0xff), "ERROR", kOne);
  const Write another = data({});
  expect_answer(
      kTwo, [&](PacketWriter& w) { return heartbeat(w) && another(w) && unknown(0xff)(w); },
      "HEARTBEAT ACK + ERROR", kOne);
  // A SACK that must not wait for the next packet of the burst.
  std::vector<Packet> burst;
  peer_address = kTwo;
  for (int i = 0; i < 4; ++i) burst.push_back(packet(host_tag, data({})));
  peer_address = kOne;
  host().receive(now, burst);
  for (const Packet& packet : listen()) {
    EXPECT_EQ(packet.names(), "SACK");
    EXPECT_EQ(packet.destination, kOne);
  }
  expect_answer(
      kTwo, [&](PacketWriter& w) { return heartbeat(w) && wire::write_shutdown(w, host_tsn - 1); },
      "SHUTDOWN ACK + HEARTBEAT ACK", kOne);
}

TEST_F(Section5Paths, AShutdownAckFromAnUnconfirmedAddressIsAnsweredElsewhere) {
  open_with({kTwo});
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  EXPECT_EQ(hear(), "SHUTDOWN");
  expect_answer(kTwo, wire::write_shutdown_ack, "SHUTDOWN COMPLETE", kOne);
}

TEST_F(Section5Paths, ACookieAckToAnUnconfirmedAddressProbesIt) {
  for (const bool with_data : {false, true}) {
    peer_port = PortNumber(with_data ? 2 : 1);
    peer_list = {kTwo};
    send_init();
    take_init_ack(hear_one());
    const Write early = data({.text = "early"});
    const auto answers = told_from(
        kTwo, [&](PacketWriter& w) { return cookie_echo()(w) && (!with_data || early(w)); });
    ASSERT_EQ(names(answers), "COOKIE ACK + HEARTBEAT");
    EXPECT_EQ(answers[0].destination, kTwo);
    EXPECT_EQ(host().status().paths[1].state, PathState::kUnconfirmed);
    if (with_data) {  // its SACK can not go there
      const auto later = overhear(setup.profile.sack_delay);
      ASSERT_EQ(later.size(), 1u);
      EXPECT_EQ(later[0].second.names(), "SACK");
      EXPECT_EQ(later[0].second.destination, kOne);
    }
    EXPECT_TRUE(told_from(kTwo, answer_to(answers[0])).empty());
    EXPECT_EQ(host().status().paths[1].state, PathState::kActive) << "the nonce came back";
    peer_tsn = Tsn(1000);
    peer_ssn = 0;
  }
}

TEST_F(Section5Paths, ACookieAckToAConfirmedAddressNeedsNoProbe) {
  peer_list = {kTwo};
  send_init();
  take_init_ack(hear_one());
  expect_answer(kOne, cookie_echo(), "COOKIE ACK", kOne);
}

TEST_F(Section5Paths, ACookieEchoGoesToNamedAddressesOnly) {
  ASSERT_EQ(host().connect(now, {kOne}, peer_port).status, Status::kOk);
  take_init(hear_one());
  peer_address = kThree;
  peer_list = {kOne, kTwo};
  cookie.assign(1000, 7);
  tell_init_ack();
  size_t echoes = 0;
  for (const auto& [at, packet] : overhear(minutes(10))) {
    EXPECT_EQ(packet.names(), "COOKIE ECHO");
    EXPECT_EQ(packet.destination, kOne);
    ++echoes;
  }
  EXPECT_EQ(echoes, 1u + setup.profile.max_init_retransmits);
}

}  // namespace
}  // namespace trunkline::test
