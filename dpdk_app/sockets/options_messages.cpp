// SPDX-License-Identifier: BSD-3-Clause
// Sending, receiving and notifications.
#include <array>

#include "sockets/option_call.h"

namespace trunkline::sockets {
namespace {

// ---------------------------------------------------------------- ints that are true or false

template <bool SocketOptions::*kFlag>
int get_flag(OptionCall& call) {
  if (call.room < sizeof(int)) return EINVAL;
  return call.give(call.options().*kFlag ? 1 : 0);
}

template <bool SocketOptions::*kFlag>
int set_flag(OptionCall& call) {
  if (call.room < sizeof(int)) return EINVAL;
  call.options().*kFlag = call.head<int>() != 0;
  return 0;
}

template <bool SocketOptions::*kFlag>
int set_flag_exactly(OptionCall& call) {
  return call.room != sizeof(int) ? EINVAL : set_flag<kFlag>(call);
}

template <bool SocketOptions::*kFlag>
constexpr OptionEntry flag(int name) {
  return {name, get_flag<kFlag>, set_flag<kFlag>};
}

// ---------------------------------------------------------------- notifications

constexpr uint32_t kEventTypes = SCTP_SN_TYPE_MAX - SCTP_SN_TYPE_BASE + 1;
static_assert(sizeof(sctp_event_subscribe) == kEventTypes, "as Linux 6.1 has it");

void subscribe(uint32_t& events, uint32_t type, bool on) {
  events = on ? events | 1u << type : events & ~(1u << type);
}

int get_events(OptionCall& call) {
  if (call.room == 0) return EINVAL;
  std::array<uint8_t, kEventTypes> out{};
  for (uint32_t i = 0; i < kEventTypes; ++i) out[i] = (call.options().future.events >> i) & 1;
  return call.give(out, std::min<size_t>(call.room, kEventTypes));
}

// Structures of older programs are shorter: what they do not name stays.
int set_events(OptionCall& call) {
  if (call.room > kEventTypes) return EINVAL;
  SocketOptions& o = call.options();
  for (uint32_t i = 0; i < std::min(call.room, call.in.size()); ++i) {
    subscribe(o.future.events, i, call.in[i] != 0);
  }
  if (o.current) o.current->events = o.future.events;
  call.answer.effects.tell_if_dry =
      (o.future.events & 1u << (SCTP_SENDER_DRY_EVENT - SCTP_SN_TYPE_BASE)) != 0;
  return 0;
}

bool names_event(const sctp_event& event) {
  return event.se_type >= SCTP_SN_TYPE_BASE && event.se_type <= SCTP_SN_TYPE_MAX;
}

int get_event(OptionCall& call) {
  if (call.room < sizeof(sctp_event)) return EINVAL;
  auto out = call.head<sctp_event>();
  if (!names_event(out)) return EINVAL;
  out.se_on = (call.association().events >> (out.se_type - SCTP_SN_TYPE_BASE)) & 1;
  return call.give(out);
}

int set_event(OptionCall& call) {
  if (call.room < sizeof(sctp_event)) return EINVAL;
  const auto in = call.head<sctp_event>();
  if (!names_event(in)) return EINVAL;
  subscribe(call.association().events, in.se_type - SCTP_SN_TYPE_BASE, in.se_on != 0);
  call.answer.effects.tell_if_dry = in.se_on != 0 && in.se_type == SCTP_SENDER_DRY_EVENT;
  return 0;
}

// ---------------------------------------------------------------- defaults of what is sent

constexpr uint32_t kSendFlags = SCTP_UNORDERED | SCTP_ADDR_OVER | SCTP_ABORT | SCTP_EOF;

int get_send_param(OptionCall& call) {
  if (call.room < sizeof(sctp_sndrcvinfo)) return EINVAL;
  auto out = call.head<sctp_sndrcvinfo>();
  const AssocOptions& a = call.association();
  out.sinfo_stream = a.send_stream;
  out.sinfo_flags = a.send_flags;
  out.sinfo_ppid = a.send_ppid;
  out.sinfo_context = a.send_context;
  out.sinfo_timetolive = a.send_lifetime;
  return call.give(out);
}

int set_send_param(OptionCall& call) {
  if (call.room != sizeof(sctp_sndrcvinfo)) return EINVAL;
  const auto in = call.head<sctp_sndrcvinfo>();
  if ((in.sinfo_flags & ~kSendFlags) != 0) return EINVAL;
  AssocOptions& a = call.association();
  a.send_stream = in.sinfo_stream;
  a.send_flags = in.sinfo_flags;
  a.send_ppid = in.sinfo_ppid;
  a.send_context = in.sinfo_context;
  a.send_lifetime = in.sinfo_timetolive;
  return 0;
}

int get_send_info(OptionCall& call) {
  if (call.room < sizeof(sctp_sndinfo)) return EINVAL;
  auto out = call.head<sctp_sndinfo>();
  const AssocOptions& a = call.association();
  out.snd_sid = a.send_stream;
  out.snd_flags = a.send_flags;
  out.snd_ppid = a.send_ppid;
  out.snd_context = a.send_context;
  return call.give(out);
}

int set_send_info(OptionCall& call) {
  if (call.room != sizeof(sctp_sndinfo)) return EINVAL;
  const auto in = call.head<sctp_sndinfo>();
  if ((in.snd_flags & ~kSendFlags) != 0) return EINVAL;
  AssocOptions& a = call.association();
  a.send_stream = in.snd_sid;
  a.send_flags = in.snd_flags;
  a.send_ppid = in.snd_ppid;
  a.send_context = in.snd_context;
  return 0;
}

// RFC 6458 section 8.1.32.
int get_pr_info(OptionCall& call) {
  if (call.room < sizeof(sctp_default_prinfo)) return EINVAL;
  auto out = call.head<sctp_default_prinfo>();
  out.pr_policy = call.association().send_flags & SCTP_PR_SCTP_MASK;
  out.pr_value = call.association().send_lifetime;
  return call.give(out);
}

int set_pr_info(OptionCall& call) {
  if (call.room != sizeof(sctp_default_prinfo)) return EINVAL;
  const auto in = call.head<sctp_default_prinfo>();
  if ((in.pr_policy & ~SCTP_PR_SCTP_MASK) != 0) return EINVAL;
  AssocOptions& a = call.association();
  a.send_flags = static_cast<uint16_t>((a.send_flags & ~SCTP_PR_SCTP_MASK) | in.pr_policy);
  a.send_lifetime = in.pr_policy == SCTP_PR_SCTP_NONE ? 0 : in.pr_value;
  return 0;
}

// ---------------------------------------------------------------- pieces of messages

constexpr uint32_t kLeastPacket = 512;  // SCTP_DEFAULT_MINSEGMENT
constexpr uint32_t kMostChunk = 65532;  // SCTP_MAX_CHUNK_LEN
constexpr uint32_t kDataHeader = 16;
constexpr uint32_t kCommonHeader = 12;

int get_max_segment(OptionCall& call) {
  uint32_t value = call.association().max_segment;
  // Of an association: the largest piece that it makes.
  if (const AssociationView* view = call.target.association) {
    uint32_t mtu = UINT16_MAX;
    for (const PathStatus& path : view->status.paths) {
      const uint32_t header = path.remote.is_ipv4() ? 20 : 40;
      mtu = std::min(mtu, path.mtu - header - kCommonHeader - kDataHeader);
    }
    value = value == 0 ? mtu / 4 * 4 : std::min(value, mtu / 4 * 4);
  }
  if (call.room == sizeof(int)) return call.give(value);
  if (call.room < sizeof(sctp_assoc_value)) return EINVAL;
  auto out = call.head<sctp_assoc_value>();
  out.assoc_value = value;
  return call.give(out);
}

int set_max_segment(OptionCall& call) {
  uint32_t value = 0;
  if (call.room == sizeof(int)) {
    value = call.head<uint32_t>();
  } else if (call.room == sizeof(sctp_assoc_value)) {
    value = call.head<sctp_assoc_value>().assoc_value;
  } else {
    return EINVAL;
  }
  const uint32_t ip_header = call.target.ipv6 ? 40 : 20;
  const uint32_t least = kLeastPacket - ip_header - kCommonHeader - kDataHeader;
  if (value != 0 && (value < least || value > kMostChunk - kDataHeader)) return EINVAL;
  call.association().max_segment = value;
  return 0;
}

int get_delivery_point(OptionCall& call) {
  if (call.room < sizeof(uint32_t)) return EINVAL;
  return call.give(call.options().partial_delivery_point);
}

int set_delivery_point(OptionCall& call) {
  if (call.room != sizeof(uint32_t)) return EINVAL;
  const auto value = call.head<uint32_t>();
  if (value > call.options().receive_buffer / 2) return EINVAL;
  call.options().partial_delivery_point = value;
  return 0;
}

// ---------------------------------------------------------------- the rest

int get_context(OptionCall& call) {
  if (call.room < sizeof(sctp_assoc_value)) return EINVAL;
  auto out = call.head<sctp_assoc_value>();
  out.assoc_value = call.association().receive_context;
  return call.give(out);
}

int set_context(OptionCall& call) {
  if (call.room != sizeof(sctp_assoc_value)) return EINVAL;
  call.association().receive_context = call.head<sctp_assoc_value>().assoc_value;
  return 0;
}

// Of one-to-many sockets, and of what was peeled off.
int get_autoclose(OptionCall& call) {
  if (!call.target.many) return EOPNOTSUPP;
  if (call.room < sizeof(int)) return EINVAL;
  return call.give(call.options().autoclose);
}

int set_autoclose(OptionCall& call) {
  constexpr uint32_t kMost = 4294967;  // sysctl net.sctp.max_autoclose: milliseconds in 32 bits
  if (!call.target.many) return EOPNOTSUPP;
  if (call.room != sizeof(int)) return EINVAL;
  call.options().autoclose = std::min(call.head<uint32_t>(), kMost);
  return 0;
}

int get_adaptation(OptionCall& call) {
  if (call.room < sizeof(sctp_setadaptation)) return EINVAL;
  sctp_setadaptation out{};
  out.ssb_adaptation_ind = call.options().adaptation;
  return call.give(out);
}

int set_adaptation(OptionCall& call) {
  if (call.room != sizeof(sctp_setadaptation)) return EINVAL;
  call.options().adaptation = call.head<sctp_setadaptation>().ssb_adaptation_ind;
  return 0;
}

using O = SocketOptions;
constexpr std::array kMessages = {
    flag<&O::no_delay>(SCTP_NODELAY),
    flag<&O::disable_fragments>(SCTP_DISABLE_FRAGMENTS),
    flag<&O::mapped_v4>(SCTP_I_WANT_MAPPED_V4_ADDR),
    flag<&O::receive_rcvinfo>(SCTP_RECVRCVINFO),
    flag<&O::receive_nxtinfo>(SCTP_RECVNXTINFO),
    OptionEntry{SCTP_FRAGMENT_INTERLEAVE, get_flag<&O::interleave>,
                set_flag_exactly<&O::interleave>},
    OptionEntry{SCTP_AUTOCLOSE, get_autoclose, set_autoclose},
    OptionEntry{SCTP_ADAPTATION_LAYER, get_adaptation, set_adaptation},
    OptionEntry{SCTP_DEFAULT_SEND_PARAM, get_send_param, set_send_param},
    OptionEntry{SCTP_DEFAULT_SNDINFO, get_send_info, set_send_info},
    OptionEntry{SCTP_DEFAULT_PRINFO, get_pr_info, set_pr_info},
    OptionEntry{SCTP_EVENTS, get_events, set_events},
    OptionEntry{SCTP_EVENT, get_event, set_event},
    OptionEntry{SCTP_MAXSEG, get_max_segment, set_max_segment, true},
    OptionEntry{SCTP_CONTEXT, get_context, set_context},
    OptionEntry{SCTP_PARTIAL_DELIVERY_POINT, get_delivery_point, set_delivery_point},
};

}  // namespace

std::span<const OptionEntry> message_options() {
  return kMessages;
}

}  // namespace trunkline::sockets
