// SPDX-License-Identifier: BSD-3-Clause
// From completions to events, giving payload back, and waiting.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "lane.h"
#include "text.h"

using namespace trunkline::client;

namespace {

// An idle poll looks at the socket this seldom: it costs a system call.
constexpr uint32_t kIdlePollsPerLook = 1024;

}  // namespace

static_assert(static_cast<int>(TL_REASON_ABANDONED) == static_cast<int>(TLR_REASON_ABANDONED));
static_assert(static_cast<int>(TL_REASON_DAEMON_GONE) == static_cast<int>(TLR_REASON_ABANDONED) + 1,
              "the library's own, beside those of the daemon");
static_assert(static_cast<int>(TL_REASON_SHUTDOWN) == static_cast<int>(TLR_REASON_SHUTDOWN));
static_assert(static_cast<int>(TL_PATH_INACTIVE) == static_cast<int>(TLR_PATH_INACTIVE));
static_assert(static_cast<int>(TL_PATH_UNCONFIRMED_INACTIVE) ==
              static_cast<int>(TLR_PATH_UNCONFIRMED_INACTIVE));
static_assert(sizeof(tl_address) == sizeof(tlr_address));

bool tl_client::check_gone() {
  if (gone.load(std::memory_order_relaxed)) return true;
  uint8_t byte = 0;
  const ssize_t n = recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) return false;
  gone.store(true, std::memory_order_release);
  return true;
}

// ---------------------------------------------------------------- polling

int tl_lane::poll(tl_event* events, size_t max) {
  Sink sink{events, max, 0};
  const bool was_armed = armed_;
  if (was_armed) disarm();
  while (!stash_.empty() && !sink.full()) {
    tl_event& event = sink.out[sink.count++];
    event = stash_.front();
    stash_.pop_front();
    // The application may have changed its word since.
    if (const Assoc* const assoc = find(event.assoc); assoc != nullptr) event.user = assoc->user;
  }
  // Looked at before the rings, so that what the daemon wrote last is not missed.
  const bool gone = client.gone.load(std::memory_order_acquire);
  // Before the rings, too: a worker whose ring never runs dry must not hide that another has room.
  tell_writable(sink);
  const auto workers = static_cast<uint32_t>(channels.size());
  for (uint32_t i = 0; i < workers; ++i) {
    poll_channel((next_channel_ + i) % workers, sink);
  }
  next_channel_ = (next_channel_ + 1) % workers;
  tell_writable(sink);
  if (!chores_.empty()) do_chores();
  if (sink.count != 0 || max == 0) {
    idle_polls_ = 0;
    return static_cast<int>(sink.count);
  }
  if (!gone) {
    if (was_armed || ++idle_polls_ >= kIdlePollsPerLook) {
      idle_polls_ = 0;
      if (client.check_gone()) return poll(events, max);
    }
    return 0;
  }
  if (gone_told_) return fail(-EPIPE, kGoneText);
  tell_gone(sink);
  return static_cast<int>(sink.count);
}

void tl_lane::tell_gone(Sink& sink) {
  for (; gone_channel_ < channels.size(); ++gone_channel_, gone_slot_ = 0) {
    Channel& channel = channels[gone_channel_];
    for (; gone_slot_ < channel.tx_slots(); ++gone_slot_) {
      if (!channel.tx_valid(gone_slot_) || !channel.note(gone_slot_).submitted) continue;
      if (sink.full()) return;
      tl_event& event = sink.next();
      event.reason = TL_REASON_DAEMON_GONE;
      event.error = -EPIPE;
      tell_send_failed(gone_channel_, gone_slot_, event);
      event.flags |= TL_FAILED_STARTED;  // for all that one knows
    }
  }
  tell_endings(sink);  // what the daemon had told stands
  for (; gone_assoc_ < assocs_.size(); ++gone_assoc_) {
    const Assoc& assoc = assocs_[gone_assoc_];
    if (assoc.phase == Phase::kFree) continue;
    if (sink.full()) return;
    tl_event& event = sink.next();
    event.kind = assoc.phase == Phase::kConnecting ? TL_EVENT_CONNECT_FAILED : TL_EVENT_LOST;
    event.reason = TL_REASON_DAEMON_GONE;
    event.error = -EPIPE;
    event.assoc = handle_of(assoc, gone_assoc_);
    event.user = assoc.user;
    if (assoc.connect_slot != kNone) channels[assoc.channel].free_slots(assoc.connect_slot);
    free_assoc(gone_assoc_);
  }
  if (sink.full()) return;
  gone_told_ = true;
  tl_event& event = sink.next();
  event.kind = TL_EVENT_DAEMON_GONE;
  event.error = -EPIPE;
}

