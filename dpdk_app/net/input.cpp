// SPDX-License-Identifier: BSD-3-Clause
// Which received frames may pass to ARP, ICMP or the stack.
#include "net/input.h"

namespace trunkline::net {
namespace {

// Neighbor Discovery is spoken to groups: all nodes, and the solicited node of our addresses.
bool is_our_group(const IpAddress& address, const LocalPort& port) {
  if (!address.is_ipv6() || address.bytes()[0] != 0xff) return false;
  if (address == all_nodes()) return true;
  for (const LocalPrefix& prefix : port.prefixes) {
    if (prefix.address.is_ipv6() && solicited_node(prefix.address) == address) return true;
  }
  return false;
}

// What is for one station comes to its own Ethernet address (RFC 1122 section 3.3.6): one frame
// must not make many answer. ARP asks everybody; Neighbor Discovery the group that it speaks to.
bool may_come_to_many(const Frame& frame, bool group) {
  if (frame.kind == FrameKind::kArp) return frame.destination_mac == MacAddress::broadcast();
  return group && frame.destination_mac == multicast_mac(frame.destination);
}

}  // namespace

std::optional<NetCounter> judge_addresses(const Frame& frame, const LocalPort& port,
                                          const RouteTable& routes) {
  const bool to_us = frame.destination_mac == port.mac;
  if (!to_us && !frame.destination_mac.is_multicast()) {
    return NetCounter::k_drop_not_our_mac;  // the port is promiscuous
  }
  if (frame.source_mac.is_multicast()) return NetCounter::k_drop_source_mac;
  const bool group = frame.kind == FrameKind::kIcmpv6 && is_our_group(frame.destination, port);
  const bool ours = frame.kind == FrameKind::kArp || group || port.has(frame.destination) ||
                    routes.has(frame.destination);
  if (!ours) return NetCounter::k_drop_not_our_address;
  if (!to_us && !may_come_to_many(frame, group)) return NetCounter::k_drop_group_mac;
  if (frame.kind == FrameKind::kArp) return std::nullopt;
  // Duplicate address detection comes from the unspecified address (RFC 4862 section 5.4.2).
  const bool detection = group && frame.source.is_unspecified();
  if (!detection && !frame.source.is_unicast()) return NetCounter::k_drop_ip_source;
  // No wire brings anything from or to loopback (RFC 1122 section 3.2.1.3).
  if (frame.source.scope() == AddressScope::kLoopback) return NetCounter::k_drop_ip_source;
  if (routes.has(frame.source)) return NetCounter::k_drop_own_source;
  if (routes.is_for_all_of_a_prefix(frame.source)) return NetCounter::k_drop_subnet_source;
  return std::nullopt;
}

}  // namespace trunkline::net
