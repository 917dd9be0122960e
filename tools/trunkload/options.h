// SPDX-License-Identifier: BSD-3-Clause
// The command line of trunkload.
#ifndef TRUNKLOAD_OPTIONS_H
#define TRUNKLOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "fault.h"
#include "limit.h"
#include "presets.h"
#include "sizes.h"
#include "trunkline/trunkline.h"

typedef enum Traffic {
  kTrafficOneWay,  // the connecting side sends
  kTrafficBoth,
  kTrafficEcho  // the connecting side asks, the listening side answers
} Traffic;

typedef enum Idle { kIdleSleep, kIdleYield, kIdleSpin } Idle;

typedef struct AddressList {
  tl_address at[TL_MAX_ADDRESSES];
  uint32_t count;
} AddressList;

typedef struct Options {
  const char* socket;   // of the daemon; NULL: the default
  const char* profile;  // of the daemon's configuration
  bool listen;          // else connect
  AddressList peers;    // to connect to
  AddressList locals;   // empty: as the daemon has them
  uint64_t port, local_port;
  uint64_t associations, streams;

  Traffic traffic;
  bool reverse;   // the listening side sends, or asks
  SizeMix sizes;  // of what this side sends
  const char* size_text;
  const Preset* preset;  // NULL: none; an answer is then the request's bytes
  bool unordered;
  uint64_t ppid;
  uint64_t seed;

  double rate;      // messages/s over all associations; 0: closed loop
  uint64_t window;  // closed loop; 0: as much as the daemon takes
  uint64_t ramp_ns;
  uint64_t duration_ns;  // of sending; 0: until `count`
  uint64_t count;        // messages that this side sends in all; 0: until `duration_ns`
  uint64_t patience_ns;

  bool verify;
  Fault fault;

  Idle idle;
  uint64_t tx_slots, rx_slots, ring;

  const char* report;  // a file
  bool json;           // lines of JSON on stdout
  bool quiet;
  uint64_t live_ns;  // 0: as it suits where stderr goes
  Limits limits;
} Options;

// What was asked for.
typedef enum Asked { kAskedRun, kAskedHelp, kAskedWrong } Asked;

// kAskedWrong after a sentence to `complaints` that says what would be right.
Asked options_parse(int argc, char** argv, Options* out, FILE* complaints);
void options_help(FILE* out);

// Whether this side sends messages of its own accord, and whether it answers.
bool options_sends(const Options* options);
bool options_answers(const Options* options);
// Whether it measures how long messages took.
bool options_measures(const Options* options);

#endif
