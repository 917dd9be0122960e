// SPDX-License-Identifier: BSD-3-Clause
// What comes: associations, messages, ends.
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "check.h"
#include "ending.h"
#include "load.h"
#include "payload.h"

enum { kPieces = 1024 };

// The pieces behind the first one; apart, since few messages have any.
static __attribute__((noinline)) void read_pieces(Load* load, const tl_event* event) {
  struct iovec pieces[kPieces];
  const size_t count = tl_event_iov(load->lane, event, pieces, kPieces);
  for (size_t i = 1; i < count && i < kPieces; i++) {
    load->sum += payload_sum(pieces[i].iov_base, pieces[i].iov_len);
  }
}

// Reads every byte.
static void read_all(Load* load, const tl_event* event) {
  load->sum += payload_sum(event->data, event->data_length);
  if (event->piece_count > 1) {
    read_pieces(load, event);
  }
}

static void measure(Load* load, uint64_t sent_ns, uint64_t now) {
  Measured* const m = &load->measured;
  if (m->received++ == 0) {
    m->received_first_ns = now;
  }
  m->received_last_ns = now;
  histogram_add(&load->latency, now > sent_ns ? now - sent_ns : 0);
}

// ---------------------------------------------------------------- verified messages

// The message in one piece.
static Parcel parcel_of(Load* load, const tl_event* event) {
  Parcel parcel = {.size = event->length, .stream = event->stream};
  if (event->piece_count == 1) {
    parcel.data = event->data;
  } else {
    tl_event_copy(load->lane, event, load->inbox_data, kSizeMost);
    parcel.data = load->inbox_data;
  }
  return parcel;
}

static void judge(Load* load, Association* a, const Parcel* parcel, uint64_t now) {
  const Options* o = &load->options;
  // Who asks gets its own messages back.
  const bool own = o->traffic == kTrafficEcho && options_sends(o);
  CheckHeader header;
  load->counts.received++;
  load->counts.received_bytes += parcel->size;
  if (!check_read(parcel->data, parcel->size, o->seed, &header) ||
      ((header.assoc & kCheckFromListener) != 0) != (o->listen == own) ||
      !ledger_take(a->ledger, &header, parcel->stream, &load->verdict)) {
    load->verdict.corrupted++;
  } else if (header.in_ramp == 0) {
    measure(load, header.due_ns, now);
  }
}

// True: it is its stream's last message or last but one, as far as can be told.
static bool is_near_end(const Parcel* parcel) {
  CheckHeader header;
  if (parcel->size < sizeof(header)) {
    return false;
  }
  memcpy(&header, parcel->data, sizeof(header));
  return header.total != 0 && header.sequence + 2 >= header.total;
}

static void take_checked(Load* load, Association* a, const tl_event* event, uint64_t now) {
  Parcel in = parcel_of(load, event);
  if (load->inbox.fault.kind == kFaultNone || a != load->associations) {
    judge(load, a, &in, now);
    return;
  }
  Parcel out[2];
  const int count = fault_pass(&load->inbox, in, is_near_end(&in), out);
  for (int i = 0; i < count; i++) {
    judge(load, a, &out[i], now);
  }
}

static void take_plain(Load* load, const tl_event* event, PayloadKind kind, uint64_t due,
                       uint64_t now) {
  load->counts.received++;
  load->counts.received_bytes += event->length;
  read_all(load, event);
  if (kind == kPayloadOther) {
    load->verdict.corrupted++;
  } else if (kind == kPayloadMessage) {
    measure(load, due, now);
  }
}

static void take_message(Load* load, Association* a, const tl_event* event, uint64_t now) {
  if ((event->flags & TL_MESSAGE_MORE) != 0) {
    load_break(load, "message", "it comes in pieces; use a profile without partial_delivery_point");
    return;
  }
  uint64_t value = 0;
  const PayloadKind kind = payload_read(event->data, event->data_length, &value);
  if (kind == kPayloadEnd) {
    load_set_end(a, value);
    load_mark_ready(load, a);
    return;
  }
  a->seen++;
  if (load->options.verify) {
    take_checked(load, a, event, now);
  } else {
    take_plain(load, event, kind, value, now);
  }
  if (options_answers(&load->options)) {
    load_answer(load, a, event);
  } else {
    load_mark_ready(load, a);
  }
}

