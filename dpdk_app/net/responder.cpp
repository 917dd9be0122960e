// SPDX-License-Identifier: BSD-3-Clause
// ARP, Neighbor Discovery and echo replies of one port.
#include "net/responder.h"

#include <algorithm>

#include "net/arp.h"
#include "net/bytes.h"
#include "net/headers.h"
#include "net/icmp.h"

namespace trunkline::net {

using Learnt = NeighbourTable::Learnt;

size_t Responder::handle(TimePoint now, const Frame& frame, std::span<uint8_t> buffer,
                         size_t length, NeighbourActions& actions) {
  if (buffer.size() < std::max(length, kLongestReply)) return drop(NetCounter::k_drop_segmented);
  switch (frame.kind) {
    case FrameKind::kArp:
      return handle_arp(now, frame, buffer, actions);
    case FrameKind::kIcmp:
      return handle_icmp(now, frame, buffer);
    case FrameKind::kIcmpv6:
      return handle_icmpv6(now, frame, buffer, actions);
    case FrameKind::kDropped:
    case FrameKind::kSctp:
    case FrameKind::kFragment:
      break;
  }
  return 0;
}

size_t Responder::handle_arp(TimePoint now, const Frame& frame, std::span<uint8_t> buffer,
                             NeighbourActions& actions) {
  const auto arp = parse_arp(buffer.subspan(frame.payload_offset, frame.payload_length));
  if (!arp) return drop(NetCounter::k_drop_arp_malformed);
  if (port_.has(arp->sender)) return drop(NetCounter::k_drop_arp_conflict);
  const bool for_us = port_.has(arp->target);
  const bool probe = arp->sender.is_unspecified();  // RFC 5227: sender 0.0.0.0 asks, teaches not
  if (!probe && (!port_.on_link(arp->sender) || !arp->sender.is_unicast() ||
                 port_.is_for_all_of_a_prefix(arp->sender))) {
    return drop(NetCounter::k_drop_arp_off_link);
  }
  Learnt learnt = Learnt::kUnknown;
  if (!probe) {
    const bool answer = arp->operation == ArpOperation::kReply && for_us;
    const NeighbourTable::News news{arp->operation == ArpOperation::kRequest && for_us, answer,
                                    true};
    learnt = learn(now, arp->sender, arp->sender_mac, news, actions);
  }
  if (arp->operation == ArpOperation::kReply) {
    if (learnt == Learnt::kUnknown) return unasked(NetCounter::k_drop_arp_unexpected);
    if (learnt == Learnt::kDoubted) return 0;
    counters_.add(NetCounter::k_arp_replies_in);
    return 0;
  }
  if (!for_us) {
    if (learnt != Learnt::kUnknown) return 0;
    if (arp->sender != arp->target) return drop(NetCounter::k_drop_arp_not_for_us);
    counters_.add(NetCounter::k_announcements_in);  // RFC 5227 section 3
    return 0;
  }
  counters_.add(NetCounter::k_arp_requests_in);
  const ArpPacket reply{ArpOperation::kReply, port_.mac, arp->target, arp->sender_mac, arp->sender};
  return build_arp(reply, arp->sender_mac, port_.vlan, buffer);
}

// A stranger in an answer that nobody here asked for is not made known to all: it might be forged.
// What is doubted is told when it has been decided.
Learnt Responder::learn(TimePoint now, const IpAddress& address,
                        const std::optional<MacAddress>& mac, const NeighbourNews& news,
                        NeighbourActions& actions) {
  const Learnt learnt = neighbours_.learn(now, address, mac, news, actions);
  if (learnt == Learnt::kDoubted) return learnt;
  NeighbourNews lesson = news;
  lesson.create = learnt == Learnt::kKnown && (news.create || news.solicited);
  actions.lessons.push_back({address, mac, lesson});
  return learnt;
}

bool Responder::allow_ping(TimePoint now) {
  const int64_t earned = (now - refilled_).count() / (1'000'000'000 / kPingsPerSecond);
  if (earned > 0) {
    tokens_ = std::min(kPingBurst, tokens_ + std::min(earned, kPingBurst));
    refilled_ = now;
  }
  if (tokens_ == 0) return false;
  --tokens_;
  return true;
}

size_t Responder::turn_around(const Frame& frame, std::span<uint8_t> buffer,
                              const IpAddress& from) {
  // Options and extension headers are dropped: the payload moves up behind a plain header.
  const IpFields ip{from, frame.source, from.is_ipv4() ? kProtocolIcmp : kProtocolIcmpv6, 0,
                    static_cast<uint8_t>(64)};
  const HeaderTemplate header(frame.source_mac, port_.mac, port_.vlan, ip);
  std::memmove(buffer.data() + header.size(), buffer.data() + frame.payload_offset,
               frame.payload_length);
  header.write(buffer.data(), frame.payload_length, static_cast<uint8_t>(frame.traffic_class >> 2));
  return header.size() + frame.payload_length;
}

std::optional<IcmpError> Responder::told_error(const Frame& frame,
                                               std::span<const uint8_t> buffer) {
  const auto message = buffer.subspan(frame.payload_offset, frame.payload_length);
  const bool ipv6 = frame.kind == FrameKind::kIcmpv6;
  if (!ipv6 && frame.kind != FrameKind::kIcmp) return std::nullopt;
  const IcmpKind kind =
      ipv6 ? classify_icmpv6(message, frame.source, frame.destination) : classify_icmp(message);
  if (kind != IcmpKind::kOther) return std::nullopt;
  return parse_icmp_error(message, ipv6);
}

size_t Responder::handle_icmp(TimePoint now, const Frame& frame, std::span<uint8_t> buffer) {
  const auto message = buffer.subspan(frame.payload_offset, frame.payload_length);
  const IcmpKind kind = classify_icmp(message);
  if (kind == IcmpKind::kMalformed) return drop(NetCounter::k_drop_icmp_malformed);
  if (kind != IcmpKind::kEcho) return drop(NetCounter::k_drop_icmp_other);
  if (!allow_ping(now)) return drop(NetCounter::k_drop_icmp_rate);
  counters_.add(NetCounter::k_echo_requests_in);
  make_echo_reply(message);
  return turn_around(frame, buffer, frame.destination);
}

size_t Responder::handle_icmpv6(TimePoint now, const Frame& frame, std::span<uint8_t> buffer,
                                NeighbourActions& actions) {
  const auto message = buffer.subspan(frame.payload_offset, frame.payload_length);
  const IcmpKind kind = classify_icmpv6(message, frame.source, frame.destination);
  if (kind == IcmpKind::kMalformed) return drop(NetCounter::k_drop_icmp_malformed);
  if (kind == IcmpKind::kNeighborMessage) return handle_neighbor(now, frame, buffer, actions);
  // Pings of a multicast group are not answered: one question must not make many stations talk.
  if (kind != IcmpKind::kEcho || !routes_.has(frame.destination)) {
    return drop(NetCounter::k_drop_icmp_other);
  }
  if (!allow_ping(now)) return drop(NetCounter::k_drop_icmp_rate);
  counters_.add(NetCounter::k_echo_requests_in);
  make_echo_reply_v6(message, frame.destination, frame.source);
  return turn_around(frame, buffer, frame.destination);
}

size_t Responder::handle_neighbor(TimePoint now, const Frame& frame, std::span<uint8_t> buffer,
                                  NeighbourActions& actions) {
  const auto bytes = buffer.subspan(frame.payload_offset, frame.payload_length);
  const auto message =
      parse_neighbor_message(bytes, frame.source, frame.destination, frame.hop_limit);
  if (!message) return drop(NetCounter::k_drop_nd_malformed);
  const bool ours = port_.has(message->target);
  if (!message->solicitation) {
    if (ours) return drop(NetCounter::k_drop_arp_conflict);
    const NeighbourTable::News news{false, message->solicited, message->override_cache};
    // Without a link address it can only confirm what is known (section 7.2.5).
    const Learnt learnt = learn(now, message->target, message->link_address, news, actions);
    if (learnt == Learnt::kDoubted) return 0;
    if (learnt == Learnt::kUnknown) {
      if (message->solicited) return unasked(NetCounter::k_drop_nd_unexpected);
      counters_.add(NetCounter::k_announcements_in);  // RFC 4861 section 7.2.6
      return 0;
    }
    counters_.add(NetCounter::k_neighbour_adverts_in);
    return 0;
  }
  if (!ours) return drop(NetCounter::k_drop_nd_not_for_us);
  counters_.add(NetCounter::k_neighbour_solicits_in);
  const bool detection = frame.source.is_unspecified();
  if (!detection && message->link_address && port_.on_link(frame.source)) {
    learn(now, frame.source, message->link_address, {true, false, true}, actions);
  }
  const IpAddress to = detection ? all_nodes() : frame.source;
  const MacAddress to_mac = detection               ? multicast_mac(to)
                            : message->link_address ? *message->link_address
                                                    : frame.source_mac;
  const IpFields ip{message->target, to, kProtocolIcmpv6, 0, 255};
  const HeaderTemplate header(to_mac, port_.mac, port_.vlan, ip);
  const NeighborMessage reply{false, message->target, port_.mac, false, !detection, true};
  const size_t length =
      build_neighbor_message(reply, message->target, to, buffer.subspan(header.size()));
  header.write(buffer.data(), length, 0);
  return header.size() + length;
}

size_t Responder::build_question(const NeighbourActions::Solicit& what, std::span<uint8_t> out) {
  const auto source = port_.source_for(what.address);
  if (!source) return 0;
  if (what.address.is_ipv4()) {
    counters_.add(NetCounter::k_arp_requests_out);
    const ArpPacket request{ArpOperation::kRequest, port_.mac, *source, MacAddress{}, what.address};
    return build_arp(request, what.unicast.value_or(MacAddress::broadcast()), port_.vlan, out);
  }
  counters_.add(NetCounter::k_neighbour_solicits_out);
  const IpAddress to = what.unicast ? what.address : solicited_node(what.address);
  const IpFields ip{*source, to, kProtocolIcmpv6, 0, 255};
  const HeaderTemplate header(what.unicast.value_or(multicast_mac(to)), port_.mac, port_.vlan, ip);
  const NeighborMessage message{true, what.address, port_.mac, false, false, false};
  const size_t length = build_neighbor_message(message, *source, to, out.subspan(header.size()));
  header.write(out.data(), length, 0);
  return header.size() + length;
}

size_t Responder::build_announcement(const IpAddress& address, std::span<uint8_t> out) const {
  if (address.is_ipv4()) {
    const ArpPacket request{ArpOperation::kRequest, port_.mac, address, MacAddress{}, address};
    return build_arp(request, MacAddress::broadcast(), port_.vlan, out);
  }
  const IpAddress to = all_nodes();
  const IpFields ip{address, to, kProtocolIcmpv6, 0, 255};
  const HeaderTemplate header(multicast_mac(to), port_.mac, port_.vlan, ip);
  const NeighborMessage message{false, address, port_.mac, false, false, true};
  const size_t length = build_neighbor_message(message, address, to, out.subspan(header.size()));
  header.write(out.data(), length, 0);
  return header.size() + length;
}

}  // namespace trunkline::net
