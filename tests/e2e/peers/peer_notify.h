// SPDX-License-Identifier: BSD-3-Clause
// What the peers on sockets share of RFC 6458: a notification read into an Event, and the limit of
// what is sent. Included after the header that declares the structures: netinet/sctp.h and
// usrsctp.h use the same names for them.
#ifndef TRUNKLINE_PEER_NOTIFY_H
#define TRUNKLINE_PEER_NOTIFY_H

#include <arpa/inet.h>
#include <string.h>

#include "peer_common.h"

static void notify_association(const struct sctp_assoc_change* change, struct Event* event) {
  event->streams_out = change->sac_outbound_streams;
  event->streams_in = change->sac_inbound_streams;
  event->error = change->sac_error;
  switch (change->sac_state) {
    case SCTP_COMM_UP:
      event->kind = kEventUp;
      break;
    case SCTP_COMM_LOST:
      event->kind = kEventLost;
      break;
    case SCTP_RESTART:
      event->kind = kEventRestart;
      break;
    case SCTP_SHUTDOWN_COMP:
      event->kind = kEventShutdownDone;
      break;
    case SCTP_CANT_STR_ASSOC:
      event->kind = kEventRefused;
      break;
    default:
      event->kind = kEventOther;
      break;
  }
}

static const char* notify_path_state(uint32_t state) {
  switch (state) {
    case SCTP_ADDR_AVAILABLE:
      return "active";
    case SCTP_ADDR_UNREACHABLE:
      return "inactive";
    case SCTP_ADDR_CONFIRMED:
      return "confirmed";
#ifdef SCTP_ADDR_PF  // the kernel's, since 5.5
    case SCTP_ADDR_PF:
      return "potentially failed";
#endif
    default:
      return "changed";
  }
}

static void notify_path(const struct sctp_paddr_change* change, struct Event* event) {
  // In a packed structure: a copy has the alignment that its members want.
  struct sockaddr_storage address;
  memcpy(&address, &change->spc_aaddr, sizeof(address));
  const void* bytes = address.ss_family == AF_INET6
                          ? (const void*)&((const struct sockaddr_in6*)&address)->sin6_addr
                          : (const void*)&((const struct sockaddr_in*)&address)->sin_addr;
  inet_ntop(address.ss_family, bytes, event->address, sizeof(event->address));
  event->kind = kEventPath;
  event->path_state = notify_path_state((uint32_t)change->spc_state);
}

static void notify_read(const uint8_t* data, size_t size, struct Event* event) {
  event->kind = kEventOther;
  union sctp_notification note;
  memset(&note, 0, sizeof(note));
  memcpy(&note, data, size < sizeof(note) ? size : sizeof(note));
  switch (note.sn_header.sn_type) {
    case SCTP_ASSOC_CHANGE:
      notify_association(&note.sn_assoc_change, event);
      break;
    case SCTP_SHUTDOWN_EVENT:
      event->kind = kEventPeerShutdown;
      break;
    case SCTP_PEER_ADDR_CHANGE:
      notify_path(&note.sn_paddr_change, event);
      break;
    case SCTP_SEND_FAILED_EVENT:
      event->kind = kEventSendFailed;
      break;
    case SCTP_PARTIAL_DELIVERY_EVENT:
      event->kind = kEventBroken;
      break;
    default:
      break;
  }
}

static const uint16_t kNotifications[] = {SCTP_ASSOC_CHANGE, SCTP_SHUTDOWN_EVENT,
                                          SCTP_PEER_ADDR_CHANGE, SCTP_SEND_FAILED_EVENT,
                                          SCTP_PARTIAL_DELIVERY_EVENT};
enum { kNotificationCount = (int)(sizeof(kNotifications) / sizeof(kNotifications[0])) };

// The limit of what is sent, if there is one.
static struct sctp_prinfo prinfo_of(const struct Options* o) {
  const struct sctp_prinfo limit = {
      .pr_policy = o->limit == kLimitLifetime ? SCTP_PR_SCTP_TTL : SCTP_PR_SCTP_RTX,
      .pr_value = o->limit_value};
  return limit;
}

#endif