void tl_lane::poll_channel(uint32_t at, Sink& sink) {
  Channel& channel = channels[at];
  while (true) {
    if (!endings_.empty()) tell_endings(sink);
    if (sink.full()) break;
    const tlr_completion* const entry = channel.peek_completion();
    if (entry == nullptr) break;
    if (entry->kind == TLR_MESSAGE) {
      take_messages(at, sink);
      continue;
    }
    if (entry->kind == TLR_SENDS_DONE) {
      if (!take_sends_done(at, *entry, sink)) break;
    } else if (tlr_has_more(entry->kind)) {
      const tlr_completion_more* const more = channel.peek_more();
      if (more != nullptr) translate(at, *entry, *more, sink);
      channel.pop_completion();
    } else {
      translate(at, *entry, sink);
    }
    channel.pop_completion();
  }
  channel.publish_completions();
}

void tl_lane::pump() {
  tl_event events[32];
  for (uint32_t at = 0; at < channels.size(); ++at) {
    while (true) {
      Sink sink{events, 32, 0};
      poll_channel(at, sink);
      stash_.insert(stash_.end(), events, events + sink.count);
      if (sink.count < 32) break;
    }
  }
  if (!chores_.empty()) do_chores();
}

void tl_lane::translate(uint32_t at, const tlr_completion& entry, Sink& sink) {
  switch (entry.kind) {
    case TLR_CONNECT_FAILED:
      return take_connect_failed(at, entry, sink);
    case TLR_SEND_FAILED:
      return take_send_failed(at, entry, sink);
    case TLR_CLOSED:
    case TLR_LOST:
      return take_ended(at, entry, sink);
    case TLR_OP_DONE:
    case TLR_OP_FAILED:
      return take_operation(at, entry);
    case TLR_DAEMON_ENDING:
      return take_daemon_ending(entry, sink);
    default:
      return take_notice(at, entry, {}, sink);
  }
}

void tl_lane::translate(uint32_t at, const tlr_completion& entry, const tlr_completion_more& more,
                        Sink& sink) {
  if (entry.kind == TLR_ACCEPTED || entry.kind == TLR_CONNECTED) {
    return take_opened(at, entry, more, sink);
  }
  take_notice(at, entry, more, sink);
}

// The lane's index of the association that an entry names, or kNone.
uint32_t tl_lane::local_index(uint32_t at, const tlr_completion& entry) {
  const uint32_t local = channels[at].assoc_at(entry.assoc_index);
  if (local >= assocs_.size()) return kNone;
  const Assoc& assoc = assocs_[local];
  const bool same = assoc.phase != Phase::kFree && assoc.phase != Phase::kEnding &&
                    assoc.channel == at && assoc.wire_generation == entry.assoc_generation;
  return same ? local : kNone;
}

