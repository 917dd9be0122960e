// SPDX-License-Identifier: BSD-3-Clause
// Endpoints of the bridge, and who listens on them. May allocate.
#include "appring/bridge.h"

#include <algorithm>
#include <utility>

namespace trunkline::appring {

uint8_t Bridge::read_open_body(Channel& channel, const tlr_submission& submission, bool connect,
                               tlr_open_body& out) {
  if (const uint8_t status = claim(channel, submission); status != TLR_STATUS_OK) return status;
  const bool whole = submission.length == sizeof(tlr_open_body);
  if (whole) out = copy_once<tlr_open_body>(channel.tx_data(submission.slot));
  channel.unclaim(channel.piece(submission.slot));
  if (whole && open_body_valid(out, connect)) return TLR_STATUS_OK;
  return refuse(RingCounter::k_refuse_bad_body, TLR_STATUS_BAD_DESCRIPTOR);
}

const Profile* Bridge::find_profile(std::string_view name) const {
  if (name.empty()) return &config_.default_profile;
  for (const NamedProfile& profile : config_.profiles) {
    if (profile.name == name) return &profile.profile;
  }
  return nullptr;
}

uint32_t Bridge::find_endpoint(const LocalName& local) const {
  uint32_t index = first_of_port_[local.port];
  while (index != kNone && !(endpoints_[index].bound == local.bound)) {
    index = endpoints_[index].next;
  }
  return index;
}

// An operation that names no addresses means the endpoint that is configured with its port. Where
// there are several it has to say which; where there is none it gets all that the host has.
uint8_t Bridge::read_local(const tlr_open_body& body, LocalName& out) {
  const auto refused = [this] {
    return refuse(RingCounter::k_refuse_local_address, TLR_STATUS_INVALID_ADDRESS);
  };
  const auto& ours = config_.local_addresses;
  out.port = body.local_port;
  for (size_t i = 0; i < body.local_count; ++i) {
    const IpAddress address = address_from_wire(body.addresses[body.address_count + i]);
    const bool known = address.is_unspecified() || address.scope() == AddressScope::kLoopback ||
                       std::find(ours.begin(), ours.end(), address) != ours.end();
    if (address.is_none() || !known) return refused();
    out.addresses.push_back(address);
  }
  if (out.addresses.empty() && out.port != 0) {
    const auto with_port = [&](const NamedEndpoint& named) { return named.port.value == out.port; };
    const auto& all = config_.endpoints;
    const auto found = std::find_if(all.begin(), all.end(), with_port);
    if (std::count_if(all.begin(), all.end(), with_port) > 1) return refused();
    if (found != all.end()) out.addresses = found->addresses;
  }
  const auto bound = BoundAddresses::of(out.addresses);
  if (!bound) return refused();
  out.bound = *bound;
  return TLR_STATUS_OK;
}

const NamedEndpoint* Bridge::configured(const LocalName& local) const {
  for (const NamedEndpoint& named : config_.endpoints) {
    if (local.port == 0 || named.port.value != local.port) continue;
    const auto bound = BoundAddresses::of(named.addresses);
    if (bound && *bound == local.bound) return &named;
  }
  return nullptr;
}

// As the configuration says, whoever asks and on whichever worker: endpoints with one name come and
// go at each worker at its own time, and must not differ.
uint8_t Bridge::make_endpoint(const LocalName& local, uint64_t owner, uint32_t& index) {
  EndpointConfig config;
  config.port = PortNumber(local.port);
  config.addresses = local.addresses;
  config.owner = owner;
  const Profile* profile = &config_.default_profile;
  if (const NamedEndpoint* const named = configured(local)) {
    config.out_of_blue = named->out_of_blue;
    const Profile* const its_own = find_profile(named->profile);
    if (its_own != nullptr) profile = its_own;
  }
  config.profile = *profile;
  config.peers = config_.peers;

  if (free_endpoints_.empty()) {
    free_endpoints_.push_back(static_cast<uint32_t>(endpoints_.size()));
    endpoints_.emplace_back();
  }
  index = free_endpoints_.back();
  config.user = index;
  const EndpointResult result = shard_.add_endpoint(config);
  if (result.status != Status::kOk) return wire_status(result.status);
  free_endpoints_.pop_back();
  Endpoint& endpoint = endpoints_[index];
  endpoint = Endpoint{};
  endpoint.in_use = true;
  endpoint.id = result.endpoint;
  endpoint.port = result.port;
  endpoint.bound = local.bound;
  endpoint.next = std::exchange(first_of_port_[result.port.value], index);
  endpoint.own_profile = profile;
  endpoint.profile = profile;
  return TLR_STATUS_OK;
}

// What the shard refuses is refused again, and told, when a client asks for it.
void Bridge::make_configured_endpoints() {
  for (const NamedEndpoint& named : config_.endpoints) {
    uint32_t index = kNone;
    LocalName local{named.port.value, named.addresses, {}};
    const auto bound = BoundAddresses::of(named.addresses);
    if (!bound) continue;
    local.bound = *bound;
    if (find_endpoint(local) != kNone) continue;
    if (make_endpoint(local, kNobody, index) != TLR_STATUS_OK) continue;
    endpoints_[index].configured = true;
  }
}

uint8_t Bridge::own_endpoint(const Channel& channel, const LocalName& local, uint32_t& index) {
  const uint32_t uid = channel.client().identity.uid;
  const uint64_t owner = uint64_t{uid} + 1;
  index = local.port == 0 ? kNone : find_endpoint(local);
  if (index == kNone) {
    const uint8_t status = make_endpoint(local, owner, index);
    if (status != TLR_STATUS_OK) return status;
  } else if (endpoints_[index].owned) {
    if (endpoints_[index].uid != uid) return TLR_STATUS_ALREADY_EXISTS;
  } else {
    const Status status = shard_.own_endpoint(endpoints_[index].id, owner);
    if (status != Status::kOk) return wire_status(status);
  }
  endpoints_[index].owned = true;
  endpoints_[index].uid = uid;
  return TLR_STATUS_OK;
}

// What the client must keep to, in one word: as the stack chooses the profile of a peer.
uint64_t Bridge::limits_of(const Endpoint& endpoint, const IpAddress& peer) const {
  const PeerProfile* const named = config_.peers != nullptr ? config_.peers->find(peer) : nullptr;
  return limits_word(named != nullptr ? named->profile : *endpoint.profile);
}

void Bridge::stop_listening(Endpoint& endpoint) {
  if (!endpoint.listening) return;
  endpoint.listening = false;
  endpoint.profile = endpoint.own_profile;
  [[maybe_unused]] const Status status = shard_.set_listening(
      endpoint.id, false, static_cast<uint64_t>(&endpoint - endpoints_.data()));
}

void Bridge::release_endpoint(uint32_t index) {
  Endpoint& endpoint = endpoints_[index];
  if (!endpoint.in_use || endpoint.associations != 0 || !endpoint.listeners.empty()) return;
  if (endpoint.configured) {
    if (!std::exchange(endpoint.owned, false)) return;
    [[maybe_unused]] const Status status = shard_.own_endpoint(endpoint.id, kNobody);
    return;
  }
  [[maybe_unused]] const Status status = shard_.close_endpoint(endpoint.id);
  uint32_t* link = &first_of_port_[endpoint.port.value];
  while (*link != index) link = &endpoints_[*link].next;
  *link = endpoint.next;
  free_endpoints_.push_back(index);
  endpoint = Endpoint{};
}

size_t Bridge::endpoints_in_use() const {
  return static_cast<size_t>(std::count_if(endpoints_.begin(), endpoints_.end(),
                                           [](const Endpoint& e) { return e.owned; }));
}

void Bridge::handle_listen(Channel& channel, const tlr_submission& submission) {
  tlr_open_body body;
  uint8_t status = read_open_body(channel, submission, false, body);
  if (status == TLR_STATUS_OK) status = listen(channel, body, submission.context);
  end_operation(channel, submission.context, status);
}

uint8_t Bridge::listen(Channel& channel, const tlr_open_body& body, uint64_t context) {
  if (closing_) return refuse(RingCounter::k_refuse_listen, TLR_STATUS_CLOSING);
  if (!channel.client().rights.may_use(body.local_port)) {
    return refuse(RingCounter::k_refuse_port, TLR_STATUS_NOT_PERMITTED);
  }
  if (channel.listeners >= channel.limits().max_listeners) {
    return refuse(RingCounter::k_refuse_listener_limit, TLR_STATUS_NO_RESOURCES);
  }
  const std::string_view name(body.profile);
  const Profile* const profile = name.empty() ? nullptr : find_profile(name);
  if (!name.empty() && profile == nullptr) {
    return refuse(RingCounter::k_refuse_profile, TLR_STATUS_NO_PROFILE);
  }
  LocalName local;
  if (const uint8_t status = read_local(body, local); status != TLR_STATUS_OK) return status;
  uint32_t index = kNone;
  if (const uint8_t status = own_endpoint(channel, local, index); status != TLR_STATUS_OK) {
    const bool taken = status == TLR_STATUS_ALREADY_EXISTS;
    return refuse(taken ? RingCounter::k_refuse_port_in_use : RingCounter::k_refuse_listen, status);
  }
  Endpoint& endpoint = endpoints_[index];
  if (!endpoint.listening) {
    const Status status = shard_.set_listening(endpoint.id, true, index, profile);
    if (status != Status::kOk) {
      release_endpoint(index);
      return refuse(RingCounter::k_refuse_listen, wire_status(status));
    }
    endpoint.listening = true;
    if (profile != nullptr) endpoint.profile = profile;
  } else if (profile != nullptr && profile != endpoint.profile) {
    // Whoever listens first says with which profile, and all listeners have the same.
    return refuse(RingCounter::k_refuse_port_in_use, TLR_STATUS_ALREADY_EXISTS);
  }
  if (endpoint.listeners.empty()) listening_.push_back(index);
  endpoint.listeners.push_back({&channel, context, body.affinity});
  if (body.affinity == config_.worker) ++endpoint.preferring;
  ++channel.listeners;
  return TLR_STATUS_OK;
}

// The turn stays with whom it was.
size_t Bridge::remove_listeners(Endpoint& endpoint, const WhichListeners& which) {
  size_t gone = 0;
  for (size_t at = 0; at < endpoint.listeners.size();) {
    if (!which(endpoint.listeners[at])) {
      ++at;
      continue;
    }
    if (endpoint.listeners[at].affinity == config_.worker) --endpoint.preferring;
    endpoint.listeners.erase(endpoint.listeners.begin() + static_cast<ptrdiff_t>(at));
    if (endpoint.next_listener != kNoTurn && endpoint.next_listener > at) --endpoint.next_listener;
    ++gone;
  }
  if (gone > 0 && endpoint.listeners.empty()) {
    std::erase(listening_, static_cast<uint32_t>(&endpoint - endpoints_.data()));
  }
  return gone;
}

void Bridge::handle_unlisten(Channel& channel, const tlr_submission& submission) {
  uint8_t status = TLR_STATUS_NO_LISTENER;
  for (size_t at = 0; at < listening_.size() && status != TLR_STATUS_OK; ++at) {
    const uint32_t index = listening_[at];
    Endpoint& endpoint = endpoints_[index];
    const size_t gone = remove_listeners(endpoint, [&](const Listener& listener) {
      return listener.channel == &channel &&
             static_cast<uint32_t>(listener.context) == submission.listener;
    });
    if (gone == 0) continue;
    channel.listeners -= static_cast<uint32_t>(gone);
    if (endpoint.listeners.empty()) stop_listening(endpoint);
    release_endpoint(index);
    status = TLR_STATUS_OK;
  }
  if (status != TLR_STATUS_OK) count(RingCounter::k_refuse_operation);
  end_operation(channel, submission.context, status);
}

}  // namespace trunkline::appring
