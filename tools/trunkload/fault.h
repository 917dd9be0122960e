// SPDX-License-Identifier: BSD-3-Clause
// A fault on purpose, between this program and its messages: one message corrupted, dropped or
// swapped with its successor in the stream. It shows that the judge would notice. It needs
// --verify.
#ifndef TRUNKLOAD_FAULT_H
#define TRUNKLOAD_FAULT_H

#include <stdbool.h>
#include <stdint.h>

typedef enum FaultKind { kFaultNone, kFaultCorrupt, kFaultDrop, kFaultSwap } FaultKind;

typedef struct Fault {
  FaultKind kind;
  bool on_receive;  // else where messages leave
  uint64_t at;      // it happens to this message of the first association, or soon after
} Fault;

// "drop:sender", "corrupt:receiver:500". False: it is none.
bool fault_parse(const char* text, Fault* out);

// -- where messages leave: what happens to number `number` of the first association, one of `all`
// (0: not known). The last messages of the streams are spared, since they tell the end.
// The message whose content goes in its place; `number` itself unless this is a swap.
uint64_t fault_swapped(const Fault* fault, uint64_t number, uint64_t streams, uint64_t all);
bool fault_drops(const Fault* fault, uint64_t number, uint64_t streams, uint64_t all);
bool fault_corrupts(const Fault* fault, uint64_t number, uint64_t streams, uint64_t all);
// After `sent` messages it has happened.
bool fault_was_sent(const Fault* fault, uint64_t sent, uint64_t streams);

// -- where messages arrive
typedef struct Parcel {
  const uint8_t* data;
  uint32_t size;
  uint16_t stream;
} Parcel;

typedef struct FaultInbox {
  Fault fault;
  uint64_t seen;
  bool happened;
  Parcel held;      // a swap's first message, in `memory`
  uint8_t* memory;  // a copy of the message that it happens to
} FaultInbox;

// Passes a message of the first association on; `last` says that it is its stream's last or last
// but one. Returns how many come out: 0, 1, or 2. What comes out is good until the next call.
int fault_pass(FaultInbox* inbox, Parcel in, bool last, Parcel out[2]);
void fault_free(FaultInbox* inbox);

#endif
