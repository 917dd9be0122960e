// SPDX-License-Identifier: BSD-3-Clause
// One end of a one-to-one association through the sockets API: what a program of RFC 6458 does, and
// nothing of Trunkline (it is preloaded). The sender writes every payload, the receiver reads every
// byte; NODELAY.
//
// socket_load --listen | --connect ADDRESS, --port, --size BYTES, --seconds TIME,
//   --echo          round trips, one at a time, instead of a stream
//   --idle COUNT    a stream twice: alone, then beside that many connections that do nothing
//   --defaults      buffers as a program has them that asks for none
//   --calls         what a byte sent and received on a pair of UNIX sockets costs, and no more
// Prints {"listening":...}, {"idle":...} when they are open and waits for a line, then
// {"final":...}.
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/sctp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kMost = 65536 };

static const int kBuffer = 1 << 20;  // the system gives less: as much as it may

typedef struct Options {
  const char* peer;  // NULL: listen
  int port;
  int size;
  double seconds;
  int idle;
  bool echo;
  bool defaults;
  bool calls;
} Options;

static uint8_t text[kMost];

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int fail(const char* what) {
  fprintf(stderr, "socket_load: %s: %s\n", what, strerror(errno));
  return 1;
}

static bool parse(int argc, char** argv, Options* out) {
  *out = (Options){.port = 2905, .size = 100, .seconds = 1};
  bool listens = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--listen") == 0) {
      listens = true;
    } else if (strcmp(argv[i], "--echo") == 0) {
      out->echo = true;
    } else if (strcmp(argv[i], "--defaults") == 0) {
      out->defaults = true;
    } else if (strcmp(argv[i], "--calls") == 0) {
      out->calls = true;
    } else if (i + 1 == argc) {
      return false;
    } else if (strcmp(argv[i], "--connect") == 0) {
      out->peer = argv[++i];
    } else if (strcmp(argv[i], "--port") == 0) {
      out->port = atoi(argv[++i]);
    } else if (strcmp(argv[i], "--size") == 0) {
      out->size = atoi(argv[++i]);
    } else if (strcmp(argv[i], "--seconds") == 0) {
      out->seconds = atof(argv[++i]);
    } else if (strcmp(argv[i], "--idle") == 0) {
      out->idle = atoi(argv[++i]);
    } else {
      return false;
    }
  }
  return (out->calls || listens == (out->peer == NULL)) && out->size >= 8 && out->size <= kMost;
}

// ---------------------------------------------------------------- sockets

static int open_socket(const Options* o) {
  const int on = 1;
  const int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (fd >= 0) {
    setsockopt(fd, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof(on));
    if (!o->defaults) {
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kBuffer, sizeof(kBuffer));
      setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kBuffer, sizeof(kBuffer));
    }
  }
  return fd;
}

static int connect_one(const Options* o) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
  inet_pton(AF_INET, o->peer, &to.sin_addr);
  const int fd = open_socket(o);
  return fd >= 0 && connect(fd, (struct sockaddr*)&to, sizeof(to)) == 0 ? fd : -1;
}

static int listen_one(const Options* o) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
  const int fd = open_socket(o);
  if (fd < 0 || bind(fd, (struct sockaddr*)&at, sizeof(at)) != 0 || listen(fd, 1024) != 0) {
    return -1;
  }
  printf("{\"listening\":%d}\n", o->port);
  fflush(stdout);
  return fd;
}

// What is queued goes first; the peer closes when it has read the end.
static void end_of(int fd) {
  shutdown(fd, SHUT_WR);
  while (recv(fd, text, sizeof(text), 0) > 0) {
  }
  close(fd);
}

// ---------------------------------------------------------------- a stream

typedef struct Stream {
  uint64_t messages;
  double per_s;
} Stream;

// Numbers go on from `*number`.
static bool send_for(int fd, const Options* o, uint64_t* number, Stream* out) {
  const uint64_t first = *number;
  const uint64_t began = now_ns();
  const uint64_t until = began + (uint64_t)(o->seconds * 1e9);
  while ((*number & 31) != 0 || now_ns() < until) {
    memset(text, (int)(*number & 0xff), (size_t)o->size);
    memcpy(text, number, sizeof(*number));
    if (send(fd, text, (size_t)o->size, 0) != o->size) return false;
    ++*number;
  }
  out->messages = *number - first;
  out->per_s = (double)out->messages / ((double)(now_ns() - began) / 1e9);
  return true;
}

static void open_idle(const Options* o, int* open) {
  for (*open = 0; *open < o->idle && connect_one(o) >= 0; ++*open) {
  }
}

