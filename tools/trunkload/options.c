// SPDX-License-Identifier: BSD-3-Clause
// See options.h. One table says what there is, how it is read, its bounds and its help.
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ending.h"

typedef enum Form {
  kFormFlag,
  kFormText,
  kFormNumber,   // 200000, 200k, 1.5M
  kFormRate,     // the same, as a double
  kFormTime,     // 10, 10s, 500ms, 2m
  kFormMicros,   // the same, as a double in microseconds
  kFormAddress,  // one or several, with commas
  kFormSize,
  kFormTraffic,
  kFormFault,
  kFormIdle
} Form;

typedef struct Spec {
  const char* name;
  Form form;
  size_t at;           // in Options
  double least, most;  // numbers and seconds
  const char* value;   // in the help
  const char* help;
} Spec;

#define AT(field) offsetof(Options, field)

static const Spec kSpecs[] = {
    {"listen", kFormFlag, AT(listen), 0, 0, NULL, "wait for associations"},
    {"connect", kFormAddress, AT(peers), 0, 0, "ADDRESS[,...]",
     "open associations to these addresses of a peer"},
    {"port", kFormNumber, AT(port), 1, 65535, "N", "to listen on, or the peer's (2905)"},
    {"local-port", kFormNumber, AT(local_port), 1, 65535, "N", "of a connecting side (any)"},
    {"local", kFormAddress, AT(locals), 0, 0, "ADDRESS[,...]",
     "local addresses; 0.0.0.0 or :: for all (those of the daemon's endpoint, or all)"},
    {"socket", kFormText, AT(socket), 0, 0, "PATH", "the daemon's (" TL_DEFAULT_SOCKET ")"},
    {"profile", kFormText, AT(profile), 0, 0, "NAME", "of the daemon's configuration"},
    {"associations", kFormNumber, AT(associations), 1, 4000000, "N", "how many (1)"},
    {"streams", kFormNumber, AT(streams), 1, 65535, "N", "used of each association (1)"},
    {"traffic", kFormTraffic, AT(traffic), 0, 0, "WHICH",
     "one-way: the connecting side sends; both: both do; echo: the connecting side asks, the "
     "listening side answers (one-way)"},
    {"reverse", kFormFlag, AT(reverse), 0, 0, NULL, "the listening side sends, or asks"},
    {"size", kFormSize, AT(sizes), 0, 0, "SIZES",
     "bytes of a message: 200, or with weights 64:5,300:1, or as a protocol has them: m3ua-isup, "
     "m3ua-map, s1ap-attach, diameter (100)"},
    {"unordered", kFormFlag, AT(unordered), 0, 0, NULL, "order does not matter to the receiver"},
    {"ppid", kFormNumber, AT(ppid), 0, 4294967295.0, "N",
     "payload protocol identifier (0, or the protocol's)"},
    {"seed", kFormNumber, AT(seed), 0, 9e15, "N",
     "of sizes and contents; with --verify the same on both sides (1)"},
    {"rate", kFormRate, AT(rate), 0.001, 1e9, "N",
     "open loop: messages a second over all associations, sent when they are due whatever "
     "happened to those before; latency counts from when they were due"},
    {"window", kFormNumber, AT(window), 1, 1e6, "N",
     "closed loop: how many messages an association may have under way (one-way: as many as the "
     "daemon takes; else 64)"},
    {"ramp", kFormTime, AT(ramp_ns), 0, 3600, "TIME",
     "rate or window grow evenly from nothing; what is sent in it is not measured (0)"},
    {"duration", kFormTime, AT(duration_ns), 0.001, 1e6, "TIME",
     "to send after the ramp (10s, if there is no --count)"},
    {"count", kFormNumber, AT(count), 1, 1e15, "N", "messages that this side sends in all"},
    {"patience", kFormTime, AT(patience_ns), 0.1, 1e6, "TIME",
     "without any event before it gives up (15s)"},
    {"verify", kFormFlag, AT(verify), 0, 0, NULL,
     "number and hash every message, and judge all that comes: content, order, loss, repetition"},
    {"fault", kFormFault, AT(fault), 0, 0, "KIND:EDGE[:N]",
     "with --verify, spoil one message on purpose, to see that it is noticed: corrupt, drop or "
     "swap, at the sender or at the receiver of this side, message N (100)"},
    {"idle", kFormIdle, AT(idle), 0, 0, "HOW",
     "with nothing to do: sleep, yield the core and poll again, or spin (sleep)"},
    {"tx-slots", kFormNumber, AT(tx_slots), 1, 16777216, "N", "payload slots for sending"},
    {"rx-slots", kFormNumber, AT(rx_slots), 1, 16777216, "N", "payload slots for receiving"},
    {"ring", kFormNumber, AT(ring), 1, 16777216, "N", "entries of each ring"},
    {"report", kFormText, AT(report), 0, 0, "FILE", "write the report there, as JSON"},
    {"json", kFormFlag, AT(json), 0, 0, NULL, "lines of JSON on standard output, for programs"},
    {"quiet", kFormFlag, AT(quiet), 0, 0, NULL, "no live display on standard error"},
    {"live", kFormTime, AT(live_ns), 0.01, 3600, "TIME",
     "between two looks (1s; 0.5s on a terminal)"},
    {"max-p50", kFormMicros, AT(limits.p50_us), 0, 1e6, "TIME",
     "a limit: the latency of half of the messages; a missed one makes the exit status 1"},
    {"max-p90", kFormMicros, AT(limits.p90_us), 0, 1e6, "TIME", "of 90 %"},
    {"max-p99", kFormMicros, AT(limits.p99_us), 0, 1e6, "TIME", "of 99 %"},
    {"max-p99.9", kFormMicros, AT(limits.p999_us), 0, 1e6, "TIME", "of 99.9 %"},
    {"max-latency", kFormMicros, AT(limits.latency_us), 0, 1e6, "TIME", "of every one"},
    {"min-rate", kFormRate, AT(limits.rate), 0, 1e9, "N",
     "messages a second that arrive here, or that leave where nothing comes back"},
    {"max-lost", kFormNumber, AT(limits.lost), 0, 1e15, "N", "messages (0)"},
    {"max-associations-lost", kFormNumber, AT(limits.associations_lost), 0, 1e7, "N",
     "that did not end in order (0)"},
    {"max-unsent", kFormRate, AT(limits.unsent), 0, 1e15, "N",
     "messages of an open loop that were due and could not be sent in time"},
};
enum { kSpecCount = sizeof(kSpecs) / sizeof(kSpecs[0]), kHelp = 1000 };

