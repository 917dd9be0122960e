// SPDX-License-Identifier: BSD-3-Clause
// RFC 9260 section 6.1: the rules of the data sender. Windows, probes, what goes first, T3.
#include "sizes.h"
#include "support/pair.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

constexpr uint32_t kPmdcs = 1468;

class Section61 : public Peer {
 protected:
  Section61() { setup.profile.heartbeat_interval = Duration{0}; }
  void send(size_t size) { ASSERT_EQ(host().send(now, std::string(size, 'x')), Status::kOk); }
  [[nodiscard]] PathStatus path() { return host().status().paths[0]; }
  // One message was sent and acknowledged, and the window is shut.
  void close_window() {
    be_opened();
    send(1);
    ASSERT_EQ(hear(), "DATA");
    tell(sack(last_tsn(), {}, 0));
  }
  // The window was shut when three packets were under way, and open again for two more; the first
  // is acknowledged.
  void shut_for_a_moment() {
    be_opened();
    for (int i = 0; i < 3; ++i) send(1000);
    ASSERT_EQ(hear(), "DATA, DATA, DATA");
    tell(sack(host_tsn - 1, {}, 500));
    wait(milliseconds(100));
    tell(sack(host_tsn));
    for (int i = 0; i < 2; ++i) send(1000);
    ASSERT_EQ(hear(), "DATA, DATA");
    wait(milliseconds(100));
  }
  // T3 begins anew with a SACK now, and expires.
  void expect_loss_after(Tsn acked, bool explained) {
    tell(sack(acked));
    wait(milliseconds(999));
    ASSERT_EQ(path().t3_expirations, 0u);
    wait(milliseconds(1));
    EXPECT_EQ(path().t3_expirations, 1u);
    EXPECT_EQ(path().cwnd > kPmdcs, explained) << "7.2.3";
    EXPECT_EQ(path().error_count, explained ? 0u : 1u) << "8.2";
    EXPECT_EQ(host().status().error_count, explained ? 0u : 1u) << "8.1";
  }
  // Full packets are acknowledged one by one until the congestion window is that large.
  void grow_cwnd(uint32_t wanted) {
    Tsn acked = last_tsn();
    for (int i = 0; i < 2000 && path().cwnd < wanted; ++i) {
      while (host().status().queued_bytes < 4 * kLimit) send(kLimit);
      listen();
      tell(sack(++acked));
    }
    ASSERT_GE(path().cwnd, wanted);
    while (host().status().outstanding_bytes + host().status().queued_bytes > 0) {
      listen();
      tell(sack(last_tsn()));
    }
  }
  size_t count_data_heard() {
    size_t n = 0;
    for (const Packet& packet : listen()) n += data_of(packet).size();
    return n;
  }
  // The TSNs in a packet, as offsets from the first.
  [[nodiscard]] std::vector<uint32_t> tsns(const Packet& packet) const {
    std::vector<uint32_t> out;
    for (const auto& chunk : data_of(packet)) out.push_back(chunk.tsn.distance_from(host_tsn));
    return out;
  }
};

// ---------------------------------------------------------------- A: the peer's window

TEST_F(Section61, NothingNewIntoAWindowWithoutRoomForTheChunk) {
  peer_window = 2000;
  be_opened();
  send(1400);
  send(601);
  EXPECT_EQ(hear(), "DATA");
  EXPECT_EQ(host().status().peer_rwnd, 600u);
  tell(sack(host_tsn, {}, 601));
  EXPECT_EQ(hear(), "DATA") << "now it fits exactly";
  EXPECT_EQ(host().status().peer_rwnd, 0u);
  EXPECT_EQ(host().count(Counter::k_zero_window_probes), 0u);
}

TEST_F(Section61, TheFirstProbeGoesAnRtoAfterTheWindowWasFoundClosed) {
  close_window();
  ASSERT_EQ(path().rto, seconds(1));
  send(10);
  send(20);
  EXPECT_EQ(hear(), "");
  wait(seconds(1) - std::chrono::nanoseconds(1));
  EXPECT_EQ(hear(), "");
  wait(std::chrono::nanoseconds(1));
  const Packet probe = hear_one();
  ASSERT_EQ(data_of(probe).size(), 1u) << "one chunk";
  EXPECT_EQ(data_of(probe)[0].payload.size(), 10u);
  EXPECT_EQ(host().count(Counter::k_zero_window_probes), 1u);
  tell(sack(last_tsn(), {}, 100000));
  EXPECT_EQ(hear(), "DATA") << "the window is open: no more waiting";
  EXPECT_EQ(host().count(Counter::k_zero_window_probes), 1u);
}

