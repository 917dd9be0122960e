// SPDX-License-Identifier: BSD-3-Clause
// Ethernet, VLAN and IP headers of frames that we send, written at once or kept as a template of
// which only lengths and the IPv4 checksum change from packet to packet.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "net/fragment.h"
#include "net/frame.h"
#include "net/mac.h"
#include "trunkline/stack/address.h"

namespace trunkline::net {

inline constexpr size_t kLongestHeader = kEthernetHeader + kVlanTag + kIpv6Header;

// Returns the length of the header: 14, or 18 with a tag.
size_t write_ethernet(const MacAddress& destination, const MacAddress& source, uint16_t vlan,
                      uint16_t ethertype, std::span<uint8_t> out);

struct IpFields {
  IpAddress source;
  IpAddress destination;
  uint8_t protocol = kProtocolSctp;
  uint8_t dscp = 0;
  uint8_t hop_limit = 64;
};

// Everything in front of an IP payload. DF is set and the identification is 0 (RFC 6864 section
// 4.1), but for fragments.
class HeaderTemplate {
 public:
  HeaderTemplate() = default;
  HeaderTemplate(const MacAddress& destination, const MacAddress& source, uint16_t vlan,
                 const IpFields& ip);

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] size_t l2_size() const { return l2_size_; }
  void set_destination_mac(const MacAddress& mac);
  // Writes size() bytes at `out`, for a payload of `payload_length` bytes behind them.
  void write(uint8_t* out, size_t payload_length, uint8_t dscp) const;

  // The same for one fragment: with IPv6 a fragment header of 8 bytes more.
  [[nodiscard]] size_t fragment_size() const { return size_ + (ipv6_ ? kFragmentHeader : 0); }
  void write_fragment(uint8_t* out, size_t payload_length, uint8_t dscp,
                      const FragmentField& field) const;

 private:
  std::array<uint8_t, kLongestHeader> bytes_{};
  uint8_t size_ = 0;
  uint8_t l2_size_ = 0;
  bool ipv6_ = false;
  uint32_t checksum_ = 0;  // IPv4: the sum of all words but length and DSCP
};

// The pseudo header's part of an ICMPv6 checksum (RFC 8200 section 8.1).
[[nodiscard]] uint64_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                         size_t length, uint8_t protocol);

}  // namespace trunkline::net
