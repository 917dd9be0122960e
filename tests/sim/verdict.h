// SPDX-License-Identifier: BSD-3-Clause
// The first thing that went wrong in a simulation. Everyone who checks reports here; the simulator
// stops at the next step. Later reports are dropped: they are usually consequences.
#pragma once

#include <string>
#include <utility>

#include "trunkline/stack/types.h"

namespace trunkline::sim {

class Verdict {
 public:
  void fail(TimePoint when, std::string what) {
    if (failed_) return;
    failed_ = true;
    when_ = when;
    what_ = std::move(what);
  }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] TimePoint when() const { return when_; }
  [[nodiscard]] const std::string& what() const { return what_; }

 private:
  bool failed_ = false;
  TimePoint when_;
  std::string what_;
};

}  // namespace trunkline::sim
