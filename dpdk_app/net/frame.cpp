// SPDX-License-Identifier: BSD-3-Clause
// Parsing of link-layer and IP headers.
#include "net/frame.h"

#include "net/bytes.h"

namespace trunkline::net {
namespace {

// Extension headers that a packet for us may carry (RFC 8200 section 4.1).
constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kDestinationOptions = 60;
constexpr unsigned kMostExtensionHeaders = 8;

void drop(Frame& frame, NetCounter why) {
  frame.kind = FrameKind::kDropped;
  frame.drop = why;
}

FrameKind kind_of(uint8_t protocol, bool ipv6) {
  if (protocol == kProtocolSctp) return FrameKind::kSctp;
  if (!ipv6 && protocol == kProtocolIcmp) return FrameKind::kIcmp;
  if (ipv6 && protocol == kProtocolIcmpv6) return FrameKind::kIcmpv6;
  return FrameKind::kDropped;
}

// Options are skipped but for source routes, which let others choose paths (RFC 7126 section 4.3).
// Those whose lengths do not add up may hide one from us and show it to others.
std::optional<NetCounter> judge_options(std::span<const uint8_t> options) {
  size_t at = 0;
  while (at < options.size() && options[at] != 0) {
    if (options[at] == 131 || options[at] == 137) return NetCounter::k_drop_source_route;
    if (options[at] == 1) {
      ++at;
      continue;
    }
    if (at + 1 >= options.size() || options[at + 1] < 2 || options[at + 1] > options.size() - at) {
      return NetCounter::k_drop_ip_options;
    }
    at += options[at + 1];
  }
  return std::nullopt;
}

// Those of an IPv6 hop-by-hop or destination options header: all lengths add up, and none must be
// understood by whoever takes the packet (RFC 8200 section 4.2), as Mobile IP's home address must,
// which stands for another source.
bool options_may_be_skipped(std::span<const uint8_t> options) {
  size_t at = 0;
  while (at < options.size()) {
    if (options[at] == 0) {
      ++at;
      continue;
    }
    if ((options[at] & 0xc0) != 0 || at + 1 >= options.size()) return false;
    at += 2u + options[at + 1];
  }
  return at == options.size();
}

// `units`: the offset in units of 8 bytes.
void note_fragment(unsigned units, uint8_t protocol, bool more, Frame& frame) {
  // Of the later fragments of an IPv6 packet only the first header is known.
  if (protocol != kProtocolSctp && !(frame.source.is_ipv6() && protocol == kDestinationOptions)) {
    return drop(frame, NetCounter::k_drop_fragment_protocol);
  }
  frame.kind = FrameKind::kFragment;
  frame.fragment_offset = static_cast<uint16_t>(units * 8);
  frame.fragment_protocol = protocol;
  frame.more_fragments = more;
}

void parse_ipv4(std::span<const uint8_t> bytes, bool checksum_good, Frame& frame) {
  const std::span<const uint8_t> ip = bytes.subspan(frame.l3_offset);
  if (ip.size() < kIpv4Header) return drop(frame, NetCounter::k_drop_ip_header);
  const size_t header = static_cast<size_t>(ip[0] & 0x0f) * 4;
  const size_t total = load_be16(&ip[2]);
  if (ip[0] >> 4 != 4 || header < kIpv4Header || total < header || total > ip.size()) {
    return drop(frame, NetCounter::k_drop_ip_header);
  }
  if (!checksum_good && checksum_fold(checksum_add(ip.first(header))) != 0) {
    return drop(frame, NetCounter::k_drop_ip_checksum);
  }
  frame.source = IpAddress::from_ipv4(ip.subspan<12, 4>());
  frame.destination = IpAddress::from_ipv4(ip.subspan<16, 4>());
  frame.hop_limit = ip[8];
  frame.traffic_class = ip[1];
  if (frame.hop_limit == 0) return drop(frame, NetCounter::k_drop_ttl);
  if (header > kIpv4Header) [[unlikely]] {
    const auto wrong = judge_options(ip.subspan(kIpv4Header, header - kIpv4Header));
    if (wrong) return drop(frame, *wrong);
  }
  frame.payload_offset = static_cast<uint16_t>(frame.l3_offset + header);
  frame.payload_length = static_cast<uint16_t>(total - header);
  const uint16_t fragment = load_be16(&ip[6]);
  if ((fragment & 0x3fff) != 0) {
    frame.fragment_id = load_be16(&ip[4]);
    frame.header_length = static_cast<uint16_t>(header);
    return note_fragment(fragment & 0x1fffu, ip[9], (fragment & 0x2000) != 0, frame);
  }
  frame.kind = kind_of(ip[9], false);
  frame.drop = NetCounter::k_drop_ip_protocol;
}

// A walk along the extension headers of an IPv6 packet, or of the part of it that was fragmented.
struct Walk {
  uint8_t protocol = 0;
  size_t offset = 0;  // from the start of `bytes`
  NetCounter drop = NetCounter::k_drop_extension_header;
  bool fragment = false;  // stopped at a fragment header that means it
  bool refused = false;
};

void walk_extension_headers(std::span<const uint8_t> bytes, bool in_fragment, Walk& walk) {
  bool first = !in_fragment;
  for (unsigned seen = 0;; ++seen, first = false) {
    const uint8_t protocol = walk.protocol;
    const bool known = protocol == kHopByHop || protocol == kDestinationOptions ||
                       protocol == kRouting || protocol == kProtocolFragment;
    if (!known) return;
    walk.refused = true;
    // Hop-by-hop options come first or not at all (RFC 8200 section 4.1).
    if (protocol == kHopByHop && !first) return;
    if (protocol == kProtocolFragment && in_fragment) return;
    if (seen == kMostExtensionHeaders || bytes.size() - walk.offset < 8) return;
    const uint8_t* const at = &bytes[walk.offset];
    size_t length = (static_cast<size_t>(at[1]) + 1) * 8;
    if (protocol == kProtocolFragment) {
      length = kFragmentHeader;
      in_fragment = true;                                 // a second one is refused
      walk.fragment = (load_be16(at + 2) & 0xfff9) != 0;  // not one that is a packet of its own
    }
    if (length > bytes.size() - walk.offset) return;
    const bool options = protocol == kHopByHop || protocol == kDestinationOptions;
    if (options && !options_may_be_skipped({at + 2, length - 2})) {
      walk.drop = NetCounter::k_drop_ip_options;
      return;
    }
    if (protocol == kRouting && at[3] != 0) {
      walk.drop = NetCounter::k_drop_source_route;
      return;
    }
    walk.refused = false;
    if (walk.fragment) return;
    walk.protocol = at[0];
    walk.offset += length;
  }
}

void parse_ipv6(std::span<const uint8_t> bytes, Frame& frame) {
  std::span<const uint8_t> ip = bytes.subspan(frame.l3_offset);
  if (ip.size() < kIpv6Header || ip[0] >> 4 != 6) {
    return drop(frame, NetCounter::k_drop_ip_header);
  }
  const size_t payload = load_be16(&ip[4]);
  if (payload > ip.size() - kIpv6Header) return drop(frame, NetCounter::k_drop_ip_header);
  ip = ip.first(kIpv6Header + payload);
  frame.source = IpAddress::from_ipv6(ip.subspan<8, 16>());
  frame.destination = IpAddress::from_ipv6(ip.subspan<24, 16>());
  frame.hop_limit = ip[7];
  frame.traffic_class = static_cast<uint8_t>(load_be16(ip.data()) >> 4);
  if (frame.hop_limit == 0) return drop(frame, NetCounter::k_drop_ttl);
  Walk walk{ip[6], kIpv6Header};
  walk_extension_headers(ip, false, walk);
  if (walk.refused) return drop(frame, walk.drop);
  if (walk.fragment) {
    const uint8_t* const at = &ip[walk.offset];
    walk.offset += kFragmentHeader;
    frame.fragment_id = load_be32(at + 4);
    // The headers in front of this one stay in the packet; this one goes.
    frame.header_length = static_cast<uint16_t>(walk.offset - kFragmentHeader - kIpv6Header);
    const uint16_t field = load_be16(at + 2);
    note_fragment(field >> 3, at[0], (field & 1) != 0, frame);
  } else {
    frame.kind = kind_of(walk.protocol, true);
    frame.drop = NetCounter::k_drop_ip_protocol;
  }
  frame.payload_offset = static_cast<uint16_t>(frame.l3_offset + walk.offset);
  frame.payload_length = static_cast<uint16_t>(ip.size() - walk.offset);
}

}  // namespace

std::optional<size_t> find_sctp(uint8_t protocol, std::span<const uint8_t> payload) {
  Walk walk{protocol, 0};
  walk_extension_headers(payload, true, walk);
  if (walk.refused || walk.protocol != kProtocolSctp) return std::nullopt;
  return walk.offset;
}

std::optional<size_t> find_quoted_sctp(std::span<const uint8_t> packet) {
  if (packet.size() < kIpv6Header) return std::nullopt;
  Walk walk{packet[6], kIpv6Header};
  walk_extension_headers(packet, false, walk);
  if (!walk.refused && walk.fragment) {
    const uint8_t* const at = &packet[walk.offset];
    if (load_be16(at + 2) >> 3 != 0) return std::nullopt;
    const size_t behind = walk.offset + kFragmentHeader;
    const auto sctp = find_sctp(at[0], packet.subspan(behind));
    if (!sctp) return std::nullopt;
    return behind + *sctp;
  }
  if (walk.refused || walk.protocol != kProtocolSctp) return std::nullopt;
  return walk.offset;
}

Frame parse_frame(std::span<const uint8_t> bytes, uint16_t vlan, bool ip_checksum_known_good) {
  Frame frame;
  if (bytes.size() < kEthernetHeader) return frame;
  if (bytes.size() > UINT16_MAX) {
    drop(frame, NetCounter::k_drop_segmented);
    return frame;
  }
  frame.destination_mac = MacAddress::from(bytes.data());
  frame.source_mac = MacAddress::from(&bytes[6]);
  uint16_t ethertype = load_be16(&bytes[12]);
  frame.l3_offset = kEthernetHeader;
  uint16_t tag = 0;
  if (ethertype == kEthertypeVlan) {
    if (bytes.size() < kEthernetHeader + kVlanTag) return frame;
    tag = load_be16(&bytes[14]) & 0x0fff;
    ethertype = load_be16(&bytes[16]);
    frame.l3_offset = kEthernetHeader + kVlanTag;
  }
  if (tag != vlan) {
    drop(frame, NetCounter::k_drop_wrong_vlan);
  } else if (ethertype == kEthertypeIpv4) {
    parse_ipv4(bytes, ip_checksum_known_good, frame);
  } else if (ethertype == kEthertypeIpv6) {
    parse_ipv6(bytes, frame);
  } else if (ethertype == kEthertypeArp) {
    frame.kind = FrameKind::kArp;
    frame.payload_offset = frame.l3_offset;
    frame.payload_length = static_cast<uint16_t>(bytes.size() - frame.l3_offset);
  } else {
    drop(frame, NetCounter::k_drop_ethertype);
  }
  return frame;
}

}  // namespace trunkline::net
