// SPDX-License-Identifier: BSD-3-Clause
// The table as a whole, and the options of other levels.
#include "sockets/options.h"

#include <array>
#include <climits>

#include "sockets/option_call.h"

namespace trunkline::sockets {
namespace {

// Of level SOL_SOCKET, as far as the daemon must know them: a buffer that is too small gets what
// goes in, as Linux does it there.
int give_short(const OptionCall& call, const void* value, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(value);
  const size_t length = std::min(size, call.room);
  call.answer.body.assign(bytes, bytes + length);
  call.answer.length = static_cast<int>(length);
  return 0;
}

int give_int(const OptionCall& call, int value) {
  return give_short(call, &value, sizeof(value));
}

int take_int(const OptionCall& call, int& value) {
  if (call.room < sizeof(int)) return EINVAL;
  value = call.head<int>();
  return 0;
}

template <uint32_t SocketOptions::*kBuffer, uint32_t kLeast>
struct Buffer {
  static int get(OptionCall& call) {
    return give_int(call, static_cast<int>(call.options().*kBuffer));
  }
  static int set(OptionCall& call) {
    int value = 0;
    if (const int error = take_int(call, value)) return error;
    const uint32_t asked = std::min(static_cast<uint32_t>(value), SocketOptions::kMaxBuffer);
    call.options().*kBuffer = std::max(2 * asked, kLeast);
    return 0;
  }
};
using SendBuffer = Buffer<&SocketOptions::send_buffer, 4608>;
using ReceiveBuffer = Buffer<&SocketOptions::receive_buffer, 2304>;

int get_linger(OptionCall& call) {
  const linger value{call.options().linger >= 0 ? 1 : 0, call.options().linger_shown};
  return give_short(call, &value, sizeof(value));
}

int set_linger(OptionCall& call) {
  if (call.room < sizeof(linger)) return EINVAL;
  const auto value = call.head<linger>();
  SocketOptions& o = call.options();
  if (value.l_onoff == 0) {
    o.linger = -1;
    return 0;
  }
  // A negative time is one without end.
  o.linger = o.linger_shown = value.l_linger < 0 ? INT_MAX : value.l_linger;
  return 0;
}

int get_low_water(OptionCall& call) {
  return give_int(call, call.options().receive_low_water);
}

int set_low_water(OptionCall& call) {
  int value = 0;
  if (const int error = take_int(call, value)) return error;
  call.options().receive_low_water = value < 0 ? INT_MAX : std::max(value, 1);
  return 0;
}

// SO_REUSEADDR and SO_REUSEPORT live where ports are judged: SocketObject.

int refuse_force(OptionCall& call) {
  return call.room < sizeof(int) ? EINVAL : EPERM;
}

int get_v6_only(OptionCall& call) {
  return give_int(call, call.options().v6_only ? 1 : 0);
}

int set_v6_only(OptionCall& call) {
  int value = 0;
  if (const int error = take_int(call, value)) return error;
  if (call.target.port != 0) return EINVAL;
  call.options().v6_only = value != 0;
  return 0;
}

// Of level IPPROTO_IP: an int, or a byte where there is no room for one.
int give_byte(const OptionCall& call, uint8_t value) {
  if (call.room < sizeof(int)) return give_short(call, &value, sizeof(value));
  return give_int(call, value);
}

int take_byte(const OptionCall& call) {
  return call.room >= sizeof(int) ? call.head<int>() : call.head<uint8_t>();
}

uint8_t tos_of(const OptionCall& call) {
  const auto configured = static_cast<uint8_t>(call.target.configured.dscp << 2);
  return call.association().dscp.value_or(configured);
}

int get_tos(OptionCall& call) {
  return give_byte(call, tos_of(call));
}

int set_tos(OptionCall& call) {
  call.association().dscp = static_cast<uint8_t>(take_byte(call) & 0xfc);
  return 0;
}

int get_traffic_class(OptionCall& call) {
  return give_int(call, tos_of(call));
}

int set_traffic_class(OptionCall& call) {
  int value = 0;
  if (const int error = take_int(call, value)) return error;
  if (value < -1 || value > 255) return EINVAL;
  call.association().dscp = static_cast<uint8_t>(std::max(value, 0) & 0xfc);
  return 0;
}

// All packets have the same, the default of Linux: another one is refused.
constexpr uint8_t kTimeToLive = 64;

int check_time_to_live(int value, int least) {
  if (value != -1 && (value < least || value > 255)) return EINVAL;
  return value == -1 || value == kTimeToLive ? 0 : EOPNOTSUPP;
}

int get_time_to_live(OptionCall& call) {
  return give_byte(call, kTimeToLive);
}

int set_time_to_live(OptionCall& call) {
  return call.room == 0 ? EINVAL : check_time_to_live(take_byte(call), 1);
}

int get_hops(OptionCall& call) {
  return give_int(call, kTimeToLive);
}

int set_hops(OptionCall& call) {
  int value = 0;
  if (const int error = take_int(call, value)) return error;
  return check_time_to_live(value, 0);
}

constexpr std::array kSocketLevel = {
    OptionEntry{SO_SNDBUF, SendBuffer::get, SendBuffer::set},
    OptionEntry{SO_RCVBUF, ReceiveBuffer::get, ReceiveBuffer::set},
    OptionEntry{SO_SNDBUFFORCE, nullptr, refuse_force},
    OptionEntry{SO_RCVBUFFORCE, nullptr, refuse_force},
    OptionEntry{SO_LINGER, get_linger, set_linger},
    OptionEntry{SO_RCVLOWAT, get_low_water, set_low_water},
};
constexpr std::array kIpLevel = {OptionEntry{IP_TOS, get_tos, set_tos},
                                 OptionEntry{IP_TTL, get_time_to_live, set_time_to_live}};
constexpr std::array kIpv6Level = {OptionEntry{IPV6_V6ONLY, get_v6_only, set_v6_only},
                                   OptionEntry{IPV6_TCLASS, get_traffic_class, set_traffic_class},
                                   OptionEntry{IPV6_UNICAST_HOPS, get_hops, set_hops}};

const OptionEntry* find_in(std::span<const OptionEntry> table, int name) {
  const auto at = std::find_if(table.begin(), table.end(),
                               [&](const OptionEntry& entry) { return entry.name == name; });
  return at != table.end() ? &*at : nullptr;
}

const OptionEntry* find(int level, int name) {
  if (level == SOL_SOCKET) return find_in(kSocketLevel, name);
  if (level == IPPROTO_IP) return find_in(kIpLevel, name);
  if (level == IPPROTO_IPV6) return find_in(kIpv6Level, name);
  if (level != IPPROTO_SCTP) return nullptr;
  for (const auto& part : {timer_options(), message_options(), status_options(), partial_options(),
                           absent_options()}) {
    if (const OptionEntry* entry = find_in(part, name)) return entry;
  }
  return nullptr;
}

}  // namespace

PeerChoice choose_peer(const OptionCall& call, const sockaddr_storage& address) {
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(&address), sizeof(address));
  if (means_all(bytes)) return {};
  SocketAddress one;
  const AssociationView* const view = call.target.association;
  if (view == nullptr || !read_address(bytes, one) || one.port != view->status.peer_port.value) {
    return {PeerChoice::kNone, 0};
  }
  const auto& paths = view->status.paths;
  const auto at = std::find_if(paths.begin(), paths.end(),
                               [&](const PathStatus& p) { return p.remote == one.address; });
  if (at == paths.end()) return {PeerChoice::kNone, 0};
  return {PeerChoice::kOne, static_cast<size_t>(at - paths.begin())};
}

