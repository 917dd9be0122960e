// SPDX-License-Identifier: BSD-3-Clause
// `loss_recovery: rack`: what was overtaken for too long is lost, sent again or not; the network
// may reorder, and recoveries that were needless are undone (RFC 8985 section 6).
#include "support/many_paths.h"

namespace trunkline::test {
namespace {

class RackLossRecovery : public ManyPaths {
 protected:
  RackLossRecovery() { setup.profile.loss_recovery = LossRecovery::kRack; }

  // A window of twenty packets, and round trips of 20 ms. RTO.min is 1 s.
  void begin() {
    open();
    for (int i = 0; i < 1000 && path().cwnd < 20 * kPmdcs; ++i) {
      fill();
      go_round();
    }
    while (host().status().queued_bytes > 0) go_round();
    go_round();
    ASSERT_EQ(host().status().outstanding_bytes, 0u);
    before = path().cwnd;
  }
  void go_round() {
    listen();
    wait(milliseconds(20));
    acknowledge_all();
    listen();
  }
  void measure() {
    ASSERT_EQ(send("measured"), Status::kOk);
    go_round();
  }
  // A packet of its own each.
  void send_packets(int count, Duration apart = {}) {
    for (int i = 0; i < count; ++i) {
      if (i > 0) wait(apart);
      ASSERT_EQ(send(std::string(1000, 'p')), Status::kOk);
      ASSERT_EQ(hear(), "DATA");
    }
  }
  // The first TSN of so many packets that went a round trip ago, as the first since begin().
  Tsn in_flight(int packets) {
    begin();
    send_packets(packets);
    wait(milliseconds(20));
    return last_tsn() - static_cast<uint32_t>(packets - 1);
  }
  // The TSNs that are said now.
  std::vector<Tsn> heard() {
    std::vector<Tsn> out;
    for (const Packet& packet : listen()) {
      for (const auto& data : data_of(packet)) out.push_back(data.tsn);
    }
    return out;
  }
  void report(Tsn cum, uint16_t from, uint16_t to) { tell(sack(cum, {{from, to}})); }
  void tell_duplicates(Tsn cum, const std::vector<Tsn>& twice) {
    tell([&](PacketWriter& w) { return wire::write_sack(w, cum, peer_window, {}, twice); });
  }
  uint64_t count(Counter which) { return host().shard().counters().get(which); }
  using Tsns = std::vector<Tsn>;

