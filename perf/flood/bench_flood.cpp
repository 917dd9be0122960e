// SPDX-License-Identifier: BSD-3-Clause
// What established associations keep of their goodput while strangers send INITs. One victim, one
// core: its time is the CPU time that it has spent, so that a second is what a worker can do in a
// second, and the INITs come at their rate in that time. Making them, and all that the other ends
// do, costs it nothing. A second victim, without a flood, has its turns in between.
#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "bare/end.h"
#include "harness/sample.h"
#include "trunkline/stack/random.h"
#include "wire/crc32c.h"
#include "wire/init_chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::perf {
namespace {

constexpr uint32_t kAssociations = 100;
constexpr size_t kWindow = 48;       // messages under way, each
constexpr size_t kBurstsATurn = 8;   // of packets with messages, in a turn of the victim
constexpr size_t kMostATurn = 8192;  // INITs; a NIC drops what is more
constexpr uint32_t kTotalLimit = 20000;
constexpr uint32_t kSourceLimit = 200;

// INITs of strangers to the victim's port, each of a source and with a tag of its own.
class Hostiles {
 public:
  Hostiles(size_t count, bool one_source) : bytes_(count) {
    SeededRandom random(7);
    packets_.reserve(count);
    for (std::array<uint8_t, kRoom>& room : bytes_) {
      wire::PacketWriter writer(room);
      wire::InitFields fields;
      fields.initiate_tag = VerificationTag(random.u32() | 1);
      fields.a_rwnd = 65536;
      fields.outbound_streams = 10;
      fields.inbound_streams = 10;
      fields.initial_tsn = Tsn(random.u32());
      require(wire::write_init(writer, fields, {}), "an INIT does not fit");
      writer.write_header(PortNumber(static_cast<uint16_t>(1024 + random.below(60000))),
                          PortNumber(2905), VerificationTag(0));
      const std::span<const uint8_t> packet = writer.finish(true);
      const uint32_t host = one_source ? 1 : random.u32();
      packets_.push_back(
          {IpAddress::ipv4(10, static_cast<uint8_t>(host >> 16), static_cast<uint8_t>(host >> 8),
                           static_cast<uint8_t>(host)),
           kAddressZ, packet});
      // A network's own address is nobody's: leave it out, if the dice gave it.
      if (packets_.back().source == IpAddress::ipv4(10, 0, 0, 0)) packets_.pop_back();
    }
  }
  // The next ones, at most `n`, in turn.
  [[nodiscard]] std::span<const PacketIn> next(size_t n) {
    if (at_ == packets_.size()) at_ = 0;
    const size_t count = std::min({n, PacketRing::kBurst, packets_.size() - at_});
    at_ += count;
    return std::span<const PacketIn>(packets_).subspan(at_ - count, count);
  }

 private:
  static constexpr size_t kRoom = 64;
  std::vector<std::array<uint8_t, kRoom>> bytes_;
  std::vector<PacketIn> packets_;
  size_t at_ = 0;
};

int64_t thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

EndSetup setup(bool limited) {
  EndSetup out;
  out.max_associations = 1024;
  out.slots = 4 * kAssociations * kWindow;
  out.profile = rfc_profile().profile;
  if (limited) {
    out.inits_per_second = kTotalLimit;
    out.inits_per_second_per_source = kSourceLimit;
  }
  return out;
}

// A victim, its peer at the other end of the associations, and its enemies.
class Scene {
 public:
  Scene(bool limited, double inits_per_second, Hostiles& hostiles)
      : rate_(inits_per_second),
        hostiles_(hostiles),
        peer_(setup(false), clock_now()),
        victim_(setup(limited), clock_now()) {
    connect_all(peer_, victim_, kAssociations);
    now_ = clock_now();
    // The flood has been going on: what the limits let pass at once is used up.
    if (rate_ > 0) flood(2 * kTotalLimit);
    given_ = 0;
    began_ = now_;
    for (int i = 0; i < 20; ++i) turn();
    began_ = now_;
    given_ = 0;
    before_ = victim_.received;
  }

  [[nodiscard]] Duration passed() const { return now_ - began_; }
  // Messages that the victim's application has read in a second of the victim's time.
  [[nodiscard]] double goodput() const {
    return static_cast<double>(victim_.received - before_) /
           std::chrono::duration<double>(passed()).count();
  }

