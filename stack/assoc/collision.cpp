// SPDX-License-Identifier: BSD-3-Clause
// Set-up chunks for an association that exists already (RFC 9260 section 5.2): both sides called
// at once, the peer restarted, or something old came by.
#include <algorithm>
#include <memory>

#include "assoc/context.h"
#include "assoc/errors.h"
#include "assoc/peer_addresses.h"
#include "assoc/setup_parameters.h"

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
    return refuse_restart(ctx, now, packet, init, std::span(added).first(added_count));
  }
  if (!accepts_addresses(packet.source, init.address_list())) {
    ctx.counters.add(Counter::k_drop_peer_addresses);
    return refuse_init(ctx, packet, init, [](wire::PacketWriter& writer) {
      return wire::append_protocol_violation(writer, kOtherAddresses);
    });
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
  // In a collision both sides must end with the tags of their INITs (5.2.1); a restarted peer gets
  // a tag that was never used (5.2.2).
  const uint16_t streams = opening ? passage_->offered_streams : sender_.streams();
  const SetupSide side{.local = local_,
                       .profile = *profile_,
                       .tag = opening ? local_tag_ : fresh_tag,
                       .initial_tsn = opening ? sender_.next_tsn() : fresh_tsn,
                       .outbound_streams = streams,
                       .offers = offered(*profile_)};
  Cookie cookie = cookie_for(side, now, local, peers, peer_port_, init);
  if (state_ != AssocState::kCookieWait) {
    cookie.local_tie = ties.local_tie;
    cookie.peer_tie = ties.peer_tie;
  }
  answer_init_with(ctx, now, side, cookie, init, paths_.primary().packet_size());
}

template <typename Append>
void Association::refuse_init(ShardContext& ctx, const InboundPacket& packet,
                              const wire::InitChunk& init, Append&& append) {
  queue_answer(ctx, packet, init.initiate_tag, [&](wire::PacketWriter& writer) {
    return wire::begin_abort(writer, false) && append(writer) && writer.end_chunk();
  });
}

// 5.2.2. If it was the peer, its former life is over, and it cannot come back while this
// association lives: it may have listed fewer addresses once and lists all of them now. An INIT
// proves nothing; the answers to HEARTBEATs do, and whoever has no such association answers with an
// ABORT.
void Association::refuse_restart(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                                 const wire::InitChunk& init, std::span<const IpAddress> added) {
  ctx.counters.add(Counter::k_restarts_refused);
  refuse_init(ctx, packet, init, [&](wire::PacketWriter& writer) {
    return wire::append_restart_with_new_addresses(writer, added);
  });
  // While T1 or T2 runs the peer is being asked already.
  const bool quiet = state_ == AssocState::kEstablished || state_ == AssocState::kShutdownPending ||
                     state_ == AssocState::kShutdownReceived;
  // Once an RTO: whoever can forge the INIT must not make us talk more than that.
  if (quiet && paths_.ask_all(now)) {
    mark_ready(ctx);
    emit(ctx, EventKind::kRestartRefused).path = packet.source;
  }
}

Association::CookieAction Association::on_cookie(ShardContext& ctx, TimePoint now,
                                                 const InboundPacket& packet,
                                                 const Cookie& cookie) {
  const bool local_matches = cookie.local_tag == local_tag_;
  const bool peer_matches = peer_tag_.value != 0 && cookie.peer_tag == peer_tag_;
  if (now - cookie.created > cookie.lifespan && !(local_matches && peer_matches)) {
    return CookieAction::kStale;
  }
  if (local_matches && peer_matches) return on_own_cookie(ctx, now, packet, cookie);  // D
  const bool ties_match = passage_ != nullptr && passage_->local_tie != 0 &&
                          cookie.local_tie == passage_->local_tie &&
                          cookie.peer_tie == passage_->peer_tie;
  // C, and what no row names
  if (!local_matches && (peer_matches || !ties_match)) return CookieAction::kDiscard;
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
  if (local_matches && is_opening()) {  // B, as it is meant
    TxMessage* const waiting = take_waiting(ctx);
    begin_anew(ctx, now, packet, cookie);
    ctx.counters.add(Counter::k_active_estabs);
    emit_up(ctx, EventKind::kConnected, cookie.peer_adaptation);
    put_back(ctx, waiting);
    schedule(ctx);
    return CookieAction::kContinue;
  }
  for (const IpAddress& peer : cookie.peers()) {
    if (!has_address(peer)) return CookieAction::kDiscard;
  }
  // A; or B once the association is up: the peer's INIT crossed ours, and what we came up with
  // since was its former life. Nothing that we know of that is true of this one.
  restart(ctx, now, packet, cookie);
  return CookieAction::kRestart;
}

