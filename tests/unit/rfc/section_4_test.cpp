// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 9260, section 4, that no part's own tests prove: T1 in both of its states, forged
// cookies in all states, what the closing states send and refuse.
#include "support/pair.h"

namespace trunkline::test {
namespace {

class Section4State : public Peer {
 protected:
  static constexpr auto kInstant = std::chrono::nanoseconds(1);

  // T1 expires after 1, 2, 4 and 8 seconds: three retransmissions, each the same packet, then the
  // end.
  void expect_three_more_and_the_end(const Packet& first) {
    for (const int rto : {1, 2, 4}) {
      wait(seconds(rto) - kInstant);
      EXPECT_EQ(hear(), "");
      wait(kInstant);
      const Packet again = hear_one();
      EXPECT_EQ(again.names(), first.names());
      EXPECT_EQ(again.bytes, first.bytes);
      EXPECT_EQ(again.destination, first.destination);
    }
    wait(seconds(8) - kInstant);
    EXPECT_TRUE(host().events.empty());
    EXPECT_EQ(host().shard().association_count(), 1u);
    wait(kInstant);
    EXPECT_EQ(hear(), "");
    ASSERT_EQ(host().events.size(), 1u);
    EXPECT_EQ(host().events[0].kind, EventKind::kConnectFailed);
    EXPECT_EQ(host().events[0].reason, Reason::kTimedOut);
    EXPECT_EQ(host().shard().association_count(), 0u);
    EXPECT_EQ(host().count(Counter::k_t1_expirations), 4u);
    wait(minutes(5));
    EXPECT_EQ(hear(), "");
  }
};

TEST_F(Section4State, T1SendsTheSameInitAgain) {
  setup.profile.max_init_retransmits = 3;
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  const Packet first = hear_one();
  ASSERT_EQ(first.names(), "INIT");
  expect_three_more_and_the_end(first);
}

TEST_F(Section4State, T1SendsTheSameCookieEchoAgain) {
  setup.profile.max_init_retransmits = 3;
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  const Packet first = answer_up_to_cookie_echo();
  ASSERT_EQ(first.names(), "COOKIE ECHO");
  expect_three_more_and_the_end(first);
}

TEST_F(Section4State, AForgedCookieDoesNothingInAnyState) {
  // A good cookie in all but one bit of its MAC, and one of no kind.
  send_init();
  take_init_ack(hear_one());
  std::vector<uint8_t> altered = cookie;
  altered.back() ^= 1;
  const VerificationTag its_tag = host_tag;
  const std::vector<uint8_t> nonsense(altered.size(), 1);
  for (const AssocState state : kEveryState) {
    SCOPED_TRACE(state_name(state));
    reach(state);
    const AssocStatus before = host().status();
    const size_t events = host().events.size();
    uint64_t dropped = 0;
    for (const std::vector<uint8_t>& forged : {altered, nonsense}) {
      for (const VerificationTag tag : {its_tag, host_tag, peer_tag}) {
        tell(tag, [&](PacketWriter& w) { return wire::write_cookie_echo(w, forged); });
        ++dropped;
      }
    }
    EXPECT_EQ(hear(), "");
    EXPECT_EQ(host().count(Counter::k_drop_bad_cookie), dropped);
    EXPECT_EQ(host().state(), state);
    EXPECT_EQ(host().status().local_tag, before.local_tag);
    EXPECT_EQ(host().status().peer_tag, before.peer_tag);
    EXPECT_EQ(host().events.size(), events);
    start_over();
  }
}

// ---------------------------------------------------------------- the closing states

TEST_F(Section4State, InShutdownSentEachDataIsAcknowledgedAtOnce) {
  setup.profile.sack_delay = milliseconds(500);
  setup.profile.sack_frequency = 100;
  reach(AssocState::kShutdownSent);
  for (int i = 0; i < 5; ++i) {
    tell_data();
    const Packet answer = hear_one();
    const auto chunk = answer.find(ChunkType::kShutdown);
    ASSERT_TRUE(chunk.has_value()) << answer.names();
    EXPECT_EQ(wire::ShutdownChunk::parse(*chunk)->cum_tsn_ack, peer_tsn - 1);
  }
  // What SHUTDOWN can not say, a SACK says.
  ++peer_tsn;
  tell_data();
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "SACK + SHUTDOWN");
  EXPECT_EQ(wire::SackChunk::parse(answer.chunks()[0])->gap_count(), 1u);
}

TEST_F(Section4State, SendsAreRefusedInEveryClosingState) {
  for (const AssocState state : {AssocState::kShutdownPending, AssocState::kShutdownSent,
                                 AssocState::kShutdownReceived, AssocState::kShutdownAckSent}) {
    reach(state);
    const Tsn next = host().status().next_tsn;
    EXPECT_EQ(host().send(now, "too late"), Status::kClosing) << state_name(state);
    EXPECT_EQ(hear(), "");
    EXPECT_EQ(host().status().next_tsn, next);
    EXPECT_EQ(host().state(), state);
    start_over();
  }
}

TEST_F(Section4State, InShutdownReceivedAllDataIsSentBeforeTheAck) {
  setup.profile.max_burst = 1;
  open();
  constexpr uint32_t kCount = 6;
  for (uint32_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(host().send(now, std::string(1400, 'x')), Status::kOk);
  }
  EXPECT_EQ(hear(), "DATA");
  const Write shutdown = [&](PacketWriter& w) { return wire::write_shutdown(w, host_tsn - 1); };
  tell(shutdown);
  EXPECT_EQ(host().state(), AssocState::kShutdownReceived);
  EXPECT_EQ(hear(), "");
  // The first is lost: T3 sends it again. Then the others, which were never sent.
  wait(seconds(1));
  for (uint32_t i = 0; i < kCount; ++i) {
    const Packet packet = hear_one();
    ASSERT_EQ(packet.names(), "DATA") << i;
    EXPECT_EQ(data_of(packet)[0].tsn, host_tsn + i);
    EXPECT_EQ(host().state(), AssocState::kShutdownReceived);
    tell(shutdown);
    EXPECT_EQ(hear(), "") << "not yet";
    tell(sack(host_tsn + i));
  }
  EXPECT_EQ(hear(), "SHUTDOWN ACK");
  EXPECT_EQ(host().state(), AssocState::kShutdownAckSent);
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), kCount);
}

}  // namespace
}  // namespace trunkline::test
