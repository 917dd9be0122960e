// SPDX-License-Identifier: BSD-3-Clause
// Which path carries data, and what an error on one means (RFC 9260 sections 5.4, 6.4, 8.2; quick
// failover and the choice among paths that have failed: RFC 7829 sections 3 to 5).
#include <limits>
#include <tuple>
#include <utility>

#include "path/path_set.h"

namespace trunkline {
namespace {

// Error counters go on above Path.Max.Retrans, so that paths that have all failed can be told apart
// (RFC 7829 section 4.1 rule 3), to ten times as much.
constexpr uint32_t kErrorsKept = 10;

}  // namespace

// Of the paths in that state but `without`: the one with the fewest errors; of these one that is
// not, and shares no local address with, the one that failed last; of these the first from the one
// in use on, which may be that one itself.
Path* PathSet::best_in_state(PathState state, const Path* failed, const Path* without) const {
  using Rank = std::tuple<uint32_t, bool, bool>;
  Path* best = nullptr;
  Rank best_rank{};
  for (size_t i = 0; i < count_; ++i) {
    Path* const path = paths_[(data_path_ + i) % count_];
    if (path->state != state || path == without) continue;
    const uint32_t errors = path->usable() ? 0 : path->error_count;
    const Rank rank{errors, path == failed, failed != nullptr && path->local == failed->local};
    if (best != nullptr && rank >= best_rank) continue;
    best = path;
    best_rank = rank;
  }
  return best;
}

// The primary path while it is active, else one that is; with none, one that is only potentially
// failed, and if all is lost the one that seems lost the least (RFC 7829 sections 3.2 rules 3 and
// 4, 4.1).
bool PathSet::choose_another(PathContext ctx, const Path* failed) {
  Path& left = data_path();
  if (failed == nullptr && !left.usable()) failed = &left;
  Path* best = primary().usable() ? &primary() : best_in_state(PathState::kActive, failed);
  if (best == nullptr) best = best_in_state(PathState::kPotentiallyFailed, failed);
  if (best == nullptr) best = best_in_state(PathState::kInactive, failed);
  if (best == nullptr || best == &left) return false;
  if (left.failed()) {
    ++left.failovers;
    ctx.counters.add(Counter::k_failovers);
  }
  data_path_ = best->index;
  return true;
}

Path& PathSet::alternate_to(const Path& path) const {
  if (Path* const other = best_in_state(PathState::kActive, &path, &path)) return *other;
  return path.usable() ? *paths_[path.index] : data_path();
}

PathNews PathSet::set_state(PathContext ctx, TimePoint now, Path& path, PathState state) {
  if (path.state == state) return {};
  if (state == PathState::kInactive) ctx.counters.add(Counter::k_path_failures);
  if (path.state == PathState::kInactive) ctx.counters.add(Counter::k_path_recoveries);
  if (state == PathState::kUnconfirmedInactive) ctx.counters.add(Counter::k_unconfirmed_failures);
  if (path.state == PathState::kActive && state == PathState::kPotentiallyFailed) {
    ctx.counters.add(Counter::k_path_doubts);
  }
  const PathState before = std::exchange(path.state, state);
  if (path.usable()) {
    path.mtu.resume();
  } else {
    path.mtu.pause();
  }
  path.state_since = now;
  // From now on it is asked at each RTO (RFC 7829 section 3.2 rules 5 and 6).
  const bool ask =
      state == PathState::kPotentiallyFailed && ctx.profile.heartbeat_interval.count() > 0;
  if (ask && !path.heartbeat_outstanding) path.heartbeat_due = now;
  return {.state = state, .before = before};
}

PathNews PathSet::count_error(PathContext ctx, TimePoint now, Path& path) {
  const Profile& profile = ctx.profile;
  const uint32_t most = std::min<uint32_t>(kErrorsKept * (profile.path_max_retrans + 1u),
                                           std::numeric_limits<uint16_t>::max());
  if (path.error_count < most) ++path.error_count;
  path.answers_in_row = 0;
  const bool silent = path.error_count > profile.path_max_retrans;
  if (!path.confirmed()) {
    return silent ? set_state(ctx, now, path, PathState::kUnconfirmedInactive) : PathNews{};
  }
  PathNews news;
  if (silent) {
    news = set_state(ctx, now, path, PathState::kInactive);
  } else if (path.usable() && path.error_count > profile.potentially_failed_max_retrans) {
    news = set_state(ctx, now, path, PathState::kPotentiallyFailed);
  }
  news.moved = choose_data_path(ctx, &path);
  // RFC 7829 section 5 rules 2 and 3.
  const bool switches = path.error_count > profile.primary_switchover_max_retrans;
  if (&path == &primary() && switches && &data_path() != &path) {
    ctx.counters.add(Counter::k_primary_switchovers);
    if (make_primary(ctx, data_path())) news.moved = true;
    news.primary_changed = true;
  }
  return news;
}

}  // namespace trunkline
