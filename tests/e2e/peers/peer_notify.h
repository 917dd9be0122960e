// SPDX-License-Identifier: BSD-3-Clause
// Reads an RFC 6458 notification into an Event. Included after the header that declares the
// structures: netinet/sctp.h and usrsctp.h use the same names for them.
#ifndef TRUNKLINE_PEER_NOTIFY_H
#define TRUNKLINE_PEER_NOTIFY_H

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
      event->kind = kEventPath;
      break;
    case SCTP_SEND_FAILED_EVENT:
      event->kind = kEventSendFailed;
      break;
    default:
      break;
  }
}

static const uint16_t kNotifications[] = {SCTP_ASSOC_CHANGE, SCTP_SHUTDOWN_EVENT,
                                          SCTP_PEER_ADDR_CHANGE, SCTP_SEND_FAILED_EVENT};
enum { kNotificationCount = (int)(sizeof(kNotifications) / sizeof(kNotifications[0])) };

#endif
