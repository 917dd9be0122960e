// SPDX-License-Identifier: BSD-3-Clause
// What a program has chosen by options of a socket, in the units of Linux's structures, and what
// becomes of it: a Profile, and the copy in the socket's page. What was never chosen is as the
// daemon's configuration says: the profile of the endpoint or peer, or the default one.
#pragma once

#include <cstdint>
#include <optional>

#include "sockets/linux_sctp.h"
#include "trunkline/socket_abi.h"
#include "trunkline/stack/profile.h"
#include "trunkline/stack/profile_edit.h"

namespace trunkline::sockets {

// What one association has. A socket has such for the association that it will have, and another
// one for the one that it has: as on Linux, options of the latter do not change the former.
struct AssocOptions {
  std::optional<uint32_t> rto_initial, rto_min, rto_max;  // ms
  std::optional<uint32_t> max_retrans, cookie_life;       // cookie_life: ms
  std::optional<uint32_t> heartbeat_interval;             // ms
  std::optional<bool> heartbeats, sack_delayed, pmtu_discovery;
  std::optional<uint32_t> path_max_retrans, path_mtu;
  std::optional<uint32_t> sack_delay, sack_frequency;  // ms, packets
  std::optional<uint32_t> max_burst;
  std::optional<uint32_t> pf_max_retrans, switchover_max_retrans;
  std::optional<uint8_t> dscp;  // as in the IP header: 6 bits and two of zero
  std::optional<uint32_t> flow_label;
  uint32_t max_segment = 0;
  uint32_t receive_context = 0;
  uint32_t events = 0;  // bit n: type SCTP_SN_TYPE_BASE + n
  uint16_t send_stream = 0;
  uint16_t send_flags = 0;  // the policy of SCTP_DEFAULT_PRINFO among them, as on Linux
  uint32_t send_ppid = 0;
  uint32_t send_context = 0;
  uint32_t send_lifetime = 0;  // or the value of that policy
  uint32_t stream_reset = 0;   // SCTP_ENABLE_STREAM_RESET
  uint32_t expose_pf = 0;
};

struct SocketOptions {
  AssocOptions future;
  std::optional<AssocOptions> current;  // while there is an association
  std::optional<uint16_t> outbound_streams, max_inbound_streams, max_init_retransmits;
  std::optional<uint16_t> max_init_timeout;  // ms
  uint32_t autoclose = 0;                    // seconds; 0: never
  uint32_t adaptation = 0;
  uint32_t partial_delivery_point = 0;
  uint32_t scheduler = 0;                 // SCTP_SS_FCFS or SCTP_SS_RR
  uint32_t send_buffer = kDefaultBuffer;  // as getsockopt() shows them
  uint32_t receive_buffer = kDefaultBuffer;
  int linger = -1;            // seconds; -1: off
  int linger_shown = 0;       // what was asked for last; it stays when lingering is turned off
  int receive_low_water = 1;  // kept and shown: a message is delivered as it is, as on Linux
  bool no_delay = false;
  bool disable_fragments = false;
  bool mapped_v4 = true;
  bool v6_only = false;
  bool interleave = false;
  bool receive_rcvinfo = false;
  bool receive_nxtinfo = false;
  bool auto_asconf = false;
  std::optional<bool> partial_reliability;  // of associations to come
  bool reconfig = false, ecn = false;       // asked for; no association has them yet

  // net.core.{r,w}mem_{default,max} of a machine with 4 KiB pages.
  static constexpr uint32_t kDefaultBuffer = 212992;
  static constexpr uint32_t kMaxBuffer = 212992;  // of what is asked; twice as much is had

  [[nodiscard]] AssocOptions& association() { return current ? *current : future; }
  [[nodiscard]] const AssocOptions& association() const { return current ? *current : future; }
};

// What a program may shorten, and no further; what the configured profile has is always allowed.
struct OptionFloors {
  Duration least_rto = std::chrono::milliseconds(10);
  Duration least_heartbeat_interval = std::chrono::milliseconds(100);
};

// SCTP_INITMSG, or SCTP_INIT for one association: what is not 0.
void take_init(const sctp_initmsg& in, SocketOptions& out);

// The profile of an association with these options over the configured one. Always a valid one.
[[nodiscard]] Profile profile_of(const SocketOptions& socket, const AssocOptions& association,
                                 const Profile& configured, const OptionFloors& floors);

// What makes `to` of `from`, of all that an edit may say; nothing if that is the same.
[[nodiscard]] std::optional<ProfileEdit> difference(const Profile& from, const Profile& to);

// For the page.
[[nodiscard]] tls_options page_options(const SocketOptions& options);

// The largest message that send() takes, as Linux has it: what SO_SNDBUF says, as far as the slots
// go.
[[nodiscard]] uint32_t max_message_size(const SocketOptions& options, const tlr_geometry& geometry);

}  // namespace trunkline::sockets
