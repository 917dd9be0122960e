// SPDX-License-Identifier: BSD-3-Clause
// See fault.h. Where messages leave, the fault follows from a message's number alone, so that a
// message which the daemon had no room for meets the same fate when it is tried again.
#include "fault.h"

#include <stdlib.h>
#include <string.h>

enum { kUsually = 100 };

bool fault_parse(const char* text, Fault* out) {
  static const char* const kKinds[] = {"", "corrupt", "drop", "swap"};
  static const char* const kEdges[] = {"sender", "receiver"};
  for (int kind = 1; kind < 4; kind++) {
    for (int edge = 0; edge < 2; edge++) {
      const size_t first = strlen(kKinds[kind]);
      const size_t second = strlen(kEdges[edge]);
      if (strncmp(text, kKinds[kind], first) != 0 || text[first] != ':' ||
          strncmp(text + first + 1, kEdges[edge], second) != 0) {
        continue;
      }
      const char* const rest = text + first + 1 + second;
      char* end = NULL;
      *out = (Fault){.kind = (FaultKind)kind, .on_receive = edge == 1, .at = kUsually};
      if (*rest == '\0') {
        return true;
      }
      out->at = strtoull(rest + 1, &end, 10);
      return *rest == ':' && rest[1] >= '0' && rest[1] <= '9' && *end == '\0';
    }
  }
  return false;
}

// Whether the fault's message has a successor in its stream.
static bool is_fit(const Fault* fault, FaultKind kind, uint64_t streams, uint64_t all) {
  return fault->kind == kind && !fault->on_receive && (all == 0 || fault->at + streams < all);
}

uint64_t fault_swapped(const Fault* fault, uint64_t number, uint64_t streams, uint64_t all) {
  if (is_fit(fault, kFaultSwap, streams, all)) {
    if (number == fault->at) {
      return number + streams;
    }
    if (number == fault->at + streams) {
      return fault->at;
    }
  }
  return number;
}

bool fault_drops(const Fault* fault, uint64_t number, uint64_t streams, uint64_t all) {
  return number == fault->at && is_fit(fault, kFaultDrop, streams, all);
}

bool fault_corrupts(const Fault* fault, uint64_t number, uint64_t streams, uint64_t all) {
  return number == fault->at && is_fit(fault, kFaultCorrupt, streams, all);
}

bool fault_was_sent(const Fault* fault, uint64_t sent, uint64_t streams) {
  return sent > fault->at + streams;
}

// ---------------------------------------------------------------- where messages arrive

void fault_free(FaultInbox* inbox) {
  free(inbox->memory);
  inbox->memory = NULL;
}

// A copy of a message, in memory of the inbox. False: there is none.
static bool keep(FaultInbox* inbox, const Parcel* in) {
  inbox->memory = malloc(in->size);
  if (inbox->memory == NULL) {
    return false;
  }
  memcpy(inbox->memory, in->data, in->size);
  inbox->held = *in;
  inbox->held.data = inbox->memory;
  return true;
}

int fault_pass(FaultInbox* inbox, Parcel in, bool last, Parcel out[2]) {
  const bool holding = inbox->memory != NULL && !inbox->happened;
  out[0] = in;
  if (holding && inbox->held.stream == in.stream) {
    out[1] = inbox->held;
    inbox->happened = true;
    return 2;
  }
  const uint64_t number = inbox->seen++;
  if (!inbox->fault.on_receive || inbox->happened || holding || last || number < inbox->fault.at) {
    return 1;
  }
  switch (inbox->fault.kind) {
    case kFaultCorrupt:
      if (keep(inbox, &in)) {
        inbox->memory[in.size - 1] ^= 0x10;
        out[0] = inbox->held;
        inbox->happened = true;
      }
      return 1;
    case kFaultDrop:
      inbox->happened = true;
      return 0;
    case kFaultSwap:
      return keep(inbox, &in) ? 0 : 1;
    case kFaultNone:
      break;
  }
  return 1;
}
