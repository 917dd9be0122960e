// SPDX-License-Identifier: BSD-3-Clause
// See check.h.
#include "check.h"

#include <string.h>

static const uint32_t kMagic = 0x544c4432;  // "TLD2"

// One step of splitmix64: every bit of the result depends on every bit of the value.
static uint64_t mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

static uint64_t hash(const uint8_t* data, size_t size, uint64_t value) {
  size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    uint64_t word;
    memcpy(&word, data + at, 8);
    value = (value ^ word) * 0x9fb21c651e98df25u;
    value ^= value >> 29;
  }
  uint64_t rest = 0;
  memcpy(&rest, data + at, size - at);
  return mix(value ^ rest ^ size);
}

static uint64_t hash_message(const uint8_t* data, size_t size, uint64_t seed) {
  const uint64_t head = hash(data, offsetof(CheckHeader, hash), mix(seed));
  return hash(data + sizeof(CheckHeader), size - sizeof(CheckHeader), head);
}

void check_write(uint8_t* out, size_t size, const CheckHeader* header, uint64_t seed) {
  uint64_t state = mix(
      seed ^ ((uint64_t)header->assoc << 48 | (uint64_t)header->stream << 32 | header->sequence));
  for (size_t at = sizeof(CheckHeader); at < size; at += 8) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const size_t left = size - at;
    memcpy(out + at, &state, left < 8 ? left : 8);
  }
  CheckHeader full = *header;
  full.magic = kMagic;
  memcpy(out, &full, sizeof(full));
  full.hash = hash_message(out, size, seed);
  memcpy(out, &full, sizeof(full));
}

bool check_read(const uint8_t* data, size_t size, uint64_t seed, CheckHeader* out) {
  if (size < kCheckLeast) {
    return false;
  }
  memcpy(out, data, sizeof(*out));
  return out->magic == kMagic && out->hash == hash_message(data, size, seed);
}
