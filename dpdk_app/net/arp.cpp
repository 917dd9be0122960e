// SPDX-License-Identifier: BSD-3-Clause
// ARP packets, parsed and built.
#include "net/arp.h"

#include <algorithm>

#include "net/bytes.h"
#include "net/headers.h"

namespace trunkline::net {
namespace {
constexpr size_t kArpSize = 28;
}

std::optional<ArpPacket> parse_arp(std::span<const uint8_t> bytes) {
  if (bytes.size() < kArpSize) return std::nullopt;
  const bool ethernet_ipv4 =
      load_be16(&bytes[0]) == 1 && load_be16(&bytes[2]) == 0x0800 && bytes[4] == 6 && bytes[5] == 4;
  const uint16_t operation = load_be16(&bytes[6]);
  if (!ethernet_ipv4 || (operation != 1 && operation != 2)) return std::nullopt;
  ArpPacket out;
  out.operation = static_cast<ArpOperation>(operation);
  out.sender_mac = MacAddress::from(&bytes[8]);
  out.sender = IpAddress::from_ipv4(bytes.subspan<14, 4>());
  out.target_mac = MacAddress::from(&bytes[18]);
  out.target = IpAddress::from_ipv4(bytes.subspan<24, 4>());
  if (out.sender_mac.is_multicast() || out.sender_mac.is_zero()) return std::nullopt;
  return out;
}

size_t build_arp(const ArpPacket& packet, const MacAddress& destination, uint16_t vlan,
                 std::span<uint8_t> out) {
  const size_t at = write_ethernet(destination, packet.sender_mac, vlan, kEthertypeArp, out);
  uint8_t* const arp = &out[at];
  store_be16(arp, 1);
  store_be16(arp + 2, kEthertypeIpv4);
  arp[4] = 6;
  arp[5] = 4;
  store_be16(arp + 6, static_cast<uint16_t>(packet.operation));
  std::copy(packet.sender_mac.bytes.begin(), packet.sender_mac.bytes.end(), arp + 8);
  std::ranges::copy(packet.sender.bytes(), arp + 14);
  std::copy(packet.target_mac.bytes.begin(), packet.target_mac.bytes.end(), arp + 18);
  std::ranges::copy(packet.target.bytes(), arp + 24);
  return at + kArpSize;
}

}  // namespace trunkline::net
