// SPDX-License-Identifier: BSD-3-Clause
// The shutdown sequence from either side (RFC 9260 section 9.2).
#include "assoc/context.h"
#include "assoc/errors.h"
#include "wire/shutdown_chunk.h"
#include "wire/valueless_chunks.h"

namespace trunkline {

Status Association::shutdown(ShardContext& ctx, TimePoint now) {
  shutdown_wished_ = true;
  switch (state_) {
    case AssocState::kCookieWait:
    case AssocState::kCookieEchoed:
      // Nothing was exchanged that could be closed in order.
      abort(ctx, {});
      return Status::kOk;
    case AssocState::kEstablished:
      state_ = AssocState::kShutdownPending;
      passage(ctx).guard = now + profile_->guard();
      maybe_finish_sending(ctx, now);
      schedule(ctx);
      return Status::kOk;
    default:
      return Status::kClosing;
  }
}

// The shutdown takes too long: a peer that is never done (T5), or one that takes nothing of what it
// must have first, and would keep us for ever with its window shut (9.2).
void Association::on_guard(ShardContext& ctx) {
  ctx.counters.add(Counter::k_shutdown_guard_expirations);
  // In SHUTDOWN-RECEIVED it was the peer that wanted out: no user of ours has a part in it.
  const bool ours = state_ != AssocState::kShutdownReceived;
  abort_with(ctx, Reason::kTimedOut,
             ours ? wire::CauseCode::kUserInitiatedAbort : wire::CauseCode{},
             [&](wire::PacketWriter& writer) {
               return !ours || wire::append_user_initiated_abort(writer, {});
             });
}

// In SHUTDOWN-PENDING and SHUTDOWN-RECEIVED: is everything delivered, so that the next step is due?
void Association::maybe_finish_sending(ShardContext& ctx, TimePoint now) {
  if (dead_ || !sender_.all_acked() || sender_.has_new()) return;
  if (state_ == AssocState::kShutdownPending) send_shutdown(ctx, now);
  if (state_ == AssocState::kShutdownReceived) send_shutdown_ack(ctx);
}

void Association::send_shutdown(ShardContext& ctx, TimePoint now) {
  state_ = AssocState::kShutdownSent;
  ctx.counters.subtract(Counter::k_curr_estab);
  paths_.stop_heartbeats();
  pending_ |= kPendingShutdown;
  passage(ctx).t2 = TimePoint::never();
  passage_->guard = now + profile_->guard();
  setup_path_ = paths_.data_path().index;
  mark_ready(ctx);
}

// The SHUTDOWN that is pending, and T2 for it.
void Association::write_shutdown_chunk(ShardContext& ctx, TimePoint now, wire::PacketWriter& writer,
                                       const Path& path) {
  if (!wire::write_shutdown(writer, receiver_.cum_tsn())) return;
  pending_ &= static_cast<uint8_t>(~kPendingShutdown);
  passage_->t2 = now + path.rto.value();
  setup_path_ = path.index;
  ctx.counters.add(Counter::k_out_ctrl_chunks);
}

// T5 is of the SHUTDOWN that we sent; where we sent none, T2 and Association.Max.Retrans suffice.
void Association::send_shutdown_ack(ShardContext& ctx) {
  Passage& closing = passage(ctx);
  if (state_ == AssocState::kShutdownReceived) {
    ctx.counters.subtract(Counter::k_curr_estab);
    closing.guard = TimePoint::never();
  }
  state_ = AssocState::kShutdownAckSent;
  paths_.stop_heartbeats();
  pending_ = kPendingShutdownAck;
  receiver_.owe_no_sack();
  closing.t2 = TimePoint::never();
  setup_path_ = paths_.data_path().index;
  mark_ready(ctx);
}

void Association::on_shutdown(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                              const wire::ChunkView& chunk) {
  const auto shutdown_chunk = wire::ShutdownChunk::parse(chunk);
  if (!shutdown_chunk) {
    ctx.counters.add(Counter::k_drop_bad_chunk);
    return;
  }
  if (is_opening()) {
    ctx.counters.add(Counter::k_drop_unexpected_shutdown);
    return;
  }
  const Tsn cum = shutdown_chunk->cum_tsn_ack;
  if (!cum.before(sender_.next_tsn())) {
    protocol_violation(ctx, "a SHUTDOWN acknowledges data that was never sent");
    return;
  }
  if (cum.after(sender_.cum_ack())) {
    SackOutcome outcome;
    sender_.acknowledge(cum, outcome);
    apply_outcome(ctx, now, outcome);
    // No a_rwnd comes with it: the last one told still counts (6.2.1 D ii).
    sender_.take_window();
    abandon_lost(ctx, now);
  }
  switch (state_) {
    case AssocState::kEstablished:
      passage(ctx).guard = now + profile_->guard();
      [[fallthrough]];
    case AssocState::kShutdownPending:
      state_ = AssocState::kShutdownReceived;
      emit(ctx, EventKind::kPeerShutdown);
      maybe_finish_sending(ctx, now);
      break;
    case AssocState::kShutdownReceived:
      maybe_finish_sending(ctx, now);
      break;
    case AssocState::kShutdownSent:  // both sides asked at once
      send_shutdown_ack(ctx);
      break;
    case AssocState::kShutdownAckSent:  // our SHUTDOWN ACK may be lost
      pending_ |= kPendingShutdownAck;
      break;
    default:
      break;
  }
  // The answer goes the way that the question came (6.4).
  const Path* const from = paths_.find(packet.source);
  if ((pending_ & kPendingShutdownAck) != 0 && from != nullptr && from->usable()) {
    setup_path_ = from->index;
  }
}

void Association::on_shutdown_ack(ShardContext& ctx, const InboundPacket& packet) {
  if (state_ != AssocState::kShutdownSent && state_ != AssocState::kShutdownAckSent) {
    ctx.counters.add(Counter::k_drop_unexpected_shutdown);
    return;
  }
  const Path* const from = paths_.find(packet.source);
  const bool back = from != nullptr && from->confirmed();  // 5.4
  const Path& path = back ? *from : paths_.data_path();
  const bool queued = queue_packet(
      ctx, back ? packet.destination : path.local, path,
      [](wire::PacketWriter& writer) { return wire::write_shutdown_complete(writer, false); });
  if (queued) ctx.counters.add(Counter::k_out_ctrl_chunks);
  terminate(ctx, EventKind::kClosed, Reason::kNone, 0);
}

void Association::on_shutdown_complete(ShardContext& ctx, const InboundPacket& packet,
                                       const wire::ChunkView& chunk) {
  const auto complete = wire::ShutdownCompleteChunk::parse(chunk);
  if (!complete || !tag_fits(packet, complete->tag_reflected)) {  // 8.5.1 C
    ctx.counters.add(Counter::k_drop_bad_tag);
    return;
  }
  if (state_ != AssocState::kShutdownAckSent) {
    ctx.counters.add(Counter::k_drop_unexpected_shutdown);
    return;
  }
  terminate(ctx, EventKind::kClosed, Reason::kNone, 0);
}

void Association::on_t2(ShardContext& ctx, TimePoint now) {
  passage_->t2 = TimePoint::never();
  ctx.counters.add(Counter::k_t2_expirations);
  Path& path = paths_.at(setup_path_);
  count_error(ctx, now, path);
  path.rto.on_expiry(*profile_);
  if (++error_count_; too_many_errors()) {
    terminate(ctx, EventKind::kLost, Reason::kTimedOut, 0);
    return;
  }
  setup_path_ = paths_.alternate_to(path).index;
  pending_ |= state_ == AssocState::kShutdownSent ? kPendingShutdown : kPendingShutdownAck;
  mark_ready(ctx);
}

}  // namespace trunkline
