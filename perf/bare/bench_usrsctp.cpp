// SPDX-License-Identifier: BSD-3-Clause
// The peer: usrsctp in process (AF_CONN), both ends on one core, as the bare stack's cases have it.
// It computes and checks CRC32c, has NODELAY as we have no Nagle, and of a sweep of buffer sizes
// and SACK frequencies the best. Packets wait in a queue, as on a wire; its timers are driven from
// here, by the clock. No thread of its own is there to take the core from it.
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "harness/sample.h"
#include "harness/usrsctp_ends.h"

namespace trunkline::perf {
namespace {

struct Packet {
  bool to_z = false;
  std::vector<uint8_t> bytes;
};

// The buffers are taken in turn, as many as the bare stack's wire has: more than the caches hold.
struct Wire {
  static constexpr size_t kBuffers = 4096;
  static constexpr size_t kRoom = 2048;

  Wire() {
    for (Packet& packet : spare) packet.bytes.reserve(kRoom);
  }
  std::deque<Packet> queue;
  std::deque<Packet> spare = std::deque<Packet>(kBuffers);
};
Wire wire;

struct World {
  struct socket* listener = nullptr;
  std::vector<struct socket*> a;
  std::vector<struct socket*> z;
  std::vector<uint8_t> text;
  std::vector<uint8_t> sink = std::vector<uint8_t>(1 << 20);
  uint64_t sent = 0;
  uint64_t received_bytes = 0;
  bool echo = false;
  UsrsctpOptions options;
  std::chrono::steady_clock::time_point ticked = std::chrono::steady_clock::now();
};
World world;

int on_output(void* end, void* bytes, size_t size, uint8_t, uint8_t) {
  Packet packet;
  if (!wire.spare.empty()) {
    packet = std::move(wire.spare.front());
    wire.spare.pop_front();
  }
  packet.to_z = end == &usrsctp_end_a;
  packet.bytes.assign(static_cast<uint8_t*>(bytes), static_cast<uint8_t*>(bytes) + size);
  wire.queue.push_back(std::move(packet));
  return 0;
}

// What is on the wire now arrives; what that causes waits for the next turn.
size_t carry() {
  const size_t n = wire.queue.size();
  for (size_t i = 0; i < n; ++i) {
    Packet packet = std::move(wire.queue.front());
    wire.queue.pop_front();
    usrsctp_conninput(packet.to_z ? &usrsctp_end_z : &usrsctp_end_a, packet.bytes.data(),
                      packet.bytes.size(), 0);
    wire.spare.push_back(std::move(packet));
  }
  return n;
}

void tick() {
  const auto now = std::chrono::steady_clock::now();
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(now - world.ticked);
  if (passed.count() < 10) return;  // as often as its own thread would
  world.ticked = now;
  usrsctp_handle_timers(static_cast<uint32_t>(passed.count()));
}

size_t turn() {
  const size_t n = carry();
  tick();
  return n;
}

bool send_one(struct socket* from) {
  std::memcpy(world.text.data(), &world.sent, sizeof world.sent);
  const bool taken = usrsctp_send(from, world.text);
  world.sent += taken;
  return taken;
}

int on_message(struct socket* from, union sctp_sockstore, void* data, size_t size,
               struct sctp_rcvinfo, int flags, void*) {
  if (data == nullptr) return 1;
  if ((flags & MSG_NOTIFICATION) == 0) {
    std::memcpy(world.sink.data(), data, std::min(size, world.sink.size()));
    world.received_bytes += size;
    if (world.echo) require(send_one(from), "no room for an answer");
  }
  std::free(data);
  return 1;
}
// At the end that called, of the echo's answers.
uint64_t answers;
int on_answer(struct socket*, union sctp_sockstore, void* data, size_t size, struct sctp_rcvinfo,
              int, void*) {
  if (data == nullptr) return 1;
  std::memcpy(world.sink.data(), data, std::min(size, world.sink.size()));
  ++answers;
  std::free(data);
  return 1;
}

void start(size_t message_size, const UsrsctpOptions& options) {
  world.options = options;
  world.text.assign(message_size, 7);
  static bool is_up = false;
  if (!is_up) start_usrsctp(on_output);
  is_up = true;
  if (world.listener != nullptr) usrsctp_close(world.listener);
  world.listener = make_usrsctp_socket(&usrsctp_end_z, kUsrsctpPort, on_message, world.options);
  require(usrsctp_listen(world.listener, 4096) == 0, "usrsctp_listen failed");
  world.sent = 0;
  world.received_bytes = 0;
}

void connect(size_t count) {
  const size_t before = world.z.size();
  for (size_t i = 0; i < count; ++i) {
    struct socket* const s = make_usrsctp_socket(&usrsctp_end_a, 0, on_answer, world.options);
    usrsctp_call(s);
    world.a.push_back(s);
    if ((i + 1) % 256 != 0 && i + 1 != count) continue;
    while (turn() > 0) {
    }
    while (struct socket* const accepted = usrsctp_accept(world.listener, nullptr, nullptr)) {
      usrsctp_set_non_blocking(accepted, 1);
      world.z.push_back(accepted);
    }
  }
  require(world.z.size() - before == count, "usrsctp: not every association was established");
}

uint64_t received() {
  return world.received_bytes / world.text.size();
}

// ---------------------------------------------------------------- cases

double stream_rate(uint64_t count) {
  const uint64_t until = received() + count;
  const double from = cpu_seconds();
  const uint64_t last = world.sent + count;
  while (received() < until) {
    for (int i = 0; i < 512 && world.sent < last; ++i) {
      if (!send_one(world.a[0])) break;
    }
    turn();
  }
  return static_cast<double>(count) / (cpu_seconds() - from);
}

// The best of the sweep, which is said on standard error.
UsrsctpOptions sweep(size_t message_size, uint64_t count) {
  UsrsctpOptions best;
  double best_rate = 0;
  for (const int buffer : {1 << 16, 1 << 17, 1 << 18, 1 << 20, 1 << 22}) {
    for (const uint32_t frequency : {2u, 4u}) {  // with more it waits for its delayed SACKs
      start(message_size, {buffer, frequency});
      world.a.clear();
      world.z.clear();
      connect(1);
      stream_rate(count / 4);
      const double rate = stream_rate(count);
      std::fprintf(stderr, "usrsctp: buffers %7d B, a SACK for %2u packets: %8.0f messages/s\n",
                   buffer, frequency, rate);
      if (rate <= best_rate) continue;
      best_rate = rate;
      best = {buffer, frequency};
    }
  }
  return best;
}

template <size_t Size>
void stream(const Run& run) {
  const uint64_t by_scale =
      run.pick(500, 200'000, 500'000) * 100 / (Size < 250 ? 100 : Size * 2 / 5);
  const uint64_t count = run.length(by_scale);
  // Counted, one is as good as another.
  const UsrsctpOptions best = run.messages != 0 ? UsrsctpOptions{1 << 18, 4}
                                                : sweep(Size, std::max<uint64_t>(count / 4, 100));
  start(Size, best);
  world.a.clear();
  world.z.clear();
  connect(1);
  stream_rate(by_scale / 4);
  run.report("messages_per_cpu_second", "1/s", stream_rate(count));
}

void ping_pong(const Run& run) {
  start(100, {});
  connect(1);
  world.echo = true;
  const auto play = [&](uint64_t rounds) {
    const uint64_t until = answers + rounds;
    while (answers < until) {
      const uint64_t before = answers;
      require(send_one(world.a[0]), "a message was refused");
      while (answers == before) turn();
    }
  };
  const uint64_t by_scale = run.pick(500, 100'000, 300'000);
  const uint64_t rounds = run.length(by_scale);
  play(by_scale / 4);
  const double from = cpu_seconds();
  play(rounds);
  run.report("round_trips_per_cpu_second", "1/s",
             static_cast<double>(rounds) / (cpu_seconds() - from));
}

template <size_t Count, size_t Burst>
void associations(const Run& run) {
  const size_t count = run.scale == Scale::kTiny && run.messages == 0 ? 100 : Count;
  start(100, {1 << 16, 2});  // what holds all that is ever under way
  connect(count);
  size_t at = 0;
  const auto play = [&](uint64_t messages) {
    const uint64_t until = world.sent + messages;
    while (world.sent < until) {
      for (size_t i = 0; i < 32; ++i) {
        struct socket* const from = world.a[at];
        at = at + 1 == world.a.size() ? 0 : at + 1;
        for (size_t k = 0; k < Burst; ++k) require(send_one(from), "a message was refused");
      }
      turn();
    }
    while (received() < world.sent) turn();
  };
  const uint64_t messages =
      run.length(std::max<uint64_t>(run.pick(0, 100'000, 200'000), 2 * count));
  play(count * Burst);
  const uint64_t before = received();
  const double from = cpu_seconds();
  play(messages);
  run.report("messages_per_cpu_second", "1/s",
             static_cast<double>(received() - before) / (cpu_seconds() - from));
}

template <size_t Count>
void set_up(const Run& run) {
  const size_t count = run.scale == Scale::kTiny ? 100 : Count;
  start(100, {1 << 16, 2});
  double from = cpu_seconds();
  connect(count);
  const double up = cpu_seconds() - from;
  from = cpu_seconds();
  size_t waiting = 0;
  const auto settle = [&] {
    while (turn() > 0) {
    }
  };
  for (struct socket* s : world.a) {
    usrsctp_close(s);
    if (++waiting % 256 == 0) settle();
  }
  settle();
  const double down = cpu_seconds() - from;
  run.report("set_ups_per_cpu_second", "1/s", static_cast<double>(count) / up);
  run.report("tear_downs_per_cpu_second", "1/s", static_cast<double>(count) / down);
}

// Both ends are in this process: half of what it takes, in time that is made to pass.
void idle(const Run& run) {
  const size_t count = run.scale == Scale::kTiny ? 100 : 10'000;
  start(100, {1 << 16, 2});
  connect(count);
  const auto pass = [](uint64_t seconds) {
    for (uint64_t i = 0; i < seconds * 100; ++i) {
      usrsctp_handle_timers(10);
      while (carry() > 0) {
      }
    }
  };
  pass(run.pick(1, 5, 10));
  const double from = cpu_seconds();
  const uint64_t seconds = run.pick(1, 10, 31);
  pass(seconds);
  run.report("cpu_percent", "%", 100 * (cpu_seconds() - from) / 2 / static_cast<double>(seconds));
}

// Growth of the resident memory by both ends, halved.
void memory(const Run& run) {
  const size_t count = run.scale == Scale::kTiny ? 100 : 10'000;
  start(100, {1 << 16, 2});
  const uint64_t before = resident_bytes();
  connect(count);
  for (struct socket* s : world.a) {
    require(send_one(s), "a message was refused");
    turn();
  }
  while (received() < count) turn();
  run.report("both_ends_halved", "B",
             static_cast<double>(resident_bytes() - before) / 2 / static_cast<double>(count));
}

}  // namespace
}  // namespace trunkline::perf

int main(int argc, char** argv) {
  using namespace trunkline::perf;
  return run_cases(argc, argv, "usrsctp",
                   {
                       {"bare/stream/64", stream<64>},
                       {"bare/stream/100", stream<100>},
                       {"bare/stream/256", stream<256>},
                       {"bare/stream/1000", stream<1000>},
                       {"bare/stream/9000", stream<9000>},
                       {"bare/ping-pong", ping_pong},
                       {"bare/associations/1000", associations<1000, 1>},
                       {"bare/associations/10000", associations<10'000, 1>},
                       {"bare/bursts/1000", associations<1000, 12>},
                       {"bare/bursts/10000", associations<10'000, 12>},
                       {"bare/set-up/1000", set_up<1000>},
                       {"bare/set-up/10000", set_up<10'000>},
                       {"bare/memory/10000", memory},
                       {"bare/idle/10000", idle},
                   });
}
