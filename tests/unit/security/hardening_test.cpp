// SPDX-License-Identifier: BSD-3-Clause
// What is limited so that strangers can't make us work, remember or send: INITs by the second,
// replayed cookies, packets out of the blue, probes of unconfirmed addresses, long HEARTBEATs.
#include "support/pair.h"
#include "wire/abort_chunk.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

// ---------------------------------------------------------------- replayed cookies

class SpentCookie : public Peer {
 protected:
  void end() {
    tell([](PacketWriter& w) { return wire::write_abort(w, false); });
    ASSERT_EQ(host().shard().association_count(), 0u);
  }
  void replay() { tell(cookie_echo()); }
  void expect_refused(uint64_t times) {
    EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kStaleCookie});
    EXPECT_EQ(host().count(Counter::k_drop_spent_cookie), times);
    EXPECT_EQ(host().shard().association_count(), 0u);
  }
};

TEST_F(SpentCookie, IsDroppedOnceItsAssociationHasEnded) {
  open();
  end();
  replay();
  const Packet answer = hear_one();
  EXPECT_EQ(answer.header().verification_tag, peer_tag);
  wire::CauseCursor cursor(answer.chunks()[0].value);
  EXPECT_EQ(wire::parse_stale_cookie_us(*cursor.next()), 0u) << "it is spent, and not late";
  EXPECT_EQ(host().count(Counter::k_drop_spent_cookie), 1u);
  wait(seconds(59));
  replay();
  expect_refused(2);
}

TEST_F(SpentCookie, IsStaleWhenItsLifeIsOver) {
  open();
  end();
  wait(seconds(61));
  replay();
  EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kStaleCookie});
  EXPECT_EQ(host().shard().association_count(), 0u);
}

TEST_F(SpentCookie, OfALivingAssociationIsAcknowledgedAgain) {
  open();
  for (int i = 0; i < 3; ++i) {
    replay();
    EXPECT_EQ(hear(), "COOKIE ACK") << "5.2.4 D";
  }
  EXPECT_EQ(host().count(Counter::k_drop_spent_cookie), 0u);
  EXPECT_EQ(host().count(EventKind::kAccepted), 1u);
}

TEST_F(SpentCookie, WithDataBehindItDeliversNothing) {
  open();
  end();
  const Write more = data({.text = "paid twice"});
  tell([&](PacketWriter& w) { return cookie_echo()(w) && more(w); });
  expect_refused(1);
  EXPECT_TRUE(host().messages().empty());
}

