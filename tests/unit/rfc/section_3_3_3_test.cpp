// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 9260, sections 3.3.3 (INIT ACK), 3.3.11 (COOKIE ECHO) and 3.3.12 (COOKIE ACK), that
// no part's own tests prove.
#include <set>

#include "support/pair.h"
#include "tx/outstanding.h"

namespace trunkline::test {
namespace {

using wire::ParameterType;

class Section3InitAck : public Peer {
 protected:
  Section3InitAck() { cookie = {9, 8, 7}; }
  void answer(const wire::InitFields& fields, std::vector<uint8_t> more = {}) {
    std::vector<uint8_t> parameters = {0, 7, 0, 7, 9, 8, 7, 0};
    parameters.insert(parameters.end(), more.begin(), more.end());
    tell(raw_init(fields, parameters, ChunkType::kInitAck));
  }
  std::vector<IpAddress> remotes() {
    std::vector<IpAddress> out;
    for (const PathStatus& path : host().status().paths) out.push_back(path.remote);
    return out;
  }
  // The attempt is over, for this reason, and nothing of it is left.
  void expect_failed(CauseCode cause) {
    const Seen failed = host().last(EventKind::kConnectFailed);
    EXPECT_EQ(failed.reason, Reason::kPeerViolation);
    EXPECT_EQ(failed.cause, static_cast<uint16_t>(cause));
    EXPECT_EQ(host().shard().association_count(), 0u);
  }
};

// ---------------------------------------------------------------- what ours holds

TEST_F(Section3InitAck, OursHasEachParameterOnceAndNoHostName) {
  setup.addresses = {ip("192.0.2.1"), ip("2001:db8::1"), ip("2001:db8::2")};
  for (const AssocState state : {AssocState::kClosed, AssocState::kCookieWait,
                                 AssocState::kEstablished, AssocState::kShutdownSent}) {
    reach(state);
    send_init();
    const Packet answer = hear_one();
    ASSERT_EQ(answer.names(), "INIT ACK");
    std::multiset<uint16_t> types;
    for (const wire::ParameterView& parameter : parameters_of(answer)) {
      types.insert(static_cast<uint16_t>(parameter.type));
    }
    // Three addresses and the cookie; nothing that the INIT has not asked for.
    EXPECT_EQ(types, (std::multiset<uint16_t>{5, 6, 6, 7})) << state_name(state);
    start_over();
  }
}

TEST_F(Section3InitAck, OffersNoMoreStreamsThanTheInitTakes) {
  setup.profile.outbound_streams = 100;
  setup.profile.max_inbound_streams = 5;
  using enum AssocState;
  for (const AssocState state : {kClosed, kCookieWait, kCookieEchoed, kEstablished,
                                 kShutdownPending, kShutdownSent, kShutdownReceived}) {
    peer_streams_in = 200;
    reach(state);
    for (const auto& [taken, offered] : {std::pair(7, 7), std::pair(99, 99), std::pair(101, 100)}) {
      peer_streams_in = static_cast<uint16_t>(taken);
      send_init();
      const Packet answer = hear_one();
      ASSERT_EQ(answer.names(), "INIT ACK") << state_name(state);
      const auto parsed = wire::InitChunk::parse(answer.chunks()[0], true);
      EXPECT_EQ(parsed.init.outbound_streams, offered) << state_name(state);
      EXPECT_EQ(parsed.init.inbound_streams, 5);
    }
    start_over();
  }
}

// Gives zeros for as long as it is told to.
class Zeros final : public RandomSource {
 public:
  void fill(std::span<uint8_t> out) override {
    if (left == 0) return good_.fill(out);
    --left;
    std::fill(out.begin(), out.end(), uint8_t{0});
  }
  size_t left = 0;

