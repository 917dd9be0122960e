// SPDX-License-Identifier: BSD-3-Clause
// RFC 9260 sections 6.3 and 6.4: what is measured, how long T3 waits, and which way a packet goes
// when the peer has several addresses.
#include "sizes.h"
#include "support/pair.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

class Section63 : public Peer {
 protected:
  Section63() { setup.profile.heartbeat_interval = Duration{0}; }
  [[nodiscard]] Duration srtt() { return host().status().paths[0].srtt; }
  void send() { ASSERT_EQ(host().send(now, "x"), Status::kOk); }
};

TEST_F(Section63, TheRoundTripIsMeasuredOnceEachTime) {
  be_opened();
  ASSERT_EQ(srtt(), Duration{0}) << "of INIT and COOKIE ECHO";
  send();
  send();
  listen();
  wait(milliseconds(80));
  tell(sack(host_tsn));
  EXPECT_EQ(srtt(), milliseconds(10)) << "an eighth of 80 ms";
  wait(milliseconds(80));
  tell(sack(host_tsn + 1));
  EXPECT_EQ(srtt(), milliseconds(10)) << "of the same flight";
  send();
  listen();
  wait(milliseconds(90));
  tell(sack(host_tsn + 2));
  EXPECT_EQ(srtt(), milliseconds(20)) << "10 * 7/8 + 90/8: the next flight";
}

TEST_F(Section63, WhatWasSentAgainIsNotMeasured) {
  be_opened();
  send();
  listen();
  wait(seconds(1));
  ASSERT_EQ(hear(), "DATA");
  wait(milliseconds(500));
  tell(sack(host_tsn));
  EXPECT_EQ(srtt(), Duration{0});
  EXPECT_EQ(host().status().paths[0].rto, seconds(2));
  send();
  listen();
  wait(milliseconds(80));
  tell(sack(host_tsn + 1));
  EXPECT_EQ(srtt(), milliseconds(10));
}

TEST_F(Section63, NorIsWhatWaitedForIt) {
  setup.profile.max_burst = 0;
  be_opened();
  for (int i = 0; i < 6; ++i) send();
  listen();
  wait(milliseconds(80));
  tell(sack(host_tsn - 1, {{2, 2}}));
  ASSERT_EQ(srtt(), milliseconds(10));
  wait(milliseconds(10));
  send();
  ASSERT_EQ(hear(), "DATA");
  wait(milliseconds(10));
  for (uint16_t i = 3; i <= 4; ++i) tell(sack(host_tsn - 1, {{2, i}}));
  ASSERT_EQ(hear(), "DATA");
  wait(milliseconds(800));
  tell(sack(host_tsn + 3));
  tell(sack(host_tsn + 6));
  EXPECT_EQ(srtt(), milliseconds(10)) << "the last one went before the first went again";
  send();
  listen();
  wait(milliseconds(90));
  tell(sack(host_tsn + 7));
  EXPECT_EQ(srtt(), milliseconds(20));
}

// ---------------------------------------------------------------- several addresses

class Section64 : public Peer {
 protected:
  Section64() {
    setup.profile.heartbeat_interval = Duration{0};
    setup.profile.rto_min = milliseconds(200);
    setup.profile.max_burst = 0;
  }
  // Opens from the host, with the peer's addresses, the first of which is primary. Each answers its
  // HEARTBEAT after `round_trip`, except the first, whose round trip took no time.
  void open_to(const std::vector<IpAddress>& addresses, Duration round_trip = {}) {
    peer_address = addresses[0];
    peer_list = addresses;
    be_opened();
    // Addresses that are not confirmed are probed one after the other (5.4).
    for (size_t i = 1; i < addresses.size(); ++i) {
      wait(i == 1 ? Duration{} : Duration{seconds(1)});
      const Packet probe = hear_one();
      const auto info = wire::HeartbeatChunk::parse(probe.chunks()[0]);
      ASSERT_TRUE(info.has_value()) << probe.names();
      wait(round_trip);
      from(probe.destination,
           [&](PacketWriter& w) { return wire::write_heartbeat_ack(w, info->info); });
    }
    for (const PathStatus& path : host().status().paths) {
      ASSERT_EQ(path.state, PathState::kActive);
    }
  }
  void from(const IpAddress& source, const Write& write) {
    const IpAddress before = std::exchange(peer_address, source);
    tell(write);
    peer_address = before;
  }
  void send(size_t size = 1) { ASSERT_EQ(host().send(now, std::string(size, 'x')), Status::kOk); }
  void wait_until(TimePoint when) { wait(when - now); }

  const IpAddress a_ = ip("198.51.100.1");
  const IpAddress b_ = ip("198.51.100.2");
};

