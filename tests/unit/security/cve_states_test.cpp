// SPDX-License-Identifier: BSD-3-Clause
// Class 2 of the CVEs: set-up chunks that come twice, late, or while something else is under way.
#include "support/staged.h"
#include "wire/abort_chunk.h"
#include "wire/error_chunk.h"

namespace trunkline::test {
namespace {

Write stale_cookie(uint32_t staleness_us) {
  return [=](PacketWriter& w) {
    return wire::begin_error(w) && wire::append_stale_cookie(w, staleness_us) && w.end_chunk();
  };
}

class CveClass2InEachState : public InEachState {};
class CveClass2AfterSetUp : public InEachState {
 protected:
  // In the state that the test begins in our user has asked for the end, and goes on to want it.
  static bool wants_out() {
    return GetParam() == AssocState::kShutdownPending || GetParam() == AssocState::kShutdownSent;
  }
};

// CVE-2013-2206: a COOKIE ECHO came twice, and the second one met an association half made.
TEST_P(CveClass2AfterSetUp, TheSameCookieTwiceMakesNothingNew) {
  reach(GetParam());
  const AssocStatus before = host().status();
  const size_t events = host().events.size();
  for (int i = 0; i < 5; ++i) tell(cookie_echo());
  const std::string answers = hear();
  EXPECT_EQ(answers.substr(0, 10), "COOKIE ACK") << "5.2.4 D";
  EXPECT_EQ(host().status().local_tag, before.local_tag);
  EXPECT_EQ(host().status().cum_tsn_ack, before.cum_tsn_ack);
  EXPECT_EQ(host().state(), GetParam());
  EXPECT_EQ(host().events.size(), events);
  EXPECT_EQ(host().shard().association_count(), 1u);
}

// CVE-2013-2206, CVE-2015-1421: a cookie of the same peer that was not the one accepted.
TEST_P(CveClass2AfterSetUp, ACookieOfAnotherHandshakeIsDiscarded) {
  send_init();
  take_init_ack(hear_one());
  const auto other = cookie;
  const auto other_tag = host_tag;
  reach(GetParam());
  const std::string before = picture();
  cookie = other;
  tell(other_tag, cookie_echo());
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(host().count(Counter::k_drop_cookie_collision), 1u);
}

// CVE-2021-46999, CVE-2014-5077: a restart while the association was being shut down answered with
// what the old one had. Each state, then: from now on everything carries the new tags.
TEST_P(CveClass2AfterSetUp, ARestartReplacesAllOfTheOldLife) {
  reach(GetParam());
  const VerificationTag old_tag = host().status().local_tag;
  peer_tag = VerificationTag(0x7777);
  peer_tsn = Tsn(5000);
  peer_ssn = 0;
  send_init();
  const std::vector<Packet> answers = listen();
  if (GetParam() == AssocState::kShutdownAckSent) {  // 9.2: the INIT is dropped, SHUTDOWN ACK again
    EXPECT_EQ(names(answers), "SHUTDOWN ACK");
    return;
  }
  ASSERT_EQ(answers.size(), 1u);
  take_init_ack(answers[0]);
  const Write first = data({.text = "new life"});
  tell([&](PacketWriter& w) { return cookie_echo()(w) && first(w); });
  for (const Packet& one : listen()) {
    EXPECT_EQ(one.header().verification_tag, peer_tag) << one.names();
  }
  EXPECT_EQ(host().state(), wants_out() ? AssocState::kShutdownSent : AssocState::kEstablished);
  EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
  EXPECT_EQ(host().messages(), std::vector<std::string>{"new life"});
  EXPECT_EQ(host().status().outstanding_bytes, 0u);
  EXPECT_FALSE(host().status().local_tag == old_tag);
  const std::string before = picture();
  tell(old_tag, wire::write_shutdown_ack);
  tell(old_tag, [](PacketWriter& w) { return wire::write_abort(w, false); });
  EXPECT_EQ(picture(), before) << "the old tag is nobody's";
}

// CVE-2015-1421: a restart freed what the association still used. Many of them, with data under
// way each time: nothing piles up.
TEST_P(CveClass2AfterSetUp, RestartsLeaveNothingBehind) {
  reach(GetParam());
  if (GetParam() == AssocState::kShutdownAckSent) return;  // no restart from here (9.2)
  for (uint32_t i = 0; i < 50; ++i) {
    peer_tag = VerificationTag(0x1000 + i);
    peer_tsn = Tsn(100000 * (i + 1));
    peer_ssn = 0;
    wait(seconds(1));
    listen();
    send_init();
    take_init_ack(hear_one());
    tell(cookie_echo());
    ASSERT_EQ(host().count(EventKind::kRestarted), i + 1);
    ASSERT_EQ(host().send(now, std::string(3000, 'x')),
              wants_out() ? Status::kClosing : Status::kOk);
    tell(data({.text = std::string(900, 'y'), .flags = "B"}));
    tell(data({.text = std::string(900, 'z'), .ssn = 9, .tsn = peer_tsn + 5}));
    listen();
    const Shard::PoolUsage used = host().shard().pool_usage();
    EXPECT_EQ(used.messages_used, wants_out() ? 0u : 1u);
    EXPECT_LE(used.chunks_used, wants_out() ? 0u : 3u);
    EXPECT_EQ(used.receive_blocks_used, 6u) << "two chunks of 900 bytes, three blocks each";
  }
  EXPECT_EQ(host().shard().association_count(), 1u);
}

// A Stale Cookie ERROR outside COOKIE-ECHOED means nothing.
TEST_P(CveClass2InEachState, AStaleCookieErrorOutsideCookieEchoedDoesNothing) {
  reach(GetParam());
  if (GetParam() == AssocState::kCookieEchoed) return;  // the tests below
  const std::string before = picture();
  for (int i = 0; i < 20; ++i) tell(stale_cookie(1000));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
}

// INIT ACK and COOKIE ACK where nobody asked for them (5.2.3, 5.2.5).
TEST_P(CveClass2InEachState, UnexpectedAnswersAreDropped) {
  reach(GetParam());
  const std::string before = picture();
  cookie = {9, 9, 9};
  const Write init_ack = [&](PacketWriter& w) {
    return wire::write_init_ack(w, init_fields(), {}, cookie);
  };
  if (GetParam() != AssocState::kCookieWait) tell(init_ack);
  if (GetParam() != AssocState::kCookieEchoed) tell(wire::write_cookie_ack);
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
}

INSTANTIATE_TEST_SUITE_P(All, CveClass2InEachState, each_state(), state_of);
INSTANTIATE_TEST_SUITE_P(All, CveClass2AfterSetUp, each_state_after_set_up(), state_of);

// ---------------------------------------------------------------- stale cookies while opening

// CVE-2026-52924: the Stale Cookie ERROR took the association back to COOKIE-WAIT with DATA queued,
// and that DATA was freed under the transmitter. Here nothing is sent before ESTABLISHED, and
// going back leaves nothing of the first INIT ACK.
class CveClass2StateCollisions : public Staged {
 protected:
  void answer_init_ack(const std::vector<uint8_t>& with_cookie) {
    cookie = with_cookie;
    tell([&](PacketWriter& w) { return wire::write_init_ack(w, init_fields(), {}, cookie); });
  }
};

TEST_F(CveClass2StateCollisions, NothingIsUnderWayWhileACookieMayGoStale) {
  reach(AssocState::kCookieEchoed);
  EXPECT_EQ(host().send(now, "early"), Status::kOk);
  tell(stale_cookie(1000));
  ASSERT_EQ(host().state(), AssocState::kCookieWait);
  EXPECT_EQ(host().send(now, "early"), Status::kOk);
  const Shard::PoolUsage used = host().shard().pool_usage();
  EXPECT_EQ(used.messages_used, 2u);
  EXPECT_EQ(used.chunks_used + used.receive_blocks_used, 0u);
  EXPECT_EQ(answer_up_to_cookie_echo().names(), "COOKIE ECHO");
  tell(wire::write_cookie_ack);
  const std::vector<wire::DataChunk> sent = data_of(hear_one());
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].tsn, host_tsn);
}

