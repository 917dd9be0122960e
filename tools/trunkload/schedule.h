// SPDX-License-Identifier: BSD-3-Clause
// The open loop: when each message is to be sent, whatever happens to those before it. The rate
// grows evenly from nothing during the ramp. Message 0, 1, 2 ... of the whole run; no clock in
// here.
#ifndef TRUNKLOAD_SCHEDULE_H
#define TRUNKLOAD_SCHEDULE_H

#include <stdint.h>

typedef struct Schedule {
  uint64_t begin_ns;
  double per_ns;   // messages, once the ramp is over
  double ramp_ns;  // 0: none
} Schedule;

// `rate` is in messages a second, above 0.
void schedule_set(Schedule* schedule, uint64_t begin_ns, double rate, uint64_t ramp_ns);
// When message `number` is to be sent.
uint64_t schedule_time(const Schedule* schedule, uint64_t number);
// How many messages are to have been sent by then: the lowest number whose time is later.
uint64_t schedule_due(const Schedule* schedule, uint64_t now_ns);

#endif
