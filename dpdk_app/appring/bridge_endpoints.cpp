// SPDX-License-Identifier: BSD-3-Clause
// Endpoints of the bridge, and who listens on them. May allocate.
#include "appring/bridge.h"

#include <algorithm>

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

uint32_t Bridge::find_endpoint(uint16_t port) const {
  return endpoint_of_port_[port];
}

// As the configuration says, whoever asks and on whichever worker: endpoints of one port come and
// go at each worker at its own time, and must not differ.
uint8_t Bridge::make_endpoint(uint16_t port, uint32_t& index) {
  EndpointConfig config;
  config.port = PortNumber(port);
  config.addresses = config_.local_addresses;
  const Profile* profile = &config_.default_profile;
  for (const NamedEndpoint& named : config_.endpoints) {
    if (port == 0 || named.port != PortNumber(port)) continue;
    config.addresses = named.addresses;
    config.out_of_blue = named.out_of_blue;
    const Profile* const its_own = find_profile(named.profile);
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
  endpoint_of_port_[result.port.value] = index;
  Endpoint& endpoint = endpoints_[index];
  endpoint = Endpoint{};
  endpoint.in_use = true;
  endpoint.id = result.endpoint;
  endpoint.port = result.port;
  endpoint.own_profile = profile;
  endpoint.profile = profile;
  return TLR_STATUS_OK;
}

// What the shard refuses is refused again, and told, when a client asks for it.
void Bridge::make_configured_endpoints() {
  for (const NamedEndpoint& named : config_.endpoints) {
    uint32_t index = kNone;
    if (find_endpoint(named.port.value) != kNone) continue;
    if (make_endpoint(named.port.value, index) != TLR_STATUS_OK) continue;
    endpoints_[index].configured = true;
  }
}

uint8_t Bridge::own_endpoint(const Channel& channel, uint16_t port, uint32_t& index) {
  index = port == 0 ? kNone : find_endpoint(port);
  if (index == kNone) {
    if (const uint8_t status = make_endpoint(port, index); status != TLR_STATUS_OK) return status;
  }
  Endpoint& endpoint = endpoints_[index];
  const uint32_t uid = channel.client().identity.uid;
  if (endpoint.owned && endpoint.uid != uid) return TLR_STATUS_ALREADY_EXISTS;
  endpoint.owned = true;
  endpoint.uid = uid;
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
    endpoint.owned = false;
    return;
  }
  [[maybe_unused]] const Status status = shard_.close_endpoint(endpoint.id);
  endpoint_of_port_[endpoint.port.value] = kNone;
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
  uint32_t index = kNone;
  if (const uint8_t status = own_endpoint(channel, body.local_port, index);
      status != TLR_STATUS_OK) {
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
      return listener.channel == &channel && listener.context == submission.argument;
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
