// SPDX-License-Identifier: BSD-3-Clause
// Limits that more than one layer counts on.
#pragma once

#include <cstddef>

namespace trunkline {

inline constexpr size_t kMaxPaths = 8;  // destination addresses of a peer that are used

}  // namespace trunkline
