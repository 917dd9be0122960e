// SPDX-License-Identifier: BSD-3-Clause
// What is asked of ports that can do this and that.
#include "port/capabilities.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace trunkline::port
