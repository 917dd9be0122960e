// SPDX-License-Identifier: BSD-3-Clause
// The simulated network alone: each fault does what its name says, and nothing else.
#include "network.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "wire/crc32c.h"
#include "wire/packet_writer.h"

namespace trunkline::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart = TimePoint::from_ns(1'000'000'000);
const IpAddress kA = IpAddress::ipv4(192, 0, 2, 1);
const IpAddress kB = IpAddress::ipv4(192, 0, 2, 2);

std::vector<uint8_t> packet_with(wire::ChunkType type, size_t size = 100) {
  std::vector<uint8_t> room(size + 100);
  wire::PacketWriter writer(room);
  writer.write_header(PortNumber(1), PortNumber(2), VerificationTag(3));
  EXPECT_NE(writer.reserve_chunk(type, 0, size), nullptr);
  const auto packet = writer.finish(true);
  return {packet.begin(), packet.end()};
}

class NetworkTest : public testing::Test {
 protected:
  NetworkTest() {
    network_.attach(0, kA);
    network_.attach(1, kB);
  }
  Fate send(TimePoint now, const std::vector<uint8_t>& bytes) {
    return network_.send(now, 0, kA, kB, bytes);
  }
  std::vector<std::unique_ptr<NetPacket>> arrivals(TimePoint until) {
    std::vector<std::unique_ptr<NetPacket>> out;
    while (auto packet = network_.receive(until)) out.push_back(std::move(packet));
    return out;
  }
  LinkFaults& link() { return network_.link(0, 1); }

  Network network_{1};
};

TEST_F(NetworkTest, CarriesPacketsInOrderAfterTheDelay) {
  link().delay = milliseconds(7);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(send(kStart, packet_with(wire::ChunkType::kData, 100 + i)), Fate::kPassed);
  }
  EXPECT_EQ(network_.next_arrival(), kStart + milliseconds(7));
  EXPECT_TRUE(arrivals(kStart + milliseconds(7) - Duration(1)).empty());
  const auto got = arrivals(kStart + milliseconds(7));
  ASSERT_EQ(got.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(got[i]->bytes, packet_with(wire::ChunkType::kData, 100 + i));
    EXPECT_EQ(got[i]->to, 1);
    EXPECT_FALSE(got[i]->damaged);
  }
  EXPECT_TRUE(network_.next_arrival().is_never());
}

TEST_F(NetworkTest, LosesAboutAsMuchAsItIsTold) {
  link().loss = 250'000;
  size_t lost = 0;
  for (int i = 0; i < 4000; ++i) {
    lost += send(kStart, packet_with(wire::ChunkType::kData)) == Fate::kLost;
  }
  EXPECT_GT(lost, 800u);
  EXPECT_LT(lost, 1200u);
  EXPECT_EQ(arrivals(kStart + seconds(1)).size(), 4000 - lost);
}

TEST_F(NetworkTest, BurstyLossComesInBursts) {
  link().enter_bad = 20'000;
  link().leave_bad = 200'000;
  link().loss_when_bad = 1'000'000;
  size_t lost = 0;
  size_t runs = 0;
  bool before = false;
  for (int i = 0; i < 5000; ++i) {
    const bool now = send(kStart, packet_with(wire::ChunkType::kData)) == Fate::kLost;
    lost += now;
    runs += now && !before;
    before = now;
  }
  ASSERT_GT(runs, 10u);
  EXPECT_GT(lost, runs * 3) << "a burst has five packets on average";
}

// Who backs off sends so little that a burst of packets would outlast its patience.
TEST_F(NetworkTest, ABurstEndsByTimeToo) {
  link().enter_bad = 1'000'000;
  link().leave_bad = 0;
  link().loss_when_bad = 1'000'000;
  EXPECT_EQ(send(kStart, packet_with(wire::ChunkType::kData)), Fate::kLost);
  link().enter_bad = 0;
  EXPECT_EQ(send(kStart + seconds(9), packet_with(wire::ChunkType::kData)), Fate::kLost);
  EXPECT_EQ(send(kStart + seconds(10), packet_with(wire::ChunkType::kData)), Fate::kPassed);
}

TEST_F(NetworkTest, DropsTheNextPacketsWithAChunk) {
  network_.drop_next(0, 1, static_cast<uint8_t>(wire::ChunkType::kSack), 2);
  EXPECT_EQ(send(kStart, packet_with(wire::ChunkType::kData)), Fate::kPassed);
  EXPECT_EQ(send(kStart, packet_with(wire::ChunkType::kSack)), Fate::kLost);
  EXPECT_EQ(send(kStart, packet_with(wire::ChunkType::kSack)), Fate::kLost);
  EXPECT_EQ(send(kStart, packet_with(wire::ChunkType::kSack)), Fate::kPassed);
}

