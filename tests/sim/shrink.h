// SPDX-License-Identifier: BSD-3-Clause
// A plan that fails, made smaller: associations, hosts and incidents go, fields go back to what
// they are in a calm plan, numbers are halved, for as long as it fails in the same words. And the
// plan as C++, ready to be kept in found_test.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "plan.h"

namespace trunkline::sim {

struct Shrunk {
  Plan plan;
  std::string what;   // went wrong in it
  uint64_t runs = 0;  // that it took
};

// What went wrong with a plan; empty if nothing did.
using Judge = std::function<std::string(const Plan&)>;

[[nodiscard]] Shrunk shrink(const Plan& plan, const Judge& judge, uint64_t max_runs = 3000);
// Judged by a run with this seed.
[[nodiscard]] Shrunk shrink(const Plan& plan, uint64_t seed);

[[nodiscard]] std::string plan_as_test(const Plan& plan, uint64_t seed);

}  // namespace trunkline::sim
