// SPDX-License-Identifier: BSD-3-Clause
// Names of what the network layer counts. Every frame that is not handed to the stack or answered
// has exactly one drop counter here. The list is the documentation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace trunkline::net {

// clang-format off
#define TRUNKLINE_NET_COUNTERS(X)                                                              \
  X(in_sctp, "SCTP packets handed to the stack")                                               \
  X(in_fragments, "IP fragments of SCTP packets")                                              \
  X(in_reassembled, "SCTP packets put together from fragments")                                \
  X(out_sctp, "SCTP packets put on a wire or looped back")                                     \
  X(out_fragments, "IP fragments of packets that were cut before the path MTU shrank")         \
  X(out_looped, "SCTP packets to one of our own addresses, or to loopback")                    \
  X(arp_requests_in, "ARP requests for one of our addresses, answered")                        \
  X(arp_replies_in, "ARP replies that confirmed a neighbour")                                  \
  X(arp_requests_out, "ARP requests sent")                                                     \
  X(neighbour_solicits_in, "Neighbor Solicitations for one of our addresses, answered")        \
  X(neighbour_adverts_in, "Neighbor Advertisements that confirmed a neighbour")                \
  X(neighbour_solicits_out, "Neighbor Solicitations sent")                                     \
  X(announcements_in, "stations that said unasked where they are, and were not known")        \
  X(answers_for_others, "neighbours' answers to what another worker may have asked")           \
  X(echo_requests_in, "pings of one of our addresses, answered")                               \
  X(neighbours_failed, "neighbours that did not answer three times")                           \
  X(neighbour_claims, "claims of a neighbour's address by another station; it is asked")       \
  X(neighbour_claims_refuted, "claims that ended because the old one answered: forged?")       \
  X(neighbours_replaced, "claims believed, because the old one did not answer three times")    \
  X(neighbours_evicted, "neighbours forgotten to make room for others")                        \
  /* Drops: link layer */                                                                      \
  X(drop_runt, "frames shorter than their link-layer header")                                  \
  X(drop_not_our_mac, "frames to another station")                                             \
  X(drop_source_mac, "frames that say they come from a group of stations")                     \
  X(drop_group_mac, "frames to all stations or a group, for one of our addresses")             \
  X(drop_wrong_vlan, "frames with another VLAN tag than the port's, or none")                  \
  X(drop_ethertype, "frames that are neither IPv4, IPv6 nor ARP")                              \
  X(drop_segmented, "frames spread over buffers that do not fit into one")                     \
  /* Drops: IP */                                                                              \
  X(drop_ip_header, "IP headers that are malformed, or lengths beyond the frame")              \
  X(drop_ip_checksum, "IPv4 headers with a wrong checksum")                                    \
  X(drop_ip_source, "IP packets from an address that is not unicast, or from loopback")        \
  X(drop_own_source, "IP packets from outside with one of our own addresses as their source")  \
  X(drop_subnet_source, "IP packets from a prefix's broadcast or network address")             \
  X(drop_ttl, "IP packets whose time to live or hop limit is 0")                               \
  X(drop_ip_options, "IP options that are malformed, or that nobody may skip")                 \
  X(drop_not_our_address, "IP packets to an address that no port has, loopback among them")    \
  X(drop_fragment_protocol, "IP fragments of something else than SCTP")                        \
  X(drop_fragment_malformed, "IP fragments with an impossible length or offset")               \
  X(drop_fragment_tiny, "first IP fragments that do not hold all headers")                     \
  X(drop_fragment_too_long, "IP fragments of packets that are too long to be put together")    \
  X(drop_fragment_too_many, "IP fragments of packets cut into too many")                       \
  X(drop_fragment_overlap, "IP fragments of packets in which two of them overlap")             \
  X(drop_fragment_duplicate, "IP fragments that came twice")                                   \
  X(drop_fragment_timeout, "IP fragments whose others did not come in time")                   \
  X(drop_fragment_full, "IP fragments given up for newer ones, for want of room")              \
  X(drop_source_route, "IPv4 source routes and IPv6 routing headers with segments left")       \
  X(drop_extension_header, "IPv6 extension headers that are too many, too long or unknown")    \
  X(drop_ip_protocol, "IP packets that are neither SCTP nor ICMP")                             \
  /* Drops: ARP, ND and ICMP */                                                                \
  X(drop_arp_malformed, "ARP packets that are malformed or not for Ethernet and IPv4")         \
  X(drop_arp_not_for_us, "ARP packets that concern none of our addresses")                     \
  X(drop_arp_unexpected, "ARP replies that nobody waits for")                                  \
  X(drop_arp_off_link, "ARP packets from an address that no host of the port's prefixes has")  \
  X(drop_arp_conflict, "ARP or ND packets by which another station claims our address")        \
  X(drop_nd_malformed, "ND messages that break RFC 4861 section 7.1")                          \
  X(drop_nd_not_for_us, "Neighbor Solicitations for none of our addresses")                    \
  X(drop_nd_unexpected, "Neighbor Advertisements that nobody waits for")                       \
  X(drop_icmp_malformed, "ICMP messages that are truncated or have a wrong checksum")          \
  X(drop_icmp_other, "ICMP messages of a type that is not handled")                            \
  X(drop_icmp_rate, "pings beyond the rate limit")                                             \
  /* Drops: output */                                                                          \
  X(drop_no_port, "packets whose source is no address of ours")                                \
  X(drop_no_route, "packets to an address that neither a prefix nor a gateway reaches")        \
  X(drop_neighbour_queue, "packets beyond what a neighbour's queue holds while it resolves")   \
  X(drop_neighbour_unreachable, "packets to a neighbour that does not answer")                 \
  X(drop_neighbour_table, "packets to a neighbour that the full table cannot take")            \
  X(drop_no_buffer, "packets lost because all buffers are used up")                            \
  X(drop_too_long, "packets longer than the port's MTU")                                       \
// clang-format on

enum class NetCounter : uint16_t {
#define X(name, text) k_##name,
  TRUNKLINE_NET_COUNTERS(X)
#undef X
      kCount
};

inline constexpr size_t kNetCounterCount = static_cast<size_t>(NetCounter::kCount);

struct CounterInfo {
  std::string_view name;
  std::string_view text;
};

inline constexpr std::array<CounterInfo, kNetCounterCount> kNetCounterInfo{{
#define X(name, text) {#name, text},
    TRUNKLINE_NET_COUNTERS(X)
#undef X
}};

// Written by one worker; whoever else wants them asks that worker for a copy.
class NetCounters {
 public:
  void add(NetCounter counter, uint64_t n = 1) { values_[static_cast<size_t>(counter)] += n; }
  [[nodiscard]] uint64_t get(NetCounter counter) const {
    return values_[static_cast<size_t>(counter)];
  }

 private:
  std::array<uint64_t, kNetCounterCount> values_{};
};

}  // namespace trunkline::net