TEST_F(SpentCookie, OfAnEarlierInitOfTheSamePeerIsAnother) {
  send_init();
  take_init_ack(hear_one());
  const auto first = cookie;
  const auto first_tag = host_tag;
  open();
  end();
  cookie = first;
  tell(first_tag, cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK") << "never accepted before: nothing says that it is a replay";
}

TEST_F(SpentCookie, TheRestartsAndTheFirstOnesAreBothRemembered) {
  open();
  const auto first = cookie;
  const auto first_tag = host_tag;
  peer_tag = VerificationTag(0x55);
  send_init();
  take_init_ack(hear_one());
  replay();
  ASSERT_EQ(host().count(EventKind::kRestarted), 1u);
  listen();
  end();
  replay();
  expect_refused(1);
  cookie = first;
  tell(first_tag, cookie_echo());
  expect_refused(2);
}

TEST_F(SpentCookie, OfACollisionIsRemembered) {
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  ASSERT_EQ(hear(), "INIT");
  open();
  ASSERT_EQ(host().count(EventKind::kConnected), 1u);
  end();
  replay();
  expect_refused(1);
}

TEST_F(SpentCookie, ANewCookieIsWelcome) {
  open();
  end();
  peer_tag = VerificationTag(0x56);
  open();
  EXPECT_EQ(host().count(EventKind::kAccepted), 2u);
}

TEST_F(SpentCookie, ThatFoundNoMemoryWasNotSpent) {
  setup.shard.max_associations = 1;
  open();
  const IpAddress right = std::exchange(peer_address, ip("198.51.100.7"));
  const VerificationTag old_tag = host_tag;
  send_init();
  take_init_ack(hear_one());
  replay();
  ASSERT_EQ(hear(), "ABORT");
  ASSERT_EQ(host().count(Counter::k_drop_no_association_memory), 1u);
  const IpAddress second = std::exchange(peer_address, right);
  tell(old_tag, [](PacketWriter& w) { return wire::write_abort(w, false); });
  peer_address = second;
  replay();
  EXPECT_EQ(hear(), "COOKIE ACK");
}

TEST_F(SpentCookie, AsManyAsTheShardHasRoomForTheOldestGivesWay) {
  setup.shard.spent_cookies = 2;
  std::vector<std::pair<VerificationTag, std::vector<uint8_t>>> cookies;
  for (uint32_t i = 0; i < 3; ++i) {
    peer_tag = VerificationTag(0x100 + i);
    open();
    end();
    cookies.emplace_back(host_tag, cookie);
  }
  for (size_t i : {size_t{2}, size_t{1}}) {
    cookie = cookies[i].second;
    tell(cookies[i].first, cookie_echo());
    expect_refused(3 - i);
  }
  cookie = cookies[0].second;
  tell(cookies[0].first, cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK") << "forgotten";
}

// ---------------------------------------------------------------- INITs by the second

class InitRate : public Peer {
 protected:
  InitRate() {
    setup.shard.inits_per_second_per_source = 5;
    setup.shard.inits_per_second = 8;
  }
  // How many of `count` INITs from here are answered.
  size_t answered(size_t count) {
    for (size_t i = 0; i < count; ++i) send_init();
    const std::vector<Packet> packets = listen();
    for (const Packet& one : packets) EXPECT_EQ(one.names(), "INIT ACK");
    return packets.size();
  }
  void flood() {
    const IpAddress right = peer_address;
    for (uint8_t i = 1; i <= 100; ++i) {
      peer_address = IpAddress::ipv4(203, 0, 113, i);
      for (int n = 0; n < 10; ++n) send_init();
    }
    peer_address = right;
    listen();
  }
};

TEST_F(InitRate, OfOneSource) {
  EXPECT_EQ(answered(20), 5u);
  EXPECT_EQ(host().count(Counter::k_drop_init_source_rate), 15u);
  EXPECT_EQ(host().count(Counter::k_drop_init_total_rate), 0u);
  wait(milliseconds(200));
  EXPECT_EQ(answered(20), 1u);
  wait(seconds(10));
  EXPECT_EQ(answered(20), 5u);
}

TEST_F(InitRate, OfAllStrangers) {
  EXPECT_EQ(answered(20), 5u);
  peer_address = ip("198.51.100.2");
  EXPECT_EQ(answered(20), 3u);
  peer_address = ip("198.51.100.3");
  EXPECT_EQ(answered(20), 0u);
  EXPECT_EQ(host().count(Counter::k_drop_init_total_rate), 2u + 5u);
}

TEST_F(InitRate, MalformedInitsCountToo) {
  peer_streams_in = 0;
  for (int i = 0; i < 20; ++i) send_init();
  EXPECT_EQ(listen().size(), 5u);
  EXPECT_EQ(host().count(Counter::k_drop_bad_init), 5u);
  EXPECT_EQ(host().count(Counter::k_drop_init_source_rate), 15u);
}

TEST_F(InitRate, AFloodDoesNotStarveAConfiguredPeer) {
  setup.peer_profiles = {{ip("198.51.100.0"), 24, setup.profile}};
  flood();
  EXPECT_EQ(answered(20), 5u);
  peer_address = ip("192.0.2.77");
  EXPECT_EQ(answered(20), 0u);
}

TEST_F(InitRate, AFloodDoesNotKeepAPeerFromRestarting) {
  open();
  flood();
  peer_tag = VerificationTag(0x55);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
  listen();
  peer_port = PortNumber(peer_port.value + 1);
  EXPECT_EQ(answered(1), 0u) << "another port: a stranger";
}

TEST_F(InitRate, AnAssociationsOwnInitsAreLimitedToo) {
  open();
  EXPECT_EQ(answered(20), 5u);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(InitRate, TouchesNothingButInits) {
  open();
  flood();
  tell_data("as ever");
  EXPECT_EQ(host().messages(), std::vector<std::string>{"as ever"});
  tell(VerificationTag(0xbad), [](PacketWriter& w) { return wire::write_shutdown(w, Tsn(1)); });
  tell(host_tag, cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK + SACK");
}

TEST_F(InitRate, AnOutgoingAssociationIsNotLimited) {
  flood();
  be_opened();
}

TEST_F(InitRate, ZeroIsNoLimit) {
  setup.shard.inits_per_second_per_source = 0;
  setup.shard.inits_per_second = 0;
  EXPECT_EQ(answered(500), 500u);
}

// ---------------------------------------------------------------- out of the blue, in silence

class Silent : public Peer {
 protected:
  Silent() { setup.out_of_blue = OutOfBlue::kSilent; }
};

TEST_F(Silent, NothingIsSentAndEverythingIsCounted) {
  const VerificationTag stray(0xdeadbeef);
  const Write heartbeat = [](PacketWriter& w) {
    return wire::write_heartbeat(w, std::array<uint8_t, 4>{});
  };
  tell(stray, heartbeat);
  tell(stray, data({}));
  tell(stray, wire::write_shutdown_ack);
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_out_of_blues), 3u);
  EXPECT_EQ(host().count(Counter::k_drop_oob_silent), 3u);
  EXPECT_EQ(host().count(Counter::k_drop_oob_rate), 0u);
  EXPECT_EQ(host().count(Counter::k_oob_aborts_sent), 0u);
}

TEST_F(Silent, AnInitThatIsGoodIsAnswered) {
  open();
  tell_data();
  EXPECT_EQ(hear(), "SACK");
}

TEST_F(Silent, AnInitThatIsNotIsDropped) {
  peer_streams_in = 0;
  send_init();
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_bad_init), 1u);
  peer_streams_in = 10;
  ASSERT_EQ(host().shard().set_listening(host().endpoint, false, 0), Status::kOk);
  send_init();
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_no_endpoint), 1u);
}

