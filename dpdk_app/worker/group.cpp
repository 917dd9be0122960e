// SPDX-License-Identifier: BSD-3-Clause
// Making of workers, and asking all of them.
#include "worker/group.h"

#include <algorithm>

namespace trunkline::worker {

WorkerGroup::WorkerGroup(const config::Config& config,
                         std::span<const std::unique_ptr<port::Port>> ports, const TscClock& clock,
                         Directory& directory) {
  for (uint16_t i = 0; i < config.workers.count; ++i) {
    workers_.push_back(std::make_unique<Worker>(worker_config(config, i), ports, clock, directory));
  }
}

bool WorkerGroup::ask_each(const std::function<void(Worker&)>& work) {
  return std::all_of(workers_.begin(), workers_.end(),
                     [&](const auto& worker) { return worker->mailbox().call(work); });
}

}  // namespace trunkline::worker
