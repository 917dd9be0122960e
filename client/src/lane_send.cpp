// SPDX-License-Identifier: BSD-3-Clause
// Sending: checks, credit, the one copy into slots, one doorbell a burst.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lane.h"
#include "text.h"

using namespace trunkline::client;

static_assert(static_cast<int>(TL_SEND_UNORDERED) == static_cast<int>(TLR_SEND_UNORDERED));
static_assert(static_cast<int>(TL_SEND_SACK_IMMEDIATELY) ==
              static_cast<int>(TLR_SEND_SACK_IMMEDIATELY));

// Of a message that takes one entry of the ring, and of all.
static constexpr uint16_t kPlainFlags =
    TL_SEND_UNORDERED | TL_SEND_SACK_IMMEDIATELY | TL_SEND_NOTIFY;
static constexpr uint16_t kLimitFlags =
    TL_SEND_LIFETIME | TL_SEND_RETRANSMISSIONS | TL_SEND_PRIORITY;
static constexpr uint16_t kSendFlags = kPlainFlags | kLimitFlags;

// enum tlr_policy; 0: the message has no limit.
static uint8_t policy_of(const tl_message& message) {
  switch (message.flags & kLimitFlags) {
    case TL_SEND_LIFETIME:
      return TLR_POLICY_LIFETIME;
    case TL_SEND_RETRANSMISSIONS:
      return TLR_POLICY_RETRANSMISSIONS;
    case TL_SEND_PRIORITY:
      return TLR_POLICY_PRIORITY;
    default:
      return 0;
  }
}

static uint32_t entries_of(const tl_message& message) {
  return policy_of(message) != 0 ? 2 : 1;
}

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
  if ((message.flags & ~kSendFlags) != 0) [[unlikely]] {
    return failf(-EINVAL, "flags 0x%x: see enum tl_send_flag", message.flags);
  }
  if ((message.flags & kLimitFlags) != 0 && policy_of(message) == 0) [[unlikely]] {
    return fail(-EINVAL,
                "a message has at most one of TL_SEND_LIFETIME, TL_SEND_RETRANSMISSIONS and "
                "TL_SEND_PRIORITY");
  }
  return 0;
}

// -EAGAIN is noted, so that TL_EVENT_WRITABLE follows.
int tl_lane::check_room(Assoc& assoc, uint32_t assoc_index, const Need& need) {
  Channel& channel = channels[assoc.channel];
  const char* text = nullptr;
  if (assoc.slots + need.slots > client.geometry.send_credit ||
      (assoc.bytes != 0 && assoc.bytes + need.bytes > assoc.send_buffer)) {
    text = "the association's send credit is used up: wait for TL_EVENT_WRITABLE";
  } else if (channel.tx_free() < need.free_slots) {
    text = "the lane's send slots are used up: wait for TL_EVENT_WRITABLE";
  } else if (!channel.can_submit(need.entries)) {
    text = "the submission ring is full: wait for TL_EVENT_WRITABLE";
  } else {
    return 0;
  }
  assoc.wanted_slots = need.slots;
  assoc.wanted_bytes = need.bytes;
  assoc.wanted_entries = need.entries;
  assoc.blocked = true;
  list_blocked(channel, assoc_index);
  return fail(-EAGAIN, text);
}

// `slots` and `bytes` are what the note at the slot says. Read from there so soon after they were
// written, they could not come out of the core's store buffer, and the whole payload would have to
// leave it first.
static TxNote note_of(uint32_t assoc_index, uint32_t slots, uint32_t bytes, const tl_message& how) {
  TxNote note;
  note.context = how.context;
  note.assoc = assoc_index;
  note.length = bytes;
  note.slot_count = slots;
  note.ppid = how.ppid;
  note.stream = how.stream;
  note.flags = static_cast<uint8_t>(how.flags);
  note.submitted = true;
  return note;
}

void tl_lane::submit_send(Assoc& assoc, uint32_t assoc_index, uint32_t slot, uint32_t slots,
                          uint32_t bytes, const tl_message& how) {
  assoc.slots += slots;
  assoc.bytes += bytes;
  ++assoc.sends;
  Channel& channel = channels[assoc.channel];
  if (const uint8_t policy = policy_of(how); policy != 0) channel.put_limit(policy, how.limit);
  channel.put_send(slot, note_of(assoc_index, slots, bytes, how),
                   {assoc.wire_index, assoc.wire_generation});
}

// Messages of one slot each and without a limit, as long as there is room for them and nothing is
// wrong with them: what is the same for all is looked at once. Returns how many were taken.
size_t tl_lane::send_short(Assoc& assoc, uint32_t assoc_index, const tl_message* messages,
                           size_t count) {
  Channel& channel = channels[assoc.channel];
  const uint32_t credit = client.geometry.send_credit;
  if (assoc.phase != Phase::kOpen || assoc.slots >= credit) return 0;
  const auto wanted = static_cast<uint32_t>(std::min<size_t>(count, credit - assoc.slots));
  const uint32_t room = std::min({wanted, channel.submission_room(wanted), channel.tx_free()});
  const WireName name{assoc.wire_index, assoc.wire_generation};
  const uint32_t longest = std::min(channel.slot_size(), assoc.max_message);
  const uint16_t streams = assoc.outbound_streams;
  // The first one may go whatever its size.
  const uint32_t most = assoc.bytes != 0 ? std::max(assoc.bytes, assoc.send_buffer)
                                         : std::max(assoc.send_buffer, messages[0].length);
  uint32_t bytes = assoc.bytes;
  uint32_t taken = 0;
  for (; taken < room; ++taken) {
    const tl_message& message = messages[taken];
    const uint32_t length = message.length;
    // None, or too many.
    if (length - 1 >= longest || length > most - bytes) break;
    if (message.stream >= streams || (message.flags & ~kPlainFlags) != 0) break;
    if (message.data == nullptr) break;
    bytes += length;
    channel.put_short(message.data, note_of(assoc_index, 1, length, message), name);
  }
  assoc.slots += taken;
  assoc.sends += taken;
  assoc.bytes = bytes;
  return taken;
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
    taken += send_short(*assoc, assoc_index, messages + taken, count - taken);
    if (taken == count) break;
    const tl_message& message = messages[taken];
    error = message.data == nullptr && message.length != 0
                ? missing("tl_message.data")
                : check_send(*assoc, message, message.length);
    if (error != 0) break;
    const uint32_t slots = channel.slots_for(message.length);
    error = check_room(*assoc, assoc_index, {slots, message.length, slots, entries_of(message)});
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
  error = check_room(*assoc, index_of(handle), {slots, length, slots});
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
  error = check_room(*assoc, index_of(handle), {note.slot_count, note.length, 0, entries_of(how)});
  if (error != 0) return error;
  submit_send(*assoc, index_of(handle), buffer->slot, note.slot_count, note.length, how);
  channel.publish();
  *buffer = tl_buffer{};
  return 0;
}
