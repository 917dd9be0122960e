// SPDX-License-Identifier: BSD-3-Clause
// One simulated run from start to verdict.
#pragma once

#include <cstdint>
#include <string>

#include "plan.h"

namespace trunkline::sim {

struct RunResult {
  bool passed = false;
  std::string what;    // went wrong
  std::string report;  // of a failure: what, when, the plan, the last packets, how to replay
  uint64_t trace_hash = 0;
  uint64_t packets = 0;
  uint64_t messages = 0;         // delivered
  uint64_t retransmissions = 0;  // DATA chunks
  uint64_t accepted = 0;         // messages, by send()
  uint64_t hand_overs = 0;       // of packets between shards
  uint64_t hand_over_losses = 0;
  uint64_t failovers = 0;        // judged: DATA that left a dead path
  double slowest_failover = 0;   // in RTOs, since the first packet without an answer
  uint64_t mtus_told = 0;        // path MTUs that ICMP lowered
  uint64_t black_holes = 0;      // path MTUs that were lowered without
  uint64_t windows_shut = 0;     // by what was unread
  uint64_t windows_opened = 0;   // again
  uint64_t rebinds = 0;          // associations that went to another consumer
  uint64_t looped = 0;           // packets of a host to itself
  uint64_t within = 0;           // associations of a host with itself
  uint64_t across = 0;           // ... with their ends at two shards
  uint64_t lists = 0;            // of addresses, held against what an endpoint is bound to
  uint64_t ephemeral = 0;        // ports that were given out
  uint64_t ephemeral_again = 0;  // ... after they had come back
  bool wide = false;             // of several shards and several paths: Plan::is_wide()
  // Endings that are excused, see README.md.
  uint64_t guarded = 0;
  uint64_t crossed = 0;
  uint64_t steps = 0;
  Duration simulated{};
};

[[nodiscard]] RunResult run_plan(const Plan& plan, uint64_t seed, bool verbose = false);
[[nodiscard]] RunResult run_scenario(Scenario scenario, uint64_t seed, bool verbose = false);

}  // namespace trunkline::sim
