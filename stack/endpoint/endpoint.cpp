// SPDX-License-Identifier: BSD-3-Clause
// Finding endpoints by id, and by local address and port.
#include "endpoint/endpoint.h"

#include <algorithm>
#include <array>
#include <utility>

#include "assoc/peer_addresses.h"
#include "base/steps.h"

namespace trunkline {
namespace {

// All that an endpoint tells of which is bound to all: one loopback address of each family stands
// for those of 127.0.0.0/8, of which nobody needs a list.
std::vector<IpAddress> with_loopback(std::span<const IpAddress> of_host) {
  std::vector<IpAddress> out(of_host.begin(), of_host.end());
  std::array<uint8_t, 16> one{};
  one.back() = 1;
  for (const IpAddress& address : {IpAddress::ipv4(127, 0, 0, 1), IpAddress::from_ipv6(one)}) {
    if (std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
  }
  return out;
}

}  // namespace

const Profile& Endpoint::profile_for(const PeerProfile* peer) const {
  if (peer != nullptr) return peer->profile;
  return listening_profile ? *listening_profile : profile;
}

bool Endpoint::accepts_addresses(const PeerProfile* peer, const IpAddress& source,
                                 std::span<const IpAddress> listed) const {
  if (profile_for(peer).peer_address_check == AddressCheck::kLoose) return true;
  if (peer == nullptr || peer->peer == 0) return false;
  return lists_exactly(*this, peers->addresses_of(peer->peer), source, listed);
}

EndpointTable::EndpointTable(std::span<const IpAddress> of_host,
                             std::span<const uint8_t> prefix_lengths, PortTable* ports)
    : all_(with_loopback(of_host)),
      prefix_lengths_(prefix_lengths.begin(), prefix_lengths.end()),
      of_host_(of_host),
      own_ports_(ports == nullptr ? std::make_unique<PortTable>() : nullptr),
      ports_(ports != nullptr ? *ports : *own_ports_) {}

EndpointTable::~EndpointTable() {
  for (const auto& endpoint : endpoints_) {
    if (endpoint != nullptr) ports_.give_back(*endpoint->place, endpoint->owned);
  }
}

// At this shard. A table of ports that is shared knows of the others, and lets one owner have the
// same endpoint at several.
bool EndpointTable::taken(PortNumber port, const BoundAddresses& bound, bool beside_own) const {
  if (port.value == 0) return false;
  for (uint32_t id = first_on_port_[port.value]; id != kNone; id = next_on_port_[id]) {
    count_steps();
    const Endpoint& there = *endpoints_[id];
    if (!there.bound.overlaps(bound)) continue;
    // Whose it is, the table of ports says.
    if (!beside_own || !there.beside_own || there.bound == bound) return true;
  }
  return false;
}

void EndpointTable::set_addresses(Endpoint& endpoint, const BoundAddresses& bound) {
  endpoint.bound = bound;
  endpoint.all_ipv4 = bound.all_ipv4();
  endpoint.all_ipv6 = bound.all_ipv6();
  endpoint.of_host = &of_host_;
  for (const IpAddress& address : bound.is_all() ? std::span(all_) : bound.named()) {
    if (!bound.covers(address)) continue;
    endpoint.addresses.push_back(address);
    const auto at =
        static_cast<size_t>(std::find(all_.begin(), all_.end(), address) - all_.begin());
    // Without a network, no peer's address lies in it.
    const bool known = at < prefix_lengths_.size();
    endpoint.prefix_lengths.push_back(known ? prefix_lengths_[at] : UINT8_MAX);
    of_host_.add(address);
  }
}

uint32_t EndpointTable::free_id() {
  if (free_ids_.empty()) {
    free_ids_.push_back(static_cast<uint32_t>(endpoints_.size()));
    endpoints_.emplace_back();
    next_on_port_.push_back(kNone);
  }
  const uint32_t id = free_ids_.back();
  free_ids_.pop_back();
  return id;
}

EndpointResult EndpointTable::add(const EndpointConfig& config, RandomSource& random) {
  const auto bound = BoundAddresses::of(config.addresses);
  if (!bound) return {Status::kInvalidAddress, {}, {}};
  if (taken(config.port, *bound, config.beside_own)) return {Status::kAlreadyExists, {}, {}};
  const PortTable::Claim claim =
      ports_.claim(config.port, *bound, config.owner, random, config.beside_own);
  if (claim.status != Status::kOk) return {claim.status, {}, {}};
  const uint32_t id = free_id();
  auto endpoint = std::make_unique<Endpoint>();
  endpoint->endpoint = EndpointId(id);
  endpoint->port = claim.port;
  endpoint->place = claim.entry;
  endpoint->owned = config.owner != PortTable::kNobody;
  endpoint->beside_own = config.beside_own;
  set_addresses(*endpoint, *bound);
  endpoint->profile = config.profile;
  endpoint->peers = config.peers;
  endpoint->listening = config.listening;
  endpoint->out_of_blue = config.out_of_blue;
  endpoint->user = config.user;
  endpoints_[id] = std::move(endpoint);
  next_on_port_[id] = std::exchange(first_on_port_[claim.port.value], id);
  return {Status::kOk, EndpointId(id), claim.port};
}

bool EndpointTable::own(Endpoint& endpoint, uint64_t owner) {
  // One who has it already, and asks again, must not come to have it twice.
  if (owner != PortTable::kNobody && !ports_.own(*endpoint.place, owner)) return false;
  if (endpoint.owned) ports_.disown(*endpoint.place);
  endpoint.owned = owner != PortTable::kNobody;
  return true;
}

Endpoint* EndpointTable::find(EndpointId id) const {
  return id.value < endpoints_.size() ? endpoints_[id.value].get() : nullptr;
}

Endpoint* EndpointTable::find(const IpAddress& local, PortNumber port) const {
  Endpoint* found = nullptr;
  for (uint32_t id = first_on_port_[port.value]; id != kNone; id = next_on_port_[id]) {
    count_steps();
    Endpoint* const endpoint = endpoints_[id].get();
    if (!endpoint->has_address(local)) continue;
    if (endpoint->listening || !endpoint->beside_own) return endpoint;
    if (found == nullptr) found = endpoint;
  }
  return found;
}

void EndpointTable::forget_if_unused(Endpoint& endpoint) {
  if (!endpoint.closing || endpoint.associations > 0) return;
  const uint32_t id = endpoint.endpoint.value;
  uint32_t* link = &first_on_port_[endpoint.port.value];
  for (; *link != id; link = &next_on_port_[*link]) count_steps();
  *link = next_on_port_[id];
  for (const IpAddress& address : endpoint.addresses) of_host_.remove(address);
  ports_.give_back(*endpoint.place, endpoint.owned);
  endpoints_[id].reset();
  free_ids_.push_back(id);
}

}  // namespace trunkline
