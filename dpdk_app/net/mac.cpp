// SPDX-License-Identifier: BSD-3-Clause
// Text and multicast forms of Ethernet addresses.
#include "net/mac.h"

namespace trunkline::net {

std::string MacAddress::to_string() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : bytes) {
    if (!out.empty()) out += ':';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

IpAddress solicited_node(const IpAddress& address) {
  const auto from = address.bytes();
  const std::array<uint8_t, 16> group{0xff, 2, 0, 0, 0,    0,        0,        0,
                                      0,    0, 0, 1, 0xff, from[13], from[14], from[15]};
  return IpAddress::from_ipv6(group);
}

MacAddress multicast_mac(const IpAddress& group) {
  const auto from = group.bytes();
  return {{0x33, 0x33, from[12], from[13], from[14], from[15]}};
}

IpAddress all_nodes() {
  const std::array<uint8_t, 16> group{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return IpAddress::from_ipv6(group);
}

}  // namespace trunkline::net