bool options_sends(const Options* options) {
  return options->traffic == kTrafficBoth || options->listen == options->reverse;
}

bool options_measures(const Options* options) {
  return !options_sends(options) || options->traffic != kTrafficOneWay;
}

bool options_answers(const Options* options) {
  return options->traffic == kTrafficEcho && !options_sends(options);
}

// ---------------------------------------------------------------- values

// For a complaint; good until the next one.
static const char* shown_argument(const char* text) {
  static char shown[128];
  return ending_escape(text, strlen(text), shown, sizeof(shown));
}

static bool wrong(FILE* out, const Spec* spec, const char* text, const char* right) {
  fprintf(out, "trunkload: --%s %s: %s\n", spec->name, shown_argument(text), right);
  return false;
}

// A number with a unit: its value, or -1.
static double scaled(const char* text, const char* const* units, const double* factors) {
  char* end = NULL;
  if (*text < '0' || *text > '9') {
    return -1;
  }
  errno = 0;
  const double value = strtod(text, &end);
  for (int i = 0; errno == 0 && units[i] != NULL; i++) {
    if (strcmp(end, units[i]) == 0) {
      return value * factors[i];
    }
  }
  return -1;
}

static bool take_number(const Spec* spec, const char* text, double* out, FILE* complaints) {
  static const char* const kUnits[] = {"", "k", "M", NULL};
  static const double kFactors[] = {1, 1e3, 1e6};
  *out = scaled(text, kUnits, kFactors);
  const bool whole = spec->form == kFormRate || *out == (double)(uint64_t)*out;
  if (*out < spec->least || *out > spec->most || !whole) {
    char right[96];
    snprintf(right, sizeof(right), "must be a %snumber from %.10g to %.10g; 200k and 1.5M will do",
             spec->form == kFormRate ? "" : "whole ", spec->least, spec->most);
    return wrong(complaints, spec, text, right);
  }
  return true;
}

static bool take_time(const Spec* spec, const char* text, double* seconds, FILE* complaints) {
  static const char* const kUnits[] = {"", "s", "ms", "us", "m", NULL};
  static const double kFactors[] = {1, 1, 1e-3, 1e-6, 60};
  *seconds = scaled(text, kUnits, kFactors);
  if (*seconds < spec->least || *seconds > spec->most) {
    char right[96];
    snprintf(right, sizeof(right), "must be a time from %.10gs to %.10gs: 10s, 500ms, 2m",
             spec->least, spec->most);
    return wrong(complaints, spec, text, right);
  }
  return true;
}

