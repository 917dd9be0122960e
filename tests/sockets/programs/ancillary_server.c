// SPDX-License-Identifier: BSD-3-Clause
// The server of chapter 8: it tells what the ancillary data of each message says (SCTP_RCVINFO, and
// SCTP_NXTINFO of the message behind it), and answers by the association's id (SCTP_SNDINFO).
//   ancillary_server PORT ADDRESS...
// "SHORT": the next message is read with no room for its ancillary data.
// "LATER": go on when the client has closed; so what it sent by then is all there to look ahead to.
// Neither is answered, nor is what comes later.
#include "book.h"

struct received {
  char text[kBuffer];
  ssize_t size;
  int flags;
  bool has_info, has_next;
  struct sctp_rcvinfo info;
  struct sctp_nxtinfo next;
};

static void read_control(struct msghdr* message, struct received* received) {
  for (struct cmsghdr* header = CMSG_FIRSTHDR(message); header != NULL;
       header = CMSG_NXTHDR(message, header)) {
    must(header->cmsg_level == IPPROTO_SCTP, "cmsg_level");
    if (header->cmsg_type == SCTP_RCVINFO) {
      received->has_info = true;
      memcpy(&received->info, CMSG_DATA(header), sizeof(received->info));
    } else if (header->cmsg_type == SCTP_NXTINFO) {
      received->has_next = true;
      memcpy(&received->next, CMSG_DATA(header), sizeof(received->next));
    }
  }
}

static void receive(int server, size_t room, struct received* received) {
  _Alignas(struct cmsghdr) char control[kBuffer];
  struct iovec vector = {.iov_base = received->text, .iov_len = sizeof(received->text) - 1};
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
  memset(received, 0, sizeof(*received));
  received->size = recvmsg(server, &message, 0);
  must(received->size > 0, "recvmsg");
  received->flags = message.msg_flags;
  if ((message.msg_flags & MSG_CTRUNC) == 0) {
    read_control(&message, received);
  }
}

static void tell(const struct received* received) {
  if ((received->flags & MSG_CTRUNC) != 0) {
    printf("%s: ancillary data cut short\n", received->text);
    return;
  }
  must(received->has_info, "no SCTP_RCVINFO");
  printf("%s: stream %u ssn %u%s ppid %u", received->text, received->info.rcv_sid,
         received->info.rcv_ssn, received->info.rcv_flags & SCTP_UNORDERED ? " unordered" : "",
         ntohl(received->info.rcv_ppid));
  if (received->has_next) {
    printf("; next: stream %u%s ppid %u length %u", received->next.nxt_sid,
           received->next.nxt_flags & SCTP_UNORDERED ? " unordered" : "",
           ntohl(received->next.nxt_ppid), received->next.nxt_length);
  }
  printf("\n");
}

// By the id alone, with the stream and the identifier of what is answered.
static void answer(int server, const struct received* received) {
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct sctp_sndinfo))] = {0};
  struct iovec vector = {.iov_base = "OK", .iov_len = 2};
  struct msghdr message = {.msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof(control)};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = IPPROTO_SCTP;
  header->cmsg_type = SCTP_SNDINFO;
  header->cmsg_len = CMSG_LEN(sizeof(struct sctp_sndinfo));
  const struct sctp_sndinfo info = {.snd_sid = received->info.rcv_sid,
                                    .snd_ppid = received->info.rcv_ppid,
                                    .snd_assoc_id = received->info.rcv_assoc_id};
  memcpy(CMSG_DATA(header), &info, sizeof(info));
  must(sendmsg(server, &message, 0) == 2, "sendmsg");
}

static void wait_for_the_end(int server) {
  uint32_t count = 1;
  while (count > 0) {
    socklen_t size = sizeof(count);
    must(getsockopt(server, IPPROTO_SCTP, SCTP_GET_ASSOC_NUMBER, &count, &size) == 0,
         "SCTP_GET_ASSOC_NUMBER");
    usleep(10000);
  }
}

int main(int argc, char** argv) {
  must(argc > 2, "usage: ancillary_server PORT ADDRESS...");
  setvbuf(stdout, NULL, _IOLBF, 0);
  const int server = listen_to_many(argv[1], argv + 2, argc - 2);
  turn_on(server, SCTP_RECVRCVINFO, "SCTP_RECVRCVINFO");
  turn_on(server, SCTP_RECVNXTINFO, "SCTP_RECVNXTINFO");
  printf("Listening on port %s\n", argv[1]);
  size_t room = kBuffer;
  bool answers = true;
  for (;;) {
    struct received received;
    receive(server, room, &received);
    tell(&received);
    room = kBuffer;
    if (strcmp(received.text, "SHORT") == 0) {
      room = sizeof(struct cmsghdr);
    } else if (strcmp(received.text, "LATER") == 0) {
      wait_for_the_end(server);
      answers = false;
    } else if (answers && received.has_info) {
      answer(server, &received);
    }
  }
}
