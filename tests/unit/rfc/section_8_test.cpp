// SPDX-License-Identifier: BSD-3-Clause
// Is the peer alive, and which of its addresses are (RFC 9260 sections 8.1 to 8.3): what counts as
// an error, what forgets errors, where data goes when an address fails, and HEARTBEATs.
#include <algorithm>

#include "base/bytes.h"
#include "support/many_paths.h"
#include "support/states.h"

namespace trunkline::test {
namespace {

class Section8Faults : public ManyPaths {
 protected:
  static constexpr const char* kFirst = "198.51.100.1";
  static constexpr const char* kSecond = "198.51.100.2";
  static constexpr const char* kThird = "198.51.100.3";

  // To the next moment at which the host has something to do; what it says then.
  std::vector<Packet> step() {
    now = std::max(now, host().shard().next_deadline());
    host().advance(now);
    return listen();
  }
  // Up to the next expiry of T3; what is sent then.
  std::vector<Packet> expire() {
    const uint64_t before = host().count(Counter::k_t3_expirations);
    std::vector<Packet> said;
    for (int i = 0; i < 1000 && host().count(Counter::k_t3_expirations) == before; ++i) {
      if (host().shard().next_deadline().is_never()) break;
      said = step();
    }
    EXPECT_EQ(host().count(Counter::k_t3_expirations), before + 1);
    return said;
  }
  // Time passes; HEARTBEATs are answered as `dead` says. Each step's packets are shown.
  void run(Duration span, const std::function<void(const std::vector<Packet>&)>& show = {}) {
    const TimePoint end = now + span;
    while (host().shard().next_deadline() <= end) {
      const std::vector<Packet> said = step();
      if (show) show(said);
      answer(said);
    }
    now = end;
  }
};

// ---------------------------------------------------------------- 8.1

TEST_F(Section8Faults, RetransmissionsToAllAddressesAddUpToAnUnreachablePeer) {
  setup.profile.association_max_retrans = 4;
  setup.profile.path_max_retrans = 20;
  open_with({ip(kFirst), ip(kSecond)});
  send("to nobody");
  ASSERT_EQ(hear_one().destination, ip(kFirst));
  for (uint32_t i = 1; i <= 4; ++i) {
    const auto again = expire();
    ASSERT_EQ(names(again), "DATA");
    EXPECT_EQ(again[0].destination, ip(i % 2 == 1 ? kSecond : kFirst));
    EXPECT_EQ(host().status().error_count, i);
  }
  EXPECT_EQ(path(0).error_count, 2u);
  EXPECT_EQ(path(1).error_count, 2u);
  ASSERT_EQ(host().state(), AssocState::kEstablished) << "at the limit, not above it";
  send("never sent");
  EXPECT_EQ(names(expire()), "") << "nothing more goes to a peer that is unreachable";
  EXPECT_EQ(host().state(), AssocState::kClosed);
  EXPECT_EQ(host().count(EventKind::kSendFailed), 2u) << "all that was accepted comes back";
  EXPECT_EQ(host().events.back().kind, EventKind::kLost);
  EXPECT_EQ(host().events.back().reason, Reason::kTimedOut);
}

TEST_F(Section8Faults, AnAcknowledgementForgetsWhatWasCounted) {
  setup.profile.association_max_retrans = 2;
  setup.profile.path_max_retrans = 5;
  open();
  for (int i = 0; i < 10; ++i) {
    send("lost twice");
    listen();
    expire();
    expire();
    ASSERT_EQ(host().status().error_count, 2u);
    ASSERT_EQ(path().error_count, 2u);
    acknowledge_all();
    ASSERT_EQ(host().status().error_count, 0u);
    ASSERT_EQ(path().error_count, 0u);
  }
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 10u);
}

TEST_F(Section8Faults, AHeartbeatAckForgetsWhatWasCounted) {
  open();
  send("lost");
  listen();
  expire();
  expire();
  ASSERT_EQ(host().status().error_count, 2u);
  ASSERT_EQ(path().error_count, 2u);
  ASSERT_EQ(host().shard().request_heartbeat(now, host().assoc, ip(kFirst)), Status::kOk);
  answer(listen());
  EXPECT_EQ(host().status().error_count, 0u);
  EXPECT_EQ(path().error_count, 0u);
}

TEST_F(Section8Faults, HeartbeatsCountForTheAssociationOnlyWhereDataGoes) {
  setup.profile.heartbeat_interval = seconds(1);
  setup.profile.association_max_retrans = 3;
  setup.profile.path_max_retrans = 2;
  open_with({ip(kFirst), ip(kSecond)});
  dead = {ip(kSecond).to_string()};
  run(minutes(30), [&](const std::vector<Packet>&) {
    EXPECT_EQ(host().status().error_count, 0u) << "before any answer could forget it";
  });
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  EXPECT_EQ(host().status().error_count, 0u) << "data goes elsewhere";
  EXPECT_EQ(path(1).state, PathState::kInactive);
  const uint64_t sent = path(1).heartbeats_sent;
  run(minutes(30));
  EXPECT_EQ(path(1).error_count, 30u) << "ten times the limit, and then no further";
  EXPECT_GE(path(1).heartbeats_sent, sent + 12) << "probed still, though with an RTO of a minute";
  dead.insert(ip(kFirst).to_string());
  run(minutes(30));
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kTimedOut);
}

