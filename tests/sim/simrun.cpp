// SPDX-License-Identifier: BSD-3-Clause
// Runs simulations from the command line: one seed to look at, or many to search. Exits with 1 when
// a seed fails, after printing its report.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runner.h"

namespace {

using trunkline::sim::kScenarioCount;
using trunkline::sim::RunResult;
using trunkline::sim::Scenario;

struct Options {
  uint64_t first = 1;
  uint64_t count = 1;
  bool all_scenarios = true;
  Scenario scenario = Scenario::kDataLoss;
  bool verbose = false;
  uint64_t max_failures = 5;
};

[[noreturn]] void usage(const char* why) {
  std::fprintf(stderr, "%s%s", why, *why == 0 ? "" : "\n");
  std::fprintf(stderr,
               "usage: simrun [--scenario NAME] [--seed N] [--first N] [--seeds N] [-v]\n"
               "  --seed N       run seed N of each scenario, or of the one named\n"
               "  --seeds N      run N seeds, from --first (default 1) on\n"
               "  --failures N   stop after N failures (default 5)\n"
               "  -v             print every packet and event\n"
               "scenarios:");
  for (size_t i = 0; i < kScenarioCount; ++i) {
    const auto name = scenario_name(static_cast<Scenario>(i));
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
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "-v") {
      options.verbose = true;
      continue;
    }
    if (name.rfind("--", 0) != 0 || i + 1 >= argc) usage("");
    const char* const value = argv[++i];
    if (name == "--seed") {
      options.first = number(value);
      options.count = 1;
    } else if (name == "--seeds") {
      options.count = number(value);
    } else if (name == "--first") {
      options.first = number(value);
    } else if (name == "--failures") {
      options.max_failures = number(value);
    } else if (name == "--scenario") {
      options.all_scenarios = false;
      if (!scenario_from_name(value, options.scenario)) usage("no such scenario");
    } else {
      usage("no such option");
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  uint64_t runs = 0;
  uint64_t failures = 0;
  uint64_t packets = 0;
  uint64_t messages = 0;
  uint64_t retransmissions = 0;
  double simulated = 0;
  double slowest = 0;
  std::string slowest_run;
  const auto start = std::chrono::steady_clock::now();
  const auto seconds_since = [](auto from) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
  };
  for (uint64_t i = 0; i < options.count && failures < options.max_failures; ++i) {
    for (size_t s = 0; s < kScenarioCount && failures < options.max_failures; ++s) {
      const auto scenario = static_cast<Scenario>(s);
      if (!options.all_scenarios && scenario != options.scenario) continue;
      const auto run_start = std::chrono::steady_clock::now();
      const RunResult result = run_scenario(scenario, options.first + i, options.verbose);
      const double took = seconds_since(run_start);
      if (took > slowest) {
        slowest = took;
        slowest_run =
            std::string(scenario_name(scenario)) + " " + std::to_string(options.first + i);
      }
      ++runs;
      packets += result.packets;
      messages += result.messages;
      retransmissions += result.retransmissions;
      simulated += std::chrono::duration<double>(result.simulated).count();
      if (result.passed) continue;
      ++failures;
      std::printf("%s\n", result.report.c_str());
    }
  }
  const double took = seconds_since(start);
  std::printf(
      "sim: runs=%llu failed=%llu messages=%llu packets=%llu retransmissions=%llu "
      "simulated_s=%.0f real_s=%.2f runs_per_s=%.0f slowest=%.1fms (%s)\n",
      static_cast<unsigned long long>(runs), static_cast<unsigned long long>(failures),
      static_cast<unsigned long long>(messages), static_cast<unsigned long long>(packets),
      static_cast<unsigned long long>(retransmissions), simulated, took,
      static_cast<double>(runs) / took, slowest * 1e3, slowest_run.c_str());
  return failures == 0 ? 0 : 1;
}
