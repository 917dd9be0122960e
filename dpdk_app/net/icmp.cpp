// SPDX-License-Identifier: BSD-3-Clause
// ICMP, ICMPv6 and Neighbor Discovery messages.
#include "net/icmp.h"

#include <algorithm>

#include "net/bytes.h"
#include "net/headers.h"

namespace trunkline::net {
namespace {
constexpr size_t kIcmpHeader = 8;
constexpr size_t kNeighborHeader = 24;
constexpr size_t kLinkAddressOption = 8;
constexpr uint8_t kSourceLinkAddress = 1;
constexpr uint8_t kTargetLinkAddress = 2;
constexpr uint8_t kSctp = 132;

std::optional<PacketIn> quoted_ipv4(std::span<const uint8_t> quoted) {
  constexpr size_t kPlain = 20;
  if (quoted.size() < kPlain || quoted[0] >> 4 != 4) return std::nullopt;
  const size_t header = (quoted[0] & 0x0fu) * 4u;
  const size_t length = load_be16(&quoted[2]);
  const bool first_fragment = (load_be16(&quoted[6]) & 0x1fffu) == 0;
  if (header < kPlain || quoted.size() < header || length < header || !first_fragment ||
      quoted[9] != kSctp) {
    return std::nullopt;
  }
  PacketIn out;
  out.source = IpAddress::from_ipv4(quoted.subspan<12, 4>());
  out.destination = IpAddress::from_ipv4(quoted.subspan<16, 4>());
  out.bytes = quoted.first(std::min(quoted.size(), length)).subspan(header);
  return out;
}

std::optional<PacketIn> quoted_ipv6(std::span<const uint8_t> quoted) {
  if (quoted.size() < kIpv6Header || quoted[0] >> 4 != 6) return std::nullopt;
  const size_t length = kIpv6Header + load_be16(&quoted[4]);
  quoted = quoted.first(std::min(quoted.size(), length));
  const auto sctp = find_quoted_sctp(quoted);
  if (!sctp) return std::nullopt;
  PacketIn out;
  out.source = IpAddress::from_ipv6(quoted.subspan<8, 16>());
  out.destination = IpAddress::from_ipv6(quoted.subspan<24, 16>());
  out.bytes = quoted.subspan(*sctp);
  return out;
}

// What the type and code say, and the MTU; nothing when it does not concern us.
std::optional<IcmpError> error_of(std::span<const uint8_t> message, bool ipv6) {
  const uint8_t type = message[0];
  const uint8_t code = message[1];
  IcmpError out;
  // Parameter problem, unrecognized next header; destination unreachable, protocol unreachable.
  if (ipv6 ? type == 4 && code == 1 : type == 3 && code == 2) return out;
  out.kind = IcmpErrorKind::kTooBig;
  if (ipv6 && type == 2) {  // RFC 4443 section 3.2: the code means nothing
    out.mtu = static_cast<uint16_t>(std::min(load_be32(&message[4]), uint32_t{UINT16_MAX}));
    return out;
  }
  if (!ipv6 && type == 3 && code == 4) {  // RFC 1191 section 4
    out.mtu = load_be16(&message[6]);
    return out;
  }
  return std::nullopt;
}

}  // namespace

std::optional<IcmpError> parse_icmp_error(std::span<const uint8_t> message, bool ipv6) {
  if (message.size() < kIcmpHeader) return std::nullopt;
  auto out = error_of(message, ipv6);
  if (!out) return std::nullopt;
  const auto quoted = message.subspan(kIcmpHeader);
  const auto sent = ipv6 ? quoted_ipv6(quoted) : quoted_ipv4(quoted);
  if (!sent) return std::nullopt;
  out->sent = *sent;
  return out;
}

IcmpKind classify_icmp(std::span<const uint8_t> message) {
  if (message.size() < kIcmpHeader || checksum_fold(checksum_add(message)) != 0) {
    return IcmpKind::kMalformed;
  }
  return message[0] == kEchoRequest && message[1] == 0 ? IcmpKind::kEcho : IcmpKind::kOther;
}

IcmpKind classify_icmpv6(std::span<const uint8_t> message, const IpAddress& source,
                         const IpAddress& destination) {
  if (message.size() < kIcmpHeader) return IcmpKind::kMalformed;
  const uint64_t sum = pseudo_header_sum(source, destination, message.size(), kProtocolIcmpv6);
  if (checksum_fold(checksum_add(message, sum)) != 0) return IcmpKind::kMalformed;
  if (message[0] == kEchoRequestV6 && message[1] == 0) return IcmpKind::kEcho;
  if (message[0] == kNeighborSolicitation || message[0] == kNeighborAdvertisement) {
    return IcmpKind::kNeighborMessage;
  }
  return IcmpKind::kOther;
}

void make_echo_reply(std::span<uint8_t> message) {
  message[0] = kEchoReply;
  store_be16(&message[2], 0);
  store_be16(&message[2], checksum_fold(checksum_add(message)));
}

void make_echo_reply_v6(std::span<uint8_t> message, const IpAddress& from, const IpAddress& to) {
  message[0] = kEchoReplyV6;
  store_be16(&message[2], 0);
  const uint64_t sum = pseudo_header_sum(from, to, message.size(), kProtocolIcmpv6);
  store_be16(&message[2], checksum_fold(checksum_add(message, sum)));
}

std::optional<NeighborMessage> parse_neighbor_message(std::span<const uint8_t> message,
                                                      const IpAddress& source,
                                                      const IpAddress& destination,
                                                      uint8_t hop_limit) {
  // A hop limit below 255 means that a router has passed the message on (section 7.1).
  if (hop_limit != 255 || message.size() < kNeighborHeader || message[1] != 0) return std::nullopt;
  NeighborMessage out;
  out.solicitation = message[0] == kNeighborSolicitation;
  out.target = IpAddress::from_ipv6(message.subspan<8, 16>());
  if (!out.target.is_unicast()) return std::nullopt;
  out.router = (message[4] & 0x80) != 0;
  out.solicited = (message[4] & 0x40) != 0;
  out.override_cache = (message[4] & 0x20) != 0;
  const bool multicast = destination.bytes()[0] == 0xff;
  if (!out.solicitation && multicast && out.solicited) return std::nullopt;

  std::span<const uint8_t> options = message.subspan(kNeighborHeader);
  const uint8_t wanted = out.solicitation ? kSourceLinkAddress : kTargetLinkAddress;
  while (!options.empty()) {
    const size_t length = options.size() < 2 ? 0 : static_cast<size_t>(options[1]) * 8;
    if (length == 0 || length > options.size()) return std::nullopt;
    if (options[0] == wanted && length == kLinkAddressOption) {
      out.link_address = MacAddress::from(&options[2]);
    }
    options = options.subspan(length);
  }
  if (out.link_address && (out.link_address->is_multicast() || out.link_address->is_zero())) {
    return std::nullopt;
  }
  if (out.solicitation && source.is_unspecified()) {
    // Duplicate address detection: to the solicited-node address, without a link address.
    if (out.link_address || !multicast) return std::nullopt;
  }
  return out;
}

size_t build_neighbor_message(const NeighborMessage& what, const IpAddress& source,
                              const IpAddress& destination, std::span<uint8_t> out) {
  std::fill_n(out.begin(), kNeighborHeader, uint8_t{0});
  out[0] = what.solicitation ? kNeighborSolicitation : kNeighborAdvertisement;
  out[4] = static_cast<uint8_t>((what.router ? 0x80 : 0) | (what.solicited ? 0x40 : 0) |
                                (what.override_cache ? 0x20 : 0));
  std::ranges::copy(what.target.bytes(), out.begin() + 8);
  size_t length = kNeighborHeader;
  if (what.link_address) {
    out[24] = what.solicitation ? kSourceLinkAddress : kTargetLinkAddress;
    out[25] = 1;
    std::copy(what.link_address->bytes.begin(), what.link_address->bytes.end(), out.begin() + 26);
    length += kLinkAddressOption;
  }
  const uint64_t sum = pseudo_header_sum(source, destination, length, kProtocolIcmpv6);
  store_be16(&out[2], checksum_fold(checksum_add(out.first(length), sum)));
  return length;
}

}  // namespace trunkline::net
