// SPDX-License-Identifier: BSD-3-Clause
// The first thing that is wrong with a profile.
#include "trunkline/stack/profile_limits.h"

namespace trunkline {
namespace {

struct OutOfRange {
  const Profile& profile;
  std::string_view first{};

  void note(std::string_view name, bool fits) {
    if (!fits && first.empty()) first = name;
  }
  void duration(std::string_view name, Duration Profile::*member, Duration least, Duration most) {
    note(name, profile.*member >= least && profile.*member <= most);
  }
  template <typename Int>
  void count(std::string_view name, Int Profile::*member, uint32_t least, uint32_t most) {
    note(name, profile.*member >= least && profile.*member <= most);
  }
  void bytes(std::string_view name, uint32_t Profile::*member, uint32_t least, uint32_t most) {
    count(name, member, least, most);
  }
};

ProfileFault fault_of_rule(ProfileRule rule) {
  switch (rule) {
    case ProfileRule::kRtoMin:
      return {"rto_min", "is above rto_initial"};
    case ProfileRule::kRtoMax:
      return {"rto_max", "is below rto_initial"};
    case ProfileRule::kSwitchover:
      return {"primary_switchover_max_retrans", "is below the threshold where data leaves a path"};
    case ProfileRule::kWindow:
      return {"a_rwnd", "is smaller than twice max_message_size"};
    case ProfileRule::kSendBuffer:
      return {"send_buffer", "is smaller than max_message_size"};
    case ProfileRule::kPartialDelivery:
      return {"partial_delivery_point", "is above half of a_rwnd"};
    case ProfileRule::kFixedPathMtu:
      return {"fixed_path_mtu", "is above path_mtu"};
  }
  return {};
}

}  // namespace

ProfileFault fault_of(const Profile& profile) {
  OutOfRange ranges{profile};
  visit_profile_limits(ranges);
  const uint16_t switchover = profile.primary_switchover_max_retrans;
  ranges.note("primary_switchover_max_retrans",
              switchover <= kMostSwitchoverRetrans || switchover == kNeverSwitch);
  const uint16_t fixed = profile.fixed_path_mtu;
  ranges.note("fixed_path_mtu", fixed == 0 || fixed >= kLeastPathMtu);
  if (!ranges.first.empty()) return {ranges.first, "is out of range"};
  for (const ProfileRule rule : kProfileRules) {
    if (!keeps(profile, rule)) return fault_of_rule(rule);
  }
  return {};
}

}  // namespace trunkline