// As in section 6.1, by the long way: what has one path and what has several is not sent alike.
TEST_F(Section64, ASackThatIsNotDueDoesNotTravelWithoutData) {
  open_to({a_, b_});
  tell_data();
  ASSERT_EQ(hear(), "SACK");
  for (int i = 0; i < 10; ++i) send(1400);
  listen();
  ASSERT_GT(host().status().queued_bytes, 0u);
  tell_data();
  EXPECT_EQ(hear(), "") << "the window is full: nothing to ride with";
  wait(milliseconds(50));
  EXPECT_EQ(hear(), "SACK");
}

TEST_F(Section64, NewDataGoesToThePrimary) {
  open_to({a_, b_});
  for (int i = 0; i < 5; ++i) {
    send();
    EXPECT_EQ(hear_one().destination, a_);
    from(b_, sack(last_tsn()));
  }
  from(b_, data({}));
  EXPECT_EQ(hear(), "SACK");
  from(b_, data({}));
  send();
  const Packet out = hear_one();
  EXPECT_EQ(out.names(), "DATA") << "the SACK that is owed goes the other way";
  EXPECT_EQ(out.destination, a_);
  wait(milliseconds(50));
  EXPECT_EQ(hear_one().destination, b_);
}

TEST_F(Section64, WhatComesAgainIsAcknowledgedByAnotherWayEachTime) {
  open_to({a_, b_});
  const Tsn tsn = peer_tsn;
  from(a_, data({}));
  EXPECT_EQ(hear_one().destination, a_);
  for (const IpAddress& way : {b_, a_, b_}) {
    from(a_, data({.tsn = tsn}));
    EXPECT_EQ(hear_one().destination, way);
  }
  from(a_, data({.flags = "BEI"}));
  EXPECT_EQ(hear_one().destination, a_) << "as long as something new comes";
}

TEST_F(Section64, ASackGoesWhereTheLastDataCameFrom) {
  open_to({a_, b_});
  const IpAddress sources[] = {a_, a_, b_, b_, b_, a_, b_};
  for (const IpAddress& source : sources) {
    from(source, data({.flags = "BEI"}));
    EXPECT_EQ(hear_one().destination, source);
  }
  from(a_, data({}));
  from(b_, data({}));
  EXPECT_EQ(hear_one().destination, b_) << "the last one";
}

TEST_F(Section64, AnAnswerGoesWhereTheQuestionCameFrom) {
  open_to({a_, b_});
  const std::vector<uint8_t> info = {1, 2, 3};
  from(b_, [&](PacketWriter& w) { return wire::write_heartbeat(w, info); });
  const Packet heartbeat_ack = hear_one();
  EXPECT_EQ(heartbeat_ack.names(), "HEARTBEAT ACK");
  EXPECT_EQ(heartbeat_ack.destination, b_);
  const Write shutdown = [&](PacketWriter& w) { return wire::write_shutdown(w, host_tsn - 1); };
  for (const IpAddress& source : {b_, a_, b_}) {
    from(source, shutdown);
    const Packet shutdown_ack = hear_one();
    EXPECT_EQ(shutdown_ack.names(), "SHUTDOWN ACK");
    EXPECT_EQ(shutdown_ack.destination, source);
  }
}

TEST_F(Section64, AShutdownCompleteGoesWhereTheAckCameFrom) {
  open_to({a_, b_});
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  EXPECT_EQ(hear_one().destination, a_);
  from(b_, wire::write_shutdown_ack);
  const Packet complete = hear_one();
  EXPECT_EQ(complete.names(), "SHUTDOWN COMPLETE");
  EXPECT_EQ(complete.destination, b_);
}

TEST_F(Section64, AnInitAckGoesWhereTheInitCameFrom) {
  peer_list = {a_, b_};
  peer_address = b_;
  send_init();
  const Packet init_ack = hear_one();
  EXPECT_EQ(init_ack.destination, b_);
  take_init_ack(init_ack);
  peer_address = a_;
  tell(cookie_echo());
  const std::vector<Packet> out = listen();
  ASSERT_FALSE(out.empty());
  EXPECT_EQ(out[0].chunks()[0].type, ChunkType::kCookieAck);
  EXPECT_EQ(out[0].destination, a_);
}

TEST_F(Section64, WhatTimedOutGoesToTheOtherAddressAndWaitsForItsRto) {
  open_to({a_, b_}, milliseconds(300));
  const std::vector<PathStatus> paths = host().status().paths;
  ASSERT_EQ(paths[0].rto, milliseconds(200));
  ASSERT_EQ(paths[1].rto, milliseconds(900)) << "300 + 4 * 150";
  send();
  EXPECT_EQ(hear_one().destination, a_);
  wait(milliseconds(200));
  EXPECT_EQ(hear_one().destination, b_);
  EXPECT_EQ(host().status().paths[0].flight, 0u);
  EXPECT_GT(host().status().paths[1].flight, 0u);
  wait(milliseconds(899));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  EXPECT_EQ(hear_one().destination, a_) << "and back";
}

