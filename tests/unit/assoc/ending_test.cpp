// SPDX-License-Identifier: BSD-3-Clause
// The ends of an association: the shutdown sequence from either side and from both (RFC 9260
// section 9.2), ABORT (9.1), failure of the peer and of a path (8.1 to 8.3); and what the verbs
// answer to ids that are dead.
#include "support/pair.h"
#include "wire/abort_chunk.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

// ---------------------------------------------------------------- shutdown

class Shutdown : public Pair {
 protected:
  void expect_both_closed() {
    EXPECT_EQ(a().count(EventKind::kClosed), 1u);
    EXPECT_EQ(z().count(EventKind::kClosed), 1u);
    EXPECT_EQ(a().events.back().kind, EventKind::kClosed);
    EXPECT_EQ(z().events.back().kind, EventKind::kClosed);
    EXPECT_EQ(a().shard().association_count(), 0u);
    EXPECT_EQ(z().shard().association_count(), 0u);
    EXPECT_EQ(a().count(Counter::k_shutdowns), 1u);
    EXPECT_EQ(z().count(Counter::k_shutdowns), 1u);
    EXPECT_EQ(a().count(Counter::k_aborteds) + z().count(Counter::k_aborteds), 0u);
  }
};

TEST_F(Shutdown, TakesThreePackets) {
  connect();
  forget_trace();
  ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
  exchange();
  EXPECT_EQ(trace,
            (std::vector<std::string>{"a: SHUTDOWN", "z: SHUTDOWN ACK", "a: SHUTDOWN COMPLETE"}));
  expect_both_closed();
  EXPECT_EQ(z().count(EventKind::kPeerShutdown), 1u);
}

TEST_F(Shutdown, DeliversWhatWasAcceptedBefore) {
  connect();
  for (int i = 0; i < 50; ++i) a().send(now, std::string(1000, 'a'));
  for (int i = 0; i < 50; ++i) z().send(now, std::string(1000, 'z'));
  ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
  EXPECT_EQ(a().state(), AssocState::kShutdownPending);
  EXPECT_EQ(a().send(now, "too late"), Status::kClosing);
  EXPECT_EQ(a().shard().shutdown(now, a().assoc), Status::kClosing);
  run(seconds(2));
  expect_both_closed();
  EXPECT_EQ(z().messages().size(), 50u);
  EXPECT_EQ(a().messages().size(), 50u);
  EXPECT_EQ(a().count(EventKind::kSendAcknowledged), 50u);
  EXPECT_EQ(z().count(EventKind::kSendAcknowledged), 50u);
}

TEST_F(Shutdown, FromBothSidesAtOnce) {
  connect();
  a().send(now, "last from a");
  z().send(now, "last from z");
  ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
  ASSERT_EQ(z().shard().shutdown(now, z().assoc), Status::kOk);
  run(seconds(2));
  expect_both_closed();
  EXPECT_EQ(a().messages(), std::vector<std::string>{"last from z"});
  EXPECT_EQ(z().messages(), std::vector<std::string>{"last from a"});
}

TEST_F(Shutdown, SurvivesTheLossOfAnyOnePacket) {
  for (const char* const lost : {"SHUTDOWN", "SHUTDOWN ACK", "SHUTDOWN COMPLETE"}) {
    connect();
    bool once = false;
    eats = [&](const Packet& packet) {
      return packet.names() == lost && !std::exchange(once, true);
    };
    ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
    run(seconds(10));
    EXPECT_TRUE(once);
    EXPECT_EQ(a().shard().association_count() + z().shard().association_count(), 0u) << lost;
    EXPECT_EQ(a().events.back().kind, EventKind::kClosed) << lost;
    EXPECT_EQ(z().events.back().kind, EventKind::kClosed) << lost;
    eats = nullptr;
  }
}

TEST_F(Shutdown, WithoutAnAnswerGivesUp) {
  a_setup.profile.association_max_retrans = 2;
  connect();
  eats = [](const Packet&) { return true; };
  ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
  run(seconds(60));
  EXPECT_EQ(a().last(EventKind::kLost).reason, Reason::kTimedOut);
  EXPECT_EQ(a().count(Counter::k_t2_expirations), 3u);
}

