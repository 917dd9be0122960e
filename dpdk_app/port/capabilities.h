// SPDX-License-Identifier: BSD-3-Clause
// What a port can do, as plain data, and what we ask of it. Pure, so that the branches for NICs
// that are not here have tests: asking for an offload that a port lacks makes its configuration
// fail, and few ports know SCTP.
#pragma once

#include <cstdint>
#include <string>

namespace trunkline::port {

struct PortCapabilities {
  std::string driver;
  uint16_t max_rx_queues = 1;
  uint16_t max_tx_queues = 1;
  uint16_t min_mtu = 0;  // 0: not said
  uint16_t max_mtu = 0;
  bool rx_ipv4_checksum = false;
  bool rx_sctp_checksum = false;
  bool tx_ipv4_checksum = false;
  bool tx_sctp_checksum = false;
  bool rss_sctp = false;       // spreads SCTP packets by ports as well as addresses
  bool shared_memory = false;  // memif: a peer process that can die under us
};

struct Offloads {
  bool rx_ipv4_checksum = false;
  bool rx_sctp_checksum = false;
  bool tx_sctp_checksum = false;
};

[[nodiscard]] Offloads choose_offloads(const PortCapabilities& can);

// How many queue pairs to use: `asked`, or, if that is 0, one for each worker as far as the port
// has them.
[[nodiscard]] uint16_t choose_queues(const PortCapabilities& can, uint16_t asked, uint16_t workers);

// Empty when the port can have this many queue pairs and this MTU; else what is wrong.
[[nodiscard]] std::string check_request(const PortCapabilities& can, uint16_t queues, uint16_t mtu);

}  // namespace trunkline::port
