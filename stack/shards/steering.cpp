// SPDX-License-Identifier: BSD-3-Clause
// How a packet finds its association, and what happens to one that finds none (RFC 9260 sections
// 5.1, 5.2, 8.4, 8.5). Nothing here changes the state of an association before its tag, or its
// cookie, has been checked.
#include <algorithm>
#include <array>

#include "assoc/peer_addresses.h"
#include "assoc/setup_parameters.h"
#include "shards/shard_core.h"
#include "wire/cookie_chunk.h"
#include "wire/crc32c.h"

namespace trunkline {
namespace {

// Packets of a burst that are asked for together.
constexpr size_t kAhead = 16;

}  // namespace

// First the tag, which names its owner; where nobody has that tag, and for what carries no tag of
// ours, the directory. The owner of the tag is asked once, by the shard where the packet came in.
// So, while nothing changes, two hand-overs are enough from anywhere; where an association moves
// between them, receive() finds that it is not here. Nothing is checked here: whoever gets the
// packet does that.
uint16_t ShardCore::steer(const PacketIn& in) const {
  const uint16_t here = ctx.config.index;
  if (ctx.config.count == 1 || in.hand_overs >= 2) return here;
  const auto header = wire::CommonHeader::parse(in.bytes);
  if (!header) return here;
  const auto chunks = in.bytes.subspan(wire::kCommonHeaderSize);
  const InboundPacket packet{
      in.source, in.destination, *header, chunks, wire::inspect(chunks, kExtensions), in.looped};
  if (packet.shape.chunk_count == 0) return here;
  const wire::TagClass tag_class = wire::tag_class(packet.shape);
  if (tag_class == wire::TagClass::kOwn || tag_class == wire::TagClass::kByCookie) {
    const uint16_t owner = directory_.owner(header->verification_tag, ctx.config.count);
    if (owner != here && in.hand_overs == 0) return owner;
    // A cookie is opened where it was made.
    if (tag_class == wire::TagClass::kByCookie || find_by_tag(packet) != nullptr) return here;
  }
  const Endpoint* const endpoint = endpoints.find(in.destination, header->destination_port);
  auto known = look_up(endpoint, packet, in.source);
  if (!known && tag_class == wire::TagClass::kZero) {
    // Any address of the list may belong to an association that exists (5.1.2 D).
    const wire::ChunkView init = packet.lead();
    if (!wire::has_address_parameters(init)) return here;
    const wire::InitParseResult parsed = wire::InitChunk::parse(init, false);
    if (!parsed.ok()) return here;
    for (const IpAddress& address : parsed.init.address_list()) {
      known = look_up(endpoint, packet, address);
      if (known) break;
    }
  }
  return known ? known->shard : here;
}

// A burst is taken in groups: what a group will touch is asked for in stages, so that the misses of
// one packet pass while those of the others do (decision 0009).
void ShardCore::receive(TimePoint now, std::span<const PacketIn> burst) {
  while (!burst.empty()) {
    const auto group = burst.first(std::min(kAhead, burst.size()));
    if (group.size() > 1) fetch_ahead(group);
    for (const PacketIn& packet : group) {
      receive(now, packet);
      reap();
    }
    burst = burst.subspan(group.size());
  }
}

// The header of each packet, then its tag's entry, then the association that has the tag, if there
// is one. Bytes that nobody has checked: what they lead to is looked at, and not believed.
void ShardCore::fetch_ahead(std::span<const PacketIn> packets) const {
  std::array<VerificationTag, kAhead> tags;  // zero is nobody's, and each INIT's
  for (const PacketIn& packet : packets) prefetch(packet.bytes.data());
  for (size_t i = 0; i < packets.size(); ++i) {
    const auto header = wire::CommonHeader::parse(packets[i].bytes);
    tags[i] = header ? header->verification_tag : VerificationTag(0);
    if (tags[i].value != 0) tags_.prefetch(tags[i]);
  }
  for (size_t i = 0; i < packets.size(); ++i) {
    if (tags[i].value == 0) continue;
    const auto slot = tags_.find(tags[i], [](uint32_t) { return true; });
    if (slot) prefetch(pool_.at(*slot), Association::kHotBytes);
  }
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
  const auto chunks = in.bytes.subspan(wire::kCommonHeaderSize);
  const InboundPacket packet{
      in.source, in.destination, *header, chunks, wire::inspect(chunks, kExtensions), in.looped};
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
      if (packet.looped && !may_concern(packet, *association)) return;
      // 8.5.1 E: our own tag, but an answer to something older than this association.
      if (association->is_opening() && packet.shape.lead_type == wire::ChunkType::kShutdownAck) {
        return answer_out_of_blue(ctx, now, budget_, endpoints.find(association->local().endpoint),
                                  packet);
      }
      return on_matched(now, packet, *association);
    }
  }
  on_unmatched(now, packet, tag_class);
}

