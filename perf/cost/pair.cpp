// SPDX-License-Identifier: BSD-3-Clause
// The ends of the cases of cost by size; see pair.h.
#include "cost/pair.h"

namespace trunkline::perf {
namespace {

constexpr size_t kMessage = 16;           // bytes
constexpr size_t kChunk = 16 + kMessage;  // as a congestion window counts it
constexpr uint32_t kBuffer = 128u << 20;

}  // namespace

void Packets::take(End& from) {
  while (true) {
    const std::span<const PacketIn> burst = take_packets(clock_now(), from);
    if (burst.empty()) return;
    for (const PacketIn& packet : burst) {
      held_.push_back(
          {packet.source, packet.destination, {packet.bytes.begin(), packet.bytes.end()}});
    }
  }
}

PacketIn Packets::at(size_t i) const {
  PacketIn out;
  out.source = held_[i].source;
  out.destination = held_[i].destination;
  out.bytes = held_[i].bytes;
  return out;
}

Profile cost_profile() {
  Profile out = lan_profile().profile;
  out.sack_frequency = 1;
  out.a_rwnd = kBuffer;
  out.send_buffer = kBuffer;
  return out;
}

EndSetup cost_setup(const Profile& profile, uint32_t associations, size_t slots) {
  EndSetup out;
  out.max_associations = associations;
  out.message_size = kMessage;
  out.slots = slots;
  out.profile = profile;
  return out;
}

size_t Pair::turn() {
  const TimePoint now = clock_now();
  const size_t n = carry(now, a, z) + carry(now, z, a);
  a.shard().advance(now);
  z.shard().advance(now);
  return n;
}

void Pair::finish() {
  for (int idle = 0; a.acknowledged < a.sent;) {
    if (turn() > 0) {
      idle = 0;
      continue;
    }
    require(++idle < 10'000, "what was sent is not acknowledged");
    skip_time(std::chrono::milliseconds(1));
  }
  require(a.lost == 0 && z.lost == 0, "an association or a message was lost");
}

void Pair::send(uint64_t messages, uint32_t over) {
  constexpr uint64_t kAtOnce = 512;
  for (uint64_t i = 0; i < messages; ++i) {
    const auto stream = StreamId(static_cast<uint16_t>(i % over));
    while (!a.send_on(clock_now(), a.associations[0], stream)) turn();
    if ((i + 1) % kAtOnce == 0) turn();
  }
  finish();
}

bool Pair::send_one() {
  return a.send_on(clock_now(), a.associations[0],
                   StreamId(static_cast<uint16_t>(a.sent % streams)));
}

// Each packet is acknowledged before the next one arrives, and what that allows is sent: the window
// grows with each as long as it is full (7.2.1).
void Pair::open_window(size_t chunks) {
  const size_t waiting = chunks + 512;
  AssocStatus status;
  Packets way;
  Packets answers;
  size_t next = 0;
  do {
    while (a.sent - a.acknowledged < waiting && send_one()) {
    }
    way.take(a);
    require(next < way.size(), "the window does not open");
    give(z, way.at(next++));
    answers.clear();
    answers.take(z);
    for (size_t i = 0; i < answers.size(); ++i) give(a, answers.at(i));
    require(a.shard().status(a.associations[0], status), "there is no association");
  } while (status.paths[0].cwnd < chunks * kChunk);
  for (; next < way.size(); ++next) give(z, way.at(next));
  finish();
}

void Pair::send_singly(size_t count, Packets* kept) {
  for (size_t i = 0; i < count; ++i) {
    require(send_one(), "a message was refused");
    if (kept != nullptr) {
      kept->take(a);
    } else {
      require(take_packets(clock_now(), a).size() == 1, "a message is not a packet");
    }
  }
}

void Pair::give(End& to, const PacketIn& packet) {
  const TimePoint now = clock_now();
  to.shard().receive(now, std::span(&packet, 1));
  to.drain(now);
}

}  // namespace trunkline::perf