// Row D: the peer's INIT crossed ours, and its cookie outran the COOKIE ACK; or it comes once more.
Association::CookieAction Association::on_own_cookie(ShardContext& ctx, TimePoint now,
                                                     const InboundPacket& packet,
                                                     const Cookie& cookie) {
  if (is_opening()) {
    // Where the INIT ACK went, and so the cookie came through (5.4); the packet's source proves
    // nothing.
    Path* const from = paths_.find(cookie.peers()[0]);
    if (from == nullptr) return CookieAction::kDiscard;
    from->state = PathState::kActive;
    pending_ = 0;
    enter_established(ctx, now);
    ctx.counters.add(Counter::k_active_estabs);
    emit_up(ctx, EventKind::kConnected, cookie.peer_adaptation);
    put_back(ctx, take_waiting(ctx));
  }
  pending_ |= kPendingCookieAck;
  if (const Path* const path = paths_.find(packet.source)) cookie_ack_path_ = path->index;
  mark_ready(ctx);
  return CookieAction::kContinue;
}

// As if the association had been aborted and set up again, in one step.
void Association::restart(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                          const Cookie& cookie) {
  const bool counted = state_ == AssocState::kEstablished ||
                       state_ == AssocState::kShutdownPending ||
                       state_ == AssocState::kShutdownReceived;
  if (counted) ctx.counters.subtract(Counter::k_curr_estab);
  ctx.counters.add(Counter::k_restarts);
  fail_messages(ctx, Reason::kRestarted, 0);
  if (receiver_.gives_pieces()) emit(ctx, EventKind::kMessageBroken);
  const TimePoint guard = passage_ != nullptr ? passage_->guard : TimePoint::never();
  begin_anew(ctx, now, packet, cookie);
  emit_up(ctx, EventKind::kRestarted, 0);
  // Our user still wants out: of this life as well, and not later than of the former one, however
  // often the peer restarts.
  if (shutdown_wished_) {
    static_cast<void>(shutdown(ctx, now));
    passage(ctx).guard = std::min(passage_->guard, guard);
  }
  schedule(ctx);
}

// What lives on. tests/unit/assoc/restart_test.cpp has the whole table, member by member.
struct Association::Carried {
  AssocId id;
  uint64_t user;
  bool accepted;            // who called first is history
  bool shutdown_wished;     // our user's wish is not the peer's to undo
  uint32_t kept_bytes;      // messages that a slow reader still has to take: they use memory
  uint32_t unread;          // bytes that it has and still has to read
  TimePoint next_probe_at;  // restarts begin no new round of probes (5.4)
  Totals totals;            // what has been counted stays counted,
  PacketCounts packets;     // and of packets too
};

Association::Carried Association::carried(ShardContext& ctx) const {
  return {id,
          user,
          accepted_,
          shutdown_wished_,
          receiver_.kept_bytes(),
          receiver_.unread(),
          paths_.next_probe_at(),
          totals_,
          counted(ctx)};
}

// A new association in the place of this one: whatever is not carried over is as in any other that
// a cookie makes, the members included that will be added one day.
void Association::begin_anew(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                             const Cookie& cookie) {
  const Carried old = carried(ctx);
  const LocalEnd& local = local_;
  const Profile& profile = *profile_;
  ctx.profiles.share(profile);  // for the new one
  const ExtensionState* const block = extension(ctx);
  const ExtensionState said = block != nullptr ? *block : ExtensionState{};
  release(ctx);
  std::destroy_at(this);
  std::construct_at(this, local, profile, cookie, old.user);
  id = old.id;
  accepted_ = old.accepted;
  shutdown_wished_ = old.shutdown_wished;
  receiver_.inherit_reader(old.kept_bytes, old.unread);
  totals_ = old.totals;
  // There is room: what it had has been given back, and the first path lies in here.
  static_cast<void>(add_paths(ctx, cookie));
  paths_.set_next_probe_at(std::min(old.next_probe_at, now + profile.rto_initial));
  keep_counted(ctx, old.packets);
  override_again(ctx, now, said);
  come_up(ctx, now, packet);
}

}  // namespace trunkline
