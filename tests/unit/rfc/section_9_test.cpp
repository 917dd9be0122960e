// SPDX-License-Identifier: BSD-3-Clause
// The ends of an association as packets made by hand see them (RFC 9260 sections 9.1 and 9.2): what
// an ABORT carries and draws, each timer of the shutdown sequence, and the chunks that come in a
// state that did not expect them. Whole conversations are in assoc/ending_test.cpp.
#include "support/states.h"
#include "wire/abort_chunk.h"
#include "wire/crc32c.h"
#include "wire/error_chunk.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

constexpr const char* kReason = "going home";

bool write_reasoned_abort(PacketWriter& w) {
  const std::string reason = kReason;
  return wire::begin_abort(w, false) &&
         wire::append_user_initiated_abort(
             w, {reinterpret_cast<const uint8_t*>(reason.data()), reason.size()}) &&
         w.end_chunk();
}

bool write_plain_heartbeat(PacketWriter& w) {
  return wire::write_heartbeat(w, std::array<uint8_t, 4>{});
}

// ---------------------------------------------------------------- 9.1

class Section9Abort : public InEveryState {};

TEST_F(Section9Abort, IsAloneWithItsCauseHoweverMuchDataWaits) {
  open();
  for (int i = 0; i < 20; ++i) host().send(now, std::string(1000, 'x'));
  tell_data();
  const std::string reason = kReason;
  ASSERT_EQ(host().shard().abort(now, host().assoc,
                                 {reinterpret_cast<const uint8_t*>(reason.data()), reason.size()}),
            Status::kOk);
  const Packet abort = hear_one();
  EXPECT_EQ(abort.names(), "ABORT");
  EXPECT_EQ(abort.header().verification_tag, peer_tag);
  wire::CauseCursor cursor(abort.chunks()[0].value);
  const auto cause = cursor.next();
  EXPECT_EQ(cause->code, CauseCode::kUserInitiatedAbort);
  EXPECT_EQ(std::string(cause->value.begin(), cause->value.end()), reason);
  EXPECT_EQ(host().count(EventKind::kSendFailed), 20u);
}

TEST_F(Section9Abort, EveryEndThatWeDecideOnIsToldToThePeer) {
  // A peer that breaks the protocol, in each state that knows its tag.
  for (const AssocState state : kOpenStates) {
    if (opening(state)) continue;
    reach(state);
    tell(shutdown_up_to(last_tsn() + 1));
    const Packet abort = hear_one();
    EXPECT_EQ(abort.names(), "ABORT") << state_name(state);
    EXPECT_EQ(abort.header().verification_tag, peer_tag);
    EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kPeerViolation);
    leave();
  }
}

TEST_F(Section9Abort, EndsTheAssociationAndItsReasonReachesTheUser) {
  for (const AssocState state : kOpenStates) {
    reach(state);
    tell(write_reasoned_abort);
    EXPECT_EQ(hear(), "") << state_name(state);
    EXPECT_EQ(host().shard().association_count(), 0u);
    EXPECT_TRUE(host().shard().next_deadline().is_never());
    ASSERT_FALSE(host().events.empty());
    const Seen& end = host().events.back();
    EXPECT_EQ(end.kind, opening(state) ? EventKind::kConnectFailed : EventKind::kLost);
    EXPECT_EQ(end.cause, 12u);
    EXPECT_EQ(end.said, kReason) << state_name(state);
    leave();
  }
}

TEST_F(Section9Abort, AnotherCauseIsNoReasonOfTheUser) {
  open();
  tell([](PacketWriter& w) {
    return wire::begin_abort(w, false) && wire::append_protocol_violation(w, "you") &&
           w.end_chunk();
  });
  EXPECT_EQ(host().events.back().kind, EventKind::kLost);
  EXPECT_EQ(host().events.back().cause, 13u);
  EXPECT_EQ(host().events.back().said, "");
}

