// SPDX-License-Identifier: BSD-3-Clause
// How the associations of a shard share its pools of messages and chunks (decision 30).
#pragma once

#include <cstdint>

namespace trunkline {

// May one that holds so many of a pool have one more? It leaves an eighth of what it has, so that
// however many hold all that they may, the next one finds some.
[[nodiscard]] inline bool within_share(uint32_t held, uint32_t left) {
  return held < 8 || held / 8 < left;
}

}  // namespace trunkline
