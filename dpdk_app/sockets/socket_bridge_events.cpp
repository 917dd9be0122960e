// SPDX-License-Identifier: BSD-3-Clause
// Events of the shard to the rings and pages of sockets: what has happened is told in its order,
// and what follows from it (end of file, errors) when all before it has been told.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "appring/wire_types.h"
#include "sockets/socket_bridge.h"
#include "sockets/subscriptions.h"

namespace trunkline::sockets {
namespace {

uint32_t subscription_of(EventKind kind) {
  switch (kind) {
    case EventKind::kAccepted:
    case EventKind::kConnected:
    case EventKind::kConnectFailed:
    case EventKind::kClosed:
    case EventKind::kLost:
    case EventKind::kRestarted:
      return kAssocChange;
    case EventKind::kPathChanged:
    case EventKind::kPrimaryChanged:
      return kPeerAddrChange;
    case EventKind::kSendFailed:
      return kSendFailed;
    case EventKind::kRemoteError:
      return kRemoteError;
    case EventKind::kPeerShutdown:
      return kShutdownEvent;
    case EventKind::kSenderDry:
      return kSenderDry;
    case EventKind::kAdaptation:
      return kAdaptation;
    case EventKind::kMessageBroken:
      return kPartialDelivery;
    case EventKind::kMessage:
    case EventKind::kSendAcknowledged:
    case EventKind::kRestartRefused:
      return 0;
  }
  return 0;
}

// What Linux does not tell: addresses that never were confirmed and fail, and, unless
// SCTP_EXPOSE_POTENTIALLY_FAILED_STATE says so, doubts of those that were.
bool is_hidden(const Event& event, const tls_options& options) {
  if (event.kind != EventKind::kPathChanged) return false;
  if (event.path_state == PathState::kUnconfirmedInactive) return true;
  constexpr uint32_t kExposed = 2;  // SCTP_PF_EXPOSE_ENABLE
  const bool doubted = event.path_state == PathState::kPotentiallyFailed ||
                       (event.path_state == PathState::kActive &&
                        event.path_before == PathState::kPotentiallyFailed);
  return doubted && load_relaxed(options.expose_pf) != kExposed;
}

// As on Linux, a program that has shut both directions itself is told nothing any more.
bool is_deaf(const SocketEnd& socket) {
  constexpr uint32_t kBoth = TLS_SHUT_RECEIVE | TLS_SHUT_ASKED;
  return !socket.notes.at_end && (socket.shut() & kBoth) == kBoth;
}

// As Linux has it in SO_ERROR; 0: the association was shut down.
int error_of(const Event& event) {
  if (event.kind == EventKind::kClosed) return 0;
  switch (event.reason) {
    case Reason::kTimedOut:
      return ETIMEDOUT;
    case Reason::kRefused:
      return ECONNREFUSED;
    case Reason::kReset:
      return event.kind == EventKind::kConnectFailed ? ECONNREFUSED : ECONNRESET;
    default:
      return ECONNABORTED;
  }
}

}  // namespace

bool SocketBridge::deliver(TimePoint now, Event& event) {
  if (event.kind == EventKind::kAccepted) return on_accepted(now, event);
  Assoc* const assoc = find(event.assoc);
  if (assoc == nullptr) return false;
  if (assoc->parked != nullptr) {
    park(now, *assoc, event);
  } else {
    on_own_event(now, *assoc->socket, event);
  }
  return true;
}

void SocketBridge::on_own_event(TimePoint now, SocketEnd& socket, Event& event) {
  SocketChannel& channel = socket.channel();
  if (event.kind == EventKind::kSendAcknowledged) {
    for (SentMessage* sent = event.sent; sent != nullptr; sent = sent->next_sent) {
      finish_send(socket, sent->payload.size());
      channel.give_back(sent->payload.take());
    }
    return mark_dirty(socket);
  }
  if (event.kind == EventKind::kSendFailed) {
    finish_send(socket, event.payload.size());
    return on_send_failed(now, socket, event);
  }
  if (event.kind == EventKind::kMessage) socket.notes.used = now;
  if (is_final(event.kind)) {
    forget(*find(event.assoc));
    forget_idle(socket);
    socket.notes.alive = false;
  }
  if (socket.notes.closing) {
    event.payload.reset();
    event.borrowed = false;
    if (is_final(event.kind)) let_go(socket);
    return;
  }
  if (socket.notes.connecting && (event.kind == EventKind::kConnected || is_final(event.kind))) {
    socket.notes.connecting = false;
    if (event.kind == EventKind::kConnected) {
      on_connected(socket, event);
    } else if (!socket.is_member()) {
      return on_connect_failed(socket, event);
    } else {
      event.kind = EventKind::kConnectFailed;
    }
  }
  if (event.kind == EventKind::kPeerShutdown && socket.is_member()) {
    set_bits(socket.page().shut, TLS_SHUT_SEND);
  }
  if (is_final(event.kind)) {
    // Senders hear of it at once, readers in its turn.
    set_bits(socket.page().shut, TLS_SHUT_SEND);
    store_seq_cst(socket.page().full, 0);
    socket.take_ballast();
  }
  tell_or_keep(now, socket, event);
}

// ---------------------------------------------------------------- the ends of sends

void SocketBridge::finish_send(SocketEnd& socket, size_t bytes) {
  const uint64_t units = appring::units_of(bytes);
  socket.user().shares[config_.worker].units -= units;
  units_ -= units;
  retry_ = true;
}

void SocketBridge::on_send_failed(TimePoint now, SocketEnd& socket, Event& event) {
  const bool told = (load_relaxed(socket.page().options.events) & kSendFailed) != 0;
  if (told && !socket.notes.closing && !socket.notes.faulted) {
    return tell_or_keep(now, socket, event);
  }
  event.payload.reset();
  mark_dirty(socket);
}

// ---------------------------------------------------------------- in their order

void SocketBridge::tell_or_keep(TimePoint now, SocketEnd& socket, Event& event) {
  if (socket.channel().backlog_empty() && try_tell(socket, event)) {
    return after(socket, event);
  }
  keep(now, socket, event);
}

// False: there is no room.
bool SocketBridge::try_tell(SocketEnd& socket, Event& event) {
  if (event.kind != EventKind::kAdaptation && !tell_no_auth(socket)) return false;
  if (event.kind == EventKind::kMessage) return put_message(socket, event);
  const tls_options& options = socket.page().options;
  const uint32_t wanted = load_relaxed(options.events);
  if ((wanted & subscription_of(event.kind)) == 0 || is_hidden(event, options) || is_deaf(socket) ||
      socket.notes.faulted) {
    event.payload.reset();
    event.borrowed = false;
    return true;
  }
  return put_notification(socket, event);
}

// No association has AUTH. As from Linux one hears so behind what comes with its beginning, so when
// that is over: before anything else, or at the end of the turn. False: there is no room.
bool SocketBridge::tell_no_auth(SocketEnd& socket) {
  if (!socket.notes.auth_due || socket.notes.faulted) return true;
  SocketChannel& channel = socket.channel();
  SocketChannel::Notice out;
  out.head.kind = TLR_NO_AUTH;
  if (!channel.has_room(out.entries())) return false;
  socket.notes.auth_due = false;
  channel.notify(out);
  mark_dirty(socket);
  return true;
}

// Who subscribes while nothing is under way hears so at once (RFC 6458, section 6.1.9).
void SocketBridge::tell_if_dry(TimePoint now, SocketEnd& socket) {
  AssocStatus status;
  if (!socket.notes.alive || socket.notes.closing || socket.channel().pending_submissions() != 0 ||
      !shard_.status(socket.notes.assoc, status) || status.queued_bytes != 0 ||
      status.outstanding_bytes != 0) {
    return;
  }
  Event event;
  event.kind = EventKind::kSenderDry;
  event.assoc = socket.notes.assoc;
  tell_or_keep(now, socket, event);
}

bool SocketBridge::put_message(SocketEnd& socket, Event& event) {
  if ((socket.shut() & TLS_SHUT_RECEIVE) != 0 || socket.notes.faulted) {
    count(SocketCounter::k_drop_shut_message);
    event.payload.reset();
    return true;
  }
  SocketChannel& channel = socket.channel();
  const size_t size = event.size();
  const SocketChannel::MessageHead head(event,
                                        event.path == socket.notes.peer ? nullptr : &event.path);
  if (!channel.put_message(head, event.pieces(), size)) {
    if (!channel.has_returns()) return false;
    take_returns(socket);
    if (!channel.put_message(head, event.pieces(), size)) return false;
  }
  event.payload.reset();
  if (Assoc* const assoc = find(event.assoc)) {
    assoc->unread += static_cast<uint32_t>(size);
    note_change(*assoc);
  }
  count(SocketCounter::k_socket_messages_out);
  count(SocketCounter::k_socket_message_bytes_out, size);
  mark_dirty(socket);
  return true;
}

bool SocketBridge::put_notification(SocketEnd& socket, Event& event) {
  SocketChannel& channel = socket.channel();
  SocketChannel::Notice out;
  appring::fill_notification(event, out);
  if (!channel.has_room(out.entries())) return false;
  if (event.kind == EventKind::kSendFailed) {
    out.head.kind = TLR_SEND_FAILED;
    out.head.status = TLR_STATUS_FAILED;
    out.head.flags = appring::failed_flags(event);
    out.head.stream = event.stream.value;
    // Of the context programs give 32 bits; the protocol's name of what was sent goes beside it.
    out.head.context = uint64_t{event.ppid.value} << 32 | static_cast<uint32_t>(event.context);
    out.head.length = static_cast<uint32_t>(event.payload.size());
    out.head.slot = channel.take_back(event.payload.take());
  } else if (event.size() != 0) {
    attach_causes(socket, event, out.head);
  }
  channel.notify(out);
  mark_dirty(socket);
  return true;
}

// Of an ABORT all causes, of an ERROR what the one says; told without them rather than late. Linux
// tells no causes of an association that never came up.
void SocketBridge::attach_causes(SocketEnd& socket, Event& event, tlr_completion& out) {
  constexpr uint32_t kMostSlots = 4;  // more than a usual packet has room for
  const bool wanted = event.kind == EventKind::kLost || event.kind == EventKind::kRemoteError;
  SocketChannel& channel = socket.channel();
  if (wanted && !channel.put_text(out, event.pieces(), event.size(), kMostSlots)) {
    count(SocketCounter::k_drop_socket_abort_reason);
  }
  event.payload.reset();
  event.borrowed = false;
}

// The socket has no room: the event waits in the daemon, bounded. What a program can do without is
// dropped first; for the rest its association pays, and its end is always told: a node is kept.
void SocketBridge::keep(TimePoint now, SocketEnd& socket, Event& event) {
  SocketChannel& channel = socket.channel();
  constexpr uint32_t kForTheEnd = 1;
  if (is_final(event.kind)) {
    if (event.size() != 0 && !shard_.keep(now, event)) {
      event.borrowed = false;
      count(SocketCounter::k_drop_socket_abort_reason);
    }
    [[maybe_unused]] const bool kept = channel.backlog_push(event, 0);
    return;
  }
  if (event.kind == EventKind::kRemoteError) event.borrowed = false;  // told without what it says
  const bool too_large = event.kind == EventKind::kMessage && !channel.fits_message(event.size());
  if (too_large || !channel.backlog_has_room(kForTheEnd)) {
    event.payload.reset();
    const bool vital = event.kind == EventKind::kMessage || event.kind == EventKind::kPeerShutdown;
    if (!vital) return count(SocketCounter::k_drop_socket_notification);
    count(too_large ? SocketCounter::k_abort_socket_message
                    : SocketCounter::k_abort_socket_backlog);
    return end_association(now, event.assoc, true);
  }
  if (event.kind == EventKind::kMessage && !shard_.keep(now, event)) {
    return count(SocketCounter::k_abort_socket_memory);  // its kLost follows
  }
  count(SocketCounter::k_socket_backlogged);
  [[maybe_unused]] const bool kept = channel.backlog_push(event, kForTheEnd);
}

void SocketBridge::retry_backlog(TimePoint now, SocketEnd& socket) {
  SocketChannel& channel = socket.channel();
  while (!channel.backlog_empty()) {
    Event& event = channel.backlog_front();
    const size_t size = event.size();
    if (!try_tell(socket, event)) return;
    if (event.kind == EventKind::kMessage) {
      // What is unread now is told first: the window must not seem to open in between.
      if (Assoc* const assoc = find(event.assoc)) tell_unread(*assoc);
      shard_.consumed(now, event.assoc, size);
    }
    after(socket, event);
    channel.backlog_pop();
  }
}

void SocketBridge::drop_backlog(TimePoint now, SocketEnd& socket) {
  SocketChannel& channel = socket.channel();
  while (!channel.backlog_empty()) {
    Event& event = channel.backlog_front();
    const size_t size = event.size();
    event.payload.reset();
    if (event.kind == EventKind::kMessage) shard_.consumed(now, event.assoc, size);
    const bool over = is_final(event.kind);
    if (over && !socket.notes.closing) end_socket(socket, EIO);
    channel.backlog_pop();
  }
}

// ---------------------------------------------------------------- what follows

void SocketBridge::shut_receiving(SocketEnd& socket) {
  // A reader that sees the end must find what came before it.
  const bool news = socket.channel().publish();
  if (!socket.was_member()) set_bits(socket.page().shut, TLS_SHUT_RECEIVE);
  if (socket.was_member()) {
    if (news) socket.announce(config_.worker);
    return;
  }
  socket.send_end();
  socket.notes.at_end = true;
}

// Of one that was over before it was accepted: the ballast stays in.
void SocketBridge::end_file(SocketEnd& socket) {
  shut_receiving(socket);
  set_bits(socket.page().shut, TLS_SHUT_SEND);
  socket.notes.ended = true;
  store_seq_cst(socket.page().state, TLS_ENDED);
  mail_.tell({NewsKind::kEnded, config_.worker, &socket, socket.notes.assoc});
}

// Who reads or connects when the daemon ends can do nothing for it, and no peer did anything.
int SocketBridge::error_at_end(const SocketEnd& socket, const Event& event) const {
  if (socket.notes.faulted) return EIO;
  if (closing_ && !socket.notes.at_end) return ECONNRESET;
  return error_of(event);
}

void SocketBridge::after(SocketEnd& socket, const Event& event) {
  switch (event.kind) {
    case EventKind::kAccepted:
    case EventKind::kConnected:
      socket.notes.auth_due = (load_relaxed(socket.page().options.events) & kAuthentication) != 0;
      if (socket.notes.auth_due) mark_dirty(socket);
      return;
    case EventKind::kPeerShutdown:
      return shut_receiving(socket);
    case EventKind::kRestarted:
      store_relaxed(socket.page().outbound_streams, event.outbound_streams);
      return store_relaxed(socket.page().inbound_streams, event.inbound_streams);
    case EventKind::kClosed:
    case EventKind::kLost:
    case EventKind::kConnectFailed:
      if (socket.notes.born_over && !socket.notes.faulted) return end_file(socket);
      return end_socket(socket, error_at_end(socket, event));
    default:
      return;
  }
}

void SocketBridge::on_connected(SocketEnd& socket, const Event& event) {
  write_association(socket, event, IpAddress{});
  store_seq_cst(socket.page().state, TLS_ESTABLISHED);
  store_seq_cst(socket.page().full, 0);
  socket.take_ballast();
  socket.wake_connectors();
  News news{NewsKind::kConnected, config_.worker, &socket, event.assoc};
  AssocStatus status;
  if (socket.is_member() && shard_.status(event.assoc, status)) {
    for (const PathStatus& path : status.paths) news.peers.push_back(path.remote);
  }
  mail_.tell(std::move(news));
}

// The socket is what it was before, but for the error.
void SocketBridge::on_connect_failed(SocketEnd& socket, Event& event) {
  const int error = error_at_end(socket, event);
  event.kind = EventKind::kConnectFailed;
  if (!try_tell(socket, event)) count(SocketCounter::k_drop_socket_notification);
  tls_page& page = socket.page();
  store_relaxed(page.worker, TLS_NO_WORKER);
  store_relaxed(page.assoc_id, 0);
  store_seq_cst(page.error, static_cast<uint32_t>(error));
  store_seq_cst(page.full, 0);
  const AssocId id = event.assoc;
  let_go_of(socket);
  socket.take_ballast();
  socket.send_token();
  // Last: whoever takes the error puts ballast and token back.
  store_seq_cst(page.state, TLS_FRESH);
  mail_.tell({NewsKind::kFailed, config_.worker, &socket, id});
}

void SocketBridge::end_socket(SocketEnd& socket, int error) {
  if (std::exchange(socket.notes.ended, true)) return;
  tls_page& page = socket.page();
  const bool news = socket.channel().publish();
  if (error != 0) store_seq_cst(page.error, static_cast<uint32_t>(error));
  store_seq_cst(page.state, TLS_ENDED);
  store_seq_cst(page.full, 0);
  socket.take_ballast();
  // Only the peer's shutdown is an end of file, and that was told. After an error, or where this
  // side has shut the association down, a reader hears that there is none; who waits is woken for
  // it.
  const bool woken = news || error != 0 || load_seq_cst(page.waiting) != 0;
  if (socket.is_member()) {
    // Of its end the front's readers hear by a notification alone.
    if (news) socket.announce(config_.worker);
    socket.wake_connectors();
  } else if (!socket.notes.at_end && woken) {
    socket.send_token();
  }
  mail_.tell({NewsKind::kEnded, config_.worker, &socket, socket.notes.assoc});
}

// `local`: none if the shard is to be asked.
void SocketBridge::write_association(SocketEnd& socket, const Event& event, IpAddress local) {
  tls_page& page = socket.page();
  AssocStatus status;
  uint32_t mtu = 0;
  if (shard_.status(event.assoc, status)) {
    for (const PathStatus& path : status.paths) {
      if (path.remote == event.path) {
        if (local.is_none()) local = path.local;
        mtu = path.mtu;
      }
    }
  }
  const bool mapped = load_relaxed(page.options.mapped_v4) != 0;
  tls_name own = page.local;  // as bind() said it, if it did
  if (own.length == 0) own = name_of(local, event.local_port, socket.family(), mapped);
  socket.notes.peer = event.path;
  socket.set_names(own, name_of(event.path, event.peer_port, socket.family(), mapped));
  store_relaxed(page.inbound_streams, event.inbound_streams);
  write_limits(socket, event.assoc, event.path, event.outbound_streams, mtu);
}

// What a sender needs to know.
void SocketBridge::write_limits(SocketEnd& socket, AssocId id, IpAddress peer, uint16_t streams,
                                uint32_t mtu) {
  tls_page& page = socket.page();
  store_relaxed(page.outbound_streams, streams);
  uint64_t largest = socket.channel().largest_message();
  if (const Profile* const profile = shard_.profile(id)) {
    largest = std::min<uint64_t>(largest, profile->max_message_size);
  }
  store_relaxed(page.max_message_size, static_cast<uint32_t>(largest));
  const uint32_t heads = (peer.is_ipv6() ? 40u : 20u) + 12u + 16u;
  if (mtu > heads) store_relaxed(page.fragment_point, (mtu - heads) & ~3u);
  store_relaxed(page.assoc_index, id.slot);
  store_relaxed(page.assoc_generation, id.generation);
  store_relaxed(page.assoc_id, assoc_id_of(id));
  store_release(page.worker, config_.worker);  // last: whoever sees it may send
}

// ---------------------------------------------------------------- what is unread

// Delivered messages are their association's until their slots come back: what a reader does not
// read shuts the window.
void SocketBridge::take_returns(SocketEnd& socket) {
  SocketChannel& channel = socket.channel();
  if (!channel.has_returns()) return;
  channel.take_returns([this](appring::AssocName name, uint32_t bytes) {
    Assoc* const assoc = find(name);
    if (assoc == nullptr) return;
    assoc->unread -= std::min(assoc->unread, bytes);
    note_change(*assoc);
  });
  if (const uint32_t bad = channel.take_bad_returns(); bad != 0) {
    count(SocketCounter::k_refuse_bad_socket_return, bad);
  }
}

void SocketBridge::note_change(Assoc& assoc) {
  const bool crumb = assoc.unread <= kCrumbs && assoc.unread_told == 0;
  const bool in_table = &assoc >= assocs_.data() && &assoc < assocs_.data() + assocs_.size();
  if (assoc.changed || crumb || !in_table) return;
  assoc.changed = true;
  changed_.push_back(static_cast<uint32_t>(&assoc - assocs_.data()));
}

void SocketBridge::tell_unread() {
  for (const uint32_t index : changed_) {
    Assoc& assoc = assocs_[index];
    assoc.changed = false;
    if (assoc.used()) tell_unread(assoc);
  }
  changed_.clear();
}

void SocketBridge::tell_unread(Assoc& assoc) {
  const bool crumb = assoc.unread <= kCrumbs && assoc.unread_told == 0;
  if (assoc.unread == assoc.unread_told || crumb) return;
  assoc.unread_told = assoc.unread;
  [[maybe_unused]] const bool soon = shard_.set_unread(assoc.id, assoc.unread);
}

}  // namespace trunkline::sockets
