// SPDX-License-Identifier: BSD-3-Clause
// How long messages took: nanoseconds in log-linear buckets, 32 for each power of two, so that
// every value is known to 3 %, whatever its size. Adding one costs a few instructions and no
// branch.
#ifndef TRUNKLOAD_HISTOGRAM_H
#define TRUNKLOAD_HISTOGRAM_H

#include <stdint.h>

enum {
  kHistogramSubBits = 5,
  kHistogramBuckets = (64 - kHistogramSubBits + 1) << kHistogramSubBits
};

typedef struct Histogram {
  uint64_t counts[kHistogramBuckets];
  uint64_t total;  // values
  uint64_t sum;    // of the values
  uint64_t most;   // the largest value, exactly
} Histogram;

void histogram_add(Histogram* histogram, uint64_t value);
// The middle of a bucket.
uint64_t histogram_value(uint32_t bucket);
// The value that this share (0 to 1) of all values does not exceed, to a bucket's width, and never
// above the largest; 0 when there is none.
uint64_t histogram_percentile(const Histogram* histogram, double share);
double histogram_mean(const Histogram* histogram);

#endif
