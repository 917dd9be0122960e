// SPDX-License-Identifier: BSD-3-Clause
// Runs simulations from the command line: one seed to look at, or many to search; without options,
// the default campaign. A failing seed is made smaller and printed. Exits with 1 when one fails.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "campaign.h"
#include "shrink.h"

namespace {

using namespace trunkline::sim;  // NOLINT(google-build-using-namespace)

struct Options {
  Campaign campaign;
  bool small = true;
  bool one_seed = false;
};

[[noreturn]] void usage(const char* why) {
  std::fprintf(stderr, "%s%s", why, *why == 0 ? "" : "\n");
  std::fprintf(stderr,
               "usage: simrun [OPTION...]; without any, the campaign that the tests run\n"
               "  --seeds N         run N seeds, over all scenarios or the one named\n"
               "  --scenario NAME   only this one\n"
               "  --first N         begin with seed N (default 1)\n"
               "  --seed N          only seed N, of each scenario or the one named\n"
               "  --failures N      stop after N failures (default 5)\n"
               "  --no-shrink       print a failing seed as it is\n"
               "  -v                print every packet and event\n"
               "  --digests         print what each run's packets and events come to, as a number\n"
               "scenarios:");
  for (const Scenario scenario : all_scenarios()) {
    const auto name = scenario_name(scenario);
    std::fprintf(stderr, " %.*s", static_cast<int>(name.size()), name.data());
  }
  std::fprintf(stderr, "\n");
  std::exit(2);
}

uint64_t number(const char* text) {
  char* end = nullptr;
  const uint64_t value = std::strtoull(text, &end, 10);
  if (end == text || *end != 0) usage("not a number");
  return value;
}

Options parse(int argc, char** argv) {
  Options options;
  Campaign& campaign = options.campaign;
  campaign.scenarios = all_scenarios();
  campaign.runs = kDefaultSeeds * kScenarioCount;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "-v") {
      campaign.verbose = true;
      continue;
    }
    if (name == "--digests") {
      campaign.digests = true;
      continue;
    }
    if (name == "--no-shrink") {
      options.small = false;
      continue;
    }
    if (name.rfind("--", 0) != 0 || i + 1 >= argc) usage("");
    const char* const value = argv[++i];
    if (name == "--seed") {
      campaign.first = number(value);
      options.one_seed = true;
    } else if (name == "--seeds") {
      campaign.runs = number(value);
    } else if (name == "--first") {
      campaign.first = number(value);
    } else if (name == "--failures") {
      campaign.max_failures = number(value);
    } else if (name == "--scenario") {
      campaign.scenarios.resize(1);
      if (!scenario_from_name(value, campaign.scenarios[0])) usage("no such scenario");
    } else {
      usage("no such option");
    }
  }
  if (options.one_seed) campaign.runs = campaign.scenarios.size();
  return options;
}

void print_failure(const CampaignResult::Failure& failure, bool small) {
  std::printf("%s\n", failure.report.c_str());
  if (!small) return;
  const Shrunk shrunk = shrink(draw_plan(failure.scenario, failure.seed), failure.seed);
  std::printf("made smaller in %llu runs, it fails by: %s\nas a test for found_test.cpp:\n\n%s\n",
              static_cast<unsigned long long>(shrunk.runs), shrunk.what.c_str(),
              plan_as_test(shrunk.plan, failure.seed).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Options options = parse(argc, argv);
  const uint64_t runs = options.campaign.runs;
  const uint64_t first = options.campaign.first;
  const std::vector<Scenario>& scenarios = options.campaign.scenarios;
  options.campaign.progress = [runs](uint64_t done, uint64_t failed) {
    std::fprintf(stderr, "sim: %llu of %llu, %llu failed\n", static_cast<unsigned long long>(done),
                 static_cast<unsigned long long>(runs), static_cast<unsigned long long>(failed));
  };
  const CampaignResult total = run_campaign(options.campaign);
  bool small = options.small && !options.campaign.verbose;
  for (const auto& failure : total.failures) {
    print_failure(failure, small);
    small = false;  // one is enough to begin with
  }
  for (uint64_t run = 0; run < total.digests.size(); ++run) {
    const auto scenario = scenario_name(scenarios[run % scenarios.size()]);
    std::printf("%.*s %llu %016llx\n", static_cast<int>(scenario.size()), scenario.data(),
                static_cast<unsigned long long>(first + run / scenarios.size()),
                static_cast<unsigned long long>(total.digests[run]));
  }
  std::printf(
      "sim: runs=%llu failed=%zu messages=%llu packets=%llu retransmissions=%llu "
      "hand_overs=%llu+%llu "
      "wide=%llu failovers=%llu (%.2f RTO) mtus=%llu+%llu looped=%llu within=%llu+%llu lists=%llu "
      "ephemeral=%llu+%llu shut=%llu-%llu rebinds=%llu excused=%llu+%llu "
      "simulated_s=%.0f real_s=%.2f runs_per_s=%.0f slowest=%.1fms (%s)\n",
      static_cast<unsigned long long>(total.runs), total.failures.size(),
      static_cast<unsigned long long>(total.messages),
      static_cast<unsigned long long>(total.packets),
      static_cast<unsigned long long>(total.retransmissions),
      static_cast<unsigned long long>(total.hand_overs),
      static_cast<unsigned long long>(total.hand_over_losses),
      static_cast<unsigned long long>(total.wide), static_cast<unsigned long long>(total.failovers),
      total.slowest_failover, static_cast<unsigned long long>(total.mtus_told),
      static_cast<unsigned long long>(total.black_holes),
      static_cast<unsigned long long>(total.looped),
      static_cast<unsigned long long>(total.within - total.across),
      static_cast<unsigned long long>(total.across), static_cast<unsigned long long>(total.lists),
      static_cast<unsigned long long>(total.ephemeral),
      static_cast<unsigned long long>(total.ephemeral_again),
      static_cast<unsigned long long>(total.windows_shut),
      static_cast<unsigned long long>(total.windows_opened),
      static_cast<unsigned long long>(total.rebinds),
      static_cast<unsigned long long>(total.guarded),
      static_cast<unsigned long long>(total.crossed), total.simulated_s, total.real_s,
      static_cast<double>(total.runs) / total.real_s, total.slowest_s * 1e3, total.slowest.c_str());
  return total.failures.empty() ? 0 : 1;
}
