// SPDX-License-Identifier: BSD-3-Clause
// Socket addresses as programs give and take them (struct sockaddr_in and sockaddr_in6, one behind
// the other), and the host's own addresses. What is wrong with one is said in Linux's errnos, in
// the order in which Linux's SCTP looks. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trunkline/socket_abi.h"
#include "trunkline/stack/address.h"

namespace trunkline::sockets {

// What of the two families a socket speaks.
struct FamilyView {
  bool ipv6 = false;      // AF_INET6
  bool v6_only = false;   // IPV6_V6ONLY
  bool mapped_v4 = true;  // SCTP_I_WANT_MAPPED_V4_ADDR: IPv4 is shown as ::ffff:192.0.2.1
};

struct SocketAddress {
  IpAddress address;  // IPv4 where it was IPv4-mapped
  uint16_t port = 0;
  uint32_t scope = 0;   // sin6_scope_id
  bool mapped = false;  // it was ::ffff:192.0.2.1
  size_t size = 0;      // bytes that it takes
};

// The address that `bytes` begin with: a known family, and as long as that family's are. False:
// there is none.
[[nodiscard]] bool read_address(std::span<const uint8_t> bytes, SocketAddress& out);

// One behind the other until the end of `bytes`; at least one. False: not so.
[[nodiscard]] bool read_addresses(std::span<const uint8_t> bytes, std::vector<SocketAddress>& out);

// Zeros, or the unspecified address of a family: "all of them" where an option names an address.
[[nodiscard]] bool means_all(std::span<const uint8_t> bytes);

// The addresses of this host's ports; those of loopback are always its own.
class OwnAddresses {
 public:
  OwnAddresses() = default;
  explicit OwnAddresses(std::vector<IpAddress> of_ports) : of_ports_(std::move(of_ports)) {}
  [[nodiscard]] bool has(const IpAddress& address) const;
  // Those that a socket that is bound to all of them has: of its families, loopback included.
  [[nodiscard]] std::vector<IpAddress> all(const FamilyView& family) const;

 private:
  std::vector<IpAddress> of_ports_;
};

// 0, EINVAL (not an address of the socket's families) or EADDRNOTAVAIL (not one of this host).
[[nodiscard]] int check_local(const SocketAddress& address, const FamilyView& family,
                              const OwnAddresses& own);
// 0 or EINVAL.
[[nodiscard]] int check_peer(const SocketAddress& address, const FamilyView& family);

// As the program is shown it: an IPv4 address in an AF_INET6 socket is mapped, unless it asked for
// none such.
[[nodiscard]] tls_name name_of(const IpAddress& address, uint16_t port, const FamilyView& family);
// Of a socket that is bound to nothing, or to all addresses.
[[nodiscard]] tls_name wildcard_name(uint16_t port, const FamilyView& family);
[[nodiscard]] IpAddress wildcard_of(const FamilyView& family);

// As BoundAddresses has it: does a socket that is bound to `bound` have `address`, or, if that is
// unspecified, any of its family?
[[nodiscard]] bool matches_bound(std::span<const IpAddress> bound, const IpAddress& address);

}  // namespace trunkline::sockets
