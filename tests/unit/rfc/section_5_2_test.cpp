// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 9260, section 5.2, that no part's own tests prove: chunks of a set-up that come to
// an association which exists, in every state that it may have.
#include <algorithm>

#include "set_up.h"

namespace trunkline::test {
namespace {

constexpr VerificationTag kNewTag{0x55667788};

wire::InitChunk init_of(const Packet& packet) {
  const auto chunk = packet.chunks().at(0);
  return wire::InitChunk::parse(chunk, chunk.type == ChunkType::kInitAck).init;
}

// The two tie-tags, where assoc/cookie.cpp puts them.
std::vector<uint8_t> ties_of(std::span<const uint8_t> cookie) {
  const auto ties = cookie.subspan(2 + 8 + 8 + 4 * 4 + 4 + 2 * 2, 16);
  return {ties.begin(), ties.end()};
}

// What a Restart of an Association with New Addresses lists, as bytes.
std::vector<uint8_t> listed_in(const Packet& abort) {
  wire::CauseCursor cursor(abort.chunks().at(0).value);
  const auto cause = cursor.next();
  return {cause->value.begin(), cause->value.end()};
}

class Section5Unexpected : public States {
 protected:
  void dial(const std::vector<IpAddress>& named, uint16_t streams = 0) {
    ASSERT_EQ(host().connect(now, named, peer_port, nullptr, streams).status, Status::kOk);
    first = hear_one();
    take_init(first);
  }
  // An INIT of a peer that knows nothing of this association, or calls at the same time.
  Packet answer_to_init(VerificationTag tag) {
    peer_tag = tag;
    send_init();
    return hear_one();
  }
  // The cookie that an INIT with this tag earns.
  struct Issued {
    std::vector<uint8_t> cookie;
    VerificationTag host_tag;
  };
  Issued issue(VerificationTag tag) {
    const Packet answer = answer_to_init(tag);
    const auto said = init_of(answer);
    return {{said.cookie.begin(), said.cookie.end()}, said.initiate_tag};
  }
  std::string echo(const Issued& issued) {
    tell(issued.host_tag,
         [&](PacketWriter& w) { return wire::write_cookie_echo(w, issued.cookie); });
    return hear();
  }

