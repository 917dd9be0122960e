// SPDX-License-Identifier: BSD-3-Clause
// All workers of the daemon, as the control thread sees them.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "worker/worker.h"

namespace trunkline::worker {

class WorkerGroup {
 public:
  // Makes as many workers as the configuration says. `ports`, `clock` and `directory` outlive them.
  WorkerGroup(const config::Config& config, std::span<const std::unique_ptr<port::Port>> ports,
              const TscClock& clock, Directory& directory);
  // Once no worker runs any more.
  ~WorkerGroup();
  WorkerGroup(const WorkerGroup&) = delete;
  WorkerGroup& operator=(const WorkerGroup&) = delete;

  [[nodiscard]] size_t size() const { return workers_.size(); }
  // Of all workers, for others of this process that hand ports out.
  [[nodiscard]] PortTable& ports() { return *port_table_; }
  [[nodiscard]] Worker& operator[](size_t index) { return *workers_[index]; }

  // Runs `work` in one worker after the other and waits for each. False: one did not answer; those
  // before it have run it.
  [[nodiscard]] bool ask_each(const std::function<void(Worker&)>& work);

 private:
  PortTablePtr port_table_ = make_port_table();
  HandOvers hand_overs_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace trunkline::worker
