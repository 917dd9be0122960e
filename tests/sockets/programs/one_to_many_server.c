// SPDX-License-Identifier: BSD-3-Clause
// The server of chapter 7: one-to-many style on all addresses. One socket has all associations, and
// nothing is accepted: recvmsg() tells who sent a message, and sendmsg() answers to that address.
//   one_to_many_server PORT
#include "book.h"

static ssize_t receive(int server, char text[kBuffer], struct sockaddr_in* peer) {
  struct iovec vector = {.iov_base = text, .iov_len = kBuffer - 1};
  struct msghdr message = {
      .msg_name = peer, .msg_namelen = sizeof(*peer), .msg_iov = &vector, .msg_iovlen = 1};
  const ssize_t size = recvmsg(server, &message, 0);
  must(size > 0 && (message.msg_flags & MSG_EOR) != 0, "recvmsg");
  must(message.msg_namelen == sizeof(*peer), "msg_namelen");
  text[size] = '\0';
  return size;
}

static void answer(int server, struct sockaddr_in* peer) {
  struct iovec vector = {.iov_base = "OK", .iov_len = 2};
  const struct msghdr message = {
      .msg_name = peer, .msg_namelen = sizeof(*peer), .msg_iov = &vector, .msg_iovlen = 1};
  must(sendmsg(server, &message, 0) == 2, "sendmsg");
}

int main(int argc, char** argv) {
  must(argc == 2, "usage: one_to_many_server PORT");
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct sockaddr_in address = address_of("0.0.0.0", argv[1]);
  const int server = socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP);
  must(server >= 0, "socket");
  must(bind(server, (struct sockaddr*)&address, sizeof(address)) == 0, "bind");
  must(listen(server, kBacklog) == 0, "listen");
  printf("Listening on port %s\n", argv[1]);
  for (;;) {
    char text[kBuffer];
    char from[INET_ADDRSTRLEN];
    struct sockaddr_in peer;
    receive(server, text, &peer);
    printf("Message from %s: %s\n", text_of(&peer, from), text);
    answer(server, &peer);
  }
}
