// SPDX-License-Identifier: BSD-3-Clause
// The client of chapter 11: bound to several addresses of its own, connected to all of its server's
// by sctp_connectx(). Each address of the server is made the primary one by turns, and carries the
// message that follows.
//   multihomed_client one|many|stay PORT LOCAL,... ADDRESS...
// "one": of the one-to-one style, of which nothing else differs. "stay": it keeps the first
// address, and goes on until there is no answer from it any more; what it sends then goes by
// another path.
#include <time.h>

#include "book.h"

static struct sctp_paddrinfo path(int client, sctp_assoc_t id, const struct sockaddr_in* server) {
  struct sctp_paddrinfo info = {.spinfo_assoc_id = id};
  socklen_t size = sizeof(info);
  memcpy(&info.spinfo_address, server, sizeof(*server));
  must(sctp_opt_info(client, id, SCTP_GET_PEER_ADDR_INFO, &info, &size) == 0,
       "SCTP_GET_PEER_ADDR_INFO");
  return info;
}

// A path carries data when a heartbeat has confirmed it: one is asked for, rather than waited for.
static void confirm(int client, sctp_assoc_t id, const struct sockaddr_in* server) {
  struct sctp_paddrparams demand = {.spp_assoc_id = id, .spp_flags = SPP_HB_DEMAND};
  memcpy(&demand.spp_address, server, sizeof(*server));
  must(setsockopt(client, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &demand, sizeof(demand)) == 0,
       "SCTP_PEER_ADDR_PARAMS");
  while (path(client, id, server).spinfo_state != SCTP_ACTIVE) {
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
}

static int count_addresses(int client, sctp_assoc_t id) {
  struct sockaddr* addresses = NULL;
  const int count = sctp_getpaddrs(client, id, &addresses);
  must(count > 0, "sctp_getpaddrs");
  sctp_freepaddrs(addresses);
  return count;
}

static void make_primary(int client, sctp_assoc_t id, const struct sockaddr_in* server) {
  struct sctp_prim primary = {.ssp_assoc_id = id};
  memcpy(&primary.ssp_addr, server, sizeof(*server));
  must(setsockopt(client, IPPROTO_SCTP, SCTP_PRIMARY_ADDR, &primary, sizeof(primary)) == 0,
       "SCTP_PRIMARY_ADDR");
  struct sctp_status status = {.sstat_assoc_id = id};
  socklen_t size = sizeof(status);
  must(sctp_opt_info(client, id, SCTP_STATUS, &status, &size) == 0, "SCTP_STATUS");
  struct sockaddr_in told;
  memcpy(&told, &status.sstat_primary.spinfo_address, sizeof(told));
  char text[INET_ADDRSTRLEN];
  printf("Primary address: %s of %d\n", text_of(&told, text), count_addresses(client, id));
}

static void converse(int client, sctp_assoc_t id, const char* text) {
  const struct sctp_sndrcvinfo info = {.sinfo_assoc_id = id};
  const int size = (int)strlen(text);
  must(sctp_send(client, text, (size_t)size, &info, 0) == size, "sctp_send");
  char answer[kBuffer];
  struct sockaddr_in from = {0};
  socklen_t length = sizeof(from);
  int flags = 0;
  must(sctp_recvmsg(client, answer, sizeof(answer), (struct sockaddr*)&from, &length, NULL,
                    &flags) == size &&
           memcmp(answer, text, (size_t)size) == 0,
       "sctp_recvmsg");
  printf("Answer: %.*s\n", size, answer);
}

// A path without answers is to be given up soon.
static void give_up_soon(int client) {
  const struct sctp_rtoinfo rto = {.srto_initial = 500, .srto_min = 200, .srto_max = 500};
  must(setsockopt(client, IPPROTO_SCTP, SCTP_RTOINFO, &rto, sizeof(rto)) == 0, "SCTP_RTOINFO");
  const struct sctp_paddrparams path = {
      .spp_flags = SPP_HB_ENABLE, .spp_hbinterval = 200, .spp_pathmaxrxt = 2};
  must(setsockopt(client, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof(path)) == 0,
       "SCTP_PEER_ADDR_PARAMS");
}

static void stay(int client, sctp_assoc_t id, const struct sockaddr_in* server) {
  int number = 0;
  char text[kBuffer];
  do {
    snprintf(text, sizeof(text), "message %d", number++);
    converse(client, id, text);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  } while (path(client, id, server).spinfo_state != SCTP_INACTIVE);
  printf("No answer from %s\n", text_of(server, text));
  snprintf(text, sizeof(text), "message %d", number);
  converse(client, id, text);
}

static void bind_to(int client, char* list) {
  struct sockaddr_in addresses[kAddresses];
  int count = 0;
  for (char* word = strtok(list, ","); word != NULL && count < kAddresses;
       word = strtok(NULL, ",")) {
    addresses[count++] = address_of(word, "0");
  }
  must(sctp_bindx(client, (struct sockaddr*)addresses, 1, SCTP_BINDX_ADD_ADDR) == 0, "sctp_bindx");
  // The others have the port that the first one got.
  struct sockaddr_in first;
  socklen_t size = sizeof(first);
  must(getsockname(client, (struct sockaddr*)&first, &size) == 0, "getsockname");
  for (int i = 1; i < count; i++) {
    addresses[i].sin_port = first.sin_port;
  }
  must(count == 1 ||
           sctp_bindx(client, (struct sockaddr*)&addresses[1], count - 1, SCTP_BINDX_ADD_ADDR) == 0,
       "sctp_bindx");
}

int main(int argc, char** argv) {
  must(argc > 4, "usage: multihomed_client one|many|stay PORT LOCAL,... ADDRESS...");
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct sockaddr_in servers[kAddresses];
  const int count = addresses_of(servers, argv[2], argv + 4, argc - 4);
  const bool staying = strcmp(argv[1], "stay") == 0;
  const int type = strcmp(argv[1], "one") == 0 ? SOCK_STREAM : SOCK_SEQPACKET;
  const int client = socket(AF_INET, type, IPPROTO_SCTP);
  must(client >= 0, "socket");
  bind_to(client, argv[3]);
  if (staying) {
    give_up_soon(client);
  }
  sctp_assoc_t id = 0;
  must(sctp_connectx(client, (struct sockaddr*)servers, count, &id) == 0, "sctp_connectx");
  for (int i = 0; i < count; i++) {
    confirm(client, id, &servers[i]);
  }
  if (staying) {
    stay(client, id, servers);
    must(close(client) == 0, "close");
    return 0;
  }
  for (int i = count - 1; i >= 0; i--) {
    char text[kBuffer];
    make_primary(client, id, &servers[i]);
    snprintf(text, sizeof(text), "by path %d", i);
    converse(client, id, text);
  }
  must(close(client) == 0, "close");
  return 0;
}
