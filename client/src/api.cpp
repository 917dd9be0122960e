// SPDX-License-Identifier: BSD-3-Clause
// The C API: checks that the pointers are there and calls the lane. See trunkline.h.
#include <cerrno>
#include <cstring>

#include "lane.h"
#include "text.h"

using namespace trunkline::client;

namespace {

int no_lane() {
  return fail(-EINVAL, "no lane: call tl_lane_open() first");
}

// Calls `step` for each piece of a chain: (where, bytes).
template <typename Next, typename Data, typename Step>
void for_each_piece(uint32_t slot, uint32_t length, uint32_t slot_size, Next next, Data data,
                    Step step) {
  while (true) {
    const uint32_t n = length < slot_size ? length : slot_size;
    step(data(slot), n);
    length -= n;
    if (length == 0) return;
    slot = next(slot);
  }
}

// Pieces of an event's payload.
template <typename Step>
void event_pieces(const tl_lane& lane, const tl_event& event, Step step) {
  const uint32_t at = event.channel & ~kTxEvent;
  if (event.data == nullptr || event.length == 0 || at >= lane.channels.size()) return;
  // The lane is the caller's; const says that nothing of it changes.
  auto& channel = const_cast<tl_lane&>(lane).channels[at];
  const bool tx = (event.channel & kTxEvent) != 0;
  bool valid = true;
  for_each_piece(
      event.slot, event.length, channel.slot_size(),
      [&](uint32_t slot) { return tx ? channel.tx_next(slot) : channel.rx_next(slot); },
      [&](uint32_t slot) -> const uint8_t* {
        valid = valid && (tx ? slot < channel.tx_slots() : channel.rx_valid(slot));
        if (!valid) return nullptr;
        return tx ? channel.tx_data(slot) : channel.rx_data(slot);
      },
      [&](const uint8_t* data, uint32_t n) {
        if (data != nullptr) step(data, n);
      });
}

}  // namespace

