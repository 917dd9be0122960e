// SPDX-License-Identifier: BSD-3-Clause
// The shard's book-keeping: associations come and go, time passes, packets leave.
#include "shards/shard_core.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "wire/crc32c.h"

namespace trunkline {
namespace {

// Packets of one association before the next gets its turn.
constexpr size_t kTurn = 8;

// How many turns before its own the memory of an association is asked for.
constexpr size_t kPrefetchAhead = 4;

// Timers a call of advance(): the rest fires in the next iteration.
constexpr size_t kTimersPerCall = 1024;

}  // namespace

ShardCore::ShardCore(const ShardConfig& config, Directory& directory, RandomSource& random,
                     TimePoint now)
    : ctx(config, random, now),
      endpoints(config.own_addresses, config.own_prefix_lengths, config.ports),
      directory_(directory),
      reader_(directory.join()),
      pool_(config.max_associations, config.memory),
      slots_(config.memory, config.max_associations),
      tags_(ctx.table_key, config.max_associations, config.memory),
      budget_(config.out_of_blue_replies_per_second),
      init_limiter_(random, config.inits_per_second_per_source, config.inits_per_second),
      spent_(random, config.spent_cookies) {}

ShardCore::~ShardCore() {
  while (!ctx.events.empty()) ctx.drop_event();
  reap();
  for (const AssocId& id : associations()) destroy(pool_.at(id.slot));
  directory_.leave(reader_);
}

void ShardCore::destroy(Association* association) {
  const LocalEnd& local = association->local();
  SlotInfo& slot = slots_[association->id.slot];
  directory_.withdraw(reader_, std::exchange(slot.batch, 0));
  tags_.erase(association->local_tag(), association->id.slot);
  association->release(ctx);
  Endpoint* const endpoint = endpoints.find(local.endpoint);
  ++slot.generation;
  pool_.destroy(association);
  if (pool_.used() == 0) ctx.sacks.clear();
  --endpoint->associations;
  endpoints.forget_if_unused(*endpoint);
}

void ShardCore::reap() {
  for (Association* const association : ctx.dying) destroy(association);
  ctx.dying.clear();
}

Association* ShardCore::find(AssocId id) const {
  if (id.shard != ctx.config.index || id.slot >= pool_.touched() || (id.generation & 1) == 0 ||
      slots_[id.slot].generation != id.generation) {
    return nullptr;
  }
  Association* const association = pool_.at(id.slot);
  return association->is_dead() ? nullptr : association;
}

std::vector<AssocId> ShardCore::associations() const {
  std::vector<AssocId> out;
  out.reserve(pool_.used());
  for (uint32_t slot = 0; slot < pool_.touched(); ++slot) {
    const uint32_t generation = slots_[slot].generation;
    if ((generation & 1) != 0) out.push_back({generation, slot, ctx.config.index});
  }
  return out;
}

VerificationTag ShardCore::draw_tag() {
  while (true) {
    const VerificationTag tag(ctx.random.u32());
    if (tag.value != 0 && directory_.owner(tag, ctx.config.count) == ctx.config.index) return tag;
  }
}

EndpointResult ShardCore::add_endpoint(const EndpointConfig& config) {
  return endpoints.add(config, ctx.random);
}

Status ShardCore::own_endpoint(EndpointId id, uint64_t owner) {
  Endpoint* const endpoint = endpoints.find(id);
  if (endpoint == nullptr || endpoint->closing) return Status::kNoSuchEndpoint;
  return endpoints.own(*endpoint, owner) ? Status::kOk : Status::kAlreadyExists;
}

Status ShardCore::set_listening(EndpointId id, bool listening, uint64_t user,
                                const Profile* profile) {
  Endpoint* const endpoint = endpoints.find(id);
  if (endpoint == nullptr || endpoint->closing) return Status::kNoSuchEndpoint;
  endpoint->listening = listening;
  endpoint->user = user;
  endpoint->listening_profile = profile != nullptr ? std::optional(*profile) : std::nullopt;
  return Status::kOk;
}

Status ShardCore::close_endpoint(EndpointId id) {
  Endpoint* const endpoint = endpoints.find(id);
  if (endpoint == nullptr || endpoint->closing) return Status::kNoSuchEndpoint;
  endpoint->listening = false;
  endpoint->closing = true;
  endpoints.forget_if_unused(*endpoint);
  return Status::kOk;
}

EditResult ShardCore::set_profile(TimePoint now, AssocId id, const ProfileEdit& edit) {
  Association* const association = find(id);
  if (association == nullptr) return {Status::kNoSuchAssociation};
  const ProfileFault fault = association->set_profile(ctx, now, edit);
  if (!fault) return {};
  ctx.counters.add(Counter::k_refused_edits);
  return {Status::kInvalidValue, fault};
}

EditResult ShardCore::set_path_profile(TimePoint now, AssocId id, const IpAddress& peer_address,
                                       const PathEdit& edit) {
  Association* const association = find(id);
  if (association == nullptr) return {Status::kNoSuchAssociation};
  const EditResult result = association->set_path_profile(ctx, now, peer_address, edit);
  if (result.status != Status::kOk) ctx.counters.add(Counter::k_refused_edits);
  return result;
}

// What a connect names, at most kMaxPaths. A peer is on this host or it is not: one with an address
// that is not ours has none of ours. Nor is there an association of an endpoint with itself.
PeerAddresses ShardCore::named_addresses(const Endpoint& endpoint, const ConnectRequest& request) {
  const auto is_ours = [&](const IpAddress& address) { return endpoint.is_ours(address); };
  const auto names = request.peer_addresses;
  const bool on_this_host = std::all_of(names.begin(), names.end(), is_ours);
  PeerAddresses out;
  for (const IpAddress& name : names) {
    const bool itself = request.peer_port == endpoint.port && endpoint.has_address(name);
    if (is_ours(name) && (!on_this_host || itself)) continue;
    if (out.count == kMaxPaths) break;
    out.addresses[out.count++] = name;
  }
  return out;
}

ConnectResult ShardCore::connect(TimePoint now, const ConnectRequest& request) {
  const auto refuse = [this](Status status) {
    ctx.counters.add(Counter::k_refused_connects);
    return ConnectResult{status, {}};
  };
  Endpoint* const endpoint = endpoints.find(request.endpoint);
  if (endpoint == nullptr || endpoint->closing) return refuse(Status::kNoSuchEndpoint);
  if (request.peer_addresses.empty() || request.peer_port.value == 0) {
    return refuse(Status::kInvalidAddress);
  }
  const PeerAddresses named = named_addresses(*endpoint, request);
  if (named.count == 0) return refuse(Status::kInvalidAddress);
  const std::span<const IpAddress> peers = named.list();
  for (const IpAddress& peer : peers) {
    const IpAddress local = endpoint->address_towards(peer);
    if (!peer.is_unicast() || local.is_none()) return refuse(Status::kInvalidAddress);
    if (directory_.find({local, peer, endpoint->port, request.peer_port})) {
      return refuse(Status::kAlreadyExists);
    }
  }
  const Profile& profile =
      request.profile != nullptr ? *request.profile : endpoint->profile_for(peers[0]);
  Association* const association = make_association(
      *endpoint, profile, request.peer_port, draw_tag(), Tsn(ctx.random.u32()), request.user);
  if (association == nullptr) return refuse(Status::kOutOfResources);
  ++endpoint->associations;
  const uint16_t streams =
      request.outbound_streams != 0 ? request.outbound_streams : profile.outbound_streams;
  if (!association->start_connect(ctx, now, peers, streams)) {
    destroy(association);
    return refuse(Status::kOutOfResources);
  }
  // Whichever shard has one of the addresses, be it since a moment ago.
  using Outcome = Directory::Claim::Outcome;
  const Outcome outcome = claim_addresses(*association, peers).outcome;
  if (outcome != Outcome::kDone) {
    destroy(association);
    return refuse(outcome == Outcome::kTaken ? Status::kAlreadyExists : Status::kOutOfResources);
  }
  return {Status::kOk, association->id};
}

void ShardCore::advance(TimePoint now) {
  for (size_t i = 0; i < kTimersPerCall; ++i) {
    const std::optional<uint32_t> slot = ctx.sacks.pop(now);
    if (!slot) break;
    if (const auto soon = ctx.sacks.peek(kPrefetchAhead)) {
      prefetch(pool_.at(*soon), Association::kHotBytes);
    }
    // Whoever was filed may have ended, and another one be in its place.
    if ((slots_[*slot].generation & 1) != 0) pool_.at(*slot)->on_sack_queue(ctx, now);
  }
  for (size_t i = 0; i < kTimersPerCall; ++i) {
    WheelEntry* const entry = ctx.wheel.pop_expired(now);
    if (entry == nullptr) break;
    static_cast<Association*>(entry)->on_timer(ctx, now);
  }
  reap();
}

size_t ShardCore::transmit_replies(std::span<PacketOut> room) {
  size_t n = 0;
  while (n < room.size() && !ctx.replies.empty()) {
    const Reply& reply = ctx.replies.front();
    PacketOut& out = room[n];
    if (reply.length <= out.room.size()) {
      std::memcpy(out.room.data(), reply.bytes.data(), reply.length);
      if (!out.checksum_by_port || reply.fragment_size != 0) {
        wire::write_checksum(out.room.first(reply.length));
      }
      out.length = reply.length;
      out.source = reply.source;
      out.destination = reply.destination;
      out.dscp = reply.dscp;
      out.fragment_size = reply.fragment_size;
      ++n;
    }
    ctx.replies.pop();
  }
  return n;
}

size_t ShardCore::transmit(TimePoint now, std::span<PacketOut> room) {
  size_t n = transmit_replies(room);
  while (n < room.size()) {
    Association* const association = ctx.ready.pop_front();
    if (association == nullptr) break;
    if (const Association* const soon = ctx.ready.peek(kPrefetchAhead)) {
      prefetch(soon, Association::kHotBytes);
    }
    size_t turn = 0;
    bool more = true;
    while (more && turn < kTurn && n < room.size()) {
      PacketOut& out = room[n];
      more = association->fill_packet(ctx, now, out);
      if (more) {
        // No port takes a checksum over IP fragments.
        if (out.fragment_size != 0 && out.checksum_by_port) {
          wire::write_checksum(out.room.first(out.length));
        }
        ++n;
        ++turn;
        more = association->may_have_output();
      }
    }
    association->schedule(ctx);
    if (more && association->ready_place == 0) ctx.ready.push_back(association);
  }
  ctx.counters.add(Counter::k_out_sctp_packs, n);
  reap();
  return n;
}

bool ShardCore::keep(Event& event) {
  Association* const association = find(event.assoc);
  const bool kept = (association == nullptr || association->may_keep(ctx, event.size())) &&
                    (event.borrowed ? copy_to_keep(event, association) : pack_to_keep(event));
  if (association != nullptr && kept) association->on_message_kept(event.payload.size());
  if (association != nullptr && !kept) association->abort_for_memory(ctx);
  reap();
  return kept;
}

bool ShardCore::copy_to_keep(Event& event, const Association* association) {
  const std::span<const uint8_t> bytes(event.borrowed_piece.data, event.borrowed_piece.length);
  // Nobody is charged for what an ended association left: the last of it is for those that live.
  const uint32_t spare = association == nullptr ? ctx.blocks.capacity() / 4 : 0;
  if (ctx.blocks.left_to_keep() < ReceiveBlocks::blocks_for(bytes.size()) + spare ||
      !Association::free_blocks_to_keep(ctx, bytes.size(), association)) {
    return false;
  }
  ReceiveBlock* const block = ctx.blocks.copy_in(bytes);
  if (block == nullptr) return false;
  event.payload = Payload(&block->piece, &ctx.blocks);
  event.borrowed = false;
  return true;
}

// It lies in the shard's buffers already, perhaps in more of them than it needs.
bool ShardCore::pack_to_keep(Event& event) {
  ReceiveBlock* const message = ReceiveBlock::from(event.payload.take());
  ctx.blocks.pack(message);
  event.payload = Payload(&message->piece, &ctx.blocks);
  if (ctx.blocks.left_to_keep() > 0) return true;
  event.payload.reset();
  return false;
}

const char* ShardCore::receive_memory_fault() const {
  uint64_t held = 0;
  uint64_t kept = 0;
  for (const AssocId& id : associations()) {
    const Association& association = *pool_.at(id.slot);
    if (const char* const fault = association.receive_fault(ctx)) return fault;
    held += association.received().held_blocks();
    kept += association.kept_bytes() / ReceiveBlock::kSize;
  }
  if (held != ctx.blocks.held()) return "held blocks are not those of the associations";
  if (ctx.blocks.held() > ctx.blocks.used()) return "more blocks held than used";
  if (kept > ctx.blocks.given()) return "more blocks charged for slow readers than they have";
  if (!ctx.holders.is_sound()) return "the holders are out of order";
  return nullptr;
}

}  // namespace trunkline
