// SPDX-License-Identifier: BSD-3-Clause
#include "sockets/address_set.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sockets/socket_end.h"
#include "trunkline/stack/bound_addresses.h"

namespace trunkline::sockets {
namespace {

IpAddress ipv6_of(const in6_addr& from) {
  return IpAddress::from_ipv6(std::span<const uint8_t, 16>(from.s6_addr, 16));
}

IpAddress unspecified(bool ipv6) {
  return ipv6 ? IpAddress::from_ipv6(std::array<uint8_t, 16>{}) : IpAddress::ipv4(0, 0, 0, 0);
}

// Does the socket speak that family at all?
bool speaks(const SocketAddress& address, const FamilyView& family) {
  if (!family.ipv6) return address.address.is_ipv4() && !address.mapped;
  return address.address.is_ipv6() || !family.v6_only;
}

bool is_scoped(const SocketAddress& address) {
  return address.address.is_ipv6() && address.address.scope() == AddressScope::kLinkLocal;
}

}  // namespace

bool read_address(std::span<const uint8_t> bytes, SocketAddress& out) {
  sa_family_t family = 0;
  if (bytes.size() < sizeof(family)) return false;
  std::memcpy(&family, bytes.data(), sizeof(family));
  out = {};
  if (family == AF_INET) {
    sockaddr_in from{};
    if (bytes.size() < sizeof(from)) return false;
    std::memcpy(&from, bytes.data(), sizeof(from));
    uint8_t address[4];
    std::memcpy(address, &from.sin_addr, 4);
    out.address = IpAddress::from_ipv4(address);
    out.port = ntohs(from.sin_port);
    out.size = sizeof(from);
    return true;
  }
  if (family != AF_INET6) return false;
  sockaddr_in6 from{};
  if (bytes.size() < sizeof(from)) return false;
  std::memcpy(&from, bytes.data(), sizeof(from));
  out.mapped = IN6_IS_ADDR_V4MAPPED(&from.sin6_addr);
  out.address =
      out.mapped ? IpAddress::from_ipv4(std::span<const uint8_t, 4>(&from.sin6_addr.s6_addr[12], 4))
                 : ipv6_of(from.sin6_addr);
  out.port = ntohs(from.sin6_port);
  out.scope = from.sin6_scope_id;
  out.size = sizeof(from);
  return true;
}

bool read_addresses(std::span<const uint8_t> bytes, std::vector<SocketAddress>& out) {
  out.clear();
  while (!bytes.empty()) {
    SocketAddress one;
    if (!read_address(bytes, one)) return false;
    out.push_back(one);
    bytes = bytes.subspan(one.size);
  }
  return !out.empty();
}

bool means_all(std::span<const uint8_t> bytes) {
  sa_family_t family = 0;
  if (bytes.size() < sizeof(family)) return false;
  std::memcpy(&family, bytes.data(), sizeof(family));
  if (family == AF_UNSPEC) return true;
  SocketAddress address;
  return read_address(bytes, address) && address.address.is_unspecified() && !address.mapped;
}

bool OwnAddresses::has(const IpAddress& address) const {
  return address.scope() == AddressScope::kLoopback ||
         std::find(of_ports_.begin(), of_ports_.end(), address) != of_ports_.end();
}

std::vector<IpAddress> OwnAddresses::all(const FamilyView& family) const {
  std::vector<IpAddress> out;
  const bool v4 = !family.ipv6 || !family.v6_only;
  if (v4) out.push_back(IpAddress::ipv4(127, 0, 0, 1));
  if (family.ipv6) out.push_back(*IpAddress::parse("::1"));
  for (const IpAddress& address : of_ports_) {
    if (address.is_ipv4() ? v4 : family.ipv6) out.push_back(address);
  }
  return out;
}

int check_local(const SocketAddress& address, const FamilyView& family, const OwnAddresses& own) {
  if (!speaks(address, family)) return EINVAL;
  if (address.address.is_unspecified()) return 0;
  if (is_scoped(address) && address.scope == 0) return EADDRNOTAVAIL;
  return own.has(address.address) ? 0 : EADDRNOTAVAIL;
}

int check_peer(const SocketAddress& address, const FamilyView& family) {
  if (!speaks(address, family)) return EINVAL;
  if (is_scoped(address) && address.scope == 0) return EINVAL;
  return address.address.is_unicast() ? 0 : EINVAL;
}

tls_name name_of(const IpAddress& address, uint16_t port, const FamilyView& family) {
  return name_of(address, PortNumber(port), family.ipv6 ? AF_INET6 : AF_INET, family.mapped_v4);
}

tls_name wildcard_name(uint16_t port, const FamilyView& family) {
  return name_of(wildcard_of(family), port, family);
}

IpAddress wildcard_of(const FamilyView& family) {
  return unspecified(family.ipv6);
}

bool matches_bound(std::span<const IpAddress> bound, const IpAddress& address) {
  return std::any_of(bound.begin(), bound.end(), [&](const IpAddress& one) {
    const auto left = BoundAddresses::of({&one, 1});
    const auto right = BoundAddresses::of({&address, 1});
    return left && right && left->overlaps(*right);
  });
}

}  // namespace trunkline::sockets
