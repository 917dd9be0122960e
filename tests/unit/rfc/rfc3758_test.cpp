// SPDX-License-Identifier: BSD-3-Clause
// RFC 3758 sections 3.5 and 4, RFC 7496 section 3: messages that are given up, and what the peer is
// told of them.
#include "support/pair.h"
#include "wire/forward_tsn_chunk.h"

namespace trunkline::test {
namespace {

using Policy = Reliability::Policy;

class Abandoning : public Peer {
 protected:
  Abandoning() {
    peer_options.forward_tsn_supported = true;
    setup.profile.partial_reliability = true;
    setup.profile.max_burst = 0;
    setup.profile.rto_min = setup.profile.rto_initial = seconds(1);
    setup.profile.heartbeat_interval = Duration::zero();
  }
  Status send(const std::string& text, Reliability reliability = {}, uint16_t stream = 0,
              bool unordered = false) {
    return host().send(now, text,
                       {.stream = stream, .unordered = unordered, .reliability = reliability});
  }
  // Lost for the host: its retransmission timer fires.
  void time_out() { wait(host().status().paths[0].rto); }
  struct Forward {
    Tsn to;
    std::vector<wire::SkippedStream> streams;
  };
  // The FORWARD TSN of a packet; nothing if it has none.
  static std::optional<Forward> forward_of(const Packet& packet) {
    const auto chunk = packet.find(ChunkType::kForwardTsn);
    if (!chunk) return std::nullopt;
    const auto parsed = wire::ForwardTsnChunk::parse(*chunk);
    EXPECT_TRUE(parsed);
    Forward out{parsed->new_cum_tsn, {}};
    for (size_t i = 0; i < parsed->stream_count(); ++i) out.streams.push_back(parsed->stream(i));
    return out;
  }
  Forward hear_forward() {
    const Packet packet = hear_one();
    const auto forward = forward_of(packet);
    EXPECT_TRUE(forward) << packet.names();
    return forward.value_or(Forward{});
  }
  static std::vector<wire::SkippedStream> skipped(uint16_t stream, uint16_t ssn) {
    return {{StreamId(stream), Ssn(ssn)}};
  }
  [[nodiscard]] std::vector<std::string> abandoned() {
    host().drain(now);
    std::vector<std::string> out;
    for (const Seen& event : host().events) {
      if (event.kind == EventKind::kSendFailed && event.reason == Reason::kAbandoned) {
        out.push_back(event.text);
      }
    }
    return out;
  }
  using Texts = std::vector<std::string>;

