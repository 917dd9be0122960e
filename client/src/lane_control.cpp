// SPDX-License-Identifier: BSD-3-Clause
// What is rare: listening, connecting, ending, asking. Calls that must know the daemon's answer
// wait for it and stash the events that arrive meanwhile.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "lane.h"
#include "text.h"

using namespace trunkline::client;

namespace {

constexpr std::chrono::seconds kPatience{5};

// False if the name is longer than the ABI carries.
bool put_profile(const char* name, tlr_open_body& body) {
  if (name == nullptr) return true;
  const size_t length = std::strlen(name);
  if (length >= TLR_NAME_SIZE) return false;
  std::memcpy(body.profile, name, length + 1);
  return true;
}

bool put_address(const tl_address& address, tlr_address& out) {
  if (address.family != 4 && address.family != 6) return false;
  out.family = address.family;
  std::memcpy(out.bytes, address.bytes, sizeof(address.bytes));
  return true;
}

}  // namespace

// Behind those of the peer.
int tl_lane::put_local(const tl_address* addresses, size_t count, tlr_open_body& body) {
  if (addresses == nullptr) count = 0;
  if (count > TL_MAX_ADDRESSES || body.address_count + count > TLR_OPEN_ADDRESSES) {
    return fail(-EINVAL, "at most 16 local addresses, and 22 with those of the peer");
  }
  for (size_t i = 0; i < count; ++i) {
    if (!put_address(addresses[i], body.addresses[body.address_count + i])) {
      return failf(-EINVAL, "local address %zu has no family: use tl_address_parse()", i);
    }
  }
  body.local_count = static_cast<uint16_t>(count);
  return 0;
}

uint32_t tl_lane::take_assoc() {
  if (free_assocs_.empty()) {
    free_assocs_.push_back(static_cast<uint32_t>(assocs_.size()));
    assocs_.emplace_back();
  }
  const uint32_t at = free_assocs_.back();
  free_assocs_.pop_back();
  const uint32_t generation = assocs_[at].generation + 1;
  assocs_[at] = Assoc{};
  assocs_[at].generation = generation;
  return at;
}

void tl_lane::free_assoc(uint32_t at) {
  Assoc& assoc = assocs_[at];
  assoc.phase = Phase::kFree;
  assoc.blocked = false;
  free_assocs_.push_back(at);
}

int tl_lane::check_operation(Channel& channel, uint32_t slots) {
  if (client.gone.load(std::memory_order_relaxed)) return fail(-EPIPE, kGoneText);
  if (!channel.can_submit()) {
    return fail(-EAGAIN, "too many operations are under way: poll, then try again");
  }
  if (channel.tx_free() < slots) {
    return fail(-EAGAIN, "the lane's send slots are used up: poll, then try again");
  }
  return 0;
}

int tl_lane::run(uint32_t at, tlr_submission& entry, uint32_t slot) {
  const uint32_t id = next_waiting_++;
  entry.context = ticket(Ticket::kWait, id);
  waiting_.push_back({id, false, false, 0, at, slot});
  channels[at].publish();
  const Clock::time_point until = Clock::now() + kPatience;
  int error = 0;
  while (true) {
    pump();
    const auto it = std::find_if(waiting_.begin(), waiting_.end(),
                                 [&](const Waiting& waiting) { return waiting.id == id; });
    if (it->done) {
      const uint8_t status = it->status;
      waiting_.erase(it);
      if (status == TLR_STATUS_OK) return 0;
      return fail(error_of_status(status), text_of_status(status));
    }
    const int left = milliseconds_until(until);
    if (client.gone.load(std::memory_order_acquire)) error = -EPIPE;
    if (left == 0) error = -ETIMEDOUT;
    if (error != 0) {
      it->abandoned = true;
      return fail(error, error == -EPIPE ? kGoneText : "the daemon did not answer within 5 s");
    }
    wait_completion(left);
  }
}

// ---------------------------------------------------------------- listening

