// SPDX-License-Identifier: BSD-3-Clause
// Which message of a stream is next (RFC 9260 sections 1.6, 6.5, 6.6; RFC 8260 section 2.1): by its
// SSN, on a circle of 16 bits, or by its MID, on one of 32. What waits in a stream has a turn: its
// number on a circle so large that all turns of a stream are in one order.
#pragma once

#include <cstdint>

#include "trunkline/stack/types.h"

namespace trunkline {

// Number: Ssn or Mid. Numbers of chunks are given as Mid; of an SSN the upper half is not looked
// at.
template <typename Number>
class MessageOrder {
  using Rep = typename Number::rep;

 public:
  MessageOrder() = default;
  explicit MessageOrder(Mid next) : next_(next) {}

  [[nodiscard]] Mid next() const { return next_; }  // the turn
  void advance(uint32_t count = 1) { next_ = next_ + count; }
  [[nodiscard]] bool is_next(Mid number) const { return ahead(number) == 0; }
  [[nodiscard]] Mid turn_of(Mid number) const { return next_ + ahead(number); }
  // Of two that wait in one stream.
  [[nodiscard]] static bool before(Mid turn, Mid other) {
    return static_cast<int32_t>(turn.value - other.value) < 0;
  }
  // Can a message with that turn have come when so many TSNs at most lie before it? One that seems
  // to be more than half the circle ahead is old, unless there are as many.
  [[nodiscard]] bool may_wait(Mid turn, uint64_t tsns) const {
    constexpr Rep kHalf = static_cast<Rep>(~Rep{0}) >> 1;
    const uint32_t ahead = turn.distance_from(next_);
    return ahead <= kHalf || ahead <= tsns;
  }

 private:
  [[nodiscard]] Rep ahead(Mid number) const {
    return static_cast<Rep>(number.distance_from(next_));
  }

  Mid next_;  // of SSNs the lower half
};

}  // namespace trunkline
