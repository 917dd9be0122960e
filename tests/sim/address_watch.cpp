// SPDX-License-Identifier: BSD-3-Clause
// Who listed what, and whether associations keep to it.
#include "address_watch.h"

#include <algorithm>

#include "mangle.h"
#include "wire/common_header.h"

namespace trunkline::sim {

bool AddressWatch::Before::operator()(const IpAddress& a, const IpAddress& b) const {
  const auto left = a.bytes();
  const auto right = b.bytes();
  return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end());
}

void AddressWatch::sent(HostIndex from, const IpAddress& source, std::span<const uint8_t> packet) {
  const Announced announced = announced_in(packet, source);
  if (announced.tag == 0) return;
  const auto header = wire::CommonHeader::parse(packet);
  auto& list = lists_[{from, header->source_port.value, announced.tag}];
  list.insert(announced.addresses.begin(), announced.addresses.end());
}

void AddressWatch::check(TimePoint now, HostIndex host, HostIndex peer, const AssocStatus& status) {
  // Before the peer has answered, the paths are what the user named.
  if (status.peer_tag.value == 0) return;
  const auto list = lists_.find({peer, status.peer_port.value, status.peer_tag.value});
  if (list == lists_.end()) return;
  ++checks_;
  const std::string who = "host " + std::to_string(host) + ": a path to ";
  for (const PathStatus& path : status.paths) {
    if (network_.has(host, path.remote)) {
      verdict_.fail(now, who + path.remote.to_string() + ", which is the host's own address");
    } else if (!list->second.contains(path.remote)) {
      verdict_.fail(now, who + path.remote.to_string() + ", which the peer does not list (5.2)");
    }
  }
}

}  // namespace trunkline::sim
