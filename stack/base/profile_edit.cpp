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

}  // namespace trunkline
