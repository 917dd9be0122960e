// SPDX-License-Identifier: BSD-3-Clause
// The receive queue and the TSN tracker together against a model that is as simple as can be: it
// remembers every chunk by its TSN and looks through all of them. Chunks come in every order,
// again, with gaps, and what is held is dropped now and then. What comes out must be the same; what
// it costs must not depend on the order.
#include <gtest/gtest.h>

#include <bit>
#include <set>

#include "receive_model.h"

namespace trunkline {
namespace {

using namespace rx_test;

// Each turn one of the chunks within reach comes, perhaps again, or the receiver drops something.
void compare(uint64_t seed, size_t reach, uint16_t streams, size_t most_parts) {
  SeededRandom random(seed);
  const uint32_t base = random.below(2) == 0 ? 0xffffff00u : static_cast<uint32_t>(random.u32());
  OneEnd receiver(base);
  QueueModel model;
  const std::vector<Sent> sent = conversation(random, 400, streams, most_parts);
  std::set<size_t> missing;
  for (size_t i = 0; i < sent.size(); ++i) missing.insert(i);
  for (int step = 0; !missing.empty(); ++step) {
    ASSERT_LT(step, 200000);
    const size_t lowest = *missing.begin();
    if (random.below(10) == 0) {
      const auto last = receiver.queue.last_loose();
      ASSERT_EQ(last.has_value(), receiver.queue.loose_blocks() > 0);
      if (!last || !receiver.tracker.forget(last->first, last->last, receiver.disorder)) continue;
      receiver.queue.drop_last_loose(receiver.blocks);
      const size_t first = last->first.distance_from(Tsn(base));
      const size_t end = last->last.distance_from(Tsn(base));
      model.drop(first, end);
      for (size_t i = first; i <= end; ++i) ASSERT_TRUE(missing.insert(i).second);
    } else {
      const size_t i = random.below(30) == 0 ? lowest : lowest + random.below(reach);
      if (i >= sent.size()) continue;
      if (missing.count(i) == 0) {
        ASSERT_FALSE(receiver.would_take(i)) << "a duplicate";
        continue;
      }
      if (!receiver.would_take(i)) continue;  // no room for a gap
      Strings got;
      const Outcome outcome = receiver.receive(sent[i], got);
      ASSERT_TRUE(outcome == Outcome::kHeld || outcome == Outcome::kWholeInOrder);
      missing.erase(i);
      ASSERT_EQ(got, model.receive(sent[i])) << "seed " << seed << ", chunk " << i;
    }
    if (step % 16 == 0) {
      ASSERT_TRUE(receiver.queue.is_sound());
      ASSERT_EQ(receiver.queue.held_blocks(), receiver.blocks.used());
    }
  }
  EXPECT_TRUE(receiver.queue.empty());
  EXPECT_EQ(model.size(), 0u);
}

TEST(ReceiveModel, AgreesWhenLittleIsOutOfOrder) {
  for (uint64_t seed = 1; seed <= 20; ++seed) compare(seed, 6, 3, 4);
}
TEST(ReceiveModel, AgreesWhenMuchIsOutOfOrder) {
  for (uint64_t seed = 21; seed <= 40; ++seed) compare(seed, 200, 5, 6);
}
TEST(ReceiveModel, AgreesOnOneStreamOfLongMessages) {
  for (uint64_t seed = 41; seed <= 50; ++seed) compare(seed, 100, 1, 40);
}

// ---------------------------------------------------------------- in pieces

// The same with messages given in pieces: each comes once, with all of its bytes, and those of a
// stream in order, whatever is cut, comes again or is dropped. Nothing is between its pieces, or it
// would be in its text.
void cut(uint64_t seed, size_t reach, uint16_t streams, size_t most_parts, uint32_t cut_at) {
  SeededRandom random(seed);
  const uint32_t base = random.below(2) == 0 ? 0xffffff00u : static_cast<uint32_t>(random.u32());
  OneEnd receiver(base);
  receiver.cut_at = cut_at;
  const std::vector<Sent> sent = conversation(random, 400, streams, most_parts);
  std::map<std::string, const Sent*> expected;
  std::string text;
  for (const Sent& chunk : sent) {
    text = (chunk.beginning ? "" : text) + chunk.text;
    if (chunk.ending) expected[text] = &chunk;
  }
  std::set<size_t> missing;
  for (size_t i = 0; i < sent.size(); ++i) missing.insert(i);
  Strings got;
  for (int step = 0; !missing.empty(); ++step) {
    ASSERT_LT(step, 200000);
    const size_t lowest = *missing.begin();
    const auto last = receiver.queue.last_loose();
    if (random.below(10) == 0 && last) {
      if (!receiver.tracker.forget(last->first, last->last, receiver.disorder)) continue;
      receiver.queue.drop_last_loose(receiver.blocks);
      const size_t end = last->last.distance_from(Tsn(base));
      for (size_t i = last->first.distance_from(Tsn(base)); i <= end; ++i) missing.insert(i);
    } else {
      const size_t i = random.below(30) == 0 ? lowest : lowest + random.below(reach);
      if (i >= sent.size() || missing.count(i) == 0 || !receiver.would_take(i)) continue;
      const Outcome outcome = receiver.receive(sent[i], got);
      ASSERT_TRUE(outcome == Outcome::kHeld || outcome == Outcome::kWholeInOrder) << seed;
      missing.erase(i);
    }
    if (step % 16 == 0) {
      ASSERT_TRUE(receiver.queue.is_sound()) << seed;
      ASSERT_EQ(receiver.queue.held_blocks(), receiver.blocks.used());
    }
  }
  EXPECT_TRUE(receiver.queue.empty());
  EXPECT_GT(receiver.pieces, 0u);
  ASSERT_EQ(got.size(), expected.size());
  std::map<uint16_t, uint64_t> before;
  for (const std::string& one : got) {
    const auto found = expected.find(one);
    ASSERT_NE(found, expected.end()) << seed << ": " << one.substr(0, 40);
    const Sent& end = *found->second;
    if (!end.unordered) {
      uint64_t& last = before[end.stream];
      EXPECT_GE(end.number, last);
      last = end.number;
    }
    expected.erase(found);
  }
}

TEST(ReceiveModel, InPiecesNothingIsLostRepeatedOrMixed) {
  for (uint64_t seed = 1; seed <= 15; ++seed) cut(seed, 6, 3, 4, 1);
  for (uint64_t seed = 21; seed <= 35; ++seed) cut(seed, 200, 5, 6, 1);
  for (uint64_t seed = 41; seed <= 50; ++seed) cut(seed, 100, 1, 40, 700);
}

// ---------------------------------------------------------------- what a chunk costs

using Order = std::vector<size_t>;

struct NamedOrder {
  std::string name;
  Order order;
};

// Of n chunks behind a hole: the orders in which an attacker, or a bad network, may send them, as
// far as a SACK has room for their gaps.
std::vector<NamedOrder> orders(size_t n) {
  std::vector<NamedOrder> out;
  Order ascending(n);
  for (size_t i = 0; i < n; ++i) ascending[i] = i;
  out.push_back({"ascending", ascending});
  out.push_back({"descending", Order(ascending.rbegin(), ascending.rend())});
  Order pairs;
  for (size_t i = 0; i + 1 < n; i += 2) {
    pairs.push_back(i + 1);
    pairs.push_back(i);
  }
  out.push_back({"odd before even", pairs});
  // From the middle outwards, by turns.
  Order outwards;
  for (size_t i = 0; i < n; ++i) outwards.push_back(i % 2 == 0 ? n / 2 + i / 2 : n / 2 - 1 - i / 2);
  out.push_back({"outwards", outwards});
  // In a hundred runs that grow by turns, from their ends and from their starts.
  Order runs;
  Order backwards;
  const size_t length = n / 100;
  for (size_t i = 0; i < length; ++i) {
    for (size_t run = 0; run < 100; ++run) {
      runs.push_back(run * length + i);
      backwards.push_back(run * length + length - 1 - i);
    }
  }
  out.push_back({"a hundred runs", runs});
  out.push_back({"a hundred runs backwards", backwards});
  SeededRandom random(5);
  Order shuffled = ascending;
  for (size_t i = 0; i + 1 < n; ++i) {
    std::swap(shuffled[i], shuffled[i + random.below(std::min<size_t>(100, n - i))]);
  }
  out.push_back({"shuffled", shuffled});
  return out;
}

constexpr size_t kMany = 18000;

// Chunks 1 to kMany in that order, then number 0; no chunk but the last, which sets them all free,
// costs more than some walks down a tree, and all of them no more than that each.
void expect_cheap(const NamedOrder& order, const std::vector<Sent>& sent, size_t messages) {
  OneEnd receiver(0xfffffff0u);
  Strings got;
  for (const size_t i : order.order) {
    ASSERT_TRUE(receiver.would_take(i + 1)) << order.name;
    ASSERT_EQ(receiver.receive(sent[i + 1], got), Outcome::kHeld) << order.name;
  }
  ASSERT_TRUE(got.empty());
  ASSERT_TRUE(receiver.queue.is_sound());
  const uint64_t walk = 2 * std::bit_width(kMany);
  if (kCountsSteps) {
    EXPECT_LE(receiver.worst, 8 * walk) << order.name;
  }
  receiver.receive(sent[0], got);
  EXPECT_EQ(got.size(), messages) << order.name;
  if (kCountsSteps) {
    EXPECT_LE(receiver.steps, kMany * 8 * walk) << order.name;
  }
  EXPECT_TRUE(receiver.queue.empty());
}

// Whole messages of one stream behind the first: each looked for its place from the head of a list.
// There are more of them than half the circle of SSNs.
TEST(ReceiveCost, MessagesOfAStreamWaitInEveryOrder) {
  std::vector<Sent> sent(kMany + 1);
  for (size_t i = 0; i <= kMany; ++i) {
    sent[i].number = i;
    sent[i].ssn = static_cast<uint16_t>(i);
    sent[i].text = "x";
  }
  for (const NamedOrder& order : orders(kMany)) expect_cheap(order, sent, kMany + 1);
}

TEST(ReceiveCost, MessagesOfManyStreamsWaitInEveryOrder) {
  // The first of each stream never comes.
  std::vector<Sent> sent(kMany + 1);
  for (size_t i = 0; i <= kMany; ++i) {
    sent[i].number = i;
    sent[i].stream = static_cast<uint16_t>(i == 0 ? 0 : i % 300);
    sent[i].ssn = static_cast<uint16_t>(i == 0 ? 0 : i / 300 + (i % 300 == 0 ? 0 : 1));
    sent[i].text = "x";
  }
  for (const NamedOrder& order : orders(kMany)) {
    OneEnd receiver(1);
    Strings got;
    for (const size_t i : order.order) {
      ASSERT_EQ(receiver.receive(sent[i + 1], got), Outcome::kHeld) << order.name;
    }
    ASSERT_TRUE(receiver.queue.is_sound());
    if (kCountsSteps) {
      EXPECT_LE(receiver.worst, 16u * std::bit_width(kMany)) << order.name;
    }
  }
}

// One message of many fragments: each looked for its place from the tail of a list, and walked over
// its run to find that it is not whole.
TEST(ReceiveCost, FragmentsOfAMessageComeInEveryOrder) {
  std::vector<Sent> sent(kMany + 1);
  for (size_t i = 0; i <= kMany; ++i) {
    sent[i].number = i;
    sent[i].beginning = i == 0;
    sent[i].ending = i == kMany;
    sent[i].text = "x";
  }
  for (const NamedOrder& order : orders(kMany)) expect_cheap(order, sent, 1);
}

TEST(ReceiveCost, FragmentsOfManyMessagesComeInEveryOrder) {
  std::vector<Sent> sent(kMany + 1);
  for (size_t i = 1; i <= kMany; ++i) {
    sent[i].number = i;
    sent[i].stream = 1;
    sent[i].ssn = static_cast<uint16_t>((i - 1) / 3 + 1);
    sent[i].beginning = i % 3 == 1;
    sent[i].ending = i % 3 == 0;
    sent[i].text = "x";
  }
  sent[0].stream = 1;
  sent[0].text = "the first";
  for (const NamedOrder& order : orders(kMany)) expect_cheap(order, sent, 1 + kMany / 3);
}

// Messages that are given in pieces while much else is held: what their streams let go at each end
// was looked for among all of it. Every second one has an unordered message behind it that waits.
TEST(ReceiveCost, TheEndOfAMessageInPiecesLooksAtWhatWaitsForIt) {
  constexpr size_t kMessages = 1000;
  OneEnd receiver(0xfffffff0u);
  receiver.cut_at = 1;
  Strings got;
  for (size_t i = 0; i < kMany; ++i) {
    const Sent held{.number = 3 * kMessages + 1 + i,
                    .stream = static_cast<uint16_t>(1 + i % 2),
                    .ssn = static_cast<uint16_t>(1 + i / 2),
                    .text = "held"};
    ASSERT_EQ(receiver.receive(held, got), Outcome::kHeld);
  }
  receiver.worst = receiver.steps = 0;
  for (size_t i = 0; i < kMessages; ++i) {
    const auto ssn = static_cast<uint16_t>(i);
    receiver.receive({.number = 3 * i, .ssn = ssn, .ending = false, .text = "a"}, got);
    if (i % 2 == 0) {
      const Sent parked{.number = 3 * i + 2, .unordered = true, .text = "u"};
      ASSERT_EQ(receiver.receive(parked, got), Outcome::kHeld);
    }
    receiver.receive({.number = 3 * i + 1, .ssn = ssn, .beginning = false, .text = "b"}, got);
    if (i % 2 != 0) receiver.receive({.number = 3 * i + 2, .unordered = true, .text = "u"}, got);
  }
  EXPECT_EQ(got.size(), 2 * kMessages);
  EXPECT_EQ(receiver.pieces, kMessages);
  EXPECT_TRUE(receiver.queue.is_sound());
  if (kCountsSteps) {
    EXPECT_LE(receiver.worst, 16u * std::bit_width(kMany));
  }
}

// ---------------------------------------------------------------- the circle of SSNs

// 65,535 messages of a stream are in the range of TSNs, all but the first are held behind it, and
// come out in order; wherever the circle begins.
TEST(ReceiveModel, AStreamHoldsAsManyMessagesAsThereAreTsns) {
  constexpr size_t kAll = 65535;
  for (const uint32_t already : {0u, 40000u}) {
    OneEnd receiver(77);
    Strings got;
    Sent sent;
    sent.text = "x";
    for (uint32_t i = 0; i < already; ++i) {
      sent.number = i;
      sent.ssn = static_cast<uint16_t>(i);
      ASSERT_EQ(receiver.receive(sent, got), Outcome::kWholeInOrder);
    }
    got.clear();
    for (size_t i = 1; i < kAll; ++i) {
      sent.number = already + i;
      sent.ssn = static_cast<uint16_t>(already + i);
      sent.text = std::to_string(i);
      ASSERT_TRUE(receiver.would_take(sent.number)) << i;
      ASSERT_EQ(receiver.receive(sent, got), Outcome::kHeld) << i;
    }
    ASSERT_FALSE(receiver.would_take(already + kAll));
    sent.number = already;
    sent.ssn = static_cast<uint16_t>(already);
    sent.text = "0";
    ASSERT_EQ(receiver.receive(sent, got), Outcome::kWholeInOrder);
    ASSERT_EQ(got.size(), kAll);
    for (size_t i = 0; i < kAll; ++i) ASSERT_EQ(got[i], std::to_string(i));
  }
}

}  // namespace
}  // namespace trunkline