static int send_stream(int fd, const Options* o) {
  uint64_t number = 0;
  Stream one = {0};
  if (!send_for(fd, o, &number, &one)) return fail("send");
  Stream beside = {0};
  if (o->idle > 0) {
    int open = 0;
    open_idle(o, &open);
    if (open != o->idle) return fail("connect");
    printf("{\"idle\":%d}\n", open);
    fflush(stdout);
    if (getchar() == EOF) return 1;
    if (!send_for(fd, o, &number, &beside)) return fail("send");
  }
  printf("{\"final\":{\"sent\":%" PRIu64 ",\"per_s\":%.1f,\"beside_idle_per_s\":%.1f}}\n", number,
         one.per_s, beside.per_s);
  fflush(stdout);
  end_of(fd);
  return 0;
}

static int receive_stream(int fd, const Options* o) {
  uint64_t received = 0, sum = 0, first = 0, last = 0;
  for (;;) {
    const ssize_t n = recv(fd, text, sizeof(text), 0);
    if (n < 0) return fail("recv");
    if (n == 0) break;
    uint64_t number;
    memcpy(&number, text, sizeof(number));
    if (n != o->size || number != received) {
      fprintf(stderr, "socket_load: message %" PRIu64 " is not what was sent\n", received);
      return 1;
    }
    for (ssize_t at = 0; at + 8 <= n; at += 8) {
      uint64_t word;
      memcpy(&word, text + at, 8);
      sum += word;
    }
    if (received == 0) first = now_ns();
    received++;
    if ((received & 31) == 0) last = now_ns();
  }
  const double seconds = last > first ? (double)(last - first) / 1e9 : 0;
  printf("{\"final\":{\"received\":%" PRIu64 ",\"per_s\":%.1f,\"sum\":%" PRIu64 "}}\n", received,
         seconds > 0 ? (double)received / seconds : 0, sum);
  fflush(stdout);
  return 0;
}

// ---------------------------------------------------------------- round trips

static int ask(int fd, const Options* o) {
  uint64_t trips = 0;
  const uint64_t began = now_ns();
  const uint64_t until = began + (uint64_t)(o->seconds * 1e9);
  uint64_t now = began;
  for (; now < until; now = now_ns()) {
    memcpy(text, &trips, sizeof(trips));
    if (send(fd, text, (size_t)o->size, 0) != o->size) return fail("send");
    memset(text, 0, sizeof(trips));
    if (recv(fd, text, sizeof(text), 0) != o->size) return fail("recv");
    if (memcmp(text, &trips, sizeof(trips)) != 0) {
      fprintf(stderr, "socket_load: answer %" PRIu64 " is another one\n", trips);
      return 1;
    }
    trips++;
  }
  printf("{\"final\":{\"trips\":%" PRIu64 ",\"microseconds\":%.3f}}\n", trips,
         (double)(now - began) / 1e3 / (double)trips);
  fflush(stdout);
  end_of(fd);
  return 0;
}

static int answer(int fd) {
  uint64_t trips = 0;
  ssize_t n;
  while ((n = recv(fd, text, sizeof(text), 0)) > 0) {
    if (send(fd, text, (size_t)n, 0) != n) return fail("send");
    trips++;
  }
  if (n < 0) return fail("recv");
  printf("{\"final\":{\"trips\":%" PRIu64 "}}\n", trips);
  fflush(stdout);
  return 0;
}

// Nobody waits in it: what the two calls cost, not what sleeping costs.
static int time_calls(const Options* o) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return fail("socketpair");
  uint64_t times = 0;
  const uint64_t began = now_ns();
  const uint64_t until = began + (uint64_t)(o->seconds * 1e9);
  while ((times & 63) != 0 || now_ns() < until) {
    if (send(pair[0], "x", 1, MSG_DONTWAIT) != 1 || recv(pair[1], text, 1, MSG_DONTWAIT) != 1) {
      return fail("pair");
    }
    times++;
  }
  printf("{\"final\":{\"microseconds\":%.4f}}\n", (double)(now_ns() - began) / 1e3 / (double)times);
  return 0;
}

// ---------------------------------------------------------------- both ends

static void* accept_idle(void* listener) {
  while (accept(*(int*)listener, NULL, NULL) >= 0) {
  }
  return NULL;
}

static int serve(const Options* o) {
  static int listener;
  listener = listen_one(o);
  if (listener < 0) return fail("listen");
  const int fd = accept(listener, NULL, NULL);
  if (fd < 0) return fail("accept");
  pthread_t thread;
  if (o->idle > 0 && pthread_create(&thread, NULL, accept_idle, &listener) != 0) {
    return fail("pthread_create");
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof(on));
  const int status = o->echo ? answer(fd) : receive_stream(fd, o);
  close(fd);
  return status;
}

int main(int argc, char** argv) {
  Options o;
  if (!parse(argc, argv, &o)) {
    fprintf(stderr, "socket_load: --listen or --connect ADDRESS, --size, ...\n");
    return 2;
  }
  if (o.calls) return time_calls(&o);
  if (o.peer == NULL) return serve(&o);
  const int fd = connect_one(&o);
  if (fd < 0) return fail("connect");
  return o.echo ? ask(fd, &o) : send_stream(fd, &o);
}
