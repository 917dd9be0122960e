// SPDX-License-Identifier: BSD-3-Clause
// Opening, the loop, the end.
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ending.h"
#include "live.h"
#include "report.h"

// Set-ups under way at a time: the peer may limit how many it takes in a second.
enum { kConnecting = 256, kScratch = 1 << 20 };
static const uint64_t kNapNs = 100000000;  // the longest sleep
static const uint64_t kYieldNs = 30000;    // not worth a sleep

uint64_t load_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void load_break(Load* load, const char* what, const char* why) {
  char shown[512];
  fprintf(stderr, "trunkload: %s: %s\n", what,
          ending_escape(why, strlen(why), shown, sizeof(shown)));
  load->broken = true;
}

// ---------------------------------------------------------------- opening

static bool allocate_judge(Load* load) {
  const Options* o = &load->options;
  bool ok = (load->inbox_data = malloc(kSizeMost)) != NULL;
  for (uint64_t i = 0; ok && i < o->associations; i++) {
    Ledger* const ledger = load->associations[i].ledger = malloc(sizeof(Ledger));
    ok = ledger != NULL && ledger_open(ledger, (uint32_t)o->streams, o->unordered);
  }
  load->inbox.fault = o->fault;
  return ok || (load_break(load, "memory", "there is not enough to verify so much"), false);
}

static bool allocate(Load* load) {
  const Options* o = &load->options;
  const uint32_t most = o->sizes.most;
  load->scratch_size = most * kBurst < kScratch ? most * kBurst : kScratch;
  if (options_answers(o)) {
    load->scratch_size = kScratch;  // the other side says how large its messages are
  }
  load->associations = calloc(o->associations, sizeof(Association));
  load->ready = calloc(2 * o->associations, sizeof(uint32_t));  // see pump_ready()
  load->scratch = calloc(1, load->scratch_size);
  if (load->associations == NULL || load->ready == NULL || load->scratch == NULL) {
    return load_break(load, "memory", "there is not enough"), false;
  }
  for (uint64_t i = 0; i < o->associations; i++) {
    load->associations[i].end_at = kNoEnd;
  }
  return !o->verify || allocate_judge(load);
}

static bool attach(Load* load) {
  const Options* o = &load->options;
  const tl_options how = {.name = o->listen ? "trunkload-listen" : "trunkload-connect",
                          .lanes = 1,
                          .submission_size = (uint32_t)o->ring,
                          .completion_size = (uint32_t)o->ring,
                          .tx_slots = (uint32_t)o->tx_slots,
                          .rx_slots = (uint32_t)o->rx_slots};
  if (tl_attach(o->socket, &how, &load->client) < 0 ||
      tl_lane_open(load->client, &load->lane) < 0) {
    return load_break(load, "attach", tl_last_error()), false;
  }
  tl_limits_of(load->client, &load->limits);
  return true;
}

static bool listen_now(Load* load) {
  const Options* o = &load->options;
  tl_listener listener;
  const tl_listen_options how = {.port = (uint16_t)o->port,
                                 .profile = o->profile,
                                 .affinity = TL_ANY_WORKER,
                                 .local_addresses = o->locals.at,
                                 .local_count = o->locals.count};
  if (tl_listen(load->lane, &how, &listener) < 0) {
    return load_break(load, "listen", tl_last_error()), false;
  }
  report_listening(load);
  return true;
}

static void connect_more(Load* load) {
  const Options* o = &load->options;
  while (load->known < o->associations && load->known - load->up < kConnecting) {
    const tl_connect_options how = {.addresses = o->peers.at,
                                    .address_count = o->peers.count,
                                    .peer_port = (uint16_t)o->port,
                                    .local_port = (uint16_t)o->local_port,
                                    .outbound_streams = (uint16_t)o->streams,
                                    .profile = o->profile,
                                    .affinity = TL_ANY_WORKER,
                                    .user = load->known,
                                    .local_addresses = o->locals.at,
                                    .local_count = o->locals.count};
    const int result = tl_connect(load->lane, &how, &load->associations[load->known].handle);
    if (result == -EAGAIN) {
      return;
    }
    if (result < 0) {
      load_break(load, "connect", tl_last_error());
      return;
    }
    load->known++;
  }
}

