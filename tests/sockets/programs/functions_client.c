// SPDX-License-Identifier: BSD-3-Clause
// A client of chapter 10: the ways to an association's id, and each of libsctp's functions that
// send and receive.
//   functions_client PORT ADDRESS...
#include "book.h"

enum { kStream = 3, kPpid = 46 };

static void check_answer(const char* text, int size) {
  must(size == 2 && memcmp(text, "OK", 2) == 0, "answer");
}

static void by_sendmsg(int client, struct sockaddr_in* server) {
  char text[kBuffer];
  struct sockaddr_in from;
  struct sctp_sndrcvinfo info = {0};
  socklen_t length = sizeof(from);
  int flags = 0;
  must(sctp_sendmsg(client, "sctp_sendmsg", 12, (struct sockaddr*)server, sizeof(*server),
                    htonl(kPpid), 0, kStream, 0, 0) == 12,
       "sctp_sendmsg");
  check_answer(text, sctp_recvmsg(client, text, sizeof(text), (struct sockaddr*)&from, &length,
                                  &info, &flags));
  must((flags & MSG_EOR) != 0 && from.sin_port == server->sin_port, "sctp_recvmsg");
  printf("sctp_sendmsg, sctp_recvmsg\n");
}

static void by_send(int client, sctp_assoc_t id) {
  char text[kBuffer];
  const struct sctp_sndrcvinfo info = {.sinfo_stream = kStream, .sinfo_assoc_id = id};
  must(sctp_send(client, "sctp_send", 9, &info, 0) == 9, "sctp_send");
  check_answer(text, (int)recv(client, text, sizeof(text), 0));
  printf("sctp_send, recv\n");
}

static void by_sendv(int client, sctp_assoc_t id) {
  char text[kBuffer];
  struct iovec out[2] = {{.iov_base = "sctp_", .iov_len = 5}, {.iov_base = "sendv", .iov_len = 5}};
  struct iovec in = {.iov_base = text, .iov_len = sizeof(text)};
  struct sctp_sndinfo info = {.snd_sid = kStream, .snd_assoc_id = id};
  must(sctp_sendv(client, out, 2, NULL, 0, &info, sizeof(info), SCTP_SENDV_SNDINFO, 0) == 10,
       "sctp_sendv");
  struct sctp_rcvinfo received;
  socklen_t size = sizeof(received);
  unsigned int type = SCTP_RECVV_NOINFO;
  int flags = 0;
  check_answer(text, sctp_recvv(client, &in, 1, NULL, NULL, &received, &size, &type, &flags));
  must(type == SCTP_RECVV_RCVINFO && received.rcv_assoc_id == id, "sctp_recvv");
  printf("sctp_sendv, sctp_recvv\n");
}

static sctp_assoc_t listed_id(int client) {
  uint32_t list[2] = {0};
  socklen_t size = sizeof(list);
  must(getsockopt(client, IPPROTO_SCTP, SCTP_GET_ASSOC_ID_LIST, list, &size) == 0 && list[0] == 1,
       "SCTP_GET_ASSOC_ID_LIST");
  return (sctp_assoc_t)list[1];
}

static sctp_assoc_t id_of_address(int client, const struct sockaddr_in* server) {
  struct sctp_paddrinfo info = {0};
  socklen_t size = sizeof(info);
  memcpy(&info.spinfo_address, server, sizeof(*server));
  must(sctp_opt_info(client, 0, SCTP_GET_PEER_ADDR_INFO, &info, &size) == 0,
       "SCTP_GET_PEER_ADDR_INFO");
  return info.spinfo_assoc_id;
}

int main(int argc, char** argv) {
  must(argc > 2, "usage: functions_client PORT ADDRESS...");
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct sockaddr_in servers[kAddresses];
  const int count = addresses_of(servers, argv[1], argv + 2, argc - 2);
  const int client = socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP);
  must(client >= 0, "socket");
  turn_on(client, SCTP_RECVRCVINFO, "SCTP_RECVRCVINFO");
  sctp_assoc_t id = 0;
  must(sctp_connectx(client, (struct sockaddr*)servers, count, &id) == 0 && id != 0,
       "sctp_connectx");
  must(id == listed_id(client) && id == id_of_address(client, servers), "ids");
  printf("One id, told in three ways\n");
  by_sendmsg(client, servers);
  by_send(client, id);
  by_sendv(client, id);
  const int peeled = sctp_peeloff(client, id);
  must(peeled >= 0 && close(client) == 0, "sctp_peeloff");
  must(send(peeled, "peeled off", 10, 0) == 10, "send");
  char text[kBuffer];
  check_answer(text, (int)recv(peeled, text, sizeof(text), 0));
  printf("Peeled off\n");
  must(close(peeled) == 0, "close");
  return 0;
}
