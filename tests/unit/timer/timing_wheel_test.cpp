// SPDX-License-Identifier: BSD-3-Clause
// The timing wheel against a sorted list of deadlines, and its promises one by one.
#include "timer/timing_wheel.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <vector>

namespace trunkline {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr TimePoint kStart = TimePoint::from_ns(1'000'000'000);

struct Numbered : WheelEntry {
  explicit Numbered(uint32_t number = 0) : owner(number) {}
  uint32_t owner;
};
Numbered* popped_by(WheelEntry* entry) {
  return static_cast<Numbered*>(entry);
}

TEST(TimingWheel, NothingArmedIsNeverDue) {
  TimingWheel wheel(kStart);
  EXPECT_EQ(wheel.pop_expired(kStart + hours(10000)), nullptr);
  EXPECT_TRUE(wheel.next_deadline().is_never());
}

TEST(TimingWheel, FiresAtTheDeadlineAndNotANanosecondBefore) {
  for (const Duration delay :
       {nanoseconds(1), nanoseconds(63), nanoseconds(64), nanoseconds(4097), nanoseconds(999'999),
        Duration(milliseconds(1)), Duration(milliseconds(200)), Duration(seconds(1)),
        Duration(seconds(30)), Duration(hours(1)), Duration(hours(24 * 365 * 100))}) {
    TimingWheel wheel(kStart);
    Numbered entry(7);
    wheel.arm(entry, kStart + delay);
    EXPECT_EQ(wheel.next_deadline(), kStart + delay);
    EXPECT_EQ(wheel.pop_expired(kStart), nullptr);
    EXPECT_EQ(wheel.pop_expired(kStart + delay - nanoseconds(1)), nullptr) << delay.count();
    EXPECT_TRUE(entry.armed());
    Numbered* popped = popped_by(wheel.pop_expired(kStart + delay));
    ASSERT_EQ(popped, &entry) << delay.count();
    EXPECT_EQ(popped->owner, 7u);
    EXPECT_FALSE(entry.armed());
    EXPECT_EQ(wheel.pop_expired(kStart + delay), nullptr);
    EXPECT_TRUE(wheel.next_deadline().is_never());
  }
}

TEST(TimingWheel, ADeadlineInThePastIsDueAtOnce) {
  TimingWheel wheel(kStart);
  EXPECT_EQ(wheel.pop_expired(kStart + seconds(5)), nullptr);
  Numbered entry;
  wheel.arm(entry, kStart - seconds(1));
  EXPECT_LE(wheel.next_deadline(), kStart + seconds(5));
  EXPECT_EQ(wheel.pop_expired(kStart + seconds(5)), &entry);
}

TEST(TimingWheel, ATimeLineMayBeginBelowZero) {
  const TimePoint start = TimePoint::from_ns(-5'000'000);
  TimingWheel wheel(start);
  Numbered before;
  Numbered after;
  wheel.arm(after, TimePoint::from_ns(3));
  wheel.arm(before, TimePoint::from_ns(-3));
  EXPECT_EQ(wheel.next_deadline(), TimePoint::from_ns(-3));
  EXPECT_EQ(wheel.pop_expired(TimePoint::from_ns(-4)), nullptr);
  EXPECT_EQ(wheel.pop_expired(TimePoint::from_ns(2)), &before);
  EXPECT_EQ(wheel.pop_expired(TimePoint::from_ns(2)), nullptr);
  EXPECT_EQ(wheel.pop_expired(TimePoint::from_ns(3)), &after);
}

TEST(TimingWheel, CancelledAndNeverDoNotFire) {
  TimingWheel wheel(kStart);
  Numbered cancelled;
  Numbered never;
  wheel.arm(cancelled, kStart + seconds(1));
  wheel.arm(never, kStart + seconds(1));
  wheel.cancel(cancelled);
  wheel.cancel(cancelled);  // twice is harmless
  wheel.arm(never, TimePoint::never());
  EXPECT_FALSE(cancelled.armed());
  EXPECT_FALSE(never.armed());
  EXPECT_TRUE(wheel.next_deadline().is_never());
  EXPECT_EQ(wheel.pop_expired(kStart + hours(1)), nullptr);
}

TEST(TimingWheel, LaterKeepsItsPlaceAndFiresAtTheNewTime) {
  TimingWheel wheel(kStart);
  Numbered entry;
  for (int i = 0; i < 100; ++i) wheel.arm(entry, kStart + milliseconds(200 + i));
  const uint64_t filed = entry.filed_from;
  wheel.arm(entry, kStart + seconds(20));
  EXPECT_EQ(entry.filed_from, filed);
  EXPECT_EQ(wheel.next_deadline(), kStart + seconds(20));
  EXPECT_EQ(wheel.pop_expired(kStart + seconds(19)), nullptr);
  EXPECT_EQ(wheel.pop_expired(kStart + seconds(20)), &entry);
}

TEST(TimingWheel, EarlierMoves) {
  TimingWheel wheel(kStart);
  Numbered entry;
  wheel.arm(entry, kStart + hours(1));
  wheel.arm(entry, kStart + milliseconds(3));
  EXPECT_EQ(wheel.next_deadline(), kStart + milliseconds(3));
  EXPECT_EQ(wheel.pop_expired(kStart + milliseconds(3)), &entry);
  EXPECT_EQ(wheel.pop_expired(kStart + hours(2)), nullptr);
}

TEST(TimingWheel, PopsInOrderOfDeadlineAndTiesInOrderOfArming) {
  TimingWheel wheel(kStart);
  std::deque<Numbered> entries;
  for (uint32_t i = 0; i < 9; ++i) {
    entries.emplace_back(i);
    wheel.arm(entries.back(), kStart + milliseconds(100 - i / 3));
  }
  for (const uint32_t expected : {6u, 7u, 8u, 3u, 4u, 5u, 0u, 1u, 2u}) {
    Numbered* popped = popped_by(wheel.pop_expired(kStart + hours(48)));
    ASSERT_NE(popped, nullptr);
    EXPECT_EQ(popped->owner, expected);
  }
}

TEST(TimingWheel, OnePutOffDoesNotOvertakeThoseDueBefore) {
  TimingWheel wheel(kStart);
  Numbered put_off(1);
  Numbered other(2);
  wheel.arm(put_off, kStart + nanoseconds(5));
  wheel.arm(other, kStart + seconds(1));
  wheel.arm(put_off, kStart + seconds(2));
  EXPECT_EQ(wheel.pop_expired(kStart + seconds(3)), &other);
  EXPECT_EQ(wheel.pop_expired(kStart + seconds(3)), &put_off);
}

TEST(TimingWheel, AnEntryMayBeArmedAgainWhileOthersArePopped) {
  TimingWheel wheel(kStart);
  Numbered a(1);
  Numbered b(2);
  wheel.arm(a, kStart + milliseconds(1));
  wheel.arm(b, kStart + milliseconds(2));
  const TimePoint now = kStart + milliseconds(2);
  ASSERT_EQ(wheel.pop_expired(now), &a);
  wheel.arm(a, now + milliseconds(1));
  ASSERT_EQ(wheel.pop_expired(now), &b);
  EXPECT_EQ(wheel.pop_expired(now), nullptr);
  EXPECT_EQ(wheel.next_deadline(), now + milliseconds(1));
}

TEST(TimingWheel, WorkOfACallIsBoundedAndTheRestFollows) {
  constexpr size_t kMany = 5000;
  TimingWheel wheel(kStart);
  std::deque<Numbered> entries;
  for (uint32_t i = 0; i < kMany; ++i) {
    entries.emplace_back(i);
    wheel.arm(entries.back(), kStart + seconds(100) + nanoseconds(i));
  }
  // The slot that holds them all starts before the first is due.
  const TimePoint early = wheel.next_deadline();
  ASSERT_LT(early, kStart + seconds(100));
  EXPECT_EQ(wheel.pop_expired(early), nullptr);
  EXPECT_LE(wheel.next_deadline(), early) << "work is left, and says so";

  const TimePoint late = kStart + seconds(101);
  size_t popped = 0;
  size_t empty_calls = 0;
  while (wheel.next_deadline() <= late) {
    if (wheel.pop_expired(late) != nullptr) {
      ++popped;
    } else {
      ++empty_calls;
    }
    ASSERT_LT(empty_calls, kMany);
  }
  EXPECT_EQ(popped, kMany);
  EXPECT_LE(empty_calls, kMany * 11 / TimingWheel::kMovesPerCall + 1);
}

// Every operation, against a sorted list.
class WheelAgainstModel {
 public:
  explicit WheelAgainstModel(uint64_t seed, size_t entries) : random_(seed), wheel_(now_) {
    for (uint32_t i = 0; i < entries; ++i) entries_.emplace_back(i);
    strict_order_ = entries <= TimingWheel::kMovesPerCall / 11;
  }

  void step() {
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2:
        arm();
        break;
      case 3:
        push_back();
        break;
      case 4: {
        Numbered& entry = any_entry();
        wheel_.cancel(entry);
        forget(entry.owner);
        break;
      }
      case 5:
        now_ = now_ + Duration(random_duration());
        drain();
        break;
      case 6:
        run_to_the_next();
        break;
      default:
        now_ = now_ + Duration(static_cast<int64_t>(random_() % 2000));
        drain();
        break;
    }
    const TimePoint next = wheel_.next_deadline();
    ASSERT_LE(next.ns(), model_.empty() ? INT64_MAX : model_.begin()->first);
    ASSERT_EQ(next.is_never(), model_.empty());
  }

 private:
  // From nanoseconds to months, every scale as likely as the next.
  int64_t random_duration() { return static_cast<int64_t>(random_() >> (10 + random_() % 52)); }
  Numbered& any_entry() { return entries_[random_() % entries_.size()]; }

  void forget(uint32_t owner) {
    for (auto it = model_.begin(); it != model_.end(); ++it) {
      if (it->second == owner) {
        model_.erase(it);
        return;
      }
    }
  }

  void arm() {
    Numbered& entry = any_entry();
    int64_t delay = random_duration();
    if (random_() % 16 == 0) delay = -delay % 1'000'000'000;
    set(entry, now_ + Duration(delay));
  }

  void push_back() {
    Numbered& entry = any_entry();
    if (!entry.armed()) return;
    set(entry, entry.deadline + Duration(static_cast<int64_t>(random_() % 3'000'000'000)));
  }

  void set(Numbered& entry, TimePoint deadline) {
    forget(entry.owner);
    wheel_.arm(entry, deadline);
    model_.emplace(std::max(deadline, now_).ns(), entry.owner);
  }

  void drain() {
    int64_t previous = INT64_MIN;
    size_t empty_calls = 0;
    while (true) {
      Numbered* entry = popped_by(wheel_.pop_expired(now_));
      if (entry == nullptr) {
        if (wheel_.next_deadline() > now_) break;
        ASSERT_LT(++empty_calls, 100u + entries_.size());
        continue;
      }
      auto it = model_.begin();
      while (it != model_.end() && it->second != entry->owner) ++it;
      ASSERT_NE(it, model_.end()) << "popped what was not armed";
      ASSERT_LE(it->first, now_.ns()) << "too early";
      if (strict_order_) {
        ASSERT_GE(it->first, previous) << "out of order";
        previous = it->first;
      }
      model_.erase(it);
    }
    if (!model_.empty()) {
      ASSERT_GT(model_.begin()->first, now_.ns()) << "too late";
    }
  }

  void run_to_the_next() {
    if (model_.empty()) return;
    const TimePoint due = TimePoint::from_ns(model_.begin()->first);
    size_t steps = 0;
    while (now_ < due) {
      const TimePoint next = wheel_.next_deadline();
      ASSERT_LE(next, due);
      now_ = std::max(now_, next);
      if (now_ < due) drain();
      ASSERT_LT(++steps, 24u) << "next_deadline() makes no progress";
    }
    drain();
  }

  std::mt19937_64 random_;
  TimePoint now_ = kStart;
  TimingWheel wheel_;
  std::deque<Numbered> entries_;
  std::multimap<int64_t, uint32_t> model_;
  bool strict_order_ = false;
};

TEST(TimingWheel, AgreesWithASortedListFewEntries) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    WheelAgainstModel pair(seed, 1 + seed % 11);
    for (int i = 0; i < 500; ++i) {
      ASSERT_NO_FATAL_FAILURE(pair.step()) << "seed " << seed << " step " << i;
    }
  }
}

TEST(TimingWheel, AgreesWithASortedListManyEntries) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    WheelAgainstModel pair(seed, 700);
    for (int i = 0; i < 3000; ++i) {
      ASSERT_NO_FATAL_FAILURE(pair.step()) << "seed " << seed << " step " << i;
    }
  }
}

TEST(TimingWheel, SameCallsPopInTheSameOrder) {
  const auto run = [] {
    std::mt19937_64 random(42);
    TimingWheel wheel(kStart);
    std::deque<Numbered> entries;
    std::vector<uint32_t> order;
    TimePoint now = kStart;
    for (uint32_t i = 0; i < 300; ++i) entries.emplace_back(i);
    for (int i = 0; i < 3000; ++i) {
      wheel.arm(entries[random() % entries.size()], now + milliseconds(random() % 50));
      now = now + milliseconds(random() % 3);
      while (Numbered* entry = popped_by(wheel.pop_expired(now))) {
        order.push_back(entry->owner);
      }
    }
    return order;
  };
  const auto first = run();
  EXPECT_GT(first.size(), 1000u);
  EXPECT_EQ(first, run());
}

}  // namespace
}  // namespace trunkline
