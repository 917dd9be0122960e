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

const Profile& Association::own_profile_of(ShardContext& ctx, const Path& path) const {
  return *extension(ctx)->override_of(path.remote)->profile;
}

// All of it, or nothing.
ProfileFault Association::set_profile(ShardContext& ctx, TimePoint now, const ProfileEdit& edit) {
  const Profile wanted = edit.applied_to(*profile_);
  if (const ProfileFault fault = fault_of(wanted)) return fault;
  for (const Path* const path : paths()) {
    if (!path->has_override) continue;
    const PathEdit left = extension(ctx)->override_of(path->remote)->edit.without(edit);
    if (const ProfileFault fault = fault_of(left.applied_to(wanted))) return fault;
  }
  const Profile& before = *std::exchange(profile_, &ctx.profiles.intern(wanted));
  for (Path* const path : paths()) {
    if (!path->has_override) {
      follow_edit(ctx, now, *path, before);
      continue;
    }
    PathOverride& own = *extension(ctx)->override_of(path->remote);
    set_override(ctx, now, *path, own, own.edit.without(edit));
  }
  if (passage_ != nullptr) {
    const TimePoint late = now + paths_.at(setup_path_).rto.value();
    bring_forward(passage_->t1, late);
    bring_forward(passage_->t2, late);
    bring_forward(passage_->guard, now + profile_->guard());
  }
  receiver_.on_edit(*profile_, now);
  sack_filed_ = false;  // it may be due earlier
  if (profile_->loss_recovery != before.loss_recovery) {
    for (Path* path : paths()) {
      if (path->rack() != nullptr) path->rack()->forget();
      path->congestion.forget();
    }
  }
  if (profile_->max_burst != before.max_burst) sender_.open_burst(*profile_);
  ctx.profiles.release(before);
  if (may_have_output()) mark_ready(ctx);
  schedule(ctx);
  return {};
}

EditResult Association::set_path_profile(ShardContext& ctx, TimePoint now, const IpAddress& remote,
                                         const PathEdit& edit) {
  Path* const path = paths_.find(remote);
  if (path == nullptr) return {Status::kInvalidAddress};
  const PathEdit said =
      path->has_override ? extension(ctx)->override_of(remote)->edit.with(edit) : edit;
  if (const ProfileFault fault = fault_of(said.applied_to(*profile_))) {
    return {Status::kInvalidValue, fault};
  }
  if (said.is_empty()) return {};
  ExtensionState* const block = make_extension(ctx);
  if (block == nullptr) return {Status::kOutOfResources};
  PathOverride* own = block->override_of(remote);
  if (own == nullptr) {
    // There are as many as paths, and none is of an address that has gone.
    own = std::find_if(block->overrides.begin(), block->overrides.end(),
                       [](const PathOverride& one) { return one.profile == nullptr; });
  }
  own->remote = remote;
  set_override(ctx, now, *path, *own, said);
  if (may_have_output()) mark_ready(ctx);
  schedule(ctx);
  return {};
}

// Nothing is wrong with it. Where the association has just got another profile, this one is made
// of that.
void Association::set_override(ShardContext& ctx, TimePoint now, Path& path, PathOverride& own,
                               const PathEdit& edit) {
  const Profile& before = own.profile != nullptr ? *own.profile : *profile_;
  ctx.profiles.share(before);
  if (own.profile != nullptr) ctx.profiles.release(*own.profile);
  own.edit = edit;
  own.profile = nullptr;
  path.has_override = !edit.is_empty();
  if (path.has_override) own.profile = &ctx.profiles.intern(edit.applied_to(*profile_));
  follow_edit(ctx, now, path, before);
  ctx.profiles.release(before);
}

void Association::override_again(ShardContext& ctx, TimePoint now, const ExtensionState& former) {
  for (const PathOverride& one : former.overrides) {
    if (one.profile != nullptr && paths_.find(one.remote) != nullptr) {
      static_cast<void>(set_path_profile(ctx, now, one.remote, one.edit));
    }
  }
}

void Association::forget_overrides(ShardContext& ctx) {
  ExtensionState* const block = extension(ctx);
  if (block == nullptr) return;
  for (PathOverride& one : block->overrides) {
    if (one.profile == nullptr || paths_.find(one.remote) != nullptr) continue;
    ctx.profiles.release(*std::exchange(one.profile, nullptr));
  }
}

// What `path` has now was `before`.
void Association::follow_edit(ShardContext& ctx, TimePoint now, Path& path, const Profile& before) {
  const Profile& profile = profile_of(ctx, path);
  if (profile.pmtu_discovery != before.pmtu_discovery ||
      profile.fixed_path_mtu != before.fixed_path_mtu ||
      (profile.loss_recovery != before.loss_recovery &&
       profile.loss_recovery == LossRecovery::kRack)) {
    PathSet::give_detail(ctx.path_memory, path);
  }
  path.rto.on_edit(before, profile);
  bring_forward(path.t3, now + path.rto.value());
  if (path.heartbeat_outstanding) bring_forward(path.heartbeat_due, now + path.rto.value());
  const bool asked = state_ == AssocState::kEstablished || state_ == AssocState::kShutdownPending ||
                     state_ == AssocState::kShutdownReceived;
  if (asked && profile.heartbeat_interval != before.heartbeat_interval) {
    paths_.replan_heartbeat(profile, ctx.random, now, path, before.heartbeat_interval);
  }
  if (path.mtu.on_edit(profile, before)) mtu_changed(path);
  if (before.pmtu_discovery == PmtuDiscovery::kOff && path.usable()) path.mtu.resume();
}

}  // namespace trunkline
