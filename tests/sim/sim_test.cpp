// SPDX-License-Identifier: BSD-3-Clause
// The default run: seeds that once failed, then 2,000 others spread over the scenarios, each of
// which must end as its plan expects, and the proof that a seed gives the same bytes every time.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "runner.h"

namespace trunkline::sim {
namespace {

// 15 scenarios; together at least 2,000 seeds.
constexpr uint64_t kSeedsPerScenario = 140;

class Scenarios : public testing::TestWithParam<Scenario> {};

TEST_P(Scenarios, EverySeedEndsWell) {
  uint64_t messages = 0;
  uint64_t packets = 0;
  uint64_t guarded = 0;
  for (uint64_t seed = 1; seed <= kSeedsPerScenario; ++seed) {
    const RunResult result = run_scenario(GetParam(), seed);
    ASSERT_TRUE(result.passed) << result.report;
    messages += result.messages;
    packets += result.packets;
    guarded += result.guarded;
  }
  // The guard timer may end a shutdown under heavy loss, but that must stay rare.
  EXPECT_LE(guarded, kSeedsPerScenario / 10);
  // A scenario in which nothing happens would pass, too.
  EXPECT_GT(packets, kSeedsPerScenario * 4);
  if (GetParam() != Scenario::kSetup) {
    EXPECT_GT(messages, kSeedsPerScenario * 10);
  }
}

TEST_P(Scenarios, TheSameSeedGivesTheSameBytes) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const RunResult first = run_scenario(GetParam(), seed);
    const RunResult second = run_scenario(GetParam(), seed);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.packets, second.packets);
    EXPECT_NE(first.trace_hash, run_scenario(GetParam(), seed + 1000).trace_hash);
  }
}

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> all;
  for (size_t i = 0; i < kScenarioCount; ++i) all.push_back(static_cast<Scenario>(i));
  return all;
}

INSTANTIATE_TEST_SUITE_P(Sim, Scenarios, testing::ValuesIn(all_scenarios()),
                         [](const testing::TestParamInfo<Scenario>& param) {
                           return std::string(scenario_name(param.param));
                         });

TEST(Regressions, SeedsThatOnceFailedPass) {
  std::ifstream file(TRUNKLINE_REGRESSION_SEEDS);
  ASSERT_TRUE(file.is_open()) << TRUNKLINE_REGRESSION_SEEDS;
  std::string text;
  size_t lines = 0;
  while (std::getline(file, text)) {
    if (text.empty() || text[0] == '#') continue;
    std::istringstream words(text);
    std::string name;
    uint64_t seed = 0;
    Scenario scenario{};
    ASSERT_TRUE(words >> name >> seed && scenario_from_name(name, scenario)) << text;
    const RunResult result = run_scenario(scenario, seed);
    EXPECT_TRUE(result.passed) << result.report;
    ++lines;
  }
  RecordProperty("seeds", static_cast<int>(lines));
}

}  // namespace
}  // namespace trunkline::sim
