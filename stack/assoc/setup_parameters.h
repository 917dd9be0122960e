// SPDX-License-Identifier: BSD-3-Clause
// INIT and INIT ACK as we write them, and what the cookie remembers of an INIT (RFC 9260 sections
// 3.3.2, 3.3.3, 5.1.3, 5.2.1, 5.2.2): the one place, for an association that calls, for one that is
// called while it is there, and for an endpoint that has none yet.
#pragma once

#include <cstddef>
#include <cstdint>

#include "assoc/context.h"
#include "assoc/cookie.h"
#include "assoc/peer_addresses.h"
#include "path/local_end.h"
#include "wire/features.h"
#include "wire/init_chunk.h"
#include "wire/packet_writer.h"

namespace trunkline {

// The extensions of RFC 9260 that this stack has. Each that is built adds itself here.
inline constexpr wire::FeatureSet kExtensions{wire::Feature::kPartialReliability};

// What of them a profile offers to its peers.
[[nodiscard]] constexpr wire::FeatureSet offered(const Profile& profile) {
  wire::FeatureSet out;
  if (profile.partial_reliability) out.add(wire::Feature::kPartialReliability);
  return out;
}

// Our side of a set-up.
struct SetupSide {
  const LocalEnd& local;
  const Profile& profile;
  VerificationTag tag;
  Tsn initial_tsn;
  uint16_t outbound_streams = 0;  // at most
  wire::FeatureSet offers;
};

// The INIT that goes from one address to another. `cookie_extension_ms`: longer than usual, by so
// much; 0: no need. False: no room.
[[nodiscard]] bool write_our_init(wire::PacketWriter& writer, const SetupSide& side,
                                  const IpAddress& from, const IpAddress& to,
                                  uint32_t cookie_extension_ms);

// What an INIT from `peers` to our address `local` has to bring about, once it comes back.
[[nodiscard]] Cookie cookie_for(const SetupSide& side, TimePoint now, const IpAddress& local,
                                const PeerAddresses& peers, PortNumber peer_port,
                                const wire::InitChunk& init);

// Queues the INIT ACK with that cookie, to the first of its addresses, in a packet of at most
// `limit` bytes.
void answer_init_with(ShardContext& ctx, TimePoint now, const SetupSide& side, const Cookie& cookie,
                      const wire::InitChunk& init, size_t limit);

}  // namespace trunkline