TEST_F(Section9Abort, APacketWithAnAbortIsNeverAnsweredWhateverElseItAsksFor) {
  struct Row {
    AssocState state;
    Write before;
  };
  const Row rows[] = {
      {AssocState::kEstablished, write_plain_heartbeat},
      {AssocState::kEstablished, data({.stream = 999, .ssn = 0, .tsn = peer_tsn})},
      {AssocState::kEstablished, data({.text = "", .tsn = peer_tsn})},
      {AssocState::kEstablished,
       [](PacketWriter& w) { return w.reserve_chunk(ChunkType{0xc7}, 0, 0) != nullptr; }},
      {AssocState::kEstablished, [&](PacketWriter& w) { return sack(last_tsn() + 9)(w); }},
      {AssocState::kEstablished, [&](PacketWriter& w) { return shutdown_up_to(last_tsn())(w); }},
      {AssocState::kEstablished, [&](PacketWriter& w) { return cookie_echo()(w); }},
      {AssocState::kShutdownSent, wire::write_shutdown_ack},
      {AssocState::kShutdownAckSent, wire::write_shutdown_ack},
      {AssocState::kCookieEchoed, write_plain_heartbeat},
      {AssocState::kCookieEchoed, wire::write_shutdown_ack},
  };
  size_t i = 0;
  for (const Row& row : rows) {
    reach(row.state);
    tell([&](PacketWriter& w) { return row.before(w) && wire::write_abort(w, false); });
    EXPECT_EQ(hear(), "") << "row " << i++;
    leave();
  }
}

// ---------------------------------------------------------------- 9.2: the side that begins

class Section9Shutdown : public InEveryState {
 protected:
  // The times from now, in milliseconds, at which the host sends a packet with that chunk, until
  // the association has ended.
  std::vector<int64_t> times_of(ChunkType type) {
    std::vector<int64_t> out;
    const TimePoint begin = now;
    while (host().shard().association_count() > 0) {
      pass_to_deadline();
      for (const Packet& packet : listen()) {
        if (packet.find(type)) out.push_back((now - begin) / milliseconds(1));
      }
    }
    return out;
  }
  Tsn told_cum(const Packet& packet) {
    const auto chunk = packet.find(ChunkType::kShutdown);
    EXPECT_TRUE(chunk.has_value()) << packet.names();
    return chunk ? wire::ShutdownChunk::parse(*chunk)->cum_tsn_ack : Tsn(0);
  }
  void expect_unreachable() {
    EXPECT_EQ(host().events.back().kind, EventKind::kLost);
    EXPECT_EQ(host().events.back().reason, Reason::kTimedOut);
    EXPECT_EQ(host().state(), AssocState::kClosed);
  }
};

TEST_F(Section9Shutdown, WaitsUntilEverythingIsAcknowledged) {
  open();
  tell_data();
  listen();
  for (int i = 0; i < 20; ++i) host().send(now, std::string(1000, 'x'));
  ASSERT_EQ(shut(), Status::kOk);
  for (int i = 0; i < 100 && host().state() == AssocState::kShutdownPending; ++i) {
    for (const Packet& packet : listen()) {
      EXPECT_FALSE(packet.find(ChunkType::kShutdown).has_value());
    }
    // The timer sends again what is lost, as ever.
    if (i == 1) {
      pass_to_deadline();
      EXPECT_EQ(host().count(Counter::k_t3_expirations), 1u);
      EXPECT_GE(data_of(listen().at(0)).size(), 1u);
    }
    tell(sack(last_tsn()));
  }
  const Packet shutdown = hear_one();
  EXPECT_EQ(shutdown.names(), "SHUTDOWN");
  EXPECT_EQ(told_cum(shutdown), peer_tsn - 1);
  EXPECT_EQ(host().state(), AssocState::kShutdownSent);
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 20u);
}

TEST_F(Section9Shutdown, T2SendsItAgainWithBackOffUpToTheLimit) {
  setup.profile.association_max_retrans = 3;
  reach(AssocState::kShutdownSent);
  ASSERT_EQ(host().status().paths[0].rto, seconds(1));
  EXPECT_EQ(times_of(ChunkType::kShutdown), (std::vector<int64_t>{1000, 3000, 7000}));
  EXPECT_EQ(host().count(Counter::k_t2_expirations), 4u);
  expect_unreachable();
}

