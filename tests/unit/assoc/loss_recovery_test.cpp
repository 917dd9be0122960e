// SPDX-License-Identifier: BSD-3-Clause
// `loss_recovery: early`: what is lost of thin traffic is found before T3 fires (RFC 5827, RFC
// 7765, RFC 8985 section 7). Each rule, and that the default knows none of them.
#include "support/many_paths.h"

namespace trunkline::test {
namespace {

class EarlyLossRecovery : public ManyPaths {
 protected:
  EarlyLossRecovery() { setup.profile.loss_recovery = LossRecovery::kEarly; }

  // The association is up, and knows round trips of 20 ms. RTO.min is 1 s.
  void begin() {
    open();
    measure(milliseconds(20));
  }
  void measure(Duration round_trip) {
    ASSERT_EQ(send("measured"), Status::kOk);
    listen();
    wait(round_trip);
    acknowledge_all();
    listen();
  }
  // A window of twenty packets, and round trips of no time.
  void begin_wide() {
    open();
    grow(20 * kPmdcs);
    drain();
  }
  // A packet of its own each.
  void send_packets(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(send(std::string(1000, 'p')), Status::kOk);
      ASSERT_EQ(hear(), "DATA");
    }
  }
  // Of the only chunk that is said now.
  Tsn hear_tsn() {
    const auto heard = data_of(hear_one());
    EXPECT_EQ(heard.size(), 1u);
    return heard.empty() ? Tsn(0) : heard[0].tsn;
  }
  void report(Tsn cum, uint16_t from, uint16_t to) { tell(sack(cum, {{from, to}})); }
  void tell_duplicate(Tsn cum) {
    tell([&](PacketWriter& w) {
      return wire::write_sack(w, cum, peer_window, {}, std::vector{cum});
    });
  }
  uint64_t probes() { return host().shard().counters().get(Counter::k_loss_probes); }
};

// ---------------------------------------------------------------- a SACK at once

TEST_F(EarlyLossRecovery, AMessageThatLeavesAloneAsksForItsSack) {
  begin();
  ASSERT_EQ(send("alone"), Status::kOk);
  EXPECT_TRUE(data_of(hear_one())[0].immediate);
  ASSERT_EQ(send("behind it"), Status::kOk);
  EXPECT_FALSE(data_of(hear_one())[0].immediate);
  acknowledge_all();
  // Two that share a packet: the last one asks.
  ASSERT_EQ(send("one"), Status::kOk);
  ASSERT_EQ(send("two"), Status::kOk);
  const Packet both = hear_one();
  EXPECT_FALSE(data_of(both)[0].immediate);
  EXPECT_TRUE(data_of(both)[1].immediate);
  acknowledge_all();
  // Of two packets neither is alone.
  ASSERT_EQ(send(std::string(2000, 'x')), Status::kOk);
  for (const Packet& packet : listen()) EXPECT_FALSE(data_of(packet)[0].immediate);
}

TEST_F(EarlyLossRecovery, TheDefaultAsksForNothingAndProbesNothing) {
  setup.profile.loss_recovery = LossRecovery::kRfc9260;
  begin();
  ASSERT_EQ(send("alone"), Status::kOk);
  EXPECT_FALSE(data_of(hear_one())[0].immediate);
  wait(milliseconds(999));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  EXPECT_EQ(hear(), "DATA");
  EXPECT_EQ(probes(), 0u);
}

// ---------------------------------------------------------------- the probe

TEST_F(EarlyLossRecovery, WhatIsSilentIsSentOnceMoreAfterTwoRoundTrips) {
  begin();
  ASSERT_EQ(send("lost"), Status::kOk);
  const Tsn lost = hear_tsn();
  wait(milliseconds(39));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  const Packet probe = hear_one();
  ASSERT_EQ(probe.names(), "DATA");
  EXPECT_EQ(data_of(probe)[0].tsn, lost);
  EXPECT_TRUE(data_of(probe)[0].immediate);
  EXPECT_EQ(probes(), 1u);
  EXPECT_EQ(path().t3_expirations, 0u);
  EXPECT_EQ(path().error_count, 0u);
}

TEST_F(EarlyLossRecovery, TheProbePutsT3NotOff) {
  begin();
  ASSERT_EQ(send("lost"), Status::kOk);
  listen();
  wait(milliseconds(40));
  ASSERT_EQ(hear(), "DATA");
  wait(milliseconds(959));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  EXPECT_EQ(hear(), "DATA");
  EXPECT_EQ(path().t3_expirations, 1u);
  EXPECT_EQ(path().cwnd, kPmdcs);
  const uint32_t ssthresh = path().ssthresh;
  acknowledge_all();
  measure(milliseconds(20));
  EXPECT_EQ(path().ssthresh, ssthresh) << "the probe was lost too: that has been paid for";
}

// Of more than a few packets T3 counts from the last acknowledgement, as without a probe.
TEST_F(EarlyLossRecovery, TheProbeBringsT3NotForward) {
  begin_wide();
  measure(milliseconds(20));
  const uint64_t before = probes();
  send_packets(8);
  wait(milliseconds(20));
  tell(sack(last_tsn() - 6));
  int since = 0;  // ms
  for (; probes() == before && since < 100; ++since) {
    wait(milliseconds(1));
    listen();
  }
  ASSERT_EQ(probes(), before + 1);
  wait(milliseconds(999 - since));
  EXPECT_EQ(path().t3_expirations, 0u);
  wait(milliseconds(1));
  EXPECT_EQ(path().t3_expirations, 1u);
}

// A probe that each send puts off would put T3 off as well, for ever.
TEST_F(EarlyLossRecovery, SendingPutsNeitherProbeNorT3Off) {
  begin();
  for (int ms = 0; ms < 1000; ms += 10) {
    ASSERT_EQ(send("x"), Status::kOk);
    listen();
    EXPECT_EQ(probes(), ms < 40 ? 0u : 1u) << ms;
    EXPECT_EQ(path().t3_expirations, 0u) << ms;
    wait(milliseconds(10));
  }
  EXPECT_EQ(path().t3_expirations, 1u);
}

// At first the RTO is three round trips, and a probe's answer takes as many.
TEST_F(EarlyLossRecovery, NoProbeWhoseAnswerT3WouldNotAwait) {
  open();
  measure(milliseconds(400));
  ASSERT_EQ(path().rto, milliseconds(1200));
  ASSERT_EQ(send("lost"), Status::kOk);
  listen();
  wait(milliseconds(1199));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(probes(), 0u);
}

TEST_F(EarlyLossRecovery, OneProbeForEachRoundTripThatIsMeasured) {
  begin();
  ASSERT_EQ(send("first"), Status::kOk);
  listen();
  wait(milliseconds(40));
  ASSERT_EQ(hear(), "DATA");
  acknowledge_all();  // of which of the two: nobody knows
  ASSERT_EQ(send("second"), Status::kOk);
  listen();
  wait(milliseconds(999));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  EXPECT_EQ(hear(), "DATA");
  acknowledge_all();
  measure(milliseconds(20));
  ASSERT_EQ(send("third"), Status::kOk);
  listen();
  wait(milliseconds(40));
  EXPECT_EQ(hear(), "DATA");
  EXPECT_EQ(probes(), 2u);
}

TEST_F(EarlyLossRecovery, APacketThatDidNotAskMayBeAcknowledgedLater) {
  begin();
  send_packets(2);
  wait(milliseconds(20));
  tell(sack(last_tsn() - 1));
  wait(milliseconds(239));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  EXPECT_EQ(hear_tsn(), last_tsn());
}

TEST_F(EarlyLossRecovery, NewDataIsTheBetterProbe) {
  begin();
  fill();
  listen();
  const Tsn last = last_tsn();
  ASSERT_GE(path().flight, path().cwnd);
  wait(milliseconds(40));
  EXPECT_EQ(hear_tsn(), last + 1) << "one packet, whatever cwnd says";
  EXPECT_EQ(probes(), 1u);
  wait(milliseconds(959));
  EXPECT_EQ(hear(), "");
}

TEST_F(EarlyLossRecovery, NoProbeInRecovery) {
  begin_wide();
  send_packets(6);
  const Tsn first = last_tsn() - 5;
  for (uint16_t end = 2; end <= 4; ++end) report(first - 1, 2, end);
  ASSERT_EQ(hear_tsn(), first);
  wait(milliseconds(900));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(probes(), 0u);
}

TEST_F(EarlyLossRecovery, NoProbeIntoAClosedWindow) {
  begin();
  ASSERT_EQ(send("fills it"), Status::kOk);
  listen();
  tell(sack(last_tsn(), {}, 0));
  ASSERT_EQ(send("waits"), Status::kOk);
  ASSERT_EQ(hear(), "");
  wait(seconds(1));
  ASSERT_EQ(hear(), "DATA");
  wait(milliseconds(999));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(probes(), 0u);
}

// Nobody has measured: RTO.Initial is all that is known.
TEST_F(EarlyLossRecovery, NoProbeBeforeARoundTripIsMeasured) {
  open();
  ASSERT_EQ(send("first"), Status::kOk);
  listen();
  wait(milliseconds(999));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(probes(), 0u);
}

// ---------------------------------------------------------------- what a probe says of the network

TEST_F(EarlyLossRecovery, AProbeThatRepairedALossShrinksTheWindowOnce) {
  begin_wide();
  const uint32_t before = path().cwnd;
  ASSERT_EQ(send("lost"), Status::kOk);
  listen();
  wait(milliseconds(10));
  ASSERT_EQ(hear(), "DATA");
  acknowledge_all();
  EXPECT_EQ(path().cwnd, before) << "the first one may have come, late";
  ASSERT_EQ(send("next"), Status::kOk);
  listen();
  acknowledge_all();
  EXPECT_EQ(path().cwnd, before / 2);
  ASSERT_EQ(send("next"), Status::kOk);
  listen();
  acknowledge_all();
  EXPECT_EQ(path().cwnd, before / 2);
}

TEST_F(EarlyLossRecovery, AProbeThatCameTwiceCostsNothing) {
  begin_wide();
  const uint32_t before = path().cwnd;
  ASSERT_EQ(send("late"), Status::kOk);
  listen();
  wait(milliseconds(10));
  ASSERT_EQ(hear(), "DATA");
  acknowledge_all();
  tell_duplicate(last_tsn());
  ASSERT_EQ(send("next"), Status::kOk);
  listen();
  acknowledge_all();
  EXPECT_EQ(path().cwnd, before);
}

// What the probe's acknowledgement reports is repaired, and shrinks the window, once.
TEST_F(EarlyLossRecovery, AProbeThatRevealsALossBeginsRecovery) {
  begin_wide();
  const uint32_t before = path().cwnd;
  send_packets(2);
  const Tsn first = last_tsn() - 1;
  wait(milliseconds(10));
  ASSERT_EQ(hear_tsn(), first + 1) << "the last one";
  report(first - 1, 2, 2);
  EXPECT_EQ(hear_tsn(), first);
  EXPECT_EQ(path().cwnd, before / 2);
  acknowledge_all();
  ASSERT_EQ(send("next"), Status::kOk);
  listen();
  acknowledge_all();
  EXPECT_EQ(path().cwnd, before / 2);
}

// ---------------------------------------------------------------- fewer miss indications

TEST_F(EarlyLossRecovery, OneReportIsEnoughWhereNoOtherCanCome) {
  for (const auto word : {LossRecovery::kEarly, LossRecovery::kRfc9260}) {
    setup.profile.loss_recovery = word;
    start_over();
    begin();
    send_packets(2);
    const Tsn first = last_tsn() - 1;
    report(first - 1, 2, 2);
    EXPECT_EQ(hear(), word == LossRecovery::kEarly ? "DATA" : "");
    acknowledge_all();
  }
}

TEST_F(EarlyLossRecovery, OfThreePacketsBothOthersMustBeReported) {
  begin();
  send_packets(3);
  const Tsn first = last_tsn() - 2;
  report(first - 1, 2, 2);
  EXPECT_EQ(hear(), "");
  report(first - 1, 2, 3);
  EXPECT_EQ(hear_tsn(), first);
}

TEST_F(EarlyLossRecovery, FourPacketsNeedThreeReports) {
  begin_wide();
  send_packets(4);
  const Tsn first = last_tsn() - 3;
  report(first - 1, 2, 2);
  report(first - 1, 2, 3);
  EXPECT_EQ(hear(), "");
  report(first - 1, 2, 4);
  EXPECT_EQ(hear_tsn(), first);
}

TEST_F(EarlyLossRecovery, ChunksOfOnePacketAreReportedOnce) {
  begin();
  send_packets(1);
  const Tsn first = last_tsn();
  wait(milliseconds(1));
  ASSERT_EQ(send("two"), Status::kOk);
  ASSERT_EQ(send("three"), Status::kOk);
  ASSERT_EQ(hear(), "DATA + DATA");
  report(first - 1, 2, 3);
  EXPECT_EQ(hear_tsn(), first);
}

// What is new will be reported as well.
TEST_F(EarlyLossRecovery, NothingIsEarlyWhileThereIsNewData) {
  begin();
  fill();
  ASSERT_EQ(listen().size(), 3u);
  const Tsn first = last_tsn() - 2;
  report(first - 1, 2, 2);
  report(first - 1, 2, 3);
  for (const Packet& packet : listen()) {
    for (const auto& data : data_of(packet)) EXPECT_NE(data.tsn, first);
  }
}

// ---------------------------------------------------------------- T3

TEST_F(EarlyLossRecovery, T3IsWhatIsLeftOfTheRto) {
  for (const auto word : {LossRecovery::kEarly, LossRecovery::kRfc9260}) {
    setup.profile.loss_recovery = word;
    // Two round trips are more: no probe.
    setup.profile.rto_initial = setup.profile.rto_min = setup.profile.rto_max = milliseconds(200);
    start_over();
    open();
    measure(milliseconds(150));
    send_packets(1);
    wait(milliseconds(100));
    send_packets(1);
    wait(milliseconds(50));
    tell(sack(last_tsn() - 1));
    wait(milliseconds(149));
    EXPECT_EQ(hear(), "");
    wait(milliseconds(1));
    EXPECT_EQ(hear(), word == LossRecovery::kEarly ? "DATA" : "");
    wait(milliseconds(50));
    EXPECT_EQ(hear(), word == LossRecovery::kEarly ? "" : "DATA");
  }
}

// ---------------------------------------------------------------- lost again

TEST_F(EarlyLossRecovery, AFastRetransmissionThatIsLostIsSentAgain) {
  for (const auto word : {LossRecovery::kEarly, LossRecovery::kRfc9260}) {
    setup.profile.loss_recovery = word;
    start_over();
    begin_wide();
    const uint32_t before = path().cwnd;
    send_packets(6);
    const Tsn first = last_tsn() - 5;
    wait(milliseconds(1));
    for (uint16_t end = 2; end <= 4; ++end) report(first - 1, 2, end);
    ASSERT_EQ(hear_tsn(), first);
    EXPECT_EQ(path().cwnd, before / 2);
    wait(milliseconds(1));
    send_packets(3);
    // What went before it tells nothing of it.
    report(first - 1, 2, 5);
    report(first - 1, 2, 6);
    EXPECT_EQ(hear(), "");
    report(first - 1, 2, 7);
    report(first - 1, 2, 8);
    EXPECT_EQ(hear(), "");
    report(first - 1, 2, 9);
    EXPECT_EQ(hear(), word == LossRecovery::kEarly ? "DATA" : "");
    // A loss in another round trip (RFC 5681 section 4.3).
    EXPECT_EQ(path().cwnd, word == LossRecovery::kEarly ? before / 4 : before / 2);
    // And T3 comes when it would have come: some losses have no end, as where a packet is too
    // large.
    wait(milliseconds(998));
    EXPECT_EQ(path().t3_expirations, 0u);
    wait(milliseconds(1));
    EXPECT_EQ(path().t3_expirations, 1u);
  }
}

}  // namespace
}  // namespace trunkline::test
