// SPDX-License-Identifier: BSD-3-Clause
// The server of chapter 6: one-to-one style on all addresses, a thread for each connection, "OK"
// for each message. It serves for ever.
//   one_to_one_server [PORT]
#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "one_to_one.h"

static void* serve(void* argument) {
  const int connection = (int)(intptr_t)argument;
  char text[kBuffer + 1];
  ssize_t size;
  while ((size = recv(connection, text, kBuffer, 0)) > 0) {
    text[size] = '\0';
    printf("Message received: %s\n", text);
    if (send(connection, "OK", 2, 0) != 2) {
      perror("send");
      break;
    }
  }
  if (size < 0) {
    perror("recv");
  } else if (size == 0) {
    printf("Connection closed by remote peer.\n");
  }
  close(connection);
  return NULL;
}

int main(int argc, char** argv) {
  const int port = argc > 1 ? atoi(argv[1]) : kServerPort;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  setvbuf(stdout, NULL, _IOLBF, 0);
  const int server = socket(AF_INET, SOCK_STREAM, transport());
  if (server < 0 || bind(server, (struct sockaddr*)&address, sizeof(address)) != 0 ||
      listen(server, kBacklog) != 0) {
    perror("one_to_one_server");
    return 1;
  }
  printf("Listening on port %d\n", port);
  for (;;) {
    struct sockaddr_in peer;
    socklen_t size = sizeof(peer);
    const int connection = accept(server, (struct sockaddr*)&peer, &size);
    if (connection < 0) {
      perror("accept");
      return 1;
    }
    char text[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &peer.sin_addr, text, sizeof(text));
    printf("Got connection from %s\n", text);
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, (void*)(intptr_t)connection) != 0 ||
        pthread_detach(thread) != 0) {
      close(connection);
    }
  }
}
