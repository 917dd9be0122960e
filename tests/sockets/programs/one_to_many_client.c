// SPDX-License-Identifier: BSD-3-Clause
// The client of chapter 7: it does not connect. Its first message sets the association up, and
// close() shuts it down.
//   one_to_many_client ADDRESS PORT
#include "book.h"

static void converse(int socket, struct sockaddr_in* server, int number) {
  char text[kBuffer];
  struct iovec vector = {.iov_base = text};
  struct msghdr message = {
      .msg_name = server, .msg_namelen = sizeof(*server), .msg_iov = &vector, .msg_iovlen = 1};
  vector.iov_len = (size_t)snprintf(text, sizeof(text), "DATA %d", number);
  printf("Sending message %d of %d. Result: ", number + 1, kMessages);
  must(sendmsg(socket, &message, 0) == (ssize_t)vector.iov_len, "sendmsg");

  struct sockaddr_in from;
  message.msg_name = &from;
  message.msg_namelen = sizeof(from);
  vector.iov_len = sizeof(text) - 1;
  const ssize_t size = recvmsg(socket, &message, 0);
  must(size > 0 && from.sin_addr.s_addr == server->sin_addr.s_addr &&
           from.sin_port == server->sin_port,
       "recvmsg");
  text[size] = '\0';
  printf("%s\n", text);
}

int main(int argc, char** argv) {
  must(argc == 3, "usage: one_to_many_client ADDRESS PORT");
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct sockaddr_in server = address_of(argv[1], argv[2]);
  const int client = socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP);
  must(client >= 0, "socket");
  for (int i = 0; i < kMessages; i++) {
    converse(client, &server, i);
  }
  printf("Closing...\n");
  must(close(client) == 0, "close");
  return 0;
}
