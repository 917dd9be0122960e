// SPDX-License-Identifier: BSD-3-Clause
// What the server and the client of chapter 6 of the book agree on. The protocol may be swapped:
// with TRANSPORT=tcp both speak TCP, and nothing else of them changes.
#ifndef TRUNKLINE_ONE_TO_ONE_H
#define TRUNKLINE_ONE_TO_ONE_H

#include <netinet/in.h>
#include <netinet/sctp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { kServerPort = 4444, kMessages = 5, kBacklog = 10, kBuffer = 1024 };

static inline int transport(void) {
  const char* name = getenv("TRANSPORT");
  return name != NULL && strcmp(name, "tcp") == 0 ? IPPROTO_TCP : IPPROTO_SCTP;
}

#endif
