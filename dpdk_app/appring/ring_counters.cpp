// SPDX-License-Identifier: BSD-3-Clause
// Names and texts of the ring counters, for trunkctl and for test messages.
#include "appring/ring_counters.h"

namespace trunkline::appring {

std::string_view counter_name(RingCounter counter) {
  switch (counter) {
#define X(name, text)         \
  case RingCounter::k_##name: \
    return #name;
    TRUNKLINE_RING_COUNTERS(X)
#undef X
    case RingCounter::kCount:
      break;
  }
  return "?";
}

std::string_view counter_text(RingCounter counter) {
  switch (counter) {
#define X(name, text)         \
  case RingCounter::k_##name: \
    return text;
    TRUNKLINE_RING_COUNTERS(X)
#undef X
    case RingCounter::kCount:
      break;
  }
  return "?";
}

}  // namespace trunkline::appring
