// SPDX-License-Identifier: BSD-3-Clause
// Set-up chunks for an association that exists already (RFC 9260 section 5.2): both sides called
// at once, the peer restarted, or something old came by.
#include <algorithm>

#include "assoc/context.h"
#include "assoc/errors.h"
#include "assoc/peer_addresses.h"

namespace trunkline {

void Association::on_unexpected_init(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                                     const wire::InitChunk& init, VerificationTag fresh_tag,
                                     Tsn fresh_tsn) {
  if (state_ == AssocState::kShutdownAckSent) {  // 9.2: our SHUTDOWN ACK may have been lost
    ctx.counters.add(Counter::k_drop_closing_init);
    pending_ |= kPendingShutdownAck;
    mark_ready(ctx);
    return;
  }
  PeerAddresses peers = collect_peer_addresses(local_, packet.source, init.address_list());
  std::array<IpAddress, kMaxPaths> added;
  size_t added_count = 0;
  for (const IpAddress& address : peers.list()) {
    if (!has_address(address)) added[added_count++] = address;
  }
  const bool opening = is_opening();
  if (added_count > 0 && state_ != AssocState::kCookieWait) {
    ctx.counters.add(Counter::k_restarts_refused);
    queue_reply(ctx, packet.destination, packet.source, local_.port, peer_port_, init.initiate_tag,
                profile_.dscp, primary().packet_size(), [&](wire::PacketWriter& writer) {
                  return wire::begin_abort(writer, false) &&
                         wire::append_restart_with_new_addresses(
                             writer, std::span(added).first(added_count)) &&
                         writer.end_chunk();
                });
    return;
  }
  if (!accepts_addresses(packet.source, init.address_list())) {
    ctx.counters.add(Counter::k_drop_peer_addresses);
    queue_reply(ctx, packet.destination, packet.source, local_.port, peer_port_, init.initiate_tag,
                profile_.dscp, primary().packet_size(), [&](wire::PacketWriter& writer) {
                  return wire::begin_abort(writer, false) &&
                         wire::append_protocol_violation(writer, kOtherAddresses) &&
                         writer.end_chunk();
                });
    return;
  }
  // Only an address that our user named is answered while there is no other proof that it is the
  // peer's (5.2.1): of those that the INIT tells of, its source if it may be.
  if (state_ == AssocState::kCookieWait) {
    const auto end = peers.addresses.begin() + static_cast<ptrdiff_t>(peers.count);
    const auto named = std::find_if(peers.addresses.begin(), end,
                                    [&](const IpAddress& address) { return has_address(address); });
    if (named == end) {
      ctx.counters.add(Counter::k_drop_peer_addresses);
      return;
    }
    std::iter_swap(peers.addresses.begin(), named);
  }
  const IpAddress peer = peers.addresses[0];
  const IpAddress local = local_.address_towards(peer, packet.destination);
  Passage& ties = passage(ctx);
  if (ties.local_tie == 0) {
    ties.local_tie = ctx.random.nonce();
    ties.peer_tie = ctx.random.nonce();
  }
  Cookie cookie;
  cookie.created = now;
  cookie.lifespan = profile_.valid_cookie_life;
  // In a collision both sides must end with the tags of their INITs (5.2.1); a restarted peer gets
  // a tag that was never used (5.2.2).
  cookie.local_tag = opening ? local_tag_ : fresh_tag;
  cookie.local_initial_tsn = opening ? outstanding_.next_tsn() : fresh_tsn;
  cookie.peer_tag = init.initiate_tag;
  cookie.peer_initial_tsn = init.initial_tsn;
  cookie.peer_rwnd = init.a_rwnd;
  const uint16_t ours = opening ? passage_->offered_streams : outbound_streams_;
  cookie.outbound_streams = std::min(ours, init.inbound_streams);
  cookie.inbound_streams = std::min(profile_.max_inbound_streams, init.outbound_streams);
  if (state_ != AssocState::kCookieWait) {
    cookie.local_tie = ties.local_tie;
    cookie.peer_tie = ties.peer_tie;
  }
  cookie.endpoint = local_.endpoint;
  cookie.local_port = local_.port;
  cookie.peer_port = peer_port_;
  cookie.local_address = local;
  cookie.peer_addresses = peers.addresses;
  cookie.peer_address_count = peers.count;

  std::array<uint8_t, CookieJar::kMaxSize> sealed;
  const size_t size = ctx.cookies.seal(now, cookie, sealed);
  const wire::InitFields fields{cookie.local_tag, profile_.a_rwnd, cookie.outbound_streams,
                                profile_.max_inbound_streams, cookie.local_initial_tsn};
  const std::vector<IpAddress> announced = local_.announced_to(peer, local);
  const bool queued = queue_reply(
      ctx, local, peer, local_.port, peer_port_, init.initiate_tag, profile_.dscp,
      primary().packet_size(), [&](wire::PacketWriter& writer) {
        return write_whole_init_ack(writer, fields, announced, std::span(sealed).first(size), init);
      });
  if (queued) ctx.counters.add(Counter::k_inits_answered);
}

Association::CookieAction Association::on_cookie(ShardContext& ctx, TimePoint now,
                                                 const InboundPacket& packet,
                                                 const Cookie& cookie) {
  const bool local_matches = cookie.local_tag == local_tag_;
  const bool peer_matches = peer_tag_.value != 0 && cookie.peer_tag == peer_tag_;
  if (now - cookie.created > cookie.lifespan && !(local_matches && peer_matches)) {
    return CookieAction::kStale;
  }
  if (local_matches) {  // B or D
    const bool opening = is_opening();
    if (!peer_matches) peer_tag_ = cookie.peer_tag;  // B
    if (opening) {
      if (!peer_matches) {
        peer_rwnd_ = told_rwnd_ = cookie.peer_rwnd;
        tsns_.release(ctx.disorder);
        tsns_ = TsnTracker(cookie.peer_initial_tsn);
        outbound_streams_ = std::min(outbound_streams_, cookie.outbound_streams);
        inbound_streams_ = cookie.inbound_streams;
        for (const IpAddress& peer : cookie.peers()) {
          if (!has_address(peer)) add_path(ctx, peer);
        }
      }
      // Where the INIT ACK went, and so the cookie came through (5.4); the packet's source proves
      // nothing.
      Path* const from = find_path(cookie.peers()[0]);
      if (from == nullptr) return CookieAction::kDiscard;
      from->state = PathState::kActive;
      pending_ = 0;
      enter_established(ctx, now);
      ctx.counters.add(Counter::k_active_estabs);
      emit_up(ctx, EventKind::kConnected);
    }
    pending_ |= kPendingCookieAck;
    if (const Path* const path = find_path(packet.source)) cookie_ack_path_ = path->index;
    mark_ready(ctx);
    return CookieAction::kContinue;
  }
  const bool ties_match = passage_ != nullptr && passage_->local_tie != 0 &&
                          cookie.local_tie == passage_->local_tie &&
                          cookie.peer_tie == passage_->peer_tie;
  if (peer_matches || !ties_match) return CookieAction::kDiscard;  // C, and what no row names
  if (state_ == AssocState::kShutdownAckSent) {
    pending_ |= kPendingShutdownAck;
    mark_ready(ctx);
    report_error(ctx, [](wire::PacketWriter& writer) {
      return wire::append_cookie_received_while_shutting_down(writer);
    });
    flush_answers(ctx, now, packet);
    schedule(ctx);
    return CookieAction::kDiscard;
  }
  for (const IpAddress& peer : cookie.peers()) {
    if (!has_address(peer)) return CookieAction::kDiscard;
  }
  restart(ctx, now, packet, cookie);
  return CookieAction::kRestart;
}

// Action A: as if the association had been aborted and set up again, in one step.
void Association::restart(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                          const Cookie& cookie) {
  const bool counted = state_ == AssocState::kEstablished ||
                       state_ == AssocState::kShutdownPending ||
                       state_ == AssocState::kShutdownReceived;
  if (counted) ctx.counters.subtract(Counter::k_curr_estab);
  ctx.counters.add(Counter::k_restarts);
  fail_messages(ctx, Reason::kRestarted, 0);
  forget_received(ctx);
  tsns_.release(ctx.disorder);
  tsns_ = TsnTracker(cookie.peer_initial_tsn);
  outstanding_.restart(cookie.local_initial_tsn);
  queue_.reset_ssns();
  local_tag_ = cookie.local_tag;
  peer_tag_ = cookie.peer_tag;
  peer_rwnd_ = told_rwnd_ = cookie.peer_rwnd;
  offered_ = profile_.a_rwnd;
  outbound_streams_ = cookie.outbound_streams;
  inbound_streams_ = cookie.inbound_streams;
  sack_due_ = false;
  first_data_seen_ = false;
  sack_detour_ = false;
  fast_retransmit_now_ = false;
  in_fast_recovery_ = false;
  probing_window_ = false;
  window_closed_ = false;
  probe_due_ = false;
  probes_ = 0;
  sender_dry_owed_ = false;
  starved_ = 0;
  packets_since_sack_ = 0;
  sack_at_ = probe_at_ = TimePoint::never();
  next_probe_at_ = std::min(next_probe_at_, now + profile_.rto_initial);
  for (Path* path : paths()) {
    path->congestion.reset();
    path->rto = Rto(profile_);
    path->error_count = 0;
    path->t3 = TimePoint::never();
    path->heartbeat_outstanding = false;
    path->send_heartbeat = false;
    path->one_packet = false;
    const bool works = path->remote == cookie.peers()[0];  // 5.4
    path->state = works ? PathState::kActive : PathState::kUnconfirmed;
    if (works) primary_ = path->index;
  }
  enter_established(ctx, now);
  emit_up(ctx, EventKind::kRestarted);
  pending_ = kPendingCookieAck;
  if (const Path* const path = find_path(packet.source)) cookie_ack_path_ = path->index;
  mark_ready(ctx);
  schedule(ctx);
}

}  // namespace trunkline
