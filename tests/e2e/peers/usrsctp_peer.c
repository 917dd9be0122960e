// SPDX-License-Identifier: BSD-3-Clause
// A test peer on usrsctp over raw sockets, one-to-one style. The network namespace's own kernel
// must not speak SCTP; its ICMP "protocol unreachable" stays away while the raw sockets are open.
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <usrsctp.h>

#include "peer_common.h"
#include "peer_notify.h"

static const struct Options* options;
static struct socket* listener;
static struct socket* association;
static bool announced;
static uint8_t buffer[kMaxMessage + 4096];
static size_t filled;
static int stay_ms;

// usrsctp's threads tell the main thread that something happened.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static bool something;

static void on_news(struct socket* socket, void* argument, int flags) {
  (void)socket;
  (void)argument;
  (void)flags;
  pthread_mutex_lock(&lock);
  something = true;
  pthread_cond_signal(&news);
  pthread_mutex_unlock(&lock);
}

static int set_option(struct socket* s, int name, const void* value, socklen_t size,
                      const char* what) {
  if (usrsctp_setsockopt(s, IPPROTO_SCTP, name, value, size) != 0) {
    return peer_fail("%s: %s", what, strerror(errno));
  }
  return 0;
}

static int set_timers(struct socket* s, const struct Options* o) {
  if (o->rto_initial_ms != 0) {
    const struct sctp_rtoinfo rto = {.srto_initial = (uint32_t)o->rto_initial_ms,
                                     .srto_min = (uint32_t)o->rto_min_ms,
                                     .srto_max = (uint32_t)o->rto_max_ms};
    if (set_option(s, SCTP_RTOINFO, &rto, sizeof(rto), "SCTP_RTOINFO") != 0) {
      return -1;
    }
  }
  if (o->heartbeat_ms != 0) {
    struct sctp_paddrparams path = {.spp_hbinterval = (uint32_t)o->heartbeat_ms,
                                    .spp_flags = SPP_HB_ENABLE};
    path.spp_address.ss_family = (sa_family_t)o->family;
    if (set_option(s, SCTP_PEER_ADDR_PARAMS, &path, sizeof(path), "SCTP_PEER_ADDR_PARAMS") != 0) {
      return -1;
    }
  }
  if (o->sack_delay_ms != 0) {
    const struct sctp_sack_info sack = {.sack_delay = (uint32_t)o->sack_delay_ms, .sack_freq = 2};
    if (set_option(s, SCTP_DELAYED_SACK, &sack, sizeof(sack), "SCTP_DELAYED_SACK") != 0) {
      return -1;
    }
  }
  if (o->max_retransmissions != 0) {
    const struct sctp_assocparams params = {.sasoc_asocmaxrxt = (uint16_t)o->max_retransmissions};
    return set_option(s, SCTP_ASSOCINFO, &params, sizeof(params), "SCTP_ASSOCINFO");
  }
  return 0;
}