int tl_lane::listen(const tl_listen_options& options, tl_listener* out) {
  if (options.port == 0) {
    return fail(-EINVAL, "a listener needs a port: set tl_listen_options.port");
  }
  tlr_open_body body{};
  body.local_port = options.port;
  body.affinity = options.affinity;
  if (!put_profile(options.profile, body)) {
    return fail(-EINVAL, "a profile's name has at most 31 bytes");
  }
  if (const int error = put_local(options.local_addresses, options.local_count, body); error != 0) {
    return error;
  }
  do_chores();
  for (Channel& channel : channels) {
    if (const int error = check_operation(channel, 1); error != 0) return error;
  }
  const auto id = static_cast<uint32_t>(listeners_.size());
  Listener& listener = listeners_.emplace_back();
  listener.user = options.user;
  for (Channel& channel : channels) {
    const uint32_t slot = channel.take_slots(1, sizeof(body));
    channel.write(slot, &body, sizeof(body));
    listener.slots.push_back(slot);
    tlr_submission& entry = channel.next_submission();
    entry.op = TLR_OP_LISTEN;
    entry.context = ticket(Ticket::kListen, id);
    entry.slot = slot;
    entry.length = sizeof(body);
    ++listener.pending;
    channel.publish();
  }
  const Clock::time_point until = Clock::now() + kPatience;
  int error = 0;
  while (listeners_[id].pending != 0 && error == 0) {
    pump();
    if (listeners_[id].pending == 0) break;
    const int left = milliseconds_until(until);
    if (client.gone.load(std::memory_order_acquire)) {
      error = fail(-EPIPE, kGoneText);
    } else if (left == 0) {
      error = fail(-ETIMEDOUT, "the daemon did not answer within 5 s");
    } else {
      wait_completion(left);
    }
  }
  const uint8_t status = listeners_[id].status;
  if (error == 0 && status == TLR_STATUS_OK) {
    listeners_[id].state = ListenerState::kOpen;
    *out = listener_handle(id);
    return 0;
  }
  undo_listen(id);
  if (error != 0) return error;
  return failf(error_of_status(status), "listen on port %u, worker %u: %s", options.port,
               listeners_[id].refused_by, text_of_status(status));
}

// Some workers listen already, or will when they come to it, and peers may have found them.
void tl_lane::undo_listen(uint32_t id) {
  listeners_[id].state = ListenerState::kFailed;
  for (uint32_t at = 0; at < channels.size(); ++at) {
    chores_.push_back({at, TLR_OP_UNLISTEN, id, 0, 0});
  }
  const tl_listener listener = listener_handle(id);
  std::vector<tl_assoc> unwanted;
  for (const tl_event& event : stash_) {
    if (event.kind == TL_EVENT_ACCEPTED && event.listener == listener) {
      unwanted.push_back(event.assoc);
    }
  }
  const auto is_unwanted = [&](tl_event& event) {
    if (std::find(unwanted.begin(), unwanted.end(), event.assoc) == unwanted.end()) return false;
    release(&event, 1);
    return true;
  };
  stash_.erase(std::remove_if(stash_.begin(), stash_.end(), is_unwanted), stash_.end());
  for (const tl_assoc handle : unwanted) {
    const Assoc* const assoc = find(handle);
    if (assoc == nullptr) continue;  // it has ended already
    chores_.push_back({assoc->channel, TLR_OP_ABORT, 0, assoc->wire_index, assoc->wire_generation});
    free_assoc(index_of(handle));
  }
  do_chores();
}

void tl_lane::do_chores() {
  const auto done = [this](const Chore& chore) {
    Channel& channel = channels[chore.channel];
    if (!channel.can_submit()) return false;
    tlr_submission& entry = channel.next_submission();
    entry.op = chore.op;
    entry.context = ticket(Ticket::kQuiet, kNone);
    entry.slot = TLR_NO_SLOT;
    entry.listener = static_cast<uint32_t>(ticket(Ticket::kListen, chore.listener));
    entry.assoc_index = chore.wire_index;
    entry.assoc_generation = chore.wire_generation;
    channel.publish();
    return true;
  };
  chores_.erase(std::remove_if(chores_.begin(), chores_.end(), done), chores_.end());
}

