// SPDX-License-Identifier: BSD-3-Clause
// The demo's application, on the ring API. One of a pair: the client opens the associations, both
// sides send numbered, hashed messages on all streams at once and judge what they receive.
//
// Flow control is the application's own, as in request and answer: on each association a side may
// be `window` messages ahead of what it has received. So queues stay short and latency means
// something. The API's own flow control (-EAGAIN, then TL_EVENT_WRITABLE) is obeyed as well.
//
// Standard output is JSON, one object a line: {"live": ...} now and then, {"final": ...} last.
// Exit status 0: every message sent was received once, whole and in order, both ways as far as
// this side can see, and every association was shut down in order.
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo_fault.h"
#include "demo_ledger.h"
#include "demo_message.h"
#include "demo_options.h"
#include "trunkline/trunkline.h"

enum { kBurst = 32, kEvents = 256 };

typedef struct Association {
  tl_assoc handle;
  bool up, over;
  bool closing;         // tl_shutdown() was called
  uint64_t sent, seen;  // messages sent, and received in whatever condition
  uint64_t unsent;      // messages still to be made
  DemoLedger ledger;
  // Made and not yet taken by the daemon: [first, count).
  DemoParcel outbox[kBurst];
  uint32_t first, count;
} Association;

typedef struct App {
  DemoOptions options;
  tl_client* client;
  tl_lane* lane;
  Association* associations;
  uint32_t known, up, over;  // how many have a name, are or were established, have ended
  uint32_t lost;             // of those: not by a shutdown in order
  bool failed;               // something other than a message went wrong; it was said on stderr
  DemoFault fault_out, fault_in;
  DemoCounts counts;
  DemoHistogram latency;
  uint64_t began_ns, ended_ns;
} App;

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
  (void)number;
  interrupted = 1;
}

static void fail(App* app, const char* what, const char* why) {
  fprintf(stderr, "demo_app: %s: %s\n", what, why);
  app->failed = true;
}

// ---------------------------------------------------------------- sending

// Fills the empty outbox as far as the window allows.
static void make_messages(App* app, Association* a, uint64_t now) {
  const DemoOptions* o = &app->options;
  const uint64_t all = (uint64_t)o->streams * o->per_stream;
  a->first = a->count = 0;
  while (a->count + 2 <= kBurst && a->unsent > 0 && a->sent < a->seen + o->window) {
    const uint64_t number = all - a->unsent;
    const uint16_t index = (uint16_t)(a - app->associations);
    const DemoHeader header = {.assoc = (uint16_t)(index | (o->listen ? kDemoFromListener : 0)),
                               .stream = (uint16_t)(number % o->streams),
                               .sequence = (uint32_t)(number / o->streams),
                               .total = o->per_stream,
                               .sent_ns = now};
    DemoParcel parcel = {.stream = header.stream};
    parcel.size = (uint16_t)demo_message_make(parcel.data, &header, o->seed);
    a->unsent--;
    a->sent++;
    app->counts.sent++;
    app->counts.sent_bytes += parcel.size;
    a->count += (uint32_t)demo_fault_pass(&app->fault_out, index, &parcel, &a->outbox[a->count]);
  }
}

// Gives the outbox to the daemon. True: it took all.
static bool flush(App* app, Association* a) {
  tl_message burst[kBurst];
  const uint32_t count = a->count - a->first;
  for (uint32_t i = 0; i < count; i++) {
    const DemoParcel* parcel = &a->outbox[a->first + i];
    burst[i] = (tl_message){.data = parcel->data, .length = parcel->size, .stream = parcel->stream};
  }
  const int taken = count == 0 ? 0 : tl_send_burst(app->lane, a->handle, burst, count);
  if (taken > 0) {
    a->first += (uint32_t)taken;
  } else if (taken < 0 && taken != -EAGAIN && taken != -ENOTCONN && taken != -EPIPE) {
    fail(app, "send", tl_last_error());  // of an ended association, its events tell
  }
  return a->first == a->count;
}

