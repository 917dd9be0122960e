// SPDX-License-Identifier: BSD-3-Clause
// The same with usrsctp: its time is simulated as well. It reads the clock by gettimeofday(), which
// this program defines, and its timers are driven a millisecond at a time.
#include <sys/time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "harness/usrsctp_ends.h"
#include "link/link.h"

namespace {
int64_t simulated_ns = 1'000'000'000'000;
}

// Instead of libc's, for the library too. It has no other clock.
extern "C" int gettimeofday(timeval* __restrict time, void* __restrict) {
  time->tv_sec = simulated_ns / 1'000'000'000;
  time->tv_usec = simulated_ns % 1'000'000'000 / 1000;
  return 0;
}

namespace trunkline::perf {
namespace {

class Conversation;
Conversation* conversation;

class Conversation {
 public:
  Conversation(const LinkCase& what, uint64_t seed)
      : what_(what), there_(what.setup, 2 * seed), back_(what.setup, 2 * seed + 1) {
    conversation = this;
  }

  double goodput() {
    open();
    const TimePoint end = now() + what_.duration;
    sending_ = true;
    while (now() < end) step(end);
    std::fprintf(stderr, "%lu messages, %lu packets, %lu lost, %lu overflowed\n", received_,
                 there_.offered, there_.lost, there_.overflowed);
    say();
    return static_cast<double>(received_ * what_.message_size * 8) /
           std::chrono::duration<double>(what_.duration).count();
  }
  // As the other program's.
  std::vector<double> latencies(Duration every, size_t messages) {
    open();
    TimePoint next = now() + every;
    while (latencies_.size() < messages) {
      for (; sent_at_.size() < messages && next <= now(); next = next + every) {
        sent_at_.push_back(now());
        require(send_one(), "a message was refused");
      }
      step(sent_at_.size() < messages ? next : TimePoint::never());
    }
    say();
    std::sort(latencies_.begin(), latencies_.end());
    return latencies_;
  }

  void on_output(const void* end, const void* bytes, size_t size) {
    const std::span packet(static_cast<const uint8_t*>(bytes), size);
    (end == &usrsctp_end_a ? there_ : back_).offer(now(), packet);
  }
  void on_message(const uint8_t* data, size_t size) {
    uint64_t number = 0;
    std::memcpy(&number, data, sizeof number);
    std::memcpy(sink_.data(), data, std::min(size, sink_.size()));
    require(size == what_.message_size && number == received_, "a message is not the next one");
    if (received_ < sent_at_.size()) {
      const Duration took = now() - sent_at_[received_];
      latencies_.push_back(std::chrono::duration<double, std::milli>(took).count());
    }
    ++received_;
  }

 private:
  void open() {
    UsrsctpOptions options;
    options.buffer = kWindow;
    options.sack_delay_ms = kSackDelayMs;
    options.rto = {0, what_.rto.initial, what_.rto.max, what_.rto.min};
    struct socket* const listener =
        make_usrsctp_socket(&usrsctp_end_z, kUsrsctpPort, receive, options);
    require(usrsctp_listen(listener, 16) == 0, "usrsctp_listen failed");
    a_ = make_usrsctp_socket(&usrsctp_end_a, 0, receive, options);
    usrsctp_call(a_);
    struct socket* z = nullptr;
    while (z == nullptr || !(usrsctp_get_events(a_) & SCTP_EVENT_WRITE)) {
      step(now() + std::chrono::seconds(1));
      if (z == nullptr) z = usrsctp_accept(listener, nullptr, nullptr);
    }
    there_.lossy(true);
    back_.lossy(true);
  }

  static TimePoint now() { return TimePoint::from_ns(simulated_ns); }

  static int receive(struct socket*, union sctp_sockstore, void* data, size_t size,
                     struct sctp_rcvinfo, int flags, void*) {
    if (data == nullptr) return 1;
    if ((flags & MSG_NOTIFICATION) == 0) {
      conversation->on_message(static_cast<uint8_t*>(data), size);
    }
    std::free(data);
    return 1;
  }

  bool send_one() {
    std::memcpy(text_.data(), &sent_, sizeof sent_);
    const bool taken = usrsctp_send(a_, text_);
    sent_ += taken;
    return taken;
  }

  // On to the next packet or millisecond, `end` at the latest.
  void step(TimePoint end) {
    while (sending_ && send_one()) {
    }
    const TimePoint tick = TimePoint::from_ns(ticked_ns_ + 1'000'000);
    const TimePoint next = std::min({end, tick, there_.next_arrival(), back_.next_arrival()});
    simulated_ns = std::max(simulated_ns, next.ns());
    arrive(there_, &usrsctp_end_z);
    arrive(back_, &usrsctp_end_a);
    if (simulated_ns >= tick.ns()) {
      ticked_ns_ = tick.ns();
      usrsctp_handle_timers(1);
    }
  }
  void arrive(Link& link, void* to) {
    for (;;) {
      const std::span<const uint8_t> bytes = link.take(now());
      if (bytes.empty()) return;
      usrsctp_conninput(to, bytes.data(), bytes.size(), 0);
    }
  }
  static void say() {
    struct sctpstat stat {};
    usrsctp_get_stat(&stat);
    std::fprintf(stderr, "chunks sent again: %u fast, %u in all; T3 %u\n",
                 stat.sctps_sendfastretrans, stat.sctps_sendretransdata, stat.sctps_timodata);
  }

  const LinkCase what_;
  Link there_;
  Link back_;
  struct socket* a_ = nullptr;
  bool sending_ = false;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  std::vector<TimePoint> sent_at_;
  std::vector<double> latencies_;
  int64_t ticked_ns_ = simulated_ns;
  std::vector<uint8_t> text_ = std::vector<uint8_t>(what_.message_size);
  std::vector<uint8_t> sink_ = std::vector<uint8_t>(what_.message_size);
};

int on_output(void* end, void* bytes, size_t size, uint8_t, uint8_t) {
  conversation->on_output(end, bytes, size);
  return 0;
}

double one_goodput(const LinkCase& what, uint64_t seed) {
  start_usrsctp(on_output);
  return Conversation(what, seed).goodput();
}

void goodput(const Run& run) {
  report_goodput(run, one_goodput);
}

void matrix(const Run& run) {
  const MatrixCase what = matrix_case(run);
  start_usrsctp(on_output);
  Conversation talk(what.link, 1);
  report_latencies(run, talk.latencies(what.every, what.messages));
  struct sctpstat stat {};
  usrsctp_get_stat(&stat);
  run.report("sent again", "1", stat.sctps_sendretransdata);
  run.report("T3", "1", stat.sctps_timodata);
}

std::vector<Case> all_cases() {
  std::vector<Case> out = link_cases(goodput);
  for (Case& each : matrix_cases({"usrsctp"}, matrix)) out.push_back(std::move(each));
  return out;
}

}  // namespace
}  // namespace trunkline::perf

int main(int argc, char** argv) {
  using namespace trunkline::perf;
  return run_cases(argc, argv, "usrsctp", all_cases());
}
