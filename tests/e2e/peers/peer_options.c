// SPDX-License-Identifier: BSD-3-Clause
// See peer_options.h.
#include "peer_options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kUsage[] =
    "usage: PEER --listen | --connect ADDR[,ADDR] [options]\n"
    "  --mode ping|echo|source|sink|steady  default: echo for a listener, ping else\n"
    "  --port N (4444)  --local-port N  --local ADDR[,ADDR]  --family 4|6\n"
    "  --streams N (10)  --sizes N[,N] (100)  --count N (100)  --window N (32)\n"
    "  --unordered  --ppid N (1000; stream n uses N + n)  --seed N\n"
    "  --end shutdown|abort|wait  default: wait for a listener, shutdown else\n"
    "  --end-delay MS  --associations N (1)  --timeout S (30)\n"
    "  --rto INITIAL,MIN,MAX (ms)  --heartbeat MS  --sack-delay MS  --nagle\n"
    "  --init-attempts N  --max-retransmissions N  --path-retransmissions N\n"
    "  --first-stream N (0)  --interval MS  between two messages of its own\n"
    "  --ignore-strays  no ABORT for packets of no association: another process shares the\n"
    "      address (usrsctp; the others need no such help)\n"
    "  --stay MS  after the end, to answer what the peer repeats (usrsctp; for the others someone\n"
    "      else does)\n"
    "  --pause-after N  --pause MS  stand still once N messages have come\n"
    "  --receive-buffer BYTES  of the socket, or of the ring API's slots\n"
    "  --rate N  messages a second  --log FILE  of arrivals (steady mode, see peer_steady.c)\n"
    "  --lifetime MS | --retransmissions N  until when a message of its own is tried\n"
    "  --reliable  announces no partial reliability (of our daemon: the profile's business)\n"
    "  --allow-gaps  messages of 24 bytes and more may be missing, none may come late\n"
    "  --attach PATH  the daemon's socket  --profile NAME  (ring API only)\n";

static int bad(const char* what, const char* value) {
  fprintf(stderr, "bad %s: %s\n%s", what, value, kUsage);
  return -1;
}

static int parse_number(const char* text, long low, long high, long* value) {
  char* end = NULL;
  *value = strtol(text, &end, 10);
  return end == text || *end != '\0' || *value < low || *value > high ? -1 : 0;
}

static int parse_address(const char* text, uint16_t port, struct sockaddr_storage* out) {
  memset(out, 0, sizeof(*out));
  struct sockaddr_in* v4 = (struct sockaddr_in*)out;
  struct sockaddr_in6* v6 = (struct sockaddr_in6*)out;
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    return 0;
  }
  if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return 0;
  }
  return -1;
}