TEST_F(Section61, ProbesThatAreTakenGoAtIntervalsThatDouble) {
  close_window();
  for (int i = 0; i < 5; ++i) send(10);
  ASSERT_EQ(hear(), "");
  std::vector<int64_t> at;
  const TimePoint begin = now;
  for (int i = 0; i < 400 && at.size() < 5; ++i) {
    wait(milliseconds(100));
    for (const Packet& packet : listen()) {
      ASSERT_EQ(data_of(packet).size(), 1u);
      at.push_back((now - begin) / milliseconds(100));
      tell(sack(last_tsn(), {}, 0));
    }
    EXPECT_EQ(hear(), "");
  }
  EXPECT_EQ(at, (std::vector<int64_t>{10, 30, 70, 150, 310}));
}

TEST_F(Section61, AnsweredProbesThatAreDroppedBackOffAndCountAsNoError) {
  setup.profile.association_max_retrans = 2;
  setup.profile.path_max_retrans = 1;
  close_window();
  send(10);
  ASSERT_EQ(hear(), "");
  std::vector<int64_t> at;
  const TimePoint begin = now;
  for (int i = 0; i < 4000 && at.size() < 6; ++i) {
    wait(milliseconds(100));
    for (const Packet& packet : listen()) {
      ASSERT_EQ(tsns(packet), std::vector<uint32_t>{1});
      at.push_back((now - begin) / milliseconds(100));
      tell(sack(host_tsn, {}, 0));
    }
  }
  EXPECT_EQ(at, (std::vector<int64_t>{10, 20, 40, 80, 160, 320}));
  EXPECT_EQ(host().status().error_count, 0u);
  EXPECT_EQ(path().error_count, 0u);
  EXPECT_EQ(path().state, PathState::kActive);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(Section61, AProbeWaitsUntilNothingIsInFlight) {
  be_opened();
  for (int i = 0; i < 4; ++i) send(1000);
  ASSERT_EQ(hear(), "DATA, DATA, DATA, DATA");
  send(5);
  tell(sack(host_tsn, {}, 0));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(999));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));  // T3
  EXPECT_EQ(tsns(hear_one()), std::vector<uint32_t>{1}) << "what waits for its ack goes first";
  EXPECT_EQ(host().count(Counter::k_zero_window_probes), 0u);
}

TEST_F(Section61, ProbingIsNoSignOfCongestion) {
  setup.profile.max_burst = 0;
  be_opened();
  grow_cwnd(30000);
  const uint32_t cwnd = path().cwnd;
  send(10);
  ASSERT_EQ(hear(), "DATA");
  tell(sack(last_tsn() - 1, {}, 0));  // dropped: the window is shut
  wait(seconds(1));
  ASSERT_EQ(hear(), "DATA");
  EXPECT_EQ(path().t3_expirations, 1u);
  EXPECT_EQ(path().cwnd, cwnd / 2) << "as any window that an RTO has seen unused (7.2.1)";
  for (int i = 0; i < 5; ++i) {
    tell(sack(last_tsn() - 1, {}, 0));
    wait(seconds(60));
    ASSERT_EQ(hear(), "DATA");
  }
  EXPECT_EQ(path().cwnd, 4 * kPmdcs);
}

// What was under way when the window was shut may have been dropped for that. What was sent since
// it is open again is lost, and T3 that began anew (6.3.2 R3) says so.
TEST_F(Section61, AWindowThatWasShutExplainsTheLossOfWhatWasUnderWayThen) {
  shut_for_a_moment();
  expect_loss_after(host_tsn + 1, true);
}

TEST_F(Section61, AWindowThatWasShutExplainsNoLossOfWhatWasSentSince) {
  shut_for_a_moment();
  expect_loss_after(host_tsn + 2, false);
}

TEST_F(Section61, AWindowThatWasShutExplainsNoLossOnceSomeOfWhatWasSentSinceHasArrived) {
  shut_for_a_moment();
  expect_loss_after(host_tsn + 3, false);
}

