// SPDX-License-Identifier: BSD-3-Clause
// The bridge's fast path: submissions to verbs, events to completions.
#include "appring/bridge.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include <unistd.h>

namespace trunkline::appring {

Bridge::Bridge(const BridgeConfig& config, Shard& shard)
    : config_(config),
      shard_(shard),
      assocs_(config.max_associations),
      first_of_port_(size_t{UINT16_MAX} + 1, kNone),
      share_(config.max_units, config.max_clients) {
  changed_.reserve(assocs_.size());
  make_configured_endpoints();
}

Bridge::~Bridge() = default;

// ---------------------------------------------------------------- submissions

size_t Bridge::drain_submissions(TimePoint now) {
  if (mailbox_.has_mail()) take_mail(now);
  size_t taken = 0;
  bool fault = false;
  for (Channel* channel : channels_) {
    taken += drain_channel(now, *channel);
    fault |= channel->faulted() || channel->client().segment->lost();
  }
  count(RingCounter::k_ring_submissions, taken);
  if (fault) end_faulty(now);
  if (looks_due_ != 0) let_go(now);
  if (!changed_.empty()) tell_unread();
  return taken;
}

// Sends of one association that lie one after the other, each of one slot: what is the same for all
// is looked at once. Returns how many it took; the next one is another, or something is wrong with
// it: take_next() knows, and reads it anew.
uint32_t Bridge::take_sends(TimePoint now, Channel& channel, uint32_t waiting) {
  const tlr_submission first = channel.look_at_submission(0);
  if (first.op != TLR_OP_SEND) return 0;
  Assoc* const assoc = find(channel, first);
  if (assoc == nullptr || assoc->tx_in_use >= channel.send_credit()) return 0;
  const AssocId id = assoc->id;
  const uint32_t most =
      channel.reservable(std::min(waiting, channel.send_credit() - assoc->tx_in_use));
  // As if each took as much as a slot holds.
  const uint64_t most_units = most * units_of(channel.slot_size());
  if (!has_share(*channel.use, most_units)) return 0;
  uint32_t taken = 0;
  uint64_t units = 0;
  tlr_submission refused;
  Status why = Status::kOk;
  for (; taken < most; ++taken) {
    const tlr_submission submission = channel.look_at_submission(taken);
    const uint32_t length = submission.length;
    if (submission.op != TLR_OP_SEND || submission.assoc_generation != id.generation ||
        submission.assoc_index != id.slot || (submission.flags & ~kSendFlags) != 0) {
      break;
    }
    Piece* const head = channel.claim_short(submission.slot, length);
    if (head == nullptr) break;
    why = send(now, channel, id, submission, {}, head);
    if (why != Status::kOk) [[unlikely]] {
      channel.unclaim(head);
      refused = submission;
      break;
    }
    units += units_of(length);
  }
  channel.take_sends(taken);
  assoc->tx_in_use += taken;
  channel.use->units += units;
  units_ += units;
  count(RingCounter::k_ring_messages_in, taken);
  if (why == Status::kOk) return taken;
  // The shard is asked once of each.
  channel.take_sends(1);
  fail_send(channel, refused, refuse(RingCounter::k_refuse_send, wire_status(why)), refused.slot);
  return taken + 1;
}

// On success the piece is the shard's, and noted as that association's.
Status Bridge::send(TimePoint now, Channel& channel, AssocId assoc,
                    const tlr_submission& submission, Reliability reliability, Piece* head) {
  Payload payload(head, &channel);
  const Status status = shard_.send(now, assoc, request_of(submission, reliability), payload);
  if (status == Status::kOk) [[likely]] {
    channel.assign(head, assoc.slot);
  } else {
    [[maybe_unused]] Piece* const ours_again = payload.take();
  }
  return status;
}

// Returns how many descriptors it took. None: there is no room for its end, and it stays where it
// is.
inline uint32_t Bridge::take_next(TimePoint now, Channel& channel) {
  if (!channel.reserve()) return 0;
  const tlr_submission submission = channel.take_submission();
  if (submission.op == TLR_OP_LIMIT) return take_limited(now, channel, submission);
  if (submission.op == TLR_OP_CONNECT && channel.too_many_connects()) {
    channel.put_back_submission();
    return 0;
  }
  handle(now, channel, submission);
  return 1;
}

// With the send behind it, whose end the reserved entry is for.
uint32_t Bridge::take_limited(TimePoint now, Channel& channel, const tlr_submission& limit) {
  const std::optional<tlr_submission> submission = channel.take_send_behind();
  if (!submission) {
    handle(now, channel, limit);
    return 1;
  }
  if (const std::optional<Reliability> reliability = reliability_of(limit)) {
    handle_send(now, channel, *submission, *reliability);
  } else {
    const uint8_t status = refuse(RingCounter::k_refuse_bad_operation, TLR_STATUS_BAD_DESCRIPTOR);
    fail_send(channel, *submission, status, TLR_NO_SLOT);
  }
  return 2;
}

size_t Bridge::drain_channel(TimePoint now, Channel& channel) {
  if (channel.awaits_client()) {
    channel.look();
    if (channel.end_untold) channel.end_untold = !tell_end(now, channel);
    retry_backlog(now, channel);
    channel.stalled = false;
  }
  if (channel.has_returns()) take_returns(channel);
  if (const uint32_t bad = channel.take_bad_returns(); bad != 0) {
    count(RingCounter::k_refuse_bad_return, bad);
  }
  const uint32_t limit = std::min(channel.pending_submissions(), config_.burst);
  if (limit == 0) return 0;
  uint32_t taken = 0;
  // A limit and its send are not parted: one more may be taken than that.
  while (taken < limit) {
    taken += take_sends(now, channel, limit - taken);
    if (taken == limit) break;
    const uint32_t next = take_next(now, channel);
    if (next == 0) {
      channel.stalled = true;
      count(RingCounter::k_ring_submission_stalls);
      break;
    }
    taken += next;
  }
  channel.publish_submissions();
  return taken;
}

void Bridge::handle(TimePoint now, Channel& channel, const tlr_submission& submission) {
  switch (submission.op) {
    case TLR_OP_SEND:
      return handle_send(now, channel, submission);
    case TLR_OP_LISTEN:
      return handle_listen(channel, submission);
    case TLR_OP_UNLISTEN:
      return handle_unlisten(channel, submission);
    case TLR_OP_CONNECT:
      return handle_connect(now, channel, submission);
    case TLR_OP_SHUTDOWN:
    case TLR_OP_ABORT:
      return handle_end(now, channel, submission);
    case TLR_OP_GET_OPTION:
    case TLR_OP_SET_OPTION:
      return handle_option(now, channel, submission);
    default:
      end_operation(channel, submission.context,
                    refuse(RingCounter::k_refuse_bad_operation, TLR_STATUS_BAD_DESCRIPTOR));
  }
}

uint8_t Bridge::refuse_claim(Channel::Claim verdict) {
  switch (verdict) {
    case Channel::Claim::kOk:
      break;
    case Channel::Claim::kBadLength:
      return refuse(RingCounter::k_refuse_bad_length, TLR_STATUS_BAD_DESCRIPTOR);
    case Channel::Claim::kBadSlot:
      return refuse(RingCounter::k_refuse_bad_slot, TLR_STATUS_BAD_SLOT);
    case Channel::Claim::kTwice:
      return refuse(RingCounter::k_refuse_slot_twice, TLR_STATUS_BAD_SLOT);
  }
  return TLR_STATUS_BAD_SLOT;
}

void Bridge::handle_send(TimePoint now, Channel& channel, const tlr_submission& submission,
                         Reliability reliability) {
  // Until the chain is claimed nothing is known of the slots, so none is named in the answer.
  if ((submission.flags & ~kSendFlags) != 0) {
    const uint8_t status = refuse(RingCounter::k_refuse_bad_operation, TLR_STATUS_BAD_DESCRIPTOR);
    return fail_send(channel, submission, status, TLR_NO_SLOT);
  }
  if (const uint8_t status = claim(channel, submission); status != TLR_STATUS_OK) {
    return fail_send(channel, submission, status, TLR_NO_SLOT);
  }
  Piece* const head = channel.piece(submission.slot);
  const uint32_t slots = channel.slots_for(submission.length);
  const uint64_t units = units_of(submission.length);
  uint8_t status = TLR_STATUS_OK;
  Assoc* const assoc = find(channel, submission);
  if (assoc == nullptr) {
    status = refuse(RingCounter::k_refuse_no_association, TLR_STATUS_NO_ASSOCIATION);
  } else if (assoc->tx_in_use + slots > channel.send_credit()) {
    status = refuse(RingCounter::k_refuse_send_credit, TLR_STATUS_WOULD_BLOCK);
  } else if (!has_share(*channel.use, 0)) {
    status = refuse(RingCounter::k_refuse_client_share, TLR_STATUS_WOULD_BLOCK);
  } else {
    const Status taken = send(now, channel, assoc->id, submission, reliability, head);
    if (taken == Status::kOk) {
      channel.use->units += units;
      units_ += units;
      assoc->tx_in_use += slots;
      count(RingCounter::k_ring_messages_in);
      return;
    }
    status = refuse(RingCounter::k_refuse_send, wire_status(taken));
  }
  channel.unclaim(head);
  fail_send(channel, submission, status, submission.slot);
}

void Bridge::fail_send(Channel& channel, const tlr_submission& submission, uint8_t status,
                       uint32_t slot) {
  tlr_completion out{};
  out.kind = TLR_SEND_FAILED;
  out.status = status;
  out.flags = (submission.flags & TLR_SEND_UNORDERED) != 0 ? TLR_FAILED_UNORDERED : 0;
  out.stream = submission.stream;
  out.assoc_index = submission.assoc_index;
  out.assoc_generation = submission.assoc_generation;
  out.context = submission.context;
  out.slot = slot;
  out.length = submission.length;
  channel.complete(out);
  mark_dirty(channel);
}

void Bridge::end_operation(Channel& channel, uint64_t context, uint8_t status) {
  tlr_completion out{};
  out.kind = status == TLR_STATUS_OK ? TLR_OP_DONE : TLR_OP_FAILED;
  out.status = status;
  out.context = context;
  channel.complete(out);
  mark_dirty(channel);
}

// ---------------------------------------------------------------- events

Bridge::Assoc* Bridge::find(AssocId id) {
  if (id.slot >= assocs_.size()) return nullptr;
  Assoc& assoc = assocs_[id.slot];
  return assoc.channel != nullptr && assoc.id == id ? &assoc : nullptr;
}

Bridge::Assoc* Bridge::find(AssocName name) {
  if (name.index() >= assocs_.size()) return nullptr;
  Assoc& assoc = assocs_[name.index()];
  return assoc.channel != nullptr && assoc.id.generation == name.generation() ? &assoc : nullptr;
}

Bridge::Assoc* Bridge::find(const Channel& channel, const tlr_submission& submission) {
  if (submission.assoc_index >= assocs_.size()) return nullptr;
  Assoc& assoc = assocs_[submission.assoc_index];
  const bool same = assoc.channel == &channel && assoc.id.generation == submission.assoc_generation;
  return same ? &assoc : nullptr;
}

bool Bridge::is_final(EventKind kind) {
  return kind == EventKind::kClosed || kind == EventKind::kLost ||
         kind == EventKind::kConnectFailed;
}

// The usual message, of an association with room in its lane.
bool Bridge::tell_short(Event& event) {
  if (event.assoc.slot >= config_.max_associations) return false;
  Assoc& assoc = assocs_[event.assoc.slot];
  Channel* const channel = assoc.channel;
  if (channel == nullptr || assoc.id.generation != event.assoc.generation) return false;
  if (channel->dying || !channel->backlog_empty()) return false;
  const uint32_t size = event.borrowed_piece.length;
  uint8_t* const to = channel->put_short(event);
  if (to == nullptr) return false;
  charge(assoc, size);
  count(RingCounter::k_ring_messages_out);
  count(RingCounter::k_ring_message_bytes_out, size);
  mark_dirty(*channel);
  std::memcpy(to, event.borrowed_piece.data, size);
  return true;
}

void Bridge::deliver(TimePoint now, Event& event) {
  if (event.kind != EventKind::kMessage || !tell_short(event)) deliver_other(now, event);
}

void Bridge::deliver_other(TimePoint now, Event& event) {
  if (event.kind == EventKind::kAccepted) return accept(now, event);
  Assoc* const assoc = find(event.assoc);
  if (assoc == nullptr && other_ != nullptr && other_->deliver(now, event)) return;
  if (event.kind == EventKind::kAdaptation) return;  // of sockets: clients have no word for it
  if (event.kind == EventKind::kSendAcknowledged) return finish_sends(event.sent, assoc);
  if (event.kind == EventKind::kSendFailed) return fail_send(event, assoc);
  if (assoc == nullptr) {
    count(RingCounter::k_drop_orphan_event);
    event.payload.reset();
    return;
  }
  Channel& channel = *assoc->channel;
  if (channel.dying) {
    event.payload.reset();
    if (is_final(event.kind)) finish_association(channel, *assoc);
    look_at_the_dead();
    return;
  }
  if (assoc->connecting && (event.kind == EventKind::kConnected || is_final(event.kind))) {
    return finish_connect(channel, *assoc, event);
  }
  notify_or_keep(now, channel, event, *assoc);
}

// Payload comes back: its slots are the client's again, whose they were, whoever has the
// association by now. Uses the entries that were reserved when the messages were taken, so it never
// has to wait.
void Bridge::finish_sends(SentMessage* first, Assoc* assoc) {
  for (SentMessage* sent = first; sent != nullptr;) {
    // What is sent is a channel's, all of it.
    auto* const owner = static_cast<Channel*>(sent->payload.owner());
    if (owner == nullptr) {
      count(RingCounter::k_drop_orphan_event);
      sent = sent->next_sent;
      continue;
    }
    uint64_t units = 0;
    const uint32_t slots = owner->finish_sends(sent, units);
    settle(*owner, assoc, slots, units);
  }
}

// Likewise, of one that has failed.
void Bridge::fail_send(Event& event, Assoc* assoc) {
  auto* const channel = static_cast<Channel*>(event.payload.owner());
  if (channel == nullptr) return count(RingCounter::k_drop_orphan_event);
  const auto length = static_cast<uint32_t>(event.payload.size());
  Piece* const head = event.payload.take();
  const uint32_t slots = channel->unclaim(head);
  if (!channel->dying) {
    tlr_completion out{};
    out.kind = TLR_SEND_FAILED;
    out.status = TLR_STATUS_FAILED;
    out.flags = failed_flags(event);
    out.reason = wire_reason(event.reason);
    out.cause = event.cause;
    out.stream = event.stream.value;
    out.assoc_index = event.assoc.slot;
    out.assoc_generation = event.assoc.generation;
    out.context = event.context;
    out.slot = channel->slot_of(head);
    out.length = length;
    channel->complete(out);
  }
  settle(*channel, assoc, slots, units_of(length));
}

// So much of what the channel had sent has come back.
void Bridge::settle(Channel& channel, Assoc* assoc, uint32_t slots, uint64_t units) {
  if (assoc != nullptr && assoc->channel == &channel) assoc->tx_in_use -= slots;
  channel.use->units -= units;
  units_ -= units;
  if (!channel.dying) return mark_dirty(channel);
  look_at_the_dead();
  release_orphans(channel);
}

void Bridge::notify_or_keep(TimePoint now, Channel& channel, Event& event, Assoc& assoc) {
  const bool final = is_final(event.kind);
  if (!channel.backlog_empty() || !try_notify(channel, event, &assoc)) {
    keep(now, channel, event);
  }
  if (final) finish_association(channel, assoc);
}

bool Bridge::try_message(Channel& channel, Event& event, Assoc* assoc) {
  const size_t size = event.size();
  const Channel::MessageHead head(event);
  for (bool again = false; !channel.put_message(head, event.pieces(), size); again = true) {
    if (again || !channel.has_returns()) return false;
    take_returns(channel);
  }
  event.payload.reset();
  if (assoc != nullptr) charge(*assoc, static_cast<uint32_t>(size));
  count(RingCounter::k_ring_messages_out);
  count(RingCounter::k_ring_message_bytes_out, size);
  mark_dirty(channel);
  return true;
}

bool Bridge::try_notify(Channel& channel, Event& event, Assoc* assoc) {
  if (event.kind == EventKind::kMessage) return try_message(channel, event, assoc);
  Channel::Notice out;
  fill_notification(event, out);
  if (!channel.has_room(out.entries())) return false;
  attach_text(channel, event, out.head);
  channel.notify(out);
  mark_dirty(channel);
  return true;
}

// What the peer's user said when it aborted (RFC 9260 section 11.1.4). The end of an association is
// told without it rather than late.
void Bridge::attach_text(Channel& channel, Event& event, tlr_completion& out) {
  if (is_final(event.kind)) {
    const Event::Said said = event.said();
    if (said.size != 0 && channel.has_returns()) take_returns(channel);
    if (said.size != 0 && !channel.put_text(out, &said.pieces, said.size)) {
      count(RingCounter::k_drop_abort_reason);
    }
  }
  event.payload.reset();
  event.borrowed = false;
}

// The lane has no room: the event waits in the daemon, bounded. What an application can do without
// is dropped first; for the rest its association pays, and its end is always told: a node for each
// association that the lane may have stays free for it.
void Bridge::keep(TimePoint now, Channel& channel, Event& event) {
  if (is_final(event.kind)) {
    if (event.size() != 0 && !shard_.keep(now, event)) {
      event.borrowed = false;
      count(RingCounter::k_drop_abort_reason);
    }
    [[maybe_unused]] const bool kept = channel.backlog_push(event, 0);
    return;
  }
  if (event.kind == EventKind::kMessage && !channel.fits_message(event.size())) {
    count(RingCounter::k_abort_message_too_large);
    event.payload.reset();
    return end_association(now, event.assoc, true);
  }
  if (event.kind == EventKind::kRemoteError) event.borrowed = false;  // what it says is not told
  if (!channel.backlog_has_room(channel.limits().max_associations)) {
    event.payload.reset();
    const bool optional =
        event.kind == EventKind::kPathChanged || event.kind == EventKind::kRemoteError ||
        event.kind == EventKind::kSenderDry || event.kind == EventKind::kPrimaryChanged ||
        event.kind == EventKind::kRestartRefused;
    if (optional) return count(RingCounter::k_drop_lane_backlog);
    count(RingCounter::k_abort_lane_backlog);
    return end_association(now, event.assoc, true);
  }
  if (event.kind == EventKind::kMessage && !shard_.keep(now, event)) {
    count(RingCounter::k_abort_no_receive_memory);  // its kLost follows
    return;
  }
  count(RingCounter::k_ring_backlogged);
  [[maybe_unused]] const bool kept = channel.backlog_push(event, channel.limits().max_associations);
}

void Bridge::retry_backlog(TimePoint now, Channel& channel) {
  while (!channel.backlog_empty()) {
    Event& event = channel.backlog_front();
    const size_t size = event.size();
    Assoc* const assoc = find(event.assoc);
    if (!try_notify(channel, event, assoc)) return;
    if (event.kind == EventKind::kMessage) {
      // What is unread now is told first: the window must not seem to open in between.
      if (assoc != nullptr) tell_unread(*assoc);
      shard_.consumed(now, event.assoc, size);
    }
    channel.backlog_pop();
  }
}

// ---------------------------------------------------------------- what is unread

// Delivered messages are their association's until their slots come back: what a reader does not
// read shuts the window, as if the daemon kept it.
void Bridge::take_returns(Channel& channel) {
  channel.take_returns([this](AssocName name, uint32_t bytes) { on_read(name, bytes); });
  if (channel.unread_bytes() == 0) channel.awaited = false;
}

void Bridge::on_read(AssocName name, uint32_t bytes) {
  Assoc* const assoc = find(name);
  if (assoc == nullptr) return;
  assoc->unread -= std::min(assoc->unread, bytes);
  note_change(*assoc);
}

void Bridge::tell_unread() {
  for (const uint32_t index : changed_) {
    Assoc& assoc = assocs_[index];
    assoc.changed = false;
    if (assoc.channel != nullptr) tell_unread(assoc);
  }
  changed_.clear();
}

void Bridge::tell_unread(Assoc& assoc) {
  if (assoc.unread == assoc.unread_told || is_crumb(assoc)) return;
  assoc.unread_told = assoc.unread;
  if (shard_.set_unread(assoc.id, assoc.unread)) assoc.channel->awaited = true;
}

// ---------------------------------------------------------------- the end of a turn

void Bridge::flush() {
  if (!changed_.empty()) tell_unread();
  for (Channel* channel : dirty_) {
    channel->dirty = false;
    if (!channel->publish_completions()) continue;
    const uint8_t token = 1;
    // A full pipe wakes as well as one more byte would.
    [[maybe_unused]] const ssize_t n = write(channel->wake_fd(), &token, 1);
    count(RingCounter::k_ring_doorbells);
  }
  dirty_.clear();
}

// ---------------------------------------------------------------- idle

void Bridge::arm() {
  for (Channel* channel : channels_) channel->arm();
}

bool Bridge::has_work() const {
  if (!dirty_.empty() || looks_due_ != 0 || mailbox_.has_mail()) return true;
  for (const Channel* channel : channels_) {
    if (channel->has_news()) return true;
  }
  return false;
}

void Bridge::disarm() {
  for (Channel* channel : channels_) channel->disarm();
}

}  // namespace trunkline::appring