TEST_F(Shutdown, APeerThatNeverFinishesIsAbortedByTheGuard) {
  a_setup.profile.rto_max = seconds(1);
  a_setup.profile.heartbeat_interval = Duration{0};
  connect();
  // Z has data under way that A acknowledges, but the acknowledgements are lost: it goes on and on.
  z_setup.profile.association_max_retrans = 100;
  eats = [&](const Packet& packet) { return packet.source == ip("192.0.2.1"); };
  z().send(now, "again and again");
  ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
  const TimePoint begin = now;
  for (int i = 0; i < 100 && a().count(EventKind::kLost) == 0; ++i) run(milliseconds(100));
  EXPECT_EQ(a().last(EventKind::kLost).reason, Reason::kTimedOut);
  EXPECT_GE(now - begin, seconds(5)) << "T5-shutdown-guard: five times RTO.max";
  EXPECT_LE(now - begin, seconds(6));
}

TEST_F(Shutdown, WhileOpeningIsAnAbort) {
  z();
  ASSERT_EQ(dial().status, Status::kOk);
  EXPECT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
  EXPECT_EQ(a().count(EventKind::kConnectFailed), 0u) << "not yet drained";
  a().drain(now);
  EXPECT_EQ(a().last(EventKind::kConnectFailed).reason, Reason::kLocalAbort);
  EXPECT_TRUE(a().transmit(now).empty());
}

class ShutdownByHand : public Peer {};

TEST_F(ShutdownByHand, DataInShutdownSentIsAnsweredWithShutdown) {
  open();
  tell_data("1");
  listen();
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  EXPECT_EQ(hear(), "SHUTDOWN");
  tell_data("2");
  const Packet answer = hear_one();
  const auto chunk = answer.find(ChunkType::kShutdown);
  ASSERT_TRUE(chunk.has_value()) << answer.names();
  EXPECT_EQ(wire::ShutdownChunk::parse(*chunk)->cum_tsn_ack, peer_tsn - 1);
  EXPECT_EQ(host().messages().size(), 2u);
}

TEST_F(ShutdownByHand, ItsCumulativeTsnAcknowledges) {
  open();
  host().send(now, "x");
  listen();
  tell([&](PacketWriter& w) { return wire::write_shutdown(w, last_tsn()); });
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 1u);
  EXPECT_EQ(hear(), "SHUTDOWN ACK");
}

TEST_F(ShutdownByHand, WithDataOutstandingTheAckWaits) {
  open();
  host().send(now, "x");
  listen();
  tell([&](PacketWriter& w) { return wire::write_shutdown(w, last_tsn() - 1); });
  EXPECT_EQ(host().state(), AssocState::kShutdownReceived);
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().send(now, "y"), Status::kClosing);
  tell(sack(last_tsn()));
  EXPECT_EQ(hear(), "SHUTDOWN ACK");
  tell([](PacketWriter& w) { return wire::write_shutdown_complete(w, false); });
  EXPECT_EQ(host().count(EventKind::kClosed), 1u);
}

TEST_F(ShutdownByHand, AcknowledgingWhatWasNeverSentIsAViolation) {
  open();
  tell([&](PacketWriter& w) { return wire::write_shutdown(w, last_tsn() + 1); });
  EXPECT_EQ(hear(), "ABORT");
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kPeerViolation);
}

TEST_F(ShutdownByHand, ChunksOutOfTurnAreDropped) {
  open();
  tell(wire::write_shutdown_ack);
  tell([](PacketWriter& w) { return wire::write_shutdown_complete(w, false); });
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  EXPECT_EQ(host().count(Counter::k_drop_unexpected_shutdown), 2u);
  EXPECT_EQ(hear(), "");
}