static int parse_addresses(char* list, uint16_t port, struct sockaddr_storage* out, int* count) {
  char* rest = NULL;
  for (char* word = strtok_r(list, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
    if (*count == kMaxAddresses || parse_address(word, port, &out[*count]) != 0) {
      return bad("address", word);
    }
    (*count)++;
  }
  return *count > 0 ? 0 : bad("address list", "(empty)");
}

static int parse_sizes(char* list, struct Options* options) {
  char* rest = NULL;
  options->size_count = 0;
  for (char* word = strtok_r(list, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
    long value = 0;
    if (options->size_count == kMaxSizes || parse_number(word, 1, kMaxMessage, &value) != 0) {
      return bad("size", word);
    }
    options->sizes[options->size_count++] = (uint32_t)value;
  }
  return options->size_count > 0 ? 0 : bad("size list", "(empty)");
}

static int parse_rto(const char* text, struct Options* options) {
  return sscanf(text, "%d,%d,%d", &options->rto_initial_ms, &options->rto_min_ms,
                &options->rto_max_ms) == 3
             ? 0
             : bad("rto", text);
}

static int parse_mode(const char* text, struct Options* options) {
  static const char* const kNames[] = {"ping", "echo", "source", "sink", "steady"};
  for (int i = 0; i < 5; i++) {
    if (strcmp(text, kNames[i]) == 0) {
      options->mode = (enum Mode)i;
      return 0;
    }
  }
  return bad("mode", text);
}

static int parse_end(const char* text, struct Options* options) {
  static const char* const kNames[] = {"shutdown", "abort", "wait"};
  for (int i = 0; i < 3; i++) {
    if (strcmp(text, kNames[i]) == 0) {
      options->end = (enum End)i;
      return 0;
    }
  }
  return bad("end", text);
}

// The options that are one number each.
struct NumberOption {
  const char* name;
  long low, high;
};
static const struct NumberOption kNumbers[] = {
    {"port", 1, 65535},
    {"local-port", 0, 65535},
    {"streams", 1, kMaxStreams},
    {"count", 0, 100000000},
    {"window", 1, 1000000},
    {"ppid", 0, 0x7fffffff},
    {"seed", 0, 0x7fffffff},
    {"end-delay", 0, 60000},
    {"associations", 1, 100000},
    {"timeout", 1, 3600},
    {"heartbeat", 1, 3600000},
    {"sack-delay", 0, 500},
    {"init-attempts", 1, 64},
    {"max-retransmissions", 1, 64},
    {"first-stream", 0, kMaxStreams - 1},
    {"interval", 0, 60000},
    {"pause-after", 0, 100000000},
    {"pause", 0, 60000},
    {"receive-buffer", 4096, 1 << 24},
    {"stay", 0, 60000},
    {"rate", 1, 1000000},
    {"path-retransmissions", 1, 64},
    {"lifetime", 1, 60000},
    {"retransmissions", 0, 126},
};

static void set_number(struct Options* o, int which, long value) {
  switch (which) {
    case 0:
      o->port = (uint16_t)value;
      break;
    case 1:
      o->local_port = (uint16_t)value;
      break;
    case 2:
      o->streams = (uint16_t)value;
      break;
    case 3:
      o->count = (uint32_t)value;
      break;
    case 4:
      o->window = (uint32_t)value;
      break;
    case 5:
      o->ppid = (uint32_t)value;
      break;
    case 6:
      o->seed = (uint32_t)value;
      break;
    case 7:
      o->end_delay_ms = (int)value;
      break;
    case 8:
      o->associations = (int)value;
      break;
    case 9:
      o->timeout_s = (int)value;
      break;
    case 10:
      o->heartbeat_ms = (int)value;
      break;
    case 11:
      o->sack_delay_ms = (int)value;
      break;
    case 12:
      o->init_attempts = (int)value;
      break;
    case 13:
      o->max_retransmissions = (int)value;
      break;
    case 14:
      o->first_stream = (uint16_t)value;
      break;
    case 15:
      o->interval_ms = (int)value;
      break;
    case 16:
      o->pause_after = (uint32_t)value;
      break;
    case 17:
      o->pause_ms = (int)value;
      break;
    case 18:
      o->receive_buffer = (int)value;
      break;
    case 19:
      o->stay_ms = (int)value;
      break;
    case 20:
      o->rate = (int)value;
      break;
    case 21:
      o->path_retransmissions = (int)value;
      break;
    case 22:
      o->limit = kLimitLifetime;
      o->limit_value = (uint32_t)value;
      break;
    default:
      o->limit = kLimitRetransmissions;
      o->limit_value = (uint32_t)value;
      break;
  }
}

enum { kNumberCount = (int)(sizeof(kNumbers) / sizeof(kNumbers[0])) };

struct Texts {
  char *connect, *local, *sizes, *rto, *mode, *end, *attach, *profile, *family, *log;
  bool listen;
};

static int collect(int argc, char** argv, struct Options* options, struct Texts* texts) {
  enum {
    kListen = kNumberCount,
    kConnect,
    kLocal,
    kSizes,
    kRto,
    kMode,
    kEnd,
    kAttach,
    kProfile,
    kFamily,
    kLog,
    kUnordered,
    kNagle,
    kIgnoreStrays,
    kReliable,
    kAllowGaps,
    kEndOfList
  };
  static const char* const kNames[] = {"listen",  "connect",       "local",    "sizes",
                                       "rto",     "mode",          "end",      "attach",
                                       "profile", "family",        "log",      "unordered",
                                       "nagle",   "ignore-strays", "reliable", "allow-gaps"};
  struct option table[kEndOfList + 1];
  memset(table, 0, sizeof(table));
  for (int i = 0; i < kEndOfList; i++) {
    const bool flag = i == kListen || i >= kUnordered;
    table[i] = (struct option){i < kNumberCount ? kNumbers[i].name : kNames[i - kNumberCount],
                               flag ? no_argument : required_argument, NULL, i};
  }
  for (int which; (which = getopt_long(argc, argv, "", table, NULL)) != -1;) {
    long value = 0;
    if (which >= 0 && which < kNumberCount) {
      if (parse_number(optarg, kNumbers[which].low, kNumbers[which].high, &value) != 0) {
        return bad(kNumbers[which].name, optarg);
      }
      set_number(options, which, value);
      continue;
    }
    switch (which) {
      case kListen:
        texts->listen = true;
        break;
      case kConnect:
        texts->connect = optarg;
        break;
      case kLocal:
        texts->local = optarg;
        break;
      case kSizes:
        texts->sizes = optarg;
        break;
      case kRto:
        texts->rto = optarg;
        break;
      case kMode:
        texts->mode = optarg;
        break;
      case kEnd:
        texts->end = optarg;
        break;
      case kAttach:
        texts->attach = optarg;
        break;
      case kProfile:
        texts->profile = optarg;
        break;
      case kFamily:
        texts->family = optarg;
        break;
      case kLog:
        texts->log = optarg;
        break;
      case kUnordered:
        options->unordered = true;
        break;
      case kNagle:
        options->nagle = true;
        break;
      case kIgnoreStrays:
        options->ignore_strays = true;
        break;
      case kReliable:
        options->reliable = true;
        break;
      case kAllowGaps:
        options->allow_gaps = true;
        break;
      default:
        return bad("option", argv[optind - 1]);
    }
  }
  return optind == argc ? 0 : bad("argument", argv[optind]);
}

int options_parse(int argc, char** argv, struct Options* options) {
  *options = (struct Options){.port = 4444,
                              .streams = 10,
                              .sizes = {100},
                              .size_count = 1,
                              .count = 100,
                              .rate = 1000,
                              .window = 32,
                              .ppid = 1000,
                              .seed = 1,
                              .associations = 1,
                              .timeout_s = 30,
                              .family = AF_INET,
                              .sack_delay_ms = 0};
  struct Texts texts = {0};
  if (collect(argc, argv, options, &texts) != 0) {
    return -1;
  }
  if (texts.listen == (texts.connect != NULL)) {
    return bad("role", "one of --listen and --connect");
  }
  options->listen = texts.listen;
  options->attach = texts.attach;
  options->profile = texts.profile;
  options->log = texts.log;
  options->mode = texts.listen ? kModeEcho : kModePing;
  options->end = texts.listen ? kEndWait : kEndShutdown;
  const uint16_t own_port = texts.listen ? options->port : options->local_port;
  if ((texts.mode != NULL && parse_mode(texts.mode, options) != 0) ||
      (texts.end != NULL && parse_end(texts.end, options) != 0) ||
      (texts.rto != NULL && parse_rto(texts.rto, options) != 0) ||
      (texts.sizes != NULL && parse_sizes(texts.sizes, options) != 0) ||
      (texts.local != NULL &&
       parse_addresses(texts.local, own_port, options->local, &options->local_count) != 0) ||
      (texts.connect != NULL && parse_addresses(texts.connect, options->port, options->remote,
                                                &options->remote_count) != 0)) {
    return -1;
  }
  if (options->remote_count > 0) {
    options->family = options->remote[0].ss_family;
  } else if (options->local_count > 0) {
    options->family = options->local[0].ss_family;
  }
  if (texts.family != NULL) {
    options->family = strcmp(texts.family, "6") == 0 ? AF_INET6 : AF_INET;
  }
  return 0;
}
