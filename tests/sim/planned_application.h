// SPDX-License-Identifier: BSD-3-Clause
// The application of a simulated host, which does what the plan says of it: by the verbs
// (chatter.h) or on rings (consumers.h).
#pragma once

#include <string>
#include <vector>

#include "plan.h"
#include "simulator.h"

namespace trunkline::sim {

class PlannedApplication : public Application {
 public:
  // What the ends of a planned association have come to: of each plan's, for all applications of a
  // run.
  struct Meeting {
    uint16_t client_port = 0;
    uint8_t client_end = 0;  // EndBook's number of its endpoint
    uint8_t server_end = 0;
  };
  using Meetings = std::vector<Meeting>;

  // Nothing is left to do or to wait for.
  [[nodiscard]] virtual bool finished() const = 0;
  // Ends that the shutdown guard timer explains (section 9.2: T5, 5 * RTO.max), by plan.
  [[nodiscard]] const std::vector<const AssocPlan*>& guarded() const { return guarded_; }
  // Associations of this host with itself, and those of them that have their ends at two shards.
  [[nodiscard]] uint64_t within() const { return within_; }
  [[nodiscard]] uint64_t across() const { return across_; }
  // When all is over: nothing is left of endpoints, or of anything else.
  virtual void check_end(Host& host, TimePoint now) = 0;
  // What it waits for, for the report of a run that does not end.
  [[nodiscard]] virtual std::string pending() const = 0;

 protected:
  std::vector<const AssocPlan*> guarded_;
  uint64_t within_ = 0;
  uint64_t across_ = 0;
};

}  // namespace trunkline::sim
