// SPDX-License-Identifier: BSD-3-Clause
// Chapter 9: how notifications are asked for, by SCTP_EVENT or the older SCTP_EVENTS, and told.
#ifndef TRUNKLINE_NOTIFICATIONS_H
#define TRUNKLINE_NOTIFICATIONS_H

#include "book.h"

static inline void subscribe_to_each(int socket) {
  static const uint16_t kTypes[] = {SCTP_ASSOC_CHANGE,     SCTP_PEER_ADDR_CHANGE,
                                    SCTP_REMOTE_ERROR,     SCTP_SEND_FAILED_EVENT,
                                    SCTP_SHUTDOWN_EVENT,   SCTP_ADAPTATION_INDICATION,
                                    SCTP_SENDER_DRY_EVENT, SCTP_PARTIAL_DELIVERY_EVENT};
  for (size_t i = 0; i < sizeof(kTypes) / sizeof(kTypes[0]); i++) {
    subscribe(socket, kTypes[i]);
  }
}

static inline void subscribe_at_once(int socket) {
  const struct sctp_event_subscribe events = {.sctp_association_event = 1,
                                              .sctp_address_event = 1,
                                              .sctp_send_failure_event = 1,
                                              .sctp_peer_error_event = 1,
                                              .sctp_shutdown_event = 1,
                                              .sctp_partial_delivery_event = 1,
                                              .sctp_adaptation_layer_event = 1,
                                              .sctp_sender_dry_event = 1};
  must(setsockopt(socket, IPPROTO_SCTP, SCTP_EVENTS, &events, sizeof(events)) == 0, "SCTP_EVENTS");
}

// SCTP_EVENT, or SCTP_EVENTS for the word "events".
static inline void subscribe_by(int socket, const char* way) {
  if (strcmp(way, "events") == 0) {
    subscribe_at_once(socket);
  } else {
    subscribe_to_each(socket);
  }
  const struct sctp_setadaptation adaptation = {.ssb_adaptation_ind = 4711};
  must(
      setsockopt(socket, IPPROTO_SCTP, SCTP_ADAPTATION_LAYER, &adaptation, sizeof(adaptation)) == 0,
      "SCTP_ADAPTATION_LAYER");
}

// An association is told by its streams, its end by the error cause of the peer's
// ABORT, which is behind.
static inline void tell_association(const struct sctp_assoc_change* change, size_t size) {
  static const char* kStates[] = {"COMM_UP", "COMM_LOST", "RESTART", "SHUTDOWN_COMP",
                                  "CANT_STR_ASSOC"};
  must(change->sac_state <= SCTP_CANT_STR_ASSOC, "sac_state");
  printf("ASSOC_CHANGE %s", kStates[change->sac_state]);
  if (change->sac_state == SCTP_COMM_UP) {
    printf(" streams %u %u", change->sac_outbound_streams, change->sac_inbound_streams);
  } else if (change->sac_state == SCTP_COMM_LOST && size > sizeof(*change)) {
    uint16_t cause;
    memcpy(&cause, change->sac_info, sizeof(cause));
    printf(" cause %u", ntohs(cause));
  }
  printf("\n");
}

static inline void tell_address(const struct sctp_paddr_change* change) {
  static const char* kStates[] = {"AVAILABLE", "UNREACHABLE", "REMOVED",           "ADDED",
                                  "MADE_PRIM", "CONFIRMED",   "POTENTIALLY_FAILED"};
  must((size_t)change->spc_state < sizeof(kStates) / sizeof(kStates[0]), "spc_state");
  struct sockaddr_in address;
  char text[INET_ADDRSTRLEN];
  memcpy(&address, &change->spc_aaddr, sizeof(address));
  printf("PEER_ADDR_CHANGE %s %s\n", text_of(&address, text), kStates[change->spc_state]);
}

// What could not be sent is behind the header, which differs between the older and the newer event.
static inline void tell_failed(const char* name, int flags, const char* text, size_t size) {
  printf("%s %s: %.*s\n", name, flags == SCTP_DATA_SENT ? "sent" : "unsent", (int)size, text);
}

static inline void tell(const union sctp_notification* event, size_t size) {
  const char* bytes = (const char*)event;
  must(event->sn_header.sn_length == size, "sn_length");
  switch (event->sn_header.sn_type) {
    case SCTP_ASSOC_CHANGE:
      tell_association(&event->sn_assoc_change, size);
      break;
    case SCTP_PEER_ADDR_CHANGE:
      tell_address(&event->sn_paddr_change);
      break;
    case SCTP_SEND_FAILED:
      tell_failed("SEND_FAILED", event->sn_header.sn_flags, bytes + sizeof(struct sctp_send_failed),
                  size - sizeof(struct sctp_send_failed));
      break;
    case SCTP_SEND_FAILED_EVENT:
      tell_failed("SEND_FAILED_EVENT", event->sn_header.sn_flags,
                  bytes + sizeof(struct sctp_send_failed_event),
                  size - sizeof(struct sctp_send_failed_event));
      break;
    case SCTP_SHUTDOWN_EVENT:
      printf("SHUTDOWN_EVENT\n");
      break;
    case SCTP_SENDER_DRY_EVENT:
      printf("SENDER_DRY_EVENT\n");
      break;
    case SCTP_ADAPTATION_INDICATION:
      printf("ADAPTATION_INDICATION %u\n", event->sn_adaptation_event.sai_adaptation_ind);
      break;
    default:
      printf("notification of type %u\n", event->sn_header.sn_type);
  }
}

#endif
