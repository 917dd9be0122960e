// SPDX-License-Identifier: BSD-3-Clause
// See report.h.
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double rate_of(uint64_t count, uint64_t first_ns, uint64_t last_ns) {
  return last_ns > first_ns ? (double)count / ((double)(last_ns - first_ns) / 1e9) : 0;
}

static double sent_rate(const Load* load) {
  const Measured* m = &load->measured;
  return rate_of(m->sent, m->sent_first_ns, m->sent_last_ns);
}

static double received_rate(const Load* load) {
  const Measured* m = &load->measured;
  return rate_of(m->received, m->received_first_ns, m->received_last_ns);
}

static bool is_round_trip(const Load* load) {
  return load->options.traffic == kTrafficEcho && options_sends(&load->options);
}

static void print_counts(const Load* load, FILE* out) {
  const Counts* c = &load->counts;
  fprintf(out,
          "\"associations\":%u,\"over\":%u,\"sent\":%" PRIu64 ",\"sent_bytes\":%" PRIu64
          ",\"received\":%" PRIu64 ",\"received_bytes\":%" PRIu64 ",\"corrupted\":%" PRIu64
          ",\"duplicated\":%" PRIu64 ",\"misordered\":%" PRIu64,
          load->up, load->over, c->sent, c->sent_bytes, c->received, c->received_bytes,
          load->verdict.corrupted, load->verdict.duplicated, load->verdict.misordered);
}

void report_listening(const Load* load) {
  if (load->options.json) {
    printf("{\"listening\":%u}\n", (unsigned)load->options.port);
  } else if (!load->options.quiet) {
    fprintf(stderr, "listening on port %u\n", (unsigned)load->options.port);
  }
}

void report_begin(const Load* load) {
  if (load->options.json) {
    printf("{\"begun\":{\"associations\":%u}}\n", load->up);
  }
}

void report_live(const Load* load, uint64_t now) {
  static uint64_t next_ns, last_ns, sent, received;
  const Options* o = &load->options;
  if (now < next_ns) {
    return;
  }
  const uint64_t live_ns = o->live_ns != 0 ? o->live_ns : 1000000000u;
  next_ns = now + live_ns;
  if (o->json && o->live_ns != 0) {
    printf("{\"live\":{");
    print_counts(load, stdout);
    printf("}}\n");
  }
  if (!o->quiet && load->begun && last_ns != 0) {
    fprintf(stderr, "out %.0f/s  in %.0f/s  p50 %.0f us  p99 %.0f us  max %.0f us\n",
            rate_of(load->counts.sent - sent, last_ns, now),
            rate_of(load->counts.received - received, last_ns, now),
            (double)histogram_percentile(&load->latency, 0.5) / 1e3,
            (double)histogram_percentile(&load->latency, 0.99) / 1e3,
            (double)load->latency.most / 1e3);
  }
  sent = load->counts.sent;
  received = load->counts.received;
  last_ns = now;
}

static void print_latency(const Load* load, FILE* out) {
  const Histogram* h = &load->latency;
  fprintf(out,
          ",\"latency_us\":{\"kind\":\"%s\",\"count\":%" PRIu64
          ",\"mean\":%.3f,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p99.9\":%.3f,\"max\":%.3f}",
          is_round_trip(load) ? "round-trip" : "one-way", h->total, histogram_mean(h) / 1e3,
          (double)histogram_percentile(h, 0.5) / 1e3, (double)histogram_percentile(h, 0.9) / 1e3,
          (double)histogram_percentile(h, 0.99) / 1e3, (double)histogram_percentile(h, 0.999) / 1e3,
          (double)h->most / 1e3);
  // [nanoseconds, messages], so that whoever reads may add up several programs.
  fprintf(out, ",\"latency\":[");
  const char* comma = "";
  for (uint32_t i = 0; i < kHistogramBuckets; i++) {
    if (h->counts[i] != 0) {
      fprintf(out, "%s[%" PRIu64 ",%" PRIu64 "]", comma, histogram_value(i), h->counts[i]);
      comma = ",";
    }
  }
  fprintf(out, "]");
}

static void print_json(const Load* load, bool ok, FILE* out) {
  const Counts* c = &load->counts;
  fprintf(out, "{\"ok\":%s,\"role\":\"%s\",", ok ? "true" : "false",
          load->options.listen ? "listen" : "connect");
  print_counts(load, out);
  fprintf(out,
          ",\"lost\":%" PRIu64 ",\"send_failed\":%" PRIu64 ",\"unsent\":%" PRIu64
          ",\"associations_lost\":%u,\"began_ns\":%" PRIu64 ",\"ended_ns\":%" PRIu64
          ",\"measured_sent\":%" PRIu64 ",\"measured_received\":%" PRIu64
          ",\"sent_per_s\":%.1f,\"received_per_s\":%.1f,\"cpu_s\":%.6f,\"sum\":%" PRIu64,
          load->verdict.lost, c->send_failed, c->unsent, load->lost, load->begun_ns, load->ended_ns,
          load->measured.sent, load->measured.received, sent_rate(load), received_rate(load),
          cpu_seconds(), load->sum);
  print_latency(load, out);
  fprintf(out, "}");
}

static bool write_file(const Load* load, bool ok) {
  FILE* const file = fopen(load->options.report, "w");
  if (file == NULL) {
    fprintf(stderr, "trunkload: --report %s: %s\n", load->options.report, "cannot be written");
    return false;
  }
  print_json(load, ok, file);
  fputc('\n', file);
  return fclose(file) == 0;
}

bool report_final(const Load* load) {
  bool ok = !load->broken && load->lost == 0 && load->verdict.lost == 0 &&
            load->verdict.corrupted == 0 && load->verdict.duplicated == 0 &&
            load->verdict.misordered == 0;
  if (load->options.report != NULL && !write_file(load, ok)) {
    ok = false;
  }
  if (load->options.json) {
    printf("{\"final\":");
    print_json(load, ok, stdout);
    printf("}\n");
    return ok;
  }
  printf("sent %" PRIu64 " (%.0f/s), received %" PRIu64 " (%.0f/s), lost %" PRIu64 "\n",
         load->counts.sent, sent_rate(load), load->counts.received, received_rate(load),
         load->verdict.lost);
  if (load->latency.total != 0) {
    const Histogram* h = &load->latency;
    printf("%s, us: p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n",
           is_round_trip(load) ? "round trip" : "one way",
           (double)histogram_percentile(h, 0.5) / 1e3, (double)histogram_percentile(h, 0.9) / 1e3,
           (double)histogram_percentile(h, 0.99) / 1e3,
           (double)histogram_percentile(h, 0.999) / 1e3, (double)h->most / 1e3);
  }
  return ok;
}
