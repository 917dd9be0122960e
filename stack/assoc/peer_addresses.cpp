// SPDX-License-Identifier: BSD-3-Clause
// Judging an INIT or INIT ACK, and building the answer.
#include "assoc/peer_addresses.h"

#include <algorithm>

namespace trunkline {

PeerAddresses collect_peer_addresses(const LocalEnd& local, const IpAddress& source,
                                     std::span<const IpAddress> listed) {
  PeerAddresses out;
  out.addresses[out.count++] = source;
  for (const IpAddress& address : listed) {
    if (out.count == kMaxPaths) break;
    if (!address.is_unicast()) continue;
    // Another host's loopback or link-local address is not ours to reach.
    if (address.scope() != AddressScope::kGlobal && source.scope() == AddressScope::kGlobal) {
      continue;
    }
    if (local.address_towards(address).is_none()) continue;
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

bool write_whole_init_ack(wire::PacketWriter& writer, const wire::InitFields& fields,
                          std::span<const IpAddress> addresses, std::span<const uint8_t> cookie,
                          const wire::InitChunk& init) {
  const auto reports = init.unrecognized_list();
  for (size_t count = reports.size(); count > 0; --count) {
    if (wire::write_init_ack(writer, fields, addresses, cookie, reports.first(count))) return true;
  }
  return wire::write_init_ack(writer, fields, addresses, cookie) ||
         wire::write_init_ack(writer, fields, {}, cookie);
}

}  // namespace trunkline
