// SPDX-License-Identifier: BSD-3-Clause
// The ordered tree and the heap against the standard library's, in every order in which objects may
// come and go, and what each operation costs in steps.
#include "base/ordered_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <deque>
#include <map>
#include <numeric>
#include <vector>

#include "base/largest_first.h"
#include "trunkline/stack/random.h"

namespace trunkline {
namespace {

struct TreeItem {
  std::array<TreeItem*, 2> children{};
  uint32_t key = 0;
  int8_t balance = 0;
};
struct TreeTraits {
  using Key = uint32_t;
  static Key key(const TreeItem& item) { return item.key; }
  static bool before(Key a, Key b) { return a < b; }
  static TreeItem*& child(TreeItem& item, size_t side) { return item.children[side]; }
  static int balance(const TreeItem& item) { return item.balance; }
  static void set_balance(TreeItem& item, int balance) {
    item.balance = static_cast<int8_t>(balance);
  }
};
using Tree = OrderedTree<TreeItem, TreeTraits>;

// A walk from the root to a leaf: an AVL tree is at most 1.45 times as high as a perfect one.
uint64_t most_steps(size_t items) {
  return 145 * static_cast<uint64_t>(std::bit_width(items + 2)) / 100 + 1;
}

// Does what it is told to the tree and to a std::map, and compares what they say.
class Both {
 public:
  explicit Both(size_t items) : items_(items) {
    for (size_t i = 0; i < items; ++i) items_[i].key = static_cast<uint32_t>(2 * i + 1);
  }
  void insert(size_t i) {
    const uint64_t before = steps_taken;
    tree.insert(&items_[i]);
    check_cost(before);
    map_[items_[i].key] = &items_[i];
  }
  void remove(size_t i) {
    const uint64_t before = steps_taken;
    tree.remove(&items_[i]);
    check_cost(before);
    map_.erase(items_[i].key);
  }
  [[nodiscard]] bool has(size_t i) const { return map_.count(items_[i].key) != 0; }
  // Keys between the items' are asked for as well.
  void compare(uint32_t key) const {
    const auto found = map_.find(key);
    ASSERT_EQ(tree.find(key), found != map_.end() ? found->second : nullptr);
    const auto above = map_.upper_bound(key);
    ASSERT_EQ(tree.after(key), above != map_.end() ? above->second : nullptr);
    const auto from = map_.lower_bound(key);
    ASSERT_EQ(tree.before(key), from != map_.begin() ? std::prev(from)->second : nullptr);
    if (found == map_.end()) {
      ASSERT_EQ(tree.around(key).before, tree.before(key));
      ASSERT_EQ(tree.around(key).after, tree.after(key));
    }
    ASSERT_EQ(tree.empty(), map_.empty());
    ASSERT_EQ(tree.first(), map_.empty() ? nullptr : map_.begin()->second);
    ASSERT_EQ(tree.last(), map_.empty() ? nullptr : map_.rbegin()->second);
  }
  void compare_all() const {
    ASSERT_TRUE(tree.is_sound());
    for (uint32_t key = 0; key <= 2 * items_.size(); ++key) compare(key);
  }

  Tree tree;

 private:
  void check_cost(uint64_t before) const {
    if (kCountsSteps) {
      ASSERT_LE(steps_taken - before, most_steps(items_.size()));
    }
  }

