// SPDX-License-Identifier: BSD-3-Clause
// What is read of an association and its addresses, and the choice of the primary one.
#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "sockets/option_call.h"

namespace trunkline::sockets {
namespace {

const PathStatus* primary_of(const AssociationView& view) {
  for (const PathStatus& path : view.status.paths) {
    if (path.primary) return &path;
  }
  return view.status.paths.empty() ? nullptr : &view.status.paths.front();
}

int linux_state(PathState state) {
  switch (state) {
    case PathState::kActive:
      return SCTP_ACTIVE;
    case PathState::kPotentiallyFailed:
      return SCTP_PF;
    case PathState::kInactive:
      return SCTP_INACTIVE;
    case PathState::kUnconfirmed:
    case PathState::kUnconfirmedInactive:
      return SCTP_UNCONFIRMED;
  }
  return SCTP_UNCONFIRMED;
}

int linux_state(AssocState state) {
  switch (state) {
    case AssocState::kClosed:
      return SCTP_CLOSED;
    case AssocState::kCookieWait:
      return SCTP_COOKIE_WAIT;
    case AssocState::kCookieEchoed:
      return SCTP_COOKIE_ECHOED;
    case AssocState::kEstablished:
      return SCTP_ESTABLISHED;
    case AssocState::kShutdownPending:
      return SCTP_SHUTDOWN_PENDING;
    case AssocState::kShutdownSent:
      return SCTP_SHUTDOWN_SENT;
    case AssocState::kShutdownReceived:
      return SCTP_SHUTDOWN_RECEIVED;
    case AssocState::kShutdownAckSent:
      return SCTP_SHUTDOWN_ACK_SENT;
  }
  return SCTP_EMPTY;
}

tls_name name_of_path(const OptionCall& call, const PathStatus& path) {
  return name_of(path.remote, call.target.association->status.peer_port.value,
                 call.target.family());
}

void fill(const OptionCall& call, const PathStatus& path, sctp_paddrinfo& out) {
  std::memset(&out.spinfo_address, 0, sizeof(out.spinfo_address));
  put_name(name_of_path(call, path), &out.spinfo_address);
  out.spinfo_assoc_id = static_cast<sctp_assoc_t>(call.target.assoc_id);
  out.spinfo_state = linux_state(path.state);
  out.spinfo_cwnd = path.cwnd;
  out.spinfo_srtt = ms_of(path.srtt);
  out.spinfo_rto = ms_of(path.rto);
  out.spinfo_mtu = path.mtu;
}

int get_status(OptionCall& call) {
  if (call.room < sizeof(sctp_status)) return EINVAL;
  const AssociationView* const view = call.target.association;
  if (view == nullptr) return EINVAL;
  sctp_status out{};
  out.sstat_assoc_id = static_cast<sctp_assoc_t>(call.target.assoc_id);
  out.sstat_state = linux_state(view->status.state);
  out.sstat_rwnd = view->status.peer_rwnd;
  const PathStatus* const primary = primary_of(*view);
  if (primary != nullptr) {
    fill(call, *primary, out.sstat_primary);
    const uint32_t header = primary->remote.is_ipv4() ? 20 : 40;
    out.sstat_fragmentation_point = (primary->mtu - header - 12 - 16) / 4 * 4;
    if (const uint32_t most = call.association().max_segment; most != 0) {
      out.sstat_fragmentation_point = std::min(out.sstat_fragmentation_point, most);
    }
    // Chunks, as far as they can be told from bytes.
    const uint64_t piece = std::max(out.sstat_fragmentation_point, 1u);
    out.sstat_unackdata = static_cast<uint16_t>(
        std::min<uint64_t>((view->status.outstanding_bytes + piece - 1) / piece, UINT16_MAX));
  }
  out.sstat_instrms = view->status.inbound_streams;
  out.sstat_outstrms = view->status.outbound_streams;
  return call.give(out);
}

int get_peer_info(OptionCall& call) {
  if (call.room < sizeof(sctp_paddrinfo)) return EINVAL;
  auto out = call.head<sctp_paddrinfo>();
  const PeerChoice choice = choose_peer(call, out.spinfo_address);
  if (choice.kind != PeerChoice::kOne) return EINVAL;
  const PathStatus& path = call.target.association->status.paths[choice.path];
  constexpr uint32_t kHidden = 1;  // SCTP_PF_EXPOSE_DISABLE
  if (path.state == PathState::kPotentiallyFailed && call.association().expose_pf == kHidden) {
    return EACCES;
  }
  fill(call, path, out);
  return call.give(out);
}

int get_primary(OptionCall& call) {
  if (call.room < sizeof(sctp_prim)) return EINVAL;
  auto out = call.head<sctp_prim>();
  const AssociationView* const view = call.target.association;
  if (view == nullptr) return EINVAL;
  const PathStatus* const primary = primary_of(*view);
  if (primary == nullptr) return ENOTCONN;
  std::memset(&out.ssp_addr, 0, sizeof(out.ssp_addr));
  put_name(name_of_path(call, *primary), &out.ssp_addr);
  return call.give(out);
}

int set_primary(OptionCall& call) {
  if (call.room != sizeof(sctp_prim)) return EINVAL;
  const auto in = call.head<sctp_prim>();
  const PeerChoice choice = choose_peer(call, in.ssp_addr);
  if (choice.kind != PeerChoice::kOne) return EINVAL;
  call.answer.effects.primary = call.target.association->status.paths[choice.path].remote;
  return 0;
}

// ---------------------------------------------------------------- lists of addresses

constexpr size_t kListHead = offsetof(sctp_getaddrs, addrs);

// False: there is no room for all.
bool append(const tls_name& name, size_t room, std::vector<uint8_t>& out) {
  if (out.size() + name.length > room) return false;
  out.insert(out.end(), name.bytes, name.bytes + name.length);
  return true;
}

void put_count(std::vector<uint8_t>& list, uint32_t count) {
  std::memcpy(&list[offsetof(sctp_getaddrs, addr_num)], &count, sizeof(count));
}

std::vector<uint8_t> list_head(const OptionCall& call) {
  std::vector<uint8_t> out(kListHead);
  std::copy_n(call.in.begin(), std::min(call.in.size(), kListHead), out.begin());
  return out;
}

int get_peer_addresses(OptionCall& call) {
  if (call.room < sizeof(sctp_getaddrs)) return EINVAL;
  const AssociationView* const view = call.target.association;
  if (view == nullptr) return EINVAL;
  std::vector<uint8_t>& out = call.answer.body;
  out = list_head(call);
  for (const PathStatus& path : view->status.paths) {
    if (!append(name_of_path(call, path), call.room, out)) return ENOMEM;
  }
  put_count(out, static_cast<uint32_t>(view->status.paths.size()));
  call.answer.length = static_cast<int>(out.size());
  return 0;
}

int get_local_addresses(OptionCall& call) {
  if (call.room <= sizeof(sctp_getaddrs)) return EINVAL;
  const OptionTarget& t = call.target;
  const auto id = call.head<sctp_assoc_t>();
  if (id != 0 && !t.connected) return EINVAL;
  std::vector<IpAddress> addresses(t.addresses.begin(), t.addresses.end());
  if (t.port != 0 && (addresses.empty() || addresses.front().is_unspecified())) {
    addresses = t.own.all(t.family());
  }
  std::vector<uint8_t>& out = call.answer.body;
  out = list_head(call);
  for (const IpAddress& address : addresses) {
    if (!append(name_of(address, t.port, t.family()), call.room, out)) return ENOMEM;
  }
  put_count(out, static_cast<uint32_t>(addresses.size()));
  // Linux leaves the head out here, and cannot change that any more.
  call.answer.length = static_cast<int>(out.size() - kListHead);
  return 0;
}

// ---------------------------------------------------------------- counts

int get_counts(OptionCall& call) {
  if (call.room < sizeof(sctp_assoc_t)) return EINVAL;
  const AssociationView* const view = call.target.association;
  if (view == nullptr) return EINVAL;
  sctp_assoc_stats out{};
  out.sas_assoc_id = static_cast<sctp_assoc_t>(call.target.assoc_id);
  out.sas_opackets = view->status.packets_sent;
  out.sas_ipackets = view->status.packets_received;
  out.sas_rtxchunks = view->status.retransmitted_chunks;
  out.sas_oodchunks = view->status.messages_sent;
  out.sas_iodchunks = view->status.messages_received;
  for (const PathStatus& path : view->status.paths) {
    if (ms_of(path.rto) <= out.sas_maxrto) continue;
    out.sas_maxrto = ms_of(path.rto);
    std::memset(&out.sas_obs_rto_ipaddr, 0, sizeof(out.sas_obs_rto_ipaddr));
    put_name(name_of_path(call, path), &out.sas_obs_rto_ipaddr);
  }
  return call.give(out, std::min(call.room, sizeof(out)));
}

int refuse_peel_off(OptionCall&) {
  return EINVAL;  // one-to-one sockets have nothing to peel off
}

constexpr std::array kStatus = {
    OptionEntry{SCTP_STATUS, get_status, nullptr, true},
    OptionEntry{SCTP_GET_PEER_ADDR_INFO, get_peer_info, nullptr, true},
    OptionEntry{SCTP_PRIMARY_ADDR, get_primary, set_primary, true, true},
    OptionEntry{SCTP_GET_PEER_ADDRS, get_peer_addresses, nullptr, true},
    OptionEntry{SCTP_GET_LOCAL_ADDRS, get_local_addresses, nullptr},
    OptionEntry{SCTP_GET_ASSOC_NUMBER, unsupported, nullptr},
    OptionEntry{SCTP_GET_ASSOC_ID_LIST, unsupported, nullptr},
    OptionEntry{SCTP_GET_ASSOC_STATS, get_counts, nullptr, true},
    OptionEntry{SCTP_SOCKOPT_PEELOFF, refuse_peel_off, nullptr},
    OptionEntry{SCTP_SOCKOPT_PEELOFF_FLAGS, refuse_peel_off, nullptr},
};

}  // namespace

std::span<const OptionEntry> status_options() {
  return kStatus;
}

}  // namespace trunkline::sockets
