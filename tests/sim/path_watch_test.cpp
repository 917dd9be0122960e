// SPDX-License-Identifier: BSD-3-Clause
// A sender that follows the rules of failover, and each way not to, as packets written by hand.
#include "path_watch.h"

#include <gtest/gtest.h>

#include <array>

#include "wire/data_chunk.h"
#include "wire/heartbeat_chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::sim {
namespace {

using std::chrono::milliseconds;

class PathWatching : public testing::Test {
 protected:
  static constexpr HostIndex kSender = 0;
  static constexpr HostIndex kPeer = 1;

  PathWatching() {
    for (NetIndex net = 0; net < 2; ++net) {
      network_.attach(kSender, local(net), net);
      network_.attach(kPeer, remote(net), net);
      watch_.named(kSender, kPeer, PortNumber(1), PortNumber(2), remote(net));
    }
    watch_.set_promise(kSender, {milliseconds(100), 1});
  }
  static IpAddress local(NetIndex net) { return IpAddress::ipv4(192, 0, net, 1); }
  static IpAddress remote(NetIndex net) { return IpAddress::ipv4(192, 0, net, 2); }
  static TimePoint at(int64_t ms) { return TimePoint() + milliseconds(ms); }

  template <typename Write>
  std::vector<uint8_t> packet(bool from_sender, Write&& write) {
    std::array<uint8_t, 200> room{};
    wire::PacketWriter writer(room);
    const auto [source, destination] = from_sender ? std::pair(1, 2) : std::pair(2, 1);
    writer.write_header(PortNumber(static_cast<uint16_t>(source)),
                        PortNumber(static_cast<uint16_t>(destination)), VerificationTag(7));
    write(writer);
    return {room.begin(), room.begin() + static_cast<ptrdiff_t>(writer.size())};
  }
  void send(int64_t ms, NetIndex net, const std::vector<uint8_t>& bytes) {
    watch_.sent(at(ms), kSender, kPeer, local(net), remote(net), bytes);
  }
  void data(int64_t ms, NetIndex net) {
    send(ms, net, packet(true, [](wire::PacketWriter& writer) {
           ASSERT_NE(wire::write_data_header(writer, wire::DataChunk{}, 4), nullptr);
         }));
  }
  void heartbeat(int64_t ms, NetIndex net, bool answered) {
    const std::array<uint8_t, 2> info{static_cast<uint8_t>(ms), net};
    send(ms, net, packet(true, [&](auto& w) { ASSERT_TRUE(wire::write_heartbeat(w, info)); }));
    if (!answered) return;
    watch_.delivered(at(ms + 1), kPeer, kSender, packet(false, [&](auto& w) {
                       ASSERT_TRUE(wire::write_heartbeat_ack(w, info));
                     }));
  }
  void cut(int64_t ms, NetIndex net) {
    watch_.cut(at(ms), kSender, kPeer, net);
    watch_.cut(at(ms), kPeer, kSender, net);
  }
  void restore(int64_t ms, NetIndex net) {
    watch_.restored(at(ms), kSender, kPeer, net);
    watch_.restored(at(ms), kPeer, kSender, net);
  }
  // Both are in use, and the first one dies at 10 ms.
  void first_dies() {
    data(1, 0);
    heartbeat(2, 1, true);
    cut(10, 0);
  }

  Verdict verdict_;
  Network network_{1};
  PathWatch watch_{verdict_, network_};
};

TEST_F(PathWatching, WhoLeavesInTimeIsRight) {
  first_dies();
  data(20, 0);
  data(170, 0);
  data(170, 1);
  EXPECT_FALSE(verdict_.failed()) << verdict_.what();
  EXPECT_EQ(watch_.failovers(), 1u);
  EXPECT_NEAR(watch_.slowest(), 1.5, 0.01);
}

TEST_F(PathWatching, DataIntoADeadPathForTooLongIsWrong) {
  first_dies();
  data(20, 0);
  data(60, 1);
  data(171, 0);
  EXPECT_NE(verdict_.what().find("DATA into a dead path"), std::string::npos);
}

TEST_F(PathWatching, DataIntoADeadPathThatATimeOutHasDrivenItFromIsWrong) {
  first_dies();
  data(20, 0);
  data(120, 1);
  EXPECT_FALSE(verdict_.failed()) << verdict_.what();
  data(121, 0);
  EXPECT_NE(verdict_.what().find("that a time-out had driven it from"), std::string::npos);
}

TEST_F(PathWatching, DataMayComeBackToADeadPathThatItLeftForAnotherReason) {
  first_dies();
  data(20, 0);
  data(60, 1);
  data(61, 0);
  EXPECT_FALSE(verdict_.failed()) << verdict_.what();
}

TEST_F(PathWatching, AHeartbeatWithoutAnAnswerCountsAsThePacketThatHadNone) {
  first_dies();
  heartbeat(20, 0, false);
  data(171, 0);
  EXPECT_NE(verdict_.what().find("DATA into a dead path"), std::string::npos);
}

TEST_F(PathWatching, DataThatWaitsForADeadPathIsWrong) {
  first_dies();
  data(20, 0);
  heartbeat(171, 1, true);
  EXPECT_NE(verdict_.what().find("DATA waits for a dead path"), std::string::npos);
}

TEST_F(PathWatching, WithoutASoundPathNothingIsPromised) {
  first_dies();
  cut(10, 1);
  data(20, 0);
  data(500, 0);
  EXPECT_FALSE(verdict_.failed()) << verdict_.what();
  // One answer is what the profile asks for; with another one it is in use for certain.
  restore(600, 1);
  heartbeat(610, 1, true);
  data(900, 0);
  EXPECT_FALSE(verdict_.failed()) << verdict_.what();
  heartbeat(910, 1, true);
  data(1060, 0);
  EXPECT_FALSE(verdict_.failed()) << verdict_.what();
  data(1062, 0);
  EXPECT_TRUE(verdict_.failed());
}

TEST_F(PathWatching, HalfADeadPathIsNotJudged) {
  data(1, 0);
  heartbeat(2, 1, true);
  watch_.cut(at(10), kSender, kPeer, 0);
  data(20, 0);
  data(500, 0);
  EXPECT_FALSE(verdict_.failed()) << verdict_.what();
}

TEST_F(PathWatching, NoDataBeforeTheAddressIsConfirmed) {
  const IpAddress third = IpAddress::ipv4(192, 0, 2, 2);
  network_.attach(kPeer, third, 2);
  const auto bytes = packet(true, [](wire::PacketWriter& writer) {
    ASSERT_NE(wire::write_data_header(writer, wire::DataChunk{}, 4), nullptr);
  });
  watch_.sent(at(1), kSender, kPeer, local(0), third, bytes);
  EXPECT_NE(verdict_.what().find("before the address is confirmed"), std::string::npos);
}

}  // namespace
}  // namespace trunkline::sim
