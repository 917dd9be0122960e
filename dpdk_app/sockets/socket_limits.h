// SPDX-License-Identifier: BSD-3-Clause
// How many sockets and programs there may be: what the configuration says, as far as the machine
// has room for it. Worked out once, at the start, so that who asks for more is refused before the
// daemon has nothing left for others. Pure but for MachineRoom::measure().
#pragma once

#include <chrono>
#include <cstdint>

#include "sockets/server_counters.h"

namespace trunkline::sockets {

// Bounds on what programs can make the daemon hold; each refusal is counted. In brackets what
// socket(2) says then.
struct SocketLimits {
  uint32_t max_sockets = 16384;               // of all [ENFILE]; at most TLS_MAX_SOCKETS
  uint32_t max_sockets_per_uid = 0;           // [ENFILE]; 0: all but an eighth
  uint32_t max_sockets_per_process = 4096;    // [EMFILE]
  uint32_t max_processes = 256;               // with a socket or ready to have one [ENFILE]
  uint32_t max_processes_per_uid = 0;         // [ENFILE]; 0: all but an eighth
  uint64_t max_memory_per_uid = 64ull << 30;  // that sockets could use at most [ENOBUFS]
  uint64_t max_resident_per_uid = 0;  // that they do use [ENOBUFS]; 0: half of the machine's
  uint32_t max_handshakes = 64;       // connected, and not yet said hello
  std::chrono::milliseconds handshake_timeout{2000};
};

// What the daemon may have of the machine, and has already.
struct MachineRoom {
  uint64_t descriptors = UINT32_MAX;  // RLIMIT_NOFILE
  uint64_t open = 0;
  uint64_t mappings = UINT32_MAX;  // vm.max_map_count
  uint64_t mapped = 0;
  uint64_t memory = UINT64_MAX;  // bytes

  static MachineRoom measure();
};

struct SocketRoom {
  using Counter = uint64_t ServerCounters::*;

  uint32_t sockets = 0;
  uint32_t sockets_per_uid = 0;
  uint32_t accepted_per_uid = 0;  // of these, what peers may make a user have
  uint32_t processes = 0;
  uint32_t processes_per_uid = 0;
  uint64_t resident_per_uid = 0;
  int last_descriptor = 0;  // what has a number from here on is the daemon's own
  // Which limit it is that `sockets` and `processes` come from.
  Counter refused_sockets = &ServerCounters::refused_sockets;
  Counter refused_processes = &ServerCounters::refused_processes;

  static SocketRoom of(const SocketLimits& limits, const MachineRoom& machine, uint16_t workers);

  // As how many sockets `sockets` count of which `held` have their third descriptor still here.
  static constexpr uint32_t taken(uint32_t sockets, uint32_t held) {
    return sockets + (held + 1) / 2;
  }
};

}  // namespace trunkline::sockets