// This side has sent and received all there is.
static bool is_done(const App* app, const Association* a) {
  return a->unsent == 0 && a->first == a->count && demo_ledger_complete(&a->ledger) &&
         (app->fault_in.held_assoc < 0 || app->fault_in.kind == kDemoFaultNone);
}

// Sends what may be sent; shuts down what is done, where that is this side's part.
static void pump(App* app, Association* a, uint64_t now) {
  if (!a->up || a->over || a->closing) {
    return;
  }
  while (flush(app, a)) {
    make_messages(app, a, now);
    if (a->count == 0) {
      break;
    }
  }
  const bool closes = !app->options.listen || app->options.echo;
  if (closes && is_done(app, a)) {
    a->closing = tl_shutdown(app->lane, a->handle) == 0;  // -EAGAIN: the next turn tries again
  }
}

// ---------------------------------------------------------------- receiving

static void judge(App* app, Association* a, const DemoParcel* parcel, uint64_t now) {
  // With --echo, what comes is what this side sent.
  const bool from_listener = app->options.listen == app->options.echo;
  DemoHeader header;
  app->counts.received++;
  app->counts.received_bytes += parcel->size;
  if (!demo_message_read(parcel->data, parcel->size, app->options.seed, &header) ||
      ((header.assoc & kDemoFromListener) != 0) != from_listener ||
      !demo_ledger_take(&a->ledger, &header, parcel->stream, &app->counts)) {
    app->counts.corrupted++;
    return;
  }
  demo_histogram_add(&app->latency, now > header.sent_ns ? now - header.sent_ns : 0);
}

static void take_message(App* app, Association* a, const tl_event* event, uint64_t now) {
  DemoParcel in;
  DemoParcel out[2];
  a->seen++;
  if (event->length > sizeof(in.data)) {
    app->counts.received++;
    app->counts.corrupted++;
    return;
  }
  in.stream = event->stream;
  in.size = (uint16_t)tl_event_copy(app->lane, event, in.data, sizeof(in.data));
  const int count = demo_fault_pass(&app->fault_in, (int)(a - app->associations), &in, out);
  for (int i = 0; i < count; i++) {
    judge(app, a, &out[i], now);
  }
}

// The association's last event has come.
static void end(App* app, Association* a, const tl_event* event) {
  a->over = true;
  app->over++;
  if (event->kind == TL_EVENT_CLOSED && is_done(app, a)) {
    return;
  }
  app->lost++;
  fprintf(stderr, "demo_app: association %d: %s%s%s\n", (int)(a - app->associations),
          event->kind == TL_EVENT_CLOSED ? "shut down before its work was done"
                                         : tl_event_kind_name(event->kind),
          event->kind == TL_EVENT_CLOSED ? "" : ", ",
          event->kind == TL_EVENT_CLOSED ? "" : tl_reason_name(event->reason));
}

static void begin(App* app, Association* a, const tl_event* event) {
  a->up = true;
  app->up++;
  if (app->began_ns == 0) {
    app->began_ns = demo_now_ns();
  }
  if (event->outbound_streams < app->options.streams ||
      event->inbound_streams < app->options.streams) {
    fail(app, "streams", "fewer were negotiated than the demo wants; see the daemon's profile");
  }
}

// An association that a peer set up: the next one of the table, named by its user word.
static void accept_one(App* app, const tl_event* event) {
  if (app->known == app->options.associations) {
    fail(app, "accept", "more associations than --associations says");
    tl_abort(app->lane, event->assoc, "one too many");
    return;
  }
  Association* const a = &app->associations[app->known];
  a->handle = event->assoc;
  tl_assoc_set_user(app->lane, event->assoc, app->known);
  app->known++;
  begin(app, a, event);
}

