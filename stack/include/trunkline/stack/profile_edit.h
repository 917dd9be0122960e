// SPDX-License-Identifier: BSD-3-Clause
// A change of the profile that a living association has (RFC 6458 sections 8.1.1, 8.1.2, 8.1.12 and
// 8.1.19): those fields that may change then, each as in Profile; what is not said stays as it is.
// Streams, windows, the size of messages and what is judged at set-up alone are not among them.
//
// A restart of the peer keeps what was edited. When each takes effect:
//   RTO bounds            at once: time-outs in use are brought within them, and timers that run
//                         longer than that are set anew; rto_initial where nothing was measured yet
//   thresholds, limits    with the next error: what has been counted stays counted, and neither an
//                         association nor a path ends, or comes back, because of an edit
//   heartbeat_interval    at once: a shorter one is planned from now on, zero stops what is planned
//   sack_delay, frequency at once: a SACK that is owed comes no later than they say
//   shutdown_guard        at once, if that is earlier
//   pmtu_discovery, fixed_path_mtu   at once, for each path that has no word of its own
//   all others            with the next packet, message or cookie
#pragma once

#include <optional>
#include <string_view>

#include "trunkline/stack/profile.h"

namespace trunkline {

struct ProfileEdit {
  std::optional<Duration> rto_initial{};
  std::optional<Duration> rto_min{};
  std::optional<Duration> rto_max{};
  std::optional<bool> linear_backoff{};
  std::optional<uint16_t> association_max_retrans{};
  std::optional<uint16_t> path_max_retrans{};
  std::optional<uint16_t> max_init_retransmits{};
  std::optional<Duration> heartbeat_interval{};
  std::optional<uint16_t> potentially_failed_max_retrans{};
  std::optional<uint16_t> primary_switchover_max_retrans{};
  std::optional<uint16_t> primary_return_heartbeats{};
  std::optional<Duration> sack_delay{};
  std::optional<uint8_t> sack_frequency{};
  std::optional<Duration> valid_cookie_life{};
  std::optional<Duration> shutdown_guard{};
  std::optional<uint32_t> send_buffer{};
  std::optional<PmtuDiscovery> pmtu_discovery{};
  std::optional<uint16_t> fixed_path_mtu{};
  std::optional<Duration> pmtu_raise_interval{};
  std::optional<uint8_t> max_burst{};
  std::optional<bool> nagle{};
  std::optional<bool> one_data_per_packet{};
  std::optional<uint8_t> dscp{};

  [[nodiscard]] Profile applied_to(const Profile& profile) const;
};

// The same of one of the peer's addresses (RFC 6458 section 8.1.12), which goes before what the
// association has. A ProfileEdit that says anything of a field says it of all addresses, those that
// had a word of their own included. It lives as long as the association has the address; a restart
// of the peer keeps it.
struct PathEdit {
  std::optional<Duration> heartbeat_interval{};
  std::optional<uint16_t> path_max_retrans{};
  std::optional<uint16_t> potentially_failed_max_retrans{};
  std::optional<PmtuDiscovery> pmtu_discovery{};
  std::optional<uint16_t> fixed_path_mtu{};
  std::optional<uint8_t> dscp{};

  // What `edit` says of these fields.
  [[nodiscard]] static PathEdit of(const ProfileEdit& edit);
  [[nodiscard]] Profile applied_to(const Profile& profile) const;
  [[nodiscard]] PathEdit with(const PathEdit& later) const;
  // But for what `edit` says of all addresses.
  [[nodiscard]] PathEdit without(const ProfileEdit& edit) const;
  [[nodiscard]] bool is_empty() const;
};

}  // namespace trunkline