  Packet first;  // the INIT
};

// ---------------------------------------------------------------- collision (5.2.1)

using Section5Collision = Section5Unexpected;

TEST_F(Section5Collision, TheInitAckSaysWhatTheInitSaid) {
  setup.addresses = {ip("192.0.2.1"), ip("192.0.2.2")};
  dial({kOne}, 7);
  const wire::InitChunk said = init_of(first);
  EXPECT_EQ(said.outbound_streams, 7);
  const auto expect_same = [&](const Packet& answer) {
    ASSERT_EQ(answer.names(), "INIT ACK");
    EXPECT_EQ(answer.header().verification_tag, kNewTag);
    const wire::InitChunk again = init_of(answer);
    EXPECT_EQ(again.initiate_tag, said.initiate_tag);
    EXPECT_EQ(again.initial_tsn, said.initial_tsn);
    EXPECT_EQ(again.a_rwnd, said.a_rwnd);
    EXPECT_EQ(again.outbound_streams, said.outbound_streams);
    EXPECT_EQ(again.inbound_streams, said.inbound_streams);
    EXPECT_TRUE(std::ranges::equal(again.address_list(), said.address_list()));
    EXPECT_FALSE(again.cookie.empty());
  };
  expect_same(answer_to_init(kNewTag));
  peer_tag = VerificationTag(0x11223344);
  peer_streams_in = 3;  // fewer than we offered: no reason to offer less in a second answer
  tell_init_ack();
  ASSERT_EQ(hear(), "COOKIE ECHO");
  peer_streams_in = 10;  // unless the INIT itself takes less (3.3.3)
  expect_same(answer_to_init(kNewTag));
}

TEST_F(Section5Collision, TheInitAckGoesToTheSourceIfItWasNamed) {
  dial({kOne, kTwo});
  peer_address = kTwo;
  peer_list = {kOne};
  const Packet answer = answer_to_init(kNewTag);
  EXPECT_EQ(answer.names(), "INIT ACK");
  EXPECT_EQ(answer.destination, kTwo);
}

TEST_F(Section5Collision, TheInitAckGoesToANamedAddressOnly) {
  dial({kTwo, kOne});
  peer_address = ip("198.51.100.9");
  peer_list = {ip("198.51.100.8"), kOne};  // kTwo was named, but the INIT does not tell of it
  const Packet answer = answer_to_init(kNewTag);
  EXPECT_EQ(answer.names(), "INIT ACK");
  EXPECT_EQ(answer.destination, kOne);
  // Its cookie is good, and proves that address, not the others.
  const auto said = init_of(answer);
  tell([&](PacketWriter& w) { return wire::write_cookie_echo(w, said.cookie); });
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  for (const PathStatus& path : host().status().paths) {
    EXPECT_EQ(path.state == PathState::kActive, path.remote == kOne) << path.remote.to_string();
  }
}

TEST_F(Section5Collision, NewAddressesInCookieEchoedAreRefused) {
  bring_to(AssocState::kCookieEchoed);
  const std::string before = all_of_it();
  peer_list = {kOne, ip("198.51.100.66"), ip("198.51.100.67")};
  const Packet answer = answer_to_init(kNewTag);
  EXPECT_EQ(answer.names(), "ABORT");
  EXPECT_EQ(answer.header().verification_tag, kNewTag);
  EXPECT_EQ(causes(answer), std::vector{CauseCode::kRestartWithNewAddresses});
  EXPECT_EQ(listed_in(answer),
            (std::vector<uint8_t>{0, 5, 0, 8, 198, 51, 100, 66, 0, 5, 0, 8, 198, 51, 100, 67}));
  EXPECT_EQ(all_of_it(), before);
}

TEST_F(Section5Collision, ItsCookieOpensTheAssociation) {
  for (const AssocState state : {AssocState::kCookieWait, AssocState::kCookieEchoed}) {
    bring_to(state);
    const Issued issued = issue(kNewTag);
    EXPECT_EQ(issued.host_tag, host_tag);
    EXPECT_EQ(echo(issued), "COOKIE ACK");
    EXPECT_EQ(host().state(), AssocState::kEstablished);
    EXPECT_EQ(host().last(EventKind::kConnected).assoc, host().assoc);
    tell_data("both called");
    EXPECT_EQ(host().messages().back(), "both called");
    listen();
  }
}

TEST_F(Section5Collision, AnsweringChangesNothingAndT1GoesOn) {
  for (const AssocState state : {AssocState::kCookieWait, AssocState::kCookieEchoed}) {
    bring_to(state);
    const std::string before = all_of_it();
    wait(milliseconds(300));
    EXPECT_EQ(answer_to_init(kNewTag).names(), "INIT ACK");
    EXPECT_EQ(all_of_it(), before);
    wait(milliseconds(699));
    EXPECT_EQ(hear(), "");
    wait(milliseconds(1));
    EXPECT_EQ(hear(), state == AssocState::kCookieWait ? "INIT" : "COOKIE ECHO");
    host().shard().abort(now, host().assoc, {});
    listen();
  }
}

TEST_F(Section5Collision, TieTagsFromCookieEchoedOn) {
  const std::vector<uint8_t> none(16, 0);
  EXPECT_EQ(ties_of(issue(kNewTag).cookie), none) << "CLOSED";
  bring_to(AssocState::kCookieWait);
  EXPECT_EQ(ties_of(issue(kNewTag).cookie), none) << "COOKIE-WAIT";
  for (const AssocState state : {AssocState::kCookieEchoed, AssocState::kEstablished}) {
    bring_to(state);
    const auto ties = ties_of(issue(kNewTag).cookie);
    EXPECT_FALSE(std::all_of(ties.begin(), ties.begin() + 8, [](uint8_t b) { return b == 0; }));
    EXPECT_FALSE(std::all_of(ties.begin() + 8, ties.end(), [](uint8_t b) { return b == 0; }));
    EXPECT_EQ(ties_of(issue(VerificationTag(3)).cookie), ties) << "the association keeps them";
  }
}

// ---------------------------------------------------------------- restart (5.2.2, 5.2.4 A)

using Section5Restart = Section5Unexpected;

constexpr AssocState kUp[] = {AssocState::kEstablished, AssocState::kShutdownPending,
                              AssocState::kShutdownSent, AssocState::kShutdownReceived};

TEST_F(Section5Restart, AnInitIsAnsweredInEveryStateAndChangesNothing) {
  for (const AssocState state : kUp) {
    bring_to(state);
    const std::string before = all_of_it();
    std::set<uint32_t> tags{host().status().local_tag.value};
    for (const VerificationTag tag : {kNewTag, kNewTag, VerificationTag(1)}) {
      const Packet answer = answer_to_init(tag);
      ASSERT_EQ(answer.names(), "INIT ACK") << state_name(state);
      EXPECT_EQ(answer.header().verification_tag, tag);
      EXPECT_FALSE(init_of(answer).cookie.empty());
      EXPECT_TRUE(tags.insert(init_of(answer).initiate_tag.value).second) << "a new one each time";
    }
    EXPECT_EQ(all_of_it(), before);
  }
}

TEST_F(Section5Restart, NewAddressesAreRefusedInEveryState) {
  for (const AssocState state : kUp) {
    peer_list.clear();
    bring_to(state);
    const std::string before = what_it_has();
    peer_list = {ip("198.51.100.66"), kOne};
    peer_tag = kNewTag;
    send_init();
    const std::vector<Packet> said = listen();
    // Unless T2 asks the peer already, it is asked whether it lives.
    ASSERT_EQ(names(said), state == AssocState::kShutdownSent ? "ABORT" : "ABORT, HEARTBEAT")
        << state_name(state);
    const Packet& answer = said[0];
    EXPECT_EQ(answer.header().verification_tag, kNewTag);
    EXPECT_EQ(answer.chunks()[0].flags, 0);
    EXPECT_EQ(causes(answer), std::vector{CauseCode::kRestartWithNewAddresses});
    EXPECT_EQ(listed_in(answer), (std::vector<uint8_t>{0, 5, 0, 8, 198, 51, 100, 66}));
    EXPECT_EQ(what_it_has(), before);
  }
}

TEST_F(Section5Restart, TheCookieHoldsTheTieTags) {
  for (const AssocState state : kUp) {
    bring_to(state);
    // What our user wished for the former life, it wishes for this one.
    const bool ends = state == AssocState::kShutdownPending || state == AssocState::kShutdownSent;
    EXPECT_EQ(echo(issue(kNewTag)), ends ? "COOKIE ACK + SHUTDOWN" : "COOKIE ACK")
        << state_name(state);
    EXPECT_EQ(host().events.back().kind, EventKind::kRestarted) << state_name(state);
    EXPECT_EQ(host().state(), ends ? AssocState::kShutdownSent : AssocState::kEstablished);
    EXPECT_EQ(host().status().peer_tag, kNewTag);
  }
}

TEST_F(Section5Restart, TheStreamsAreThoseOfTheAssociation) {
  peer_streams_in = 3;
  be_opened();
  peer_streams_in = 100;
  const Packet answer = answer_to_init(kNewTag);
  EXPECT_EQ(init_of(answer).outbound_streams, 3);
  EXPECT_EQ(init_of(answer).inbound_streams, setup.profile.max_inbound_streams);
  EXPECT_EQ(init_of(answer).a_rwnd, setup.profile.a_rwnd);
  take_init_ack(answer);
  tell(cookie_echo());
  EXPECT_EQ(host().last(EventKind::kRestarted).outbound_streams, 3);
  EXPECT_EQ(host().status().outbound_streams, 3);
}

TEST_F(Section5Restart, CongestionControlBeginsAnew) {
  bring_to(AssocState::kEstablished);
  wait(milliseconds(1));
  const PathStatus at_first = host().status().paths[0];
  for (int i = 0; i < 3; ++i) ASSERT_EQ(host().send(now, std::string(5000, 'x')), Status::kOk);
  overhear(seconds(5));
  const PathStatus before = host().status().paths[0];
  ASSERT_LT(before.cwnd, at_first.cwnd);
  ASSERT_GT(before.rto, seconds(1));
  ASSERT_GT(before.error_count, 0u);
  EXPECT_EQ(echo(issue(kNewTag)), "COOKIE ACK");
  const PathStatus after = host().status().paths[0];
  EXPECT_EQ(after.cwnd, at_first.cwnd);
  EXPECT_EQ(after.ssthresh, at_first.ssthresh);
  EXPECT_EQ(after.flight, 0u);
  EXPECT_EQ(after.rto, setup.profile.rto_initial);
  EXPECT_EQ(after.error_count, 0u);
}

TEST_F(Section5Restart, InShutdownAckSentItIsRefused) {
  bring_to(AssocState::kEstablished);
  const Issued issued = issue(kNewTag);
  go_on_to(AssocState::kShutdownAckSent);
  const AssocStatus before = host().status();
  tell(issued.host_tag, [&](PacketWriter& w) { return wire::write_cookie_echo(w, issued.cookie); });
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "SHUTDOWN ACK + ERROR");
  EXPECT_EQ(answer.header().verification_tag, before.peer_tag);
  EXPECT_EQ(causes(answer), std::vector{CauseCode::kCookieReceivedWhileShuttingDown});
  EXPECT_EQ(host().state(), AssocState::kShutdownAckSent);
  EXPECT_EQ(host().status().local_tag, before.local_tag);
  EXPECT_EQ(host().count(EventKind::kRestarted), 0u);
  EXPECT_EQ(host().shard().association_count(), 1u);
  // The SHUTDOWN ACK is repeated under its timer as before.
  EXPECT_EQ(overhear(seconds(1)).size(), 1u);
}

// ---------------------------------------------------------------- Table 12 (5.2.4)

using Section5CookieTable = Section5Unexpected;
constexpr VerificationTag kFirstTag{0x11223344};

TEST_F(Section5CookieTable, EveryRowInEstablished) {
  const Issued own = issue(kFirstTag);
  const Issued late = issue(kFirstTag);    // X M 0 0
  const Issued stranger = issue(kNewTag);  // X X 0 0
  ASSERT_EQ(echo(own), "COOKIE ACK");
  const Issued same_tag = issue(kFirstTag);  // X M M M: not in the table
  const Issued restart = issue(kNewTag);     // X X M M
  const Issued other_ties = issue(VerificationTag(0x99));
  const std::string before = all_of_it();
  EXPECT_EQ(echo(late), "") << "C";
  EXPECT_EQ(echo(stranger), "") << "no row";
  EXPECT_EQ(echo(same_tag), "") << "no row";
  EXPECT_EQ(host().count(Counter::k_drop_cookie_collision), 3u);
  EXPECT_EQ(echo(own), "COOKIE ACK") << "D";
  EXPECT_EQ(all_of_it(), before);
  EXPECT_EQ(echo(restart), "COOKIE ACK") << "A";
  EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
  // The ties of the former life match no longer, nor those that the new life draws.
  const std::string restarted = all_of_it();
  EXPECT_EQ(echo(other_ties), "") << "no row: X X X X, none drawn";
  issue(VerificationTag(0x9a));
  EXPECT_EQ(echo(other_ties), "") << "no row: X X X X, others drawn";
  EXPECT_EQ(all_of_it(), restarted);
  EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
}

TEST_F(Section5CookieTable, RowBInEveryStateOfOpening) {
  for (const AssocState state : {AssocState::kCookieWait, AssocState::kCookieEchoed}) {
    bring_to(state);
    const Issued issued = issue(kNewTag);
    const size_t events = host().events.size();
    EXPECT_EQ(echo(issued), "COOKIE ACK") << state_name(state);
    EXPECT_EQ(host().state(), AssocState::kEstablished);
    EXPECT_EQ(host().status().peer_tag, kNewTag);
    EXPECT_EQ(host().status().local_tag, issued.host_tag);
    EXPECT_EQ(host().events.size(), events + 1);
    EXPECT_EQ(host().events.back().kind, EventKind::kConnected);
    EXPECT_TRUE(overhear(seconds(20)).empty()) << "T1 is stopped";
    host().shard().abort(now, host().assoc, {});
    listen();
  }
}

TEST_F(Section5CookieTable, RowBInEstablished) {
  bring_to(AssocState::kCookieWait);
  const Issued issued = issue(kNewTag);
  peer_tag = kFirstTag;
  tell_init_ack();
  ASSERT_EQ(hear(), "COOKIE ECHO");
  tell(wire::write_cookie_ack);
  ASSERT_EQ(host().status().peer_tag, kFirstTag);
  tell(issued.host_tag, [&](PacketWriter& w) { return wire::write_cookie_echo(w, issued.cookie); });
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "COOKIE ACK");
  EXPECT_EQ(answer.header().verification_tag, kNewTag);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  EXPECT_EQ(host().status().peer_tag, kNewTag);
  EXPECT_EQ(host().count(EventKind::kConnected), 1u);
}

