// SPDX-License-Identifier: BSD-3-Clause
// A peer that comes with another list of its addresses than before: a restart with fewer, a
// collision with others, a restart with more, which is refused (RFC 9260 sections 5.2.2, 5.2.4);
// and addresses that never answer (5.4).
#include <gmock/gmock.h>

#include "peer_with_four.h"
#include "wire/abort_chunk.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

using enum AssocState;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class OtherLists : public Peer {
 protected:
  std::vector<IpAddress> remotes(AssocId id) {
    std::vector<IpAddress> out;
    for (const PathStatus& path : host().status(id).paths) out.push_back(path.remote);
    return out;
  }
  std::vector<IpAddress> remotes() { return remotes(host().assoc); }
  // From another of the peer's addresses, or from whoever has it today.
  void tell_from(const IpAddress& source, VerificationTag tag, const Write& write) {
    host().receive(now, build(source, host_address, peer_port, host_port, tag, write));
  }
  // HEARTBEATs to these addresses are answered; the rest is returned.
  std::vector<Packet> answer_at(const std::vector<IpAddress>& alive) {
    std::vector<Packet> rest;
    for (const Packet& sent : listen()) {
      const auto chunk = sent.find(ChunkType::kHeartbeat);
      if (!chunk || std::find(alive.begin(), alive.end(), sent.destination) == alive.end()) {
        rest.push_back(sent);
        continue;
      }
      const auto heartbeat = wire::HeartbeatChunk::parse(*chunk);
      tell_from(sent.destination, host_tag,
                [&](PacketWriter& w) { return wire::write_heartbeat_ack(w, heartbeat->info); });
    }
    return rest;
  }
  // Until the host has nothing to do within `span`; what nobody answered is returned.
  std::vector<Packet> live(Duration span, const std::vector<IpAddress>& alive) {
    const TimePoint end = now + span;
    std::vector<Packet> out = answer_at(alive);
    while (host().shard().next_deadline() <= end) {
      now = std::max(now, host().shard().next_deadline());
      host().advance(now);
      for (Packet& packet : answer_at(alive)) out.push_back(std::move(packet));
    }
    now = end;
    return out;
  }
  void open_with(const std::vector<IpAddress>& list) {
    peer_list = list;
    open();
    EXPECT_TRUE(live(seconds(10), list).empty());
    for (const PathStatus& path : host().status().paths) {
      ASSERT_EQ(path.state, PathState::kActive);
    }
  }
  void begin_another_life(uint32_t tag) {
    peer_tag = VerificationTag(tag);
    peer_tsn = Tsn(tag);
    peer_ssn = 0;
  }
};

// ---------------------------------------------------------------- fewer

class RestartWithFewer : public OtherLists {
 protected:
  void restart_without_second() {
    open_with({kFirst, kSecond});
    begin_another_life(0x55);
    peer_list = {kFirst};
    send_init();
    take_init_ack(hear_one());
    tell(cookie_echo());
    EXPECT_EQ(hear(), "COOKIE ACK");
    ASSERT_EQ(host().count(EventKind::kRestarted), 1u);
  }
};

TEST_F(RestartWithFewer, AddressesHasThoseOnly) {
  restart_without_second();
  EXPECT_THAT(remotes(), ElementsAre(kFirst));
  for (const Packet& packet : live(minutes(10), {kFirst})) {
    ADD_FAILURE() << packet.names() << " to " << packet.destination.to_string();
  }
  EXPECT_EQ(host().state(), kEstablished);
}

TEST_F(RestartWithFewer, AddressesIsNothingToWhoHasTheOthersNow) {
  restart_without_second();
  for (const VerificationTag tag : {host_tag, peer_tag}) {
    tell_from(kSecond, tag, [](PacketWriter& w) { return wire::write_abort(w, false); });
    tell_from(kSecond, tag, [](PacketWriter& w) { return wire::write_abort(w, true); });
    tell_from(kSecond, tag, data({.text = "not the peer's"}));
  }
  EXPECT_EQ(host().state(), kEstablished);
  EXPECT_TRUE(host().messages().empty());
}

// Its INIT is a stranger's: an association of its own, and no restart of the other one.
TEST_F(RestartWithFewer, AddressesLeavesTheOthersToOtherHosts) {
  restart_without_second();
  const AssocId before = host().assoc;
  listen();
  begin_another_life(0x66);
  peer_address = kSecond;
  peer_list = {};
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  EXPECT_EQ(host().shard().association_count(), 2u);
  EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
  EXPECT_EQ(host().count(EventKind::kAccepted), 2u);
  EXPECT_THAT(remotes(host().assoc), ElementsAre(kSecond));
  EXPECT_THAT(remotes(before), ElementsAre(kFirst));
  EXPECT_EQ(host().status(before).state, kEstablished);
}

