// SPDX-License-Identifier: BSD-3-Clause
// trunkline::Shard for programs without the stack's: each verb is the fake's. One that the bridge
// does not use is not here, so that a program which needs it does not link.
#include "fake_shard.h"

namespace trunkline {

class Directory {};
class ShardCore {};

namespace {

Directory no_directory;
SeededRandom no_random(1);

test::FakeShard& fake(Shard* shard) {
  return static_cast<test::FakeShard&>(*shard);
}
const test::FakeShard& fake(const Shard* shard) {
  return static_cast<const test::FakeShard&>(*shard);
}

}  // namespace

Shard::Shard(const ShardConfig&, Directory&, RandomSource&, TimePoint) {}
Shard::~Shard() = default;

EndpointResult Shard::add_endpoint(const EndpointConfig& config) {
  return fake(this).add_endpoint(config);
}
Status Shard::set_listening(EndpointId endpoint, bool listening, uint64_t user,
                            const Profile* profile) {
  return fake(this).set_listening(endpoint, listening, user, profile);
}
Status Shard::own_endpoint(EndpointId endpoint, uint64_t owner) {
  return fake(this).own_endpoint(endpoint, owner);
}
Status Shard::close_endpoint(EndpointId endpoint) {
  return fake(this).close_endpoint(endpoint);
}
ConnectResult Shard::connect(TimePoint now, const ConnectRequest& request) {
  return fake(this).connect(now, request);
}
Status Shard::send(TimePoint now, AssocId assoc, const SendRequest& request, Payload& payload) {
  return fake(this).send(now, assoc, request, payload);
}
Status Shard::shutdown(TimePoint now, AssocId assoc) {
  return fake(this).shutdown(now, assoc);
}
Status Shard::abort(TimePoint now, AssocId assoc, std::span<const uint8_t> reason) {
  return fake(this).abort(now, assoc, reason);
}
Status Shard::request_heartbeat(TimePoint now, AssocId assoc, IpAddress peer_address) {
  return fake(this).request_heartbeat(now, assoc, peer_address);
}
Status Shard::set_primary(TimePoint now, AssocId assoc, IpAddress peer_address) {
  return fake(this).set_primary(now, assoc, peer_address);
}
EditResult Shard::set_profile(TimePoint, AssocId assoc, const ProfileEdit& edit) {
  return fake(this).set_profile(assoc, edit);
}
EditResult Shard::set_path_profile(TimePoint, AssocId assoc, IpAddress peer_address,
                                   const PathEdit& edit) {
  return fake(this).set_path_profile(assoc, peer_address, edit);
}
const Profile* Shard::profile(AssocId assoc) const {
  return fake(this).profile(assoc);
}
const Profile* Shard::path_profile(AssocId assoc, IpAddress peer_address) const {
  return fake(this).path_profile(assoc, peer_address);
}
Event* Shard::next_event() {
  return fake(this).next_event();
}
bool Shard::keep(TimePoint now, Event& event) {
  return fake(this).keep(now, event);
}
void Shard::consumed(TimePoint now, AssocId assoc, size_t bytes) {
  fake(this).consumed(now, assoc, bytes);
}
bool Shard::set_unread(AssocId assoc, uint32_t bytes) {
  return fake(this).set_unread(assoc, bytes);
}
bool Shard::status(AssocId assoc, AssocStatus& out) const {
  return static_cast<const test::FakeShard&>(*this).status(assoc, out);
}

test::FakeShard::FakeShard() : Shard({}, no_directory, no_random, {}) {}

}  // namespace trunkline
