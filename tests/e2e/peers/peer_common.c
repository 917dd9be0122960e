// SPDX-License-Identifier: BSD-3-Clause
// See peer_common.h: the exchange, and its report.
#include "peer_common.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "peer_options.h"
#include "peer_pattern.h"
#include "peer_steady.h"

// A message that an echoing peer could not send back yet.
struct Pending {
  struct Pending* next;
  uint16_t stream;
  uint32_t ppid;
  bool unordered;
  size_t size;
  uint8_t data[];
};

struct State {
  const struct Options* options;
  const struct Transport* transport;
  uint32_t* next_out;  // per stream: sequence number of the next message
  uint32_t* next_in;
  struct Pending* first;
  struct Pending** last;
  uint8_t* buffer;
  uint64_t deadline_ms;
  uint64_t end_at_ms;   // when to shut down or abort; 0: work is not done yet
  uint64_t send_at_ms;  // when the next message of its own may go
  // Of the association under way.
  uint32_t sent, received;
  bool up, ending, over;
  // Of the whole run.
  int associations, restarts, path_events, send_failures, broken;
  uint64_t total_sent, total_received, bytes_sent, bytes_received;
  uint64_t corrupt, misordered, wrong_ppid, wrong_size, missing;
  uint16_t streams_out, streams_in;
  uint32_t end_error;
  const char* end;
  const char* end_reason;
};

static char first_error[256];
static char peer_address[128];

int peer_fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (first_error[0] == '\0') {
    vsnprintf(first_error, sizeof(first_error), format, arguments);
  }
  va_end(arguments);
  return -1;
}

const char* peer_error(void) {
  return first_error;
}

void peer_note_peer(const char* text) {
  snprintf(peer_address, sizeof(peer_address), "%s", text);
}

uint64_t peer_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

