// SPDX-License-Identifier: BSD-3-Clause
// What a port can do, as plain data, and what we ask of it. Pure, so that the branches for NICs
// that are not here have tests: asking for an offload that a port lacks makes its configuration
// fail, and few ports know SCTP.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trunkline/stack/random.h"
#include "trunkline/stack/stack.h"

namespace trunkline::port {

// What receive-side scaling (RSS) can spread over the queues of a port: kinds of packets, as bits.
inline constexpr uint16_t kRssIpv4 = 1;          // by addresses, whatever they carry
inline constexpr uint16_t kRssIpv4Fragment = 2;  // by addresses
inline constexpr uint16_t kRssIpv4Other = 4;     // by addresses, where the protocol is not known
inline constexpr uint16_t kRssIpv4Sctp = 8;      // by addresses and ports, perhaps the tag
inline constexpr uint16_t kRssIpv6 = 16;
inline constexpr uint16_t kRssIpv6Fragment = 32;
inline constexpr uint16_t kRssIpv6Other = 64;
inline constexpr uint16_t kRssIpv6Sctp = 128;

struct PortCapabilities {
  std::string driver;
  uint16_t max_rx_queues = 1;
  uint16_t max_tx_queues = 1;
  uint16_t min_mtu = 0;  // 0: not said
  uint16_t max_mtu = 0;
  bool rx_ipv4_checksum = false;
  bool rx_sctp_checksum = false;
  bool tx_ipv4_checksum = false;
  bool tx_sctp_checksum = false;
  uint16_t rss_types = 0;
  uint16_t redirection_size = 0;  // entries; 0: there is no table to fill
  uint8_t rss_key_size = 0;       // bytes; 0: the driver takes no key
  bool shared_memory = false;     // memif: a peer process that can die under us
};

struct Offloads {
  bool rx_ipv4_checksum = false;
  bool rx_sctp_checksum = false;
  bool tx_sctp_checksum = false;
};

[[nodiscard]] Offloads choose_offloads(const PortCapabilities& can);

// What a port said of the CRC32c of a packet, and what the stack is to make of it: a port that says
// "bad" may have looked for another checksum, so software looks again.
enum class ChecksumVerdict : uint8_t { kNone, kGood, kBad };
[[nodiscard]] constexpr ChecksumState believe(ChecksumVerdict verdict, const Offloads& asked) {
  return asked.rx_sctp_checksum && verdict == ChecksumVerdict::kGood ? ChecksumState::kGood
                                                                     : ChecksumState::kUnchecked;
}

// How many queue pairs to use: `asked`, or, if that is 0, one for each worker as far as the port
// has them.
[[nodiscard]] uint16_t choose_queues(const PortCapabilities& can, uint16_t asked, uint16_t workers);

// By what SCTP packets are spread.
enum class SctpSpread : uint8_t { kNot, kAddresses, kPorts };

struct RssChoice {
  uint16_t types = 0;  // to ask for: a subset of what the port reports; 0: no RSS
  SctpSpread ipv4 = SctpSpread::kNot;
  SctpSpread ipv6 = SctpSpread::kNot;
  std::vector<uint8_t> key;           // empty: the driver's own
  std::vector<uint16_t> redirection;  // queue by entry; empty: the driver's own
};

// RSS only spreads, it is never trusted: the shard that owns a packet is found by its tag. The key
// is drawn at random, so that nobody outside can choose addresses that meet in one queue; it is not
// a symmetric one, since what we send never comes back through the hash.
[[nodiscard]] RssChoice choose_rss(const PortCapabilities& can, uint16_t queues,
                                   RandomSource& random);
// A line for the log: what was chosen, and what it means for packets.
[[nodiscard]] std::string describe(const RssChoice& choice, const PortCapabilities& can,
                                   uint16_t queues);

// Empty when the port can have this many queue pairs and this MTU; else what is wrong.
[[nodiscard]] std::string check_request(const PortCapabilities& can, uint16_t queues, uint16_t mtu);

}  // namespace trunkline::port
