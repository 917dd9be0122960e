// SPDX-License-Identifier: BSD-3-Clause
// One association over a link that loses packets, two shards, simulated time: its goodput, and how
// long the messages of thin traffic take.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

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
    open();
    const TimePoint end = now_ + what_.duration;
    sending_ = true;
    while (now_ < end) step(end);
    require(a_.lost == 0 && z_.lost == 0, "an association or a message was lost");
    const double bits = static_cast<double>(z_.received * what_.message_size * 8);
    say();
    return bits / std::chrono::duration<double>(what_.duration).count();
  }
  // Messages that have come, so long after the association is up.
  double begun() {
    goodput();
    return static_cast<double>(z_.received);
  }
  // Milliseconds from each message's send() until it is read, in ascending order; one is sent every
  // so often, all on one stream.
  std::vector<double> latencies(Duration every, size_t messages) {
    open();
    std::vector<TimePoint> sent;
    std::vector<double> out;
    TimePoint next = now_ + every;
    while (out.size() < messages) {
      for (; sent.size() < messages && next <= now_; next = next + every) {
        sent.push_back(now_);
        require(a_.send(now_, a_.associations[0]), "a message was refused");
      }
      step(sent.size() < messages ? next : TimePoint::never());
      while (out.size() < z_.received) {
        const Duration took = now_ - sent[out.size()];
        out.push_back(std::chrono::duration<double, std::milli>(took).count());
      }
    }
    require(a_.lost == 0 && z_.lost == 0, "an association or a message was lost");
    say();
    std::sort(out.begin(), out.end());
    return out;
  }
  [[nodiscard]] uint64_t sent_again() {
    return a_.shard().counters().get(Counter::k_retransmitted_chunks);
  }
  [[nodiscard]] uint64_t time_outs() {
    return a_.shard().counters().get(Counter::k_t3_expirations);
  }

 private:
  static constexpr uint16_t kPort = 2905;
  static inline const IpAddress kA = *IpAddress::parse("10.0.0.1");
  static inline const IpAddress kZ = *IpAddress::parse("10.0.0.2");

  void open() {
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
  }

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
    out.profile.loss_recovery = what.loss_recovery;
    out.profile.max_burst = what.max_burst;
    out.profile.sack_frequency = what.sack_frequency;
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
                 "recoveries %lu, T3 %lu, loss probes %lu\n",
                 z_.received, there_.offered, there_.lost, there_.overflowed,
                 sender.get(Counter::k_retransmitted_chunks),
                 sender.get(Counter::k_fast_retransmits), sender.get(Counter::k_t3_expirations),
                 sender.get(Counter::k_loss_probes));
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

// "link/thin/100/early": messages a second, Profile::loss_recovery.
constexpr const char* kRates[] = {"1", "10", "100"};
constexpr const char* kWords[] = {"rfc9260", "early", "rack"};

void thin(const Run& run) {
  int rate = 0;
  char word[16] = {};
  require(std::sscanf(run.case_name.c_str(), "link/thin/%d/%15s", &rate, word) == 2,
          "a case of another name");
  LinkCase what;
  what.setup.loss = 0.01;
  what.setup.delay = std::chrono::milliseconds(10);
  what.message_size = 100;
  what.rto = kRtoRfc;
  what.loss_recovery = loss_recovery_of(word);
  const size_t messages = run.length(run.pick(2'000, 20'000, 100'000));
  report_latencies(
      run, Conversation(what, 1).latencies(Duration(std::chrono::seconds(1)) / rate, messages));
}

void matrix(const Run& run) {
  const MatrixCase what = matrix_case(run);
  Conversation conversation(what.link, 1);
  report_latencies(run, conversation.latencies(what.every, what.messages));
  run.report("sent again", "1", static_cast<double>(conversation.sent_again()));
  run.report("T3", "1", static_cast<double>(conversation.time_outs()));
}

// "link/start/lan": how far an association gets in its first 400 ms, on a link of 100 us and 10
// Gbit/s, by profile: a SACK for every second packet, or for every sixteenth.
void start(const Run& run) {
  LinkCase what;
  what.setup.delay = std::chrono::microseconds(50);
  what.setup.bits_per_second = 1e10;
  what.message_size = 100;
  what.duration = std::chrono::milliseconds(run.pick(100, 400, 400));
  if (run.case_name == "link/start/lan") {
    what.max_burst = lan_profile().profile.max_burst;
    what.sack_frequency = lan_profile().profile.sack_frequency;
  }
  run.report("messages", "1", Conversation(what, 1).begun());
}

std::vector<Case> all_cases() {
  std::vector<Case> out = link_cases(goodput);
  for (const char* const profile : {"rfc9260", "lan"}) {
    out.push_back({std::string("link/start/") + profile, start});
  }
  for (const char* const rate : kRates) {
    for (const char* const word : kWords) {
      out.push_back({std::string("link/thin/") + rate + "/" + word, thin});
    }
  }
  for (Case& each : matrix_cases({std::begin(kWords), std::end(kWords)}, matrix)) {
    out.push_back(std::move(each));
  }
  return out;
}

}  // namespace
}  // namespace trunkline::perf

int main(int argc, char** argv) {
  using namespace trunkline::perf;
  return run_cases(argc, argv, "trunkline", all_cases());
}
