// SPDX-License-Identifier: BSD-3-Clause
// The bare stack: two shards back to back on one core, no NIC. Every packet carries its CRC32c and
// is checked; the clock is read once a turn, as a worker does.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "bare/end.h"
#include "bare/model.h"
#include "harness/sample.h"

namespace trunkline::perf {
namespace {

// Where the length is given, time must not make a difference.
void begin(const Run& run) {
  if (run.messages != 0) count_time();
}

void check(const End& a, const End& z) {
  require(a.lost == 0 && z.lost == 0, "an association or a message was lost");
}

EndSetup rfc_setup(uint32_t associations) {
  EndSetup out;
  out.profile = rfc_profile().profile;
  out.max_associations = associations;
  return out;
}

// One turn of both workers on one core; packets carried.
size_t turn(End& a, End& z) {
  const TimePoint now = clock_now();
  const size_t n = carry(now, a, z) + carry(now, z, a);
  a.shard().advance(now);
  z.shard().advance(now);
  return n;
}

// ---------------------------------------------------------------- one association

void stream_messages(End& a, End& z, uint64_t count, uint64_t window) {
  const uint64_t until = a.sent + count;
  // What a burst of packets holds, and some more: nothing waits in the stack for long.
  const uint64_t at_once = window / 4;
  while (z.received < until) {
    const TimePoint now = clock_now();
    for (uint64_t i = 0; i < at_once && a.sent < until && a.sent - a.acknowledged < window; ++i) {
      if (!a.send(now, a.associations[0])) break;
    }
    turn(a, z);
  }
}

void stream(const Run& run, size_t size, const NamedProfile& profile) {
  begin(run);
  EndSetup setup;
  setup.message_size = size;
  setup.profile = profile.profile;
  const uint64_t window = size > 2000 ? 256 : 2048;
  End a(setup, clock_now());
  End z(setup, clock_now());
  connect_all(a, z, 1);
  const uint64_t by_scale =
      run.pick(2'000, 1'000'000, 4'000'000) * 100 / (size < 250 ? 100 : size * 2 / 5);
  const uint64_t count = run.length(by_scale);
  stream_messages(a, z, by_scale / 4, window);
  const uint64_t packets = a.shard().counters().get(Counter::k_out_sctp_packs);
  const uint64_t answers = z.shard().counters().get(Counter::k_out_sctp_packs);
  const double from = cpu_seconds();
  stream_messages(a, z, count, window);
  const double spent = cpu_seconds() - from;
  check(a, z);
  const auto per_packet = [&](const End& end, uint64_t before) {
    return static_cast<double>(count) /
           static_cast<double>(
               const_cast<End&>(end).shard().counters().get(Counter::k_out_sctp_packs) - before);
  };
  run.report("messages_per_cpu_second", "1/s", static_cast<double>(count) / spent);
  run.report("messages_per_packet", "1", per_packet(a, packets));
  run.report("messages_per_answer", "1", per_packet(z, answers));
}

template <size_t Size>
void stream_lan(const Run& run) {
  stream(run, Size, lan_profile());
}
void stream_rfc(const Run& run) {
  stream(run, 100, rfc_profile());
}

void ping_pong(const Run& run) {
  begin(run);
  EndSetup setup;
  setup.profile = lan_profile().profile;
  End a(setup, clock_now());
  End z(setup, clock_now());
  connect_all(a, z, 1);
  z.echo(true);
  const auto play = [&](uint64_t rounds) {
    for (uint64_t i = 0; i < rounds; ++i) {
      const uint64_t answers = a.received;
      require(a.send(clock_now(), a.associations[0]), "a message was refused");
      while (a.received == answers) turn(a, z);
    }
  };
  const uint64_t by_scale = run.pick(1'000, 500'000, 2'000'000);
  const uint64_t rounds = run.length(by_scale);
  play(by_scale / 4);
  const double from = cpu_seconds();
  play(rounds);
  const double spent = cpu_seconds() - from;
  check(a, z);
  run.report("round_trips_per_cpu_second", "1/s", static_cast<double>(rounds) / spent);
}

// ---------------------------------------------------------------- many associations

// Each association in turn sends `burst` messages, which leave in one packet.
void round_robin(End& a, End& z, uint64_t messages, size_t burst) {
  static size_t at = 0;
  const uint64_t until = a.sent + messages;
  while (a.sent < until) {
    const TimePoint now = clock_now();
    for (size_t i = 0; i < PacketRing::kBurst; ++i) {
      const AssocId assoc = a.associations[at];
      at = at + 1 == a.associations.size() ? 0 : at + 1;
      for (size_t k = 0; k < burst; ++k) {
        while (!a.send(now, assoc)) turn(a, z);  // all slots are under way: acknowledgements come
      }
    }
    turn(a, z);
  }
  while (z.received < a.sent) turn(a, z);
}

void associations(const Run& run, uint32_t count, size_t burst) {
  begin(run);
  EndSetup setup = rfc_setup(count);
  setup.slots = std::min<size_t>(5 * count * burst + 4096, 1'000'000);
  End a(setup, clock_now());
  setup.slots = 4096;
  End z(setup, clock_now());
  connect_all(a, z, count);
  const uint64_t messages =
      run.length(std::max<uint64_t>(run.pick(0, 1'000'000, 2'000'000), 2u * count));
  round_robin(a, z, std::max<uint64_t>(count, run.pick(0, 100'000, 200'000)) * burst, burst);
  const double from = cpu_seconds();
  const uint64_t before = z.received;
  round_robin(a, z, messages, burst);
  const double spent = cpu_seconds() - from;
  check(a, z);
  run.report("messages_per_cpu_second", "1/s", static_cast<double>(z.received - before) / spent);
}

template <uint32_t Count, size_t Burst>
void associations_of(const Run& run) {
  associations(run, run.scale == Scale::kTiny && run.messages == 0 ? 100 : Count, Burst);
}

// ---------------------------------------------------------------- set-up and tear-down

template <uint32_t Count>
void set_up(const Run& run) {
  const uint32_t count = run.scale == Scale::kTiny ? 100 : Count;
  End a(rfc_setup(count), clock_now());
  End z(rfc_setup(count), clock_now());
  double from = cpu_seconds();
  connect_all(a, z, count);
  const double up = cpu_seconds() - from;
  from = cpu_seconds();
  size_t waiting = 0;
  for (const AssocId assoc : a.associations) {
    require(a.shard().shutdown(clock_now(), assoc) == Status::kOk, "a shutdown was refused");
    if (++waiting % 256 == 0) settle(clock_now(), a, z);
  }
  settle(clock_now(), a, z);
  const double down = cpu_seconds() - from;
  check(a, z);
  require(a.closed == count && z.closed == count, "not every association was shut down");
  run.report("set_ups_per_cpu_second", "1/s", count / up);
  run.report("tear_downs_per_cpu_second", "1/s", count / down);
}

// ---------------------------------------------------------------- idle associations

template <typename Work>
void timed(double& spent, Work&& work) {
  const double from = cpu_seconds();
  work();
  spent += cpu_seconds() - from;
}

// What one end costs that keeps `count` associations alive, by its own heartbeats and its answers
// to the peer's, while time is made to pass a millisecond a turn.
template <uint32_t Count>
void idle(const Run& run) {
  const uint32_t count = run.scale == Scale::kTiny ? 100 : Count;
  // A machine that is slow would show in the round trips of the set-up, and so in the RTO, which is
  // part of each period.
  count_time();
  End a(rfc_setup(count), clock_now());
  End z(rfc_setup(count), clock_now());
  connect_all(a, z, count);
  TimePoint now = clock_now();
  double spent = 0;  // by `a`
  const auto pass = [&](Duration span) {
    const TimePoint end = now + span;
    while (now < end) {
      now = now + std::chrono::milliseconds(1);
      timed(spent, [&] { a.shard().advance(now); });
      z.shard().advance(now);
      while (a.shard().has_output() || z.shard().has_output()) {
        std::span<const PacketIn> burst = take_packets(now, z);
        timed(spent, [&] {
          a.shard().receive(now, burst);
          a.drain(now);
          burst = take_packets(now, a);
        });
        z.shard().receive(now, burst);
        z.drain(now);
      }
    }
  };
  pass(std::chrono::seconds(run.pick(1, 31, 40)));
  const auto acks = [&] { return a.shard().counters().get(Counter::k_heartbeat_acks_received); };
  const uint64_t before = acks();
  spent = 0;
  // So long that each association has its one, or its two: an interval, an RTO and half of one more
  // (8.3), whenever in it they were set up.
  constexpr uint64_t kPeriod = 32;
  const uint64_t seconds = run.pick(2 * kPeriod, kPeriod, 2 * kPeriod);
  pass(std::chrono::seconds(seconds));
  check(a, z);
  require(acks() - before >= count * (seconds / kPeriod),
          "not every association had its heartbeats");
  run.report("cpu_percent", "%", 100 * spent / static_cast<double>(seconds));
  run.report("heartbeats_per_second", "1/s",
             static_cast<double>(acks() - before) / static_cast<double>(seconds));
}

// ---------------------------------------------------------------- memory

void send_all(int socket, End& end) {
  while (true) {
    const std::span<const PacketIn> burst = take_packets(clock_now(), end);
    if (burst.empty()) return;
    for (const PacketIn& packet : burst) {
      std::array<uint8_t, 1 + PacketRing::kRoom> frame;
      frame[0] = packet.source == kAddressA ? 0 : 1;
      std::copy(packet.bytes.begin(), packet.bytes.end(), frame.begin() + 1);
      const auto size = static_cast<ssize_t>(packet.bytes.size() + 1);
      require(write(socket, frame.data(), static_cast<size_t>(size)) == size,
              "the other process is gone");
    }
  }
}

// False: the other process has ended.
bool take_one(int socket, End& end) {
  std::array<uint8_t, 1 + PacketRing::kRoom> frame;
  const ssize_t n = read(socket, frame.data(), frame.size());
  if (n <= 0) return false;
  PacketIn in;
  in.source = frame[0] == 0 ? kAddressA : kAddressZ;
  in.destination = frame[0] == 0 ? kAddressZ : kAddressA;
  in.bytes = std::span(frame).subspan(1, static_cast<size_t>(n) - 1);
  end.shard().receive(clock_now(), std::span(&in, 1));
  end.drain(clock_now());
  return true;
}

// The accepting end, a process of its own.
void accept_all(const Run& run, const EndSetup& setup, int socket, uint32_t count) {
  End z(setup, clock_now());
  listen_for(z, count);
  const uint64_t before = resident_bytes();
  while (z.received < count && take_one(socket, z)) send_all(socket, z);
  // A message each way is all that it has seen: nothing is under way any more.
  require(z.up == count && z.received == count, "not every association was used");
  run.report("accepting_end", "B", static_cast<double>(resident_bytes() - before) / count);
}

// Growth of the resident memory of each end, by associations that have carried one message and are
// idle. Two processes, so that each is seen alone.
template <uint32_t Count>
void memory(const Run& run) {
  const uint32_t count = run.scale == Scale::kTiny ? 100 : Count;
  EndSetup setup = rfc_setup(count);
  setup.profile.sack_delay = Duration{0};
  int sockets[2];
  require(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) == 0, "socketpair");
  const pid_t child = fork();
  require(child >= 0, "fork");
  if (child == 0) {
    close(sockets[0]);
    accept_all(run, setup, sockets[1], count);
    std::fflush(nullptr);
    std::_Exit(0);
  }
  close(sockets[1]);
  End a(setup, clock_now());
  const std::vector<EndpointId> callers = add_callers(a, count);
  const uint64_t before = resident_bytes();
  for (uint32_t i = 0; i < count; ++i) {
    call(a, callers, i);
    send_all(sockets[0], a);
    while (a.up <= i) {
      require(take_one(sockets[0], a), "the accepting end failed");
      send_all(sockets[0], a);
    }
    require(a.send(clock_now(), a.associations.back()), "a message was refused");
    send_all(sockets[0], a);
    while (a.acknowledged <= i) require(take_one(sockets[0], a), "the accepting end failed");
  }
  std::vector<AssocId>().swap(a.associations);
  const uint64_t grown = resident_bytes() - before;
  run.report("connecting_end", "B", static_cast<double>(grown) / count);
}

}  // namespace
}  // namespace trunkline::perf

