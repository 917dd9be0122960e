// SPDX-License-Identifier: BSD-3-Clause
// What a port answers by itself: ARP, Neighbor Discovery and pings. Replies are written over the
// frame that asked. Also builds the questions that the neighbour table wants asked. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "net/counters.h"
#include "net/frame.h"
#include "net/icmp.h"
#include "net/neighbour.h"
#include "net/route.h"
#include "trunkline/stack/stack.h"

namespace trunkline::net {

class Responder {
 public:
  // All outlive this. `one_of_many`: other workers have tables of the same port, and an answer that
  // nobody here asked for may be theirs.
  Responder(const LocalPort& port, const RouteTable& routes, NeighbourTable& neighbours,
            NetCounters& counters, bool one_of_many = false)
      : port_(port),
        routes_(routes),
        neighbours_(neighbours),
        counters_(counters),
        one_of_many_(one_of_many) {}

  // Largest frame that handle() makes of a shorter one: a Neighbor Advertisement.
  static constexpr size_t kLongestReply = 96;

  // `frame` was parsed from the first `length` bytes of `buffer`, which has room for at least
  // kLongestReply. Returns the length of a reply that is now in `buffer`, or 0.
  size_t handle(TimePoint now, const Frame& frame, std::span<uint8_t> buffer, size_t length,
                NeighbourActions& actions);

  // What an ICMP error in `frame` says of an SCTP packet of ours; nothing for any other frame. It
  // is not proven: see Shard::protocol_unreachable() and Shard::packet_too_big().
  static std::optional<IcmpError> told_error(const Frame& frame, std::span<const uint8_t> buffer);

  // A whole frame that asks for `what`; 0 when the port has no address of that family.
  size_t build_question(const NeighbourActions::Solicit& what, std::span<uint8_t> out);
  // Tells everybody on the link who has `address`: gratuitous ARP (RFC 5227 section 3) or
  // unsolicited advertisement (RFC 4861 section 7.2.6).
  size_t build_announcement(const IpAddress& address, std::span<uint8_t> out) const;

 private:
  size_t handle_arp(TimePoint now, const Frame& frame, std::span<uint8_t> buffer,
                    NeighbourActions& actions);
  size_t handle_icmp(TimePoint now, const Frame& frame, std::span<uint8_t> buffer);
  size_t handle_icmpv6(TimePoint now, const Frame& frame, std::span<uint8_t> buffer,
                       NeighbourActions& actions);
  size_t handle_neighbor(TimePoint now, const Frame& frame, std::span<uint8_t> buffer,
                         NeighbourActions& actions);
  // Swaps the addresses of the IP header for a reply of the same size; returns the frame's length.
  size_t turn_around(const Frame& frame, std::span<uint8_t> buffer, const IpAddress& from);
  NeighbourTable::Learnt learn(TimePoint now, const IpAddress& address,
                               const std::optional<MacAddress>& mac, const NeighbourNews& news,
                               NeighbourActions& actions);
  bool allow_ping(TimePoint now);
  // An answer to a question that is not known here.
  size_t unasked(NetCounter why) {
    return drop(one_of_many_ ? NetCounter::k_answers_for_others : why);
  }
  size_t drop(NetCounter why) {
    counters_.add(why);
    return 0;
  }

  const LocalPort& port_;
  const RouteTable& routes_;
  NeighbourTable& neighbours_;
  NetCounters& counters_;
  bool one_of_many_;
  // A bucket of tokens: pings that may still be answered.
  TimePoint refilled_;
  int64_t tokens_ = kPingBurst;
  static constexpr int64_t kPingBurst = 1000;
  static constexpr int64_t kPingsPerSecond = 1000;
};

}  // namespace trunkline::net
