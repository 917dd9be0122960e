// SPDX-License-Identifier: BSD-3-Clause
// From the bytes of a received frame to what the worker does with it: Ethernet, VLAN, IPv4 and
// IPv6 headers, every length checked here and nowhere else. Pure functions on bytes.
#pragma once

#include <cstdint>
#include <span>

#include "net/counters.h"
#include "net/mac.h"
#include "trunkline/stack/address.h"

namespace trunkline::net {

inline constexpr size_t kEthernetHeader = 14;
inline constexpr size_t kVlanTag = 4;
inline constexpr size_t kIpv4Header = 20;
inline constexpr size_t kIpv6Header = 40;
inline constexpr uint16_t kEthertypeIpv4 = 0x0800;
inline constexpr uint16_t kEthertypeArp = 0x0806;
inline constexpr uint16_t kEthertypeVlan = 0x8100;
inline constexpr uint16_t kEthertypeIpv6 = 0x86dd;
inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolIcmpv6 = 58;
inline constexpr uint8_t kProtocolSctp = 132;

enum class FrameKind : uint8_t { kDropped, kArp, kIcmp, kIcmpv6, kSctp };

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
};

// `vlan` is the port's tag, 0 for none; a priority tag (VLAN 0) passes as untagged. The port may
// have verified the IPv4 header checksum already. Addresses are not judged here.
[[nodiscard]] Frame parse_frame(std::span<const uint8_t> bytes, uint16_t vlan,
                                bool ip_checksum_known_good);

}  // namespace trunkline::net
