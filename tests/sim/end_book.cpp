// SPDX-License-Identifier: BSD-3-Clause
// Who is bound to what.
#include "end_book.h"

#include <algorithm>
#include <string>

#include "endpoint/port_table.h"

namespace trunkline::sim {
namespace {

bool is_loopback(const IpAddress& address) {
  return address.scope() == AddressScope::kLoopback;
}

// All of 127.0.0.0/8 count as one where a free port is looked for.
bool names_loopback4(const BoundAddresses& bound) {
  return std::ranges::any_of(bound.named(), [](const IpAddress& address) {
    return address.is_ipv4() && is_loopback(address);
  });
}

}  // namespace

void EndBook::set_host(HostIndex host, std::vector<IpAddress> addresses, uint16_t free_ports) {
  hosts_[host] = {std::move(addresses), free_ports};
}

uint8_t EndBook::opened(TimePoint now, HostIndex host, PortNumber port,
                        const BoundAddresses& bound) {
  auto& ends = ends_[{host, port.value}];
  for (const End& end : ends) {
    if (end.lives && end.bound.overlaps(bound)) {
      verdict_.fail(now, "host " + std::to_string(host) + ": port " + std::to_string(port.value) +
                             " was given to two endpoints that have an address in common");
    }
  }
  auto at =
      std::find_if(ends.begin(), ends.end(), [&](const End& end) { return end.bound == bound; });
  if (at == ends.end()) at = ends.insert(at, {bound});
  at->lives = true;
  several_ = several_ || ends.size() > 1;
  return static_cast<uint8_t>(at - ends.begin());
}

void EndBook::closed(HostIndex host, PortNumber port, const BoundAddresses& bound) {
  for (End& end : ends_[{host, port.value}]) {
    if (end.bound == bound) end.lives = false;
  }
}

// What it opens when it is back has the same numbers, in their order, whatever its addresses are.
void EndBook::crashed(HostIndex host) {
  std::erase_if(ends_, [&](const auto& entry) { return entry.first.first == host; });
}

void EndBook::refused(TimePoint now, HostIndex host, const BoundAddresses& bound) {
  size_t taken = 0;
  for (const auto& [key, ends] : ends_) {
    if (key.first != host || key.second < PortTable::kFirstDynamic) continue;
    taken += std::any_of(ends.begin(), ends.end(), [&](const End& end) {
      return end.lives &&
             (end.bound.overlaps(bound) || (names_loopback4(end.bound) && names_loopback4(bound)));
    });
  }
  const uint16_t free_ports = hosts_[host].free_ports;
  if (free_ports == 0 || taken < free_ports) {
    verdict_.fail(now, "host " + std::to_string(host) +
                           ": no ephemeral port is left, though only " + std::to_string(taken) +
                           " of " + std::to_string(free_ports) + " are in use at these addresses");
  }
}

void EndBook::note_ephemeral(HostIndex host, PortNumber port) {
  ++ephemeral_;
  if (!given_.emplace(host, port.value).second) ++ephemeral_again_;
}

uint8_t EndBook::end_of(HostIndex host, const IpAddress& address, PortNumber port) const {
  if (!several_) return 0;
  const auto ends = ends_.find({host, port.value});
  if (ends == ends_.end()) return 0;
  uint8_t found = 0;
  for (size_t i = 0; i < ends->second.size(); ++i) {
    const End& end = ends->second[i];
    if (!end.bound.covers(address)) continue;
    found = static_cast<uint8_t>(i);
    if (end.lives) break;
  }
  return found;
}

bool EndBook::told_to(const IpAddress& peer, HostIndex host, const IpAddress& address,
                      PortNumber port, std::vector<IpAddress>& out) const {
  const auto ends = ends_.find({host, port.value});
  const auto has = hosts_.find(host);
  if (ends == ends_.end() || has == hosts_.end()) return false;
  const auto end = std::find_if(ends->second.begin(), ends->second.end(), [&](const End& one) {
    return one.lives && one.bound.covers(address);
  });
  if (end == ends->second.end()) return false;
  out.assign(end->bound.named().begin(), end->bound.named().end());
  // Who is bound to all of a family has one loopback address of it to tell of.
  std::vector<IpAddress> all = has->second.addresses;
  all.push_back(IpAddress::ipv4(127, 0, 0, 1));
  all.push_back(*IpAddress::parse("::1"));
  for (const IpAddress& one : all) {
    const bool covered = one.is_ipv4() ? end->bound.all_ipv4() : end->bound.all_ipv6();
    if (covered) out.push_back(one);
  }
  if (!is_loopback(peer)) std::erase_if(out, is_loopback);
  return true;
}

std::set<uint16_t> EndBook::ports_of(HostIndex host) const {
  std::set<uint16_t> out;
  for (const auto& [key, ends] : ends_) {
    if (key.first == host) out.insert(key.second);
  }
  return out;
}

}  // namespace trunkline::sim
