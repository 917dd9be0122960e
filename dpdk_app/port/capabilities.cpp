// SPDX-License-Identifier: BSD-3-Clause
// Choice of offloads.
#include "port/capabilities.h"

#include <fmt/format.h>

#include <algorithm>

namespace trunkline::port {

Offloads choose_offloads(const PortCapabilities& can) {
  // The IPv4 header checksum of what we send comes from a template: cheaper than a flag.
  return {can.rx_ipv4_checksum, can.rx_sctp_checksum, can.tx_sctp_checksum};
}

uint16_t choose_queues(const PortCapabilities& can, uint16_t asked, uint16_t workers) {
  if (asked != 0) return asked;
  return std::max<uint16_t>(1, std::min({workers, can.max_rx_queues, can.max_tx_queues}));
}

std::string check_request(const PortCapabilities& can, uint16_t queues, uint16_t mtu) {
  if (queues > can.max_rx_queues || queues > can.max_tx_queues) {
    return fmt::format("{} queues were asked for, but driver {} has {} to receive and {} to send",
                       queues, can.driver, can.max_rx_queues, can.max_tx_queues);
  }
  if (can.max_mtu != 0 && mtu > can.max_mtu) {
    return fmt::format("mtu {} was asked for, but driver {} goes up to {}", mtu, can.driver,
                       can.max_mtu);
  }
  if (mtu < can.min_mtu) {
    return fmt::format("mtu {} was asked for, but driver {} wants at least {}", mtu, can.driver,
                       can.min_mtu);
  }
  return {};
}

}  // namespace trunkline::port
