// SPDX-License-Identifier: BSD-3-Clause
// Starts ports, follows their links and starts those anew that do not recover by themselves: a
// memif client whose server was not there yet, or went. Control thread only.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "port/port.h"
#include "worker/group.h"

namespace trunkline {

class LinkWatch {
 public:
  LinkWatch(worker::WorkerGroup& workers, std::span<const std::unique_ptr<port::Port>> ports);

  // Does what is due; cheap when nothing is.
  void check();
  // True while a link may come up any moment.
  [[nodiscard]] bool impatient() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct State {
    bool polled = false;  // by a worker or several
    bool polled_by_all = false;
    bool up = false;
    bool was_up = false;  // since it was started
    bool reported = false;
    Clock::time_point changed;  // when it was started or its link changed
    Clock::time_point next_start;
  };
  void start_port(size_t index);
  void poll_port(size_t index);
  void follow_link(size_t index);

  worker::WorkerGroup& workers_;
  std::span<const std::unique_ptr<port::Port>> ports_;
  std::vector<State> states_;
  Clock::time_point next_;
};

}  // namespace trunkline
