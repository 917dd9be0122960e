// SPDX-License-Identifier: BSD-3-Clause
// What is asked of ports that can do this and that.
#include "port/capabilities.h"

#include <gtest/gtest.h>

#include <map>

#include "port_model.h"

namespace trunkline::port {
namespace {

TEST(Capabilities, OnlyWhatThePortHasIsAskedFor) {
  for (int bits = 0; bits < 8; ++bits) {
    PortCapabilities can;
    can.rx_ipv4_checksum = (bits & 1) != 0;
    can.rx_sctp_checksum = (bits & 2) != 0;
    can.tx_sctp_checksum = (bits & 4) != 0;
    const Offloads asked = choose_offloads(can);
    EXPECT_EQ(asked.rx_ipv4_checksum, can.rx_ipv4_checksum);
    EXPECT_EQ(asked.rx_sctp_checksum, can.rx_sctp_checksum);
    EXPECT_EQ(asked.tx_sctp_checksum, can.tx_sctp_checksum);
  }
}

TEST(Capabilities, RequestsThatCannotBeMet) {
  PortCapabilities can;
  can.driver = "net_x";
  can.max_rx_queues = 2;
  can.max_tx_queues = 1;
  can.min_mtu = 68;
  can.max_mtu = 1500;
  EXPECT_EQ(check_request(can, 1, 1500), "");
  EXPECT_EQ(check_request(can, 2, 1500),
            "2 queues were asked for, but driver net_x has 2 to receive and 1 to send");
  EXPECT_EQ(check_request(can, 1, 1501),
            "mtu 1501 was asked for, but driver net_x goes up to 1500");
  EXPECT_EQ(check_request(can, 1, 60), "mtu 60 was asked for, but driver net_x wants at least 68");
  can.max_mtu = 0;  // not said
  EXPECT_EQ(check_request(can, 1, 9000), "");
}

TEST(Capabilities, QueuesFollowTheWorkersAsFarAsThePortHasThem) {
  PortCapabilities can;
  can.max_rx_queues = 4;
  can.max_tx_queues = 3;
  EXPECT_EQ(choose_queues(can, 0, 1), 1);
  EXPECT_EQ(choose_queues(can, 0, 2), 2);
  EXPECT_EQ(choose_queues(can, 0, 8), 3);
  EXPECT_EQ(choose_queues(can, 5, 1), 5);  // what was asked for is refused later, not changed
  can.max_rx_queues = 0;
  EXPECT_EQ(choose_queues(can, 0, 2), 1);
}

constexpr uint16_t kOldFamily = kRssIpv4 | kRssIpv6;
constexpr uint16_t kByType = kRssIpv4Fragment | kRssIpv4Other | kRssIpv4Sctp | kRssIpv6Fragment |
                             kRssIpv6Other | kRssIpv6Sctp;

// As rte_eth_dev_info_get() of DPDK 22.11 has it; docs/nics.md tells where each comes from.
PortCapabilities reported_by(const test::PortModel& model) {
  static const std::map<std::string_view, std::pair<std::string, uint16_t>> kDrivers{
      {"i40e", {"net_i40e", kByType}},
      {"ice", {"net_ice", kByType | kOldFamily}},
      {"ixgbe", {"net_ixgbe", kOldFamily}},
      {"mlx5",
       {"mlx5_pci",
        kOldFamily | kRssIpv4Fragment | kRssIpv4Other | kRssIpv6Fragment | kRssIpv6Other}},
      {"virtio", {"net_virtio", 0}},
      {"virtio-rss", {"net_virtio", kOldFamily}},
      {"af_packet", {"net_af_packet", 0}},
      {"no-rss", {"net_x", 0}},
  };
  PortCapabilities can;
  const auto& [driver, types] = kDrivers.at(model.name);
  can.driver = driver;
  can.max_rx_queues = can.max_tx_queues = 16;
  can.rss_types = types;
  can.rss_key_size = static_cast<uint8_t>(model.key_size);
  can.redirection_size = model.reta_size;
  return can;
}

TEST(Rss, WhatIsAskedOfEveryFamilyIsWhatTheModelDoes) {
  for (const test::PortModel& model : test::port_models()) {
    const PortCapabilities can = reported_by(model);
    SeededRandom random(3);
    const RssChoice choice = choose_rss(can, 4, random);
    EXPECT_EQ(choice.types & ~can.rss_types, 0) << model.name;
    EXPECT_EQ(choice.ipv4, choice.ipv6) << model.name;
    if (can.rss_types == 0) {
      EXPECT_EQ(choice.types, 0);
      EXPECT_TRUE(choice.key.empty() && choice.redirection.empty());
      EXPECT_EQ(choice.ipv4, SctpSpread::kNot);
      continue;
    }
    EXPECT_EQ(choice.ipv4, model.sctp == test::HashInput::kAddresses ? SctpSpread::kAddresses
                                                                     : SctpSpread::kPorts);
    EXPECT_EQ(choice.key.size(), model.key_size);
    ASSERT_EQ(choice.redirection.size(), model.reta_size);
    std::vector<int> shares(4);
    for (const uint16_t queue : choice.redirection) ++shares.at(queue);
    for (const int share : shares) EXPECT_EQ(share, model.reta_size / 4) << model.name;
  }
}

TEST(Rss, EveryCombinationOfTypesAsksOnlyForWhatIsThere) {
  SeededRandom random(3);
  for (unsigned types = 0; types < 256; ++types) {
    PortCapabilities can;
    can.rss_types = static_cast<uint16_t>(types);
    const RssChoice choice = choose_rss(can, 2, random);
    EXPECT_EQ(choice.types & ~types, 0u);
    const auto expected = [&](unsigned family) {
      if ((family & kRssIpv4Sctp) != 0) return SctpSpread::kPorts;
      return (family & (kRssIpv4 | kRssIpv4Other)) != 0 ? SctpSpread::kAddresses : SctpSpread::kNot;
    };
    EXPECT_EQ(choice.ipv4, expected(types & 15)) << types;
    EXPECT_EQ(choice.ipv6, expected(types >> 4)) << types;
    EXPECT_EQ(choose_rss(can, 1, random).types, 0) << "one queue needs no spreading";
  }
}

TEST(Rss, TheKeyIsAnotherEachTime) {
  SeededRandom random(3);
  const PortCapabilities can = reported_by(*test::find_port_model("ice"));
  EXPECT_NE(choose_rss(can, 2, random).key, choose_rss(can, 2, random).key);
}

TEST(Rss, TheLogSaysWhatItMeans) {
  const auto line = [](std::string_view model, uint16_t queues) {
    SeededRandom random(3);
    const PortCapabilities can = reported_by(*test::find_port_model(model));
    return describe(choose_rss(can, queues, random), can, queues);
  };
  EXPECT_EQ(line("ice", 1), "driver net_ice, 1 queue");
  EXPECT_EQ(line("ice", 4),
            "driver net_ice, 4 queues; SCTP is spread by addresses and ports: paths of one "
            "association reach different queues, and workers hand over what is another's");
  EXPECT_EQ(line("i40e", 2),
            "driver net_i40e, 2 queues; SCTP is spread by addresses, ports and verification tag: "
            "an INIT and what follows it reach different queues, and workers hand over what is "
            "another's");
  EXPECT_EQ(line("mlx5", 2),
            "driver mlx5_pci, 2 queues; SCTP is spread by addresses: paths of one association "
            "reach different queues, and workers hand over what is another's");
  EXPECT_EQ(line("af_packet", 2),
            "driver net_af_packet, 2 queues, but no RSS: who sends, or the driver, chooses the "
            "queue, and workers hand over what is another's");
  PortCapabilities half;
  half.driver = "net_x";
  half.rss_types = kRssIpv4 | kRssIpv6Fragment;
  SeededRandom random(3);
  EXPECT_EQ(describe(choose_rss(half, 2, random), half, 2),
            "driver net_x, 2 queues; SCTP is spread by addresses (IPv4), not at all (IPv6): paths "
            "of one association reach different queues, and workers hand over what is another's");
}

}  // namespace
}  // namespace trunkline::port
