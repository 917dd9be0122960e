// SPDX-License-Identifier: BSD-3-Clause
// The client of chapter 6: five messages, each answered.
//   one_to_one_client ADDRESS [PORT]
#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

#include "one_to_one.h"

static int converse(int server) {
  for (int i = 0; i < kMessages; i++) {
    char text[kBuffer + 1];
    const int size = snprintf(text, sizeof(text), "DATA %d", i);
    printf("Sending message %d of %d. Result: ", i + 1, kMessages);
    if (send(server, text, (size_t)size, 0) != size) {
      perror("send");
      return 1;
    }
    const ssize_t got = recv(server, text, kBuffer, 0);
    if (got <= 0) {
      perror("recv");
      return 1;
    }
    text[got] = '\0';
    printf("%s\n", text);
  }
  return 0;
}

int main(int argc, char** argv) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_port = htons((uint16_t)(argc > 2 ? atoi(argv[2]) : kServerPort));
  if (argc < 2 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
    fprintf(stderr, "usage: one_to_one_client ADDRESS [PORT]\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  const int server = socket(AF_INET, SOCK_STREAM, transport());
  printf("Connecting...\n");
  if (server < 0 || connect(server, (struct sockaddr*)&address, sizeof(address)) != 0) {
    perror("connect");
    return 1;
  }
  printf("OK\n");
  const int failed = converse(server);
  printf("Closing...\n");
  return close(server) == 0 ? failed : 1;
}
