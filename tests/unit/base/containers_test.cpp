// SPDX-License-Identifier: BSD-3-Clause
// The containers under the shard: Pool, StreamTable, StableQueue and List, each against what it
// promises and, where order matters, against a container of the standard library.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "base/address_set.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/stable_queue.h"
#include "base/stream_table.h"
#include "base/turn_queue.h"
#include "trunkline/stack/random.h"

namespace trunkline {
namespace {

// ---------------------------------------------------------------- AddressSet

TEST(AddressSet, HoldsAnAddressUntilItWasTakenOutAsOftenAsItWasPutIn) {
  AddressSet set;
  SeededRandom random(5);
  std::map<uint8_t, int> held;
  const auto address = [](uint8_t i) {
    return i % 2 == 0 ? IpAddress::ipv4(10, 0, 0, i)
                      : *IpAddress::parse("2001:db8::" + std::to_string(i));
  };
  EXPECT_FALSE(set.contains(address(1)));
  for (int step = 0; step < 20000; ++step) {
    const uint64_t dice = random.u64();
    const auto which = static_cast<uint8_t>(dice % 100);
    if ((dice >> 32) % 2 == 0) {
      set.add(address(which));
      ++held[which];
    } else {
      set.remove(address(which));
      if (held[which] > 0) --held[which];
    }
    if (step % 50 != 0) continue;
    for (uint8_t i = 0; i < 100; ++i) ASSERT_EQ(set.contains(address(i)), held[i] > 0) << step;
  }
  EXPECT_FALSE(set.contains({}));
}

TEST(AddressSet, DoesNotGrowWithAddressesThatComeAndGo) {
  AddressSet set;
  for (int i = 0; i < 100000; ++i) {
    const IpAddress address = IpAddress::ipv4(
        10, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i));
    set.add(address);
    ASSERT_TRUE(set.contains(address));
    set.remove(address);
    ASSERT_FALSE(set.contains(address));
  }
}

// ---------------------------------------------------------------- Pool

struct Counted {
  explicit Counted(int& count_of_living, int initial = 0)
      : living(count_of_living), value(initial) {
    ++living;
  }
  ~Counted() { --living; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  int& living;
  int value;
};

TEST(Pool, GivesItsCapacityAndThenNothing) {
  Pool<int> pool(3);
  EXPECT_EQ(pool.capacity(), 3u);
  int* const a = pool.make(1);
  int* const b = pool.make(2);
  int* const c = pool.make(3);
  ASSERT_TRUE(a != nullptr && b != nullptr && c != nullptr);
  EXPECT_EQ(pool.available(), 0u);
  EXPECT_EQ(pool.make(4), nullptr);
  EXPECT_EQ(pool.used(), 3u) << "a refusal uses nothing";
  EXPECT_EQ(*a + *b + *c, 6);
  pool.destroy(b);
  EXPECT_EQ(pool.available(), 1u);
  int* const again = pool.make(5);
  EXPECT_EQ(again, b) << "the freed slot serves again";
  for (int* item : {a, again, c}) pool.destroy(item);
  EXPECT_EQ(pool.used(), 0u);
}

TEST(Pool, OfNothingGivesNothing) {
  Pool<int> pool(0);
  EXPECT_EQ(pool.make(1), nullptr);
  EXPECT_EQ(pool.available(), 0u);
}

TEST(Pool, ConstructsAndDestroysEachObjectOnce) {
  int living = 0;
  Pool<Counted> pool(8);
  std::vector<Counted*> items;
  for (int i = 0; i < 8; ++i) items.push_back(pool.make(living, i));
  EXPECT_EQ(living, 8);
  EXPECT_EQ(pool.make(living), nullptr);
  EXPECT_EQ(living, 8) << "a refused object must not be constructed";
  for (Counted* item : items) pool.destroy(item);
  EXPECT_EQ(living, 0);
}

TEST(Pool, IndexNamesTheSlot) {
  Pool<uint64_t> pool(100);
  std::set<uint32_t> seen;
  std::vector<uint64_t*> items;
  for (uint64_t i = 0; i < 100; ++i) {
    items.push_back(pool.make(i));
    const uint32_t index = pool.index_of(items.back());
    EXPECT_LT(index, 100u);
    EXPECT_TRUE(seen.insert(index).second);
    EXPECT_EQ(pool.at(index), items.back());
    EXPECT_EQ(*pool.at(index), i);
  }
  for (uint64_t* item : items) pool.destroy(item);
}

TEST(Pool, KeepsStrictAlignment) {
  struct alignas(64) Line {
    char bytes[65];
  };
  Pool<Line> pool(5);
  std::vector<Line*> lines;
  for (int i = 0; i < 5; ++i) {
    lines.push_back(pool.make());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(lines.back()) % 64, 0u);
  }
  for (Line* line : lines) pool.destroy(line);
}

TEST(Pool, RandomUseNeverHandsOutASlotTwice) {
  SeededRandom random(3);
  Pool<uint64_t> pool(50);
  std::vector<uint64_t*> held;
  for (uint64_t i = 0; i < 20000; ++i) {
    if (random.below(2) == 0) {
      uint64_t* const item = pool.make(i);
      ASSERT_EQ(item == nullptr, held.size() == 50);
      if (item == nullptr) continue;
      ASSERT_EQ(std::count(held.begin(), held.end(), item), 0);
      held.push_back(item);
    } else if (!held.empty()) {
      const size_t at = random.below(held.size());
      pool.destroy(held[at]);
      held.erase(held.begin() + static_cast<ptrdiff_t>(at));
    }
    ASSERT_EQ(pool.used(), held.size());
  }
  for (uint64_t* item : held) pool.destroy(item);
}

// ---------------------------------------------------------------- StreamTable

// Counts what lies in pages: the first stream's state is the table's own.
struct CountedStream {
  CountedStream() { ++made; }
  CountedStream(const CountedStream&) = delete;
  CountedStream& operator=(const CountedStream& other) = default;
  ~CountedStream() { --made; }
  static inline int made = 0;
  int value = 0;
};
constexpr int kOwn = 1;
constexpr int kPage = 4;

TEST(StreamTable, MakesNothingUntilAStreamIsUsed) {
  StreamTable<CountedStream> table;
  EXPECT_EQ(CountedStream::made, kOwn);
  for (const unsigned stream : {0u, 1u, 15u, 16u, 17u, 255u, 32768u, 65535u}) {
    EXPECT_EQ(table.find(StreamId(static_cast<uint16_t>(stream))), nullptr);
  }
  EXPECT_EQ(CountedStream::made, kOwn) << "asking must not make";
}

TEST(StreamTable, TheStreamThatIsUsedFirstCostsNothingWhicheverItIs) {
  for (const unsigned stream : {0u, 1u, 65535u}) {
    StreamTable<CountedStream> table;
    const StreamId id(static_cast<uint16_t>(stream));
    ASSERT_NE(table.get(id), nullptr);
    EXPECT_EQ(table.find(id), table.get(id));
    EXPECT_EQ(CountedStream::made, kOwn);
    EXPECT_EQ(table.find(StreamId(7)), nullptr);
  }
}

TEST(StreamTable, AnyOtherStreamPaysForItsPageOnly) {
  StreamTable<CountedStream> table;
  ASSERT_NE(table.get(StreamId(9)), nullptr);
  ASSERT_NE(table.get(StreamId(5)), nullptr);
  EXPECT_EQ(CountedStream::made, kOwn + kPage);
  ASSERT_NE(table.get(StreamId(7)), nullptr);
  EXPECT_EQ(CountedStream::made, kOwn + kPage);
  ASSERT_NE(table.get(StreamId(65535)), nullptr);
  EXPECT_EQ(CountedStream::made, kOwn + 2 * kPage);
  EXPECT_EQ(table.find(StreamId(16)), nullptr);
  table.clear();
  EXPECT_EQ(CountedStream::made, kOwn);
  EXPECT_EQ(table.find(StreamId(5)), nullptr);
  EXPECT_EQ(table.find(StreamId(9)), nullptr);
}

TEST(StreamTable, GrowsUpwardsAndKeepsWhatItHas) {
  StreamTable<CountedStream> table;
  std::map<uint16_t, CountedStream*> known;
  for (const unsigned stream : {2u, 0u, 3u, 4u, 63u, 64u, 1023u, 1024u, 16383u, 16384u, 65535u}) {
    const auto id = static_cast<uint16_t>(stream);
    known[id] = table.get(StreamId(id));
    known[id]->value = static_cast<int>(stream);
    for (const auto& [other, state] : known) {
      ASSERT_EQ(table.find(StreamId(other)), state) << other << " after " << stream;
      ASSERT_EQ(state->value, other);
    }
  }
}

TEST(StreamTable, EachOfAllStreamsHasItsOwnState) {
  StreamTable<CountedStream> table;
  for (uint32_t i = 0; i < 65536; ++i) {
    table.get(StreamId(static_cast<uint16_t>(i)))->value = static_cast<int>(i);
  }
  EXPECT_EQ(CountedStream::made, kOwn + 65536);
  for (uint32_t i = 0; i < 65536; ++i) {
    const StreamId stream(static_cast<uint16_t>(i));
    ASSERT_EQ(table.find(stream)->value, static_cast<int>(i));
    ASSERT_EQ(table.get(stream), table.find(stream)) << "what exists is not made anew";
  }
}

// ---------------------------------------------------------------- StableQueue

TEST(StableQueue, IsFirstInFirstOutAcrossBlocks) {
  SeededRandom random(4);
  StableQueue<std::unique_ptr<int>> queue;
  std::deque<int> model;
  for (int i = 0; i < 50000; ++i) {
    // Phases that fill and phases that drain, so that blocks come and go with its head anywhere.
    const bool filling = (i / 700) % 2 == 0;
    if (random.below(10) < (filling ? 7u : 3u)) {
      queue.emplace() = std::make_unique<int>(i);
      model.push_back(i);
    } else if (!model.empty()) {
      ASSERT_EQ(**queue.front(), model.front());
      queue.pop();
      model.pop_front();
    }
    ASSERT_EQ(queue.empty(), model.empty());
    ASSERT_EQ(queue.empty(), model.empty());
    if (model.empty()) {
      ASSERT_EQ(queue.front(), nullptr);
    } else {
      ASSERT_EQ(**queue.front(), model.front());
    }
  }
}

TEST(StableQueue, ItemsStayWhereTheyAre) {
  StableQueue<int> queue;
  std::vector<int*> places;
  for (int i = 0; i < 1000; ++i) {
    places.push_back(&queue.emplace());
    *places.back() = i;
  }
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(queue.front(), places[static_cast<size_t>(i)]);
    ASSERT_EQ(*queue.front(), i);
    queue.pop();
  }
}