TEST_F(Section9Shutdown, T2TellsWhatHasComeSince) {
  reach(AssocState::kShutdownSent);
  tell_data();
  EXPECT_EQ(told_cum(hear_one()), peer_tsn - 1);
  tell_data();
  listen();  // lost
  pass_to_deadline();
  EXPECT_EQ(host().count(Counter::k_t2_expirations), 1u);
  EXPECT_EQ(told_cum(hear_one()), peer_tsn - 1);
}

TEST_F(Section9Shutdown, AnyPacketOfThePeerRestartsT2AndItsCount) {
  setup.profile.association_max_retrans = 1;
  reach(AssocState::kShutdownSent);
  wait(seconds(1));
  ASSERT_EQ(hear(), "SHUTDOWN");
  ASSERT_EQ(host().status().error_count, 1u);
  const Duration rto = host().status().paths[0].rto;
  for (int i = 0; i < 20; ++i) {
    wait(rto - milliseconds(1));
    EXPECT_EQ(hear(), "");
    tell(wire::write_cookie_ack);
    EXPECT_EQ(hear(), "");
    EXPECT_EQ(host().status().error_count, 0u);
  }
  wait(rto);
  EXPECT_EQ(hear(), "SHUTDOWN");
  EXPECT_EQ(host().state(), AssocState::kShutdownSent);
}

// A peer that never got the SHUTDOWN goes on with its HEARTBEATs, perhaps faster than T2 runs.
TEST_F(Section9Shutdown, AHeartbeatClearsTheCountAndDoesNotPutTheShutdownOff) {
  reach(AssocState::kShutdownSent);
  wait(seconds(1));
  ASSERT_EQ(hear(), "SHUTDOWN");
  wait(host().status().paths[0].rto - milliseconds(1));
  tell(write_plain_heartbeat);
  EXPECT_EQ(hear(), "HEARTBEAT ACK");
  EXPECT_EQ(host().status().error_count, 0u);
  wait(milliseconds(1));
  EXPECT_EQ(hear(), "SHUTDOWN");
}

TEST_F(Section9Shutdown, EachPacketWithDataIsAnsweredAtOnceAndRestartsT2) {
  reach(AssocState::kShutdownSent);
  for (int i = 0; i < 5; ++i) {
    wait(milliseconds(900));
    const Write first = data({});
    const Write second = data({});
    tell([&](PacketWriter& w) { return first(w) && second(w); });
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "SHUTDOWN");
    EXPECT_EQ(told_cum(answer), peer_tsn - 1);
  }
  EXPECT_EQ(host().count(Counter::k_t2_expirations), 0u);
  // Three packets in one burst are three answers.
  const std::vector<Packet> burst = {packet(host_tag, data({})), packet(host_tag, data({})),
                                     packet(host_tag, data({}))};
  host().receive(now, burst);
  const std::vector<Packet> answers = listen();
  EXPECT_EQ(names(answers), "SHUTDOWN, SHUTDOWN, SHUTDOWN");
  ASSERT_EQ(answers.size(), 3u);
  for (uint32_t i = 0; i < 3; ++i) EXPECT_EQ(told_cum(answers[i]), peer_tsn - 3 + i);
  wait(host().status().paths[0].rto);
  EXPECT_EQ(hear(), "SHUTDOWN");
}

