// SPDX-License-Identifier: BSD-3-Clause
// Building of Ethernet and IP headers.
#include "net/headers.h"

#include <algorithm>

#include "net/bytes.h"

namespace trunkline::net {

size_t write_ethernet(const MacAddress& destination, const MacAddress& source, uint16_t vlan,
                      uint16_t ethertype, std::span<uint8_t> out) {
  std::copy(destination.bytes.begin(), destination.bytes.end(), out.begin());
  std::copy(source.bytes.begin(), source.bytes.end(), out.begin() + 6);
  if (vlan == 0) {
    store_be16(&out[12], ethertype);
    return kEthernetHeader;
  }
  store_be16(&out[12], kEthertypeVlan);
  store_be16(&out[14], vlan);
  store_be16(&out[16], ethertype);
  return kEthernetHeader + kVlanTag;
}

HeaderTemplate::HeaderTemplate(const MacAddress& destination, const MacAddress& source,
                               uint16_t vlan, const IpFields& ip)
    : ipv6_(ip.destination.is_ipv6()) {
  l2_size_ = static_cast<uint8_t>(
      write_ethernet(destination, source, vlan, ipv6_ ? kEthertypeIpv6 : kEthertypeIpv4, bytes_));
  uint8_t* const l3 = &bytes_[l2_size_];
  if (ipv6_) {
    l3[0] = 0x60;
    l3[6] = ip.protocol;
    l3[7] = ip.hop_limit;
    std::ranges::copy(ip.source.bytes(), l3 + 8);
    std::ranges::copy(ip.destination.bytes(), l3 + 24);
    size_ = static_cast<uint8_t>(l2_size_ + kIpv6Header);
    return;
  }
  l3[0] = 0x45;
  store_be16(l3 + 6, 0x4000);  // DF
  l3[8] = ip.hop_limit;
  l3[9] = ip.protocol;
  std::ranges::copy(ip.source.bytes(), l3 + 12);
  std::ranges::copy(ip.destination.bytes(), l3 + 16);
  size_ = static_cast<uint8_t>(l2_size_ + kIpv4Header);
  checksum_ = static_cast<uint32_t>(checksum_add({l3, kIpv4Header}));
}

void HeaderTemplate::set_destination_mac(const MacAddress& mac) {
  std::copy(mac.bytes.begin(), mac.bytes.end(), bytes_.begin());
}

void HeaderTemplate::write(uint8_t* out, size_t payload_length, uint8_t dscp) const {
  std::memcpy(out, bytes_.data(), size_);
  uint8_t* const l3 = out + l2_size_;
  if (ipv6_) {
    l3[0] = static_cast<uint8_t>(0x60 | dscp >> 2);
    l3[1] = static_cast<uint8_t>((dscp & 3) << 6);
    store_be16(l3 + 4, static_cast<uint16_t>(payload_length));
    return;
  }
  const auto total = static_cast<uint16_t>(kIpv4Header + payload_length);
  l3[1] = static_cast<uint8_t>(dscp << 2);
  store_be16(l3 + 2, total);
  store_be16(l3 + 10, checksum_fold(uint64_t{checksum_} + total + l3[1]));
}

void HeaderTemplate::write_fragment(uint8_t* out, size_t payload_length, uint8_t dscp,
                                    const FragmentField& field) const {
  uint8_t* const l3 = out + l2_size_;
  if (ipv6_) {
    write(out, kFragmentHeader + payload_length, dscp);
    uint8_t* const header = l3 + kIpv6Header;
    header[0] = l3[6];
    header[1] = 0;
    store_be16(header + 2, static_cast<uint16_t>(field.offset | (field.more ? 1 : 0)));
    store_be32(header + 4, field.id);
    l3[6] = kProtocolFragment;
    return;
  }
  write(out, payload_length, dscp);
  store_be16(l3 + 4, static_cast<uint16_t>(field.id));
  store_be16(l3 + 6, static_cast<uint16_t>(field.offset / 8 | (field.more ? 0x2000 : 0)));  // no DF
  store_be16(l3 + 10, 0);
  store_be16(l3 + 10, checksum_fold(checksum_add({l3, kIpv4Header})));
}

uint64_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination, size_t length,
                           uint8_t protocol) {
  return checksum_add(source.bytes()) + checksum_add(destination.bytes()) + length + protocol;
}

}  // namespace trunkline::net
