// SPDX-License-Identifier: BSD-3-Clause
// See demo_options.h.
#include "demo_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kUsage[] =
    "usage: demo_app (--listen | --connect ADDRESS) [--socket PATH] [--port N]\n"
    "         [--associations N] [--streams N] [--messages N] [--window N] [--seed N] [--echo]\n"
    "         [--corrupt EDGE | --drop EDGE | --swap EDGE] [--fault-at N]\n"
    "         [--live-ms N] [--patience SECONDS]\n"
    "--messages is what this side sends in all, rounded up to full streams; the other side must\n"
    "be given the same. EDGE is sender or receiver: where this side spoils one message.\n";

// A number from `least` to `most`, or false after a message.
static bool number(const char* name, const char* text, uint64_t least, uint64_t most,
                   uint64_t* out) {
  char* end = NULL;
  errno = 0;
  *out = strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || *out < least || *out > most) {
    fprintf(stderr, "demo_app: --%s must be a number from %llu to %llu, not \"%s\"\n", name,
            (unsigned long long)least, (unsigned long long)most, text);
    return false;
  }
  return true;
}

static bool fault(DemoFaultKind kind, const char* edge, DemoOptions* out) {
  if (strcmp(edge, "sender") != 0 && strcmp(edge, "receiver") != 0) {
    fprintf(stderr, "demo_app: a fault is at the sender or at the receiver, not \"%s\"\n", edge);
    return false;
  }
  out->fault = kind;
  out->fault_on_receive = strcmp(edge, "receiver") == 0;
  return true;
}

static bool take(int option, const char* name, DemoOptions* out, uint64_t* messages) {
  uint64_t value = 0;
  switch (option) {
    case 's':
      out->socket = optarg;
      return true;
    case 'l':
      out->listen = true;
      return true;
    case 'c':
      return tl_address_parse(optarg, &out->address) == 0;
    case 'e':
      out->echo = true;
      return true;
    case 'C':
      return fault(kDemoFaultCorrupt, optarg, out);
    case 'D':
      return fault(kDemoFaultDrop, optarg, out);
    case 'S':
      return fault(kDemoFaultSwap, optarg, out);
    case 'p':
      return number(name, optarg, 1, 65535, &value) && ((out->port = (uint16_t)value), true);
    case 'a':
      return number(name, optarg, 1, 4096, &value) && ((out->associations = (uint32_t)value), true);
    case 't':
      return number(name, optarg, 1, 1024, &value) && ((out->streams = (uint32_t)value), true);
    case 'm':
      return number(name, optarg, 1, 1000000000, messages);
    case 'w':
      return number(name, optarg, 1, 65536, &value) && ((out->window = (uint32_t)value), true);
    case 'r':
      return number(name, optarg, 0, UINT64_MAX, &out->seed);
    case 'f':
      return number(name, optarg, 0, UINT64_MAX, &out->fault_at);
    case 'L':
      return number(name, optarg, 0, 60000, &value) && ((out->live_ms = (uint32_t)value), true);
    case 'P':
      return number(name, optarg, 1, 3600, &value) && ((out->patience_s = (uint32_t)value), true);
    default:
      return false;
  }
}

bool demo_options_parse(int argc, char** argv, DemoOptions* out) {
  static const struct option kOptions[] = {{"socket", required_argument, NULL, 's'},
                                           {"listen", no_argument, NULL, 'l'},
                                           {"connect", required_argument, NULL, 'c'},
                                           {"port", required_argument, NULL, 'p'},
                                           {"associations", required_argument, NULL, 'a'},
                                           {"streams", required_argument, NULL, 't'},
                                           {"messages", required_argument, NULL, 'm'},
                                           {"window", required_argument, NULL, 'w'},
                                           {"seed", required_argument, NULL, 'r'},
                                           {"echo", no_argument, NULL, 'e'},
                                           {"corrupt", required_argument, NULL, 'C'},
                                           {"drop", required_argument, NULL, 'D'},
                                           {"swap", required_argument, NULL, 'S'},
                                           {"fault-at", required_argument, NULL, 'f'},
                                           {"live-ms", required_argument, NULL, 'L'},
                                           {"patience", required_argument, NULL, 'P'},
                                           {NULL, 0, NULL, 0}};
  *out = (DemoOptions){.port = 2905,
                       .associations = 16,
                       .streams = 8,
                       .window = 64,
                       .seed = 1,
                       .fault_at = 100,
                       .patience_s = 15};
  uint64_t messages = 10000;
  int option;
  int index = 0;
  bool ok = true;
  while (ok && (option = getopt_long(argc, argv, "", kOptions, &index)) != -1) {
    ok = take(option, option == '?' ? "" : kOptions[index].name, out, &messages);
  }
  if (!ok || optind != argc || out->listen == (out->address.family != 0)) {
    fputs(kUsage, stderr);
    return false;
  }
  const uint64_t streams = (uint64_t)out->associations * out->streams;
  out->per_stream = (uint32_t)((messages + streams - 1) / streams);
  return true;
}
