// SPDX-License-Identifier: BSD-3-Clause
// Setting an association up: the four-way handshake both ways and all that can be wrong with it
// (RFC 9260 sections 3.3.2, 3.3.3, 5.1, 5.2.3, 5.2.5, 5.2.6).
#include "support/pair.h"
#include "wire/abort_chunk.h"
#include "wire/error_chunk.h"

namespace trunkline::test {
namespace {

using Handshake = Pair;

TEST_F(Handshake, FourWays) {
  connect();
  EXPECT_EQ(trace, (std::vector<std::string>{"a: INIT", "z: INIT ACK", "a: COOKIE ECHO",
                                             "z: COOKIE ACK"}));
  EXPECT_EQ(a().events.size(), 1u);
  EXPECT_EQ(z().events.size(), 1u);
  const Seen up = a().last(EventKind::kConnected);
  EXPECT_EQ(up.user, 11u);
  EXPECT_EQ(up.path, ip("192.0.2.26"));
  const Seen accepted = z().last(EventKind::kAccepted);
  EXPECT_EQ(accepted.user, 7u);
  EXPECT_EQ(accepted.path, ip("192.0.2.1"));
  const AssocStatus at_a = a().status();
  const AssocStatus at_z = z().status();
  EXPECT_EQ(at_a.local_tag, at_z.peer_tag);
  EXPECT_EQ(at_a.peer_tag, at_z.local_tag);
  EXPECT_EQ(at_a.next_tsn - 1, at_z.cum_tsn_ack);
  EXPECT_EQ(at_z.next_tsn - 1, at_a.cum_tsn_ack);
  EXPECT_EQ(at_a.peer_rwnd, z_setup.profile.a_rwnd);
  EXPECT_EQ(a().count(Counter::k_active_estabs), 1u);
  EXPECT_EQ(z().count(Counter::k_passive_estabs), 1u);
  EXPECT_EQ(z().count(Counter::k_curr_estab), 1u);
  EXPECT_EQ(at_a.paths[0].state, PathState::kActive);
  EXPECT_EQ(at_z.paths[0].state, PathState::kActive);
}

// RFC 5061 section 4.2.6, RFC 6458 section 6.1.6: both sides hear what the other one says, if it
// says anything.
TEST_F(Handshake, EachHearsOfTheOthersAdaptationLayer) {
  a_setup.profile.adaptation = 88;
  z_setup.profile.adaptation = 0xffffffff;
  connect();
  ASSERT_EQ(a().events.size(), 2u);
  ASSERT_EQ(z().events.size(), 2u);
  EXPECT_EQ(a().events[1].kind, EventKind::kAdaptation);
  EXPECT_EQ(a().events[1].context, 0xffffffffu);
  EXPECT_EQ(z().events[1].kind, EventKind::kAdaptation);
  EXPECT_EQ(z().events[1].context, 88u);
}

TEST_F(Handshake, OverIpv6) {
  a_setup.addresses = {ip("2001:db8::1")};
  z_setup.addresses = {ip("2001:db8::26")};
  connect();
  EXPECT_EQ(a().status().paths[0].cwnd, 4344u);
}

TEST_F(Handshake, TheHeadersTagIsZeroThenThePeers) {
  connect();
  EXPECT_EQ(wire[0].header().verification_tag.value, 0u);
  EXPECT_EQ(wire[1].header().verification_tag, a().status().local_tag);
  EXPECT_EQ(wire[2].header().verification_tag, z().status().local_tag);
  EXPECT_EQ(wire[3].header().verification_tag, a().status().local_tag);
}

TEST_F(Handshake, StreamsAreTheLesserOfOfferAndLimitBothWays) {
  a_setup.profile.outbound_streams = 100;
  a_setup.profile.max_inbound_streams = 7;
  z_setup.profile.outbound_streams = 20;
  z_setup.profile.max_inbound_streams = 30;
  connect();
  EXPECT_EQ(a().status().outbound_streams, 30);
  EXPECT_EQ(a().status().inbound_streams, 7);
  EXPECT_EQ(z().status().outbound_streams, 7);
  EXPECT_EQ(z().status().inbound_streams, 30);
  EXPECT_EQ(a().last(EventKind::kConnected).outbound_streams, 30);
  EXPECT_EQ(z().last(EventKind::kAccepted).inbound_streams, 30);
}

TEST_F(Handshake, SeveralAddressesAreAnnouncedAndBecomePaths) {
  a_setup.addresses = {ip("192.0.2.1"), ip("192.0.2.2"), ip("127.0.0.1")};
  z_setup.addresses = {ip("192.0.2.26"), ip("2001:db8::26"), ip("192.0.2.27")};
  connect();
  const auto remotes = [](const AssocStatus& status) {
    std::vector<std::string> out;
    for (const PathStatus& path : status.paths) out.push_back(path.remote.to_string());
    return out;
  };
  EXPECT_EQ(remotes(a().status()), (std::vector<std::string>{"192.0.2.26", "192.0.2.27"}))
      << "A has no IPv6 address to reach the third from";
  EXPECT_EQ(remotes(z().status()), (std::vector<std::string>{"192.0.2.1", "192.0.2.2"}))
      << "loopback is never announced to a global peer";
}

TEST_F(Handshake, OtherAddressesAreConfirmedByHeartbeats) {
  a_setup.addresses = {ip("192.0.2.1"), ip("192.0.2.2")};
  z_setup.addresses = {ip("192.0.2.26"), ip("192.0.2.27")};
  connect();
  EXPECT_EQ(z().status().paths[1].state, PathState::kUnconfirmed);
  run(seconds(1));
  EXPECT_EQ(z().status().paths[1].state, PathState::kActive);
  EXPECT_EQ(a().status().paths[1].state, PathState::kActive);
  EXPECT_EQ(z().last(EventKind::kPathChanged).path, ip("192.0.2.2"));
}

TEST_F(Handshake, PathsLearntFromTheInitAckAreFoundByAddress) {
  a_setup.addresses = {ip("192.0.2.1")};
  z_setup.addresses = {ip("192.0.2.26"), ip("192.0.2.27")};
  z();
  ASSERT_EQ(a().connect(now, {ip("192.0.2.26")}, z_setup.port).status, Status::kOk);
  exchange();
  ASSERT_EQ(a().status().paths.size(), 2u);
  // The association owns that address now.
  EXPECT_EQ(a().connect(now, {ip("192.0.2.27")}, z_setup.port).status, Status::kAlreadyExists);
}

TEST_F(Handshake, T1SendsTheInitAgainWithBackOffAndGivesUp) {
  a_setup.profile.max_init_retransmits = 3;
  a_setup.profile.rto_max = seconds(3);
  eats = [](const Packet&) { return true; };
  z();
  ASSERT_EQ(dial().status, Status::kOk);
  std::vector<int64_t> sent;
  const TimePoint begin = now;
  for (int i = 0; i < 100; ++i) {
    exchange();
    if (trace.size() > sent.size()) sent.push_back((now - begin) / milliseconds(1));
    now = now + milliseconds(500);
    a().advance(now);
  }
  EXPECT_EQ(sent, (std::vector<int64_t>{0, 1000, 3000, 6000}));
  const Seen failed = a().last(EventKind::kConnectFailed);
  EXPECT_EQ(failed.reason, Reason::kTimedOut);
  EXPECT_EQ(a().events.size(), 1u);
  EXPECT_EQ(a().count(Counter::k_t1_expirations), 4u);
}

TEST_F(Handshake, ALostPacketOfTheFourIsMadeGood) {
  for (const char* const lost : {"INIT", "INIT ACK", "COOKIE ECHO", "COOKIE ACK"}) {
    now = now + minutes(1);
    bool once = false;
    eats = [&](const Packet& packet) {
      return packet.names() == lost && !std::exchange(once, true);
    };
    z();
    ASSERT_EQ(dial().status, Status::kOk);
    run(seconds(1));
    EXPECT_TRUE(once) << lost;
    EXPECT_EQ(a().state(), AssocState::kEstablished) << lost;
    EXPECT_EQ(z().shard().association_count(), 1u) << lost;
    a().shard().abort(now, a().assoc, {});
    exchange();
  }
}

TEST_F(Handshake, EveryAddressOfThePeerGetsItsInit) {
  a_setup.profile.max_init_retransmits = 3;
  z();
  eats = [](const Packet&) { return true; };
  ASSERT_EQ(a().connect(now, {ip("192.0.2.26"), ip("192.0.2.27")}, z_setup.port).status,
            Status::kOk);
  run(seconds(60));
  std::vector<IpAddress> to;
  for (const Packet& packet : wire) to.push_back(packet.destination);
  EXPECT_EQ(to, (std::vector<IpAddress>{ip("192.0.2.26"), ip("192.0.2.27"), ip("192.0.2.26"),
                                        ip("192.0.2.27")}));
}

TEST_F(Handshake, ARefusingPeerFailsTheConnect) {
  z_setup.listening = false;
  z();
  ASSERT_EQ(dial().status, Status::kOk);
  exchange();
  EXPECT_EQ(trace, (std::vector<std::string>{"a: INIT", "z: ABORT"}));
  EXPECT_EQ(a().last(EventKind::kConnectFailed).reason, Reason::kRefused);
  EXPECT_EQ(a().shard().association_count(), 0u);
}

// ---------------------------------------------------------------- INIT made by hand

using Init = Peer;

TEST_F(Init, TenThousandOfThemLeaveNoState) {
  host();
  for (uint32_t i = 0; i < 10000; ++i) {
    peer_tag = VerificationTag(i + 1);
    peer_port = PortNumber(static_cast<uint16_t>(1 + i % 60000));
    peer_address =
        IpAddress::ipv4(198, 51, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i | 1));
    send_init();
    ASSERT_EQ(hear(), "INIT ACK");
  }
  EXPECT_EQ(host().shard().association_count(), 0u);
  const auto used = host().shard().pool_usage();
  EXPECT_EQ(used.messages_used + used.chunks_used + used.receive_blocks_used, 0u);
  EXPECT_TRUE(host().shard().next_deadline().is_never());
  EXPECT_TRUE(host().events.empty());
  EXPECT_EQ(host().count(Counter::k_inits_answered), 10000u);
}

TEST_F(Init, AFloodWithoutReadingFillsTheReplyQueueOnly) {
  setup.shard.inits_per_second_per_source = 0;
  for (int i = 0; i < 2000; ++i) send_init();
  EXPECT_EQ(listen().size(), 512u);
  EXPECT_EQ(host().count(Counter::k_drop_reply_queue_full), 2000u - 512u);
}

TEST_F(Init, AZeroInitiateTagIsPassedOverInSilence) {
  peer_tag = VerificationTag(0);
  send_init();
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_bad_init), 1u);
}

