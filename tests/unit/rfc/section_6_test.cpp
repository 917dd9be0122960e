// SPDX-License-Identifier: BSD-3-Clause
// Section 6 of RFC 9260, before 6.1: in which states DATA and SACK are sent, taken and dropped.
#include "support/pair.h"

namespace trunkline::test {
namespace {

class Section6States : public Peer {
 protected:
  // A new association, in that state. Where the state allows it, a message is outstanding.
  void start_in(AssocState state) {
    peer_port = PortNumber(static_cast<uint16_t>(peer_port.value + 1));
    peer_ssn = 0;
    host().events.clear();
    reach(state);
    if (state == AssocState::kEstablished) {
      ASSERT_EQ(host().send(now, "out"), Status::kOk);
      ASSERT_EQ(hear(), "DATA");
    }
  }
};

TEST_F(Section6States, DataIsTakenInThreeOfThemAndElsewhereDiscarded) {
  for (const AssocState state : kOpenStates) {
    SCOPED_TRACE(state_name(state));
    start_in(state);
    const bool taken = state == AssocState::kEstablished || state == AssocState::kShutdownPending ||
                       state == AssocState::kShutdownSent;
    const uint64_t dropped = host().count(Counter::k_drop_data_state);
    tell_data("in");
    EXPECT_EQ(host().messages(),
              taken ? std::vector<std::string>{"in"} : std::vector<std::string>{});
    EXPECT_EQ(host().count(Counter::k_drop_data_state), dropped + (taken ? 0 : 1));
    const std::string answer = hear();
    if (!taken) {
      EXPECT_EQ(answer, "");
    } else if (state == AssocState::kShutdownSent) {
      EXPECT_EQ(answer, "SHUTDOWN");
    } else {
      EXPECT_EQ(answer, "SACK");
    }
    EXPECT_EQ(host().state(), state);
  }
}

TEST_F(Section6States, SacksAreProcessedInThreeOfThemAndElsewhereDiscarded) {
  for (const AssocState state : kOpenStates) {
    SCOPED_TRACE(state_name(state));
    start_in(state);
    const bool processed = state == AssocState::kEstablished ||
                           state == AssocState::kShutdownPending ||
                           state == AssocState::kShutdownReceived;
    const uint64_t dropped = host().count(Counter::k_drop_sack_state);
    if (processed) {
      tell(sack(host_tsn));
      EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 1u);
      listen();
    } else {
      tell(sack(host_tsn + 5));  // would end the association where it is read
      EXPECT_EQ(host().state(), state);
      EXPECT_EQ(hear(), "");
    }
    EXPECT_EQ(host().count(Counter::k_drop_sack_state), dropped + (processed ? 0 : 1));
  }
}

TEST_F(Section6States, NewDataIsSentInThreeOfThemOnly) {
  setup.profile.max_burst = 1;
  for (const AssocState state : kOpenStates) {
    SCOPED_TRACE(state_name(state));
    start_in(state);
    if (state == AssocState::kCookieWait || state == AssocState::kCookieEchoed) {
      EXPECT_EQ(host().send(now, "new"), Status::kOk);
      EXPECT_EQ(hear(), "");
      wait(seconds(1));
      EXPECT_EQ(hear(), state == AssocState::kCookieWait ? "INIT" : "COOKIE ECHO") << "T1, no DATA";
    } else if (state == AssocState::kEstablished) {
      tell(sack(host_tsn));
      EXPECT_EQ(host().send(now, "new"), Status::kOk);
      EXPECT_EQ(hear(), "DATA");
    } else {
      EXPECT_EQ(host().send(now, "new"), Status::kClosing);
      EXPECT_EQ(hear(), "");
    }
  }
}

// What was accepted before is sent in SHUTDOWN-PENDING and SHUTDOWN-RECEIVED.
TEST_F(Section6States, WhatWasAcceptedIsSentWhileClosing) {
  setup.profile.max_burst = 1;
  for (const bool by_peer : {false, true}) {
    peer_port = PortNumber(static_cast<uint16_t>(peer_port.value + 1));
    open();
    for (int i = 0; i < 3; ++i) ASSERT_EQ(host().send(now, std::string(1400, 'x')), Status::kOk);
    ASSERT_EQ(hear(), "DATA");
    if (by_peer) {
      tell([&](PacketWriter& w) { return wire::write_shutdown(w, host_tsn - 1); });
    } else {
      ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
    }
    for (uint32_t i = 0; i < 2; ++i) {
      EXPECT_EQ(host().state(),
                by_peer ? AssocState::kShutdownReceived : AssocState::kShutdownPending);
      tell(sack(host_tsn + i));
      EXPECT_EQ(hear(), "DATA");
    }
    tell(sack(host_tsn + 2));
    EXPECT_EQ(hear(), by_peer ? "SHUTDOWN ACK" : "SHUTDOWN");
  }
}

TEST_F(Section6States, DataAndSacksInClosedAreOutOfTheBlue) {
  const VerificationTag stray(0x5555);
  tell(stray, data({}));
  const Packet first = hear_one();
  EXPECT_EQ(first.names(), "ABORT");
  EXPECT_EQ(first.chunks()[0].flags, wire::kTagReflectedFlag);
  EXPECT_EQ(first.header().verification_tag, stray);
  tell(stray, sack(Tsn(1)));
  const Packet second = hear_one();
  EXPECT_EQ(second.names(), "ABORT");
  EXPECT_EQ(second.chunks()[0].flags, wire::kTagReflectedFlag);
  EXPECT_EQ(host().count(Counter::k_out_of_blues), 2u);
}

}  // namespace
}  // namespace trunkline::test