TEST_F(Section5CookieTable, RowCLeavesStateAndTimersAlone) {
  const Issued late = issue(kFirstTag);
  dial({kOne});
  peer_tag = kFirstTag;
  tell_init_ack();
  ASSERT_EQ(hear(), "COOKIE ECHO");
  ASSERT_EQ(host().status().peer_tag, kFirstTag);
  const std::string before = all_of_it();
  wait(milliseconds(500));
  EXPECT_EQ(echo(late), "");
  EXPECT_EQ(all_of_it(), before);
  wait(milliseconds(500));
  EXPECT_EQ(hear(), "COOKIE ECHO") << "at its time";
}

TEST_F(Section5CookieTable, RowDInCookieEchoed) {
  bring_to(AssocState::kCookieEchoed);
  const Issued issued = issue(kFirstTag);
  EXPECT_EQ(echo(issued), "COOKIE ACK");
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  EXPECT_EQ(host().count(EventKind::kConnected), 1u);
  EXPECT_TRUE(overhear(seconds(20)).empty()) << "T1 is stopped";
  EXPECT_EQ(echo(issued), "COOKIE ACK") << "and once more, though it is stale soon";
  wait(seconds(60));
  listen();
  EXPECT_EQ(echo(issued), "COOKIE ACK");
}

