// SPDX-License-Identifier: BSD-3-Clause
// How associations of sockets begin and end: endpoints, connects, what waits to be accepted, and
// the last close. May allocate.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "sockets/accept_queue.h"
#include "sockets/socket_bridge.h"
#include "sockets/socket_options.h"

namespace trunkline::sockets {

// ---------------------------------------------------------------- endpoints

uint32_t SocketBridge::find_endpoint(const LocalEndName& name, const BoundAddresses& bound) const {
  uint32_t index = name.port.value == 0 ? kNone : first_of_port_[name.port.value];
  while (index != kNone) {
    const Endpoint& endpoint = endpoints_[index];
    if (endpoint.owner == name.owner && endpoint.bound == bound) break;
    index = endpoint.next;
  }
  return index;
}

// The one of that name, made if it is not there.
Status SocketBridge::use_endpoint(const LocalEndName& name, const Profile& profile,
                                  uint32_t& index) {
  const auto bound = BoundAddresses::of(name.addresses);
  if (!bound) return Status::kInvalidAddress;
  index = find_endpoint(name, *bound);
  if (index != kNone) return Status::kOk;
  if (free_endpoints_.empty()) {
    free_endpoints_.push_back(static_cast<uint32_t>(endpoints_.size()));
    endpoints_.emplace_back();
  }
  index = free_endpoints_.back();
  EndpointConfig config;
  config.port = name.port;
  config.addresses = name.addresses;
  config.owner = name.owner;
  config.beside_own = true;
  config.profile = profile;
  config.user = index;
  const EndpointResult result = shard_.add_endpoint(config);
  if (result.status != Status::kOk) return result.status;
  free_endpoints_.pop_back();
  Endpoint& endpoint = endpoints_[index];
  endpoint = Endpoint{};
  endpoint.in_use = true;
  endpoint.id = result.endpoint;
  endpoint.port = result.port;
  endpoint.owner = name.owner;
  endpoint.bound = *bound;
  endpoint.turn = config_.worker;
  endpoint.next = std::exchange(first_of_port_[result.port.value], index);
  return Status::kOk;
}

void SocketBridge::release_endpoint(uint32_t index) {
  Endpoint& endpoint = endpoints_[index];
  if (!endpoint.in_use || !endpoint.listeners.empty()) return;
  if (endpoint.users != 0 || endpoint.parked != 0) return;
  [[maybe_unused]] const Status status = shard_.close_endpoint(endpoint.id);
  uint32_t* link = &first_of_port_[endpoint.port.value];
  while (*link != index) link = &endpoints_[*link].next;
  *link = endpoint.next;
  free_endpoints_.push_back(index);
  endpoint = Endpoint{};
}

Status SocketBridge::listen(const LocalEndName& name, uint64_t listener, uint32_t backlog,
                            const Profile& profile, int pair_fd) {
  uint32_t index = kNone;
  Status status = closing_ ? Status::kClosing : use_endpoint(name, profile, index);
  if (status == Status::kOk) {
    status = shard_.set_listening(endpoints_[index].id, true, index, &profile);
    if (status != Status::kOk) release_endpoint(index);
  }
  if (status != Status::kOk) {
    count(SocketCounter::k_refuse_socket_listen);
    return status;
  }
  std::vector<Listener>& all = endpoints_[index].listeners;
  std::erase_if(all, [&](const Listener& one) { return one.name == listener; });
  const auto waiting = std::count_if(parked_.begin(), parked_.end(), [&](const auto& entry) {
    return entry.second->endpoint == index && entry.second->listener == listener;
  });
  all.push_back({listener, backlog, pair_fd, profile, static_cast<uint32_t>(waiting)});
  return Status::kOk;
}

void SocketBridge::unlisten(TimePoint now, const LocalEndName& name, uint64_t listener,
                            bool keep_parked) {
  const auto bound = BoundAddresses::of(name.addresses);
  const uint32_t index = bound ? find_endpoint(name, *bound) : kNone;
  if (index != kNone) stop_listening(now, index, listener, keep_parked);
}

void SocketBridge::stop_listening(TimePoint now, uint32_t index, uint64_t listener,
                                  bool keep_parked) {
  Endpoint& endpoint = endpoints_[index];
  std::vector<Listener>& all = endpoint.listeners;
  if (std::erase_if(all, [&](const Listener& one) { return one.name == listener; }) == 0) return;
  [[maybe_unused]] const Status status = shard_.set_listening(
      endpoint.id, !all.empty(), index, all.empty() ? nullptr : &all.back().profile);
  if (!keep_parked) abort_parked(now, index, listener);
  release_endpoint(index);
}

// They were never anybody's.
void SocketBridge::abort_parked(TimePoint now, uint32_t index, uint64_t listener) {
  std::vector<AssocId> parked;
  for (const auto& [name, waiting] : parked_) {
    if (waiting->endpoint != index || waiting->listener != listener) continue;
    parked.push_back(waiting->events.front().assoc);
  }
  for (const AssocId id : parked) {
    refuse(now, id);
    News news{NewsKind::kWithdrawn, config_.worker, nullptr, id};
    news.listener = listener;
    mail_.tell(std::move(news));
  }
}

SocketBridge::Listener* SocketBridge::Endpoint::listener(uint64_t name) {
  const auto at = std::find_if(listeners.begin(), listeners.end(),
                               [&](const Listener& one) { return one.name == name; });
  return at != listeners.end() ? &*at : nullptr;
}

// Null: none has room.
SocketBridge::Listener* SocketBridge::Endpoint::next_listener() {
  for (size_t tried = 0; tried < listeners.size(); ++tried) {
    Listener& one = listeners[turn++ % listeners.size()];
    if (one.has_room()) return &one;
  }
  return nullptr;
}

// INITs are answered with the options of one listener. What was agreed on stays; the rest is as
// `listener` has it.
void SocketBridge::give_options(TimePoint now, AssocId id, const Endpoint& endpoint,
                                const Listener& listener) {
  const Listener& answered = endpoint.listeners.back();
  if (&listener == &answered) return;
  const auto edit = difference(answered.profile, listener.profile);
  if (!edit) return;
  [[maybe_unused]] const EditResult edited = shard_.set_profile(now, id, *edit);
}

bool SocketBridge::Listener::has_room() const {
  const size_t queued = pair_fd >= 0 ? AcceptQueue::unaccepted_at(pair_fd) : 0;
  return parked + queued < backlog;
}

// ---------------------------------------------------------------- connecting

Status SocketBridge::connect(TimePoint now, SocketEnd& socket, const ConnectCommand& command) {
  uint32_t index = kNone;
  Status status = closing_ ? Status::kClosing : use_endpoint(command.from, command.profile, index);
  ConnectResult result;
  if (status == Status::kOk) {
    ConnectRequest request;
    request.endpoint = endpoints_[index].id;
    request.peer_addresses = command.peers;
    request.peer_port = command.peer_port;
    request.user = index;
    request.profile = &command.profile;
    result = shard_.connect(now, request);
    status = result.status;
    if (status == Status::kOk && result.assoc.slot >= assocs_.size()) {
      end_association(now, result.assoc, true);  // the configuration of the two disagrees
      status = Status::kOutOfResources;
    }
    if (status != Status::kOk) release_endpoint(index);
  }
  if (status != Status::kOk) {
    count(SocketCounter::k_refuse_socket_connect);
    return status;
  }
  count(SocketCounter::k_socket_connects);
  record(result.assoc, index).socket = &socket;
  take_in(socket, result.assoc);
  socket.notes.alive = true;
  socket.notes.connecting = true;
  store_relaxed(socket.page().assoc_id, assoc_id_of(result.assoc));
  name_connecting(socket, endpoints_[index].port);
  // Messages may go at once, and wait in the association.
  AssocStatus begun;
  const bool known = shard_.status(result.assoc, begun) && !begun.paths.empty();
  write_limits(socket, result.assoc, command.peers.front(), command.profile.outbound_streams,
               known ? begun.paths.front().mtu : 0);
  store_seq_cst(socket.page().state, TLS_CONNECTING);
  return Status::kOk;
}

// One that was not bound has a name from here on: where its first packet comes from.
void SocketBridge::name_connecting(SocketEnd& socket, PortNumber port) {
  AssocStatus status;
  if (socket.page().local.length != 0 || !shard_.status(socket.notes.assoc, status)) return;
  const auto first = std::find_if(status.paths.begin(), status.paths.end(),
                                  [](const PathStatus& path) { return !path.local.is_none(); });
  if (first == status.paths.end()) return;
  const bool mapped = load_relaxed(socket.page().options.mapped_v4) != 0;
  const tls_name peer = socket.page().peer;
  socket.set_names(name_of(first->local, port, socket.family(), mapped), peer);
}

// ---------------------------------------------------------------- accepting

bool SocketBridge::on_accepted(TimePoint now, Event& event) {
  const auto index = static_cast<uint32_t>(event.user);
  const bool known = event.user < endpoints_.size() && endpoints_[index].in_use &&
                     endpoints_[index].id == event.endpoint;
  if (!known) return false;
  Endpoint& endpoint = endpoints_[index];
  if (endpoint.listeners.empty() || closing_) {
    count(SocketCounter::k_refuse_accept_nobody);
    end_association(now, event.assoc, true);
    return true;
  }
  Listener* const listener = endpoint.next_listener();
  if (listener == nullptr || event.assoc.slot >= assocs_.size()) {
    count(SocketCounter::k_refuse_accept_backlog);
    end_association(now, event.assoc, true);
    return true;
  }
  count(SocketCounter::k_socket_accepted);
  auto parked = std::make_unique<Parked>();
  parked->endpoint = index;
  parked->listener = listener->name;
  AssocStatus status;
  if (shard_.status(event.assoc, status)) {
    for (const PathStatus& path : status.paths) {
      const bool primary = path.remote == event.path;
      if (primary) parked->local = path.local;
      parked->peers.insert(primary ? parked->peers.begin() : parked->peers.end(), path.remote);
    }
  }
  ++endpoint.parked;
  ++listener->parked;
  give_options(now, event.assoc, endpoint, *listener);
  record(event.assoc, index).parked = parked.get();
  News news{NewsKind::kAccepted, config_.worker, nullptr, event.assoc};
  news.listener = listener->name;
  news.local = parked->local;
  news.peers = parked->peers;
  news.peer_port = event.peer_port;
  parked->events.push_back(std::move(event));
  parked_[appring::AssocName(news.assoc).value] = std::move(parked);
  mail_.tell(std::move(news));
  return true;
}

// Its events wait. What is kept of messages counts against a_rwnd, so that it is bounded.
void SocketBridge::park(TimePoint now, Assoc& assoc, Event& event) {
  Parked& parked = *assoc.parked;
  if (is_final(event.kind)) {
    if (event.size() != 0 && !shard_.keep(now, event)) event.borrowed = false;
    parked.over = true;
    parked.events.push_back(std::move(event));
    forget(assoc);
    return;
  }
  if (event.kind == EventKind::kRemoteError) event.borrowed = false;  // told without what it says
  if (event.kind == EventKind::kMessage) {
    if (!shard_.keep(now, event)) return count(SocketCounter::k_abort_socket_memory);
  } else if (event.kind != EventKind::kPeerShutdown && parked.events.size() > kParkedOptional) {
    event.payload.reset();
    return count(SocketCounter::k_drop_parked_notification);
  }
  parked.events.push_back(std::move(event));
}

// Null: nobody is parked under that name.
std::unique_ptr<SocketBridge::Parked> SocketBridge::take_parked(AssocId id) {
  const auto found = parked_.find(appring::AssocName(id).value);
  if (found == parked_.end()) return nullptr;
  std::unique_ptr<Parked> parked = std::move(found->second);
  parked_.erase(found);
  Endpoint& endpoint = endpoints_[parked->endpoint];
  --endpoint.parked;
  if (Listener* const listener = endpoint.listener(parked->listener)) --listener->parked;
  return parked;
}

Status SocketBridge::accept(TimePoint now, AssocId id, SocketEnd& socket) {
  const std::unique_ptr<Parked> parked = take_parked(id);
  if (parked == nullptr) return Status::kNoSuchAssociation;
  release_endpoint(parked->endpoint);
  take_in(socket, id);
  socket.notes.alive = !parked->over;
  if (Assoc* const assoc = find(id)) {
    assoc->parked = nullptr;
    assoc->socket = &socket;
  }
  write_association(socket, parked->events.front(), parked->local);
  store_seq_cst(socket.page().state, TLS_ESTABLISHED);
  store_seq_cst(socket.page().full, 0);
  // As on Linux, one that is over already is read to its end, without an error, and not writable.
  socket.notes.born_over = parked->over;
  if (!parked->over && !socket.is_member()) socket.take_ballast();
  bool all = true;
  for (Event& event : parked->events) {
    all = all && socket.channel().backlog_push(event, 0);
    if (all) continue;
    const size_t size = event.size();
    event.payload.reset();
    if (event.kind == EventKind::kMessage) shard_.consumed(now, id, size);
  }
  retry_backlog(now, socket);
  if (!all) {
    count(SocketCounter::k_abort_socket_backlog);
    if (socket.notes.alive)
      end_association(now, id, true);
    else
      end_socket(socket, ECONNABORTED);
  }
  return Status::kOk;
}

void SocketBridge::refuse(TimePoint now, AssocId id) {
  const std::unique_ptr<Parked> parked = take_parked(id);
  if (parked == nullptr) return;
  // Its last event comes as that of an association that nobody has.
  if (Assoc* const assoc = find(id))
    forget(*assoc);
  else
    release_endpoint(parked->endpoint);
  if (!parked->over) end_association(now, id, true);
}

// ---------------------------------------------------------------- records

SocketBridge::Assoc* SocketBridge::find(AssocId id) {
  if (id.slot >= assocs_.size()) return nullptr;
  Assoc& assoc = assocs_[id.slot];
  if (assoc.used() && assoc.id == id) return &assoc;
  for (Assoc& other : displaced_) {
    if (other.id == id) return &other;
  }
  return nullptr;
}

SocketBridge::Assoc* SocketBridge::find(appring::AssocName name) {
  return find(AssocId{name.generation(), name.index(), config_.worker});
}

// A slot of the shard is used again at once: who had it before may still have to hear of its end.
SocketBridge::Assoc& SocketBridge::record(AssocId id, uint32_t endpoint) {
  Assoc& assoc = assocs_[id.slot];
  const bool changed = assoc.changed;  // it is on that list still
  if (assoc.used()) displaced_.push_back(assoc);
  assoc = Assoc{};
  assoc.changed = changed;
  assoc.id = id;
  assoc.endpoint = endpoint;
  ++endpoints_[endpoint].users;
  ++association_count_;
  return assoc;
}

void SocketBridge::forget(Assoc& assoc) {
  const uint32_t endpoint = assoc.endpoint;
  const AssocId id = assoc.id;
  if (assocs_[id.slot].id == id) {
    const bool changed = assoc.changed;
    assoc = Assoc{};
    assoc.changed = changed;
  } else {
    std::erase_if(displaced_, [&](const Assoc& other) { return other.id == id; });
  }
  --association_count_;
  --endpoints_[endpoint].users;
  release_endpoint(endpoint);
}

void SocketBridge::take_in(SocketEnd& socket, AssocId id) {
  socket.notes = SocketEnd::Notes{};
  socket.notes.known = true;
  socket.notes.assoc = id;
  sockets_[socket.index()] = &socket;
}

// ---------------------------------------------------------------- the end

void SocketBridge::close(TimePoint now, SocketEnd& socket, bool abort) {
  SocketEnd::Notes& notes = socket.notes;
  if (!notes.known) return mail_.tell({NewsKind::kGone, config_.worker, &socket, notes.assoc});
  if (std::exchange(notes.closing, true)) return;
  forget_idle(socket);
  take_returns(socket);
  const bool unread = notes.alive && socket.channel().has_unread_messages();
  drop_backlog(now, socket);
  if (!notes.alive) return let_go(socket);
  if (unread && !abort) count(SocketCounter::k_abort_unread);
  if (abort || unread || notes.connecting || notes.faulted) {
    return end_association(now, notes.assoc, true);  // its last event follows
  }
  // Nothing that comes from now on is read: what lies there must not shut the window.
  socket.channel().forget_lent([this](appring::AssocName name, uint32_t bytes) {
    Assoc* const assoc = find(name);
    if (assoc == nullptr) return;
    assoc->unread -= std::min(assoc->unread, bytes);
    note_change(*assoc);
  });
  look_at(now, socket);
}

// What it sent before goes first.
void SocketBridge::finish_close(TimePoint now, SocketEnd& socket) {
  SocketEnd::Notes& notes = socket.notes;
  if (!notes.alive || notes.shut_down || notes.faulted) return;
  if (socket.channel().pending_submissions() != 0) return;
  notes.shut_down = true;
  end_association(now, notes.assoc, false);
}

// ---------------------------------------------------------------- idle ones

void SocketBridge::begin_autoclose(TimePoint now, SocketEnd& socket, Duration idle) {
  if (idle == Duration{0} || !socket.notes.alive) return;
  socket.notes.autoclose = idle;
  socket.notes.used = now;
  socket.notes.idle_until = now + idle;
  idle_.emplace(socket.notes.idle_until, socket.index());
}

void SocketBridge::forget_idle(SocketEnd& socket) {
  if (socket.notes.autoclose == Duration{0}) return;
  idle_.erase({socket.notes.idle_until, socket.index()});
  socket.notes.autoclose = Duration{0};
}

void SocketBridge::close_idle(TimePoint now) {
  while (!idle_.empty() && idle_.begin()->first <= now) {
    SocketEnd& socket = *sockets_[idle_.begin()->second];
    SocketEnd::Notes& notes = socket.notes;
    idle_.erase(idle_.begin());
    notes.idle_until = notes.used + notes.autoclose;
    if (notes.idle_until > now) {
      idle_.emplace(notes.idle_until, socket.index());
      continue;
    }
    notes.autoclose = Duration{0};
    count(SocketCounter::k_socket_autoclosed);
    take_shutdown(now, socket);
  }
}

void SocketBridge::peel_off(SocketEnd& socket) {
  socket.channel().publish();
  socket.leave_front();
}

void SocketBridge::let_go_of(SocketEnd& socket) {
  socket.channel().publish();
  forget_idle(socket);
  sockets_[socket.index()] = nullptr;
  if (socket.notes.dirty) std::erase(dirty_, &socket);
  if (socket.notes.again) std::erase(again_, &socket);
  socket.notes = SocketEnd::Notes{};
}

void SocketBridge::let_go(SocketEnd& socket) {
  const AssocId id = socket.notes.assoc;
  let_go_of(socket);
  mail_.tell({NewsKind::kGone, config_.worker, &socket, id});
}

void SocketBridge::end_association(TimePoint now, AssocId id, bool abort) {
  if (!abort) {
    const Status status = shard_.shutdown(now, id);
    // One that is shutting down already has its time for it, whoever began.
    if (status == Status::kOk || status == Status::kClosing) return;
  }
  [[maybe_unused]] const Status status = shard_.abort(now, id, {});
}

void SocketBridge::close_all(TimePoint now, bool abort) {
  closing_ = true;
  for (uint32_t index = 0; index < endpoints_.size(); ++index) {
    while (!endpoints_[index].listeners.empty()) {
      stop_listening(now, index, endpoints_[index].listeners.back().name, false);
    }
  }
  std::vector<AssocId> living;
  for (const Assoc& assoc : assocs_) {
    if (assoc.used()) living.push_back(assoc.id);
  }
  for (const AssocId id : living) end_association(now, id, abort);
}

}  // namespace trunkline::sockets