int tl_lane::unlisten(tl_listener handle) {
  const auto id = static_cast<uint32_t>(handle) - 1;
  if (handle == 0 || handle != listener_handle(id) || id >= listeners_.size() ||
      listeners_[id].state != ListenerState::kOpen) {
    return fail(-ENOENT, "no such listener on this lane");
  }
  if (client.gone.load(std::memory_order_relaxed)) return fail(-EPIPE, kGoneText);
  listeners_[id].state = ListenerState::kClosed;
  for (uint32_t at = 0; at < channels.size(); ++at) {
    chores_.push_back({at, TLR_OP_UNLISTEN, id, 0, 0});
  }
  do_chores();
  return 0;
}

// ---------------------------------------------------------------- connecting

int tl_lane::connect(const tl_connect_options& options, tl_assoc* out) {
  if (options.addresses == nullptr || options.address_count == 0 ||
      options.address_count > TL_MAX_ADDRESSES) {
    return fail(-EINVAL, "1 to 16 addresses of the peer are needed");
  }
  if (options.peer_port == 0) {
    return fail(-EINVAL, "the peer's port is missing: set tl_connect_options.peer_port");
  }
  const auto workers = static_cast<uint32_t>(channels.size());
  if (options.affinity != TL_ANY_WORKER && options.affinity >= workers) {
    return failf(-EINVAL, "worker %u: the daemon has %u, numbered from 0; or use TL_ANY_WORKER",
                 options.affinity, workers);
  }
  tlr_open_body body{};
  body.local_port = options.local_port;
  body.peer_port = options.peer_port;
  body.outbound_streams = options.outbound_streams;
  body.address_count = static_cast<uint16_t>(options.address_count);
  body.affinity = options.affinity;
  if (!put_profile(options.profile, body)) {
    return fail(-EINVAL, "a profile's name has at most 31 bytes");
  }
  for (size_t i = 0; i < options.address_count; ++i) {
    if (!put_address(options.addresses[i], body.addresses[i])) {
      return failf(-EINVAL, "address %zu has no family: use tl_address_parse()", i);
    }
  }
  if (const int error = put_local(options.local_addresses, options.local_count, body); error != 0) {
    return error;
  }
  const bool any = options.affinity == TL_ANY_WORKER;
  uint32_t at = any ? next_worker_++ % workers : options.affinity;
  int error = check_operation(channels[at], 1);
  // One whose rings are full does not stop the others.
  for (uint32_t i = 1; any && error == -EAGAIN && i < workers; ++i) {
    at = (at + 1) % workers;
    error = check_operation(channels[at], 1);
  }
  if (error != 0) return error;
  Channel& channel = channels[at];

  const uint32_t local = take_assoc();
  Assoc& assoc = assocs_[local];
  assoc.phase = Phase::kConnecting;
  assoc.channel = at;
  assoc.user = options.user;
  assoc.connect_slot = channel.take_slots(1, sizeof(body));
  channel.write(assoc.connect_slot, &body, sizeof(body));
  tlr_submission& entry = channel.next_submission();
  entry.op = TLR_OP_CONNECT;
  entry.context = ticket(Ticket::kConnect, local);
  entry.slot = assoc.connect_slot;
  entry.length = sizeof(body);
  channel.publish();
  *out = handle_of(assoc, local);
  return 0;
}

// ---------------------------------------------------------------- ending

