// SPDX-License-Identifier: BSD-3-Clause
// A SACK comes (RFC 9260 sections 6.2.1, 6.3.1, 6.3.2, 7.2): what is acknowledged, what is lost,
// what the windows are now.
#include <cassert>

#include "assoc/context.h"
#include "assoc/errors.h"
#include "wire/sack_chunk.h"

namespace trunkline {

// The messages that a SACK completes: one event tells of all of them.
class Association::Acked {
 public:
  Acked(Association& association, ShardContext& ctx) : association_(association), ctx_(ctx) {}
  void operator()(TxMessage* message) {
    if (end_ == nullptr) {
      event_ = &association_.emit_queued(ctx_, EventKind::kSendAcknowledged, Reason::kNone);
      end_ = &event_->event.sent;
    }
    association_.forget_limit(ctx_, *message);
    *end_ = message;
    end_ = &message->next_sent;
  }
  // There were some, and none is left.
  void note_dry() {
    assert(event_ != nullptr);
    event_->dry = true;
  }

 private:
  Association& association_;
  ShardContext& ctx_;
  QueuedEvent* event_ = nullptr;
  SentMessage** end_ = nullptr;
};

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
  switch (sender_.judge(*sack)) {
    case Sender::SackVerdict::kOld:
      ctx.counters.add(Counter::k_drop_old_sack);
      return;
    case Sender::SackVerdict::kUnsent:  // 12.4
      ctx.counters.add(Counter::k_drop_bad_sack);
      protocol_violation(ctx, "a SACK acknowledges data that was never sent");
      return;
    case Sender::SackVerdict::kGood:
      break;
  }
  SackOutcome outcome;
  if (profile_->loss_recovery == LossRecovery::kRack) {
    take_sack_by_time(ctx, now, *sack, outcome);
  } else {
    sender_.acknowledge(sender_context(ctx), *sack, outcome);
  }
  if (profile_->loss_recovery != LossRecovery::kRfc9260) judge_loss_probes(*sack, outcome);
  apply_outcome(ctx, now, outcome);
  if (profile_->loss_recovery == LossRecovery::kRack) forget_deliveries();
  take_peers_window(sack->a_rwnd, outcome.newly_acked);
  abandon_lost(ctx, now);
  if (is_closing()) maybe_finish_sending(ctx, now);
}

// What a SACK mostly is: more of what was sent once, by the only way there is, has come. That has
// consequences for one path, and no others; false: this one may have, and nothing was done.
bool Association::take_plain_sack(ShardContext& ctx, TimePoint now,
                                  std::span<const uint8_t> chunks) {
  const auto sack = wire::PlainSack::first_of(chunks);
  if (!sack || !sends_data() || paths_.size() != 1 || !sender_.is_plain()) return false;
  Path& path = paths_.at(0);
  if (!path.usable() || path.loss_probe_open) return false;
  if (profile_->loss_recovery == LossRecovery::kRack && sender_.any_again()) return false;
  if (!sack->cum_tsn_ack.after(sender_.cum_ack())) return false;
  if (!sack->cum_tsn_ack.before(sender_.next_tsn())) return false;
  SackOutcome::PerPath said;
  Acked acked(*this, ctx);
  const bool dry = sender_.acknowledge_front(sender_context(ctx), sack->cum_tsn_ack, said, acked);
  if (dry) acked.note_dry();
  apply_to_path(ctx, now, path, said);
  error_count_ = 0;  // 8.1
  take_peers_window(sack->a_rwnd, true);
  if (is_closing()) {
    passage_->guard = now + profile_->guard();
    maybe_finish_sending(ctx, now);
  }
  return true;
}

// A SACK's a_rwnd, once all else of it is done.
void Association::take_peers_window(uint32_t a_rwnd, bool newly_acked) {
  const Sender::WindowNews news = sender_.take_window(a_rwnd, newly_acked, paths_.fragment_limit());
  if (news.answers_probe) {
    for (Path* path : paths()) {
      path->probe_answered = true;
      path->shut_explains = sender_.window_explains_loss();
      path->shut_before = sender_.next_tsn16();
    }
  }
  if (news.resend) {
    for (Path* path : paths()) {
      static_cast<void>(sender_.lose(path->index));
      path->t3 = TimePoint::never();
    }
    sender_.take_window();
  }
}

void Association::apply_outcome(ShardContext& ctx, TimePoint now, const SackOutcome& outcome) {
  for (Path* path : paths()) apply_to_path(ctx, now, *path, outcome.paths[path->index]);
  const bool in_recovery = sender_.in_recovery();
  // After the windows have grown (7.2.4, note).
  if (sender_.recover(*profile_, outcome)) {
    ctx.counters.add(Counter::k_fast_retransmits);
    for (Path* path : paths()) {
      if (outcome.paths[path->index].lost) begin_recovery(*path);
    }
  }
  if (in_recovery && !sender_.in_recovery()) end_recovery_by_time();
  if (outcome.shrinks) {
    for (Path* path : paths()) {
      if (outcome.paths[path->index].shrinks) path->congestion.on_fast_retransmit();
    }
  }
  // 8.1. Who passes what was abandoned is alive, too.
  if (outcome.newly_acked || outcome.cum_advanced) error_count_ = 0;
  // A backlog that moves has all its time. Not so gaps, which a peer may take back.
  if (outcome.cum_advanced && is_closing()) passage_->guard = now + profile_->guard();
  choose_data_path(ctx);
  finish_acked(ctx);
}

void Association::apply_to_path(ShardContext& ctx, TimePoint now, Path& path,
                                const SackOutcome::PerPath& said) {
  if (said.acked > 0) {
    path.one_packet = false;
    path.mtu.on_acked(now, *profile_, said.largest_acked);
    if (!sender_.in_recovery()) path.congestion.on_ack(said.acked, said.flight_before);
    // 8.2. What was sent on several paths does not tell which one works again (RFC 7829 section 3.2
    // rules 9 and 10).
    if (said.certain || !path.failed()) path.error_count = 0;
    if (said.certain && path.failed()) set_path_state(ctx, now, path, PathState::kActive);
    if (said.rtt_from && *said.rtt_from >= path.rtt_from) {
      path.rto.on_sample(*profile_, now - *said.rtt_from);
      if (profile_->loss_recovery == LossRecovery::kRack) {
        on_sample_by_time(path, now - *said.rtt_from);
      }
      path.rtt_from = now;  // one measurement a round trip (6.3.1 C4)
      path.loss_probe_spent = false;
    }
  }
  if (sender_.flight(path.index) == 0 && !said.lost && !said.lost_again) {
    path.t3 = TimePoint::never();  // 6.3.2 R2
    if (said.acked > 0 && sender_.all_acked()) path.congestion.on_all_acked();
  } else if (said.first_acked) {
    start_t3(now, path, true);  // R3
  } else if (said.reneged) {
    start_t3(now, path, false);  // R4
  }
}

// Chunks that the cumulative TSN has passed, and with them the messages that are complete.
void Association::finish_acked(ShardContext& ctx) {
  Acked acked(*this, ctx);
  if (sender_.finish_acked(sender_context(ctx), acked)) acked.note_dry();
}

}  // namespace trunkline
