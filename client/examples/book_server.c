// SPDX-License-Identifier: BSD-3-Clause
// The server of the book's first program, on the ring API: it listens on port 4444, prints each
// message and answers it with "OK". One thread, one lane, any number of connections; the loop in
// main() is the shape of every program on this API.
//   book_server [--socket PATH] [--port N] [--connections N]     0 connections: for ever
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "trunkline/trunkline.h"

enum { kBookPort = 4444, kBurst = 32, kLongest = 1024 };

struct Options {
  const char* socket;  // the daemon's; NULL: where it is by default
  uint16_t port;
  int connections;
};

static int fail(const char* what) {
  fprintf(stderr, "book_server: %s: %s\n", what, tl_last_error());
  return 1;
}

static bool parse(int argc, char** argv, struct Options* out) {
  static const struct option kOptions[] = {{"socket", required_argument, NULL, 's'},
                                           {"port", required_argument, NULL, 'p'},
                                           {"connections", required_argument, NULL, 'c'},
                                           {NULL, 0, NULL, 0}};
  *out = (struct Options){.port = kBookPort};
  int option;
  while ((option = getopt_long(argc, argv, "", kOptions, NULL)) != -1) {
    if (option == 's') {
      out->socket = optarg;
    } else if (option == 'p') {
      out->port = (uint16_t)atoi(optarg);
    } else if (option == 'c') {
      out->connections = atoi(optarg);
    } else {
      return false;
    }
  }
  return optind == argc;
}

// Prints a message and answers it.
static int answer(tl_lane* lane, const tl_event* event) {
  char text[kLongest + 1];
  const size_t size = tl_event_copy(lane, event, text, kLongest);
  text[size] = '\0';
  for (size_t i = 0; i < size; i++) {
    if (text[i] < ' ' || text[i] > '~') {
      text[i] = '?';  // a peer's bytes are not for a terminal as they are
    }
  }
  printf("Message received: %s\n", text);
  const tl_message reply = {.data = "OK", .length = 2, .stream = event->stream};
  // A peer that sends without reading could make this -EAGAIN: the book's client never does.
  const int sent = tl_send(lane, event->assoc, &reply);
  return sent == 0 || sent == -ENOTCONN ? 0 : fail("send");
}

// Handles one event. `over` counts the connections that have ended.
static int handle(tl_lane* lane, const tl_event* event, int* over) {
  char peer[46];
  switch (event->kind) {
    case TL_EVENT_ACCEPTED:
      printf("Got connection from %s\n", tl_address_text(&event->address, peer, sizeof(peer)));
      return 0;
    case TL_EVENT_MESSAGE:
      return answer(lane, event);
    case TL_EVENT_CLOSED:
      printf("Connection closed by remote peer.\n");
      ++*over;
      return 0;
    case TL_EVENT_LOST:
      printf("Connection lost: %s\n", tl_reason_name(event->reason));
      ++*over;
      return 0;
    case TL_EVENT_DAEMON_GONE:
      fprintf(stderr, "book_server: the daemon is gone\n");
      return 1;
    default:
      return 0;  // the stack answers a shutdown by itself; path changes need nothing from us
  }
}

static int serve(tl_lane* lane, const struct Options* options) {
  int over = 0;
  while (options->connections == 0 || over < options->connections) {
    tl_event events[kBurst];
    const int count = tl_poll(lane, events, kBurst);
    if (count < 0) {
      return fail("poll");
    }
    for (int i = 0; i < count; i++) {
      if (handle(lane, &events[i], &over) != 0) {
        return 1;
      }
    }
    tl_event_release(lane, events, (size_t)count);  // gives the payloads' memory back
    if (count == 0) {
      tl_wait(lane, -1);
    }
  }
  return 0;
}

int main(int argc, char** argv) {
  struct Options options;
  if (!parse(argc, argv, &options)) {
    fprintf(stderr, "usage: book_server [--socket PATH] [--port N] [--connections N]\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);  // a line at a time, also into a pipe

  tl_client* client = NULL;
  tl_lane* lane = NULL;
  tl_listener listener = 0;
  const tl_options attach = {.name = "book_server", .lanes = 1};
  if (tl_attach(options.socket, &attach, &client) < 0) {
    return fail("attach");
  }
  const tl_listen_options listen = {.port = options.port, .affinity = TL_ANY_WORKER};
  int status;
  if (tl_lane_open(client, &lane) < 0 || tl_listen(lane, &listen, &listener) < 0) {
    status = fail("listen");
  } else {
    printf("Listening on port %d\n", options.port);
    status = serve(lane, &options);
  }
  tl_detach(client);
  return status;
}
