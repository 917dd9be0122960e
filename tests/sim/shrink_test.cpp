// SPDX-License-Identifier: BSD-3-Clause
// Plans are made smaller as far as the failure allows, and not further; and the same campaign gives
// the same runs on one core and on two.
#include "shrink.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "campaign.h"

namespace trunkline::sim {
namespace {

// "Fails" when two associations meet loss, whatever else there is.
std::string fails_by_loss(const Plan& plan) {
  const auto lossy = std::count_if(plan.links.begin(), plan.links.end(),
                                   [](const LinkPlan& link) { return link.faults.loss >= 1000; });
  if (plan.assocs.size() < 2 || lossy == 0) return "";
  return "lost " + std::to_string(plan.links.size()) + " times";
}

TEST(Shrink, KeepsWhatTheFailureNeedsAndNothingElse) {
  uint64_t seed = 1;
  Plan plan;
  do {
    plan = draw_plan(Scenario::kMixed, seed++);
  } while (fails_by_loss(plan).empty() || plan.assocs.size() < 3 || plan.hosts.size() < 3);
  const Shrunk small = shrink(plan, fails_by_loss);
  EXPECT_EQ(small.what, "lost 1 times") << "numbers in the words may change";
  EXPECT_EQ(small.plan.assocs.size(), 2u);
  EXPECT_TRUE(small.plan.incidents.empty());
  ASSERT_EQ(small.plan.links.size(), 1u);
  const LinkFaults& faults = small.plan.links[0].faults;
  EXPECT_GE(faults.loss, 1000u);
  EXPECT_LT(faults.loss, 2000u);
  EXPECT_EQ(faults.duplicate + faults.corrupt + faults.reorder, 0u);
  EXPECT_EQ(small.plan.hosts[0].profile.a_rwnd, Profile().a_rwnd);
  EXPECT_EQ(small.plan.hosts[0].shards, 1);
  EXPECT_EQ(small.plan.assocs[0].client_side.traffic.unordered, 0u);
  EXPECT_EQ(small.plan.hosts[0].profile.association_max_retrans, 60'000) << "patience stays";
}

TEST(Shrink, DoesNotTakeAnotherFailureForTheSame) {
  const Plan plan = draw_plan(Scenario::kMixed, 3);
  const size_t hosts = plan.hosts.size();
  const Shrunk small = shrink(plan, [&](const Plan& other) -> std::string {
    return other.hosts[0].profile == plan.hosts[0].profile && other.hosts.size() == hosts
               ? "this one"
               : "that one";
  });
  EXPECT_EQ(small.what, "this one");
  EXPECT_EQ(small.plan.hosts[0].profile, plan.hosts[0].profile);
  EXPECT_EQ(small.plan.hosts.size(), hosts);
}

TEST(Shrink, APlanThatPassesStaysAsItIs) {
  const Plan plan = draw_plan(Scenario::kDelay, 1);
  const Shrunk small = shrink(plan, [](const Plan&) { return std::string(); });
  EXPECT_EQ(small.what, "");
  EXPECT_EQ(small.runs, 1u);
  EXPECT_EQ(small.plan.assocs.size(), plan.assocs.size());
}

TEST(Shrink, APlanAsATestNamesWhatDiffers) {
  Plan plan;
  plan.hosts.resize(1);
  plan.hosts[0].addresses = {IpAddress::ipv4(192, 0, 2, 1)};
  plan.hosts[0].profile.a_rwnd = 4096;
  plan.links = {{0, 1, false, {}}};
  plan.links[0].faults.loss = 50'000;
  plan.assocs.resize(1);
  plan.assocs[0].client_side.ending = Ending::kAbortAt;
  EXPECT_EQ(plan_as_test(plan, 7),
            "TEST(Found, SayWhatItWas) {\n"
            "  Plan plan;\n"
            "  plan.hosts = {{.profile = {.a_rwnd = 4096}, "
            ".addresses = {*IpAddress::parse(\"192.0.2.1\"), }}, };\n"
            "  plan.links = {{.to = 1, .faults = {.loss = 50000}}, };\n"
            "  plan.assocs = {{.client_side = {.ending = Ending{4}}}, };\n"
            "  const RunResult result = run_plan(plan, 7);\n"
            "  EXPECT_TRUE(result.passed) << result.report;\n"
            "}\n");
}

TEST(Campaigns, AreTheSameOnOneCoreAndOnTwo) {
  Campaign campaign;
  campaign.scenarios = all_scenarios();
  campaign.runs = 40;
  campaign.threads = 1;
  const CampaignResult one = run_campaign(campaign);
  campaign.threads = 2;
  const CampaignResult two = run_campaign(campaign);
  EXPECT_EQ(one.runs, 40u);
  EXPECT_EQ(one.packets, two.packets);
  EXPECT_EQ(one.messages, two.messages);
  EXPECT_EQ(one.hand_overs, two.hand_overs);
  EXPECT_GT(one.hand_overs, 0u);
}

}  // namespace
}  // namespace trunkline::sim
