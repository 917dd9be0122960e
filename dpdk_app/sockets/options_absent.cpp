// SPDX-License-Identifier: BSD-3-Clause
// Extensions that are not there: AUTH, ASCONF, RE-CONFIG, I-DATA, ECN, encapsulation in
// UDP. What a program only asks to be offered to the peer is kept and never comes into use, as with
// a peer that does not know it; what it would rely on is refused.
#include <array>

#include "sockets/option_call.h"

namespace trunkline::sockets {
namespace {

template <typename T>
int need(const OptionCall& call) {
  return call.room < sizeof(T) ? EINVAL : 0;
}
template <typename T>
int need_exactly(const OptionCall& call) {
  return call.room != sizeof(T) ? EINVAL : 0;
}

// ---------------------------------------------------------------- offered, if both want it

template <bool SocketOptions::*kFlag>
int get_offer(OptionCall& call) {
  if (const int error = need<sctp_assoc_value>(call)) return error;
  auto out = call.head<sctp_assoc_value>();
  out.assoc_value = !call.target.connected && call.options().*kFlag ? 1 : 0;
  return call.give(out);
}

template <bool SocketOptions::*kFlag>
int set_offer(OptionCall& call) {
  if (const int error = need_exactly<sctp_assoc_value>(call)) return error;
  call.options().*kFlag = call.head<sctp_assoc_value>().assoc_value != 0;
  return 0;
}

int get_none(OptionCall& call) {
  if (const int error = need<sctp_assoc_value>(call)) return error;
  auto out = call.head<sctp_assoc_value>();
  out.assoc_value = 0;
  return call.give(out);
}

// What would change the answers of other options.
int set_none(OptionCall& call) {
  if (const int error = need_exactly<sctp_assoc_value>(call)) return error;
  return call.head<sctp_assoc_value>().assoc_value != 0 ? EOPNOTSUPP : 0;
}

// ---------------------------------------------------------------- AUTH

int no_access(OptionCall&) {
  return EACCES;
}

int set_key(OptionCall& call) {
  if (call.room <= sizeof(sctp_authkey)) return EINVAL;
  if (call.head<sctp_authkey>().sca_keylength > call.room - sizeof(sctp_authkey)) return EINVAL;
  return EACCES;
}

template <typename T>
int no_access_exactly(OptionCall& call) {
  const int error = need_exactly<T>(call);
  return error != 0 ? error : EACCES;
}
template <typename T>
int no_access_at_least(OptionCall& call) {
  const int error = need<T>(call);
  return error != 0 ? error : EACCES;
}

int get_peer_chunks(OptionCall& call) {
  if (const int error = need<sctp_authchunks>(call)) return error;
  return call.target.connected ? EACCES : EINVAL;
}

// ---------------------------------------------------------------- ASCONF

int refuse_peer_primary(OptionCall&) {
  return EPERM;
}

bool bound_to_all(const OptionTarget& target) {
  return target.port != 0 &&
         (target.addresses.empty() || target.addresses.front().is_unspecified());
}

int get_auto_asconf(OptionCall& call) {
  if (const int error = need<int>(call)) return error;
  return call.give(call.options().auto_asconf && bound_to_all(call.target) ? 1 : 0);
}

int set_auto_asconf(OptionCall& call) {
  if (const int error = need<int>(call)) return error;
  const bool on = call.head<int>() != 0;
  if (on && !bound_to_all(call.target)) return EINVAL;
  call.options().auto_asconf = on;
  return 0;
}

// ---------------------------------------------------------------- RE-CONFIG

int get_stream_reset(OptionCall& call) {
  if (const int error = need<sctp_assoc_value>(call)) return error;
  auto out = call.head<sctp_assoc_value>();
  out.assoc_value = call.association().stream_reset;
  return call.give(out);
}

int set_stream_reset(OptionCall& call) {
  if (const int error = need_exactly<sctp_assoc_value>(call)) return error;
  const uint32_t value = call.head<sctp_assoc_value>().assoc_value;
  if ((value & ~uint32_t{SCTP_ENABLE_STRRESET_MASK}) != 0) return EINVAL;
  call.association().stream_reset = value;
  return 0;
}

int no_reconfig(const OptionCall& call) {
  return call.target.connected ? ENOPROTOOPT : EINVAL;
}

int reset_streams(OptionCall& call) {
  if (const int error = need<sctp_reset_streams>(call)) return error;
  const size_t list = call.head<sctp_reset_streams>().srs_number_streams * sizeof(uint16_t);
  return list > call.room - sizeof(sctp_reset_streams) ? EINVAL : no_reconfig(call);
}

int reset_association(OptionCall& call) {
  const int error = need_exactly<sctp_assoc_t>(call);
  return error != 0 ? error : no_reconfig(call);
}

int add_streams(OptionCall& call) {
  const int error = need_exactly<sctp_add_streams>(call);
  return error != 0 ? error : no_reconfig(call);
}

// ---------------------------------------------------------------- I-DATA, scheduling, paths

int set_interleaving(OptionCall& call) {
  const int error = need<sctp_assoc_value>(call);
  return error != 0 ? error : EPERM;
}

int get_stream_value(OptionCall& call) {
  if (const int error = need<sctp_stream_value>(call)) return error;
  const AssociationView* const view = call.target.association;
  auto out = call.head<sctp_stream_value>();
  if (view == nullptr || out.stream_id >= view->status.outbound_streams) return EINVAL;
  out.stream_value = 0;
  return call.give(out);
}

// First come and round robin have no use for it, on Linux neither.
int set_stream_value(OptionCall& call) {
  if (const int error = need<sctp_stream_value>(call)) return error;
  const AssociationView* const view = call.target.association;
  const auto in = call.head<sctp_stream_value>();
  return view != nullptr && in.stream_id >= view->status.outbound_streams ? EINVAL : 0;
}

constexpr uint32_t kMostExpose = 2;

int get_expose(OptionCall& call) {
  if (const int error = need<sctp_assoc_value>(call)) return error;
  auto out = call.head<sctp_assoc_value>();
  out.assoc_value = call.association().expose_pf;
  return call.give(out);
}

int set_expose(OptionCall& call) {
  if (const int error = need_exactly<sctp_assoc_value>(call)) return error;
  const uint32_t value = call.head<sctp_assoc_value>().assoc_value;
  if (value > kMostExpose) return EINVAL;
  call.association().expose_pf = value;
  return 0;
}

int get_encapsulation(OptionCall& call) {
  if (const int error = need<sctp_udpencaps>(call)) return error;
  auto out = call.head<sctp_udpencaps>();
  if (choose_peer(call, out.sue_address).kind == PeerChoice::kNone) return ENOENT;
  out.sue_port = 0;
  return call.give(out);
}

int set_encapsulation(OptionCall& call) {
  if (const int error = need_exactly<sctp_udpencaps>(call)) return error;
  const auto in = call.head<sctp_udpencaps>();
  if (choose_peer(call, in.sue_address).kind == PeerChoice::kNone) return ENOENT;
  return in.sue_port != 0 ? EOPNOTSUPP : 0;
}

int get_probing(OptionCall& call) {
  if (const int error = need<sctp_probeinterval>(call)) return error;
  auto out = call.head<sctp_probeinterval>();
  if (choose_peer(call, out.spi_address).kind == PeerChoice::kNone) return ENOENT;
  out.spi_interval = 0;
  return call.give(out);
}

// How paths are probed is the profile's word.
int set_probing(OptionCall& call) {
  constexpr uint32_t kLeast = 5000;  // SCTP_PROBE_TIMER_MIN
  if (const int error = need_exactly<sctp_probeinterval>(call)) return error;
  const auto in = call.head<sctp_probeinterval>();
  if (in.spi_interval != 0 && in.spi_interval < kLeast) return EINVAL;
  if (choose_peer(call, in.spi_address).kind == PeerChoice::kNone) return ENOENT;
  return in.spi_interval != 0 ? EOPNOTSUPP : 0;
}

using O = SocketOptions;
constexpr std::array kAbsent = {
    OptionEntry{SCTP_SET_PEER_PRIMARY_ADDR, nullptr, refuse_peer_primary},
    OptionEntry{SCTP_AUTO_ASCONF, get_auto_asconf, set_auto_asconf},
    OptionEntry{SCTP_ASCONF_SUPPORTED, get_none, set_none},
    OptionEntry{SCTP_AUTH_SUPPORTED, get_none, set_none},
    OptionEntry{SCTP_AUTH_CHUNK, unsupported, no_access},
    OptionEntry{SCTP_HMAC_IDENT, no_access, no_access},
    OptionEntry{SCTP_AUTH_KEY, unsupported, set_key},
    OptionEntry{SCTP_AUTH_ACTIVE_KEY, no_access_at_least<sctp_authkeyid>,
                no_access_exactly<sctp_authkeyid>},
    OptionEntry{SCTP_AUTH_DELETE_KEY, unsupported, no_access_exactly<sctp_authkeyid>},
    OptionEntry{SCTP_AUTH_DEACTIVATE_KEY, unsupported, no_access_exactly<sctp_authkeyid>},
    OptionEntry{SCTP_PEER_AUTH_CHUNKS, get_peer_chunks, nullptr},
    OptionEntry{SCTP_LOCAL_AUTH_CHUNKS, no_access_at_least<sctp_authchunks>, nullptr},
    OptionEntry{SCTP_RECONFIG_SUPPORTED, get_offer<&O::reconfig>, set_offer<&O::reconfig>},
    OptionEntry{SCTP_ENABLE_STREAM_RESET, get_stream_reset, set_stream_reset},
    OptionEntry{SCTP_RESET_STREAMS, nullptr, reset_streams},
    OptionEntry{SCTP_RESET_ASSOC, nullptr, reset_association},
    OptionEntry{SCTP_ADD_STREAMS, nullptr, add_streams},
    OptionEntry{SCTP_INTERLEAVING_SUPPORTED, get_none, set_interleaving},
    OptionEntry{SCTP_STREAM_SCHEDULER_VALUE, get_stream_value, set_stream_value, true, true},
    OptionEntry{SCTP_ECN_SUPPORTED, get_offer<&O::ecn>, set_offer<&O::ecn>},
    OptionEntry{SCTP_EXPOSE_POTENTIALLY_FAILED_STATE, get_expose, set_expose},
    OptionEntry{SCTP_REMOTE_UDP_ENCAPS_PORT, get_encapsulation, set_encapsulation, true, true},
    OptionEntry{SCTP_PLPMTUD_PROBE_INTERVAL, get_probing, set_probing, true, true},
};

}  // namespace

std::span<const OptionEntry> absent_options() {
  return kAbsent;
}

}  // namespace trunkline::sockets
