// SPDX-License-Identifier: BSD-3-Clause
// What people see while it runs, on standard error: one line that changes on a terminal, else a
// line now and then.
#ifndef TRUNKLOAD_LIVE_H
#define TRUNKLOAD_LIVE_H

#include <stdint.h>

#include "state.h"

// Looks at the time, and says how it goes when that is due.
void live_look(const Load* load, uint64_t now);
// Takes the line away.
void live_end(const Load* load);

#endif