  // A turn of each end.
  void turn() {
    for (size_t i = 0; i < kAssociations; ++i) {
      if (peer_.sent - peer_.acknowledged >= kAssociations * kWindow) break;
      at_ = at_ + 1 == kAssociations ? 0 : at_ + 1;
      for (size_t k = 0; k < kWindow / 4; ++k) {
        if (!peer_.send(now_, peer_.associations[at_])) break;
      }
    }
    size_t bursts = 0;
    while (bursts < kBurstsATurn) {
      const std::span<const PacketIn> burst = take_packets(now_, peer_);
      to_victim_[bursts++].assign(burst.begin(), burst.end());
      if (burst.size() < PacketRing::kBurst) break;
    }
    const double due = rate_ * std::chrono::duration<double>(passed()).count();
    const size_t hostile =
        std::min(kMostATurn, static_cast<size_t>(std::max(0.0, due - static_cast<double>(given_))));
    given_ = static_cast<uint64_t>(due);  // those that come in this turn, or are dropped

    const int64_t from = thread_cpu_ns();
    for (size_t i = 0; i < bursts; ++i) {
      flood(hostile * (i + 1) / bursts - hostile * i / bursts);
      victim_.shard().receive(now_, to_victim_[i]);
      victim_.drain(now_);
      answer();
    }
    victim_.shard().advance(now_);
    answer();
    now_ = now_ + Duration(thread_cpu_ns() - from);

    for (const PacketIn& packet : to_peer_) {
      peer_.shard().receive(now_, std::span(&packet, 1));
      peer_.drain(now_);
    }
    to_peer_.clear();
    peer_.shard().advance(now_);
    peer_.drain(now_);
  }

  // Nothing may be lost, and each INIT must have been counted as what became of it.
  void check(bool limited) {
    for (int i = 0; i < 1000 && peer_.acknowledged < peer_.sent; ++i) {
      rate_ = 0;
      now_ = now_ + std::chrono::milliseconds(1);
      settle(now_, peer_, victim_);
      victim_.shard().advance(now_);
      peer_.shard().advance(now_);
    }
    require(peer_.lost == 0 && victim_.lost == 0 && victim_.received == peer_.sent,
            "an association or a message was lost");
    const Counters& counters = victim_.shard().counters();
    const uint64_t answered = counters.get(Counter::k_inits_answered) - kAssociations;
    const uint64_t refused = counters.get(Counter::k_drop_init_source_rate) +
                             counters.get(Counter::k_drop_init_total_rate);
    const uint64_t unanswered = counters.get(Counter::k_drop_reply_queue_full);
    require(answered + refused + unanswered == hostile_, "INITs are not counted");
    require((refused > 0) == (limited && hostile_ > 0), "the limiter did not do what it is for");
  }

 private:
  void flood(size_t n) {
    while (n > 0) {
      const std::span<const PacketIn> burst = hostiles_.next(n);
      victim_.shard().receive(now_, burst);
      victim_.drain(now_);
      n -= burst.size();
      hostile_ += burst.size();
      answer();
    }
  }
  void answer() {
    for (;;) {
      const std::span<const PacketIn> burst = take_packets(now_, victim_);
      if (burst.empty()) return;
      for (const PacketIn& packet : burst) {
        if (packet.destination == kAddressA) to_peer_.push_back(packet);
      }
    }
  }

  double rate_;  // INITs a second
  Hostiles& hostiles_;
  End peer_;
  End victim_;
  TimePoint now_;
  TimePoint began_;
  uint64_t before_ = 0;
  uint64_t given_ = 0;    // INITs since began_, dropped ones too
  uint64_t hostile_ = 0;  // INITs given to the victim
  size_t at_ = 0;
  std::array<std::vector<PacketIn>, kBurstsATurn> to_victim_;
  std::vector<PacketIn> to_peer_;
};

// "flood/limiter/random/200k"
void flood(const Run& run) {
  const auto has = [&](const char* word) { return run.case_name.find(word) != std::string::npos; };
  const bool limited = !has("no-limiter");
  double rate = std::stod(run.case_name.substr(run.case_name.rfind('/') + 1));
  rate *= run.case_name.back() == 'M' ? 1e6 : 1e3;
  Hostiles hostiles(65536, has("one-source"));
  Scene quiet(limited, 0, hostiles);
  Scene flooded(limited, rate, hostiles);
  const Duration duration = std::chrono::milliseconds(run.pick(20, 300, 700));
  while (quiet.passed() < duration || flooded.passed() < duration) {
    (quiet.passed() < flooded.passed() ? quiet : flooded).turn();
  }
  const double part = flooded.goodput() / quiet.goodput();
  run.report("goodput_fraction", "1", part);
  run.report("messages_per_victim_second", "1/s", flooded.goodput());
  run.report("victim_time_per_init", "ns", std::max(0.0, (1 - part) * 1e9 / rate));
  quiet.check(limited);
  flooded.check(limited);
}

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const char* const name :
       {"limiter/random/50k", "limiter/random/100k", "limiter/random/200k", "limiter/random/500k",
        "limiter/random/1M", "limiter/one-source/200k", "limiter/one-source/1M",
        "no-limiter/random/50k", "no-limiter/random/100k", "no-limiter/random/200k",
        "no-limiter/random/500k", "no-limiter/one-source/200k"}) {
    out.push_back({std::string("flood/") + name, flood});
  }
  return out;
}

}  // namespace
}  // namespace trunkline::perf

int main(int argc, char** argv) {
  return trunkline::perf::run_cases(argc, argv, "trunkline", trunkline::perf::cases());
}