TEST_F(Init, ANonZeroHeaderTagIsPassedOverInSilence) {
  tell(VerificationTag(1), [&](PacketWriter& w) { return wire::write_init(w, init_fields(), {}); });
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_init_nonzero_tag), 1u);
}

TEST_F(Init, BundledWithAnythingIsPassedOverInSilence) {
  tell(VerificationTag(0), [&](PacketWriter& w) {
    return wire::write_init(w, init_fields(), {}) && wire::write_cookie_ack(w);
  });
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_bundled_init), 1u);
}

TEST_F(Init, ZeroStreamsEitherWayAreAnsweredWithAbort) {
  for (const bool out : {false, true}) {
    (out ? peer_streams_out : peer_streams_in) = 0;
    (out ? peer_streams_in : peer_streams_out) = 1;
    send_init();
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "ABORT");
    EXPECT_EQ(answer.header().verification_tag, peer_tag);
    EXPECT_EQ(answer.chunks()[0].flags, 0) << "it carries the INIT's own tag";
    EXPECT_EQ(causes(answer), std::vector{CauseCode::kInvalidMandatoryParameter});
  }
}

TEST_F(Init, AWindowBelow1500IsAnsweredWithAbort) {
  peer_window = 1499;
  send_init();
  EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kInvalidMandatoryParameter});
  peer_window = 1500;
  send_init();
  EXPECT_EQ(hear(), "INIT ACK");
}