int tl_lane::end(tl_assoc handle, bool abort, const char* reason) {
  Assoc* const assoc = find(handle);
  if (assoc == nullptr || assoc->phase == Phase::kEnding) return no_assoc(handle);
  if (assoc->phase == Phase::kConnecting) {
    return fail(-ENOTCONN, "not established yet: wait for TL_EVENT_CONNECTED");
  }
  Channel& channel = channels[assoc->channel];
  size_t length = abort && reason != nullptr ? std::strlen(reason) : 0;
  if (length > channel.slot_size()) length = channel.slot_size();
  const uint32_t slots = length != 0 ? 1 : 0;
  if (const int error = check_operation(channel, slots); error != 0) return error;
  uint32_t slot = kNone;
  if (slots != 0) {
    slot = channel.take_slots(1, static_cast<uint32_t>(length));
    channel.write(slot, reason, static_cast<uint32_t>(length));
  }
  tlr_submission& entry = channel.next_submission();
  entry.op = abort ? TLR_OP_ABORT : TLR_OP_SHUTDOWN;
  entry.assoc_index = assoc->wire_index;
  entry.assoc_generation = assoc->wire_generation;
  entry.context = ticket(Ticket::kQuiet, slot);
  entry.slot = slot;
  entry.length = static_cast<uint32_t>(length);
  channel.publish();
  assoc->phase = Phase::kClosing;
  assoc->wants_out = true;
  return 0;
}

// ---------------------------------------------------------------- asking

namespace {

const char* state_text(uint8_t state) {
  static const char* const kNames[] = {
      "CLOSED",           "COOKIE-WAIT",   "COOKIE-ECHOED",     "ESTABLISHED",
      "SHUTDOWN-PENDING", "SHUTDOWN-SENT", "SHUTDOWN-RECEIVED", "SHUTDOWN-ACK-SENT"};
  return state < sizeof(kNames) / sizeof(kNames[0]) ? kNames[state] : "?";
}

void copy_path(const tlr_path_info& from, tl_path_info& to) {
  static_assert(sizeof(from) == sizeof(to) &&
                offsetof(tlr_path_info, state) == offsetof(tl_path_info, state) &&
                offsetof(tlr_path_info, error_count) == offsetof(tl_path_info, error_count) &&
                offsetof(tlr_path_info, failovers) == offsetof(tl_path_info, failovers));
  std::memcpy(&to, &from, sizeof(to));
}

}  // namespace

int tl_lane::ask_option(const Assoc& assoc, uint8_t op, uint32_t option, void* body,
                        uint32_t size) {
  const uint32_t at = assoc.channel;
  Channel& channel = channels[at];
  const uint32_t slots = channel.slots_for(size);
  if (const int error = check_operation(channel, slots); error != 0) return error;
  const uint32_t slot = channel.take_slots(slots, size);
  channel.write(slot, body, size);
  tlr_submission& entry = channel.next_submission();
  entry.op = op;
  entry.option = static_cast<uint16_t>(option);
  entry.assoc_index = assoc.wire_index;
  entry.assoc_generation = assoc.wire_generation;
  entry.slot = slot;
  entry.length = size;
  const int error = run(at, entry, slot);
  if (error == -ETIMEDOUT || error == -EPIPE) return error;
  channel.read(slot, body, size);
  channel.free_slots(slot);
  return error;
}

