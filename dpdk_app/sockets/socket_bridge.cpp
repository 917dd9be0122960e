// SPDX-License-Identifier: BSD-3-Clause
// The turn of a worker's sockets: submissions to verbs, and what becomes visible at its end.
#include "sockets/socket_bridge.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace trunkline::sockets {
namespace {

// Is the descriptor of the association that the socket has?
bool names(const SocketEnd& socket, const tlr_submission& submission) {
  const SocketEnd::Notes& notes = socket.notes;
  return notes.alive && submission.assoc_index == notes.assoc.slot &&
         submission.assoc_generation == notes.assoc.generation;
}

}  // namespace

// ---------------------------------------------------------------- the turn

size_t SocketBridge::drain(TimePoint now) {
  submissions_left_ = config_.all_submissions;
  if (mail_.has_mail()) mail_.run_mail(*this, now);
  size_t done = processes_.empty() ? 0 : take_all_kicks(now);
  if (!again_.empty()) done += look_again(now);
  if (!changed_.empty()) tell_unread();
  if (!idle_.empty()) close_idle(now);
  return done;
}

// Those that had more to do than one turn has time for, and those that wait for room: a few of them
// each turn, in their order.
size_t SocketBridge::look_again(TimePoint now) {
  retry_ = false;
  const size_t most = std::min<size_t>(again_.size(), config_.looks);
  const std::vector<SocketEnd*> batch(again_.begin(),
                                      again_.begin() + static_cast<ptrdiff_t>(most));
  again_.erase(again_.begin(), again_.begin() + static_cast<ptrdiff_t>(most));
  size_t done = 0;
  for (SocketEnd* socket : batch) {
    socket->notes.again = false;
    done += look_at(now, *socket);
  }
  return done;
}

// Nothing of the socket is touched after the last line: it may be gone then.
size_t SocketBridge::look_at(TimePoint now, SocketEnd& socket) {
  SocketChannel& channel = socket.channel();
  SocketEnd::Notes& notes = socket.notes;
  if (notes.faulted) return 0;
  take_returns(socket);
  if (!channel.backlog_empty()) retry_backlog(now, socket);
  notes.stalled = false;
  const uint32_t limit =
      std::min({channel.pending_submissions(), config_.burst, submissions_left_});
  const size_t taken = limit == 0 ? 0 : take_submissions(now, socket, limit);
  if (channel.faulted()) on_fault(now, socket, SocketCounter::k_fault_bad_index);
  if (socket.lost()) on_fault(now, socket, SocketCounter::k_fault_lost_memory);
  submissions_left_ -= std::min(submissions_left_, static_cast<uint32_t>(taken));
  const bool more = notes.stalled || channel.pending_submissions() != 0;
  if (more && !notes.faulted && !notes.again) {
    notes.again = true;
    again_.push_back(&socket);
  }
  if (load_seq_cst(socket.page().full) != 0) mark_dirty(socket);
  if (notes.closing) finish_close(now, socket);
  return taken;
}

size_t SocketBridge::take_submissions(TimePoint now, SocketEnd& socket, uint32_t limit) {
  SocketChannel& channel = socket.channel();
  const uint32_t before = channel.submissions_taken();
  // A limit and its send are not parted: one more may be taken than that.
  while (channel.submissions_taken() - before < limit) {
    const Taken outcome = take_one(now, socket, channel.take_submission());
    if (outcome == Taken::kYes) continue;
    if (outcome == Taken::kLater) {
      channel.put_back_submission();
      socket.notes.stalled = true;
      count(SocketCounter::k_socket_stalls);
    }
    break;
  }
  const uint32_t taken = channel.submissions_taken() - before;
  // Whoever sees that they are taken finds what has come back of an association that is over.
  if (!socket.notes.alive) publish(socket);
  channel.publish_submissions();
  count(SocketCounter::k_socket_submissions, taken);
  return taken;
}

