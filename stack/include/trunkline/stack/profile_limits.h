// SPDX-License-Identifier: BSD-3-Clause
// What a Profile may say: the bounds of each number, and the rules between them (RFC 9260 sections
// 3.3.2, 6.2, 6.3.1 and 16, RFC 7829 section 5). For those that take one from outside: the
// configuration, and edits of an association's.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "trunkline/stack/profile.h"

namespace trunkline {

// Visits each number of a profile: duration(name, member, least, most), count(...), bytes(...); the
// names are those of the configuration. Not among them are choices, and what has a word of its own
// beside its numbers: primary_switchover_max_retrans.
template <typename Visitor>
constexpr void visit_profile_limits(Visitor&& visit) {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  using std::chrono::minutes;
  using P = Profile;
  constexpr Duration kZero{};
  visit.duration("rto_initial", &P::rto_initial, milliseconds(1), minutes(10));
  visit.duration("rto_min", &P::rto_min, milliseconds(1), minutes(10));
  visit.duration("rto_max", &P::rto_max, milliseconds(1), minutes(10));
  visit.count("association_max_retrans", &P::association_max_retrans, 1, 255);
  visit.count("path_max_retrans", &P::path_max_retrans, 0, 255);
  visit.count("max_init_retransmits", &P::max_init_retransmits, 0, 255);
  visit.duration("heartbeat_interval", &P::heartbeat_interval, kZero, hours(1));
  visit.count("potentially_failed_max_retrans", &P::potentially_failed_max_retrans, 0, 255);
  visit.count("primary_return_heartbeats", &P::primary_return_heartbeats, 1, 100);
  visit.duration("sack_delay", &P::sack_delay, kZero, milliseconds(500));
  visit.count("sack_frequency", &P::sack_frequency, 1, 255);
  visit.count("outbound_streams", &P::outbound_streams, 1, 65535);
  visit.count("max_inbound_streams", &P::max_inbound_streams, 1, 65535);
  visit.duration("valid_cookie_life", &P::valid_cookie_life, milliseconds(100), hours(1));
  visit.duration("shutdown_guard", &P::shutdown_guard, kZero, hours(24));
  visit.bytes("a_rwnd", &P::a_rwnd, 1500, 256u << 20);  // section 3.3.2: at least 1500
  visit.bytes("receive_memory", &P::receive_memory, 0, 512u << 20);
  visit.bytes("send_buffer", &P::send_buffer, 1500, 256u << 20);
  visit.bytes("max_message_size", &P::max_message_size, 1, 64u << 20);
  visit.bytes("partial_delivery_point", &P::partial_delivery_point, 0, 128u << 20);
  visit.count("path_mtu", &P::path_mtu, 576, 9200);
  visit.count("pmtu_base", &P::pmtu_base, 576, 9200);
  visit.duration("pmtu_probe_timeout", &P::pmtu_probe_timeout, milliseconds(1000), hours(1));
  visit.duration("pmtu_raise_interval", &P::pmtu_raise_interval, kZero, hours(24));
  visit.count("max_burst", &P::max_burst, 0, 255);
  visit.count("dscp", &P::dscp, 0, 63);
}
inline constexpr uint16_t kMostSwitchoverRetrans = 255;  // beside kNeverSwitch

// What must hold between numbers, each of which is in its range.
enum class ProfileRule : uint8_t {
  kRtoMin,      // rto_min <= rto_initial
  kRtoMax,      // rto_initial <= rto_max
  kSwitchover,  // RFC 7829 section 5 rule 1
  kWindow,      // what waits for reassembly is charged in whole blocks, up to twice its payload
  kSendBuffer,  // the largest message can be sent
  kPartialDelivery,  // a message is given in pieces before it shuts the window
  kFixedPathMtu      // at most path_mtu
};
inline constexpr std::array kProfileRules = {
    ProfileRule::kRtoMin,      ProfileRule::kRtoMax,     ProfileRule::kSwitchover,
    ProfileRule::kWindow,      ProfileRule::kSendBuffer, ProfileRule::kPartialDelivery,
    ProfileRule::kFixedPathMtu};

// Where data leaves a path: primary_switchover_max_retrans must not be less.
[[nodiscard]] constexpr uint16_t leaving_threshold(const Profile& p) {
  return std::min(p.potentially_failed_max_retrans, p.path_max_retrans);
}

[[nodiscard]] constexpr bool keeps(const Profile& p, ProfileRule rule) {
  switch (rule) {
    case ProfileRule::kRtoMin:
      return p.rto_min <= p.rto_initial;
    case ProfileRule::kRtoMax:
      return p.rto_initial <= p.rto_max;
    case ProfileRule::kSwitchover:
      return p.primary_switchover_max_retrans >= leaving_threshold(p);
    case ProfileRule::kWindow:
      return p.partial_delivery_point != 0 || p.a_rwnd / 2 >= p.max_message_size;
    case ProfileRule::kSendBuffer:
      return p.send_buffer >= p.max_message_size;
    case ProfileRule::kPartialDelivery:
      return p.partial_delivery_point <= p.a_rwnd / 2;
    case ProfileRule::kFixedPathMtu:
      return p.fixed_path_mtu <= p.path_mtu;
  }
  return false;
}

// What is wrong with a profile, for people: "rto_min" "is out of range". Both empty: nothing is.
struct ProfileFault {
  std::string_view field;
  std::string_view what;
  [[nodiscard]] explicit operator bool() const { return !field.empty(); }
};
[[nodiscard]] ProfileFault fault_of(const Profile& profile);

}  // namespace trunkline
