// SPDX-License-Identifier: BSD-3-Clause
// What the bridge does rarely: endpoints and their listeners, connects, accepted associations,
// clients that come, go or misbehave. May allocate.
#pragma once

#include <algorithm>
#include <utility>

#include "appring/bridge.h"
#include "appring/bridge_orphans_impl.h"

namespace trunkline::appring {

// ---------------------------------------------------------------- endpoints

template <typename ShardT>
uint8_t BasicBridge<ShardT>::read_open_body(Channel& channel, const tlr_submission& submission,
                                            bool connect, tlr_open_body& out) {
  if (const uint8_t status = claim(channel, submission); status != TLR_STATUS_OK) return status;
  const bool whole = submission.length == sizeof(tlr_open_body);
  if (whole) out = copy_once<tlr_open_body>(channel.tx_data(submission.slot));
  channel.unclaim(channel.piece(submission.slot));
  if (whole && open_body_valid(out, connect)) return TLR_STATUS_OK;
  return refuse(RingCounter::k_refuse_bad_body, TLR_STATUS_BAD_DESCRIPTOR);
}

template <typename ShardT>
const Profile* BasicBridge<ShardT>::find_profile(std::string_view name) const {
  if (name.empty()) return &config_.default_profile;
  for (const NamedProfile& profile : config_.profiles) {
    if (profile.name == name) return &profile.profile;
  }
  return nullptr;
}

template <typename ShardT>
uint32_t BasicBridge<ShardT>::find_endpoint(uint16_t port) const {
  return endpoint_of_port_[port];
}

// As the configuration says, whoever asks and on whichever worker: endpoints of one port come and
// go at each worker at its own time, and must not differ.
template <typename ShardT>
uint8_t BasicBridge<ShardT>::make_endpoint(uint16_t port, uint32_t& index) {
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
  for (const IpAddress& address : config.addresses) {
    const auto& all = config_.local_addresses;
    const auto at = static_cast<size_t>(std::find(all.begin(), all.end(), address) - all.begin());
    // Without a network, no peer's address lies in it.
    const bool known = at < config_.local_prefix_lengths.size();
    config.prefix_lengths.push_back(known ? config_.local_prefix_lengths[at] : UINT8_MAX);
  }

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
template <typename ShardT>
void BasicBridge<ShardT>::make_configured_endpoints() {
  for (const NamedEndpoint& named : config_.endpoints) {
    uint32_t index = kNone;
    if (find_endpoint(named.port.value) != kNone) continue;
    if (make_endpoint(named.port.value, index) != TLR_STATUS_OK) continue;
    endpoints_[index].configured = true;
  }
}

template <typename ShardT>
uint8_t BasicBridge<ShardT>::own_endpoint(const Channel& channel, uint16_t port, uint32_t& index) {
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
template <typename ShardT>
uint64_t BasicBridge<ShardT>::limits_of(const Endpoint& endpoint, const IpAddress& peer) const {
  const PeerProfile* const named = config_.peers != nullptr ? config_.peers->find(peer) : nullptr;
  return limits_word(named != nullptr ? named->profile : *endpoint.profile);
}

template <typename ShardT>
void BasicBridge<ShardT>::stop_listening(Endpoint& endpoint) {
  if (!endpoint.listening) return;
  endpoint.listening = false;
  endpoint.profile = endpoint.own_profile;
  [[maybe_unused]] const Status status = shard_.set_listening(
      endpoint.id, false, static_cast<uint64_t>(&endpoint - endpoints_.data()));
}

template <typename ShardT>
void BasicBridge<ShardT>::release_endpoint(uint32_t index) {
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

template <typename ShardT>
size_t BasicBridge<ShardT>::endpoints_in_use() const {
  return static_cast<size_t>(std::count_if(endpoints_.begin(), endpoints_.end(),
                                           [](const Endpoint& e) { return e.owned; }));
}

template <typename ShardT>
void BasicBridge<ShardT>::handle_listen(Channel& channel, const tlr_submission& submission) {
  tlr_open_body body;
  uint8_t status = read_open_body(channel, submission, false, body);
  if (status == TLR_STATUS_OK) status = listen(channel, body, submission.context);
  end_operation(channel, submission.context, status);
}

template <typename ShardT>
uint8_t BasicBridge<ShardT>::listen(Channel& channel, const tlr_open_body& body, uint64_t context) {
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
template <typename ShardT>
template <typename Which>
size_t BasicBridge<ShardT>::remove_listeners(Endpoint& endpoint, Which which) {
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

template <typename ShardT>
void BasicBridge<ShardT>::handle_unlisten(Channel& channel, const tlr_submission& submission) {
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

template <typename ShardT>
void BasicBridge<ShardT>::handle_connect(TimePoint now, Channel& channel,
                                         const tlr_submission& submission) {
  tlr_open_body body;
  uint8_t status = read_open_body(channel, submission, true, body);
  if (status == TLR_STATUS_OK) status = connect(now, channel, body, submission.context);
  if (status == TLR_STATUS_OK) return;  // CONNECTED or CONNECT_FAILED follows
  tlr_completion out{};
  out.kind = TLR_CONNECT_FAILED;
  out.status = status;
  out.context = submission.context;
  channel.complete(out);
  mark_dirty(channel);
}

template <typename ShardT>
uint8_t BasicBridge<ShardT>::connect(TimePoint now, Channel& channel, const tlr_open_body& body,
                                     uint64_t context) {
  if (closing_) return refuse(RingCounter::k_refuse_connect, TLR_STATUS_CLOSING);
  if (channel.associations >= channel.limits().max_associations) {
    return refuse(RingCounter::k_refuse_association_limit, TLR_STATUS_NO_RESOURCES);
  }
  std::array<IpAddress, TLR_MAX_ADDRESSES> addresses;
  for (size_t i = 0; i < body.address_count; ++i) {
    addresses[i] = address_from_wire(body.addresses[i]);
    if (addresses[i].is_none()) {
      return refuse(RingCounter::k_refuse_bad_body, TLR_STATUS_INVALID_ADDRESS);
    }
  }
  const std::string_view name(body.profile);
  const Profile* profile = nullptr;
  if (!name.empty()) {
    profile = find_profile(name);
    if (profile == nullptr) return refuse(RingCounter::k_refuse_profile, TLR_STATUS_NO_PROFILE);
  }

  const ClientRights& rights = channel.client().rights;
  const bool any_port = body.local_port == 0;
  if (any_port ? !rights.connect_from_any : !rights.may_use(body.local_port)) {
    return refuse(RingCounter::k_refuse_port, TLR_STATUS_NOT_PERMITTED);
  }
  ConnectRequest request;
  request.peer_addresses = std::span(addresses).first(body.address_count);
  request.peer_port = PortNumber(body.peer_port);
  request.outbound_streams = body.outbound_streams;
  request.profile = profile;
  // A slot of the shard is used again at once: who had it before must have heard of its end.
  while (Event* const event = shard_.next_event()) deliver(now, *event);
  // A port that was chosen here may be another worker's, with the same peer: then another is tried.
  constexpr int kTries = 8;
  uint32_t index = kNone;
  AssocId id;
  uint8_t status = TLR_STATUS_ALREADY_EXISTS;
  for (int i = 0; i < kTries && status == TLR_STATUS_ALREADY_EXISTS; ++i) {
    status = connect_from(now, channel, body.local_port, request, index, id);
    if (!any_port) break;
  }
  if (status != TLR_STATUS_OK) return status;
  Assoc* const assoc = record(id, channel, index);
  if (assoc == nullptr) {
    end_association(now, id, true);
    release_endpoint(index);
    return refuse(RingCounter::k_refuse_association_limit, TLR_STATUS_NO_RESOURCES);
  }
  assoc->connecting = true;
  assoc->connect_context = context;
  return TLR_STATUS_OK;
}

template <typename ShardT>
uint8_t BasicBridge<ShardT>::connect_from(TimePoint now, const Channel& channel, uint16_t port,
                                          ConnectRequest& request, uint32_t& index, AssocId& id) {
  if (const uint8_t status = own_endpoint(channel, port, index); status != TLR_STATUS_OK) {
    if (port == 0 || status != TLR_STATUS_ALREADY_EXISTS) {
      return refuse(RingCounter::k_refuse_connect, status);
    }
    return refuse(RingCounter::k_refuse_port_in_use, TLR_STATUS_NOT_PERMITTED);
  }
  const Endpoint& endpoint = endpoints_[index];
  request.endpoint = endpoint.id;
  request.user = request.profile != nullptr ? limits_word(*request.profile)
                                            : limits_of(endpoint, request.peer_addresses[0]);
  const ConnectResult result = shard_.connect(now, request);
  id = result.assoc;
  if (result.status == Status::kOk) return TLR_STATUS_OK;
  release_endpoint(index);
  return refuse(RingCounter::k_refuse_connect, wire_status(result.status));
}

// Ends the connect operation in the entry that was reserved for it.
template <typename ShardT>
void BasicBridge<ShardT>::finish_connect(Channel& channel, Assoc& assoc, Event& event) {
  tlr_completion out{};
  const bool connected = event.kind == EventKind::kConnected;
  if (!connected) event.kind = EventKind::kConnectFailed;
  event.context = assoc.connect_context;
  out.reason = wire_reason(event.reason);
  out.cause = event.cause;
  out.assoc_index = event.assoc.slot;
  out.assoc_generation = event.assoc.generation;
  fill_notification(event, out);
  attach_text(channel, event, out);
  channel.complete(out);
  mark_dirty(channel);
  assoc.connecting = false;
  if (!connected) finish_association(channel, assoc);
}

// Null if the shard's id is beyond the table: the configuration of the two disagrees.
template <typename ShardT>
typename BasicBridge<ShardT>::Assoc* BasicBridge<ShardT>::record(AssocId id, Channel& channel,
                                                                 uint32_t endpoint) {
  if (id.slot >= assocs_.size()) return nullptr;
  Assoc& assoc = assocs_[id.slot];
  assoc = Assoc{};
  assoc.channel = &channel;
  assoc.id = id;
  assoc.endpoint = endpoint;
  ++endpoints_[endpoint].associations;
  ++channel.associations;
  ++association_count_;
  return &assoc;
}

template <typename ShardT>
void BasicBridge<ShardT>::finish_association(Channel& channel, Assoc& assoc) {
  const uint32_t endpoint = assoc.endpoint;
  assoc = Assoc{};
  --channel.associations;
  --association_count_;
  --endpoints_[endpoint].associations;
  release_endpoint(endpoint);
}

// Lanes whose affinity is this worker first; among equals, in turn. Each worker has its own turns;
// they begin at different lanes, so that the first association of every worker does not go to the
// same one.
template <typename ShardT>
typename BasicBridge<ShardT>::Listener* BasicBridge<ShardT>::choose_listener(Endpoint& endpoint) {
  Listener* second_choice = nullptr;
  const size_t n = endpoint.listeners.size();
  if (endpoint.next_listener == kNoTurn) {
    endpoint.next_listener = config_.worker * n / config_.workers;
  }
  for (size_t i = 0; i < n; ++i) {
    const size_t at = (endpoint.next_listener + i) % n;
    Listener& listener = endpoint.listeners[at];
    if (listener.channel->associations >= listener.channel->limits().max_associations) continue;
    if (listener.affinity == config_.worker) {
      endpoint.next_listener = at + 1;
      return &listener;
    }
    if (second_choice == nullptr) second_choice = &listener;
    if (endpoint.preferring == 0) break;
  }
  if (second_choice != nullptr) {
    endpoint.next_listener = static_cast<size_t>(second_choice - endpoint.listeners.data()) + 1;
  }
  return second_choice;
}

template <typename ShardT>
void BasicBridge<ShardT>::accept(TimePoint now, Event& event) {
  const auto index = static_cast<uint32_t>(event.user);
  const bool known = event.user < endpoints_.size() && endpoints_[index].in_use &&
                     endpoints_[index].id == event.endpoint;
  if (!known || endpoints_[index].listeners.empty()) {
    count(RingCounter::k_refuse_accept_no_listener);
    return end_association(now, event.assoc, true);
  }
  Endpoint& endpoint = endpoints_[index];
  const Listener* const listener = choose_listener(endpoint);
  Channel* const channel = listener != nullptr ? listener->channel : nullptr;
  // The application must learn of it: without room for that there is no association.
  const bool room = channel != nullptr && (channel->backlog_has_room(channel->associations + 1) ||
                                           (channel->backlog_empty() && channel->has_room(1)));
  Assoc* const assoc = room ? record(event.assoc, *channel, index) : nullptr;
  if (assoc == nullptr) {
    count(RingCounter::k_refuse_association_limit);
    return end_association(now, event.assoc, true);
  }
  event.context = listener->context;
  event.user = limits_of(endpoint, event.path);
  notify_or_keep(now, *channel, event, *assoc);
}

// ---------------------------------------------------------------- clients

template <typename ShardT>
typename BasicBridge<ShardT>::Client* BasicBridge<ShardT>::client_record(const RingClient* ring) {
  for (Client& client : clients_) {
    if (client.ring == ring) return &client;
  }
  return nullptr;
}

template <typename ShardT>
uint32_t BasicBridge<ShardT>::client_of(AssocId id) const {
  if (id.slot >= assocs_.size()) return 0;
  const Assoc& assoc = assocs_[id.slot];
  if (assoc.channel == nullptr || !(assoc.id == id)) return 0;
  return assoc.channel->client().identity.id;
}

template <typename ShardT>
void BasicBridge<ShardT>::take_mail(TimePoint now) {
  Mail mail;
  while (mailbox_.take_from_control(mail)) {
    if (mail.kind == MailKind::kAdd) {
      clients_.push_back({mail.client});
      for (uint32_t lane = 0; lane < mail.client->lanes(); ++lane) {
        channels_.push_back(&mail.client->channel(lane, config_.worker));
      }
      dirty_.reserve(channels_.size());
      count(RingCounter::k_ring_clients_added);
    } else if (mail.kind == MailKind::kRemove) {
      Client* const client = client_record(mail.client);
      if (client == nullptr) continue;
      client->released = true;
      look_at_the_dead();
      if (!client->dying) end_client(now, *client);
    }
  }
}

// Bad indices or lost memory: the client is over; the control thread is asked to hang up.
template <typename ShardT>
void BasicBridge<ShardT>::end_faulty(TimePoint now) {
  for (Client& client : clients_) {
    if (client.dying) continue;
    const bool lost = client.ring->segment->lost();
    bool faulted = false;
    for (uint32_t lane = 0; lane < client.ring->lanes(); ++lane) {
      faulted |= client.ring->channel(lane, config_.worker).faulted();
    }
    if (!lost && !faulted) continue;
    count(lost ? RingCounter::k_refuse_lost_segment : RingCounter::k_refuse_bad_index);
    end_client(now, client);
    [[maybe_unused]] const bool posted = mailbox_.post_to_control({MailKind::kFault, client.ring});
  }
}

template <typename ShardT>
void BasicBridge<ShardT>::end_client(TimePoint now, Client& client) {
  const auto is_its = [&](const Channel* channel) { return &channel->client() == client.ring; };
  // Payload of a lost segment reads as zeros: nothing of it may go out any more.
  bool abort = config_.on_death == ClientDeath::kAbort || client.ring->segment->lost();
  for (uint32_t lane = 0; lane < client.ring->lanes(); ++lane) {
    abort |= client.ring->channel(lane, config_.worker).faulted();
  }
  for (uint32_t lane = 0; lane < client.ring->lanes(); ++lane) {
    Channel& channel = client.ring->channel(lane, config_.worker);
    // What it asked for before it went still counts when its end is an orderly one: as much as lay
    // in the ring, whatever a process that still writes there adds to it.
    for (uint32_t left = abort ? 0 : channel.submission_size(); left != 0;) {
      const auto taken = static_cast<uint32_t>(drain_channel(now, channel));
      if (taken == 0) break;
      left -= std::min(left, taken);
    }
  }
  flush();  // what has been told is told
  for (uint32_t lane = 0; lane < client.ring->lanes(); ++lane) {
    Channel& channel = client.ring->channel(lane, config_.worker);
    channel.dying = true;
    drop_backlog(now, channel);
  }
  client.dying = true;
  client.orderly = !abort;
  look_at_the_dead();
  std::erase_if(channels_, is_its);
  std::erase_if(dirty_, is_its);
  for (uint32_t i = 0; i < endpoints_.size(); ++i) {
    Endpoint& endpoint = endpoints_[i];
    remove_listeners(endpoint, [&](const Listener& l) { return is_its(l.channel); });
    if (endpoint.listeners.empty()) stop_listening(endpoint);
    release_endpoint(i);
  }
  // Clients that are gone have no part: what is kept for the living is given back first.
  const uint64_t half = config_.max_units / 2;
  uint64_t too_many = units_ > half ? units_ - half : 0;
  for (Assoc& assoc : assocs_) {
    if (assoc.channel == nullptr || !is_its(assoc.channel)) continue;
    end_association(now, assoc.id, abort || !adopt(assoc, too_many));
  }
}

template <typename ShardT>
void BasicBridge<ShardT>::end_association(TimePoint now, AssocId id, bool abort) {
  if (!abort) {
    const Status status = shard_.shutdown(now, id);
    // One that is shutting down already has its time for it, whoever began.
    if (status == Status::kOk || status == Status::kClosing) return;
  }
  [[maybe_unused]] const Status status = shard_.abort(now, id, {});
}

template <typename ShardT>
void BasicBridge<ShardT>::drop_backlog(TimePoint now, Channel& channel) {
  while (!channel.backlog_empty()) {
    Event& event = channel.backlog_front();
    const size_t size = event.size();
    event.payload.reset();
    if (event.kind == EventKind::kMessage) shard_.consumed(now, event.assoc, size);
    channel.backlog_pop();
  }
}

// A few clients a turn, however many have died; none while nothing happens to them.
template <typename ShardT>
void BasicBridge<ShardT>::let_go(TimePoint now) {
  size_t budget = kOrphansPerTurn;
  bool again = false;
  for (size_t n = std::min(looks_due_, kLooksPerTurn); n != 0 && !clients_.empty(); --n) {
    --looks_due_;
    if (next_look_ >= clients_.size()) next_look_ = 0;
    Client& client = clients_[next_look_];
    switch (let_go(now, client, budget)) {
      case Going::kGone:
        client = clients_.back();
        clients_.pop_back();
        count(RingCounter::k_ring_clients_removed);
        break;
      case Going::kAgain:
        again = true;
        [[fallthrough]];
      case Going::kWaits:
        ++next_look_;
        break;
    }
  }
  if (again) look_at_the_dead();
  looks_due_ = std::min(looks_due_, clients_.size());
}

// The segment of a client that is gone may be unmapped as soon as nothing lies in it that is not
// acknowledged; the rest of it goes when its associations are over and all payload has come back.
template <typename ShardT>
typename BasicBridge<ShardT>::Going BasicBridge<ShardT>::let_go(TimePoint now, Client& client,
                                                                size_t& budget) {
  if (!client.dying || !client.released) return Going::kWaits;
  RingClient* const ring = client.ring;
  if (!client.detached && !detach(now, client, budget)) return Going::kAgain;
  bool busy = false;
  for (uint32_t lane = 0; !busy && lane < ring->lanes(); ++lane) {
    const Channel& channel = ring->channel(lane, config_.worker);
    busy = channel.associations != 0 || channel.tx_in_use() != 0;
  }
  if (!busy) {
    // Where the control thread has no room for it, it is told later.
    return mailbox_.post_to_control({MailKind::kGone, ring}) ? Going::kGone : Going::kAgain;
  }
  if (!client.told) client.told = mailbox_.post_to_control({MailKind::kDetached, ring});
  return client.told ? Going::kWaits : Going::kAgain;
}

template <typename ShardT>
void BasicBridge<ShardT>::close_all(TimePoint now, bool abort) {
  closing_ = true;
  for (Endpoint& endpoint : endpoints_) {
    if (endpoint.in_use) stop_listening(endpoint);
  }
  for (Assoc& assoc : assocs_) {
    if (assoc.channel != nullptr) end_association(now, assoc.id, abort);
  }
}

}  // namespace trunkline::appring