void SocketBridge::flush() {
  if (!changed_.empty()) tell_unread();
  for (SocketEnd* socket : dirty_) {
    if (socket->channel().backlog_empty()) {
      [[maybe_unused]] const bool told = tell_no_auth(*socket);  // or once there is room
    }
    socket->notes.dirty = false;
    publish(*socket);
    make_room(*socket);
  }
  dirty_.clear();
  mail_.send_answers();
}

void SocketBridge::publish(SocketEnd& socket) {
  if (socket.channel().publish() && !socket.notes.at_end && socket.announce(config_.worker)) {
    count(SocketCounter::k_socket_tokens);
  }
}

// A sender without room put the ballast in. It goes when a third of the buffer is free again, so
// that a writer is not woken for every message. What was published before is what it then finds.
void SocketBridge::make_room(SocketEnd& socket) {
  tls_page& page = socket.page();
  if (load_seq_cst(page.full) == 0) return;
  // Nothing is writable before it is connected, which is when the ballast goes.
  if (socket.notes.connecting && !socket.is_member()) return;
  SocketChannel& channel = socket.channel();
  if (socket.notes.alive) {
    if (channel.pending_submissions() != 0) return;
    const uint64_t buffer =
        std::min<uint64_t>(load_relaxed(page.send_buffer), channel.largest_message());
    const uint64_t used = channel.tx_bytes();
    if (used > buffer || (buffer - used) * 3 < buffer) return;
    if ((channel.tx_slots() - channel.tx_in_use()) * 3 < channel.tx_slots()) return;
  }
  store_seq_cst(page.full, 0);
  socket.take_ballast();
  count(SocketCounter::k_socket_room_again);
}

// ---------------------------------------------------------------- submissions

SocketBridge::Taken SocketBridge::take_one(TimePoint now, SocketEnd& socket,
                                           const tlr_submission& submission) {
  switch (submission.op) {
    case TLR_OP_SEND:
      return take_send(now, socket, submission, {});
    case TLR_OP_LIMIT:
      return take_limited(now, socket, submission);
    case TLR_OP_ABORT:
      return take_abort(now, socket, submission);
    case TLR_OP_SHUTDOWN:
      if (names(socket, submission)) take_shutdown(now, socket);
      return Taken::kYes;
    default:
      on_fault(now, socket, SocketCounter::k_fault_bad_operation);
      return Taken::kFault;
  }
}

// True: the chain is the worker's and starts at channel.piece(submission.slot).
bool SocketBridge::claim(TimePoint now, SocketEnd& socket, const tlr_submission& submission) {
  const auto refuse = [&](SocketCounter why) {
    on_fault(now, socket, why);
    return false;
  };
  switch (socket.channel().claim(submission)) {
    case SocketChannel::Claim::kOk:
      return true;
    case SocketChannel::Claim::kBadLength:
      return refuse(SocketCounter::k_fault_bad_length);
    case SocketChannel::Claim::kBadSlot:
      return refuse(SocketCounter::k_fault_bad_slot);
    case SocketChannel::Claim::kTwice:
      return refuse(SocketCounter::k_fault_slot_twice);
  }
  return false;
}

// With the send behind it. Later: both stay where they are.
SocketBridge::Taken SocketBridge::take_limited(TimePoint now, SocketEnd& socket,
                                               const tlr_submission& limit) {
  const std::optional<tlr_submission> submission = socket.channel().take_send_behind();
  const std::optional<Reliability> reliability = appring::reliability_of(limit);
  if (!submission || !reliability) {
    on_fault(now, socket, SocketCounter::k_fault_bad_operation);
    return Taken::kFault;
  }
  const Taken outcome = take_send(now, socket, *submission, *reliability);
  if (outcome == Taken::kLater) socket.channel().put_back_submission();
  return outcome;
}

