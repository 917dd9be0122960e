// SPDX-License-Identifier: BSD-3-Clause
// What a peer gives up (RFC 3758 section 3.6), in the receive queue: what waits for it is given,
// what can't be completed any more goes, nothing that lives goes with it, and nothing stays for
// ever or looks like a contradiction.
#include "receive_model.h"

namespace trunkline {
namespace {

using namespace rx_test;
using wire::SkippedStream;

class SkipTest : public testing::Test {
 protected:
  SkipTest() { end.partly_reliable = true; }
  // Nothing but the flags B, E and U; on stream 0, unless it is said.
  Strings tell(uint64_t number, const std::string& flags, uint16_t ssn, const std::string& text,
               uint16_t stream = 0) {
    Strings out;
    outcome = end.receive({.number = number,
                           .stream = stream,
                           .ssn = ssn,
                           .unordered = flags.find('U') != std::string::npos,
                           .beginning = flags.find('B') != std::string::npos,
                           .ending = flags.find('E') != std::string::npos,
                           .text = text},
                          out);
    EXPECT_TRUE(end.queue.is_sound());
    return out;
  }
  Strings skip(uint64_t last, const std::vector<SkippedStream>& named) {
    Strings out;
    broken = end.skip(last, named, out);
    EXPECT_TRUE(end.queue.is_sound());
    return out;
  }
  static SkippedStream of(uint16_t stream, uint16_t ssn) { return {StreamId(stream), Ssn(ssn)}; }
  // Of the peer's TSNs, how many are acknowledged cumulatively.
  [[nodiscard]] uint64_t acked() const {
    return end.tracker.cum_tsn().distance_from(end.tsn(0) - 1);
  }

