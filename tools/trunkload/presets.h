// SPDX-License-Identifier: BSD-3-Clause
// Mixes of message sizes as signalling protocols have them, each way. docs/trunkload.md derives
// them.
#ifndef TRUNKLOAD_PRESETS_H
#define TRUNKLOAD_PRESETS_H

#include <stdint.h>

typedef struct Preset {
  const char* name;
  const char* up;    // from the connecting side, as sizes_parse() reads it
  const char* down;  // from the listening side
  uint32_t ppid;     // as registered with IANA
} Preset;

// NULL: no such preset.
const Preset* preset_named(const char* name);

#endif
