// SPDX-License-Identifier: BSD-3-Clause
// From the bytes of a received frame to what the worker does with it: Ethernet, VLAN, IPv4 and
// IPv6 headers, every length checked here and nowhere else. Pure functions on bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "net/counters.h"
#include "net/mac.h"
#include "trunkline/stack/address.h"

namespace trunkline::net {

inline constexpr size_t kEthernetHeader = 14;
inline constexpr size_t kVlanTag = 4;
inline constexpr size_t kIpv4Header = 20;
inline constexpr size_t kIpv6Header = 40;
inline constexpr size_t kFragmentHeader = 8;  // IPv6's (RFC 8200 section 4.5)
inline constexpr uint16_t kEthertypeIpv4 = 0x0800;
inline constexpr uint16_t kEthertypeArp = 0x0806;
inline constexpr uint16_t kEthertypeVlan = 0x8100;
inline constexpr uint16_t kEthertypeIpv6 = 0x86dd;
inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolFragment = 44;
inline constexpr uint8_t kProtocolIcmpv6 = 58;
inline constexpr uint8_t kProtocolSctp = 132;

// kFragment: part of what may be an SCTP packet; see net/reassembly.h.
enum class FrameKind : uint8_t { kDropped, kArp, kIcmp, kIcmpv6, kSctp, kFragment };

struct Frame {
  FrameKind kind = FrameKind::kDropped;
  NetCounter drop = NetCounter::k_drop_runt;  // kDropped: why
  MacAddress source_mac;
  MacAddress destination_mac;
  IpAddress source;  // not for ARP
  IpAddress destination;
  uint8_t hop_limit = 0;  // or time to live
  uint8_t traffic_class = 0;
  uint16_t l3_offset = 0;       // where the IP or ARP header starts
  uint16_t payload_offset = 0;  // where the ARP packet, ICMP message or SCTP packet starts
  uint16_t payload_length = 0;  // without Ethernet padding
  // kFragment:
  uint32_t fragment_id = 0;
  uint16_t fragment_offset = 0;   // bytes
  uint16_t header_length = 0;     // what a length of 65535 counts besides the payload
  uint8_t fragment_protocol = 0;  // of the payload's first byte when the offset is 0
  bool more_fragments = false;
};

// Where SCTP begins in the payload of an IP packet whose first header is `protocol`: behind the
// extension headers of an IPv6 packet. Nothing when something else comes, or the headers are cut
// off, too many or out of order.
[[nodiscard]] std::optional<size_t> find_sctp(uint8_t protocol, std::span<const uint8_t> payload);

// The same in an IPv6 packet that an ICMP message quotes as far as it goes: `packet` starts with
// the IPv6 header. A first fragment counts, a later one does not.
[[nodiscard]] std::optional<size_t> find_quoted_sctp(std::span<const uint8_t> packet);

// `vlan` is the port's tag, 0 for none; a priority tag (VLAN 0) passes as untagged. The port may
// have verified the IPv4 header checksum already. Addresses are not judged here.
[[nodiscard]] Frame parse_frame(std::span<const uint8_t> bytes, uint16_t vlan,
                                bool ip_checksum_known_good);

}  // namespace trunkline::net
