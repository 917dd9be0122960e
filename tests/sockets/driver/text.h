// SPDX-License-Identifier: BSD-3-Clause
// Text in and out of the socket driver: a step of a script as words by name, and a buffer that
// lines are written into. Used by the controller and by its agents.
#ifndef TRUNKLINE_SOCKETS_TEXT_H
#define TRUNKLINE_SOCKETS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum { kMaxLine = 4096, kMaxArguments = 64, kProcesses = 4, kFirstPipe = 900 };

// "0 send s=c len=5 flags=DONTWAIT": process 0, call "send", three arguments.
struct Step {
  char line[kMaxLine];  // cut at its blanks; the pointers below point into it
  int process;
  const char* call;
  int count;
  struct {
    const char* key;
    const char* value;
  } argument[kMaxArguments];
};

// False, with a message in step->line, for what is no step.
bool step_parse(struct Step* step, const char* text);
const char* step_text(const struct Step* step, const char* key, const char* fallback);
long step_number(const struct Step* step, const char* key, long fallback);
bool step_has(const struct Step* step, const char* key);
// Arguments that begin with `prefix` and a dot, as "sndrcv.stream=1" does.
bool step_has_group(const struct Step* step, const char* prefix);

struct Out {
  char text[4 * kMaxLine];
  size_t size;
};
void out_clear(struct Out* out);
__attribute__((format(printf, 2, 3))) void outf(struct Out* out, const char* format, ...);
// Text as it is where it is short and plain, else its beginning, its size and a check sum.
void out_bytes(struct Out* out, const void* bytes, size_t size);

// Names of numbers, and of bits: "DONTWAIT,PEEK".
struct Name {
  long value;
  const char* name;
};
extern const struct Name kMessageFlags[], kPollBits[], kErrors[];
long names_parse(const struct Name* names, const char* text);
void out_flags(struct Out* out, const struct Name* names, long value);
const char* error_name(int error);

#endif
