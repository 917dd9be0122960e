// SPDX-License-Identifier: BSD-3-Clause
// The public face of a shard: each verb finds its object, asks it, and frees what ended.
#include "shards/shard_core.h"
#include "trunkline/stack/stack.h"

namespace trunkline {

Shard::Shard(const ShardConfig& config, Directory& directory, RandomSource& random, TimePoint now)
    : core_(std::make_unique<ShardCore>(config, directory, random, now)) {}

Shard::~Shard() = default;

EndpointResult Shard::add_endpoint(const EndpointConfig& config) {
  return core_->add_endpoint(config);
}

Status Shard::set_listening(EndpointId endpoint, bool listening, uint64_t user,
                            const Profile* profile) {
  return core_->set_listening(endpoint, listening, user, profile);
}

Status Shard::own_endpoint(EndpointId endpoint, uint64_t owner) {
  return core_->own_endpoint(endpoint, owner);
}

Status Shard::close_endpoint(EndpointId endpoint) {
  return core_->close_endpoint(endpoint);
}

uint16_t Shard::steer(const PacketIn& packet) const {
  return core_->steer(packet);
}

uint16_t Shard::steer_quoted(const PacketIn& sent) const {
  return core_->steer_quoted(sent);
}

void Shard::receive(TimePoint now, std::span<const PacketIn> burst) {
  core_->quiescent();
  core_->receive(now, burst);
}

void Shard::protocol_unreachable(TimePoint now, const PacketIn& sent) {
  static_cast<void>(now);
  core_->protocol_unreachable(sent);
  core_->reap();
}

void Shard::packet_too_big(TimePoint now, const PacketIn& sent, uint16_t mtu) {
  core_->packet_too_big(now, sent, mtu);
  core_->reap();
}

ConnectResult Shard::connect(TimePoint now, const ConnectRequest& request) {
  return core_->connect(now, request);
}

Status Shard::send(TimePoint now, AssocId assoc, const SendRequest& request, Payload& payload) {
  Association* const found = core_->find(assoc);
  const Status status = found != nullptr ? found->send(core_->ctx, now, request, payload)
                                         : Status::kNoSuchAssociation;
  if (status != Status::kOk) core_->ctx.counters.add(Counter::k_refused_sends);
  return status;
}

Status Shard::shutdown(TimePoint now, AssocId assoc) {
  Association* const found = core_->find(assoc);
  if (found == nullptr) return Status::kNoSuchAssociation;
  const Status status = found->shutdown(core_->ctx, now);
  core_->reap();
  return status;
}

Status Shard::abort(TimePoint now, AssocId assoc, std::span<const uint8_t> reason) {
  static_cast<void>(now);
  Association* const found = core_->find(assoc);
  if (found == nullptr) return Status::kNoSuchAssociation;
  found->abort(core_->ctx, reason);
  core_->reap();
  return Status::kOk;
}

Status Shard::set_user(AssocId assoc, uint64_t user) {
  Association* const found = core_->find(assoc);
  if (found == nullptr) return Status::kNoSuchAssociation;
  found->user = user;
  return Status::kOk;
}

Status Shard::request_heartbeat(TimePoint now, AssocId assoc, IpAddress peer_address) {
  static_cast<void>(now);
  Association* const found = core_->find(assoc);
  if (found == nullptr) return Status::kNoSuchAssociation;
  return found->request_heartbeat(core_->ctx, peer_address);
}

Status Shard::set_primary(TimePoint now, AssocId assoc, IpAddress peer_address) {
  static_cast<void>(now);
  Association* const found = core_->find(assoc);
  if (found == nullptr) return Status::kNoSuchAssociation;
  return found->set_primary(core_->ctx, peer_address);
}

EditResult Shard::set_profile(TimePoint now, AssocId assoc, const ProfileEdit& edit) {
  return core_->set_profile(now, assoc, edit);
}

EditResult Shard::set_path_profile(TimePoint now, AssocId assoc, IpAddress peer_address,
                                   const PathEdit& edit) {
  return core_->set_path_profile(now, assoc, peer_address, edit);
}

const Profile* Shard::profile(AssocId assoc) const {
  const Association* const found = core_->find(assoc);
  return found != nullptr ? &found->profile() : nullptr;
}

const Profile* Shard::path_profile(AssocId assoc, IpAddress peer_address) const {
  const Association* const found = core_->find(assoc);
  if (found == nullptr) return nullptr;
  for (const Path* const path : found->paths()) {
    if (path->remote == peer_address) return &found->profile_of(core_->ctx, *path);
  }
  return nullptr;
}

void Shard::advance(TimePoint now) {
  core_->quiescent();
  core_->advance(now);
}

TimePoint Shard::next_deadline() const {
  return std::min(core_->ctx.wheel.next_deadline(), core_->ctx.sacks.next_due());
}

size_t Shard::transmit(TimePoint now, std::span<PacketOut> room) {
  return core_->transmit(now, room);
}

bool Shard::has_output() const {
  return !core_->ctx.replies.empty() || !core_->ctx.ready.empty();
}

Event* Shard::next_event() {
  ShardContext& ctx = core_->ctx;
  QueuedEvent* oldest = ctx.events.front();
  if (ctx.event_given) {
    if (oldest->go_on()) return &oldest->event;
    ctx.drop_event();
    oldest = ctx.events.front();
  }
  ctx.event_given = oldest != nullptr;
  return oldest != nullptr ? &oldest->event : nullptr;
}

bool Shard::keep(TimePoint now, Event& event) {
  static_cast<void>(now);
  return core_->keep(event);
}

void Shard::consumed(TimePoint now, AssocId assoc, size_t bytes) {
  static_cast<void>(now);
  Association* const found = core_->find(assoc);
  if (found != nullptr) found->on_message_consumed(core_->ctx, bytes);
}

bool Shard::set_unread(AssocId assoc, uint32_t bytes) {
  Association* const found = core_->find(assoc);
  return found != nullptr && found->set_unread(core_->ctx, bytes);
}

const Counters& Shard::counters() const {
  return core_->ctx.counters;
}

bool Shard::status(AssocId assoc, AssocStatus& out) const {
  const Association* const found = core_->find(assoc);
  if (found == nullptr) return false;
  found->fill_status(core_->ctx, out);
  return true;
}

std::vector<AssocId> Shard::associations() const {
  return core_->associations();
}

size_t Shard::association_count() const {
  return core_->association_count();
}

const char* Shard::receive_memory_fault() const {
  return core_->receive_memory_fault();
}

Shard::PoolUsage Shard::pool_usage() const {
  return {core_->ctx.blocks.used(), core_->ctx.blocks.capacity(), core_->ctx.chunks.used(),
          core_->ctx.messages.used(), core_->ctx.profiles.size()};
}

}  // namespace trunkline