// Those that follow one another, as many as there is room for. Whose they are is looked up again
// where the name changes: nothing ends in between.
void tl_lane::take_messages(uint32_t at, Sink& sink) {
  static_assert(static_cast<int>(TLR_MESSAGE_UNORDERED) == static_cast<int>(TL_SEND_UNORDERED) &&
                TLR_MESSAGE_MORE * 4 == TL_MESSAGE_MORE);
  Channel& channel = channels[at];
  const uint32_t slot_size = channel.slot_size();
  const uint32_t rx_slots = channel.rx_slots();
  const uint8_t* const data = channel.rx_data(0);
  const std::span<const tlr_completion> waiting = channel.peek_completions(sink.max - sink.count);
  WireName name;
  uint32_t local = kNone;
  tl_assoc handle = 0;
  uint64_t user = 0;
  bool stale = false;  // some were for nobody
  tl_event* out = sink.out + sink.count;
  const tlr_completion* entry = waiting.data();
  for (; entry != waiting.data() + waiting.size(); ++entry) {
    if (entry->kind != TLR_MESSAGE) break;
    const uint32_t slot = entry->slot;
    if (slot >= rx_slots) continue;
    if (entry->assoc_index != name.index || entry->assoc_generation != name.generation ||
        local == kNone) {
      local = local_index(at, *entry);
      if (local == kNone) {
        channel.return_slot(slot);
        stale = true;
        continue;
      }
      name = {entry->assoc_index, entry->assoc_generation};
      handle = handle_of(assocs_[local], local);
      user = assocs_[local].user;
    }
    const uint8_t flags = entry->flags;
    const uint32_t length = entry->length;
    tl_event& event = *out++;
    event = tl_event{};
    event.kind = TL_EVENT_MESSAGE;
    event.flags =
        static_cast<uint8_t>((flags & TLR_MESSAGE_UNORDERED) | (flags & TLR_MESSAGE_MORE) * 4);
    event.assoc = handle;
    event.user = user;
    event.data = data + static_cast<size_t>(slot) * slot_size;
    event.length = length;
    event.data_length = std::min(length, slot_size);
    event.piece_count = length <= slot_size ? 1 : channel.slots_for(length);
    event.ppid = entry->ppid;
    event.stream = entry->stream;
    event.slot = slot;
    event.channel = at;
  }
  sink.count = static_cast<size_t>(out - sink.out);
  channel.pop_completion(static_cast<uint32_t>(entry - waiting.data()));
  if (stale) channel.publish_returns();
}

void tl_lane::take_opened(uint32_t at, const tlr_completion& entry, const tlr_completion_more& more,
                          Sink& sink) {
  const auto value = static_cast<uint32_t>(entry.context);
  const bool accepted = entry.kind == TLR_ACCEPTED;
  uint32_t local = kNone;
  if (accepted && value < listeners_.size() && listeners_[value].state == ListenerState::kFailed) {
    chores_.push_back({at, TLR_OP_ABORT, 0, entry.assoc_index, entry.assoc_generation});
    return;
  }
  if (accepted) {
    local = take_assoc();
    assocs_[local].user = value < listeners_.size() ? listeners_[value].user : 0;
  } else {
    local = value;
    channels[at].end_operations(1);
    if (local >= assocs_.size() || assocs_[local].phase != Phase::kConnecting) return;
    channels[at].free_slots(assocs_[local].connect_slot);
    assocs_[local].connect_slot = kNone;
  }
  Assoc& assoc = assocs_[local];
  const uint64_t held =
      static_cast<uint64_t>(client.geometry.send_credit) * client.geometry.slot_size;
  assoc.phase = Phase::kOpen;
  assoc.channel = at;
  assoc.wire_index = entry.assoc_index;
  assoc.wire_generation = entry.assoc_generation;
  assoc.outbound_streams = more.outbound_streams;
  assoc.inbound_streams = more.inbound_streams;
  assoc.send_buffer = entry.length;
  assoc.max_message = entry.slot <= held ? entry.slot : static_cast<uint32_t>(held);
  channels[at].set_assoc(entry.assoc_index, local);

  tl_event& event = sink.next();
  event.kind = accepted ? TL_EVENT_ACCEPTED : TL_EVENT_CONNECTED;
  event.assoc = handle_of(assoc, local);
  event.user = assoc.user;
  event.listener = accepted ? listener_handle(value) : 0;
  event.outbound_streams = more.outbound_streams;
  event.inbound_streams = more.inbound_streams;
  event.local_port = more.local_port;
  event.peer_port = more.peer_port;
  event.address.family = more.family;
  std::memcpy(event.address.bytes, more.address, sizeof(event.address.bytes));
}

