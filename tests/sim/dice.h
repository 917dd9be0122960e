// SPDX-License-Identifier: BSD-3-Clause
// Random draws from one seed, in the words that plans need.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "trunkline/stack/random.h"
#include "trunkline/stack/types.h"

namespace trunkline::sim {

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  uint64_t below(uint64_t bound) { return random_.below(bound); }
  uint64_t between(uint64_t low, uint64_t high) { return low + random_.below(high - low + 1); }
  bool percent(uint64_t chance) { return random_.below(100) < chance; }
  Duration between(Duration low, Duration high) {
    return Duration(static_cast<int64_t>(
        between(static_cast<uint64_t>(low.count()), static_cast<uint64_t>(high.count()))));
  }
  template <typename T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[random_.below(choices.size())];
  }
  // Every order of magnitude as likely as the next.
  uint32_t scale(uint32_t low, uint32_t high) {
    uint64_t value = high;
    while (value / 4 > low && percent(70)) value /= 4;
    return static_cast<uint32_t>(between(low, std::max<uint64_t>(low, value)));
  }

 private:
  SeededRandom random_;
};

}  // namespace trunkline::sim
