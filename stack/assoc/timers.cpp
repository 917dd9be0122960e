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
  if (retry_at_ <= now) {
    retry_at_ = TimePoint::never();
    mark_ready(ctx);
  }
  if (probe_at_ <= now) {
    probe_at_ = TimePoint::never();
    probe_due_ = true;
    mark_ready(ctx);
  }
  if (passage_ != nullptr && passage_->t1 <= now) on_t1(ctx);
  if (!dead_ && passage_ != nullptr && passage_->t2 <= now) on_t2(ctx, now);
  for (size_t i = 0; !dead_ && i < paths_.size(); ++i) {
    Path& path = paths_.at(i);
    if (path.t3 <= now) on_t3(ctx, now, path);
    if (!dead_ && path.heartbeat_due <= now) on_heartbeat_due(ctx, now, path);
    if (!dead_ && path.mtu.due() <= now) on_mtu_due(ctx, now, path);
  }
  schedule(ctx);
}

void Association::on_t3(ShardContext& ctx, TimePoint now, Path& path) {
  path.t3 = TimePoint::never();
  ++path.t3_expirations;
  ctx.counters.add(Counter::k_t3_expirations);
  // A peer that answers what it has no window for with a closed window is alive (6.1 A).
  const bool alive = path.probe_answered;
  path.probe_answered = false;
  // Whatever is sent into the closed window from now on is a probe, new or not.
  if (alive || window_closed_) probing_window_ = true;
  if (!alive) {
    count_error(ctx, now, path);
    if (++error_count_; too_many_errors()) {
      end_with_abort(ctx, Reason::kTimedOut, 0);
      return;
    }
  }
  // With some window left and more received behind a gap, what is missing may be lost all the same.
  if (alive && (told_rwnd_ == 0 || !outstanding_.has_gaps())) {
    path.congestion.on_idle(1);  // the window was closed, not the network full (6.1 A, 7.2.1)
  } else {
    path.congestion.on_t3_expiry();
  }
  const Outstanding::Lost lost = outstanding_.mark_lost(path.index);
  if (!alive) path.mtu.on_timeout(lost.largest_packet);
  path.one_packet = true;
  path.rto.on_expiry(profile_);
  // A HEARTBEAT that is under way over a path that failed has its own RTO from here: the silence
  // up to now is counted (RFC 7829 section 3.2 rule 6).
  if (path.failed() && path.heartbeat_outstanding) path.heartbeat_due = now + path.rto.value();
  peer_rwnd_ += lost.bytes;  // 6.2.1 C
  in_fast_recovery_ = false;
  fast_retransmit_now_ = false;
  burst_left_ = profile_.max_burst;
  mark_ready(ctx);
}

// A window that was not used says nothing about the network of today (7.2.1, last rule).
void Association::decay_idle_window(TimePoint now, Path& path) {
  if (path.last_sent_at.ns() == 0 || outstanding_.flight(path.index) > 0) return;
  const Duration idle = now - path.last_sent_at;
  const uint64_t rtos = static_cast<uint64_t>(idle.count() / path.rto.value().count());
  if (rtos > 0) path.congestion.on_idle(rtos);
}

}  // namespace trunkline
