// SPDX-License-Identifier: BSD-3-Clause
// A SACK comes (RFC 9260 sections 6.2.1, 6.3.1, 6.3.2, 7.2): what is acknowledged, what is lost,
// what the windows are now.
#include <limits>

#include "assoc/context.h"
#include "assoc/errors.h"
#include "wire/sack_chunk.h"

namespace trunkline {

void Association::on_sack(ShardContext& ctx, TimePoint now, const wire::ChunkView& chunk) {
  const auto sack = wire::SackChunk::parse(chunk);
  if (!sack) {
    ctx.counters.add(Counter::k_drop_bad_sack);
    return;
  }
  if (!sends_data()) {  // section 6: nothing of ours is under way
    ctx.counters.add(Counter::k_drop_sack_state);
    return;
  }
  if (sack->cum_tsn_ack.before(outstanding_.cum_ack())) {
    ctx.counters.add(Counter::k_drop_old_sack);  // 6.2.1 D i
    return;
  }
  if (outstanding_.acknowledges_unsent(*sack)) {  // 12.4
    ctx.counters.add(Counter::k_drop_bad_sack);
    protocol_violation(ctx, "a SACK acknowledges data that was never sent");
    return;
  }
  SackOutcome outcome;
  outstanding_.process(*sack, in_fast_recovery_, outcome);
  if (outcome.unsound_gaps > 0)
    ctx.counters.add(Counter::k_drop_bad_gap_block, outcome.unsound_gaps);
  if (outcome.gaps_ignored) ctx.counters.add(Counter::k_drop_fickle_gap_blocks);
  apply_outcome(ctx, now, outcome);
  told_rwnd_ = sack->a_rwnd;
  // 6.2.1 D ii
  const uint64_t flight = outstanding_.flight();
  peer_rwnd_ = sack->a_rwnd > flight ? static_cast<uint32_t>(sack->a_rwnd - flight) : 0;
  window_closed_ = !fits_next_chunk(sack->a_rwnd);
  if (probing_window_ || window_closed_) {
    for (Path* path : paths()) path->probe_answered = true;
  }
  if (probing_window_ && (outstanding_.empty() || !window_closed_)) {
    probing_window_ = false;
    if (!outstanding_.empty() && !outcome.newly_acked) {
      // The window is open again, and the probe was dropped while it was not: send it now rather
      // than when its timer, backed off many times, comes up.
      for (Path* path : paths()) {
        outstanding_.mark_lost(path->index);
        path->t3 = TimePoint::never();
      }
      peer_rwnd_ = sack->a_rwnd;
    }
  }
  maybe_finish_sending(ctx, now);
}

// A window that has no room for the chunk that goes next is closed (6.1 A).
bool Association::fits_next_chunk(uint32_t a_rwnd) const {
  if (a_rwnd > std::numeric_limits<uint16_t>::max()) return true;  // the common case
  if (const TxChunk* const first = outstanding_.front()) return a_rwnd >= first->size;
  if (const TxMessage* const message = queue_.front()) {
    return a_rwnd >= std::min(message->unsent_size, paths_.fragment_limit());
  }
  return a_rwnd > 0;
}

void Association::apply_outcome(ShardContext& ctx, TimePoint now, const SackOutcome& outcome) {
  bool lost = false;
  for (Path* path : paths()) {
    const SackOutcome::PerPath& said = outcome.paths[path->index];
    apply_to_path(ctx, now, *path, said);
    lost = lost || said.lost;
  }
  // After the windows have grown (7.2.4, note).
  if (lost) enter_fast_recovery(ctx, outcome);
  if (in_fast_recovery_ && outstanding_.cum_ack().at_or_after(fast_recovery_exit_)) {
    in_fast_recovery_ = false;
  }
  if (outcome.newly_acked) error_count_ = 0;  // 8.1
  if (outcome.newly_acked || outcome.cum_advanced) burst_left_ = profile_.max_burst;
  // A backlog that moves has all its time. Not so gaps, which a peer may take back.
  if (outcome.cum_advanced && is_closing()) passage_->guard = now + profile_.guard();
  choose_data_path(ctx);
  finish_acked(ctx);
}

void Association::apply_to_path(ShardContext& ctx, TimePoint now, Path& path,
                                const SackOutcome::PerPath& said) {
  if (said.acked > 0) {
    path.one_packet = false;
    path.mtu.on_acked(now, profile_, said.largest_acked);
    if (!in_fast_recovery_) path.congestion.on_ack(said.acked, said.flight_before);
    // 8.2. What was sent on several paths does not tell which one works again (RFC 7829 section 3.2
    // rules 9 and 10).
    if (said.certain || !path.failed()) path.error_count = 0;
    if (said.certain && path.failed()) set_path_state(ctx, now, path, PathState::kActive);
    if (said.rtt_from && *said.rtt_from >= path.rtt_from) {
      path.rto.on_sample(profile_, now - *said.rtt_from);
      path.rtt_from = now;  // one measurement a round trip (6.3.1 C4)
    }
  }
  if (outstanding_.flight(path.index) == 0 && !said.lost) {
    path.t3 = TimePoint::never();  // 6.3.2 R2
    if (said.acked > 0 && outstanding_.empty()) path.congestion.on_all_acked();
  } else if (said.first_acked) {
    start_t3(now, path, true);  // R3
  } else if (said.reneged) {
    start_t3(now, path, false);  // R4
  }
}

void Association::enter_fast_recovery(ShardContext& ctx, const SackOutcome& outcome) {
  if (in_fast_recovery_) return;
  ctx.counters.add(Counter::k_fast_retransmits);
  for (Path* path : paths()) {
    if (outcome.paths[path->index].lost) path->congestion.on_fast_retransmit();
  }
  in_fast_recovery_ = true;
  fast_recovery_exit_ = outstanding_.next_tsn() - 1;
  fast_retransmit_now_ = true;
}

// Chunks that the cumulative TSN has passed, and with them the messages that are complete.
void Association::finish_acked(ShardContext& ctx) {
  outstanding_.pop_acked(ctx.chunks, [&](TxMessage* message) {
    if (--message->chunks_outstanding > 0 || message->unsent_size > 0) return;
    queue_.finish(*message);
    accepted_bytes_ -= static_cast<uint32_t>(message->payload.size());
    --accepted_messages_;
    Event& event = emit(ctx, EventKind::kSendAcknowledged);
    event.context = message->context;
    event.stream = message->stream;
    event.ppid = message->ppid;
    event.payload = std::move(message->payload);
    ctx.messages.destroy(message);
  });
  if (sender_dry_owed_ && outstanding_.empty() && queue_.empty()) {
    sender_dry_owed_ = false;
    emit(ctx, EventKind::kSenderDry);
  }
}

}  // namespace trunkline
