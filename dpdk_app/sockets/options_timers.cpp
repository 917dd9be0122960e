// SPDX-License-Identifier: BSD-3-Clause
// RTO, retransmissions, set-up, heartbeats, path MTU and acknowledgements.
#include <array>
#include <chrono>

#include "sockets/option_call.h"
#include "trunkline/stack/profile_limits.h"

namespace trunkline::sockets {
namespace {

int get_rto(OptionCall& call) {
  if (call.room < sizeof(sctp_rtoinfo)) return EINVAL;
  auto out = call.head<sctp_rtoinfo>();
  const Profile p = call.profile();
  // As it was asked for: an association's first one keeps to the limits all the same.
  out.srto_initial = call.association().rto_initial.value_or(ms_of(p.rto_initial));
  out.srto_max = ms_of(p.rto_max);
  out.srto_min = ms_of(p.rto_min);
  return call.give(out);
}

int set_rto(OptionCall& call) {
  if (call.room != sizeof(sctp_rtoinfo)) return EINVAL;
  const auto in = call.head<sctp_rtoinfo>();
  const Profile p = call.profile();
  const uint32_t most = in.srto_max != 0 ? in.srto_max : ms_of(p.rto_max);
  const uint32_t least = in.srto_min != 0 ? in.srto_min : ms_of(p.rto_min);
  if (least > most) return EINVAL;
  AssocOptions& a = call.association();
  if (in.srto_initial != 0) a.rto_initial = in.srto_initial;
  a.rto_max = most;
  a.rto_min = least;
  return 0;
}

int get_assoc_info(OptionCall& call) {
  if (call.room < sizeof(sctp_assocparams)) return EINVAL;
  auto out = call.head<sctp_assocparams>();
  const Profile p = call.profile();
  out.sasoc_asocmaxrxt =
      static_cast<uint16_t>(call.association().max_retrans.value_or(p.association_max_retrans));
  out.sasoc_cookie_life = ms_of(p.valid_cookie_life);
  out.sasoc_number_peer_destinations = 0;
  out.sasoc_peer_rwnd = out.sasoc_local_rwnd = 0;
  if (const AssociationView* view = call.target.association) {
    out.sasoc_number_peer_destinations = static_cast<uint16_t>(view->status.paths.size());
    out.sasoc_peer_rwnd = view->status.peer_rwnd;
    out.sasoc_local_rwnd = view->status.a_rwnd;
  }
  return call.give(out);
}

int set_assoc_info(OptionCall& call) {
  if (call.room != sizeof(sctp_assocparams)) return EINVAL;
  const auto in = call.head<sctp_assocparams>();
  AssocOptions& a = call.association();
  if (const AssociationView* view = call.target.association; view && in.sasoc_asocmaxrxt != 0) {
    uint32_t sum = 0;
    for (const Profile& path : view->path_profiles) sum += path.path_max_retrans;
    if (view->path_profiles.size() > 1 && in.sasoc_asocmaxrxt > sum) return EINVAL;
  }
  if (in.sasoc_asocmaxrxt != 0) a.max_retrans = in.sasoc_asocmaxrxt;
  if (in.sasoc_cookie_life != 0) a.cookie_life = in.sasoc_cookie_life;
  return 0;
}

int get_init(OptionCall& call) {
  if (call.room < sizeof(sctp_initmsg)) return EINVAL;
  const Profile p = call.profile();
  sctp_initmsg out{};
  out.sinit_num_ostreams = call.options().outbound_streams.value_or(p.outbound_streams);
  out.sinit_max_instreams = call.options().max_inbound_streams.value_or(p.max_inbound_streams);
  out.sinit_max_attempts = call.options().max_init_retransmits.value_or(p.max_init_retransmits);
  out.sinit_max_init_timeo = call.options().max_init_timeout.value_or(
      static_cast<uint16_t>(std::min<uint32_t>(ms_of(p.rto_max), UINT16_MAX)));
  return call.give(out);
}

int set_init(OptionCall& call) {
  if (call.room != sizeof(sctp_initmsg)) return EINVAL;
  take_init(call.head<sctp_initmsg>(), call.options());
  return 0;
}

// ---------------------------------------------------------------- SCTP_PEER_ADDR_PARAMS

// Before flow labels and DSCP were added.
constexpr size_t kShortPeerParams = (offsetof(sctp_paddrparams, spp_ipv6_flowlabel) + 3) / 4 * 4;

uint32_t flags_of(const AssocOptions& a, const Profile& p) {
  uint32_t flags = p.heartbeat_interval != Duration{0} ? SPP_HB_ENABLE : SPP_HB_DISABLE;
  flags |= a.pmtu_discovery.value_or(p.pmtu_discovery != PmtuDiscovery::kOff) ? SPP_PMTUD_ENABLE
                                                                              : SPP_PMTUD_DISABLE;
  const bool delayed = p.sack_frequency > 1 && p.sack_delay != Duration{0};
  return flags | (delayed ? SPP_SACKDELAY_ENABLE : SPP_SACKDELAY_DISABLE);
}

// The least of the association's; 0 before there is one.
uint32_t path_mtu_of(const OptionCall& call) {
  const AssociationView* const view = call.target.association;
  if (view == nullptr || view->status.paths.empty()) return 0;
  uint32_t least = UINT16_MAX;
  for (const PathStatus& path : view->status.paths) least = std::min<uint32_t>(least, path.mtu);
  return least;
}

int get_peer_params(OptionCall& call) {
  size_t size = sizeof(sctp_paddrparams);
  if (call.room < size) size = kShortPeerParams;
  if (call.room < size) return EINVAL;
  auto out = call.head<sctp_paddrparams>();
  const PeerChoice choice = choose_peer(call, out.spp_address);
  if (choice.kind == PeerChoice::kNone) return EINVAL;
  const AssocOptions& a = call.association();
  Profile p = call.profile();
  out.spp_hbinterval =
      a.heartbeat_interval.value_or(ms_of(call.target.configured.heartbeat_interval));
  out.spp_pathmtu = a.path_mtu.value_or(path_mtu_of(call));
  if (choice.kind == PeerChoice::kOne) {
    const AssociationView& view = *call.target.association;
    p = view.path_profiles[choice.path];
    if (p.heartbeat_interval != Duration{0}) out.spp_hbinterval = ms_of(p.heartbeat_interval);
    out.spp_pathmtu = view.status.paths[choice.path].mtu;
  } else if (p.heartbeat_interval != Duration{0} && a.heartbeat_interval != 0u) {
    out.spp_hbinterval = ms_of(p.heartbeat_interval);
  }
  out.spp_pathmaxrxt = p.path_max_retrans;
  out.spp_sackdelay = ms_of(p.sack_delay);
  out.spp_flags = flags_of(a, p);
  if (a.flow_label) {
    out.spp_ipv6_flowlabel = *a.flow_label;
    out.spp_flags |= SPP_IPV6_FLOWLABEL;
  }
  if (a.dscp || p.dscp != 0) {
    out.spp_dscp = static_cast<uint8_t>(p.dscp << 2);
    out.spp_flags |= SPP_DSCP;
  }
  return call.give(out, size);
}

bool is_valid(const sctp_paddrparams& in) {
  const auto both = [&](uint32_t mask) { return (in.spp_flags & mask) == mask; };
  return !both(SPP_HB) && !both(SPP_PMTUD) && !both(SPP_SACKDELAY) && in.spp_sackdelay <= 500 &&
         (in.spp_pathmtu == 0 || in.spp_pathmtu >= 512);
}

// Of all addresses, those to come included.
void apply(const sctp_paddrparams& in, AssocOptions& a) {
  if ((in.spp_flags & SPP_HB_ENABLE) != 0) {
    a.heartbeats = true;
    if ((in.spp_flags & SPP_HB_TIME_IS_ZERO) != 0) a.heartbeat_interval = 0;
    if (in.spp_hbinterval != 0 && !(in.spp_flags & SPP_HB_TIME_IS_ZERO)) {
      a.heartbeat_interval = in.spp_hbinterval;
    }
  }
  if ((in.spp_flags & SPP_HB_DISABLE) != 0) a.heartbeats = false;
  if ((in.spp_flags & SPP_PMTUD_DISABLE) != 0) {
    a.pmtu_discovery = false;
    if (in.spp_pathmtu != 0) a.path_mtu = in.spp_pathmtu;
  }
  if ((in.spp_flags & SPP_PMTUD_ENABLE) != 0) a.pmtu_discovery = true;
  if ((in.spp_flags & SPP_SACKDELAY_ENABLE) != 0) {
    a.sack_delayed = true;
    if (in.spp_sackdelay != 0) a.sack_delay = in.spp_sackdelay;
  }
  if ((in.spp_flags & SPP_SACKDELAY_DISABLE) != 0) a.sack_delayed = false;
  if (in.spp_pathmaxrxt != 0) a.path_max_retrans = in.spp_pathmaxrxt;
  if ((in.spp_flags & SPP_IPV6_FLOWLABEL) != 0) a.flow_label = in.spp_ipv6_flowlabel & 0xfffff;
  if ((in.spp_flags & SPP_DSCP) != 0) a.dscp = static_cast<uint8_t>(in.spp_dscp & 0xfc);
}

// Of one address: what a path has a word of its own for. The delay of SACKs is the association's.
PathEdit path_edit(const OptionCall& call, const sctp_paddrparams& in, const Profile& path) {
  SocketOptions options = call.options();
  AssocOptions a;
  a.heartbeat_interval = ms_of(path.heartbeat_interval);
  if (path.heartbeat_interval == Duration{0}) {
    a.heartbeat_interval = call.association().heartbeat_interval;
    a.heartbeats = false;
  }
  a.path_max_retrans = path.path_max_retrans;
  a.pmtu_discovery = path.pmtu_discovery != PmtuDiscovery::kOff;
  apply(in, a);
  const auto edit =
      difference(path, profile_of(options, a, call.target.configured, call.target.floors));
  if (!edit) return {};
  PathEdit out = PathEdit::of(*edit);
  // What was not spoken of stays as it is.
  if ((in.spp_flags & SPP_HB) == 0) out.heartbeat_interval.reset();
  if ((in.spp_flags & SPP_PMTUD) == 0) {
    out.pmtu_discovery.reset();
    out.fixed_path_mtu.reset();
  }
  if (in.spp_pathmaxrxt == 0) out.path_max_retrans.reset();
  if ((in.spp_flags & SPP_DSCP) == 0) out.dscp.reset();
  out.potentially_failed_max_retrans.reset();
  return out;
}

void apply_to_path(OptionCall& call, const sctp_paddrparams& in, size_t path) {
  const AssociationView& view = *call.target.association;
  const IpAddress& address = view.status.paths[path].remote;
  if ((in.spp_flags & SPP_HB_DEMAND) != 0) call.answer.effects.heartbeats.push_back(address);
  const PathEdit edit = path_edit(call, in, view.path_profiles[path]);
  if (!edit.is_empty()) call.answer.effects.path_edit = {address, edit};
  sctp_paddrparams rest{};
  rest.spp_flags = in.spp_flags & SPP_SACKDELAY;
  rest.spp_sackdelay = in.spp_sackdelay;
  apply(rest, call.association());
}

int set_peer_params(OptionCall& call) {
  auto in = call.head<sctp_paddrparams>();
  if (call.room == kShortPeerParams) {
    if ((in.spp_flags & (SPP_DSCP | SPP_IPV6_FLOWLABEL)) != 0) return EINVAL;
  } else if (call.room != sizeof(sctp_paddrparams)) {
    return EINVAL;
  }
  if (!is_valid(in)) return EINVAL;
  if (!call.target.ipv6 && !call.target.connected) {
    in.spp_flags &= ~uint32_t{SPP_IPV6_FLOWLABEL};
  }
  const PeerChoice choice = choose_peer(call, in.spp_address);
  if (choice.kind == PeerChoice::kNone) return EINVAL;
  if ((in.spp_flags & SPP_HB_DEMAND) != 0 && !call.target.connected) return EINVAL;
  if (choice.kind == PeerChoice::kOne) {
    apply_to_path(call, in, choice.path);
    return 0;
  }
  if ((in.spp_flags & SPP_HB_DEMAND) != 0 && call.target.association != nullptr) {
    for (const PathStatus& path : call.target.association->status.paths) {
      call.answer.effects.heartbeats.push_back(path.remote);
    }
  }
  apply(in, call.association());
  return 0;
}

// ---------------------------------------------------------------- SCTP_DELAYED_SACK

int get_sack(OptionCall& call) {
  const bool short_form = call.room == sizeof(sctp_assoc_value);
  if (call.room < sizeof(sctp_sack_info) && !short_form) return EINVAL;
  auto out = call.head<sctp_sack_info>();
  const Profile p = call.profile();
  const bool delayed = (flags_of(call.association(), p) & SPP_SACKDELAY_ENABLE) != 0;
  out.sack_delay = delayed ? ms_of(p.sack_delay) : 0;
  out.sack_freq = delayed ? p.sack_frequency : 1;
  return call.give(out, short_form ? sizeof(sctp_assoc_value) : sizeof(out));
}

int set_sack(OptionCall& call) {
  sctp_sack_info in{};
  if (call.room == sizeof(sctp_assoc_value)) {
    const auto value = call.head<sctp_assoc_value>();
    in.sack_delay = value.assoc_value;
    in.sack_freq = value.assoc_value != 0 ? 0 : 1;
  } else if (call.room == sizeof(sctp_sack_info)) {
    in = call.head<sctp_sack_info>();
    if (in.sack_delay == 0 && in.sack_freq == 0) return 0;
  } else {
    return EINVAL;
  }
  if (in.sack_delay > 500) return EINVAL;
  AssocOptions& a = call.association();
  if (in.sack_delay != 0) {
    a.sack_delay = in.sack_delay;
    a.sack_delayed = true;
  }
  if (in.sack_freq == 1) a.sack_delayed = false;
  if (in.sack_freq > 1) {
    a.sack_frequency = in.sack_freq;
    a.sack_delayed = true;
  }
  return 0;
}

// ---------------------------------------------------------------- bursts, thresholds, scheduler

// Linux leaves the length of the longer form as it was.
int get_burst(OptionCall& call) {
  const int value = call.profile().max_burst;
  if (call.room == sizeof(int)) return call.give(value);
  if (call.room < sizeof(sctp_assoc_value)) return EINVAL;
  auto out = call.head<sctp_assoc_value>();
  out.assoc_value = static_cast<uint32_t>(value);
  call.give(out);
  call.answer.length = static_cast<int>(call.room);
  return 0;
}

int set_burst(OptionCall& call) {
  uint32_t value = 0;
  if (call.room == sizeof(int)) {
    value = call.head<uint32_t>();
  } else if (call.room == sizeof(sctp_assoc_value)) {
    value = call.head<sctp_assoc_value>().assoc_value;
  } else {
    return EINVAL;
  }
  call.association().max_burst = value;
  return 0;
}

template <typename T>
int get_thresholds(OptionCall& call) {
  if (call.room < sizeof(T)) return EINVAL;
  auto out = call.head<T>();
  const PeerChoice choice = choose_peer(call, out.spt_address);
  if (choice.kind == PeerChoice::kNone) return ENOENT;
  const Profile p = choice.kind == PeerChoice::kOne
                        ? call.target.association->path_profiles[choice.path]
                        : call.profile();
  out.spt_pathmaxrxt = p.path_max_retrans;
  out.spt_pathpfthld = p.potentially_failed_max_retrans;
  if constexpr (requires { out.spt_pathcpthld; }) {
    out.spt_pathcpthld = p.primary_switchover_max_retrans;
  }
  return call.give(out);
}

template <typename T>
int set_thresholds(OptionCall& call) {
  if (call.room < sizeof(T)) return EINVAL;
  const auto in = call.head<T>();
  AssocOptions next = call.association();
  next.pf_max_retrans = in.spt_pathpfthld;
  if (in.spt_pathmaxrxt != 0) next.path_max_retrans = in.spt_pathmaxrxt;
  if constexpr (requires { in.spt_pathcpthld; }) {
    if (in.spt_pathpfthld > in.spt_pathcpthld) return EINVAL;
    next.switchover_max_retrans = in.spt_pathcpthld;
  }
  const PeerChoice choice = choose_peer(call, in.spt_address);
  if (choice.kind == PeerChoice::kNone) return ENOENT;
  if (choice.kind == PeerChoice::kAll) {
    call.association() = next;
    return 0;
  }
  PathEdit edit;
  edit.potentially_failed_max_retrans = std::min<uint16_t>(in.spt_pathpfthld, 255);
  if (in.spt_pathmaxrxt != 0) edit.path_max_retrans = std::min<uint16_t>(in.spt_pathmaxrxt, 255);
  call.answer.effects.path_edit = {call.target.association->status.paths[choice.path].remote, edit};
  return 0;
}

int get_scheduler(OptionCall& call) {
  if (call.room < sizeof(sctp_assoc_value)) return EINVAL;
  auto out = call.head<sctp_assoc_value>();
  out.assoc_value = call.options().scheduler;
  return call.give(out);
}

int set_scheduler(OptionCall& call) {
  if (call.room < sizeof(sctp_assoc_value)) return EINVAL;
  const uint32_t value = call.head<sctp_assoc_value>().assoc_value;
  if (value > SCTP_SS_MAX) return EINVAL;
  if (value == call.options().scheduler) return 0;
  // Priorities need values that no stream has yet; a living association keeps what it began with.
  if (value == SCTP_SS_PRIO || call.target.connected) return EOPNOTSUPP;
  call.options().scheduler = value;
  return 0;
}

constexpr std::array kTimers = {
    OptionEntry{SCTP_RTOINFO, get_rto, set_rto},
    OptionEntry{SCTP_ASSOCINFO, get_assoc_info, set_assoc_info, true, true},
    OptionEntry{SCTP_INITMSG, get_init, set_init},
    OptionEntry{SCTP_PEER_ADDR_PARAMS, get_peer_params, set_peer_params, true, true},
    OptionEntry{SCTP_DELAYED_SACK, get_sack, set_sack},
    OptionEntry{SCTP_MAX_BURST, get_burst, set_burst},
    OptionEntry{SCTP_PEER_ADDR_THLDS, get_thresholds<sctp_paddrthlds>,
                set_thresholds<sctp_paddrthlds>, true, true},
    OptionEntry{SCTP_PEER_ADDR_THLDS_V2, get_thresholds<sctp_paddrthlds_v2>,
                set_thresholds<sctp_paddrthlds_v2>, true, true},
    OptionEntry{SCTP_STREAM_SCHEDULER, get_scheduler, set_scheduler},
};

}  // namespace

std::span<const OptionEntry> timer_options() {
  return kTimers;
}

}  // namespace trunkline::sockets
