// SPDX-License-Identifier: BSD-3-Clause
// The client of the book's first program, on the ring API: it connects, sends five messages, waits
// for the "OK" to each, and closes. Where the book's calls block, this one waits for the event
// that says the same.
//   book_client ADDRESS [--socket PATH] [--port N]
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trunkline/trunkline.h"

enum { kBookPort = 4444, kMessages = 5, kLongest = 1024, kPatienceMs = 30000 };

struct Options {
  const char* socket;  // the daemon's; NULL: where it is by default
  tl_address address;
  uint16_t port;
};

static bool parse(int argc, char** argv, struct Options* out) {
  static const struct option kOptions[] = {{"socket", required_argument, NULL, 's'},
                                           {"port", required_argument, NULL, 'p'},
                                           {NULL, 0, NULL, 0}};
  *out = (struct Options){.port = kBookPort};
  int option;
  while ((option = getopt_long(argc, argv, "", kOptions, NULL)) != -1) {
    if (option == 's') {
      out->socket = optarg;
    } else if (option == 'p') {
      out->port = (uint16_t)atoi(optarg);
    } else {
      return false;
    }
  }
  return optind + 1 == argc && tl_address_parse(argv[optind], &out->address) == 0;
}

static bool fail(const char* what, const char* why) {
  fflush(stdout);
  fprintf(stderr, "\nbook_client: %s: %s\n", what, why);
  return false;
}

// Waits for an event of that kind; a message's text goes to `text`. Events that say nothing to
// this program (a path that changed, a queue that ran dry) are passed over; an end is a failure.
static bool wait_for(tl_lane* lane, int kind, char* text) {
  for (;;) {
    tl_event event;
    const int count = tl_poll(lane, &event, 1);
    if (count < 0) {
      return fail("poll", tl_last_error());
    }
    if (count == 0) {
      if (tl_wait(lane, kPatienceMs) == 0) {
        return fail("gave up waiting for", tl_event_kind_name(kind));
      }
      continue;
    }
    if (event.kind == TL_EVENT_MESSAGE && text != NULL) {
      const size_t size = tl_event_copy(lane, &event, text, kLongest);
      text[size] = '\0';
      for (size_t i = 0; i < size; i++) {
        if (text[i] < ' ' || text[i] > '~') {
          text[i] = '?';  // a peer's bytes are not for a terminal as they are
        }
      }
    }
    tl_event_release(lane, &event, 1);
    if (event.kind == kind) {
      return true;
    }
    switch (event.kind) {
      case TL_EVENT_CONNECT_FAILED:
      case TL_EVENT_LOST:
        return fail(tl_event_kind_name(event.kind), tl_reason_name(event.reason));
      case TL_EVENT_CLOSED:
      case TL_EVENT_DAEMON_GONE:
        return fail("connection", "ended early");
      default:
        break;
    }
  }
}

static bool talk(tl_lane* lane, tl_assoc server) {
  for (int i = 0; i < kMessages; i++) {
    char text[kLongest + 1];
    const int size = snprintf(text, sizeof(text), "DATA %d", i);
    const tl_message message = {.data = text, .length = (uint32_t)size};  // on stream 0
    printf("Sending message %d of %d. Result: ", i + 1, kMessages);
    fflush(stdout);
    if (tl_send(lane, server, &message) < 0) {
      return fail("send", tl_last_error());
    }
    if (!wait_for(lane, TL_EVENT_MESSAGE, text)) {
      return false;
    }
    printf("%s\n", text);
    if (strcmp(text, "OK") != 0) {
      return fail("answer", "is not \"OK\"");
    }
  }
  return true;
}

static bool run(tl_client* client, const struct Options* options) {
  tl_lane* lane = NULL;
  tl_assoc server = 0;
  const tl_connect_options connect = {.addresses = &options->address,
                                      .address_count = 1,
                                      .peer_port = options->port,
                                      .affinity = TL_ANY_WORKER};
  printf("Connecting...\n");
  if (tl_lane_open(client, &lane) < 0 || tl_connect(lane, &connect, &server) < 0) {
    return fail("connect", tl_last_error());
  }
  if (!wait_for(lane, TL_EVENT_CONNECTED, NULL)) {
    return false;
  }
  printf("OK\n");
  if (!talk(lane, server)) {
    return false;
  }
  printf("Closing...\n");
  if (tl_shutdown(lane, server) < 0) {
    return fail("shutdown", tl_last_error());
  }
  return wait_for(lane, TL_EVENT_CLOSED, NULL);
}

int main(int argc, char** argv) {
  struct Options options;
  if (!parse(argc, argv, &options)) {
    fprintf(stderr, "usage: book_client ADDRESS [--socket PATH] [--port N]\n");
    return 2;
  }
  const tl_options attach = {.name = "book_client", .lanes = 1};
  tl_client* client = NULL;
  if (tl_attach(options.socket, &attach, &client) < 0) {
    fail("attach", tl_last_error());
    return 1;
  }
  const bool ok = run(client, &options);
  tl_detach(client);
  return ok ? 0 : 1;
}
