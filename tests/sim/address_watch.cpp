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

void AddressWatch::sent(TimePoint now, HostIndex from, const IpAddress& source,
                        const IpAddress& destination, std::span<const uint8_t> packet) {
  const Announced announced = announced_in(packet, source);
  if (announced.tag == 0) return;
  const auto header = wire::CommonHeader::parse(packet);
  auto& list = lists_[{from, header->source_port.value, announced.tag}];
  list.insert(announced.addresses.begin(), announced.addresses.end());
  if (liars_.contains(from)) return;
  check_list(now, from, header->source_port, source, destination, announced.addresses);
}

void AddressWatch::check_list(TimePoint now, HostIndex from, PortNumber port,
                              const IpAddress& source, const IpAddress& destination,
                              std::vector<IpAddress> said) {
  std::vector<IpAddress> expected;
  if (!ends_.told_to(destination, from, source, port, expected)) return;
  // One of 127.0.0.0/8 for which another one stands is told of by the packet alone.
  const std::set<IpAddress, Before> all(expected.begin(), expected.end());
  if (!all.contains(source)) std::erase(said, source);
  const std::set<IpAddress, Before> some(said.begin(), said.end());
  ++exact_;
  const std::string who = "host " + std::to_string(from) + " port " + std::to_string(port.value) +
                          " to " + destination.to_string() + ": ";
  for (const IpAddress& address : some) {
    if (all.contains(address)) continue;
    verdict_.fail(now, who + "lists " + address.to_string() +
                           ", which its endpoint does not have, or which means nothing there");
  }
  for (const IpAddress& address : all) {
    if (some.contains(address)) continue;
    verdict_.fail(now, who + "does not list " + address.to_string() + " of its endpoint");
  }
}

void AddressWatch::check(TimePoint now, HostIndex host, HostIndex peer, const AssocStatus& status) {
  // Before the peer has answered, the paths are what the user named.
  if (status.peer_tag.value == 0) return;
  const auto list = lists_.find({peer, status.peer_port.value, status.peer_tag.value});
  if (list == lists_.end()) return;
  ++checks_;
  const std::string who = "host " + std::to_string(host) + ": a path to ";
  for (const PathStatus& path : status.paths) {
    const bool own =
        network_.has(host, path.remote) || path.remote.scope() == AddressScope::kLoopback;
    if (own != (host == peer)) {
      verdict_.fail(now,
                    who + path.remote.to_string() +
                        (own ? ", which is the host's own address" : ", which is not its own"));
    } else if (!list->second.contains(path.remote)) {
      verdict_.fail(now, who + path.remote.to_string() + ", which the peer does not list (5.2)");
    }
  }
}

}  // namespace trunkline::sim
