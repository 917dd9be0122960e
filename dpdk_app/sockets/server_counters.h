// SPDX-License-Identifier: BSD-3-Clause
// Names of what the sockets thread counts: what it let in and made, and every refusal, by the limit
// that was reached (socket_limits.h). Written by that thread alone.
#pragma once

#include <cstdint>

namespace trunkline::sockets {

// clang-format off
#define TRUNKLINE_SERVER_COUNTERS(X)                                                             \
  X(let_in, "programs let in")                                                                   \
  X(made, "sockets made, accepted ones included")                                                \
  X(accepted, "associations of peers that became sockets")                                       \
  X(refused_permission, "requests that no rule of clients.allow permits")                        \
  X(refused_request, "requests that are malformed, of another version, or of no socket")         \
  X(refused_timeout, "programs that connected and said nothing")                                 \
  X(refused_connections, "programs that connected while too many others had said nothing")       \
  X(refused_processes, "programs beyond max_processes")                                          \
  X(refused_user_processes, "programs beyond max_processes_per_uid")                             \
  X(refused_sockets, "sockets beyond max_sockets")                                               \
  X(refused_user_sockets, "sockets beyond max_sockets_per_uid")                                  \
  X(refused_process_sockets, "sockets beyond max_sockets_per_process")                           \
  X(refused_user_memory, "sockets beyond max_memory_per_uid")                                    \
  X(refused_user_resident, "sockets of users whose sockets hold max_resident_per_uid")           \
  X(refused_descriptors, "sockets and programs for which the daemon has no more descriptors")    \
  X(refused_mappings, "sockets and programs for which the daemon has no more mappings")          \
  X(refused_system, "sockets and programs that the kernel refused for any other reason")         \
  X(refused_associations, "associations of peers aborted because there was no socket for them")  \
  X(refused_backlog, "associations of peers aborted because the listener's backlog was full")
// clang-format on

struct ServerCounters {
#define X(name, text) uint64_t name = 0;
  TRUNKLINE_SERVER_COUNTERS(X)
#undef X
};

}  // namespace trunkline::sockets