TEST_F(Section61, AMessageIsNotCutToASillyWindow) {
  be_opened();
  send(1);
  listen();
  tell(sack(last_tsn(), {}, 100));
  send(5000);
  EXPECT_EQ(hear(), "") << "no crumb of 100 bytes";
  tell(sack(last_tsn(), {}, kLimit - 1));
  EXPECT_EQ(hear(), "");
  tell(sack(last_tsn(), {}, kLimit));
  const Packet full = hear_one();
  ASSERT_EQ(data_of(full).size(), 1u);
  EXPECT_EQ(data_of(full)[0].payload.size(), kLimit);
}

// HEARTBEATs are answered; each DATA is answered at once, with the window that there is.
class Section61SmallWindow : public Section61 {
 protected:
  // The first message is acknowledged with that window; then more wait than fit.
  void open_with_window(uint32_t a_rwnd, uint32_t next_size) {
    start_over();
    be_opened();
    send(1000);
    ASSERT_EQ(hear(), "DATA");
    window = a_rwnd;
    acked = last_tsn();
    tell(sack(acked, {}, window));
    for (int i = 0; i < 5; ++i) send(next_size);
  }
  // From deadline to deadline. Does the peer take what comes?
  void pass(Duration span, bool takes) {
    const TimePoint end = now + span;
    while (true) {
      for (auto said = listen(); !said.empty(); said = listen()) {
        for (const Packet& packet : said) answer(packet, takes);
      }
      worst = std::max<uint32_t>({worst, host().status().error_count, path().error_count});
      const TimePoint next = host().shard().next_deadline();
      if (next > end) break;
      now = std::max(now, next);
      host().advance(now);
    }
    now = end;
  }
  void answer(const Packet& packet, bool takes) {
    if (const auto heartbeat = packet.find(ChunkType::kHeartbeat)) {
      const auto info = wire::HeartbeatChunk::parse(*heartbeat)->info;
      tell([&](PacketWriter& w) { return wire::write_heartbeat_ack(w, info); });
    }
    for (const wire::DataChunk& data : data_of(packet)) {
      ++data_seen;
      if (takes) acked = data.tsn;
      tell(sack(acked, {}, window));
    }
  }

  uint32_t window = 0;
  Tsn acked;
  uint32_t worst = 0;  // error count, of association or path
  size_t data_seen = 0;
};

TEST_F(Section61SmallWindow, IsAClosedWindowForWhateverDoesNotFitIt) {
  constexpr uint32_t kNext = 1400;
  for (const bool beats : {false, true}) {
    setup.profile.heartbeat_interval = beats ? seconds(30) : seconds(0);
    for (const uint32_t small : {0u, 1u, 1300u, kNext - 1}) {
      SCOPED_TRACE(std::to_string(small) + (beats ? " with HEARTBEATs" : " without"));
      open_with_window(small, kNext);
      worst = 0;
      data_seen = 0;
      pass(std::chrono::hours(3), false);
      EXPECT_EQ(host().state(), AssocState::kEstablished);
      EXPECT_EQ(worst, 0u) << "answered probes are no errors";
      EXPECT_EQ(host().count(EventKind::kPathChanged), 0u);
      // One a minute, RTO.max, or as often as a HEARTBEAT's round trip ends the back-off.
      EXPECT_GT(data_seen, 3u * 60 - 5);
      EXPECT_LT(data_seen, beats ? 3u * 120 * 3 : 3u * 60 + 10);
      EXPECT_EQ(host().status().outstanding_bytes, kNext) << "one probe, never cut to fit";
      tell(sack(acked, {}, kNext));
      EXPECT_EQ(hear(), "DATA") << "exactly that fits: at once";
      tell(sack(last_tsn(), {}, 100000));
      EXPECT_EQ(count_data_heard(), 4u);
    }
  }
}

TEST_F(Section61SmallWindow, IsAClosedWindowForOneWhoWantsToShutDownToo) {
  for (const uint32_t small : {0u, 1u, 1399u}) {
    SCOPED_TRACE(small);
    open_with_window(small, 1400);
    ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
    worst = 0;
    pass(minutes(4), false);
    EXPECT_EQ(host().state(), AssocState::kShutdownPending);
    EXPECT_EQ(worst, 0u);
    window = 100000;
    pass(minutes(2), true);
    EXPECT_EQ(host().state(), AssocState::kShutdownSent) << "all is delivered";
  }
}

