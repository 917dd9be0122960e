// SPDX-License-Identifier: BSD-3-Clause
// The names that operators and logs see: each value has one of its own.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "trunkline/stack/stack.h"

namespace trunkline::test {
namespace {

// Expects different names, none of them "?", for the values from 0 to `last`, and "?" past them.
template <typename Enum, typename Name>
void expect_names(Enum last, Name name) {
  std::set<std::string> seen;
  const int count = static_cast<int>(last) + 1;
  for (int i = 0; i < count; ++i) {
    const std::string text(name(static_cast<Enum>(i)));
    EXPECT_NE(text, "?") << i;
    EXPECT_NE(text, "") << i;
    EXPECT_TRUE(seen.insert(text).second) << text << " is there twice";
  }
  EXPECT_EQ(name(static_cast<Enum>(count)), "?");
}

TEST(Names, EachStateReasonAndStatusHasOneOfItsOwn) {
  expect_names(AssocState::kShutdownAckSent, [](AssocState s) { return state_name(s); });
  expect_names(PathState::kUnconfirmedInactive, [](PathState s) { return state_name(s); });
  expect_names(PmtuState::kError, [](PmtuState s) { return state_name(s); });
  expect_names(Reason::kAbandoned, reason_name);
  expect_names(Status::kInvalidValue, status_text);
}

TEST(Names, StatesAreTheRfcs) {
  EXPECT_EQ(state_name(AssocState::kClosed), "CLOSED");
  EXPECT_EQ(state_name(AssocState::kCookieEchoed), "COOKIE-ECHOED");
  EXPECT_EQ(state_name(AssocState::kShutdownAckSent), "SHUTDOWN-ACK-SENT");
}

TEST(Names, EachCounterHasANameAndALineForPeople) {
  std::set<std::string> seen;
  for (size_t i = 0; i < kCounterCount; ++i) {
    const auto counter = static_cast<Counter>(i);
    EXPECT_TRUE(seen.insert(std::string(counter_name(counter))).second) << counter_name(counter);
    EXPECT_GT(counter_text(counter).size(), counter_name(counter).size() / 2);
    EXPECT_EQ(counter_text(counter).find('\n'), std::string::npos);
  }
  EXPECT_EQ(counter_name(Counter::k_out_of_blues), "out_of_blues");
}

}  // namespace
}  // namespace trunkline::test
