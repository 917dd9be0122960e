// SPDX-License-Identifier: BSD-3-Clause
// Threads take runs in turn; nothing is shared between runs.
#include "campaign.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

namespace trunkline::sim {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

class Runs {
 public:
  explicit Runs(const Campaign& campaign) : campaign_(campaign), told_(Clock::now()) {
    if (campaign.digests) total_.digests.resize(campaign.runs);
  }

  void take_turns() {
    while (!enough_) {
      const uint64_t run = next_++;
      if (run >= campaign_.runs) return;
      const Scenario scenario = campaign_.scenarios[run % campaign_.scenarios.size()];
      const uint64_t seed = campaign_.first + run / campaign_.scenarios.size();
      const auto start = Clock::now();
      const RunResult result = run_scenario(scenario, seed, campaign_.verbose);
      note(run, scenario, seed, result, seconds_since(start));
    }
  }

  CampaignResult result() {
    std::sort(total_.failures.begin(), total_.failures.end(),
              [](const auto& a, const auto& b) { return a.run < b.run; });
    return std::move(total_);
  }

 private:
  void note(uint64_t run, Scenario scenario, uint64_t seed, const RunResult& result, double took) {
    const std::lock_guard lock(mutex_);
    ++total_.runs;
    if (campaign_.digests) total_.digests[run] = result.trace_hash;
    total_.packets += result.packets;
    total_.messages += result.messages;
    total_.retransmissions += result.retransmissions;
    total_.hand_overs += result.hand_overs;
    total_.hand_over_losses += result.hand_over_losses;
    total_.failovers += result.failovers;
    total_.mtus_told += result.mtus_told;
    total_.black_holes += result.black_holes;
    total_.looped += result.looped;
    total_.within += result.within;
    total_.across += result.across;
    total_.lists += result.lists;
    total_.ephemeral += result.ephemeral;
    total_.ephemeral_again += result.ephemeral_again;
    total_.windows_shut += result.windows_shut;
    total_.rebinds += result.rebinds;
    total_.windows_opened += result.windows_opened;
    total_.slowest_failover = std::max(total_.slowest_failover, result.slowest_failover);
    total_.wide += result.wide ? 1 : 0;
    total_.guarded += result.guarded;
    total_.crossed += result.crossed;
    total_.simulated_s += std::chrono::duration<double>(result.simulated).count();
    if (took > total_.slowest_s) {
      total_.slowest_s = took;
      total_.slowest = std::string(scenario_name(scenario)) + " " + std::to_string(seed);
    }
    if (!result.passed) {
      total_.failures.push_back({run, scenario, seed, result.what, result.report});
      if (total_.failures.size() >= campaign_.max_failures) enough_ = true;
    }
    if (campaign_.progress && seconds_since(told_) > 5) {
      told_ = Clock::now();
      campaign_.progress(total_.runs, total_.failures.size());
    }
  }

  const Campaign& campaign_;
  std::atomic<uint64_t> next_{0};
  std::atomic<bool> enough_{false};
  std::mutex mutex_;
  CampaignResult total_;
  Clock::time_point told_;
};

}  // namespace

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> all;
  for (size_t i = 0; i < kScenarioCount; ++i) all.push_back(static_cast<Scenario>(i));
  return all;
}

CampaignResult run_campaign(const Campaign& campaign) {
  const auto start = Clock::now();
  Runs runs(campaign);
  const uint64_t cores = std::max(1u, std::thread::hardware_concurrency());
  const uint64_t count =
      campaign.verbose ? 1
                       : std::min(campaign.threads > 0 ? campaign.threads : cores, campaign.runs);
  std::vector<std::thread> threads;
  for (uint64_t i = 1; i < count; ++i) threads.emplace_back([&runs] { runs.take_turns(); });
  runs.take_turns();
  for (std::thread& thread : threads) thread.join();
  CampaignResult result = runs.result();
  result.real_s = seconds_since(start);
  return result;
}

}  // namespace trunkline::sim
