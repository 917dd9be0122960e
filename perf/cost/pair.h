// SPDX-License-Identifier: BSD-3-Clause
// Two ends with associations between them, as the cases of cost by size want them: small messages,
// large buffers, each packet acknowledged, and packets that can be kept back or dropped.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bare/end.h"
#include "harness/sample.h"

namespace trunkline::perf {

// Packets on their way, for as long as one likes.
class Packets {
 public:
  // All that it has to send.
  void take(End& from);
  void clear() { held_.clear(); }
  [[nodiscard]] size_t size() const { return held_.size(); }
  [[nodiscard]] PacketIn at(size_t i) const;

 private:
  struct Packet {
    IpAddress source;
    IpAddress destination;
    std::vector<uint8_t> bytes;
  };
  std::vector<Packet> held_;
};

[[nodiscard]] Profile cost_profile();
[[nodiscard]] EndSetup cost_setup(const Profile& profile, uint32_t associations = 16,
                                  size_t slots = 4096);

struct Pair {
  // Nothing is between them yet.
  explicit Pair(const EndSetup& setup) : a(setup, clock_now()), z(setup, clock_now()) {}

  // One turn of both workers; packets carried.
  size_t turn();
  // Until everything that was sent has been acknowledged.
  void finish();
  // Messages on the first streams in turn, until all are acknowledged.
  void send(uint64_t messages, uint32_t over = 1);
  // Until `chunks` of a message each may be outstanding at once.
  void open_window(size_t chunks);
  // `count` messages, each in a packet of its own, that do not arrive.
  void send_singly(size_t count, Packets* kept = nullptr);
  bool send_one();  // on the next one of `streams`
  static void give(End& to, const PacketIn& packet);

  End a;
  End z;
  uint64_t streams = 4;  // of one, no more than half of all SSNs are under way
};

}  // namespace trunkline::perf