socklen_t peer_sockaddr_size(const struct sockaddr_storage* address) {
  return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static bool sends(const struct State* s) {
  return s->options->mode == kModePing || s->options->mode == kModeSource;
}

static uint16_t usable_streams(const struct State* s) {
  const uint16_t wanted = s->options->streams;
  return s->streams_out != 0 && s->streams_out < wanted ? s->streams_out : wanted;
}

// The size of message `sequence` of a stream: every stream goes through the whole list.
static uint32_t size_of(const struct State* s, uint32_t sequence) {
  return s->options->sizes[sequence % (uint32_t)s->options->size_count];
}

static void forget_association(struct State* s) {
  memset(s->next_out, 0, sizeof(uint32_t) * kMaxStreams);
  memset(s->next_in, 0, sizeof(uint32_t) * kMaxStreams);
  while (s->first != NULL) {
    struct Pending* gone = s->first;
    s->first = gone->next;
    free(gone);
  }
  s->last = &s->first;
  s->sent = s->received = 0;
  s->end_at_ms = 0;
  s->up = s->ending = s->over = false;
}

// The number that the message must have. Where messages may be missing, it is its own, unless that
// has been passed.
static uint32_t expected_sequence(struct State* s, const struct Event* e) {
  uint32_t expected = s->next_in[e->stream];
  if (s->options->allow_gaps && !e->unordered && e->size >= kPatternHeader) {
    const uint32_t found = pattern_sequence(e->data);
    if (found > expected) {
      s->missing += found - expected;
      expected = found;
    }
  }
  s->next_in[e->stream] = expected + 1;
  return expected;
}

static void check_message(struct State* s, const struct Event* e) {
  const struct Options* o = s->options;
  const uint32_t expected = expected_sequence(s, e);
  switch (pattern_check(e->data, (uint32_t)e->size, o->seed, e->stream, expected, e->unordered)) {
    case kPatternGood:
      break;
    case kPatternCorrupt:
      s->corrupt++;
      break;
    case kPatternMisordered:
      s->misordered++;
      break;
  }
  if (!e->unordered && e->size != size_of(s, expected)) {
    s->wrong_size++;
  }
  if (e->ppid != o->ppid + e->stream) {
    s->wrong_ppid++;
  }
  s->received++;
  s->total_received++;
  s->bytes_received += e->size;
}

static void queue_echo(struct State* s, const struct Event* e) {
  struct Pending* p = malloc(sizeof(*p) + e->size);
  if (p == NULL) {
    abort();
  }
  *p = (struct Pending){NULL, e->stream, e->ppid, e->unordered, e->size};
  memcpy(p->data, e->data, e->size);
  *s->last = p;
  s->last = &p->next;
}

static void take_end(struct State* s, const char* how, const struct Event* e) {
  s->end = how;
  s->end_error = e != NULL ? e->error : 0;
  s->end_reason = e != NULL && e->reason != NULL ? e->reason : "";
  s->over = true;
}

static void pause_if_due(const struct State* s) {
  const struct Options* o = s->options;
  if (o->pause_after == 0 || s->total_received != o->pause_after) {
    return;
  }
  printf("PAUSED\n");
  fflush(stdout);
  nanosleep(&(struct timespec){o->pause_ms / 1000, o->pause_ms % 1000 * 1000000L}, NULL);
  printf("RESUMED\n");
  fflush(stdout);
}

static void take_event(struct State* s, const struct Event* e) {
  switch (e->kind) {
    case kEventMessage:
      check_message(s, e);
      if (s->options->mode == kModeEcho) {
        queue_echo(s, e);
      }
      pause_if_due(s);
      break;
    case kEventUp:
      s->up = true;
      s->streams_out = e->streams_out;
      s->streams_in = e->streams_in;
      break;
    case kEventRestart:
      s->restarts++;
      forget_association(s);
      s->up = true;
      break;
    case kEventShutdownDone:
      take_end(s, "shutdown", NULL);
      break;
    case kEventLost:
      take_end(s, "lost", e);
      break;
    case kEventRefused:
      take_end(s, "refused", e);
      peer_fail("the association could not be set up (error %u)", e->error);
      break;
    case kEventPath:
      s->path_events++;
      break;
    case kEventSendFailed:
      s->send_failures++;
      break;
    case kEventBroken:
      s->broken++;
      break;
    default:
      break;
  }
}

// Sends what an echo owes, then what is its own; false when the transport wants to wait.
static bool send_some(struct State* s) {
  const struct Options* o = s->options;
  while (s->first != NULL) {
    struct Pending* p = s->first;
    const enum SendResult r =
        s->transport->send(p->stream, p->ppid, p->unordered, p->data, p->size);
    if (r != kSendDone) {
      return false;
    }
    s->sent++;
    s->total_sent++;
    s->bytes_sent += p->size;
    s->first = p->next;
    if (s->first == NULL) {
      s->last = &s->first;
    }
    free(p);
  }
  while (sends(s) && !s->ending && s->sent < o->count) {
    if (o->mode == kModePing && s->sent - s->received >= o->window) {
      return true;
    }
    if (peer_now_ms() < s->send_at_ms) {
      return true;
    }
    const uint16_t stream = (uint16_t)((o->first_stream + s->sent) % usable_streams(s));
    const uint32_t sequence = s->next_out[stream];
    const uint32_t size = size_of(s, sequence);
    pattern_write(s->buffer, size, o->seed, stream, sequence);
    if (s->transport->send(stream, o->ppid + stream, o->unordered, s->buffer, size) != kSendDone) {
      return false;
    }
    s->send_at_ms = peer_now_ms() + (uint64_t)o->interval_ms;
    s->next_out[stream]++;
    s->sent++;
    s->total_sent++;
    s->bytes_sent += size;
  }
  return true;
}

static bool work_done(const struct State* s) {
  switch (s->options->mode) {
    case kModePing:
      return s->received == s->options->count;
    case kModeSource:
      return s->sent == s->options->count;
    case kModeEcho:
      return s->options->count != 0 && s->sent == s->options->count;
    default:
      return s->options->count != 0 && s->received == s->options->count;
  }
}

static void end_if_done(struct State* s) {
  if (s->ending || s->over || !s->up || s->options->end == kEndWait || !work_done(s)) {
    return;
  }
  if (s->end_at_ms == 0) {
    s->end_at_ms = peer_now_ms() + (uint64_t)s->options->end_delay_ms;
  }
  if (peer_now_ms() < s->end_at_ms) {
    return;
  }
  s->ending = true;
  if (s->options->end == kEndAbort) {
    s->transport->abort();
    take_end(s, "aborted", NULL);
  } else {
    s->transport->shutdown();
  }
}

static int run_association(struct State* s) {
  forget_association(s);
  if (s->transport->open(s->options) != 0) {
    return -1;
  }
  while (!s->over) {
    if (peer_now_ms() > s->deadline_ms) {
      s->transport->abort();
      s->transport->close();
      return peer_fail("not done in time: up %d sent %u received %u ending %d", s->up, s->sent,
                       s->received, s->ending);
    }
    struct Event event;
    bool progress = false;
    for (int i = 0; i < 64 && !s->over; i++) {
      memset(&event, 0, sizeof(event));
      s->transport->receive(&event);
      if (event.kind == kEventNone) {
        break;
      }
      const bool first_up = event.kind == kEventUp && !s->up;
      take_event(s, &event);
      progress = true;
      if (first_up) {
        s->associations++;
        printf("%s %s\n", s->options->listen ? "ACCEPTED" : "CONNECTED", peer_address);
        fflush(stdout);
      }
    }
    if (s->up && !s->over) {
      send_some(s);
      end_if_done(s);
    }
    if (!progress && !s->over) {
      s->transport->wait(10);
    }
  }
  s->transport->close();
  return 0;
}

static bool all_good(const struct State* s) {
  const struct Options* o = s->options;
  const uint64_t wanted = (uint64_t)o->count * (uint64_t)o->associations;
  const bool counted = s->restarts != 0 || o->count == 0 || o->end == kEndAbort ||
                       (sends(s) ? s->total_sent : s->total_received) == wanted;
  const bool echoed = s->restarts != 0 || o->mode != kModePing || s->total_received == wanted;
  return first_error[0] == '\0' && counted && echoed && s->corrupt == 0 && s->misordered == 0 &&
         s->wrong_ppid == 0 && s->wrong_size == 0;
}

static void report(const struct State* s) {
  printf(
      "{\"peer\":\"%s\",\"role\":\"%s\",\"ok\":%s,\"error\":\"%s\",\"associations\":%d,"
      "\"sent\":%llu,\"received\":%llu,\"bytes_sent\":%llu,\"bytes_received\":%llu,"
      "\"corrupt\":%llu,\"misordered\":%llu,\"wrong_ppid\":%llu,\"wrong_size\":%llu,"
      "\"missing\":%llu,"
      "\"streams_out\":%u,\"streams_in\":%u,\"restarts\":%d,\"path_events\":%d,"
      "\"send_failures\":%d,\"broken\":%d,\"end\":\"%s\",\"end_error\":%u,\"end_reason\":\"%s\"}\n",
      s->transport->name, s->options->listen ? "listen" : "connect", all_good(s) ? "true" : "false",
      first_error, s->associations, (unsigned long long)s->total_sent,
      (unsigned long long)s->total_received, (unsigned long long)s->bytes_sent,
      (unsigned long long)s->bytes_received, (unsigned long long)s->corrupt,
      (unsigned long long)s->misordered, (unsigned long long)s->wrong_ppid,
      (unsigned long long)s->wrong_size, (unsigned long long)s->missing, s->streams_out,
      s->streams_in, s->restarts, s->path_events, s->send_failures, s->broken, s->end, s->end_error,
      s->end_reason);
  fflush(stdout);
}

int peer_main(int argc, char** argv, const struct Transport* transport) {
  static struct Options options;
  if (options_parse(argc, argv, &options) != 0) {
    return 2;
  }
  struct State s = {.options = &options, .transport = transport, .end = "none", .end_reason = ""};
  s.last = &s.first;
  s.next_out = calloc(kMaxStreams + 1, sizeof(uint32_t));
  s.next_in = calloc(kMaxStreams + 1, sizeof(uint32_t));
  s.buffer = malloc(kMaxMessage);
  if (s.next_out == NULL || s.next_in == NULL || s.buffer == NULL) {
    return 2;
  }
  s.deadline_ms = peer_now_ms() + (uint64_t)options.timeout_s * 1000;
  if (transport->start(&options) == 0) {
    printf("STARTED\n");
    if (options.listen) {
      printf("LISTENING %u\n", options.port);
    }
    fflush(stdout);
    if (options.mode == kModeSteady) {
      const int status = steady_run(&options, transport);
      transport->finish();
      return status;
    }
    for (int i = 0; i < options.associations && run_association(&s) == 0; i++) {
    }
  }
  report(&s);
  transport->finish();
  free(s.next_out);
  free(s.next_in);
  free(s.buffer);
  return all_good(&s) ? 0 : 1;
}
