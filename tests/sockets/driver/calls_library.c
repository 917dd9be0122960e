// SPDX-License-Identifier: BSD-3-Clause
// The functions of libsctp that send and receive without control data, and sctp_opt_info().
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "agent.h"
#include "calls.h"

static void fill_info(const struct Step* step, struct sctp_sndrcvinfo* info) {
  layout_fill(control_named("SNDRCV"), step, "sndrcv", info, assoc_of);
}

void call_sctp_send(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  struct sctp_sndrcvinfo info;
  fill_info(step, &info);
  result(out, sctp_send(descriptor(step, "s"), bytes, size, &info, flags_of(step)));
  free(bytes);
}

// The groups that the step has say which of the attributes are given; "spa=1" puts even one of them
// into a sctp_sendv_spa. The vectors are halves of the payload.
void call_sctp_sendv(const struct Step* step, struct Out* out) {
  size_t size;
  char* bytes = payload(step, &size);
  const struct iovec vector[2] = {{bytes, size / 2}, {bytes + size / 2, size - size / 2}};
  _Alignas(8) char packed[1024];
  size_t total;
  const int count = address_list(step, packed, &total);
  struct sctp_sendv_spa all = {0};
  layout_fill(control_named("SNDINFO"), step, "sndinfo", &all.sendv_sndinfo, assoc_of);
  layout_fill(control_named("PRINFO"), step, "prinfo", &all.sendv_prinfo, assoc_of);
  layout_fill(control_named("AUTHINFO"), step, "authinfo", &all.sendv_authinfo, assoc_of);
  all.sendv_flags = (step_has_group(step, "sndinfo") ? SCTP_SEND_SNDINFO_VALID : 0u) |
                    (step_has_group(step, "prinfo") ? SCTP_SEND_PRINFO_VALID : 0u) |
                    (step_has_group(step, "authinfo") ? SCTP_SEND_AUTHINFO_VALID : 0u);
  void* info = &all;
  size_t length = sizeof(all);
  unsigned type = SCTP_SENDV_SPA;
  if (step_number(step, "spa", 0) == 0) {
    switch (all.sendv_flags) {
      case 0:
        type = SCTP_SENDV_NOINFO, info = NULL, length = 0;
        break;
      case SCTP_SEND_SNDINFO_VALID:
        type = SCTP_SENDV_SNDINFO, info = &all.sendv_sndinfo, length = sizeof(all.sendv_sndinfo);
        break;
      case SCTP_SEND_PRINFO_VALID:
        type = SCTP_SENDV_PRINFO, info = &all.sendv_prinfo, length = sizeof(all.sendv_prinfo);
        break;
      case SCTP_SEND_AUTHINFO_VALID:
        type = SCTP_SENDV_AUTHINFO, info = &all.sendv_authinfo, length = sizeof(all.sendv_authinfo);
        break;
    }
  }
  result(out, sctp_sendv(descriptor(step, "s"), vector, (int)step_number(step, "count", 2),
                         count != 0 ? (struct sockaddr*)(void*)packed : NULL, count, info,
                         (socklen_t)step_number(step, "infolen", (long)length),
                         (unsigned)step_number(step, "infotype", type), flags_of(step)));
  free(bytes);
}

// libsctp's own buffer has too little room for both: what was cut is not to be looked at.
static void out_attributes(struct Out* out, unsigned type, int flags,
                           const struct sctp_recvv_rn* both, socklen_t length) {
  const struct Layout* received = control_named("RCVINFO");
  const struct Layout* next = control_named("NXTINFO");
  outf(out, " type=%u:%u", type, length);
  if ((flags & MSG_CTRUNC) != 0) {
    return;
  }
  if (type == SCTP_RECVV_RCVINFO || type == SCTP_RECVV_RN) {
    outf(out, " RCVINFO{");
    out_layout(out, received, &both->recvv_rcvinfo, received->size);
    outf(out, "}");
  }
  if (type == SCTP_RECVV_NXTINFO || type == SCTP_RECVV_RN) {
    outf(out, " NXTINFO{");
    out_layout(out, next, type == SCTP_RECVV_RN ? (const void*)&both->recvv_nxtinfo : both,
               next->size);
    outf(out, "}");
  }
}

void call_sctp_recvv(const struct Step* step, struct Out* out) {
  const size_t size = (size_t)step_number(step, "len", 1000);
  char* bytes = buffer(size);
  const struct iovec vector[2] = {{bytes, size / 2}, {bytes + size / 2, size - size / 2}};
  struct sockaddr_storage address;
  memset(&address, 0, sizeof(address));
  socklen_t length = sizeof(address);
  struct sctp_recvv_rn both;
  memset(&both, 0, sizeof(both));
  socklen_t room = (socklen_t)step_number(step, "infolen", sizeof(both));
  unsigned type = 99;
  int flags = flags_of(step);
  const int got = sctp_recvv(descriptor(step, "s"), vector, 2, (struct sockaddr*)&address, &length,
                             &both, &room, &type, &flags);
  if (result(out, got)) {
    if ((flags & MSG_NOTIFICATION) != 0) {
      out_notification(out, bytes, (size_t)got);
    } else {
      outf(out, " ");
      out_bytes(out, bytes, (size_t)got);
    }
    outf(out, " flags=");
    out_message_flags(out, flags);
    out_attributes(out, type, flags, &both, room);
    out_name(out, &address, sizeof(address), length);
  }
  free(bytes);
}

void call_opt_info(const struct Step* step, struct Out* out) {
  struct Layout unknown;
  const struct Layout* layout = option_named("sctp", step_text(step, "opt", "0"), &unknown);
  char bytes[1024];
  layout_fill(layout, step, "", bytes, assoc_of);
  socklen_t size = (socklen_t)step_number(step, "optlen", (long)layout->size);
  const char* id = step_text(step, "id", "0");
  if (result(out, sctp_opt_info(descriptor(step, "s"),
                                id[0] == '@' ? assoc_of(id + 1) : (sctp_assoc_t)atol(id),
                                layout->number, bytes, &size))) {
    outf(out, " %u: ", size);
    out_layout(out, layout, bytes, size);
  }
}
