// SPDX-License-Identifier: BSD-3-Clause
// The demo's judge: what one direction of one association has received, message by message, and a
// histogram of how long the messages took. It knows nothing of the ring API.
#ifndef TRUNKLINE_DEMO_LEDGER_H
#define TRUNKLINE_DEMO_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "demo_message.h"

// Counts of everything that may be wrong with a message, and of what is right.
typedef struct DemoCounts {
  uint64_t sent, sent_bytes;
  uint64_t received, received_bytes;
  uint64_t corrupted;   // the hash is wrong, or the message is on a stream that it does not name
  uint64_t duplicated;  // came before
  uint64_t misordered;  // came after a later one of its stream
  uint64_t lost;        // known when the association is over: see demo_ledger_close()
} DemoCounts;

typedef struct DemoStream {
  uint64_t* seen;   // a bit for each sequence number
  uint32_t next;    // one above the highest that came
  uint32_t unique;  // different ones that came
} DemoStream;

typedef struct DemoLedger {
  DemoStream* streams;
  uint32_t stream_count;
  uint32_t expected;  // messages of each stream
  uint32_t done;      // streams whose last message came
  int peer_assoc;     // the peer's number of the association; -1: not known yet
} DemoLedger;

// `expected` messages are to come on each stream. False: no memory.
bool demo_ledger_open(DemoLedger* ledger, uint32_t streams, uint32_t expected);
// A message with a good hash came on `stream`. False: it contradicts itself; it counts as
// corrupted.
bool demo_ledger_take(DemoLedger* ledger, const DemoHeader* header, uint16_t stream,
                      DemoCounts* counts);
// Every stream has carried its last message. Messages before it that did not come are lost.
bool demo_ledger_complete(const DemoLedger* ledger);
// Adds what never came to counts->lost, and frees.
void demo_ledger_close(DemoLedger* ledger, DemoCounts* counts);

// Nanoseconds in buckets of 1/32 of a power of two: 3 % wide, whatever the value.
enum { kDemoSubBits = 5, kDemoBuckets = (64 - kDemoSubBits + 1) << kDemoSubBits };

typedef struct DemoHistogram {
  uint64_t counts[kDemoBuckets];
} DemoHistogram;

void demo_histogram_add(DemoHistogram* histogram, uint64_t value);
// The middle of a bucket.
uint64_t demo_histogram_value(uint32_t bucket);

#endif