 private:
  SeededRandom good_{1};
};

TEST_F(Section3InitAck, TheTagIsNeverZero) {
  Zeros random;
  const DirectoryPtr directory = make_directory(random, 16);
  Shard shard(ShardConfig(), *directory, random, now);
  EndpointConfig config;
  config.port = host_port;
  config.addresses = {host_address};
  config.listening = true;
  const EndpointId endpoint = shard.add_endpoint(config).endpoint;
  std::vector<uint8_t> room(2048);
  PacketOut out;
  out.room = room;
  // In an INIT ACK.
  const Packet init = packet(VerificationTag(0), raw_init(init_fields(), {}));
  const PacketIn in{init.source, init.destination, init.bytes, ChecksumState::kUnchecked};
  random.left = 3;
  shard.receive(now, {&in, 1});
  ASSERT_EQ(random.left, 0u);
  ASSERT_EQ(shard.transmit(now, {&out, 1}), 1u);
  EXPECT_EQ(room[12], 2);
  EXPECT_NE(load_be32(&room[16]), 0u);
  // In an INIT.
  ConnectRequest request;
  request.endpoint = endpoint;
  request.peer_addresses = {&peer_address, 1};
  request.peer_port = peer_port;
  random.left = 3;
  ASSERT_EQ(shard.connect(now, request).status, Status::kOk);
  ASSERT_EQ(random.left, 0u);
  ASSERT_EQ(shard.transmit(now, {&out, 1}), 1u);
  EXPECT_EQ(room[12], 1);
  EXPECT_NE(load_be32(&room[16]), 0u);
}

// ---------------------------------------------------------------- what is done with the peer's

TEST_F(Section3InitAck, TheMandatoryFieldsAreEnough) {
  reach(AssocState::kCookieWait);
  answer(init_fields());
  const Packet echo = hear_one();
  EXPECT_EQ(echo.names(), "COOKIE ECHO");
  EXPECT_EQ(echo.header().verification_tag, peer_tag);
}

TEST_F(Section3InitAck, FlagsAreZeroAndIgnored) {
  send_init();
  const Packet ours = hear_one();
  EXPECT_EQ(ours.chunks()[0].flags, 0);
  reach(AssocState::kCookieWait);
  tell(raw_init(init_fields(), {0, 7, 0, 5, 1, 0, 0, 0}, ChunkType::kInitAck, 0xff));
  EXPECT_EQ(hear(), "COOKIE ECHO");
}

TEST_F(Section3InitAck, AZeroTagEndsTheAttemptWithAReflectedAbort) {
  reach(AssocState::kCookieWait);
  answer({VerificationTag(0), 10000, 1, 1, Tsn(1)});
  const Packet abort = hear_one();
  EXPECT_EQ(abort.names(), "ABORT");
  EXPECT_EQ(abort.header().verification_tag, host_tag) << "there is none of the peer's";
  EXPECT_EQ(abort.chunks()[0].flags, wire::kTagReflectedFlag);
  EXPECT_EQ(abort.destination, peer_address);
  EXPECT_EQ(host().last(EventKind::kConnectFailed).reason, Reason::kPeerViolation);
  EXPECT_EQ(host().shard().association_count(), 0u);
}

TEST_F(Section3InitAck, WithoutStreamsEndsInAbort) {
  for (const bool out : {false, true}) {
    reach(AssocState::kCookieWait);
    const uint16_t no = 0;
    const uint16_t some = 10;
    answer({peer_tag, 10000, out ? no : some, out ? some : no, Tsn(1)});
    const Packet abort = hear_one();
    EXPECT_EQ(causes(abort), std::vector{CauseCode::kInvalidMandatoryParameter});
    EXPECT_EQ(abort.header().verification_tag, peer_tag);
    EXPECT_EQ(abort.chunks()[0].flags, 0);
    expect_failed(CauseCode::kInvalidMandatoryParameter);
    start_over();
  }
}

TEST_F(Section3InitAck, WithAHostNameEndsInAbort) {
  reach(AssocState::kCookieWait);
  const std::vector<uint8_t> name = {0, 11, 0, 10, 'a', '.', 'b', 'c', 'd', 0};
  std::vector<uint8_t> padded_name = name;
  padded_name.resize(12);
  answer(init_fields(), padded_name);
  const Packet abort = hear_one();
  ASSERT_EQ(causes(abort), std::vector{CauseCode::kUnresolvableAddress});
  EXPECT_EQ(abort.header().verification_tag, peer_tag);
  wire::CauseCursor cursor(abort.chunks()[0].value);
  const auto cause = cursor.next();
  EXPECT_EQ(std::vector<uint8_t>(cause->value.begin(), cause->value.end()), name);
  expect_failed(CauseCode::kUnresolvableAddress);
}

TEST_F(Section3InitAck, ASmallWindowIsAbortedAndChangesNothing) {
  reach(AssocState::kCookieWait);
  for (const uint32_t window : {0u, 1499u}) {
    answer({VerificationTag(0x99), window, 10, 10, Tsn(1)});
    const Packet abort = hear_one();
    EXPECT_EQ(causes(abort), std::vector{CauseCode::kInvalidMandatoryParameter});
    EXPECT_EQ(abort.header().verification_tag, VerificationTag(0x99));
    EXPECT_EQ(abort.chunks()[0].flags, 0);
    EXPECT_EQ(abort.destination, peer_address);
    EXPECT_EQ(host().state(), AssocState::kCookieWait);
    EXPECT_TRUE(host().events.empty());
  }
  wait(seconds(1));
  EXPECT_EQ(hear(), "INIT") << "T1 runs on";
  answer({peer_tag, 1500, 10, 10, Tsn(1)});
  EXPECT_EQ(hear(), "COOKIE ECHO");
  EXPECT_EQ(host().status().peer_tag, peer_tag);
}

TEST_F(Section3InitAck, ABadOneIsPassedOverInEveryLaterState) {
  const VerificationTag other(0x99);
  const wire::InitFields bad[] = {
      {VerificationTag(0), 10000, 10, 10, Tsn(1)},
      {other, 10000, 0, 10, Tsn(1)},
      {other, 10000, 10, 0, Tsn(1)},
      {other, 1499, 10, 10, Tsn(1)},
      {other, 10000, 10, 10, Tsn(1)},  // a good one too (5.2.3)
  };
  for (const AssocState state : kEveryState) {
    if (state == AssocState::kClosed || state == AssocState::kCookieWait) continue;
    SCOPED_TRACE(state_name(state));
    reach(state);
    const AssocStatus before = host().status();
    const size_t events = host().events.size();
    for (const wire::InitFields& fields : bad) answer(fields);
    EXPECT_EQ(hear(), "");
    EXPECT_EQ(host().count(Counter::k_drop_unexpected_init_ack), std::size(bad));
    EXPECT_EQ(host().state(), state);
    EXPECT_EQ(host().status().peer_tag, before.peer_tag);
    EXPECT_EQ(host().status().cum_tsn_ack, before.cum_tsn_ack);
    EXPECT_EQ(host().events.size(), events);
    start_over();
  }
}

TEST_F(Section3InitAck, OneOfManyKilobytesIsTaken) {
  setup.addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
  reach(AssocState::kCookieWait);
  for (uint8_t i = 0; i < 100; ++i) {
    peer_list.push_back(IpAddress::ipv4(198, 51, 100, static_cast<uint8_t>(i + 1)));
    peer_list.push_back(ip("2001:db8::" + std::to_string(i + 9)));
  }
  cookie.assign(1400, 0x5a);
  tell([&](PacketWriter& w) { return wire::write_init_ack(w, init_fields(), peer_list, cookie); });
  const Packet echo = hear_one();
  ASSERT_EQ(echo.names(), "COOKIE ECHO");
  const auto value = echo.chunks()[0].value;
  EXPECT_EQ(std::vector<uint8_t>(value.begin(), value.end()), cookie);
  const std::vector<IpAddress> taken(peer_list.begin(), peer_list.begin() + kMaxPaths);
  EXPECT_EQ(remotes(), taken);
}

TEST_F(Section3InitAck, WithoutAddressesItsSourceIsTheOnlyDestination) {
  const IpAddress first = peer_address;
  const IpAddress second = ip("198.51.100.2");
  for (const IpAddress& source : {first, second}) {
    peer_address = first;
    ASSERT_EQ(host().connect(now, {first, second}, peer_port).status, Status::kOk);
    EXPECT_EQ(hear(), "INIT");
    host_tag = host().status().local_tag;
    peer_address = source;
    answer(init_fields());
    EXPECT_EQ(remotes(), std::vector<IpAddress>{source});
    // The COOKIE ECHO goes there, and nowhere else when it is lost.
    for (int i = 0; i < 3; ++i) {
      const Packet echo = hear_one();
      EXPECT_EQ(echo.names(), "COOKIE ECHO");
      EXPECT_EQ(echo.destination, source);
      wait(seconds(8));
    }
    tell(wire::write_cookie_ack);
    ASSERT_EQ(host().state(), AssocState::kEstablished);
    EXPECT_EQ(host().last(EventKind::kConnected).path, source);
    listen();
    // What the peer has not is free for another association.
    const IpAddress other = source == first ? second : first;
    EXPECT_EQ(host().connect(now, {source}, peer_port).status, Status::kAlreadyExists);
    EXPECT_EQ(host().connect(now, {other}, peer_port).status, Status::kOk);
    start_over();
  }
}

TEST_F(Section3InitAck, WhatTheUserNamedAndThePeerDoesNotListIsGivenUp) {
  setup.addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
  ASSERT_EQ(
      host().connect(now, {ip("198.51.100.7"), peer_address, ip("198.51.100.8")}, peer_port).status,
      Status::kOk);
  EXPECT_EQ(hear(), "INIT");
  host_tag = host().status().local_tag;
  peer_list = {ip("198.51.100.8"), ip("2001:db8::9")};
  tell([&](PacketWriter& w) { return wire::write_init_ack(w, init_fields(), peer_list, cookie); });
  EXPECT_EQ(remotes(),
            (std::vector<IpAddress>{peer_address, ip("198.51.100.8"), ip("2001:db8::9")}));
  EXPECT_EQ(hear_one().destination, peer_address);
  tell(wire::write_cookie_ack);
  listen();
  // All three, and none but them, find their association.
  peer_tag = VerificationTag(0x55);
  for (const IpAddress& known : remotes()) {
    EXPECT_EQ(host().connect(now, {known}, peer_port).status, Status::kAlreadyExists);
  }
  EXPECT_EQ(host().connect(now, {ip("198.51.100.7")}, peer_port).status, Status::kOk);
}

// ---------------------------------------------------------------- the cookie

class Section3Cookie : public Peer {};

TEST_F(Section3Cookie, HoldsAllThatMakesTheAssociation) {
  setup.addresses = {ip("192.0.2.1"), ip("192.0.2.2")};
  host_address = ip("192.0.2.2");
  peer_list = {peer_address, ip("198.51.100.2"), ip("198.51.100.3")};
  peer_window = 54321;
  peer_streams_out = 17;
  peer_streams_in = 4;
  send_init();
  take_init_ack(hear_one());
  EXPECT_EQ(host().shard().association_count(), 0u);
  tell(cookie_echo());
  const AssocStatus status = host().status();
  EXPECT_EQ(status.local_tag, host_tag);
  EXPECT_EQ(status.peer_tag, peer_tag);
  EXPECT_EQ(status.next_tsn, host_tsn);
  EXPECT_EQ(status.cum_tsn_ack, peer_tsn - 1);
  EXPECT_EQ(status.peer_rwnd, 54321u);
  EXPECT_EQ(status.inbound_streams, 17);
  EXPECT_EQ(status.outbound_streams, 4);
  EXPECT_EQ(status.peer_port, peer_port);
  EXPECT_EQ(status.local_port, host_port);
  ASSERT_EQ(status.paths.size(), 3u);
  EXPECT_EQ(status.paths[0].remote, peer_address);
  EXPECT_EQ(status.paths[0].local, ip("192.0.2.2")) << "where the INIT came to";
}

TEST_F(Section3Cookie, IsSmall) {
  for (size_t addresses = 1; addresses <= kMaxPaths; ++addresses) {
    peer_list.clear();
    for (size_t i = 0; i < addresses; ++i) {
      peer_list.push_back(IpAddress::ipv4(198, 51, 100, static_cast<uint8_t>(i + 1)));
    }
    send_init();
    take_init_ack(hear_one());
    EXPECT_EQ(cookie.size(), 104 + 5 * addresses);
  }
}

TEST_F(Section3Cookie, IsEchoedByteForByteAtAnyLength) {
  for (const size_t size : {1u, 2u, 3u, 4u, 5u, 100u, 1463u, 1464u}) {
    ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
    EXPECT_EQ(hear(), "INIT");
    host_tag = host().status().local_tag;
    cookie.resize(size);
    for (size_t i = 0; i < size; ++i) cookie[i] = static_cast<uint8_t>(i * 7 + size);
    tell([&](PacketWriter& w) { return wire::write_init_ack(w, init_fields(), {}, cookie); });
    const Packet echo = hear_one();
    ASSERT_EQ(echo.names(), "COOKIE ECHO") << size;
    const auto value = echo.chunks()[0].value;
    EXPECT_EQ(std::vector<uint8_t>(value.begin(), value.end()), cookie);
    start_over();
  }
}

TEST_F(Section3Cookie, NoDataGoesOutBeforeTheCookieAck) {
  for (const AssocState state : {AssocState::kCookieWait, AssocState::kCookieEchoed}) {
    reach(state);
    EXPECT_EQ(host().send(now, "early"), Status::kOk);
    EXPECT_EQ(hear(), "");
    start_over();
  }
  reach(AssocState::kCookieEchoed);
  tell(wire::write_cookie_ack);
  EXPECT_EQ(host().send(now, "in time"), Status::kOk);
  EXPECT_EQ(hear(), "DATA");
}

TEST_F(Section3Cookie, TheAckPrecedesDataAndSack) {
  send_init();
  take_init_ack(hear_one());
  // Behind the COOKIE ECHO, in the same burst, comes DATA that asks for a SACK at once.
  const Write first = data({.text = "1"});
  const Write second = data({.text = "2", .flags = "BEI"});
  const Write third = data({.text = "3", .flags = "BEI"});
  host().receive(now,
                 {packet(host_tag, [&](PacketWriter& w) { return cookie_echo()(w) && first(w); }),
                  packet(host_tag, second), packet(host_tag, third)});
  ASSERT_EQ(host().send(now, "answer"), Status::kOk);
  EXPECT_EQ(hear(), "COOKIE ACK + SACK + DATA");
  // The same when the COOKIE ACK was lost.
  host().receive(now, {packet(host_tag, cookie_echo()), packet(host_tag, data({.flags = "BEI"})),
                       packet(host_tag, data({.flags = "BEI"}))});
  EXPECT_EQ(hear(), "COOKIE ACK + SACK");
}

}  // namespace
}  // namespace trunkline::test