TEST_F(Init, AHostNameIsAnUnresolvableAddress) {
  tell(VerificationTag(0), raw_init(init_fields(), {0, 11, 0, 8, 'a', '.', 'b', 0}));
  const Packet answer = hear_one();
  EXPECT_EQ(causes(answer), std::vector{CauseCode::kUnresolvableAddress});
  wire::CauseCursor cursor(answer.chunks()[0].value);
  const auto cause = cursor.next();
  EXPECT_EQ(std::vector<uint8_t>(cause->value.begin(), cause->value.end()),
            (std::vector<uint8_t>{0, 11, 0, 8, 'a', '.', 'b', 0}));
}

TEST_F(Init, AParameterThatRunsPastTheChunkIsAProtocolViolation) {
  tell(VerificationTag(0), raw_init(init_fields(), {0, 5, 0, 60, 192, 0, 2, 1}));
  EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kProtocolViolation});
}

TEST_F(Init, ATruncatedFixedPartIsPassedOverInSilence) {
  tell(VerificationTag(0), [](PacketWriter& w) {
    uint8_t* const at = w.reserve_chunk(ChunkType::kInit, 0, 12);
    std::fill_n(at, 12, uint8_t{1});
    return true;
  });
  EXPECT_EQ(hear(), "");
}

TEST_F(Init, UnknownParametersAreReportedAsTheirBitsSay) {
  // Skip in silence (10), skip and report (11), report and stop (01): the last one is not seen.
  tell(VerificationTag(0), raw_init(init_fields(), {0x80, 0x77, 0, 4, 0xc0, 0x77, 0, 4,  //
                                                    0x40, 0x77, 0, 4, 0xc0, 0x78, 0, 4}));
  const Packet answer = hear_one();
  ASSERT_EQ(answer.names(), "INIT ACK");
  const auto parsed = wire::InitChunk::parse(answer.chunks()[0], true);
  EXPECT_EQ(parsed.init.reported_by_peer, 2u);
  EXPECT_FALSE(parsed.init.cookie.empty());
}

