// SPDX-License-Identifier: BSD-3-Clause
// Parsing of link-layer and IP headers.
#include "net/frame.h"

#include <optional>

#include "net/bytes.h"

namespace trunkline::net {
namespace {

// Extension headers that a packet for us may carry (RFC 8200 section 4.1).
constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
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
bool has_source_route(std::span<const uint8_t> options) {
  size_t at = 0;
  while (at < options.size() && options[at] != 0) {
    if (options[at] == 131 || options[at] == 137) return true;
    if (options[at] == 1) {
      ++at;
      continue;
    }
    if (at + 1 >= options.size() || options[at + 1] < 2) return false;
    at += options[at + 1];
  }
  return false;
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
  if (has_source_route(ip.subspan(kIpv4Header, header - kIpv4Header))) {
    return drop(frame, NetCounter::k_drop_source_route);
  }
  if ((load_be16(&ip[6]) & 0x3fff) != 0) return drop(frame, NetCounter::k_drop_fragment);
  frame.kind = kind_of(ip[9], false);
  frame.drop = NetCounter::k_drop_ip_protocol;
  frame.payload_offset = static_cast<uint16_t>(frame.l3_offset + header);
  frame.payload_length = static_cast<uint16_t>(total - header);
}

struct Upper {
  uint8_t protocol = 0;
  size_t offset = 0;  // from the start of the IPv6 header
};

// Walks the extension headers within `ip`; notes the reason in `frame` when it can't.
std::optional<Upper> skip_extension_headers(std::span<const uint8_t> ip, Frame& frame) {
  Upper upper{ip[6], kIpv6Header};
  for (unsigned seen = 0;; ++seen) {
    const bool options = upper.protocol == kHopByHop || upper.protocol == kDestinationOptions;
    // Hop-by-hop options come first or not at all (RFC 8200 section 4.1).
    if (upper.protocol == kHopByHop && seen != 0) break;
    if (upper.protocol == kFragment) {
      drop(frame, NetCounter::k_drop_fragment);
      return std::nullopt;
    }
    if (!options && upper.protocol != kRouting) return upper;
    if (seen == kMostExtensionHeaders || ip.size() - upper.offset < 8) break;
    const size_t length = (static_cast<size_t>(ip[upper.offset + 1]) + 1) * 8;
    if (length > ip.size() - upper.offset) break;
    if (upper.protocol == kRouting && ip[upper.offset + 3] != 0) {
      drop(frame, NetCounter::k_drop_source_route);
      return std::nullopt;
    }
    upper.protocol = ip[upper.offset];
    upper.offset += length;
  }
  drop(frame, NetCounter::k_drop_extension_header);
  return std::nullopt;
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
  const auto upper = skip_extension_headers(ip, frame);
  if (!upper) return;
  frame.kind = kind_of(upper->protocol, true);
  frame.drop = NetCounter::k_drop_ip_protocol;
  frame.payload_offset = static_cast<uint16_t>(frame.l3_offset + upper->offset);
  frame.payload_length = static_cast<uint16_t>(ip.size() - upper->offset);
}

}  // namespace

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
