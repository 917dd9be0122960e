// SPDX-License-Identifier: BSD-3-Clause
// Packets out of the blue (RFC 9260 section 8.4) and verification tags (8.5, 8.5.1), in every state
// of an association. The rules for packets that no association matches are in
// assoc/out_of_blue_test.cpp, one by one.
#include "support/states.h"
#include "wire/abort_chunk.h"
#include "wire/error_chunk.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

class Section8Tags : public InEveryState {
 protected:
  struct Before {
    AssocStatus status;
    size_t events = 0;
  };
  Before look() { return {host().status(), host().events.size()}; }
  // Neither a word nor an event nor a change of anything that an operator can see.
  void expect_nothing_since(const Before& before, const std::string& what) {
    EXPECT_EQ(hear(), "") << what;
    host().drain(now);
    const AssocStatus after = host().status();
    EXPECT_EQ(after.state, before.status.state) << what;
    EXPECT_EQ(after.cum_tsn_ack, before.status.cum_tsn_ack) << what;
    EXPECT_EQ(after.outstanding_bytes, before.status.outstanding_bytes) << what;
    EXPECT_EQ(after.peer_rwnd, before.status.peer_rwnd) << what;
    EXPECT_EQ(after.local_tag, before.status.local_tag) << what;
    EXPECT_EQ(after.peer_tag, before.status.peer_tag) << what;
    EXPECT_EQ(host().events.size(), before.events) << what;
  }
  std::vector<Write> every_chunk() {
    return {data({.tsn = peer_tsn}),
            sack(last_tsn()),
            [](PacketWriter& w) { return wire::write_heartbeat(w, std::array<uint8_t, 4>{}); },
            [](PacketWriter& w) { return wire::write_heartbeat_ack(w, std::array<uint8_t, 34>{}); },
            [](PacketWriter& w) {
              return wire::begin_error(w) && wire::append_out_of_resource(w) && w.end_chunk();
            },
            shutdown_up_to(last_tsn()),
            wire::write_cookie_ack,
            [this](PacketWriter& w) {
              return wire::write_init_ack(w, init_fields(), {}, std::array<uint8_t, 8>{});
            },
            [](PacketWriter& w) { return wire::write_abort(w, false); },
            [](PacketWriter& w) { return wire::write_abort(w, true); },
            [](PacketWriter& w) { return wire::write_shutdown_complete(w, false); },
            [](PacketWriter& w) { return wire::write_shutdown_complete(w, true); },
            [](PacketWriter& w) { return w.reserve_chunk(ChunkType{0xc7}, 0, 0) != nullptr; }};
  }
};

using Section8Life = Pair;

// Whatever the peer's own tag may admit, it is one chunk: an ABORT that turns out to be malformed
// lets nothing in behind it.
TEST_F(Section8Tags, AReflectedTagAdmitsTheFirstChunkOnly) {
  const auto abort_with_a_cause_too_long = [](PacketWriter& w) {
    uint8_t* const at = w.reserve_chunk(ChunkType::kAbort, wire::kTagReflectedFlag, 4);
    if (at != nullptr) store_be32(at, 0x000c0040);
    return at != nullptr;
  };
  open();
  const Before before = look();
  for (const Write& behind : every_chunk()) {
    tell(peer_tag, [&](PacketWriter& w) { return abort_with_a_cause_too_long(w) && behind(w); });
    expect_nothing_since(before, "behind a reflected tag");
  }
  EXPECT_GT(host().count(Counter::k_drop_bad_chunk), 0u);
}

// ---------------------------------------------------------------- 8.4

TEST_F(Section8Tags, AnInitThatCanNotBeServedDrawsAnAbortWithItsOwnTag) {
  host();
  const uint16_t right_streams = peer_streams_in;
  for (const bool bad : {false, true}) {
    // Either the port is nobody's, or the INIT is impossible.
    host_port = PortNumber(bad ? 5000 : 1);
    peer_streams_in = bad ? 0 : right_streams;
    send_init();
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "ABORT");
    EXPECT_EQ(answer.header().verification_tag, peer_tag);
    EXPECT_EQ(answer.chunks()[0].flags & wire::kTagReflectedFlag, 0);
  }
}

TEST_F(Section8Tags, OutOfTheBlueNothingHappensButTheAbort) {
  host();
  const VerificationTag stray(0xdeadbeef);
  const Write first = data({.text = "nobody asked"});
  tell(stray, [&](PacketWriter& w) { return first(w) && wire::write_shutdown(w, Tsn(1)); });
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "ABORT");
  EXPECT_EQ(answer.header().verification_tag, stray);
  EXPECT_EQ(answer.chunks()[0].flags, wire::kTagReflectedFlag);
  EXPECT_TRUE(host().events.empty());
  EXPECT_EQ(host().shard().association_count(), 0u);
  EXPECT_TRUE(host().shard().next_deadline().is_never());
}

