// SPDX-License-Identifier: BSD-3-Clause
// See peer_pattern.h.
#include "peer_pattern.h"

#include <string.h>

enum { kMagic = 0x544c5031 };  // "TLP1"

static void put32(uint8_t* to, uint32_t value) {
  for (int i = 0; i < 4; i++) {
    to[i] = (uint8_t)(value >> (24 - 8 * i));
  }
}

static uint32_t get32(const uint8_t* from) {
  return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static uint64_t next_random(uint64_t* state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void write_body(uint8_t* data, uint32_t size, uint32_t seed, uint16_t stream,
                       uint32_t sequence) {
  uint64_t state = ((uint64_t)seed << 32 | sequence) * 0x9e3779b97f4a7c15u + stream + 1u;
  for (uint32_t i = 0; i < size; i += 8) {
    const uint64_t word = next_random(&state);
    const uint32_t left = size - i;
    memcpy(data + i, &word, left < 8 ? left : 8);
  }
}

// FNV-1a over the body, seeded.
static uint64_t hash(const uint8_t* data, uint32_t size, uint32_t seed) {
  uint64_t value = 0xcbf29ce484222325u ^ seed;
  for (uint32_t i = 0; i < size; i++) {
    value = (value ^ data[i]) * 0x100000001b3u;
  }
  return value;
}

static uint8_t short_byte(uint32_t i, uint32_t size, uint32_t seed, uint16_t stream,
                          uint32_t sequence) {
  return (uint8_t)(i * 13u + size * 7u + seed + stream * 31u + sequence);
}

void pattern_write(uint8_t* data, uint32_t size, uint32_t seed, uint16_t stream,
                   uint32_t sequence) {
  if (size < kPatternHeader) {
    for (uint32_t i = 0; i < size; i++) {
      data[i] = short_byte(i, size, seed, stream, sequence);
    }
    return;
  }
  const uint32_t body = size - kPatternHeader;
  write_body(data + kPatternHeader, body, seed, stream, sequence);
  const uint64_t sum = hash(data + kPatternHeader, body, seed);
  put32(data, kMagic);
  put32(data + 4, stream);
  put32(data + 8, sequence);
  put32(data + 12, size);
  put32(data + 16, (uint32_t)(sum >> 32));
  put32(data + 20, (uint32_t)sum);
}

static enum PatternVerdict check_short(const uint8_t* data, uint32_t size, uint32_t seed,
                                       uint16_t stream, uint32_t sequence, bool unordered) {
  const uint8_t first = short_byte(0, size, seed, stream, sequence);
  const uint8_t shift = (uint8_t)(data[0] - first);  // how far its sequence number is off
  for (uint32_t i = 0; i < size; i++) {
    if (data[i] != (uint8_t)(short_byte(i, size, seed, stream, sequence) + shift)) {
      return kPatternCorrupt;
    }
  }
  return shift != 0 && !unordered ? kPatternMisordered : kPatternGood;
}

uint32_t pattern_sequence(const uint8_t* data) {
  return get32(data + 8);
}

enum PatternVerdict pattern_check(const uint8_t* data, uint32_t size, uint32_t seed,
                                  uint16_t stream, uint32_t sequence, bool unordered) {
  if (size == 0) {
    return kPatternCorrupt;
  }
  if (size < kPatternHeader) {
    return check_short(data, size, seed, stream, sequence, unordered);
  }
  const uint32_t body = size - kPatternHeader;
  const uint64_t sum = hash(data + kPatternHeader, body, seed);
  if (get32(data) != kMagic || get32(data + 4) != stream || get32(data + 12) != size ||
      get32(data + 16) != (uint32_t)(sum >> 32) || get32(data + 20) != (uint32_t)sum) {
    return kPatternCorrupt;
  }
  const uint32_t number = get32(data + 8);
  // The hash says that the body is whole; this says that it is the body of this very message.
  uint8_t start[8];
  write_body(start, body < 8 ? body : 8, seed, stream, number);
  if (memcmp(start, data + kPatternHeader, body < 8 ? body : 8) != 0) {
    return kPatternCorrupt;
  }
  return number != sequence && !unordered ? kPatternMisordered : kPatternGood;
}
