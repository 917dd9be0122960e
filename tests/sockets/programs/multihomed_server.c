// SPDX-License-Identifier: BSD-3-Clause
// The server of chapter 11: bound to several addresses by sctp_bindx(); it tells where each message
// came from, and answers there (SCTP_ADDR_OVER).
//   multihomed_server PORT ADDRESS...
#include "book.h"

int main(int argc, char** argv) {
  must(argc > 2, "usage: multihomed_server PORT ADDRESS...");
  setvbuf(stdout, NULL, _IOLBF, 0);
  const int server = listen_to_many(argv[1], argv + 2, argc - 2);
  printf("Listening on port %s of %d addresses\n", argv[1], argc - 2);
  for (;;) {
    char text[kBuffer];
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    int flags = 0;
    const int size =
        sctp_recvmsg(server, text, sizeof(text), (struct sockaddr*)&peer, &length, NULL, &flags);
    must(size > 0, "sctp_recvmsg");
    printf("Message: %.*s\n", size, text);
    must(sctp_sendmsg(server, text, (size_t)size, (struct sockaddr*)&peer, length, 0,
                      SCTP_ADDR_OVER, 0, 0, 0) == size,
         "sctp_sendmsg");
  }
}
