// SPDX-License-Identifier: BSD-3-Clause
// See demo_ledger.h.
#include "demo_ledger.h"

#include <stdlib.h>

bool demo_ledger_open(DemoLedger* ledger, uint32_t streams, uint32_t expected) {
  *ledger = (DemoLedger){.stream_count = streams, .expected = expected, .peer_assoc = -1};
  ledger->streams = calloc(streams, sizeof(DemoStream));
  bool ok = ledger->streams != NULL;
  for (uint32_t i = 0; ok && i < streams; i++) {
    ledger->streams[i].seen = calloc(expected / 64 + 1, sizeof(uint64_t));
    ok = ledger->streams[i].seen != NULL;
  }
  return ok;
}

bool demo_ledger_take(DemoLedger* ledger, const DemoHeader* header, uint16_t stream,
                      DemoCounts* counts) {
  if (ledger->peer_assoc < 0) {
    ledger->peer_assoc = header->assoc;
  }
  if (header->assoc != ledger->peer_assoc || header->stream != stream ||
      stream >= ledger->stream_count || header->total != ledger->expected ||
      header->sequence >= header->total) {
    return false;
  }
  DemoStream* const s = &ledger->streams[stream];
  uint64_t* const word = &s->seen[header->sequence / 64];
  const uint64_t bit = (uint64_t)1 << (header->sequence % 64);
  if ((*word & bit) != 0) {
    counts->duplicated++;
    return true;
  }
  *word |= bit;
  s->unique++;
  if (header->sequence < s->next) {
    counts->misordered++;
    return true;
  }
  s->next = header->sequence + 1;
  if (s->next == header->total) {
    ledger->done++;
  }
  return true;
}

bool demo_ledger_complete(const DemoLedger* ledger) {
  return ledger->done == ledger->stream_count;
}

void demo_ledger_close(DemoLedger* ledger, DemoCounts* counts) {
  for (uint32_t i = 0; ledger->streams != NULL && i < ledger->stream_count; i++) {
    counts->lost += ledger->expected - ledger->streams[i].unique;
    free(ledger->streams[i].seen);
  }
  free(ledger->streams);
  ledger->streams = NULL;
}

void demo_histogram_add(DemoHistogram* histogram, uint64_t value) {
  const uint64_t v = value | 1;
  const uint32_t top = 63u - (uint32_t)__builtin_clzll(v);
  const uint32_t shift = top > kDemoSubBits ? top - kDemoSubBits : 0;
  // Values below 64 have a bucket each; above, 32 for each power of two.
  histogram->counts[(shift << kDemoSubBits) + (v >> shift)]++;
}

uint64_t demo_histogram_value(uint32_t bucket) {
  if (bucket < (2u << kDemoSubBits)) {
    return bucket;
  }
  const uint32_t shift = (bucket >> kDemoSubBits) - 1;
  const uint64_t low = (uint64_t)(bucket - (shift << kDemoSubBits)) << shift;
  return low + ((uint64_t)1 << shift) / 2;
}