TEST_F(Init, ToAPortWithoutEndpointIsAnsweredWithAbort) {
  host_port = PortNumber(9);
  send_init();
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "ABORT");
  EXPECT_EQ(answer.header().verification_tag, peer_tag);
  EXPECT_EQ(answer.chunks()[0].flags, 0);
}

TEST_F(Init, TheAnswerListsTheHostsAddresses) {
  setup.addresses = {ip("192.0.2.1"), ip("2001:db8::1"), ip("127.0.0.1")};
  send_init();
  take_init_ack(hear_one());
  EXPECT_EQ(host_list, (std::vector<IpAddress>{ip("192.0.2.1"), ip("2001:db8::1")}));
}

TEST_F(Init, ASingleAddressIsNotListed) {
  send_init();
  take_init_ack(hear_one());
  EXPECT_TRUE(host_list.empty());
}

// ---------------------------------------------------------------- COOKIE ECHO made by hand

using CookieEcho = Peer;

TEST_F(CookieEcho, OpensTheAssociationAndItsDataIsRead) {
  send_init();
  take_init_ack(hear_one());
  const Write with_data = data({.text = "early"});
  tell([&](PacketWriter& w) { return cookie_echo()(w) && with_data(w); });
  EXPECT_EQ(host().messages(), std::vector<std::string>{"early"});
  EXPECT_EQ(hear(), "COOKIE ACK + SACK");
}