TEST_F(RestartWithFewer, AddressesMakesRoomInTheDirectory) {
  const auto connect_to_second = [&] { return host().connect(now, {kSecond}, peer_port).status; };
  open_with({kFirst, kSecond});
  EXPECT_EQ(connect_to_second(), Status::kAlreadyExists);
  start_over();
  peer_tag = VerificationTag(0x11223344);
  restart_without_second();
  EXPECT_EQ(connect_to_second(), Status::kOk);
}

// ---------------------------------------------------------------- a collision's

TEST_F(OtherLists, ACollisionTakesTheListOfTheInit) {
  ASSERT_EQ(host().connect(now, {kFirst, kSecond}, peer_port).status, Status::kOk);
  EXPECT_EQ(hear(), "INIT");
  peer_list = {kFirst, kThird};
  peer_tsn = Tsn(4711);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  ASSERT_EQ(host().state(), kEstablished);
  EXPECT_EQ(host().count(EventKind::kConnected), 1u);
  EXPECT_THAT(remotes(), ElementsAre(kFirst, kThird));
  const AssocStatus status = host().status();
  EXPECT_EQ(status.cum_tsn_ack, Tsn(4710));
  EXPECT_EQ(status.peer_rwnd, peer_window);
  EXPECT_EQ(status.user, 11u) << "the word of the connect";
  tell_from(kSecond, host_tag, [](PacketWriter& w) { return wire::write_abort(w, false); });
  EXPECT_EQ(host().state(), kEstablished);
  EXPECT_EQ(host().connect(now, {kSecond}, peer_port).status, Status::kOk);
  EXPECT_EQ(host().connect(now, {kThird}, peer_port).status, Status::kAlreadyExists);
}

// The peer's INIT crossed ours, and its answer to ours came from a life before: all or nothing.
TEST_F(OtherLists, ACollisionThatComesLateTakesEverythingOver) {
  ASSERT_EQ(host().connect(now, {kFirst}, peer_port).status, Status::kOk);
  const Packet init = hear_one();
  host_tag = wire::InitChunk::parse(init.chunks()[0], false).init.initiate_tag;
  begin_another_life(0x66);
  send_init();
  take_init_ack(hear_one());
  const std::vector<uint8_t> late = cookie;
  begin_another_life(0x55);
  tell([&](PacketWriter& w) {
    return wire::write_init_ack(w, init_fields(), {}, std::vector<uint8_t>{1});
  });
  ASSERT_EQ(hear(), "COOKIE ECHO");
  tell(wire::write_cookie_ack);
  tell_data("of the first life");
  ASSERT_EQ(host().send(now, "to the first life"), Status::kOk);
  listen();
  begin_another_life(0x66);
  cookie = late;
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
  EXPECT_EQ(host().last(EventKind::kSendFailed).reason, Reason::kRestarted);
  EXPECT_EQ(host().status().cum_tsn_ack, Tsn(0x65));
  EXPECT_EQ(host().status().peer_tag, VerificationTag(0x66));
  tell_data("of the second life");
  EXPECT_EQ(host().messages().back(), "of the second life");
}

// A third peer has one of the addresses that a collision's cookie lists: it is left out, and what
// lies behind it keeps its meaning.
TEST_F(OtherLists, AnAddressThatAnotherAssociationHasIsForgottenBeforeTheOthers) {
  ASSERT_EQ(host().connect(now, {kSecond}, peer_port).status, Status::kOk);
  const AssocId other = host().assoc;
  hear();
  ASSERT_EQ(host().connect(now, {kFirst}, peer_port).status, Status::kOk);
  hear();
  peer_list = {kFirst, kSecond, kThird, kFourth};
  begin_another_life(0x77);
  send_init();
  for (const Packet& packet : listen()) {
    if (packet.names() == "INIT ACK") take_init_ack(packet);
  }
  tell_from(kThird, host_tag, cookie_echo());
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "COOKIE ACK + HEARTBEAT");
  EXPECT_EQ(answer.destination, kThird) << "where the COOKIE ECHO came from (6.4)";
  EXPECT_THAT(remotes(), ElementsAre(kFirst, kThird, kFourth));
  EXPECT_EQ(host().status(other).state, kCookieWait);
}

// ---------------------------------------------------------------- more

class RestartWithMore : public OtherLists {
 protected:
  // The peer listed fewer than it has, and comes back with all.
  void come_back_with_all() {
    begin_another_life(0x55);
    peer_list = {kFirst, kSecond, kThird};
    send_init();
  }
};

