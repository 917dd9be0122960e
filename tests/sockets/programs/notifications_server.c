// SPDX-License-Identifier: BSD-3-Clause
// The server of chapter 9: it tells each notification as it comes, and sends back each message.
//   notifications_server event|events PORT ADDRESS...
#include "notifications.h"

int main(int argc, char** argv) {
  must(argc > 3, "usage: notifications_server event|events PORT ADDRESS...");
  setvbuf(stdout, NULL, _IOLBF, 0);
  const int server = listen_to_many(argv[2], argv + 3, argc - 3);
  subscribe_by(server, argv[1]);
  printf("Listening on port %s\n", argv[2]);
  for (;;) {
    union {
      union sctp_notification event;
      char text[kBuffer];
    } got;
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    int flags = 0;
    const int size =
        sctp_recvmsg(server, &got, sizeof(got), (struct sockaddr*)&peer, &length, NULL, &flags);
    must(size > 0, "sctp_recvmsg");
    if ((flags & MSG_NOTIFICATION) != 0) {
      tell(&got.event, (size_t)size);
    } else {
      printf("Message: %.*s\n", size, got.text);
      must(sendto(server, &got, (size_t)size, 0, (struct sockaddr*)&peer, length) == size,
           "sendto");
    }
  }
}
