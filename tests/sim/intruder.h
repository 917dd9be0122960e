// SPDX-License-Identifier: BSD-3-Clause
// Somebody on the path, or a peer gone bad: knows the tags, TSNs and cookies of the hostile
// associations and speaks in both sides' names. It may end what it breaks into, and must not crash
// a host, make it hold more than it should, or harm any other association.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "simulator.h"

namespace trunkline::sim {

class Intruder {
 public:
  explicit Intruder(Simulator& simulator)
      : simulator_(simulator), random_(simulator.seed() ^ 0x1d7) {}

  // A packet that a host sends.
  void observe(const Simulator::Seen& packet);
  // One or a few packets in somebody's name.
  void intrude(TimePoint now);
  // A packet with a right tag, or the other one, that must change nothing. Where nobody is hostile.
  void bother(TimePoint now);
  // Asks the server of this association for a cookie before the association exists; `tag`: its own.
  void ask_for_cookie(TimePoint now, const IpAddress& client, const IpAddress& server,
                      uint16_t client_port, uint16_t server_port);
  void everybody() { everybody_ = true; }

 private:
  // What is known of one side of an association.
  struct Side {
    Simulator::Seen last;
    uint32_t ports = 0;
    uint32_t tag = 0;  // that its packets must carry
    uint32_t tsn = 0;  // the last one it sent
    uint32_t cum = 0;  // what it acknowledged
    std::vector<uint8_t> cookie;
    std::vector<uint8_t> early_cookie;  // that it made for us before there was an association
    uint32_t early_tag = 0;
  };
  using Bytes = std::vector<uint8_t>;

  void send(TimePoint now, const Side& side, Bytes packet);
  void tamper_with_cookie(TimePoint now, const Side& side);
  Bytes begin(const Side& side, uint32_t tag) const;
  Bytes some_packet(const Side& side);
  void add_sack(Bytes& out, const Side& side);
  void add_data(Bytes& out, const Side& side);
  void add_fragments(Bytes& out, const Side& side);
  void add_unknown(Bytes& out);
  void add_error(Bytes& out);
  void add_set_up(Bytes& out, const Side& side);
  void add_ending(Bytes& out, const Side& side);
  void add_heartbeat(Bytes& out);
  Bytes noise(size_t most);
  uint32_t about(uint32_t tsn);

  Simulator& simulator_;
  SeededRandom random_;
  Side* reverse_of(const Side& side);
  uint32_t peer_tag_of(const Side& side);
  bool add_harmless(Bytes& out, const Side& from, const Side& to);

  std::vector<Side> sides_;
  std::set<uint32_t> own_tags_;
  bool everybody_ = false;  // watches, and bothers, all associations
};

}  // namespace trunkline::sim
