// SPDX-License-Identifier: BSD-3-Clause
// A test peer on the ring API: the command line, the contents and the report are those of the
// kernel's and usrsctp's peers. Addresses and timers are the daemon's configuration, so the
// options that would set them are refused here.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "peer_common.h"
#include "trunkline/trunkline.h"

enum {
  kBurst = 64,
  kSlot = 2048,
  kSteadySlots = 8192
};  // kSlot: about what the daemon gives by default

static tl_client* client;
static tl_lane* lane;
static tl_listener listener;
static tl_assoc association;  // 0: none yet
static tl_event events[kBurst];
static int event_count, event_next;
static uint8_t buffer[kMaxMessage];
static const struct Options* options;
static bool over;  // the association has had its last event

static int refuse_foreign_options(const struct Options* o) {
  if (o->local_count != 0 || o->rto_initial_ms != 0 || o->heartbeat_ms != 0 ||
      o->sack_delay_ms != 0 || o->nagle || o->init_attempts != 0 || o->max_retransmissions != 0 ||
      o->path_retransmissions != 0 || o->reliable) {
    return peer_fail("addresses, timers and extensions are the daemon's configuration");
  }
  return 0;
}

static int ring_start(const struct Options* o) {
  options = o;
  const tl_options wanted = {
      .name = "trunkpeer",
      .lanes = 1,
      .rx_slots = (uint32_t)o->receive_buffer / kSlot,
      // An outage of some seconds fills slots, not the application's patience.
      .tx_slots = o->mode == kModeSteady ? kSteadySlots : 0};
  if (refuse_foreign_options(o) != 0) {
    return -1;
  }
  if (tl_attach(o->attach, &wanted, &client) < 0 || tl_lane_open(client, &lane) < 0) {
    return peer_fail("attach: %s", tl_last_error());
  }
  if (o->listen) {
    const tl_listen_options how = {
        .port = o->port, .profile = o->profile, .affinity = TL_ANY_WORKER};
    if (tl_listen(lane, &how, &listener) < 0) {
      return peer_fail("listen: %s", tl_last_error());
    }
  }
  return 0;
}

static tl_address to_address(const struct sockaddr_storage* from) {
  tl_address to;
  memset(&to, 0, sizeof(to));
  if (from->ss_family == AF_INET6) {
    to.family = 6;
    memcpy(to.bytes, &((const struct sockaddr_in6*)from)->sin6_addr, 16);
  } else {
    to.family = 4;
    memcpy(to.bytes, &((const struct sockaddr_in*)from)->sin_addr, 4);
  }
  return to;
}

static int ring_open(const struct Options* o) {
  association = 0;
  over = false;
  if (o->listen) {
    return 0;  // TL_EVENT_ACCEPTED names it
  }
  tl_address addresses[kMaxAddresses];
  for (int i = 0; i < o->remote_count; i++) {
    addresses[i] = to_address(&o->remote[i]);
  }
  const tl_connect_options how = {.addresses = addresses,
                                  .address_count = (size_t)o->remote_count,
                                  .peer_port = o->port,
                                  .local_port = o->local_port,
                                  .outbound_streams = o->streams,
                                  .profile = o->profile,
                                  .affinity = TL_ANY_WORKER};
  if (tl_connect(lane, &how, &association) < 0) {
    return peer_fail("connect: %s", tl_last_error());
  }
  return 0;
}

static void take_up(const tl_event* from, struct Event* event) {
  char text[46];
  association = from->assoc;
  peer_note_peer(tl_address_text(&from->address, text, sizeof(text)));
  event->kind = kEventUp;
  event->streams_out = from->outbound_streams;
  event->streams_in = from->inbound_streams;
}

static void take_message(tl_event* from, struct Event* event) {
  if ((from->flags & TL_MESSAGE_MORE) != 0) {
    peer_fail("a message in pieces");
  }
  event->kind = kEventMessage;
  event->data = buffer;
  event->size = tl_event_copy(lane, from, buffer, sizeof(buffer));
  if (event->size != from->length) {
    peer_fail("a message of %u bytes, %zu of them readable", from->length, event->size);
  }
  event->stream = from->stream;
  event->ppid = from->ppid;
  event->unordered = (from->flags & TL_SEND_UNORDERED) != 0;
}