TEST_F(Section5CookieTable, StaleOnesAreRefusedUnlessBothTagsMatch) {
  const Issued own = issue(kFirstTag);
  const Issued late = issue(kFirstTag);
  ASSERT_EQ(echo(own), "COOKIE ACK");
  const Issued restart = issue(kNewTag);
  overhear(seconds(61));
  const AssocStatus before = host().status();
  for (const Issued& issued : {late, restart}) {
    const Write behind = data({.text = "behind", .tsn = peer_tsn});
    tell(issued.host_tag,
         [&](PacketWriter& w) { return wire::write_cookie_echo(w, issued.cookie) && behind(w); });
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "ERROR");
    EXPECT_EQ(causes(answer), std::vector{CauseCode::kStaleCookie});
  }
  EXPECT_TRUE(host().messages().empty());
  EXPECT_EQ(host().count(EventKind::kRestarted), 0u);
  EXPECT_EQ(host().status().local_tag, before.local_tag);
  EXPECT_EQ(host().status().cum_tsn_ack, before.cum_tsn_ack);
  EXPECT_EQ(echo(own), "COOKIE ACK");
}

// ---------------------------------------------------------------- 5.2.3, 5.2.5, 5.2.6

class Section5States : public States {
 protected:
  // In every state but one the chunk is no news.
  void expect_dropped_except_in(AssocState expected, const Write& write, size_t counted_by_state,
                                Counter counter) {
    for (const AssocState state : kOpenStates) {
      if (state == expected) continue;
      bring_to(state);
      const std::string before = all_of_it();
      const uint64_t counted = host().count(counter);
      tell(write);
      EXPECT_EQ(hear(), "") << state_name(state);
      EXPECT_EQ(all_of_it(), before) << state_name(state);
      EXPECT_EQ(host().count(counter), counted + counted_by_state);
      host().shard().abort(now, host().assoc, {});
      listen();
    }
  }
};

