// SPDX-License-Identifier: BSD-3-Clause
// Which of this host's addresses an endpoint is bound to: the ones that were named, or all of a
// family. Two endpoints may have one port as long as no address is bound to both.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "trunkline/stack/address.h"

namespace trunkline {

class BoundAddresses {
 public:
  // As bind() has it (RFC 6458 sections 3.1.2, 9.1). An empty list: all that the host has, those
  // that come later included. The unspecified address alone: of IPv4 all of that family, of IPv6
  // all of both. Nothing: an address that is not unicast, or named ones beside an unspecified one.
  static std::optional<BoundAddresses> of(std::span<const IpAddress> list);

  [[nodiscard]] bool all_ipv4() const { return all_ipv4_; }
  [[nodiscard]] bool all_ipv6() const { return all_ipv6_; }
  [[nodiscard]] bool is_all() const { return all_ipv4_ || all_ipv6_; }
  // Each once, in the order in which they were named; none if it is all.
  [[nodiscard]] std::span<const IpAddress> named() const { return named_; }

  // Of an address that this host has.
  [[nodiscard]] bool covers(const IpAddress& address) const;
  [[nodiscard]] bool overlaps(const BoundAddresses& other) const;
  // The same addresses, in whatever order.
  [[nodiscard]] bool operator==(const BoundAddresses& other) const;

 private:
  bool all_ipv4_ = false;
  bool all_ipv6_ = false;
  std::vector<IpAddress> named_;
};

}  // namespace trunkline
