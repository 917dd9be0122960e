// SPDX-License-Identifier: BSD-3-Clause
// Arguments, clocks, figures.
#include "harness/sample.h"

#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>

namespace trunkline::perf {
namespace {

bool is_chosen(const std::string& name, const std::string& wanted) {
  if (wanted.empty() || name == wanted) return true;
  return wanted.back() == '/' && name.compare(0, wanted.size(), wanted) == 0;
}

// True: the case ran to its end.
bool run_in_child(const Case& each, Run run) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    run.case_name = each.name;
    each.run(run);
    std::fflush(nullptr);
    std::_Exit(0);  // the peer's threads and tables need no tidying up
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) fail("waitpid");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  std::fprintf(stderr, "%s: failed%s\n", each.name.c_str(),
               WIFSIGNALED(status) ? ", by a signal" : "");
  return false;
}

}  // namespace

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void Run::report(std::string_view metric, std::string_view unit, double value) const {
  std::printf(R"({"case": "%s", "metric": "%.*s", "unit": "%.*s", "role": "%s", "value": %.6g})"
              "\n",
              case_name.c_str(), static_cast<int>(metric.size()), metric.data(),
              static_cast<int>(unit.size()), unit.data(), role.c_str(), value);
}

void fail(std::string_view why) {
  std::fprintf(stderr, "error: %.*s\n", static_cast<int>(why.size()), why.data());
  std::fflush(nullptr);
  std::_Exit(1);
}

int run_cases(int argc, char** argv, std::string_view role, const std::vector<Case>& cases) {
  CLI::App app("One measurement of each chosen case, as JSON lines.");
  std::string wanted;
  bool list = false;
  Run run;
  run.role = role;
  const std::map<std::string, Scale> scales = {
      {"tiny", Scale::kTiny}, {"quick", Scale::kQuick}, {"full", Scale::kFull}};
  app.add_option("--case", wanted, "name of a case, or a prefix that ends in /");
  app.add_option("--scale", run.scale, "tiny, quick or full")
      ->transform(CLI::CheckedTransformer(scales));
  app.add_option("--messages", run.messages, "messages or round trips to measure");
  app.add_flag("--list", list, "names the cases");
  CLI11_PARSE(app, argc, argv);

  bool any = false;
  bool good = true;
  for (const Case& each : cases) {
    if (!is_chosen(each.name, wanted)) continue;
    if (!each.listed && (list || each.name != wanted)) continue;
    any = true;
    if (list) {
      std::puts(each.name.c_str());
    } else {
      good = run_in_child(each, run) && good;
    }
  }
  if (!any) fail("no case is called '" + wanted + "'; --list names them");
  return good ? 0 : 1;
}

}  // namespace trunkline::perf
