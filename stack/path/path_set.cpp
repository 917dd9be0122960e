// SPDX-License-Identifier: BSD-3-Clause
// Which paths there are.
#include "path/path_set.h"

#include <new>
#include <tuple>
#include <type_traits>

#include "base/steps.h"
#include "wire/data_chunk.h"

namespace trunkline {

Path* PathSet::find_of_several(const IpAddress& remote) const {
  for (Path* path : list()) {
    count_steps();
    if (path->remote == remote) return path;
  }
  return nullptr;
}

// The first lies in here.
Path* PathSet::make(PathMemory& memory, const Profile& profile, const IpAddress& local,
                    const IpAddress& remote) {
  Path* path = nullptr;
  if (own_used_) {
    path = memory.paths.make(profile, local, remote);
    if (path == nullptr) return nullptr;
  } else {
    own_used_ = true;
    path = ::new (static_cast<void*>(own_)) Path(profile, local, remote);
  }
  const bool needs_detail =
      PathMtu::searches(profile) || profile.loss_recovery == LossRecovery::kRack;
  if (needs_detail) give_detail(memory, *path);
  return path;
}

void PathSet::destroy(PathMemory& memory, Path* path) {
  static_assert(std::is_trivially_destructible_v<Path>);
  if (path->detail() != nullptr) memory.details.destroy(path->detail());
  if (static_cast<void*>(path) == own_) {
    own_used_ = false;
  } else {
    memory.paths.destroy(path);
  }
}

bool PathSet::add(PathMemory& memory, const Profile& profile, const LocalEnd& ends,
                  const IpAddress& remote, const IpAddress& local) {
  if (count_ == kMaxPaths) return false;
  const IpAddress chosen = local.is_none() ? local_for(ends, remote) : local;
  if (count_ == 1 && !has_list()) {
    PathList* const several = memory.lists.make();
    if (several == nullptr) return false;
    several->paths[0] = only_;
    paths_ = several->paths.data();
  }
  Path* const path = make(memory, profile, chosen, remote);
  if (path == nullptr) return false;
  path->index = count_;
  if (count_ > 0) {
    path->seal_size = paths_[0]->seal_size;
    path->congestion.set_pmdcs(path->pmdcs());
  }
  paths_[count_++] = path;
  sizes_changed();
  return true;
}

// Paths are to share nothing, where there is a choice: an address of the same scope, in the same
// network, that no other path has yet; of these the one that looks most like the peer's, else the
// first.
IpAddress PathSet::local_for(const LocalEnd& ends, const IpAddress& remote) const {
  using Rank = std::tuple<bool, bool, int64_t, size_t>;
  Rank best{};
  IpAddress found;
  for (size_t i = 0; i < ends.addresses.size(); ++i) {
    if (!LocalEnd::fits(ends.addresses[i], remote)) continue;
    const IpAddress& address = ends.addresses[i];
    const auto used = std::count_if(list().begin(), list().end(),
                                    [&](const Path* path) { return path->local == address; });
    const Rank rank{address.scope() == remote.scope(), ends.is_neighbour(i, remote), -used,
                    address.common_prefix(remote)};
    if (found.is_none() || rank > best) {
      best = rank;
      found = address;
    }
  }
  return found;
}

std::optional<uint8_t> PathSet::remove(PathMemory& memory, const IpAddress& remote) {
  Path* const gone = find(remote);
  if (gone == nullptr) return std::nullopt;
  const uint8_t at = gone->index;
  for (uint8_t i = at + 1; i < count_; ++i) {
    paths_[i]->index = static_cast<uint8_t>(i - 1);
    paths_[i - 1] = paths_[i];
  }
  --count_;
  for (uint8_t* const used : {&primary_, &data_path_}) {
    if (*used == at) *used = 0;
    if (*used > at) --*used;
  }
  destroy(memory, gone);
  sizes_changed();
  return at;
}

void PathSet::release(PathMemory& memory) {
  for (Path* path : list()) destroy(memory, path);
  count_ = 0;
  if (has_list()) memory.lists.destroy(PathList::from(paths_));
  paths_ = &only_;
}

void PathSet::seal(uint8_t size) {
  for (Path* const path : list()) {
    path->seal_size = size;
    path->congestion.set_pmdcs(path->pmdcs());
  }
  sizes_changed();
}

void PathSet::sizes_changed() {
  uint32_t limit = UINT32_MAX;
  for (const Path* path : list()) limit = std::min(limit, path->pmdcs());
  fragment_limit_ = limit - static_cast<uint32_t>(wire::kDataHeaderSize);
}

}  // namespace trunkline
