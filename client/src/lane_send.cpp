// SPDX-License-Identifier: BSD-3-Clause
// Sending: checks, credit, the one copy into slots, one doorbell a burst.
#include <cerrno>
#include <cstring>

#include "lane.h"
#include "text.h"

using namespace trunkline::client;

static_assert(static_cast<int>(TL_SEND_UNORDERED) == static_cast<int>(TLR_SEND_UNORDERED));
static_assert(static_cast<int>(TL_SEND_SACK_IMMEDIATELY) ==
              static_cast<int>(TLR_SEND_SACK_IMMEDIATELY));

tl_lane::Assoc* tl_lane::find(tl_assoc handle) {
  const uint32_t at = index_of(handle);
  if (at >= assocs_.size() || lane_of(handle) != index) return nullptr;
  Assoc& assoc = assocs_[at];
  const bool same =
      assoc.generation == static_cast<uint32_t>(handle >> 32) && assoc.phase != Phase::kFree;
  return same ? &assoc : nullptr;
}

int tl_lane::no_assoc(tl_assoc handle) const {
  if (handle != 0 && lane_of(handle) != index) {
    return failf(-ENOTCONN, "this is lane %u, and the association belongs to lane %u", index,
                 lane_of(handle));
  }
  return fail(-ENOTCONN, "no such association on this lane, or it is over");
}

// What is wrong with the message itself.
int tl_lane::check_send(Assoc& assoc, const tl_message& message, uint32_t length) {
  constexpr uint16_t kFlags = TL_SEND_UNORDERED | TL_SEND_SACK_IMMEDIATELY | TL_SEND_NOTIFY;
  if (assoc.phase != Phase::kOpen) [[unlikely]] {
    return fail(-ENOTCONN, assoc.phase == Phase::kConnecting
                               ? "not established yet: wait for TL_EVENT_CONNECTED"
                               : "the association is shutting down and takes no more messages");
  }
  if (length == 0) [[unlikely]]
    return fail(-EMSGSIZE, "a message has at least one byte");
  if (length > assoc.max_message) [[unlikely]] {
    return failf(-EMSGSIZE, "%u bytes are more than this association's max_message of %u", length,
                 assoc.max_message);
  }
  if (message.stream >= assoc.outbound_streams) [[unlikely]] {
    return failf(-EINVAL, "stream %u: %u were negotiated, so 0 to %u may be used", message.stream,
                 assoc.outbound_streams, assoc.outbound_streams - 1u);
  }
  if ((message.flags & ~kFlags) != 0) [[unlikely]] {
    return failf(-EINVAL, "flags 0x%x: see enum tl_send_flag", message.flags);
  }
  return 0;
}

// Credit, ring entry, and `free_needed` slots. -EAGAIN is noted, so that TL_EVENT_WRITABLE follows.
int tl_lane::check_room(Assoc& assoc, uint32_t assoc_index, uint32_t slots, uint32_t bytes,
                        uint32_t free_needed) {
  Channel& channel = channels[assoc.channel];
  const char* text = nullptr;
  if (assoc.slots + slots > client.geometry.send_credit ||
      (assoc.bytes != 0 && assoc.bytes + bytes > assoc.send_buffer)) {
    text = "the association's send credit is used up: wait for TL_EVENT_WRITABLE";
  } else if (channel.tx_free() < free_needed) {
    text = "the lane's send slots are used up: wait for TL_EVENT_WRITABLE";
  } else if (!channel.can_submit()) {
    text = "the submission ring is full: wait for TL_EVENT_WRITABLE";
  } else {
    return 0;
  }
  assoc.wanted_slots = slots;
  assoc.wanted_bytes = bytes;
  if (!assoc.blocked) {
    assoc.blocked = true;
    channel.blocked.push_back(assoc_index);
  }
  return fail(-EAGAIN, text);
}

