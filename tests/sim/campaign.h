// SPDX-License-Identifier: BSD-3-Clause
// Many runs, on every core: the default campaign, of which `./dev test` runs each part, and longer
// ones. The runs are the same whatever the number of cores.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runner.h"

namespace trunkline::sim {

// Runs of the default campaign, over all scenarios.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr uint64_t kDefaultRuns = 2'500;
#else
inline constexpr uint64_t kDefaultRuns = 23'000;
#endif
// Of one scenario: seeds 1 to this.
inline constexpr uint64_t kDefaultSeeds = (kDefaultRuns + kScenarioCount - 1) / kScenarioCount;

struct Campaign {
  std::vector<Scenario> scenarios;
  uint64_t first = 1;    // seed
  uint64_t runs = 0;     // in all: each seed runs every scenario before the next one does
  uint64_t threads = 0;  // 0: one for each core
  uint64_t max_failures = 5;
  bool verbose = false;
  bool digests = false;
  // Now and then, with the runs done and failed so far. May be empty.
  std::function<void(uint64_t, uint64_t)> progress;
};

struct CampaignResult {
  struct Failure {
    uint64_t run = 0;
    Scenario scenario{};
    uint64_t seed = 0;
    std::string what;
    std::string report;
  };
  std::vector<Failure> failures;  // in the order of runs
  std::vector<uint64_t> digests;  // of each run's packets and events, where they are wanted
  uint64_t runs = 0;
  uint64_t packets = 0;
  uint64_t messages = 0;
  uint64_t retransmissions = 0;
  uint64_t hand_overs = 0;
  uint64_t hand_over_losses = 0;
  uint64_t failovers = 0;
  uint64_t mtus_told = 0;
  uint64_t black_holes = 0;
  uint64_t looped = 0;
  uint64_t within = 0;
  uint64_t across = 0;
  uint64_t lists = 0;
  uint64_t ephemeral = 0;
  uint64_t ephemeral_again = 0;
  uint64_t windows_shut = 0;
  uint64_t windows_opened = 0;
  uint64_t rebinds = 0;
  double slowest_failover = 0;
  uint64_t wide = 0;  // runs of several shards and several paths
  uint64_t guarded = 0;
  uint64_t crossed = 0;
  double simulated_s = 0;
  double real_s = 0;
  double slowest_s = 0;
  std::string slowest;
};

[[nodiscard]] std::vector<Scenario> all_scenarios();
[[nodiscard]] CampaignResult run_campaign(const Campaign& campaign);

}  // namespace trunkline::sim
