// SPDX-License-Identifier: BSD-3-Clause
// ICMP and ICMPv6: echo replies (RFC 792, RFC 4443) and Neighbor Discovery (RFC 4861), as pure
// functions on messages. Of errors only those matter that say that SCTP is not spoken, or that a
// packet was too big.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "net/mac.h"
#include "trunkline/stack/stack.h"

namespace trunkline::net {

inline constexpr uint8_t kEchoReply = 0;
inline constexpr uint8_t kEchoRequest = 8;
inline constexpr uint8_t kEchoRequestV6 = 128;
inline constexpr uint8_t kEchoReplyV6 = 129;
inline constexpr uint8_t kNeighborSolicitation = 135;
inline constexpr uint8_t kNeighborAdvertisement = 136;

enum class IcmpKind : uint8_t { kMalformed, kEcho, kNeighborMessage, kOther };

// Length and checksum are verified, nothing else.
[[nodiscard]] IcmpKind classify_icmp(std::span<const uint8_t> message);
[[nodiscard]] IcmpKind classify_icmpv6(std::span<const uint8_t> message, const IpAddress& source,
                                       const IpAddress& destination);

enum class IcmpErrorKind : uint8_t {
  kProtocolUnreachable,  // "protocol unreachable", "unrecognized next header type"
  kTooBig,               // "fragmentation needed", "packet too big"
};

struct IcmpError {
  IcmpErrorKind kind = IcmpErrorKind::kProtocolUnreachable;
  PacketIn sent;     // the SCTP packet that it quotes, as far as it does; source: our address
  uint16_t mtu = 0;  // kTooBig: of the next hop, bytes of IP packet; 0: not told
};

// For a verified message of kind kOther: the error, if it is one of these and quotes a packet of
// SCTP; all others are to be ignored (RFC 9260 section 10). Nothing in it is proven: whoever can
// send to us can write it.
[[nodiscard]] std::optional<IcmpError> parse_icmp_error(std::span<const uint8_t> message,
                                                        bool ipv6);

// Turns a verified echo request into its reply, in place.
void make_echo_reply(std::span<uint8_t> message);
// `from` and `to` as in the reply's IP header.
void make_echo_reply_v6(std::span<uint8_t> message, const IpAddress& from, const IpAddress& to);

struct NeighborMessage {
  bool solicitation = false;
  IpAddress target;
  std::optional<MacAddress> link_address;  // source (solicitation) or target (advertisement)
  bool router = false;
  bool solicited = false;
  bool override_cache = false;
};

// The checks of RFC 4861 sections 7.1.1 and 7.1.2. `message` has been classified.
[[nodiscard]] std::optional<NeighborMessage> parse_neighbor_message(
    std::span<const uint8_t> message, const IpAddress& source, const IpAddress& destination,
    uint8_t hop_limit);

// Writes an ICMPv6 message of 24 or 32 bytes; returns its length.
size_t build_neighbor_message(const NeighborMessage& what, const IpAddress& source,
                              const IpAddress& destination, std::span<uint8_t> out);

}  // namespace trunkline::net
