// SPDX-License-Identifier: BSD-3-Clause
// See peer_steady.h. What is remembered is allocated and touched before the first message, and
// written to --log when all is over: 24 bytes a message, in the order of arrival, in the host's
// byte order (struct Arrival). Times are CLOCK_MONOTONIC, so they compare within one host.
#include "peer_steady.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "peer_pattern.h"

enum { kStamp = 8, kSmallest = kStamp + kPatternHeader, kTurn = 256 };

struct Arrival {
  uint64_t sent_ns;
  uint64_t received_ns;
  uint32_t sequence;
  uint16_t stream;
  uint16_t size;
};

struct Steady {
  const struct Options* options;
  const struct Transport* transport;
  uint8_t* buffer;
  uint32_t* next_out;  // per stream: sequence number of the next message
  uint32_t* next_in;
  struct Arrival* arrivals;
  uint64_t began_ns;  // 0: not up yet
  uint32_t sent, received;
  uint64_t lost, repeated, corrupt;
  uint32_t path_events, send_failures;
  uint64_t refused;  // times that the transport took no message
  bool held;         // it refused the last one
  uint16_t streams;  // that may be used
  bool ending, over;
  const char* end;
  const char* end_reason;
  const char* error;
};

static volatile sig_atomic_t told_to_end;  // SIGUSR1, for --end wait

