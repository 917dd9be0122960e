// SPDX-License-Identifier: BSD-3-Clause
// What is answered without any state: an INIT to a listening endpoint (RFC 9260 section 5.1 B), an
// INIT that can't be accepted, a stale cookie, and packets out of the blue (8.4). All answers go
// to the reply queue; nothing is remembered.
#pragma once

#include <algorithm>
#include <string_view>

#include "assoc/context.h"
#include "assoc/errors.h"
#include "base/token_bucket.h"
#include "endpoint/endpoint.h"

namespace trunkline {

// Which answers to strangers may go out: those that their endpoint wants given (null: nobody has
// the port), and only so many a second.
class ReplyBudget {
 public:
  enum class Verdict : uint8_t { kAnswer, kSilent, kRate };

  explicit ReplyBudget(uint32_t per_second) : per_second_(per_second) {}
  [[nodiscard]] Verdict judge(TimePoint now, const Endpoint* endpoint);

 private:
  uint32_t per_second_;  // 0: none at all
  TokenBucket bucket_;
};

// The INIT ACK with its cookie, for an INIT that is in order.
void answer_init(ShardContext& ctx, TimePoint now, const Endpoint& endpoint, const Profile& profile,
                 const InboundPacket& packet, const wire::InitChunk& init, VerificationTag tag,
                 Tsn initial_tsn);

// How a stranger is answered: as the profile says that an association with it would be.
struct StatelessReply {
  uint8_t dscp = 0;
  size_t limit = 0;  // bytes of the largest SCTP packet
};
[[nodiscard]] inline StatelessReply stateless_reply(const Profile& profile, const IpAddress& peer) {
  const size_t header = peer.is_ipv4() ? kIpv4HeaderSize : kIpv6HeaderSize;
  return {profile.dscp,
          std::min<size_t>((profile.path_mtu - header) & ~size_t{3}, Reply::kMaxSize)};
}
// Null: nobody has the port.
[[nodiscard]] inline StatelessReply stateless_reply(const Endpoint* endpoint,
                                                    const IpAddress& peer) {
  return stateless_reply(endpoint != nullptr ? endpoint->profile_for(peer) : Profile{}, peer);
}

// Back to where a packet came from.
[[nodiscard]] inline PacketHead reply_head(const InboundPacket& packet, VerificationTag tag) {
  return {packet.header.destination_port, packet.header.source_port, tag};
}

// ABORT with the INIT's own tag (8.4, 3).
template <typename Append>
void refuse_init(ShardContext& ctx, const InboundPacket& packet, const Endpoint* endpoint,
                 VerificationTag initiate_tag, Append&& append) {
  const StatelessReply as = stateless_reply(endpoint, packet.source);
  queue_reply(ctx, packet.destination, packet.source, reply_head(packet, initiate_tag), as.dscp,
              as.limit, [&](wire::PacketWriter& writer) {
                return wire::begin_abort(writer, false) && append(writer) && writer.end_chunk();
              });
}

void send_stale_cookie(ShardContext& ctx, TimePoint now, const Endpoint* endpoint,
                       const InboundPacket& packet, const Cookie& cookie);
// The same without a counter; `staleness_us` 0 does not say how stale (3.3.10.3).
void write_stale_cookie(ShardContext& ctx, const Endpoint* endpoint, const InboundPacket& packet,
                        const Cookie& cookie, uint32_t staleness_us);

// Section 8.4, from rule 2 on; INIT and COOKIE ECHO have been dealt with.
void answer_out_of_blue(ShardContext& ctx, TimePoint now, ReplyBudget& budget,
                        const Endpoint* endpoint, const InboundPacket& packet);

}  // namespace trunkline