// ---------------------------------------------------------------- 8.2

TEST_F(Section8Faults, AnAddressFailsAboveItsLimitAndTheUserIsTold) {
  setup.profile.path_max_retrans = 2;
  setup.profile.potentially_failed_max_retrans = 2;
  open_with({ip(kFirst), ip(kSecond)});
  host().events.clear();
  for (uint32_t i = 1; i <= 3; ++i) {
    ASSERT_EQ(path(1).state, PathState::kActive);
    ASSERT_EQ(host().count(EventKind::kPathChanged), 0u);
    ASSERT_EQ(host().shard().request_heartbeat(now, host().assoc, ip(kSecond)), Status::kOk);
    ASSERT_EQ(hear_one().destination, ip(kSecond));
    wait(path(1).rto);  // no answer within it
    EXPECT_EQ(path(1).error_count, i);
    EXPECT_EQ(path(0).error_count, 0u) << "each has a count of its own";
  }
  EXPECT_EQ(path(1).state, PathState::kInactive);
  EXPECT_EQ(path(0).state, PathState::kActive);
  ASSERT_EQ(host().count(EventKind::kPathChanged), 1u);
  EXPECT_EQ(host().last(EventKind::kPathChanged).path, ip(kSecond));
  EXPECT_EQ(host().last(EventKind::kPathChanged).path_state, PathState::kInactive);
}

TEST_F(Section8Faults, AcknowledgedDataBringsItsAddressBack) {
  setup.profile.path_max_retrans = 0;
  open();
  send("late");
  listen();
  expire();
  ASSERT_EQ(path().state, PathState::kInactive);
  ASSERT_EQ(host().count(EventKind::kPathChanged), 1u);
  acknowledge_all();
  EXPECT_EQ(path().state, PathState::kActive);
  EXPECT_EQ(path().error_count, 0u);
  ASSERT_EQ(host().count(EventKind::kPathChanged), 2u);
  EXPECT_EQ(host().last(EventKind::kPathChanged).path, ip(kFirst));
  EXPECT_EQ(host().last(EventKind::kPathChanged).path_state, PathState::kActive);
}

TEST_F(Section8Faults, TheAcknowledgementIsCreditedToTheAddressOfTheLastTransmission) {
  setup.profile.path_max_retrans = 5;
  setup.profile.potentially_failed_max_retrans = 5;  // RFC 7829 has another rule
  open_with({ip(kFirst), ip(kSecond)});
  send("first here, then there");
  listen();
  ASSERT_EQ(expire()[0].destination, ip(kSecond));
  ASSERT_EQ(expire()[0].destination, ip(kFirst));
  ASSERT_EQ(expire()[0].destination, ip(kSecond));
  ASSERT_EQ(path(0).error_count, 2u);
  ASSERT_EQ(path(1).error_count, 1u);
  acknowledge_all();
  EXPECT_EQ(path(0).error_count, 2u);
  EXPECT_EQ(path(1).error_count, 0u);
}

