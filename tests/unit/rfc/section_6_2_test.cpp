// SPDX-License-Identifier: BSD-3-Clause
// RFC 9260 sections 6.2 and 6.2.1: what the data receiver acknowledges, when, and what window it
// tells; what the data sender makes of it.
#include "support/pair.h"

namespace trunkline::test {
namespace {

constexpr auto kTick = std::chrono::nanoseconds(1);

class Section62 : public Peer {
 protected:
  // The SACK in the packet; the views point into `said`.
  wire::SackChunk sack_in(const Packet& packet) {
    said = packet;
    const auto chunk = said.find(ChunkType::kSack);
    EXPECT_TRUE(chunk.has_value()) << packet.names();
    return chunk ? *wire::SackChunk::parse(*chunk) : wire::SackChunk();
  }
  [[nodiscard]] static std::vector<wire::GapBlock> gaps(const wire::SackChunk& sack) {
    std::vector<wire::GapBlock> out;
    for (size_t i = 0; i < sack.gap_count(); ++i) out.push_back(sack.gap(i));
    return out;
  }
  // The very first DATA has been seen and acknowledged.
  void warm_up() {
    open();
    tell_data("first");
    ASSERT_EQ(hear(), "SACK");
  }
  // A fragment, that is neither the first nor the last of its message, of `blocks` blocks of 512.
  void tell_middle(Tsn tsn, size_t blocks = 1) {
    tell(data({.text = std::string(400 * blocks, 'm'), .flags = "", .ssn = 0, .tsn = tsn}));
  }
  void read(size_t messages, size_t size = 400) {
    for (size_t i = 0; i < messages; ++i) host().shard().consumed(now, host().assoc, size);
  }
  Packet said;
};

// ---------------------------------------------------------------- when

TEST_F(Section62, AnAckComesWithin200MillisecondsByDefault) {
  warm_up();
  tell_data();
  EXPECT_EQ(hear(), "");
  wait(milliseconds(200));
  EXPECT_EQ(hear(), "SACK");
}

TEST_F(Section62, NoProfileDelaysAnAckByMoreThan500Milliseconds) {
  setup.profile.sack_delay = seconds(3);
  warm_up();
  tell_data();
  wait(milliseconds(500) - kTick);
  EXPECT_EQ(hear(), "");
  wait(kTick);
  EXPECT_EQ(hear(), "SACK");
}

TEST_F(Section62, APacketDrawsOneSackAtMost) {
  warm_up();
  const Write chunks[] = {data({.flags = "BEI"}),
                          data({.ssn = 0, .tsn = peer_tsn - 2}),        // a duplicate
                          data({.flags = "BEU", .tsn = peer_tsn + 5}),  // behind a gap
                          data({.flags = "BEUI", .tsn = peer_tsn + 7})};
  const Write all = [&](PacketWriter& w) {
    return std::all_of(std::begin(chunks), std::end(chunks), [&](const Write& c) { return c(w); });
  };
  tell(all);
  EXPECT_EQ(hear(), "SACK");
  const std::vector<Packet> burst(5, packet(host_tag, all));
  host().receive(now, burst);
  EXPECT_EQ(listen().size(), 5u);
  wait(seconds(1));
  EXPECT_EQ(hear(), "");
}

TEST_F(Section62, ADuplicateAloneIsToldAtOnceWithItsTsn) {
  warm_up();
  tell(data({.ssn = 0, .tsn = peer_tsn - 1}));
  const wire::SackChunk sack = sack_in(hear_one());
  ASSERT_EQ(sack.dup_count(), 1u);
  EXPECT_EQ(sack.dup(0), peer_tsn - 1);
  tell_data();
  EXPECT_EQ(hear(), "") << "told once, and nothing is pressing any more";
}

// ---------------------------------------------------------------- in SHUTDOWN-SENT

TEST_F(Section62, InOrderTheShutdownAcknowledgesAloneOutOfOrderASackGoesWithIt) {
  warm_up();
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  ASSERT_EQ(hear(), "SHUTDOWN");
  tell_data();
  const Packet in_order = hear_one();
  ASSERT_EQ(in_order.names(), "SHUTDOWN");
  EXPECT_EQ(wire::ShutdownChunk::parse(in_order.chunks()[0])->cum_tsn_ack, peer_tsn - 1);
  tell(data({.ssn = 9, .tsn = peer_tsn + 1}));
  const Packet behind_a_gap = hear_one();
  EXPECT_EQ(behind_a_gap.names(), "SACK + SHUTDOWN");
  EXPECT_EQ(gaps(sack_in(behind_a_gap)), (std::vector<wire::GapBlock>{{2, 2}}));
}

TEST_F(Section62, InShutdownSentADroppedChunkIsToldWithTheWindow) {
  setup.profile.a_rwnd = 4096;
  host().keep_messages = true;
  open();
  for (int i = 0; i < 8; ++i) tell_data(std::string(400, 'x'));
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  listen();
  tell_data();
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "SACK + SHUTDOWN");
  EXPECT_EQ(sack_in(answer).a_rwnd, 0u);
  EXPECT_EQ(sack_in(answer).cum_tsn_ack, peer_tsn - 2);
}

// ---------------------------------------------------------------- what is told

TEST_F(Section62, EveryGapIsToldInOneSackLowestFirst) {
  setup.profile.path_mtu = 576;
  warm_up();
  for (uint32_t i = 0; i < 130; ++i) {
    tell(data({.flags = "BEU", .tsn = peer_tsn + 1 + 2 * i}));
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "SACK");
    EXPECT_LE(answer.bytes.size(), 556u);
    const std::vector<wire::GapBlock> told = gaps(sack_in(answer));
    ASSERT_EQ(told.size(), std::min(i + 1, 128u)) << "a SACK of 576 bytes has room for all";
    for (size_t j = 0; j < told.size(); ++j) {
      const auto offset = static_cast<uint16_t>(2 + 2 * j);
      ASSERT_EQ(told[j], (wire::GapBlock{offset, offset}));
    }
  }
  EXPECT_EQ(host().count(Counter::k_drop_data_beyond_tsn_range), 2u)
      << "what no SACK would name was not taken";
}