int main(int argc, char** argv) {
  using namespace trunkline::perf;
  return run_cases(argc, argv, "trunkline",
                   {
                       {"bare/stream/64", stream_lan<64>},
                       {"bare/stream/100", stream_lan<100>},
                       {"bare/stream/256", stream_lan<256>},
                       {"bare/stream/1000", stream_lan<1000>},
                       {"bare/stream/9000", stream_lan<9000>},
                       {"bare/stream-rfc9260/100", stream_rfc},
                       {"bare/ping-pong", ping_pong},
                       {"bare/associations/1000", associations_of<1000, 1>},
                       {"bare/associations/10000", associations_of<10'000, 1>},
                       {"bare/associations/100000", associations_of<100'000, 1>},
                       {"bare/associations/1000000", associations_of<1'000'000, 1>},
                       {"bare/bursts/1000", associations_of<1000, 12>},
                       {"bare/bursts/10000", associations_of<10'000, 12>},
                       {"bare/bursts/100000", associations_of<100'000, 12>},
                       {"bare/bursts/1000000", associations_of<1'000'000, 12>},
                       {"bare/set-up/1000", set_up<1000>},
                       {"bare/set-up/10000", set_up<10'000>},
                       {"bare/set-up/100000", set_up<100'000>},
                       {"bare/memory/1000000", memory<1'000'000>},
                       {"bare/idle/10000", idle<10'000>},
                       {"bare/idle/1000000", idle<1'000'000>},
                       {"model/64", model<64>},
                       {"model/100", model<100>},
                       {"model/256", model<256>},
                       {"model/1000", model<1000>},
                       {"model/9000", model<9000>},
                   });
}