TEST_F(Section9Shutdown, GapsAndDuplicatesAreToldByASackBesideIt) {
  reach(AssocState::kShutdownSent);
  const Tsn missing = peer_tsn;
  const Write late = data({});
  tell_data();
  const Packet gap = hear_one();
  EXPECT_EQ(told_cum(gap), missing - 1);
  auto chunk = gap.find(ChunkType::kSack);
  ASSERT_TRUE(chunk.has_value()) << gap.names();
  auto told = wire::SackChunk::parse(*chunk);
  ASSERT_EQ(told->gap_count(), 1u);
  EXPECT_EQ(told->gap(0).start, 2u);
  tell(late);
  EXPECT_EQ(hear(), "SHUTDOWN") << "now it says all there is to say";
  tell(late);
  const Packet duplicate = hear_one();
  EXPECT_EQ(told_cum(duplicate), peer_tsn - 1);
  chunk = duplicate.find(ChunkType::kSack);
  ASSERT_TRUE(chunk.has_value()) << duplicate.names();
  told = wire::SackChunk::parse(*chunk);
  ASSERT_EQ(told->dup_count(), 1u);
  EXPECT_EQ(told->dup(0), missing);
}

TEST_F(Section9Shutdown, TheGuardAbortsAfterFiveTimesRtoMax) {
  reach(AssocState::kShutdownSent);
  const TimePoint begin = now;
  std::vector<Packet> last;
  while (host().shard().association_count() > 0) {
    ASSERT_LE(now - begin, seconds(400));
    tell_data();  // a peer that never comes to an end
    listen();
    const TimePoint next = now + milliseconds(900);
    while (host().shard().association_count() > 0 && host().shard().next_deadline() <= next) {
      pass_to_deadline();
      last = listen();
    }
    if (host().shard().association_count() > 0) now = next;
  }
  EXPECT_EQ(names(last), "ABORT");
  EXPECT_EQ(last[0].header().verification_tag, peer_tag);
  EXPECT_GE(now - begin, 5 * Profile().rto_max);
  EXPECT_LT(now - begin, 5 * Profile().rto_max + milliseconds(10));
  expect_unreachable();
}

TEST_F(Section9Shutdown, TheAckIsAnsweredOnceAndAllIsForgotten) {
  reach(AssocState::kShutdownSent);
  tell(wire::write_shutdown_ack);
  EXPECT_EQ(hear(), "SHUTDOWN COMPLETE");
  EXPECT_EQ(host().shard().association_count(), 0u);
  EXPECT_TRUE(host().shard().next_deadline().is_never()) << "T2 is stopped";
  EXPECT_EQ(host().events.back().kind, EventKind::kClosed);
}

// ---------------------------------------------------------------- 9.2: the other side

TEST_F(Section9Shutdown, InShutdownReceivedTheUserHasNoSayButThePeerHas) {
  reach(AssocState::kShutdownReceived);
  EXPECT_EQ(shut(), Status::kClosing);
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().state(), AssocState::kShutdownReceived);
  tell(shutdown_up_to(last_tsn() - 1));
  EXPECT_EQ(hear(), "") << "not all is acknowledged yet";
  EXPECT_EQ(host().state(), AssocState::kShutdownReceived);
  tell(shutdown_up_to(last_tsn()));
  EXPECT_EQ(hear(), "SHUTDOWN ACK");
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 1u);
  EXPECT_EQ(host().count(EventKind::kPeerShutdown), 1u);
}

TEST_F(Section9Shutdown, InShutdownReceivedWhatWasAcceptedIsDelivered) {
  setup.profile.max_burst = 0;
  open();
  for (int i = 0; i < 20; ++i) ASSERT_EQ(host().send(now, std::string(1400, 'x')), Status::kOk);
  const size_t at_first = listen().size();
  ASSERT_LT(at_first, 20u) << "the window holds the rest back";
  tell(shutdown_up_to(host_tsn - 1));
  ASSERT_EQ(host().state(), AssocState::kShutdownReceived);
  EXPECT_EQ(host().send(now, "too late"), Status::kClosing);
  pass_to_deadline();
  EXPECT_EQ(host().count(Counter::k_t3_expirations), 1u);
  EXPECT_EQ(data_of(listen().at(0)).at(0).tsn, host_tsn) << "sent again";
  for (int i = 0; i < 50 && host().state() == AssocState::kShutdownReceived; ++i) {
    EXPECT_EQ(host().count(EventKind::kClosed), 0u);
    tell(sack(last_tsn()));
    if (host().state() == AssocState::kShutdownReceived) listen();
  }
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 20u);
  EXPECT_EQ(last_tsn(), host_tsn + 19);
  EXPECT_EQ(hear(), "SHUTDOWN ACK");
}

