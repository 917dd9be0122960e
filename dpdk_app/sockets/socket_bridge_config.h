// SPDX-License-Identifier: BSD-3-Clause
// What the bridge of a worker's sockets is told when it is made.
#pragma once

#include <cstdint>

namespace trunkline::sockets {

struct SocketBridgeConfig {
  uint16_t worker = 0;
  uint16_t workers = 1;
  uint32_t max_associations = 4096;  // of the shard: slots of AssocId are below this
  uint32_t max_units = 262144;       // as BridgeConfig has it; of all sockets' users
  uint32_t max_users = 64;
  uint32_t burst = 256;  // submissions of one socket per call of drain()
  uint32_t looks = 64;   // at kicked sockets of one process per call of drain()
  // Of all processes and sockets together: however many one user has, a turn of the worker, and so
  // everybody's packets, waits no longer for them.
  uint32_t all_looks = 256;
  uint32_t all_submissions = 4096;
};

}  // namespace trunkline::sockets
