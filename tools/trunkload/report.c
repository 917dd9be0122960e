// SPDX-License-Identifier: BSD-3-Clause
// See report.h.
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "ending.h"

static const double kShares[] = {0.5, 0.9, 0.99, 0.999};
static const char* const kShareNames[] = {"p50", "p90", "p99", "p99.9"};
enum { kShareCount = 4 };

static double seconds_of(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double rate_of(uint64_t count, uint64_t first_ns, uint64_t last_ns) {
  return last_ns > first_ns ? (double)count / ((double)(last_ns - first_ns) / 1e9) : 0;
}

double report_sent_rate(const Load* load) {
  const Measured* m = &load->measured;
  return rate_of(m->sent, m->sent_first_ns, m->sent_last_ns);
}

double report_received_rate(const Load* load) {
  const Measured* m = &load->measured;
  return rate_of(m->received, m->received_first_ns, m->received_last_ns);
}

static bool is_round_trip(const Load* load) {
  return load->options.traffic == kTrafficEcho && options_sends(&load->options);
}

static double percentile_us(const Load* load, double share) {
  return (double)histogram_percentile(&load->latency, share) / 1e3;
}

// ---------------------------------------------------------------- JSON

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

void report_progress(const Load* load) {
  if (load->options.json && load->options.live_ns != 0) {
    printf("{\"live\":{");
    print_counts(load, stdout);
    printf("}}\n");
  }
}

static void print_latency(const Load* load, FILE* out) {
  const Histogram* h = &load->latency;
  fprintf(out, ",\"latency_us\":{\"kind\":\"%s\",\"count\":%" PRIu64 ",\"mean\":%.3f",
          is_round_trip(load) ? "round-trip" : "one-way", h->total, histogram_mean(h) / 1e3);
  for (int i = 0; i < kShareCount; i++) {
    fprintf(out, ",\"%s\":%.3f", kShareNames[i], percentile_us(load, kShares[i]));
  }
  fprintf(out, ",\"max\":%.3f}", (double)h->most / 1e3);
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

static void print_limits(const Limit* limits, size_t count, FILE* out) {
  fprintf(out, ",\"limits\":[");
  for (size_t i = 0; i < count; i++) {
    fprintf(out, "%s{\"name\":\"%s\",\"limit\":%.10g,\"value\":%.10g,\"met\":%s}",
            i == 0 ? "" : ",", limits[i].name, limits[i].limit, limits[i].value,
            limits[i].met ? "true" : "false");
  }
  fprintf(out, "]");
}

static void print_json(const Load* load, bool ok, const Limit* limits, size_t count, FILE* out) {
  const Counts* c = &load->counts;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  fprintf(out, "{\"ok\":%s,\"role\":\"%s\",", ok ? "true" : "false",
          load->options.listen ? "listen" : "connect");
  print_counts(load, out);
  fprintf(out,
          ",\"lost\":%" PRIu64 ",\"send_failed\":%" PRIu64 ",\"unsent\":%" PRIu64
          ",\"associations_lost\":%u,\"began_ns\":%" PRIu64 ",\"ended_ns\":%" PRIu64
          ",\"measured_sent\":%" PRIu64 ",\"measured_received\":%" PRIu64
          ",\"sent_per_s\":%.1f,\"received_per_s\":%.1f,\"cpu_user_s\":%.6f,\"cpu_system_s\":%.6f"
          ",\"sum\":%" PRIu64,
          load->verdict.lost, c->send_failed, c->unsent, load->lost, load->begun_ns, load->ended_ns,
          load->measured.sent, load->measured.received, report_sent_rate(load),
          report_received_rate(load), seconds_of(usage.ru_utime), seconds_of(usage.ru_stime),
          load->sum);
  print_limits(limits, count, out);
  print_latency(load, out);
  fprintf(out, "}");
}

static bool write_file(const Load* load, bool ok, const Limit* limits, size_t count) {
  FILE* const file = fopen(load->options.report, "w");
  bool written = file != NULL;
  if (written) {
    print_json(load, ok, limits, count, file);
    fputc('\n', file);
    written = fclose(file) == 0;
  }
  if (!written) {
    char shown[256];
    const char* const why = strerror(errno);
    fprintf(stderr, "trunkload: --report %s: %s\n",
            ending_escape(load->options.report, strlen(load->options.report), shown, sizeof(shown)),
            why);
  }
  return written;
}

// ---------------------------------------------------------------- for people

const char* report_time(double us, char* out, size_t room) {
  if (us < 10000) {
    snprintf(out, room, "%.0f us", us);
  } else {
    snprintf(out, room, "%.1f ms", us / 1000);
  }
  return out;
}

static void print_row(const char* name, uint64_t messages, uint64_t bytes, double rate) {
  if (messages == 0) {
    return;
  }
  printf("%-12s %11" PRIu64 " messages, %" PRIu64 " bytes", name, messages, bytes);
  if (rate > 0) {  // not for answers: they keep step with what is received
    printf(", %.0f messages/s", rate);
  }
  printf("\n");
}

static void print_text(const Load* load) {
  const Counts* c = &load->counts;
  const Verdict* v = &load->verdict;
  char time[32];
  printf("%-12s %11u, %u ended in order\n", "associations", load->up, load->over - load->lost);
  print_row("sent", c->sent, c->sent_bytes, report_sent_rate(load));
  print_row("received", c->received, c->received_bytes, report_received_rate(load));
  printf("%-12s %11" PRIu64 " messages, %" PRIu64 " corrupted, %" PRIu64 " repeated, %" PRIu64
         " out of order%s\n",
         "lost", v->lost, v->corrupted, v->duplicated, v->misordered,
         load->options.verify ? "" : " (not verified)");
  if (c->unsent > 0) {
    printf("%-12s %11" PRIu64 " messages were due and could not be sent in time\n", "unsent",
           c->unsent);
  }
  if (load->latency.total > 0) {
    printf("%-12s", is_round_trip(load) ? "round trip" : "one way");
    for (int i = 0; i < kShareCount; i++) {
      printf("  %s %s", kShareNames[i],
             report_time(percentile_us(load, kShares[i]), time, sizeof(time)));
    }
    printf("  max %s\n", report_time((double)load->latency.most / 1e3, time, sizeof(time)));
  }
}

static void print_missed(const Limit* limit) {
  if (strcmp(limit->name, "wrong") == 0) {
    fprintf(stderr, "trunkload: limit missed: %.0f messages corrupted, repeated or out of order\n",
            limit->value);
  } else if (strcmp(limit->unit, "us") == 0) {
    char asked[32], was[32];
    fprintf(stderr, "trunkload: limit missed: --%s %s, and it was %s\n", limit->name,
            report_time(limit->limit, asked, sizeof(asked)),
            report_time(limit->value, was, sizeof(was)));
  } else {
    fprintf(stderr, "trunkload: limit missed: --%s %.0f, and it was %.0f\n", limit->name,
            limit->limit, limit->value);
  }
}

// ---------------------------------------------------------------- the end

static Outcome outcome_of(const Load* load) {
  const Verdict* v = &load->verdict;
  return (Outcome){
      .measured = load->latency.total,
      .p50_us = percentile_us(load, 0.5),
      .p90_us = percentile_us(load, 0.9),
      .p99_us = percentile_us(load, 0.99),
      .p999_us = percentile_us(load, 0.999),
      .most_us = (double)load->latency.most / 1e3,
      .rate =
          options_measures(&load->options) ? report_received_rate(load) : report_sent_rate(load),
      .lost = v->lost,
      .associations_lost = load->lost,
      .unsent = load->counts.unsent,
      .wrong = v->corrupted + v->duplicated + v->misordered,
  };
}

bool report_final(const Load* load) {
  Limit limits[kMostLimits];
  const Outcome outcome = outcome_of(load);
  const size_t count = limits_judge(&load->options.limits, &outcome, limits);
  bool ok = !load->broken;
  for (size_t i = 0; i < count; i++) {
    ok = ok && limits[i].met;
  }
  if (load->options.json) {
    printf("{\"final\":");
    print_json(load, ok, limits, count, stdout);
    printf("}\n");
  } else if (load->begun) {
    print_text(load);
  }
  fflush(stdout);
  for (size_t i = 0; i < count && !load->options.json && load->begun; i++) {
    if (!limits[i].met) {
      print_missed(&limits[i]);
    }
  }
  if (load->options.report != NULL && !write_file(load, ok, limits, count)) {
    ok = false;
  }
  return ok;
}
