// SPDX-License-Identifier: BSD-3-Clause
// Which addresses are ours, and through which port and neighbour a packet leaves. A path of an
// association is bound to its source address: the port that has it is the way out.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "net/mac.h"
#include "trunkline/stack/address.h"

namespace trunkline::net {

struct LocalPrefix {
  IpAddress address;
  uint8_t length = 0;
};

// What the network layer knows of a port.
struct LocalPort {
  MacAddress mac;
  uint16_t vlan = 0;
  uint16_t mtu = 1500;
  std::vector<LocalPrefix> prefixes;
  std::optional<IpAddress> gateway_v4;
  std::optional<IpAddress> gateway_v6;

  [[nodiscard]] bool has(const IpAddress& address) const;
  // Whether one of the prefixes holds `address` (or it is link-local IPv6).
  [[nodiscard]] bool on_link(const IpAddress& address) const;
  // Whether it is the broadcast or the network address of one of the prefixes, which no host has;
  // two addresses or one are all hosts (RFC 3021).
  [[nodiscard]] bool is_for_all_of_a_prefix(const IpAddress& address) const;
  // The address to ask a neighbour from: of the target's prefix where there is one.
  [[nodiscard]] std::optional<IpAddress> source_for(const IpAddress& target) const;
};

enum class RouteKind : uint8_t { kPort, kLoop, kNoPort, kNoRoute };

struct Route {
  RouteKind kind = RouteKind::kNoPort;
  uint16_t port = 0;  // index
  IpAddress next_hop;
};

class RouteTable {
 public:
  explicit RouteTable(std::vector<LocalPort> ports) : ports_(std::move(ports)) {}
  [[nodiscard]] const LocalPort& port(size_t index) const { return ports_[index]; }
  [[nodiscard]] LocalPort& port(size_t index) { return ports_[index]; }
  [[nodiscard]] size_t size() const { return ports_.size(); }
  // Of any port: what a wire may bring.
  [[nodiscard]] bool has(const IpAddress& address) const;
  // Of any port, or of loopback, which every host has and no wire.
  [[nodiscard]] bool is_local(const IpAddress& address) const {
    return address.scope() == AddressScope::kLoopback || has(address);
  }
  // Of any port: LocalPort::is_for_all_of_a_prefix().
  [[nodiscard]] bool is_for_all_of_a_prefix(const IpAddress& address) const;
  [[nodiscard]] Route route(const IpAddress& source, const IpAddress& destination) const;

 private:
  std::vector<LocalPort> ports_;
};

}  // namespace trunkline::net