TEST_F(RestartWithMore, AddressesIsRefusedAndTold) {
  open_with({kFirst, kSecond});
  come_back_with_all();
  const std::vector<Packet> said = listen();
  ASSERT_EQ(names(said), "ABORT, HEARTBEAT, HEARTBEAT");
  EXPECT_EQ(causes(said[0]), std::vector{CauseCode::kRestartWithNewAddresses});
  EXPECT_EQ(said[0].header().verification_tag, peer_tag);
  EXPECT_THAT((std::vector{said[1].destination, said[2].destination}),
              UnorderedElementsAre(kFirst, kSecond));
  EXPECT_EQ(host().count(Counter::k_restarts_refused), 1u);
  EXPECT_EQ(host().count(EventKind::kRestartRefused), 1u);
  EXPECT_EQ(host().last(EventKind::kRestartRefused).path, kFirst);
  EXPECT_EQ(host().state(), kEstablished);
}

// Out of the blue there: its ABORT ends what is dead, and the next INIT is welcome.
TEST_F(RestartWithMore, AddressesEndsWhatIsDeadWithTheNextPacket) {
  open_with({kFirst, kSecond});
  const VerificationTag old_tag = peer_tag;
  come_back_with_all();
  for (const Packet& packet : listen()) {
    if (packet.names() != "HEARTBEAT" || !(packet.destination == kFirst)) continue;
    EXPECT_EQ(packet.header().verification_tag, old_tag);
    tell(old_tag, [](PacketWriter& w) { return wire::write_abort(w, true); });
  }
  EXPECT_EQ(host().count(EventKind::kLost), 1u);
  EXPECT_EQ(host().shard().association_count(), 0u);
  open();
}

// Whoever forges such INITs learns nothing, and makes us ask no more than once an RTO.
TEST_F(RestartWithMore, AddressesForgedCostAProbeAnRto) {
  open_with({kFirst, kSecond});
  come_back_with_all();
  size_t asked = 0;
  for (int i = 0; i < 100; ++i) {
    send_init();
    for (const Packet& packet : listen()) {
      if (packet.names() != "HEARTBEAT") continue;
      ++asked;
      const auto heartbeat = wire::HeartbeatChunk::parse(packet.chunks()[0]);
      tell_from(packet.destination, host().status().local_tag,
                [&](PacketWriter& w) { return wire::write_heartbeat_ack(w, heartbeat->info); });
    }
    wait(milliseconds(10));
  }
  EXPECT_EQ(asked, 2u);
  EXPECT_EQ(host().count(EventKind::kRestartRefused), 1u);
  EXPECT_EQ(host().count(Counter::k_restarts_refused), 101u);
  EXPECT_EQ(host().state(), kEstablished);
  wait(seconds(1));
  listen();
  send_init();
  EXPECT_EQ(host().count(EventKind::kRestartRefused), 2u);
}

TEST_F(RestartWithMore, AddressesHurriesNoProbeOfAnUnconfirmedOne) {
  peer_list = {kFirst, kSecond, kThird};
  open();
  host().advance(now);
  EXPECT_EQ(hear(), "HEARTBEAT") << "to the second one; the third waits for its turn";
  begin_another_life(0x55);
  peer_list = {kFirst, kSecond, kThird, kFourth};
  send_init();
  const std::vector<Packet> said = listen();
  ASSERT_EQ(names(said), "ABORT, HEARTBEAT");
  EXPECT_EQ(said[1].destination, kFirst);
}

// While T1 or T2 runs the peer is asked anyway, and HEARTBEATs may not go.
TEST_F(RestartWithMore, AddressesIsOnlyRefusedWhereAnotherTimerAsks) {
  for (const AssocState state : {kCookieEchoed, kShutdownSent}) {
    SCOPED_TRACE(state_name(state));
    start_over();
    peer_tag = VerificationTag(0x11223344);
    peer_list = {};
    reach(state);
    come_back_with_all();
    EXPECT_EQ(hear(), "ABORT");
    EXPECT_EQ(host().count(Counter::k_restarts_refused), 1u);
    EXPECT_EQ(host().count(EventKind::kRestartRefused), 0u);
  }
}

// ---------------------------------------------------------------- never an answer

class Unconfirmed : public OtherLists {
 protected:
  Unconfirmed() {
    setup.profile.rto_initial = setup.profile.rto_min = milliseconds(200);
    setup.profile.rto_max = milliseconds(400);
  }
  static size_t heartbeats_to(const IpAddress& address, const std::vector<Packet>& packets) {
    return static_cast<size_t>(
        std::count_if(packets.begin(), packets.end(), [&](const Packet& packet) {
          return packet.destination == address && packet.find(ChunkType::kHeartbeat);
        }));
  }
  const PathStatus& second() {
    status_ = host().status();
    return status_.paths[1];
  }

