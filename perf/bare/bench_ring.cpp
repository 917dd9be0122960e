// SPDX-License-Identifier: BSD-3-Clause
// The bare stack with the rings: two programs on the client library, each at the bridge of its own
// host, two shards back to back, one thread, no NIC. A program of its own, so that the stack's is
// compiled as it is without bridges.
#include <algorithm>

#include "bare/ring_host.h"
#include "harness/sample.h"

namespace trunkline::perf {
namespace {

constexpr uint16_t kPort = 2905;

struct Pair {
  Pair(const Run& run, size_t message_size)
      : a(kAddressA, lan_profile().profile, message_size, begin(run)),
        z(kAddressZ, lan_profile().profile, message_size, clock_now()) {
    z.listen(kPort);
    a.program().connect(kPort, kAddressZ);
    for (int i = 0; i < 100 && z.program().associations.empty(); ++i) turn();
    for (int i = 0; i < 100 && a.program().associations.empty(); ++i) turn();
    require(a.program().associations.size() == 1, "the association was not established");
  }
  // Where the length is given, time must not make a difference.
  static TimePoint begin(const Run& run) {
    if (run.messages != 0) count_time();
    return clock_now();
  }

  // A turn of both workers, then of both programs.
  void turn() {
    const TimePoint now = clock_now();
    a.work(now);
    z.work(now);
    z.receive(now, a.take_packets(now));
    a.receive(now, z.take_packets(now));
    a.flush();
    z.flush();
    a.program().poll();
    z.program().poll();
  }
  void check() {
    require(a.program().lost == 0 && z.program().lost == 0, "an association or a message was lost");
  }

  RingHost a;
  RingHost z;
};

void stream_messages(Pair& pair, uint64_t count) {
  constexpr uint64_t kWindow = 2048;
  RingProgram& from = pair.a.program();
  RingProgram& to = pair.z.program();
  const uint64_t until = from.sent + count;
  while (to.received < until) {
    const uint64_t room = kWindow - std::min(kWindow, from.sent - to.received);
    from.send(from.associations[0], std::min({until - from.sent, room, kWindow / 4}));
    pair.turn();
  }
  require(to.received == from.sent, "more messages came than were sent");
}

template <size_t Size>
void stream(const Run& run) {
  Pair pair(run, Size);
  const uint64_t by_scale = run.pick(2'000, 1'000'000, 4'000'000);
  const uint64_t count = run.length(by_scale);
  stream_messages(pair, by_scale / 4);
  const double from = cpu_seconds();
  stream_messages(pair, count);
  const double spent = cpu_seconds() - from;
  pair.check();
  run.report("messages_per_cpu_second", "1/s", static_cast<double>(count) / spent);
}

void ping_pong(const Run& run) {
  Pair pair(run, 100);
  pair.z.program().echo(true);
  RingProgram& caller = pair.a.program();
  const auto play = [&](uint64_t rounds) {
    for (uint64_t i = 0; i < rounds; ++i) {
      const uint64_t answers = caller.received;
      require(caller.send(caller.associations[0], 1) == 1, "a message was refused");
      while (caller.received == answers) pair.turn();
    }
  };
  const uint64_t by_scale = run.pick(1'000, 200'000, 1'000'000);
  const uint64_t rounds = run.length(by_scale);
  play(by_scale / 4);
  const double from = cpu_seconds();
  play(rounds);
  const double spent = cpu_seconds() - from;
  pair.check();
  run.report("round_trips_per_cpu_second", "1/s", static_cast<double>(rounds) / spent);
}

}  // namespace
}  // namespace trunkline::perf

int main(int argc, char** argv) {
  using namespace trunkline::perf;
  return run_cases(argc, argv, "trunkline",
                   {
                       {"bare/ring/100", stream<100>},
                       {"bare/ring-ping-pong", ping_pong},
                   });
}