TEST_F(Section64, WhatDidNotFitTheFirstPacketAfterT3GoesAsCwndAllows) {
  open_to({a_, b_});
  for (int i = 0; i < 3; ++i) send(kLimit);
  ASSERT_EQ(listen().size(), 3u);
  wait(milliseconds(200));
  std::vector<Packet> again = listen();
  ASSERT_EQ(again.size(), 3u) << "the other way has a window of its own";
  for (size_t i = 0; i < again.size(); ++i) {
    EXPECT_EQ(again[i].destination, b_);
    ASSERT_EQ(data_of(again[i]).size(), 1u);
    EXPECT_EQ(data_of(again[i])[0].tsn, host_tsn + static_cast<uint32_t>(i));
  }
}

TEST_F(Section64, AFastRetransmissionGoesTheSameWay) {
  open_to({a_, b_});
  for (int i = 0; i < 6; ++i) send(600);
  listen();
  for (uint16_t i = 2; i <= 4; ++i) from(b_, sack(host_tsn - 1, {{2, i}}));
  const Packet again = hear_one();
  EXPECT_EQ(data_of(again)[0].tsn, host_tsn);
  EXPECT_EQ(again.destination, a_);
}

TEST_F(Section64, AnInactivePrimaryIsGoneAroundUntilItAnswers) {
  setup.profile.path_max_retrans = 0;
  open_to({a_, b_});
  send();
  ASSERT_EQ(hear_one().destination, a_);
  wait(milliseconds(200));
  EXPECT_EQ(hear_one().destination, b_);
  ASSERT_EQ(host().status().paths[0].state, PathState::kInactive);
  from(b_, sack(last_tsn()));
  send();
  EXPECT_EQ(hear_one().destination, b_) << "new data, too";
  from(b_, sack(last_tsn()));
  ASSERT_EQ(host().shard().request_heartbeat(now, host().assoc, a_), Status::kOk);
  const Packet probe = hear_one();
  const auto info = wire::HeartbeatChunk::parse(probe.chunks()[0]);
  from(a_, [&](PacketWriter& w) { return wire::write_heartbeat_ack(w, info->info); });
  send();
  EXPECT_EQ(hear_one().destination, a_);
}

TEST_F(Section64, WhatTimedOutGoesTheMostDifferentWay) {
  const IpAddress six = ip("2001:db8::1");
  setup.addresses = {host_address, ip("2001:db8::99")};
  open_to({a_, b_, six});
  send();
  EXPECT_EQ(hear_one().source, host_address);
  wait(milliseconds(200));
  const Packet again = hear_one();
  EXPECT_EQ(again.destination, six) << "another address at both ends";
  EXPECT_EQ(again.source, setup.addresses[1]);
}

// ---------------------------------------------------------------- packets for several paths

TEST_F(Section64, ChunksFitTheSmallestPath) {
  const IpAddress six = ip("2001:db8::1");
  setup.addresses = {host_address, ip("2001:db8::99")};
  open_to({a_, six});
  send(5000);
  std::vector<size_t> sizes;
  for (const Packet& packet : listen()) {
    EXPECT_EQ(packet.destination, a_);
    EXPECT_LE(packet.bytes.size(), 1480u);
    for (const auto& chunk : data_of(packet)) sizes.push_back(chunk.payload.size());
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{1432, 1432, 1432, 704})) << "1460 - 12 - 16";
}

TEST_F(Section64, AFullPacketIsBundledAnewForASmallerPath) {
  const IpAddress six = ip("2001:db8::1");
  setup.addresses = {host_address, ip("2001:db8::99")};
  open_to({a_, six});
  for (const size_t size : {351u, 350u, 349u, 348u}) send(size);
  const Packet full = hear_one();
  ASSERT_EQ(full.bytes.size(), 1480u);
  ASSERT_EQ(data_of(full).size(), 4u);
  wait(milliseconds(200));
  const std::vector<Packet> again = listen();
  ASSERT_EQ(again.size(), 2u) << "three chunks with their headers and padding, and one";
  EXPECT_EQ(again[0].destination, six);
  EXPECT_EQ(again[0].bytes.size(), 12u + 3 * 368);
  EXPECT_EQ(data_of(again[0]).size(), 3u);
  EXPECT_EQ(data_of(again[1]).size(), 1u);
  EXPECT_EQ(data_of(again[1])[0].tsn, host_tsn + 3);
}

}  // namespace
}  // namespace trunkline::test
