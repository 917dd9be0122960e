// SPDX-License-Identifier: BSD-3-Clause
// Partial reliability (RFC 3758), as far as the receiver goes: who agrees on it (section 3.3), and
// what a FORWARD TSN does (section 3.6).
#include "support/pair.h"
#include "wire/forward_tsn_chunk.h"

namespace trunkline::test {
namespace {

using Streams = std::vector<wire::SkippedStream>;
using Texts = std::vector<std::string>;

class ForwardTsnIn : public Peer {
 protected:
  ForwardTsnIn() { setup.profile.partial_reliability = true; }
  // As Peer's, but that the peer offers it, or not.
  Packet ask(bool offers) {
    tell(VerificationTag(0), [&](PacketWriter& w) {
      return wire::write_init(w, init_fields(), peer_list, saying(offers));
    });
    return hear_one();
  }
  // By its parameter, and by the list of chunk types.
  static wire::InitOptions saying(bool parameter, bool list = false) {
    static constexpr std::array<uint8_t, 1> kListed = {192};
    wire::InitOptions out;
    out.forward_tsn_supported = parameter;
    if (list) out.supported_extensions = kListed;
    return out;
  }
  void open_offering(bool offers = true) {
    take_init_ack(ask(offers));
    tell(cookie_echo());
    ASSERT_EQ(hear(), "COOKIE ACK");
    ASSERT_EQ(host().status().partial_reliability, offers && setup.profile.partial_reliability);
  }
  void be_answered(const wire::InitOptions& options) {
    ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
    host_tag = wire::InitChunk::parse(hear_one().chunks()[0], false).init.initiate_tag;
    tell([&](PacketWriter& w) {
      return wire::write_init_ack(w, init_fields(), {}, std::array<uint8_t, 4>{1, 2, 3, 4}, {},
                                  options);
    });
    ASSERT_EQ(hear(), "COOKIE ECHO");
    tell(wire::write_cookie_ack);
    ASSERT_EQ(host().state(), AssocState::kEstablished);
  }
  static Write forward_tsn(Tsn last, Streams streams = {}) {
    return [=](PacketWriter& w) { return wire::write_forward_tsn(w, last, streams); };
  }
  static wire::SkippedStream of(uint16_t stream, uint16_t ssn) {
    return {StreamId(stream), Ssn(ssn)};
  }
  // The n-th TSN of the peer, from 0.
  [[nodiscard]] static Tsn tsn(uint32_t n) { return Tsn(1000 + n); }
  void tell_chunk(uint32_t n, const std::string& flags, uint16_t ssn, const std::string& text,
                  uint16_t stream = 0) {
    tell(data({.text = text, .flags = flags, .stream = stream, .ssn = ssn, .tsn = tsn(n)}));
  }
  Tsn cum() { return host().status().cum_tsn_ack; }
  Texts texts() {
    Texts out;
    for (const Seen& event : host().events) {
      if (event.kind == EventKind::kMessage) out.push_back(event.text);
    }
    return out;
  }
  uint64_t blocks() { return host().shard().pool_usage().receive_blocks_used; }
  // All that was due is heard, so that no SACK is owed.
  void be_quiet() {
    wait(milliseconds(200));
    listen();
  }
};

// ---------------------------------------------------------------- section 3.3

TEST_F(ForwardTsnIn, AnInitOffersItByBothParametersIfTheProfileDoes) {
  for (const bool ours : {true, false}) {
    start_over();
    setup.profile.partial_reliability = ours;
    ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
    const Packet init = hear_one();
    const auto parsed = wire::InitChunk::parse(init.chunks()[0], false);
    EXPECT_EQ(parsed.init.forward_tsn_supported, ours);
    EXPECT_EQ(parsed.init.supported_extensions.size(), ours ? 1u : 0u);
    if (ours) {
      EXPECT_EQ(parsed.init.supported_extensions[0], 192);
    }
  }
}

// What only one of them offers is not there: a FORWARD TSN is an unknown chunk then, and reported.
TEST_F(ForwardTsnIn, AnInitAckOffersItToWhoOffersIt) {
  for (const bool ours : {true, false}) {
    for (const bool theirs : {true, false}) {
      start_over();
      setup.profile.partial_reliability = ours;
      const Packet answer = ask(theirs);
      const auto parsed = wire::InitChunk::parse(answer.chunks()[0], true);
      EXPECT_EQ(parsed.init.forward_tsn_supported, ours && theirs);
      EXPECT_EQ(parsed.init.reported_by_peer, !ours && theirs ? 1u : 0u);
      take_init_ack(answer);
      tell(cookie_echo());
      ASSERT_EQ(hear(), "COOKIE ACK");
      EXPECT_EQ(host().status().partial_reliability, ours && theirs);
      tell(forward_tsn(tsn(3)));
      EXPECT_EQ(hear(), ours && theirs ? "SACK" : "ERROR");
      EXPECT_EQ(cum(), ours && theirs ? tsn(3) : tsn(0) - 1);
    }
  }
}

TEST_F(ForwardTsnIn, AnInitAckSaysWhetherThePeerDoesIt) {
  for (const bool parameter : {true, false}) {
    for (const bool list : {true, false}) {
      start_over();
      be_answered(saying(parameter, list));
      EXPECT_EQ(host().status().partial_reliability, parameter || list);
      tell(forward_tsn(tsn(0)));
      EXPECT_EQ(hear(), parameter || list ? "SACK" : "ERROR");
    }
  }
}

// Section 3.3.3: the association goes on without it.
TEST_F(ForwardTsnIn, APeerThatReportsTheParameterDoesNotDoIt) {
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  host_tag = wire::InitChunk::parse(hear_one().chunks()[0], false).init.initiate_tag;
  static constexpr std::array<uint8_t, 4> kParameter = {0xc0, 0, 0, 4};
  const std::array<std::span<const uint8_t>, 1> reports = {kParameter};
  tell([&](PacketWriter& w) {
    return wire::write_init_ack(w, init_fields(), {}, std::array<uint8_t, 4>{}, reports);
  });
  ASSERT_EQ(hear(), "COOKIE ECHO");
  tell(wire::write_cookie_ack);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  EXPECT_FALSE(host().status().partial_reliability);
}

// The same for who answers: with the COOKIE ECHO, and not later.
TEST_F(ForwardTsnIn, APeerThatReportsTheParameterBesideTheCookieDoesNotDoIt) {
  static constexpr std::array<uint8_t, 4> kParameter = {0xc0, 0, 0, 4};
  const auto report = [&](PacketWriter& w) {
    const std::array<std::span<const uint8_t>, 1> reports = {kParameter};
    return w.begin_chunk(ChunkType::kError, 0) &&
           wire::append_unrecognized_parameters(w, reports) && w.end_chunk();
  };
  for (const bool with_the_cookie : {true, false}) {
    start_over();
    take_init_ack(ask(true));
    tell([&](PacketWriter& w) { return cookie_echo()(w) && (!with_the_cookie || report(w)); });
    ASSERT_EQ(hear(), "COOKIE ACK");
    if (!with_the_cookie) tell(report);
    EXPECT_EQ(host().state(), AssocState::kEstablished);
    EXPECT_EQ(host().status().partial_reliability, !with_the_cookie);
    tell(forward_tsn(tsn(0)));
    EXPECT_EQ(hear(), with_the_cookie ? "ERROR" : "SACK");
  }
}

TEST_F(ForwardTsnIn, ARestartedPeerSaysItAnew) {
  open_offering(true);
  peer_tag = VerificationTag(77);
  take_init_ack(ask(false));
  tell(cookie_echo());
  listen();
  ASSERT_EQ(host().count(EventKind::kRestarted), 1u);
  EXPECT_FALSE(host().status().partial_reliability);
  tell(forward_tsn(tsn(0)));
  EXPECT_EQ(hear(), "ERROR");
}

// ---------------------------------------------------------------- section 3.6

TEST_F(ForwardTsnIn, AChunkOfAnotherLengthIsPassedOver) {
  open_offering();
  for (const size_t size : {0, 3, 5, 6, 7, 10}) {
    tell([&](PacketWriter& w) {
      uint8_t* const at = w.reserve_chunk(ChunkType::kForwardTsn, 0, size);
      if (size >= 4) store_be32(at, tsn(5).value);
      return at != nullptr;
    });
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_bad_chunk), 6u);
  EXPECT_EQ(cum(), tsn(0) - 1);
}

TEST_F(ForwardTsnIn, OnlyWhoTakesDataTakesIt) {
  using enum AssocState;
  for (const AssocState state :
       {kEstablished, kShutdownPending, kShutdownSent, kShutdownReceived, kShutdownAckSent}) {
    start_over();
    open_offering();
    if (state != kEstablished) go_on_to(state);
    ASSERT_EQ(host().state(), state);
    const bool takes = state <= kShutdownSent;
    tell(forward_tsn(tsn(4)));
    EXPECT_EQ(cum(), takes ? tsn(4) : tsn(0) - 1) << state_name(state);
    EXPECT_EQ(host().count(Counter::k_drop_forward_tsn_state), takes ? 0u : 1u);
    EXPECT_EQ(host().state(), state);
  }
}

// The example of section 3.6.
TEST_F(ForwardTsnIn, TheCumulativeTsnMovesThereAndOn) {
  open_offering();
  for (const uint32_t n : {0u, 2u, 3u, 5u}) tell_chunk(n, "BEU", 0, std::to_string(n));
  listen();
  tell(forward_tsn(tsn(1)));
  const Packet answer = hear_one();
  const auto sack = wire::SackChunk::parse(*answer.find(ChunkType::kSack));
  EXPECT_EQ(sack->cum_tsn_ack, tsn(3));
  ASSERT_EQ(sack->gap_count(), 1u);
  EXPECT_EQ(sack->gap(0), (wire::GapBlock{2, 2}));
}

// Our last SACK is lost, it seems.
TEST_F(ForwardTsnIn, AnOldOneDrawsASackAtOnce) {
  open_offering();
  for (uint32_t n = 0; n < 4; ++n) tell_chunk(n, "BE", static_cast<uint16_t>(n), "x");
  be_quiet();
  for (const uint32_t n : {3u, 0u}) {
    tell(forward_tsn(tsn(n), {of(0, 9)}));
    EXPECT_EQ(hear(), "SACK");
    EXPECT_EQ(cum(), tsn(3));
  }
  EXPECT_EQ(host().count(Counter::k_drop_old_forward_tsn), 2u);
  tell_chunk(4, "BE", 4, "next");
  EXPECT_EQ(texts().back(), "next") << "the streams that it names are not looked at";
}

// dcSCTP: only what is plausible. No sender has more in flight than a gap block can name.
TEST_F(ForwardTsnIn, OneThatIsTooFarAheadIsDropped) {
  open_offering();
  tell_chunk(0, "BE", 0, "x");
  be_quiet();
  for (const uint32_t ahead : {65'536u, 1u << 20, 0x7fffffffu}) {
    tell(forward_tsn(tsn(0) + ahead));
    EXPECT_EQ(hear(), "SACK");
    EXPECT_EQ(cum(), tsn(0));
  }
  EXPECT_EQ(host().count(Counter::k_drop_forward_tsn_too_far), 3u);
  tell(forward_tsn(tsn(0) + 65'535));
  EXPECT_EQ(cum(), tsn(0) + 65'535);
}

// Section 6.2 of RFC 9260: for every second packet, else after a while.
TEST_F(ForwardTsnIn, ASackFollowsAsOneFollowsData) {
  open_offering();
  tell_chunk(0, "BE", 0, "x");
  be_quiet();
  tell(forward_tsn(tsn(1)));
  EXPECT_EQ(hear(), "");
  tell(forward_tsn(tsn(2)));
  EXPECT_EQ(hear(), "SACK");
  tell(forward_tsn(tsn(3)));
  tell_chunk(4, "BEU", 0, "x");
  EXPECT_EQ(hear(), "SACK");
  tell(forward_tsn(tsn(5)));
  EXPECT_EQ(hear(), "");
  wait(setup.profile.sack_delay);
  EXPECT_EQ(hear(), "SACK");
}

TEST_F(ForwardTsnIn, ItIsAnsweredWithAShutdownWhereDataIs) {
  open_offering();
  go_on_to(AssocState::kShutdownSent);
  tell(forward_tsn(tsn(1)));
  const Packet answer = hear_one();
  const auto shutdown = answer.find(ChunkType::kShutdown);
  ASSERT_TRUE(shutdown.has_value());
  EXPECT_EQ(wire::ShutdownChunk::parse(*shutdown)->cum_tsn_ack, tsn(1));
}

TEST_F(ForwardTsnIn, SkippedDataThatComesAfterAllIsADuplicate) {
  open_offering();
  tell(forward_tsn(tsn(1), {of(0, 1)}));
  listen();
  tell_chunk(1, "BE", 1, "late");
  const Packet answer = hear_one();
  const auto sack = wire::SackChunk::parse(*answer.find(ChunkType::kSack));
  ASSERT_EQ(sack->dup_count(), 1u);
  EXPECT_EQ(sack->dup(0), tsn(1));
  EXPECT_TRUE(texts().empty());
}

TEST_F(ForwardTsnIn, StrandedMessagesAreDeliveredAtOnce) {
  open_offering();
  tell_chunk(1, "BE", 1, "b");
  tell_chunk(2, "B", 2, "c");
  tell_chunk(3, "E", 2, "c");
  tell_chunk(4, "BE", 1, "of another stream", 1);
  EXPECT_TRUE(texts().empty());
  tell(forward_tsn(tsn(0), {of(0, 0)}));
  EXPECT_EQ(texts(), (Texts{"b", "cc"}));
  EXPECT_EQ(cum(), tsn(4));
  EXPECT_EQ(host().count(Counter::k_messages_received), 2u);
}

// The message that came with it in one packet is in turn already.
TEST_F(ForwardTsnIn, WhatFollowsInThePacketIsInTurn) {
  open_offering();
  peer_tsn = tsn(1);
  peer_ssn = 1;
  tell([&](PacketWriter& w) {
    return forward_tsn(tsn(0), {of(0, 0)})(w) && data({.text = "next"})(w);
  });
  EXPECT_EQ(texts(), Texts{"next"});
  EXPECT_EQ(cum(), tsn(1));
}

// CVE-2009-0065: a stream that there is not was written to behind the end of a table.
TEST_F(ForwardTsnIn, StreamsThatThereAreNotArePassedOver) {
  open_offering();
  tell_chunk(1, "BE", 1, "b");
  tell(forward_tsn(tsn(0), {of(10, 0), of(65535, 65535), of(0, 0), of(2048, 1)}));
  EXPECT_EQ(texts(), Texts{"b"});
  EXPECT_EQ(host().count(Counter::k_drop_forward_tsn_stream), 3u);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(ForwardTsnIn, AChunkFullOfStreamsIsTaken) {
  open_offering();
  Streams streams;
  for (uint16_t i = 0; i < 16'000; ++i) streams.push_back(of(i % 12, i));
  tell(forward_tsn(tsn(0), streams));
  EXPECT_EQ(cum(), tsn(0));
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

// ---------------------------------------------------------------- reassembly

TEST_F(ForwardTsnIn, UnfinishedMessagesGoAndTheWindowWithThem) {
  open_offering();
  const uint32_t window = host().status().a_rwnd;
  tell_chunk(0, "B", 0, "never whole");
  tell_chunk(1, "", 0, "never whole");
  tell_chunk(3, "E", 0, "never whole");
  ASSERT_GT(blocks(), 0u);
  ASSERT_LT(host().status().a_rwnd, window);
  tell(forward_tsn(tsn(3), {of(0, 0)}));
  EXPECT_EQ(blocks(), 0u);
  EXPECT_EQ(host().status().a_rwnd, window);
  tell_chunk(4, "BE", 1, "next");
  EXPECT_EQ(texts(), Texts{"next"});
}

// usrsctp 592, 597: who cuts a message off gives up what was sent of it, and no more, and goes on
// with the next one.
TEST_F(ForwardTsnIn, OneThatEndsInsideAMessageDoesNotAbortTheAssociation) {
  for (const std::string unordered : {"", "U"}) {
    for (const bool last_has_come : {true, false}) {
      start_over();
      open_offering();
      tell_chunk(0, "B" + unordered, 0, "cut");
      if (last_has_come) tell_chunk(2, unordered, 0, "off");
      tell(forward_tsn(tsn(2), unordered.empty() ? Streams{of(0, 0)} : Streams{}));
      tell_chunk(3, "BE", unordered.empty() ? 1 : 0, "next");
      EXPECT_EQ(host().state(), AssocState::kEstablished);
      EXPECT_EQ(texts(), Texts{"next"});
      EXPECT_EQ(blocks(), 0u);
    }
  }
}

// Others send the rest of it. It is acknowledged, takes no memory, and is not delivered, in
// whatever order it comes.
TEST_F(ForwardTsnIn, TheRestOfASkippedMessageIsAcknowledgedAndNotKept) {
  const std::vector<std::vector<uint32_t>> orders = {{2, 3, 4}, {4, 3, 2}, {3, 2, 4}, {4, 2, 3}};
  for (const auto& order : orders) {
    for (const bool before : {true, false}) {
      start_over();
      open_offering();
      tell_chunk(0, "B", 0, "begins");
      if (!before) tell(forward_tsn(tsn(1), {of(0, 0)}));
      for (const uint32_t n : order) tell_chunk(n, n == 4 ? "E" : "", 0, "rest");
      if (before) tell(forward_tsn(tsn(1), {of(0, 0)}));
      EXPECT_EQ(cum(), tsn(4));
      EXPECT_EQ(blocks(), 0u);
      EXPECT_EQ(host().count(Counter::k_drop_orphaned_data), 3u);
      tell_chunk(5, "BE", 1, "next");
      EXPECT_EQ(texts(), Texts{"next"});
      EXPECT_EQ(host().state(), AssocState::kEstablished);
    }
  }
}

// All of it that was sent had come, so that there was nothing to skip (Linux).
TEST_F(ForwardTsnIn, WhoGoesOnWithAnotherMessageDoesNotAbortTheAssociation) {
  for (const bool agreed : {true, false}) {
    for (const bool other_first : {true, false}) {
      start_over();
      open_offering(agreed);
      tell_chunk(0, "B", 0, "cut");
      if (other_first) tell_chunk(2, "BE", 1, "next");
      tell_chunk(1, "", 0, "off");
      if (!other_first) tell_chunk(2, "BE", 1, "next");
      EXPECT_EQ(host().count(EventKind::kLost), agreed ? 0u : 1u);
      EXPECT_EQ(texts(), agreed ? Texts{"next"} : Texts{});
      EXPECT_EQ(blocks(), 0u);
    }
  }
}

TEST_F(ForwardTsnIn, WithoutItAFragmentWithoutBeginningIsHeldAsEver) {
  open_offering(false);
  tell_chunk(0, "", 0, "no beginning");
  EXPECT_EQ(blocks(), 1u);
  EXPECT_EQ(host().count(Counter::k_drop_orphaned_data), 0u);
}

class ForwardTsnInPieces : public ForwardTsnIn {
 protected:
  ForwardTsnInPieces() {
    setup.profile.a_rwnd = 64 * 1024;
    setup.profile.partial_delivery_point = 1;
  }
};

TEST_F(ForwardTsnInPieces, AMessageInPiecesBreaksOffAndItsStreamGoesOn) {
  open_offering();
  tell_chunk(0, "B", 0, "front");
  tell_chunk(2, "BE", 1, "next");
  tell_chunk(3, "BEU", 0, "unordered");
  ASSERT_EQ(texts(), Texts{"front"});
  tell(forward_tsn(tsn(1), {of(0, 0)}));
  ASSERT_EQ(host().count(EventKind::kMessageBroken), 1u);
  EXPECT_EQ(texts(), (Texts{"front", "next", "unordered"}));
  size_t broken_at = 0;
  while (host().events[broken_at].kind != EventKind::kMessageBroken) ++broken_at;
  ASSERT_EQ(broken_at + 3, host().events.size());
  EXPECT_EQ(host().events[broken_at - 1].text, "front");
  EXPECT_EQ(blocks(), 0u);
  tell_chunk(4, "BE", 2, "and on");
  EXPECT_EQ(texts().back(), "and on");
}

TEST_F(ForwardTsnInPieces, NothingBreaksOffThatIsWhole) {
  open_offering();
  tell_chunk(0, "B", 0, "front");
  tell_chunk(1, "E", 0, "end");
  tell(forward_tsn(tsn(2), {of(0, 1)}));
  EXPECT_EQ(host().count(EventKind::kMessageBroken), 0u);
  EXPECT_EQ(host().events.back().text, "end");
}

}  // namespace
}  // namespace trunkline::test