// The source is an address of ours, but the packet was on a wire.
bool ShardCore::forges_our_address(const InboundPacket& packet) {
  if (packet.looped || !endpoints.is_ours(packet.source)) return false;
  ctx.counters.add(Counter::k_drop_own_source);
  return true;
}

// What we sent to an address of our own says nothing of an association with another host, even if
// that has such an address in its list: it did not come from there.
bool ShardCore::may_concern(const InboundPacket& packet, const Association& association) {
  const auto is_ours = [this](const Path* path) { return endpoints.is_ours(path->remote); };
  const auto paths = association.paths();
  if (!packet.looped || std::all_of(paths.begin(), paths.end(), is_ours)) return true;
  ctx.counters.add(Counter::k_drop_looped);
  return false;
}

inline void ShardCore::on_matched(TimePoint now, const InboundPacket& packet,
                                  Association& association) {
  if (association.state() != AssocState::kCookieWait) [[likely]] {
    return association.on_packet(ctx, now, packet);
  }
  on_opening(now, packet, association);
}

void ShardCore::on_opening(TimePoint now, const InboundPacket& packet, Association& association) {
  // An INIT ACK says which addresses the peer has: fewer than our user named, or more.
  const PeerAddresses before = addresses_of(association);
  association.on_packet(ctx, now, packet);
  if (!association.is_dead()) update_addresses(association, before);
}

Association* ShardCore::find_by_tag(const InboundPacket& packet, bool addresses_too) const {
  const auto slot = tags_.find(packet.header.verification_tag, [&](uint32_t candidate) {
    const Association& association = *pool_.at(candidate);
    return association.local().port == packet.header.destination_port &&
           association.peer_port() == packet.header.source_port &&
           (!addresses_too || association.is_between(packet.source, packet.destination)) &&
           !association.is_dead();
  });
  return slot ? pool_.at(*slot) : nullptr;
}

// What the directory has for `peer` at the packet's source port. The peer's other addresses may be
// of another family than the packet: then any address of ours that reaches them will do, since all
// of them are in the directory.
DirectoryKey ShardCore::key_for(const Endpoint* endpoint, const InboundPacket& packet,
                                const IpAddress& peer) {
  IpAddress local = packet.destination;
  if (endpoint != nullptr) {
    local =
        LocalEnd::fits(local, peer) ? endpoint->known_as(local) : endpoint->address_towards(peer);
  }
  return {local, peer, packet.header.destination_port, packet.header.source_port};
}

std::optional<AssocId> ShardCore::look_up(const Endpoint* endpoint, const InboundPacket& packet,
                                          const IpAddress& peer) const {
  return directory_.find(key_for(endpoint, packet, peer));
}

ShardCore::Known ShardCore::find_by_address(const Endpoint* endpoint, const InboundPacket& packet,
                                            const IpAddress& peer) const {
  const auto id = look_up(endpoint, packet, peer);
  if (!id) return {};
  if (id->shard != ctx.config.index) return {nullptr, id};
  return {find(*id), std::nullopt};
}

