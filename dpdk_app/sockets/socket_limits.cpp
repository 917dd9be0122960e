// SPDX-License-Identifier: BSD-3-Clause
#include "sockets/socket_limits.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "trunkline/socket_abi.h"

namespace trunkline::sockets {
namespace {

// A socket: its memory, and the daemon's end of its pair. The program's end is soon handed out;
// where it has to wait for its listener's program, it counts (SocketRoom::taken()).
constexpr uint64_t kDescriptorsOfSocket = 2;

// A sixteenth is kept for everything else that the daemon does.
uint64_t without_reserve(uint64_t limit) {
  return limit - limit / 16;
}

uint64_t less(uint64_t from, uint64_t what) {
  return from > what ? from - what : 0;
}

uint32_t all_but_an_eighth(uint32_t all) {
  return all - all / 8;
}

// Of a machine that bounds `all`, no configured share is more than one of it.
uint32_t share_of(uint32_t configured, uint32_t all, bool by_machine) {
  if (configured == 0) return all_but_an_eighth(all);
  return by_machine ? std::min(configured, all_but_an_eighth(all)) : configured;
}

}  // namespace

MachineRoom MachineRoom::measure() {
  MachineRoom out;
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) out.descriptors = files.rlim_cur;
  std::error_code ignored;
  for (const auto& one : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
    static_cast<void>(one);
    ++out.open;
  }
  std::ifstream("/proc/sys/vm/max_map_count") >> out.mappings;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) ++out.mapped;
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0)
    out.memory = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page);
  return out;
}

SocketRoom SocketRoom::of(const SocketLimits& limits, const MachineRoom& machine,
                          uint16_t workers) {
  SocketRoom out;
  const uint64_t descriptors = without_reserve(machine.descriptors);
  const uint64_t mappings = without_reserve(machine.mappings);
  out.last_descriptor = static_cast<int>(std::min<uint64_t>(descriptors, INT_MAX));

  // Programs first: a connection, the kicks, an event fd for each worker. They get a quarter at
  // most.
  const uint64_t of_process = 2 + uint64_t{workers};
  const uint64_t free_descriptors =
      less(descriptors, machine.open + std::min<uint64_t>(limits.max_handshakes, descriptors / 8));
  const uint64_t processes = free_descriptors / 4 / of_process;
  out.processes = static_cast<uint32_t>(std::min<uint64_t>(limits.max_processes, processes));
  const bool few_processes = out.processes < limits.max_processes;
  if (few_processes) out.refused_processes = &ServerCounters::refused_descriptors;
  out.processes_per_uid = share_of(limits.max_processes_per_uid, out.processes, few_processes);

  const uint64_t by_descriptors =
      less(free_descriptors, out.processes * of_process) / kDescriptorsOfSocket;
  const uint64_t by_mappings = less(mappings, machine.mapped + out.processes);
  const uint32_t wanted = std::min(limits.max_sockets, TLS_MAX_SOCKETS);
  out.sockets = static_cast<uint32_t>(std::min({uint64_t{wanted}, by_descriptors, by_mappings}));
  const bool few_sockets = out.sockets < wanted;
  if (few_sockets) {
    out.refused_sockets = by_mappings < by_descriptors ? &ServerCounters::refused_mappings
                                                       : &ServerCounters::refused_descriptors;
  }
  out.sockets_per_uid = share_of(limits.max_sockets_per_uid, out.sockets, few_sockets);
  out.accepted_per_uid = all_but_an_eighth(out.sockets_per_uid);
  out.resident_per_uid =
      limits.max_resident_per_uid != 0 ? limits.max_resident_per_uid : machine.memory / 2;
  return out;
}

}  // namespace trunkline::sockets
