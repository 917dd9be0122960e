// SPDX-License-Identifier: BSD-3-Clause
// Finding endpoints by id, and by local address and port.
#include "endpoint/endpoint.h"

#include <algorithm>
#include <bit>

#include "assoc/peer_addresses.h"
#include "base/steps.h"

namespace trunkline {
namespace {

// The bits of a word, whose first one is number `begin`, that are in one's share.
uint64_t share_of(size_t begin, PortShare share) {
  uint64_t bits = 0;
  size_t bit = (share.index + share.count - begin % share.count) % share.count;
  for (; bit < 64; bit += share.count) bits |= uint64_t{1} << bit;
  return bits;
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

bool EndpointTable::taken(PortNumber port, const std::vector<IpAddress>& addresses) const {
  return std::any_of(addresses.begin(), addresses.end(),
                     [&](const IpAddress& address) { return find(address, port) != nullptr; });
}

PortNumber EndpointTable::free_port(const std::vector<IpAddress>& addresses, RandomSource& random,
                                    PortShare share) const {
  PortSet taken{};
  for (const TakenPorts& some : taken_ports_) {
    if (std::find(addresses.begin(), addresses.end(), some.address) == addresses.end()) continue;
    for (size_t i = 0; i < taken.size(); ++i) taken[i] |= some.ports[i];
    count_steps(taken.size());
  }
  if (std::all_of(taken.begin(), taken.end(), [](uint64_t word) { return word == UINT64_MAX; })) {
    return {};
  }
  constexpr uint32_t kCount = 65536 - kFirstDynamicPort;
  for (uint32_t part = 0; part < share.count; ++part) {
    const auto first = static_cast<uint16_t>((share.index + part) % share.count);
    const uint32_t size = (kCount - first + share.count - 1) / share.count;
    const size_t start = random.u32() % size * share.count + first;
    // Once around, and the first word again for what lies before the start in it.
    for (size_t i = 0; i <= taken.size(); ++i) {
      count_steps();
      const size_t word = (start / 64 + i) % taken.size();
      uint64_t free = ~taken[word] & share_of(word * 64, {first, share.count});
      if (i == 0) free &= ~uint64_t{0} << start % 64;
      if (free == 0) continue;
      const size_t offset = word * 64 + static_cast<size_t>(std::countr_zero(free));
      return PortNumber(static_cast<uint16_t>(kFirstDynamicPort + offset));
    }
  }
  return {};
}

void EndpointTable::mark(const Endpoint& endpoint, bool taken) {
  if (endpoint.port.value < kFirstDynamicPort) return;
  const size_t offset = endpoint.port.value - kFirstDynamicPort;
  const uint64_t bit = uint64_t{1} << offset % 64;
  for (const IpAddress& address : endpoint.addresses) {
    auto at = std::find_if(taken_ports_.begin(), taken_ports_.end(),
                           [&](const TakenPorts& some) { return some.address == address; });
    if (at == taken_ports_.end()) at = taken_ports_.insert(at, TakenPorts{address});
    uint64_t& word = at->ports[offset / 64];
    word = taken ? word | bit : word & ~bit;
  }
}

EndpointResult EndpointTable::add(const EndpointConfig& config, RandomSource& random,
                                  PortShare share) {
  if (config.addresses.empty() ||
      !std::all_of(config.addresses.begin(), config.addresses.end(),
                   [](const IpAddress& address) { return address.is_unicast(); })) {
    return {Status::kInvalidAddress, {}, {}};
  }
  PortNumber port = config.port;
  if (port.value == 0) {
    port = free_port(config.addresses, random, share);
    if (port.value == 0) return {Status::kOutOfResources, {}, {}};
  } else if (taken(port, config.addresses)) {
    return {Status::kAlreadyExists, {}, {}};
  }
  uint32_t id = static_cast<uint32_t>(endpoints_.size());
  if (!free_ids_.empty()) {
    id = free_ids_.back();
    free_ids_.pop_back();
  } else {
    endpoints_.emplace_back();
    next_on_port_.push_back(kNone);
  }
  auto endpoint = std::make_unique<Endpoint>();
  endpoint->endpoint = EndpointId(id);
  endpoint->port = port;
  endpoint->addresses = config.addresses;
  endpoint->prefix_lengths = config.prefix_lengths;
  endpoint->of_host = &of_host_;
  for (const IpAddress& address : config.addresses) of_host_.add(address);
  endpoint->profile = config.profile;
  endpoint->peers = config.peers;
  endpoint->listening = config.listening;
  endpoint->out_of_blue = config.out_of_blue;
  endpoint->user = config.user;
  mark(*endpoint, true);
  endpoints_[id] = std::move(endpoint);
  next_on_port_[id] = first_on_port_[port.value];
  first_on_port_[port.value] = id;
  return {Status::kOk, EndpointId(id), port};
}

Endpoint* EndpointTable::find(EndpointId id) const {
  return id.value < endpoints_.size() ? endpoints_[id.value].get() : nullptr;
}

Endpoint* EndpointTable::find(const IpAddress& local, PortNumber port) const {
  for (uint32_t id = first_on_port_[port.value]; id != kNone; id = next_on_port_[id]) {
    count_steps();
    if (endpoints_[id]->has_address(local)) return endpoints_[id].get();
  }
  return nullptr;
}

void EndpointTable::forget_if_unused(Endpoint& endpoint) {
  if (!endpoint.closing || endpoint.associations > 0) return;
  const uint32_t id = endpoint.endpoint.value;
  uint32_t* link = &first_on_port_[endpoint.port.value];
  for (; *link != id; link = &next_on_port_[*link]) count_steps();
  *link = next_on_port_[id];
  for (const IpAddress& address : endpoint.addresses) of_host_.remove(address);
  mark(endpoint, false);
  endpoints_[id].reset();
  free_ids_.push_back(id);
}

}  // namespace trunkline
