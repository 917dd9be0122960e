// SPDX-License-Identifier: BSD-3-Clause
// The ready rings explored exhaustively: no entry is lost, none stays for ever, nobody sleeps
// through a message. And the model finds what each rule is for.
#include "ready_model.h"

#include <gtest/gtest.h>

namespace trunkline::test {
namespace {

using ready::ReadyModel;
using ready::ReadyRules;

std::string explore(const ReadyRules& rules, size_t* states = nullptr) {
  ReadyModel model(rules);
  std::string wrong = model.explore();
  if (states != nullptr) *states = model.states();
  return wrong;
}

TEST(ReadyModel, NoEntryIsLostAndNoWakeUp) {
  size_t states = 0;
  EXPECT_EQ(explore({}, &states), "");
  EXPECT_GT(states, 10'000u);
}

TEST(ReadyModel, AReaderMayDieAnywhere) {
  ReadyRules rules;
  rules.may_die = true;
  EXPECT_EQ(explore(rules), "");
}

TEST(ReadyModel, AMemberGoesAndAnotherOneHasItsIndex) {
  ReadyRules rules;
  rules.member_goes = true;
  rules.second_reader = false;
  rules.messages[0] = 1;
  rules.messages[1] = 2;
  EXPECT_EQ(explore(rules), "");
  rules.second_reader = rules.may_die = true;
  rules.messages[0] = 0;
  EXPECT_EQ(explore(rules), "");
}

TEST(ReadyModel, AMemberIsPeeledOffInTheMiddle) {
  ReadyRules rules;
  rules.peels = true;
  rules.second_reader = false;
  rules.messages[0] = 1;
  rules.messages[1] = 2;
  EXPECT_EQ(explore(rules), "");
}

// Who peels off may be killed, too, and the lock is free again before the worker has done it.
TEST(ReadyModel, NoWakeUpIsLostIfAMemberIsPeeledOffBeneathAReader) {
  ReadyRules rules;
  rules.peels = true;
  rules.second_reader = false;
  rules.peels_locked = rules.judges_whose = false;
  rules.messages[0] = 1;
  EXPECT_EQ(explore(rules), "");
  rules.leaves_tokens = false;
  EXPECT_NE(explore(rules), "");
}

TEST(ReadyModel, FindsWhatTheRulesAreFor) {
  const auto is_wrong = [](bool ReadyRules::*rule, bool with_death = false) {
    ReadyRules rules;
    rules.may_die = with_death;
    rules.*rule = false;
    return !explore(rules).empty();
  };
  EXPECT_TRUE(is_wrong(&ReadyRules::looks_again));
  EXPECT_TRUE(is_wrong(&ReadyRules::claims));
  EXPECT_TRUE(is_wrong(&ReadyRules::token_last));
  EXPECT_TRUE(is_wrong(&ReadyRules::looks_for_entries));
  EXPECT_FALSE(is_wrong(&ReadyRules::pops_last));
  EXPECT_TRUE(is_wrong(&ReadyRules::pops_last, true));
  EXPECT_FALSE(is_wrong(&ReadyRules::heals));
  EXPECT_TRUE(is_wrong(&ReadyRules::heals, true));
  ReadyRules rules;
  rules.peels = true;
  rules.second_reader = false;
  rules.peels_locked = false;
  EXPECT_NE(explore(rules), "");
}

}  // namespace
}  // namespace trunkline::test