TEST_F(Section9Shutdown, WithNothingOutstandingTheAckGoesAtOnceAndAgainUpToTheLimit) {
  setup.profile.association_max_retrans = 3;
  open();
  tell(shutdown_up_to(last_tsn()));
  EXPECT_EQ(hear(), "SHUTDOWN ACK");
  EXPECT_EQ(host().state(), AssocState::kShutdownAckSent);
  EXPECT_EQ(times_of(ChunkType::kShutdownAck), (std::vector<int64_t>{1000, 3000, 7000}));
  EXPECT_EQ(host().count(Counter::k_t2_expirations), 4u);
  expect_unreachable();
}

TEST_F(Section9Shutdown, TheCompleteStopsT2AndAllIsForgotten) {
  reach(AssocState::kShutdownAckSent);
  tell([](PacketWriter& w) { return wire::write_shutdown_complete(w, false); });
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().shard().association_count(), 0u);
  EXPECT_TRUE(host().shard().next_deadline().is_never());
  EXPECT_EQ(host().events.back().kind, EventKind::kClosed);
}

// ---------------------------------------------------------------- 9.2: out of turn

TEST_F(Section9Shutdown, NoStateOfClosingTakesNewMessages) {
  for (const AssocState state : kOpenStates) {
    if (opening(state) || state == AssocState::kEstablished) continue;
    reach(state);
    EXPECT_EQ(host().send(now, "new"), Status::kClosing) << state_name(state);
    EXPECT_EQ(shut(), Status::kClosing) << state_name(state);
    EXPECT_EQ(hear(), "") << state_name(state);
    EXPECT_EQ(host().state(), state);
    leave();
  }
}

TEST_F(Section9Shutdown, AnInitInShutdownAckSentDrawsTheAckAgain) {
  reach(AssocState::kShutdownAckSent);
  const AssocStatus before = host().status();
  const IpAddress known = peer_address;
  // From an address of the association, and from another one with such an address in its list.
  for (const char* from : {"198.51.100.1", "198.51.100.77"}) {
    peer_address = ip(from);
    peer_list = {known, ip("198.51.100.77")};
    peer_tag = VerificationTag(0x5a5a5a5a);
    send_init();
    const Packet again = hear_one();
    EXPECT_EQ(again.names(), "SHUTDOWN ACK");
    EXPECT_EQ(again.destination, known);
    EXPECT_EQ(again.header().verification_tag, before.peer_tag);
    EXPECT_EQ(host().state(), AssocState::kShutdownAckSent);
    EXPECT_EQ(host().status().local_tag, before.local_tag);
  }
  EXPECT_EQ(host().count(Counter::k_inits_answered), 1u) << "the one that opened it";
}

TEST_F(Section9Shutdown, WhileOpeningAShutdownIsDiscarded) {
  for (const AssocState state : {AssocState::kCookieWait, AssocState::kCookieEchoed}) {
    reach(state);
    const TimePoint t1 = host().shard().next_deadline();
    tell(shutdown_up_to(last_tsn()));
    EXPECT_EQ(hear(), "") << state_name(state);
    EXPECT_EQ(host().state(), state);
    EXPECT_EQ(host().shard().next_deadline(), t1);
    EXPECT_TRUE(host().events.empty());
    leave();
  }
  EXPECT_EQ(host().count(Counter::k_drop_unexpected_shutdown), 2u);
}

TEST_F(Section9Shutdown, AShutdownInShutdownSentIsAnsweredWithTheAck) {
  reach(AssocState::kShutdownSent);
  wait(milliseconds(600));
  tell(shutdown_up_to(last_tsn()));
  EXPECT_EQ(hear(), "SHUTDOWN ACK");
  EXPECT_EQ(host().state(), AssocState::kShutdownAckSent);
  wait(milliseconds(999));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  EXPECT_EQ(hear(), "SHUTDOWN ACK") << "T2 was restarted with it";
}