extern "C" {

void tl_detach(tl_client* client) {
  delete client;
}

void tl_limits_of(const tl_client* client, tl_limits* out) {
  if (out == nullptr) return;
  *out = tl_limits{};
  if (client == nullptr) return;
  const tlr_geometry& g = client->geometry;
  out->lanes = g.lanes;
  out->workers = g.workers;
  out->submission_size = g.submission_size;
  out->completion_size = g.completion_size;
  out->tx_slots = g.tx_slots;
  out->rx_slots = g.rx_slots;
  out->slot_size = g.slot_size;
  out->send_credit = g.send_credit;
}

int tl_lane_open(tl_client* client, tl_lane** out) {
  if (client == nullptr || out == nullptr) return missing("client and out");
  if (client->check_gone()) return fail(-EPIPE, tl_strerror(-EPIPE));
  uint32_t next = client->lanes_open.load(std::memory_order_relaxed);
  do {
    if (next >= client->lanes.size()) {
      return failf(-EUSERS, "all %zu lanes are open: ask for more in tl_options.lanes",
                   client->lanes.size());
    }
  } while (!client->lanes_open.compare_exchange_weak(next, next + 1, std::memory_order_relaxed));
  *out = client->lanes[next].get();
  return 0;
}

int tl_listen(tl_lane* lane, const tl_listen_options* options, tl_listener* out) {
  if (lane == nullptr) return no_lane();
  if (options == nullptr || out == nullptr) return missing("options and out");
  return lane->listen(*options, out);
}

int tl_unlisten(tl_lane* lane, tl_listener listener) {
  return lane == nullptr ? no_lane() : lane->unlisten(listener);
}

int tl_connect(tl_lane* lane, const tl_connect_options* options, tl_assoc* out) {
  if (lane == nullptr) return no_lane();
  if (options == nullptr || out == nullptr) return missing("options and out");
  return lane->connect(*options, out);
}

int tl_send(tl_lane* lane, tl_assoc assoc, const tl_message* message) {
  const int n = tl_send_burst(lane, assoc, message, 1);
  return n < 0 ? n : 0;
}

int tl_send_burst(tl_lane* lane, tl_assoc assoc, const tl_message* messages, size_t count) {
  if (lane == nullptr) return no_lane();
  if (messages == nullptr && count != 0) return missing("messages");
  return lane->send_burst(assoc, messages, count);
}

int tl_buffer_alloc(tl_lane* lane, tl_assoc assoc, uint32_t length, tl_buffer* out) {
  if (lane == nullptr) return no_lane();
  if (out == nullptr) return missing("out");
  return lane->buffer_alloc(assoc, length, out);
}

size_t tl_buffer_iov(const tl_lane* lane, const tl_buffer* buffer, struct iovec* out, size_t max) {
  if (lane == nullptr || buffer == nullptr || buffer->channel >= lane->channels.size()) return 0;
  auto& channel = const_cast<tl_lane*>(lane)->channels[buffer->channel];
  if (buffer->length == 0 || !channel.tx_valid(buffer->slot)) return 0;
  size_t count = 0;
  for_each_piece(
      buffer->slot, channel.note(buffer->slot).length, channel.slot_size(),
      [&](uint32_t slot) { return channel.tx_next(slot); },
      [&](uint32_t slot) { return channel.tx_data(slot); },
      [&](uint8_t* data, uint32_t n) {
        if (count < max) out[count] = {data, n};
        ++count;
      });
  return count;
}

int tl_buffer_trim(tl_lane* lane, tl_buffer* buffer, uint32_t length) {
  if (lane == nullptr) return no_lane();
  if (buffer == nullptr || buffer->channel >= lane->channels.size() ||
      !lane->channels[buffer->channel].tx_valid(buffer->slot)) {
    return fail(-EINVAL, "not a buffer of tl_buffer_alloc(), or sent or freed already");
  }
  auto& channel = lane->channels[buffer->channel];
  TxNote& note = channel.note(buffer->slot);
  if (note.submitted) return fail(-EINVAL, "the buffer was sent already");
  if (length == 0 || length > note.length) {
    return failf(-EINVAL, "%u bytes: the buffer may be trimmed to 1 to %u", length, note.length);
  }
  channel.trim_slots(buffer->slot, tlr_slots_for(length, channel.slot_size()));
  note.length = length;
  buffer->length = length;
  buffer->piece_count = note.slot_count;
  if (length < buffer->first.iov_len) buffer->first.iov_len = length;
  return 0;
}

int tl_send_buffer(tl_lane* lane, tl_assoc assoc, tl_buffer* buffer, const tl_message* how) {
  if (lane == nullptr) return no_lane();
  if (buffer == nullptr || how == nullptr) return missing("buffer and how");
  return lane->send_buffer(assoc, buffer, *how);
}

void tl_buffer_free(tl_lane* lane, tl_buffer* buffer) {
  if (lane == nullptr || buffer == nullptr || buffer->length == 0) return;
  if (buffer->channel < lane->channels.size()) {
    auto& channel = lane->channels[buffer->channel];
    if (channel.tx_valid(buffer->slot) && !channel.note(buffer->slot).submitted) {
      channel.free_slots(buffer->slot);
    }
  }
  *buffer = tl_buffer{};
}

int tl_shutdown(tl_lane* lane, tl_assoc assoc) {
  return lane == nullptr ? no_lane() : lane->end(assoc, false, nullptr);
}

int tl_abort(tl_lane* lane, tl_assoc assoc, const char* reason) {
  return lane == nullptr ? no_lane() : lane->end(assoc, true, reason);
}

int tl_poll(tl_lane* lane, tl_event* events, size_t max) {
  if (lane == nullptr) return no_lane();
  if (events == nullptr && max != 0) return missing("events");
  return lane->poll(events, max);
}

void tl_event_release(tl_lane* lane, tl_event* events, size_t count) {
  if (lane != nullptr && events != nullptr) lane->release(events, count);
}

size_t tl_event_iov(const tl_lane* lane, const tl_event* event, struct iovec* out, size_t max) {
  if (lane == nullptr || event == nullptr) return 0;
  size_t count = 0;
  event_pieces(*lane, *event, [&](const uint8_t* data, uint32_t n) {
    if (count < max) out[count] = {const_cast<uint8_t*>(data), n};
    ++count;
  });
  return count;
}

size_t tl_event_copy(const tl_lane* lane, const tl_event* event, void* out, size_t room) {
  if (lane == nullptr || event == nullptr) return 0;
  size_t copied = 0;
  event_pieces(*lane, *event, [&](const uint8_t* data, uint32_t n) {
    const size_t take = n < room - copied ? n : room - copied;
    if (take != 0) std::memcpy(static_cast<uint8_t*>(out) + copied, data, take);
    copied += take;
  });
  return copied;
}

int tl_fd(const tl_lane* lane) {
  return lane == nullptr ? no_lane() : lane->epoll_fd;
}
int tl_arm(tl_lane* lane) {
  return lane == nullptr ? no_lane() : lane->arm();
}
int tl_wait(tl_lane* lane, int timeout_ms) {
  return lane == nullptr ? no_lane() : lane->wait(timeout_ms);
}

int tl_assoc_query(tl_lane* lane, tl_assoc assoc, tl_assoc_info* out) {
  if (lane == nullptr) return no_lane();
  if (out == nullptr) return missing("out");
  return lane->query(assoc, out);
}

int tl_assoc_streams(const tl_lane* lane, tl_assoc handle, uint16_t* outbound, uint16_t* inbound) {
  if (lane == nullptr) return no_lane();
  const Assoc* const assoc = lane->find(handle);
  if (assoc == nullptr || assoc->phase == Phase::kConnecting) {
    return fail(-ENOTCONN, "the association is not established, or is over");
  }
  if (outbound != nullptr) *outbound = assoc->outbound_streams;
  if (inbound != nullptr) *inbound = assoc->inbound_streams;
  return 0;
}

int tl_assoc_worker(const tl_lane* lane, tl_assoc handle, uint32_t* worker) {
  if (lane == nullptr) return no_lane();
  if (worker == nullptr) return missing("worker");
  const Assoc* const assoc = lane->find(handle);
  if (assoc == nullptr) return lane->no_assoc(handle);
  *worker = assoc->channel;
  return 0;
}

int tl_assoc_set_user(tl_lane* lane, tl_assoc handle, uint64_t user) {
  if (lane == nullptr) return no_lane();
  Assoc* const assoc = lane->find(handle);
  if (assoc == nullptr) return lane->no_assoc(handle);
  assoc->user = user;
  return 0;
}

int tl_assoc_heartbeat(tl_lane* lane, tl_assoc assoc, const tl_address* address) {
  if (lane == nullptr) return no_lane();
  if (address == nullptr) return missing("address");
  return lane->set_address(assoc, TLR_OPTION_HEARTBEAT, *address);
}

int tl_assoc_set_primary(tl_lane* lane, tl_assoc assoc, const tl_address* address) {
  if (lane == nullptr) return no_lane();
  if (address == nullptr) return missing("address");
  return lane->set_address(assoc, TLR_OPTION_PRIMARY, *address);
}

int tl_assoc_timers(tl_lane* lane, tl_assoc assoc, const tl_address* address, tl_timers* out) {
  if (lane == nullptr) return no_lane();
  if (out == nullptr) return missing("out");
  *out = tl_timers{};
  return lane->timers(assoc, address, false, *out);
}

int tl_assoc_set_timers(tl_lane* lane, tl_assoc assoc, const tl_address* address,
                        const tl_timers* timers) {
  if (lane == nullptr) return no_lane();
  if (timers == nullptr) return missing("timers");
  tl_timers values = *timers;
  return lane->timers(assoc, address, true, values);
}

}  // extern "C"
