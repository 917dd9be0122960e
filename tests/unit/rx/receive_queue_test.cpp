// SPDX-License-Identifier: BSD-3-Clause
// Receive blocks and the receive queue: every message comes out whole, once, in the order of its
// stream, whatever the order of the chunks; contradictions and lack of memory are told apart, and
// nothing is left in the pool.
#include "rx/receive_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "trunkline/stack/random.h"

namespace trunkline {
namespace {

using Outcome = ReceiveQueue::Outcome;

std::vector<uint8_t> bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

std::string text_of(const Piece* head) {
  std::string out;
  for (const Piece* piece = head; piece != nullptr; piece = piece->next) {
    out.append(reinterpret_cast<const char*>(piece->data), piece->length);
  }
  return out;
}

// ---------------------------------------------------------------- blocks

// Many tiny fragments hold a block each; once the message is put aside for a slow reader it holds
// what its size needs, and what a_rwnd is charged for it.
TEST(ReceiveBlocks, PackingAMessageOfTinyFragmentsKeepsItsBytes) {
  ReceiveBlocks blocks(4096 * ReceiveBlock::kSize);
  for (const size_t fragment : {size_t{1}, size_t{3}, ReceiveBlock::kDataSize - 1,
                                ReceiveBlock::kDataSize, ReceiveBlock::kDataSize + 1}) {
    std::vector<uint8_t> sent;
    ReceiveBlock* head = nullptr;
    for (size_t i = 0; i < 1000; ++i) {
      std::vector<uint8_t> part(fragment);
      for (uint8_t& byte : part) byte = static_cast<uint8_t>(sent.size() * 7 + i);
      sent.insert(sent.end(), part.begin(), part.end());
      ReceiveBlock* const block = blocks.copy_in(part);
      ASSERT_NE(block, nullptr);
      if (head == nullptr) {
        head = block;
      } else {
        ReceiveBlocks::join(head, ReceiveBlocks::last_of(head), block);
      }
    }
    blocks.pack(head);
    EXPECT_EQ(blocks.used(), ReceiveBlocks::blocks_for(sent.size()));
    EXPECT_EQ(head->held.blocks, blocks.used());
    std::vector<uint8_t> kept(sent.size());
    EXPECT_EQ(copy_pieces(&head->piece, kept), sent.size());
    EXPECT_EQ(kept, sent);
    blocks.free_chain(head);
    EXPECT_EQ(blocks.used(), 0u);
  }
}

TEST(ReceiveBlocks, CountsWhatAPayloadTakes) {
  constexpr size_t kData = ReceiveBlock::kDataSize;
  EXPECT_EQ(ReceiveBlocks::blocks_for(1), 1u);
  EXPECT_EQ(ReceiveBlocks::blocks_for(kData), 1u);
  EXPECT_EQ(ReceiveBlocks::blocks_for(kData + 1), 2u);
  EXPECT_EQ(ReceiveBlocks::blocks_for(10 * kData), 10u);
}

TEST(ReceiveBlocks, CopiesEverySizeAndGivesItBack) {
  ReceiveBlocks blocks(100 * ReceiveBlock::kSize);
  for (size_t size = 1; size < 5 * ReceiveBlock::kDataSize; size += 37) {
    std::string text(size, 'x');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
    ReceiveBlock* const chain = blocks.copy_in(bytes_of(text));
    ASSERT_NE(chain, nullptr);
    EXPECT_EQ(text_of(&chain->piece), text);
    EXPECT_EQ(chain->held.size, size);
    EXPECT_EQ(chain->held.blocks, ReceiveBlocks::blocks_for(size));
    EXPECT_EQ(blocks.used(), chain->held.blocks);
    blocks.free_chain(chain);
    EXPECT_EQ(blocks.used(), 0u);
  }
}

TEST(ReceiveBlocks, RefusesWhatDoesNotFitAndTakesNothing) {
  ReceiveBlocks blocks(3 * ReceiveBlock::kSize);
  const std::vector<uint8_t> three(3 * ReceiveBlock::kDataSize);
  const std::vector<uint8_t> four(3 * ReceiveBlock::kDataSize + 1);
  EXPECT_EQ(blocks.copy_in(four), nullptr);
  EXPECT_EQ(blocks.used(), 0u);
  ReceiveBlock* const chain = blocks.copy_in(three);
  ASSERT_NE(chain, nullptr);
  EXPECT_FALSE(blocks.has_room(1));
  EXPECT_EQ(blocks.copy_in(bytes_of("x")), nullptr);
  blocks.free_chain(chain);
  EXPECT_EQ(blocks.copy_in({}), nullptr) << "nothing is nothing";
  blocks.free_chain(nullptr);
}

TEST(ReceiveBlocks, JoinsChainsAndIsReleasedAsAPayload) {
  ReceiveBlocks blocks(100 * ReceiveBlock::kSize);
  const std::string a(ReceiveBlock::kDataSize + 5, 'a');
  const std::string b(3, 'b');
  const std::string c(2 * ReceiveBlock::kDataSize, 'c');
  ReceiveBlock* const head = blocks.copy_in(bytes_of(a));
  ReceiveBlock* const last =
      ReceiveBlocks::join(head, ReceiveBlocks::last_of(head), blocks.copy_in(bytes_of(b)));
  ReceiveBlocks::join(head, last, blocks.copy_in(bytes_of(c)));
  EXPECT_EQ(text_of(&head->piece), a + b + c);
  EXPECT_EQ(head->held.size, a.size() + b.size() + c.size());
  EXPECT_EQ(head->held.blocks, 5u);
  {
    const Payload payload(&head->piece, &blocks);
    EXPECT_EQ(payload.size(), a.size() + b.size() + c.size());
  }
  EXPECT_EQ(blocks.used(), 0u);
}

// ---------------------------------------------------------------- queue

struct Chunk {
  uint32_t tsn = 0;
  uint16_t stream = 0;
  uint16_t ssn = 0;
  std::string flags = "BE";  // of B, E, U
  std::string payload = "x";
  uint32_t ppid = 0;
};

class Queue {
 public:
  explicit Queue(uint32_t block_count = 1000, uint32_t max_message = 100000)
      : blocks(uint64_t{block_count} * ReceiveBlock::kSize), max_message_(max_message) {}
  ~Queue() {
    queue.clear(blocks);
    EXPECT_EQ(blocks.used(), 0u);
    EXPECT_EQ(queue.held_bytes(), 0u);
  }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  Outcome add(const Chunk& chunk) {
    wire::DataChunk data;
    data.tsn = Tsn(chunk.tsn);
    data.stream = StreamId(chunk.stream);
    data.mid = Mid(chunk.ssn);
    data.ppid = Ppid(chunk.ppid);
    data.beginning = chunk.flags.find('B') != std::string::npos;
    data.ending = chunk.flags.find('E') != std::string::npos;
    data.unordered = chunk.flags.find('U') != std::string::npos;
    const auto payload = bytes_of(chunk.payload);
    data.payload = payload;
    if (!cum) cum = data.tsn - 10000;
    const Outcome outcome = queue.add(data, *cum, blocks, max_message_);
    if (outcome == Outcome::kWholeInOrder) out.push_back(chunk.payload);
    if (outcome == Outcome::kHeld || outcome == Outcome::kWholeInOrder) drain();
    if (outcome != Outcome::kViolation) {
      EXPECT_EQ(queue.held_bytes(), uint64_t{blocks.used()} * ReceiveBlock::kSize)
          << "what is charged is what is held";
      EXPECT_EQ(blocks.held(), blocks.used());
      if (blocks.used() < 20 || ++adds_ % 64 == 0) {
        EXPECT_TRUE(queue.is_sound());
      }
    }
    return outcome;
  }
  void drain() {
    while (ReceiveBlock* message = queue.pop_ready(blocks)) {
      out.push_back(text_of(&message->piece));
      EXPECT_EQ(message->held.size, out.back().size());
      last_ppid = message->held.ppid.value;
      blocks.free_chain(message);
    }
  }
  std::vector<std::string> take() { return std::exchange(out, {}); }