  static constexpr Reliability kOnce{Policy::kRetransmissions, 0};
};

Reliability lifetime(uint32_t ms) {
  return {Policy::kLifetime, ms};
}
Reliability priority(uint32_t value) {
  return {Policy::kPriority, value};
}

// ---------------------------------------------------------------- limited retransmissions

TEST_F(Abandoning, WhatMayNotGoAgainIsPassedInstead) {
  be_opened();
  ASSERT_EQ(send("a", kOnce, 3), Status::kOk);
  ASSERT_EQ(hear(), "DATA");
  time_out();
  const Forward forward = hear_forward();
  EXPECT_EQ(forward.to, host_tsn);
  EXPECT_EQ(forward.streams, skipped(3, 0));
  EXPECT_EQ(abandoned(), Texts{"a"});
  EXPECT_TRUE(host().last(EventKind::kSendFailed).started);
  EXPECT_EQ(host().count(Counter::k_messages_abandoned), 1u);
  EXPECT_EQ(host().count(Counter::k_forward_tsns_sent), 1u);
  EXPECT_EQ(host().status().outstanding_bytes, 0u);
  tell(sack(host_tsn));
  wait(seconds(10));
  EXPECT_EQ(hear(), "") << "the peer has passed it";
  ASSERT_EQ(send("b", {}, 3), Status::kOk);
  const Packet next = hear_one();
  EXPECT_EQ(data_of(next)[0].tsn, host_tsn + 1);
  EXPECT_EQ(data_of(next)[0].mid, Mid(1));
}

TEST_F(Abandoning, AsOftenAsItMayItGoesAgain) {
  be_opened();
  ASSERT_EQ(send("a", {Policy::kRetransmissions, 2}), Status::kOk);
  ASSERT_EQ(hear(), "DATA");
  for (int i = 0; i < 2; ++i) {
    time_out();
    EXPECT_EQ(hear(), "DATA");
  }
  EXPECT_EQ(abandoned(), Texts{});
  time_out();
  EXPECT_EQ(hear(), "FORWARD-TSN");
  EXPECT_EQ(abandoned(), Texts{"a"});
}

TEST_F(Abandoning, FastRetransmissionsCountAndCostTheWindowTheSame) {
  be_opened();
  ASSERT_EQ(send(std::string(1000, 'a'), kOnce), Status::kOk);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(send(std::string(1000, 'b')), Status::kOk);
  listen();
  for (uint16_t end = 2; end <= 4; ++end) tell(sack(host_tsn - 1, {{2, end}}));
  const std::vector<Packet> packets = listen();
  ASSERT_FALSE(packets.empty());
  const auto forward = forward_of(packets[0]);
  ASSERT_TRUE(forward) << names(packets);
  EXPECT_EQ(forward->to, host_tsn);
  EXPECT_EQ(abandoned(), Texts{std::string(1000, 'a')});
  EXPECT_EQ(host().count(Counter::k_fast_retransmits), 1u);
  const PathStatus path = host().status().paths[0];
  EXPECT_EQ(path.cwnd, path.ssthresh) << "F5";
}

TEST_F(Abandoning, WithoutLimitThereIsNone) {
  be_opened();
  ASSERT_EQ(send("a", {Policy::kRetransmissions, UINT32_MAX}), Status::kOk);
  ASSERT_EQ(hear(), "DATA");
  for (int i = 0; i < 5; ++i) {
    time_out();
    EXPECT_EQ(hear(), "DATA");
  }
}

// ---------------------------------------------------------------- lifetimes

TEST_F(Abandoning, WhatIsTooOldBeforeItGoesNeverGoes) {
  be_opened();
  peer_window = 0;
  ASSERT_EQ(send("first"), Status::kOk);
  ASSERT_EQ(hear(), "DATA");
  tell(sack(host_tsn, {}, 0));
  ASSERT_EQ(send("a", lifetime(50)), Status::kOk);
  ASSERT_EQ(send("b", lifetime(80)), Status::kOk);
  ASSERT_EQ(hear(), "");
  wait(milliseconds(60));
  EXPECT_EQ(abandoned(), Texts{"a"}) << "though the window is shut";
  EXPECT_FALSE(host().last(EventKind::kSendFailed).started);
  tell(sack(host_tsn, {}, 10'000));
  const Packet next = hear_one();
  ASSERT_EQ(next.names(), "DATA");
  EXPECT_EQ(data_of(next)[0].tsn, host_tsn + 1) << "no TSN was spent on it";
  EXPECT_EQ(data_of(next)[0].mid, Mid(1)) << "nor an SSN";
}

TEST_F(Abandoning, WhatIsUnderWayMayStillArrive) {
  be_opened();
  ASSERT_EQ(send("a", lifetime(50)), Status::kOk);
  ASSERT_EQ(hear(), "DATA");
  wait(milliseconds(100));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(abandoned(), Texts{});
  tell(sack(host_tsn));
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 1u);
}

TEST_F(Abandoning, WhatIsTooOldDoesNotGoAgain) {
  be_opened();
  ASSERT_EQ(send("a", lifetime(50)), Status::kOk);
  ASSERT_EQ(hear(), "DATA");
  time_out();
  EXPECT_EQ(hear(), "FORWARD-TSN");
  EXPECT_EQ(abandoned(), Texts{"a"});
}

TEST_F(Abandoning, WhatWaitsToGoAgainIsGivenUpInTime) {
  be_opened();
  // T3 leaves a window of one packet: the second one has to wait.
  ASSERT_EQ(send(std::string(1400, 'a')), Status::kOk);
  ASSERT_EQ(send(std::string(1400, 'b'), lifetime(1500)), Status::kOk);
  listen();
  time_out();
  ASSERT_EQ(hear(), "DATA");
  wait(milliseconds(600));
  listen();
  EXPECT_EQ(abandoned(), Texts{std::string(1400, 'b')});
}

// ---------------------------------------------------------------- priorities

TEST_F(Abandoning, TheLowestMakesWay) {
  setup.profile.send_buffer = 3000;
  be_opened();
  tell(sack(host_tsn - 1, {}, 0));
  ASSERT_EQ(send(std::string(1000, 'a'), priority(5)), Status::kOk);
  ASSERT_EQ(send(std::string(1000, 'b'), priority(9)), Status::kOk);
  ASSERT_EQ(send(std::string(1000, 'c'), priority(9)), Status::kOk);
  EXPECT_EQ(send(std::string(1000, 'd'), priority(9)), Status::kWouldBlock) << "not its equals";
  EXPECT_EQ(send(std::string(1000, 'e'), priority(7)), Status::kOk);
  EXPECT_EQ(abandoned(), Texts{std::string(1000, 'c')}) << "of equals the youngest";
  EXPECT_EQ(send(std::string(1000, 'f')), Status::kOk) << "what has none is above all";
  EXPECT_EQ(abandoned().back(), std::string(1000, 'b'));
  EXPECT_EQ(send(std::string(2500, 'g')), Status::kWouldBlock) << "nobody goes in vain";
  EXPECT_EQ(abandoned().size(), 2u);
}

// Nothing is told of an association before it is up.
TEST_F(Abandoning, NothingMakesWayDuringTheSetUp) {
  setup.profile.send_buffer = 1000;
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  answer_up_to_cookie_echo();
  ASSERT_EQ(send(std::string(1000, 'a'), priority(5)), Status::kOk);
  EXPECT_EQ(send("b", priority(1)), Status::kWouldBlock);
  EXPECT_EQ(abandoned(), Texts{});
  tell(wire::write_cookie_ack);
  EXPECT_EQ(send("b", priority(1)), Status::kOk);
  EXPECT_EQ(abandoned().size(), 1u);
}

TEST_F(Abandoning, WhatWasSentMakesWayToo) {
  setup.profile.send_buffer = 1000;
  be_opened();
  ASSERT_EQ(send(std::string(1000, 'a'), priority(5)), Status::kOk);
  ASSERT_EQ(hear(), "DATA");
  ASSERT_EQ(send("b", priority(1)), Status::kOk);
  EXPECT_EQ(abandoned(), Texts{std::string(1000, 'a')});
  const Packet packet = hear_one();
  EXPECT_EQ(packet.names(), "FORWARD-TSN + DATA") << "bundled (F2)";
}

// ---------------------------------------------------------------- the peer is told

TEST_F(Abandoning, ThePointStopsAtWhatIsNotGivenUp) {
  be_opened();
  // 0 and 1 are given up, 2 is not, 3 the peer has, 4 is given up.
  for (const bool once : {true, true, false, false, true}) {
    ASSERT_EQ(send("x", once ? kOnce : Reliability{}), Status::kOk);
    listen();
  }
  tell(sack(host_tsn - 1, {{4, 4}}));
  time_out();
  const std::vector<Packet> packets = listen();
  ASSERT_FALSE(packets.empty());
  const auto forward = forward_of(packets[0]);
  ASSERT_TRUE(forward) << names(packets);
  EXPECT_EQ(forward->to, host_tsn + 1);
  EXPECT_EQ(abandoned().size(), 3u);
  tell(sack(host_tsn + 3));
  const auto rest = forward_of(hear_one());
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->to, host_tsn + 4);
}

TEST_F(Abandoning, ASackThatLagsDrawsItAgainOnceARoundTrip) {
  be_opened();
  ASSERT_EQ(send("warm"), Status::kOk);
  listen();
  wait(milliseconds(100));
  tell(sack(host_tsn));
  ASSERT_EQ(send("a", kOnce), Status::kOk);
  listen();
  time_out();
  ASSERT_EQ(hear(), "FORWARD-TSN");
  tell(sack(host_tsn));
  EXPECT_EQ(hear(), "") << "within a round trip";
  wait(milliseconds(110));
  tell(sack(host_tsn));
  EXPECT_EQ(hear(), "FORWARD-TSN");
}

TEST_F(Abandoning, T3RunsForItAndItsSilenceCounts) {
  setup.profile.association_max_retrans = 4;
  be_opened();
  ASSERT_EQ(send("a", kOnce), Status::kOk);
  ASSERT_EQ(hear(), "DATA");
  for (int i = 0; i < 4; ++i) {
    time_out();
    EXPECT_EQ(hear(), "FORWARD-TSN") << i;
  }
  time_out();
  EXPECT_EQ(host().count(EventKind::kLost), 1u);
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kTimedOut);
}

TEST_F(Abandoning, ItGoesToAConfirmedAddress) {
  peer_list = {peer_address, ip("198.51.100.2")};
  be_opened();
  listen();
  ASSERT_EQ(send("a", kOnce), Status::kOk);
  listen();
  time_out();
  bool any = false;
  for (const Packet& packet : listen()) {
    if (!forward_of(packet)) continue;
    any = true;
    EXPECT_EQ(packet.destination, peer_address);
  }
  EXPECT_TRUE(any);
}

TEST_F(Abandoning, EachStreamIsNamedOnceWithItsLast) {
  be_opened();
  for (const uint16_t stream : std::initializer_list<uint16_t>{7, 2, 7, 2, 7})
    ASSERT_EQ(send("x", kOnce, stream), Status::kOk);
  ASSERT_EQ(send("u", kOnce, 4, true), Status::kOk);
  listen();
  time_out();
  const Forward forward = hear_forward();
  EXPECT_EQ(forward.to, host_tsn + 5);
  const std::vector<wire::SkippedStream> streams = {{StreamId(2), Ssn(1)}, {StreamId(7), Ssn(2)}};
  EXPECT_EQ(forward.streams, streams) << "and no unordered one";
}

TEST_F(Abandoning, WhatHasNoRoomWaitsForTheNextOne) {
  constexpr size_t kSmall = 576;
  setup.profile.pmtu_discovery = PmtuDiscovery::kOff;
  setup.profile.fixed_path_mtu = kSmall;
  setup.profile.outbound_streams = peer_streams_in = 2000;
  be_opened();
  for (int round = 0; round < 20; ++round) {  // the window grows
    for (int i = 0; i < 20; ++i) ASSERT_EQ(send(std::string(400, 'x')), Status::kOk);
    listen();
    tell(sack(last_tsn()));
  }
  while (host().status().queued_bytes + host().status().outstanding_bytes > 0) {
    listen();
    tell(sack(last_tsn()));
  }
  host_tsn = last_tsn() + 1;
  for (uint16_t stream = 1; stream < 300; ++stream) {
    ASSERT_EQ(send("x", kOnce, stream), Status::kOk);
  }
  uint32_t sent = 0;
  for (const Packet& packet : listen()) sent += static_cast<uint32_t>(data_of(packet).size());
  ASSERT_GT(sent, kSmall / 4);
  wait(host().status().paths[0].rto);
  std::optional<Forward> first;
  for (const Packet& packet : listen()) {
    if (!first) first = forward_of(packet);
    EXPECT_LE(packet.bytes.size(), kSmall - 20);
  }
  ASSERT_TRUE(first);
  EXPECT_LT(first->to.distance_from(host_tsn) + 1, sent);
  EXPECT_EQ(first->streams.size(), first->to.distance_from(host_tsn) + 1);
  tell(sack(first->to));
  const std::vector<Packet> packets = listen();
  ASSERT_FALSE(packets.empty());
  const auto rest = forward_of(packets[0]);
  ASSERT_TRUE(rest) << names(packets);
  EXPECT_EQ(rest->streams.front().stream,
            StreamId(static_cast<uint16_t>(first->streams.size() + 1)));
}

TEST_F(Abandoning, AnOldSackIsToldByWhatThePeerSaidNotByThePoint) {
  be_opened();
  ASSERT_EQ(send("a", kOnce), Status::kOk);
  ASSERT_EQ(send("b"), Status::kOk);
  listen();
  time_out();
  listen();
  tell(sack(host_tsn - 1, {{2, 2}}));
  EXPECT_EQ(host().count(Counter::k_drop_old_sack), 0u);
  tell(sack(host_tsn + 1));
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 1u);
}

