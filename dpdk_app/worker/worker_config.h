// SPDX-License-Identifier: BSD-3-Clause
// What one worker is told when it is made.
#pragma once

#include <cstdint>
#include <optional>

#include "appring/app_ring.h"
#include "config/config.h"
#include "sockets/socket_bridge_config.h"
#include "trunkline/stack/stack.h"

namespace trunkline::worker {

struct WorkerConfig {
  uint16_t index = 0;
  uint16_t count = 1;
  config::Idle idle = config::Idle::kAdaptive;
  uint32_t max_neighbours = 1024;
  bool shared_cores = true;
  bool misdirect = false;
  ShardConfig shard;
  appring::BridgeConfig bridge;
  std::optional<sockets::SocketBridgeConfig> sockets;  // none: no sockets are served
};

// The share of worker `index`. Limits are written for the daemon as a whole, so sizes of pools and
// rates over all peers are divided by the number of workers; see share_of().
[[nodiscard]] WorkerConfig worker_config(const config::Config& config, uint16_t index);

// One worker's share of a limit: an equal part, and an eighth of it on top, because associations do
// not spread evenly. With one worker the limit itself.
[[nodiscard]] uint64_t share_of(uint64_t limit, uint16_t workers);

}  // namespace trunkline::worker