TEST(StableQueue, AFreshItemHasNothingOfTheLastOneInItsPlace) {
  StableQueue<std::string> queue;
  queue.emplace() = "a text too long for the object itself";
  queue.pop();
  EXPECT_EQ(queue.emplace(), "");
}

// ---------------------------------------------------------------- List

struct Item {
  ListLink<Item> link;
  ListLink<Item> other;
  int value = 0;
};

TEST(List, RandomInsertionsAndRemovalsAgainstStdList) {
  SeededRandom random(5);
  std::vector<Item> items(64);
  List<Item, &Item::link> list;
  std::list<Item*> model;
  for (int round = 0; round < 20000; ++round) {
    Item* const item = &items[random.below(items.size())];
    const auto found = std::find(model.begin(), model.end(), item);
    if (found != model.end()) {
      list.remove(item);
      model.erase(found);
    } else if (const uint64_t how = random.below(3); how == 0) {
      list.push_back(item);
      model.push_back(item);
    } else if (how == 1 || model.empty()) {
      list.push_front(item);
      model.push_front(item);
    } else {
      auto where = std::next(model.begin(), static_cast<ptrdiff_t>(random.below(model.size())));
      list.insert_after(*where, item);
      model.insert(std::next(where), item);
    }
    ASSERT_EQ(list.size(), model.size());
    ASSERT_EQ(list.empty(), model.empty());
    Item* walker = list.front();
    Item* previous = nullptr;
    for (Item* expected : model) {
      ASSERT_EQ(walker, expected);
      ASSERT_EQ(list.prev(walker), previous);
      previous = walker;
      walker = list.next(walker);
    }
    ASSERT_EQ(walker, nullptr);
    ASSERT_EQ(list.back(), previous);
  }
}

