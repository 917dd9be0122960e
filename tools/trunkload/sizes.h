// SPDX-License-Identifier: BSD-3-Clause
// Message sizes: one, a weighted mix, or the mix of a signalling protocol. A message's size follows
// from its place alone (seed, association, number), so a message that could not be sent has the
// same size when it is tried again.
#ifndef TRUNKLOAD_SIZES_H
#define TRUNKLOAD_SIZES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { kSizeSlots = 1024, kSizeLeast = 16, kSizeMost = 262144 };

typedef struct SizeMix {
  uint32_t slots[kSizeSlots];  // each size as often as its weight says
  uint32_t least, most;
  double mean;
} SizeMix;

// "200", or "64:5,300:1": sizes in bytes with weights. False after a sentence in `why`.
bool sizes_parse(const char* text, SizeMix* out, char* why, size_t room);
// The size of message `number` of a sequence that `key` names.
uint32_t sizes_pick(const SizeMix* mix, uint64_t key, uint64_t number);
// Every bit of the result depends on every bit of the value.
uint64_t sizes_scatter(uint64_t value);

#endif
