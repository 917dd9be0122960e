// SPDX-License-Identifier: BSD-3-Clause
// How associations of the bridge begin and end: connects, accepted ones, whose they are.
#include "appring/bridge.h"

#include <algorithm>
#include <array>

namespace trunkline::appring {

void Bridge::handle_connect(TimePoint now, Channel& channel, const tlr_submission& submission) {
  tlr_open_body body;
  channel.reserve_more();
  uint8_t status = read_open_body(channel, submission, true, body);
  if (status == TLR_STATUS_OK) status = connect(now, channel, body, submission.context);
  if (status == TLR_STATUS_OK) return;  // CONNECTED or CONNECT_FAILED follows
  Channel::Notice out;
  out.head.kind = TLR_CONNECT_FAILED;
  out.head.status = status;
  out.head.context = submission.context;
  channel.complete(out);
  mark_dirty(channel);
}

uint8_t Bridge::connect(TimePoint now, Channel& channel, const tlr_open_body& body,
                        uint64_t context) {
  if (closing_) return refuse(RingCounter::k_refuse_connect, TLR_STATUS_CLOSING);
  // For the end of each a node must be left where there is no entry for it.
  if (channel.associations >= channel.limits().max_associations ||
      !channel.backlog_has_room(channel.associations)) {
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
  LocalName local;
  if (const uint8_t refused = read_local(body, local); refused != TLR_STATUS_OK) return refused;
  ConnectRequest request;
  request.peer_addresses = std::span(addresses).first(body.address_count);
  request.peer_port = PortNumber(body.peer_port);
  request.outbound_streams = body.outbound_streams;
  request.profile = profile;
  // A slot of the shard is used again at once: who had it before must have heard of its end.
  while (Event* const event = shard_.next_event()) deliver(now, *event);
  uint32_t index = kNone;
  AssocId id;
  const uint8_t status = connect_from(now, channel, local, request, index, id);
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

uint8_t Bridge::connect_from(TimePoint now, const Channel& channel, const LocalName& local,
                             ConnectRequest& request, uint32_t& index, AssocId& id) {
  if (const uint8_t status = own_endpoint(channel, local, index); status != TLR_STATUS_OK) {
    if (local.port == 0 || status != TLR_STATUS_ALREADY_EXISTS) {
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

// Ends the connect operation in the entries that were reserved for it.
void Bridge::finish_connect(Channel& channel, Assoc& assoc, Event& event) {
  Channel::Notice out;
  const bool connected = event.kind == EventKind::kConnected;
  if (!connected) event.kind = EventKind::kConnectFailed;
  event.context = assoc.connect_context;
  fill_notification(event, out);
  attach_text(channel, event, out.head);
  channel.complete(out);
  mark_dirty(channel);
  assoc.connecting = false;
  if (!connected) finish_association(channel, assoc);
}

// Null if the shard's id is beyond the table: the configuration of the two disagrees.
Bridge::Assoc* Bridge::record(AssocId id, Channel& channel, uint32_t endpoint) {
  if (id.slot >= assocs_.size()) return nullptr;
  Assoc& assoc = assocs_[id.slot];
  clear(assoc);
  assoc.channel = &channel;
  assoc.id = id;
  assoc.endpoint = endpoint;
  ++endpoints_[endpoint].associations;
  ++channel.associations;
  ++association_count_;
  return &assoc;
}

void Bridge::finish_association(Channel& channel, Assoc& assoc) {
  const uint32_t endpoint = assoc.endpoint;
  clear(assoc);
  --channel.associations;
  --association_count_;
  --endpoints_[endpoint].associations;
  release_endpoint(endpoint);
}

// Lanes whose affinity is this worker first; among equals, in turn. Each worker has its own turns;
// they begin at different lanes, so that the first association of every worker does not go to the
// same one.
Bridge::Listener* Bridge::choose_listener(Endpoint& endpoint) {
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

void Bridge::accept(TimePoint now, Event& event) {
  const auto index = static_cast<uint32_t>(event.user);
  const bool known = event.user < endpoints_.size() && endpoints_[index].in_use &&
                     endpoints_[index].id == event.endpoint;
  if (!known && other_ != nullptr && other_->deliver(now, event)) return;
  if (!known || endpoints_[index].listeners.empty()) {
    count(RingCounter::k_refuse_accept_no_listener);
    return end_association(now, event.assoc, true);
  }
  Endpoint& endpoint = endpoints_[index];
  const Listener* const listener = choose_listener(endpoint);
  Channel* const channel = listener != nullptr ? listener->channel : nullptr;
  // The application must learn of it: without room for that there is no association.
  const bool room = channel != nullptr && (channel->backlog_has_room(channel->associations + 1) ||
                                           (channel->backlog_empty() && channel->has_room(2)));
  Assoc* const assoc = room ? record(event.assoc, *channel, index) : nullptr;
  if (assoc == nullptr) {
    count(RingCounter::k_refuse_association_limit);
    return end_association(now, event.assoc, true);
  }
  event.context = listener->context;
  event.user = limits_of(endpoint, event.path);
  notify_or_keep(now, *channel, event, *assoc);
}

Status Bridge::may_rebind(const Assoc& assoc, Channel& to) const {
  if (assoc.connecting) return Status::kNotEstablished;
  if (to.dying || to.faulted()) return Status::kClosing;
  const uint32_t most = to.limits().max_associations;
  if (to.associations >= most) return Status::kOutOfResources;
  uint32_t waiting = 0;
  bool fits = true;
  bool opened = true;
  assoc.channel->each_waiting([&](const Event& event) {
    if (!(event.assoc == assoc.id)) return;
    ++waiting;
    opened = opened && event.kind != EventKind::kAccepted;
    fits = fits && (event.kind != EventKind::kMessage || to.fits_message(event.size()));
  });
  if (!opened) return Status::kNotEstablished;  // as far as its user knows
  if (!fits) return Status::kMessageTooLarge;
  // As in keep(): a node for the end of each association that it may have stays free.
  const bool room = to.backlog_has_room(waiting == 0 ? to.associations : most + waiting - 1);
  return room ? Status::kOk : Status::kOutOfResources;
}

Status Bridge::rebind(TimePoint now, AssocId id, Channel& to) {
  Assoc* const assoc = find(id);
  if (assoc == nullptr) return Status::kNoSuchAssociation;
  Channel& from = *assoc->channel;
  if (&from == &to) return Status::kOk;
  if (const Status status = may_rebind(*assoc, to); status != Status::kOk) {
    count(RingCounter::k_refuse_rebind);
    return status;
  }
  count(RingCounter::k_ring_rebound);
  from.move_backlog(id, to);
  --from.associations;
  ++to.associations;
  // Its window may be shut by what lies there.
  from.awaited = from.awaited || assoc->unread != 0;
  if (from.dying) look_at_the_dead();
  assoc->channel = &to;
  // It may have been there before, and sent.
  assoc->tx_in_use = 0;
  to.each_under_way([&](uint32_t index, uint32_t slots, uint64_t) {
    if (index == id.slot) assoc->tx_in_use += slots;
  });
  retry_backlog(now, to);
  return Status::kOk;
}

void Bridge::end_association(TimePoint now, AssocId id, bool abort) {
  if (!abort) {
    const Status status = shard_.shutdown(now, id);
    // One that is shutting down already has its time for it, whoever began.
    if (status == Status::kOk || status == Status::kClosing) return;
  }
  [[maybe_unused]] const Status status = shard_.abort(now, id, {});
}

}  // namespace trunkline::appring
