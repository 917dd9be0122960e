// SPDX-License-Identifier: BSD-3-Clause
// The local side of an association. One for each endpoint, which owns it and changes it; its
// associations read it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/address_set.h"
#include "trunkline/stack/stack.h"

namespace trunkline {

// What an endpoint has that its associations need.
struct LocalEnd {
  EndpointId endpoint;
  PortNumber port;
  std::vector<IpAddress> addresses;     // that peers may be told of
  std::vector<uint8_t> prefix_lengths;  // of their networks, in their order; empty: not known
  // Bound to all that the host has: then it answers to more than it tells of, such as 127.0.0.2.
  bool all_ipv4 = false;
  bool all_ipv6 = false;
  const AddressSet* of_host = nullptr;  // all that the host has, on every port; null: not known

  [[nodiscard]] bool lists(const IpAddress& address) const {
    return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
  }
  [[nodiscard]] bool has_address(const IpAddress& address) const {
    return lists(address) || ((address.is_ipv4() ? all_ipv4 : all_ipv6) && is_ours(address));
  }
  // Has this host that address, for whichever endpoint? Every host has those of loopback.
  [[nodiscard]] bool is_ours(const IpAddress& address) const {
    if (of_host == nullptr) return lists(address);
    return address.scope() == AddressScope::kLoopback || of_host->contains(address);
  }
  // The local address from which `remote` is reached: of its family and scope, `preferred` if that
  // is ours and of its family. None if there is no such address.
  [[nodiscard]] IpAddress address_towards(const IpAddress& remote,
                                          const IpAddress& preferred = {}) const;
  // May packets go between the two: of one family, and of scopes that reach each other?
  [[nodiscard]] static bool fits(const IpAddress& local, const IpAddress& remote);
  // Does an address of ours mean something to that peer? Loopback to this host alone, what is
  // link-local to hosts of one link.
  [[nodiscard]] static bool means_something(const IpAddress& local, const IpAddress& remote) {
    return local.scope() >= remote.scope();
  }
  // What the directory has its associations under where a packet comes to `address`: the address
  // itself, or the one that stands for it.
  [[nodiscard]] IpAddress known_as(const IpAddress& address) const {
    return lists(address) || !has_address(address) ? address : address_towards(address);
  }
  // The addresses that do: INIT and INIT ACK announce these. None if the packet, which goes out
  // from `from`, says as much itself.
  [[nodiscard]] std::vector<IpAddress> announced_to(const IpAddress& remote,
                                                    const IpAddress& from) const;
  // Is `remote` in the network of that address, as far as known?
  [[nodiscard]] bool is_neighbour(size_t index, const IpAddress& remote) const;
};

}  // namespace trunkline
