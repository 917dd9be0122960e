// SPDX-License-Identifier: BSD-3-Clause
// A test peer on the Linux kernel's SCTP sockets, one-to-one style. It runs inside the user-mode
// kernel that tests/e2e/lib/uml.py boots, where this file's build folder is visible as it is.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/sctp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "peer_common.h"
#include "peer_notify.h"

static const struct Options* options;
static int listener = -1;
static int association = -1;
static bool announced;  // the accepted association's kEventUp was given
static uint8_t buffer[kMaxMessage + 4096];
static size_t filled;  // of a message that arrives in parts

static int set_option(int fd, int name, const void* value, socklen_t size, const char* what) {
  if (setsockopt(fd, IPPROTO_SCTP, name, value, size) != 0) {
    return peer_fail("%s: %s", what, strerror(errno));
  }
  return 0;
}

static int set_timers(int fd, const struct Options* o) {
  if (o->rto_initial_ms != 0) {
    const struct sctp_rtoinfo rto = {.srto_initial = (uint32_t)o->rto_initial_ms,
                                     .srto_min = (uint32_t)o->rto_min_ms,
                                     .srto_max = (uint32_t)o->rto_max_ms};
    if (set_option(fd, SCTP_RTOINFO, &rto, sizeof(rto), "SCTP_RTOINFO") != 0) {
      return -1;
    }
  }
  if (o->heartbeat_ms != 0 || o->path_retransmissions != 0) {
    struct sctp_paddrparams path = {.spp_hbinterval = (uint32_t)o->heartbeat_ms,
                                    .spp_pathmaxrxt = (uint16_t)o->path_retransmissions,
                                    .spp_flags = o->heartbeat_ms != 0 ? SPP_HB_ENABLE : 0};
    path.spp_address.ss_family = (sa_family_t)o->family;
    if (set_option(fd, SCTP_PEER_ADDR_PARAMS, &path, sizeof(path), "SCTP_PEER_ADDR_PARAMS") != 0) {
      return -1;
    }
  }
  if (o->sack_delay_ms != 0) {
    const struct sctp_sack_info sack = {.sack_delay = (uint32_t)o->sack_delay_ms, .sack_freq = 2};
    if (set_option(fd, SCTP_DELAYED_SACK, &sack, sizeof(sack), "SCTP_DELAYED_SACK") != 0) {
      return -1;
    }
  }
  if (o->max_retransmissions != 0) {
    const struct sctp_assocparams params = {.sasoc_asocmaxrxt = (uint16_t)o->max_retransmissions};
    return set_option(fd, SCTP_ASSOCINFO, &params, sizeof(params), "SCTP_ASSOCINFO");
  }
  return 0;
}

static bool only_ipv6(const struct sockaddr_storage* addresses, int count) {
  for (int i = 0; i < count; i++) {
    if (addresses[i].ss_family != AF_INET6) {
      return false;
    }
  }
  return true;
}

static int set_options(int fd, const struct Options* o) {
  const struct sctp_initmsg init = {.sinit_num_ostreams = o->streams,
                                    .sinit_max_instreams = o->streams,
                                    .sinit_max_attempts = (uint16_t)o->init_attempts};
  const int on = 1;
  const int nodelay = o->nagle ? 0 : 1;
  const int space = 1 << 20;
  const int room = o->receive_buffer != 0 ? o->receive_buffer : space;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &space, sizeof(space));
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
  if (o->family == AF_INET6 && only_ipv6(o->local, o->local_count) &&
      only_ipv6(o->remote, o->remote_count)) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (set_option(fd, SCTP_INITMSG, &init, sizeof(init), "SCTP_INITMSG") != 0 ||
      set_option(fd, SCTP_NODELAY, &nodelay, sizeof(nodelay), "SCTP_NODELAY") != 0 ||
      set_option(fd, SCTP_RECVRCVINFO, &on, sizeof(on), "SCTP_RECVRCVINFO") != 0 ||
      set_timers(fd, o) != 0) {
    return -1;
  }
  const struct sctp_assoc_value none = {.assoc_value = 0};
  if (o->reliable &&
      set_option(fd, SCTP_PR_SUPPORTED, &none, sizeof(none), "SCTP_PR_SUPPORTED") != 0) {
    return -1;
  }
#ifdef SCTP_EXPOSE_POTENTIALLY_FAILED_STATE
  // Since 5.5; a kernel without it keeps the state to itself.
  const struct sctp_assoc_value expose = {.assoc_value = 2};
  setsockopt(fd, IPPROTO_SCTP, SCTP_EXPOSE_POTENTIALLY_FAILED_STATE, &expose, sizeof(expose));
#endif
  for (int i = 0; i < kNotificationCount; i++) {
    const struct sctp_event event = {.se_type = kNotifications[i], .se_on = 1};
    if (set_option(fd, SCTP_EVENT, &event, sizeof(event), "SCTP_EVENT") != 0) {
      return -1;
    }
  }
  return 0;
}