TEST_F(ShutdownByHand, AReflectedCompleteNeedsThePeersTag) {
  open();
  tell([&](PacketWriter& w) { return wire::write_shutdown(w, last_tsn()); });
  ASSERT_EQ(hear(), "SHUTDOWN ACK");
  const Write reflected = [](PacketWriter& w) { return wire::write_shutdown_complete(w, true); };
  tell(host_tag, reflected);
  EXPECT_EQ(host().state(), AssocState::kShutdownAckSent);
  tell(peer_tag, reflected);
  EXPECT_EQ(host().count(EventKind::kClosed), 1u);
}

TEST_F(ShutdownByHand, AShutdownAgainDrawsTheAckAgain) {
  open();
  for (int i = 0; i < 3; ++i) {
    tell([&](PacketWriter& w) { return wire::write_shutdown(w, host_tsn - 1); });
    EXPECT_EQ(hear(), "SHUTDOWN ACK");
  }
  EXPECT_EQ(host().count(EventKind::kPeerShutdown), 1u);
}

// ---------------------------------------------------------------- abort

using Abort = Pair;

TEST_F(Abort, TellsThePeerWhyAndGivesEveryMessageBack) {
  connect();
  eats = [](const Packet&) { return true; };
  a().send(now, "in flight");
  exchange();
  a().send(now, "queued");
  eats = nullptr;
  forget_trace();
  const std::string reason = "maintenance";
  ASSERT_EQ(a().shard().abort(now, a().assoc,
                              {reinterpret_cast<const uint8_t*>(reason.data()), reason.size()}),
            Status::kOk);
  exchange();
  EXPECT_EQ(trace, std::vector<std::string>{"a: ABORT"});
  wire::CauseCursor cursor(wire[0].chunks()[0].value);
  const auto cause = cursor.next();
  EXPECT_EQ(cause->code, CauseCode::kUserInitiatedAbort);
  EXPECT_EQ(std::string(cause->value.begin(), cause->value.end()), reason);
  EXPECT_EQ(a().count(EventKind::kSendFailed), 2u);
  EXPECT_EQ(a().last(EventKind::kSendFailed).reason, Reason::kLocalAbort);
  EXPECT_EQ(a().events.back().kind, EventKind::kLost);
  EXPECT_EQ(z().last(EventKind::kLost).reason, Reason::kReset);
  EXPECT_EQ(z().last(EventKind::kLost).cause, 12u);
}

TEST_F(Abort, AReasonLargerThanAPacketIsCut) {
  connect();
  const std::vector<uint8_t> reason(5000, 'r');
  ASSERT_EQ(a().shard().abort(now, a().assoc, reason), Status::kOk);
  exchange();
  EXPECT_EQ(trace.back(), "a: ABORT");
  EXPECT_EQ(z().count(EventKind::kLost), 1u);
  EXPECT_LE(wire.back().bytes.size(), 1480u);
}

TEST_F(Abort, ADeadIdFindsNothingEvenWhenItsSlotLivesAgain) {
  connect();
  const AssocId old = a().assoc;
  a().shard().abort(now, old, {});
  exchange();
  connect();
  ASSERT_EQ(a().assoc.slot, old.slot);
  ASSERT_NE(a().assoc.generation, old.generation);
  AssocStatus status;
  EXPECT_FALSE(a().shard().status(old, status));
  EXPECT_EQ(a().send_on(now, old, "x", {}), Status::kNoSuchAssociation);
  EXPECT_EQ(a().shard().shutdown(now, old), Status::kNoSuchAssociation);
  EXPECT_EQ(a().shard().abort(now, old, {}), Status::kNoSuchAssociation);
  EXPECT_EQ(a().shard().set_user(old, 1), Status::kNoSuchAssociation);
  EXPECT_EQ(a().shard().request_heartbeat(now, old, ip("192.0.2.26")), Status::kNoSuchAssociation);
  a().shard().consumed(now, old, 100);
  for (const AssocId bad : {AssocId{}, AssocId{a().assoc.generation, 999999, 0},
                            AssocId{a().assoc.generation, a().assoc.slot, 1},
                            AssocId{a().assoc.generation + 1, a().assoc.slot, 0}}) {
    EXPECT_EQ(a().shard().shutdown(now, bad), Status::kNoSuchAssociation);
  }
  EXPECT_EQ(a().state(), AssocState::kEstablished);
}