TEST_F(CveClass2StateCollisions, ThePacketGoesOnBehindAStaleCookieError) {
  reach(AssocState::kCookieEchoed);
  const Write more = data({.text = "early"});
  tell([&](PacketWriter& w) {
    return stale_cookie(1000)(w) && more(w) && wire::write_cookie_ack(w) &&
           wire::write_sack(w, host_tsn, 5000, {}, {}) && stale_cookie(1000)(w);
  });
  EXPECT_EQ(host().state(), AssocState::kCookieWait) << "a COOKIE ACK comes too late now";
  EXPECT_TRUE(host().events.empty());
  EXPECT_EQ(hear(), "INIT");
}

TEST_F(CveClass2StateCollisions, AfterAStaleCookieTheSecondInitAckCounts) {
  reach(AssocState::kCookieEchoed);
  tell(stale_cookie(1000));
  ASSERT_EQ(hear(), "INIT");
  peer_tag = VerificationTag(0x9999);
  peer_tsn = Tsn(70000);
  peer_streams_out = 3;
  peer_streams_in = 4;
  peer_window = 5000;
  answer_init_ack({7, 7, 7, 7});
  const Packet echo = hear_one();
  EXPECT_EQ(echo.header().verification_tag, peer_tag);
  const auto parsed = wire::CookieEchoChunk::parse(echo.chunks()[0]);
  EXPECT_EQ(std::vector<uint8_t>(parsed->cookie.begin(), parsed->cookie.end()), cookie);
  tell(wire::write_cookie_ack);
  const AssocStatus status = host().status();
  EXPECT_EQ(status.state, AssocState::kEstablished);
  EXPECT_EQ(status.cum_tsn_ack, Tsn(69999));
  EXPECT_EQ(status.inbound_streams, 3);
  EXPECT_EQ(status.outbound_streams, 4);
  EXPECT_EQ(status.peer_rwnd, 5000u);
}

