// SPDX-License-Identifier: BSD-3-Clause
// See demo_fault.h.
#include "demo_fault.h"

#include <string.h>

// The header is read without its hash: a fault may stand behind another.
static bool is_near_end(const DemoParcel* parcel) {
  DemoHeader header;
  memcpy(&header, parcel->data, sizeof(header));
  return header.sequence + 2 >= header.total;
}

int demo_fault_pass(DemoFault* fault, int assoc, const DemoParcel* in, DemoParcel out[2]) {
  if (fault->kind == kDemoFaultSwap && fault->held_assoc == assoc &&
      fault->held.stream == in->stream) {
    if (in != &out[0]) {
      out[0] = *in;
    }
    out[1] = fault->held;
    fault->kind = kDemoFaultNone;
    return 2;
  }
  const uint64_t number = fault->seen++;
  if (in != &out[0]) {
    out[0] = *in;
  }
  if (fault->kind == kDemoFaultNone || number < fault->at || is_near_end(in) ||
      fault->held_assoc >= 0) {
    return 1;
  }
  switch (fault->kind) {
    case kDemoFaultCorrupt:
      out[0].data[out[0].size - 1] ^= 0x10;
      fault->kind = kDemoFaultNone;
      return 1;
    case kDemoFaultDrop:
      fault->kind = kDemoFaultNone;
      return 0;
    default:
      fault->held = *in;
      fault->held_assoc = assoc;
      return 0;
  }
}
