// SPDX-License-Identifier: BSD-3-Clause
#include "path/local_end.h"

#include <iterator>

namespace trunkline {

IpAddress LocalEnd::address_towards(const IpAddress& remote, const IpAddress& preferred) const {
  if (preferred.family() == remote.family() && has_address(preferred)) return preferred;
  IpAddress found;
  for (const IpAddress& address : addresses) {
    if (!fits(address, remote)) continue;
    const bool same_scope = address.scope() == remote.scope();
    if (found.is_none() || (same_scope && found.scope() != remote.scope())) found = address;
  }
  return found;
}

// A loopback address reaches loopback only; otherwise a wider scope may reach a narrower one.
bool LocalEnd::fits(const IpAddress& local, const IpAddress& remote) {
  if (local.family() != remote.family()) return false;
  return local.scope() == remote.scope() ||
         (local.scope() != AddressScope::kLoopback && remote.scope() != AddressScope::kLoopback);
}

std::vector<IpAddress> LocalEnd::announced_to(const IpAddress& remote,
                                              const IpAddress& from) const {
  const auto told = [&](const IpAddress& address) { return means_something(address, remote); };
  const auto more = [&](const IpAddress& address) { return told(address) && address != from; };
  std::vector<IpAddress> out;
  if (!std::any_of(addresses.begin(), addresses.end(), more)) return out;
  std::copy_if(addresses.begin(), addresses.end(), std::back_inserter(out), told);
  return out;
}

bool LocalEnd::is_neighbour(size_t index, const IpAddress& remote) const {
  return index < prefix_lengths.size() &&
         remote.has_prefix(addresses[index], prefix_lengths[index]);
}

}  // namespace trunkline
