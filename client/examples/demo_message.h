// SPDX-License-Identifier: BSD-3-Clause
// The demo's messages: 64 to 300 bytes, a header and pseudo-random content, and a hash of all of it
// that is seeded from the command line. Both ends run on one machine, so integers are in its order
// and time stamps are CLOCK_MONOTONIC.
#ifndef TRUNKLINE_DEMO_MESSAGE_H
#define TRUNKLINE_DEMO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { kDemoShortest = 64, kDemoLongest = 300, kDemoFromListener = 0x8000 };

typedef struct DemoHeader {
  uint32_t magic;
  uint16_t assoc;     // the sender's number of it; kDemoFromListener: who accepted it sent this
  uint16_t stream;    // as in the DATA chunk
  uint32_t sequence;  // within the stream, from 0
  uint32_t total;     // how many the stream will have carried when it is done
  uint64_t sent_ns;
  uint64_t hash;  // of everything else, header and content
} DemoHeader;

// Writes a message; its size, which depends on seed, association, stream and sequence alone.
// `header` needs no magic and no hash.
size_t demo_message_make(uint8_t* out, const DemoHeader* header, uint64_t seed);

// Reads a message and recomputes its hash. False: corrupted.
bool demo_message_read(const uint8_t* data, size_t size, uint64_t seed, DemoHeader* out);

uint64_t demo_now_ns(void);

#endif