// Whose event it is. The user word names it, except for what was polled in one burst with the
// TL_EVENT_ACCEPTED: tl_assoc_set_user() is for events to come.
static Association* owner(App* app, const tl_event* event) {
  if (event->user < app->known && app->associations[event->user].handle == event->assoc) {
    return &app->associations[event->user];
  }
  for (uint32_t i = 0; i < app->known; i++) {
    if (app->associations[i].handle == event->assoc) {
      return &app->associations[i];
    }
  }
  return NULL;  // the one too many
}

static void handle(App* app, const tl_event* event, uint64_t now) {
  if (event->kind == TL_EVENT_DAEMON_GONE) {
    fail(app, "daemon", "it is gone, and all associations with it");
    return;
  }
  if (event->kind == TL_EVENT_ACCEPTED) {
    accept_one(app, event);
    return;
  }
  Association* const a = owner(app, event);
  if (a == NULL) {
    return;
  }
  switch (event->kind) {
    case TL_EVENT_CONNECTED:
      begin(app, a, event);
      break;
    case TL_EVENT_MESSAGE:
      take_message(app, a, event, now);
      break;
    case TL_EVENT_CONNECT_FAILED:
    case TL_EVENT_CLOSED:
    case TL_EVENT_LOST:
      end(app, a, event);
      break;
    case TL_EVENT_RESTARTED:
      fail(app, "association", "the peer restarted it");
      break;
    default:
      break;  // WRITABLE: every turn of the loop tries again; the others need no answer
  }
}

// ---------------------------------------------------------------- reports

static void print_counts(const App* app) {
  const DemoCounts* c = &app->counts;
  printf("\"associations\":%u,\"over\":%u,\"sent\":%" PRIu64 ",\"sent_bytes\":%" PRIu64
         ",\"received\":%" PRIu64 ",\"received_bytes\":%" PRIu64 ",\"corrupted\":%" PRIu64
         ",\"duplicated\":%" PRIu64 ",\"misordered\":%" PRIu64,
         app->up, app->over, c->sent, c->sent_bytes, c->received, c->received_bytes, c->corrupted,
         c->duplicated, c->misordered);
}

static void print_live(const App* app) {
  printf("{\"live\":{");
  print_counts(app);
  printf("}}\n");
}

// Latency as [nanoseconds, messages] pairs, so that whoever reads may add up both sides.
static void print_final(const App* app, bool ok) {
  printf("{\"final\":{\"ok\":%s,", ok ? "true" : "false");
  print_counts(app);
  printf(",\"lost\":%" PRIu64 ",\"associations_lost\":%u,\"began_ns\":%" PRIu64
         ",\"ended_ns\":%" PRIu64 ",\"latency\":[",
         app->counts.lost, app->lost, app->began_ns, app->ended_ns);
  const char* comma = "";
  for (uint32_t i = 0; i < kDemoBuckets; i++) {
    if (app->latency.counts[i] != 0) {
      printf("%s[%" PRIu64 ",%" PRIu64 "]", comma, demo_histogram_value(i), app->latency.counts[i]);
      comma = ",";
    }
  }
  printf("]}}\n");
}

// ---------------------------------------------------------------- running

static bool open_associations(App* app) {
  const DemoOptions* o = &app->options;
  tl_listener listener;
  if (o->listen) {
    const tl_listen_options how = {.port = o->port, .affinity = TL_ANY_WORKER};
    if (tl_listen(app->lane, &how, &listener) < 0) {
      return fail(app, "listen", tl_last_error()), false;
    }
    printf("{\"listening\":%u}\n", o->port);
    return true;
  }
  for (uint32_t i = 0; i < o->associations; i++) {
    const tl_connect_options how = {.addresses = &o->address,
                                    .address_count = 1,
                                    .peer_port = o->port,
                                    .outbound_streams = (uint16_t)o->streams,
                                    .affinity = TL_ANY_WORKER,
                                    .user = i};
    if (tl_connect(app->lane, &how, &app->associations[i].handle) < 0) {
      return fail(app, "connect", tl_last_error()), false;
    }
    app->known++;
  }
  return true;
}

