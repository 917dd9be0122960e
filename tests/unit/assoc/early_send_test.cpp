// SPDX-License-Identifier: BSD-3-Clause
// Messages that are sent while the association is set up (RFC 9260 section 5.1): they wait for it,
// and each ends once, whatever becomes of the attempt.
#include "support/pair.h"

namespace trunkline::test {
namespace {

using Texts = std::vector<std::string>;

class EarlySend : public Pair {
 protected:
  EarlySend() { a_setup.profile.heartbeat_interval = Duration{0}; }
  Status send(const std::string& text, uint16_t stream = 0) {
    return a().send(now, text, {.stream = stream});
  }
  // Packets of one side only.
  void step_a() { carry(a().transmit(now), 'a', z()); }
  void step_z() { carry(z().transmit(now), 'z', a()); }
  void expect_each_failed_once(size_t count, Reason reason) {
    EXPECT_EQ(a().count(EventKind::kSendFailed), count);
    EXPECT_EQ(a().last(EventKind::kSendFailed).reason, reason);
    EXPECT_EQ(a().count(EventKind::kConnectFailed), 1u);
    EXPECT_EQ(a().events.back().kind, EventKind::kConnectFailed);
    EXPECT_EQ(a().shard().pool_usage().messages_used, 0u);
  }
};

TEST_F(EarlySend, WaitsForTheAssociationAndKeepsItsOrder) {
  z();
  ASSERT_EQ(dial().status, Status::kOk);
  EXPECT_EQ(send("one"), Status::kOk);
  EXPECT_EQ(send("two", 1), Status::kOk);
  step_a();
  EXPECT_EQ(send("three"), Status::kOk);
  step_z();
  ASSERT_EQ(a().state(), AssocState::kCookieEchoed);
  EXPECT_EQ(send("four"), Status::kOk);
  step_a();
  EXPECT_EQ(send("five", 1), Status::kOk);
  EXPECT_TRUE(z().messages().empty());
  exchange();
  EXPECT_EQ(trace, (Texts{"a: INIT", "z: INIT ACK", "a: COOKIE ECHO", "z: COOKIE ACK",
                          "a: DATA + DATA + DATA + DATA + DATA", "z: SACK"}));
  EXPECT_EQ(z().messages(), (Texts{"one", "two", "three", "five", "four"}));
  EXPECT_EQ(a().count(EventKind::kSendAcknowledged), 5u);
  EXPECT_EQ(a().count(EventKind::kSenderDry), 1u);
}

// Not one byte of the set-up is another one.
TEST_F(EarlySend, ChangesNothingOfTheSetUp) {
  struct Run final : EarlySend {
    explicit Run(bool early) {
      z();
      EXPECT_EQ(dial().status, Status::kOk);
      if (early) static_cast<void>(send("early"));
      exchange();
      packets = wire;
      TearDown();
    }
    void TestBody() override {}
    std::vector<Packet> packets;
  };
  const Run quiet(false);
  const Run early(true);
  ASSERT_EQ(quiet.packets.size(), 4u);
  ASSERT_EQ(names(early.packets), "INIT, INIT ACK, COOKIE ECHO, COOKIE ACK, DATA, SACK");
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(early.packets[i].bytes, quiet.packets[i].bytes) << i;
}

TEST_F(EarlySend, IsJudgedAgainWhenThePeerAgreesToFewerStreams) {
  z_setup.profile.max_inbound_streams = 2;
  z();
  ASSERT_EQ(dial().status, Status::kOk);
  EXPECT_EQ(send("too high", 10), Status::kInvalidStream);
  EXPECT_EQ(send("zero", 0), Status::kOk);
  EXPECT_EQ(send("two", 2), Status::kOk);
  EXPECT_EQ(send("one", 1), Status::kOk);
  EXPECT_EQ(send("nine", 9), Status::kOk);
  step_a();
  step_z();
  ASSERT_EQ(a().state(), AssocState::kCookieEchoed);
  EXPECT_EQ(send("two", 2), Status::kInvalidStream);
  exchange();
  EXPECT_EQ(z().messages(), (Texts{"zero", "one"}));
  std::vector<EventKind> kinds;
  for (const Seen& event : a().events) kinds.push_back(event.kind);
  ASSERT_GE(kinds.size(), 3u);
  EXPECT_EQ(kinds[0], EventKind::kConnected);
  EXPECT_EQ(kinds[1], EventKind::kSendFailed);
  EXPECT_EQ(kinds[2], EventKind::kSendFailed);
  EXPECT_EQ(a().count(EventKind::kSendFailed), 2u);
  EXPECT_EQ(a().events[1].text, "two");
  EXPECT_EQ(a().events[2].text, "nine");
  EXPECT_EQ(a().events[2].reason, Reason::kInvalidStream);
}

TEST_F(EarlySend, HasTheLimitsThatItHasLater) {
  a_setup.profile.max_message_size = 1000;
  a_setup.profile.send_buffer = 1500;
  ASSERT_EQ(dial().status, Status::kOk);
  EXPECT_EQ(send(""), Status::kEmptyMessage);
  EXPECT_EQ(send(std::string(1001, 'x')), Status::kMessageTooLarge);
  EXPECT_EQ(send(std::string(1000, 'x')), Status::kOk);
  EXPECT_EQ(send(std::string(501, 'x')), Status::kWouldBlock);
  EXPECT_EQ(send(std::string(500, 'x')), Status::kOk);
  z();
  exchange();
  EXPECT_EQ(send(std::string(1000, 'x')), Status::kOk);  // what was acknowledged counts no longer
  exchange();
  EXPECT_EQ(z().messages().size(), 3u);
}

// An attempt that nobody answers must not have what others need.
TEST_F(EarlySend, HasAShareOfTheMessagesLikeOthers) {
  a_setup.shard.max_associations = 8;
  a_setup.shard.max_queued_messages = 64;
  ASSERT_EQ(dial().status, Status::kOk);
  size_t taken = 0;
  while (send("x") == Status::kOk) ++taken;
  EXPECT_LT(taken, 64u);
  EXPECT_EQ(a().count(Counter::k_refused_send_share), 1u);
}

// ---------------------------------------------------------------- attempts that fail

TEST_F(EarlySend, ComesBackWhenThePeerRefuses) {
  z_setup.listening = false;
  z();
  ASSERT_EQ(dial().status, Status::kOk);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(send("x"), Status::kOk);
  exchange();
  expect_each_failed_once(3, Reason::kRefused);
}

TEST_F(EarlySend, ComesBackWhenNobodyAnswers) {
  eats = [](const Packet&) { return true; };
  ASSERT_EQ(dial().status, Status::kOk);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(send("x"), Status::kOk);
  run(minutes(60));
  expect_each_failed_once(3, Reason::kTimedOut);
}

TEST_F(EarlySend, ComesBackWhenTheCookieIsNeverAnswered) {
  eats = [](const Packet& packet) { return packet.names() == "COOKIE ACK"; };
  ASSERT_EQ(dial().status, Status::kOk);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(send("x"), Status::kOk);
  run(minutes(60));
  expect_each_failed_once(3, Reason::kTimedOut);
  EXPECT_TRUE(z().messages().empty());
}

TEST_F(EarlySend, ComesBackWhenItsUserGivesUp) {
  for (const bool gently : {false, true}) {
    ASSERT_EQ(dial().status, Status::kOk);
    ASSERT_EQ(send("x"), Status::kOk);
    if (gently) {
      ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
    } else {
      ASSERT_EQ(a().shard().abort(now, a().assoc, {}), Status::kOk);
    }
    a().transmit(now);
    expect_each_failed_once(1, Reason::kLocalAbort);
    a().events.clear();
  }
}

// ---------------------------------------------------------------- detours

TEST_F(EarlySend, GoesOnceThoughTheCookieIsLost) {
  int left = 2;
  eats = [&](const Packet& packet) { return packet.names() == "COOKIE ECHO" && left-- > 0; };
  ASSERT_EQ(dial().status, Status::kOk);
  ASSERT_EQ(send("one"), Status::kOk);
  run(seconds(30));
  EXPECT_EQ(z().messages(), Texts{"one"});
}

TEST_F(EarlySend, GoesOnceThoughTheCookieWasStale) {
  z_setup.profile.valid_cookie_life = milliseconds(100);
  z();
  ASSERT_EQ(dial().status, Status::kOk);
  ASSERT_EQ(send("one"), Status::kOk);
  step_a();
  step_z();
  now = now + milliseconds(500);
  step_a();
  ASSERT_EQ(send("two"), Status::kOk);
  run(seconds(30));
  EXPECT_EQ(z().count(Counter::k_drop_stale_cookie), 1u);
  EXPECT_EQ(z().messages(), (Texts{"one", "two"}));
}

// Both call at once: whichever row of 5.2.4 it is, each message arrives once, in order.
class EarlySendInCollision : public EarlySend, public ::testing::WithParamInterface<int> {};

TEST_P(EarlySendInCollision, GoesOnce) {
  a_setup.listening = true;
  z_setup.profile.heartbeat_interval = Duration{0};
  int at = 0;
  eats = [&](const Packet&) { return at++ == GetParam(); };
  ASSERT_EQ(dial().status, Status::kOk);
  ASSERT_EQ(z().connect(now, {a_setup.addresses[0]}, a_setup.port).status, Status::kOk);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(send(std::to_string(i), static_cast<uint16_t>(i % 2)), Status::kOk);
    ASSERT_EQ(z().send(now, std::to_string(i)), Status::kOk);
  }
  run(minutes(5));
  EXPECT_EQ(a().state(), AssocState::kEstablished);
  EXPECT_EQ(z().state(), AssocState::kEstablished);
  EXPECT_EQ(a().messages(), (Texts{"0", "1", "2", "3", "4"}));
  EXPECT_EQ(z().messages(), (Texts{"0", "1", "2", "3", "4"}));
  EXPECT_EQ(a().count(EventKind::kSendAcknowledged), 5u);
  EXPECT_EQ(z().count(EventKind::kSendAcknowledged), 5u);
}

INSTANTIATE_TEST_SUITE_P(EachPacketLost, EarlySendInCollision, ::testing::Range(-1, 10));

TEST_F(EarlySend, IsJudgedAgainInACollisionToo) {
  a_setup.listening = true;
  z_setup.profile.max_inbound_streams = 2;
  ASSERT_EQ(dial().status, Status::kOk);
  ASSERT_EQ(z().connect(now, {a_setup.addresses[0]}, a_setup.port).status, Status::kOk);
  ASSERT_EQ(send("zero", 0), Status::kOk);
  ASSERT_EQ(send("nine", 9), Status::kOk);
  exchange();
  EXPECT_EQ(z().messages(), Texts{"zero"});
  EXPECT_EQ(a().count(EventKind::kSendFailed), 1u);
  EXPECT_EQ(a().last(EventKind::kSendFailed).reason, Reason::kInvalidStream);
}

// Row B of 5.2.4 makes a new association in the place of this one: with all that waits.
TEST_F(EarlySend, SurvivesTheCookieOfACollision) {
  a_setup.listening = true;
  ASSERT_EQ(dial().status, Status::kOk);
  a().transmit(now);  // our INIT is lost
  ASSERT_EQ(send("one"), Status::kOk);
  ASSERT_EQ(z().connect(now, {a_setup.addresses[0]}, a_setup.port).status, Status::kOk);
  exchange();
  ASSERT_EQ(a().count(EventKind::kConnected), 1u);
  EXPECT_EQ(z().messages(), Texts{"one"});
  EXPECT_EQ(a().count(EventKind::kSendAcknowledged), 1u);
}

// A peer that restarts before it has answered: its second INIT ACK is refused, its cookie is gone.
TEST_F(EarlySend, OutlivesARestartOfThePeer) {
  z_setup.listening = true;
  ASSERT_EQ(dial().status, Status::kOk);
  ASSERT_EQ(send("one"), Status::kOk);
  step_a();
  step_z();
  ASSERT_EQ(a().state(), AssocState::kCookieEchoed);
  Host again(77, z_setup, now);
  const auto to_again = [&](const std::vector<Packet>& packets) {
    for (const Packet& packet : packets) again.receive(now, packet);
    for (const Packet& packet : again.transmit(now)) a().receive(now, packet);
  };
  to_again(a().transmit(now));
  for (int i = 0; i < 200 && a().count(EventKind::kConnectFailed) == 0; ++i) {
    now = std::max(now, a().shard().next_deadline());
    a().advance(now);
    to_again(a().transmit(now));
  }
  expect_each_failed_once(1, Reason::kTimedOut);
  again.finish(now);
  EXPECT_EQ(again.violation(), "");
}

}  // namespace
}  // namespace trunkline::test
