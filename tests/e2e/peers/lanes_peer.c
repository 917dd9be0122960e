// SPDX-License-Identifier: BSD-3-Clause
// An application with a lane, and a thread, for each worker of the daemon: the listening side
// echoes, the calling side has many associations and checks the order of each. The report says how
// many associations each lane had, and how many of them lived at another worker than the lane's.
//   lanes_peer --listen SOCKET LANES ASSOCIATIONS
//   lanes_peer --connect SOCKET LANES ASSOCIATIONS ADDRESS
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trunkline/trunkline.h"

enum { kPort = 4444, kMessages = 50, kMaxLanes = 16, kBurst = 32 };

static tl_client* client;
static bool listening;
static int wanted;  // associations in all
static tl_address address;
static atomic_int ended;
static atomic_int failures;

struct Lane {
  pthread_t thread;
  uint32_t worker;
  int associations;
  int foreign;
};
static struct Lane lanes[kMaxLanes];
static int lane_count;

static void complain(const char* what) {
  fprintf(stderr, "lanes_peer: %s: %s\n", what, tl_last_error());
  atomic_fetch_add(&failures, 1);
}

static bool send_number(tl_lane* lane, tl_assoc assoc, uint32_t number) {
  const tl_message message = {.data = &number, .length = sizeof(number), .ppid = number};
  return tl_send(lane, assoc, &message) == 0;
}

static void take_message(tl_lane* lane, const tl_event* event) {
  uint32_t number = 0;
  if (tl_event_copy(lane, event, &number, sizeof(number)) != sizeof(number)) {
    complain("a message of another size");
  }
  if (listening) {
    if (!send_number(lane, event->assoc, number)) {
      complain("echo");
    }
    return;
  }
  // The user word counts what has come back.
  if (number != event->user) {
    complain("out of order");
  }
  if (tl_assoc_set_user(lane, event->assoc, number + 1) != 0) {
    complain("user word");
  }
  const bool more = number + 1 < kMessages;
  if (more ? !send_number(lane, event->assoc, number + 1) : tl_shutdown(lane, event->assoc) != 0) {
    complain("next");
  }
}

static void take(struct Lane* self, tl_lane* lane, const tl_event* event) {
  uint32_t worker = 0;
  switch (event->kind) {
    case TL_EVENT_ACCEPTED:
    case TL_EVENT_CONNECTED:
      ++self->associations;
      if (tl_assoc_worker(lane, event->assoc, &worker) != 0 || worker != self->worker) {
        ++self->foreign;
      }
      if (!listening && !send_number(lane, event->assoc, 0)) {
        complain("first");
      }
      break;
    case TL_EVENT_MESSAGE:
      take_message(lane, event);
      break;
    case TL_EVENT_CLOSED:
      atomic_fetch_add(&ended, 1);
      break;
    case TL_EVENT_CONNECT_FAILED:
    case TL_EVENT_LOST:
    case TL_EVENT_SEND_FAILED:
    case TL_EVENT_DAEMON_GONE:
      complain(tl_event_kind_name(event->kind));
      break;
    default:
      break;
  }
}

static int open_lane(const struct Lane* self, tl_lane** lane) {
  tl_listener listener = 0;
  const tl_listen_options listen = {.port = kPort, .affinity = self->worker};
  const tl_connect_options connect = {
      .addresses = &address, .address_count = 1, .peer_port = kPort, .affinity = self->worker};
  int error = tl_lane_open(client, lane);
  if (error == 0 && listening) {
    error = tl_listen(*lane, &listen, &listener);
  }
  const int share = listening ? 0 : wanted / lane_count;
  for (int i = 0; i < share && error == 0; i++) {
    tl_assoc assoc = 0;
    error = tl_connect(*lane, &connect, &assoc);
  }
  return error;
}

static pthread_barrier_t ready;

static void* run(void* argument) {
  struct Lane* const self = argument;
  tl_lane* lane = NULL;
  if (open_lane(self, &lane) != 0) {
    complain("open");
  }
  pthread_barrier_wait(&ready);
  while (atomic_load(&ended) < wanted && atomic_load(&failures) == 0) {
    tl_event events[kBurst];
    const int n = tl_poll(lane, events, kBurst);
    for (int i = 0; i < n; i++) {
      take(self, lane, &events[i]);
    }
    tl_event_release(lane, events, n > 0 ? (size_t)n : 0);
    // Not longer: the last association may have ended on another lane.
    if (n < 0 || (n == 0 && tl_wait(lane, 100) < 0)) {
      complain("poll");
    }
  }
  return NULL;
}

static void report(void) {
  int foreign = 0;
  printf("{\"ok\": %s, \"lanes\": [", atomic_load(&failures) == 0 ? "true" : "false");
  for (int i = 0; i < lane_count; i++) {
    printf("%s%d", i == 0 ? "" : ", ", lanes[i].associations);
    foreign += lanes[i].foreign;
  }
  printf("], \"foreign\": %d}\n", foreign);
}

int main(int argc, char** argv) {
  listening = argc == 5 && strcmp(argv[1], "--listen") == 0;
  const bool connecting = argc == 6 && strcmp(argv[1], "--connect") == 0;
  if (!listening && !connecting) {
    fprintf(stderr, "usage: lanes_peer --listen|--connect SOCKET LANES ASSOCIATIONS [ADDRESS]\n");
    return 2;
  }
  lane_count = atoi(argv[3]);
  wanted = atoi(argv[4]);
  if (lane_count < 1 || lane_count > kMaxLanes || (!listening && wanted % lane_count != 0) ||
      (connecting && tl_address_parse(argv[5], &address) != 0)) {
    fprintf(stderr, "lanes_peer: 1 to %d lanes, and as many associations on each\n", kMaxLanes);
    return 2;
  }
  const tl_options options = {
      .name = "lanes_peer", .lanes = (uint32_t)lane_count, .tx_slots = 512, .rx_slots = 512};
  if (tl_attach(argv[2], &options, &client) != 0) {
    complain("attach");
    return 1;
  }
  pthread_barrier_init(&ready, NULL, (unsigned)lane_count + 1);
  for (int i = 0; i < lane_count; i++) {
    lanes[i].worker = (uint32_t)i;
    pthread_create(&lanes[i].thread, NULL, run, &lanes[i]);
  }
  pthread_barrier_wait(&ready);
  if (listening) {
    printf("LISTENING\n");
    fflush(stdout);
  }
  for (int i = 0; i < lane_count; i++) {
    pthread_join(lanes[i].thread, NULL);
  }
  tl_detach(client);
  report();
  return atomic_load(&failures) == 0 ? 0 : 1;
}
