// SPDX-License-Identifier: BSD-3-Clause
// The client of the book's first program on the kernel's sockets: five messages, each answered.
//   book_client ADDRESS [PORT]
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "book.h"

static int parse(const char* text, int port, struct sockaddr_storage* out) {
  struct sockaddr_in* v4 = (struct sockaddr_in*)out;
  struct sockaddr_in6* v6 = (struct sockaddr_in6*)out;
  memset(out, 0, sizeof(*out));
  v4->sin_port = htons((uint16_t)port);  // the same place in both
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    out->ss_family = AF_INET;
    return 0;
  }
  out->ss_family = AF_INET6;
  return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1 ? 0 : -1;
}

int main(int argc, char** argv) {
  struct sockaddr_storage address;
  if (argc < 2 || parse(argv[1], argc > 2 ? atoi(argv[2]) : kBookPort, &address) != 0) {
    fprintf(stderr, "usage: book_client ADDRESS [PORT]\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  const int server = socket(address.ss_family, SOCK_STREAM, IPPROTO_SCTP);
  printf("Connecting...\n");
  if (server < 0 || connect(server, (struct sockaddr*)&address,
                            address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                          : sizeof(struct sockaddr_in)) != 0) {
    perror("connect");
    return 1;
  }
  printf("OK\n");
  for (int i = 0; i < kBookMessages; i++) {
    char text[kBookBuffer + 1];
    const int size = snprintf(text, sizeof(text), "DATA %d", i);
    printf("Sending message %d of %d. Result: ", i + 1, kBookMessages);
    if (send(server, text, (size_t)size, 0) != size) {
      perror("send");
      return 1;
    }
    const ssize_t got = recv(server, text, kBookBuffer, 0);
    if (got <= 0) {
      perror("recv");
      return 1;
    }
    text[got] = '\0';
    printf("%s\n", text);
    if (strcmp(text, "OK") != 0) {
      return 1;
    }
  }
  printf("Closing...\n");
  return close(server) == 0 ? 0 : 1;
}
