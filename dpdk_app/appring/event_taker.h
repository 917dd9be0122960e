// SPDX-License-Identifier: BSD-3-Clause
// Who else has associations at a shard: the bridge passes on what is of none of its own.
#pragma once

#include "trunkline/stack/stack.h"

namespace trunkline::appring {

class EventTaker {
 public:
  // False: it is not its either. Takes the event otherwise, before it returns.
  virtual bool deliver(TimePoint now, Event& event) = 0;

 protected:
  ~EventTaker() = default;
};

}  // namespace trunkline::appring