TEST_F(CookieEcho, AlteredAnywhereDoesNothing) {
  send_init();
  take_init_ack(hear_one());
  const std::vector<uint8_t> good = cookie;
  for (size_t i = 0; i < good.size(); ++i) {
    cookie = good;
    cookie[i] ^= 1;
    tell(cookie_echo());
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().shard().association_count(), 0u);
  EXPECT_EQ(host().count(Counter::k_drop_bad_cookie), good.size());
  cookie = good;
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
}

TEST_F(CookieEcho, WithAnotherTagPortOrAddressDoesNothing) {
  send_init();
  take_init_ack(hear_one());
  tell(VerificationTag(host_tag.value + 1), cookie_echo());
  const PortNumber right_port = std::exchange(peer_port, PortNumber(2906));
  tell(cookie_echo());
  peer_port = right_port;
  const IpAddress right_address = std::exchange(peer_address, ip("198.51.100.2"));
  tell(cookie_echo());
  peer_address = right_address;
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().shard().association_count(), 0u);
  EXPECT_EQ(host().count(Counter::k_drop_bad_cookie), 3u);
}

TEST_F(CookieEcho, FromAnyAddressThatTheInitListed) {
  peer_list = {peer_address, ip("198.51.100.2")};
  send_init();
  take_init_ack(hear_one());
  peer_address = ip("198.51.100.2");
  tell(cookie_echo());
  ASSERT_EQ(host().state(), AssocState::kEstablished);
  EXPECT_EQ(host().status().paths.size(), 2u);
}

TEST_F(CookieEcho, OfAnotherHostDoesNothing) {
  Host other(99, setup, now);
  other.receive(now, packet(VerificationTag(0), [&](PacketWriter& w) {
                  return wire::write_init(w, init_fields(), {});
                }));
  take_init_ack(other.transmit(now).at(0));
  tell(cookie_echo());
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_bad_cookie), 1u);
  other.finish(now);
}

TEST_F(CookieEcho, StaleIsAnsweredWithTheExcessInMicroseconds) {
  setup.profile.valid_cookie_life = seconds(10);
  send_init();
  take_init_ack(hear_one());
  wait(seconds(10) + milliseconds(3));
  tell(cookie_echo());
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "ERROR");
  EXPECT_EQ(answer.header().verification_tag, peer_tag);
  wire::CauseCursor cursor(answer.chunks()[0].value);
  EXPECT_EQ(wire::parse_stale_cookie_us(*cursor.next()), 3000u);
  EXPECT_EQ(host().shard().association_count(), 0u);
  EXPECT_EQ(host().count(Counter::k_drop_stale_cookie), 1u);
}

TEST_F(CookieEcho, AtTheEndOfItsLifeIsGoodStill) {
  setup.profile.valid_cookie_life = seconds(10);
  send_init();
  take_init_ack(hear_one());
  wait(seconds(10));
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
}

TEST_F(CookieEcho, AgainIsAcknowledgedAgainAndChangesNothing) {
  open();
  const AssocStatus before = host().status();
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  EXPECT_EQ(host().shard().association_count(), 1u);
  EXPECT_EQ(host().events.size(), 1u);
  EXPECT_EQ(host().status().local_tag, before.local_tag);
  // Even when it is stale by now: both tags match (5.2.4 D).
  wait(seconds(70));
  listen();
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
}

TEST_F(CookieEcho, WithoutRoomForAnAssociationIsRefused) {
  setup.shard.max_associations = 1;
  open();
  peer_port = PortNumber(1);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  const Packet answer = hear_one();
  EXPECT_EQ(causes(answer), std::vector{CauseCode::kOutOfResource});
  EXPECT_EQ(answer.header().verification_tag, peer_tag);
  EXPECT_EQ(host().count(Counter::k_drop_no_association_memory), 1u);
  EXPECT_EQ(host().shard().association_count(), 1u);
}