TEST(List, AnObjectMayBeInTwoLists) {
  Item a;
  Item b;
  List<Item, &Item::link> first;
  List<Item, &Item::other> second;
  for (Item* item : {&a, &b}) {
    first.push_back(item);
    second.push_front(item);
  }
  EXPECT_EQ(first.pop_front(), &a);
  EXPECT_EQ(second.pop_front(), &b);
  EXPECT_EQ(second.pop_front(), &a);
  EXPECT_EQ(second.pop_front(), nullptr);
  EXPECT_EQ(first.size(), 1u);
}

// ---------------------------------------------------------------- TurnQueue

struct Waiter {
  int name = 0;
  uint32_t place = 0;
};
using Waiters = TurnQueue<Waiter, &Waiter::place>;

TEST(TurnQueue, TellsWhoComesNextWithoutTakingThem) {
  std::array<Waiter, 3> waiters;
  Waiters queue;
  EXPECT_EQ(queue.peek(0), nullptr);
  for (Waiter& waiter : waiters) queue.push_back(&waiter);
  for (size_t i = 0; i < waiters.size(); ++i) EXPECT_EQ(queue.peek(i), &waiters[i]);
  EXPECT_EQ(queue.peek(3), nullptr);
  queue.remove(&waiters[1]);
  EXPECT_EQ(queue.peek(1), nullptr) << "it has left";
  EXPECT_EQ(queue.pop_front(), &waiters[0]);
  EXPECT_EQ(queue.pop_front(), &waiters[2]);
  EXPECT_EQ(queue.pop_front(), nullptr);
  EXPECT_TRUE(queue.empty());
}