void tl_lane::take_connect_failed(uint32_t at, const tlr_completion& entry, Sink& sink) {
  const auto local = static_cast<uint32_t>(entry.context);
  channels[at].end_operations(1);
  if (local >= assocs_.size() || assocs_[local].connect_slot == kNone) return drop_text(at, entry);
  Assoc& assoc = assocs_[local];
  channels[at].free_slots(assoc.connect_slot);
  assoc.connect_slot = kNone;
  tl_event& event = sink.next();
  event.kind = TL_EVENT_CONNECT_FAILED;
  event.reason = entry.reason;
  event.cause = entry.cause;
  event.error = error_of_status(entry.status);
  event.assoc = handle_of(assoc, local);
  event.user = assoc.user;
  take_text(at, entry, event);
  free_assoc(local);
}

void tl_lane::sends_ended(Channel& channel, const Ended& ended) {
  channel.end_operations(ended.sends);
  if (ended.assoc >= assocs_.size()) return;
  Assoc& assoc = assocs_[ended.assoc];
  assoc.bytes -= std::min(ended.bytes, assoc.bytes);
  assoc.slots -= std::min(ended.slots, assoc.slots);
  assoc.sends -= std::min(ended.sends, assoc.sends);
  if (assoc.blocked) list_blocked(channel, ended.assoc);
}

void tl_lane::tell_sent(const TxNote& note, Sink& sink) {
  tl_event& event = sink.next();
  const Assoc& assoc = assocs_[note.assoc];
  event.kind = TL_EVENT_SENT;
  event.assoc = handle_of(assoc, note.assoc);
  event.user = assoc.user;
  event.context = note.context;
  event.stream = note.stream;
  event.ppid = note.ppid;
  event.length = note.length;
}

// False if the sink is full before the entry is used up; the cursor remembers how far it came.
bool tl_lane::take_sends_done(uint32_t at, const tlr_completion& entry, Sink& sink) {
  Channel& channel = channels[at];
  tlr_sends_done done;
  std::memcpy(&done, &entry, sizeof(done));
  const uint32_t count = std::min<uint32_t>(done.count, TLR_SENDS_DONE_MAX);
  uint32_t cursor = channel.done_cursor;
  Ended ended;
  for (; cursor < count; ++cursor) {
    const uint32_t slot = done.slots[cursor];
    if (!channel.is_submitted(slot)) continue;
    const TxNote& note = channel.note(slot);
    if ((note.flags & TL_SEND_NOTIFY) != 0) {
      if (sink.full()) break;
      tell_sent(note, sink);
    }
    if (note.assoc != ended.assoc) {
      sends_ended(channel, ended);
      ended = {note.assoc, 0, 0, 0};
    }
    ++ended.sends;
    ended.slots += note.slot_count;
    ended.bytes += note.length;
    channel.free_slots(slot);
  }
  sends_ended(channel, ended);
  channel.done_cursor = cursor < count ? cursor : 0;
  return cursor >= count;
}

void tl_lane::take_send_failed(uint32_t at, const tlr_completion& entry, Sink& sink) {
  Channel& channel = channels[at];
  if (!channel.is_submitted(entry.slot)) return channel.end_operations(1);
  tl_event& event = sink.next();
  event.reason = entry.reason;
  event.cause = entry.cause;
  event.error = error_of_status(entry.status);
  tell_send_failed(at, entry.slot, event);
  if ((entry.flags & TLR_FAILED_STARTED) != 0) event.flags |= TL_FAILED_STARTED;
}

// With what the library knows of it: all but why.
void tl_lane::tell_send_failed(uint32_t at, uint32_t slot, tl_event& event) {
  Channel& channel = channels[at];
  TxNote& note = channel.note(slot);
  note.submitted = false;  // the payload is the application's until it releases the event
  const Assoc& assoc = assocs_[note.assoc];
  event.kind = TL_EVENT_SEND_FAILED;
  event.assoc = handle_of(assoc, note.assoc);
  event.user = assoc.user;
  event.context = note.context;
  event.data = channel.tx_data(slot);
  event.length = note.length;
  event.data_length = note.length <= channel.slot_size() ? note.length : channel.slot_size();
  event.piece_count = note.slot_count;
  event.stream = note.stream;
  event.ppid = note.ppid;
  event.flags = note.flags & TL_SEND_UNORDERED;
  event.slot = slot;
  event.channel = at | kTxEvent;
  sends_ended(channel, {note.assoc, 1, note.slot_count, note.length});
}

