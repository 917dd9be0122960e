// SPDX-License-Identifier: BSD-3-Clause
// What an association remembers for its user or an extension, and most have no use for: a block
// from the shard's pool, at its first use. Who uses nothing of it has none, and pays four bytes.
#pragma once

#include <array>

#include "base/limits.h"
#include "trunkline/stack/address.h"
#include "trunkline/stack/profile_edit.h"
#include "tx/limited_messages.h"

namespace trunkline {

// What our user has said of one of the peer's addresses. By address: paths are numbered anew.
struct PathOverride {
  IpAddress remote;
  PathEdit edit;
  // The association's with that, in ShardContext::profiles, of which this is a user; null: this
  // entry is free.
  const Profile* profile = nullptr;
};

struct ExtensionState {
  std::array<PathOverride, kMaxPaths> overrides;
  LimitedMessages limited;

  // Null: nothing was said of it.
  [[nodiscard]] PathOverride* override_of(const IpAddress& remote) {
    for (PathOverride& one : overrides) {
      if (one.profile != nullptr && one.remote == remote) return &one;
    }
    return nullptr;
  }
};

}  // namespace trunkline
