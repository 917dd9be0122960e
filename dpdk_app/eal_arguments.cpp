// SPDX-License-Identifier: BSD-3-Clause
// From the configuration to DPDK's command line. Pure.
#include <fmt/format.h>

#include "eal.h"

namespace trunkline {

bool shares_cores(const config::Config& config) {
  return config.workers.cores.empty();
}

std::vector<std::string> eal_arguments(const config::Config& config,
                                       const std::vector<unsigned>& cpus) {
  const config::Eal& eal = config.eal;
  std::string all;
  for (const unsigned cpu : cpus) all += fmt::format("{}{}", all.empty() ? "" : ",", cpu);
  const auto place = [&](unsigned lcore, const std::optional<uint16_t>& core) {
    return core ? fmt::format("{}@{}", lcore, *core) : fmt::format("{}@({})", lcore, all);
  };
  std::string lcores = place(kControlLcore, eal.control_core);
  for (unsigned i = 0; i < config.workers.count; ++i) {
    const std::vector<uint16_t>& cores = config.workers.cores;
    const auto core = cores.empty() ? std::nullopt : std::optional<uint16_t>(cores[i]);
    lcores += "," + place(kFirstWorkerLcore + i, core);
  }
  std::vector<std::string> out{
      "--lcores=" + lcores,
      "--file-prefix=" + eal.file_prefix,
      "-m",
      fmt::format("{}", eal.memory_mib),
      "--no-telemetry",
      "--log-level=warning",
  };
  if (eal.huge_pages) {
    out.emplace_back("--huge-unlink");  // the files go as soon as they are mapped
  } else {
    out.emplace_back("--no-huge");
  }
  bool pci = false;
  for (const config::Port& port : config.ports) {
    if (port.is_virtual()) continue;
    pci = true;
    out.emplace_back("-a");
    out.push_back(port.device);
  }
  if (!pci) out.emplace_back("--no-pci");
  out.insert(out.end(), eal.extra_args.begin(), eal.extra_args.end());
  return out;
}

}  // namespace trunkline
