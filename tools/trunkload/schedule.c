// SPDX-License-Identifier: BSD-3-Clause
// See schedule.h. Doubles are exact for what is asked here: a run of 100 days has 2^53 nanoseconds.
#include "schedule.h"

#include <math.h>

void schedule_set(Schedule* schedule, uint64_t begin_ns, double rate, uint64_t ramp_ns) {
  *schedule = (Schedule){.begin_ns = begin_ns, .per_ns = rate / 1e9, .ramp_ns = (double)ramp_ns};
}

uint64_t schedule_time(const Schedule* schedule, uint64_t number) {
  // The ramp is a triangle: half as many messages as the full rate would send in its time.
  const double in_ramp = schedule->ramp_ns * schedule->per_ns / 2;
  const double n = (double)number;
  const double after = n < in_ramp ? sqrt(2 * n * schedule->ramp_ns / schedule->per_ns)
                                   : schedule->ramp_ns + (n - in_ramp) / schedule->per_ns;
  return schedule->begin_ns + (uint64_t)after;
}

uint64_t schedule_due(const Schedule* schedule, uint64_t now_ns) {
  if (now_ns < schedule->begin_ns) {
    return 0;
  }
  const double past = (double)(now_ns - schedule->begin_ns);
  const double in_ramp = schedule->ramp_ns * schedule->per_ns / 2;
  const double due = past < schedule->ramp_ns
                         ? past * past * schedule->per_ns / (2 * schedule->ramp_ns)
                         : in_ramp + (past - schedule->ramp_ns) * schedule->per_ns;
  // The two functions round in different places; the other one decides.
  uint64_t number = (uint64_t)due;
  while (number > 0 && schedule_time(schedule, number - 1) > now_ns) {
    number--;
  }
  while (schedule_time(schedule, number) <= now_ns) {
    number++;
  }
  return number;
}