TEST_F(CveClass2StateCollisions, StaleCookiesForEverEndTheAttempt) {
  setup.profile.max_init_retransmits = 4;
  reach(AssocState::kCookieEchoed);
  int rounds = 0;
  while (host().shard().association_count() == 1 && rounds < 100) {
    tell(stale_cookie(UINT32_MAX));
    ++rounds;
    if (hear() == "INIT") answer_init_ack({1, 2, 3, 4});
    listen();
  }
  EXPECT_EQ(rounds, 5);
  EXPECT_EQ(host().count(EventKind::kConnectFailed), 1u);
}

TEST_F(CveClass2StateCollisions, ABlindStaleCookieErrorDoesNothing) {
  reach(AssocState::kCookieEchoed);
  const std::string before = picture();
  tell(VerificationTag(host_tag.value ^ 1), stale_cookie(1000));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
}

// CVE-2014-5077: both sides call at once, and the second INIT says other things than the first.
TEST_F(CveClass2StateCollisions, InitsThatDifferWhileCallsCross) {
  reach(AssocState::kCookieWait);
  send_init();
  ASSERT_EQ(hear(), "INIT ACK");
  peer_tag = VerificationTag(0x4242);
  peer_tsn = Tsn(90000);
  peer_streams_out = 1;
  send_init();
  take_init_ack(hear_one());
  EXPECT_EQ(host_tag, host().status().local_tag) << "5.2.1: the INIT's own tag";
  tell(cookie_echo());
  const AssocStatus status = host().status();
  EXPECT_EQ(status.state, AssocState::kEstablished);
  EXPECT_EQ(status.peer_tag, VerificationTag(0x4242));
  EXPECT_EQ(status.cum_tsn_ack, Tsn(89999));
  EXPECT_EQ(status.inbound_streams, 1);
  EXPECT_EQ(host().count(EventKind::kConnected), 1u);
}

// CVE-2014-5077 once more: a cookie of the crossing INIT after the COOKIE ACK has settled it.
TEST_F(CveClass2StateCollisions, TheLoserOfACollisionComesLate) {
  reach(AssocState::kCookieWait);
  send_init();
  take_init_ack(hear_one());
  const auto late = cookie;
  answer_init_ack({5, 5, 5, 5});
  ASSERT_EQ(hear(), "COOKIE ECHO");
  tell(wire::write_cookie_ack);
  ASSERT_EQ(host().state(), AssocState::kEstablished);
  const std::string before = picture();
  cookie = late;
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK") << "5.2.4 D: the same tags";
  EXPECT_EQ(picture(), before);
}

}  // namespace
}  // namespace trunkline::test
