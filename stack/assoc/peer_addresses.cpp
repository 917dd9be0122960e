// SPDX-License-Identifier: BSD-3-Clause
// Judging an INIT or INIT ACK, and building the answer.
#include "assoc/peer_addresses.h"

#include <algorithm>

namespace trunkline {

namespace {

// May an address of the list, which came from `source`, be used at all?
bool is_usable(const LocalEnd& local, const IpAddress& source, const IpAddress& address) {
  if (!address.is_unicast() || !may_be_peers(local, source, address)) return false;
  // Another host's loopback or link-local address is not ours to reach.
  if (address.scope() < source.scope()) return false;
  return !local.address_towards(address).is_none();
}

}  // namespace

bool may_be_peers(const LocalEnd& local, const IpAddress& source, const IpAddress& address) {
  return !local.is_ours(address) || local.is_ours(source);
}

bool leave_out_our_addresses(const LocalEnd& local, const IpAddress& source, Cookie& cookie) {
  const auto may_be = [&](const IpAddress& address) {
    return may_be_peers(local, source, address);
  };
  if (!may_be(cookie.peer_addresses[0])) return false;
  const PeerAddresses listed{cookie.peer_addresses, cookie.peer_address_count};
  for (const IpAddress& address : listed.list()) {
    if (!may_be(address)) cookie.leave_out(address);
  }
  return true;
}

PeerAddresses collect_peer_addresses(const LocalEnd& local, const IpAddress& source,
                                     std::span<const IpAddress> listed) {
  PeerAddresses out;
  out.addresses[out.count++] = source;
  for (const IpAddress& address : listed) {
    if (out.count == kMaxPaths) break;
    if (!is_usable(local, source, address)) continue;
    const auto end = out.addresses.begin() + static_cast<ptrdiff_t>(out.count);
    if (std::find(out.addresses.begin(), end, address) != end) continue;
    out.addresses[out.count++] = address;
  }
  return out;
}

PeerAddresses addresses_of(const Association& association) {
  PeerAddresses out;
  for (const Path* path : association.paths()) out.addresses[out.count++] = path->remote;
  return out;
}

bool lists_exactly(const LocalEnd& local, std::span<const IpAddress> expected,
                   const IpAddress& source, std::span<const IpAddress> listed) {
  const auto contains = [](std::span<const IpAddress> list, const IpAddress& address) {
    return std::find(list.begin(), list.end(), address) != list.end();
  };
  if (!contains(expected, source)) return false;
  for (const IpAddress& address : listed) {
    if (is_usable(local, source, address) && !contains(expected, address)) return false;
  }
  return std::all_of(expected.begin(), expected.end(), [&](const IpAddress& address) {
    return address == source || contains(listed, address);
  });
}

wire::CauseCode init_error_cause(wire::InitParseError error) {
  switch (error) {
    case wire::InitParseError::kMissingCookie:
      return wire::CauseCode::kMissingMandatoryParameter;
    case wire::InitParseError::kHostName:
      return wire::CauseCode::kUnresolvableAddress;
    case wire::InitParseError::kBadParameterLength:
      return wire::CauseCode::kProtocolViolation;
    default:
      return wire::CauseCode::kInvalidMandatoryParameter;
  }
}

bool append_init_error(wire::PacketWriter& writer, wire::InitParseError error,
                       const wire::InitChunk& init) {
  switch (error) {
    case wire::InitParseError::kMissingCookie: {
      const wire::ParameterType missing[] = {wire::ParameterType::kStateCookie};
      return wire::append_missing_mandatory_parameters(writer, missing);
    }
    case wire::InitParseError::kHostName:
      return wire::append_unresolvable_address(writer, init.host_name);
    case wire::InitParseError::kBadParameterLength:
      return wire::append_protocol_violation(writer, "a parameter has an impossible length");
    default:
      return wire::append_invalid_mandatory_parameter(writer);
  }
}

}  // namespace trunkline
