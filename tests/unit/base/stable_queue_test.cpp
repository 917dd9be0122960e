// SPDX-License-Identifier: BSD-3-Clause
// The queue whose items stay where they are made: order, places, and what it keeps.
#include "base/stable_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "trunkline/stack/random.h"

namespace trunkline {
namespace {

struct Item {
  std::shared_ptr<int> owned;
  int number = 7;
};

TEST(StableQueue, BeginsEmptyAndItemsBeginFresh) {
  StableQueue<Item> queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.front(), nullptr);
  EXPECT_EQ(queue.emplace().number, 7);
  EXPECT_FALSE(queue.empty());
}

// Whatever is put in and taken out meanwhile, over many blocks.
TEST(StableQueue, GivesItemsInTheirOrderFromWhereTheyWereMade) {
  StableQueue<Item> queue;
  std::deque<std::pair<int, Item*>> model;
  SeededRandom random(3);
  int made = 0;
  for (int round = 0; round < 2000; ++round) {
    const uint32_t wanted = random.u32() % 200;
    while (model.size() < wanted) {
      Item& item = queue.emplace();
      item.number = made;
      item.owned = std::make_shared<int>(made);
      model.emplace_back(made++, &item);
    }
    const uint32_t left = random.u32() % 3 == 0 ? 0 : wanted / 2;
    while (model.size() > left) {
      ASSERT_EQ(queue.front(), model.front().second);
      ASSERT_EQ(*queue.front()->owned, model.front().first);
      queue.pop();
      model.pop_front();
    }
    ASSERT_EQ(queue.empty(), model.empty());
  }
}

TEST(StableQueue, DestroysWhatIsTakenOutAndWhatIsLeft) {
  const auto owned = std::make_shared<int>(1);
  {
    StableQueue<Item> queue;
    for (int i = 0; i < 100; ++i) queue.emplace().owned = owned;
    for (int i = 0; i < 70; ++i) queue.pop();
    EXPECT_EQ(owned.use_count(), 31);
  }
  EXPECT_EQ(owned.use_count(), 1);
}

// A short queue stays in one block, which stays in the cache.
TEST(StableQueue, AShortOneIsAlwaysInTheSamePlace) {
  StableQueue<Item> queue;
  Item* const place = &queue.emplace();
  queue.pop();
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(&queue.emplace(), place);
    queue.pop();
  }
}

}  // namespace
}  // namespace trunkline
