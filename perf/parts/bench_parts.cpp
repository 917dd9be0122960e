// SPDX-License-Identifier: BSD-3-Clause
// Parts by themselves: Google Benchmark decides how often to run them, the figures leave as the
// samples of every other program.
#include <algorithm>

#include "harness/sample.h"
#include "parts/parts.h"

namespace trunkline::perf {
namespace {

bool is_tiny;

std::vector<Part> all_parts() {
  std::vector<Part> out = wire_parts();
  for (const auto& more : {state_parts(), ring_parts()}) {
    out.insert(out.end(), more.begin(), more.end());
  }
  return out;
}

class Samples final : public benchmark::BenchmarkReporter {
 public:
  explicit Samples(const trunkline::perf::Run& run) : run_(run) {}
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& each : runs) {
      require(!each.error_occurred, each.error_message);
      const auto items = each.counters.find("items_per_second");
      const double ns = items != each.counters.end() ? 1e9 / items->second.value
                                                     : each.cpu_accumulated_time * 1e9 /
                                                           static_cast<double>(each.iterations);
      run_.report("time", "ns", ns);
    }
  }

 private:
  trunkline::perf::Run run_;
};

// All that measure the case, each in its role.
void run_part(const Run& run) {
  is_tiny = run.scale == Scale::kTiny;
  const double seconds = static_cast<double>(run.pick(1, 100, 300)) * 1e-3;
  for (const Part& part : all_parts()) {
    if (part.name != run.case_name) continue;
    benchmark::ClearRegisteredBenchmarks();
    benchmark::RegisterBenchmark(part.name.c_str(), part.run)->Arg(part.argument)->MinTime(seconds);
    Run as = run;
    as.role = part.role;
    Samples samples(as);
    require(benchmark::RunSpecifiedBenchmarks(&samples, "all") == 1, "the part did not run");
  }
}

}  // namespace

int64_t many(const benchmark::State& state) {
  return is_tiny ? std::min<int64_t>(state.range(0), 1000) : state.range(0);
}

}  // namespace trunkline::perf

int main(int argc, char** argv) {
  using namespace trunkline::perf;
  std::vector<Case> cases;
  for (const Part& part : all_parts()) {
    if (cases.empty() || cases.back().name != part.name) cases.push_back({part.name, run_part});
  }
  return run_cases(argc, argv, "trunkline", cases);
}
