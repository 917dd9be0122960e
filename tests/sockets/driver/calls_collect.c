// SPDX-License-Identifier: BSD-3-Clause
// Reads all that there is, sorted by whom it came from. In which order a socket gives messages of
// different peers is nobody's business; in which those of one peer come is, and that stays.
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "calls.h"

enum { kPeers = 16, kMostMessages = 64 };

struct Group {
  in_port_t port;  // of the peer: it may have several addresses
  struct Out out;
};

// Marks, "<port 40001>", are names that come later: they do not count.
static int by_text(const void* left, const void* right) {
  const char* one = ((const struct Group*)left)->out.text;
  const char* two = ((const struct Group*)right)->out.text;
  for (;; one++, two++) {
    while (*one == '<' && *two == '<') {
      one += strcspn(one, ">") + 1;
      two += strcspn(two, ">") + 1;
    }
    if (*one != *two || *one == '\0') {
      return *one - *two;
    }
  }
}

static struct Group* group_of(struct Group* groups, int* count, const struct Receiving* message) {
  struct sockaddr_in from;  // the port is where that of IPv6 is
  memcpy(&from, &message->address, sizeof(from));
  const in_port_t port = message->head.msg_namelen != 0 ? from.sin_port : 0;
  for (int i = 0; i < *count; i++) {
    if (groups[i].port == port || i == kPeers - 1) {
      return &groups[i];
    }
  }
  groups[*count].port = port;
  return &groups[(*count)++];
}

void call_collect(const struct Step* step, struct Out* out) {
  struct Group* groups = calloc(kPeers, sizeof(*groups));
  int peers = 0;
  ssize_t got = 0;
  const int fd = descriptor(step, "s");
  for (int i = 0; i < kMostMessages; i++) {
    struct Receiving one;
    prepare_receive(step, &one);
    one.head.msg_name = &one.address;
    one.head.msg_namelen = sizeof(one.address);
    got = recvmsg(fd, &one.head, MSG_DONTWAIT);
    if (got > 0) {
      struct Group* group = group_of(groups, &peers, &one);
      outf(&group->out, " (%zd", got);
      out_message(&group->out, &one, got);
      outf(&group->out, ")");
    }
    free(one.bytes);
    if (got <= 0) {
      break;
    }
  }
  const int error = errno;
  qsort(groups, (size_t)peers, sizeof(*groups), by_text);
  for (int i = 0; i < peers; i++) {
    outf(out, "%s[%s ] ", i == 0 ? "" : " ", groups[i].out.text);
  }
  outf(out, "then %s", got > 0 ? "more" : got == 0 ? "end" : error_name(error));
  free(groups);
}
