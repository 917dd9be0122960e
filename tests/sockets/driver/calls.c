// SPDX-License-Identifier: BSD-3-Clause
// The calls of a script, by name. Each takes what it needs from the step and writes its result as
// text: a number, or -1 and the name of errno, then what came back.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agent.h"
#include "structs.h"

enum { kGuard = 64, kMaxVectors = 8, kControl = 512 };

static const struct Name kSocketWords[] = {{AF_INET, "inet"},
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

static void* wild(void) {
  static void* page;
  if (page == NULL) {
    page = mmap(NULL, 1 << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  return page;
}

// "null" and "wild" instead of the pointer that the call would have.
static void* pointer(const struct Step* step, const char* key, void* usual) {
  const char* text = step_text(step, key, "");
  return strcmp(text, "null") == 0 ? NULL : strcmp(text, "wild") == 0 ? wild() : usual;
}

static int descriptor(const struct Step* step, const char* key) {
  const char* name = step_text(step, key, NULL);
  return name != NULL && strncmp(name, "fd", 2) == 0 ? atoi(name + 2) : table_find(name);
}

static bool result(struct Out* out, long value) {
  if (value < 0) {
    outf(out, "-1 %s", error_name(errno));
    return false;
  }
  outf(out, "%ld", value);
  return true;
}

static int lowest(void) {
  const int probe = dup(kFirstPipe);
  close(probe);
  return probe;
}

static void new_descriptor(const struct Step* step, struct Out* out, int fd, int wanted) {
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

static void out_name(struct Out* out, const struct sockaddr_storage* address, socklen_t given,
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

// The bytes to send: "data", or "len" of a pattern that tells where a byte belongs.
static char* payload(const struct Step* step, size_t* size) {
  const char* text = step_text(step, "data", NULL);
  if (text != NULL) {
    *size = strlen(text);
    return strdup(text);
  }
  *size = (size_t)step_number(step, "len", 0);
  char* bytes = malloc(*size + 1);
  const long seed = step_number(step, "seed", 1);
  for (size_t i = 0; i < *size; i++) {
    bytes[i] = (char)('a' + (long)(i * 7 + i / 251) % 26 * seed % 26);
  }
  return bytes;
}

static int flags_of(const struct Step* step) {
  return (int)names_parse(kMessageFlags, step_text(step, "flags", ""));
}

static int assoc_of(const char* name) {
  struct sctp_status status = {0};
  socklen_t size = sizeof(status);
  getsockopt(table_find(name), IPPROTO_SCTP, SCTP_STATUS, &status, &size);
  return status.sstat_assoc_id;
}

// Control data of the groups that the step has; "ctllen" and "ctltype" spoil it.
static void make_control(const struct Step* step, struct msghdr* message, char* room) {
  struct cmsghdr* at = (struct cmsghdr*)(void*)room;
  memset(room, 0, kControl);
  message->msg_control = room;
  size_t used = 0;
  for (const struct Layout* layout = kControls; layout->name != NULL; layout++) {
    char name[32];
    size_t i = 0;
    for (; layout->name[i] != '\0' && i < sizeof(name) - 1; i++) {
      name[i] = (char)(layout->name[i] | 0x20);
    }
    name[i] = '\0';
    if (!step_has_group(step, name)) {
      continue;
    }
    at->cmsg_level = (int)step_number(step, "ctllevel", IPPROTO_SCTP);
    at->cmsg_type = (int)step_number(step, "ctltype", layout->number);
    at->cmsg_len = (size_t)step_number(step, "cmsglen", (long)CMSG_LEN(layout->size));
    layout_fill(layout, step, name, CMSG_DATA(at), assoc_of);
    used += CMSG_SPACE(layout->size);
    at = (struct cmsghdr*)(void*)(room + used);
  }
  message->msg_controllen = (size_t)step_number(step, "ctllen", (long)used);
  message->msg_control = pointer(step, "ctlptr", used != 0 ? room : NULL);
}

// "iov=3,4,5": vectors of those sizes over the buffer, the last one takes the rest.
static size_t vectors(const struct Step* step, char* bytes, size_t size, struct iovec* vector) {
  char copy[128];
  snprintf(copy, sizeof(copy), "%s", step_text(step, "iov", ""));
  size_t count = 0, used = 0;
  char* save = NULL;
  for (char* word = strtok_r(copy, ",", &save); word != NULL && count < kMaxVectors;
       word = strtok_r(NULL, ",", &save)) {
    const size_t part = (size_t)atol(word);
    vector[count].iov_base = bytes + used;
    vector[count++].iov_len = part < size - used ? part : size - used;
    used += vector[count - 1].iov_len;
  }
  if (count == 0 || used < size) {
    vector[count].iov_base = bytes + used;
    vector[count++].iov_len = size - used;
  }
  return count;
}

static void call_send(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  result(out, send(descriptor(step, "s"), pointer(step, "ptr", bytes), size, flags_of(step)));
  free(bytes);
}

static void call_write(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  result(out, write(descriptor(step, "s"), pointer(step, "ptr", bytes), size));
  free(bytes);
}

static void call_writev(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  struct iovec vector[kMaxVectors + 1];
  const size_t count = vectors(step, bytes, size, vector);
  result(out, writev(descriptor(step, "s"), pointer(step, "vecptr", vector),
                     (int)step_number(step, "count", (long)count)));
  free(bytes);
}

static void call_sendto(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  struct sockaddr_storage address;
  const socklen_t length = address_parse(step_text(step, "to", ""), &address);
  result(out, sendto(descriptor(step, "s"), pointer(step, "ptr", bytes), size, flags_of(step),
                     pointer(step, "toptr", length != 0 ? &address : NULL),
                     (socklen_t)step_number(step, "alen", length)));
  free(bytes);
}

struct Sending {
  struct msghdr head;
  struct iovec vector[kMaxVectors + 1];
  _Alignas(struct cmsghdr) char control[kControl];
  struct sockaddr_storage address;
  char* bytes;
};

static void prepare_send(const struct Step* step, struct Sending* sending) {
  size_t size;
  memset(&sending->head, 0, sizeof(sending->head));
  sending->bytes = payload(step, &size);
  char* base = pointer(step, "ptr", sending->bytes);
  sending->head.msg_iov = pointer(step, "vecptr", sending->vector);
  sending->head.msg_iovlen =
      (size_t)step_number(step, "count", (long)vectors(step, base, size, sending->vector));
  const socklen_t length = address_parse(step_text(step, "to", ""), &sending->address);
  sending->head.msg_name = pointer(step, "toptr", length != 0 ? &sending->address : NULL);
  sending->head.msg_namelen = (socklen_t)step_number(step, "alen", length);
  make_control(step, &sending->head, sending->control);
}

static void call_sendmsg(const struct Step* step, struct Out* out) {
  struct Sending sending;
  prepare_send(step, &sending);
  result(out,
         sendmsg(descriptor(step, "s"), pointer(step, "msgptr", &sending.head), flags_of(step)));
  free(sending.bytes);
}

static void call_sendmmsg(const struct Step* step, struct Out* out) {
  const unsigned count = (unsigned)step_number(step, "n", 3);
  struct Sending sending;
  struct mmsghdr heads[16] = {0};
  prepare_send(step, &sending);
  for (unsigned i = 0; i < count && i < 16; i++) {
    heads[i].msg_hdr = sending.head;
  }
  if (result(out, sendmmsg(descriptor(step, "s"), pointer(step, "msgptr", heads), count,
                           flags_of(step)))) {
    for (unsigned i = 0; i < count && i < 16; i++) {
      outf(out, " %u", heads[i].msg_len);
    }
  }
  free(sending.bytes);
}

static void call_sctp_sendmsg(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  struct sockaddr_storage address;
  const socklen_t length = address_parse(step_text(step, "to", ""), &address);
  result(out,
         sctp_sendmsg(
             descriptor(step, "s"), bytes, size, length != 0 ? (struct sockaddr*)&address : NULL,
             length, (uint32_t)step_number(step, "ppid", 0),
             (uint32_t)step_number(step, "sflags", 0), (uint16_t)step_number(step, "stream", 0),
             (uint32_t)step_number(step, "ttl", 0), (uint32_t)step_number(step, "context", 0)));
  free(bytes);
}

// A buffer whose end is guarded: nobody may write beyond what was asked for.
static char* buffer(size_t size) {
  char* bytes = malloc(size + kGuard);
  memset(bytes, 0x5a, size + kGuard);
  return bytes;
}

// A call without flags can't tell notifications from messages; their first bytes do.
static bool looks_notified(const char* bytes, ssize_t got) {
  const struct sctp_assoc_change* head = (const void*)bytes;
  return got >= 8 && (head->sac_type & 0xfff0) == 0x8000 && head->sac_length == (uint32_t)got;
}

static void received(struct Out* out, const char* bytes, size_t size, ssize_t got) {
  for (size_t i = 0; i < kGuard; i++) {
    if (bytes[size + i] != 0x5a) {
      outf(out, " (written beyond the end)");
      break;
    }
  }
  if (looks_notified(bytes, got)) {
    out_notification(out, bytes, (size_t)got);
  } else if (got > 0) {
    outf(out, " ");
    out_bytes(out, bytes, (size_t)got);
  }
}

static void plain_receive(const struct Step* step, struct Out* out, int kind) {
  const size_t size = (size_t)step_number(step, "len", 1000);
  const int fd = descriptor(step, "s");
  char* bytes = buffer(size);
  char* to = pointer(step, "ptr", bytes);
  struct iovec vector[kMaxVectors + 1];
  const size_t count = vectors(step, to, size, vector);
  const ssize_t got = kind == 0   ? recv(fd, to, size, flags_of(step))
                      : kind == 1 ? read(fd, to, size)
                                  : readv(fd, vector, (int)step_number(step, "count", (long)count));
  if (result(out, got)) {
    received(out, bytes, size, got);
  }
  free(bytes);
}

static void call_recv(const struct Step* step, struct Out* out) {
  plain_receive(step, out, 0);
}
static void call_read(const struct Step* step, struct Out* out) {
  plain_receive(step, out, 1);
}
static void call_readv(const struct Step* step, struct Out* out) {
  plain_receive(step, out, 2);
}

static void call_recvfrom(const struct Step* step, struct Out* out) {
  const size_t size = (size_t)step_number(step, "len", 1000);
  char* bytes = buffer(size);
  struct sockaddr_storage address;
  memset(&address, 0, sizeof(address));
  socklen_t length = (socklen_t)step_number(step, "alen", sizeof(address));
  const socklen_t given = length;
  struct sockaddr* from = pointer(step, "fromptr", &address);
  const ssize_t got = recvfrom(descriptor(step, "s"), pointer(step, "ptr", bytes), size,
                               flags_of(step), from, pointer(step, "lenptr", &length));
  if (result(out, got)) {
    received(out, bytes, size, got);
    if ((void*)from == (void*)&address) {
      out_name(out, &address, given, length);
    }
  }
  free(bytes);
}

struct Receiving {
  struct msghdr head;
  struct iovec vector[kMaxVectors + 1];
  _Alignas(struct cmsghdr) char control[kControl];
  struct sockaddr_storage address;
  char* bytes;
  size_t size;
};

static void prepare_receive(const struct Step* step, struct Receiving* receiving) {
  memset(receiving, 0, sizeof(*receiving));
  receiving->size = (size_t)step_number(step, "len", 1000);
  receiving->bytes = buffer(receiving->size);
  char* to = pointer(step, "ptr", receiving->bytes);
  struct msghdr* head = &receiving->head;
  head->msg_iovlen = (size_t)step_number(
      step, "count", (long)vectors(step, to, receiving->size, receiving->vector));
  head->msg_iov = pointer(step, "vecptr", receiving->vector);
  head->msg_namelen = (socklen_t)step_number(step, "alen", 0);
  head->msg_name = head->msg_namelen != 0 ? pointer(step, "fromptr", &receiving->address) : NULL;
  head->msg_controllen = (size_t)step_number(step, "ctllen", kControl);
  head->msg_control = pointer(step, "ctlptr", receiving->control);
  head->msg_flags = 0;
}

static void out_message(struct Out* out, const struct Receiving* receiving, ssize_t got) {
  const struct msghdr* head = &receiving->head;
  if ((head->msg_flags & MSG_NOTIFICATION) != 0) {
    out_notification(out, receiving->bytes, (size_t)got);
  } else {
    received(out, receiving->bytes, receiving->size, got);
  }
  outf(out, " flags=");
  out_flags(out, kMessageFlags, head->msg_flags);
  if (head->msg_control == receiving->control) {
    out_control(out, head);
  }
  if (head->msg_name == &receiving->address) {
    out_name(out, &receiving->address, sizeof(receiving->address), head->msg_namelen);
  }
}

static void call_recvmsg(const struct Step* step, struct Out* out) {
  struct Receiving receiving;
  prepare_receive(step, &receiving);
  const ssize_t got =
      recvmsg(descriptor(step, "s"), pointer(step, "msgptr", &receiving.head), flags_of(step));
  if (result(out, got)) {
    out_message(out, &receiving, got);
  }
  free(receiving.bytes);
}

static void call_recvmmsg(const struct Step* step, struct Out* out) {
  enum { kMost = 8 };
  static __thread struct Receiving receiving[kMost];
  struct mmsghdr heads[kMost];
  const unsigned count = (unsigned)step_number(step, "n", 3) % (kMost + 1);
  for (unsigned i = 0; i < count; i++) {
    prepare_receive(step, &receiving[i]);
    heads[i].msg_hdr = receiving[i].head;
  }
  const int got =
      recvmmsg(descriptor(step, "s"), pointer(step, "msgptr", heads), count, flags_of(step), NULL);
  if (result(out, got)) {
    for (int i = 0; i < got; i++) {
      receiving[i].head = heads[i].msg_hdr;
      outf(out, " (%u", heads[i].msg_len);
      out_message(out, &receiving[i], heads[i].msg_len);
      outf(out, ")");
    }
  }
  for (unsigned i = 0; i < count; i++) {
    free(receiving[i].bytes);
  }
}

static void call_sctp_recvmsg(const struct Step* step, struct Out* out) {
  const size_t size = (size_t)step_number(step, "len", 1000);
  char* bytes = buffer(size);
  struct sockaddr_storage address;
  memset(&address, 0, sizeof(address));
  socklen_t length = sizeof(address);
  struct sctp_sndrcvinfo info;
  memset(&info, 0, sizeof(info));
  int flags = flags_of(step);
  const int got = sctp_recvmsg(descriptor(step, "s"), bytes, size, (struct sockaddr*)&address,
                               &length, &info, &flags);
  if (result(out, got)) {
    if ((flags & MSG_NOTIFICATION) != 0) {
      out_notification(out, bytes, (size_t)got);
    } else {
      received(out, bytes, size, got);
    }
    outf(out, " flags=");
    out_flags(out, kMessageFlags, flags);
    outf(out, " info{");
    out_layout(out, control_named("SNDRCV"), &info, sizeof(info));
    outf(out, "}");
    out_name(out, &address, sizeof(address), length);
  }
  free(bytes);
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

static void addresses(const struct Step* step, struct Out* out, bool peer) {
  struct sockaddr* list = NULL;
  const int fd = descriptor(step, "s");
  const sctp_assoc_t id = (sctp_assoc_t)step_number(step, "assoc", 0);
  const int count = peer ? sctp_getpaddrs(fd, id, &list) : sctp_getladdrs(fd, id, &list);
  if (!result(out, count)) {
    return;
  }
  const char* at = (const char*)list;
  for (int i = 0; i < count; i++) {
    const sa_family_t family = ((const struct sockaddr*)(const void*)at)->sa_family;
    const size_t size =
        family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    outf(out, " ");
    out_address(out, at, size);
    at += size;
  }
  if (count > 0) {
    peer ? sctp_freepaddrs(list) : sctp_freeladdrs(list);
  }
}

static void call_getpaddrs(const struct Step* step, struct Out* out) {
  addresses(step, out, true);
}
static void call_getladdrs(const struct Step* step, struct Out* out) {
  addresses(step, out, false);
}

// "to=127.0.0.1:5,127.0.0.2:5", packed one after the other.
static int address_list(const struct Step* step, char* packed) {
  char copy[512];
  snprintf(copy, sizeof(copy), "%s", step_text(step, "to", ""));
  int count = 0;
  char* save = NULL;
  for (char* word = strtok_r(copy, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
    struct sockaddr_storage address;
    const socklen_t size = address_parse(word, &address);
    const size_t used = size == sizeof(struct sockaddr_in) ? size : sizeof(struct sockaddr_in6);
    memcpy(packed, &address, used);
    packed += used;
    count++;
  }
  return count;
}

static void call_bindx(const struct Step* step, struct Out* out) {
  _Alignas(8) char packed[1024];
  const int count = address_list(step, packed);
  const int op = step_number(step, "remove", 0) != 0 ? SCTP_BINDX_REM_ADDR : SCTP_BINDX_ADD_ADDR;
  result(out, sctp_bindx(descriptor(step, "s"), (struct sockaddr*)(void*)packed, count, op));
}

static void call_connectx(const struct Step* step, struct Out* out) {
  _Alignas(8) char packed[1024];
  const int count = address_list(step, packed);
  sctp_assoc_t id = 0;
  if (result(out,
             sctp_connectx(descriptor(step, "s"), (struct sockaddr*)(void*)packed, count, &id))) {
    outf(out, " <assoc %d>", id);
  }
}

static void call_peeloff(const struct Step* step, struct Out* out) {
  const int wanted = lowest();
  const int made = sctp_peeloff(descriptor(step, "s"), (sctp_assoc_t)step_number(step, "assoc", 0));
  new_descriptor(step, out, made, wanted);
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

// Until nothing goes any more, not even once what was sent has been acknowledged. How much that is
// differs between implementations: a mark.
static void call_fill(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  long count = 0;
  const int fd = descriptor(step, "s");
  struct pollfd one = {.fd = fd, .events = POLLOUT};
  int saved;
  do {
    while (count < 100000 && send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
      count++;
    }
    saved = errno;
  } while (saved == EAGAIN && count < 100000 && poll(&one, 1, 120) > 0);
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
    {"sendto", call_sendto},
    {"sendmsg", call_sendmsg},
    {"sendmmsg", call_sendmmsg},
    {"sctp_sendmsg", call_sctp_sendmsg},
    {"recv", call_recv},
    {"read", call_read},
    {"readv", call_readv},
    {"recvfrom", call_recvfrom},
    {"recvmsg", call_recvmsg},
    {"recvmmsg", call_recvmmsg},
    {"sctp_recvmsg", call_sctp_recvmsg},
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
    {"poll", call_poll},
    {"epoll_create", call_epoll_create},
    {"epoll_ctl", call_epoll_ctl},
    {"epoll_wait", call_epoll_wait},
    {"fill", call_fill},
    {"drain", call_drain},
    {"pause", call_pause},
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
