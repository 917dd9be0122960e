// SPDX-License-Identifier: BSD-3-Clause
// Ethernet addresses as values, and the multicast addresses that IPv6 needs (RFC 2464 section 7).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "trunkline/stack/address.h"

namespace trunkline::net {

struct MacAddress {
  std::array<uint8_t, 6> bytes{};
  bool operator==(const MacAddress&) const = default;

  static MacAddress from(const uint8_t* at) {
    MacAddress out;
    std::memcpy(out.bytes.data(), at, out.bytes.size());
    return out;
  }
  static constexpr MacAddress broadcast() { return {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }
  [[nodiscard]] bool is_multicast() const { return (bytes[0] & 1) != 0; }
  [[nodiscard]] bool is_zero() const { return *this == MacAddress{}; }
  [[nodiscard]] std::string to_string() const;  // "02:00:00:00:00:01"
};

// ff02::1:ffXX:XXXX of an address (RFC 4291 section 2.7.1).
[[nodiscard]] IpAddress solicited_node(const IpAddress& address);
// 33:33 and the last four bytes of a multicast IPv6 address.
[[nodiscard]] MacAddress multicast_mac(const IpAddress& group);
// ff02::1
[[nodiscard]] IpAddress all_nodes();

}  // namespace trunkline::net
