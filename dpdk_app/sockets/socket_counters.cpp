// SPDX-License-Identifier: BSD-3-Clause
// Names and texts of the counters of sockets, for trunkctl and for test messages.
#include "sockets/socket_counters.h"

namespace trunkline::sockets {

std::string_view counter_name(SocketCounter counter) {
  switch (counter) {
#define X(name, text)           \
  case SocketCounter::k_##name: \
    return #name;
    TRUNKLINE_SOCKET_COUNTERS(X)
#undef X
    case SocketCounter::kCount:
      break;
  }
  return "?";
}

std::string_view counter_text(SocketCounter counter) {
  switch (counter) {
#define X(name, text)           \
  case SocketCounter::k_##name: \
    return text;
    TRUNKLINE_SOCKET_COUNTERS(X)
#undef X
    case SocketCounter::kCount:
      break;
  }
  return "?";
}

}  // namespace trunkline::sockets
