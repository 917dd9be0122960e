// SPDX-License-Identifier: BSD-3-Clause
// The single parts that are measured alone, each a function of Google Benchmark's. What one
// iteration does more than once it says by SetItemsProcessed(): figures are for one item.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

namespace trunkline::perf {

struct Part {
  std::string name;  // of the case
  const char* role;  // "trunkline", or what does the same
  void (*run)(benchmark::State&);
  int64_t argument = 0;  // state.range(0): a size or a number of things
};

[[nodiscard]] std::vector<Part> wire_parts();
[[nodiscard]] std::vector<Part> state_parts();
[[nodiscard]] std::vector<Part> ring_parts();

// Things in a large table: the argument of a part, or few when it only has to run.
[[nodiscard]] int64_t many(const benchmark::State& state);

}  // namespace trunkline::perf
