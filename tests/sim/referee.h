// SPDX-License-Identifier: BSD-3-Clause
// Watches every packet between the hosts and knows what RFC 9260 allows, from the packets alone:
// form, bundling, verification tags, TSNs, windows. It sees what was sent before the network
// touches it, and what was delivered before the stack does.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "network.h"
#include "trunkline/stack/types.h"
#include "verdict.h"
#include "wire/data_chunk.h"
#include "wire/packet_rules.h"
#include "wire/sack_chunk.h"

namespace trunkline::sim {

// What a host's packets must keep to, from its profile.
struct PacketLimits {
  uint16_t mtu = 1500;  // of the IP packet
  bool one_data_per_packet = false;
  // As a receiver: how late a SACK may be (section 6.2). `slack` is what its worker may add.
  bool check_sacks = false;
  Duration sack_delay{};
  uint8_t sack_frequency = 2;
  Duration slack{};
  Duration rto_min{};
  Duration cookie_life{};  // zero: not judged
  uint32_t paths = 1;      // an association may have so many: each has a congestion window
  // Profile::loss_recovery is not that of RFC 9260: what was lost again is sent again, after as
  // long as a round trip takes at least.
  bool early = false;
  Duration least_round_trip{};
  // It may give up what it has sent (RFC 3758), which no packet tells at once: what it counts as
  // outstanding is not judged.
  bool gives_up = false;
};

class Referee {
 public:
  explicit Referee(Verdict& verdict) : verdict_(verdict) {}

  void set_limits(HostIndex host, const PacketLimits& limits) { limits_[host] = limits; }
  // `to`: where the destination address leads.
  void sent(TimePoint now, Party from, Party to, bool ipv6, std::span<const uint8_t> bytes);
  // Only what arrives undamaged at a host that lives.
  void delivered(TimePoint now, Party from, Party to, std::span<const uint8_t> bytes);

  // `host` accepted an association: by a cookie of its own, in time, and for the first time.
  void accepted(TimePoint now, Party host, Party peer, PortNumber local_port, PortNumber peer_port);
  // A packet goes to the stack of `to`, wherever it came from: which cookie has it seen?
  void given(Party from, Party to, std::span<const uint8_t> bytes);
  // Its cookies are worth nothing any more.
  void crashed(HostIndex host);

  // No SACK of `host` for that association says more from now on: the rest of its window is unread.
  void limit_window(HostIndex host, HostIndex peer, PortNumber local_port, PortNumber peer_port,
                    uint32_t most);
  // Times that such a window was told to be shut, and to be open again.
  [[nodiscard]] uint64_t windows_shut() const { return windows_shut_; }
  [[nodiscard]] uint64_t windows_opened() const { return windows_opened_; }

  // Associations with this port at either end: only the form of their packets is judged.
  void expect_intruder(uint16_t port) { hostile_ports_.insert(port); }
  // Payload bytes that no cumulative TSN has passed, and the DATA chunks among them that no gap
  // block covers, in bytes with header and padding; if the packets tell.
  struct Unacknowledged {
    uint64_t outstanding = 0;
    uint64_t flight = 0;
    bool window_closed = false;  // at any time
  };
  [[nodiscard]] std::optional<Unacknowledged> unacknowledged(Party from, Party to,
                                                             PortNumber source,
                                                             PortNumber destination);

  // Tags in forged packets: answers to them may carry them.
  void allow_tag(uint32_t tag) { foreign_tags_.insert(tag); }
  [[nodiscard]] bool knows_tag(uint32_t tag) const;

  [[nodiscard]] uint64_t data_chunks() const { return data_chunks_; }
  [[nodiscard]] uint64_t retransmissions() const { return retransmissions_; }