// The addresses packed as sctp_bindx and sctp_connectx want them.
static size_t pack(const struct sockaddr_storage* addresses, int count, uint8_t* out) {
  size_t used = 0;
  for (int i = 0; i < count; i++) {
    memcpy(out + used, &addresses[i], peer_sockaddr_size(&addresses[i]));
    used += peer_sockaddr_size(&addresses[i]);
  }
  return used;
}

static int make_socket(const struct Options* o) {
  const int fd = socket(o->family, SOCK_STREAM, IPPROTO_SCTP);
  if (fd < 0) {
    return peer_fail("socket: %s", strerror(errno));
  }
  uint8_t packed[kMaxAddresses * sizeof(struct sockaddr_in6)];
  struct sockaddr_storage any = {.ss_family = (sa_family_t)o->family};
  // The port stands at the same place in both kinds of address.
  ((struct sockaddr_in*)&any)->sin_port = htons(o->listen ? o->port : o->local_port);
  int bound = 0;
  if (o->local_count > 0) {
    pack(o->local, o->local_count, packed);
    bound = sctp_bindx(fd, (struct sockaddr*)packed, o->local_count, SCTP_BINDX_ADD_ADDR);
  } else if (o->listen || o->local_port != 0) {
    bound = bind(fd, (struct sockaddr*)&any, peer_sockaddr_size(&any));
  }
  if (bound != 0) {
    close(fd);
    return peer_fail("bind: %s", strerror(errno));
  }
  if (set_options(fd, o) != 0) {
    close(fd);
    return -1;
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

static int kernel_start(const struct Options* o) {
  options = o;
  if (!o->listen) {
    return 0;
  }
  listener = make_socket(o);
  if (listener < 0) {
    return -1;
  }
  return listen(listener, 16) == 0 ? 0 : peer_fail("listen: %s", strerror(errno));
}

// When the program is killed, its kernel shall say no more than one ABORT, which a test can lose;
// without this it would keep the association and repeat its SHUTDOWN.
static void die_at_once(int fd) {
  const struct linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static int kernel_open(const struct Options* o) {
  filled = 0;
  announced = false;
  if (o->listen) {
    return 0;  // receive() accepts
  }
  association = make_socket(o);
  if (association < 0) {
    return -1;
  }
  die_at_once(association);
  uint8_t packed[kMaxAddresses * sizeof(struct sockaddr_in6)];
  pack(o->remote, o->remote_count, packed);
  if (sctp_connectx(association, (struct sockaddr*)packed, o->remote_count, NULL) != 0 &&
      errno != EINPROGRESS) {
    return peer_fail("connect: %s", strerror(errno));
  }
  return 0;
}

static void note_address(const struct sockaddr_storage* address) {
  char text[INET6_ADDRSTRLEN] = "";
  const void* bytes = address->ss_family == AF_INET6
                          ? (const void*)&((const struct sockaddr_in6*)address)->sin6_addr
                          : (const void*)&((const struct sockaddr_in*)address)->sin_addr;
  inet_ntop(address->ss_family, bytes, text, sizeof(text));
  peer_note_peer(text);
}

static void accept_one(struct Event* event) {
  struct sockaddr_storage address;
  socklen_t size = sizeof(address);
  association = accept(listener, (struct sockaddr*)&address, &size);
  if (association < 0) {
    return;
  }
  fcntl(association, F_SETFL, O_NONBLOCK);
  die_at_once(association);
  note_address(&address);
  struct sctp_status status;
  socklen_t length = sizeof(status);
  memset(&status, 0, sizeof(status));
  getsockopt(association, IPPROTO_SCTP, SCTP_STATUS, &status, &length);
  event->kind = kEventUp;
  event->streams_out = status.sstat_outstrms;
  event->streams_in = status.sstat_instrms;
  announced = true;
}

static bool association_lives(void) {
  struct sctp_status status;
  socklen_t length = sizeof(status);
  memset(&status, 0, sizeof(status));
  return getsockopt(association, IPPROTO_SCTP, SCTP_STATUS, &status, &length) == 0 &&
         status.sstat_state != SCTP_CLOSED;
}

// One recvmsg into the buffer; -1 when there is nothing, or the association is gone.
static ssize_t read_part(struct msghdr* header, struct Event* event) {
  const ssize_t got = recvmsg(association, header, MSG_DONTWAIT);
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) {
    return got;
  }
  if (got == 0 && association_lives()) {
    // The end of file comes with the peer's SHUTDOWN. To close now would be an ABORT (die_at_once),
    // which ends the peer's association badly when our SHUTDOWN ACK was lost.
    event->kind = kEventOther;
    usleep(2000);  // poll() does not wait for an end that can be read already
    return -1;
  }
  event->kind = got == 0 ? kEventShutdownDone : kEventLost;  // COMM_LOST was read before an error
  if (got < 0 && !announced) {
    event->kind = kEventRefused;
    event->error = (uint32_t)errno;
  }
  return -1;
}

static void kernel_receive(struct Event* event) {
  if (association < 0) {
    accept_one(event);
    return;
  }
  union {
    struct cmsghdr header;
    uint8_t space[CMSG_SPACE(sizeof(struct sctp_rcvinfo)) + 256];
  } control;
  struct iovec part = {buffer + filled, sizeof(buffer) - filled};
  struct msghdr header = {.msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof(control)};
  const ssize_t got = read_part(&header, event);
  if (got < 0) {
    return;
  }
  const bool whole = (header.msg_flags & MSG_EOR) != 0;
  if (whole && (header.msg_flags & MSG_NOTIFICATION) != 0) {
    notify_read(buffer + filled, (size_t)got, event);
    announced = announced || event->kind == kEventUp;
    filled = event->kind == kEventBroken ? 0 : filled;
    return;
  }
  filled += (size_t)got;
  if (!whole) {
    event->kind = kEventOther;  // a part; the rest follows
    return;
  }
  const size_t size = filled;
  filled = 0;
  event->kind = kEventMessage;
  event->data = buffer;
  event->size = size;
  for (struct cmsghdr* c = CMSG_FIRSTHDR(&header); c != NULL; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_SCTP && c->cmsg_type == SCTP_RCVINFO) {
      struct sctp_rcvinfo info;
      memcpy(&info, CMSG_DATA(c), sizeof(info));
      event->stream = info.rcv_sid;
      event->ppid = ntohl(info.rcv_ppid);
      event->unordered = (info.rcv_flags & SCTP_UNORDERED) != 0;
    }
  }
}

static enum SendResult kernel_send(uint16_t stream, uint32_t ppid, bool unordered,
                                   const uint8_t* data, size_t size) {
  union {
    struct cmsghdr header;
    uint8_t space[CMSG_SPACE(sizeof(struct sctp_sndinfo)) + CMSG_SPACE(sizeof(struct sctp_prinfo))];
  } control;
  memset(&control, 0, sizeof(control));
  control.header.cmsg_level = IPPROTO_SCTP;
  control.header.cmsg_type = SCTP_SNDINFO;
  control.header.cmsg_len = CMSG_LEN(sizeof(struct sctp_sndinfo));
  const struct sctp_sndinfo info = {
      .snd_sid = stream, .snd_ppid = htonl(ppid), .snd_flags = unordered ? SCTP_UNORDERED : 0};
  memcpy(CMSG_DATA(&control.header), &info, sizeof(info));
  size_t used = CMSG_SPACE(sizeof(struct sctp_sndinfo));
  if (options->limit != kLimitNone) {
    const struct sctp_prinfo limit = prinfo_of(options);
    struct cmsghdr* second = (struct cmsghdr*)(void*)(control.space + used);
    second->cmsg_level = IPPROTO_SCTP;
    second->cmsg_type = SCTP_PRINFO;
    second->cmsg_len = CMSG_LEN(sizeof(limit));
    memcpy(CMSG_DATA(second), &limit, sizeof(limit));
    used += CMSG_SPACE(sizeof(limit));
  }
  struct iovec part = {(void*)(uintptr_t)data, size};
  const struct msghdr header = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = used};
  const ssize_t done = sendmsg(association, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (done == (ssize_t)size) {
    return kSendDone;
  }
  if (done < 0 && errno == EAGAIN) {
    return kSendLater;
  }
  if (done >= 0 || (errno != EPIPE && errno != ECONNRESET && errno != ESHUTDOWN)) {
    peer_fail("send of %zu bytes on stream %u: %zd, %s", size, stream, done, strerror(errno));
  }
  return kSendFailed;  // an association that has ended says so in its events
}

static void kernel_wait(int ms) {
  struct pollfd poll_fd = {.fd = association >= 0 ? association : listener, .events = POLLIN};
  poll(&poll_fd, 1, ms);
}

static void kernel_shutdown(void) {
  shutdown(association, SHUT_WR);
}

// An association that still lives is aborted: see die_at_once.
static void kernel_close(void) {
  if (association >= 0) {
    close(association);
    association = -1;
  }
}

static void kernel_finish(void) {
  if (listener >= 0) {
    close(listener);
  }
}

int main(int argc, char** argv) {
  static const struct Transport kTransport = {
      "kernel",    kernel_start,    kernel_open,  kernel_send,  kernel_receive,
      kernel_wait, kernel_shutdown, kernel_close, kernel_close, kernel_finish};
  return peer_main(argc, argv, &kTransport);
}