// Of an association that the application has no more.
void tl_lane::drop_text(uint32_t at, const tlr_completion& entry) {
  if (entry.length == 0 || !channels[at].rx_valid(entry.slot)) return;
  channels[at].return_slot(entry.slot);
  channels[at].publish_returns();
}

// What the peer's user said; the slot goes back by tl_event_release().
void tl_lane::take_text(uint32_t at, const tlr_completion& entry, tl_event& event) {
  const Channel& channel = channels[at];
  if (entry.length == 0 || !channel.rx_valid(entry.slot)) return;
  event.data = channel.rx_data(entry.slot);
  event.length = entry.length <= channel.slot_size() ? entry.length : channel.slot_size();
  event.data_length = event.length;
  event.piece_count = 1;
  event.slot = entry.slot;
  event.channel = at;
}

void tl_lane::take_ended(uint32_t at, const tlr_completion& entry, Sink& sink) {
  const uint32_t local = local_index(at, entry);
  if (local == kNone) return drop_text(at, entry);
  Assoc& assoc = assocs_[local];
  assoc.phase = Phase::kEnding;
  if (assoc.sends == 0) return tell_end(local, at, entry, sink);
  endings_.push_back({local, at, entry});
}

void tl_lane::tell_endings(Sink& sink) {
  const auto told = [&](const Ending& ending) {
    if (assocs_[ending.assoc].sends != 0 || sink.full()) return false;
    tell_end(ending.assoc, ending.channel, ending.entry, sink);
    return true;
  };
  endings_.erase(std::remove_if(endings_.begin(), endings_.end(), told), endings_.end());
}

void tl_lane::tell_end(uint32_t local, uint32_t at, const tlr_completion& entry, Sink& sink) {
  const Assoc& assoc = assocs_[local];
  tl_event& event = sink.next();
  event.kind = entry.kind == TLR_CLOSED ? TL_EVENT_CLOSED : TL_EVENT_LOST;
  event.reason = entry.reason;
  event.cause = entry.cause;
  event.assoc = handle_of(assoc, local);
  event.user = assoc.user;
  take_text(at, entry, event);
  free_assoc(local);
}

// Every worker says so; one is enough.
void tl_lane::take_daemon_ending(const tlr_completion& entry, Sink& sink) {
  if (ending_told_) return;
  ending_told_ = true;
  tl_event& event = sink.next();
  event.kind = TL_EVENT_DAEMON_ENDING;
  event.time_left_ms = entry.length;
}

void tl_lane::take_operation(uint32_t at, const tlr_completion& entry) {
  Channel& channel = channels[at];
  channel.end_operations(1);
  const auto value = static_cast<uint32_t>(entry.context);
  switch (static_cast<Ticket>(entry.context >> 56)) {
    case Ticket::kQuiet:
      if (channel.tx_valid(value)) channel.free_slots(value);
      return;
    case Ticket::kListen: {
      if (value >= listeners_.size()) return;
      Listener& listener = listeners_[value];
      if (listener.slots[at] != kNone) channel.free_slots(listener.slots[at]);
      listener.slots[at] = kNone;
      if (listener.status == TLR_STATUS_OK && entry.status != TLR_STATUS_OK) {
        listener.status = entry.status;
        listener.refused_by = at;
      }
      if (listener.pending > 0) --listener.pending;
      return;
    }
    case Ticket::kWait:
      for (Waiting& waiting : waiting_) {
        if (waiting.id != value) continue;
        waiting.done = true;
        waiting.status = entry.status;
        if (waiting.abandoned && waiting.slot != kNone) channel.free_slots(waiting.slot);
        if (waiting.abandoned) waiting.slot = kNone;
      }
      while (!waiting_.empty() && waiting_.front().done && waiting_.front().abandoned) {
        waiting_.pop_front();
      }
      return;
    case Ticket::kConnect:
      return;
  }
}