int tl_lane::query(tl_assoc handle, tl_assoc_info* out) {
  const Assoc* const assoc = find(handle);
  if (assoc == nullptr) return no_assoc(handle);
  if (assoc->phase == Phase::kConnecting) {
    return fail(-ENOTCONN, "not established yet: wait for TL_EVENT_CONNECTED");
  }
  tlr_info_body body{};
  const int error = ask_option(*assoc, TLR_OP_GET_OPTION, TLR_OPTION_INFO, &body, sizeof(body));
  if (error != 0) return error;

  *out = tl_assoc_info{};
  out->state = state_text(body.state);
  out->local_port = body.local_port;
  out->peer_port = body.peer_port;
  out->outbound_streams = body.outbound_streams;
  out->inbound_streams = body.inbound_streams;
  out->worker = body.worker;
  out->peer_rwnd = body.peer_rwnd;
  out->a_rwnd = body.a_rwnd;
  out->error_count = body.error_count;
  out->queued_bytes = body.queued_bytes;
  out->outstanding_bytes = body.outstanding_bytes;
  out->messages_sent = body.messages_sent;
  out->messages_received = body.messages_received;
  out->packets_sent = body.packets_sent;
  out->packets_received = body.packets_received;
  out->retransmitted_chunks = body.retransmitted_chunks;
  static_assert(sizeof(out->id) == sizeof(body.id));
  std::memcpy(out->id, body.id, sizeof(out->id));
  out->id[sizeof(out->id) - 1] = '\0';
  out->path_count = body.path_count <= TL_MAX_ADDRESSES ? body.path_count : TL_MAX_ADDRESSES;
  for (uint32_t i = 0; i < out->path_count; ++i) copy_path(body.paths[i], out->paths[i]);
  // The association may have ended while this call waited; what the daemon said still holds.
  if (const Assoc* const still = find(handle); still != nullptr) {
    out->max_message = still->max_message;
    out->credit_used = still->slots;
  }
  return 0;
}

static_assert(static_cast<int>(TL_TIMER_RTO_INITIAL) == static_cast<int>(TLR_TIMER_RTO_INITIAL));
static_assert(static_cast<int>(TL_TIMER_ASSOCIATION_MAX_RETRANS) ==
              static_cast<int>(TLR_TIMER_ASSOCIATION_MAX_RETRANS));
static_assert(static_cast<int>(TL_TIMER_HEARTBEAT) == static_cast<int>(TLR_TIMER_HEARTBEAT));
static_assert(static_cast<int>(TL_TIMER_POTENTIALLY_FAILED) ==
              static_cast<int>(TLR_TIMER_POTENTIALLY_FAILED));
static_assert(offsetof(tl_timers, potentially_failed_max_retrans) + sizeof(tlr_address) ==
              offsetof(tlr_timers_body, potentially_failed_max_retrans));

int tl_lane::timers(tl_assoc handle, const tl_address* address, bool set, tl_timers& values) {
  const Assoc* const assoc = find(handle);
  if (assoc == nullptr) return no_assoc(handle);
  if (assoc->phase == Phase::kConnecting) {
    return fail(-ENOTCONN, "not established yet: wait for TL_EVENT_CONNECTED");
  }
  if (address != nullptr && address->family != 4 && address->family != 6) {
    return fail(-EINVAL, "the address has no family: use tl_address_parse()");
  }
  tlr_timers_body body{};
  if (address != nullptr) {
    body.address.family = address->family;
    std::memcpy(body.address.bytes, address->bytes, sizeof(body.address.bytes));
  }
  uint8_t* const fields = reinterpret_cast<uint8_t*>(&body) + offsetof(tlr_timers_body, fields);
  std::memcpy(fields, &values, sizeof(values));
  const int error = ask_option(*assoc, set ? TLR_OP_SET_OPTION : TLR_OP_GET_OPTION,
                               TLR_OPTION_TIMERS, &body, sizeof(body));
  body.fault[sizeof(body.fault) - 1] = 0;
  if (error == -EINVAL && body.fault[0] != 0) return failf(error, "%s", body.fault);
  if (error == 0 && !set) std::memcpy(&values, fields, sizeof(values));
  return error;
}

int tl_lane::set_address(tl_assoc handle, uint32_t option, const tl_address& address) {
  const Assoc* const assoc = find(handle);
  if (assoc == nullptr) return no_assoc(handle);
  if (assoc->phase == Phase::kConnecting) {
    return fail(-ENOTCONN, "not established yet: wait for TL_EVENT_CONNECTED");
  }
  if (address.family != 4 && address.family != 6) {
    return fail(-EINVAL, "the address has no family: use tl_address_parse()");
  }
  tlr_address body{};
  body.family = address.family;
  std::memcpy(body.bytes, address.bytes, sizeof(body.bytes));
  return ask_option(*assoc, TLR_OP_SET_OPTION, option, &body, sizeof(body));
}
