// SPDX-License-Identifier: BSD-3-Clause
// Stateless answers.
#include "endpoint/listener.h"

#include <algorithm>

#include "assoc/peer_addresses.h"
#include "assoc/setup_parameters.h"
#include "wire/valueless_chunks.h"

namespace trunkline {

ReplyBudget::Verdict ReplyBudget::judge(TimePoint now, const Endpoint* endpoint) {
  if (endpoint != nullptr && endpoint->out_of_blue == OutOfBlue::kSilent) return Verdict::kSilent;
  return per_second_ != 0 && bucket_.take(now, per_second_) ? Verdict::kAnswer : Verdict::kRate;
}

void answer_init(ShardContext& ctx, TimePoint now, const Endpoint& endpoint, const Profile& profile,
                 const InboundPacket& packet, const wire::InitChunk& init, VerificationTag tag,
                 Tsn initial_tsn) {
  const PeerAddresses peers = collect_peer_addresses(endpoint, packet.source, init.address_list());
  const SetupSide side{endpoint,        profile, tag, initial_tsn, profile.outbound_streams,
                       offered(profile)};
  Cookie cookie = cookie_for(side, now, packet.destination, peers, packet.header.source_port, init);
  if (init.cookie_preservative_ms) {
    // No more than doubled: a long life invites replay (3.3.2.1.1 leaves it to us).
    cookie.lifespan += std::min<Duration>(std::chrono::milliseconds(*init.cookie_preservative_ms),
                                          profile.valid_cookie_life);
  }
  answer_init_with(ctx, now, side, cookie, init, stateless_reply(profile, packet.source).limit);
}

void send_stale_cookie(ShardContext& ctx, TimePoint now, const Endpoint* endpoint,
                       const InboundPacket& packet, const Cookie& cookie) {
  ctx.counters.add(Counter::k_drop_stale_cookie);
  const auto late =
      std::chrono::duration_cast<std::chrono::microseconds>(now - cookie.created - cookie.lifespan);
  const uint32_t staleness =
      static_cast<uint32_t>(std::min<int64_t>(std::max<int64_t>(late.count(), 0), UINT32_MAX));
  write_stale_cookie(ctx, endpoint, packet, cookie, staleness);
}

void write_stale_cookie(ShardContext& ctx, const Endpoint* endpoint, const InboundPacket& packet,
                        const Cookie& cookie, uint32_t staleness_us) {
  const StatelessReply as = stateless_reply(endpoint, packet.source);
  queue_reply(ctx, packet.destination, packet.source, reply_head(packet, cookie.peer_tag), as.dscp,
              as.limit, [&](wire::PacketWriter& writer) {
                return wire::begin_error(writer) &&
                       wire::append_stale_cookie(writer, staleness_us) && writer.end_chunk();
              });
}

void answer_out_of_blue(ShardContext& ctx, TimePoint now, ReplyBudget& budget,
                        const Endpoint* endpoint, const InboundPacket& packet) {
  ctx.counters.add(Counter::k_out_of_blues);
  const wire::PacketShape& shape = packet.shape;
  const bool silent = shape.has_abort || shape.has_shutdown_complete ||
                      shape.has_stale_cookie_error || shape.has_cookie_ack;
  if (silent && !(shape.has_shutdown_ack && !shape.has_abort)) {
    ctx.counters.add(Counter::k_drop_out_of_blue);
    return;
  }
  const ReplyBudget::Verdict verdict = budget.judge(now, endpoint);
  if (verdict != ReplyBudget::Verdict::kAnswer) {
    const bool rate = verdict == ReplyBudget::Verdict::kRate;
    ctx.counters.add(rate ? Counter::k_drop_oob_rate : Counter::k_drop_oob_silent);
    return;
  }
  const bool complete = shape.has_shutdown_ack;
  const StatelessReply as = stateless_reply(endpoint, packet.source);
  const bool queued = queue_reply(ctx, packet.destination, packet.source,
                                  reply_head(packet, packet.header.verification_tag), as.dscp,
                                  as.limit, [&](wire::PacketWriter& writer) {
                                    return complete ? wire::write_shutdown_complete(writer, true)
                                                    : wire::write_abort(writer, true);
                                  });
  if (queued && !complete) ctx.counters.add(Counter::k_oob_aborts_sent);
}

}  // namespace trunkline
