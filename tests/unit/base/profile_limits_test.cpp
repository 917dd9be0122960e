// SPDX-License-Identifier: BSD-3-Clause
// What is wrong with a profile, in the words that people read; and what an edit says of a path.
#include "trunkline/stack/profile_limits.h"

#include <gtest/gtest.h>

#include "trunkline/stack/profile_edit.h"

namespace trunkline {
namespace {

void expect_fault(const Profile& profile, std::string_view field, std::string_view what) {
  const ProfileFault fault = fault_of(profile);
  EXPECT_EQ(fault.field, field);
  EXPECT_EQ(fault.what, what);
}

// The rules that no edit of an association can break: those of what it has from its set-up.
TEST(ProfileLimits, AMessageThatWaitsWholeFitsInHalfOfTheWindow) {
  Profile profile;
  profile.partial_delivery_point = 0;  // each is given whole
  profile.max_message_size = profile.a_rwnd / 2;
  profile.send_buffer = profile.a_rwnd;
  expect_fault(profile, "", "");
  ++profile.max_message_size;
  expect_fault(profile, "a_rwnd", "is smaller than twice max_message_size");
  profile.partial_delivery_point = 1024;  // the window holds a piece
  expect_fault(profile, "", "");
}

TEST(ProfileLimits, APieceIsGivenBeforeItShutsTheWindow) {
  Profile profile;
  profile.partial_delivery_point = profile.a_rwnd / 2;
  expect_fault(profile, "", "");
  ++profile.partial_delivery_point;
  expect_fault(profile, "partial_delivery_point", "is above half of a_rwnd");
}

// What the program that embeds the stack offers for all addresses, or for one, in one form.
TEST(PathEdits, AreWhatAnEditSaysOfPaths) {
  EXPECT_TRUE(PathEdit::of({}).is_empty());
  EXPECT_TRUE(PathEdit::of({.rto_initial = std::chrono::seconds(3), .nagle = true}).is_empty());
  const PathEdit all = PathEdit::of({.path_max_retrans = uint16_t{7},
                                     .heartbeat_interval = std::chrono::seconds(9),
                                     .potentially_failed_max_retrans = uint16_t{2},
                                     .pmtu_discovery = PmtuDiscovery::kOff,
                                     .fixed_path_mtu = uint16_t{1280},
                                     .dscp = uint8_t{46}});
  EXPECT_EQ(all.path_max_retrans, 7);
  EXPECT_EQ(all.heartbeat_interval, std::chrono::seconds(9));
  EXPECT_EQ(all.potentially_failed_max_retrans, 2);
  EXPECT_EQ(all.pmtu_discovery, PmtuDiscovery::kOff);
  EXPECT_EQ(all.fixed_path_mtu, 1280);
  EXPECT_EQ(all.dscp, 46);
  const PathEdit one = PathEdit::of({.dscp = uint8_t{0}});
  EXPECT_EQ(one.dscp, 0) << "said, if it is the default too";
  EXPECT_FALSE(one.path_max_retrans);
}

}  // namespace
}  // namespace trunkline