static bool start(App* app) {
  const DemoOptions* o = &app->options;
  app->associations = calloc(o->associations, sizeof(Association));
  if (app->associations == NULL) {
    return fail(app, "memory", "there is not enough"), false;
  }
  for (uint32_t i = 0; i < o->associations; i++) {
    app->associations[i].unsent = (uint64_t)o->streams * o->per_stream;
    if (!demo_ledger_open(&app->associations[i].ledger, o->streams, o->per_stream)) {
      return fail(app, "memory", "there is not enough"), false;
    }
  }
  const DemoFault fault = {.kind = o->fault, .at = o->fault_at, .held_assoc = -1};
  const DemoFault none = {.held_assoc = -1};
  app->fault_in = o->fault_on_receive ? fault : none;
  app->fault_out = o->fault_on_receive ? none : fault;
  const tl_options attach = {.name = o->listen ? "demo-server" : "demo-client", .lanes = 1};
  if (tl_attach(o->socket, &attach, &app->client) < 0 ||
      tl_lane_open(app->client, &app->lane) < 0) {
    return fail(app, "attach", tl_last_error()), false;
  }
  return open_associations(app);
}

// One turn: take what came, send what may go. Returns how many events there were.
static int turn(App* app) {
  static tl_event events[kEvents];
  const int count = tl_poll(app->lane, events, kEvents);
  if (count < 0) {
    fail(app, "poll", tl_last_error());
    return 0;
  }
  const uint64_t now = demo_now_ns();
  for (int i = 0; i < count; i++) {
    handle(app, &events[i], now);
  }
  tl_event_release(app->lane, events, (size_t)count);
  for (uint32_t i = 0; i < app->known && count > 0; i++) {
    pump(app, &app->associations[i], now);
  }
  return count;
}

static void run(App* app) {
  const DemoOptions* o = &app->options;
  const uint64_t patience_ns = (uint64_t)o->patience_s * 1000000000u;
  uint64_t last_event_ns = demo_now_ns();
  uint64_t next_live_ns = 0;
  while (app->over < o->associations && !app->failed && !interrupted) {
    const int count = turn(app);
    const uint64_t now = demo_now_ns();
    if (count > 0) {
      last_event_ns = now;
    } else if (now - last_event_ns > patience_ns) {
      fail(app, "stalled", "nothing has happened for too long");
    } else if (tl_wait(app->lane, 100) == 0) {
      for (uint32_t i = 0; i < app->known; i++) {
        pump(app, &app->associations[i], now);  // what met -EAGAIN without a WRITABLE to come
      }
    }
    if (o->live_ms != 0 && now >= next_live_ns) {
      next_live_ns = now + (uint64_t)o->live_ms * 1000000u;
      print_live(app);
    }
  }
  app->ended_ns = demo_now_ns();
  if (interrupted) {
    fail(app, "interrupted", "the exchange is not complete");
  }
}

// Closes the books. True: all is well.
static bool finish(App* app) {
  DemoCounts* const c = &app->counts;
  for (uint32_t i = 0; app->associations != NULL && i < app->options.associations; i++) {
    demo_ledger_close(&app->associations[i].ledger, c);
  }
  if (!app->failed && app->options.fault != kDemoFaultNone &&
      (app->fault_in.kind != kDemoFaultNone || app->fault_out.kind != kDemoFaultNone)) {
    fail(app, "fault", "too few messages to make it happen");
  }
  return !app->failed && app->lost == 0 && c->corrupted == 0 && c->duplicated == 0 &&
         c->misordered == 0 && c->lost == 0;
}

int main(int argc, char** argv) {
  static App app;
  if (!demo_options_parse(argc, argv, &app.options)) {
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  const struct sigaction action = {.sa_handler = on_signal};  // no SA_RESTART: tl_wait() ends
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  if (start(&app)) {
    run(&app);
  }
  const bool ok = finish(&app);
  print_final(&app, ok);
  if (app.client != NULL) {
    tl_detach(app.client);
  }
  free(app.associations);
  return ok ? 0 : 1;
}
