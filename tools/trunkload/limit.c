// SPDX-License-Identifier: BSD-3-Clause
// See limit.h.
#include "limit.h"

static void most(Limit* out, size_t* count, const char* name, const char* unit, double limit,
                 double value, bool known) {
  if (limit >= 0) {
    out[(*count)++] = (Limit){name, unit, limit, value, known && value <= limit};
  }
}

size_t limits_judge(const Limits* limits, const Outcome* outcome, Limit out[kMostLimits]) {
  const Outcome* const o = outcome;
  const bool known = o->measured > 0;
  size_t count = 0;
  most(out, &count, "max-p50", "us", limits->p50_us, o->p50_us, known);
  most(out, &count, "max-p90", "us", limits->p90_us, o->p90_us, known);
  most(out, &count, "max-p99", "us", limits->p99_us, o->p99_us, known);
  most(out, &count, "max-p99.9", "us", limits->p999_us, o->p999_us, known);
  most(out, &count, "max-latency", "us", limits->latency_us, o->most_us, known);
  if (limits->rate >= 0) {
    out[count++] = (Limit){"min-rate", "/s", limits->rate, o->rate, o->rate >= limits->rate};
  }
  most(out, &count, "max-lost", "", (double)limits->lost, (double)o->lost, true);
  most(out, &count, "max-associations-lost", "", (double)limits->associations_lost,
       (double)o->associations_lost, true);
  most(out, &count, "max-unsent", "", limits->unsent, (double)o->unsent, true);
  // Nobody asks for these.
  most(out, &count, "wrong", "", 0, (double)o->wrong, true);
  return count;
}