void put_name(const tls_name& name, void* at) {
  std::memcpy(at, name.bytes, name.length);
}

bool needs_association(int level, int name, bool set) {
  const OptionEntry* const entry = find(level, name);
  return entry != nullptr && (set ? entry->set_asks : entry->get_asks);
}

OptionAnswer get_option(const OptionTarget& target, int level, int name,
                        std::span<const uint8_t> there, size_t room) {
  OptionAnswer answer;
  const OptionEntry* const entry = find(level, name);
  if (entry == nullptr || entry->get == nullptr) {
    answer.error = ENOPROTOOPT;
    return answer;
  }
  // Readers write nothing; the call is the same as for writers.
  OptionTarget readable = target;
  OptionCall call{readable, there, room, answer};
  answer.error = entry->get(call);
  if (answer.error != 0) answer.body.clear();
  return answer;
}

OptionAnswer set_option(OptionTarget& target, int level, int name, std::span<const uint8_t> value) {
  OptionAnswer answer;
  const OptionEntry* const entry = find(level, name);
  if (entry == nullptr || entry->set == nullptr) {
    answer.error = ENOPROTOOPT;
    return answer;
  }
  OptionCall call{target, value, value.size(), answer};
  const Profile before = call.profile();
  answer.error = entry->set(call);
  if (answer.error == 0 && target.connected) {
    answer.effects.edit = difference(before, call.profile());
  }
  return answer;
}

}  // namespace trunkline::sockets
