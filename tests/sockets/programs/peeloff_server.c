// SPDX-License-Identifier: BSD-3-Clause
// The peel-off server of chapter 10: a one-to-many socket is told of a new association, which
// becomes a one-to-one socket of a thread's own. Every other one is served by a child instead.
//   peeloff_server PORT ADDRESS...
#include <pthread.h>
#include <stdint.h>

#include "book.h"

static int listener;

static void tell_addresses(const char* whose, struct sockaddr* addresses, int count) {
  char* at = (char*)addresses;
  printf("%s:", whose);
  for (int i = 0; i < count; i++) {
    struct sockaddr_in address;
    char text[INET_ADDRSTRLEN];
    memcpy(&address, at, sizeof(address));
    printf(" %s", text_of(&address, text));
    at += sctp_getaddrlen(address.sin_family);
  }
  printf("\n");
}

static void tell_both(int socket, sctp_assoc_t id) {
  struct sockaddr* addresses = NULL;
  int count = sctp_getladdrs(socket, id, &addresses);
  must(count > 0, "sctp_getladdrs");
  tell_addresses("Local addresses", addresses, count);
  sctp_freeladdrs(addresses);
  count = sctp_getpaddrs(socket, id, &addresses);
  must(count > 0, "sctp_getpaddrs");
  tell_addresses("Addresses of the peer", addresses, count);
  sctp_freepaddrs(addresses);
}

static uint32_t associations_left(int socket) {
  uint32_t count = 0;
  socklen_t size = sizeof(count);
  must(getsockopt(socket, IPPROTO_SCTP, SCTP_GET_ASSOC_NUMBER, &count, &size) == 0,
       "SCTP_GET_ASSOC_NUMBER");
  return count;
}

// A peeled-off socket has no end of file: that its association is over is told, as to the socket it
// came from.
static bool is_over(const union sctp_notification* event) {
  return event->sn_header.sn_type == SCTP_ASSOC_CHANGE &&
         event->sn_assoc_change.sac_state == SCTP_SHUTDOWN_COMP;
}

static void serve(int connection, const char* by) {
  for (;;) {
    union {
      union sctp_notification event;
      char text[kBuffer];
    } got;
    int flags = 0;
    const int size = sctp_recvmsg(connection, &got, sizeof(got), NULL, NULL, NULL, &flags);
    must(size > 0, "sctp_recvmsg");
    if ((flags & MSG_NOTIFICATION) == 0) {
      printf("Message received by a %s: %.*s\n", by, size, got.text);
      must(sctp_send(connection, "OK", 2, NULL, 0) == 2, "sctp_send");
    } else if (is_over(&got.event)) {
      break;
    }
  }
  printf("Association closed by its peer.\n");
  must(close(connection) == 0, "close");
}

static void* serve_in_thread(void* argument) {
  serve((int)(intptr_t)argument, "thread");
  return NULL;
}

static void hand_over(int connection, int number) {
  if (number % 2 == 0) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, serve_in_thread, (void*)(intptr_t)connection) == 0 &&
             pthread_detach(thread) == 0,
         "pthread_create");
    return;
  }
  const pid_t child = fork();
  must(child >= 0, "fork");
  if (child == 0) {
    close(listener);
    serve(connection, "child");
    exit(0);
  }
  close(connection);
}

int main(int argc, char** argv) {
  must(argc > 2, "usage: peeloff_server PORT ADDRESS...");
  setvbuf(stdout, NULL, _IOLBF, 0);
  listener = listen_to_many(argv[1], argv + 2, argc - 2);
  subscribe(listener, SCTP_ASSOC_CHANGE);
  printf("Listening on port %s\n", argv[1]);
  for (int number = 0;;) {
    union sctp_notification event;
    int flags = 0;
    const int size = sctp_recvmsg(listener, &event, sizeof(event), NULL, NULL, NULL, &flags);
    must(size > 0, "sctp_recvmsg");
    if ((flags & MSG_NOTIFICATION) == 0 || event.sn_header.sn_type != SCTP_ASSOC_CHANGE ||
        event.sn_assoc_change.sac_state != SCTP_COMM_UP) {
      printf("Not an association that has come up\n");
      continue;
    }
    const sctp_assoc_t id = event.sn_assoc_change.sac_assoc_id;
    tell_both(listener, id);
    const int connection = sctp_peeloff(listener, id);
    must(connection >= 0, "sctp_peeloff");
    printf("Peeled off; %u associations left\n", associations_left(listener));
    hand_over(connection, number++);
  }
}