TEST_F(Section5States, AnInitAckIsDropped) {
  const Write again = [&](PacketWriter& w) {
    wire::InitFields fields = init_fields();
    fields.initiate_tag = kNewTag;
    return wire::write_init_ack(w, fields, {}, some);
  };
  expect_dropped_except_in(AssocState::kCookieWait, again, 1, Counter::k_drop_unexpected_init_ack);
}

TEST_F(Section5States, ACookieAckIsDropped) {
  expect_dropped_except_in(AssocState::kCookieEchoed, wire::write_cookie_ack, 1,
                           Counter::k_drop_unexpected_cookie_ack);
}

TEST_F(Section5States, AStaleCookieErrorIsDropped) {
  expect_dropped_except_in(AssocState::kCookieEchoed, stale_cookie, 0, Counter::k_drop_bad_chunk);
}

// ---------------------------------------------------------------- what makes no sense, in any
// state

// A chunk of that type whose value is so many bytes of 1.
Write of_size(ChunkType type, size_t size) {
  return [=](PacketWriter& w) {
    uint8_t* const at = w.reserve_chunk(type, 0, size);
    if (at != nullptr) std::fill_n(at, size, uint8_t{1});
    return at != nullptr;
  };
}

TEST_F(Section5States, MalformedChunksOfASetUpChangeNothing) {
  for (const AssocState state : kOpenStates) {
    bring_to(state);
    const std::string before = all_of_it();
    const auto expect_nothing = [&](VerificationTag tag, const Write& write, size_t i) {
      tell(tag, write);
      EXPECT_EQ(hear(), "") << state_name(state) << " " << i;
      EXPECT_EQ(all_of_it(), before) << state_name(state) << " " << i;
    };
    for (const size_t size : {0, 1, 4, 12, 15}) {
      expect_nothing(VerificationTag(0), of_size(ChunkType::kInit, size), size);
      expect_nothing(host_tag, of_size(ChunkType::kInitAck, size), size);
    }
    for (const size_t size : {0, 1, 4, 40, 109, 200, 1000}) {
      expect_nothing(host_tag, of_size(ChunkType::kCookieEcho, size), size);
    }
    for (const size_t size : {1, 4, 100}) {
      expect_nothing(host_tag, of_size(ChunkType::kCookieAck, size), size);
    }
    peer_tag = VerificationTag(0);
    expect_nothing(
        VerificationTag(0), [&](PacketWriter& w) { return wire::write_init(w, init_fields(), {}); },
        0);
    host().shard().abort(now, host().assoc, {});
    listen();
  }
}

