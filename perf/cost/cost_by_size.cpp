// SPDX-License-Identifier: BSD-3-Clause
// What things cost as they become many: a line for each measurement, to be run under callgrind by
// devtools/cost_by_size.py, which knows the instructions. Alone it says only that all of it works.
#include <cstdio>
#include <cstring>
#include <vector>

#include "bare/end.h"
#include "cost/measured.h"
#include "harness/sample.h"

// Under this name callgrind finds it, whatever is done at link time.
extern "C" [[gnu::noipa]] void trunkline_measured(void (*work)(const void*), const void* argument) {
  work(argument);
}

namespace trunkline::perf {

void print(const Measured& row) {
  std::printf("{\"series\": \"%.*s\", \"size\": %llu, \"count\": %llu}\n",
              static_cast<int>(row.series.size()), row.series.data(),
              static_cast<unsigned long long>(row.size),
              static_cast<unsigned long long>(row.count));
}

namespace {

const std::vector<CostCase> kCases = {
    {"streams", streams},
    {"outstanding", outstanding},
    {"gaps", gaps},
    {"behind-a-hole", behind_a_hole},
    {"recovery", recovery},
    {"paths", paths},
    {"endpoints", endpoints},
    {"associations", associations},
    {"rings", ring_associations},
    {"workers", workers},
};

int run(int argc, char** argv) {
  Sizes sizes = Sizes::kAll;
  std::string_view wanted;
  bool list = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--few") {
      sizes = Sizes::kFew;
    } else if (word == "--list") {
      list = true;
    } else {
      wanted = word;
    }
  }
  count_time();
  bool any = false;
  for (const CostCase& each : kCases) {
    if (list) std::puts(each.name.c_str());
    if (list || (!wanted.empty() && each.name != wanted)) continue;
    each.run(sizes);
    any = true;
  }
  require(list || any, "no such case; --list names them");
  return 0;
}

}  // namespace
}  // namespace trunkline::perf

int main(int argc, char** argv) {
  return trunkline::perf::run(argc, argv);
}
