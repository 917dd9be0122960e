// SPDX-License-Identifier: BSD-3-Clause
// Frames for the network layer's tests, built by hand, so that a defect in the builders of the
// code under test can't hide one in its parsers.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "net/mac.h"
#include "net/route.h"
#include "trunkline/stack/address.h"

namespace trunkline::net {

using Bytes = std::vector<uint8_t>;

inline IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}
inline MacAddress mac(uint8_t last) {
  return {{0x02, 0, 0, 0, 0, last}};
}
inline const MacAddress kOurMac = mac(0x01);
inline const MacAddress kPeerMac = mac(0x77);

inline void add16(Bytes& out, unsigned value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
inline void add(Bytes& out, std::span<const uint8_t> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
inline void add(Bytes& out, const MacAddress& address) {
  add(out, address.bytes);
}
inline void add(Bytes& out, const IpAddress& address) {
  add(out, address.bytes());
}

// The one's complement sum, the slow way.
inline uint16_t slow_checksum(const Bytes& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? static_cast<uint32_t>(bytes[i]) << 8 : bytes[i];
    if (sum > 0xffff) sum = (sum & 0xffff) + 1;
  }
  return static_cast<uint16_t>(~sum & 0xffff);
}

inline Bytes ethernet(unsigned ethertype, unsigned vlan = 0, const MacAddress& to = kOurMac) {
  Bytes out;
  add(out, to);
  add(out, kPeerMac);
  if (vlan != 0) {
    add16(out, 0x8100);
    add16(out, vlan);
  }
  add16(out, ethertype);
  return out;
}

struct Ipv4Options {
  Bytes options;          // a multiple of 4
  unsigned fragment = 0;  // flags and offset
  int length_change = 0;  // wrong total length
  unsigned protocol = 132;
  unsigned vlan = 0;
  bool bad_checksum = false;
};

inline Bytes ipv4_frame(const Bytes& payload, const Ipv4Options& how = {},
                        std::string_view source = "192.0.2.77",
                        std::string_view destination = "192.0.2.1") {
  Bytes header;
  const size_t length = 20 + how.options.size();
  header.push_back(static_cast<uint8_t>(0x40 | length / 4));
  header.push_back(0xa0);
  add16(header,
        static_cast<unsigned>(static_cast<int>(length + payload.size()) + how.length_change));
  add16(header, 0);
  add16(header, how.fragment);
  header.push_back(64);
  header.push_back(static_cast<uint8_t>(how.protocol));
  add16(header, 0);
  add(header, ip(source));
  add(header, ip(destination));
  add(header, how.options);
  const uint16_t sum = slow_checksum(header);
  header[10] = static_cast<uint8_t>(sum >> 8);
  header[11] = static_cast<uint8_t>(sum ^ (how.bad_checksum ? 1 : 0));
  Bytes out = ethernet(0x0800, how.vlan);
  add(out, header);
  add(out, payload);
  return out;
}

inline Bytes ipv6_frame(unsigned next_header, const Bytes& payload, int length_change = 0,
                        std::string_view source = "2001:db8::77",
                        std::string_view destination = "2001:db8::1", uint8_t hop_limit = 64,
                        const MacAddress& to = kOurMac) {
  Bytes out = ethernet(0x86dd, 0, to);
  add16(out, 0x6000);
  add16(out, 0);
  add16(out, static_cast<unsigned>(static_cast<int>(payload.size()) + length_change));
  out.push_back(static_cast<uint8_t>(next_header));
  out.push_back(hop_limit);
  add(out, ip(source));
  add(out, ip(destination));
  add(out, payload);
  return out;
}

// Fills in the checksum of an ICMPv6 message.
inline Bytes icmpv6(Bytes message, std::string_view source, std::string_view destination) {
  message[2] = message[3] = 0;
  Bytes pseudo;
  add(pseudo, ip(source));
  add(pseudo, ip(destination));
  add16(pseudo, 0);
  add16(pseudo, static_cast<unsigned>(message.size()));
  add16(pseudo, 0);
  add16(pseudo, 58);
  add(pseudo, message);
  const uint16_t sum = slow_checksum(pseudo);
  message[2] = static_cast<uint8_t>(sum >> 8);
  message[3] = static_cast<uint8_t>(sum);
  return message;
}

inline Bytes icmp(Bytes message) {
  message[2] = message[3] = 0;
  const uint16_t sum = slow_checksum(message);
  message[2] = static_cast<uint8_t>(sum >> 8);
  message[3] = static_cast<uint8_t>(sum);
  return message;
}

inline Bytes arp_frame(unsigned operation, std::string_view sender, std::string_view target,
                       unsigned vlan = 0, const MacAddress& sender_mac = kPeerMac) {
  Bytes out = ethernet(0x0806, vlan, MacAddress::broadcast());
  add16(out, 1);
  add16(out, 0x0800);
  out.push_back(6);
  out.push_back(4);
  add16(out, operation);
  add(out, sender_mac);
  add(out, ip(sender));
  add(out, MacAddress{});
  add(out, ip(target));
  return out;
}

inline LocalPort local_port(unsigned vlan = 0) {
  LocalPort out;
  out.mac = kOurMac;
  out.vlan = static_cast<uint16_t>(vlan);
  out.prefixes = {{ip("192.0.2.1"), 24}, {ip("2001:db8::1"), 64}};
  out.gateway_v4 = ip("192.0.2.254");
  out.gateway_v6 = ip("2001:db8::fe");
  return out;
}

}  // namespace trunkline::net
