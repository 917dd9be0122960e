// SPDX-License-Identifier: BSD-3-Clause
// What a host sends to itself stays there, and the simulator sees to it.
#include <gtest/gtest.h>

#include "simulator.h"
#include "wire/init_chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::sim {
namespace {

const IpAddress kOurs = IpAddress::ipv4(192, 0, 2, 1);
const IpAddress kTheirs = IpAddress::ipv4(192, 0, 2, 2);
const IpAddress kLoop = IpAddress::ipv4(127, 0, 0, 1);
constexpr PortNumber kCaller(50'000);
constexpr PortNumber kServer(20'000);

class Loopback : public testing::Test {
 protected:
  Loopback() {
    simulator.network().attach(0, kOurs);
    simulator.network().attach(1, kTheirs);
  }
  // Of an INIT between these addresses; empty: none.
  std::string fault_of(const IpAddress& source, const IpAddress& destination) {
    std::vector<uint8_t> room(100);
    wire::PacketWriter writer(room);
    writer.write_header(kCaller, kServer, VerificationTag(0));
    const wire::InitFields fields{VerificationTag(5), 5000, 1, 1, Tsn(1)};
    EXPECT_TRUE(wire::write_init(writer, fields, {}));
    PacketOut packet;
    packet.length = static_cast<uint16_t>(writer.finish(true).size());
    packet.room = room;
    packet.source = source;
    packet.destination = destination;
    leaves = simulator.send_packet(TimePoint::from_ns(1), 0, packet);
    return simulator.verdict().what();
  }
  Simulator simulator{1, {}};
  bool leaves = false;
};

TEST_F(Loopback, WhatIsForTheHostItselfGoesToNoLink) {
  simulator.ends().expect_within(0, kCaller, kServer);
  EXPECT_EQ(fault_of(kLoop, kLoop), "");
  EXPECT_FALSE(leaves);
  EXPECT_EQ(fault_of(kOurs, kOurs), "");
  EXPECT_FALSE(leaves);
  EXPECT_EQ(simulator.network().totals().sent, 0u);
  EXPECT_EQ(simulator.looped(), 2u);
  EXPECT_EQ(fault_of(kOurs, kTheirs), "");
  EXPECT_TRUE(leaves);
}

TEST_F(Loopback, ALoopbackAddressOnALinkIsAFault) {
  EXPECT_NE(fault_of(kLoop, kTheirs).find("loopback"), std::string::npos);
}

TEST_F(Loopback, AnotherAddressReachesNoLoopbackOne) {
  simulator.ends().expect_within(0, kCaller, kServer);
  EXPECT_NE(fault_of(kOurs, kLoop).find("loopback"), std::string::npos);
}

TEST_F(Loopback, WhatIsMeantForAnotherHostIsAFault) {
  EXPECT_NE(fault_of(kOurs, kOurs).find("somebody else"), std::string::npos);
}

}  // namespace
}  // namespace trunkline::sim
