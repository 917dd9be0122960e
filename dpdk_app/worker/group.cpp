// SPDX-License-Identifier: BSD-3-Clause
// Making of workers, and asking all of them.
#include "worker/group.h"

#include <algorithm>

namespace trunkline::worker {

WorkerGroup::WorkerGroup(const config::Config& config,
                         std::span<const std::unique_ptr<port::Port>> ports, const TscClock& clock,
                         Directory& directory)
    : hand_overs_(config.workers.count) {
  for (uint16_t i = 0; i < config.workers.count; ++i) {
    WorkerConfig worker = worker_config(config, i);
    worker.shard.ports = port_table_.get();
    workers_.push_back(std::make_unique<Worker>(worker, ports, clock, directory, hand_overs_));
  }
}

WorkerGroup::~WorkerGroup() {
  const uint16_t count = hand_overs_.workers();
  workers_.clear();
  for (size_t i = 0; i < size_t{count} * count; ++i) {
    HandOvers::Ring& ring =
        hand_overs_.ring(static_cast<uint16_t>(i / count), static_cast<uint16_t>(i % count));
    ring.publish();
    for (size_t left = ring.look(); left > 0; --left) rte_pktmbuf_free(ring.take().mbuf);
  }
}

bool WorkerGroup::ask_each(const std::function<void(Worker&)>& work) {
  return std::all_of(workers_.begin(), workers_.end(),
                     [&](const auto& worker) { return worker->mailbox().call(work); });
}

}  // namespace trunkline::worker
