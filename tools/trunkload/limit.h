// SPDX-License-Identifier: BSD-3-Clause
// What was asked of a run, against what it did.
#ifndef TRUNKLOAD_LIMIT_H
#define TRUNKLOAD_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Limits that were not given are negative; losses are never unlimited unless that is said.
typedef struct Limits {
  double p50_us, p90_us, p99_us, p999_us, latency_us;
  double rate;
  uint64_t lost, associations_lost;
  double unsent;
} Limits;

// What a run came to.
typedef struct Outcome {
  uint64_t measured;  // messages whose latency is known
  double p50_us, p90_us, p99_us, p999_us, most_us;
  double rate;  // messages/s received, or sent where nothing comes back
  uint64_t lost, associations_lost, unsent;
  uint64_t wrong;  // corrupted, repeated, out of order
} Outcome;

typedef struct Limit {
  const char* name;  // the option's, without the dashes
  const char* unit;
  double limit, value;
  bool met;
} Limit;

enum { kMostLimits = 10 };

// Judges every limit that holds; returns how many there are. A limit of a latency that nobody has
// measured is missed.
size_t limits_judge(const Limits* limits, const Outcome* outcome, Limit out[kMostLimits]);

#endif
