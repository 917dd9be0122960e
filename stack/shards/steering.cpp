// SPDX-License-Identifier: BSD-3-Clause
// How a packet finds its association, and what happens to one that finds none (RFC 9260 sections
// 5.1, 5.2, 8.4, 8.5). Nothing here changes the state of an association before its tag, or its
// cookie, has been checked.
#include <algorithm>

#include "assoc/peer_addresses.h"
#include "shards/shard_core.h"
#include "wire/cookie_chunk.h"
#include "wire/crc32c.h"

namespace trunkline {

// First the tag, which names its owner; where nobody has that tag, and for what carries no tag of
// ours, the directory. Nothing is checked here: whoever gets the packet does that.
uint16_t ShardCore::steer(const PacketIn& in) const {
  const uint16_t here = ctx.config.index;
  if (ctx.config.count == 1 || in.hand_overs >= 2) return here;
  const auto header = wire::CommonHeader::parse(in.bytes);
  if (!header) return here;
  InboundPacket packet{
      in.source, in.destination, *header, in.bytes.subspan(wire::kCommonHeaderSize), {}};
  packet.shape = wire::inspect(packet.chunks);
  if (packet.shape.chunk_count == 0) return here;
  const wire::TagClass tag_class = wire::tag_class(packet.shape);
  if (tag_class == wire::TagClass::kOwn || tag_class == wire::TagClass::kByCookie) {
    const uint16_t owner = directory_.owner(header->verification_tag, ctx.config.count);
    // Who is not the owner either got it by the directory.
    if (owner != here) return in.hand_overs == 0 ? owner : here;
    // A cookie is opened where it was made.
    if (tag_class == wire::TagClass::kByCookie || find_by_tag(packet) != nullptr) return here;
  } else if (in.hand_overs > 0) {
    return here;
  }
  const Endpoint* const endpoint = endpoints.find(in.destination, header->destination_port);
  if (endpoint == nullptr) return here;
  if (tag_class == wire::TagClass::kZero) {
    // Any address of the list may belong to an association that exists (5.1.2 D).
    wire::ChunkCursor chunks(packet.chunks);
    const wire::InitParseResult parsed = wire::InitChunk::parse(*chunks.next(), false);
    if (!parsed.ok()) return here;
    const PeerAddresses peers =
        collect_peer_addresses(*endpoint, in.source, parsed.init.address_list());
    return owner_by_address(*endpoint, peers.list(), header->source_port);
  }
  return owner_by_address(*endpoint, {&in.source, 1}, header->source_port);
}

uint16_t ShardCore::owner_by_address(const Endpoint& endpoint, std::span<const IpAddress> peers,
                                     PortNumber peer_port) const {
  for (const IpAddress& peer : peers) {
    if (const auto id = directory_.find({endpoint.endpoint, peer_port, peer})) return id->shard;
  }
  return ctx.config.index;
}

void ShardCore::receive(TimePoint now, const PacketIn& in) {
  ctx.counters.add(Counter::k_in_sctp_packs);
  const auto drop = [this](Counter reason) { ctx.counters.add(reason); };
  const auto header = wire::CommonHeader::parse(in.bytes);
  if (!header || in.bytes.size() < wire::kCommonHeaderSize + wire::kChunkHeaderSize) {
    return drop(Counter::k_drop_runt);
  }
  if (in.checksum == ChecksumState::kBad ||
      (in.checksum == ChecksumState::kUnchecked && !wire::verify_checksum(in.bytes))) {
    return drop(Counter::k_checksum_errors);
  }
  if (header->source_port.value == 0 || header->destination_port.value == 0) {
    return drop(Counter::k_drop_zero_port);
  }
  if (!in.source.is_unicast() || !in.destination.is_unicast()) {
    return drop(Counter::k_drop_not_unicast);
  }
  InboundPacket packet{
      in.source, in.destination, *header, in.bytes.subspan(wire::kCommonHeaderSize), {}};
  packet.shape = wire::inspect(packet.chunks);
  if (packet.shape.chunk_count == 0) return drop(Counter::k_drop_chunk_length);
  if (packet.shape.breaks_bundling()) return drop(Counter::k_drop_bundled_init);

  const wire::TagClass tag_class = wire::tag_class(packet.shape);
  const bool zero_tag = header->verification_tag.value == 0;
  if (tag_class == wire::TagClass::kZero) {
    if (!zero_tag) return drop(Counter::k_drop_init_nonzero_tag);
    return on_init(now, packet);
  }
  if (zero_tag) return drop(Counter::k_drop_bad_tag);  // 8.5.1 A
  const bool has_abort = packet.shape.has_abort;
  // 8.5.1 B: an ABORT that claims another tag than the packet may have. Nothing of it counts.
  if (has_abort && packet.shape.abort_reflected != (tag_class == wire::TagClass::kReflected)) {
    return drop(Counter::k_drop_bad_tag);
  }
  const size_t replies = ctx.replies.size();
  steer(now, packet, tag_class);
  if (has_abort) ctx.replies.truncate(replies);  // never answered (9.1)
}

void ShardCore::steer(TimePoint now, const InboundPacket& packet, wire::TagClass tag_class) {
  if (tag_class == wire::TagClass::kByCookie) return on_cookie_echo(now, packet);
  if (tag_class == wire::TagClass::kOwn) {
    if (Association* const association = find_by_tag(packet)) {
      // 8.5.1 E: our own tag, but an answer to something older than this association.
      if (association->is_opening() && packet.shape.first_type == wire::ChunkType::kShutdownAck) {
        return answer_out_of_blue(ctx, now, budget_, endpoints.find(association->local().endpoint),
                                  packet);
      }
      return on_matched(now, packet, *association);
    }
  }
  on_unmatched(now, packet, tag_class);
}

void ShardCore::on_matched(TimePoint now, const InboundPacket& packet, Association& association) {
  if (association.state() != AssocState::kCookieWait) {
    return association.on_packet(ctx, now, packet);
  }
  // An INIT ACK says which addresses the peer has: fewer than our user named, or more. Where
  // another association has one of them, all stay out of the directory: packets from there still
  // find theirs by tag.
  std::array<IpAddress, kMaxPaths> peers;
  const auto list = [&] {
    size_t count = 0;
    for (const Path* path : association.paths()) peers[count++] = path->remote;
    return std::span<const IpAddress>(peers).first(count);
  };
  const std::span<const IpAddress> before = list();
  association.on_packet(ctx, now, packet);
  for (const IpAddress& peer : before) {
    if (association.has_address(peer)) continue;
    directory_.erase({association.local().endpoint, association.peer_port(), peer}, association.id);
  }
  if (!association.is_dead()) register_paths(association, list());
}

Association* ShardCore::find_by_tag(const InboundPacket& packet, bool source_too) const {
  return tags_.find(packet.header.verification_tag, [&](const Association& association) {
    return association.local().port == packet.header.destination_port &&
           association.peer_port() == packet.header.source_port &&
           (!source_too || association.has_address(packet.source)) && !association.is_dead();
  });
}

Association* ShardCore::find_by_address(const Endpoint& endpoint, const IpAddress& peer,
                                        PortNumber peer_port) const {
  const auto id = directory_.find({endpoint.endpoint, peer_port, peer});
  return id ? find(*id) : nullptr;
}

// An INIT ACK belongs to the association that has any address of its list (5.1.2 D): a peer may
// answer from another address than the one that was asked.
Association* ShardCore::find_by_list(const Endpoint& endpoint, const InboundPacket& packet) const {
  if (packet.shape.first_type != wire::ChunkType::kInitAck) return nullptr;
  wire::ChunkCursor chunks(packet.chunks);
  const wire::InitParseResult parsed = wire::InitChunk::parse(*chunks.next(), true);
  for (const IpAddress& address : parsed.init.address_list()) {
    Association* const found = find_by_address(endpoint, address, packet.header.source_port);
    if (found != nullptr) return found;
  }
  return nullptr;
}

// No association has this tag. The one with these addresses and ports judges what is left (8.5.1).
void ShardCore::on_unmatched(TimePoint now, const InboundPacket& packet, wire::TagClass tag_class) {
  const Endpoint* const endpoint =
      endpoints.find(packet.destination, packet.header.destination_port);
  Association* const association =
      endpoint != nullptr ? find_by_address(*endpoint, packet.source, packet.header.source_port)
                          : nullptr;
  if (association == nullptr) {
    Association* const listed = endpoint != nullptr ? find_by_list(*endpoint, packet) : nullptr;
    if (listed != nullptr && listed->local_tag() == packet.header.verification_tag) {
      return on_matched(now, packet, *listed);
    }
    // Our tag and ports, from an address that we do not know (a ninth interface, a NAT that moved):
    // an ABORT would end an association that lives.
    if (listed != nullptr ||
        (tag_class == wire::TagClass::kOwn && find_by_tag(packet, false) != nullptr)) {
      ctx.counters.add(Counter::k_drop_bad_tag);
      return;
    }
    return answer_out_of_blue(ctx, now, budget_, endpoint, packet);
  }
  if (tag_class == wire::TagClass::kReflected &&
      packet.header.verification_tag == association->peer_tag()) {
    // The reflected tag admits the ABORT or SHUTDOWN COMPLETE and nothing behind it (8.5).
    InboundPacket first = packet;
    wire::ChunkCursor chunks(packet.chunks);
    first.chunks = chunks.next()->whole;
    return association->on_packet(ctx, now, first);
  }
  if (association->is_opening() && packet.shape.first_type == wire::ChunkType::kShutdownAck) {
    return answer_out_of_blue(ctx, now, budget_, endpoint, packet);  // 8.5.1 E
  }
  ctx.counters.add(Counter::k_drop_bad_tag);
}

template <typename Append>
void ShardCore::refuse_stranger(TimePoint now, const InboundPacket& packet,
                                const Endpoint* endpoint, VerificationTag initiate_tag,
                                Append&& append) {
  if (budget_.judge(now, endpoint) != ReplyBudget::Verdict::kAnswer) return;
  refuse_init(ctx, packet, initiate_tag, std::forward<Append>(append));
}

// Asked before the INIT is read: a flood must not cost more than this.
bool ShardCore::init_is_within_rate(TimePoint now, const InboundPacket& packet,
                                    const Endpoint& endpoint) {
  const bool known = endpoint.is_configured_peer(packet.source) ||
                     directory_.find({endpoint.endpoint, packet.header.source_port, packet.source});
  switch (init_limiter_.judge(now, packet.source, known)) {
    case InitLimiter::Verdict::kSourceRate:
      ctx.counters.add(Counter::k_drop_init_source_rate);
      return false;
    case InitLimiter::Verdict::kTotalRate:
      ctx.counters.add(Counter::k_drop_init_total_rate);
      return false;
    case InitLimiter::Verdict::kPass:
      break;
  }
  return true;
}

void ShardCore::on_init(TimePoint now, const InboundPacket& packet) {
  Endpoint* const endpoint = endpoints.find(packet.destination, packet.header.destination_port);
  if (endpoint != nullptr && !init_is_within_rate(now, packet, *endpoint)) return;
  wire::ChunkCursor chunks(packet.chunks);
  wire::InitParseResult parsed = wire::InitChunk::parse(*chunks.next(), false);
  const wire::InitChunk& init = parsed.init;
  if (parsed.ok()) parsed.error = wire::validate_init(init, false);
  if (parsed.error == wire::InitParseError::kTooShort || init.initiate_tag.value == 0) {
    ctx.counters.add(Counter::k_drop_bad_init);
    return;
  }
  if (endpoint == nullptr) {
    ctx.counters.add(Counter::k_drop_no_endpoint);
    return refuse_stranger(now, packet, endpoint, init.initiate_tag,
                           [](wire::PacketWriter&) { return true; });
  }
  if (!parsed.ok()) {
    ctx.counters.add(Counter::k_drop_bad_init);
    return refuse_stranger(
        now, packet, endpoint, init.initiate_tag,
        [&](wire::PacketWriter& writer) { return append_init_error(writer, parsed.error, init); });
  }
  // Any address of the list may belong to an association that exists (5.1.2 D).
  const PeerAddresses peers = collect_peer_addresses(*endpoint, packet.source, init.address_list());
  for (const IpAddress& peer : peers.list()) {
    Association* const known = find_by_address(*endpoint, peer, packet.header.source_port);
    if (known == nullptr) continue;
    known->on_unexpected_init(ctx, now, packet, init, draw_tag(), Tsn(ctx.random.u32()));
    return;
  }
  if (!endpoint->listening) {
    ctx.counters.add(Counter::k_drop_no_endpoint);
    return refuse_stranger(now, packet, endpoint, init.initiate_tag,
                           [](wire::PacketWriter&) { return true; });
  }
  answer_init(ctx, now, *endpoint, packet, init, draw_tag(), Tsn(ctx.random.u32()));
}

void ShardCore::on_cookie_echo(TimePoint now, const InboundPacket& packet) {
  wire::ChunkCursor chunks(packet.chunks);
  const auto echo = wire::CookieEchoChunk::parse(*chunks.next());
  Cookie cookie;
  if (!echo || !ctx.cookies.open(now, echo->cookie, cookie) ||
      !(cookie.local_port == packet.header.destination_port) ||
      !(cookie.peer_port == packet.header.source_port) ||
      !(cookie.local_tag == packet.header.verification_tag) ||
      std::find(cookie.peers().begin(), cookie.peers().end(), packet.source) ==
          cookie.peers().end()) {
    ctx.counters.add(Counter::k_drop_bad_cookie);  // 5.1.5, steps 1 to 3
    return;
  }
  const Endpoint* const endpoint =
      endpoints.find(packet.destination, packet.header.destination_port);
  if (endpoint == nullptr || !(endpoint->endpoint == cookie.endpoint)) {
    ctx.counters.add(Counter::k_drop_no_endpoint);
    return;
  }
  for (const IpAddress& peer : cookie.peers()) {
    const auto id = directory_.find({endpoint->endpoint, packet.header.source_port, peer});
    if (id && id->shard != ctx.config.index) {
      // Two INITs were answered here and there, and the other one was faster. Its association has
      // neither this cookie's tag nor its nonces: nothing of 5.2.4 is left but to discard.
      if (now - cookie.created > cookie.lifespan)
        return send_stale_cookie(ctx, now, packet, cookie);
      ctx.counters.add(Counter::k_drop_cookie_collision);
      return;
    }
    Association* const known = id ? find(*id) : nullptr;
    if (known == nullptr) continue;
    const VerificationTag old_tag = known->local_tag();
    switch (known->on_cookie(ctx, now, packet, cookie)) {
      case Association::CookieAction::kDiscard:
        ctx.counters.add(Counter::k_drop_cookie_collision);
        return;
      case Association::CookieAction::kStale:
        return send_stale_cookie(ctx, now, packet, cookie);
      case Association::CookieAction::kRestart:
        tags_.erase(old_tag, known);
        tags_.insert(known->local_tag(), known);
        break;
      case Association::CookieAction::kContinue:
        break;
    }
    spent_.remember(cookie);
    register_paths(*known, cookie.peers());
    return known->on_packet(ctx, now, packet);
  }
  accept(now, packet, cookie);
}

void ShardCore::accept(TimePoint now, const InboundPacket& packet, const Cookie& cookie) {
  if (now - cookie.created > cookie.lifespan) {
    return send_stale_cookie(ctx, now, packet, cookie);  // 5.1.5 step 4
  }
  if (spent_.contains(cookie)) {
    ctx.counters.add(Counter::k_drop_spent_cookie);
    return;
  }
  Endpoint* const endpoint = endpoints.find(cookie.endpoint);
  if (!endpoint->listening) {
    ctx.counters.add(Counter::k_drop_no_endpoint);
    refuse_init(ctx, packet, cookie.peer_tag, [](wire::PacketWriter&) { return true; });
    return;
  }
  const Profile& profile = endpoint->profile_for(packet.source);
  Association* const association = make_association(*endpoint, profile, cookie, endpoint->user);
  if (association != nullptr) {
    ++endpoint->associations;
    if (register_paths(*association, cookie.peers()) &&
        association->start_accepted(ctx, now, packet, cookie)) {
      spent_.remember(cookie);
      return association->on_packet(ctx, now, packet);
    }
    for (const IpAddress& peer : cookie.peers()) {
      directory_.erase({endpoint->endpoint, cookie.peer_port, peer}, association->id);
    }
    destroy(association);
  }
  ctx.counters.add(Counter::k_drop_no_association_memory);
  refuse_init(ctx, packet, cookie.peer_tag,
              [](wire::PacketWriter& writer) { return wire::append_out_of_resource(writer); });
}

bool ShardCore::register_paths(Association& association, std::span<const IpAddress> peers) {
  return directory_.insert_all(association.local().endpoint, association.peer_port(), peers,
                               association.id);
}

}  // namespace trunkline