TEST_F(Silent, IsTheEndpointsChoiceAlone) {
  host();
  host_port = PortNumber(host_port.value + 1);
  tell(VerificationTag(1), wire::write_shutdown_ack);
  EXPECT_EQ(hear(), "SHUTDOWN COMPLETE") << "nobody has this port: the shard's policy";
}

TEST_F(Silent, AStrayShutdownAckWhileOpeningIsNotAnswered) {
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  listen();
  tell(VerificationTag(7), wire::write_shutdown_ack);
  tell(host().status().local_tag, wire::write_shutdown_ack);
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_oob_silent), 2u);
  EXPECT_EQ(host().state(), AssocState::kCookieWait);
}

// ---------------------------------------------------------------- probes and HEARTBEATs

class Probes : public Peer {
 protected:
  Probes() {
    for (uint8_t i = 2; i <= 8; ++i) peer_list.push_back(IpAddress::ipv4(198, 51, 100, i));
  }
  // The unconfirmed addresses that were probed since the last call.
  std::vector<IpAddress> probed() {
    std::vector<IpAddress> out;
    for (const Packet& one : listen()) {
      if (one.names() != "HEARTBEAT" || one.destination == peer_address) continue;
      EXPECT_LE(one.bytes.size(), 60u) << "small (RFC 5062 section 6.3)";
      out.push_back(one.destination);
    }
    return out;
  }
  void open_quietly() {
    send_init();
    take_init_ack(hear_one());
    tell(cookie_echo());
    ASSERT_EQ(host().state(), AssocState::kEstablished);
  }
};

TEST_F(Probes, OneUnconfirmedAddressAnRto) {
  open_quietly();
  host().advance(now);
  EXPECT_EQ(probed(), std::vector{ip("198.51.100.2")});
  size_t total = 1;
  for (int second = 1; second <= 60; ++second) {
    wait(seconds(1));  // RTO.Min: the RTO of the address that answers
    const size_t n = probed().size();
    EXPECT_LE(n, 1u) << second;
    total += n;
  }
  EXPECT_GE(total, 7u);
}

TEST_F(Probes, EveryAddressGetsItsTurn) {
  open_quietly();
  std::vector<IpAddress> seen;
  host().advance(now);
  for (int i = 0; i < 40; ++i) {
    for (const IpAddress& one : probed()) seen.push_back(one);
    wait(milliseconds(500));
  }
  for (const IpAddress& one : peer_list) {
    EXPECT_TRUE(std::find(seen.begin(), seen.end(), one) != seen.end()) << one.to_string();
  }
}

TEST_F(Probes, ARestartBringsNoMore) {
  open_quietly();
  host().advance(now);
  EXPECT_EQ(probed().size(), 1u);
  for (uint32_t i = 0; i < 5; ++i) {
    peer_tag = VerificationTag(0x200 + i);
    open_quietly();
    host().advance(now);
    EXPECT_EQ(probed().size(), 0u) << i;
  }
  EXPECT_EQ(host().count(EventKind::kRestarted), 5u);
}

TEST_F(Probes, ALongHeartbeatIsDroppedByName) {
  open();
  const auto heartbeat = [](size_t info) -> Write {
    return
        [info](PacketWriter& w) { return wire::write_heartbeat(w, std::vector<uint8_t>(info, 7)); };
  };
  listen();
  tell(heartbeat(1460));  // 1480 bytes of SCTP, with the headers of packet, chunk and parameter
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "HEARTBEAT ACK");
  EXPECT_EQ(answer.bytes.size(), 1480u);
  tell(heartbeat(1461));
  tell(heartbeat(9000));
  tell(heartbeat(65000));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_answer_too_long), 3u);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(Probes, ALongHeartbeatOverAShorterPathToo) {
  setup.profile.path_mtu = 1280;
  open();
  listen();
  tell([](PacketWriter& w) { return wire::write_heartbeat(w, std::vector<uint8_t>(1300)); });
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_answer_too_long), 1u);
}

TEST_F(Probes, APacketDrawsFourAnswersInOnePacketAtMost) {
  open();
  listen();
  tell([](PacketWriter& w) {
    for (int i = 0; i < 50; ++i) {
      if (!wire::write_heartbeat(w, std::array<uint8_t, 4>{})) return false;
    }
    return true;
  });
  EXPECT_EQ(hear(), "HEARTBEAT ACK + HEARTBEAT ACK + HEARTBEAT ACK + HEARTBEAT ACK");
  EXPECT_EQ(host().count(Counter::k_drop_answer_limit), 46u);
}

}  // namespace
}  // namespace trunkline::test
