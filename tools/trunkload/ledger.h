// SPDX-License-Identifier: BSD-3-Clause
// The judge: what one direction of one association has received, message by message. It knows
// nothing of the ring API.
#ifndef TRUNKLOAD_LEDGER_H
#define TRUNKLOAD_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"

// What may be wrong with what was received.
typedef struct Verdict {
  uint64_t corrupted;   // the hash is wrong, or the message is not where it says it is
  uint64_t duplicated;  // came before
  uint64_t misordered;  // came after a later one of its stream
  uint64_t lost;        // known when the association is over: see ledger_close()
} Verdict;

typedef struct LedgerStream {
  uint64_t* seen;   // a bit for each sequence number
  uint64_t room;    // bits
  uint64_t next;    // one above the highest that came
  uint64_t unique;  // different ones that came
} LedgerStream;

typedef struct Ledger {
  LedgerStream* streams;
  uint32_t stream_count;
  bool unordered;      // order is not judged
  bool ended;          // `end` is known
  uint64_t end;        // messages on all streams, dealt out in turn from stream 0 on
  int64_t peer_assoc;  // the peer's number of the association; -1: not known yet
} Ledger;

// False: no memory.
bool ledger_open(Ledger* ledger, uint32_t streams, bool unordered);
// A message with a good hash came on `stream`. False: it contradicts itself, or what came before;
// it counts as corrupted.
bool ledger_take(Ledger* ledger, const CheckHeader* header, uint16_t stream, Verdict* verdict);
// How many messages were sent in all.
void ledger_end(Ledger* ledger, uint64_t messages);
// The end is known, and every stream has carried its last message: those before it that did not
// come are lost. (Unordered: every message has come.)
bool ledger_complete(const Ledger* ledger);
// Adds to verdict->lost what never came, as far as is known, and frees.
void ledger_close(Ledger* ledger, Verdict* verdict);

#endif
