// SPDX-License-Identifier: BSD-3-Clause
// Schedulers by themselves, then under a send queue: which stream is next, and what the queue does
// whatever the scheduler says.
#include "tx/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <vector>

#include "base/steps.h"
#include "trunkline/stack/random.h"
#include "tx/send_queue.h"

namespace trunkline {
namespace {

using Streams = std::vector<unsigned>;

class Waiting {
 public:
  TxMessage* make(unsigned stream, uint32_t accepted, uint32_t size = 10) {
    TxMessage& message = all_.emplace_back();
    message.stream = StreamId(static_cast<uint16_t>(stream));
    message.accepted = accepted;
    message.unsent_size = size;
    return &message;
  }

 private:
  std::deque<TxMessage> all_;
};

template <typename S>
Streams drain(S& scheduler) {
  Streams out;
  while (const TxMessage* next = scheduler.next()) {
    EXPECT_EQ(next, scheduler.next()) << "looking changes nothing";
    out.push_back(next->stream.value);
    scheduler.sent();
  }
  return out;
}

TEST(RoundRobin, ServesStreamsAsTheyCameWhateverIsInThem) {
  RoundRobin scheduler;
  Waiting messages;
  EXPECT_EQ(scheduler.next(), nullptr);
  for (const unsigned stream : {9u, 5u, 7u}) scheduler.push(messages.make(stream, 100 - stream));
  EXPECT_EQ(drain(scheduler), (Streams{9, 5, 7}));
  EXPECT_EQ(scheduler.next(), nullptr);
}

TEST(RoundRobin, WhoComesAgainComesLast) {
  RoundRobin scheduler;
  Waiting messages;
  for (unsigned stream = 1; stream <= 3; ++stream) scheduler.push(messages.make(stream, 0));
  Streams served;
  for (int i = 0; i < 7; ++i) {
    const unsigned stream = scheduler.next()->stream.value;
    served.push_back(stream);
    scheduler.sent();
    scheduler.push(messages.make(stream, 0));
    if (i == 1) scheduler.push(messages.make(4, 0));
  }
  EXPECT_EQ(served, (Streams{1, 2, 3, 1, 2, 4, 3}));
}

TEST(FirstCome, ServesTheOldestFirstInWhateverOrderStreamsCome) {
  FirstCome scheduler;
  Waiting messages;
  EXPECT_EQ(scheduler.next(), nullptr);
  for (const unsigned stream : {3u, 1u, 5u, 2u, 4u}) scheduler.push(messages.make(stream, stream));
  EXPECT_EQ(drain(scheduler), (Streams{1, 2, 3, 4, 5}));
}

TEST(FirstCome, CountsRound) {
  FirstCome scheduler;
  Waiting messages;
  for (const unsigned n : {3u, 0u, 4u, 1u, 2u}) scheduler.push(messages.make(n, 0xfffffffeu + n));
  EXPECT_EQ(drain(scheduler), (Streams{0, 1, 2, 3, 4}));
}

// Against a sorted list; and no order makes it dear.
TEST(FirstCome, AgreesWithASortedListAtACostThatGrowsSlowly) {
  SeededRandom random(11);
  FirstCome scheduler;
  Waiting messages;
  std::map<uint32_t, TxMessage*> model;
  const uint64_t before = steps_taken;
  uint64_t calls = 0;
  for (uint32_t i = 0; i < 60000; ++i) {
    const uint32_t down = 200000 - i;
    const uint32_t number = random.below(2) == 0 ? down : 300000 + i;
    if (i < 30000 || random.below(3) == 0) {
      model[number] = messages.make(0, number);
      scheduler.push(model[number]);
    } else if (!model.empty()) {
      ASSERT_EQ(scheduler.next(), model.begin()->second);
      model.erase(model.begin());
      scheduler.sent();
    }
    ++calls;
  }
  while (!model.empty()) {
    ASSERT_EQ(scheduler.next(), model.begin()->second);
    model.erase(model.begin());
    scheduler.sent();
    ++calls;
  }
  EXPECT_EQ(scheduler.next(), nullptr);
  if (kCountsSteps) {
    EXPECT_LT(steps_taken - before, calls * 40);
  }
}

// ---------------------------------------------------------------- under a queue

Streams send_all(SendQueue& queue) {
  Streams out;
  while (TxMessage* message = queue.front()) {
    out.push_back(message->stream.value);
    queue.advance(message, message->unsent_size);
  }
  return out;
}

TEST(SendQueueScheduler, RoundRobinTakesTurnsAndFirstComeDoesNot) {
  for (const auto kind : {StreamScheduling::kRoundRobin, StreamScheduling::kFirstCome}) {
    SendQueue queue(kind);
    Waiting messages;
    for (const unsigned stream : {1u, 1u, 1u, 2u, 3u, 2u}) {
      ASSERT_TRUE(queue.push(messages.make(stream, 0)));
    }
    EXPECT_EQ(send_all(queue), kind == StreamScheduling::kRoundRobin ? (Streams{1, 2, 3, 1, 2, 1})
                                                                     : (Streams{1, 1, 1, 2, 3, 2}));
    EXPECT_EQ(queue.bytes(), 0u);
  }
}

TEST(SendQueueScheduler, AMessageThatHasBegunIsFinishedFirstWhateverTheSchedulerSays) {
  for (const auto kind : {StreamScheduling::kRoundRobin, StreamScheduling::kFirstCome}) {
    SendQueue queue(kind);
    Waiting messages;
    std::vector<TxMessage*> under_way;
    for (uint32_t i = 0; i < kMostUnderWay; ++i) {
      under_way.push_back(messages.make(1, 0));
      queue.push(under_way.back());
    }
    send_all(queue);
    queue.push(messages.make(1, 0));  // older than what follows, and held back
    TxMessage* const large = messages.make(2, 0, 100);
    queue.push(large);
    queue.advance(queue.front(), 40);
    queue.finish(*under_way[0]);
    EXPECT_EQ(queue.front(), large) << "fragments of two messages must not mix (6.9)";
    queue.push(messages.make(3, 0));
    EXPECT_EQ(queue.front(), large);
    EXPECT_EQ(send_all(queue), (Streams{2, 1, 3}));
  }
}

// What is held back keeps its place: it is the oldest when it may go.
TEST(SendQueueScheduler, AHeldStreamIsPassedOverAndComesBackInItsPlace) {
  SendQueue queue(StreamScheduling::kFirstCome);
  Waiting messages;
  std::vector<TxMessage*> under_way;
  for (uint32_t i = 0; i < kMostUnderWay; ++i) {
    under_way.push_back(messages.make(1, 0));
    queue.push(under_way.back());
  }
  send_all(queue);
  TxMessage* const first = messages.make(1, 0);
  queue.push(first);
  queue.push(messages.make(2, 0));
  TxMessage* const second = messages.make(1, 0);
  queue.push(second);
  queue.push(messages.make(2, 0));
  EXPECT_EQ(queue.front()->stream, StreamId(2));
  queue.finish(*under_way[0]);
  queue.finish(*under_way[1]);
  EXPECT_EQ(send_all(queue), (Streams{1, 2, 1, 2}));
  EXPECT_EQ(second->mid, first->mid + 1);
}

TEST(SendQueueScheduler, PopAnyEmptiesEitherOne) {
  for (const auto kind : {StreamScheduling::kRoundRobin, StreamScheduling::kFirstCome}) {
    SendQueue queue(kind);
    Waiting messages;
    std::map<TxMessage*, int> popped;
    for (unsigned i = 0; i < 20; ++i) queue.push(messages.make(i % 4, 0, 10 + i));
    queue.advance(queue.front(), 3);
    while (TxMessage* message = queue.pop_any()) EXPECT_EQ(++popped[message], 1);
    EXPECT_EQ(popped.size(), 20u);
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.bytes(), 0u);
  }
}

// Messages leave from anywhere: before their turn, in it, begun, and where their stream is held.
TEST(SendQueueScheduler, WhatIsRemovedIsMissedByNobody) {
  for (const auto kind : {StreamScheduling::kRoundRobin, StreamScheduling::kFirstCome}) {
    SeededRandom random(5);
    SendQueue queue(kind);
    Waiting messages;
    std::map<unsigned, std::deque<TxMessage*>> lines;  // by stream, the oldest first
    uint64_t bytes = 0;
    const auto drop = [&](unsigned stream, size_t at) {
      std::deque<TxMessage*>& line = lines[stream];
      bytes -= line[at]->unsent_size;
      line.erase(line.begin() + static_cast<ptrdiff_t>(at));
    };
    for (int i = 0; i < 30000; ++i) {
      const auto stream = static_cast<unsigned>(random.below(6));
      std::deque<TxMessage*>& line = lines[stream];
      const uint64_t what = random.below(5);
      if (what < 2) {
        line.push_back(messages.make(stream, 0, static_cast<uint32_t>(random.below(50) + 1)));
        bytes += line.back()->unsent_size;
        ASSERT_TRUE(queue.push(line.back()));
      } else if (what < 4 && !line.empty()) {
        const size_t at = random.below(line.size());
        TxMessage* const gone = line[at];
        drop(stream, at);
        queue.remove(gone);
      } else if (TxMessage* const front = queue.front()) {
        ASSERT_EQ(front, lines[front->stream.value].front()) << "the oldest of its stream";
        const auto size = static_cast<uint32_t>(1 + random.below(front->unsent_size));
        queue.advance(front, size);
        bytes -= size;
        if (front->unsent_size == 0) drop(front->stream.value, 0);
      }
      ASSERT_EQ(queue.bytes(), bytes);
      ASSERT_EQ(queue.empty(), bytes == 0);
    }
    while (TxMessage* const message = queue.pop_any()) drop(message->stream.value, 0);
    for (const auto& [stream, line] : lines) EXPECT_TRUE(line.empty()) << stream;
  }
}

TEST(SendQueueScheduler, AHeldStreamMayLoseAllThatWaits) {
  SendQueue queue;
  Waiting messages;
  std::vector<TxMessage*> under_way;
  for (uint32_t i = 0; i < kMostUnderWay; ++i) {
    under_way.push_back(messages.make(1, 0, 1));
    ASSERT_TRUE(queue.push(under_way.back()));
    queue.advance(under_way.back(), 1);
  }
  TxMessage* const held = messages.make(1, 0, 7);
  TxMessage* const behind = messages.make(1, 0, 5);
  ASSERT_TRUE(queue.push(held));
  ASSERT_TRUE(queue.push(behind));
  EXPECT_TRUE(queue.empty());
  queue.remove(held);
  queue.remove(behind);
  EXPECT_EQ(queue.bytes(), 0u);
  queue.finish(*under_way[0]);
  EXPECT_TRUE(queue.empty());
  TxMessage* const next = messages.make(1, 0, 3);
  ASSERT_TRUE(queue.push(next));
  EXPECT_EQ(queue.front(), next);
}

TEST(SendQueueScheduler, RandomTrafficFirstComeIsInOrderOfAcceptance) {
  SeededRandom random(3);
  SendQueue queue(StreamScheduling::kFirstCome);
  Waiting messages;
  std::deque<TxMessage*> model;
  for (int i = 0; i < 20000; ++i) {
    if (random.below(2) == 0) {
      model.push_back(messages.make(static_cast<unsigned>(random.below(40)), 0,
                                    static_cast<uint32_t>(random.below(100) + 1)));
      ASSERT_TRUE(queue.push(model.back()));
    } else if (queue.front() != nullptr && random.below(2) == 0) {
      // As many whole ones as a packet has room for, and then one that it has none for.
      uint64_t room = random.below(4);
      SendQueue::Taken taken;
      const size_t before = model.size();
      const auto take = [&](const TxMessage& message, Mid) {
        if (room == 0 || &message != model.front()) return false;
        --room;
        model.pop_front();
        return true;
      };
      while (queue.front() != nullptr && queue.take_whole(4, taken, take)) {
      }
      ASSERT_EQ(taken.messages, before - model.size());
    } else if (TxMessage* const message = queue.front()) {
      ASSERT_EQ(message, model.front());
      queue.advance(message, static_cast<uint32_t>(random.below(message->unsent_size) + 1));
      if (message->unsent_size == 0) model.pop_front();
    }
  }
}

}  // namespace
}  // namespace trunkline