static int set_options(struct socket* s, const struct Options* o) {
  const struct sctp_initmsg init = {.sinit_num_ostreams = o->streams,
                                    .sinit_max_instreams = o->streams,
                                    .sinit_max_attempts = (uint16_t)o->init_attempts};
  const int on = 1;
  const int nodelay = o->nagle ? 0 : 1;
  const int space = 1 << 20;
  const int room = o->receive_buffer != 0 ? o->receive_buffer : space;
  usrsctp_setsockopt(s, SOL_SOCKET, SO_SNDBUF, &space, sizeof(space));
  usrsctp_setsockopt(s, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
  if (set_option(s, SCTP_INITMSG, &init, sizeof(init), "SCTP_INITMSG") != 0 ||
      set_option(s, SCTP_NODELAY, &nodelay, sizeof(nodelay), "SCTP_NODELAY") != 0 ||
      set_option(s, SCTP_RECVRCVINFO, &on, sizeof(on), "SCTP_RECVRCVINFO") != 0 ||
      set_timers(s, o) != 0) {
    return -1;
  }
  const struct sctp_assoc_value none = {.assoc_value = 0};
  if (o->reliable &&
      set_option(s, SCTP_PR_SUPPORTED, &none, sizeof(none), "SCTP_PR_SUPPORTED") != 0) {
    return -1;
  }
  for (int i = 0; i < kNotificationCount; i++) {
    const struct sctp_event event = {
        .se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = kNotifications[i], .se_on = 1};
    if (set_option(s, SCTP_EVENT, &event, sizeof(event), "SCTP_EVENT") != 0) {
      return -1;
    }
  }
  return 0;
}

static size_t pack(const struct sockaddr_storage* addresses, int count, uint8_t* out) {
  size_t used = 0;
  for (int i = 0; i < count; i++) {
    memcpy(out + used, &addresses[i], peer_sockaddr_size(&addresses[i]));
    used += peer_sockaddr_size(&addresses[i]);
  }
  return used;
}

static struct socket* make_socket(const struct Options* o) {
  struct socket* s = usrsctp_socket(o->family, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
  if (s == NULL) {
    peer_fail("usrsctp_socket: %s", strerror(errno));
    return NULL;
  }
  uint8_t packed[kMaxAddresses * sizeof(struct sockaddr_in6)];
  struct sockaddr_storage any = {.ss_family = (sa_family_t)o->family};
  ((struct sockaddr_in*)&any)->sin_port = htons(o->listen ? o->port : o->local_port);
  int bound = 0;
  if (o->local_count > 0) {
    pack(o->local, o->local_count, packed);
    bound = usrsctp_bindx(s, (struct sockaddr*)packed, o->local_count, SCTP_BINDX_ADD_ADDR);
  } else if (o->listen || o->local_port != 0) {
    bound = usrsctp_bind(s, (struct sockaddr*)&any, peer_sockaddr_size(&any));
  }
  if (bound != 0) {
    peer_fail("bind: %s", strerror(errno));
  } else if (set_options(s, o) == 0) {
    usrsctp_set_non_blocking(s, 1);
    usrsctp_set_upcall(s, on_news, NULL);
    return s;
  }
  usrsctp_close(s);
  return NULL;
}

static void debug_out(const char* format, ...) {
  (void)format;
}

static int user_start(const struct Options* o) {
  options = o;
  stay_ms = o->stay_ms;
  usrsctp_init(0, NULL, debug_out);
  usrsctp_sysctl_set_sctp_blackhole(o->ignore_strays ? 2 : 0);
  if (!o->listen) {
    return 0;
  }
  listener = make_socket(o);
  if (listener == NULL) {
    return -1;
  }
  return usrsctp_listen(listener, 16) == 0 ? 0 : peer_fail("listen: %s", strerror(errno));
}

static int user_open(const struct Options* o) {
  filled = 0;
  announced = false;
  if (o->listen) {
    return 0;
  }
  association = make_socket(o);
  if (association == NULL) {
    return -1;
  }
  uint8_t packed[kMaxAddresses * sizeof(struct sockaddr_in6)];
  pack(o->remote, o->remote_count, packed);
  if (usrsctp_connectx(association, (struct sockaddr*)packed, o->remote_count, NULL) != 0 &&
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
  memset(&address, 0, sizeof(address));
  association = usrsctp_accept(listener, (struct sockaddr*)&address, &size);
  if (association == NULL) {
    return;
  }
  usrsctp_set_non_blocking(association, 1);
  usrsctp_set_upcall(association, on_news, NULL);
  note_address(&address);
  struct sctp_status status;
  socklen_t length = sizeof(status);
  memset(&status, 0, sizeof(status));
  usrsctp_getsockopt(association, IPPROTO_SCTP, SCTP_STATUS, &status, &length);
  event->kind = kEventUp;
  event->streams_out = status.sstat_outstrms;
  event->streams_in = status.sstat_instrms;
  announced = true;
}

// A message of which some was given and whose rest never comes has an end like any other here; what
// tells it is the notification behind it.
static bool breaks_off_next(void) {
  union sctp_notification next;
  memset(&next, 0, sizeof(next));
  struct sctp_rcvinfo info;
  socklen_t info_size = sizeof(info);
  struct sockaddr_storage from;
  socklen_t from_size = sizeof(from);
  unsigned int info_type = 0;
  int flags = MSG_PEEK;
  const ssize_t got = usrsctp_recvv(association, &next, sizeof(next), (struct sockaddr*)&from,
                                    &from_size, &info, &info_size, &info_type, &flags);
  return got > 0 && (flags & MSG_NOTIFICATION) != 0 &&
         next.sn_header.sn_type == SCTP_PARTIAL_DELIVERY_EVENT;
}

static void user_receive(struct Event* event) {
  if (association == NULL) {
    accept_one(event);
    return;
  }
  struct sctp_rcvinfo info;
  memset(&info, 0, sizeof(info));
  socklen_t info_size = sizeof(info);
  struct sockaddr_storage from;
  socklen_t from_size = sizeof(from);
  unsigned int info_type = 0;
  int flags = 0;
  const ssize_t got =
      usrsctp_recvv(association, buffer + filled, sizeof(buffer) - filled, (struct sockaddr*)&from,
                    &from_size, &info, &info_size, &info_type, &flags);
  if (got < 0 && (errno == EWOULDBLOCK || errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (got <= 0) {
    event->kind = got == 0 ? kEventShutdownDone : announced ? kEventLost : kEventRefused;
    event->error = got == 0 ? 0 : (uint32_t)errno;
    return;
  }
  if ((flags & MSG_NOTIFICATION) != 0) {
    notify_read(buffer + filled, (size_t)got, event);
    announced = announced || event->kind == kEventUp;
    filled = event->kind == kEventBroken ? 0 : filled;
    return;
  }
  const bool in_parts = filled != 0;
  filled += (size_t)got;
  if ((flags & MSG_EOR) == 0) {
    event->kind = kEventOther;
    return;
  }
  const size_t size = filled;
  filled = 0;
  if (in_parts && breaks_off_next()) {
    event->kind = kEventOther;
    return;
  }
  event->kind = kEventMessage;
  event->data = buffer;
  event->size = size;
  event->stream = info.rcv_sid;
  event->ppid = ntohl(info.rcv_ppid);
  event->unordered = (info.rcv_flags & SCTP_UNORDERED) != 0;
}

static enum SendResult user_send(uint16_t stream, uint32_t ppid, bool unordered,
                                 const uint8_t* data, size_t size) {
  struct sctp_sendv_spa how = {
      .sendv_flags = SCTP_SEND_SNDINFO_VALID,
      .sendv_sndinfo = {
          .snd_sid = stream, .snd_ppid = htonl(ppid), .snd_flags = unordered ? SCTP_UNORDERED : 0}};
  if (options->limit != kLimitNone) {
    how.sendv_flags |= SCTP_SEND_PRINFO_VALID;
    how.sendv_prinfo = prinfo_of(options);
  }
  const ssize_t done =
      usrsctp_sendv(association, data, size, NULL, 0, &how, sizeof(how), SCTP_SENDV_SPA, 0);
  if (done == (ssize_t)size) {
    return kSendDone;
  }
  if (done < 0 && (errno == EWOULDBLOCK || errno == EAGAIN)) {
    return kSendLater;
  }
  if (done >= 0 || (errno != EPIPE && errno != ECONNRESET && errno != ENOTCONN)) {
    peer_fail("send of %zu bytes on stream %u: %zd, %s", size, stream, done, strerror(errno));
  }
  return kSendFailed;
}

static void user_wait(int ms) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += ms * 1000000L;
  if (until.tv_nsec >= 1000000000L) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000L;
  }
  pthread_mutex_lock(&lock);
  while (!something && pthread_cond_timedwait(&news, &lock, &until) == 0) {
  }
  something = false;
  pthread_mutex_unlock(&lock);
}

static void user_shutdown(void) {
  usrsctp_shutdown(association, SHUT_WR);
}

static void user_close(void) {
  if (association != NULL) {
    usrsctp_close(association);
    association = NULL;
  }
}

static void user_abort(void) {
  if (association != NULL) {
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    usrsctp_setsockopt(association, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    user_close();
  }
}

static void user_finish(void) {
  // This stack ends with its program, and then nobody answers a SHUTDOWN ACK any more.
  nanosleep(&(struct timespec){stay_ms / 1000, stay_ms % 1000 * 1000000L}, NULL);
  if (listener != NULL) {
    usrsctp_close(listener);
  }
  // It refuses while an association's last packets are under way.
  for (int i = 0; i < 200 && usrsctp_finish() != 0; i++) {
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
}

int main(int argc, char** argv) {
  static const struct Transport kTransport = {"usrsctp",    user_start, user_open,     user_send,
                                              user_receive, user_wait,  user_shutdown, user_abort,
                                              user_close,   user_finish};
  return peer_main(argc, argv, &kTransport);
}