void tl_lane::take_notice(uint32_t at, const tlr_completion& entry, const tlr_completion_more& more,
                          Sink& sink) {
  const uint32_t local = local_index(at, entry);
  if (local == kNone) return;
  Assoc& assoc = assocs_[local];
  uint8_t kind = TL_EVENT_NONE;
  switch (entry.kind) {
    case TLR_PEER_SHUTDOWN:
      kind = TL_EVENT_PEER_SHUTDOWN;
      assoc.phase = Phase::kClosing;
      break;
    case TLR_RESTARTED:
      kind = TL_EVENT_RESTARTED;
      // The peer's shutdown ended with its former life; the application's own wish did not.
      if (assoc.phase == Phase::kClosing && !assoc.wants_out) assoc.phase = Phase::kOpen;
      assoc.outbound_streams = more.outbound_streams;
      assoc.inbound_streams = more.inbound_streams;
      break;
    case TLR_PATH_CHANGED:
      kind = TL_EVENT_PATH_CHANGED;
      break;
    case TLR_PRIMARY_CHANGED:
      kind = TL_EVENT_PRIMARY_CHANGED;
      break;
    case TLR_RESTART_REFUSED:
      kind = TL_EVENT_RESTART_REFUSED;
      break;
    case TLR_REMOTE_ERROR:
      kind = TL_EVENT_REMOTE_ERROR;
      break;
    case TLR_SENDER_DRY:
      kind = TL_EVENT_SENDER_DRY;
      break;
    case TLR_MESSAGE_BROKEN:
      kind = TL_EVENT_MESSAGE_BROKEN;
      break;
    default:  // of a later version
      return;
  }
  tl_event& event = sink.next();
  event.kind = kind;
  event.reason = entry.reason;
  event.cause = entry.cause;
  event.assoc = handle_of(assoc, local);
  event.user = assoc.user;
  event.outbound_streams = more.outbound_streams;
  event.inbound_streams = more.inbound_streams;
  event.path_state = more.path_state;
  event.address.family = more.family;
  std::memcpy(event.address.bytes, more.address, sizeof(event.address.bytes));
}

// ---------------------------------------------------------------- writable

// Of what is the association's alone there is room again for the send that was refused, and for
// some more, so that it is worth telling.
bool tl_lane::has_own_room(const Assoc& assoc) const {
  const uint32_t credit = client.geometry.send_credit;
  const uint32_t slots = assoc.wanted_slots > credit / 2 ? assoc.wanted_slots : credit / 2;
  if (assoc.slots != 0 && credit - assoc.slots < slots) return false;
  return assoc.bytes == 0 || assoc.bytes + assoc.wanted_bytes <= assoc.send_buffer;
}

// Of what all share there is some, likewise. If there is not, nobody needs to be asked.
bool tl_lane::may_be_writable(Channel& channel) const {
  const bool enough = channel.tx_free() >= channel.tx_slots() / 8 || channel.operations() == 0;
  return enough && channel.can_submit();
}

// ... enough for this one.
bool tl_lane::writable(Channel& channel, const Assoc& assoc) const {
  return has_own_room(assoc) && channel.tx_free() >= assoc.wanted_slots &&
         channel.can_submit(assoc.wanted_entries);
}

void tl_lane::list_blocked(Channel& channel, uint32_t assoc_index) {
  Assoc& assoc = assocs_[assoc_index];
  if (assoc.listed || !has_own_room(assoc)) return;
  assoc.listed = true;
  channel.blocked.push_back({assoc_index, assoc.generation});
}

// The first who waits is told first, and no more are than there is room for: of ten thousand that
// wait each look tells a few, not all of them the same. Whoever wants more than there is goes to
// the end of the line. Who is told and does not send leaves the room to the others, who are told by
// the next look.
void tl_lane::tell_writable(Sink& sink) {
  for (uint32_t at = 0; at < channels.size(); ++at) {
    Channel& channel = channels[(next_channel_ + at) % channels.size()];
    if (channel.blocked.empty() || !may_be_writable(channel)) continue;
    uint32_t room = std::min(channel.tx_free(), channel.submission_room(channel.tx_free()));
    for (size_t left = channel.blocked.size(); left > 0 && room > 0 && !sink.full(); --left) {
      const Channel::Blocked first = channel.blocked.front();
      channel.blocked.pop_front();
      Assoc& assoc = assocs_[first.assoc];
      if (assoc.generation != first.generation) continue;
      assoc.listed = false;
      if (assoc.phase != Phase::kOpen || !assoc.blocked) continue;
      if (!writable(channel, assoc)) {
        list_blocked(channel, first.assoc);
        continue;
      }
      room -= std::min(room, std::max(assoc.wanted_slots, assoc.wanted_entries));
      assoc.blocked = false;
      tl_event& event = sink.next();
      event.kind = TL_EVENT_WRITABLE;
      event.assoc = handle_of(assoc, first.assoc);
      event.user = assoc.user;
    }
  }
}

