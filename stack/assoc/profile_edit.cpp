// SPDX-License-Identifier: BSD-3-Clause
// What follows at once from an edit of the association's profile (RFC 6458 sections 8.1.1, 8.1.2,
// 8.1.12, 8.1.19): see trunkline/stack/profile_edit.h. All else is read where it is used.
#include <algorithm>
#include <utility>

#include "assoc/context.h"

namespace trunkline {
namespace {

// A timer that runs at most so long from now on.
void bring_forward(TimePoint& timer, TimePoint latest) {
  if (!timer.is_never()) timer = std::min(timer, latest);
}

}  // namespace

// One that is right.
void Association::set_profile(ShardContext& ctx, TimePoint now, const Profile& profile) {
  const Profile& before = *std::exchange(profile_, &ctx.profiles.intern(profile));
  for (Path* const path : paths()) follow_edit(ctx, now, *path, before);
  if (passage_ != nullptr) {
    const TimePoint late = now + paths_.at(setup_path_).rto.value();
    bring_forward(passage_->t1, late);
    bring_forward(passage_->t2, late);
    bring_forward(passage_->guard, now + profile_->guard());
  }
  receiver_.on_edit(*profile_, now);
  if (profile_->max_burst != before.max_burst) sender_.open_burst(*profile_);
  ctx.profiles.release(before);
  if (may_have_output()) mark_ready(ctx);
  schedule(ctx);
}

void Association::follow_edit(ShardContext& ctx, TimePoint now, Path& path, const Profile& before) {
  path.rto.on_edit(before, *profile_);
  bring_forward(path.t3, now + path.rto.value());
  if (path.heartbeat_outstanding) bring_forward(path.heartbeat_due, now + path.rto.value());
  const bool asked = state_ == AssocState::kEstablished || state_ == AssocState::kShutdownPending ||
                     state_ == AssocState::kShutdownReceived;
  if (asked && profile_->heartbeat_interval != before.heartbeat_interval) {
    paths_.replan_heartbeat(*profile_, ctx.random, now, path, before.heartbeat_interval);
  }
  if (path.mtu.on_edit(*profile_, before)) mtu_changed(path);
  if (before.pmtu_discovery == PmtuDiscovery::kOff && path.usable()) path.mtu.resume();
}

}  // namespace trunkline
