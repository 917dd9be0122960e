// SPDX-License-Identifier: BSD-3-Clause
#include "trunkline/stack/bound_addresses.h"

#include <algorithm>

namespace trunkline {

std::optional<BoundAddresses> BoundAddresses::of(std::span<const IpAddress> list) {
  BoundAddresses out;
  out.all_ipv4_ = out.all_ipv6_ = list.empty();
  for (const IpAddress& address : list) {
    if (!address.is_none() && address.is_unspecified()) {
      out.all_ipv4_ = true;
      if (address.is_ipv6()) out.all_ipv6_ = true;
    } else if (!address.is_unicast()) {
      return std::nullopt;
    } else if (!out.covers(address)) {
      out.named_.push_back(address);
    }
  }
  const auto is_named = [](const IpAddress& address) { return !address.is_unspecified(); };
  if (out.is_all() && std::any_of(list.begin(), list.end(), is_named)) return std::nullopt;
  return out;
}

bool BoundAddresses::covers(const IpAddress& address) const {
  if (address.is_ipv4() ? all_ipv4_ : address.is_ipv6() && all_ipv6_) return true;
  return std::find(named_.begin(), named_.end(), address) != named_.end();
}

bool BoundAddresses::overlaps(const BoundAddresses& other) const {
  const auto covers_one_of = [](const BoundAddresses& some, std::span<const IpAddress> list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const IpAddress& address) { return some.covers(address); });
  };
  return (all_ipv4_ && other.all_ipv4_) || (all_ipv6_ && other.all_ipv6_) ||
         covers_one_of(*this, other.named_) || covers_one_of(other, named_);
}

bool BoundAddresses::operator==(const BoundAddresses& other) const {
  return all_ipv4_ == other.all_ipv4_ && all_ipv6_ == other.all_ipv6_ &&
         named_.size() == other.named_.size() &&
         std::all_of(named_.begin(), named_.end(),
                     [&](const IpAddress& address) { return other.covers(address); });
}

}  // namespace trunkline
