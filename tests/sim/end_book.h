// SPDX-License-Identifier: BSD-3-Clause
// Books on the endpoints of all hosts: their ports, and the addresses that they are bound to, as
// applications were told. A host may have several at one port; packets say by their address which
// one is meant. Holds them against what the verbs promise: no two that live have a port and an
// address in common, and an ephemeral port is refused only where none is left.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "network.h"
#include "trunkline/stack/bound_addresses.h"
#include "trunkline/stack/types.h"
#include "verdict.h"

namespace trunkline::sim {

class EndBook {
 public:
  explicit EndBook(Verdict& verdict) : verdict_(verdict) {}

  // What the host has beside loopback. `free_ports`: dynamic ones that are left to applications; 0:
  // all of them.
  void set_host(HostIndex host, std::vector<IpAddress> addresses, uint16_t free_ports);
  // Which of the port's endpoints it is, counted from 0; the same number for the same addresses.
  uint8_t opened(TimePoint now, HostIndex host, PortNumber port, const BoundAddresses& bound);
  void closed(HostIndex host, PortNumber port, const BoundAddresses& bound);
  void crashed(HostIndex host);
  // No ephemeral port was to be had for an endpoint with these addresses.
  void refused(TimePoint now, HostIndex host, const BoundAddresses& bound);
  // An association of this host with itself, between two ports: its packets go to the host itself.
  void expect_within(HostIndex host, PortNumber a, PortNumber b) {
    within_.emplace(host, std::min(a.value, b.value), std::max(a.value, b.value));
  }
  [[nodiscard]] bool is_within(HostIndex host, PortNumber a, PortNumber b) const {
    return within_.contains({host, std::min(a.value, b.value), std::max(a.value, b.value)});
  }

  // The newest endpoint at that address and port: 0 as well if there is none.
  [[nodiscard]] uint8_t end_of(HostIndex host, const IpAddress& address, PortNumber port) const;
  // All that the endpoint has which means something to that peer: what it tells it of. False: there
  // is no endpoint.
  [[nodiscard]] bool told_to(const IpAddress& peer, HostIndex host, const IpAddress& address,
                             PortNumber port, std::vector<IpAddress>& out) const;
  // That the host ever had.
  [[nodiscard]] std::set<uint16_t> ports_of(HostIndex host) const;
  // Ephemeral ones that were given out, and that were so again after they came back.
  [[nodiscard]] uint64_t ephemeral() const { return ephemeral_; }
  [[nodiscard]] uint64_t ephemeral_again() const { return ephemeral_again_; }
  void note_ephemeral(HostIndex host, PortNumber port);

 private:
  struct End {
    BoundAddresses bound;
    bool lives = true;
  };
  struct Has {
    std::vector<IpAddress> addresses;
    uint16_t free_ports = 0;
  };
  using Key = std::pair<HostIndex, uint16_t>;

  Verdict& verdict_;
  std::map<HostIndex, Has> hosts_;
  std::map<Key, std::vector<End>> ends_;
  std::set<std::tuple<HostIndex, uint16_t, uint16_t>> within_;
  std::set<Key> given_;   // ephemeral
  bool several_ = false;  // at one port
  uint64_t ephemeral_ = 0;
  uint64_t ephemeral_again_ = 0;
};

}  // namespace trunkline::sim