TEST_F(Section8Faults, OneOtherAddressTakesOverFromTheFailedOne) {
  setup.profile.path_max_retrans = 0;
  open_with({ip(kFirst), ip(kSecond), ip(kThird)});
  send("lost");
  ASSERT_EQ(hear_one().destination, ip(kFirst));
  const IpAddress chosen = expire().at(0).destination;
  ASSERT_NE(chosen, ip(kFirst));
  acknowledge_all();
  ASSERT_EQ(path(0).state, PathState::kInactive);
  for (int i = 0; i < 20; ++i) {
    send(std::string(kFull, 'x'));
    send(std::string(kFull, 'x'));
    for (const Packet& packet : listen()) EXPECT_EQ(packet.destination, chosen);
    acknowledge_all();
  }
  ASSERT_EQ(host().shard().request_heartbeat(now, host().assoc, ip(kFirst)), Status::kOk);
  answer(listen());
  send("back");
  EXPECT_EQ(hear_one().destination, ip(kFirst));
}

// ---------------------------------------------------------------- 8.3

TEST_F(Section8Faults, ByDefaultEveryIdleAddressIsProbed) {
  setup.profile.heartbeat_interval = Profile().heartbeat_interval;
  open_with({ip(kFirst), ip(kSecond)});
  std::map<std::string, int> heartbeats;
  const auto count = [&](const std::vector<Packet>& said) {
    for (const Packet& packet : said) {
      if (packet.find(ChunkType::kHeartbeat)) ++heartbeats[packet.destination.to_string()];
    }
  };
  for (int i = 0; i < 120; ++i) {  // the first address is busy, the second idle
    send("x");
    listen();
    acknowledge_all();
    run(seconds(5), count);
  }
  EXPECT_EQ(heartbeats[ip(kFirst).to_string()], 0);
  EXPECT_GE(heartbeats[ip(kSecond).to_string()], 18) << "30 s and an RTO, in ten minutes";
  EXPECT_LE(heartbeats[ip(kSecond).to_string()], 20);
  heartbeats.clear();
  run(minutes(10), count);
  EXPECT_GE(heartbeats[ip(kFirst).to_string()], 18);
  EXPECT_GE(heartbeats[ip(kSecond).to_string()], 18);
}

TEST_F(Section8Faults, AnExpiryOfTheTimerSendsOneHeartbeat) {
  setup.profile.heartbeat_interval = seconds(5);
  std::vector<IpAddress> five = {ip(kFirst)};
  for (int i = 2; i <= 5; ++i) five.push_back(ip("198.51.100." + std::to_string(i)));
  peer_list = five;
  open();
  run(minutes(10),
      [](const std::vector<Packet>& said) { EXPECT_LE(said.size(), 1u) << names(said); });
  for (const PathStatus& each : host().status().paths) {
    EXPECT_GE(each.heartbeats_sent, 90u) << "none goes without";
    EXPECT_EQ(each.state, PathState::kActive);
  }
}

TEST_F(Section8Faults, AHeartbeatTellsWhenAndWhereItWent) {
  open_with({ip(kFirst), ip(kSecond)});
  for (int i = 0; i < 3; ++i) {
    now = now + milliseconds(1234);
    ASSERT_EQ(host().shard().request_heartbeat(now, host().assoc, ip(kSecond)), Status::kOk);
    const Packet heartbeat = hear_one();
    ASSERT_EQ(heartbeat.destination, ip(kSecond));
    const auto info = wire::HeartbeatChunk::parse(*heartbeat.find(ChunkType::kHeartbeat))->info;
    std::array<uint8_t, 8> time{};
    store_be64(time.data(), static_cast<uint64_t>(now.ns()));
    EXPECT_NE(std::search(info.begin(), info.end(), time.begin(), time.end()), info.end());
    const IpAddress second = ip(kSecond);
    const auto address = second.bytes();
    EXPECT_NE(std::search(info.begin(), info.end(), address.begin(), address.end()), info.end());
  }
}

TEST_F(Section8Faults, TheAnswerMeasuresTheRoundTripOfItsAddress) {
  open();
  ASSERT_EQ(path().srtt, Duration{0});
  ASSERT_EQ(host().shard().request_heartbeat(now, host().assoc, ip(kFirst)), Status::kOk);
  const auto heartbeat = listen();
  now = now + milliseconds(700);
  answer(heartbeat);
  EXPECT_EQ(path().srtt, milliseconds(700));
  EXPECT_EQ(path().rto, milliseconds(2100));
  answer(heartbeat);
  EXPECT_EQ(host().count(Counter::k_drop_bad_heartbeat_ack), 1u) << "once";
  EXPECT_EQ(path().srtt, milliseconds(700));
}

