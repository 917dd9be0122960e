// SPDX-License-Identifier: BSD-3-Clause
// The software port against Microsoft's verification suite for RSS, and what each kind of port
// does to the packets of one association.
#include "port_model.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "trunkline/stack/random.h"
#include "wire/crc32c.h"

namespace trunkline::test {
namespace {

IpAddress address(std::string_view text) {
  return *IpAddress::parse(text);
}

std::vector<uint8_t> header(uint16_t source_port, uint16_t destination_port, uint32_t tag) {
  std::vector<uint8_t> out(16);
  const auto store = [&](size_t at, uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      out[at + static_cast<size_t>(i)] = static_cast<uint8_t>(value >> (8 * (bytes - 1 - i)));
    }
  };
  store(0, source_port, 2);
  store(2, destination_port, 2);
  store(4, tag, 4);
  wire::write_checksum(out);
  return out;
}

struct Vector {
  const char* source;
  uint16_t source_port;
  const char* destination;
  uint16_t destination_port;
  uint32_t addresses;
  uint32_t ports;
};

// https://learn.microsoft.com/windows-hardware/drivers/network/verifying-the-rss-hash-calculation
constexpr Vector kVectors[] = {
    {"66.9.149.187", 2794, "161.142.100.80", 1766, 0x323e8fc2, 0x51ccc178},
    {"199.92.111.2", 14230, "65.69.140.83", 4739, 0xd718262a, 0xc626b0ea},
    {"24.19.198.95", 12898, "12.22.207.184", 38024, 0xd2d0a5de, 0x5c2b394a},
    {"38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xafc7327f},
    {"153.39.163.191", 44251, "202.188.127.2", 1303, 0x5d1809c5, 0x10e828a2},
    {"3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2cc18cd5, 0x40207d3d},
    {"3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0f0c461c, 0xdde51bbf},
    {"3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x4b61e985,
     0x02d1feef},
};

TEST(PortModel, HashesAsTheVerificationSuiteSays) {
  const ModelPort by_address(*find_port_model("ixgbe"), 4);
  PortModel with_ports = *find_port_model("ice");
  with_ports.key_size = 40;
  const ModelPort by_ports(with_ports, 4);
  for (const Vector& vector : kVectors) {
    const auto bytes = header(vector.source_port, vector.destination_port, 0x12345678);
    const PacketIn packet{address(vector.source), address(vector.destination), bytes};
    EXPECT_EQ(by_address.hash(packet), vector.addresses) << vector.source;
    EXPECT_EQ(by_ports.hash(packet), vector.ports) << vector.source;
  }
}

// Each bit of the input that is set adds the 32 bits of the key that begin at its place.
TEST(PortModel, HashesEveryLengthByTheDefinition) {
  SeededRandom random(1);
  std::vector<uint8_t> key(52);
  random.fill(key);
  const auto bit = [](const std::vector<uint8_t>& bytes, size_t at) -> uint32_t {
    return bytes[at / 8] >> (7 - at % 8) & 1u;
  };
  for (const size_t size : {8u, 12u, 16u, 32u, 36u, 40u}) {
    std::vector<uint8_t> input(size);
    random.fill(input);
    uint32_t wanted = 0;
    for (size_t at = 0; at < size * 8; ++at) {
      if (bit(input, at) == 0) continue;
      uint32_t window = 0;
      for (size_t i = 0; i < 32; ++i) window = window << 1 | bit(key, at + i);
      wanted ^= window;
    }
    EXPECT_EQ(toeplitz(key, input), wanted) << size;
  }
}

TEST(PortModel, TheTagCountsOnlyWhereItIsHashed) {
  const auto init = header(2905, 2905, 0);
  const auto data = header(2905, 2905, 0xfeedf00d);
  for (const PortModel& model : port_models()) {
    const ModelPort port(model, 4);
    const PacketIn first{address("192.0.2.1"), address("192.0.2.26"), init};
    const PacketIn then{address("192.0.2.1"), address("192.0.2.26"), data};
    EXPECT_EQ(port.hash(first) == port.hash(then), model.sctp != HashInput::kPortsAndTag)
        << model.name;
  }
}

// Telecom clients often share one source port: whoever hashes addresses still spreads them.
TEST(PortModel, ManyPeersWithOneSourcePortAreSpreadOverTheQueues) {
  const auto bytes = header(2905, 2905, 0xfeedf00d);
  for (const PortModel& model : port_models()) {
    for (uint16_t queues = 1; queues <= 4; ++queues) {
      const ModelPort port(model, queues);
      std::vector<int> count(queues);
      for (int peer = 0; peer < 1000; ++peer) {
        const auto source = IpAddress::ipv4(192, 0, static_cast<uint8_t>(peer / 250),
                                            static_cast<uint8_t>(1 + peer % 250));
        const uint16_t queue = port.queue_of({source, address("192.0.2.26"), bytes});
        ASSERT_LT(queue, queues);
        ++count[queue];
      }
      if (model.sctp == HashInput::kNothing) {
        EXPECT_EQ(count[0], 1000) << model.name;
        continue;
      }
      for (const int here : count) EXPECT_GT(here, 1000 / queues / 2) << model.name;
    }
  }
}

TEST(PortModel, OnlyASymmetricHashLeadsBothDirectionsToOneQueue) {
  for (const PortModel& model : port_models()) {
    if (model.sctp == HashInput::kNothing) continue;
    const ModelPort port(model, 4);
    int together = 0;
    for (uint16_t i = 0; i < 64; ++i) {
      const auto there = header(static_cast<uint16_t>(3000 + i), 2905, 7);
      const auto back = header(2905, static_cast<uint16_t>(3000 + i), 7);
      const auto a = IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(i + 1));
      const auto b = address("198.51.100.26");
      if (port.queue_of({a, b, there}) == port.queue_of({b, a, back})) ++together;
    }
    EXPECT_EQ(together == 64, model.symmetric) << model.name << ' ' << together;
  }
}

TEST(PortModel, FragmentsOfOnePairOfAddressesMeet) {
  for (const PortModel& model : port_models()) {
    const ModelPort port(model, 4);
    std::set<uint16_t> seen;
    for (uint8_t peer = 1; peer < 100; ++peer) {
      seen.insert(port.queue_of_fragment(IpAddress::ipv4(192, 0, 2, peer), address("192.0.2.200")));
    }
    EXPECT_EQ(seen.size(), model.fragments == HashInput::kNothing ? 1u : 4u) << model.name;
  }
}

TEST(PortModel, TheRedirectionTableDecides) {
  ModelPort port(*find_port_model("ice"), 4);
  ASSERT_EQ(port.redirection().size(), 512u);
  std::fill(port.redirection().begin(), port.redirection().end(), uint16_t{3});
  const auto bytes = header(2905, 2905, 1);
  EXPECT_EQ(port.queue_of({address("192.0.2.1"), address("192.0.2.26"), bytes}), 3);
}

TEST(PortModel, ChecksumsReceived) {
  const auto good = header(1, 2, 3);
  auto bad = good;
  bad[9] ^= 1;
  PortModel model = *find_port_model("no-rss");
  EXPECT_EQ(ModelPort(model, 1).said_of(good), ChecksumState::kUnchecked);
  model.receive_checksum = ReceiveChecksum::kTells;
  EXPECT_EQ(ModelPort(model, 1).said_of(good), ChecksumState::kGood);
  EXPECT_EQ(ModelPort(model, 1).said_of(bad), ChecksumState::kBad);
  model.receive_checksum = ReceiveChecksum::kSaysBad;
  EXPECT_EQ(ModelPort(model, 1).said_of(good), ChecksumState::kBad);
}

TEST(PortModel, ChecksumsSent) {
  auto packet = header(1, 2, 3);
  const auto whole = packet;
  std::fill(packet.begin() + 8, packet.begin() + 12, uint8_t{0});
  EXPECT_FALSE(ModelPort(*find_port_model("mlx5"), 1).fill_in(packet));
  EXPECT_NE(packet, whole);
  EXPECT_TRUE(ModelPort(*find_port_model("i40e"), 1).fill_in(packet));
  EXPECT_EQ(packet, whole);
}

}  // namespace
}  // namespace trunkline::test
