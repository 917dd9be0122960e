// SPDX-License-Identifier: BSD-3-Clause
// The daemon as a whole: puts ports, worker, rings and control together, runs the control loop on
// the main lcore, and takes everything apart in the order that leaves nothing behind.
#pragma once

#include "config/config.h"

namespace trunkline {

// Returns the exit status. Throws std::runtime_error when the start fails.
[[nodiscard]] int run_daemon(const config::Config& config);

}  // namespace trunkline
