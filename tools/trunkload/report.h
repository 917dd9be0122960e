// SPDX-License-Identifier: BSD-3-Clause
// What trunkload says when it is over: a table or JSON, a file, and which limits were missed; and
// the lines of JSON on the way. live.h has what people see meanwhile.
#ifndef TRUNKLOAD_REPORT_H
#define TRUNKLOAD_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "state.h"

void report_listening(const Load* load);
// All associations are up.
void report_begin(const Load* load);
// A line of JSON on the way, where --json and --live ask for it.
void report_progress(const Load* load);
// "85 us", "12.3 ms": writes it to `out` and returns that.
const char* report_time(double us, char* out, size_t room);
// Messages a second, without the ramp.
double report_sent_rate(const Load* load);
double report_received_rate(const Load* load);
// After load_close(). False: a limit was missed, which it says; or the report could not be written.
bool report_final(const Load* load);

#endif