TEST_F(NetworkTest, CutsOneWayOnly) {
  link().cut = true;
  EXPECT_EQ(send(kStart, packet_with(wire::ChunkType::kData)), Fate::kLost);
  EXPECT_EQ(network_.send(kStart, 1, kB, kA, packet_with(wire::ChunkType::kData)), Fate::kPassed);
  network_.heal();
  EXPECT_EQ(send(kStart, packet_with(wire::ChunkType::kData)), Fate::kPassed);
}

TEST_F(NetworkTest, LargePacketsVanishBehindASmallMtu) {
  link().mtu = 600;
  EXPECT_EQ(send(kStart, packet_with(wire::ChunkType::kData, 600 - 20 - 16)), Fate::kPassed);
  EXPECT_EQ(send(kStart, packet_with(wire::ChunkType::kData, 600 - 20 - 15)), Fate::kTooBig);
}

TEST_F(NetworkTest, DamageIsSeenByTheChecksum) {
  link().corrupt = 1'000'000;
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(send(kStart, packet_with(wire::ChunkType::kData)), Fate::kDamaged);
  }
  for (const auto& packet : arrivals(kStart + seconds(1))) {
    EXPECT_TRUE(packet->damaged);
    EXPECT_FALSE(wire::verify_checksum(packet->bytes));
  }
}

TEST_F(NetworkTest, TruncationCutsTheEnd) {
  link().truncate = 1'000'000;
  const auto whole = packet_with(wire::ChunkType::kData);
  EXPECT_EQ(send(kStart, whole), Fate::kDamaged);
  const auto got = arrivals(kStart + seconds(1));
  ASSERT_EQ(got.size(), 1u);
  EXPECT_LT(got[0]->bytes.size(), whole.size());
  EXPECT_TRUE(std::equal(got[0]->bytes.begin(), got[0]->bytes.end(), whole.begin()));
}

TEST_F(NetworkTest, DuplicatesArriveTwiceOrThrice) {
  link().duplicate = 1'000'000;
  EXPECT_EQ(send(kStart, packet_with(wire::ChunkType::kData)), Fate::kDuplicated);
  const auto got = arrivals(kStart + seconds(1));
  ASSERT_GE(got.size(), 2u);
  EXPECT_LE(got.size(), 3u);
  EXPECT_EQ(got[0]->bytes, got[1]->bytes);
}

TEST_F(NetworkTest, JitterKeepsTheOrderAndReorderingDoesNot) {
  const auto inversions = [&] {
    std::vector<uint64_t> serials;
    for (int i = 0; i < 200; ++i) {
      static_cast<void>(send(kStart + Duration(i), packet_with(wire::ChunkType::kData)));
    }
    for (const auto& packet : arrivals(kStart + seconds(9))) serials.push_back(packet->serial);
    EXPECT_EQ(serials.size(), 200u);
    return !std::is_sorted(serials.begin(), serials.end());
  };
  link().jitter = milliseconds(50);
  EXPECT_FALSE(inversions());
  link().reorder = 300'000;
  link().reorder_by = milliseconds(50);
  EXPECT_TRUE(inversions());
}

TEST_F(NetworkTest, ALimitedRateQueuesAndThenDrops) {
  link().delay = Duration{};
  link().rate = 100'000;
  link().queue_limit = 5000;
  size_t passed = 0;
  for (int i = 0; i < 20; ++i) {
    passed += send(kStart, packet_with(wire::ChunkType::kData, 980 - 16 - 0)) == Fate::kPassed;
  }
  // 1,000 bytes with headers: 10 ms each, five waiting and one or two under way.
  EXPECT_GE(passed, 5u);
  EXPECT_LE(passed, 7u);
  EXPECT_EQ(arrivals(kStart + milliseconds(35)).size(), 3u);
}

TEST_F(NetworkTest, NobodyIsAtAnUnknownAddress) {
  EXPECT_EQ(network_.send(kStart, 0, kA, IpAddress::ipv4(192, 0, 2, 99),
                          packet_with(wire::ChunkType::kData)),
            Fate::kLost);
}

TEST(NetworkSeed, TheSameSeedDoesTheSame) {
  const auto run = [](uint64_t seed) {
    Network network(seed);
    network.attach(0, kA);
    network.attach(1, kB);
    LinkFaults& link = network.link(0, 1);
    link.loss = link.duplicate = link.corrupt = link.reorder = 200'000;
    link.reorder_by = link.jitter = milliseconds(10);
    std::vector<uint64_t> seen;
    for (int i = 0; i < 300; ++i) {
      static_cast<void>(
          network.send(kStart + milliseconds(i), 0, kA, kB, packet_with(wire::ChunkType::kData)));
    }
    while (const auto packet = network.receive(kStart + seconds(9))) {
      seen.push_back(packet->serial);
      seen.push_back(static_cast<uint64_t>(packet->arrives.ns()));
      seen.push_back(wire::crc32c(packet->bytes));
    }
    return seen;
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

}  // namespace
}  // namespace trunkline::sim
