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

// Either of the two options will do, at either end.
bool reuses(const PortHolder& who) {
  return who.reuse_address || who.reuse_sctp_port;
}

}  // namespace

int PortBook::bind(PortHolder& who, uint16_t port, std::vector<IpAddress> addresses) {
  const auto bound = BoundAddresses::of(addresses);
  if (!bound) return EINVAL;
  if (port != 0 && conflict(who, port, *bound)) return EADDRINUSE;
  // Its own claim must not stand in the way of a larger one.
  const std::vector<IpAddress> before = who.addresses;
  const uint16_t port_before = who.port;
  who.claim = PortClaim();
  PortClaim claim(table_, PortNumber(port), addresses, kPortOwner, random_);
  if (claim.status() != Status::kOk) {
    if (port_before != 0) {
      who.claim = PortClaim(table_, PortNumber(port_before), before, kPortOwner, random_);
    }
    return bind_error(claim.status());
  }
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
  // Workers give what comes to one listener; they cannot deal it out.
  const auto& others = holders_.at(who.port);
  const bool alone = std::none_of(others.begin(), others.end(), [&](const PortHolder* other) {
    const auto theirs = BoundAddresses::of(other->addresses);
    return other != &who && other->listening && theirs && theirs->overlaps(*bound);
  });
  return alone ? 0 : EADDRINUSE;
}

bool PortBook::share(PortHolder& fresh, const PortHolder& listener) {
  fresh.claim =
      PortClaim(table_, PortNumber(listener.port), listener.addresses, kPortOwner, random_);
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
    if (reuses(who) && reuses(*other) && !other->listening) return false;
    if (who.reuse_port && other->reuse_port && who.uid == other->uid) return false;
    const auto theirs = BoundAddresses::of(other->addresses);
    return theirs && theirs->overlaps(addresses);
  });
}

void PortBook::enter(PortHolder& who) {
  holders_[who.port].push_back(&who);
}

}  // namespace trunkline::sockets
