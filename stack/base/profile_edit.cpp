// SPDX-License-Identifier: BSD-3-Clause
// A profile with an edit applied.
#include "trunkline/stack/profile_edit.h"

namespace trunkline {
namespace {

template <typename T>
void apply(const std::optional<T>& said, T& field) {
  if (said) field = *said;
}

}  // namespace

Profile ProfileEdit::applied_to(const Profile& profile) const {
  Profile p = profile;
  apply(rto_initial, p.rto_initial);
  apply(rto_min, p.rto_min);
  apply(rto_max, p.rto_max);
  apply(linear_backoff, p.linear_backoff);
  apply(association_max_retrans, p.association_max_retrans);
  apply(path_max_retrans, p.path_max_retrans);
  apply(max_init_retransmits, p.max_init_retransmits);
  apply(heartbeat_interval, p.heartbeat_interval);
  apply(potentially_failed_max_retrans, p.potentially_failed_max_retrans);
  apply(primary_switchover_max_retrans, p.primary_switchover_max_retrans);
  apply(primary_return_heartbeats, p.primary_return_heartbeats);
  apply(sack_delay, p.sack_delay);
  apply(sack_frequency, p.sack_frequency);
  apply(valid_cookie_life, p.valid_cookie_life);
  apply(shutdown_guard, p.shutdown_guard);
  apply(send_buffer, p.send_buffer);
  apply(pmtu_discovery, p.pmtu_discovery);
  apply(fixed_path_mtu, p.fixed_path_mtu);
  apply(pmtu_raise_interval, p.pmtu_raise_interval);
  apply(max_burst, p.max_burst);
  apply(nagle, p.nagle);
  apply(one_data_per_packet, p.one_data_per_packet);
  apply(dscp, p.dscp);
  return p;
}

Profile PathEdit::applied_to(const Profile& profile) const {
  Profile p = profile;
  apply(heartbeat_interval, p.heartbeat_interval);
  apply(path_max_retrans, p.path_max_retrans);
  apply(potentially_failed_max_retrans, p.potentially_failed_max_retrans);
  apply(pmtu_discovery, p.pmtu_discovery);
  apply(fixed_path_mtu, p.fixed_path_mtu);
  apply(dscp, p.dscp);
  return p;
}

PathEdit PathEdit::with(const PathEdit& later) const {
  const auto last = [](const auto& before, const auto& after) { return after ? after : before; };
  return {.heartbeat_interval = last(heartbeat_interval, later.heartbeat_interval),
          .path_max_retrans = last(path_max_retrans, later.path_max_retrans),
          .potentially_failed_max_retrans =
              last(potentially_failed_max_retrans, later.potentially_failed_max_retrans),
          .pmtu_discovery = last(pmtu_discovery, later.pmtu_discovery),
          .fixed_path_mtu = last(fixed_path_mtu, later.fixed_path_mtu),
          .dscp = last(dscp, later.dscp)};
}

PathEdit PathEdit::without(const ProfileEdit& edit) const {
  const auto unless = [](const auto& said, const auto& own) { return said ? std::nullopt : own; };
  return {.heartbeat_interval = unless(edit.heartbeat_interval, heartbeat_interval),
          .path_max_retrans = unless(edit.path_max_retrans, path_max_retrans),
          .potentially_failed_max_retrans =
              unless(edit.potentially_failed_max_retrans, potentially_failed_max_retrans),
          .pmtu_discovery = unless(edit.pmtu_discovery, pmtu_discovery),
          .fixed_path_mtu = unless(edit.fixed_path_mtu, fixed_path_mtu),
          .dscp = unless(edit.dscp, dscp)};
}

}  // namespace trunkline
