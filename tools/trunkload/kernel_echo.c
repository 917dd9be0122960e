// SPDX-License-Identifier: BSD-3-Clause
// The other side of `./dev demo --kernel`: sends messages of `trunkload --verify` back over the
// Linux kernel's SCTP sockets, after checking each one's hash. It runs inside user-mode Linux and
// prints the same JSON as `trunkload --json`, which ends the associations.
//   kernel_echo (--listen | --connect ADDRESS) [--port N] [--associations N] [--streams N]
//                    [--seed N]
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

enum { kMost = 256, kLongest = 4096 };

struct Echo {
  bool listen;
  struct sockaddr_in address;  // where to listen, or whom to connect to
  int associations;
  int streams;
  uint64_t seed;
  uint64_t messages, bytes, corrupted;
  int open[kMost];  // sockets
  int over;
};

static bool parse(int argc, char** argv, struct Echo* out) {
  static const struct option kOptions[] = {{"listen", no_argument, NULL, 'l'},
                                           {"connect", required_argument, NULL, 'c'},
                                           {"port", required_argument, NULL, 'p'},
                                           {"associations", required_argument, NULL, 'a'},
                                           {"streams", required_argument, NULL, 't'},
                                           {"seed", required_argument, NULL, 'r'},
                                           {NULL, 0, NULL, 0}};
  bool connect = false;
  int option;
  while ((option = getopt_long(argc, argv, "", kOptions, NULL)) != -1) {
    switch (option) {
      case 'l':
        out->listen = true;
        break;
      case 'c':
        connect = inet_pton(AF_INET, optarg, &out->address.sin_addr) == 1;
        break;
      case 'p':
        out->address.sin_port = htons((uint16_t)atoi(optarg));
        break;
      case 'a':
        out->associations = atoi(optarg);
        break;
      case 't':
        out->streams = atoi(optarg);
        break;
      case 'r':
        out->seed = strtoull(optarg, NULL, 10);
        break;
      default:
        return false;
    }
  }
  return optind == argc && connect != out->listen && out->associations > 0 &&
         out->associations <= kMost;
}

static int make_socket(const struct Echo* echo) {
  const int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  const int on = 1;
  const struct sctp_initmsg init = {.sinit_num_ostreams = (uint16_t)echo->streams,
                                    .sinit_max_instreams = (uint16_t)echo->streams};
  if (fd < 0 || setsockopt(fd, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof(init)) != 0 ||
      setsockopt(fd, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof(on)) != 0 ||
      setsockopt(fd, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof(on)) != 0) {
    return -1;
  }
  return fd;
}

// Opens every association: the demo opens or accepts as many at once.
static bool open_all(struct Echo* echo) {
  const struct sockaddr* address = (const struct sockaddr*)&echo->address;
  const int listener = echo->listen ? make_socket(echo) : -1;
  if (echo->listen && (listener < 0 || bind(listener, address, sizeof(echo->address)) != 0 ||
                       listen(listener, echo->associations) != 0)) {
    perror("kernel_echo: listen");
    return false;
  }
  if (echo->listen) {
    printf("{\"listening\":%d}\n", ntohs(echo->address.sin_port));
  }
  for (int i = 0; i < echo->associations; i++) {
    echo->open[i] = echo->listen ? accept(listener, NULL, NULL) : make_socket(echo);
    if (echo->open[i] < 0 ||
        (!echo->listen && connect(echo->open[i], address, sizeof(echo->address)) != 0)) {
      perror("kernel_echo: open");
      return false;
    }
  }
  return true;
}

// Receives one message and sends it back on its stream. False: the association is over.
static bool echo_one(struct Echo* echo, int fd) {
  uint8_t data[kLongest];
  union {
    struct cmsghdr header;
    uint8_t space[CMSG_SPACE(sizeof(struct sctp_rcvinfo))];
  } control;
  struct iovec part = {data, sizeof(data)};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof(control)};
  const ssize_t got = recvmsg(fd, &message, 0);
  if (got <= 0) {
    if (got < 0) {
      perror("kernel_echo: receive");
    }
    return false;
  }
  struct sctp_rcvinfo received = {0};
  const struct cmsghdr* first = CMSG_FIRSTHDR(&message);
  if (first != NULL && first->cmsg_type == SCTP_RCVINFO) {
    memcpy(&received, CMSG_DATA(first), sizeof(received));
  }
  CheckHeader header;
  if (!check_read(data, (size_t)got, echo->seed, &header) || header.stream != received.rcv_sid) {
    echo->corrupted++;
  }
  echo->messages++;
  echo->bytes += (uint64_t)got;
  const struct sctp_sndinfo how = {.snd_sid = received.rcv_sid};
  if (sctp_sendv(fd, &(struct iovec){data, (size_t)got}, 1, NULL, 0, (void*)&how, sizeof(how),
                 SCTP_SENDV_SNDINFO, MSG_NOSIGNAL) != got) {
    perror("kernel_echo: send");
    return false;
  }
  return true;
}

static void serve(struct Echo* echo) {
  struct pollfd fds[kMost];
  for (int i = 0; i < echo->associations; i++) {
    fds[i] = (struct pollfd){.fd = echo->open[i], .events = POLLIN};
  }
  while (echo->over < echo->associations) {
    if (poll(fds, (nfds_t)echo->associations, -1) < 0 && errno != EINTR) {
      perror("kernel_echo: poll");
      return;
    }
    for (int i = 0; i < echo->associations; i++) {
      if (fds[i].fd >= 0 && fds[i].revents != 0 && !echo_one(echo, fds[i].fd)) {
        close(fds[i].fd);
        fds[i].fd = -1;  // poll() passes it over
        echo->over++;
      }
    }
  }
}

int main(int argc, char** argv) {
  static struct Echo echo = {.associations = 1, .streams = 8, .seed = 1};
  echo.address.sin_family = AF_INET;
  echo.address.sin_port = htons(2905);
  if (!parse(argc, argv, &echo)) {
    fprintf(stderr,
            "usage: kernel_echo (--listen | --connect ADDRESS) [--port N]\n"
            "         [--associations N] [--streams N] [--seed N]\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!open_all(&echo)) {
    return 1;
  }
  serve(&echo);
  const bool ok = echo.over == echo.associations && echo.corrupted == 0;
  printf("{\"final\":{\"ok\":%s,\"associations\":%d,\"sent\":%" PRIu64 ",\"sent_bytes\":%" PRIu64
         ",\"received\":%" PRIu64 ",\"received_bytes\":%" PRIu64 ",\"corrupted\":%" PRIu64 "}}\n",
         ok ? "true" : "false", echo.associations, echo.messages, echo.bytes, echo.messages,
         echo.bytes, echo.corrupted);
  return ok ? 0 : 1;
}
