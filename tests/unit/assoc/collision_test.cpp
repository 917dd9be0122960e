// SPDX-License-Identifier: BSD-3-Clause
// Set-up chunks for an association that exists (RFC 9260 section 5.2): both call at once, a peer
// that restarted, cookies of former lives, and no change of state before a cookie is valid.
#include "support/pair.h"
#include "wire/abort_chunk.h"

namespace trunkline::test {
namespace {

// ---------------------------------------------------------------- collision (5.2.1, 5.2.4 B and D)

class Collision : public Pair {
 protected:
  void SetUp() override { a_setup.listening = true; }
  void both_call() {
    z();
    ASSERT_EQ(dial().status, Status::kOk);
    ASSERT_EQ(z().connect(now, {a_setup.addresses[0]}, a_setup.port).status, Status::kOk);
  }
  void expect_one_association() {
    EXPECT_EQ(a().state(), AssocState::kEstablished);
    EXPECT_EQ(z().state(), AssocState::kEstablished);
    EXPECT_EQ(a().shard().association_count(), 1u);
    EXPECT_EQ(z().shard().association_count(), 1u);
    EXPECT_EQ(a().status().local_tag, z().status().peer_tag);
    EXPECT_EQ(z().status().local_tag, a().status().peer_tag);
    EXPECT_EQ(a().count(EventKind::kConnected), 1u);
    EXPECT_EQ(z().count(EventKind::kConnected), 1u);
    a().send(now, "from a");
    z().send(now, "from z");
    run(seconds(1));
    EXPECT_EQ(a().messages(), std::vector<std::string>{"from z"});
    EXPECT_EQ(z().messages(), std::vector<std::string>{"from a"});
  }
};

TEST_F(Collision, InitsThatCrossMakeOneAssociation) {
  both_call();
  const VerificationTag tag_a = a().status().local_tag;
  const VerificationTag tag_z = z().status().local_tag;
  exchange();
  expect_one_association();
  EXPECT_EQ(a().status().local_tag, tag_a) << "the tags of the INITs stay";
  EXPECT_EQ(z().status().local_tag, tag_z);
}

TEST_F(Collision, WithAnyOneOfItsPacketsLost) {
  for (size_t lost = 0; lost < 8; ++lost) {
    both_call();
    size_t n = 0;
    eats = [&](const Packet&) { return n++ == lost; };
    run(seconds(5));
    eats = nullptr;
    expect_one_association();
    a().shard().abort(now, a().assoc, {});
    exchange();
    a().events.clear();
    z().events.clear();
    now = now + seconds(10);
  }
}

TEST_F(Collision, AnInitWhileInCookieEchoedIsAnsweredWithTheSameTag) {
  z();
  ASSERT_EQ(dial().status, Status::kOk);
  eats = [](const Packet& packet) { return packet.names() == "COOKIE ECHO"; };
  exchange();
  ASSERT_EQ(a().state(), AssocState::kCookieEchoed);
  forget_trace();
  ASSERT_EQ(z().connect(now, {a_setup.addresses[0]}, a_setup.port).status, Status::kOk);
  exchange();
  ASSERT_GE(wire.size(), 2u);
  ASSERT_EQ(wire[1].names(), "INIT ACK");
  const auto parsed = wire::InitChunk::parse(wire[1].chunks()[0], true);
  EXPECT_EQ(parsed.init.initiate_tag, a().status().local_tag);
  eats = nullptr;
  run(seconds(5));
  expect_one_association();
}

// ---------------------------------------------------------------- restart (5.2.2, 5.2.4 A)

using Restart = Pair;

TEST_F(Restart, ThePeersNewLifeReplacesTheOld) {
  connect();
  const AssocStatus before = z().status();
  eats = [](const Packet& packet) { return packet.destination == ip("192.0.2.1"); };
  z().send(now, "lost with the old life");
  exchange();
  eats = nullptr;
  crash_a();
  ASSERT_EQ(dial().status, Status::kOk);
  exchange();
  EXPECT_EQ(z().count(EventKind::kRestarted), 1u);
  EXPECT_EQ(z().last(EventKind::kSendFailed).reason, Reason::kRestarted);
  EXPECT_EQ(z().count(EventKind::kLost), 0u);
  EXPECT_EQ(z().count(Counter::k_restarts), 1u);
  EXPECT_EQ(z().shard().association_count(), 1u);
  const AssocStatus after = z().status();
  EXPECT_EQ(after.id, before.id) << "the same association for its user";
  EXPECT_FALSE(after.local_tag == before.local_tag);
  EXPECT_FALSE(after.peer_tag == before.peer_tag);
  a().send(now, "new life");
  z().send(now, "answer");
  run(seconds(1));
  EXPECT_EQ(z().messages(), std::vector<std::string>{"new life"});
  EXPECT_EQ(a().messages(), std::vector<std::string>{"answer"});
}

TEST_F(Restart, SequenceNumbersBeginAnewBothWays) {
  connect();
  for (int i = 0; i < 3; ++i) {
    a().send(now, "a");
    z().send(now, "z");
  }
  run(seconds(1));
  crash_a();
  ASSERT_EQ(dial().status, Status::kOk);
  exchange();
  a().send(now, "first");
  z().send(now, "first");
  run(seconds(1));
  EXPECT_EQ(a().messages(), std::vector<std::string>{"first"});
  EXPECT_EQ(z().messages().back(), "first");
}

TEST_F(Restart, NothingChangesBeforeTheCookie) {
  connect();
  const AssocStatus before = z().status();
  crash_a();
  ASSERT_EQ(dial().status, Status::kOk);
  carry(a().transmit(now), 'a', z());
  const std::vector<Packet> answer = z().transmit(now);
  ASSERT_EQ(names(answer), "INIT ACK");
  const auto parsed = wire::InitChunk::parse(answer[0].chunks()[0], true);
  EXPECT_FALSE(parsed.init.initiate_tag == before.local_tag) << "a tag never used before (5.2.2)";
  const AssocStatus after = z().status();
  EXPECT_EQ(after.local_tag, before.local_tag);
  EXPECT_EQ(after.peer_tag, before.peer_tag);
  EXPECT_EQ(after.state, AssocState::kEstablished);
  EXPECT_EQ(z().events.size(), 1u);
}

TEST_F(Restart, WhileShuttingDownIsAnsweredFromShutdownAckSent) {
  connect();
  eats = [](const Packet& packet) { return packet.names() == "SHUTDOWN ACK"; };
  ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
  exchange();
  ASSERT_EQ(z().state(), AssocState::kShutdownAckSent);
  // 9.2: the INIT is discarded, the SHUTDOWN ACK sent again.
  forget_trace();
  z().receive(now, from_a(VerificationTag(0), [](PacketWriter& w) {
                return wire::write_init(w, {VerificationTag(77), 10000, 1, 1, Tsn(1)}, {});
              }));
  EXPECT_EQ(names(z().transmit(now)), "SHUTDOWN ACK");
}

class RestartByHand : public Peer {};

TEST_F(RestartByHand, WithNewAddressesIsRefusedAndChangesNothing) {
  open();
  const VerificationTag before = host().status().local_tag;
  peer_tag = VerificationTag(0x55);
  peer_list = {peer_address, ip("198.51.100.66")};
  send_init();
  const std::vector<Packet> said = listen();
  ASSERT_EQ(names(said), "ABORT, HEARTBEAT") << "and it is asked whether it lives";
  EXPECT_EQ(said[0].header().verification_tag, peer_tag);
  EXPECT_EQ(causes(said[0]), std::vector{CauseCode::kRestartWithNewAddresses});
  EXPECT_EQ(host().status().local_tag, before);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(RestartByHand, FromASubsetOfTheOldAddressesIsGood) {
  peer_list = {peer_address, ip("198.51.100.2")};
  open();
  peer_tag = VerificationTag(0x55);
  peer_address = ip("198.51.100.2");
  peer_list.clear();
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
  EXPECT_EQ(host().status().peer_tag, peer_tag);
}

TEST_F(RestartByHand, ACookieOfAFormerLifeIsDiscarded) {
  // 5.2.4: a cookie from before the association knew tie-tags has none that match.
  send_init();
  take_init_ack(hear_one());
  const auto old_cookie = cookie;
  const auto old_tag = host_tag;
  peer_tag = VerificationTag(0x55);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  ASSERT_EQ(hear(), "COOKIE ACK");
  const AssocStatus before = host().status();
  cookie = old_cookie;
  tell(old_tag, cookie_echo());
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_cookie_collision), 1u);
  EXPECT_EQ(host().status().local_tag, before.local_tag);
  EXPECT_EQ(host().shard().association_count(), 1u);
}

TEST_F(RestartByHand, TheRestartCookieWorksOnce) {
  open();
  peer_tag = VerificationTag(0x55);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK") << "now both tags match: acknowledged, nothing else";
  EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
}

TEST_F(RestartByHand, AStaleRestartCookieIsAnsweredAndChangesNothing) {
  open();
  peer_tag = VerificationTag(0x55);
  send_init();
  take_init_ack(hear_one());
  wait(seconds(61));
  listen();
  tell(cookie_echo());
  EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kStaleCookie});
  EXPECT_EQ(host().count(EventKind::kRestarted), 0u);
}

TEST_F(RestartByHand, DataInTheRestartsCookieEchoPacketIsRead) {
  open();
  peer_tag = VerificationTag(0x55);
  peer_tsn = Tsn(50);
  peer_ssn = 0;
  send_init();
  take_init_ack(hear_one());
  const Write first = data({.text = "hello again"});
  tell([&](PacketWriter& w) { return cookie_echo()(w) && first(w); });
  EXPECT_EQ(host().messages(), std::vector<std::string>{"hello again"});
}

TEST_F(RestartByHand, ABadInitForAnAssociationDoesNotHurtIt) {
  open();
  peer_streams_in = 0;
  send_init();
  EXPECT_EQ(hear(), "ABORT");
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

}  // namespace
}  // namespace trunkline::test