TEST_F(Section61SmallWindow, APeerThatTakesTheProbeAllTheSameMakesProgress) {
  for (const uint32_t small : {0u, 500u, 1399u}) {
    SCOPED_TRACE(small);
    open_with_window(small, 1400);
    worst = 0;
    pass(minutes(2), true);
    EXPECT_EQ(worst, 0u);
    EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 6u);
    EXPECT_EQ(path().t3_expirations, 0u);
  }
}

TEST_F(Section61SmallWindow, ThatShrinksBelowWhatIsInFlightTakesNothingNew) {
  be_opened();
  for (int i = 0; i < 4; ++i) send(1000);
  ASSERT_EQ(listen().size(), 4u);
  send(1000);
  acked = host_tsn;
  window = 999;
  tell(sack(acked, {}, window));
  pass(minutes(10), false);
  EXPECT_EQ(worst, 0u);
  EXPECT_EQ(host().status().queued_bytes, 1000u);
  EXPECT_EQ(path().state, PathState::kActive);
  window = 3000;
  tell(sack(acked, {}, window));
  pass(seconds(1), true);
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 5u) << "open again, and no more waiting";
}

TEST_F(Section61SmallWindow, ThatHasRoomForTheChunkIsAnOpenOne) {
  open_with_window(500, 400);
  ASSERT_EQ(count_data_heard(), 1u);
  tell(sack(acked, {}, window));  // the peer is there, and what went out is not
  wait(seconds(1));
  EXPECT_EQ(host().status().error_count, 1u) << "that it is unanswered is an error";
  EXPECT_EQ(path().error_count, 1u);
}

// ---------------------------------------------------------------- B and D: cwnd, Max.Burst

TEST_F(Section61, CwndIsExceededByLessThanAPacketAndOnce) {
  setup.profile.max_burst = 0;
  be_opened();
  for (int i = 0; i < 200; ++i) send(90);
  const std::vector<Packet> packets = listen();
  const uint32_t flight = path().flight;
  EXPECT_GE(flight, path().cwnd) << "it is used to the full";
  EXPECT_LE(flight, path().cwnd + kPmdcs - 1);
  uint32_t last = 0;
  for (const auto& chunk : data_of(packets.back())) {
    last += static_cast<uint32_t>(chunk.payload.size()) + 18;  // header and padding
  }
  EXPECT_LT(flight - last, path().cwnd) << "up to the last packet it was not";
  EXPECT_EQ(hear(), "");
}

TEST_F(Section61, MaxBurstLimitsPacketsAndLeavesCwndAlone) {
  setup.profile.max_burst = 2;
  be_opened();
  for (int i = 0; i < 10; ++i) send(kLimit);
  const uint32_t cwnd = path().cwnd;
  EXPECT_EQ(hear(), "DATA, DATA") << "4404 bytes would allow four";
  EXPECT_EQ(path().cwnd, cwnd);
  tell(sack(host_tsn));
  EXPECT_EQ(hear(), "DATA, DATA");
  EXPECT_EQ(path().cwnd, cwnd) << "the window was not fully used";
}

TEST_F(Section61, AFullWindowTakesMessagesAndSendsNone) {
  setup.profile.max_burst = 0;
  be_opened();
  for (int i = 0; i < 10; ++i) send(kLimit);
  listen();
  const uint32_t flight = path().flight;
  for (int i = 0; i < 10; ++i) {
    send(1);
    EXPECT_EQ(hear(), "");
  }
  EXPECT_EQ(path().flight, flight);
  tell(sack(host_tsn));
  EXPECT_NE(hear(), "");
}

// ---------------------------------------------------------------- C: old before new

TEST_F(Section61, WhatIsSentAgainGoesBeforeWhatIsNew) {
  be_opened();
  for (int i = 0; i < 3; ++i) send(300);
  ASSERT_EQ(hear(), "DATA + DATA + DATA");
  send(40);
  ASSERT_EQ(hear(), "DATA");
  wait(seconds(1));
  send(50);
  send(60);
  EXPECT_EQ(tsns(hear_one()), (std::vector<uint32_t>{0, 1, 2, 3, 4, 5}));
}