TEST_F(CookieEcho, AfterTheEndpointStoppedListeningIsRefused) {
  send_init();
  take_init_ack(hear_one());
  ASSERT_EQ(host().shard().set_listening(host().endpoint, false, 0), Status::kOk);
  tell(cookie_echo());
  EXPECT_EQ(hear(), "ABORT");
  EXPECT_EQ(host().shard().association_count(), 0u);
}

// An association keeps the profile it began with, whoever listens later.
TEST_F(CookieEcho, AListenerBringsItsOwnProfile) {
  const auto accept = [&] {
    send_init();
    take_init_ack(hear_one());
    tell(cookie_echo());
    EXPECT_EQ(hear(), "COOKIE ACK");
    const Seen event = host().last(EventKind::kAccepted);
    peer_port = PortNumber(static_cast<uint16_t>(peer_port.value + 1));
    return std::pair(event.assoc, event.inbound_streams);
  };
  Profile narrow;
  narrow.max_inbound_streams = 1;
  ASSERT_EQ(host().shard().set_listening(host().endpoint, true, 0, &narrow), Status::kOk);
  const auto [first, first_streams] = accept();
  EXPECT_EQ(first_streams, 1);
  ASSERT_EQ(host().shard().set_listening(host().endpoint, true, 0), Status::kOk);
  const auto [second, second_streams] = accept();
  EXPECT_GT(second_streams, 1);
  EXPECT_EQ(host().status(first).inbound_streams, 1);
}

// ---------------------------------------------------------------- INIT ACK made by hand

class InitAck : public Peer {
 protected:
  void SetUp() override {
    ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
    const Packet init = hear_one();
    const auto parsed = wire::InitChunk::parse(init.chunks()[0], false);
    ASSERT_TRUE(parsed.ok());
    host_tag = parsed.init.initiate_tag;
    EXPECT_NE(host_tag.value, 0u);
    EXPECT_EQ(parsed.init.a_rwnd, setup.profile.a_rwnd);
    cookie = {9, 9, 9, 9, 9, 9, 9};
  }
  void answer(std::vector<std::span<const uint8_t>> unrecognized = {}) {
    tell([&](PacketWriter& w) {
      return wire::write_init_ack(w, init_fields(), peer_list, cookie, unrecognized);
    });
  }
  // That the cookie is older than it may be, by so many microseconds.
  void tell_stale(uint32_t excess) {
    tell([&](PacketWriter& w) {
      return wire::begin_error(w) && wire::append_stale_cookie(w, excess) && w.end_chunk();
    });
  }
};

TEST_F(InitAck, IsAnsweredWithItsCookieByteForByte) {
  answer();
  const Packet echo = hear_one();
  ASSERT_EQ(echo.names(), "COOKIE ECHO");
  EXPECT_EQ(echo.header().verification_tag, peer_tag);
  const auto value = echo.chunks()[0].value;
  EXPECT_EQ(std::vector<uint8_t>(value.begin(), value.end()), cookie);
  EXPECT_EQ(host().state(), AssocState::kCookieEchoed);
}

TEST_F(InitAck, WithTheWrongTagDoesNothing) {
  tell(VerificationTag(host_tag.value ^ 1),
       [&](PacketWriter& w) { return wire::write_init_ack(w, init_fields(), {}, cookie); });
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().state(), AssocState::kCookieWait);
  EXPECT_EQ(host().count(Counter::k_drop_bad_tag), 1u);
}