TEST_F(Section62, HeldFragmentsKeepTheWindowClosed) {
  setup.profile.a_rwnd = 8192;
  open();
  tell(data({.text = std::string(400, 'b'), .flags = "B", .ssn = 0}));
  EXPECT_EQ(sack_in(hear_one()).a_rwnd, 8192u - 512);
  for (int i = 0; i < 2; ++i) {
    tell(data({.text = std::string(400, 'm'), .flags = "", .ssn = 0}));
  }
  EXPECT_EQ(sack_in(hear_one()).a_rwnd, 8192u - 3 * 512) << "as much as is really held";
  wait(seconds(10));
  tell(data({.flags = "B", .ssn = 0, .tsn = peer_tsn - 1}));  // a duplicate
  EXPECT_EQ(sack_in(hear_one()).a_rwnd, 8192u - 3 * 512) << "time alone frees nothing";
  tell(data({.text = "e", .flags = "EI", .ssn = 0}));
  EXPECT_EQ(sack_in(hear_one()).a_rwnd, 8192u) << "delivered";
}

// ---------------------------------------------------------------- without a window

class Section62Full : public Section62 {
 protected:
  // Sixteen messages of a block each wait for their reader, and the window is told as shut.
  void fill() {
    setup.profile.a_rwnd = 8192;
    host().keep_messages = true;
    open();
    for (int i = 0; i < 16; ++i) tell(data({.text = std::string(400, 'x'), .flags = "BEI"}));
    ASSERT_EQ(sack_in(listen().back()).a_rwnd, 0u);
  }
  // The window is full of fragments behind a gap: seven blocks at gap offsets 2 to 8, and one
  // message that a slow reader has not taken.
  void fill_with_fragments() {
    setup.profile.a_rwnd = 4096;
    host().keep_messages = true;
    open();
    tell_data(std::string(400, 'x'));
    for (uint32_t i = 1; i <= 7; ++i) tell_middle(peer_tsn + i);
    const wire::SackChunk full = sack_in(listen().back());
    ASSERT_EQ(full.a_rwnd, 0u);
    ASSERT_EQ(gaps(full), (std::vector<wire::GapBlock>{{2, 8}}));
  }
};

TEST_F(Section62Full, WhatIsBehindTheHighestTsnIsDroppedAndThatIsToldAtOnce) {
  fill();
  const Tsn cum = peer_tsn - 1;
  tell_data();
  const Packet answer = hear_one();
  EXPECT_EQ(sack_in(answer).cum_tsn_ack, cum);
  EXPECT_EQ(sack_in(answer).gap_count(), 0u);
  EXPECT_EQ(sack_in(answer).a_rwnd, 0u);
  EXPECT_EQ(host().messages().size(), 16u);
  EXPECT_EQ(host().count(Counter::k_drop_data_no_window), 1u);
  tell_data();
  EXPECT_EQ(hear(), "SACK") << "each time";
}