// Given again, it adds to what was given before.
static bool take_addresses(const Spec* spec, const char* text, AddressList* out, FILE* complaints) {
  const char* from = text;
  for (;;) {
    char one[64];
    const size_t size = strcspn(from, ",");
    if (out->count == TL_MAX_ADDRESSES) {
      return wrong(complaints, spec, text, "more addresses than one side may have (16)");
    }
    snprintf(one, sizeof(one), "%.*s", (int)(size < sizeof(one) ? size : sizeof(one) - 1), from);
    if (tl_address_parse(one, &out->at[out->count++]) != 0) {
      return wrong(complaints, spec, text,
                   "must be an IP address, 192.0.2.1 or 2001:db8::1, or several with commas");
    }
    if (from[size] == '\0') {
      return true;
    }
    from += size + 1;
  }
}

// The place of a word in a list, or -1.
static int word(const char* text, const char* const* words) {
  for (int i = 0; words[i] != NULL; i++) {
    if (strcmp(text, words[i]) == 0) {
      return i;
    }
  }
  return -1;
}

static bool take_size(const Spec* spec, const char* text, Options* out, FILE* complaints) {
  char why[160];
  out->size_text = text;
  out->preset = preset_named(text);
  if (out->preset != NULL) {
    return true;  // which way is known when all options are
  }
  if (*text < '0' || *text > '9') {
    return wrong(complaints, spec, text,
                 "must be bytes (200), bytes with weights (64:5,300:1), or a preset: m3ua-isup, "
                 "m3ua-map, s1ap-attach, diameter");
  }
  return sizes_parse(text, &out->sizes, why, sizeof(why)) || wrong(complaints, spec, text, why);
}

static bool take(const Spec* spec, const char* text, Options* out, FILE* complaints) {
  static const char* const kTraffics[] = {"one-way", "both", "echo", NULL};
  static const char* const kIdles[] = {"sleep", "yield", "spin", NULL};
  void* const field = (char*)out + spec->at;
  double value = 0;
  int which = 0;
  switch (spec->form) {
    case kFormFlag:
      *(bool*)field = true;
      return true;
    case kFormText:
      *(const char**)field = text;
      return true;
    case kFormNumber:
      return take_number(spec, text, &value, complaints) &&
             ((*(uint64_t*)field = (uint64_t)value), true);
    case kFormRate:
      return take_number(spec, text, (double*)field, complaints);
    case kFormTime:
      return take_time(spec, text, &value, complaints) &&
             ((*(uint64_t*)field = (uint64_t)(value * 1e9)), true);
    case kFormMicros:
      return take_time(spec, text, &value, complaints) && ((*(double*)field = value * 1e6), true);
    case kFormAddress:
      return take_addresses(spec, text, (AddressList*)field, complaints);
    case kFormSize:
      return take_size(spec, text, out, complaints);
    case kFormTraffic:
      which = word(text, kTraffics);
      out->traffic = (Traffic)which;
      return which >= 0 || wrong(complaints, spec, text, "must be one-way, both or echo");
    case kFormFault:
      return fault_parse(text, field) ||
             wrong(complaints, spec, text,
                   "must be corrupt, drop or swap, at sender or receiver: drop:sender, "
                   "swap:receiver:500");
    case kFormIdle:
      which = word(text, kIdles);
      out->idle = (Idle)which;
      return which >= 0 || wrong(complaints, spec, text, "must be sleep, yield or spin");
  }
  return false;
}

// ---------------------------------------------------------------- the whole line

static bool complain(FILE* out, const char* what) {
  fprintf(out, "trunkload: %s\n", what);
  return false;
}

static bool check_verify(const Options* options, FILE* complaints) {
  if (options->verify && options->sizes.least < kCheckLeast) {
    fprintf(complaints, "trunkload: --verify needs messages of at least %d bytes, not %u\n",
            (int)kCheckLeast, options->sizes.least);
    return false;
  }
  if (options->fault.kind != kFaultNone && (!options->verify || options->unordered)) {
    return complain(complaints, "--fault needs --verify, and messages in order");
  }
  return true;
}

static void use_preset(Options* options) {
  char why[160];
  const Preset* const preset = options->preset;
  if (preset != NULL) {
    sizes_parse(options->listen ? preset->down : preset->up, &options->sizes, why, sizeof(why));
    options->ppid = options->ppid == 0 ? preset->ppid : options->ppid;
  }
}

static bool check_limits(const Options* options, FILE* complaints) {
  const Limits* const l = &options->limits;
  const bool some =
      l->p50_us >= 0 || l->p90_us >= 0 || l->p99_us >= 0 || l->p999_us >= 0 || l->latency_us >= 0;
  if (some && !options_measures(options)) {
    return complain(complaints,
                    "limits of latency are for a side that receives; this one only sends (see "
                    "--traffic and --reverse)");
  }
  if (l->unsent >= 0 && options->rate <= 0) {
    return complain(complaints, "--max-unsent is for an open loop (--rate)");
  }
  return true;
}

