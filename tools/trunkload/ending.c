// SPDX-License-Identifier: BSD-3-Clause
// See ending.h.
#include "ending.h"

#include <stdbool.h>
#include <stdio.h>

// RFC 9260 section 3.3.10.
static const char* const kCauses[] = {NULL,
                                      "invalid stream identifier",
                                      "missing mandatory parameter",
                                      "stale cookie",
                                      "out of resource",
                                      "unresolvable address",
                                      "unrecognized chunk type",
                                      "invalid mandatory parameter",
                                      "unrecognized parameters",
                                      "no user data",
                                      "cookie received while shutting down",
                                      "restart of an association with new addresses",
                                      "user-initiated abort",
                                      "protocol violation"};

const char* ending_escape(const void* text, size_t size, char* out, size_t room) {
  const unsigned char* const from = text;
  size_t at = 0;
  for (size_t i = 0; i < size; i++) {
    char one[5];
    const char* const form = from[i] == '\\'                    ? "\\\\"
                             : from[i] >= ' ' && from[i] <= '~' ? "%c"
                                                                : "\\x%02x";
    const int length = snprintf(one, sizeof(one), form, from[i]);
    if (at + (size_t)length >= room) {
      break;
    }
    for (int k = 0; k < length; k++) {
      out[at++] = one[k];
    }
  }
  out[at] = '\0';
  return out;
}

const char* ending_text(const tl_event* event, const void* said, size_t size, char* out,
                        size_t room) {
  char cause[64] = "";
  char words[160] = "";
  if (event->cause != 0) {
    const size_t known = sizeof(kCauses) / sizeof(kCauses[0]);
    snprintf(cause, sizeof(cause), " (cause %u: %s)", event->cause,
             event->cause < known ? kCauses[event->cause] : "unknown");
  }
  if (size > 0) {
    ending_escape(said, size, words, sizeof(words));
  }
  // The daemon's own refusal has an error and no reason: what to change is in its text.
  const bool refused = event->reason == TL_REASON_NONE && event->error != 0;
  snprintf(out, room, "%s, %s%s%s%s%s", tl_event_kind_name(event->kind),
           refused ? tl_strerror(event->error) : tl_reason_name(event->reason), cause,
           size > 0 ? "; the peer says \"" : "", words, size > 0 ? "\"" : "");
  return out;
}