// An INIT ACK belongs to the association that has any address of its list (5.1.2 D): a peer may
// answer from another address than the one that was asked.
ShardCore::Known ShardCore::find_by_list(const Endpoint* endpoint,
                                         const InboundPacket& packet) const {
  if (packet.shape.lead_type != wire::ChunkType::kInitAck) return {};
  const wire::InitParseResult parsed = wire::InitChunk::parse(packet.lead(), true);
  for (const IpAddress& address : parsed.init.address_list()) {
    if (!packet.looped && endpoints.is_ours(address)) continue;
    const Known known = find_by_address(endpoint, packet, address);
    if (!known.none()) return known;
  }
  return {};
}

// No association has this tag. The one with these addresses and ports judges what is left (8.5.1).
void ShardCore::on_unmatched(TimePoint now, const InboundPacket& packet, wire::TagClass tag_class) {
  if (forges_our_address(packet)) return;
  const Endpoint* const endpoint =
      endpoints.find(packet.destination, packet.header.destination_port);
  Known known = find_by_address(endpoint, packet, packet.source);
  Association* const association = known.association;
  if (association == nullptr && !known.elsewhere) {
    known = find_by_list(endpoint, packet);
    Association* const listed = known.association;
    if (listed != nullptr && !may_concern(packet, *listed)) return;
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
    if (!known.elsewhere) return answer_out_of_blue(ctx, now, budget_, endpoint, packet);
  }
  if (known.elsewhere) {
    ctx.counters.add(Counter::k_drop_elsewhere);
    return;
  }
  if (!may_concern(packet, *association)) return;
  if (tag_class == wire::TagClass::kReflected &&
      packet.header.verification_tag == association->peer_tag()) {
    // The reflected tag admits the ABORT or SHUTDOWN COMPLETE and nothing behind it (8.5).
    InboundPacket first = packet;
    first.chunks = std::span(packet.chunks.data(), &packet.lead().whole.back() + 1);
    return association->on_packet(ctx, now, first);
  }
  if (association->is_opening() && packet.shape.lead_type == wire::ChunkType::kShutdownAck) {
    return answer_out_of_blue(ctx, now, budget_, endpoint, packet);  // 8.5.1 E
  }
  ctx.counters.add(Counter::k_drop_bad_tag);
}

template <typename Append>
void ShardCore::refuse_stranger(TimePoint now, const InboundPacket& packet,
                                const Endpoint* endpoint, VerificationTag initiate_tag,
                                Append&& append) {
  if (budget_.judge(now, endpoint) != ReplyBudget::Verdict::kAnswer) return;
  refuse_init(ctx, packet, endpoint, initiate_tag, std::forward<Append>(append));
}

// Asked before the INIT is read: a flood must not cost more than this.
bool ShardCore::init_is_within_rate(TimePoint now, const InboundPacket& packet,
                                    const Endpoint& endpoint, const PeerProfile* peer) {
  const bool known = peer != nullptr || look_up(&endpoint, packet, packet.source).has_value();
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
  if (forges_our_address(packet)) return;
  Endpoint* const endpoint = endpoints.find(packet.destination, packet.header.destination_port);
  const PeerProfile* const peer =
      endpoint != nullptr ? endpoint->configured(packet.source) : nullptr;
  if (endpoint != nullptr && !init_is_within_rate(now, packet, *endpoint, peer)) return;
  const wire::FeatureSet offers =
      endpoint != nullptr ? offered(endpoint->profile_for(peer)) : wire::FeatureSet{};
  wire::InitParseResult parsed = wire::InitChunk::parse(packet.lead(), false, offers);
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
  for (const IpAddress& address : peers.list()) {
    const Known known = find_by_address(endpoint, packet, address);
    if (known.none()) continue;
    if (known.elsewhere) {
      ctx.counters.add(Counter::k_drop_elsewhere);
      return;
    }
    if (!may_concern(packet, *known.association)) return;
    known.association->on_unexpected_init(ctx, now, packet, init, draw_tag(),
                                          Tsn(ctx.random.u32()));
    return;
  }
  if (!endpoint->listening) {
    ctx.counters.add(Counter::k_drop_no_endpoint);
    return refuse_stranger(now, packet, endpoint, init.initiate_tag,
                           [](wire::PacketWriter&) { return true; });
  }
  if (!endpoint->accepts_addresses(peer, packet.source, init.address_list())) {
    ctx.counters.add(Counter::k_drop_peer_addresses);
    return refuse_stranger(now, packet, endpoint, init.initiate_tag,
                           [](wire::PacketWriter& writer) {
                             return wire::append_protocol_violation(writer, kOtherAddresses);
                           });
  }
  answer_init(ctx, now, *endpoint, endpoint->profile_for(peer), packet, init, draw_tag(),
              Tsn(ctx.random.u32()));
}

