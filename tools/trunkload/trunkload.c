// SPDX-License-Identifier: BSD-3-Clause
// trunkload: load on SCTP associations through the ring API, open loop or closed, with latency,
// reports and limits. docs/trunkload.md shows how it is used.
#include <signal.h>
#include <stdio.h>

#include "load.h"
#include "options.h"
#include "report.h"

static volatile sig_atomic_t interrupts;

// Once: send no more, and end in order; twice, or SIGTERM: give up.
static void on_signal(int number) {
  interrupts = number == SIGINT && interrupts == 0 ? 1 : 2;
}

int main(int argc, char** argv) {
  static Load load;
  switch (options_parse(argc, argv, &load.options, stderr)) {
    case kAskedHelp:
      options_help(stdout);
      return 0;
    case kAskedWrong:
      return 2;
    case kAskedRun:
      break;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  const struct sigaction action = {.sa_handler = on_signal};  // no SA_RESTART: a wait ends
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  if (load_open(&load)) {
    load_run(&load, &interrupts);
  }
  load_close(&load);
  const bool ok = report_final(&load);
  return load.broken ? 3 : ok ? 0 : 1;
}