TEST_F(Section8Tags, ACookieEchoOutOfTheBlueIsReadWithWhatFollowsIt) {
  send_init();
  take_init_ack(hear_one());
  const Write first = data({.text = "with the cookie"});
  tell([&](PacketWriter& w) { return cookie_echo()(w) && first(w); });
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  EXPECT_EQ(host().messages(), std::vector<std::string>{"with the cookie"});
}

// ---------------------------------------------------------------- 8.5

TEST_F(Section8Life, EveryPacketCarriesTheTagThatItsReceiverChose) {
  z();
  ASSERT_EQ(dial().status, Status::kOk);
  const VerificationTag tag_a = a().status().local_tag;
  exchange();
  const VerificationTag tag_z = z().status().local_tag;
  size_t n = 0;
  eats = [&](const Packet&) { return ++n % 5 == 0; };
  for (int i = 0; i < 20; ++i) {
    a().send(now, std::string(2000, 'a'));
    z().send(now, std::string(2000, 'z'));
    run(seconds(20));
  }
  eats = nullptr;
  ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
  run(minutes(5));
  ASSERT_EQ(a().count(EventKind::kClosed), 1u);
  ASSERT_GT(wire.size(), 100u);
  for (const Packet& packet : wire) {
    const bool init = packet.names() == "INIT";
    const VerificationTag wanted = packet.source == a_setup.addresses[0] ? tag_z : tag_a;
    EXPECT_EQ(packet.header().verification_tag, init ? VerificationTag(0) : wanted)
        << packet.names();
  }
}

TEST_F(Section8Tags, InEveryStateAWrongTagCountsForNothing) {
  for (const AssocState state : kOpenStates) {
    reach(state);
    const Before before = look();
    const uint64_t dropped = host().count(Counter::k_drop_bad_tag);
    size_t told = 0;
    for (const Write& write : every_chunk()) {
      for (const VerificationTag tag : {VerificationTag(host_tag.value ^ 1),
                                        VerificationTag(peer_tag.value ^ 1), VerificationTag(0)}) {
        tell(tag, write);
        expect_nothing_since(before,
                             std::string(state_name(state)) + ", chunk " + std::to_string(told));
        ++told;
      }
    }
    EXPECT_EQ(host().count(Counter::k_drop_bad_tag), dropped + told) << state_name(state);
    leave();
  }
}

// 8.5.1 A
TEST_F(Section8Tags, WithTagZeroOnlyALoneInitIsRead) {
  open();
  const Before before = look();
  const VerificationTag zero(0);
  const Write more = data({.tsn = peer_tsn});
  for (const Write& write : every_chunk()) tell(zero, write);
  tell(zero, [&](PacketWriter& w) { return wire::write_init(w, init_fields(), {}) && more(w); });
  tell(zero, [&](PacketWriter& w) { return more(w) && wire::write_init(w, init_fields(), {}); });
  tell(zero, wire::write_shutdown_ack);
  tell(zero, cookie_echo());
  expect_nothing_since(before, "tag zero");
  send_init();
  EXPECT_EQ(hear(), "INIT ACK");
}

// 8.5.1 B
TEST_F(Section8Tags, InEveryStateAnAbortNeedsTheTagThatItsTBitNames) {
  struct Row {
    bool reflected;
    VerificationTag tag;
    bool ends;
  };
  for (const AssocState state : kOpenStates) {
    for (size_t i = 0; i < 8; ++i) {
      reach(state);
      const bool peer_known = state != AssocState::kCookieWait;
      const VerificationTag stray(0x0badcafe);
      const VerificationTag zero(0);
      const Row rows[] = {{false, host_tag, true}, {true, peer_tag, peer_known},
                          {true, host_tag, false}, {false, peer_tag, false},
                          {false, stray, false},   {true, stray, false},
                          {false, zero, false},    {true, zero, false}};
      const Row& row = rows[i];
      const Before before = look();
      tell(row.tag, [&](PacketWriter& w) { return wire::write_abort(w, row.reflected); });
      const std::string what = std::string(state_name(state)) + ", row " + std::to_string(i);
      if (row.ends) {
        EXPECT_EQ(hear(), "") << what;
        EXPECT_EQ(host().shard().association_count(), 0u) << what;
        EXPECT_EQ(host().events.back().kind,
                  opening(state) ? EventKind::kConnectFailed : EventKind::kLost)
            << what;
        EXPECT_EQ(host().events.back().reason, opening(state) ? Reason::kRefused : Reason::kReset)
            << what;
      } else {
        expect_nothing_since(before, what);
      }
      leave();
    }
  }
}

TEST_F(Section8Tags, AnAbortBehindOtherChunksNeedsItsTagToo) {
  open();
  const Before before = look();
  const Write first = data({.tsn = peer_tsn});
  tell(host_tag, [&](PacketWriter& w) { return first(w) && wire::write_abort(w, true); });
  expect_nothing_since(before, "the T bit is not true");
  tell(peer_tag, [&](PacketWriter& w) { return first(w) && wire::write_abort(w, true); });
  expect_nothing_since(before, "the first chunk needs our tag");
  tell(host_tag, [&](PacketWriter& w) { return first(w) && wire::write_abort(w, false); });
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kReset);
}

