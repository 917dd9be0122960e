// SPDX-License-Identifier: BSD-3-Clause
// Congestion control of one path against the numbers of RFC 9260 section 7.2.
#include "path/congestion.h"

#include <gtest/gtest.h>

#include "path/path.h"
#include "trunkline/stack/random.h"

namespace trunkline {
namespace {

constexpr uint32_t kPmdcs = 1468;  // Ethernet, IPv4

Congestion in_avoidance(uint32_t cwnd_wanted) {
  Congestion cc(kPmdcs, false);
  while (cc.cwnd() < 2 * cwnd_wanted) cc.on_ack(kPmdcs, cc.cwnd());
  cc.on_fast_retransmit();
  cc.on_ack(20, cc.cwnd());  // at ssthresh it is slow start still; one byte more and it is not
  return cc;
}

TEST(Congestion, TheInitialWindowIsThatOf721) {
  struct Row {
    uint32_t pmdcs;
    bool ipv6;
    uint32_t cwnd;
  };
  const Row rows[] = {
      {1468, false, 4404},                        // max(2936, 4404) below 5872
      {1448, true, 4344},                         // max(2896, 4344) below 5792
      {500, false, 2000},                         // four packets
      {500, true, 2000},                          //
      {8968, false, 17936},                       // two jumbo packets
      {8948, true, 17896},  {1101, false, 4404},  // 4 * PMDCS is 4404 exactly
      {1100, false, 4400},
  };
  for (const Row& row : rows) {
    const Congestion cc(row.pmdcs, row.ipv6);
    EXPECT_EQ(cc.cwnd(), row.cwnd) << row.pmdcs;
    EXPECT_EQ(cc.ssthresh(), UINT32_MAX);
    EXPECT_EQ(cc.partial_bytes_acked(), 0u);
  }
}

TEST(Congestion, SlowStartGrowsByWhatWasAcknowledgedAtMostOnePmdcs) {
  Congestion cc(kPmdcs, false);
  cc.on_ack(100, 4404);
  EXPECT_EQ(cc.cwnd(), 4504u);
  cc.on_ack(2936, 4504);
  EXPECT_EQ(cc.cwnd(), 4504u + kPmdcs) << "L is 1";
}

TEST(Congestion, SlowStartNeedsAFullyUsedWindow) {
  Congestion cc(kPmdcs, false);
  cc.on_ack(kPmdcs, 4403);
  EXPECT_EQ(cc.cwnd(), 4404u);
  cc.on_ack(0, 10000);
  EXPECT_EQ(cc.cwnd(), 4404u) << "nothing was acknowledged";
}

TEST(Congestion, AtSsthreshItIsSlowStartStill) {
  Congestion cc(kPmdcs, false);
  cc.on_fast_retransmit();  // ssthresh = cwnd = 4 * PMDCS = 5872
  ASSERT_EQ(cc.cwnd(), cc.ssthresh());
  cc.on_ack(kPmdcs, cc.cwnd());
  EXPECT_EQ(cc.cwnd(), 5872u + kPmdcs);
  EXPECT_EQ(cc.partial_bytes_acked(), 0u);
}

TEST(Congestion, AvoidanceGrowsByOnePmdcsPerWindowAcknowledged) {
  Congestion cc = in_avoidance(20000);
  const uint32_t cwnd = cc.cwnd();
  ASSERT_GT(cwnd, cc.ssthresh());
  uint32_t acked = 0;
  while (acked + 1484 < cwnd) {
    cc.on_ack(1484, cwnd);
    acked += 1484;  // with chunk header: 7.2.2 counts those
    ASSERT_EQ(cc.cwnd(), cwnd);
    ASSERT_EQ(cc.partial_bytes_acked(), acked);
  }
  cc.on_ack(1484, cwnd);
  EXPECT_EQ(cc.cwnd(), cwnd + kPmdcs);
  EXPECT_EQ(cc.partial_bytes_acked(), acked + 1484 - cwnd) << "the rest counts for the next time";
}

TEST(Congestion, AvoidanceWithoutUseKeepsAtMostOneWindowOfCredit) {
  Congestion cc = in_avoidance(20000);
  const uint32_t cwnd = cc.cwnd();
  for (int i = 0; i < 100; ++i) cc.on_ack(1484, cwnd - 1);
  EXPECT_EQ(cc.cwnd(), cwnd);
  EXPECT_EQ(cc.partial_bytes_acked(), cwnd);
  cc.on_ack(1484, cwnd);
  EXPECT_EQ(cc.cwnd(), cwnd + kPmdcs);
}

TEST(Congestion, WhenAllIsAcknowledgedTheCreditIsForfeit) {
  Congestion cc = in_avoidance(20000);
  cc.on_ack(1484, cc.cwnd());
  ASSERT_GT(cc.partial_bytes_acked(), 0u);
  cc.on_all_acked();
  EXPECT_EQ(cc.partial_bytes_acked(), 0u);
}

TEST(Congestion, T3StartsSlowlyFromOnePacket) {
  Congestion cc = in_avoidance(40000);
  const uint32_t cwnd = cc.cwnd();
  cc.on_ack(1484, cwnd);
  cc.on_t3_expiry();
  EXPECT_EQ(cc.ssthresh(), cwnd / 2);
  EXPECT_EQ(cc.cwnd(), kPmdcs);
  EXPECT_EQ(cc.partial_bytes_acked(), 0u);
  cc.on_t3_expiry();
  EXPECT_EQ(cc.ssthresh(), 4 * kPmdcs) << "never below four packets";
  EXPECT_EQ(cc.cwnd(), kPmdcs);
}

TEST(Congestion, FastRetransmitHalvesDownToFourPackets) {
  Congestion cc = in_avoidance(40000);
  const uint32_t cwnd = cc.cwnd();
  cc.on_fast_retransmit();
  EXPECT_EQ(cc.ssthresh(), cwnd / 2);
  EXPECT_EQ(cc.cwnd(), cwnd / 2);
  for (int i = 0; i < 10; ++i) cc.on_fast_retransmit();
  EXPECT_EQ(cc.ssthresh(), 4 * kPmdcs);
  EXPECT_EQ(cc.cwnd(), 4 * kPmdcs);
}

TEST(Congestion, AnIdleWindowIsHalvedOncePerRtoDownToFourPackets) {
  Congestion cc(kPmdcs, false);
  while (cc.cwnd() < 60000) cc.on_ack(kPmdcs, cc.cwnd());
  const uint32_t cwnd = cc.cwnd();
  Congestion once = cc;
  once.on_idle(0);
  EXPECT_EQ(once.cwnd(), cwnd);
  EXPECT_EQ(once.ssthresh(), UINT32_MAX);
  once.on_idle(1);
  EXPECT_EQ(once.cwnd(), cwnd / 2);
  EXPECT_EQ(once.ssthresh(), cwnd) << "what it was before the first adjustment";
  cc.on_idle(3);
  EXPECT_EQ(cc.cwnd(), cwnd / 8);
  EXPECT_EQ(cc.ssthresh(), cwnd);
  cc.on_idle(UINT64_MAX);
  EXPECT_EQ(cc.cwnd(), 4 * kPmdcs);
}

TEST(Congestion, IdlingLeavesASmallWindowAlone) {
  Congestion cc(kPmdcs, false);
  cc.on_idle(100);
  EXPECT_EQ(cc.cwnd(), 4404u) << "below 4 * PMDCS already";
  EXPECT_EQ(cc.ssthresh(), UINT32_MAX);
}

TEST(Congestion, ANewPathMtuChangesTheUnitOfGrowthOnly) {
  Congestion cc(kPmdcs, false);
  cc.set_pmdcs(500);
  EXPECT_EQ(cc.cwnd(), 4404u);
  cc.on_ack(5000, 4404);
  EXPECT_EQ(cc.cwnd(), 4904u);
  cc.on_t3_expiry();
  EXPECT_EQ(cc.cwnd(), 500u);
}

TEST(Congestion, ResetIsTheBeginning) {
  Congestion cc = in_avoidance(40000);
  cc.on_ack(1484, cc.cwnd());
  cc.reset();
  EXPECT_EQ(cc.cwnd(), 4404u);
  EXPECT_EQ(cc.ssthresh(), UINT32_MAX);
  EXPECT_EQ(cc.partial_bytes_acked(), 0u);
}

TEST(Congestion, NeverShrinksOnAcknowledgementsNorBelowOnePacket) {
  SeededRandom random(2);
  Congestion cc(kPmdcs, false);
  for (int i = 0; i < 100000; ++i) {
    const uint32_t before = cc.cwnd();
    switch (random.below(20)) {
      case 0:
        cc.on_t3_expiry();
        break;
      case 1:
        cc.on_fast_retransmit();
        break;
      case 2:
        cc.on_idle(random.below(4));
        break;
      default: {
        const uint32_t acked = static_cast<uint32_t>(random.below(6000));
        cc.on_ack(acked, static_cast<uint32_t>(random.below(2 * before)));
        ASSERT_GE(cc.cwnd(), before);
        ASSERT_LE(cc.cwnd() - before, kPmdcs);
        break;
      }
    }
    ASSERT_GE(cc.cwnd(), kPmdcs);
    ASSERT_GE(cc.ssthresh(), 4 * kPmdcs);
  }
}

// ---------------------------------------------------------------- Path

TEST(Path, CountsItsHeaders) {
  struct Row {
    uint16_t mtu;
    bool ipv6;
    size_t packet;
  };
  const Row rows[] = {{1500, false, 1480}, {1500, true, 1460},  {1280, true, 1240},
                      {576, false, 556},   {9000, false, 8980}, {1501, false, 1480},
                      {1503, true, 1460}};
  for (const Row& row : rows) {
    Profile profile;
    profile.path_mtu = row.mtu;
    const IpAddress address =
        row.ipv6 ? *IpAddress::parse("2001:db8::1") : IpAddress::ipv4(192, 0, 2, 1);
    const Path path(profile, address, address);
    EXPECT_EQ(path.packet_size(), row.packet) << row.mtu;
    EXPECT_EQ(path.pmdcs(), row.packet - 12);
    EXPECT_EQ(path.packet_size() % 4, 0u);
    EXPECT_FALSE(path.usable()) << "unconfirmed";
  }
}

}  // namespace
}  // namespace trunkline
