// SPDX-License-Identifier: BSD-3-Clause
// The calls that move messages: each form of send and receive, with control data right or spoiled.
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "calls.h"

enum { kGuard = 64 };

// The bytes to send: "data", or "len" of a pattern that tells where a byte belongs.
char* payload(const struct Step* step, size_t* size) {
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

int flags_of(const struct Step* step) {
  return (int)names_parse(kMessageFlags, step_text(step, "flags", ""));
}

void out_message_flags(struct Out* out, int flags) {
  out_flags(out, kMessageFlags, flags);
}

// "dst=": an SCTP_DSTADDRV4 or SCTP_DSTADDRV6 for each of those addresses, in their order.
static size_t add_destinations(const struct Step* step, char* at) {
  char copy[256];
  snprintf(copy, sizeof(copy), "%s", step_text(step, "dst", ""));
  size_t used = 0;
  char* save = NULL;
  for (char* word = strtok_r(copy, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
    struct sockaddr_storage address;
    char name[80];
    snprintf(name, sizeof(name), "%s:0", word);
    address_parse(name, &address);
    const bool is_v4 = address.ss_family == AF_INET;
    const size_t size = is_v4 ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    struct cmsghdr* header = (struct cmsghdr*)(void*)(at + used);
    header->cmsg_level = IPPROTO_SCTP;
    header->cmsg_type = is_v4 ? SCTP_DSTADDRV4 : SCTP_DSTADDRV6;
    header->cmsg_len = (size_t)step_number(step, "cmsglen", (long)CMSG_LEN(size));
    memcpy(CMSG_DATA(header),
           (const char*)&address + (is_v4 ? offsetof(struct sockaddr_in, sin_addr)
                                          : offsetof(struct sockaddr_in6, sin6_addr)),
           size);
    used += CMSG_SPACE(size);
  }
  return used;
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
  used += add_destinations(step, room + used);
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

void call_send(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  result(out, send(descriptor(step, "s"), pointer(step, "ptr", bytes), size, flags_of(step)));
  free(bytes);
}

void call_write(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  result(out, write(descriptor(step, "s"), pointer(step, "ptr", bytes), size));
  free(bytes);
}

void call_writev(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  struct iovec vector[kMaxVectors + 1];
  const size_t count = vectors(step, bytes, size, vector);
  result(out, writev(descriptor(step, "s"), pointer(step, "vecptr", vector),
                     (int)step_number(step, "count", (long)count)));
  free(bytes);
}

// Flags of preadv2() and pwritev2(), "rwf"; their position is "at".
static int rwf_of(const struct Step* step) {
  static const struct Name kRwf[] = {{RWF_HIPRI, "HIPRI"},   {RWF_DSYNC, "DSYNC"},
                                     {RWF_SYNC, "SYNC"},     {RWF_NOWAIT, "NOWAIT"},
                                     {RWF_APPEND, "APPEND"}, {0, NULL}};
  return (int)names_parse(kRwf, step_text(step, "rwf", ""));
}

void call_pwritev2(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  struct iovec vector[kMaxVectors + 1];
  const size_t count = vectors(step, bytes, size, vector);
  result(out, pwritev2(descriptor(step, "s"), vector, (int)step_number(step, "count", (long)count),
                       step_number(step, "at", -1), rwf_of(step)));
  free(bytes);
}

void call_sendto(const struct Step* step, struct Out* out) {
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
  sending->head.msg_flags = (int)step_number(step, "mflags", 0);
  sending->head.msg_namelen = (socklen_t)step_number(step, "alen", length);
  make_control(step, &sending->head, sending->control);
}

void call_sendmsg(const struct Step* step, struct Out* out) {
  struct Sending sending;
  prepare_send(step, &sending);
  result(out,
         sendmsg(descriptor(step, "s"), pointer(step, "msgptr", &sending.head), flags_of(step)));
  free(sending.bytes);
}

void call_sendmmsg(const struct Step* step, struct Out* out) {
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

void call_sctp_sendmsg(const struct Step* step, struct Out* out) {
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
char* buffer(size_t size) {
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
  const int parts = (int)step_number(step, "count", (long)count);
  const ssize_t got = kind == 0   ? recv(fd, to, size, flags_of(step))
                      : kind == 1 ? read(fd, to, size)
                      : kind == 2
                          ? readv(fd, vector, parts)
                          : preadv2(fd, vector, parts, step_number(step, "at", -1), rwf_of(step));
  if (result(out, got)) {
    received(out, bytes, size, got);
  }
  free(bytes);
}

void call_recv(const struct Step* step, struct Out* out) {
  plain_receive(step, out, 0);
}
void call_read(const struct Step* step, struct Out* out) {
  plain_receive(step, out, 1);
}
void call_readv(const struct Step* step, struct Out* out) {
  plain_receive(step, out, 2);
}
void call_preadv2(const struct Step* step, struct Out* out) {
  plain_receive(step, out, 3);
}

void call_recvfrom(const struct Step* step, struct Out* out) {
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

void prepare_receive(const struct Step* step, struct Receiving* receiving) {
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

void out_message(struct Out* out, const struct Receiving* receiving, ssize_t got) {
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

void call_recvmsg(const struct Step* step, struct Out* out) {
  struct Receiving receiving;
  prepare_receive(step, &receiving);
  const ssize_t got =
      recvmsg(descriptor(step, "s"), pointer(step, "msgptr", &receiving.head), flags_of(step));
  if (result(out, got)) {
    out_message(out, &receiving, got);
  }
  free(receiving.bytes);
}

void call_recvmmsg(const struct Step* step, struct Out* out) {
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

void call_sctp_recvmsg(const struct Step* step, struct Out* out) {
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
