// SPDX-License-Identifier: BSD-3-Clause
// The calls of a script, by name. Each takes what it needs from the step and writes its result as
// text: a number, or -1 and the name of errno, then what came back.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "calls.h"

const struct Name kSocketWords[] = {{AF_INET, "inet"},
                                    {AF_INET6, "inet6"},
                                    {AF_UNIX, "unix"},
                                    {SOCK_STREAM, "stream"},
                                    {SOCK_SEQPACKET, "seqpacket"},
                                    {SOCK_DGRAM, "dgram"},
                                    {SOCK_RAW, "raw"},
                                    {IPPROTO_SCTP, "sctp"},
                                    {IPPROTO_TCP, "tcp"},
                                    {SOCK_NONBLOCK, "nonblock"},
                                    {SOCK_CLOEXEC, "cloexec"},
                                    {SHUT_RD, "r"},
                                    {SHUT_WR, "w"},
                                    {SHUT_RDWR, "rw"},
                                    {0, NULL}};

void* wild(void) {
  static void* page;
  if (page == NULL) {
    page = mmap(NULL, 1 << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  return page;
}

// "null" and "wild" instead of the pointer that the call would have.
void* pointer(const struct Step* step, const char* key, void* usual) {
  const char* text = step_text(step, key, "");
  return strcmp(text, "null") == 0 ? NULL : strcmp(text, "wild") == 0 ? wild() : usual;
}

int descriptor(const struct Step* step, const char* key) {
  const char* name = step_text(step, key, NULL);
  return name != NULL && strncmp(name, "fd", 2) == 0 ? atoi(name + 2) : table_find(name);
}

bool result(struct Out* out, long value) {
  if (value < 0) {
    outf(out, "-1 %s", error_name(errno));
    return false;
  }
  outf(out, "%ld", value);
  return true;
}

int lowest(void) {
  const int probe = dup(kFirstPipe);
  close(probe);
  return probe;
}

void new_descriptor(const struct Step* step, struct Out* out, int fd, int wanted) {
  if (fd < 0) {
    result(out, fd);
    return;
  }
  outf(out, fd == wanted ? "ok" : "ok, not the lowest number");
  table_add(step_text(step, "as", NULL), fd);
}

static void call_socket(const struct Step* step, struct Out* out) {
  const int type = (int)(names_parse(kSocketWords, step_text(step, "type", "stream")) |
                         names_parse(kSocketWords, step_text(step, "flags", "")));
  const int family = (int)names_parse(kSocketWords, step_text(step, "family", "inet"));
  const int protocol = (int)names_parse(kSocketWords, step_text(step, "proto", "sctp"));
  const int wanted = lowest();
  new_descriptor(step, out, socket(family, type, protocol), wanted);
}

static void call_pair(const struct Step* step, struct Out* out) {
  int fds[2];
  const int type = (int)names_parse(kSocketWords, step_text(step, "type", "stream"));
  const int family = (int)names_parse(kSocketWords, step_text(step, "family", "unix"));
  const int protocol = (int)names_parse(kSocketWords, step_text(step, "proto", "0"));
  if (result(out, socketpair(family, type, protocol, fds))) {
    table_add(step_text(step, "as", NULL), fds[0]);
    table_add(step_text(step, "with", NULL), fds[1]);
  }
}

static void call_bind(const struct Step* step, struct Out* out) {
  struct sockaddr_storage address;
  const socklen_t size = address_parse(step_text(step, "to", "0.0.0.0:0"), &address);
  result(out, bind(descriptor(step, "s"), pointer(step, "ptr", &address),
                   (socklen_t)step_number(step, "alen", size)));
}

static void call_connect(const struct Step* step, struct Out* out) {
  struct sockaddr_storage address;
  const socklen_t size = address_parse(step_text(step, "to", "127.0.0.1:1"), &address);
  result(out, connect(descriptor(step, "s"), pointer(step, "ptr", &address),
                      (socklen_t)step_number(step, "alen", size)));
}

static void call_listen(const struct Step* step, struct Out* out) {
  result(out, listen(descriptor(step, "s"), (int)step_number(step, "backlog", 5)));
}

void out_name(struct Out* out, const struct sockaddr_storage* address, socklen_t given,
              socklen_t size) {
  outf(out, " ");
  out_address(out, address, size < given ? size : given);
  outf(out, ":%u", size);
}

static void call_accept(const struct Step* step, struct Out* out) {
  struct sockaddr_storage address;
  socklen_t size = (socklen_t)step_number(step, "alen", sizeof(address));
  const socklen_t given = size;
  const int flags = (int)names_parse(kSocketWords, step_text(step, "flags", ""));
  const int fd = descriptor(step, "s");
  struct sockaddr* to = pointer(step, "ptr", &address);
  socklen_t* length = pointer(step, "lenptr", to != NULL ? &size : NULL);
  const int wanted = lowest();
  const int made =
      step_has(step, "flags") ? accept4(fd, to, length, flags) : accept(fd, to, length);
  new_descriptor(step, out, made, wanted);
  if (made >= 0 && to != NULL && (void*)to != wild()) {
    out_name(out, &address, given, size);
  }
}

static void names(const struct Step* step, struct Out* out,
                  int (*call)(int, struct sockaddr*, socklen_t*)) {
  struct sockaddr_storage address;
  memset(&address, 0, sizeof(address));
  socklen_t size = (socklen_t)step_number(step, "alen", sizeof(address));
  const socklen_t given = size;
  struct sockaddr* to = pointer(step, "ptr", &address);
  if (result(out, call(descriptor(step, "s"), to, pointer(step, "lenptr", &size))) &&
      (void*)to == (void*)&address) {
    out_name(out, &address, given, size);
  }
}

static int get_name(int fd, struct sockaddr* address, socklen_t* size) {
  return getsockname(fd, address, size);
}
static int get_peer(int fd, struct sockaddr* address, socklen_t* size) {
  return getpeername(fd, address, size);
}
static void call_getsockname(const struct Step* step, struct Out* out) {
  names(step, out, get_name);
}
static void call_getpeername(const struct Step* step, struct Out* out) {
  names(step, out, get_peer);
}

static void call_shutdown(const struct Step* step, struct Out* out) {
  const char* how = step_text(step, "how", "rw");
  const int value = strcmp(how, "r") == 0    ? SHUT_RD
                    : strcmp(how, "w") == 0  ? SHUT_WR
                    : strcmp(how, "rw") == 0 ? SHUT_RDWR
                                             : atoi(how);
  result(out, shutdown(descriptor(step, "s"), value));
}

static void call_close(const struct Step* step, struct Out* out) {
  const int fd = descriptor(step, "s");
  const char* name = step_text(step, "s", "");
  if (!step_has(step, "keep")) {
    table_remove(name);
  }
  result(out, close(fd));
}

static void call_dup(const struct Step* step, struct Out* out) {
  const int wanted = lowest();
  const int fd = descriptor(step, "s");
  const long least = step_number(step, "least", -1);
  const int made = least >= 0 ? fcntl(fd, F_DUPFD, (int)least) : dup(fd);
  new_descriptor(step, out, made, least >= 0 ? made : wanted);
}

static void call_dup2(const struct Step* step, struct Out* out) {
  const int over = descriptor(step, "over");
  const int from = descriptor(step, "s");
  table_forget(over);
  const int made = dup2(from, over);
  new_descriptor(step, out, made, over);
}

static void call_fcntl(const struct Step* step, struct Out* out) {
  const int fd = descriptor(step, "s");
  const int flags = fcntl(fd, F_GETFL);
  if (step_has(step, "nonblock")) {
    const bool on = step_number(step, "nonblock", 1) != 0;
    result(out, fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
  } else if (step_has(step, "cloexec")) {
    result(out, fcntl(fd, F_SETFD, step_number(step, "cloexec", 1) != 0 ? FD_CLOEXEC : 0));
  } else if (result(out, flags)) {
    outf(out, " fd=%d", fcntl(fd, F_GETFD));
  }
}

static void call_ioctl(const struct Step* step, struct Out* out) {
  const char* name = step_text(step, "op", "FIONREAD");
  int value = (int)step_number(step, "value", 0);
  const unsigned long op = strcmp(name, "FIONREAD") == 0   ? FIONREAD
                           : strcmp(name, "SIOCOUTQ") == 0 ? SIOCOUTQ
                           : strcmp(name, "FIONBIO") == 0  ? FIONBIO
                                                           : strtoul(name, NULL, 0);
  if (result(out, ioctl(descriptor(step, "s"), op, pointer(step, "ptr", &value)))) {
    outf(out, " %d", value);
  }
}

static void call_setsockopt(const struct Step* step, struct Out* out) {
  struct Layout unknown;
  const char* level = step_text(step, "level", "sctp");
  const struct Layout* layout = option_named(level, step_text(step, "opt", "0"), &unknown);
  _Alignas(8) char bytes[1024] = {0};
  layout_fill(layout, step, "", bytes, assoc_of);
  result(out, setsockopt(descriptor(step, "s"), layout->level, layout->number,
                         pointer(step, "ptr", bytes),
                         (socklen_t)step_number(step, "optlen", (long)layout->size)));
}

static void call_getsockopt(const struct Step* step, struct Out* out) {
  struct Layout unknown;
  const char* level = step_text(step, "level", "sctp");
  const struct Layout* layout = option_named(level, step_text(step, "opt", "0"), &unknown);
  _Alignas(8) char bytes[1024] = {0};
  layout_fill(layout, step, "", bytes, assoc_of);
  socklen_t size = (socklen_t)step_number(step, "optlen", (long)layout->size);
  void* to = pointer(step, "ptr", bytes);
  if (result(out, getsockopt(descriptor(step, "s"), layout->level, layout->number, to,
                             pointer(step, "lenptr", &size)))) {
    outf(out, " %u: ", size);
    if (to == bytes) {
      out_layout(out, layout, bytes, size < sizeof(bytes) ? size : sizeof(bytes));
    }
  }
}

static void call_poll(const struct Step* step, struct Out* out) {
  struct pollfd one = {.fd = descriptor(step, "s")};
  char word[2] = "";
  for (const char* at = step_text(step, "events", "IO"); *at != '\0'; at++) {
    word[0] = *at;
    one.events |= (short)names_parse(kPollBits, word);
  }
  if (result(out, poll(&one, 1, (int)step_number(step, "timeout", -1)))) {
    outf(out, " ");
    out_flags(out, kPollBits, one.revents);
  }
}

// Until there is something to be read, which "data", if given, is sent for: of what comes when a
// timer ends, and never "blocks".
static void call_await(const struct Step* step, struct Out* out) {
  struct pollfd one = {.fd = descriptor(step, "s"), .events = POLLIN};
  if (step_has(step, "data")) {
    size_t size;
    char* bytes = payload(step, &size);
    const bool sent = send(one.fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
    free(bytes);
    if (!sent) {
      outf(out, "not sent ");
    }
  }
  result(out, poll(&one, 1, 9000));
}

static void call_epoll_create(const struct Step* step, struct Out* out) {
  const int wanted = lowest();
  new_descriptor(step, out, epoll_create1(0), wanted);
}

static void call_epoll_ctl(const struct Step* step, struct Out* out) {
  static const struct Name kBits[] = {{EPOLLET, "edge"}, {EPOLLONESHOT, "oneshot"}, {0, NULL}};
  struct epoll_event event = {0};
  event.events = (uint32_t)names_parse(kBits, step_text(step, "mode", ""));
  char word[2] = "";
  for (const char* at = step_text(step, "events", "IO"); *at != '\0'; at++) {
    word[0] = *at;
    event.events |= (uint32_t)names_parse(kPollBits, word);
  }
  event.data.u32 = (uint32_t)step_number(step, "tag", 0);
  const char* op = step_text(step, "op", "add");
  result(out, epoll_ctl(descriptor(step, "e"),
                        op[0] == 'a'   ? EPOLL_CTL_ADD
                        : op[0] == 'm' ? EPOLL_CTL_MOD
                                       : EPOLL_CTL_DEL,
                        descriptor(step, "s"), &event));
}

static void call_epoll_wait(const struct Step* step, struct Out* out) {
  struct epoll_event events[16];
  const int count = epoll_wait(descriptor(step, "e"), events, (int)step_number(step, "max", 16),
                               (int)step_number(step, "timeout", 0));
  if (result(out, count)) {
    for (int i = 0; i < count; i++) {
      outf(out, " %u:", events[i].data.u32);
      out_flags(out, kPollBits, (long)events[i].events);
    }
  }
}

// Until nothing has gone for half a second: acknowledgements make room, and so do probes of a closed
// window that still find some at the receiver; scripts set RTO.max such that all of them are over by
// then. How much that is differs between implementations: a mark.
static void call_fill(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  const int fd = descriptor(step, "s");
  const long tries = step_number(step, "patience", 500) / 20;
  long count = 0;
  int saved = 0;
  for (long tried = 0; tried < tries && count < 100000; tried++) {
    // Whether poll() says that there is room or not.
    while (count < 100000 && send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
      count++;
      tried = 0;
    }
    saved = errno;
    if (saved != EAGAIN) {
      break;
    }
    usleep(20000);
  }
  outf(out, "<count %ld> then %s", count, error_name(saved));
  free(bytes);
}

static void call_drain(const struct Step* step, struct Out* out) {
  const size_t size = (size_t)step_number(step, "len", 65536);
  char* bytes = buffer(size);
  long count = 0;
  ssize_t got = 0;
  const int fd = descriptor(step, "s");
  for (; count < 100000; count++) {
    got = recv(fd, bytes, size, MSG_DONTWAIT);
    if (got <= 0) {
      break;
    }
    // What is on its way arrives when there is room for it.
    struct pollfd one = {.fd = fd, .events = POLLIN};
    poll(&one, 1, (int)step_number(step, "patience", 60));
  }
  outf(out, "<count %ld> then %s", count, got == 0 ? "end" : error_name(errno));
  free(bytes);
}

static void call_pause(const struct Step* step, struct Out* out) {
  usleep((useconds_t)step_number(step, "ms", 10) * 1000);
  outf(out, "ok");
}

// The descriptor goes through a pair of UNIX sockets; the number at the other end is "as".
static void call_sendfd(const struct Step* step, struct Out* out) {
  _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec vector = {.iov_base = "x", .iov_len = 1};
  struct msghdr head = {.msg_iov = &vector, .msg_iovlen = 1};
  head.msg_control = room;
  head.msg_controllen = sizeof(room);
  struct cmsghdr* at = CMSG_FIRSTHDR(&head);
  at->cmsg_level = SOL_SOCKET;
  at->cmsg_type = SCM_RIGHTS;
  at->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = descriptor(step, "s");
  memcpy(CMSG_DATA(at), &fd, sizeof(fd));
  result(out, sendmsg(descriptor(step, "over"), &head, 0));
}

static void call_recvfd(const struct Step* step, struct Out* out) {
  _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
  char byte;
  struct iovec vector = {.iov_base = &byte, .iov_len = 1};
  struct msghdr head = {.msg_iov = &vector, .msg_iovlen = 1};
  head.msg_control = room;
  head.msg_controllen = sizeof(room);
  const int wanted = lowest();
  if (recvmsg(descriptor(step, "over"), &head, 0) < 0) {
    result(out, -1);
    return;
  }
  const struct cmsghdr* at = CMSG_FIRSTHDR(&head);
  int fd = -1;
  if (at != NULL) {
    memcpy(&fd, CMSG_DATA(at), sizeof(fd));
  }
  new_descriptor(step, out, fd, wanted);
}

// What came by signals since it was told last; those of the descriptor `s` that say "readable".
static struct {
  volatile sig_atomic_t plain;  // SIGIO
  volatile sig_atomic_t queued;
  volatile sig_atomic_t fd;  // of the latter
} io_signals = {.fd = -1};

static void on_io(int number, siginfo_t* info, void* context) {
  (void)context;
  if (number == SIGIO) {
    io_signals.plain = 1;
  } else if (info->si_code == POLL_IN) {
    io_signals.queued = 1;
    io_signals.fd = info->si_fd;
  }
}

// The descriptor's signals come to this process: SIGIO, or with queued=1 SIGRTMIN with what there
// is to know. by=ioctl: asked for by FIOASYNC.
static void call_sigio(const struct Step* step, struct Out* out) {
  const int fd = descriptor(step, "s");
  const bool queued = step_number(step, "queued", 0) != 0;
  struct sigaction action = {.sa_sigaction = on_io, .sa_flags = SA_RESTART | SA_SIGINFO};
  sigaction(queued ? SIGRTMIN : SIGIO, &action, NULL);
  if (fcntl(fd, F_SETOWN, getpid()) != 0 || fcntl(fd, F_SETSIG, queued ? SIGRTMIN : 0) != 0) {
    result(out, -1);
    return;
  }
  int on = 1;
  result(out, strcmp(step_text(step, "by", ""), "ioctl") == 0
                  ? ioctl(fd, FIOASYNC, &on)
                  : fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
}

// Waits for one, up to "ms".
static void call_signals(const struct Step* step, struct Out* out) {
  for (long left = step_number(step, "ms", 5000); left > 0; left -= 2) {
    if (io_signals.plain != 0 || io_signals.queued != 0) {
      break;
    }
    usleep(2000);
  }
  const bool none = io_signals.plain == 0 && io_signals.queued == 0;
  outf(out, "%s%s%s", none ? "none" : "", io_signals.plain != 0 ? "SIGIO" : "",
       io_signals.queued == 0                   ? ""
       : io_signals.fd == descriptor(step, "s") ? "readable"
                                                : "readable, another");
  io_signals.plain = io_signals.queued = 0;
}

static const struct {
  const char* name;
  void (*run)(const struct Step*, struct Out*);
} kCalls[] = {
    {"socket", call_socket},
    {"socketpair", call_pair},
    {"bind", call_bind},
    {"connect", call_connect},
    {"listen", call_listen},
    {"accept", call_accept},
    {"getsockname", call_getsockname},
    {"getpeername", call_getpeername},
    {"send", call_send},
    {"write", call_write},
    {"writev", call_writev},
    {"pwritev2", call_pwritev2},
    {"sendto", call_sendto},
    {"sendmsg", call_sendmsg},
    {"sendmmsg", call_sendmmsg},
    {"sctp_sendmsg", call_sctp_sendmsg},
    {"sctp_send", call_sctp_send},
    {"sctp_sendv", call_sctp_sendv},
    {"recv", call_recv},
    {"read", call_read},
    {"readv", call_readv},
    {"preadv2", call_preadv2},
    {"recvfrom", call_recvfrom},
    {"recvmsg", call_recvmsg},
    {"recvmmsg", call_recvmmsg},
    {"sctp_recvmsg", call_sctp_recvmsg},
    {"collect", call_collect},
    {"sctp_recvv", call_sctp_recvv},
    {"opt_info", call_opt_info},
    {"shutdown", call_shutdown},
    {"close", call_close},
    {"dup", call_dup},
    {"dup2", call_dup2},
    {"fcntl", call_fcntl},
    {"ioctl", call_ioctl},
    {"setsockopt", call_setsockopt},
    {"getsockopt", call_getsockopt},
    {"getpaddrs", call_getpaddrs},
    {"getladdrs", call_getladdrs},
    {"bindx", call_bindx},
    {"connectx", call_connectx},
    {"peeloff", call_peeloff},
    {"assocs", call_assocs},
    {"poll", call_poll},
    {"await", call_await},
    {"epoll_create", call_epoll_create},
    {"epoll_ctl", call_epoll_ctl},
    {"epoll_wait", call_epoll_wait},
    {"fill", call_fill},
    {"drain", call_drain},
    {"pause", call_pause},
    {"sigio", call_sigio},
    {"signals", call_signals},
    {"sendfd", call_sendfd},
    {"recvfd", call_recvfd},
};

bool call_run(const struct Step* step, struct Out* out) {
  for (size_t i = 0; i < sizeof(kCalls) / sizeof(kCalls[0]); i++) {
    if (strcmp(kCalls[i].name, step->call) == 0) {
      errno = 0;
      kCalls[i].run(step, out);
      return true;
    }
  }
  return false;
}
