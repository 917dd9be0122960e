// SPDX-License-Identifier: BSD-3-Clause
// The peer of the end-to-end rates: one end of an association of usrsctp over raw IP sockets. Two
// of these, each in a network namespace and on a core of its own, send messages from the connecting
// end to the listening one as fast as they can. The sender writes every payload, the receiver reads
// every byte; NODELAY; CRC32c in software at both ends, as usrsctp does it on raw sockets.
//
// usrsctp_pair --listen | --connect ADDRESS, --local ADDRESS, --size BYTES, --seconds TIME (of the
// connecting end), --buffer BYTES (send and receive). Prints {"listening":...}, then {"final":...}.
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <usrsctp.h>

enum { kPort = 2905, kMost = 65536 };

typedef struct Options {
  const char* local;
  const char* peer;  // NULL: listen
  int size;
  double seconds;
  int buffer;
  int burst;  // packets that a SACK may release; 0: no limit
} Options;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int fail(const char* what) {
  fprintf(stderr, "usrsctp_pair: %s: %s\n", what, strerror(errno));
  return 1;
}

static void debug_out(const char* format, ...) {
  (void)format;
}

static bool parse(int argc, char** argv, Options* out) {
  *out = (Options){.size = 100, .seconds = 1, .buffer = 1 << 20, .burst = 4};
  bool listen = false;
  for (int i = 1; i < argc; i++) {
    const char* const value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(argv[i], "--listen") == 0) {
      listen = true;
      continue;
    }
    if (strcmp(argv[i], "--connect") == 0) {
      out->peer = value;
    } else if (strcmp(argv[i], "--local") == 0) {
      out->local = value;
    } else if (strcmp(argv[i], "--size") == 0) {
      out->size = atoi(value);
    } else if (strcmp(argv[i], "--seconds") == 0) {
      out->seconds = atof(value);
    } else if (strcmp(argv[i], "--burst") == 0) {
      out->burst = atoi(value);
    } else if (strcmp(argv[i], "--buffer") == 0) {
      out->buffer = atoi(value);
    } else {
      fprintf(stderr, "usrsctp_pair: what is %s?\n", argv[i]);
      return false;
    }
    i++;
  }
  return listen == (out->peer == NULL) && out->local != NULL && out->size >= 16 &&
         out->size <= kMost;
}

// Room for a whole window in the sockets that usrsctp receives from. It is faster with it, and
// where a raw socket takes no more, the kernel answers for it that nobody speaks SCTP, which ends
// the association.
static void widen_sockets(void) {
  enum { kHighestFd = 64 };
  for (int fd = 3; fd < kHighestFd; fd++) {
    int protocol = 0;
    socklen_t size = sizeof(protocol);
    const int room = 16 << 20;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
        protocol == IPPROTO_SCTP) {
      setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
      setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
    }
  }
}