static void begin(Load* load, Association* a, const tl_event* event) {
  a->up = true;
  load->up++;
  load_mark_ready(load, a);
  const Options* o = &load->options;
  if (event->outbound_streams < o->streams && (options_sends(o) || options_answers(o))) {
    char why[128];
    snprintf(why, sizeof(why),
             "%u were negotiated, and --streams says %u; see outbound_streams and "
             "inbound_streams_max of the daemons' profiles",
             event->outbound_streams, (unsigned)o->streams);
    load_break(load, "streams", why);
  }
}

// An association that a peer set up: the next one of the table, named by its user word.
static void accept_one(Load* load, const tl_event* event) {
  if (load->known == load->options.associations) {
    load_break(load, "accept", "more associations than --associations says");
    tl_abort(load->lane, event->assoc, "one too many");
    return;
  }
  Association* const a = &load->associations[load->known];
  a->handle = event->assoc;
  tl_assoc_set_user(load->lane, event->assoc, load->known);
  load->known++;
  begin(load, a, event);
}

// The association's last event has come.
static void end(Load* load, Association* a, const tl_event* event) {
  a->over = true;
  load->over++;
  load_drop_pending(a);
  const bool closed = event->kind == TL_EVENT_CLOSED;
  if (closed && load_is_done(load, a)) {
    return;
  }
  load->lost++;
  char said[64];
  char why[384] = "shut down before its work was done";
  if (!closed) {
    const size_t size = tl_event_copy(load->lane, event, said, sizeof(said));
    ending_text(event, said, size, why, sizeof(why));
  }
  fprintf(stderr, "trunkload: association %d: %s\n", (int)(a - load->associations), why);
  if (event->kind == TL_EVENT_CONNECT_FAILED) {
    load_break(load, "connect", "an association could not be set up");
  }
}

// Whose event it is. The user word names it, except for what was polled in one burst with the
// TL_EVENT_ACCEPTED: tl_assoc_set_user() is for events to come, and that was one of the last ones.
static Association* owner(Load* load, const tl_event* event) {
  if (event->user < load->known && load->associations[event->user].handle == event->assoc) {
    return &load->associations[event->user];
  }
  for (uint32_t i = load->known; i > 0 && load->known - i <= kEvents; i--) {
    if (load->associations[i - 1].handle == event->assoc) {
      return &load->associations[i - 1];
    }
  }
  return NULL;  // the one too many
}

void load_handle(Load* load, const tl_event* event, uint64_t now) {
  if (event->kind == TL_EVENT_DAEMON_GONE || event->reason == TL_REASON_DAEMON_GONE) {
    if (!load->broken) {
      load_break(load, "daemon", "it is gone, and all associations with it");
    }
    return;
  }
  if (event->kind == TL_EVENT_DAEMON_ENDING) {
    fprintf(stderr, "trunkload: the daemon ends; associations are shut down in %u ms\n",
            event->time_left_ms);
    return;
  }
  if (event->kind == TL_EVENT_ACCEPTED) {
    accept_one(load, event);
    return;
  }
  Association* const a = owner(load, event);
  if (a == NULL) {
    return;
  }
  switch (event->kind) {
    case TL_EVENT_CONNECTED:
      begin(load, a, event);
      break;
    case TL_EVENT_MESSAGE:
      take_message(load, a, event, now);
      break;
    case TL_EVENT_SENT:
      a->acked = event->context + 1 > a->acked ? event->context + 1 : a->acked;
      load_mark_ready(load, a);
      break;
    case TL_EVENT_WRITABLE:
      load_mark_ready(load, a);
      break;
    case TL_EVENT_SEND_FAILED:
      load->counts.send_failed++;
      break;
    case TL_EVENT_CONNECT_FAILED:
    case TL_EVENT_CLOSED:
    case TL_EVENT_LOST:
      end(load, a, event);
      break;
    case TL_EVENT_RESTARTED:
      load_break(load, "association", "the peer restarted it");
      break;
    default:
      break;  // paths and the like need no answer
  }
}