bool load_open(Load* load) {
  const Options* o = &load->options;
  if (!allocate(load) || !attach(load)) {
    return false;
  }
  // Told of each quarter of the window: often enough to keep it open.
  if (o->window != 0 && o->traffic == kTrafficOneWay) {
    load->marker = o->window < 4 ? 1 : o->window / 4;
  }
  if (o->listen) {
    return listen_now(load);
  }
  connect_more(load);
  return !load->broken;
}

// ---------------------------------------------------------------- running

static void wake_all(Load* load) {
  for (uint32_t i = 0; i < load->known; i++) {
    load_mark_ready(load, &load->associations[i]);
  }
}

// All associations are up: the time of the run begins.
static void begin(Load* load, uint64_t now) {
  const Options* o = &load->options;
  load->begun = true;
  load->begun_ns = now;
  load->measure_ns = now + o->ramp_ns;
  load->stop_ns = o->duration_ns == 0 ? UINT64_MAX : load->measure_ns + o->duration_ns;
  load->measured.sent_first_ns = load->measure_ns;
  if (o->rate > 0) {
    schedule_set(&load->schedule, now, o->rate, o->ramp_ns);
  }
  report_begin(load);
  wake_all(load);
}

static void stop(Load* load) {
  load->stopped = true;
  const uint64_t count = load->options.count;
  const uint64_t due = count != 0 && count < load->due ? count : load->due;
  load->counts.unsent = due > load->counts.sent ? due - load->counts.sent : 0;
  wake_all(load);
}

// Open loop: those whose turn has come since the last look.
static void look_at_schedule(Load* load, uint64_t now) {
  const uint64_t n = load->options.associations;
  const uint64_t due = schedule_due(&load->schedule, now);
  const uint64_t first = due - load->due < n ? load->due : due - n;
  for (uint64_t number = first; number < due; number++) {
    load_mark_ready(load, &load->associations[number % n]);
  }
  load->due = due;
}

static void pump_ready(Load* load, uint64_t now) {
  // What marks itself ready again meanwhile waits for the next turn.
  const uint32_t count = load->ready_count;
  for (uint32_t i = 0; i < count; i++) {
    Association* const a = &load->associations[load->ready[i]];
    a->ready = false;
    load_pump(load, a, now);
  }
  load->ready_count -= count;
  for (uint32_t i = 0; i < load->ready_count; i++) {
    load->ready[i] = load->ready[i + count];
  }
}

static void keep_time(Load* load, uint64_t now) {
  const Options* o = &load->options;
  if (!load->begun && load->up == o->associations) {
    begin(load, now);
  }
  if (!load->begun || load->stopped || !options_sends(o)) {
    return;
  }
  if (now >= load->stop_ns) {
    if (o->rate > 0) {
      look_at_schedule(load, load->stop_ns - 1);
      pump_ready(load, now);  // what is due goes, if there is room
    }
    stop(load);
  } else if (o->rate > 0) {
    look_at_schedule(load, now);
  } else if (now < load->measure_ns) {
    wake_all(load);  // the window grows
  }
}

// One turn: take what came, send what may go. Returns how many events there were.
static int turn(Load* load, uint64_t* now) {
  static tl_event events[kEvents];
  const int count = tl_poll(load->lane, events, kEvents);
  *now = load_now_ns();
  if (count < 0) {
    load_break(load, "poll", tl_last_error());
    return 0;
  }
  for (int i = 0; i < count; i++) {
    load_handle(load, &events[i], *now);
  }
  load_flush_answers(load);
  tl_event_release(load->lane, events, (size_t)count);
  if (!load->options.listen && load->known < load->options.associations) {
    connect_more(load);
  }
  keep_time(load, *now);
  pump_ready(load, *now);
  return count;
}

