// SPDX-License-Identifier: BSD-3-Clause
// Setting an association up (RFC 9260 sections 5.1, 5.2.3, 5.2.5, 5.2.6): INIT, INIT ACK, COOKIE
// ECHO, COOKIE ACK on the connecting side, and the accepted association's first moment.
#include <algorithm>

#include "assoc/context.h"
#include "assoc/errors.h"
#include "assoc/peer_addresses.h"
#include "assoc/setup_parameters.h"

namespace trunkline {

bool Association::start_connect(ShardContext& ctx, TimePoint now, std::span<const IpAddress> peers,
                                uint16_t outbound_streams) {
  passage(ctx).offered_streams = outbound_streams;
  sender_.set_streams(outbound_streams);
  for (const IpAddress& peer : peers) {
    if (paths_.find(peer) != nullptr || paths_.size() == kMaxPaths) continue;
    if (!add_path(ctx, peer)) return false;
  }
  paths_.name_all();
  passage_->sent_at = now;
  pending_ = kPendingInit;
  mark_ready(ctx);
  return true;
}

bool Association::start_accepted(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                                 const Cookie& cookie) {
  if (!add_paths(ctx, cookie)) return false;
  come_up(ctx, now, packet);
  ctx.counters.add(Counter::k_passive_estabs);
  emit_up(ctx, EventKind::kAccepted, cookie.peer_adaptation);
  schedule(ctx);
  return true;
}

bool Association::add_paths(ShardContext& ctx, const Cookie& cookie) {
  for (const IpAddress& peer : cookie.peers()) {
    const bool first = paths_.size() == 0;  // the INIT came from there, and to this address
    if (!add_path(ctx, peer, first ? cookie.local_address : IpAddress())) return false;
  }
  return true;
}

void Association::come_up(ShardContext& ctx, TimePoint now, const InboundPacket& packet) {
  // Only the address that the INIT ACK went to is known to work (5.4).
  paths_.primary().state = PathState::kActive;
  enter_established(ctx, now);
  pending_ = kPendingCookieAck;
  if (const Path* const path = paths_.find(packet.source)) cookie_ack_path_ = path->index;
  mark_ready(ctx);
}

void Association::on_init_ack(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                              const wire::ChunkView& chunk) {
  if (state_ != AssocState::kCookieWait) {
    ctx.counters.add(Counter::k_drop_unexpected_init_ack);  // 5.2.3
    return;
  }
  wire::InitParseResult parsed = wire::InitChunk::parse(chunk, true, offered(*profile_));
  const wire::InitChunk& init_ack = parsed.init;
  if (parsed.ok()) parsed.error = wire::validate_init(init_ack, true);
  if (!parsed.ok()) ctx.counters.add(Counter::k_drop_bad_init_ack);
  const auto refuse = [&](VerificationTag tag, const auto& write) {
    queue_answer(ctx, packet, tag, write);
  };
  if (parsed.error == wire::InitParseError::kTooShort) return;  // no tag to answer with
  if (parsed.error == wire::InitParseError::kZeroTag) {
    // Nor here: it is reflected, and the attempt is over (3.3.3).
    refuse(packet.header.verification_tag, [&](wire::PacketWriter& writer) {
      return wire::begin_abort(writer, true) && append_init_error(writer, parsed.error, init_ack) &&
             writer.end_chunk();
    });
    end_with_abort(ctx, Reason::kPeerViolation,
                   static_cast<uint16_t>(init_error_cause(parsed.error)));
    return;
  }
  if (parsed.error == wire::InitParseError::kSmallWindow) {
    // The one mistake that must not cost the attempt (3.3.3): T1 asks again.
    refuse(init_ack.initiate_tag, [&](wire::PacketWriter& writer) {
      return wire::begin_abort(writer, false) &&
             append_init_error(writer, parsed.error, init_ack) && writer.end_chunk();
    });
    return;
  }
  peer_tag_ = init_ack.initiate_tag;
  if (!parsed.ok()) {
    state_ = AssocState::kCookieEchoed;  // the peer's tag is known now: it can be told
    if (const Path* const from = paths_.find(packet.source)) paths_.begin_with(*from);  // 5.1.2 B
    abort_with(ctx, Reason::kPeerViolation, init_error_cause(parsed.error),
               [&](wire::PacketWriter& writer) {
                 return append_init_error(writer, parsed.error, init_ack);
               });
    return;
  }
  if (!accepts_addresses(packet.source, init_ack.address_list())) {
    ctx.counters.add(Counter::k_drop_peer_addresses);
    state_ = AssocState::kCookieEchoed;
    const Path* const asked = paths_.find(packet.source);
    if (asked != nullptr) paths_.begin_with(*asked);
    abort_with(ctx, Reason::kPeerViolation, wire::CauseCode::kProtocolViolation,
               [](wire::PacketWriter& writer) {
                 return wire::append_protocol_violation(writer, kOtherAddresses);
               });
    return;
  }
  accept_init_ack(ctx, packet, init_ack);
  state_ = AssocState::kCookieEchoed;
  if (passage_->retries == 0)
    paths_.at(setup_path_).rto.on_sample(*profile_, now - passage_->sent_at);
  // A peer that calls each of its cookies stale must not keep us busy for ever (5.2.6).
  if (passage_->cookie_extension_ms == 0) passage_->retries = 0;
  passage_->sent_at = now;
  passage_->t1 = TimePoint::never();
  keep_for_echo(init_ack);
  pending_ = kPendingCookieEcho;
}

bool Association::accepts_addresses(const IpAddress& source,
                                    std::span<const IpAddress> listed) const {
  if (profile_->peer_address_check == AddressCheck::kLoose) return true;
  return lists_exactly(local_, addresses_of(*this).list(), source, listed);
}

// Takes over what the INIT ACK says.
void Association::accept_init_ack(ShardContext& ctx, const InboundPacket& packet,
                                  const wire::InitChunk& init_ack) {
  features_ = offered(*profile_) & wire::announced(init_ack);
  passage_->peer_adaptation = init_ack.adaptation;
  sender_.begin(std::min(sender_.streams(), init_ack.inbound_streams), init_ack.a_rwnd);
  receiver_.begin(init_ack.initial_tsn,
                  std::min(profile_->max_inbound_streams, init_ack.outbound_streams));
  drop_unlisted_paths(ctx, packet.source, init_ack.address_list());
  PeerAddresses peers = collect_peer_addresses(local_, packet.source, init_ack.address_list());
  for (const IpAddress& peer : peers.list()) {
    if (paths_.find(peer) != nullptr || paths_.size() == kMaxPaths) continue;
    if (!add_path(ctx, peer)) break;
  }
  // The COOKIE ECHO goes where the answer came from, unless the peer alone speaks for that address:
  // only what our user named is confirmed without a HEARTBEAT (5.4).
  const Path* const from = paths_.find(packet.source);
  if (from != nullptr && from->index < paths_.named()) setup_path_ = from->index;
}

// The peer's addresses are the one that its INIT ACK came from and those that it lists (3.3.3).
// What our user named beside them is not the peer's.
void Association::drop_unlisted_paths(ShardContext& ctx, const IpAddress& source,
                                      std::span<const IpAddress> listed) {
  const auto is_peers = [&](const Path* path) {
    return path->remote == source ||
           (may_be_peers(local_, source, path->remote) &&
            std::find(listed.begin(), listed.end(), path->remote) != listed.end());
  };
  // If none is left that our user named, all stay: the COOKIE ECHO may go nowhere else.
  const PacketCounts before = counted(ctx);
  if (paths_.keep_only(ctx.path_memory, is_peers)) setup_path_ = 0;
  keep_counted(ctx, before);
  forget_overrides(ctx);
}

void Association::forget_address(ShardContext& ctx, const IpAddress& remote) {
  const PacketCounts before = counted(ctx);
  const auto gone = paths_.remove(ctx.path_memory, remote);
  if (!gone) return;
  keep_counted(ctx, before);
  forget_overrides(ctx);
  const auto moved = [gone](uint8_t used) {
    return used == *gone ? uint8_t{0} : static_cast<uint8_t>(used - (used > *gone ? 1 : 0));
  };
  cookie_ack_path_ = moved(cookie_ack_path_);
  setup_path_ = moved(setup_path_);
  receiver_.set_last_path(moved(receiver_.last_path()));
}

// What is not understood in the INIT ACK is reported in the COOKIE ECHO's packet, behind it
// (3.2.2). In a packet of its own it would meet a peer that knows no association yet, and draw an
// ABORT.
void Association::keep_for_echo(const wire::InitChunk& init_ack) {
  std::vector<uint8_t>& echoed = passage_->echoed;
  echoed.assign(init_ack.cookie.begin(), init_ack.cookie.end());
  passage_->cookie_size = static_cast<uint16_t>(echoed.size());
  const auto parameters = init_ack.unrecognized_list();
  for (size_t i = 0; i < parameters.size(); ++i) {
    echoed.insert(echoed.end(), parameters[i].begin(), parameters[i].end());
    const size_t padding = i + 1 < parameters.size() ? -parameters[i].size() & 3 : 0;
    echoed.insert(echoed.end(), padding, 0);
  }
}

void Association::on_cookie_ack(ShardContext& ctx, TimePoint now) {
  if (state_ != AssocState::kCookieEchoed) {
    ctx.counters.add(Counter::k_drop_unexpected_cookie_ack);  // 5.2.5
    return;
  }
  Path& path = paths_.at(setup_path_);
  path.state = PathState::kActive;
  // The COOKIE ECHO may be timed when it was sent once (6.3.1 C5).
  if (passage_->retries == 0) path.rto.on_sample(*profile_, now - passage_->sent_at);
  pending_ = 0;
  const uint32_t adaptation = passage_->peer_adaptation;
  enter_established(ctx, now);
  ctx.counters.add(Counter::k_active_estabs);
  emit_up(ctx, EventKind::kConnected, adaptation);
  put_back(ctx, take_waiting(ctx));
}

// Section 5.2.6, third alternative: ask anew, for a cookie that lives longer. Nothing in the error
// says which COOKIE ECHO it answers: as many as went with older cookies may be about those. If this
// cookie were given up for one of them, its COOKIE ACK would be taken for the next one's, whose tag
// the peer does not have.
void Association::on_stale_cookie(ShardContext& ctx, TimePoint now, uint32_t staleness_us) {
  // In COOKIE-WAIT it can be about no other.
  const bool is_older = is_opening() && passage_->older_echoes > 0;
  if (is_older) --passage_->older_echoes;
  if (state_ != AssocState::kCookieEchoed || is_older) {
    ctx.counters.add(Counter::k_drop_unexpected_stale_cookie);
    return;
  }
  if (++passage_->retries > profile_->max_init_retransmits) {
    end_with_abort(ctx, Reason::kTimedOut, static_cast<uint16_t>(wire::CauseCode::kStaleCookie));
    return;
  }
  const auto round_trip =
      std::chrono::duration_cast<std::chrono::milliseconds>(now - passage_->sent_at).count();
  const uint64_t wanted =
      staleness_us / 1000 + static_cast<uint64_t>(std::max<int64_t>(round_trip, 1));
  passage_->cookie_extension_ms =
      static_cast<uint32_t>(std::min<uint64_t>(wanted, static_cast<uint64_t>(round_trip) + 1000));
  state_ = AssocState::kCookieWait;
  passage_->echoed.clear();
  if (passage_->echoes > 1) passage_->older_echoes = passage_->echoes - 1;
  passage_->echoes = 0;
  passage_->sent_at = now;
  passage_->t1 = TimePoint::never();
  pending_ = kPendingInit;
}

void Association::on_t1(ShardContext& ctx) {
  passage_->t1 = TimePoint::never();
  ctx.counters.add(Counter::k_t1_expirations);
  if (++passage_->retries > profile_->max_init_retransmits) {
    end_with_abort(ctx, Reason::kTimedOut, 0);
    return;
  }
  paths_.at(setup_path_).rto.on_expiry(*profile_);
  // Every address that our user named gets its turn (5.1).
  setup_path_ = static_cast<uint8_t>((setup_path_ + 1) % paths_.named());
  pending_ |= state_ == AssocState::kCookieWait ? kPendingInit : kPendingCookieEcho;
  mark_ready(ctx);
}

}  // namespace trunkline