TEST_F(Section5States, ABadInitIsRefusedAndChangesNothing) {
  for (const AssocState state : kOpenStates) {
    bring_to(state);
    const std::string before = all_of_it();
    wire::InitFields bad = init_fields();
    bad.initiate_tag = kNewTag;
    bad.inbound_streams = 0;
    tell(VerificationTag(0), [&](PacketWriter& w) { return wire::write_init(w, bad, {}); });
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "ABORT") << state_name(state);
    EXPECT_EQ(answer.header().verification_tag, kNewTag);
    EXPECT_EQ(causes(answer), std::vector{CauseCode::kInvalidMandatoryParameter});
    EXPECT_EQ(all_of_it(), before) << state_name(state);
  }
}

TEST_F(Section5States, AnInitInShutdownAckSentDrawsTheShutdownAckAgain) {
  bring_to(AssocState::kShutdownAckSent);
  for (const bool with_new_address : {false, true}) {
    if (with_new_address) peer_list = {kTwo};
    peer_tag = kNewTag;
    send_init();
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "SHUTDOWN ACK");
    EXPECT_EQ(answer.header().verification_tag, VerificationTag(0x11223344)) << "its own";
    EXPECT_EQ(host().state(), AssocState::kShutdownAckSent);
  }
}

}  // namespace
}  // namespace trunkline::test
