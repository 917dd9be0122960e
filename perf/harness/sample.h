// SPDX-License-Identifier: BSD-3-Clause
// What every benchmark program has: its arguments, the clock of CPU time, and one JSON object a
// line on standard output for each figure. A program measures once; repetition, interleaving with
// the peer and statistics are the runner's (perf/run_bench.py).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace trunkline::perf {

enum class Scale : uint8_t {
  kTiny,   // under a second a case: does it still run?
  kQuick,  // a few seconds a case
  kFull,
};

// CPU time of this process, user and system, in seconds.
[[nodiscard]] double cpu_seconds();

// Bytes of this process that are in memory (VmRSS).
[[nodiscard]] uint64_t resident_bytes();

struct Run {
  Scale scale = Scale::kQuick;
  std::string role;       // "trunkline", or the peer's name
  std::string case_name;  // of the case that runs
  uint64_t messages = 0;  // so many messages or round trips to measure; 0: as the scale says

  // One figure of this case, on standard output.
  void report(std::string_view metric, std::string_view unit, double value) const;
  // As many as fit the scale.
  [[nodiscard]] uint64_t pick(uint64_t tiny, uint64_t quick, uint64_t full) const {
    return scale == Scale::kTiny ? tiny : scale == Scale::kQuick ? quick : full;
  }
  // As many as were asked for, or else as fit the scale.
  [[nodiscard]] uint64_t length(uint64_t by_scale) const {
    return messages != 0 ? messages : by_scale;
  }
};

// Says why on standard error and ends the program with status 1: a figure of a run in which
// anything was lost is worth nothing.
[[noreturn]] void fail(std::string_view why);
inline void require(bool holds, std::string_view why) {
  if (!holds) fail(why);
}

struct Case {
  std::string name;
  void (*run)(const Run&);
  bool listed = true;  // else it runs only where its whole name is given
};

// --list, --case NAME (whole, or a prefix that ends in a slash), --scale tiny|quick|full,
// --messages N (where a case counts messages or round trips; its warm-up stays as it is, so that
// two lengths differ by nothing else). Each case runs in a process of its own, so that none finds
// another's caches or heap. Returns main's status.
int run_cases(int argc, char** argv, std::string_view role, const std::vector<Case>& cases);

}  // namespace trunkline::perf