TEST_F(Section62Full, ASmallStepOfTheReaderDoesNotOpenTheWindow) {
  fill();
  read(2);
  EXPECT_EQ(host().status().a_rwnd, 0u) << "1024 bytes are a crumb: less than a packet";
  tell_data();
  EXPECT_EQ(host().count(Counter::k_drop_data_no_window), 1u) << "zero was told, zero is meant";
  EXPECT_EQ(sack_in(hear_one()).a_rwnd, 0u);
  read(1);
  EXPECT_EQ(host().status().a_rwnd, 3u * 512);
  tell(data({.text = "in", .flags = "BEI", .ssn = 16, .tsn = peer_tsn - 1}));
  EXPECT_EQ(host().messages().back(), "in");
}

TEST_F(Section62Full, TheWindowIsToldAnewOncePerQuarterOfTheBuffer) {
  fill();
  std::vector<uint32_t> told;
  for (int i = 0; i < 16; ++i) {
    read(1);
    for (const Packet& packet : listen()) told.push_back(sack_in(packet).a_rwnd);
  }
  EXPECT_EQ(told, (std::vector<uint32_t>{2048, 4096, 6144, 8192}));
}

TEST_F(Section62Full, TheWindowClosesWithoutAStep) {
  setup.profile.a_rwnd = 8192;
  host().keep_messages = true;
  open();
  for (uint32_t i = 1; i <= 16; ++i) {
    tell(data({.text = std::string(400, 'x'), .flags = "BEI"}));
    EXPECT_EQ(sack_in(hear_one()).a_rwnd, 8192 - 512 * i) << "what was promised stays promised";
  }
}

TEST_F(Section62Full, WhatFillsAGapTakesThePlaceOfTheHighestFragment) {
  fill_with_fragments();
  tell(data({.text = std::string(400, 'g'), .flags = "", .ssn = 0, .tsn = peer_tsn}));
  const wire::SackChunk sack = sack_in(hear_one());
  EXPECT_EQ(sack.cum_tsn_ack, peer_tsn + 6) << "taken, and the highest given back";
  EXPECT_EQ(sack.gap_count(), 0u) << "what was dropped is not acknowledged";
  EXPECT_EQ(sack.a_rwnd, 0u) << "nor is its room told twice";
  tell(data({.text = "again", .flags = "", .ssn = 0, .tsn = peer_tsn + 7}));
  EXPECT_EQ(sack_in(hear_one()).cum_tsn_ack, peer_tsn + 6) << "no window, no gap to fill";
  read(4);  // all that was kept is read: the window opens
  listen();
  tell(data({.text = "again", .flags = "I", .ssn = 0, .tsn = peer_tsn + 7}));
  EXPECT_EQ(sack_in(hear_one()).cum_tsn_ack, peer_tsn + 7) << "until it has come again";
}

TEST_F(Section62Full, ADropIsToldAtOnceEvenIfNothingIsMissingAnyMore) {
  setup.profile.a_rwnd = 1536;
  host().keep_messages = true;
  open();
  for (int i = 0; i < 2; ++i) tell_data(std::string(400, 'x'));
  tell_middle(peer_tsn + 1);
  ASSERT_EQ(sack_in(listen().back()).gap_count(), 1u);
  tell(data({.text = std::string(400, 'g'), .flags = "", .ssn = 0, .tsn = peer_tsn}));
  const Packet answer = hear_one();
  EXPECT_EQ(sack_in(answer).cum_tsn_ack, peer_tsn);
  EXPECT_EQ(sack_in(answer).gap_count(), 0u);
}

TEST_F(Section62Full, WhatIsAcknowledgedCumulativelyIsNeverDropped) {
  setup.profile.a_rwnd = 5120;
  host().keep_messages = true;
  open();
  for (int i = 0; i < 3; ++i) tell_data(std::string(400, 'x'));
  tell(data({.text = std::string(400, 'b'), .flags = "B", .ssn = 3}));
  for (int i = 0; i < 5; ++i) tell(data({.text = std::string(400, 'm'), .flags = "", .ssn = 3}));
  tell(data({.text = std::string(400, 'x'),
             .flags = "BEI",
             .stream = 2,
             .ssn = 7,
             .tsn = peer_tsn + 1}));  // whole, behind a gap, out of its order
  ASSERT_EQ(sack_in(listen().back()).a_rwnd, 0u);
  const Tsn cum = peer_tsn - 1;
  tell(data({.text = std::string(400, 'g'), .flags = "EI", .ssn = 3}));  // fills the gap
  const wire::SackChunk sack = sack_in(hear_one());
  EXPECT_EQ(sack.cum_tsn_ack, cum + 1) << "what waits behind the gap gave way, no fragment did";
  EXPECT_EQ(host().messages().back(),
            std::string(400, 'b') + std::string(2000, 'm') + std::string(400, 'g'));
}

