// SPDX-License-Identifier: BSD-3-Clause
// The steady exchange (--mode steady): both sides send --count messages at --rate a second over all
// streams, and each message carries the time at which its application had it ready. Whoever
// receives checks that nothing is lost, repeated, misordered or changed, and remembers when it
// came.
#ifndef TRUNKLINE_PEER_STEADY_H
#define TRUNKLINE_PEER_STEADY_H

#include "peer_common.h"

// Runs one association over a transport that has been started, and prints the report; the
// program's exit status.
// With --end wait it shuts down after a SIGUSR1, once all has been sent and received.
int steady_run(const struct Options* options, const struct Transport* transport);

#endif
