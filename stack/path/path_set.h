// SPDX-License-Identifier: BSD-3-Clause
// The peer's addresses: which there are, in what state, which of them is primary and where DATA
// goes, when each is asked whether it lives; what an error or an answer on one means for all
// (RFC 9260 sections 5.4, 6.4, 8.2, 8.3; quick failover: RFC 7829 sections 3 to 5).
//
// Owns the paths. An association has one and is alone in calling it; it calls nobody. What follows
// from a change comes back as a value, for the association to tell and to do. Of data it knows
// nothing, but for whether there is any; T3, congestion window and path MTU are the path's own.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/limits.h"
#include "base/pool.h"
#include "path/local_end.h"
#include "path/path.h"
#include "trunkline/stack/counters.h"
#include "trunkline/stack/random.h"

namespace trunkline {

// Where the paths lie, if there are more than one.
struct PathList {
  std::array<Path*, kMaxPaths> paths{};
  TimePoint next_probe_at;
  [[nodiscard]] static PathList* from(Path** first) { return reinterpret_cast<PathList*>(first); }
};

// A shard's memory for paths; the first of each association lies in that.
struct PathMemory {
  PathMemory(uint32_t associations, MemorySource* memory)
      : paths(times(associations, 2), memory),
        lists(associations, memory),
        details(times(associations, 3), memory) {}

  Pool<Path> paths;
  Pool<PathList> lists;
  Pool<PathDetail> details;  // one for each path: never empty

 private:
  [[nodiscard]] static uint32_t times(uint32_t associations, uint32_t n) {
    return associations > UINT32_MAX / n ? UINT32_MAX : associations * n;
  }
};

// What a set of paths looks up and counts in.
struct PathContext {
  const Profile& profile;
  Counters& counters;
};

// What became of a path, and of all through it: to be told, and done, in this order.
struct PathNews {
  std::optional<PathState> state;  // the path's new one
  PathState before{};              // and what it was
  bool moved = false;              // DATA goes another way
  bool primary_changed = false;    // by itself: RFC 7829 section 5
};

class PathSet {
 public:
  // From the start: what every packet touches. Then comes the first path.
  static constexpr size_t kHotBytes = 24;

  PathSet() = default;
  PathSet(const PathSet&) = delete;
  PathSet& operator=(const PathSet&) = delete;

  // -- which there are (path_set.cpp)
  [[nodiscard]] std::span<Path* const> list() const { return {paths_, count_}; }
  [[nodiscard]] size_t size() const { return count_; }
  [[nodiscard]] Path& at(size_t index) const { return *paths_[index]; }
  [[nodiscard]] Path* find(const IpAddress& remote) const {
    if (count_ == 1) return paths_[0]->remote == remote ? paths_[0] : nullptr;
    return find_of_several(remote);
  }
  // `local`: the address that the peer used, if it is known to work with this one. False: there are
  // kMaxPaths, or there is no memory.
  bool add(PathMemory& memory, const Profile& profile, const LocalEnd& ends,
           const IpAddress& remote, const IpAddress& local = {});
  // What it may need from now on: see PathDetail.
  static void give_detail(PathMemory& memory, Path& path) {
    if (path.detail() == nullptr) path.mtu.set_search(memory.details.make(path.mtu.at_rest()));
  }
  // Those that there are now were named by our user: they are confirmed without being asked (5.4).
  void name_all() { named_ = count_ & 0x7f; }
  [[nodiscard]] uint8_t named() const { return named_; }
  // Of an attempt to connect: the paths that `is_peers` keep, unless none of those is left that our
  // user named. The first of them is primary.
  template <typename IsPeers>
  bool keep_only(PathMemory& memory, IsPeers&& is_peers);
  // Takes one out, with nothing in flight on it; the index that it had. Higher ones are one lower.
  std::optional<uint8_t> remove(PathMemory& memory, const IpAddress& remote);
  void release(PathMemory& memory);

  // User bytes in the largest DATA chunk: it fits every path (AMDCS).
  [[nodiscard]] uint32_t fragment_limit() const { return fragment_limit_; }
  void sizes_changed();
  // From now on so many bytes of each packet are its seal's.
  void seal(uint8_t size);