SocketBridge::Taken SocketBridge::take_send(TimePoint now, SocketEnd& socket,
                                            const tlr_submission& submission,
                                            const Reliability& reliability) {
  constexpr uint8_t kFlags = TLR_SEND_UNORDERED | TLR_SEND_SACK_IMMEDIATELY;
  if ((submission.flags & ~kFlags) != 0) {
    on_fault(now, socket, SocketCounter::k_fault_bad_operation);
    return Taken::kFault;
  }
  if (!claim(now, socket, submission)) return Taken::kFault;
  SocketChannel& channel = socket.channel();
  Piece* const head = channel.piece(submission.slot);
  Payload payload(head, &channel);
  if (!names(socket, submission)) {
    count(SocketCounter::k_drop_stale_submission);
    fail_send(now, socket, submission, payload, Reason::kNone);
    return Taken::kYes;
  }
  Status status = Status::kWouldBlock;
  if (has_share(socket.user())) {
    status =
        shard_.send(now, socket.notes.assoc, appring::request_of(submission, reliability), payload);
  }
  if (status == Status::kOk) {
    const uint64_t units = appring::units_of(submission.length);
    socket.user().shares[config_.worker].units += units;
    units_ += units;
    socket.notes.used = now;
    count(SocketCounter::k_socket_messages_in);
    return Taken::kYes;
  }
  if (status == Status::kWouldBlock || status == Status::kOutOfResources) {
    channel.take_back(payload.take());
    return Taken::kLater;
  }
  count(SocketCounter::k_refuse_socket_send);
  const Reason reason = status == Status::kClosing         ? Reason::kShutdown
                        : status == Status::kInvalidStream ? Reason::kInvalidStream
                                                           : Reason::kNone;
  fail_send(now, socket, submission, payload, reason);
  return Taken::kYes;
}

// The stack did not take it: as if it had, and had given it back.
void SocketBridge::fail_send(TimePoint now, SocketEnd& socket, const tlr_submission& submission,
                             Payload& payload, Reason reason) {
  Event event;
  event.kind = EventKind::kSendFailed;
  event.reason = reason;
  event.assoc = socket.notes.assoc;
  event.stream = StreamId(submission.stream);
  event.unordered = (submission.flags & TLR_SEND_UNORDERED) != 0;
  event.ppid = Ppid(submission.ppid);
  event.context = submission.context;
  event.payload = std::move(payload);
  on_send_failed(now, socket, event);
}

void SocketBridge::take_shutdown(TimePoint now, SocketEnd& socket) {
  if (std::exchange(socket.notes.shut_down, true)) return;
  set_bits(socket.page().shut, TLS_SHUT_SEND);
  [[maybe_unused]] const Status status = shard_.shutdown(now, socket.notes.assoc);
}

SocketBridge::Taken SocketBridge::take_abort(TimePoint now, SocketEnd& socket,
                                             const tlr_submission& submission) {
  std::array<uint8_t, 1024> reason;
  size_t length = 0;
  if (submission.slot != TLR_NO_SLOT && submission.length != 0) {
    if (!claim(now, socket, submission)) return Taken::kFault;
    Piece* const head = socket.channel().piece(submission.slot);
    length = std::min<size_t>(head->length, reason.size());
    std::memcpy(reason.data(), head->data, length);
    socket.channel().give_back(head);
    mark_dirty(socket);
  }
  if (names(socket, submission)) {
    [[maybe_unused]] const Status status =
        shard_.abort(now, socket.notes.assoc, std::span(reason).first(length));
  }
  return Taken::kYes;
}

// Ends that socket alone: its peer gets an ABORT, its holders an error once that has been done.
void SocketBridge::on_fault(TimePoint now, SocketEnd& socket, SocketCounter why) {
  if (std::exchange(socket.notes.faulted, true)) return;
  count(why);
  drop_backlog(now, socket);
  if (socket.notes.alive) return end_association(now, socket.notes.assoc, true);
  if (!socket.notes.closing) end_socket(socket, EIO);
}

}  // namespace trunkline::sockets
