// SPDX-License-Identifier: BSD-3-Clause
// ARP for IPv4 over Ethernet (RFC 826): parsing and building of whole frames.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "net/mac.h"
#include "trunkline/stack/address.h"

namespace trunkline::net {

enum class ArpOperation : uint16_t { kRequest = 1, kReply = 2 };

struct ArpPacket {
  ArpOperation operation = ArpOperation::kRequest;
  MacAddress sender_mac;
  IpAddress sender;
  MacAddress target_mac;
  IpAddress target;
};

// `bytes` starts at the ARP header. Nothing for anything but Ethernet and IPv4.
[[nodiscard]] std::optional<ArpPacket> parse_arp(std::span<const uint8_t> bytes);

// Writes a whole frame; returns its length, at most 46. `vlan` 0: untagged.
size_t build_arp(const ArpPacket& packet, const MacAddress& destination, uint16_t vlan,
                 std::span<uint8_t> out);

}  // namespace trunkline::net
