// SPDX-License-Identifier: BSD-3-Clause
#include "sockets/port_book.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace trunkline::sockets {
namespace {

int bind_error(Status status) {
  switch (status) {
    case Status::kOk:
      return 0;
    case Status::kInvalidAddress:
      return EINVAL;
    default:
      return EADDRINUSE;
  }
}

}  // namespace

int PortBook::bind(PortHolder& who, uint16_t port, std::vector<IpAddress> addresses) {
  const auto bound = BoundAddresses::of(addresses);
  if (!bound) return EINVAL;
  if (port != 0 && conflict(who, port, *bound)) return EADDRINUSE;
  return take(who, port, std::move(addresses));
}

int PortBook::change(PortHolder& who, std::vector<IpAddress> addresses,
                     std::span<const IpAddress> fresh) {
  if (!fresh.empty()) {
    const auto bound = BoundAddresses::of(fresh);
    if (!bound) return EINVAL;
    if (conflict(who, who.port, *bound)) return EADDRINUSE;
  }
  return take(who, who.port, std::move(addresses));
}

int PortBook::take(PortHolder& who, uint16_t port, std::vector<IpAddress> addresses) {
  PortClaim claim(table_, PortNumber(port), addresses, kPortOwner, random_, true);
  if (claim.status() != Status::kOk) return bind_error(claim.status());
  release(who);
  who.claim = std::move(claim);
  who.port = who.claim.port().value;
  who.addresses = std::move(addresses);
  enter(who);
  return 0;
}

int PortBook::may_listen(const PortHolder& who) const {
  const auto bound = BoundAddresses::of(who.addresses);
  if (!bound || conflict(who, who.port, *bound)) return EADDRINUSE;
  // Who shares all addresses is of one group, which takes turns.
  const auto& others = holders_.at(who.port);
  const bool torn = std::any_of(others.begin(), others.end(), [&](const PortHolder* other) {
    const auto theirs = BoundAddresses::of(other->addresses);
    if (other == &who || !other->listening || !theirs || *theirs == *bound) return false;
    return std::find_first_of(who.addresses.begin(), who.addresses.end(), other->addresses.begin(),
                              other->addresses.end()) != who.addresses.end();
  });
  return torn ? EEXIST : 0;
}

bool PortBook::share(PortHolder& fresh, const PortHolder& listener) {
  fresh.claim =
      PortClaim(table_, PortNumber(listener.port), listener.addresses, kPortOwner, random_, true);
  if (fresh.claim.status() != Status::kOk) return false;
  fresh.port = listener.port;
  fresh.addresses = listener.addresses;
  enter(fresh);
  return true;
}

void PortBook::release(PortHolder& who) {
  if (who.port != 0) {
    const auto at = holders_.find(who.port);
    std::erase(at->second, &who);
    if (at->second.empty()) holders_.erase(at);
  }
  who.port = 0;
  who.addresses.clear();
  who.claim = PortClaim();
}

bool PortBook::conflict(const PortHolder& who, uint16_t port,
                        const BoundAddresses& addresses) const {
  const auto at = holders_.find(port);
  if (at == holders_.end()) return false;
  return std::any_of(at->second.begin(), at->second.end(), [&](const PortHolder* other) {
    if (other == &who || (who.group != 0 && who.group == other->group)) return false;
    if (who.reuses() && other->reuses() && !other->listening) return false;
    if (who.shares() && other->shares() && who.uid == other->uid) return false;
    const auto theirs = BoundAddresses::of(other->addresses);
    return theirs && theirs->overlaps(addresses);
  });
}

void PortBook::enter(PortHolder& who) {
  holders_[who.port].push_back(&who);
}

}  // namespace trunkline::sockets