 private:
  struct SentChunk {
    uint64_t hash = 0;
    uint32_t bytes = 0;                  // payload
    uint32_t times = 0;                  // that it was sent
    std::array<TimePoint, 5> sent_at{};  // the last of them, in a ring
    bool delivered = false;
    bool gap_acked = false;
    bool passed = false;  // a FORWARD TSN has covered it
  };
  struct SentCookie {
    uint64_t hash = 0;
    TimePoint sent;
  };
  struct Announcement {
    uint32_t tag = 0;
    Tsn initial_tsn;
    bool begun = false;  // DATA was sent from there on
  };
  // One direction between two ports: what the sender said of itself, and its DATA.
  struct Direction {
    std::vector<Announcement> announced;  // INIT and INIT ACK of the sender
    std::vector<uint32_t> peer_windows;   // a_rwnd of INIT and INIT ACK that reached the sender
    std::vector<SentCookie> cookies;      // in INIT ACKs of the sender
    std::optional<SentCookie> echoed;     // the last of them that came back
    bool longer_life = false;             // the peer asked for a longer life of its cookie
    bool started = false;
    uint32_t data_tag = 0;         // the receiver's tag that DATA carries
    Tsn base;                      // the first TSN that the sender does not know to be received
    std::deque<SentChunk> window;  // from base on
    uint64_t flight = 0;           // payload bytes in window, neither acknowledged nor gap-acked
    uint64_t chunk_flight = 0;     // the same in bytes of DATA chunks
    uint64_t peer_window = 0;      // a_rwnd that the sender last heard
    uint64_t acknowledged = 0;     // DATA chunks, in bytes, since the sequence began
    bool window_closed = false;    // at any time
    uint32_t taken_back = 0;       // times that a gap block no longer covered a chunk
    bool shutdown_sent = false;
    std::optional<uint32_t> most_window;  // that the sender may tell
    bool told_shut = false;               // it has told that nothing is left of it
    // What the receiver owes.
    bool sack_seen = false;  // it is up, and has acknowledged something
    uint32_t packets_unsacked = 0;
    TimePoint sack_due = TimePoint::never();
  };
  struct Context {
    TimePoint now;
    Party from;
    Party to;
    uint16_t source_port;
    uint16_t destination_port;
    uint32_t tag = 0;
  };

  Direction& direction(Party from, Party to, uint16_t source_port, uint16_t destination_port);
  void check_form(const Context& context, bool ipv6, std::span<const uint8_t> bytes,
                  const wire::PacketShape& shape);
  void check_order(const Context& context, std::span<const uint8_t> chunks);
  void check_tag(const Context& context, uint32_t tag, const wire::PacketShape& shape);
  void sent_data(const Context& context, const wire::ChunkView& chunk);
  void check_again(const Context& context, const Direction& mine, Tsn tsn, const SentChunk& chunk);
  void sent_forward_tsn(const Context& context, const wire::ChunkView& chunk);
  bool got_forward_tsn(const Context& context, const wire::ChunkView& chunk);
  [[nodiscard]] bool gives_up(HostIndex host) const {
    const auto limits = limits_.find(host);
    return limits != limits_.end() && limits->second.gives_up;
  }
  void check_congestion(const Context& context, const Direction& mine);
  void sack_paid(const Context& context);
  void sent_sack(const Context& context, const wire::ChunkView& chunk);
  void check_window(const Context& context, uint32_t told);
  void note_announcement(const Context& context, const wire::ChunkView& chunk);
  bool got_data(const Context& context, const wire::ChunkView& chunk);
  void sack_owed(const Context& context);
  void got_sack(const Context& context, const wire::ChunkView& chunk);
  static void advance_base(Direction& data, Tsn cum_tsn_ack);
  void fail(const Context& context, const std::string& what);

  Verdict& verdict_;
  std::map<HostIndex, PacketLimits> limits_;
  std::map<uint64_t, Direction> directions_;
  std::set<uint32_t> foreign_tags_;
  std::set<uint16_t> hostile_ports_;
  uint64_t data_chunks_ = 0;
  uint64_t retransmissions_ = 0;
  uint64_t windows_shut_ = 0;
  uint64_t windows_opened_ = 0;
};

}  // namespace trunkline::sim