TEST_F(Section61, NothingNewWhileSomethingWaitsToBeSentAgain) {
  setup.profile.max_burst = 0;
  be_opened();
  for (int i = 0; i < 3; ++i) send(1000);
  ASSERT_EQ(listen().size(), 3u);
  wait(seconds(1));
  send(10);  // there would be room for it beside any of the others
  EXPECT_EQ(tsns(hear_one()), std::vector<uint32_t>{0});
  std::vector<uint32_t> order;
  for (const uint32_t acked : {0u, 1u, 2u}) {
    tell(sack(host_tsn + acked));
    for (const Packet& packet : listen()) {
      for (const uint32_t tsn : tsns(packet)) order.push_back(tsn);
    }
  }
  EXPECT_EQ(order, (std::vector<uint32_t>{1, 2, 3}));
}

// ---------------------------------------------------------------- SACK beside DATA

TEST_F(Section61, ASackThatIsOwedRidesWithDataWhereItFits) {
  be_opened();
  tell_data();
  ASSERT_EQ(hear(), "SACK");
  tell_data();
  send(kLimit - 16);
  const Packet full = hear_one();
  EXPECT_EQ(full.names(), "SACK + DATA");
  EXPECT_EQ(full.bytes.size(), 1480u) << "exactly full";
  tell(sack(last_tsn()));
  tell_data();
  send(kLimit - 15);
  EXPECT_EQ(hear(), "DATA") << "no room for both";
  tell_data();
  EXPECT_EQ(hear(), "SACK") << "the second packet since";
}

TEST_F(Section61, ASackThatIsNotDueDoesNotTravelWithoutData) {
  setup.profile.max_burst = 0;
  be_opened();
  tell_data();
  ASSERT_EQ(hear(), "SACK");
  for (int i = 0; i < 10; ++i) send(kLimit);
  listen();
  ASSERT_GT(host().status().queued_bytes, 0u);
  tell_data();
  EXPECT_EQ(hear(), "") << "the window is full: nothing to ride with";
  wait(milliseconds(50));
  EXPECT_EQ(hear(), "SACK");
}

// ---------------------------------------------------------------- T3

TEST_F(Section61, T3StartsWithTheFirstAndLaterDataDoesNotRestartIt) {
  be_opened();
  send(1);
  ASSERT_EQ(hear(), "DATA");
  wait(milliseconds(600));
  send(2);
  ASSERT_EQ(hear(), "DATA");
  wait(milliseconds(399));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  EXPECT_EQ(tsns(hear_one()), (std::vector<uint32_t>{0, 1}));
}

TEST_F(Section61, T3IsRestartedWhenTheEarliestIsSentAgain) {
  be_opened();
  for (int i = 0; i < 5; ++i) send(300);
  listen();
  wait(milliseconds(900));
  for (uint16_t i = 2; i <= 4; ++i) tell(sack(host_tsn - 1, {{2, i}}));
  ASSERT_EQ(tsns(hear_one()), std::vector<uint32_t>{0});
  wait(path().rto - milliseconds(1));
  EXPECT_EQ(hear(), "") << "an RTO after the first transmission has long passed";
  EXPECT_EQ(path().t3_expirations, 0u);
  wait(milliseconds(1));
  EXPECT_EQ(path().t3_expirations, 1u);
  EXPECT_EQ(tsns(hear_one()).front(), 0u);
}

TEST_F(Section61, T3IsNotRestartedWhenALaterOneIsSentAgain) {
  setup.profile.max_burst = 0;
  be_opened();
  for (int i = 0; i < 8; ++i) send(100);
  listen();
  wait(milliseconds(500));
  // 0 and 2 are missing; 0 is sent again at once, 2 a little later.
  tell(sack(host_tsn - 1, {{2, 2}}));
  tell(sack(host_tsn - 1, {{2, 2}, {4, 4}}));
  tell(sack(host_tsn - 1, {{2, 2}, {4, 5}}));
  ASSERT_EQ(tsns(hear_one()), std::vector<uint32_t>{0});  // T3 now ends at 1500 ms
  wait(milliseconds(300));
  tell(sack(host_tsn - 1, {{2, 2}, {4, 6}}));
  ASSERT_EQ(tsns(hear_one()), std::vector<uint32_t>{2});
  wait(milliseconds(699));
  EXPECT_EQ(path().t3_expirations, 0u);
  wait(milliseconds(1));
  EXPECT_EQ(path().t3_expirations, 1u);
}