static void on_told(int number) {
  (void)number;
  told_to_end = 1;
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t due_ns(const struct Steady* s, uint32_t number) {
  return s->began_ns + (uint64_t)number * 1000000000u / (uint64_t)s->options->rate;
}

static void take_message(struct Steady* s, const struct Event* e) {
  if (s->received == s->options->count || e->size < kSmallest) {
    s->corrupt++;  // more than there can be, or none of ours
    return;
  }
  struct Arrival* a = &s->arrivals[s->received++];
  *a = (struct Arrival){.received_ns = now_ns(), .stream = e->stream, .size = (uint16_t)e->size};
  memcpy(&a->sent_ns, e->data, kStamp);
  const uint8_t* body = e->data + kStamp;
  const uint32_t size = (uint32_t)e->size - kStamp;
  uint32_t* expected = &s->next_in[e->stream];
  if (pattern_check(body, size, s->options->seed, e->stream, *expected, true) == kPatternCorrupt) {
    s->corrupt++;
    return;
  }
  a->sequence = pattern_sequence(body);
  if (a->sequence < *expected) {
    s->repeated++;  // or misordered: then it was counted as lost before
    return;
  }
  s->lost += a->sequence - *expected;
  *expected = a->sequence + 1;
}

static void finish(struct Steady* s, const char* how, const struct Event* e) {
  s->end = how;
  s->end_reason = e->reason != NULL ? e->reason : "";
  s->over = true;
}

static void take_up(struct Steady* s, const struct Event* e) {
  if (s->began_ns != 0) {
    return;
  }
  s->began_ns = now_ns();
  s->streams = e->streams_out != 0 && e->streams_out < s->options->streams ? e->streams_out
                                                                           : s->options->streams;
  printf("%s\n", s->options->listen ? "ACCEPTED" : "CONNECTED");
  fflush(stdout);
}

static void take_event(struct Steady* s, const struct Event* e) {
  switch (e->kind) {
    case kEventMessage:
      take_message(s, e);
      break;
    case kEventUp:
      take_up(s, e);
      break;
    case kEventPath:  // seldom: a line at once, for whoever waits for it
      s->path_events++;
      printf("PATH %llu %s %s\n", (unsigned long long)now_ns(), e->address, e->path_state);
      fflush(stdout);
      break;
    case kEventSendFailed:
      s->send_failures++;
      break;
    case kEventShutdownDone:
      finish(s, "shutdown", e);
      break;
    case kEventLost:
      finish(s, "lost", e);
      break;
    case kEventRefused:
      finish(s, "refused", e);
      break;
    case kEventRestart:
      s->error = "the peer restarted";
      break;
    default:
      break;
  }
}

// Sends what is due. A message that is refused is ready since it was due, and says so when it goes;
// one that goes at once is ready now: this loop's own lateness is no delay of the network.
static void send_due(struct Steady* s) {
  const struct Options* o = s->options;
  const uint64_t now = now_ns();
  for (int i = 0; i < kTurn && s->sent < o->count && due_ns(s, s->sent) <= now; i++) {
    const uint16_t stream = (uint16_t)(s->sent % s->streams);
    const uint32_t size = o->sizes[s->sent % (uint32_t)o->size_count];
    const uint64_t stamp = s->held ? due_ns(s, s->sent) : now;
    memcpy(s->buffer, &stamp, kStamp);
    pattern_write(s->buffer + kStamp, size - kStamp, o->seed, stream, s->next_out[stream]);
    const enum SendResult r = s->transport->send(stream, o->ppid + stream, false, s->buffer, size);
    if (r != kSendDone) {
      s->held = true;
      s->refused++;
      return;
    }
    s->next_out[stream]++;
    s->sent++;
  }
  s->held = s->sent < o->count && due_ns(s, s->sent) <= now;
}

static void wait_a_little(const struct Steady* s) {
  int ms = 10;
  if (s->began_ns != 0 && s->sent < s->options->count) {
    const uint64_t due = due_ns(s, s->sent);
    const uint64_t now = now_ns();
    ms = due <= now ? 1 : (int)((due - now) / 1000000u) + 1;
    ms = ms > 10 ? 10 : ms;
  }
  s->transport->wait(ms);
}

static void turn(struct Steady* s) {
  bool progress = false;
  for (int i = 0; i < kTurn && !s->over; i++) {
    struct Event event;
    memset(&event, 0, sizeof(event));
    s->transport->receive(&event);
    if (event.kind == kEventNone) {
      break;
    }
    take_event(s, &event);
    progress = true;
  }
  if (s->over || s->began_ns == 0) {
    if (!s->over && !progress) {
      s->transport->wait(10);
    }
    return;
  }
  send_due(s);
  const uint32_t count = s->options->count;
  const bool may_end = s->options->end == kEndShutdown || told_to_end != 0;
  if (!s->ending && may_end && s->sent == count && s->received == count) {
    s->ending = true;
    s->transport->shutdown();
  }
  if (!progress) {
    wait_a_little(s);
  }
}

static bool prepare(struct Steady* s) {
  const struct Options* o = s->options;
  for (int i = 0; i < o->size_count; i++) {
    if (o->sizes[i] < kSmallest || o->sizes[i] > 60000) {
      s->error = "sizes are 32 to 60000 here";
      return false;
    }
  }
  s->next_out = calloc(kMaxStreams + 1, sizeof(uint32_t));
  s->next_in = calloc(kMaxStreams + 1, sizeof(uint32_t));
  s->buffer = malloc(kMaxMessage);
  s->arrivals = malloc((o->count + 1u) * sizeof(struct Arrival));
  if (s->next_out == NULL || s->next_in == NULL || s->buffer == NULL || s->arrivals == NULL) {
    s->error = "out of memory";
    return false;
  }
  memset(s->arrivals, 1, (o->count + 1u) * sizeof(struct Arrival));  // its pages are there now
  return true;
}

static void write_log(struct Steady* s) {
  if (s->options->log == NULL) {
    return;
  }
  FILE* out = fopen(s->options->log, "wb");
  if (out == NULL || fwrite(s->arrivals, sizeof(struct Arrival), s->received, out) != s->received ||
      fclose(out) != 0) {
    s->error = "the log could not be written";
  }
}

static bool report(const struct Steady* s) {
  const struct Options* o = s->options;
  const char* error = s->error[0] != '\0' ? s->error : peer_error();
  const bool ok = error[0] == '\0' && s->sent == o->count && s->received == o->count &&
                  s->lost == 0 && s->repeated == 0 && s->corrupt == 0 && s->send_failures == 0;
  printf(
      "{\"peer\":\"%s\",\"role\":\"%s\",\"ok\":%s,\"error\":\"%s\",\"sent\":%u,\"received\":%u,"
      "\"lost\":%llu,\"repeated\":%llu,\"corrupt\":%llu,\"refused\":%llu,\"path_events\":%u,"
      "\"send_failures\":%u,\"began_ns\":%llu,\"end\":\"%s\",\"end_reason\":\"%s\"}\n",
      s->transport->name, o->listen ? "listen" : "connect", ok ? "true" : "false", error, s->sent,
      s->received, (unsigned long long)s->lost, (unsigned long long)s->repeated,
      (unsigned long long)s->corrupt, (unsigned long long)s->refused, s->path_events,
      s->send_failures, (unsigned long long)s->began_ns, s->end, s->end_reason);
  fflush(stdout);
  return ok;
}

int steady_run(const struct Options* options, const struct Transport* transport) {
  struct Steady s = {
      .options = options, .transport = transport, .end = "none", .end_reason = "", .error = ""};
  signal(SIGUSR1, on_told);
  if (prepare(&s) && transport->open(options) == 0) {
    const uint64_t deadline = now_ns() + (uint64_t)options->timeout_s * 1000000000u;
    while (!s.over) {
      turn(&s);
      if (!s.over && now_ns() > deadline) {
        s.error = "not done in time";
        transport->abort();
        s.over = true;
      }
    }
    transport->close();
    write_log(&s);
  }
  const bool ok = report(&s);
  free(s.next_out);
  free(s.next_in);
  free(s.buffer);
  free(s.arrivals);
  return ok ? 0 : 1;
}