TEST(TurnQueue, WhoLeavesAndComesAgainWaitsBehindTheOthers) {
  std::array<Waiter, 2> waiters;
  Waiters queue;
  for (Waiter& waiter : waiters) queue.push_back(&waiter);
  queue.remove(&waiters[0]);
  EXPECT_FALSE(Waiters::contains(&waiters[0]));
  queue.push_back(&waiters[0]);
  EXPECT_TRUE(Waiters::contains(&waiters[0]));
  EXPECT_EQ(queue.pop_front(), &waiters[1]);
  EXPECT_EQ(queue.pop_front(), &waiters[0]);
}

TEST(TurnQueue, RandomUseAgainstAList) {
  SeededRandom random(4);
  std::vector<Waiter> waiters(300);
  Waiters queue;
  std::list<Waiter*> model;
  for (int step = 0; step < 100'000; ++step) {
    Waiter& waiter = waiters[random.below(waiters.size())];
    // In turns it fills up and empties.
    const bool filling = step / 2000 % 2 == 0;
    if (!Waiters::contains(&waiter)) {
      if (!filling && random.below(4) != 0) continue;
      queue.push_back(&waiter);
      model.push_back(&waiter);
    } else if (random.below(3) == 0) {
      queue.remove(&waiter);
      model.remove(&waiter);
    } else if (!filling || random.below(2) == 0) {
      ASSERT_EQ(queue.pop_front(), model.front()) << step;
      model.pop_front();
    }
    ASSERT_EQ(queue.size(), model.size());
    ASSERT_EQ(queue.empty(), model.empty());
  }
  for (Waiter* const waiter : model) ASSERT_EQ(queue.pop_front(), waiter);
  EXPECT_TRUE(queue.empty());
}

// ---------------------------------------------------------------- memory

TEST(HeapMemory, IsZeroAndAlignedToACacheLine) {
  for (const size_t bytes : {size_t{1}, size_t{64}, size_t{1000}, size_t{1} << 22}) {
    auto* const memory = static_cast<unsigned char*>(reserve_zeroed(nullptr, bytes));
    ASSERT_NE(memory, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % kCacheLine, 0u);
    EXPECT_EQ(std::count(memory, memory + bytes, 0), static_cast<ptrdiff_t>(bytes));
    release_zeroed(nullptr, memory, bytes);
  }
}

// Counts what was asked for and what was given back.
class CountedMemory final : public MemorySource {
 public:
  void* reserve(size_t bytes) noexcept override {
    taken_ += bytes;
    return reserve_zeroed(nullptr, bytes);
  }
  void release(void* memory, size_t bytes) noexcept override {
    taken_ -= bytes;
    release_zeroed(nullptr, memory, bytes);
  }
  [[nodiscard]] size_t taken() const { return taken_; }

 private:
  size_t taken_ = 0;
};

TEST(Pool, TakesItsMemoryWhereItIsToldAndGivesItBack) {
  CountedMemory memory;
  {
    Pool<uint64_t> pool(100, &memory);
    EXPECT_EQ(memory.taken(), 800u);
    uint64_t* const one = pool.make(1u);
    EXPECT_EQ(pool.touched(), 1u);
    pool.destroy(one);
    EXPECT_EQ(pool.touched(), 1u);
  }
  EXPECT_EQ(memory.taken(), 0u);
}

}  // namespace
}  // namespace trunkline