TEST_F(Section61, T3RunsOnWithTheBackedOffTime) {
  be_opened();
  send(1);
  listen();
  wait(seconds(1));
  ASSERT_EQ(hear(), "DATA");
  EXPECT_EQ(path().rto, seconds(2));
  wait(milliseconds(1999));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  EXPECT_EQ(hear(), "DATA");
  tell(sack(last_tsn()));
  send(1);
  ASSERT_EQ(hear(), "DATA");
  wait(milliseconds(3999));
  EXPECT_EQ(hear(), "") << "no measurement has ended the back-off yet";
  wait(milliseconds(1));
  EXPECT_EQ(hear(), "DATA");
}

// ---------------------------------------------------------------- the send window

TEST_F(Section61, TheSendWindowHolds65535TsnsAtMost) {
  setup.profile.max_burst = 0;
  setup.profile.send_buffer = 4 << 20;
  peer_window = 4 << 20;
  be_opened();
  grow_cwnd(1400000);
  ASSERT_EQ(host().status().outstanding_bytes, 0u);
  const Tsn first = host().status().next_tsn;
  for (uint32_t i = 0; i < 66000; ++i) {
    ASSERT_EQ(host().send(now, "x", {.stream = static_cast<uint16_t>(i % 3)}), Status::kOk);
  }
  listen();
  EXPECT_EQ(host().status().next_tsn.distance_from(first), 65535u);
  tell(sack(first));
  EXPECT_EQ(hear(), "DATA");
  EXPECT_EQ(host().status().next_tsn.distance_from(first), 65536u);
}

// Receivers compare SSNs as serial numbers (1.6): one that is half the circle ahead looks old.
TEST_F(Section61, OfAStream32767MessagesAreUnderWayAtMostAndOthersGoOn) {
  setup.profile.max_burst = 0;
  setup.profile.send_buffer = 4 << 20;
  peer_window = 4 << 20;
  be_opened();
  grow_cwnd(1400000);
  const Tsn first = host().status().next_tsn;
  const auto sent = [&] { return host().status().next_tsn.distance_from(first); };
  for (int i = 0; i < 33000; ++i) send(1);
  const Mid oldest = data_of(listen()[0])[0].mid;
  EXPECT_EQ(sent(), 32767u);
  EXPECT_EQ(host().status().queued_bytes, 33000u - 32767u);
  EXPECT_EQ(hear(), "");
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(host().send(now, "x", {.stream = 1}), Status::kOk);
    ASSERT_EQ(host().send(now, "x", {.stream = 2, .unordered = true}), Status::kOk);
  }
  listen();
  EXPECT_EQ(sent(), 32967u) << "other streams are not held back";
  // What a gap block acknowledges stays under way: the receiver waits for the one before it.
  tell(sack(first - 1, {{2, 30000}}));
  EXPECT_EQ(hear(), "");
  tell(sack(first, {{2, 29999}}));
  const auto next = data_of(hear_one());
  ASSERT_EQ(next.size(), 1u) << "one for one";
  EXPECT_EQ(next[0].mid, oldest + 32767);
  tell(sack(last_tsn()));
  listen();
  EXPECT_EQ(host().status().queued_bytes, 0u);
  tell(sack(last_tsn()));
  EXPECT_EQ(host().status().outstanding_bytes, 0u);
}

// What waits when the association ends comes back as all else does.
TEST_F(Section61, AMessageThatIsHeldBackByItsStreamFailsWithTheAssociation) {
  setup.profile.max_burst = 0;
  setup.profile.send_buffer = 4 << 20;
  peer_window = 4 << 20;
  be_opened();
  grow_cwnd(1400000);
  for (int i = 0; i < 32800; ++i) send(1);
  listen();
  ASSERT_EQ(host().status().queued_bytes, 33u);
  host().shard().abort(now, host().assoc, {});
  listen();
  EXPECT_EQ(host().count(EventKind::kSendFailed), 32800u);
  EXPECT_EQ(host().shard().pool_usage().messages_used, 0u);
  EXPECT_EQ(host().shard().pool_usage().chunks_used, 0u);
}

}  // namespace
}  // namespace trunkline::test