TEST_F(Section8Tags, WhatFollowsAReflectedAbortIsNotRead) {
  reach(AssocState::kShutdownAckSent);
  const Write more = data({});
  tell(peer_tag, [&](PacketWriter& w) { return wire::write_abort(w, true) && more(w); });
  EXPECT_EQ(hear(), "");
  EXPECT_TRUE(host().messages().empty());
  EXPECT_EQ(host().count(EventKind::kLost), 1u);
}

TEST_F(Section8Tags, OurAbortCarriesThePeersTagOnceItIsKnown) {
  for (const AssocState state : kOpenStates) {
    reach(state);
    ASSERT_EQ(host().shard().abort(now, host().assoc, {}), Status::kOk);
    if (state == AssocState::kCookieWait) {
      EXPECT_EQ(hear(), "") << "there is no tag to say";
    } else {
      const Packet abort = hear_one();
      EXPECT_EQ(abort.names(), "ABORT");
      EXPECT_EQ(abort.header().verification_tag, peer_tag);
      EXPECT_EQ(abort.chunks()[0].flags & wire::kTagReflectedFlag, 0);
    }
    leave();
  }
}

// 8.5.1 C
TEST_F(Section8Tags, OnlyShutdownAckSentHeedsAShutdownComplete) {
  for (const AssocState state : kOpenStates) {
    for (const bool reflected : {false, true}) {
      for (const bool right : {false, true}) {
        reach(state);
        const Before before = look();
        const VerificationTag tag = reflected == right ? peer_tag : host_tag;
        tell(tag, [&](PacketWriter& w) { return wire::write_shutdown_complete(w, reflected); });
        const std::string what = std::string(state_name(state)) + (reflected ? ", T" : "") +
                                 (right ? ", right tag" : "");
        if (state == AssocState::kShutdownAckSent && right) {
          EXPECT_EQ(hear(), "") << what;
          EXPECT_EQ(host().events.back().kind, EventKind::kClosed) << what;
          EXPECT_EQ(host().shard().association_count(), 0u) << what;
        } else {
          expect_nothing_since(before, what);
        }
        leave();
      }
    }
  }
}

TEST_F(Section8Tags, AShutdownCompleteFromAnAssociationCarriesThePeersTag) {
  for (const AssocState state : {AssocState::kShutdownSent, AssocState::kShutdownAckSent}) {
    reach(state);
    tell(wire::write_shutdown_ack);
    const Packet complete = hear_one();
    EXPECT_EQ(complete.names(), "SHUTDOWN COMPLETE");
    EXPECT_EQ(complete.header().verification_tag, peer_tag);
    EXPECT_EQ(complete.chunks()[0].flags & wire::kTagReflectedFlag, 0);
    // Now there is no association: the same chunk is answered in the other way.
    tell(wire::write_shutdown_ack);
    const Packet again = hear_one();
    EXPECT_EQ(again.names(), "SHUTDOWN COMPLETE");
    EXPECT_EQ(again.header().verification_tag, host_tag);
    EXPECT_EQ(again.chunks()[0].flags, wire::kTagReflectedFlag);
    leave();
  }
}

// 8.5.1 D
TEST_F(Section8Tags, OurCookieEchoCarriesTheTagOfTheInitAck) {
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  EXPECT_EQ(answer_up_to_cookie_echo().header().verification_tag, peer_tag);
  wait(host().status().paths[0].rto);
  const Packet again = hear_one();
  EXPECT_EQ(again.names(), "COOKIE ECHO");
  EXPECT_EQ(again.header().verification_tag, peer_tag);
}

// 8.5.1 E, 9.2
TEST_F(Section8Tags, AShutdownAckWhileOpeningIsOutOfTheBlueAndT1GoesOn) {
  for (const AssocState state : {AssocState::kCookieWait, AssocState::kCookieEchoed}) {
    reach(state);
    const TimePoint t1 = host().shard().next_deadline();
    for (const VerificationTag tag : {VerificationTag(0xdeadbeef), host_tag}) {
      const Before before = look();
      tell(tag, wire::write_shutdown_ack);
      const Packet answer = hear_one();
      EXPECT_EQ(answer.names(), "SHUTDOWN COMPLETE") << "and nothing else in the packet";
      EXPECT_EQ(answer.header().verification_tag, tag);
      EXPECT_EQ(answer.chunks()[0].flags, wire::kTagReflectedFlag);
      expect_nothing_since(before, std::string(state_name(state)));
    }
    EXPECT_EQ(host().shard().next_deadline(), t1);
    now = t1;
    host().advance(now);
    EXPECT_EQ(hear(), state == AssocState::kCookieWait ? "INIT" : "COOKIE ECHO");
    leave();
  }
}

}  // namespace
}  // namespace trunkline::test