void ShardCore::on_cookie_echo(TimePoint now, const InboundPacket& packet) {
  if (forges_our_address(packet)) return;
  const auto echo = wire::CookieEchoChunk::parse(packet.lead());
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
  Endpoint* const endpoint = endpoints.find(cookie.endpoint);
  const bool is_there = endpoint != nullptr && endpoint->port == cookie.local_port;
  if (!is_there || !endpoint->has_address(packet.destination)) {
    ctx.counters.add(Counter::k_drop_no_endpoint);
    // Is it at the wrong address, or has its endpoint been closed?
    if (!is_there) {
      refuse_cookie(now, cookie, endpoints.find(cookie.local_address, cookie.local_port));
    }
    return;
  }
  if (!leave_out_our_addresses(*endpoint, packet.source, cookie)) {
    ctx.counters.add(Counter::k_drop_bad_cookie);
    return;
  }
  for (const IpAddress& peer : cookie.peers()) {
    const Known there = find_by_address(endpoint, packet, peer);
    if (there.none()) continue;
    if (is_of_another_peer(there, key_for(endpoint, packet, peer), cookie)) {
      if (peer != packet.source) continue;  // accept() leaves it out
      if (!there.elsewhere) {
        ctx.counters.add(Counter::k_drop_cookie_collision);
        return refuse_cookie(now, cookie, endpoint);
      }
    }
    if (there.elsewhere) return on_cookie_elsewhere(now, packet, cookie, endpoint);
    Association* const known = there.association;
    if (!may_concern(packet, *known)) return;
    const VerificationTag old_tag = known->local_tag();
    const PeerAddresses before = addresses_of(*known);
    switch (known->on_cookie(ctx, now, packet, cookie)) {
      case Association::CookieAction::kDiscard:
        ctx.counters.add(Counter::k_drop_cookie_collision);
        return;
      case Association::CookieAction::kStale:
        return send_stale_cookie(ctx, now, endpoint, packet, cookie);
      case Association::CookieAction::kRestart:
        tags_.erase(old_tag, known->id.slot);
        tags_.insert(known->local_tag(), known->id.slot);
        break;
      case Association::CookieAction::kContinue:
        break;
    }
    spent_.remember(cookie);
    update_addresses(*known, before);
    return known->on_packet(ctx, now, packet);
  }
  accept(now, packet, cookie, endpoint);
}

// Is that an association with another peer, which happens to list an address that this one lists as
// well? It does not have the address that the INIT came from, nor does the cookie name it, by a tag
// or a nonce. (What has that address is looked up first, and is taken for the same peer.) As long
// as it waits for the INIT ACK it may be the same peer, called at another address than it calls
// from.
bool ShardCore::is_of_another_peer(const Known& there, const DirectoryKey& key,
                                   const Cookie& cookie) const {
  if (key.peer == cookie.peers()[0] || cookie.local_tie != 0) return false;
  if (directory_.is_calling(key)) return false;
  const Association* const here = there.association;
  return here == nullptr ||
         (here->local_tag() != cookie.local_tag && here->peer_tag() != cookie.peer_tag);
}

