// SPDX-License-Identifier: BSD-3-Clause
// The client of chapter 9: three associations, one that is shut down, one that is aborted, and one
// with an address that gives no answer. It goes on when it has got the notification that it waits
// for.
//   notifications_client event|events PORT NOBODY ADDRESS...
#include "notifications.h"

struct seen {
  int type;   // SCTP_DATA_IO_EVENT: a message
  int state;  // of SCTP_ASSOC_CHANGE and SCTP_PEER_ADDR_CHANGE
};

static struct seen read_one(int client) {
  union {
    union sctp_notification event;
    char text[kBuffer];
  } got;
  int flags = 0;
  const int size = sctp_recvmsg(client, &got, sizeof(got), NULL, NULL, NULL, &flags);
  must(size > 0, "sctp_recvmsg");
  if ((flags & MSG_NOTIFICATION) == 0) {
    printf("Answer: %.*s\n", size, got.text);
    return (struct seen){SCTP_DATA_IO_EVENT, 0};
  }
  tell(&got.event, (size_t)size);
  const int type = got.event.sn_header.sn_type;
  return (struct seen){type, type == SCTP_ASSOC_CHANGE       ? got.event.sn_assoc_change.sac_state
                             : type == SCTP_PEER_ADDR_CHANGE ? got.event.sn_paddr_change.spc_state
                                                             : 0};
}

static void read_until(int client, int type, int state) {
  struct seen seen;
  do {
    seen = read_one(client);
  } while (seen.type != type || seen.state != state);
}

// Which of the two is told first is nobody's business.
static void read_failure(int client) {
  bool failed = false, ended = false;
  while (!failed || !ended) {
    const struct seen seen = read_one(client);
    failed |= seen.type == SCTP_SEND_FAILED || seen.type == SCTP_SEND_FAILED_EVENT;
    ended |= seen.type == SCTP_ASSOC_CHANGE && seen.state == SCTP_CANT_STR_ASSOC;
  }
}

static void send_to(int client, struct sockaddr_in* server, const char* text, uint32_t flags) {
  const size_t size = strlen(text);
  // What goes with an ABORT counts as sent, and as nothing: Linux returns 0.
  const int wanted = (flags & SCTP_ABORT) != 0 ? 0 : (int)size;
  must(sctp_sendmsg(client, text, size, (struct sockaddr*)server, sizeof(*server), 0, flags, 0, 0,
                    0) == wanted,
       text);
}

static sctp_assoc_t only_association(int client) {
  uint32_t list[2] = {0};
  socklen_t size = sizeof(list);
  must(getsockopt(client, IPPROTO_SCTP, SCTP_GET_ASSOC_ID_LIST, list, &size) == 0 && list[0] == 1,
       "SCTP_GET_ASSOC_ID_LIST");
  return (sctp_assoc_t)list[1];
}

static void use_as_primary(int client, const struct sockaddr_in* address) {
  struct sctp_prim primary = {.ssp_assoc_id = only_association(client)};
  memcpy(&primary.ssp_addr, address, sizeof(*address));
  must(setsockopt(client, IPPROTO_SCTP, SCTP_PRIMARY_ADDR, &primary, sizeof(primary)) == 0,
       "SCTP_PRIMARY_ADDR");
}

int main(int argc, char** argv) {
  must(argc > 4, "usage: notifications_client event|events PORT NOBODY ADDRESS...");
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct sockaddr_in servers[kAddresses];
  const int count = addresses_of(servers, argv[2], argv + 4, argc - 4);
  const int client = socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP);
  must(client >= 0, "socket");
  subscribe_by(client, argv[1]);
  const struct sctp_initmsg soon = {.sinit_max_attempts = 1, .sinit_max_init_timeo = 1000};
  must(setsockopt(client, IPPROTO_SCTP, SCTP_INITMSG, &soon, sizeof(soon)) == 0, "SCTP_INITMSG");

  send_to(client, servers, "shut down", 0);
  read_until(client, SCTP_DATA_IO_EVENT, 0);
  if (count > 1) {
    use_as_primary(client, &servers[1]);
    read_until(client, SCTP_PEER_ADDR_CHANGE, SCTP_ADDR_MADE_PRIM);
  }
  send_to(client, servers, "", SCTP_EOF);
  read_until(client, SCTP_ASSOC_CHANGE, SCTP_SHUTDOWN_COMP);

  printf("--\n");
  send_to(client, servers, "abort", 0);
  read_until(client, SCTP_DATA_IO_EVENT, 0);
  send_to(client, servers, "enough", SCTP_ABORT);
  read_until(client, SCTP_ASSOC_CHANGE, SCTP_COMM_LOST);

  printf("--\n");
  struct sockaddr_in nobody = address_of(argv[3], argv[2]);
  send_to(client, &nobody, "in vain", 0);
  read_failure(client);
  must(close(client) == 0, "close");
  return 0;
}