  OneEnd end{0xfffffffcu};
  Outcome outcome = Outcome::kHeld;
  bool broken = false;
};

TEST_F(SkipTest, WhatWaitsForTheSkippedIsGivenInOrder) {
  EXPECT_EQ(tell(2, "BE", 2, "c"), Strings{});
  EXPECT_EQ(tell(1, "BE", 1, "b"), Strings{});
  EXPECT_EQ(tell(4, "BE", 4, "e"), Strings{});
  EXPECT_EQ(skip(0, {of(0, 0)}), (Strings{"b", "c"}));
  EXPECT_EQ(acked(), 3u);
  EXPECT_EQ(skip(3, {of(0, 3)}), Strings{"e"});
  EXPECT_TRUE(end.queue.empty());
  EXPECT_EQ(tell(5, "BE", 5, "f"), Strings{"f"});
}

// All up to the number that is named, though the one before it never was.
TEST_F(SkipTest, WhatIsStrandedBeforeTheNumberIsGiven) {
  tell(3, "BE", 3, "d");
  tell(1, "BE", 1, "b");
  tell(5, "BE", 5, "f");
  EXPECT_EQ(skip(2, {of(0, 2)}), (Strings{"b", "d"}));
  EXPECT_EQ(skip(4, {of(0, 4)}), Strings{"f"});
}

TEST_F(SkipTest, NumbersGoRoundTheirCircle) {
  skip(0, {of(0, 0x7000)});
  skip(1, {of(0, 0xe000)});
  skip(2, {of(0, 0xfffe)});
  EXPECT_EQ(tell(4, "BE", 0, "b"), Strings{});
  EXPECT_EQ(tell(3, "BE", 0xffff, "a"), (Strings{"a", "b"}));
}

TEST_F(SkipTest, AnOldNumberIsPassedOver) {
  EXPECT_EQ(tell(0, "BE", 0, "a"), Strings{"a"});
  EXPECT_EQ(tell(1, "BE", 1, "b"), Strings{"b"});
  skip(2, {of(0, 0)});
  EXPECT_EQ(tell(3, "BE", 2, "c"), Strings{"c"});
}

TEST_F(SkipTest, OtherStreamsStillWait) {
  tell(1, "BE", 1, "of 0", 0);
  tell(2, "BE", 1, "of 1", 1);
  EXPECT_EQ(skip(0, {of(0, 0)}), Strings{"of 0"});
  EXPECT_EQ(end.queue.held_blocks(), 1u);
  end.queue.clear(end.blocks);
}

// Each unfinished message that misses a TSN up to there; not those behind, nor whole ones.
TEST_F(SkipTest, UnfinishedMessagesGoAndOthersStay) {
  tell(0, "B", 0, "gone");
  tell(2, "B", 1, "gone");
  tell(4, "E", 2, "gone");
  tell(5, "BE", 3, "stays");
  tell(7, "B", 4, "sta");
  tell(8, "", 4, "y");
  EXPECT_EQ(skip(6, {of(0, 2)}), Strings{"stays"});
  EXPECT_EQ(end.queue.held_blocks(), 2u);
  EXPECT_EQ(acked(), 9u);
  EXPECT_EQ(tell(9, "E", 4, "s"), Strings{"stays"});
}

TEST_F(SkipTest, AMessageThatGoesOnBehindItStays) {
  tell(1, "B", 0, "a");
  tell(2, "", 0, "b");
  EXPECT_EQ(skip(1, {}), Strings{});
  EXPECT_EQ(acked(), 3u);
  EXPECT_EQ(tell(3, "E", 0, "c"), Strings{"abc"});
}

// Its number will not come again, so it must not be whole some day.
TEST_F(SkipTest, ButNotIfItsNumberIsNamed) {
  tell(1, "B", 0, "a");
  tell(2, "", 0, "b");
  skip(1, {of(0, 0)});
  EXPECT_TRUE(end.queue.empty());
  EXPECT_EQ(acked(), 3u);
  EXPECT_EQ(tell(3, "E", 0, "c"), Strings{});
  EXPECT_EQ(tell(4, "BE", 1, "next"), Strings{"next"});
}

// usrsctp 592, 597: senders that cut a message off give up what they have sent of it, and go on
// with the next one. That is no contradiction.
TEST_F(SkipTest, AMessageThatEndsWithTheSkippedMayBeFollowedByAnother) {
  tell(1, "B", 0, "a");
  tell(2, "", 0, "b");
  skip(2, {of(0, 0)});
  EXPECT_TRUE(end.queue.empty());
  EXPECT_EQ(tell(3, "BE", 1, "next"), Strings{"next"});
}

// No FORWARD TSN names an unordered one.
TEST_F(SkipTest, LikewiseAnUnorderedOne) {
  tell(1, "BU", 0, "a");
  tell(2, "U", 0, "b");
  skip(2, {});
  EXPECT_TRUE(end.queue.empty());
  EXPECT_EQ(tell(3, "BEU", 0, "next"), Strings{"next"});
}

TEST_F(SkipTest, TheRestOfASkippedMessageIsAcknowledgedAndNotKept) {
  skip(1, {of(0, 0)});
  EXPECT_EQ(tell(2, "", 0, "rest"), Strings{});
  EXPECT_EQ(tell(3, "E", 0, "end"), Strings{});
  EXPECT_EQ(acked(), 4u);
  EXPECT_EQ(end.orphans, 2u);
  EXPECT_TRUE(end.queue.empty());
  EXPECT_EQ(tell(4, "BE", 1, "next"), Strings{"next"});
}

TEST_F(SkipTest, LikewiseIfItCameBefore) {
  tell(2, "", 0, "rest");
  tell(3, "E", 0, "end");
  tell(4, "BE", 1, "next");
  EXPECT_EQ(skip(1, {of(0, 0)}), Strings{"next"});
  EXPECT_EQ(acked(), 5u);
  EXPECT_EQ(end.orphans, 2u);
  EXPECT_TRUE(end.queue.empty());
}

TEST_F(SkipTest, LikewiseIfItComesInDisorder) {
  skip(0, {of(0, 0)});
  tell(2, "", 0, "rest");
  tell(3, "", 0, "rest");
  EXPECT_EQ(end.queue.held_blocks(), 2u);
  tell(1, "", 0, "rest");
  EXPECT_TRUE(end.queue.empty());
  EXPECT_EQ(end.orphans, 3u);
  EXPECT_EQ(acked(), 4u);
}

// Without the extension nothing is an orphan.
TEST_F(SkipTest, OnlyWhereTheyAgreedOnIt) {
  end.partly_reliable = false;
  tell(0, "", 0, "no beginning");
  EXPECT_EQ(end.queue.held_blocks(), 1u);
  EXPECT_EQ(end.orphans, 0u);
  end.queue.clear(end.blocks);
}

TEST_F(SkipTest, AFragmentBehindAWholeMessageIsStillAContradiction) {
  tell(1, "BE", 1, "waits for 0");
  tell(2, "", 1, "contradicts");
  EXPECT_EQ(outcome, Outcome::kViolation);
  end.queue.clear(end.blocks);
}

// ---------------------------------------------------------------- cut off without a word

// All that was sent of it has come, so that there is nothing to skip, and the rest never had a TSN.
TEST_F(SkipTest, AMessageThatIsFollowedByAnotherIsCutOff) {
  for (const std::string flags : {"BE", "BEU", "B"}) {
    const uint64_t at = acked();
    const auto ssn = static_cast<uint16_t>(end.queue.order_of(StreamId(0))->next().value);
    tell(at, "B", ssn, "cut");
    tell(at + 1, "", ssn, "off");
    const uint16_t next = flags == "BEU" ? 0 : static_cast<uint16_t>(ssn + 1);
    const Strings got = tell(at + 2, flags, next, "next");
    EXPECT_NE(outcome, Outcome::kViolation) << flags;
    EXPECT_EQ(got.size(), flags == "B" ? 0u : 1u);
    EXPECT_EQ(end.queue.held_blocks(), flags == "B" ? 1u : 0u);
  }
  EXPECT_EQ(tell(acked(), "E", 4, "!").back(), "next!");
}

TEST_F(SkipTest, LikewiseIfTheOtherCameFirst) {
  EXPECT_EQ(tell(2, "BE", 1, "next"), Strings{});
  EXPECT_EQ(tell(0, "B", 0, "cut"), Strings{});
  EXPECT_EQ(tell(1, "", 0, "off"), Strings{"next"});
  EXPECT_TRUE(end.queue.empty());
  EXPECT_EQ(tell(4, "BEU", 0, "unordered"), Strings{"unordered"});
  tell(3, "B", 2, "cut off");
  EXPECT_TRUE(end.queue.empty());
  EXPECT_EQ(tell(5, "BE", 3, "its number was passed"), Strings{"its number was passed"});
}

TEST_F(SkipTest, AMessageInPiecesIsCutOffLikewise) {
  end.cut_at = 1;
  tell(0, "B", 0, "front");
  tell(2, "BEU", 0, "unordered");
  ASSERT_TRUE(end.queue.gives_pieces());
  EXPECT_EQ(tell(1, "BE", 1, "next"), (Strings{"unordered", "next"}));
  EXPECT_FALSE(end.queue.gives_pieces());
  EXPECT_TRUE(end.queue.empty());
}

// ---------------------------------------------------------------- given in pieces

TEST_F(SkipTest, AMessageInPiecesBreaksOffAndItsStreamGoesOn) {
  for (const bool named : {true, false}) {
    for (const std::string unordered : {"", "U"}) {
      OneEnd fresh(0xfffffffcu);
      fresh.partly_reliable = true;
      fresh.cut_at = 1;
      Strings got;
      const bool u = !unordered.empty();
      fresh.receive({.number = 0, .unordered = u, .ending = false, .text = "front"}, got);
      ASSERT_TRUE(fresh.queue.gives_pieces());
      const uint16_t next = u ? 0 : 1;
      fresh.receive({.number = 3, .ssn = next, .text = "next"}, got);
      fresh.receive({.number = 4, .unordered = true, .text = "unordered"}, got);
      ASSERT_EQ(got, Strings{});
      std::vector<SkippedStream> streams;
      if (named && !u) streams = {of(0, 0)};
      EXPECT_TRUE(fresh.skip(2, streams, got));
      EXPECT_EQ(got, (Strings{"next", "unordered"}));
      EXPECT_FALSE(fresh.queue.gives_pieces());
      EXPECT_TRUE(fresh.queue.empty());
    }
  }
}

TEST_F(SkipTest, AnotherMessageMayBeGivenInPiecesThen) {
  end.cut_at = 1;
  tell(0, "B", 0, "front");
  tell(2, "B", 1, "x");
  EXPECT_EQ(skip(1, {of(0, 0)}), Strings{});
  EXPECT_TRUE(broken);
  EXPECT_TRUE(end.queue.gives_pieces());
  EXPECT_EQ(tell(3, "E", 1, "y"), Strings{"xy"});
}

// ---------------------------------------------------------------- at random

// The chunks of the message that the chunk is part of.
std::pair<size_t, size_t> message_of(const std::vector<Sent>& sent, size_t i) {
  size_t first = i;
  while (!sent[first].beginning) --first;
  size_t last = i;
  while (!sent[last].ending) ++last;
  return {first, last};
}

// Of each stream the highest number among those chunks.
std::vector<SkippedStream> numbers_of(const std::vector<Sent>& sent,
                                      const std::set<uint64_t>& all) {
  std::map<uint16_t, uint16_t> highest;
  for (const uint64_t i : all) {
    if (!sent[i].unordered) highest[sent[i].stream] = sent[i].ssn;
  }
  std::vector<SkippedStream> out;
  for (const auto& [stream, ssn] : highest) out.push_back({StreamId(stream), Ssn(ssn)});
  return out;
}

// As `compare` of receive_model_test.cpp, but that the peer gives up, now and then, messages of
// which something is missing.
void compare_with_skips(uint64_t seed, size_t reach, uint16_t streams, size_t most_parts) {
  SeededRandom random(seed);
  OneEnd receiver(random.below(2) == 0 ? 0xffffff00u : static_cast<uint32_t>(random.u32()));
  receiver.partly_reliable = true;
  QueueModel model;
  const std::vector<Sent> sent = conversation(random, 400, streams, most_parts);
  std::set<size_t> missing;
  std::set<uint64_t> given_up;  // behind the cumulative TSN
  for (size_t i = 0; i < sent.size(); ++i) missing.insert(i);
  for (int step = 0; !missing.empty(); ++step) {
    ASSERT_LT(step, 200000);
    const size_t lowest = *missing.begin();
    if (random.below(12) == 0) {
      const size_t i = lowest + random.below(reach);
      if (i >= sent.size() || missing.count(i) == 0) continue;
      const auto [first, last] = message_of(sent, i);
      for (size_t at = first; at <= last; ++at) given_up.insert(at);
      given_up.erase(given_up.begin(), given_up.lower_bound(lowest));
      std::set<uint64_t> now;
      for (uint64_t at = lowest; given_up.count(at) != 0; ++at) now.insert(at);
      if (now.empty()) continue;
      const auto named = numbers_of(sent, now);
      const auto [begun, end_of_it] = message_of(sent, lowest);
      for (uint64_t at = begun; at < lowest; ++at) now.insert(at);
      Strings got;
      receiver.skip(*now.rbegin(), named, got);
      for (const uint64_t at : now) missing.erase(at);
      ASSERT_EQ(got, model.skip(now, named)) << "seed " << seed << ", chunk " << lowest;
    } else {
      const size_t i = random.below(30) == 0 ? lowest : lowest + random.below(reach);
      if (i >= sent.size() || missing.count(i) == 0 || given_up.count(i) != 0) continue;
      if (!receiver.would_take(i)) continue;
      Strings got;
      const Outcome outcome = receiver.receive(sent[i], got);
      ASSERT_TRUE(outcome == Outcome::kHeld || outcome == Outcome::kWholeInOrder) << seed;
      missing.erase(i);
      ASSERT_EQ(got, model.receive(sent[i])) << "seed " << seed << ", chunk " << i;
    }
    ASSERT_TRUE(receiver.queue.is_sound()) << seed;
    ASSERT_EQ(receiver.queue.held_blocks(), receiver.blocks.used());
  }
  EXPECT_TRUE(receiver.queue.empty());
  EXPECT_EQ(model.size(), 0u);
  EXPECT_EQ(receiver.orphans, 0u) << "this peer gives up whole messages";
}

TEST(SkipModel, AgreesWithAPeerThatGivesUpWholeMessages) {
  for (uint64_t seed = 1; seed <= 20; ++seed) compare_with_skips(seed, 6, 3, 4);
  for (uint64_t seed = 21; seed <= 40; ++seed) compare_with_skips(seed, 200, 5, 6);
  for (uint64_t seed = 41; seed <= 50; ++seed) compare_with_skips(seed, 100, 1, 40);
}

// A peer that skips up to any TSN, in the middle of messages too, names the streams or does not,
// and sends the rest. No message comes twice or in a wrong order, nothing contradicts, and nothing
// is left in the end.
void skip_anywhere(uint64_t seed, size_t reach, uint32_t cut_at, bool names) {
  SeededRandom random(seed);
  OneEnd receiver(0xfffffff0u);
  receiver.partly_reliable = true;
  receiver.cut_at = cut_at;
  const std::vector<Sent> sent = conversation(random, 400, 3, 6);
  std::set<size_t> missing;
  for (size_t i = 0; i < sent.size(); ++i) missing.insert(i);
  Strings got;
  for (int step = 0; !missing.empty(); ++step) {
    ASSERT_LT(step, 200000);
    const size_t lowest = *missing.begin();
    const size_t i = std::min(lowest + random.below(reach), sent.size() - 1);
    if (random.below(25) == 0) {
      std::set<uint64_t> all;
      for (size_t at = lowest; at <= i; ++at) all.insert(at);
      receiver.skip(i, names ? numbers_of(sent, all) : std::vector<SkippedStream>{}, got);
      missing.erase(missing.begin(), missing.upper_bound(i));
    } else if (missing.count(i) != 0 && receiver.would_take(i)) {
      const Outcome outcome = receiver.receive(sent[i], got);
      ASSERT_TRUE(outcome == Outcome::kHeld || outcome == Outcome::kWholeInOrder)
          << "seed " << seed << ", chunk " << i;
      missing.erase(i);
    }
    ASSERT_TRUE(receiver.queue.is_sound()) << seed;
    ASSERT_EQ(receiver.queue.held_blocks(), receiver.blocks.used());
  }
  EXPECT_GT(receiver.orphans, 0u);
  if (names) {
    EXPECT_TRUE(receiver.queue.empty()) << seed;
  }
  EXPECT_EQ(std::set<std::string>(got.begin(), got.end()).size(), got.size());
  receiver.queue.clear(receiver.blocks);
}

TEST(SkipModel, WhereverAPeerSkipsToNothingContradictsOrStays) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    for (const size_t reach : {4, 60}) {
      skip_anywhere(seed, reach, 0, true);
      skip_anywhere(seed, reach, 1, true);
      skip_anywhere(seed, reach, 0, false);
    }
  }
}