TEST_F(Section9Shutdown, AnAckInShutdownAckSentEndsItToo) {
  reach(AssocState::kShutdownAckSent);
  tell(wire::write_shutdown_ack);
  EXPECT_EQ(hear(), "SHUTDOWN COMPLETE");
  EXPECT_EQ(host().shard().association_count(), 0u);
  EXPECT_TRUE(host().shard().next_deadline().is_never());
  EXPECT_EQ(host().events.back().kind, EventKind::kClosed);
}

TEST_F(Section9Shutdown, MalformedEndingsEndNothingInAnyState) {
  const auto raw = [](ChunkType type, size_t size, uint8_t flags = 0) {
    return [=](PacketWriter& w) {
      uint8_t* const at = w.reserve_chunk(type, flags, size);
      if (at != nullptr) std::fill(at, at + size, uint8_t{0});
      return at != nullptr;
    };
  };
  const auto complete = [](PacketWriter& w) { return wire::write_shutdown_complete(w, false); };
  for (const AssocState state : kOpenStates) {
    reach(state);
    const AssocStatus before = host().status();
    std::vector<Write> writes;
    for (const size_t size : {0u, 3u, 5u, 8u}) writes.push_back(raw(ChunkType::kShutdown, size));
    for (const size_t size : {1u, 4u}) {
      writes.push_back(raw(ChunkType::kShutdownComplete, size));
      if (!opening(state)) writes.push_back(raw(ChunkType::kShutdownAck, size));
    }
    writes.push_back(raw(ChunkType::kAbort, 3));  // a cause of no length
    writes.push_back([&](PacketWriter& w) { return complete(w) && complete(w); });
    writes.push_back([&](PacketWriter& w) { return wire::write_cookie_ack(w) && complete(w); });
    writes.push_back([&](PacketWriter& w) { return complete(w) && wire::write_shutdown_ack(w); });
    for (size_t i = 0; i < writes.size(); ++i) {
      tell(writes[i]);
      EXPECT_EQ(hear(), "") << state_name(state) << ", " << i;
      EXPECT_EQ(host().state(), state) << i;
      EXPECT_EQ(host().status().cum_tsn_ack, before.cum_tsn_ack);
      EXPECT_EQ(host().count(EventKind::kLost) + host().count(EventKind::kClosed) +
                    host().count(EventKind::kConnectFailed),
                0u)
          << state_name(state) << ", " << i;
    }
    for (const size_t size : {1u, 4u}) {  // with the tag that a reflected one has
      tell(peer_tag, raw(ChunkType::kShutdownComplete, size, wire::kTagReflectedFlag));
      EXPECT_EQ(hear(), "");
      EXPECT_EQ(host().state(), state);
    }
    // Whole again, cut on the way: the packet's last chunk says more than there is.
    Packet cut = packet(host_tag, shutdown_up_to(last_tsn()));
    cut.bytes.resize(cut.bytes.size() - 4);
    wire::write_checksum(cut.bytes);
    host().receive(now, cut);
    EXPECT_EQ(hear(), "");
    EXPECT_EQ(host().state(), state);
    leave();
  }
}

TEST_F(Section9Shutdown, DataIsTakenInNoStateBehindShutdownReceived) {
  for (const AssocState state : kOpenStates) {
    reach(state);
    const Tsn cum = host().status().cum_tsn_ack;
    tell_data();
    listen();
    const bool takes = state == AssocState::kEstablished || state == AssocState::kShutdownPending ||
                       state == AssocState::kShutdownSent;
    EXPECT_EQ(host().messages().size(), takes ? 1u : 0u) << state_name(state);
    EXPECT_EQ(host().status().cum_tsn_ack, takes ? cum + 1 : cum) << state_name(state);
    EXPECT_EQ(host().state(), state);
    leave();
  }
}

}  // namespace
}  // namespace trunkline::test
