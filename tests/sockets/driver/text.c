// SPDX-License-Identifier: BSD-3-Clause
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool step_parse(struct Step* step, const char* text) {
  snprintf(step->line, sizeof(step->line), "%s", text);
  step->count = 0;
  step->call = NULL;
  char* save = NULL;
  char* word = strtok_r(step->line, " ", &save);
  if (word == NULL || !isdigit((unsigned char)word[0]) || word[1] != '\0' ||
      word[0] - '0' >= kProcesses) {
    return false;
  }
  step->process = word[0] - '0';
  step->call = strtok_r(NULL, " ", &save);
  while ((word = strtok_r(NULL, " ", &save)) != NULL) {
    char* equals = strchr(word, '=');
    if (equals == NULL || step->count == kMaxArguments) {
      return false;
    }
    *equals = '\0';
    step->argument[step->count].key = word;
    step->argument[step->count].value = equals + 1;
    step->count++;
  }
  return step->call != NULL;
}

const char* step_text(const struct Step* step, const char* key, const char* fallback) {
  for (int i = 0; i < step->count; i++) {
    if (strcmp(step->argument[i].key, key) == 0) {
      return step->argument[i].value;
    }
  }
  return fallback;
}

bool step_has(const struct Step* step, const char* key) {
  return step_text(step, key, NULL) != NULL;
}

long step_number(const struct Step* step, const char* key, long fallback) {
  const char* text = step_text(step, key, NULL);
  return text == NULL ? fallback : strtol(text, NULL, 0);
}

bool step_has_group(const struct Step* step, const char* prefix) {
  const size_t size = strlen(prefix);
  for (int i = 0; i < step->count; i++) {
    if (strncmp(step->argument[i].key, prefix, size) == 0 && step->argument[i].key[size] == '.') {
      return true;
    }
  }
  return false;
}

void out_clear(struct Out* out) {
  out->size = 0;
  out->text[0] = '\0';
}

void outf(struct Out* out, const char* format, ...) {
  va_list list;
  va_start(list, format);
  const size_t room = sizeof(out->text) - out->size;
  const int size = vsnprintf(out->text + out->size, room, format, list);
  va_end(list);
  if (size > 0) {
    out->size += (size_t)size < room ? (size_t)size : room - 1;
  }
}

static uint32_t checksum(const unsigned char* bytes, size_t size) {  // FNV-1a
  uint32_t sum = 2166136261u;
  for (size_t i = 0; i < size; i++) {
    sum = (sum ^ bytes[i]) * 16777619u;
  }
  return sum;
}

void out_bytes(struct Out* out, const void* bytes, size_t size) {
  const unsigned char* at = bytes;
  const size_t shown = size <= 24 ? size : 8;
  outf(out, "\"");
  for (size_t i = 0; i < shown; i++) {
    if (isgraph(at[i]) && at[i] != '"' && at[i] != '<' && at[i] != ';') {
      outf(out, "%c", at[i]);
    } else {
      outf(out, "\\%02x", at[i]);
    }
  }
  outf(out, "\"");
  if (shown < size) {
    outf(out, "..%zu#%08x", size, checksum(at, size));
  }
}

const struct Name kMessageFlags[] = {{MSG_OOB, "OOB"},
                                     {MSG_PEEK, "PEEK"},
                                     {MSG_DONTROUTE, "DONTROUTE"},
                                     {MSG_CTRUNC, "CTRUNC"},
                                     {MSG_TRUNC, "TRUNC"},
                                     {MSG_DONTWAIT, "DONTWAIT"},
                                     {MSG_EOR, "EOR"},
                                     {MSG_WAITALL, "WAITALL"},
                                     {MSG_FIN, "FIN"},
                                     {MSG_NOSIGNAL, "NOSIGNAL"},
                                     {MSG_MORE, "MORE"},
                                     {MSG_ERRQUEUE, "ERRQUEUE"},
                                     {0x8000, "NOTIFICATION"},
                                     {MSG_WAITFORONE, "FORONE"},
                                     {MSG_CMSG_CLOEXEC, "CLOEXEC"},
                                     {0, NULL}};

const struct Name kPollBits[] = {{POLLIN, "I"},  {POLLPRI, "P"}, {POLLOUT, "O"},  {POLLRDHUP, "R"},
                                 {POLLERR, "E"}, {POLLHUP, "H"}, {POLLNVAL, "N"}, {0, NULL}};

long names_parse(const struct Name* names, const char* text) {
  long value = 0;
  char copy[256];
  snprintf(copy, sizeof(copy), "%s", text);
  char* save = NULL;
  for (char* word = strtok_r(copy, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
    const struct Name* name = names;
    while (name->name != NULL && strcmp(name->name, word) != 0) {
      name++;
    }
    value |= name->name != NULL ? name->value : strtol(word, NULL, 0);
  }
  return value;
}

void out_flags(struct Out* out, const struct Name* names, long value) {
  bool first = true;
  for (const struct Name* name = names; name->name != NULL; name++) {
    if (name->value != 0 && (value & name->value) == name->value) {
      outf(out, "%s%s", first ? "" : ",", name->name);
      value &= ~name->value;
      first = false;
    }
  }
  if (value != 0 || first) {
    outf(out, "%s%#lx", first ? "" : ",", value);
  }
}

const char* error_name(int error) {
  const char* name = strerrorname_np(error);
  return name != NULL ? name : "E?";
}
