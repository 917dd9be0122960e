// SPDX-License-Identifier: BSD-3-Clause
// A fault on purpose, between the application and its messages: one message corrupted, dropped or
// swapped with its successor in the stream. It shows that the demo would notice.
#ifndef TRUNKLINE_DEMO_FAULT_H
#define TRUNKLINE_DEMO_FAULT_H

#include <stdint.h>

#include "demo_message.h"

typedef enum DemoFaultKind {
  kDemoFaultNone,
  kDemoFaultCorrupt,
  kDemoFaultDrop,
  kDemoFaultSwap
} DemoFaultKind;

typedef struct DemoParcel {
  uint16_t stream;
  uint16_t size;
  uint8_t data[kDemoLongest + 4];
} DemoParcel;

typedef struct DemoFault {
  DemoFaultKind kind;
  uint64_t at;  // the fault happens to the first fit message from this one on
  uint64_t seen;
  int held_assoc;  // swap: whose message waits for its successor; -1: none
  DemoParcel held;
} DemoFault;

// Passes a message of association `assoc` on. Returns how many come out: 0, 1, or 2, in out[0] and
// out[1]; out[0] may be `in`. The last message of a stream is spared, since it tells the end.
int demo_fault_pass(DemoFault* fault, int assoc, const DemoParcel* in, DemoParcel out[2]);

#endif
