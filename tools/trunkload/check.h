// SPDX-License-Identifier: BSD-3-Clause
// Messages whose content is verified: a header, pseudo-random content, and a hash of all of it that
// is seeded from the command line. Integers are in the machine's order, time is CLOCK_MONOTONIC.
#ifndef TRUNKLOAD_CHECK_H
#define TRUNKLOAD_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define kCheckFromListener 0x80000000u

typedef struct CheckHeader {
  uint32_t magic;
  uint32_t assoc;     // the sender's number of it; kCheckFromListener: who accepted it sent this
  uint32_t sequence;  // within the stream, from 0
  uint32_t total;     // how many the stream will have carried when it is done; 0: not known yet
  uint16_t stream;    // as in the DATA chunk
  uint16_t in_ramp;   // not to be measured
  uint32_t reserved;
  uint64_t due_ns;
  uint64_t hash;  // of everything else, header, content and size
} CheckHeader;

enum { kCheckLeast = sizeof(CheckHeader) };

// Writes a message of `size` bytes, at least kCheckLeast. `header` needs no magic and no hash.
void check_write(uint8_t* out, size_t size, const CheckHeader* header, uint64_t seed);

// Reads a message and recomputes its hash. False: corrupted.
bool check_read(const uint8_t* data, size_t size, uint64_t seed, CheckHeader* out);

#endif
