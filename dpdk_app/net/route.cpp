// SPDX-License-Identifier: BSD-3-Clause
// Prefixes, gateways and ownership of addresses.
#include "net/route.h"

#include "net/bytes.h"

namespace trunkline::net {

bool LocalPort::has(const IpAddress& address) const {
  for (const LocalPrefix& prefix : prefixes) {
    if (prefix.address == address) return true;
  }
  return false;
}

bool LocalPort::on_link(const IpAddress& address) const {
  if (address.is_ipv6() && address.scope() == AddressScope::kLinkLocal) return true;
  for (const LocalPrefix& prefix : prefixes) {
    if (address.has_prefix(prefix.address, prefix.length)) return true;
  }
  return false;
}

bool LocalPort::is_for_all_of_a_prefix(const IpAddress& address) const {
  if (!address.is_ipv4()) return false;
  const uint32_t value = load_be32(address.bytes().data());
  for (const LocalPrefix& prefix : prefixes) {
    if (!prefix.address.is_ipv4() || prefix.length > 30 || prefix.length == 0) continue;
    const uint32_t hosts = UINT32_MAX >> prefix.length;
    const uint32_t differs = value ^ load_be32(prefix.address.bytes().data());
    if ((differs & ~hosts) == 0 && ((value & hosts) == 0 || (value & hosts) == hosts)) return true;
  }
  return false;
}

std::optional<IpAddress> LocalPort::source_for(const IpAddress& target) const {
  std::optional<IpAddress> any;
  for (const LocalPrefix& prefix : prefixes) {
    if (target.has_prefix(prefix.address, prefix.length)) return prefix.address;
    if (!any && prefix.address.family() == target.family()) any = prefix.address;
  }
  return any;
}

bool RouteTable::has(const IpAddress& address) const {
  for (const LocalPort& port : ports_) {
    if (port.has(address)) return true;
  }
  return false;
}

bool RouteTable::is_for_all_of_a_prefix(const IpAddress& address) const {
  for (const LocalPort& port : ports_) {
    if (port.is_for_all_of_a_prefix(address)) return true;
  }
  return false;
}

Route RouteTable::route(const IpAddress& source, const IpAddress& destination) const {
  if (is_local(destination)) return {RouteKind::kLoop, 0, destination};
  for (size_t i = 0; i < ports_.size(); ++i) {
    const LocalPort& port = ports_[i];
    if (!port.has(source)) continue;
    const auto index = static_cast<uint16_t>(i);
    if (port.on_link(destination)) return {RouteKind::kPort, index, destination};
    const auto& gateway = destination.is_ipv4() ? port.gateway_v4 : port.gateway_v6;
    if (!gateway) return {RouteKind::kNoRoute, index, {}};
    return {RouteKind::kPort, index, *gateway};
  }
  return {RouteKind::kNoPort, 0, {}};
}

}  // namespace trunkline::net
