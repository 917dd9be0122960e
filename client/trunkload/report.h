// SPDX-License-Identifier: BSD-3-Clause
// What trunkload says: while it runs, and when it is over.
#ifndef TRUNKLOAD_REPORT_H
#define TRUNKLOAD_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "load.h"

void report_listening(const Load* load);
// All associations are up.
void report_begin(const Load* load);
// Looks at the time, and now and then says how it goes.
void report_live(const Load* load, uint64_t now);
// After load_close(). False: a limit was missed, which it says; or the report could not be written.
bool report_final(const Load* load);

#endif