// A State Cookie may be of any length (3.3.3.1): a peer that needs none sends an empty one.
TEST_F(InitAck, AnEmptyCookieIsEchoed) {
  cookie.clear();
  answer();
  const Packet echo = hear_one();
  ASSERT_EQ(echo.names(), "COOKIE ECHO");
  EXPECT_TRUE(echo.chunks()[0].value.empty());
  wait(seconds(3));
  EXPECT_EQ(hear(), "COOKIE ECHO");
  tell(wire::write_cookie_ack);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(InitAck, WithoutCookieEndsInMissingMandatoryParameter) {
  tell(raw_init(init_fields(), {}, ChunkType::kInitAck));
  const Packet abort = hear_one();
  EXPECT_EQ(abort.names(), "ABORT");
  EXPECT_EQ(abort.header().verification_tag, peer_tag);
  EXPECT_EQ(causes(abort), std::vector{CauseCode::kMissingMandatoryParameter});
  const Seen failed = host().last(EventKind::kConnectFailed);
  EXPECT_EQ(failed.reason, Reason::kPeerViolation);
  EXPECT_EQ(failed.cause, static_cast<uint16_t>(CauseCode::kMissingMandatoryParameter));
}

TEST_F(InitAck, WithZeroTagDestroysTheAssociation) {
  peer_tag = VerificationTag(0);
  answer();
  const Seen failed = host().last(EventKind::kConnectFailed);
  EXPECT_EQ(failed.reason, Reason::kPeerViolation);
  EXPECT_EQ(failed.cause, static_cast<uint16_t>(CauseCode::kInvalidMandatoryParameter));
  EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kInvalidMandatoryParameter});
  EXPECT_EQ(host().shard().association_count(), 0u);
}

TEST_F(InitAck, WithZeroStreamsEndsInAbort) {
  peer_streams_in = 0;
  answer();
  EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kInvalidMandatoryParameter});
  EXPECT_EQ(host().count(EventKind::kConnectFailed), 1u);
}

TEST_F(InitAck, AgainOrLaterIsDiscarded) {
  answer();
  EXPECT_EQ(hear(), "COOKIE ECHO");
  answer();
  EXPECT_EQ(hear(), "");
  tell(wire::write_cookie_ack);
  ASSERT_EQ(host().state(), AssocState::kEstablished);
  peer_tag = VerificationTag(5);
  answer();
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().status().peer_tag, VerificationTag(0x11223344));
  EXPECT_EQ(host().count(Counter::k_drop_unexpected_init_ack), 2u);
}

TEST_F(InitAck, FromAnotherAddressOfThePeerIsGoodIfItWasNamed) {
  // Not an address that the user named: nothing says that it is the same peer.
  peer_address = ip("198.51.100.77");
  answer();
  EXPECT_EQ(host().state(), AssocState::kCookieWait);
}

TEST_F(InitAck, ItsUnknownParametersAreReportedWithTheCookieEchoNotBefore) {
  // 3.2.2: the peer has no association before the COOKIE ECHO; an ERROR ahead of it would be out
  // of the blue there and earn an ABORT.
  tell(raw_init(init_fields(), {0, 7, 0, 6, 9, 9, 0, 0, 0xc0, 0x77, 0, 4}, ChunkType::kInitAck));
  const Packet echo = hear_one();
  EXPECT_EQ(echo.names(), "COOKIE ECHO + ERROR");
  EXPECT_EQ(causes(echo), std::vector{CauseCode::kUnrecognizedParameters});
  // The retransmission says the same.
  wait(seconds(3));
  EXPECT_EQ(hear(), "COOKIE ECHO + ERROR");
}

TEST_F(InitAck, ACookieAckOutOfTurnIsDiscarded) {
  tell(wire::write_cookie_ack);
  EXPECT_EQ(host().state(), AssocState::kCookieWait);
  EXPECT_EQ(host().count(Counter::k_drop_unexpected_cookie_ack), 1u);
  answer();
  tell(wire::write_cookie_ack);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  tell(wire::write_cookie_ack);
  EXPECT_EQ(host().count(EventKind::kConnected), 1u);
}

