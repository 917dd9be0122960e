// SPDX-License-Identifier: BSD-3-Clause
// The server of the book's first program on the kernel's sockets: one-to-one style, answers each
// message with "OK". It serves as many connections as its second argument says (default 1), one
// after the other, where the book's serves for ever.
//   book_server [PORT [CONNECTIONS [4|6]]]
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "book.h"

static int serve(int connection) {
  for (;;) {
    char text[kBookBuffer + 1];
    const ssize_t size = recv(connection, text, kBookBuffer, 0);
    if (size < 0) {
      perror("recv");
      return 1;
    }
    if (size == 0) {
      printf("Connection closed by remote peer.\n");
      return 0;
    }
    text[size] = '\0';
    printf("Message received: %s\n", text);
    if (send(connection, "OK", 2, 0) != 2) {
      perror("send");
      return 1;
    }
  }
}

static void print_peer(const struct sockaddr_storage* address) {
  char text[INET6_ADDRSTRLEN] = "";
  const void* bytes = address->ss_family == AF_INET6
                          ? (const void*)&((const struct sockaddr_in6*)address)->sin6_addr
                          : (const void*)&((const struct sockaddr_in*)address)->sin_addr;
  inet_ntop(address->ss_family, bytes, text, sizeof(text));
  printf("Got connection from %s\n", text);
}

int main(int argc, char** argv) {
  const int port = argc > 1 ? atoi(argv[1]) : kBookPort;
  const int connections = argc > 2 ? atoi(argv[2]) : 1;
  struct sockaddr_storage address = {.ss_family = argc > 3 && strcmp(argv[3], "6") == 0 ? AF_INET6
                                                                                        : AF_INET};
  ((struct sockaddr_in*)&address)->sin_port = htons((uint16_t)port);
  setvbuf(stdout, NULL, _IOLBF, 0);
  const int server = socket(address.ss_family, SOCK_STREAM, IPPROTO_SCTP);
  if (server < 0 ||
      bind(server, (struct sockaddr*)&address,
           address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                         : sizeof(struct sockaddr_in)) != 0 ||
      listen(server, 10) != 0) {
    perror("book_server");
    return 1;
  }
  printf("Listening on port %d\n", port);
  int failed = 0;
  for (int i = 0; i < connections; i++) {
    socklen_t size = sizeof(address);
    const int connection = accept(server, (struct sockaddr*)&address, &size);
    if (connection < 0) {
      perror("accept");
      return 1;
    }
    print_peer(&address);
    failed |= serve(connection);
    close(connection);
  }
  close(server);
  return failed;
}
