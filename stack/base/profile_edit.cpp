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

namespace {

// A field of an address, and the one of all addresses that it goes before.
template <typename T>
struct Field {
  std::optional<T> PathEdit::*own;
  std::optional<T> ProfileEdit::*of_all;
};

// visit(Field) for each.
template <typename Visit>
void each_field(Visit&& visit) {
  visit(Field<Duration>{&PathEdit::heartbeat_interval, &ProfileEdit::heartbeat_interval});
  visit(Field<uint16_t>{&PathEdit::path_max_retrans, &ProfileEdit::path_max_retrans});
  visit(Field<uint16_t>{&PathEdit::potentially_failed_max_retrans,
                        &ProfileEdit::potentially_failed_max_retrans});
  visit(Field<PmtuDiscovery>{&PathEdit::pmtu_discovery, &ProfileEdit::pmtu_discovery});
  visit(Field<uint16_t>{&PathEdit::fixed_path_mtu, &ProfileEdit::fixed_path_mtu});
  visit(Field<uint8_t>{&PathEdit::dscp, &ProfileEdit::dscp});
}

}  // namespace

PathEdit PathEdit::of(const ProfileEdit& edit) {
  PathEdit out;
  each_field([&](const auto& field) { out.*field.own = edit.*field.of_all; });
  return out;
}

Profile PathEdit::applied_to(const Profile& profile) const {
  ProfileEdit edit;
  each_field([&](const auto& field) { edit.*field.of_all = this->*field.own; });
  return edit.applied_to(profile);
}

PathEdit PathEdit::with(const PathEdit& later) const {
  PathEdit out = *this;
  each_field([&](const auto& field) {
    if (later.*field.own) out.*field.own = later.*field.own;
  });
  return out;
}

PathEdit PathEdit::without(const ProfileEdit& edit) const {
  PathEdit out = *this;
  each_field([&](const auto& field) {
    if (edit.*field.of_all) (out.*field.own).reset();
  });
  return out;
}

bool PathEdit::is_empty() const {
  bool empty = true;
  each_field([&](const auto& field) { empty = empty && !(this->*field.own); });
  return empty;
}

}  // namespace trunkline
