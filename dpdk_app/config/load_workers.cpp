// SPDX-License-Identifier: BSD-3-Clause
// The workers section: how many, and on which cores.
#include <fmt/format.h>

#include <algorithm>

#include "config/sections.h"

namespace trunkline::config {
namespace {

constexpr uint64_t kHighestCore = 1023;

void load_cores(const Field& at, const Map& map, Loading& loading) {
  Workers& workers = loading.config.workers;
  for (const Field& item : items(at, "cores such as [1, 2]", loading.mistakes)) {
    uint64_t core = 0;
    if (!map.read_integer(item, core, 0, kHighestCore)) continue;
    const auto value = static_cast<uint16_t>(core);
    if (std::find(workers.cores.begin(), workers.cores.end(), value) != workers.cores.end()) {
      loading.mistakes.add(item, fmt::format("core {} has a worker already", core));
      continue;
    }
    workers.cores.push_back(value);
    loading.core_places.push_back(item);
  }
}

}  // namespace

void load_workers(const Field& at, Loading& loading) {
  Workers& workers = loading.config.workers;
  const Map map(at, {"count", "cores", "misdirect"}, loading.mistakes);
  if (!at.node.IsMap()) return;
  map.integer("count", workers.count, 1, Workers::kMost);
  map.boolean("misdirect", workers.misdirect);
  const auto cores = map.find("cores");
  if (cores) load_cores(*cores, map, loading);
  const size_t given = cores && cores->node.IsSequence() ? cores->node.size() : 0;
  if (given > Workers::kMost) {
    loading.mistakes.add(*cores, fmt::format("there are at most {} workers", Workers::kMost));
  } else if (!map.find("count") && given > 0) {
    workers.count = static_cast<uint16_t>(given);
  } else if (given > 0 && given != workers.count) {
    loading.mistakes.conclude(*cores, {at.key},
                              fmt::format("{} cores for {} workers; give each worker one, or "
                                          "leave cores out to let the kernel place them",
                                          given, workers.count));
  }
  if (workers.misdirect && workers.count == 1) {
    loading.mistakes.conclude(at, {at.key},
                              "misdirect needs at least two workers: with one there is no wrong "
                              "one to hand packets to");
  }
}

}  // namespace trunkline::config