// One that cuts messages off, and never skips: its TSNs come in any order.
TEST(SkipModel, WhateverAPeerCutsOffNothingContradicts) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SeededRandom random(seed);
    OneEnd receiver(0xfffffff0u);
    receiver.partly_reliable = true;
    receiver.cut_at = seed % 2 == 0 ? 1 : 0;
    const std::vector<Sent> sent = conversation(random, 400, 3, 6, true);
    const size_t reach = seed % 3 == 0 ? 1 : 40;
    std::set<size_t> missing;
    for (size_t i = 0; i < sent.size(); ++i) missing.insert(i);
    Strings got;
    while (!missing.empty()) {
      const size_t i = std::min(*missing.begin() + random.below(reach), sent.size() - 1);
      if (missing.count(i) == 0 || !receiver.would_take(i)) continue;
      const Outcome outcome = receiver.receive(sent[i], got);
      ASSERT_TRUE(outcome == Outcome::kHeld || outcome == Outcome::kWholeInOrder)
          << "seed " << seed << ", chunk " << i;
      missing.erase(i);
      ASSERT_TRUE(receiver.queue.is_sound()) << seed;
      ASSERT_EQ(receiver.queue.held_blocks(), receiver.blocks.used());
    }
    size_t whole = 0;
    for (const Sent& chunk : sent) whole += chunk.ending ? 1u : 0u;
    if (reach == 1) {
      EXPECT_EQ(got.size(), whole) << seed;
    }
    EXPECT_EQ(std::set<std::string>(got.begin(), got.end()).size(), got.size());
    receiver.queue.clear(receiver.blocks);
  }
}

// ---------------------------------------------------------------- what it costs

// Behind a hole much is held; each FORWARD TSN passes one TSN of it.
TEST(SkipCost, WhatIsHeldIsNotWalkedOver) {
  constexpr size_t kHeld = 10000;
  OneEnd receiver(1);
  receiver.partly_reliable = true;
  Strings got;
  // Whole messages that wait in stream 1, whose first never comes, then fragments with gaps.
  for (size_t i = 0; i < kHeld; ++i) {
    receiver.receive({.number = i, .stream = 1, .ssn = static_cast<uint16_t>(i + 1), .text = "x"},
                     got);
  }
  for (size_t i = 0; i < 200; i += 2) {
    receiver.receive({.number = kHeld + i + 1, .ending = false, .text = "x"}, got);
  }
  receiver.worst = 0;
  for (size_t i = 0; i < 200; i += 2) receiver.skip(kHeld + i, {{StreamId(0), Ssn(0)}}, got);
  EXPECT_TRUE(receiver.queue.is_sound());
  if (kCountsSteps) {
    EXPECT_LE(receiver.worst, 200u);
  }
  receiver.queue.clear(receiver.blocks);
}

}  // namespace
}  // namespace trunkline