// ---------------------------------------------------------------- fragments

TEST_F(Abandoning, AllOfAMessageIsGivenUpAtOnce) {
  be_opened();
  ASSERT_EQ(send(std::string(4000, 'a'), kOnce), Status::kOk);
  ASSERT_EQ(data_of(listen()[0]).size(), 1u);
  tell(sack(host_tsn));
  time_out();
  const Forward forward = hear_forward();
  EXPECT_EQ(forward.to, host_tsn + 2);
  EXPECT_EQ(abandoned().size(), 1u);
}

// usrsctp 592 and 597: a FORWARD TSN that ends inside a message makes receivers abort.
TEST_F(Abandoning, AMessageSentInPartGetsOneMoreTsnForTheRest) {
  be_opened();
  ASSERT_EQ(send(std::string(100'000, 'a'), kOnce), Status::kOk);
  uint32_t sent = 0;
  for (const Packet& packet : listen()) sent += static_cast<uint32_t>(data_of(packet).size());
  ASSERT_GT(sent, 1u);
  ASSERT_LT(sent, 50u);
  ASSERT_EQ(send("b"), Status::kOk);
  time_out();
  const Packet packet = hear_one();
  const auto forward = forward_of(packet);
  ASSERT_TRUE(forward);
  EXPECT_EQ(forward->to, host_tsn + sent) << "one behind the last that was sent";
  EXPECT_EQ(forward->streams, skipped(0, 0));
  ASSERT_EQ(data_of(packet).size(), 1u);
  EXPECT_EQ(data_of(packet)[0].tsn, host_tsn + sent + 1);
  EXPECT_EQ(data_of(packet)[0].mid, Mid(1));
  tell(sack(host_tsn + sent + 1));
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 1u);
}

// ---------------------------------------------------------------- a peer that does not know it

TEST_F(Abandoning, ForAPeerThatDoesNotKnowItWhatWasSentIsSentToTheEnd) {
  peer_options.forward_tsn_supported = false;
  be_opened();
  ASSERT_EQ(send("a", kOnce), Status::kOk);
  ASSERT_EQ(send("b", lifetime(50)), Status::kOk);
  ASSERT_EQ(hear(), "DATA + DATA");
  time_out();
  EXPECT_EQ(hear(), "DATA + DATA");
  EXPECT_EQ(abandoned(), Texts{});
  tell(sack(host_tsn + 1, {}, 0));
  ASSERT_EQ(send("c", lifetime(50)), Status::kOk);
  EXPECT_EQ(hear(), "");
  wait(milliseconds(60));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(abandoned(), Texts{"c"}) << "its lifetime counts until it is sent";
}

// ---------------------------------------------------------------- beside all else

TEST_F(Abandoning, ShutdownWaitsUntilThePeerHasPassedIt) {
  be_opened();
  ASSERT_EQ(send("a", kOnce), Status::kOk);
  ASSERT_EQ(hear(), "DATA");
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  time_out();
  ASSERT_EQ(hear(), "FORWARD-TSN");
  EXPECT_EQ(host().state(), AssocState::kShutdownPending);
  tell(sack(host_tsn));
  EXPECT_EQ(hear(), "SHUTDOWN");
}

TEST_F(Abandoning, ShutdownDoesNotWaitForWhatWasNeverSent) {
  be_opened();
  ASSERT_EQ(send("first"), Status::kOk);
  listen();
  tell(sack(host_tsn, {}, 0));
  ASSERT_EQ(send("a", lifetime(50)), Status::kOk);
  EXPECT_EQ(hear(), "");
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  wait(milliseconds(60));
  EXPECT_EQ(abandoned(), Texts{"a"});
  EXPECT_EQ(hear(), "SHUTDOWN");
}

TEST_F(Abandoning, WithTheLastOneAllIsDone) {
  be_opened();
  ASSERT_EQ(send("a", kOnce), Status::kOk);
  listen();
  time_out();
  listen();
  EXPECT_EQ(host().count(EventKind::kSenderDry), 1u);
  tell(sack(host_tsn));
  EXPECT_EQ(host().count(EventKind::kSenderDry), 1u);
}

TEST_F(Abandoning, NoWindowGrowsByIt) {
  be_opened();
  ASSERT_EQ(send(std::string(1000, 'a'), kOnce), Status::kOk);
  listen();
  time_out();
  listen();
  const uint32_t before = host().status().paths[0].cwnd;
  tell(sack(host_tsn));
  EXPECT_EQ(host().status().paths[0].cwnd, before);
  EXPECT_EQ(host().status().paths[0].flight, 0u);
  ASSERT_EQ(send("b"), Status::kOk);
  EXPECT_EQ(hear(), "DATA") << "nothing is left that would have to be sent again first";
}

TEST_F(Abandoning, APeerThatPassesItIsAlive) {
  setup.profile.association_max_retrans = 2;
  be_opened();
  for (uint32_t i = 0; i < 6; ++i) {
    ASSERT_EQ(send("a", kOnce), Status::kOk);
    listen();
    time_out();
    ASSERT_EQ(hear(), "FORWARD-TSN");
    tell(sack(host_tsn + i));
  }
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(Abandoning, WhatWasSentEarlyHasItsLimitToo) {
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  ASSERT_EQ(send("a", lifetime(50)), Status::kOk);
  ASSERT_EQ(send("b", kOnce), Status::kOk);
  answer_up_to_cookie_echo();
  wait(milliseconds(60));
  EXPECT_EQ(abandoned(), Texts{}) << "nothing is told of an association before it is up";
  tell(wire::write_cookie_ack);
  wait(milliseconds(1));
  EXPECT_EQ(abandoned(), Texts{"a"});
  ASSERT_EQ(hear(), "DATA");
  time_out();
  EXPECT_EQ(hear(), "FORWARD-TSN");
  EXPECT_EQ(abandoned(), (Texts{"a", "b"}));
}

// Of what was sent before and after, no two have one rank.
TEST_F(Abandoning, WhatIsSentEarlyAndLaterIsKeptApart) {
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  for (int i = 0; i < 8; ++i) ASSERT_EQ(send("early", priority(3)), Status::kOk);
  answer_up_to_cookie_echo();
  // Our INIT has crossed the peer's: the association that comes up is another one (5.2.4 B).
  send_init();
  const std::vector<Packet> answers = listen();
  ASSERT_FALSE(answers.empty());
  take_init_ack(answers.back());
  tell(cookie_echo());
  ASSERT_EQ(host().state(), AssocState::kEstablished);
  for (int i = 0; i < 8; ++i) ASSERT_EQ(send("later", priority(3)), Status::kOk);
  listen();
  tell(sack(last_tsn()));
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 16u);
}

TEST_F(Abandoning, ARestartGivesAllBack) {
  be_opened();
  ASSERT_EQ(send("a", kOnce), Status::kOk);
  ASSERT_EQ(send("b", priority(3)), Status::kOk);
  listen();
  time_out();
  ASSERT_EQ(abandoned(), Texts{"a"});
  ASSERT_EQ(send("c", lifetime(50)), Status::kOk);
  listen();
  peer_tag = VerificationTag(0x55667788);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
  EXPECT_EQ(host().count(EventKind::kSendFailed), 3u);
  listen();
  wait(seconds(5));
  EXPECT_EQ(hear(), "");
}

TEST_F(Abandoning, WithoutMemoryForLimitsTheMessageIsRefused) {
  setup.shard.max_extended = 0;
  be_opened();
  EXPECT_EQ(send("a", kOnce), Status::kOutOfResources);
  EXPECT_EQ(send("b"), Status::kOk);
  EXPECT_EQ(host().count(Counter::k_refused_extensions), 1u);
}

}  // namespace
}  // namespace trunkline::test
