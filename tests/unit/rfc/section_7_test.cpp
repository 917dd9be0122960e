// SPDX-License-Identifier: BSD-3-Clause
// Congestion control as an association does it (RFC 9260 sections 7.1 to 7.2.2): which window, how
// large at first, when it grows and by how much, and what becomes of it when nothing is sent. The
// arithmetic alone is in path/congestion_test.cpp.
#include "support/many_paths.h"

namespace trunkline::test {
namespace {

class Section7Window : public ManyPaths {
 protected:
  static constexpr const char* kFirst = "198.51.100.1";
  static constexpr const char* kSecond = "198.51.100.2";

  // The first missing DATA chunk is retransmitted fast, and all is acknowledged: cwnd is ssthresh.
  void lose_one() {
    const Tsn before = last_tsn();
    fill();
    listen();
    for (uint16_t end = 2; end <= 4; ++end) tell(sack(before, {{2, end}}));
    listen();
    drain();
  }
};

// ---------------------------------------------------------------- 7.1, 7.2

TEST_F(Section7Window, OfAnIdleAddressIsHalvedOncePerRto) {
  for (const bool avoidance : {false, true}) {
    if (!avoidance) open();
    grow(64 * kPmdcs);
    if (avoidance) {
      lose_one();
      grow(path().ssthresh + 3 * kPmdcs);
      ASSERT_GT(path().cwnd, path().ssthresh);
    }
    drain();
    const uint32_t cwnd = path().cwnd;
    ASSERT_EQ(path().rto, seconds(1));
    ASSERT_GT(cwnd / 4, 4 * kPmdcs);
    wait(milliseconds(2500));
    send("x");
    ASSERT_EQ(count_data(listen()), 1u);
    EXPECT_EQ(path().cwnd, cwnd / 4) << "two RTOs";
    EXPECT_EQ(path().ssthresh, cwnd) << "what it was before the first adjustment";
    acknowledge_all();
    wait(minutes(10));
    send("x");
    listen();
    EXPECT_EQ(path().cwnd, 4 * kPmdcs) << "never below four packets";
    acknowledge_all();
  }
}

// Nothing was sent there for longer than an RTO, but something is still on its way.
TEST_F(Section7Window, OfAnAddressWithDataInFlightIsNotHalved) {
  open();
  grow(64 * kPmdcs);
  drain();
  const uint32_t cwnd = path().cwnd;
  for (const char* text : {"a", "b"}) {
    send(text);
    ASSERT_EQ(count_data(listen()), 1u);
  }
  wait(milliseconds(900));
  tell(sack(last_tsn() - 1));  // T3 begins anew for the other one
  wait(milliseconds(900));
  ASSERT_LT(path().rto, milliseconds(1800));
  ASSERT_EQ(path().t3_expirations, 0u);
  send("c");
  ASSERT_EQ(count_data(listen()), 1u);
  EXPECT_EQ(path().cwnd, cwnd);
}

TEST_F(Section7Window, OfAnIdleAddressIsHalvedBeforeARetransmissionToo) {
  setup.profile.path_max_retrans = 0;
  open_with({ip(kFirst), ip(kSecond)});
  send("lost");
  listen();
  wait(path(0).rto);  // the first address fails: data goes to the second
  ASSERT_EQ(path(0).state, PathState::kInactive);
  listen();
  acknowledge_all();
  grow(64 * kPmdcs, 1);
  drain();
  const uint32_t cwnd = path(1).cwnd;
  ASSERT_EQ(host().shard().request_heartbeat(now, host().assoc, ip(kFirst)), Status::kOk);
  answer(listen());
  ASSERT_EQ(path(0).state, PathState::kActive);
  wait(minutes(10));
  send("lost");
  ASSERT_EQ(hear_one().destination, ip(kFirst));
  EXPECT_EQ(path(1).cwnd, cwnd);
  wait(path(0).rto);
  ASSERT_EQ(hear_one().destination, ip(kSecond));
  EXPECT_EQ(path(1).cwnd, 4 * kPmdcs);
  EXPECT_EQ(path(1).ssthresh, cwnd);
}

TEST_F(Section7Window, BoundsWhatIsInFlightWhateverIsAcknowledged) {
  open();
  SeededRandom random(72);
  Tsn acked = last_tsn();
  for (int step = 0; step < 2000; ++step) {
    fill();
    listen();
    const uint32_t cwnd = path().cwnd;
    ASSERT_GE(path().flight, cwnd) << "all that is allowed is used";
    ASSERT_LT(path().flight, cwnd + kPmdcs) << "overbooked by less than a packet (6.1 B)";
    const uint32_t flight = path().flight / kPmdcs;
    const auto n = static_cast<uint32_t>(random.below(flight + 1));
    acked = acked + n;
    tell(sack(acked));
    ASSERT_GE(path().cwnd, cwnd);
    ASSERT_LE(path().cwnd - cwnd, std::min(n, 1u) * kPmdcs) << "L is 1";
    if (path().cwnd > 200 * kPmdcs) break;
  }
  EXPECT_GT(path().cwnd, 200 * kPmdcs);
}

TEST_F(Section7Window, IsOneForEachAddress) {
  setup.profile.path_max_retrans = 20;
  open_with({ip(kFirst), ip(kSecond)});
  grow(20 * kPmdcs);
  EXPECT_EQ(path(1).cwnd, 4404u) << "nothing of it went there";
  drain();
  const uint32_t cwnd = path(0).cwnd;
  send(std::string(kFull, 'x'));
  ASSERT_EQ(hear_one().destination, ip(kFirst));
  EXPECT_EQ(path(0).flight, kPmdcs);
  EXPECT_EQ(path(1).flight, 0u);
  wait(path(0).rto);
  EXPECT_EQ(path(0).cwnd, kPmdcs);
  EXPECT_EQ(path(0).ssthresh, cwnd / 2);
  EXPECT_EQ(path(1).cwnd, 4404u) << "the timer of the first address says nothing of the second";
  EXPECT_EQ(path(1).ssthresh, UINT32_MAX);
  ASSERT_EQ(hear_one().destination, ip(kSecond));
  EXPECT_EQ(path(0).flight, 0u);
  EXPECT_EQ(path(1).flight, kPmdcs);
}

TEST_F(Section7Window, GrowsForTheAddressThatTheAcknowledgedDataWentTo) {
  setup.profile.path_max_retrans = 0;
  open_with({ip(kFirst), ip(kSecond)});
  fill();
  const size_t sent = count_data(listen());
  ASSERT_EQ(path(0).flight, sent * kPmdcs);
  wait(path(0).rto);
  ASSERT_EQ(count_data(listen()), sent) << "all of it again, to the second address";
  ASSERT_EQ(path(0).cwnd, kPmdcs);
  ASSERT_GE(path(1).flight, path(1).cwnd);
  tell(sack(host_tsn));
  EXPECT_EQ(path(0).cwnd, kPmdcs);
  EXPECT_EQ(path(1).cwnd, 4404 + kPmdcs);
}

TEST_F(Section7Window, CountsHeadersAndPadding) {
  open();
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(send("x"), Status::kOk);
  // A byte is a chunk of 20: 4404 / 20, and the one that overbooks.
  EXPECT_EQ(count_data(listen()), 221u);
  EXPECT_EQ(path().flight, 221 * 20u);
  tell(sack(host_tsn + 9));
  EXPECT_EQ(path().cwnd, 4404u + 10 * 20);
  EXPECT_EQ(path().flight, 211 * 20u);
  tell(sack(host_tsn + 9, {{2, 4}}));
  EXPECT_EQ(path().flight, 208 * 20u);
}

// ---------------------------------------------------------------- 7.2.1

TEST_F(Section7Window, BeginsAsTheFamilyAndThePathMtuSay) {
  struct Row {
    bool ipv6;
    uint16_t mtu;
    uint32_t cwnd;
  };
  const Row rows[] = {{false, 1500, 4404},    {true, 1500, 4344},      {false, 576, 4 * 544},
                      {true, 1280, 4344},     {false, 9000, 2 * 8968}, {true, 9000, 2 * 8948},
                      {false, 1133, 4 * 1100}};
  for (const Row& row : rows) {
    HostSetup mine = setup;
    mine.addresses = {ip(row.ipv6 ? "2001:db8::1" : "192.0.2.1")};
    mine.profile.path_mtu = row.mtu;
    HostSetup theirs = mine;
    theirs.addresses = {ip(row.ipv6 ? "2001:db8::2" : "192.0.2.2")};
    Host a(1, mine, now);
    Host z(2, theirs, now);
    ASSERT_EQ(a.connect(now, theirs.addresses, theirs.port).status, Status::kOk);
    for (int i = 0; i < 2; ++i) {
      z.receive(now, a.transmit(now));
      a.receive(now, z.transmit(now));
    }
    for (Host* host : {&a, &z}) {
      ASSERT_EQ(host->state(), AssocState::kEstablished);
      EXPECT_EQ(host->status().paths[0].cwnd, row.cwnd) << row.mtu;
      EXPECT_EQ(host->status().paths[0].ssthresh, UINT32_MAX);
      host->finish(now);
      EXPECT_EQ(host->violation(), "");
    }
  }
}

TEST_F(Section7Window, IsOnePacketAfterT3AndThenStartsSlowly) {
  open();
  grow(20 * kPmdcs);
  drain();
  const uint32_t cwnd = path().cwnd;
  for (int i = 0; i < 5; ++i) send("small");
  fill();
  listen();
  const Tsn first = host().status().next_tsn - static_cast<uint32_t>(path().flight / kPmdcs + 5);
  wait(path().rto);
  EXPECT_EQ(path().cwnd, kPmdcs);
  EXPECT_EQ(path().ssthresh, cwnd / 2);
  EXPECT_EQ(listen().size(), 1u);
  EXPECT_EQ(hear(), "");
  send("more");
  EXPECT_EQ(hear(), "") << "not before an acknowledgement, though cwnd has room for small ones";
  tell(sack(first + 20));
  EXPECT_LE(path().cwnd, 2 * kPmdcs);
  EXPECT_EQ(path().ssthresh, cwnd / 2);
  EXPECT_GE(listen().size(), 1u);
}

TEST_F(Section7Window, DoesNotGrowUnlessItIsFullyUsed) {
  open();
  for (int i = 0; i < 20; ++i) {
    for (int k = 0; k < 2; ++k) send(std::string(kFull, 'x'));
    ASSERT_EQ(count_data(listen()), 2u);
    acknowledge_all();
    ASSERT_EQ(path().cwnd, 4404u) << "two packets of three";
  }
  for (int k = 0; k < 3; ++k) send(std::string(kFull, 'x'));
  listen();
  acknowledge_all();
  EXPECT_EQ(path().cwnd, 4404 + kPmdcs);
}

TEST_F(Section7Window, SplitAcknowledgementsEarnNoMoreThanWhole) {
  open();
  for (int i = 0; i < 300; ++i) send("x");
  const size_t sent = count_data(listen());
  for (uint32_t i = 0; i < sent; ++i) {
    const uint32_t cwnd = path().cwnd;
    tell(sack(host_tsn + i));
    ASSERT_LE(path().cwnd - cwnd, 20u) << "as much as was acknowledged";
    listen();
  }
}

// ---------------------------------------------------------------- 7.2.2

TEST_F(Section7Window, InAvoidanceGrowsByOnePmdcsARoundTrip) {
  open();
  grow(40 * kPmdcs);
  lose_one();
  grow(path().ssthresh + 1);
  const uint32_t begin = path().cwnd;
  ASSERT_GT(begin, path().ssthresh);
  drain();
  Tsn acked = last_tsn();
  fill();
  listen();
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    // What is in flight now is acknowledged packet by packet, and replaced: a round trip.
    const uint32_t cwnd = path().cwnd;
    for (const Tsn end = last_tsn(); acked.before(end);) {
      tell(sack(++acked));
      fill();
      listen();
    }
    ASSERT_LE(path().cwnd, cwnd + kPmdcs);
  }
  EXPECT_GE(path().cwnd, begin + (kRounds - 1) * kPmdcs);
  EXPECT_LE(path().cwnd, begin + kRounds * kPmdcs);
}

TEST_F(Section7Window, InAvoidanceDoesNotGrowUnlessItIsFullyUsed) {
  open();
  grow(40 * kPmdcs);
  lose_one();
  grow(path().ssthresh + 1);
  drain();
  const uint32_t cwnd = path().cwnd;
  ASSERT_GT(cwnd, path().ssthresh);
  for (int i = 0; i < 200; ++i) {
    send(std::string(kFull, 'x'));
    listen();
    acknowledge_all();
  }
  EXPECT_EQ(path().cwnd, cwnd);
}

}  // namespace
}  // namespace trunkline::test
