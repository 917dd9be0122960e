// SPDX-License-Identifier: BSD-3-Clause
// See histogram.h.
#include "histogram.h"

void histogram_add(Histogram* histogram, uint64_t value) {
  const uint64_t v = value | 1;
  const uint32_t top = 63u - (uint32_t)__builtin_clzll(v);
  const uint32_t shift = top > kHistogramSubBits ? top - kHistogramSubBits : 0;
  // Values below 64 have a bucket each; above, 32 for each power of two.
  histogram->counts[(shift << kHistogramSubBits) + (value >> shift)]++;
  histogram->total++;
  histogram->sum += value;
  histogram->most = value > histogram->most ? value : histogram->most;
}

uint64_t histogram_value(uint32_t bucket) {
  if (bucket < (2u << kHistogramSubBits)) {
    return bucket;
  }
  const uint32_t shift = (bucket >> kHistogramSubBits) - 1;
  const uint64_t low = (uint64_t)(bucket - (shift << kHistogramSubBits)) << shift;
  return low + ((uint64_t)1 << shift) / 2;
}

uint64_t histogram_percentile(const Histogram* histogram, double share) {
  if (share >= 1) {
    return histogram->most;
  }
  const double wanted = share * (double)histogram->total;
  uint64_t seen = 0;
  for (uint32_t i = 0; i < kHistogramBuckets; i++) {
    seen += histogram->counts[i];
    if (seen != 0 && (double)seen >= wanted) {
      const uint64_t value = histogram_value(i);
      return value < histogram->most ? value : histogram->most;
    }
  }
  return histogram->most;
}

double histogram_mean(const Histogram* histogram) {
  return histogram->total == 0 ? 0 : (double)histogram->sum / (double)histogram->total;
}