  // -- which of them (path_choice.cpp)
  [[nodiscard]] Path& primary() const { return *paths_[primary_]; }
  [[nodiscard]] uint8_t primary_index() const { return primary_; }
  [[nodiscard]] Path& data_path() const { return *paths_[data_path_]; }  // where new DATA goes
  // While the association is being set up, and when it comes up.
  void begin_with(const Path& path) { primary_ = data_path_ = path.index; }
  // Is DATA where it ought to be? Else it moves: true. `failed`: where an error was just counted.
  bool choose_data_path(PathContext ctx, const Path* failed = nullptr) {
    if (data_path_ == primary_ && primary().usable()) return false;
    return choose_another(ctx, failed);
  }
  // True: DATA moved.
  bool make_primary(PathContext ctx, const Path& path) {
    primary_ = path.index;
    return choose_data_path(ctx);
  }
  // Another active path, the most different one (6.4.1); without one, the path itself if it is
  // active, else where everything goes.
  [[nodiscard]] Path& alternate_to(const Path& path) const;

  // -- how they are (path_choice.cpp)
  // The news is the state, if it is another one.
  PathNews set_state(PathContext ctx, TimePoint now, Path& path, PathState state);
  // A T3 expiry or an unanswered HEARTBEAT (8.1, 8.2; RFC 7829 section 3.2 rules 2 and 8).
  PathNews count_error(PathContext ctx, TimePoint now, Path& path);

  // -- are they alive (heartbeats.cpp)
  void plan_heartbeat(const Profile& profile, RandomSource& random, TimePoint now, Path& path);
  // The interval was another one. What is under way is waited for.
  void replan_heartbeat(const Profile& profile, RandomSource& random, TimePoint now, Path& path,
                        Duration before);
  // Its time has come, and none is outstanding. True: one is to go out. `data`: any is outstanding.
  bool on_heartbeat_due(const Profile& profile, TimePoint now, Path& path, bool data);
  // One goes out.
  void on_heartbeat_sent(TimePoint now, Path& path, uint64_t nonce);
  // The one that is outstanding came back. Says which state the path proves to have.
  [[nodiscard]] PathState on_heartbeat_answered(const Profile& profile, TimePoint now, Path& path);
  // All paths that were confirmed, now. False: that was done within the RTO.
  bool ask_all(TimePoint now);
  void stop_heartbeats();
  // The next probe of an address that is not confirmed, at the earliest (5.4). An only path is: the
  // association came up by it.
  [[nodiscard]] TimePoint next_probe_at() const {
    return has_list() ? PathList::from(paths_)->next_probe_at : TimePoint();
  }
  void set_next_probe_at(TimePoint when) {
    if (has_list()) PathList::from(paths_)->next_probe_at = when;
  }

 private:
  [[nodiscard]] bool has_list() const { return paths_ != &only_; }
  [[nodiscard]] IpAddress local_for(const LocalEnd& ends, const IpAddress& remote) const;
  [[nodiscard, gnu::noinline]] Path* find_of_several(const IpAddress& remote) const;
  Path* make(PathMemory& memory, const Profile& profile, const IpAddress& local,
             const IpAddress& remote);
  void destroy(PathMemory& memory, Path* path);
  [[nodiscard]] Path* best_in_state(PathState state, const Path* failed,
                                    const Path* without = nullptr) const;
  bool choose_another(PathContext ctx, const Path* failed);
  [[nodiscard]] bool may_probe(TimePoint now, const Path& path) const;

  // -- its members
  Path* only_ = nullptr;  // the list of one
  Path** paths_ = &only_;
  uint32_t fragment_limit_ = 0;
  uint8_t count_ = 0;
  uint8_t primary_ = 0;
  uint8_t data_path_ = 0;  // where DATA goes: see choose_data_path()
  uint8_t named_ : 7 = 0;  // the first ones
  bool own_used_ : 1 = false;
  alignas(Path) std::byte own_[sizeof(Path)];
};

template <typename IsPeers>
bool PathSet::keep_only(PathMemory& memory, IsPeers&& is_peers) {
  const auto named = std::count_if(paths_, paths_ + named_, is_peers);
  if (named == 0) return false;
  uint8_t kept = 0;
  for (Path* const path : list()) {
    if (!is_peers(path)) {
      destroy(memory, path);
      continue;
    }
    path->index = kept;
    paths_[kept++] = path;
  }
  count_ = kept;
  named_ = static_cast<uint8_t>(named) & 0x7f;
  primary_ = data_path_ = 0;
  sizes_changed();
  return true;
}

}  // namespace trunkline
