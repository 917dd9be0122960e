// SPDX-License-Identifier: BSD-3-Clause
// The oracle of consumers against bridges that break one rule each.
#include "consumer_watch.h"

#include <gtest/gtest.h>

namespace trunkline::sim {
namespace {

constexpr TimePoint kThen = TimePoint::from_ns(1);
constexpr RecordId kWatched = 3;

class ConsumerWatchTest : public testing::Test {
 protected:
  ConsumerWatchTest() { watch_.bound(kWatched, 0); }
  // Message `id` of 20 bytes, or the piece of it that begins at `offset`.
  static std::vector<uint8_t> content(MessageId id, uint32_t offset = 0) {
    std::vector<uint8_t> out(20);
    fill_content(id, offset, out);
    return out;
  }
  void deliver(MessageId id, uint32_t offset = 0) { watch_.delivered(kWatched, id, offset, 20); }
  uint32_t read(ConsumerIndex consumer, MessageId id, uint32_t offset = 0) {
    return watch_.read(kThen, kWatched, consumer, id, id, content(id, offset));
  }
  void end(ConsumerIndex consumer) {
    watch_.ended(kWatched, true);
    watch_.told_end(kThen, kWatched, consumer);
    watch_.finish(kThen);
  }
  void expect_caught(const std::string& what) {
    EXPECT_NE(verdict_.what().find(what), std::string::npos) << verdict_.what();
  }

  Verdict verdict_;
  ConsumerWatch watch_{verdict_};
};

TEST_F(ConsumerWatchTest, EachReadsItsOwnAtItsTime) {
  deliver(1);
  deliver(2);
  deliver(3);
  watch_.bound(kWatched, 1, 1);  // with what waits for room
  deliver(4);
  EXPECT_EQ(read(1, 3), 0U);
  read(1, 4);
  read(0, 1);
  read(0, 2);
  watch_.bound(kWatched, 0);
  deliver(5);
  read(0, 5);
  end(0);
  EXPECT_FALSE(verdict_.failed()) << verdict_.what();
  EXPECT_EQ(watch_.changes(), 2U);
}

TEST_F(ConsumerWatchTest, PiecesOfOneMessageGoToTwo) {
  deliver(1);
  watch_.bound(kWatched, 1);
  deliver(1, 20);
  EXPECT_EQ(read(1, 1, 20), 20U);
  EXPECT_EQ(read(0, 1), 0U);
  end(1);
  EXPECT_FALSE(verdict_.failed()) << verdict_.what();
}

TEST_F(ConsumerWatchTest, ALostMessageIsCaught) {
  deliver(1);
  end(0);
  expect_caught("nobody read it");
}

TEST_F(ConsumerWatchTest, ARepeatedMessageIsCaught) {
  deliver(1);
  read(0, 1);
  watch_.bound(kWatched, 1);
  read(1, 1);
  expect_caught("not delivered so, or was read before");
}

TEST_F(ConsumerWatchTest, AnotherOrderIsCaught) {
  deliver(1);
  deliver(2);
  read(0, 2);
  read(0, 1);
  expect_caught("older than its last one");
}

TEST_F(ConsumerWatchTest, WhatComesLaterIsNotTheFormerConsumers) {
  deliver(1);
  read(0, 1);
  watch_.bound(kWatched, 1);
  deliver(2);
  read(0, 2);
  end(1);
  expect_caught("whose turn was over");
}

TEST_F(ConsumerWatchTest, WhatWaitsForRoomGoesOn) {
  deliver(1);
  watch_.bound(kWatched, 1, 1);
  read(0, 1);
  end(1);
  expect_caught("whose turn was over");
}

TEST_F(ConsumerWatchTest, NobodyHasOlderOnesThanWhoCameBefore) {
  deliver(1);
  deliver(2);
  watch_.bound(kWatched, 1);
  read(1, 1);
  read(0, 2);
  end(1);
  expect_caught("whose turn was over");
}

TEST_F(ConsumerWatchTest, ADamagedMessageIsCaught) {
  deliver(1);
  watch_.read(kThen, kWatched, 0, 1, 1, content(2));
  expect_caught("not delivered so");
}

TEST_F(ConsumerWatchTest, TheEndIsTheLastOnesAlone) {
  watch_.bound(kWatched, 1);
  watch_.ended(kWatched, true);
  watch_.told_end(kThen, kWatched, 0);
  expect_caught("another's association");
}

TEST_F(ConsumerWatchTest, AnEndThatNobodyHearsIsCaught) {
  watch_.ended(kWatched, true);
  watch_.finish(kThen);
  expect_caught("was not told");
}

TEST_F(ConsumerWatchTest, ASendEndsOnceAndWithWhoSent) {
  watch_.sent(0, 7);
  watch_.sent(0, 8);
  watch_.bound(kWatched, 1);
  watch_.send_ended(kThen, 0, 7);
  EXPECT_FALSE(verdict_.failed()) << verdict_.what();
  watch_.send_ended(kThen, 1, 8);
  expect_caught("another's send");
}

TEST_F(ConsumerWatchTest, ASecondEndOfASendIsCaught) {
  watch_.sent(0, 7);
  watch_.send_ended(kThen, 0, 7);
  watch_.send_ended(kThen, 0, 7);
  expect_caught("that has none, or had one");
}

TEST_F(ConsumerWatchTest, ASendWithoutAnEndIsCaught) {
  watch_.sent(0, 7);
  watch_.finish(kThen);
  expect_caught("ends were not told");
}

}  // namespace
}  // namespace trunkline::sim
