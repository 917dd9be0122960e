// SPDX-License-Identifier: BSD-3-Clause
// Which path: the pairs of addresses that an association has, which of them carries data, and what
// an error on one means (RFC 9260 sections 5.4, 6.4, 8.2; quick failover and the choice among paths
// that have failed: RFC 7829 sections 3 to 5).
#include <algorithm>
#include <iterator>
#include <limits>
#include <new>
#include <tuple>
#include <type_traits>

#include "assoc/context.h"
#include "base/steps.h"

namespace trunkline {
namespace {

// Error counters go on above Path.Max.Retrans, so that paths that have all failed can be told apart
// (RFC 7829 section 4.1 rule 3), to ten times as much.
constexpr uint32_t kErrorsKept = 10;

}  // namespace

IpAddress LocalEnd::address_towards(const IpAddress& remote, const IpAddress& preferred) const {
  IpAddress found;
  for (const IpAddress& address : addresses) {
    if (address.family() != remote.family()) continue;
    if (address == preferred) return address;
    if (!fits(address, remote)) continue;
    const bool same_scope = address.scope() == remote.scope();
    if (found.is_none() || (same_scope && found.scope() != remote.scope())) found = address;
  }
  return found;
}

// A loopback address reaches loopback only; otherwise a wider scope may reach a narrower one.
bool LocalEnd::fits(const IpAddress& local, const IpAddress& remote) {
  if (local.family() != remote.family()) return false;
  return local.scope() == remote.scope() ||
         (local.scope() != AddressScope::kLoopback && remote.scope() != AddressScope::kLoopback);
}

std::vector<IpAddress> LocalEnd::announced_to(const IpAddress& remote,
                                              const IpAddress& from) const {
  const auto told = [&](const IpAddress& address) { return means_something(address, remote); };
  const auto more = [&](const IpAddress& address) { return told(address) && address != from; };
  std::vector<IpAddress> out;
  if (!std::any_of(addresses.begin(), addresses.end(), more)) return out;
  std::copy_if(addresses.begin(), addresses.end(), std::back_inserter(out), told);
  return out;
}

bool LocalEnd::is_neighbour(size_t index, const IpAddress& remote) const {
  return index < prefix_lengths.size() &&
         remote.has_prefix(addresses[index], prefix_lengths[index]);
}

Path* Association::find_path(const IpAddress& remote) const {
  for (Path* path : paths()) {
    count_steps();
    if (path->remote == remote) return path;
  }
  return nullptr;
}

// The first lies in the association itself.
Path* Association::make_path(ShardContext& ctx, const IpAddress& local, const IpAddress& remote) {
  if (own_path_used_) return ctx.paths.make(profile_, local, remote);
  own_path_used_ = true;
  return ::new (static_cast<void*>(own_path_)) Path(profile_, local, remote);
}

void Association::destroy_path(ShardContext& ctx, Path* path) {
  static_assert(std::is_trivially_destructible_v<Path>);
  if (static_cast<void*>(path) == own_path_) {
    own_path_used_ = false;
  } else {
    ctx.paths.destroy(path);
  }
}

// `local`: the address that the peer used, if it is known to work with this one.
bool Association::add_path(ShardContext& ctx, const IpAddress& remote, const IpAddress& local) {
  if (path_count_ == kMaxPaths) return false;
  const IpAddress chosen = local.is_none() ? local_for(remote) : local;
  if (path_count_ == 1 && !has_many_paths()) {
    ManyPaths* const list = ctx.path_lists.make();
    if (list == nullptr) return false;
    list->paths[0] = only_path_;
    paths_ = list->paths.data();
  }
  Path* const path = make_path(ctx, chosen, remote);
  if (path == nullptr) return false;
  path->index = path_count_;
  paths_[path_count_++] = path;
  update_fragment_limit();
  return true;
}

// The paths of an association are to share nothing, where there is a choice: an address of the
// same scope, in the same network, that no other path has yet; of these the one that looks most
// like the peer's, else the first.
IpAddress Association::local_for(const IpAddress& remote) const {
  using Rank = std::tuple<bool, bool, int64_t, size_t>;
  Rank best{};
  IpAddress found;
  for (size_t i = 0; i < local_.addresses.size(); ++i) {
    if (!LocalEnd::fits(local_.addresses[i], remote)) continue;
    const IpAddress& address = local_.addresses[i];
    const auto used = std::count_if(paths().begin(), paths().end(),
                                    [&](const Path* path) { return path->local == address; });
    const Rank rank{address.scope() == remote.scope(), local_.is_neighbour(i, remote), -used,
                    address.common_prefix(remote)};
    if (found.is_none() || rank > best) {
      best = rank;
      found = address;
    }
  }
  return found;
}

Path& Association::data_path() const {
  return is_opening() ? primary() : *paths_[data_path_];
}

// Of the paths in that state but `without`: the one with the fewest errors; of these one that is
// not, and shares no local address with, the one that failed last; of these the first from the one
// in use on, which may be that one itself.
Path* Association::best_in_state(PathState state, const Path* failed, const Path* without) const {
  using Rank = std::tuple<uint32_t, bool, bool>;
  Path* best = nullptr;
  Rank best_rank{};
  for (size_t i = 0; i < path_count_; ++i) {
    Path* const path = paths_[(data_path_ + i) % path_count_];
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
// 4, 4.1). `failed`: the path where an error was just counted.
void Association::choose_data_path(ShardContext& ctx, const Path* failed) {
  Path& left = *paths_[data_path_];
  if (failed == nullptr && !left.usable()) failed = &left;
  Path* best = primary().usable() ? &primary() : best_in_state(PathState::kActive, failed);
  if (best == nullptr) best = best_in_state(PathState::kPotentiallyFailed, failed);
  if (best == nullptr) best = best_in_state(PathState::kInactive, failed);
  if (best == nullptr || best == &left) return;
  if (left.failed()) {
    ++left.failovers;
    ctx.counters.add(Counter::k_failovers);
  }
  data_path_ = best->index;
  burst_left_ = profile_.max_burst;
  mark_ready(ctx);
}

// Another active path, the most different one (6.4.1); without one, the path itself if it is
// active, else where everything goes.
Path& Association::alternate_to(const Path& path) const {
  if (Path* const other = best_in_state(PathState::kActive, &path, &path)) return *other;
  return path.usable() ? *paths_[path.index] : data_path();
}

// Where a chunk goes that is sent again: lost in time, by another way; found missing by what came
// behind it, by its own (6.4).
Path& Association::path_again(const TxChunk& chunk) const {
  Path& last = *paths_[chunk.path];
  return chunk.fast_retransmitted && last.usable() ? last : alternate_to(last);
}

void Association::set_path_state(ShardContext& ctx, TimePoint now, Path& path, PathState state) {
  if (path.state == state) return;
  if (state == PathState::kInactive) ctx.counters.add(Counter::k_path_failures);
  if (path.state == PathState::kInactive) ctx.counters.add(Counter::k_path_recoveries);
  if (state == PathState::kUnconfirmedInactive) ctx.counters.add(Counter::k_unconfirmed_failures);
  if (path.state == PathState::kActive && state == PathState::kPotentiallyFailed) {
    ctx.counters.add(Counter::k_path_doubts);
  }
  path.state = state;
  if (path.usable()) {
    path.mtu.resume();
  } else {
    path.mtu.pause();
  }
  path.state_since = now;
  // From now on it is asked at each RTO (RFC 7829 section 3.2 rules 5 and 6).
  const bool ask =
      state == PathState::kPotentiallyFailed && profile_.heartbeat_interval.count() > 0;
  if (ask && !path.heartbeat_outstanding) path.heartbeat_due = now;
  Event& event = emit(ctx, EventKind::kPathChanged);
  event.path = path.remote;
  event.path_state = state;
}

// A T3 expiry or an unanswered HEARTBEAT (8.1, 8.2; RFC 7829 section 3.2 rules 2 and 8).
void Association::count_error(ShardContext& ctx, TimePoint now, Path& path) {
  const uint32_t most = std::min<uint32_t>(kErrorsKept * (profile_.path_max_retrans + 1u),
                                           std::numeric_limits<uint16_t>::max());
  if (path.error_count < most) ++path.error_count;
  path.answers_in_row = 0;
  if (!path.confirmed()) {
    if (path.error_count > profile_.path_max_retrans) {
      set_path_state(ctx, now, path, PathState::kUnconfirmedInactive);
    }
    return;
  }
  if (path.error_count > profile_.path_max_retrans) {
    set_path_state(ctx, now, path, PathState::kInactive);
  } else if (path.usable() && path.error_count > profile_.potentially_failed_max_retrans) {
    set_path_state(ctx, now, path, PathState::kPotentiallyFailed);
  }
  choose_data_path(ctx, &path);
  // RFC 7829 section 5 rules 2 and 3.
  const bool switches = path.error_count > profile_.primary_switchover_max_retrans;
  if (&path == &primary() && switches && &data_path() != &path) {
    ctx.counters.add(Counter::k_primary_switchovers);
    make_primary(ctx, data_path());
  }
}

void Association::make_primary(ShardContext& ctx, const Path& path) {
  primary_ = path.index;
  emit(ctx, EventKind::kPrimaryChanged).path = path.remote;
  choose_data_path(ctx);
}

// An address that fails at the moment may be named: data goes there when it works again.
Status Association::set_primary(ShardContext& ctx, const IpAddress& peer_address) {
  const Path* const path = find_path(peer_address);
  if (path == nullptr || !path->confirmed()) return Status::kInvalidAddress;
  if (is_opening()) return Status::kNotEstablished;
  if (path != &primary()) make_primary(ctx, *path);
  return Status::kOk;
}

}  // namespace trunkline