// ---------------------------------------------------------------- failure

using Failure = Pair;

TEST_F(Failure, AnIdlePathIsProbedOnceAnInterval) {
  a_setup.profile.heartbeat_interval = seconds(30);
  z_setup.profile.heartbeat_interval = Duration{0};
  connect();
  forget_trace();
  run(minutes(10));
  const auto heartbeats = std::count(trace.begin(), trace.end(), "a: HEARTBEAT");
  EXPECT_GE(heartbeats, 18);  // 30 s, and the RTO with its jitter
  EXPECT_LE(heartbeats, 20);
  EXPECT_EQ(std::count(trace.begin(), trace.end(), "z: HEARTBEAT"), 0) << "zero switches it off";
  EXPECT_EQ(a().count(Counter::k_heartbeat_acks_received), static_cast<uint64_t>(heartbeats));
  EXPECT_EQ(a().status().paths[0].error_count, 0u);
}

TEST_F(Failure, ASilentPeerIsLostByItsHeartbeats) {
  a_setup.profile.association_max_retrans = 3;
  a_setup.profile.path_max_retrans = 1;
  connect();
  eats = [](const Packet&) { return true; };
  run(minutes(10));
  EXPECT_EQ(a().last(EventKind::kLost).reason, Reason::kTimedOut);
  EXPECT_EQ(a().last(EventKind::kPathChanged).path_state, PathState::kInactive);
  EXPECT_EQ(a().count(Counter::k_path_failures), 1u);
}

TEST_F(Failure, APathComesBackWithTheFirstAnswer) {
  a_setup.profile.association_max_retrans = 20;
  a_setup.profile.path_max_retrans = 1;
  connect();
  eats = [](const Packet&) { return true; };
  while (a().count(Counter::k_path_failures) == 0) run(seconds(1));
  EXPECT_EQ(a().status().paths[0].state, PathState::kInactive);
  eats = nullptr;
  run(minutes(2));
  EXPECT_EQ(a().status().paths[0].state, PathState::kActive);
  EXPECT_EQ(a().last(EventKind::kPathChanged).path_state, PathState::kActive);
  EXPECT_EQ(a().count(Counter::k_path_recoveries), 1u);
}

TEST_F(Failure, ARequestedHeartbeatGoesAtOnce) {
  connect();
  forget_trace();
  EXPECT_EQ(a().shard().request_heartbeat(now, a().assoc, ip("192.0.2.99")),
            Status::kInvalidAddress);
  ASSERT_EQ(a().shard().request_heartbeat(now, a().assoc, ip("192.0.2.26")), Status::kOk);
  exchange();
  EXPECT_EQ(trace, (std::vector<std::string>{"a: HEARTBEAT", "z: HEARTBEAT ACK"}));
}

TEST_F(Failure, AForgedHeartbeatAckProvesNothing) {
  a_setup.profile.path_max_retrans = 1;
  connect();
  const Write forged = [](PacketWriter& w) {
    return wire::write_heartbeat_ack(w, std::array<uint8_t, 34>{});
  };
  a().receive(now, from_z(a().status().local_tag, forged));
  EXPECT_EQ(a().count(Counter::k_drop_bad_heartbeat_ack), 1u);
  EXPECT_EQ(a().count(Counter::k_heartbeat_acks_received), 0u);
}

TEST_F(Failure, RetransmissionsGoToAnotherPath) {
  a_setup.addresses = {ip("192.0.2.1"), ip("192.0.2.2")};
  z_setup.addresses = {ip("192.0.2.26"), ip("192.0.2.27")};
  connect();
  run(seconds(1));
  ASSERT_EQ(a().status().paths[1].state, PathState::kActive);
  eats = [](const Packet& packet) { return packet.destination == ip("192.0.2.26"); };
  a().send(now, "around the hole");
  run(seconds(5));
  EXPECT_EQ(z().messages(), std::vector<std::string>{"around the hole"});
  EXPECT_EQ(a().count(Counter::k_t3_expirations), 1u);
}