// When something is to be done though nothing happens.
static uint64_t next_time(const Load* load, uint64_t now) {
  uint64_t until = now + kNapNs;
  if (load->ready_count > 0 || (load->begun && now < load->measure_ns)) {
    until = now + 1000000;
  }
  if (load->begun && !load->stopped && options_sends(&load->options)) {
    until = load->stop_ns < until ? load->stop_ns : until;
    if (load->options.rate > 0) {
      const uint64_t due = schedule_time(&load->schedule, load->due);
      until = due < until ? due : until;
    }
  }
  return until;
}

static void rest(Load* load, uint64_t now) {
  if (load->options.idle == kIdleSpin) {
    return;
  }
  const uint64_t until = next_time(load, now);
  if (load->options.idle == kIdleYield || until < now + kYieldNs) {
    sched_yield();
    return;
  }
  if (tl_arm(load->lane) != 0) {
    return;  // something has happened
  }
  struct pollfd fd = {.fd = tl_fd(load->lane), .events = POLLIN};
  const uint64_t left = until - now;
  const struct timespec wait = {.tv_sec = (time_t)(left / 1000000000u),
                                .tv_nsec = (long)(left % 1000000000u)};
  ppoll(&fd, 1, &wait, NULL);
}

static bool is_stalled(const Load* load, uint64_t quiet_ns) {
  // A listener waits for its first association as long as it takes.
  const bool waits = load->options.listen && load->known == 0;
  return !waits && quiet_ns > load->options.patience_ns;
}

void load_run(Load* load, volatile sig_atomic_t* interrupts) {
  uint64_t last_event_ns = load_now_ns();
  while (load->over < load->options.associations && !load->broken) {
    uint64_t now = 0;
    const int count = turn(load, &now);
    if (count > 0) {
      last_event_ns = now;
    } else if (is_stalled(load, now - last_event_ns)) {
      load_break(load, "stalled", "nothing has happened for too long");
    } else {
      rest(load, now);
    }
    live_look(load, now);
    if (*interrupts == 1 && load->begun && !load->stopped) {
      stop(load);
    } else if (*interrupts > 0 && (*interrupts > 1 || !load->begun)) {
      load_break(load, "interrupted", "the run is not complete");
    }
  }
  load->ended_ns = load_now_ns();
  live_end(load);
}

// What never came, as far as is known.
static void count_lost(Load* load, Association* a) {
  if (a->ledger != NULL) {
    ledger_close(a->ledger, &load->verdict);
    free(a->ledger);
  } else if (a->end_at != kNoEnd && a->end_at > a->seen) {
    load->verdict.lost += a->end_at - a->seen;
  }
}

static void check_fault(Load* load) {
  const Options* o = &load->options;
  const bool happened = o->fault.on_receive
                            ? load->inbox.happened
                            : fault_was_sent(&o->fault, load->associations[0].next, o->streams);
  if (o->fault.kind != kFaultNone && !load->broken && !happened) {
    load_break(load, "fault", "too few messages to make it happen");
  }
}

void load_close(Load* load) {
  const Options* o = &load->options;
  if (load->associations != NULL) {
    check_fault(load);
  }
  for (uint32_t i = 0; load->associations != NULL && i < o->associations; i++) {
    Association* const a = &load->associations[i];
    load_drop_pending(a);
    if (o->traffic == kTrafficEcho && options_sends(o)) {
      load_set_end(a, a->next);
    }
    count_lost(load, a);
  }
  fault_free(&load->inbox);
  if (load->client != NULL) {
    tl_detach(load->client);
  }
  free(load->associations);
  free(load->ready);
  free(load->scratch);
  free(load->inbox_data);
}
