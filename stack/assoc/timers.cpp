// SPDX-License-Identifier: BSD-3-Clause
// What happens when time passes: the association's earliest deadline came up, whichever it was
// (RFC 9260 sections 6.3.3, 7.2.1; T1, T2, heartbeats and the guard in the files of their own).
#include "assoc/context.h"
#include "assoc/errors.h"

namespace trunkline {

void Association::on_timer(ShardContext& ctx, TimePoint now) {
  if (dead_) return;
  if (passage_ != nullptr && passage_->guard <= now) return on_guard(ctx);
  if (receiver_.sack_at() <= now) {
    receiver_.on_sack_time();
    mark_ready(ctx);
  }
  if (sender_.on_time(now)) {
    mark_ready(ctx);
    if (profile_->loss_recovery == LossRecovery::kRack) on_reordering_time(ctx, now);
  }
  if (extension_place_ != 0 && !is_opening()) abandon_late(ctx, now);
  if (passage_ != nullptr && passage_->t1 <= now) on_t1(ctx);
  if (!dead_ && passage_ != nullptr && passage_->t2 <= now) on_t2(ctx, now);
  for (size_t i = 0; !dead_ && i < paths_.size(); ++i) {
    Path& path = paths_.at(i);
    if (path.t3 <= now) {
      if (path.loss_probe_armed) {
        on_loss_probe_due(ctx, now, path);
      } else {
        on_t3(ctx, now, path);
      }
    }
    if (!dead_ && path.heartbeat_due <= now) on_heartbeat_due(ctx, now, path);
    if (!dead_ && path.mtu.due() <= now) on_mtu_due(ctx, now, path);
  }
  schedule(ctx);
}

// Mostly the SACK has gone with DATA meanwhile, and perhaps the next one is put off by now.
void Association::on_sack_queue(ShardContext& ctx, TimePoint now) {
  sack_filed_ = false;
  if (receiver_.sack_at() <= now) return on_timer(ctx, now);
  if (!receiver_.sack_at().is_never()) schedule(ctx);
}

void Association::on_t3(ShardContext& ctx, TimePoint now, Path& path) {
  path.t3 = TimePoint::never();
  path.loss_probe_spent = true;  // what is silent now is T3's
  path.loss_probe_open = path.loss_probe_new = false;
  ++path.t3_expirations;
  ctx.counters.add(Counter::k_t3_expirations);
  // A peer that answers what it has no window for with a closed window is alive (6.1 A).
  const bool alive = path.probe_answered;
  path.probe_answered = false;
  // Whatever is sent into the closed window from now on is a probe, new or not.
  sender_.on_t3(alive);
  if (!alive) {
    count_error(ctx, now, path);
    if (++error_count_; too_many_errors()) {
      end_with_abort(ctx, Reason::kTimedOut, 0);
      return;
    }
  }
  // With some window left and more received behind a gap, what is missing may be lost all the same.
  if (alive && path.shut_explains && sender_.window_explains_loss()) {
    path.congestion.on_idle(1);  // the window was closed, not the network full (6.1 A, 7.2.1)
  } else {
    path.congestion.on_t3_expiry();
  }
  const Outstanding::Lost lost = sender_.lose(path.index);
  if (!alive && path.mtu.may_doubt(lost.largest_packet)) {
    PathSet::give_detail(ctx.path_memory, path);
    path.mtu.on_timeout(lost.largest_packet);
  }
  path.one_packet = true;
  path.rto.on_expiry(*profile_);
  if (path.rack() != nullptr) path.rack()->forget();
  // A HEARTBEAT that is under way over a path that failed has its own RTO from here: the silence
  // up to now is counted (RFC 7829 section 3.2 rule 6).
  if (path.failed() && path.heartbeat_outstanding) path.heartbeat_due = now + path.rto.value();
  if (sender_.in_recovery()) end_recovery_by_time();
  sender_.end_recovery();
  sender_.open_burst(*profile_);
  abandon_lost(ctx, now);
  mark_ready(ctx);
}

}  // namespace trunkline