 private:
  AssocStatus status_;
};

TEST_F(Unconfirmed, AddressesThatNeverAnswerAreAskedAsSeldomAsInactiveOnes) {
  peer_list = {kFirst, kSecond};
  open();
  const std::vector<Packet> soon = live(seconds(5), {kFirst});
  EXPECT_EQ(heartbeats_to(kSecond, soon), setup.profile.path_max_retrans + 1u)
      << "each RTO until it has failed";
  EXPECT_EQ(second().state, PathState::kUnconfirmedInactive);
  EXPECT_EQ(host().count(EventKind::kPathChanged), 1u);
  EXPECT_EQ(host().last(EventKind::kPathChanged).path, kSecond);
  EXPECT_EQ(host().last(EventKind::kPathChanged).path_state, PathState::kUnconfirmedInactive);
  EXPECT_EQ(host().count(Counter::k_unconfirmed_failures), 1u);
  EXPECT_EQ(host().count(Counter::k_path_failures), 0u) << "it never was a path that worked";
  const size_t in_an_hour = heartbeats_to(kSecond, live(minutes(60), {kFirst}));
  EXPECT_LE(in_an_hour, 120u) << "HB.interval and an RTO";
  EXPECT_GE(in_an_hour, 100u);
  // Nothing else goes there, and nobody may choose it.
  EXPECT_EQ(host().shard().set_primary(now, host().assoc, kSecond), Status::kInvalidAddress);
  EXPECT_EQ(host().state(), kEstablished);
}

TEST_F(Unconfirmed, AddressesThatAnswerAtLastAreConfirmed) {
  peer_list = {kFirst, kSecond};
  open();
  live(minutes(10), {kFirst});
  ASSERT_EQ(second().state, PathState::kUnconfirmedInactive);
  live(seconds(40), {kFirst, kSecond});
  EXPECT_EQ(second().state, PathState::kActive);
  EXPECT_EQ(second().error_count, 0u);
  EXPECT_EQ(host().last(EventKind::kPathChanged).path_state, PathState::kActive);
}

TEST_F(Unconfirmed, AddressesTakeTurnsWithThoseThatHaveFailed) {
  peer_list = {kFirst, kSecond, kThird};
  open();
  const std::vector<Packet> soon = live(seconds(20), {kFirst});
  EXPECT_EQ(heartbeats_to(kSecond, soon), setup.profile.path_max_retrans + 1u);
  EXPECT_EQ(heartbeats_to(kThird, soon), setup.profile.path_max_retrans + 1u);
  live(seconds(40), {kFirst, kThird});
  EXPECT_EQ(second().state, PathState::kUnconfirmedInactive);
  EXPECT_EQ(host().status().paths[2].state, PathState::kActive);
}

// Without HEARTBEATs no path would ever take the place of the one that fails.
TEST_F(Unconfirmed, AddressesAreAskedNowAndThenEvenWithoutHeartbeats) {
  setup.profile.heartbeat_interval = Duration{0};
  peer_list = {kFirst, kSecond};
  open();
  live(seconds(10), {kFirst});
  const size_t in_an_hour = heartbeats_to(kSecond, live(minutes(60), {kFirst}));
  EXPECT_GE(in_an_hour, 100u);
  EXPECT_LE(in_an_hour, 120u);
  live(seconds(40), {kFirst, kSecond});
  EXPECT_EQ(second().state, PathState::kActive);
  EXPECT_TRUE(live(minutes(60), {}).empty()) << "confirmed: none any more";
}

// DATA that comes from there is acknowledged elsewhere, failed or not (5.4).
TEST_F(Unconfirmed, AddressesGetNothingButHeartbeatsAfterTheyHaveFailed) {
  peer_list = {kFirst, kSecond};
  open();
  live(seconds(10), {kFirst});
  ASSERT_EQ(second().state, PathState::kUnconfirmedInactive);
  tell_from(kSecond, host_tag, data({}));
  EXPECT_EQ(hear_one().destination, kFirst);
  tell_from(kSecond, host_tag, [&](PacketWriter& w) {
    uint8_t* const at = w.reserve_chunk(ChunkType{0xc7}, 0, 0);
    return at != nullptr;
  });
  EXPECT_EQ(hear_one().destination, kFirst) << "ERROR";
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  EXPECT_EQ(hear(), "SHUTDOWN");
  tell_from(kSecond, host_tag, wire::write_shutdown_ack);
  const Packet last = hear_one();
  EXPECT_EQ(last.names(), "SHUTDOWN COMPLETE");
  EXPECT_EQ(last.destination, kFirst);
}

}  // namespace
}  // namespace trunkline::test
