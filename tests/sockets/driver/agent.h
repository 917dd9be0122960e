// SPDX-License-Identifier: BSD-3-Clause
// One process of a script: it reads calls from a pipe, each done by a thread of its own that may
// block, and says what poll, select and epoll tell of its sockets. See agent.c.
#ifndef TRUNKLINE_SOCKETS_AGENT_H
#define TRUNKLINE_SOCKETS_AGENT_H

#include <signal.h>

#include "text.h"

// agent PROCESS WATCH BLOCK_MS RESUMED [NAME=FD ...]
int agent_main(int argc, char** argv);

// The names of descriptors, of this process alone. -1: no such name (so the call says EBADF).
int table_find(const char* name);
void table_add(const char* name, int fd);
void table_remove(const char* name);
// `fd` is closed or replaced: no name has it any more.
void table_forget(int fd);

// The calls of calls.c: false if there is no such call.
bool call_run(const struct Step* step, struct Out* out);

#endif