// `slots` and `bytes` are what the note says. Read from there so soon after they were written, they
// could not come out of the core's store buffer, and the whole payload would have to leave it
// first.
void tl_lane::submit_send(Assoc& assoc, uint32_t assoc_index, uint32_t slot, uint32_t slots,
                          uint32_t bytes, const tl_message& how) {
  Channel& channel = channels[assoc.channel];
  TxNote& note = channel.note(slot);
  note.context = how.context;
  note.assoc = assoc_index;
  note.ppid = how.ppid;
  note.stream = how.stream;
  note.flags = static_cast<uint8_t>(how.flags);
  note.submitted = true;
  assoc.slots += slots;
  assoc.bytes += bytes;
  ++assoc.sends;
  tlr_submission& entry = channel.next_submission();
  entry.op = TLR_OP_SEND;
  entry.flags = static_cast<uint8_t>(how.flags & (TL_SEND_UNORDERED | TL_SEND_SACK_IMMEDIATELY));
  entry.stream = how.stream;
  entry.ppid = how.ppid;
  entry.assoc_index = assoc.wire_index;
  entry.assoc_generation = assoc.wire_generation;
  entry.context = how.context;
  entry.slot = slot;
  entry.length = bytes;
}

int tl_lane::send_burst(tl_assoc handle, const tl_message* messages, size_t count) {
  if (client.gone.load(std::memory_order_relaxed)) {
    return fail(-EPIPE, "the daemon is gone: detach, and attach again once it runs");
  }
  Assoc* const assoc = find(handle);
  if (assoc == nullptr) return no_assoc(handle);
  const auto assoc_index = index_of(handle);
  Channel& channel = channels[assoc->channel];
  size_t taken = 0;
  int error = 0;
  for (; taken < count; ++taken) {
    const tl_message& message = messages[taken];
    error = check_send(*assoc, message, message.length);
    if (error != 0) break;
    const uint32_t slots = channel.slots_for(message.length);
    error = check_room(*assoc, assoc_index, slots, message.length, slots);
    if (error != 0) break;
    const uint32_t slot = channel.take_slots(slots, message.length);
    channel.write(slot, message.data, message.length);
    submit_send(*assoc, assoc_index, slot, slots, message.length, message);
  }
  channel.publish();
  return taken != 0 ? static_cast<int>(taken) : error;
}

// ---------------------------------------------------------------- zero copy

int tl_lane::buffer_alloc(tl_assoc handle, uint32_t length, tl_buffer* out) {
  Assoc* const assoc = find(handle);
  if (assoc == nullptr) return no_assoc(handle);
  const tl_message plain{};
  int error = check_send(*assoc, plain, length);
  if (error != 0) return error;
  Channel& channel = channels[assoc->channel];
  const uint32_t slots = channel.slots_for(length);
  error = check_room(*assoc, index_of(handle), slots, length, slots);
  if (error != 0) return error;
  const uint32_t slot = channel.take_slots(slots, length);
  *out = tl_buffer{};
  out->first.iov_base = channel.tx_data(slot);
  out->first.iov_len = length <= channel.slot_size() ? length : channel.slot_size();
  out->piece_count = slots;
  out->length = length;
  out->slot = slot;
  out->channel = assoc->channel;
  return 0;
}

int tl_lane::send_buffer(tl_assoc handle, tl_buffer* buffer, const tl_message& how) {
  if (client.gone.load(std::memory_order_relaxed)) {
    return fail(-EPIPE, "the daemon is gone: detach, and attach again once it runs");
  }
  Assoc* const assoc = find(handle);
  if (assoc == nullptr) return no_assoc(handle);
  if (buffer->channel != assoc->channel) {
    return fail(-EINVAL, "the buffer was made for an association of another worker");
  }
  Channel& channel = channels[assoc->channel];
  if (!channel.tx_valid(buffer->slot) || channel.note(buffer->slot).submitted) {
    return fail(-EINVAL, "not a buffer of tl_buffer_alloc(), or sent or freed already");
  }
  const TxNote& note = channel.note(buffer->slot);
  int error = check_send(*assoc, how, note.length);
  if (error != 0) return error;
  error = check_room(*assoc, index_of(handle), note.slot_count, note.length, 0);
  if (error != 0) return error;
  submit_send(*assoc, index_of(handle), buffer->slot, note.slot_count, note.length, how);
  channel.publish();
  *buffer = tl_buffer{};
  return 0;
}