  ReceiveMemory blocks;
  ReceiveQueue queue;
  std::vector<std::string> out;
  uint32_t last_ppid = 0;
  std::optional<Tsn> cum;  // far before the first chunk, if the test does not say

 private:
  uint32_t max_message_;
  uint32_t adds_ = 0;
};

using Strings = std::vector<std::string>;

// What a queue needs while it holds anything is the shard's, and goes back: however little memory
// there is, not even the one that finds no block for its first fragment goes without.
TEST(ReceiveQueue, WhatIsHeldHasMemoryOfTheShardAsLongAsItIs) {
  ReceiveMemory memory(2 * ReceiveBlock::kSize);
  std::array<ReceiveQueue, 3> queues;
  const auto chunk = [](uint32_t tsn, bool beginning) {
    wire::DataChunk out;
    out.tsn = Tsn(tsn);
    out.beginning = beginning;
    out.ending = !beginning;
    static constexpr std::array<uint8_t, 3> kBytes{};
    out.payload = kBytes;
    return out;
  };
  EXPECT_EQ(queues[0].add(chunk(1, true), Tsn(0), memory, 1000), Outcome::kHeld);
  EXPECT_EQ(queues[1].add(chunk(1, true), Tsn(0), memory, 1000), Outcome::kHeld);
  EXPECT_EQ(queues[2].add(chunk(1, true), Tsn(0), memory, 1000), Outcome::kNoMemory);
  EXPECT_TRUE(queues[2].empty());
  EXPECT_EQ(memory.queues(), 2u);
  queues[1].drop_last_loose(memory);
  EXPECT_TRUE(queues[1].empty());
  EXPECT_EQ(queues[0].add(chunk(2, false), Tsn(1), memory, 1000), Outcome::kHeld);
  EXPECT_EQ(memory.queues(), 1u);
  ReceiveBlock* const message = queues[0].pop_ready(memory);
  ASSERT_NE(message, nullptr);
  EXPECT_TRUE(queues[0].empty());
  EXPECT_EQ(memory.queues(), 0u);
  memory.free_chain(message);
  EXPECT_EQ(queues[0].add(chunk(9, true), Tsn(4), memory, 1000), Outcome::kHeld);
  queues[0].clear(memory);
  EXPECT_EQ(memory.queues(), 0u);
  EXPECT_EQ(memory.used(), 0u);
}

TEST(ReceiveQueue, WholeMessagesInOrderAreNotCopied) {
  Queue q;
  EXPECT_EQ(q.add({.tsn = 1, .ssn = 0, .payload = "a"}), Outcome::kWholeInOrder);
  EXPECT_EQ(q.add({.tsn = 2, .ssn = 1, .payload = "b"}), Outcome::kWholeInOrder);
  EXPECT_EQ(q.add({.tsn = 9, .flags = "BEU", .payload = "u"}), Outcome::kWholeInOrder);
  EXPECT_EQ(q.take(), (Strings{"a", "b", "u"}));
  EXPECT_EQ(q.blocks.used(), 0u);
}

TEST(ReceiveQueue, AnOrderedMessageWaitsForTheSsnBeforeItsOwn) {
  Queue q;
  EXPECT_EQ(q.add({.tsn = 3, .ssn = 2, .payload = "c"}), Outcome::kHeld);
  EXPECT_EQ(q.add({.tsn = 2, .ssn = 1, .payload = "b"}), Outcome::kHeld);
  EXPECT_EQ(q.add({.tsn = 5, .ssn = 4, .payload = "e"}), Outcome::kHeld);
  EXPECT_TRUE(q.take().empty());
  EXPECT_EQ(q.add({.tsn = 1, .ssn = 0, .payload = "a"}), Outcome::kWholeInOrder);
  EXPECT_EQ(q.take(), (Strings{"a", "b", "c"}));
  EXPECT_EQ(q.add({.tsn = 4, .ssn = 3, .payload = "d"}), Outcome::kWholeInOrder);
  EXPECT_EQ(q.take(), (Strings{"d", "e"}));
}

TEST(ReceiveQueue, AStreamDoesNotWaitForAnother) {
  Queue q;
  q.add({.tsn = 2, .stream = 0, .ssn = 1, .payload = "held"});
  EXPECT_EQ(q.add({.tsn = 3, .stream = 65535, .payload = "free"}), Outcome::kWholeInOrder);
  EXPECT_EQ(q.add({.tsn = 4, .stream = 0, .ssn = 9, .flags = "BEU", .payload = "unordered"}),
            Outcome::kWholeInOrder);
  EXPECT_EQ(q.take(), (Strings{"free", "unordered"}));
}

TEST(ReceiveQueue, TheSsnGoesRound) {
  Queue q;
  for (uint32_t i = 0; i < 65536 + 10; ++i) {
    ASSERT_EQ(q.add({.tsn = i, .ssn = static_cast<uint16_t>(i)}), Outcome::kWholeInOrder);
  }
  q.take();
  EXPECT_EQ(q.add({.tsn = 70001, .ssn = 11, .payload = "b"}), Outcome::kHeld);
  EXPECT_EQ(q.add({.tsn = 70000, .ssn = 10, .payload = "a"}), Outcome::kWholeInOrder);
  EXPECT_EQ(q.take(), (Strings{"a", "b"}));
}

TEST(ReceiveQueue, AcrossTheSsnWrapMessagesKeepTheirOrder) {
  Queue q;
  for (uint32_t i = 0; i < 65534; ++i) q.add({.tsn = i, .ssn = static_cast<uint16_t>(i)});
  q.take();
  q.add({.tsn = 65537, .ssn = 1, .payload = "d"});
  q.add({.tsn = 65535, .ssn = 65535, .payload = "b"});
  q.add({.tsn = 65536, .ssn = 0, .payload = "c"});
  EXPECT_TRUE(q.take().empty());
  q.add({.tsn = 65534, .ssn = 65534, .payload = "a"});
  EXPECT_EQ(q.take(), (Strings{"a", "b", "c", "d"}));
}

TEST(ReceiveQueue, FragmentsInEveryOrderMakeTheSameMessage) {
  for (const char* const kind : {"", "U"}) {
    std::vector<size_t> order(5);
    std::iota(order.begin(), order.end(), 0);
    do {
      Queue q;
      const Strings parts = {"one ", std::string(600, '2'), "three", std::string(1400, '4'), "5"};
      for (size_t i = 0; i < order.size(); ++i) {
        const size_t at = order[i];
        std::string flags = kind;
        if (at == 0) flags += 'B';
        if (at == 4) flags += 'E';
        ASSERT_EQ(q.add({.tsn = static_cast<uint32_t>(0xfffffffeu + at),  // the TSN wraps inside
                         .stream = 3,
                         .flags = flags,
                         .payload = parts[at],
                         .ppid = 46}),
                  Outcome::kHeld);
        ASSERT_EQ(q.out.size(), i + 1 == order.size() ? 1u : 0u);
      }
      ASSERT_EQ(q.out[0], parts[0] + parts[1] + parts[2] + parts[3] + parts[4]);
      ASSERT_EQ(q.last_ppid, 46u);
      ASSERT_EQ(q.blocks.used(), 0u);
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST(ReceiveQueue, AReassembledMessageWaitsForItsTurnToo) {
  Queue q;
  q.add({.tsn = 2, .ssn = 1, .flags = "B", .payload = "b1"});
  q.add({.tsn = 3, .ssn = 1, .flags = "E", .payload = "b2"});
  EXPECT_TRUE(q.take().empty());
  q.add({.tsn = 1, .ssn = 0, .payload = "a"});
  EXPECT_EQ(q.take(), (Strings{"a", "b1b2"}));
}

TEST(ReceiveQueue, NeighbouringMessagesDoNotMix) {
  Queue q;
  // Three two-fragment messages back to back, the inner edges first.
  q.add({.tsn = 12, .ssn = 0, .flags = "E", .payload = "a2"});
  q.add({.tsn = 13, .ssn = 1, .flags = "B", .payload = "b1"});
  q.add({.tsn = 14, .ssn = 1, .flags = "E", .payload = "b2"});
  q.add({.tsn = 15, .stream = 7, .flags = "BU", .payload = "c1"});
  EXPECT_TRUE(q.take().empty()) << "b waits for a";
  q.add({.tsn = 11, .ssn = 0, .flags = "B", .payload = "a1"});
  EXPECT_EQ(q.take(), (Strings{"a1a2", "b1b2"}));
  q.add({.tsn = 16, .stream = 7, .flags = "EU", .payload = "c2"});
  EXPECT_EQ(q.take(), (Strings{"c1c2"}));
}

TEST(ReceiveQueue, ContradictionsAreViolations) {
  struct Row {
    const char* what;
    Chunk first;
    Chunk second;
  };
  const Row rows[] = {
      {"a beginning behind a beginning", {.tsn = 1, .flags = "B"}, {.tsn = 2, .flags = "B"}},
      {"the same, the later one first", {.tsn = 2, .flags = "B"}, {.tsn = 1, .flags = "B"}},
      {"a beginning behind a middle", {.tsn = 1, .flags = ""}, {.tsn = 2, .flags = "B"}},
      {"another stream", {.tsn = 1, .flags = "B"}, {.tsn = 2, .stream = 1, .flags = "E"}},
      {"another stream, later one first",
       {.tsn = 2, .stream = 1, .flags = "E"},
       {.tsn = 1, .flags = "B"}},
      {"another SSN", {.tsn = 1, .flags = "B"}, {.tsn = 2, .ssn = 1, .flags = "E"}},
      {"another kind of order", {.tsn = 1, .flags = "B"}, {.tsn = 2, .flags = "UE"}},
      {"another kind, later one first", {.tsn = 2, .flags = "U"}, {.tsn = 1, .flags = "B"}},
      {"a middle behind an end", {.tsn = 1, .flags = "E"}, {.tsn = 2, .flags = ""}},
      {"an end behind an end", {.tsn = 1, .flags = "E"}, {.tsn = 2, .flags = "E"}},
      {"a middle behind an end, later one first",
       {.tsn = 2, .flags = ""},
       {.tsn = 1, .flags = "E"}},
      {"an end behind an end, later one first", {.tsn = 2, .flags = "E"}, {.tsn = 1, .flags = "E"}},
      {"an SSN that is waiting already", {.tsn = 5, .ssn = 3}, {.tsn = 6, .ssn = 3}},
      {"an SSN that was delivered", {.tsn = 5, .ssn = 0}, {.tsn = 6, .ssn = 0}},
      {"an SSN long gone", {.tsn = 5, .ssn = 0}, {.tsn = 6, .ssn = 65535}},
  };
  for (const Row& row : rows) {
    Queue q;
    EXPECT_NE(q.add(row.first), Outcome::kViolation) << row.what;
    EXPECT_EQ(q.add(row.second), Outcome::kViolation) << row.what;
  }
}

TEST(ReceiveQueue, AWholeMessageBesideFragmentsIsNoContradiction) {
  Queue q;
  EXPECT_EQ(q.add({.tsn = 1, .stream = 1, .ssn = 0}), Outcome::kWholeInOrder);
  EXPECT_EQ(q.add({.tsn = 2, .ssn = 0, .flags = "B"}), Outcome::kHeld);
  EXPECT_EQ(q.add({.tsn = 3, .ssn = 0, .flags = "E"}), Outcome::kHeld);
  EXPECT_EQ(q.add({.tsn = 4, .flags = "BEU"}), Outcome::kWholeInOrder);
  EXPECT_EQ(q.take().size(), 3u);
}

TEST(ReceiveQueue, AReassembledMessageWithAnOldSsnIsAViolation) {
  Queue q;
  q.add({.tsn = 1, .ssn = 0});
  q.add({.tsn = 2, .ssn = 0, .flags = "B"});
  EXPECT_EQ(q.add({.tsn = 3, .ssn = 0, .flags = "E"}), Outcome::kViolation);
}

TEST(ReceiveQueue, TooLargeIsToldForChunksAndForSums) {
  Queue q(1000, 100);
  EXPECT_EQ(q.add({.tsn = 1, .payload = std::string(101, 'x')}), Outcome::kTooLarge);
  EXPECT_EQ(q.add({.tsn = 1, .payload = std::string(100, 'x')}), Outcome::kWholeInOrder);
  EXPECT_EQ(q.add({.tsn = 2, .ssn = 1, .flags = "B", .payload = std::string(50, 'x')}),
            Outcome::kHeld);
  EXPECT_EQ(q.add({.tsn = 3, .ssn = 1, .flags = "E", .payload = std::string(50, 'x')}),
            Outcome::kHeld);
  EXPECT_EQ(q.take().back().size(), 100u);
  q.add({.tsn = 4, .ssn = 2, .flags = "B", .payload = std::string(50, 'x')});
  EXPECT_EQ(q.add({.tsn = 5, .ssn = 2, .flags = "E", .payload = std::string(51, 'x')}),
            Outcome::kTooLarge);
}

TEST(ReceiveQueue, WithoutMemoryNothingChanges) {
  Queue q(2);
  EXPECT_EQ(q.add({.tsn = 2, .ssn = 1, .payload = "b"}), Outcome::kHeld);
  EXPECT_EQ(q.add({.tsn = 3, .ssn = 2, .flags = "B", .payload = "c1"}), Outcome::kHeld);
  const uint64_t held = q.queue.held_bytes();
  EXPECT_EQ(q.add({.tsn = 4, .ssn = 2, .flags = "E", .payload = "c2"}), Outcome::kNoMemory);
  EXPECT_EQ(q.add({.tsn = 5, .ssn = 3, .payload = "d"}), Outcome::kNoMemory);
  EXPECT_EQ(q.queue.held_bytes(), held);
  EXPECT_EQ(q.blocks.used(), 2u);
  // What needs no memory still passes, and makes room.
  EXPECT_EQ(q.add({.tsn = 1, .ssn = 0, .payload = "a"}), Outcome::kWholeInOrder);
  EXPECT_EQ(q.take(), (Strings{"a", "b"}));
  EXPECT_EQ(q.add({.tsn = 4, .ssn = 2, .flags = "E", .payload = "c2"}), Outcome::kHeld);
  EXPECT_EQ(q.take(), (Strings{"c1c2"}));
  EXPECT_EQ(q.add({.tsn = 5, .ssn = 3, .payload = "d"}), Outcome::kWholeInOrder);
}

TEST(ReceiveQueue, RenegesOnTheHighestAndTakesItAgain) {
  Queue q;
  q.cum = Tsn(0);
  const auto last = [&q] { return q.queue.last_loose().value_or(ReceiveQueue::Tsns{}); };
  EXPECT_FALSE(q.queue.last_loose().has_value());
  q.add({.tsn = 1, .flags = "B", .payload = "1"});
  q.add({.tsn = 3, .flags = "", .payload = "3"});
  q.add({.tsn = 4, .flags = "E", .payload = "4"});
  q.add({.tsn = 9, .ssn = 5, .payload = "whole"});
  q.add({.tsn = 6, .ssn = 4, .flags = "B", .payload = "a message "});
  q.add({.tsn = 8, .ssn = 4, .flags = "E", .payload = "that waits"});
  q.add({.tsn = 7, .ssn = 4, .flags = "", .payload = "of three, "});
  EXPECT_EQ(last().first, Tsn(9));
  q.queue.drop_last_loose(q.blocks);
  EXPECT_EQ(last().first, Tsn(6));
  EXPECT_EQ(last().last, Tsn(8)) << "all its TSNs";
  q.queue.drop_last_loose(q.blocks);
  EXPECT_EQ(last().first, Tsn(4));
  q.queue.drop_last_loose(q.blocks);
  EXPECT_EQ(last().first, Tsn(3));
  q.queue.drop_last_loose(q.blocks);
  EXPECT_EQ(last().first, Tsn(1));
  EXPECT_EQ(q.queue.held_bytes(), 1 * ReceiveBlock::kSize);
  EXPECT_TRUE(q.queue.is_sound());
  q.add({.tsn = 2, .flags = "", .payload = "2"});
  q.add({.tsn = 4, .flags = "E", .payload = "4"});
  q.add({.tsn = 3, .flags = "", .payload = "3"});
  EXPECT_EQ(q.take(), (Strings{"1234"}));
}

TEST(ReceiveQueue, WhatIsAcknowledgedIsNotLoose) {
  Queue q;
  q.cum = Tsn(0);
  q.add({.tsn = 1, .flags = "B"});
  q.add({.tsn = 2, .flags = ""});
  q.add({.tsn = 4, .flags = ""});
  q.add({.tsn = 6, .ssn = 2});
  EXPECT_EQ(q.queue.loose_blocks(), 4u);
  q.queue.acknowledge(Tsn(2));
  EXPECT_EQ(q.queue.loose_blocks(), 2u);
  q.cum = Tsn(2);
  q.add({.tsn = 3, .flags = ""});
  q.queue.acknowledge(Tsn(4));
  EXPECT_EQ(q.queue.loose_blocks(), 1u);
  q.queue.drop_last_loose(q.blocks);
  EXPECT_FALSE(q.queue.last_loose().has_value());
  q.cum = Tsn(4);
  q.add({.tsn = 5, .flags = "E"});
  EXPECT_EQ(q.take(), (Strings{"xxxxx"}));
  EXPECT_EQ(q.queue.loose_blocks(), 0u);
}

TEST(ReceiveQueue, ClearForgetsStreamsAndFreesAll) {
  Queue q;
  q.add({.tsn = 1, .ssn = 0});
  q.add({.tsn = 3, .ssn = 2});
  q.add({.tsn = 4, .stream = 900, .ssn = 2});
  q.add({.tsn = 5, .flags = "BU"});
  q.queue.clear(q.blocks);
  EXPECT_EQ(q.blocks.used(), 0u);
  EXPECT_EQ(q.add({.tsn = 1, .ssn = 0}), Outcome::kWholeInOrder) << "SSNs begin at 0 again";
}

// Messages of many streams cut at random, all chunks shuffled within a window.
void shuffled_streams(uint64_t seed, size_t window) {
  SeededRandom random(seed);
  Queue q(100000);
  std::vector<Chunk> chunks;
  std::map<uint16_t, Strings> expected;
  std::map<uint16_t, uint16_t> ssns;
  size_t unordered = 0;
  uint32_t tsn = static_cast<uint32_t>(random.next());
  for (int m = 0; m < 2000; ++m) {
    const auto stream = static_cast<uint16_t>(random.below(20) * 3000);
    const bool is_unordered = random.below(5) == 0;
    const size_t parts = random.below(3) == 0 ? 1 + random.below(6) : 1;
    const uint16_t ssn = is_unordered ? uint16_t{0} : ssns[stream]++;
    std::string whole = std::to_string(stream) + (is_unordered ? "u" : "o") + std::to_string(m);
    std::string text = whole;
    for (size_t p = 0; p < parts; ++p) {
      std::string part = p == 0 ? whole + ":" : std::string(random.below(1400) + 1, 'a');
      if (p == 0) text.clear();
      text += part;
      std::string flags = is_unordered ? "U" : "";
      if (p == 0) flags += 'B';
      if (p + 1 == parts) flags += 'E';
      chunks.push_back({tsn++, stream, ssn, flags, part, 0});
    }
    if (is_unordered) {
      ++unordered;
    } else {
      expected[stream].push_back(text);
    }
  }
  for (size_t i = 0; i + 1 < chunks.size(); ++i) {
    const size_t reach = std::min(window, chunks.size() - i);
    std::swap(chunks[i], chunks[i + random.below(reach)]);
  }
  for (const Chunk& chunk : chunks) {
    const Outcome outcome = q.add(chunk);
    ASSERT_TRUE(outcome == Outcome::kHeld || outcome == Outcome::kWholeInOrder);
  }
  std::map<uint16_t, Strings> got;
  size_t got_unordered = 0;
  for (const std::string& text : q.take()) {
    const size_t at = text.find_first_of("uo");
    if (text[at] == 'u') {
      ++got_unordered;
    } else {
      got[static_cast<uint16_t>(std::stoi(text.substr(0, at)))].push_back(text);
    }
  }
  EXPECT_EQ(got, expected);
  EXPECT_EQ(got_unordered, unordered);
  EXPECT_EQ(q.blocks.used(), 0u);
}

TEST(ReceiveQueue, ManyStreamsALittleOutOfOrder) {
  for (uint64_t seed = 1; seed <= 10; ++seed) shuffled_streams(seed, 8);
}
TEST(ReceiveQueue, ManyStreamsFarOutOfOrder) {
  for (uint64_t seed = 11; seed <= 20; ++seed) shuffled_streams(seed, 1000);
}

}  // namespace
}  // namespace trunkline
