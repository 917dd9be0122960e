// SPDX-License-Identifier: BSD-3-Clause
// The command line of demo_app.
#ifndef TRUNKLINE_DEMO_OPTIONS_H
#define TRUNKLINE_DEMO_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "demo_fault.h"
#include "trunkline/trunkline.h"

typedef struct DemoOptions {
  const char* socket;  // of the daemon
  bool listen;         // else connect
  tl_address address;  // whom to connect to
  uint16_t port;
  uint32_t associations;
  uint32_t streams;     // of each association, both ways
  uint32_t per_stream;  // messages to send on each stream, and to expect
  uint32_t window;      // messages that an association may send ahead of what it received
  uint64_t seed;
  bool echo;  // the peer sends our own messages back; else it sends as many of its own
  DemoFaultKind fault;
  bool fault_on_receive;  // else on the way out
  uint64_t fault_at;
  uint32_t live_ms;     // a line of JSON that often; 0: only at the end
  uint32_t patience_s;  // without any event before it gives up
} DemoOptions;

// False after a message on stderr.
bool demo_options_parse(int argc, char** argv, DemoOptions* out);

#endif