static void translate(tl_event* from, struct Event* event) {
  event->kind = kEventOther;
  event->error = from->cause;
  event->reason = from->reason != TL_REASON_NONE ? tl_reason_name(from->reason) : NULL;
  switch (from->kind) {
    case TL_EVENT_ACCEPTED:
    case TL_EVENT_CONNECTED:
      take_up(from, event);
      break;
    case TL_EVENT_MESSAGE:
      take_message(from, event);
      break;
    case TL_EVENT_CONNECT_FAILED:
      event->kind = kEventRefused;
      break;
    case TL_EVENT_SEND_FAILED:
      event->kind = kEventSendFailed;
      break;
    case TL_EVENT_PEER_SHUTDOWN:
      event->kind = kEventPeerShutdown;
      break;
    case TL_EVENT_CLOSED:
      event->kind = kEventShutdownDone;
      break;
    case TL_EVENT_LOST:
      event->kind = kEventLost;
      break;
    case TL_EVENT_RESTARTED:
      event->kind = kEventRestart;
      break;
    case TL_EVENT_PATH_CHANGED:
      event->kind = kEventPath;
      event->path_state = tl_path_state_name(from->path_state);
      tl_address_text(&from->address, event->address, sizeof(event->address));
      break;
    case TL_EVENT_DAEMON_GONE:
      event->kind = kEventLost;
      peer_fail("the daemon is gone");
      break;
    default:
      break;
  }
  over = over || event->kind == kEventShutdownDone || event->kind == kEventLost ||
         event->kind == kEventRefused;
}

static void ring_receive(struct Event* event) {
  if (event_next == event_count) {
    event_next = 0;
    const int got = tl_poll(lane, events, kBurst);
    event_count = got > 0 ? got : 0;
    if (got < 0) {
      peer_fail("poll: %s", tl_strerror(got));
      event->kind = kEventLost;
      over = true;
    }
    if (event_count == 0) {
      return;
    }
  }
  tl_event* from = &events[event_next];
  // A listener serves one association after the other: the next one's events wait their turn.
  if (from->assoc != 0 && association != 0 && from->assoc != association && !over) {
    peer_fail("a second association while the first lives");
  }
  event_next++;
  translate(from, event);
  tl_event_release(lane, from, 1);
}

static uint16_t send_flags(bool unordered) {
  const uint16_t order = unordered ? TL_SEND_UNORDERED : 0;
  switch (options->limit) {
    case kLimitLifetime:
      return order | TL_SEND_LIFETIME;
    case kLimitRetransmissions:
      return order | TL_SEND_RETRANSMISSIONS;
    default:
      return order;
  }
}

static enum SendResult ring_send(uint16_t stream, uint32_t ppid, bool unordered,
                                 const uint8_t* data, size_t size) {
  const tl_message message = {.data = data,
                              .length = (uint32_t)size,
                              .stream = stream,
                              .flags = send_flags(unordered),
                              .ppid = ppid,
                              .limit = options->limit_value};
  const int done = tl_send(lane, association, &message);
  if (done >= 0) {
    return kSendDone;
  }
  if (done == -EAGAIN) {
    return kSendLater;
  }
  if (done != -ENOTCONN && done != -EPIPE) {
    peer_fail("send of %zu bytes on stream %u: %s", size, stream, tl_last_error());
  }
  return kSendFailed;
}

static void ring_wait(int ms) {
  tl_wait(lane, ms);
}

static void ring_shutdown(void) {
  while (tl_shutdown(lane, association) == -EAGAIN) {
    tl_wait(lane, 1);
  }
}

// Waits for the association's last event, so that the ABORT is on the wire when this returns.
static void ring_abort(void) {
  if (lane == NULL || association == 0 || tl_abort(lane, association, "test") < 0) {
    return;
  }
  const uint64_t deadline = peer_now_ms() + 2000;
  while (!over && peer_now_ms() < deadline) {
    struct Event event;
    memset(&event, 0, sizeof(event));
    ring_receive(&event);
    if (event.kind == kEventNone) {
      tl_wait(lane, 10);
    }
  }
}

static void ring_close(void) {}

static void ring_finish(void) {
  if (client != NULL) {
    tl_detach(client);
  }
}

int main(int argc, char** argv) {
  static const struct Transport kTransport = {"trunkline",  ring_start, ring_open,     ring_send,
                                              ring_receive, ring_wait,  ring_shutdown, ring_abort,
                                              ring_close,   ring_finish};
  return peer_main(argc, argv, &kTransport);
}