// ---------------------------------------------------------------- payload of events

void tl_lane::release(tl_event* events, size_t count) {
  uint32_t of = kNone;  // tl_event::channel of `channel`
  Channel* channel = nullptr;
  for (size_t i = 0; i < count; ++i) {
    tl_event& event = events[i];
    if (event.data == nullptr) continue;
    if (event.channel != of) {
      of = event.channel;
      const uint32_t at = of & ~kTxEvent;
      channel = at < channels.size() ? &channels[at] : nullptr;
    }
    if (channel != nullptr) give_back(*channel, event);
    event.data = nullptr;
    event.data_length = 0;
  }
  for (Channel& each : channels) {
    if (each.returned) each.publish_returns();
  }
}

inline void tl_lane::give_back(Channel& channel, const tl_event& event) {
  if ((event.channel & kTxEvent) != 0) {
    if (channel.tx_valid(event.slot)) channel.free_slots(event.slot);
  } else if (channel.rx_valid(event.slot)) {
    channel.return_slot(event.slot);
    channel.returned = true;
  }
}

// ---------------------------------------------------------------- waiting

bool tl_lane::has_completion() const {
  for (const Channel& channel : channels) {
    if (channel.has_completion()) return true;
  }
  return false;
}

bool tl_lane::has_events() {
  if (!stash_.empty() || has_completion()) return true;
  for (const Ending& ending : endings_) {
    if (assocs_[ending.assoc].sends == 0) return true;
  }
  for (Channel& channel : channels) {
    if (channel.blocked.empty() || !may_be_writable(channel)) continue;
    for (const Channel::Blocked& each : channel.blocked) {
      const Assoc& assoc = assocs_[each.assoc];
      if (assoc.generation != each.generation || assoc.phase != Phase::kOpen) continue;
      if (assoc.blocked && writable(channel, assoc)) return true;
    }
  }
  return client.gone.load(std::memory_order_acquire) && !gone_told_;
}

void tl_lane::drain_wake() {
  uint8_t tokens[64];
  while (read(wake_fd, tokens, sizeof(tokens)) == sizeof(tokens)) {
  }
}

int tl_lane::arm() {
  if (gone_told_) return fail(-EPIPE, kGoneText);
  for (Channel& channel : channels) channel.arm();
  armed_ = true;
  if (!has_events()) return 0;
  disarm();
  return 1;
}

void tl_lane::disarm() {
  for (Channel& channel : channels) channel.disarm();
  drain_wake();
  armed_ = false;
}

int tl_lane::wait(int timeout_ms) {
  const Clock::time_point until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  while (true) {
    const int armed = arm();
    if (armed != 0) return armed;
    const int left = timeout_ms >= 0 ? milliseconds_until(until) : -1;
    pollfd fds[2] = {{wake_fd, POLLIN, 0}, {client.socket, POLLIN | POLLRDHUP, 0}};
    const int n = ::poll(fds, 2, left);
    const int error = errno;
    disarm();
    if (n < 0) return fail(-error, error == EINTR ? "a signal arrived" : "poll() failed");
    if (fds[1].revents != 0 && client.check_gone()) return 1;
    if (has_events()) return 1;
    if (n == 0) return 0;
  }
}

void tl_lane::wait_completion(int timeout_ms) {
  for (Channel& channel : channels) channel.arm();
  if (!has_completion()) {
    pollfd fds[2] = {{wake_fd, POLLIN, 0}, {client.socket, POLLIN | POLLRDHUP, 0}};
    ::poll(fds, 2, timeout_ms);
    if (fds[1].revents != 0) client.check_gone();
  }
  disarm();
}
