// SPDX-License-Identifier: BSD-3-Clause
// What an INIT or INIT ACK says about the peer, judged: which of its addresses are usable, and what
// to answer when the chunk is impossible (RFC 9260 sections 3.3.2, 5.1, 5.1.2). Pure functions, the
// same for an association and for the endpoint that has none yet.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "assoc/association.h"
#include "wire/cause.h"
#include "wire/init_chunk.h"

namespace trunkline {

// What an ABORT says to a peer whose addresses are not the expected ones.
inline constexpr std::string_view kOtherAddresses = "the addresses are not those expected of you";

struct PeerAddresses {
  std::array<IpAddress, kMaxPaths> addresses;
  size_t count = 0;
  [[nodiscard]] std::span<const IpAddress> list() const { return {addresses.data(), count}; }
};

// Can `address` be that of a peer whose packet came from `source`? An address of this host is only
// that of a peer on this host: to any other, what goes there never gets. Hosts have the same
// addresses for bridges of their own, or share one for failover, and list them.
[[nodiscard]] bool may_be_peers(const LocalEnd& local, const IpAddress& source,
                                const IpAddress& address);

// Of a cookie from `source`: since it was made, addresses of its list may have become ours. False:
// the one that the INIT came from did.
[[nodiscard]] bool leave_out_our_addresses(const LocalEnd& local, const IpAddress& source,
                                           Cookie& cookie);

// The source of the packet first, then of the list what is unicast, may be the peer's, means the
// same to both sides, and can be reached from a local address; each once, at most kMaxPaths.
[[nodiscard]] PeerAddresses collect_peer_addresses(const LocalEnd& local, const IpAddress& source,
                                                   std::span<const IpAddress> listed);

// What an association has.
[[nodiscard]] PeerAddresses addresses_of(const Association& association);

// Are the peer's addresses, the source and what it lists, those that are expected? Listed ones that
// could not be used anyway count for nothing.
[[nodiscard]] bool lists_exactly(const LocalEnd& local, std::span<const IpAddress> expected,
                                 const IpAddress& source, std::span<const IpAddress> listed);

// The cause that an ABORT for this error carries, and the cause itself.
[[nodiscard]] wire::CauseCode init_error_cause(wire::InitParseError error);
[[nodiscard]] bool append_init_error(wire::PacketWriter& writer, wire::InitParseError error,
                                     const wire::InitChunk& init);

}  // namespace trunkline
