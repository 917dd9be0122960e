// SPDX-License-Identifier: BSD-3-Clause
// Life and death of an association, its paths, its events, and what operators see of it.
#include "assoc/association.h"

#include <algorithm>
#include <utility>

#include "assoc/context.h"
#include "wire/data_chunk.h"
#include "wire/sack_chunk.h"

namespace trunkline {

// What every message and packet touches lies in front of the first path, and is what is asked for
// before a turn. Offsets in such a class are what every compiler that we know says they are.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
struct Association::Layout {
  static_assert(offsetof(Association, paths_) + PathSet::kHotBytes <= kHotBytes);
  static_assert(offsetof(Association, established_at_) >= kHotBytes);
};
#pragma GCC diagnostic pop

Association::Association(const LocalEnd& local, const Profile& profile, PortNumber peer_port,
                         VerificationTag local_tag, Tsn initial_tsn, uint64_t user_word)
    : user(user_word),
      local_tag_(local_tag),
      local_(local),
      profile_(&profile),
      peer_port_(peer_port),
      state_(AssocState::kCookieWait),
      receiver_(profile.a_rwnd, Tsn(0), profile.max_inbound_streams),
      sender_(profile.scheduler, initial_tsn, 0, 0) {}

Association::Association(const LocalEnd& local, const Profile& profile, const Cookie& cookie,
                         uint64_t user_word)
    : user(user_word),
      local_tag_(cookie.local_tag),
      local_(local),
      profile_(&profile),
      peer_tag_(cookie.peer_tag),
      peer_port_(cookie.peer_port),
      state_(AssocState::kEstablished),
      accepted_(true),
      features_(cookie.features),
      receiver_(profile.a_rwnd, cookie.peer_initial_tsn, cookie.inbound_streams),
      sender_(profile.scheduler, cookie.local_initial_tsn, cookie.outbound_streams,
              cookie.peer_rwnd) {}

// There is one for each association: the pool is never empty.
Association::Passage& Association::passage(ShardContext& ctx) {
  if (passage_ == nullptr) passage_ = ctx.passages.make();
  return *passage_;
}

void Association::end_passage(ShardContext& ctx) {
  if (passage_ != nullptr) ctx.passages.destroy(std::exchange(passage_, nullptr));
}

Association::PacketCounts Association::counted(ShardContext& ctx) const {
  PacketCounts out;
  if (counts_place_ != 0) out = *ctx.counted_elsewhere.at(counts_place_ - 1);
  for (const Path* const path : paths()) {
    out.received += path->packets_received;
    out.sent += path->packets_sent;
    out.retransmitted += path->retransmitted_chunks;
  }
  return out;
}

// Likewise one for each.
Association::PacketCounts& Association::counted_elsewhere(ShardContext& ctx) {
  if (counts_place_ == 0) {
    counts_place_ = ctx.counted_elsewhere.index_of(ctx.counted_elsewhere.make()) + 1;
  }
  return *ctx.counted_elsewhere.at(counts_place_ - 1);
}

void Association::keep_counted(ShardContext& ctx, const PacketCounts& all) {
  const PacketCounts left = counted(ctx);
  if (left == all) return;
  PacketCounts& elsewhere = counted_elsewhere(ctx);
  elsewhere.received += all.received - left.received;
  elsewhere.sent += all.sent - left.sent;
  elsewhere.retransmitted += all.retransmitted - left.retransmitted;
}

ExtensionState* Association::make_extension(ShardContext& ctx) {
  if (ExtensionState* const present = extension(ctx)) return present;
  ExtensionState* const made = ctx.extensions.make();
  if (made == nullptr) {
    ctx.counters.add(Counter::k_refused_extensions);
    return nullptr;
  }
  extension_place_ = ctx.extensions.index_of(made) + 1;
  return made;
}

void Association::end_extension(ShardContext& ctx) {
  ExtensionState* const present = extension(ctx);
  if (present == nullptr) return;
  for (const PathOverride& one : present->overrides) {
    if (one.profile != nullptr) ctx.profiles.release(*one.profile);
  }
  ctx.extensions.destroy(present);
  extension_place_ = 0;
}

void Association::emit_up(ShardContext& ctx, EventKind kind, uint32_t adaptation) {
  Event& event = emit(ctx, kind);
  event.outbound_streams = sender_.streams();
  event.inbound_streams = receiver_.streams();
  event.local_port = local_.port;
  event.peer_port = peer_port_;
  event.path = paths_.primary().remote;
  if (adaptation != 0) emit(ctx, EventKind::kAdaptation).context = adaptation;
}

void Association::enter_established(ShardContext& ctx, TimePoint now) {
  state_ = AssocState::kEstablished;
  established_at_ = now;
  error_count_ = 0;
  end_passage(ctx);
  sender_.open_burst(*profile_);
  ctx.counters.add(Counter::k_curr_estab);
  for (Path* path : paths()) {
    path->state_since = now;
    paths_.plan_heartbeat(profile_of(ctx, *path), ctx.random, now, *path);
    if (path->usable()) path->mtu.resume();
  }
  paths_.begin_with(paths_.primary());
  choose_data_path(ctx);
}

PathContext Association::path_context(ShardContext& ctx, const Path& path) const {
  return {profile_of(ctx, path), ctx.counters};
}

bool Association::add_path(ShardContext& ctx, const IpAddress& remote, const IpAddress& local) {
  if (!paths_.add(ctx.path_memory, *profile_, local_, remote, local)) return false;
  if (paths_.size() > 1) sender_.know_paths(ctx.chunks);
  return true;
}

void Association::apply(ShardContext& ctx, const Path& path, const PathNews& news) {
  if (news.state) {
    Event& event = emit(ctx, EventKind::kPathChanged);
    event.path = path.remote;
    event.path_state = *news.state;
    event.path_before = news.before;
  }
  if (news.moved) {
    sender_.open_burst(*profile_);
    mark_ready(ctx);
  }
  if (news.primary_changed) {
    emit(ctx, EventKind::kPrimaryChanged).path = paths_.primary().remote;
  }
}

void Association::count_error(ShardContext& ctx, TimePoint now, Path& path) {
  apply(ctx, path, paths_.count_error(path_context(ctx, path), now, path));
}

void Association::set_path_state(ShardContext& ctx, TimePoint now, Path& path, PathState state) {
  apply(ctx, path, paths_.set_state(path_context(ctx, path), now, path, state));
}

void Association::choose_data_path(ShardContext& ctx) {
  if (!paths_.choose_data_path(path_context(ctx, paths_.data_path()))) return;
  apply(ctx, paths_.data_path(),
        {.state = std::nullopt, .before = {}, .moved = true, .primary_changed = false});
}

// An address that fails at the moment may be named: data goes there when it works again.
Status Association::set_primary(ShardContext& ctx, const IpAddress& peer_address) {
  const Path* const path = paths_.find(peer_address);
  if (path == nullptr || !path->confirmed()) return Status::kInvalidAddress;
  if (is_opening()) return Status::kNotEstablished;
  if (path == &paths_.primary()) return Status::kOk;
  const bool moved = paths_.make_primary(path_context(ctx, *path), *path);
  apply(ctx, *path, {.state = std::nullopt, .before = {}, .moved = moved, .primary_changed = true});
  return Status::kOk;
}

void Association::terminate(ShardContext& ctx, EventKind kind, Reason reason, uint16_t cause,
                            std::span<const uint8_t> said) {
  if (dead_) return;
  // RFC 3873 counts these three as "currently established".
  if (state_ == AssocState::kEstablished || state_ == AssocState::kShutdownPending ||
      state_ == AssocState::kShutdownReceived) {
    ctx.counters.subtract(Counter::k_curr_estab);
  }
  if (kind == EventKind::kClosed) {
    ctx.counters.add(Counter::k_shutdowns);
  } else {
    ctx.counters.add(Counter::k_aborteds);
  }
  fail_messages(ctx, reason == Reason::kNone ? Reason::kShutdown : reason, cause);
  if (receiver_.gives_pieces()) emit(ctx, EventKind::kMessageBroken);
  Event& event = emit(ctx, kind, reason);
  event.cause = cause;
  event.path = paths_.primary().remote;
  if (!said.empty()) {
    event.borrowed = true;
    event.borrowed_piece = {said.data(), static_cast<uint32_t>(said.size()), nullptr};
  }
  state_ = AssocState::kClosed;
  dead_ = true;
  release_received(ctx);
  ctx.wheel.cancel(*this);
  if (ready_place != 0) ctx.ready.remove(this);
  ctx.dying.push_back(this);
}

void Association::give_back(ShardContext& ctx, TxMessage* message, Reason reason, uint16_t cause) {
  Event& event = emit(ctx, EventKind::kSendFailed, reason);
  event.context = message->context;
  event.cause = cause;
  event.started = message->started;
  event.unordered = message->unordered;
  event.stream = message->stream;
  event.ppid = message->ppid;
  forget_limit(ctx, *message);
  event.payload = std::move(message->payload);
  ctx.messages.destroy(message);
}

void Association::fail_messages(ShardContext& ctx, Reason reason, uint16_t cause) {
  sender_.give_all_back(ctx.chunks,
                        [&](TxMessage* message) { give_back(ctx, message, reason, cause); });
}

// What was accepted before the peer had said how many streams there are (5.1.1). The association
// that comes up may be another one.
TxMessage* Association::take_waiting(ShardContext& ctx) {
  TxMessage* const waiting = sender_.take_waiting();
  for (const TxMessage* at = waiting; at != nullptr; at = at->next) {
    if (MessageLimit* const limit = limit_of(ctx.limits, *at)) limited(ctx)->unfile(*limit);
  }
  return waiting;
}

void Association::put_back(ShardContext& ctx, TxMessage* waiting) {
  file_again(ctx, waiting);
  sender_.put_back(waiting,
                   [&](TxMessage* message, Reason reason) { give_back(ctx, message, reason, 0); });
}

bool Association::too_many_errors() const {
  return error_count_ > profile_->association_max_retrans;
}

bool Association::takes_data() const {
  return state_ == AssocState::kEstablished || state_ == AssocState::kShutdownPending ||
         state_ == AssocState::kShutdownSent;
}

bool Association::sends_data() const {
  return state_ == AssocState::kEstablished || state_ == AssocState::kShutdownPending ||
         state_ == AssocState::kShutdownReceived;
}

Status Association::send(ShardContext& ctx, TimePoint now, const SendRequest& request,
                         Payload& payload) {
  if (is_closing()) return Status::kClosing;
  if (request.reliability.policy != Reliability::Policy::kFull && make_limited(ctx) == nullptr) {
    return Status::kOutOfResources;
  }
  // One call: it is what every message takes, and is inlined.
  Status status;
  do {
    status = sender_.accept(sender_context(ctx), now, request, payload);
  } while (status == Status::kWouldBlock && extension_place_ != 0 &&
           make_way(ctx, now, request, payload.size()));
  if (status != Status::kOk) return status;
  ++totals_.messages_sent;
  mark_ready(ctx);
  return Status::kOk;
}

// Another message gives its place up for it (RFC 7496 section 3.2). False: there is none.
bool Association::make_way(ShardContext& ctx, TimePoint now, const SendRequest& request,
                           size_t size) {
  if (is_opening() || !gives_up_what_was_sent()) return false;
  TxMessage* const other = sender_.make_way(sender_context(ctx), request, size);
  if (other == nullptr) return false;
  ctx.counters.add(Counter::k_messages_abandoned);
  give_back(ctx, other, Reason::kAbandoned, 0);
  pass_abandoned(ctx, now);
  return true;
}

void Association::fill_status(ShardContext& ctx, AssocStatus& out) const {
  out.id = id;
  out.endpoint = local_.endpoint;
  out.state = state_;
  out.local_port = local_.port;
  out.peer_port = peer_port_;
  out.local_tag = local_tag_;
  out.peer_tag = peer_tag_;
  out.outbound_streams = sender_.streams();
  out.inbound_streams = receiver_.streams();
  out.partial_reliability = features_.has(wire::Feature::kPartialReliability);
  out.next_tsn = sender_.next_tsn();
  out.cum_tsn_ack = receiver_.cum_tsn();
  out.peer_rwnd = sender_.peer_rwnd();
  out.a_rwnd = advertised(ctx);
  out.error_count = error_count_;
  out.queued_bytes = sender_.queued_bytes();
  out.outstanding_bytes = sender_.outstanding_bytes();
  out.messages_sent = totals_.messages_sent;
  out.messages_received = totals_.messages_received;
  const PacketCounts packets = counted(ctx);
  out.packets_sent = packets.sent;
  out.packets_received = packets.received;
  out.retransmitted_chunks = packets.retransmitted;
  const LimitedMessages* const limits = limited(ctx);
  out.abandoned = limits != nullptr ? limits->counts() : LimitedMessages::Counts{};
  out.established_at = established_at_;
  out.user = user;
  out.paths.clear();
  for (const Path* path : paths()) {
    PathStatus status;
    status.local = path->local;
    status.remote = path->remote;
    status.state = path->state;
    status.primary = path->index == paths_.primary_index();
    status.rto = path->rto.value();
    status.srtt = path->rto.srtt();
    status.cwnd = path->congestion.cwnd();
    status.ssthresh = path->congestion.ssthresh();
    status.flight = sender_.flight(path->index);
    status.mtu = path->mtu.value();
    status.mtu_state = path->mtu.state();
    status.error_count = path->error_count;
    status.heartbeats_sent = path->heartbeats_sent;
    status.heartbeat_acks = path->heartbeat_acks;
    status.t3_expirations = path->t3_expirations;
    status.packets_sent = path->packets_sent;
    status.packets_received = path->packets_received;
    status.retransmitted_chunks = path->retransmitted_chunks;
    status.failovers = path->failovers;
    status.state_since = path->state_since;
    out.paths.push_back(status);
  }
}

void Association::release(ShardContext& ctx) {
  ctx.wheel.cancel(*this);
  if (ready_place != 0) ctx.ready.remove(this);
  sender_.give_all_back(ctx.chunks, [&](TxMessage* message) {
    forget_limit(ctx, *message);
    ctx.messages.destroy(message);
  });
  sender_.forget_paths(ctx.chunks);
  release_received(ctx);
  paths_.release(ctx.path_memory);
  end_passage(ctx);
  end_extension(ctx);
  if (counts_place_ != 0) ctx.counted_elsewhere.destroy(&counted_elsewhere(ctx));
  counts_place_ = 0;
  ctx.profiles.release(*profile_);
}

}  // namespace trunkline