TEST_F(Section8Faults, AnAnswerThatWasTamperedWithMeasuresNothing) {
  setup.profile.path_max_retrans = 0;
  open();
  ASSERT_EQ(host().shard().request_heartbeat(now, host().assoc, ip(kFirst)), Status::kOk);
  const Packet heartbeat = hear_one();
  wait(path().rto);
  ASSERT_EQ(path().state, PathState::kInactive);
  const auto info = wire::HeartbeatChunk::parse(*heartbeat.find(ChunkType::kHeartbeat))->info;
  for (size_t i = 0; i < info.size(); ++i) {
    std::vector<uint8_t> wrong(info.begin(), info.end());
    wrong[i] ^= 1;
    tell([&](PacketWriter& w) { return wire::write_heartbeat_ack(w, wrong); });
  }
  EXPECT_EQ(host().count(Counter::k_drop_bad_heartbeat_ack), info.size());
  EXPECT_EQ(path().state, PathState::kInactive);
  answer({heartbeat});
  EXPECT_EQ(path().state, PathState::kActive);
  EXPECT_EQ(path().error_count, 0u);
  EXPECT_EQ(host().last(EventKind::kPathChanged).path_state, PathState::kActive);
}

class Section8Heartbeat : public InEveryState {};

TEST_F(Section8Heartbeat, IsAnsweredFromCookieEchoedToShutdownSent) {
  const std::vector<uint8_t> info = {9, 8, 7, 6, 5};
  for (const AssocState state : kOpenStates) {
    reach(state);
    tell([&](PacketWriter& w) { return wire::write_heartbeat(w, info); });
    const std::vector<Packet> said = listen();
    const bool answers = state != AssocState::kCookieWait && state != AssocState::kShutdownAckSent;
    ASSERT_EQ(names(said), answers ? "HEARTBEAT ACK" : "") << state_name(state);
    if (answers) {
      const auto ack = wire::HeartbeatChunk::parse(said[0].chunks()[0]);
      EXPECT_TRUE(std::equal(ack->info.begin(), ack->info.end(), info.begin(), info.end()));
      EXPECT_EQ(said[0].destination, peer_address);
      EXPECT_EQ(said[0].header().verification_tag, peer_tag);
    }
    EXPECT_EQ(host().state(), state);
    leave();
  }
}

using Section8Abort = Pair;

// The longer the interval, the later this: what to think of when setting it.
TEST_F(Section8Abort, ThatWasLostIsFoundOutByTheNextHeartbeat) {
  for (const Duration interval : {Duration(seconds(5)), Duration(seconds(60))}) {
    z_setup.profile.heartbeat_interval = interval;
    HostSetup mine = a_setup;
    Host a(1, mine, now);
    Host z(2, z_setup, now);
    const auto talk = [&] {
      for (int i = 0; i < 4; ++i) {
        z.receive(now, a.transmit(now));
        a.receive(now, z.transmit(now));
      }
    };
    ASSERT_EQ(a.connect(now, z_setup.addresses, z_setup.port).status, Status::kOk);
    talk();
    ASSERT_EQ(z.state(), AssocState::kEstablished);
    ASSERT_EQ(a.shard().abort(now, a.assoc, {}), Status::kOk);
    EXPECT_EQ(names(a.transmit(now)), "ABORT") << "which nobody hears";
    const TimePoint begin = now;
    while (z.count(EventKind::kLost) == 0 && now - begin < 3 * interval) {
      now = now + milliseconds(100);
      a.advance(now);
      z.advance(now);
      talk();
    }
    EXPECT_EQ(z.last(EventKind::kLost).reason, Reason::kReset);
    EXPECT_GE(now - begin, interval);
    EXPECT_LE(now - begin, interval + seconds(2));
    for (Host* host : {&a, &z}) {
      host->finish(now);
      EXPECT_EQ(host->violation(), "");
    }
  }
}

}  // namespace
}  // namespace trunkline::test