TEST_F(Section62Full, NothingIsTakenBackWhileThereIsRoom) {
  setup.profile.a_rwnd = 8192;
  open();
  tell(data({.flags = "BEI"}));
  listen();
  uint16_t named = 0;
  for (uint32_t i = 1; i <= 15; ++i) {
    tell_middle(peer_tsn + i);
    const wire::SackChunk sack = sack_in(hear_one());
    ASSERT_EQ(sack.gap_count(), 1u);
    EXPECT_EQ(sack.gap(0).start, 2u);
    EXPECT_GT(sack.gap(0).end, named);
    named = sack.gap(0).end;
  }
}

// ---------------------------------------------------------------- 6.2.1: the peer's window

using Section621 = Section62;

TEST_F(Section621, TheWindowIsTheOneOfTheInitLessWhatIsUnderWay) {
  peer_window = 10000;
  be_opened();
  EXPECT_EQ(host().status().peer_rwnd, 10000u);  // A
  for (int i = 0; i < 2; ++i) host().send(now, std::string(1000, 'x'));
  listen();
  EXPECT_EQ(host().status().peer_rwnd, 8000u);  // B
  tell(sack(host_tsn, {}, 5000));
  EXPECT_EQ(host().status().peer_rwnd, 4000u);  // D ii
  wait(seconds(1));
  EXPECT_EQ(host().status().peer_rwnd, 5000u);  // C, T3
  listen();
  EXPECT_EQ(host().status().peer_rwnd, 4000u);  // B, again
  tell(sack(host_tsn + 1, {}, 300));
  EXPECT_EQ(host().status().peer_rwnd, 300u);
}

TEST_F(Section621, WhatIsAcknowledgedByAGapBlockOrFoundLostIsNotUnderWay) {
  setup.profile.max_burst = 0;
  be_opened();
  for (int i = 0; i < 6; ++i) host().send(now, std::string(500, 'x'));
  listen();
  for (uint16_t i = 2; i <= 4; ++i) {
    tell(sack(host_tsn - 1, {{2, i}}, 9000));
    const uint32_t in_flight = i < 4 ? 500u * (7u - i) : 1000u;  // then the first is found lost
    EXPECT_EQ(host().status().peer_rwnd, 9000u - in_flight);
  }
  ASSERT_EQ(hear(), "DATA");
  EXPECT_EQ(host().status().peer_rwnd, 9000u - 1500u);
}

TEST_F(Section621, ASackOlderThanTheLastIsDropped) {
  be_opened();
  for (int i = 0; i < 3; ++i) host().send(now, std::string(1400, 'x'));
  listen();
  tell(sack(host_tsn + 1, {}, 50000));
  const uint32_t before = host().status().peer_rwnd;
  tell(sack(host_tsn, {{2, 2}}, 0));
  EXPECT_EQ(host().status().peer_rwnd, before);
  EXPECT_EQ(host().count(Counter::k_drop_old_sack), 1u);
}

TEST_F(Section621, AChunkThatIsTakenBackIsInFlightAgainAndT3RunsForIt) {
  setup.profile.heartbeat_interval = Duration{0};
  be_opened();
  for (int i = 0; i < 4; ++i) host().send(now, std::string(700, 'x'));
  listen();
  tell(sack(host_tsn + 1, {{2, 2}}));
  EXPECT_EQ(host().status().peer_rwnd, peer_window - 700);
  tell(sack(host_tsn + 1));
  EXPECT_EQ(host().status().peer_rwnd, peer_window - 1400);
  EXPECT_EQ(hear(), "") << "one miss is no loss";
  wait(seconds(1));
  const Packet again = hear_one();
  ASSERT_EQ(data_of(again).size(), 2u);
  EXPECT_EQ(data_of(again)[0].tsn, host_tsn + 2);
  EXPECT_EQ(data_of(again)[1].tsn, host_tsn + 3);
}

}  // namespace
}  // namespace trunkline::test
