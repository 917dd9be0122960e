// SPDX-License-Identifier: BSD-3-Clause
// What an operator may choose for an association: timers, limits, sizes. One Profile is shared by
// all associations of an endpoint or peer; the names are those of RFC 9260 section 16.
#pragma once

#include <chrono>
#include <cstdint>

#include "trunkline/stack/types.h"

namespace trunkline {

// How a peer's list of its addresses, in INIT or INIT ACK, is judged.
enum class AddressCheck : uint8_t {
  kLoose,  // what it lists is used, after its path was verified (section 5.4)
  kExact,  // it must list the addresses that were named or configured, no more and no fewer
};

// A threshold that no error counter exceeds.
inline constexpr uint16_t kNeverSwitch = 0xffff;

// Every host takes packets of so many bytes (RFC 1122 section 3.3.3).
inline constexpr uint16_t kLeastPathMtu = 576;

// How a path's MTU follows the network (RFC 9260 section 7.3, RFC 8899).
enum class PmtuDiscovery : uint8_t {
  kOff,       // Profile::fixed_path_mtu if there is one, else path_mtu, whatever happens
  kReactive,  // path_mtu until an ICMP message or a black hole says less; then probes look for more
  kProbing,   // pmtu_base until probes have shown that more passes, up to path_mtu
};

// Which stream is served next (RFC 8260 section 3), message by message.
enum class StreamScheduling : uint8_t {
  kRoundRobin,  // each stream in turn
  kFirstCome,   // messages in the order in which they were accepted
};

// What finds out, beside three miss indications and T3, that DATA is lost. The order is that of the
// words in the configuration.
enum class LossRecovery : uint8_t {
  kRfc9260,  // nothing
  kEarly,    // for thin traffic: fewer indications, a shorter T3, a probe (decision 0051)
  kRack,     // the same, and time instead of miss indications (RFC 8985, decision 0055)
};

struct Profile {
  // Retransmission time-out, section 6.3.1. Invariant: 0 < min <= initial <= max.
  Duration rto_initial = std::chrono::seconds(1);
  Duration rto_min = std::chrono::seconds(1);
  Duration rto_max = std::chrono::seconds(60);
  // Keep the RTO instead of doubling it when T3 expires (RFC 4166 section 3.2.1): for signalling
  // networks of known delay only.
  bool linear_backoff = false;

  // Failure detection, sections 8.1 to 8.3.
  uint16_t association_max_retrans = 10;
  uint16_t path_max_retrans = 5;
  uint16_t max_init_retransmits = 8;
  Duration heartbeat_interval = std::chrono::seconds(30);  // zero: no heartbeats on idle paths

  // Quick failover, RFC 7829. A path whose error counter exceeds the first is potentially failed:
  // data leaves it. From path_max_retrans on there is no such state.
  uint16_t potentially_failed_max_retrans = 0;
  // The primary path whose error counter exceeds this one is primary no longer. Not below the
  // first; kNeverSwitch: data returns to it as soon as it works again.
  uint16_t primary_switchover_max_retrans = kNeverSwitch;
  // HEARTBEAT ACKs in a row before data returns to a path that failed, at least 1.
  uint16_t primary_return_heartbeats = 1;

  // Set-up with a multi-homed peer.
  AddressCheck peer_address_check = AddressCheck::kLoose;

  // Acknowledgements, section 6.2. The delay must not exceed 500 ms; peers with an RTO.min of
  // 100 ms retransmit everything unless it stays well below that.
  Duration sack_delay = std::chrono::milliseconds(50);
  uint8_t sack_frequency = 2;  // packets with DATA per SACK

  // Set-up, section 5.1.
  uint16_t outbound_streams = 10;
  uint16_t max_inbound_streams = 2048;
  Duration valid_cookie_life = std::chrono::seconds(60);

  // The end, section 9.2: T5-shutdown-guard, and as long the time without progress after which a
  // peer that takes nothing is given up: see guard(). Zero: five times rto_max, as recommended.
  Duration shutdown_guard{};

  // Sizes in bytes.
  uint32_t a_rwnd = 512 * 1024;  // receive buffer of an association
  // What is received may cost more than its bytes, which a_rwnd is charged, so that the window
  // shuts before the peer, which counts bytes, hears of it. What it sent within the window that it
  // knew comes in if no more than this is held then, all costs counted. Less than a_rwnd means
  // a_rwnd: it is dropped, to be sent again after a time-out.
  uint32_t receive_memory = 0;
  uint32_t send_buffer = 1024 * 1024;      // payload accepted and not yet acknowledged
  uint32_t max_message_size = 256 * 1024;  // both ways
  // A message of which so much has come is given to its reader in pieces (section 6.9, RFC 6458
  // section 8.1.21), so that it may be larger than a_rwnd. Zero: messages are given whole; one for
  // which a_rwnd has no room ends its association.
  uint32_t partial_delivery_point = 0;
  // What INIT and INIT ACK say of the layer above (RFC 5061 section 4.2.6); 0: nothing.
  uint32_t adaptation = 0;
  uint16_t path_mtu = 1500;  // of the IP packet; no path ever has more

  // Path MTU discovery, RFC 8899. No network asks for less than the base, or hardly any; for IPv6
  // it is never less than 1280. The time-out is PROBE_TIMER: at least 1 s, and more than 15 s
  // unless who sets it knows the network (5.1.1). The interval is PMTU_RAISE_TIMER, zero: what was
  // lowered stays low.
  PmtuDiscovery pmtu_discovery = PmtuDiscovery::kReactive;
  uint16_t pmtu_base = 1200;
  uint16_t fixed_path_mtu = 0;  // with kOff alone: 0 for path_mtu, else at most that
  Duration pmtu_probe_timeout = std::chrono::seconds(16);
  Duration pmtu_raise_interval = std::chrono::seconds(600);

  // Congestion control, section 7.2 and 6.1 D.
  uint8_t max_burst = 4;  // packets a SACK or timer may release at once; 0: no limit

  LossRecovery loss_recovery = LossRecovery::kRfc9260;

  StreamScheduling scheduler = StreamScheduling::kRoundRobin;

  // Bundling, section 6.10. Nothing ever waits for company unless `nagle` asks for it.
  bool nagle = false;
  bool one_data_per_packet = false;  // for peers that break on bundled DATA

  // Offer partial reliability (RFC 3758): where both ends do, a sender may give messages up.
  bool partial_reliability = true;

  uint8_t dscp = 0;  // 0 to 63

  // How long a shutdown may take: from the SHUTDOWN on altogether; before it, while data waits to
  // be acknowledged, since the last TSN that was.
  [[nodiscard]] Duration guard() const {
    return shutdown_guard != Duration{0} ? shutdown_guard : 5 * rto_max;
  }

  bool operator==(const Profile&) const = default;
};

}  // namespace trunkline