static struct sockaddr_in address_of(const char* text, uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

static struct socket* open_socket(const Options* o) {
  struct socket* const s = usrsctp_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
  const int on = 1;
  const struct sctp_assoc_value burst = {.assoc_id = SCTP_FUTURE_ASSOC,
                                         .assoc_value = (uint32_t)o->burst};
  struct sockaddr_in local = address_of(o->local, o->peer == NULL ? kPort : 0);
  if (s == NULL ||
      usrsctp_setsockopt(s, SOL_SOCKET, SO_SNDBUF, &o->buffer, sizeof(o->buffer)) != 0 ||
      usrsctp_setsockopt(s, SOL_SOCKET, SO_RCVBUF, &o->buffer, sizeof(o->buffer)) != 0 ||
      usrsctp_setsockopt(s, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof(on)) != 0 ||
      usrsctp_setsockopt(s, IPPROTO_SCTP, SCTP_MAX_BURST, &burst, sizeof(burst)) != 0 ||
      usrsctp_bind(s, (struct sockaddr*)&local, sizeof(local)) != 0) {
    return NULL;
  }
  return s;
}

static void print_final(const char* what, uint64_t messages, uint64_t bytes, uint64_t ns,
                        uint64_t sum) {
  printf("{\"final\":{\"%s\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"per_s\":%.1f,\"sum\":%" PRIu64
         "}}\n",
         what, messages, bytes, ns == 0 ? 0 : (double)messages / ((double)ns / 1e9), sum);
  fflush(stdout);
}

static int send_all(struct socket* s, const Options* o) {
  static uint8_t text[kMost];
  const uint64_t began = now_ns();
  const uint64_t until = began + (uint64_t)(o->seconds * 1e9);
  uint64_t sent = 0;
  while ((sent & 31) != 0 || now_ns() < until) {
    memset(text, (int)(sent & 0xff), (size_t)o->size);
    memcpy(text, &sent, sizeof(sent));
    if (usrsctp_sendv(s, text, (size_t)o->size, NULL, 0, NULL, 0, SCTP_SENDV_NOINFO, 0) !=
        o->size) {
      return fail("send");
    }
    sent++;
  }
  print_final("sent", sent, sent * (uint64_t)o->size, now_ns() - began, 0);
  // What is queued goes first (SHUTDOWN); the peer closes when it has read the end.
  usrsctp_shutdown(s, SHUT_WR);
  struct sctp_rcvinfo info;
  socklen_t size = sizeof(info);
  struct sockaddr_in from;
  socklen_t from_size = sizeof(from);
  unsigned int type = 0;
  int flags = 0;
  while (usrsctp_recvv(s, text, sizeof(text), (struct sockaddr*)&from, &from_size, &info, &size,
                       &type, &flags) > 0) {
  }
  return 0;
}

static int receive_all(struct socket* s, const Options* o) {
  static uint8_t text[kMost];
  uint64_t received = 0, bytes = 0, sum = 0, first = 0, last = 0;
  for (;;) {
    struct sctp_rcvinfo info;
    socklen_t size = sizeof(info);
    struct sockaddr_in from;
    socklen_t from_size = sizeof(from);
    unsigned int type = 0;
    int flags = 0;
    const ssize_t n = usrsctp_recvv(s, text, sizeof(text), (struct sockaddr*)&from, &from_size,
                                    &info, &size, &type, &flags);
    if (n <= 0) {
      break;
    }
    uint64_t number;
    memcpy(&number, text, sizeof(number));
    if (n != o->size || number != received) {
      fprintf(stderr, "usrsctp_pair: message %" PRIu64 " is not what was sent\n", received);
      return 1;
    }
    for (ssize_t at = 0; at + 8 <= n; at += 8) {
      uint64_t word;
      memcpy(&word, text + at, 8);
      sum += word;
    }
    received++;
    bytes += (uint64_t)n;
    if (received == 1) {
      first = now_ns();
    }
    if ((received & 31) == 0) {
      last = now_ns();
    }
  }
  print_final("received", received, bytes, last > first ? last - first : 0, sum);
  return 0;
}

int main(int argc, char** argv) {
  Options o;
  if (!parse(argc, argv, &o)) {
    fprintf(stderr, "usrsctp_pair: --listen or --connect ADDRESS, --local ADDRESS, --size, ...\n");
    return 2;
  }
  usrsctp_init(0, NULL, debug_out);
  widen_sockets();
  usrsctp_sysctl_set_sctp_sendspace((uint32_t)o.buffer);
  usrsctp_sysctl_set_sctp_recvspace((uint32_t)o.buffer);
  usrsctp_sysctl_set_sctp_blackhole(2);
  struct socket* s = open_socket(&o);
  if (s == NULL) {
    return fail("socket");
  }
  int status = 0;
  if (o.peer == NULL) {
    if (usrsctp_listen(s, 1) != 0) {
      return fail("listen");
    }
    printf("{\"listening\":%d}\n", kPort);
    fflush(stdout);
    struct socket* const one = usrsctp_accept(s, NULL, NULL);
    status = one == NULL ? fail("accept") : receive_all(one, &o);
    if (one != NULL) {
      usrsctp_close(one);
    }
  } else {
    struct sockaddr_in peer = address_of(o.peer, kPort);
    status = usrsctp_connect(s, (struct sockaddr*)&peer, sizeof(peer)) != 0 ? fail("connect")
                                                                            : send_all(s, &o);
  }
  usrsctp_close(s);
  for (int i = 0; i < 500 && usrsctp_finish() != 0; i++) {
    usleep(10000);
  }
  return status;
}