// With ABORT to where the INIT ACK went, as far as answers to strangers go: it need not wait for
// its timer. But nothing is said in the name of an association that lives.
void ShardCore::refuse_cookie(TimePoint now, const Cookie& cookie, const Endpoint* endpoint) {
  const IpAddress& peer = cookie.peers()[0];
  if (directory_.find({cookie.local_address, peer, cookie.local_port, cookie.peer_port})) return;
  if (budget_.judge(now, endpoint) != ReplyBudget::Verdict::kAnswer) return;
  const StatelessReply as = stateless_reply(endpoint, peer);
  queue_reply(ctx, cookie.local_address, peer,
              {cookie.local_port, cookie.peer_port, cookie.peer_tag}, as.dscp, as.limit,
              [](wire::PacketWriter& writer) { return wire::write_abort(writer, false); });
}

// Two INITs were answered here and there, or one was while another shard called the peer, and the
// other shard was faster. Its association has neither this cookie's tag, which names this shard,
// nor its nonces, which are this shard's: of 5.2.4 nothing is left but to discard.
void ShardCore::on_cookie_elsewhere(TimePoint now, const InboundPacket& packet,
                                    const Cookie& cookie, const Endpoint* endpoint) {
  if (now - cookie.created > cookie.lifespan) {
    return send_stale_cookie(ctx, now, endpoint, packet, cookie);
  }
  ctx.counters.add(Counter::k_drop_cookie_collision);
}

// An address that another association has is left out, as it is where we call: the peer's word for
// it proves nothing. But not those that the INIT and the cookie came from.
Directory::Claim::Outcome ShardCore::claim_for(const Association& association,
                                               const InboundPacket& packet, Cookie& cookie) {
  Directory::Claim said = claim_addresses(association, cookie.peers());
  while (said.outcome == Directory::Claim::Outcome::kTaken && !said.calling &&
         said.peer != packet.source && said.peer != cookie.peers()[0]) {
    ctx.counters.add(Counter::k_addresses_taken);
    cookie.leave_out(said.peer);
    said = claim_addresses(association, cookie.peers());
  }
  return said.outcome;
}

void ShardCore::accept(TimePoint now, const InboundPacket& packet, Cookie& cookie,
                       Endpoint* endpoint) {
  if (now - cookie.created > cookie.lifespan) {
    return send_stale_cookie(ctx, now, endpoint, packet, cookie);  // 5.1.5 step 4
  }
  // The peer may be in earnest, with a COOKIE ECHO that came late: it is told to begin anew.
  if (spent_.contains(cookie)) {
    ctx.counters.add(Counter::k_drop_spent_cookie);
    if (budget_.judge(now, endpoint) != ReplyBudget::Verdict::kAnswer) return;
    return write_stale_cookie(ctx, endpoint, packet, cookie, 0);
  }
  if (!endpoint->listening) {
    ctx.counters.add(Counter::k_drop_no_endpoint);
    refuse_init(ctx, packet, endpoint, cookie.peer_tag, [](wire::PacketWriter&) { return true; });
    return;
  }
  const Profile& profile = endpoint->profile_for(packet.source);
  Association* const association = make_association(*endpoint, profile, cookie, endpoint->user);
  if (association != nullptr) {
    ++endpoint->associations;
    const auto outcome = claim_for(*association, packet, cookie);
    if (outcome == Directory::Claim::Outcome::kDone &&
        association->start_accepted(ctx, now, packet, cookie)) {
      spent_.remember(cookie);
      return association->on_packet(ctx, now, packet);
    }
    destroy(association);
    // Since the directory was asked, another shard has become faster: no lack of memory, and no
    // ABORT, which would end what lives there.
    if (outcome == Directory::Claim::Outcome::kTaken) {
      return on_cookie_elsewhere(now, packet, cookie, endpoint);
    }
  }
  ctx.counters.add(Counter::k_drop_no_association_memory);
  refuse_init(ctx, packet, endpoint, cookie.peer_tag,
              [](wire::PacketWriter& writer) { return wire::append_out_of_resource(writer); });
}

}  // namespace trunkline