  std::vector<TreeItem> items_;
  std::map<uint32_t, TreeItem*> map_;
};

std::vector<std::vector<size_t>> every_order(size_t n) {
  std::vector<size_t> ascending(n);
  std::iota(ascending.begin(), ascending.end(), size_t{0});
  std::vector<std::vector<size_t>> orders = {ascending};
  orders.emplace_back(ascending.rbegin(), ascending.rend());
  std::vector<size_t> odd_then_even;
  std::vector<size_t> from_both_ends;
  std::vector<size_t> from_the_middle;
  for (size_t i = 1; i < n; i += 2) odd_then_even.push_back(i);
  for (size_t i = 0; i < n; i += 2) odd_then_even.push_back(i);
  for (size_t i = 0; i < n; ++i) from_both_ends.push_back(i % 2 == 0 ? i / 2 : n - 1 - i / 2);
  from_the_middle.assign(from_both_ends.rbegin(), from_both_ends.rend());
  orders.push_back(odd_then_even);
  orders.push_back(from_both_ends);
  orders.push_back(from_the_middle);
  SeededRandom random(7);
  for (int k = 0; k < 3; ++k) {
    for (size_t i = n; i > 1; --i) std::swap(ascending[i - 1], ascending[random.below(i)]);
    orders.push_back(ascending);
  }
  return orders;
}

TEST(OrderedTree, IsEmptyAtFirst) {
  const Tree tree;
  EXPECT_TRUE(tree.empty());
  EXPECT_EQ(tree.first(), nullptr);
  EXPECT_EQ(tree.last(), nullptr);
  EXPECT_EQ(tree.find(1), nullptr);
  EXPECT_EQ(tree.before(1), nullptr);
  EXPECT_EQ(tree.after(1), nullptr);
  EXPECT_TRUE(tree.is_sound());
}

TEST(OrderedTree, ComesAndGoesInEveryOrder) {
  constexpr size_t kItems = 33;
  for (const auto& in : every_order(kItems)) {
    for (const auto& out : every_order(kItems)) {
      Both both(kItems);
      for (const size_t i : in) {
        both.insert(i);
        ASSERT_TRUE(both.tree.is_sound());
      }
      both.compare_all();
      for (const size_t i : out) {
        both.remove(i);
        ASSERT_TRUE(both.tree.is_sound());
      }
      EXPECT_TRUE(both.tree.empty());
    }
  }
}

TEST(OrderedTree, LargeOnesStayLow) {
  for (const auto& in : every_order(20000)) {
    Both both(20000);
    for (const size_t i : in) both.insert(i);
    ASSERT_TRUE(both.tree.is_sound());
    for (size_t i = 0; i < in.size(); i += 2) both.remove(in[i]);
    ASSERT_TRUE(both.tree.is_sound());
    for (uint32_t key = 0; key < 40000; key += 97) both.compare(key);
  }
}

TEST(OrderedTree, AgreesWithAMapOverRandomWalks) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SeededRandom random(seed);
    const size_t items = seed * seed * 20;
    Both both(items);
    for (int step = 0; step < 8000; ++step) {
      const size_t i = random.below(items);
      if (both.has(i)) {
        both.remove(i);
      } else if (random.below(4) != 0) {
        both.insert(i);
      }
      both.compare(static_cast<uint32_t>(random.below(2 * items + 2)));
      if (step % 50 == 0) {
        ASSERT_TRUE(both.tree.is_sound());
      }
    }
  }
}

TEST(OrderedTree, ClearVisitsEachOnceInOrder) {
  Both both(1000);
  const auto orders = every_order(1000);
  for (const size_t i : orders[5]) both.insert(i);
  std::vector<uint32_t> seen;
  both.tree.clear([&](TreeItem* item) {
    seen.push_back(item->key);
    item->children = {item, item};  // what is visited may be gone
  });
  EXPECT_TRUE(both.tree.empty());
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

// ---------------------------------------------------------------- who has most

struct Owner {
  uint64_t weight = 0;
  uint32_t place = 0;
};
using Heap = LargestFirst<Owner, &Owner::place>;

TEST(LargestFirst, HasTheOneWithMostOnTop) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SeededRandom random(seed);
    std::deque<Owner> owners(seed * 40);
    Heap heap;
    EXPECT_EQ(heap.top(), nullptr);
    for (int step = 0; step < 5000; ++step) {
      Owner& owner = owners[random.below(owners.size())];
      owner.weight = random.below(3) == 0 ? 0 : random.below(1000);
      const uint64_t before = steps_taken;
      heap.update(&owner, owner.weight);
      if (kCountsSteps) {
        ASSERT_LE(steps_taken - before, 2u * std::bit_width(owners.size()));
      }
      ASSERT_TRUE(heap.is_sound());
      ASSERT_EQ(heap.weight_of(&owner), owner.weight);
      ASSERT_EQ(owner.place != 0, owner.weight != 0);
      uint64_t most = 0;
      size_t in = 0;
      for (const Owner& one : owners) {
        most = std::max(most, one.weight);
        in += one.weight != 0 ? 1 : 0;
      }
      ASSERT_EQ(heap.size(), in);
      ASSERT_EQ(heap.top() == nullptr ? 0 : heap.top()->weight, most);
    }
    for (Owner& owner : owners) heap.update(&owner, 0);
    EXPECT_EQ(heap.top(), nullptr);
  }
}

TEST(LargestFirst, LeavingTwiceChangesNothing) {
  Owner one;
  Owner two;
  Heap heap;
  heap.update(&one, 0);
  EXPECT_EQ(heap.size(), 0u);
  heap.update(&one, 5);
  heap.update(&two, 6);
  heap.update(&two, 0);
  heap.update(&two, 0);
  EXPECT_EQ(heap.top(), &one);
  EXPECT_EQ(heap.size(), 1u);
}

}  // namespace
}  // namespace trunkline
