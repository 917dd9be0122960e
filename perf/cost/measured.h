// SPDX-License-Identifier: BSD-3-Clause
// What is counted of a case that grows: the piece of work, and nothing around it. Callgrind
// collects while the program is inside trunkline_measured() and writes what it has when that is
// left; devtools/cost_by_size.py matches these counts with the lines that are printed here, in
// their order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

extern "C" void trunkline_measured(void (*work)(const void*), const void* argument);

namespace trunkline::perf {

// One row: the cost of `count` elements in a series, at a size.
struct Measured {
  std::string_view series;
  uint64_t size = 0;
  uint64_t count = 0;
};

void print(const Measured& row);

template <typename Work>
void measure(const Measured& row, const Work& work) {
  trunkline_measured([](const void* argument) { (*static_cast<const Work*>(argument))(); }, &work);
  print(row);
}

// How much a run is worth: few sizes for the tests, all of them for the page.
enum class Sizes : uint8_t { kFew, kAll };

struct CostCase {
  std::string name;
  void (*run)(Sizes);
};

// Of the bare stack, and of the rings.
void streams(Sizes sizes);
void outstanding(Sizes sizes);
void gaps(Sizes sizes);
void behind_a_hole(Sizes sizes);
void recovery(Sizes sizes);
void paths(Sizes sizes);
void endpoints(Sizes sizes);
void associations(Sizes sizes);
void ring_associations(Sizes sizes);
void workers(Sizes sizes);

}  // namespace trunkline::perf
