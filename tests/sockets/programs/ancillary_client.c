// SPDX-License-Identifier: BSD-3-Clause
// The client of chapter 8. The ancillary data of its first message say what the association is to
// be (SCTP_INIT) and which addresses the peer has besides (SCTP_DSTADDRV4); those of each say how
// it is sent (SCTP_SNDINFO, SCTP_PRINFO). What came of it is checked.
//   ancillary_client PORT ADDRESS...
#include "book.h"

enum { kOutbound = 5, kInbound = 7, kLifetime = 60000 };

struct outgoing {
  _Alignas(struct cmsghdr) char control[kBuffer];
  size_t used;
};

static void add(struct outgoing* outgoing, int type, const void* data, size_t size) {
  struct cmsghdr* header = (struct cmsghdr*)(outgoing->control + outgoing->used);
  header->cmsg_level = IPPROTO_SCTP;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(header), data, size);
  outgoing->used += CMSG_SPACE(size);
}

static void add_sndinfo(struct outgoing* outgoing, uint16_t stream, uint16_t flags, uint32_t ppid) {
  const struct sctp_sndinfo info = {
      .snd_sid = stream, .snd_flags = flags, .snd_ppid = htonl(ppid), .snd_context = 4711};
  add(outgoing, SCTP_SNDINFO, &info, sizeof(info));
}

static void send_text(int client, struct sockaddr_in* server, struct outgoing* outgoing,
                      const char* text) {
  struct iovec vector = {.iov_base = (void*)text, .iov_len = strlen(text)};
  const struct msghdr message = {.msg_name = server,
                                 .msg_namelen = sizeof(*server),
                                 .msg_iov = &vector,
                                 .msg_iovlen = 1,
                                 .msg_control = outgoing->control,
                                 .msg_controllen = outgoing->used};
  must(sendmsg(client, &message, 0) == (ssize_t)vector.iov_len, text);
}

// Returns the association's id.
static sctp_assoc_t receive_answer(int client) {
  struct sctp_rcvinfo info;
  char text[kBuffer];
  struct iovec vector = {.iov_base = text, .iov_len = sizeof(text) - 1};
  socklen_t size = sizeof(info);
  unsigned int type = SCTP_RECVV_NOINFO;
  int flags = 0;
  const int got = sctp_recvv(client, &vector, 1, NULL, NULL, &info, &size, &type, &flags);
  must(got > 0 && type == SCTP_RECVV_RCVINFO, "sctp_recvv");
  text[got] = '\0';
  printf("%s on stream %u ppid %u\n", text, info.rcv_sid, ntohl(info.rcv_ppid));
  return info.rcv_assoc_id;
}

static sctp_assoc_t first_message(int client, struct sockaddr_in* servers, int count) {
  struct outgoing first = {.used = 0};
  const struct sctp_initmsg init = {.sinit_num_ostreams = kOutbound,
                                    .sinit_max_instreams = kInbound,
                                    .sinit_max_attempts = 4,
                                    .sinit_max_init_timeo = 5000};
  add(&first, SCTP_INIT, &init, sizeof(init));
  add_sndinfo(&first, 0, 0, 1);
  for (int i = 1; i < count; i++) {
    add(&first, SCTP_DSTADDRV4, &servers[i].sin_addr, sizeof(servers[i].sin_addr));
  }
  send_text(client, servers, &first, "first");
  return receive_answer(client);
}

static void tell_association(int client, sctp_assoc_t id) {
  struct sctp_status status = {.sstat_assoc_id = id};
  socklen_t size = sizeof(status);
  must(sctp_opt_info(client, id, SCTP_STATUS, &status, &size) == 0, "SCTP_STATUS");
  struct sockaddr* peers = NULL;
  const int count = sctp_getpaddrs(client, id, &peers);
  must(count > 0, "sctp_getpaddrs");
  sctp_freepaddrs(peers);
  printf("%u streams out, %u in, %d addresses\n", status.sstat_outstrms, status.sstat_instrms,
         count);
}

int main(int argc, char** argv) {
  must(argc > 2, "usage: ancillary_client PORT ADDRESS...");
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct sockaddr_in servers[kAddresses];
  const int count = addresses_of(servers, argv[1], argv + 2, argc - 2);
  const int client = socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP);
  must(client >= 0, "socket");
  turn_on(client, SCTP_RECVRCVINFO, "SCTP_RECVRCVINFO");
  tell_association(client, first_message(client, servers, count));

  struct outgoing unordered = {.used = 0};
  add_sndinfo(&unordered, kOutbound - 1, SCTP_UNORDERED, 46);
  send_text(client, servers, &unordered, "unordered");
  receive_answer(client);

  struct outgoing mortal = {.used = 0};
  const struct sctp_prinfo lifetime = {.pr_policy = SCTP_PR_SCTP_TTL, .pr_value = kLifetime};
  add_sndinfo(&mortal, 1, 0, 2);
  add(&mortal, SCTP_PRINFO, &lifetime, sizeof(lifetime));
  send_text(client, servers, &mortal, "mortal");
  receive_answer(client);

  const char* texts[] = {"SHORT", "cut", "LATER", "one", "three"};
  for (uint16_t i = 0; i < 5; i++) {
    struct outgoing ordered = {.used = 0};
    add_sndinfo(&ordered, 2, 0, i);
    send_text(client, servers, &ordered, texts[i]);
  }
  must(close(client) == 0, "close");
  return 0;
}
