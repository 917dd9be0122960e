// SPDX-License-Identifier: BSD-3-Clause
#include "sockets/socket_options.h"

#include <algorithm>

#include "sockets/linux_sctp.h"

#include "trunkline/stack/profile_limits.h"

namespace trunkline::sockets {
namespace {

using std::chrono::milliseconds;

struct IntoLimits {
  Profile& profile;

  void duration(const char*, Duration Profile::*member, Duration least, Duration most) const {
    profile.*member = std::clamp(profile.*member, least, most);
  }
  template <typename Number>
  void count(const char*, Number Profile::*member, uint32_t least, uint32_t most) const {
    profile.*member = static_cast<Number>(std::clamp<uint32_t>(profile.*member, least, most));
  }
  void bytes(const char* name, uint32_t Profile::*member, uint32_t least, uint32_t most) const {
    count(name, member, least, most);
  }
};

void set(Duration& at, const std::optional<uint32_t>& ms) {
  if (ms) at = milliseconds(*ms);
}

template <typename Number, typename From>
void set(Number& at, const std::optional<From>& value, uint32_t most) {
  if (value) at = static_cast<Number>(std::min<uint32_t>(*value, most));
}

// Never below what the operator grants, unless the profile is.
Duration not_below(Duration value, Duration floor, Duration configured) {
  return std::max(value, std::min(floor, configured));
}

void set_timers(Profile& p, const AssocOptions& from, const Profile& configured,
                const OptionFloors& floors) {
  set(p.rto_initial, from.rto_initial);
  set(p.rto_min, from.rto_min);
  set(p.rto_max, from.rto_max);
  p.rto_min = not_below(p.rto_min, floors.least_rto, configured.rto_min);
  p.rto_max = std::max(p.rto_max, p.rto_min);
  p.rto_initial = std::clamp(p.rto_initial, p.rto_min, p.rto_max);
  set(p.valid_cookie_life, from.cookie_life);
  set(p.heartbeat_interval, from.heartbeat_interval);
  p.heartbeat_interval = not_below(p.heartbeat_interval, floors.least_heartbeat_interval,
                                   configured.heartbeat_interval);
  if (from.heartbeats.value_or(p.heartbeat_interval != Duration{0})) {
    // Zero has a meaning of its own in a profile: none at all.
    if (p.heartbeat_interval == Duration{0}) p.heartbeat_interval = floors.least_heartbeat_interval;
  } else {
    p.heartbeat_interval = Duration{0};
  }
  set(p.sack_delay, from.sack_delay);
  set(p.sack_frequency, from.sack_frequency, 255);
  if (from.sack_delayed && !*from.sack_delayed) p.sack_frequency = 1;
}

void set_thresholds(Profile& p, const AssocOptions& from) {
  set(p.association_max_retrans, from.max_retrans, 255);
  set(p.path_max_retrans, from.path_max_retrans, 255);
  set(p.potentially_failed_max_retrans, from.pf_max_retrans, 255);
  set(p.primary_switchover_max_retrans, from.switchover_max_retrans, kNeverSwitch);
  if (p.primary_switchover_max_retrans > kMostSwitchoverRetrans) {
    p.primary_switchover_max_retrans = kNeverSwitch;
  }
  p.primary_switchover_max_retrans =
      std::max(p.primary_switchover_max_retrans, leaving_threshold(p));
}

void set_sizes(Profile& p, const SocketOptions& socket) {
  // As Linux has it: half of the buffer is for what a message costs beside its bytes.
  p.a_rwnd = std::max(socket.receive_buffer / 2, 1500u);
  p.receive_memory = 2 * p.a_rwnd;
  p.send_buffer = 128u << 20;  // the slots are the bound
  p.max_message_size = 64u << 20;
  p.partial_delivery_point = p.a_rwnd / 2;
  if (socket.partial_delivery_point != 0) {
    p.partial_delivery_point = std::min(p.partial_delivery_point, socket.partial_delivery_point);
  }
}

}  // namespace

void take_init(const sctp_initmsg& in, SocketOptions& out) {
  if (in.sinit_num_ostreams != 0) out.outbound_streams = in.sinit_num_ostreams;
  if (in.sinit_max_instreams != 0) out.max_inbound_streams = in.sinit_max_instreams;
  if (in.sinit_max_attempts != 0) out.max_init_retransmits = in.sinit_max_attempts;
  if (in.sinit_max_init_timeo != 0) out.max_init_timeout = in.sinit_max_init_timeo;
}

Profile profile_of(const SocketOptions& socket, const AssocOptions& association,
                   const Profile& configured, const OptionFloors& floors) {
  Profile p = configured;
  set_sizes(p, socket);
  set(p.outbound_streams, socket.outbound_streams, 65535);
  set(p.max_inbound_streams, socket.max_inbound_streams, 65535);
  set(p.max_init_retransmits, socket.max_init_retransmits, 255);
  set(p.max_burst, association.max_burst, 255);
  if (association.pmtu_discovery && !*association.pmtu_discovery) {
    p.pmtu_discovery = PmtuDiscovery::kOff;
    if (association.path_mtu && *association.path_mtu != 0) {
      p.fixed_path_mtu = static_cast<uint16_t>(
          std::clamp<uint32_t>(*association.path_mtu, kLeastPathMtu, p.path_mtu));
    }
  } else if (association.pmtu_discovery && p.pmtu_discovery == PmtuDiscovery::kOff) {
    p.pmtu_discovery = PmtuDiscovery::kReactive;
    p.fixed_path_mtu = 0;
  }
  p.scheduler =
      socket.scheduler == SCTP_SS_RR ? StreamScheduling::kRoundRobin : StreamScheduling::kFirstCome;
  p.nagle = !socket.no_delay;
  p.adaptation = socket.adaptation;
  p.partial_reliability = socket.partial_reliability.value_or(p.partial_reliability);
  if (association.dscp) p.dscp = static_cast<uint8_t>(*association.dscp >> 2);
  visit_profile_limits(IntoLimits{p});
  set_timers(p, association, configured, floors);
  set_thresholds(p, association);
  visit_profile_limits(IntoLimits{p});
  return p;
}

std::optional<ProfileEdit> difference(const Profile& from, const Profile& to) {
  ProfileEdit edit;
  bool any = false;
  const auto compare = [&](auto Profile::*member, auto& field) {
    if (from.*member == to.*member) return;
    field = to.*member;
    any = true;
  };
  compare(&Profile::rto_initial, edit.rto_initial);
  compare(&Profile::rto_min, edit.rto_min);
  compare(&Profile::rto_max, edit.rto_max);
  compare(&Profile::association_max_retrans, edit.association_max_retrans);
  compare(&Profile::path_max_retrans, edit.path_max_retrans);
  compare(&Profile::max_init_retransmits, edit.max_init_retransmits);
  compare(&Profile::heartbeat_interval, edit.heartbeat_interval);
  compare(&Profile::potentially_failed_max_retrans, edit.potentially_failed_max_retrans);
  compare(&Profile::primary_switchover_max_retrans, edit.primary_switchover_max_retrans);
  compare(&Profile::sack_delay, edit.sack_delay);
  compare(&Profile::sack_frequency, edit.sack_frequency);
  compare(&Profile::valid_cookie_life, edit.valid_cookie_life);
  compare(&Profile::pmtu_discovery, edit.pmtu_discovery);
  compare(&Profile::fixed_path_mtu, edit.fixed_path_mtu);
  compare(&Profile::max_burst, edit.max_burst);
  compare(&Profile::nagle, edit.nagle);
  compare(&Profile::dscp, edit.dscp);
  if (!any) return std::nullopt;
  return edit;
}

tls_options page_options(const SocketOptions& options) {
  const AssocOptions& a = options.association();
  tls_options out{};
  out.events = a.events;
  if ((a.events & 1) != 0) out.receive |= TLS_WANT_SNDRCV;
  if (options.receive_rcvinfo) out.receive |= TLS_WANT_RCVINFO;
  if (options.receive_nxtinfo) out.receive |= TLS_WANT_NXTINFO;
  out.context = a.receive_context;
  out.interleave = options.interleave ? 1 : 0;
  out.send_stream = a.send_stream;
  out.send_flags = a.send_flags;
  out.send_ppid = a.send_ppid;
  out.send_context = a.send_context;
  out.send_lifetime = a.send_lifetime;
  out.disable_fragments = options.disable_fragments ? 1 : 0;
  out.max_segment = a.max_segment;
  out.mapped_v4 = options.mapped_v4 ? 1 : 0;
  out.expose_pf = a.expose_pf;
  return out;
}

uint32_t max_message_size(const SocketOptions& options, const tlr_geometry& geometry) {
  return std::min(options.send_buffer, geometry.tx_slots * geometry.slot_size);
}

}  // namespace trunkline::sockets
