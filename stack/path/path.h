// SPDX-License-Identifier: BSD-3-Clause
// One destination transport address of the peer and all that belongs to it alone: the local
// address that reaches it, state, RTO, congestion window, errors, heartbeat and timers
// (RFC 9260 sections 5.4, 6.3, 7.2, 8.2, 8.3). The association decides; a path remembers.
#pragma once

#include <cstdint>

#include "path/congestion.h"
#include "path/path_mtu.h"
#include "path/rack.h"
#include "path/rto.h"
#include "trunkline/stack/stack.h"

namespace trunkline {

inline constexpr size_t kIpv4HeaderSize = 20;
inline constexpr size_t kIpv6HeaderSize = 40;
inline constexpr size_t kSctpHeaderSize = 12;

// What few paths need: lies in the shard's memory, from when one does.
struct PathDetail : MtuSearch {
  explicit PathDetail(const MtuAtRest& at_rest) : MtuSearch(at_rest) {}
  Rack rack;
  Tsn recovery_from;  // what was acknowledged when the last fast recovery began
};

struct Path {
  Path(const Profile& profile, IpAddress local_address, IpAddress remote_address)
      : local(local_address),
        remote(remote_address),
        mtu(profile, remote_address.is_ipv6()),
        rto(profile),
        congestion(pmdcs(), remote_address.is_ipv6()) {}

  // -- what a packet touches
  IpAddress local;
  IpAddress remote;
  uint8_t index = 0;  // in the association's list
  PathState state = PathState::kUnconfirmed;
  bool heartbeat_outstanding : 1 = false;
  bool send_heartbeat : 1 = false;  // one is to go out
  bool probe_answered : 1 = false;  // a SACK came since T3 was started into a closed window (6.1 A)
  bool has_override : 1 = false;    // its user has said something of it: Association::profile_of()
  bool one_packet : 1 = false;  // T3 expired: no second packet before an acknowledgement (7.2.3)
  bool loss_probe_armed : 1 = false;  // t3 is the time of a loss probe, and T3 begins after that
  bool loss_probe_spent : 1 = false;  // no other one before a round trip is measured
  bool loss_probe_new : 1 = false;    // the next packet is one: new DATA whatever cwnd says
  bool shut_explains : 1 = false;     // nothing was received behind a gap then
  bool loss_probe_open : 1 = false;   // one was sent again, and may have been lost before
  uint16_t shut_before = 0;  // the TSN that was next when probe_answered came to be, 16 bits of it
  uint16_t error_count = 0;  // 8.2
  uint16_t answers_in_row = 0;  // HEARTBEAT ACKs since the last error, while it has failed
  uint8_t seal_size = 0;        // bytes of each packet that its seal takes: a multiple of four
  uint16_t loss_probe = 0;      // the last 16 bits of its TSN
  PathMtu mtu;
  TimePoint heartbeat_due = TimePoint::never();  // when to send one, or when its ACK is late
  TimePoint t3 = TimePoint::never();
  TimePoint last_sent_at;  // DATA, for 7.2.1 and to know an idle path
  TimePoint rtt_from;      // only chunks sent since then are timed: one sample a round trip (C4)
  Rto rto;
  Congestion congestion;
  uint32_t t3_expirations = 0;
  uint64_t packets_sent = 0;
  uint64_t packets_received = 0;

  // -- what heartbeats, losses and operators touch. 32 bits count what happens once an RTO or more
  // seldom for a hundred years.
  TimePoint heartbeat_sent_at;
  uint64_t heartbeat_nonce = 0;
  TimePoint state_since;
  // A thousand chunks a second for thirty years; and a failover each ten seconds for five.
  uint64_t retransmitted_chunks : 40 = 0;
  uint64_t failovers : 24 = 0;
  uint32_t heartbeats_sent = 0;
  uint32_t heartbeat_acks = 0;

  [[nodiscard]] PathDetail* detail() const { return static_cast<PathDetail*>(mtu.search()); }
  // With LossRecovery::kRack; else it may be null.
  [[nodiscard]] Rack* rack() const { return detail() != nullptr ? &detail()->rack : nullptr; }
  void count_sent_again(uint16_t chunks) {
    constexpr uint64_t kMost = (uint64_t{1} << 40) - 1;
    retransmitted_chunks = (retransmitted_chunks + chunks) & kMost;
  }
  // Bytes of an SCTP packet that fit the path.
  [[nodiscard]] size_t packet_size() const { return packet_size_in(mtu.value()); }
  // Bytes of the SCTP packet, but for its seal, in an IP packet of so many; and the other way
  // round.
  [[nodiscard]] size_t packet_size_in(uint16_t ip_packet) const {
    return ((ip_packet - ip_header()) & ~size_t{3}) - seal_size;
  }
  [[nodiscard]] uint16_t ip_size(size_t packet) const {
    return static_cast<uint16_t>(packet + seal_size + ip_header());
  }
  // Bytes for chunks in it: the unit of congestion control (section 7.2, PMDCS).
  [[nodiscard]] uint32_t pmdcs() const {
    return static_cast<uint32_t>(packet_size() - kSctpHeaderSize);
  }
  [[nodiscard]] size_t ip_header() const {
    return remote.is_ipv4() ? kIpv4HeaderSize : kIpv6HeaderSize;
  }
  [[nodiscard]] bool usable() const { return state == PathState::kActive; }
  // The peer has shown that the address is its own (5.4).
  [[nodiscard]] bool confirmed() const {
    return state != PathState::kUnconfirmed && state != PathState::kUnconfirmedInactive;
  }
  // It worked once, and does not now.
  [[nodiscard]] bool failed() const {
    return state == PathState::kPotentiallyFailed || state == PathState::kInactive;
  }
};
// A million associations have a million of these: decision 0008.
static_assert(sizeof(Path) <= 200);

}  // namespace trunkline
