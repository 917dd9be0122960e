// SPDX-License-Identifier: BSD-3-Clause
// The calls that take and give lists of addresses, and those of one-to-many sockets' associations.
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent.h"
#include "calls.h"

static in_port_t port_in(const void* address) {
  struct sockaddr_in at;
  memcpy(&at, address, sizeof(at));
  return at.sin_port;
}

enum { kMostAssocs = 64 };

static uint32_t list_assocs(int fd, sctp_assoc_t* ids) {
  uint32_t room[1 + kMostAssocs];
  socklen_t size = sizeof(room);
  if (getsockopt(fd, IPPROTO_SCTP, SCTP_GET_ASSOC_ID_LIST, room, &size) != 0) {
    return 0;
  }
  memcpy(ids, room + 1, room[0] * sizeof(*ids));
  return room[0];
}

// "m/c": of the one-to-many socket m, the association with socket c, which is known by its port.
static int assoc_with(const char* name) {
  char copy[64];
  snprintf(copy, sizeof(copy), "%s", name);
  char* other = strchr(copy, '/');
  *other++ = '\0';
  struct sockaddr_storage address;
  socklen_t size = sizeof(address);
  if (getsockname(table_find(other), (struct sockaddr*)&address, &size) != 0) {
    return 0;
  }
  sctp_assoc_t ids[kMostAssocs];
  const uint32_t count = list_assocs(table_find(copy), ids);
  for (uint32_t i = 0; i < count; i++) {
    struct sctp_status status = {.sstat_assoc_id = ids[i]};
    size = sizeof(status);
    if (getsockopt(table_find(copy), IPPROTO_SCTP, SCTP_STATUS, &status, &size) == 0 &&
        port_in(&status.sstat_primary.spinfo_address) == port_in(&address)) {
      return ids[i];
    }
  }
  return 0;
}

int assoc_of(const char* name) {
  if (strchr(name, '/') != NULL) {
    return assoc_with(name);
  }
  struct sctp_status status = {0};
  socklen_t size = sizeof(status);
  getsockopt(table_find(name), IPPROTO_SCTP, SCTP_STATUS, &status, &size);
  return status.sstat_assoc_id;
}

// "assoc=7", or "assoc=@c" and "assoc=@m/c" of sockets.
static sctp_assoc_t step_assoc(const struct Step* step) {
  const char* text = step_text(step, "assoc", "0");
  return text[0] == '@' ? assoc_of(text + 1) : (sctp_assoc_t)strtol(text, NULL, 0);
}

// How many associations there are, and their ids, which stand for themselves.
void call_assocs(const struct Step* step, struct Out* out) {
  uint32_t count = 0;
  socklen_t size = sizeof(count);
  const int fd = descriptor(step, "s");
  if (!result(out, getsockopt(fd, IPPROTO_SCTP, SCTP_GET_ASSOC_NUMBER, &count, &size))) {
    return;
  }
  outf(out, " %u", count);
  sctp_assoc_t ids[kMostAssocs];
  outf(out, " listed %u", list_assocs(fd, ids));
}

static void addresses(const struct Step* step, struct Out* out, bool peer) {
  struct sockaddr* list = NULL;
  const int fd = descriptor(step, "s");
  const sctp_assoc_t id = step_assoc(step);
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

void call_getpaddrs(const struct Step* step, struct Out* out) {
  addresses(step, out, true);
}
void call_getladdrs(const struct Step* step, struct Out* out) {
  addresses(step, out, false);
}

int address_list(const struct Step* step, char* packed, size_t* total) {
  char copy[512];
  const char* begin = packed;
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
  *total = (size_t)(packed - begin);
  return count;
}

// With "ptr" or "optlen", the option that libsctp would set.
void call_bindx(const struct Step* step, struct Out* out) {
  _Alignas(8) char packed[1024];
  size_t size;
  const int count = address_list(step, packed, &size);
  const bool removes = step_number(step, "remove", 0) != 0;
  if (step_has(step, "ptr") || step_has(step, "optlen")) {
    const int name = removes ? SCTP_SOCKOPT_BINDX_REM : SCTP_SOCKOPT_BINDX_ADD;
    result(out, setsockopt(descriptor(step, "s"), IPPROTO_SCTP, name, pointer(step, "ptr", packed),
                           (socklen_t)step_number(step, "optlen", (long)size)));
    return;
  }
  result(out, sctp_bindx(descriptor(step, "s"), (struct sockaddr*)(void*)packed, count,
                         (int)step_number(step, "flags",
                                          removes ? SCTP_BINDX_REM_ADDR : SCTP_BINDX_ADD_ADDR)));
}

// "form": the three ways that libsctp has had; "ptr" and "optlen" spoil what is handed over.
void call_connectx(const struct Step* step, struct Out* out) {
  _Alignas(8) char packed[1024];
  size_t size;
  const int count = address_list(step, packed, &size);
  const int fd = descriptor(step, "s");
  const char* form = step_text(step, "form", "libsctp");
  void* from = pointer(step, "ptr", packed);
  const socklen_t length = (socklen_t)step_number(step, "optlen", (long)size);
  sctp_assoc_t id = 0;
  bool done = false;
  if (strcmp(form, "old") == 0) {
    result(out, setsockopt(fd, IPPROTO_SCTP, SCTP_SOCKOPT_CONNECTX_OLD, from, length));
  } else if (strcmp(form, "set") == 0) {
    id = setsockopt(fd, IPPROTO_SCTP, SCTP_SOCKOPT_CONNECTX, from, length);
    done = result(out, id > 0 ? 0 : id);
  } else if (strcmp(form, "get") == 0) {
    struct sctp_getaddrs_old what = {.assoc_id = 0, .addr_num = (int)length, .addrs = from};
    socklen_t room = (socklen_t)step_number(step, "room", sizeof(what));
    done = result(out, getsockopt(fd, IPPROTO_SCTP, SCTP_SOCKOPT_CONNECTX3, &what, &room));
    id = what.assoc_id;
    outf(out, " %u:", room);
  } else {
    done = result(out, sctp_connectx(fd, (struct sockaddr*)(void*)packed, count, &id));
  }
  if (done) {
    outf(out, " <assoc %d>", id);
  }
}

// libsctp of Debian 12 has no function for it.
static int peel_off_with_flags(int fd, sctp_assoc_t id, unsigned flags) {
  enum { kPeelOffFlags = 122 };  // SCTP_SOCKOPT_PEELOFF_FLAGS
  struct {
    sctp_assoc_t id;
    int fd;
    unsigned flags;
  } what = {id, -1, flags};
  socklen_t size = sizeof(what);
  const int made = getsockopt(fd, IPPROTO_SCTP, kPeelOffFlags, &what, &size);
  return made < 0 ? made : what.fd;
}

void call_peeloff(const struct Step* step, struct Out* out) {
  const int wanted = lowest();
  const int fd = descriptor(step, "s");
  const unsigned flags = (unsigned)names_parse(kSocketWords, step_text(step, "flags", ""));
  const int made = step_has(step, "flags") ? peel_off_with_flags(fd, step_assoc(step), flags)
                                           : sctp_peeloff(fd, step_assoc(step));
  new_descriptor(step, out, made, wanted);
}
