// SPDX-License-Identifier: BSD-3-Clause
// The fields of a plan by name, in the order of their declaration: for the program that makes plans
// smaller and for the text that becomes a test.
#pragma once

#include <tuple>

#include "plan.h"

namespace trunkline::sim {

template <typename T, typename M>
struct Field {
  const char* name;
  M T::*member;
};
template <typename T, typename M>
Field(const char*, M T::*) -> Field<T, M>;

// Nothing for a type that is not made of fields.
template <typename T>
struct Fields {};

// NOLINTBEGIN(cppcoreguidelines-macro-usage): the name and the member are one word.
#define TRUNKLINE_FIELD(name) \
  Field {                     \
#name, &Type::name        \
  }

template <>
struct Fields<Profile> {
  using Type = Profile;
  static constexpr auto all = std::tuple{
      TRUNKLINE_FIELD(rto_initial),
      TRUNKLINE_FIELD(rto_min),
      TRUNKLINE_FIELD(rto_max),
      TRUNKLINE_FIELD(linear_backoff),
      TRUNKLINE_FIELD(association_max_retrans),
      TRUNKLINE_FIELD(path_max_retrans),
      TRUNKLINE_FIELD(max_init_retransmits),
      TRUNKLINE_FIELD(heartbeat_interval),
      TRUNKLINE_FIELD(potentially_failed_max_retrans),
      TRUNKLINE_FIELD(primary_switchover_max_retrans),
      TRUNKLINE_FIELD(primary_return_heartbeats),
      TRUNKLINE_FIELD(peer_address_check),
      TRUNKLINE_FIELD(sack_delay),
      TRUNKLINE_FIELD(sack_frequency),
      TRUNKLINE_FIELD(outbound_streams),
      TRUNKLINE_FIELD(max_inbound_streams),
      TRUNKLINE_FIELD(valid_cookie_life),
      TRUNKLINE_FIELD(shutdown_guard),
      TRUNKLINE_FIELD(a_rwnd),
      TRUNKLINE_FIELD(receive_memory),
      TRUNKLINE_FIELD(send_buffer),
      TRUNKLINE_FIELD(max_message_size),
      TRUNKLINE_FIELD(partial_delivery_point),
      TRUNKLINE_FIELD(path_mtu),
      TRUNKLINE_FIELD(pmtu_discovery),
      TRUNKLINE_FIELD(pmtu_base),
      TRUNKLINE_FIELD(pmtu_probe_timeout),
      TRUNKLINE_FIELD(pmtu_raise_interval),
      TRUNKLINE_FIELD(max_burst),
      TRUNKLINE_FIELD(loss_recovery),
      TRUNKLINE_FIELD(nagle),
      TRUNKLINE_FIELD(one_data_per_packet),
      TRUNKLINE_FIELD(partial_reliability),
  };
};

template <>
struct Fields<HostPlan> {
  using Type = HostPlan;
  static constexpr auto all = std::tuple{
      TRUNKLINE_FIELD(profile),
      TRUNKLINE_FIELD(addresses),
      TRUNKLINE_FIELD(knows_networks),
      TRUNKLINE_FIELD(listening),
      TRUNKLINE_FIELD(checksum_by_port),
      TRUNKLINE_FIELD(meddles),
      TRUNKLINE_FIELD(poll),
      TRUNKLINE_FIELD(out_of_blue_replies),
      TRUNKLINE_FIELD(lists),
      TRUNKLINE_FIELD(window_cap),
      TRUNKLINE_FIELD(window_cap_until),
      TRUNKLINE_FIELD(consumers),
      TRUNKLINE_FIELD(rx_slots),
      TRUNKLINE_FIELD(shards),
      TRUNKLINE_FIELD(spread),
      TRUNKLINE_FIELD(port),
      TRUNKLINE_FIELD(free_ports),
      TRUNKLINE_FIELD(loop_loss),
      TRUNKLINE_FIELD(hand_over),
      TRUNKLINE_FIELD(hand_over_room),
      TRUNKLINE_FIELD(max_associations),
      TRUNKLINE_FIELD(receive_buffer_bytes),
      TRUNKLINE_FIELD(max_outstanding_chunks),
      TRUNKLINE_FIELD(max_queued_messages),
  };
};

template <>
struct Fields<LinkFaults> {
  using Type = LinkFaults;
  static constexpr auto all = std::tuple{
      TRUNKLINE_FIELD(delay),       TRUNKLINE_FIELD(jitter),        TRUNKLINE_FIELD(rate),
      TRUNKLINE_FIELD(queue_limit), TRUNKLINE_FIELD(loss),          TRUNKLINE_FIELD(enter_bad),
      TRUNKLINE_FIELD(leave_bad),   TRUNKLINE_FIELD(loss_when_bad), TRUNKLINE_FIELD(reorder),
      TRUNKLINE_FIELD(reorder_by),  TRUNKLINE_FIELD(duplicate),     TRUNKLINE_FIELD(corrupt),
      TRUNKLINE_FIELD(backwards),   TRUNKLINE_FIELD(truncate),      TRUNKLINE_FIELD(mtu),
      TRUNKLINE_FIELD(tells_mtu),   TRUNKLINE_FIELD(cut),
  };
};

template <>
struct Fields<LinkPlan> {
  using Type = LinkPlan;
  static constexpr auto all = std::tuple{
      TRUNKLINE_FIELD(from),
      TRUNKLINE_FIELD(to),
      TRUNKLINE_FIELD(net),
      TRUNKLINE_FIELD(faults),
  };
};

template <>
struct Fields<TrafficPlan> {
  using Type = TrafficPlan;
  static constexpr auto all = std::tuple{
      TRUNKLINE_FIELD(pattern),  TRUNKLINE_FIELD(messages),  TRUNKLINE_FIELD(min_size),
      TRUNKLINE_FIELD(max_size), TRUNKLINE_FIELD(unordered), TRUNKLINE_FIELD(streams),
      TRUNKLINE_FIELD(burst),    TRUNKLINE_FIELD(gap),       TRUNKLINE_FIELD(early),
      TRUNKLINE_FIELD(limited),
  };
};

template <>
struct Fields<ReaderPlan> {
  using Type = ReaderPlan;
  static constexpr auto all = std::tuple{
      TRUNKLINE_FIELD(keep),    TRUNKLINE_FIELD(stall), TRUNKLINE_FIELD(stall_for),
      TRUNKLINE_FIELD(trickle), TRUNKLINE_FIELD(slots), TRUNKLINE_FIELD(lag),
  };
};

template <>
struct Fields<SidePlan> {
  using Type = SidePlan;
  static constexpr auto all = std::tuple{
      TRUNKLINE_FIELD(traffic),
      TRUNKLINE_FIELD(reader),
      TRUNKLINE_FIELD(ending),
      TRUNKLINE_FIELD(ending_after),
  };
};

template <>
struct Fields<AssocPlan> {
  using Type = AssocPlan;
  static constexpr auto all = std::tuple{
      TRUNKLINE_FIELD(client),
      TRUNKLINE_FIELD(server),
      TRUNKLINE_FIELD(client_port),
      TRUNKLINE_FIELD(server_port),
      TRUNKLINE_FIELD(client_shard),
      TRUNKLINE_FIELD(server_shard),
      TRUNKLINE_FIELD(net),
      TRUNKLINE_FIELD(client_paths),
      TRUNKLINE_FIELD(server_paths),
      TRUNKLINE_FIELD(named),
      TRUNKLINE_FIELD(client_paths_again),
      TRUNKLINE_FIELD(server_paths_again),
      TRUNKLINE_FIELD(client_bound),
      TRUNKLINE_FIELD(server_bound),
      TRUNKLINE_FIELD(dialled),
      TRUNKLINE_FIELD(hostile),
      TRUNKLINE_FIELD(close_endpoint),
      TRUNKLINE_FIELD(close_in_one),
      TRUNKLINE_FIELD(rebinds),
      TRUNKLINE_FIELD(rebind_every),
      TRUNKLINE_FIELD(switches_primary),
      TRUNKLINE_FIELD(both_connect),
      TRUNKLINE_FIELD(reconnect),
      TRUNKLINE_FIELD(connect_after),
      TRUNKLINE_FIELD(peer_connect_after),
      TRUNKLINE_FIELD(outbound_streams),
      TRUNKLINE_FIELD(client_side),
      TRUNKLINE_FIELD(server_side),
  };
};

template <>
struct Fields<IncidentPlan> {
  using Type = IncidentPlan;
  static constexpr auto all = std::tuple{
      TRUNKLINE_FIELD(what), TRUNKLINE_FIELD(after), TRUNKLINE_FIELD(from),  TRUNKLINE_FIELD(to),
      TRUNKLINE_FIELD(span), TRUNKLINE_FIELD(chunk), TRUNKLINE_FIELD(count), TRUNKLINE_FIELD(nets),
  };
};

template <>
struct Fields<Expectations> {
  using Type = Expectations;
  static constexpr auto all = std::tuple{
      TRUNKLINE_FIELD(all_close),   TRUNKLINE_FIELD(connects_fail), TRUNKLINE_FIELD(connect_reason),
      TRUNKLINE_FIELD(loss_reason), TRUNKLINE_FIELD(refusals),      TRUNKLINE_FIELD(sound_paths),
      TRUNKLINE_FIELD(failover),
  };
};

template <>
struct Fields<Plan> {
  using Type = Plan;
  static constexpr auto all = std::tuple{
      TRUNKLINE_FIELD(hosts),
      TRUNKLINE_FIELD(links),
      TRUNKLINE_FIELD(assocs),
      TRUNKLINE_FIELD(incidents),
      TRUNKLINE_FIELD(expect),
      TRUNKLINE_FIELD(forge_every),
      TRUNKLINE_FIELD(forge_icmp_every),
      TRUNKLINE_FIELD(intrude_every),
      TRUNKLINE_FIELD(intrude_until),
      TRUNKLINE_FIELD(limit),
  };
};
#undef TRUNKLINE_FIELD
// NOLINTEND(cppcoreguidelines-macro-usage)

template <typename T>
concept HasFields = requires {
  Fields<T>::all;
};

// visit(name, pointer to member) for each field.
template <HasFields T, typename Visit>
void each_field(Visit&& visit) {
  std::apply([&](const auto&... field) { (visit(field.name, field.member), ...); }, Fields<T>::all);
}

}  // namespace trunkline::sim
