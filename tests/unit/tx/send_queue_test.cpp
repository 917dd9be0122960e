// SPDX-License-Identifier: BSD-3-Clause
// The payload cursor over chains of odd pieces, and the send queue: streams in turn, one message at
// a time, a sequence number for each ordered message of a stream.
#include "tx/send_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "trunkline/stack/random.h"

namespace trunkline {
namespace {

// ---------------------------------------------------------------- cursor

struct Chain {
  explicit Chain(const std::vector<std::string>& texts) : parts(texts), pieces(texts.size()) {
    for (size_t i = 0; i < parts.size(); ++i) {
      const std::string& part = parts[i];
      pieces[i] = {part.empty() ? nullptr : reinterpret_cast<const uint8_t*>(part.data()),
                   static_cast<uint32_t>(part.size()),
                   i + 1 < parts.size() ? &pieces[i + 1] : nullptr};
      whole += part;
    }
  }
  [[nodiscard]] PayloadCursor begin() const {
    PayloadCursor cursor;
    cursor.piece = pieces.data();
    return cursor;
  }
  const std::vector<std::string> parts;
  std::vector<Piece> pieces;
  std::string whole;
};

std::string read(PayloadCursor& cursor, size_t size) {
  std::string out(size, '?');
  cursor.read(reinterpret_cast<uint8_t*>(out.data()), size);
  return out;
}

TEST(PayloadCursor, ReadsAcrossPiecesAndOverEmptyOnes) {
  const Chain chain({"", "", "abc", "", "d", "efgh", "", "", "i", ""});
  for (size_t step = 1; step <= chain.whole.size(); ++step) {
    PayloadCursor cursor = chain.begin();
    std::string out;
    while (out.size() + step <= chain.whole.size()) out += read(cursor, step);
    out += read(cursor, chain.whole.size() - out.size());
    EXPECT_EQ(out, chain.whole) << step;
  }
}

TEST(PayloadCursor, SkippingIsReadingWithoutLooking) {
  SeededRandom random(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> parts;
    for (uint64_t n = random.below(12) + 1; n > 0; --n) {
      parts.emplace_back(random.below(3) == 0 ? 0 : random.below(40), 'x');
      for (char& c : parts.back()) c = static_cast<char>('a' + random.below(26));
    }
    parts.emplace_back("end");
    const Chain chain(parts);
    PayloadCursor cursor = chain.begin();
    size_t at = 0;
    while (at < chain.whole.size()) {
      const size_t n = 1 + random.below(chain.whole.size() - at);
      ASSERT_EQ(read(cursor, n), chain.whole.substr(at, n));
      at += n;
    }
  }
}

TEST(PayloadCursor, OfNothingReadsNothing) {
  PayloadCursor cursor;
  cursor.read(nullptr, 0);
  EXPECT_EQ(cursor.piece, nullptr);
}

// ---------------------------------------------------------------- payload

struct CountingOwner final : PieceOwner {
  void release(Piece* head) noexcept override {
    EXPECT_NE(head, nullptr);
    ++released;
  }
  int released = 0;
};

TEST(Payload, IsReleasedExactlyOnce) {
  CountingOwner owner;
  const std::string text = "hello";
  Piece piece{reinterpret_cast<const uint8_t*>(text.data()), 5, nullptr};
  {
    Payload a(&piece, &owner);
    EXPECT_EQ(a.size(), 5u);
    Payload b(std::move(a));
    EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): that is the question
    EXPECT_EQ(a.size(), 0u);
    Payload c;
    c = std::move(b);
    EXPECT_EQ(c.size(), 5u);
    EXPECT_EQ(owner.released, 0);
  }
  EXPECT_EQ(owner.released, 1);
  {
    Payload d(&piece, &owner);
    EXPECT_EQ(d.take(), &piece);
    EXPECT_TRUE(d.empty());
  }
  EXPECT_EQ(owner.released, 1) << "what was taken is not released";
  Payload e(&piece, &owner);
  e = Payload();
  EXPECT_EQ(owner.released, 2);
  e.reset();
  EXPECT_EQ(owner.released, 2) << "an empty payload owns nothing";
}

// ---------------------------------------------------------------- queue

class Messages {
 public:
  TxMessage* make(uint16_t stream, uint32_t size, bool unordered = false) {
    TxMessage& message = all_.emplace_back();
    bytes_.push_back(std::make_unique<std::vector<uint8_t>>(size));
    pieces_.push_back(std::make_unique<Piece>(Piece{bytes_.back()->data(), size, nullptr}));
    message.stream = StreamId(stream);
    message.unsent_piece = pieces_.back().get();
    message.unsent_size = size;
    message.unordered = unordered;
    return &message;
  }