// What the options say together.
static bool check(Options* out, FILE* complaints) {
  if (out->listen == (out->peers.count != 0)) {
    return complain(complaints, out->listen ? "--listen and --connect: only one of them"
                                            : "say --listen, or --connect ADDRESS");
  }
  if (out->listen && out->local_port != 0) {
    return complain(complaints, "--local-port is for a connecting side; --port is listened on");
  }
  if (out->peers.count + out->locals.count > TL_MAX_OPEN_ADDRESSES) {
    return complain(complaints, "--connect and --local: at most 22 addresses together");
  }
  if (out->rate > 0 && out->window > 0) {
    return complain(complaints, "--rate (open loop) and --window (closed loop): only one of them");
  }
  if (!options_sends(out) && (out->rate > 0 || out->count > 0 || out->duration_ns > 0)) {
    return complain(complaints,
                    "--rate, --count and --duration are for a side that sends; this one only "
                    "receives or answers (see --traffic and --reverse)");
  }
  if (out->associations > 1 && out->local_port != 0) {
    return complain(complaints, "--local-port: one association, for a port may be used once");
  }
  use_preset(out);
  if (!check_limits(out, complaints) || !check_verify(out, complaints)) {
    return false;
  }
  if (out->count == 0 && out->duration_ns == 0) {
    out->duration_ns = 10000000000u;
  }
  if (out->window == 0 && out->rate == 0 && out->traffic != kTrafficOneWay) {
    out->window = 64;
  }
  return true;
}

void options_help(FILE* out) {
  fprintf(out,
          "trunkload (--listen | --connect ADDRESS) [OPTION...]: load on SCTP associations\n"
          "through a Trunkline daemon. Start the listening side first; both sides are given the\n"
          "same --associations, --streams and --traffic.\n\n");
  for (int i = 0; i < kSpecCount; i++) {
    char left[64];
    snprintf(left, sizeof(left), "--%s%s%s", kSpecs[i].name, kSpecs[i].value == NULL ? "" : " ",
             kSpecs[i].value == NULL ? "" : kSpecs[i].value);
    // The help, in lines of at most 66 characters.
    const char* from = kSpecs[i].help;
    const char* head = left;
    while (*from != '\0') {
      size_t size = strlen(from);
      if (size > 66) {
        size = 66;
        while (from[size] != ' ') {
          size--;
        }
      }
      fprintf(out, "  %-25s %.*s\n", head, (int)size, from);
      from += size + (from[size] == ' ' ? 1 : 0);
      head = "";
    }
  }
  fprintf(
      out,
      "\nExit status: 0 all limits met, 1 a limit missed, 2 wrong options, 3 it could not run.\n");
}

static void describe(const Spec* spec, struct option* out) {
  *out = (struct option){.name = spec->name,
                         .has_arg = spec->form == kFormFlag ? no_argument : required_argument};
}

Asked options_parse(int argc, char** argv, Options* out, FILE* complaints) {
  struct option all[kSpecCount + 2] = {{0}};
  for (int i = 0; i < kSpecCount; i++) {
    describe(&kSpecs[i], &all[i]);
    all[i].val = i;
  }
  all[kSpecCount] = (struct option){.name = "help", .val = kHelp};
  *out = (Options){.port = 2905,
                   .associations = 1,
                   .streams = 1,
                   .seed = 1,
                   .patience_ns = 15000000000u,
                   .limits = {-1, -1, -1, -1, -1, -1, 0, 0, -1}};
  char why[8];
  out->size_text = "100";
  sizes_parse("100", &out->sizes, why, sizeof(why));
  optind = 0;  // getopt's own state, from a parse before
  opterr = 0;
  int option;
  while ((option = getopt_long(argc, argv, ":", all, NULL)) != -1) {
    if (option == kHelp) {
      return kAskedHelp;
    }
    if (option == ':' || option == '?') {
      fprintf(complaints, "trunkload: %s %s; trunkload --help lists all options\n",
              shown_argument(argv[optind - 1]),
              option == ':' ? "needs a value" : "is no option of this program");
      return kAskedWrong;
    }
    if (!take(&kSpecs[option], optarg, out, complaints)) {
      return kAskedWrong;
    }
  }
  if (optind != argc) {
    fprintf(complaints, "trunkload: \"%s\" is no option; trunkload --help lists them\n",
            shown_argument(argv[optind]));
    return kAskedWrong;
  }
  return check(out, complaints) ? kAskedRun : kAskedWrong;
}
