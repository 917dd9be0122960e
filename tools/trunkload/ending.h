// SPDX-License-Identifier: BSD-3-Clause
// Why an association ended, or never was, in words: the daemon's error, or the peer's cause and
// what its user said. And what others wrote, fit for a terminal.
#ifndef TRUNKLOAD_ENDING_H
#define TRUNKLOAD_ENDING_H

#include <stddef.h>

#include "trunkline/trunkline.h"

// Visible ASCII as it is; of all else each byte as \x1b, and a backslash as two. What does not fit
// into `room` (at least 1) is left out. Returns `out`.
const char* ending_escape(const void* text, size_t size, char* out, size_t room);

// Of a TL_EVENT_CONNECT_FAILED, TL_EVENT_LOST or TL_EVENT_CLOSED; `said` are its payload's bytes.
const char* ending_text(const tl_event* event, const void* said, size_t size, char* out,
                        size_t room);

#endif