// ---------------------------------------------------------------- connect() and endpoints

using Verbs = Pair;

TEST_F(Verbs, ConnectSaysWhyNot) {
  a_setup.shard.max_associations = 2;
  EXPECT_EQ(a().connect(now, {}, PortNumber(1)).status, Status::kInvalidAddress);
  EXPECT_EQ(a().connect(now, {ip("192.0.2.9")}, PortNumber(0)).status, Status::kInvalidAddress);
  EXPECT_EQ(a().connect(now, {ip("224.0.0.1")}, PortNumber(1)).status, Status::kInvalidAddress);
  EXPECT_EQ(a().connect(now, {ip("2001:db8::9")}, PortNumber(1)).status, Status::kInvalidAddress);
  EXPECT_EQ(a().connect(now, {ip("192.0.2.9")}, PortNumber(1)).status, Status::kOk);
  EXPECT_EQ(a().connect(now, {ip("192.0.2.9")}, PortNumber(1)).status, Status::kAlreadyExists);
  EXPECT_EQ(a().connect(now, {ip("192.0.2.8"), ip("192.0.2.9")}, PortNumber(1)).status,
            Status::kAlreadyExists);
  EXPECT_EQ(a().connect(now, {ip("192.0.2.9")}, PortNumber(2)).status, Status::kOk);
  EXPECT_EQ(a().connect(now, {ip("192.0.2.9")}, PortNumber(3)).status, Status::kOutOfResources);
  EXPECT_EQ(a().count(Counter::k_refused_connects), 7u);
}

TEST_F(Verbs, AClosedEndpointTakesNoMoreAndEndsWithItsLastAssociation) {
  connect();
  ASSERT_EQ(z().shard().close_endpoint(z().endpoint), Status::kOk);
  EXPECT_EQ(z().shard().close_endpoint(z().endpoint), Status::kNoSuchEndpoint);
  EXPECT_EQ(z().shard().set_listening(z().endpoint, true, 0), Status::kNoSuchEndpoint);
  EXPECT_EQ(z().connect(now, {ip("192.0.2.3")}, PortNumber(1)).status, Status::kNoSuchEndpoint);
  a().send(now, "still served");
  run(seconds(1));
  EXPECT_EQ(z().messages().size(), 1u);
  EndpointConfig same;
  same.port = z_setup.port;
  same.addresses = z_setup.addresses;
  EXPECT_EQ(z().shard().add_endpoint(same).status, Status::kAlreadyExists);
  a().shard().abort(now, a().assoc, {});
  exchange();
  EXPECT_EQ(z().shard().add_endpoint(same).status, Status::kOk);
}

TEST_F(Verbs, TheUsersWordComesWithEveryEvent) {
  connect();
  ASSERT_EQ(z().shard().set_user(z().assoc, 4711), Status::kOk);
  a().send(now, "x");
  exchange();
  EXPECT_EQ(z().last(EventKind::kMessage).user, 4711u);
  EXPECT_EQ(z().status().user, 4711u);
}

TEST_F(Verbs, EveryShardDrawsTagsThatNameItself) {
  for (uint16_t count = 1; count <= 4; ++count) {
    for (uint16_t index = 0; index < count; ++index) {
      HostSetup setup = a_setup;
      setup.shard.count = count;
      setup.shard.index = index;
      Host host(17u * count + index, setup, now);
      for (uint16_t port = 1; port <= 50; ++port) {
        ASSERT_EQ(host.connect(now, {ip("192.0.2.9")}, PortNumber(port)).status, Status::kOk);
        const AssocStatus status = host.status();
        EXPECT_EQ(owner_of(host.directory(), status.local_tag, count), index);
        EXPECT_EQ(status.id.shard, index);
      }
      host.finish(now);
      EXPECT_EQ(host.violation(), "");
    }
  }
}

}  // namespace
}  // namespace trunkline::test