 private:
  std::deque<TxMessage> all_;
  std::vector<std::unique_ptr<std::vector<uint8_t>>> bytes_;
  std::vector<std::unique_ptr<Piece>> pieces_;
};

TEST(SendQueue, IsEmptyAtFirst) {
  SendQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.front(), nullptr);
  EXPECT_EQ(queue.pop_any(), nullptr);
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(SendQueue, ServesStreamsInTurnAndEachInOrder) {
  SendQueue queue;
  Messages messages;
  for (int i = 0; i < 3; ++i) {
    for (const unsigned stream : {5u, 9u, 65535u}) {
      ASSERT_TRUE(queue.push(messages.make(static_cast<uint16_t>(stream), 10)));
    }
  }
  ASSERT_TRUE(queue.push(messages.make(9, 10)));  // one more for 9 than for the others
  EXPECT_EQ(queue.bytes(), 100u);
  std::vector<unsigned> streams;
  std::map<unsigned, uint32_t> next_ssn;
  while (TxMessage* message = queue.front()) {
    streams.push_back(message->stream.value);
    queue.advance(message, 10);
    EXPECT_EQ(message->mid, Mid(next_ssn[message->stream.value]++));
  }
  EXPECT_EQ(streams, (std::vector<unsigned>{5, 9, 65535, 5, 9, 65535, 5, 9, 65535, 9}));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(SendQueue, AMessageThatHasBegunIsFinishedFirst) {
  SendQueue queue;
  Messages messages;
  TxMessage* const large = messages.make(1, 100);
  TxMessage* const other = messages.make(2, 10);
  queue.push(large);
  queue.push(other);
  EXPECT_EQ(queue.front(), large);
  queue.advance(large, 40);
  EXPECT_TRUE(large->started);
  queue.push(messages.make(0, 10));
  EXPECT_EQ(queue.front(), large) << "fragments of two messages must not mix (6.9)";
  queue.advance(large, 59);
  EXPECT_EQ(queue.front(), large);
  EXPECT_EQ(large->unsent_size, 1u);
  queue.advance(large, 1);
  EXPECT_EQ(queue.front(), other);
  EXPECT_EQ(queue.bytes(), 20u);
}

TEST(SendQueue, AnUnorderedMessageUsesNoSsn) {
  SendQueue queue;
  Messages messages;
  TxMessage* const first = messages.make(1, 10);
  TxMessage* const unordered = messages.make(1, 10, true);
  TxMessage* const second = messages.make(1, 10);
  for (TxMessage* message : {first, unordered, second}) queue.push(message);
  for (TxMessage* message : {first, unordered, second}) {
    ASSERT_EQ(queue.front(), message);
    queue.advance(message, 10);
  }
  EXPECT_EQ(first->mid, Mid(0));
  EXPECT_EQ(unordered->mid, Mid(0));
  EXPECT_EQ(second->mid, Mid(1));
}

TEST(SendQueue, TheSsnIsGivenWhenSendingBeginsAndGoesRound) {
  SendQueue queue;
  Messages messages;
  for (uint32_t i = 0; i < 65536 + 3; ++i) {
    TxMessage* const message = messages.make(0, 1);
    queue.push(message);
    queue.advance(message, 1);
    ASSERT_EQ(message->mid, Mid(i));
    queue.finish(*message);
  }
}

// Other receivers compare SSNs serially: of one stream no more may be under way.
TEST(SendQueue, AStreamWithMostUnderWayWaitsAndTheOthersGoOn) {
  SendQueue queue;
  Messages messages;
  std::vector<TxMessage*> sent;
  const auto send = [&](StreamId stream) {
    TxMessage* const message = queue.front();
    ASSERT_NE(message, nullptr);
    ASSERT_EQ(message->stream, stream);
    queue.advance(message, message->unsent_size);
    sent.push_back(message);
  };
  for (uint32_t i = 0; i < kMostUnderWay; ++i) {
    queue.push(messages.make(7, 2));
    send(StreamId(7));
  }
  queue.push(messages.make(7, 2));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.front(), nullptr);
  EXPECT_EQ(queue.bytes(), 2u);
  queue.push(messages.make(7, 3));
  queue.push(messages.make(8, 1));
  send(StreamId(8));
  EXPECT_TRUE(queue.empty()) << "two wait";
  queue.finish(*sent[0]);
  EXPECT_FALSE(queue.empty());
  queue.push(messages.make(8, 1));
  send(StreamId(7));
  EXPECT_EQ(sent.back()->mid, Mid(kMostUnderWay));
  EXPECT_EQ(sent.back()->unsent_size, 0u);
  send(StreamId(8));
  EXPECT_TRUE(queue.empty()) << "one for one";
  queue.finish(*sent[1]);
  send(StreamId(7));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(SendQueue, WhatHasNoSsnIsNotHeldBack) {
  SendQueue queue;
  Messages messages;
  for (uint32_t i = 0; i < 40000; ++i) queue.push(messages.make(7, 1, true));
  size_t n = 0;
  while (TxMessage* message = queue.front()) {
    queue.advance(message, 1);
    ++n;
  }
  EXPECT_EQ(n, 40000u);
}

TEST(SendQueue, SsnsGoRoundAndNothingWaits) {
  SendQueue queue;
  Messages messages;
  std::vector<TxMessage*> sent;
  for (uint32_t i = 0; i < 2u * kMostUnderWay; ++i) {
    queue.push(messages.make(1, 1));
    sent.push_back(queue.front());
    ASSERT_NE(sent.back(), nullptr) << i;
    queue.advance(sent.back(), 1);
    if (i > 0) queue.finish(*sent[i - 1]);
  }
}

// Takes whole messages, up to so many of them, as a packet does.
SendQueue::Taken take(SendQueue& queue, uint32_t most,
                      std::vector<std::pair<TxMessage*, Mid>>& out) {
  SendQueue::Taken taken;
  const auto one = [&](TxMessage& message, Mid number) {
    if (taken.messages == most) return false;
    out.emplace_back(&message, number);
    return true;
  };
  while (queue.front() != nullptr && queue.take_whole(most, taken, one)) {
  }
  return taken;
}

TEST(SendQueue, WholeMessagesGoAsOneByOne) {
  SendQueue queue;
  Messages messages;
  for (const bool unordered : {false, true, false, false})
    queue.push(messages.make(1, 10, unordered));
  std::vector<std::pair<TxMessage*, Mid>> out;
  const SendQueue::Taken taken = take(queue, 3, out);
  EXPECT_EQ(taken.messages, 3u);
  EXPECT_EQ(taken.ordered, 2u);
  EXPECT_EQ(taken.bytes, 30u);
  EXPECT_EQ(queue.bytes(), 10u);
  ASSERT_EQ(out.size(), 3u);
  const std::vector<Mid> numbers = {Mid(0), Mid(0), Mid(1)};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(out[i].second, numbers[i]);
    EXPECT_EQ(out[i].first->mid, numbers[i]);
    EXPECT_TRUE(out[i].first->started);
    EXPECT_EQ(out[i].first->unsent_size, 0u);
  }
  ASSERT_NE(queue.front(), nullptr);
  EXPECT_FALSE(queue.front()->started);
  queue.advance(queue.front(), 10);
  EXPECT_TRUE(queue.empty());
}

TEST(SendQueue, WholeMessagesTakeTurnsByStreamAndNoneBeforeWhatHasBegun) {
  SendQueue queue;
  Messages messages;
  for (int i = 0; i < 3; ++i) {
    for (uint16_t stream = 0; stream < 3; ++stream) queue.push(messages.make(stream, 10));
  }
  queue.advance(queue.front(), 4);
  std::vector<std::pair<TxMessage*, Mid>> out;
  EXPECT_EQ(take(queue, 100, out).messages, 0u);
  queue.advance(queue.front(), 6);
  EXPECT_EQ(take(queue, 100, out).messages, 8u);
  std::vector<unsigned> streams;
  for (const auto& [message, number] : out) streams.push_back(message->stream.value);
  EXPECT_EQ(streams, (std::vector<unsigned>{1, 2, 0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(SendQueue, ARunOfWholeMessagesEndsWhereMostAreUnderWay) {
  SendQueue queue;
  Messages messages;
  for (uint32_t i = 0; i < kMostUnderWay + 2u; ++i) queue.push(messages.make(3, 1));
  std::vector<std::pair<TxMessage*, Mid>> out;
  EXPECT_EQ(take(queue, 90, out).messages, 90u);
  while (take(queue, 90, out).messages == 90u) {
  }
  EXPECT_EQ(out.size(), kMostUnderWay);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 2u);
  queue.finish(*out[0].first);
  EXPECT_EQ(take(queue, 90, out).messages, 1u);
  EXPECT_EQ(out.back().second, Mid(kMostUnderWay));
}

TEST(SendQueue, PopAnyTakesEverythingOnceEvenWhatHasBegun) {
  SendQueue queue;
  Messages messages;
  std::map<TxMessage*, int> popped;
  for (uint16_t i = 0; i < 20; ++i) queue.push(messages.make(i % 4, 10u + i));
  queue.advance(queue.front(), 3);
  size_t n = 0;
  while (TxMessage* message = queue.pop_any()) {
    ++n;
    EXPECT_EQ(++popped[message], 1);
  }
  EXPECT_EQ(n, 20u);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
  EXPECT_EQ(queue.front(), nullptr);
}

TEST(SendQueue, RandomTrafficKeepsOrderAndCount) {
  SeededRandom random(2);
  SendQueue queue;
  Messages messages;
  std::map<unsigned, std::deque<TxMessage*>> model;
  TxMessage* begun = nullptr;
  uint64_t bytes = 0;
  for (int i = 0; i < 20000; ++i) {
    if (random.below(2) == 0) {
      const auto stream = static_cast<uint16_t>(random.below(10) * 7000);
      const auto size = static_cast<uint32_t>(random.below(100) + 1);
      TxMessage* const message = messages.make(stream, size, random.below(4) == 0);
      ASSERT_TRUE(queue.push(message));
      model[stream].push_back(message);
      bytes += size;
    } else if (begun == nullptr && queue.front() != nullptr && random.below(3) == 0) {
      uint64_t room = random.below(5);
      SendQueue::Taken taken;
      const auto take = [&](const TxMessage& message, Mid) {
        auto& line = model[message.stream.value];
        if (room == 0 || line.empty() || line.front() != &message) return false;
        --room;
        bytes -= message.unsent_size;
        line.pop_front();
        return true;
      };
      while (queue.front() != nullptr && queue.take_whole(5, taken, take)) {
      }
      ASSERT_TRUE(room == 0 || queue.front() == nullptr) << "the oldest of a stream was not next";
    } else if (TxMessage* const message = queue.front()) {
      auto& line = model[message->stream.value];
      ASSERT_EQ(message, line.front()) << "first come, first served within a stream";
      ASSERT_TRUE(begun == nullptr || message == begun);
      const auto size = static_cast<uint32_t>(random.below(message->unsent_size) + 1);
      begun = size < message->unsent_size ? message : nullptr;
      queue.advance(message, size);
      bytes -= size;
      if (begun == nullptr) line.pop_front();
    } else {
      ASSERT_EQ(bytes, 0u);
    }
    ASSERT_EQ(queue.bytes(), bytes);
    ASSERT_EQ(queue.empty(), bytes == 0);
  }
}

}  // namespace
}  // namespace trunkline
