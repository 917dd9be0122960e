// SPDX-License-Identifier: BSD-3-Clause
// See ledger.h.
#include "ledger.h"

#include <stdlib.h>
#include <string.h>

// A sequence number that far ahead is no gap, it is nonsense.
static const uint64_t kFarAhead = 1 << 24;

bool ledger_open(Ledger* ledger, uint32_t streams, bool unordered) {
  *ledger = (Ledger){.stream_count = streams, .unordered = unordered, .peer_assoc = -1};
  ledger->streams = calloc(streams, sizeof(LedgerStream));
  return ledger->streams != NULL;
}

static uint64_t total_of(const Ledger* ledger, uint32_t stream) {
  return ledger->end / ledger->stream_count + (stream < ledger->end % ledger->stream_count ? 1 : 0);
}

// Room for that bit. False: no memory.
static bool reach(LedgerStream* stream, uint64_t bit) {
  if (bit < stream->room) {
    return true;
  }
  uint64_t room = stream->room == 0 ? 512 : stream->room;
  while (room <= bit) {
    room *= 2;
  }
  uint64_t* const seen = realloc(stream->seen, room / 8);
  if (seen == NULL) {
    return false;
  }
  memset(seen + stream->room / 64, 0, (room - stream->room) / 8);
  stream->seen = seen;
  stream->room = room;
  return true;
}

static bool is_plausible(Ledger* ledger, const CheckHeader* header, uint16_t stream) {
  if (ledger->peer_assoc < 0) {
    ledger->peer_assoc = header->assoc;
  }
  return header->assoc == ledger->peer_assoc && header->stream == stream &&
         stream < ledger->stream_count &&
         header->sequence < ledger->streams[stream].next + kFarAhead &&
         (header->total == 0 || header->sequence < header->total) &&
         (!ledger->ended || header->sequence < total_of(ledger, stream));
}

bool ledger_take(Ledger* ledger, const CheckHeader* header, uint16_t stream, Verdict* verdict) {
  if (!is_plausible(ledger, header, stream) || !reach(&ledger->streams[stream], header->sequence)) {
    return false;
  }
  LedgerStream* const s = &ledger->streams[stream];
  uint64_t* const word = &s->seen[header->sequence / 64];
  const uint64_t bit = (uint64_t)1 << (header->sequence % 64);
  if ((*word & bit) != 0) {
    verdict->duplicated++;
    return true;
  }
  *word |= bit;
  s->unique++;
  if (header->sequence >= s->next) {
    s->next = (uint64_t)header->sequence + 1;
  } else if (!ledger->unordered) {
    verdict->misordered++;
  }
  return true;
}

void ledger_end(Ledger* ledger, uint64_t messages) {
  ledger->ended = true;
  ledger->end = messages;
}

bool ledger_complete(const Ledger* ledger) {
  for (uint32_t i = 0; i < ledger->stream_count; i++) {
    const LedgerStream* const s = &ledger->streams[i];
    if ((ledger->unordered ? s->unique : s->next) < total_of(ledger, i)) {
      return false;
    }
  }
  return ledger->ended;
}

void ledger_close(Ledger* ledger, Verdict* verdict) {
  for (uint32_t i = 0; ledger->streams != NULL && i < ledger->stream_count; i++) {
    const LedgerStream* const s = &ledger->streams[i];
    verdict->lost += (ledger->ended ? total_of(ledger, i) : s->next) - s->unique;
    free(s->seen);
  }
  free(ledger->streams);
  ledger->streams = NULL;
}