TEST_F(InitAck, AStaleCookieErrorAsksAnewForALongerLife) {
  answer();
  EXPECT_EQ(hear(), "COOKIE ECHO");
  wait(milliseconds(20));
  tell_stale(500000);
  const Packet again = hear_one();
  ASSERT_EQ(again.names(), "INIT");
  const auto parsed = wire::InitChunk::parse(again.chunks()[0], false);
  EXPECT_EQ(parsed.init.initiate_tag, host_tag);
  EXPECT_EQ(parsed.init.cookie_preservative_ms, 520u);
  EXPECT_EQ(host().state(), AssocState::kCookieWait);
  answer();
  EXPECT_EQ(hear(), "COOKIE ECHO");
  tell(wire::write_cookie_ack);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

// A cookie that went twice is called stale twice; the second time says nothing of the next cookie,
// which may be accepted meanwhile, and whose COOKIE ACK would be taken for one of yet another.
TEST_F(InitAck, AStaleCookieErrorOfAnOlderCookieIsDropped) {
  answer();
  EXPECT_EQ(hear(), "COOKIE ECHO");
  wait(seconds(1));
  EXPECT_EQ(hear(), "COOKIE ECHO");
  tell_stale(500000);
  EXPECT_EQ(hear(), "INIT");
  answer();
  EXPECT_EQ(hear(), "COOKIE ECHO");
  tell_stale(500000);
  EXPECT_EQ(host().state(), AssocState::kCookieEchoed);
  EXPECT_EQ(host().count(Counter::k_drop_unexpected_stale_cookie), 1u);
  tell_stale(500000);  // this one's
  EXPECT_EQ(hear(), "INIT");
  EXPECT_EQ(host().state(), AssocState::kCookieWait);
}

TEST_F(InitAck, AStaleCookieErrorOfAnOlderCookieMayComeBeforeTheNextCookie) {
  answer();
  EXPECT_EQ(hear(), "COOKIE ECHO");
  wait(seconds(1));
  EXPECT_EQ(hear(), "COOKIE ECHO");
  tell_stale(500000);
  EXPECT_EQ(hear(), "INIT");
  tell_stale(500000);
  EXPECT_EQ(host().count(Counter::k_drop_unexpected_stale_cookie), 1u);
  answer();
  EXPECT_EQ(hear(), "COOKIE ECHO");
  tell_stale(500000);
  EXPECT_EQ(hear(), "INIT");
}

TEST_F(InitAck, StaleCookiesForEverEndTheAttempt) {
  for (int i = 0; i < 100 && host().count(EventKind::kConnectFailed) == 0; ++i) {
    answer();
    listen();
    tell_stale(1);
    listen();
  }
  EXPECT_EQ(host().last(EventKind::kConnectFailed).reason, Reason::kTimedOut);
}

TEST_F(InitAck, T1ForTheCookieEchoGivesUp) {
  answer();
  for (int i = 0; i < 200; ++i) {
    listen();
    wait(seconds(10));
  }
  EXPECT_EQ(host().last(EventKind::kConnectFailed).reason, Reason::kTimedOut);
  EXPECT_EQ(host().shard().association_count(), 0u);
}

TEST_F(InitAck, AnAbortInCookieWaitRefusesTheConnect) {
  tell([](PacketWriter& w) {
    return wire::begin_abort(w, false) && wire::append_out_of_resource(w) && w.end_chunk();
  });
  const Seen failed = host().last(EventKind::kConnectFailed);
  EXPECT_EQ(failed.reason, Reason::kRefused);
  EXPECT_EQ(failed.cause, static_cast<uint16_t>(CauseCode::kOutOfResource));
}

TEST_F(InitAck, AnAbortInCookieEchoedRefusesTheConnect) {
  answer();
  listen();
  tell([](PacketWriter& w) { return wire::write_abort(w, false); });
  EXPECT_EQ(host().last(EventKind::kConnectFailed).reason, Reason::kRefused);
}

TEST_F(InitAck, AReflectedAbortWithTagZeroInCookieWaitDoesNothing) {
  tell(VerificationTag(0), [](PacketWriter& w) { return wire::write_abort(w, true); });
  EXPECT_EQ(host().state(), AssocState::kCookieWait);
}

}  // namespace
}  // namespace trunkline::test