  uint32_t before = 0;  // cwnd
};

TEST_F(RackLossRecovery, WhatWasOvertakenForLongIsLostAtOnce) {
  begin();
  send_packets(4, milliseconds(10));
  const Tsn first = last_tsn() - 3;
  report(first - 1, 2, 2);
  EXPECT_EQ(heard(), Tsns{first}) << "one report is enough";
  EXPECT_EQ(path().cwnd, before / 2);
  EXPECT_EQ(count(Counter::k_fast_retransmits), 1u);
}

TEST_F(RackLossRecovery, WhatWasOvertakenJustNowHasAQuarterOfARoundTrip) {
  begin();
  send_packets(2, milliseconds(1));
  const Tsn first = last_tsn() - 1;
  wait(milliseconds(20));
  report(first - 1, 2, 2);
  wait(milliseconds(3));
  EXPECT_EQ(heard(), Tsns{});
  wait(milliseconds(1));
  EXPECT_EQ(heard(), Tsns{first});
  EXPECT_EQ(path().t3_expirations, 0u);
  // T3 begins with what is sent again.
  wait(milliseconds(999));
  EXPECT_EQ(heard(), Tsns{});
  wait(milliseconds(1));
  EXPECT_EQ(heard(), Tsns{first});
  EXPECT_EQ(path().t3_expirations, 1u);
}

// It fires for nothing when what it waits for comes after all, and T3 does not hear of it.
TEST_F(RackLossRecovery, TheReorderingTimerPutsT3NotOff) {
  begin();
  send_packets(3, milliseconds(1));
  const Tsn first = last_tsn() - 2;
  wait(milliseconds(19));
  report(first - 1, 2, 2);
  wait(milliseconds(1));
  tell(sack(first + 1));
  wait(milliseconds(240));
  heard();  // the probe of what is left, whose T3 was an RTO after its first transmission
  wait(milliseconds(739));
  EXPECT_EQ(path().t3_expirations, 0u);
  wait(milliseconds(1));
  EXPECT_EQ(path().t3_expirations, 1u);
}

TEST_F(RackLossRecovery, ThreePacketsReportedAreEnough) {
  const Tsn first = in_flight(5);
  report(first - 1, 2, 2);
  report(first - 1, 2, 3);
  EXPECT_EQ(heard(), Tsns{});
  report(first - 1, 2, 4);
  EXPECT_EQ(heard(), Tsns{first});
}

TEST_F(RackLossRecovery, UnlessTheNetworkReorders) {
  begin();
  send_packets(2);
  wait(milliseconds(20));
  report(last_tsn() - 2, 2, 2);
  wait(milliseconds(4));
  acknowledge_all();
  send_packets(5);
  const Tsn first = last_tsn() - 4;
  wait(milliseconds(20));
  report(first - 1, 2, 4);
  wait(milliseconds(4));
  EXPECT_EQ(heard(), Tsns{});
  wait(milliseconds(1));
  EXPECT_EQ(heard(), Tsns{first});
}

TEST_F(RackLossRecovery, WhatWasSentAgainAndLostIsFoundAndPaidForAgain) {
  const Tsn first = in_flight(6);
  report(first - 1, 2, 4);
  ASSERT_EQ(heard(), Tsns{first});
  wait(milliseconds(1));
  report(first - 1, 2, 6);
  EXPECT_EQ(heard(), Tsns{}) << "that went before it";
  send_packets(1);
  wait(milliseconds(20));
  report(first - 1, 2, 7);
  EXPECT_EQ(heard(), Tsns{first});
  EXPECT_EQ(path().cwnd, before / 4) << "RFC 8985 section 9.3";
  EXPECT_EQ(count(Counter::k_fast_retransmits), 1u);
  // The path may be too narrow for it: T3 goes on.
  wait(milliseconds(978));
  EXPECT_EQ(path().t3_expirations, 0u);
  wait(milliseconds(1));
  EXPECT_EQ(path().t3_expirations, 1u);
}

TEST_F(RackLossRecovery, AnotherLossInTheSameRecoveryIsNotPaidFor) {
  const Tsn first = in_flight(8);
  report(first - 1, 2, 4);
  ASSERT_EQ(heard(), Tsns{first});
  tell(sack(first - 1, {{2, 4}, {6, 8}}));
  EXPECT_EQ(heard(), Tsns{first + 4});
  EXPECT_EQ(path().cwnd, before / 2);
}

TEST_F(RackLossRecovery, ANeedlessRecoveryIsUndone) {
  const Tsn first = in_flight(6);
  tell(sack(first - 1, {{3, 6}}));
  ASSERT_EQ(heard(), (Tsns{first, first + 1}));
  ASSERT_EQ(path().cwnd, before / 2);
  wait(milliseconds(1));
  acknowledge_all();
  tell_duplicates(last_tsn(), {first});
  EXPECT_EQ(path().cwnd, before / 2) << "one of the two may have been lost";
  tell_duplicates(last_tsn(), {first + 1});
  EXPECT_EQ(path().cwnd, before);
  EXPECT_EQ(path().ssthresh, before);
  EXPECT_EQ(count(Counter::k_recoveries_undone), 1u);
}

TEST_F(RackLossRecovery, WhatTheRecoveryHasNotSentUndoesNothing) {
  const Tsn first = in_flight(5);
  report(first - 1, 2, 5);
  ASSERT_EQ(heard(), Tsns{first});
  wait(milliseconds(1));
  acknowledge_all();
  tell_duplicates(last_tsn(), {first - 1});
  tell_duplicates(last_tsn(), {last_tsn() + 1});
  tell_duplicates(last_tsn(), {first + 1'000'000});
  EXPECT_EQ(path().cwnd, before / 2);
  tell_duplicates(last_tsn(), {first});
  EXPECT_EQ(path().cwnd, before);
}

TEST_F(RackLossRecovery, TheTimersRecoveryPaysForTheProbeToo) {
  begin();
  send_packets(3);
  const Tsn first = last_tsn() - 2;
  wait(milliseconds(240));
  ASSERT_EQ(heard(), Tsns{first + 2}) << "the probe";
  send_packets(3, milliseconds(1));
  wait(milliseconds(19));
  tell(sack(first + 1, {{4, 4}}));
  wait(milliseconds(5));
  listen();
  ASSERT_EQ(count(Counter::k_fast_retransmits), 1u);
  ASSERT_EQ(path().cwnd, before / 2);
  wait(milliseconds(1));
  acknowledge_all();
  EXPECT_EQ(path().cwnd, before / 2);
}

TEST_F(RackLossRecovery, TheFirstRoundTripHasAReorderingWindow) {
  open();
  send_packets(2, milliseconds(1));
  const Tsn first = last_tsn() - 1;
  wait(milliseconds(20));
  report(first - 1, 2, 2);
  EXPECT_EQ(heard(), Tsns{});
  wait(milliseconds(4));
  EXPECT_EQ(heard(), Tsns{first});
}

TEST_F(RackLossRecovery, ThreePacketsOfSmallMessagesAreEnough) {
  begin();
  for (int packet = 0; packet < 4; ++packet) {
    for (int i = 0; i < 12; ++i) ASSERT_EQ(send(std::string(100, 's')), Status::kOk);
    ASSERT_EQ(listen().size(), 1u);
  }
  const Tsn first = last_tsn() - 47;
  wait(milliseconds(20));
  report(first - 1, 13, 48);
  EXPECT_EQ(heard().size(), 12u);
}

TEST_F(RackLossRecovery, WhatComesTwiceLaterUndoesNothing) {
  const Tsn first = in_flight(5);
  report(first - 1, 2, 5);
  ASSERT_EQ(heard(), Tsns{first});
  wait(milliseconds(20));
  acknowledge_all();
  measure();
  tell_duplicates(last_tsn(), {first});
  EXPECT_EQ(path().cwnd, before / 2) << "the network doubles packets, too";
  EXPECT_EQ(count(Counter::k_recoveries_undone), 0u);
}

TEST_F(RackLossRecovery, ASackThatWasOvertakenTellsNothing) {
  const Tsn first = in_flight(6);
  tell(sack(first - 1, {{2, 2}, {4, 4}}));
  wait(milliseconds(2));
  report(first - 1, 2, 2);
  tell(sack(first + 3));
  wait(milliseconds(4));
  EXPECT_EQ(heard(), Tsns{});
}

TEST_F(RackLossRecovery, AProbeThatIsAnsweredTellsWhatWasLostBeforeIt) {
  begin();
  send_packets(3);
  const Tsn first = last_tsn() - 2;
  wait(milliseconds(240));
  ASSERT_EQ(heard(), Tsns{first + 2}) << "the probe";
  wait(milliseconds(20));
  report(first - 1, 3, 3);
  EXPECT_EQ(heard(), (Tsns{first, first + 1}));
}

}  // namespace
}  // namespace trunkline::test
