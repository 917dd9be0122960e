// SPDX-License-Identifier: BSD-3-Clause
// See sizes.h.
#include "sizes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kMostKinds = 64 };

typedef struct Kind {
  uint64_t size, weight;
} Kind;

// One step of splitmix64.
uint64_t sizes_scatter(uint64_t value) {
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

uint32_t sizes_pick(const SizeMix* mix, uint64_t key, uint64_t number) {
  if (mix->least == mix->most) {
    return mix->most;
  }
  return mix->slots[sizes_scatter(key ^ number) % kSizeSlots];
}

// Digits up to `stop` or the end; false: something else is there.
static bool number(const char** text, uint64_t* out) {
  if (**text < '0' || **text > '9') {
    return false;
  }
  char* end = NULL;
  *out = strtoull(*text, &end, 10);
  *text = end;
  return true;
}

// "SIZE[:WEIGHT]", and the comma behind it.
static bool one_kind(const char** text, Kind* out, char* why, size_t room) {
  const char* const began = *text;
  out->weight = 1;
  bool ok = number(text, &out->size);
  if (ok && **text == ':') {
    ++*text;
    ok = number(text, &out->weight);
  }
  if (!ok || (**text != '\0' && **text != ',')) {
    snprintf(why, room, "\"%.20s\" is no size; write 200, or sizes with weights: 64:5,300:1",
             began);
    return false;
  }
  if (out->size < kSizeLeast || out->size > kSizeMost) {
    snprintf(why, room, "a size is %d (a time stamp must fit) to %d bytes, not %.20s", kSizeLeast,
             kSizeMost, began);
    return false;
  }
  if (out->weight > 1000000) {
    snprintf(why, room, "a weight is 0 to 1000000, not in \"%.30s\"", began);
    return false;
  }
  if (**text == ',') {
    ++*text;
  }
  return true;
}

// Deals the slots out by weight: each kind gets its share to a slot, but at least one.
static bool fill(const Kind* kinds, uint32_t count, SizeMix* out) {
  uint64_t all = 0;
  uint32_t left = 0;  // kinds that need a slot
  for (uint32_t i = 0; i < count; i++) {
    all += kinds[i].weight;
    left += kinds[i].weight > 0 ? 1 : 0;
  }
  if (all == 0) {
    return false;
  }
  uint64_t before = 0;
  uint32_t slot = 0;
  double bytes = 0;
  *out = (SizeMix){.least = UINT32_MAX};
  for (uint32_t i = 0; i < count; i++) {
    if (kinds[i].weight == 0) {
      continue;
    }
    const uint32_t size = (uint32_t)kinds[i].size;
    before += kinds[i].weight;
    left--;
    uint64_t until = (before * kSizeSlots + all / 2) / all;
    until = until > slot ? until : slot + 1;
    until = until < kSizeSlots - left ? until : kSizeSlots - left;
    bytes += (double)size * (double)(until - slot);
    while (slot < until) {
      out->slots[slot++] = size;
    }
    out->least = size < out->least ? size : out->least;
    out->most = size > out->most ? size : out->most;
  }
  out->mean = bytes / kSizeSlots;
  return true;
}

bool sizes_parse(const char* text, SizeMix* out, char* why, size_t room) {
  Kind kinds[kMostKinds];
  uint32_t count = 0;
  do {
    if (count == kMostKinds) {
      snprintf(why, room, "more than %d sizes", kMostKinds);
      return false;
    }
    if (!one_kind(&text, &kinds[count++], why, room)) {
      return false;
    }
  } while (*text != '\0');
  if (!fill(kinds, count, out)) {
    snprintf(why, room, "all weights are 0");
    return false;
  }
  return true;
}
