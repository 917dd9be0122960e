// SPDX-License-Identifier: BSD-3-Clause
// What the environment asks for (trunkline-run sets it), read once at start.
#pragma once

namespace trunkline::sctp {

struct Mode {
  bool trace = false;  // TRUNKLINE_TRACE: each call on standard error
  bool tcp = false;    // TRUNKLINE_TCP: TCP sockets become one-to-one SCTP sockets
};

extern Mode mode;
void read_mode();

}  // namespace trunkline::sctp
