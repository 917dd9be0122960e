// SPDX-License-Identifier: BSD-3-Clause
// See live.h. Rates and latencies are those since the last look; errors are all so far.
#include "live.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

typedef struct Look {
  uint64_t at_ns;
  uint64_t sent, received;
  Histogram latency;
} Look;

static Look before;
static uint64_t next_ns;

static bool on_terminal(void) {
  static int answer = -1;
  if (answer < 0) {
    answer = isatty(STDERR_FILENO);
  }
  return answer == 1;
}

// The messages that were counted since.
static Histogram since(const Histogram* now, const Histogram* then) {
  Histogram between = *now;
  between.total -= then->total;
  between.most = 0;
  for (uint32_t i = 0; i < kHistogramBuckets; i++) {
    between.counts[i] -= then->counts[i];
    if (between.counts[i] != 0) {
      between.most = histogram_value(i);
    }
  }
  return between;
}

static void write_line(const Load* load, uint64_t now, char* out, size_t room) {
  const double seconds = (double)(now - before.at_ns) / 1e9;
  const Verdict* v = &load->verdict;
  size_t at = (size_t)snprintf(out, room, "%5.1f s  out %.0f/s  in %.0f/s",
                               (double)(now - load->begun_ns) / 1e9,
                               (double)(load->counts.sent - before.sent) / seconds,
                               (double)(load->counts.received - before.received) / seconds);
  const Histogram h = since(&load->latency, &before.latency);
  if (h.total > 0) {
    char p50[32], p99[32], most[32];
    at += (size_t)snprintf(
        out + at, room - at, "  p50 %s  p99 %s  max %s",
        report_time((double)histogram_percentile(&h, 0.5) / 1e3, p50, sizeof(p50)),
        report_time((double)histogram_percentile(&h, 0.99) / 1e3, p99, sizeof(p99)),
        report_time((double)h.most / 1e3, most, sizeof(most)));
  }
  const uint64_t wrong = v->corrupted + v->duplicated + v->misordered;
  if (wrong + load->lost + load->counts.send_failed > 0) {
    snprintf(out + at, room - at, "  errors: %" PRIu64 " messages, %u associations",
             wrong + load->counts.send_failed, load->lost);
  }
}

static void show(const Load* load, uint64_t now) {
  char line[256];
  if (load->begun && before.at_ns >= load->begun_ns) {
    write_line(load, now, line, sizeof(line));
  } else if (!load->begun && (!load->options.listen || load->up > 0)) {
    snprintf(line, sizeof(line), "%u of %" PRIu64 " associations are up", load->up,
             load->options.associations);
  } else {
    return;
  }
  if (on_terminal()) {
    fprintf(stderr, "\r\x1b[K%s", line);
  } else {
    fprintf(stderr, "%s\n", line);
  }
}

void live_look(const Load* load, uint64_t now) {
  if (now < next_ns) {
    return;
  }
  const Options* o = &load->options;
  const uint64_t usual = on_terminal() ? 500000000u : 1000000000u;
  if (next_ns != 0 || o->live_ns != 0) {
    report_progress(load);
    if (!o->quiet) {
      show(load, now);
    }
  }
  next_ns = now + (o->live_ns != 0 ? o->live_ns : usual);
  before.at_ns = now;
  before.sent = load->counts.sent;
  before.received = load->counts.received;
  before.latency = load->latency;
}

void live_end(const Load* load) {
  if (!load->options.quiet && on_terminal()) {
    fprintf(stderr, "\r\x1b[K");
  }
}
