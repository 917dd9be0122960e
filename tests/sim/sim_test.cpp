// SPDX-License-Identifier: BSD-3-Clause
// The default campaign, which is what simrun runs without options: seeds that once failed, then
// 23,000 others spread over the scenarios (2,500 under sanitizers), each of which must end as its
// plan expects; and the proof that a seed gives the same bytes every time.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "campaign.h"
#include "shrink.h"

namespace trunkline::sim {
namespace {

class Scenarios : public testing::TestWithParam<Scenario> {};

TEST_P(Scenarios, EverySeedEndsWell) {
  Campaign campaign;
  campaign.scenarios = {GetParam()};
  campaign.runs = kDefaultSeeds;
  campaign.max_failures = 1;
  const CampaignResult result = run_campaign(campaign);
  for (const auto& failure : result.failures) {
    ADD_FAILURE() << failure.report;
    const Shrunk small = shrink(draw_plan(failure.scenario, failure.seed), failure.seed);
    ADD_FAILURE() << "made smaller, it fails by: " << small.what << "\n"
                  << plan_as_test(small.plan, failure.seed);
  }
  if (!result.failures.empty()) return;
  EXPECT_EQ(result.runs, kDefaultSeeds);
  // What is excused must stay rare.
  EXPECT_LE(result.guarded, kDefaultSeeds / 10);
  EXPECT_LE(result.crossed, kDefaultSeeds / 50);
  // A scenario in which nothing happens would pass, too.
  EXPECT_GT(result.packets, kDefaultSeeds * 4);
  EXPECT_GT(result.hand_overs, kDefaultSeeds / 2);
  if (GetParam() == Scenario::kFailover) {
    EXPECT_GT(result.failovers, kDefaultSeeds / 10) << "what is judged must happen";
  }
  if (GetParam() == Scenario::kPathMtu) {
    EXPECT_GT(result.mtus_told, kDefaultSeeds / 4) << "what is judged must happen";
    EXPECT_GT(result.black_holes, kDefaultSeeds / 4) << "what is judged must happen";
  }
  if (GetParam() == Scenario::kEndpoints) {
    EXPECT_GT(result.within - result.across, kDefaultSeeds / 2) << "what is judged must happen";
    EXPECT_GT(result.across, kDefaultSeeds / 8) << "what is judged must happen";
    EXPECT_GT(result.ephemeral, kDefaultSeeds * 2) << "what is judged must happen";
    EXPECT_GT(result.ephemeral_again, kDefaultSeeds / 8) << "what is judged must happen";
    EXPECT_GT(result.lists, kDefaultSeeds * 4) << "what is judged must happen";
  }
  if (GetParam() == Scenario::kReaders) {
    EXPECT_GT(result.windows_shut, kDefaultSeeds) << "what is judged must happen";
    EXPECT_GT(result.windows_opened, kDefaultSeeds) << "what is judged must happen";
  }
  if (GetParam() == Scenario::kRebind) {
    EXPECT_GT(result.rebinds, kDefaultSeeds * 10) << "what is judged must happen";
    EXPECT_GT(result.windows_shut, kDefaultSeeds / 10) << "what is judged must happen";
  }
  if (GetParam() != Scenario::kSetup) {
    EXPECT_GT(result.messages, kDefaultSeeds * 10);
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

INSTANTIATE_TEST_SUITE_P(Sim, Scenarios, testing::ValuesIn(all_scenarios()),
                         [](const testing::TestParamInfo<Scenario>& param) {
                           return std::string(scenario_name(param.param));
                         });

// What several workers and several paths do to each other is rare: half of the seeds have both.
TEST(DefaultRun, HasTenThousandSeedsOfSeveralShardsAndPaths) {
  uint64_t wide = 0;
  for (const Scenario scenario : all_scenarios()) {
    for (uint64_t seed = 1; seed <= kDefaultSeeds; ++seed) {
      wide += draw_plan(scenario, seed).is_wide() ? 1 : 0;
    }
  }
  EXPECT_GE(wide, kDefaultRuns / 2);
  RecordProperty("wide", static_cast<int>(wide));
}

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
