// SPDX-License-Identifier: BSD-3-Clause
// Goodput of one association over a link that loses packets: two shards, simulated time.
#include <algorithm>
#include <cstdio>

#include "bare/end.h"
#include "link/link.h"

namespace trunkline::perf {
namespace {

class Conversation {
 public:
  Conversation(const LinkCase& what, uint64_t seed)
      : what_(what),
        there_(what.setup, 2 * seed),
        back_(what.setup, 2 * seed + 1),
        a_(setup(what), now_),
        z_(setup(what), now_) {}

  double goodput() {
    const EndpointId from = a_.add_endpoint(kA, 5000, false);
    z_.add_endpoint(kZ, kPort, true);
    ConnectRequest request;
    request.endpoint = from;
    request.peer_addresses = std::span(&kZ, 1);
    request.peer_port = PortNumber(kPort);
    require(a_.shard().connect(now_, request).status == Status::kOk, "connect() was refused");
    while (a_.up == 0) step(now_ + std::chrono::seconds(1));
    there_.lossy(true);
    back_.lossy(true);
    const TimePoint end = now_ + what_.duration;
    sending_ = true;
    while (now_ < end) step(end);
    require(a_.lost == 0 && z_.lost == 0, "an association or a message was lost");
    const double bits = static_cast<double>(z_.received * what_.message_size * 8);
    say();
    return bits / std::chrono::duration<double>(what_.duration).count();
  }

 private:
  static constexpr uint16_t kPort = 2905;
  static inline const IpAddress kA = *IpAddress::parse("10.0.0.1");
  static inline const IpAddress kZ = *IpAddress::parse("10.0.0.2");

  static EndSetup setup(const LinkCase& what) {
    EndSetup out;
    out.message_size = what.message_size;
    out.slots = 2 * kWindow / what.message_size;
    out.profile.a_rwnd = kWindow;
    out.profile.send_buffer = kWindow;
    out.profile.sack_delay = std::chrono::milliseconds(kSackDelayMs);
    out.profile.rto_initial = std::chrono::milliseconds(what.rto.initial);
    out.profile.rto_min = std::chrono::milliseconds(what.rto.min);
    out.profile.rto_max = std::chrono::milliseconds(what.rto.max);
    return out;
  }

  // On to the next thing that happens, `end` at the latest.
  void step(TimePoint end) {
    while (sending_ && a_.send(now_, a_.associations[0])) {
    }
    flush(a_, there_);
    flush(z_, back_);
    now_ = std::max(now_, std::min({end, there_.next_arrival(), back_.next_arrival(),
                                    a_.shard().next_deadline(), z_.shard().next_deadline()}));
    arrive(there_, z_, kA, kZ);
    arrive(back_, a_, kZ, kA);
    for (End* const each : {&a_, &z_}) {
      each->shard().advance(now_);
      each->drain(now_);
    }
  }
  void flush(End& from, Link& link) {
    for (size_t n = PacketRing::kBurst; n == PacketRing::kBurst;) {
      const std::span<PacketOut> burst = from.packets.burst();
      n = from.shard().transmit(now_, burst);
      for (const PacketOut& packet : burst.first(n)) {
        link.offer(now_, packet.room.first(packet.length));
      }
      from.packets.advance(n);
    }
    from.drain(now_);
  }
  void arrive(Link& link, End& to, const IpAddress& source, const IpAddress& destination) {
    for (;;) {
      const std::span<const uint8_t> bytes = link.take(now_);
      if (bytes.empty()) return;
      const PacketIn packet{source, destination, bytes};
      to.shard().receive(now_, std::span(&packet, 1));
      to.drain(now_);
    }
  }
  void say() {
    const Counters& sender = a_.shard().counters();
    std::fprintf(stderr,
                 "%lu messages, %lu packets, %lu lost, %lu overflowed; chunks sent again %lu, fast "
                 "recoveries %lu, T3 %lu\n",
                 z_.received, there_.offered, there_.lost, there_.overflowed,
                 sender.get(Counter::k_retransmitted_chunks),
                 sender.get(Counter::k_fast_retransmits), sender.get(Counter::k_t3_expirations));
  }

  const LinkCase what_;
  TimePoint now_ = TimePoint::from_ns(1'000'000'000);
  Link there_;
  Link back_;
  End a_;
  End z_;
  bool sending_ = false;
};

void goodput(const Run& run) {
  report_goodput(
      run, [](const LinkCase& what, uint64_t seed) { return Conversation(what, seed).goodput(); });
}

}  // namespace
}  // namespace trunkline::perf

int main(int argc, char** argv) {
  using namespace trunkline::perf;
  return run_cases(argc, argv, "trunkline", link_cases(goodput));
}
