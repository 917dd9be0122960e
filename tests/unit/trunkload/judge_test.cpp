// SPDX-License-Identifier: BSD-3-Clause
// What judges the content of messages: their hash, the ledger, and the faults planted to see that
// it notices. If these were blind, the demo would pass whatever the stack does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

extern "C" {
#include "check.h"
#include "fault.h"
#include "ledger.h"
}

namespace {

constexpr uint64_t kSeed = 7;

CheckHeader header_of(uint32_t sequence, uint16_t stream = 0, uint32_t assoc = 3,
                      uint32_t total = 10) {
  CheckHeader header{};
  header.assoc = assoc;
  header.stream = stream;
  header.sequence = sequence;
  header.total = total;
  header.due_ns = 1000 + sequence;
  return header;
}

std::vector<uint8_t> message_of(const CheckHeader& header, size_t size = 64,
                                uint64_t seed = kSeed) {
  std::vector<uint8_t> out(size);
  check_write(out.data(), size, &header, seed);
  return out;
}

TEST(Check, ReadsWhatItMade) {
  for (const size_t size : {static_cast<size_t>(kCheckLeast), size_t{41}, size_t{300}}) {
    const auto data = message_of(header_of(4, 2), size);
    CheckHeader read{};
    ASSERT_TRUE(check_read(data.data(), data.size(), kSeed, &read)) << size;
    EXPECT_EQ(read.sequence, 4u);
    EXPECT_EQ(read.stream, 2);
    EXPECT_EQ(read.assoc, 3u);
    EXPECT_EQ(read.total, 10u);
    EXPECT_EQ(read.due_ns, 1004u);
  }
}

TEST(Check, EveryFlippedBitIsNoticed) {
  for (const size_t size : {static_cast<size_t>(kCheckLeast), size_t{43}, size_t{120}}) {
    auto data = message_of(header_of(5), size);
    CheckHeader read{};
    for (size_t bit = 0; bit < data.size() * 8; ++bit) {
      data[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      EXPECT_FALSE(check_read(data.data(), data.size(), kSeed, &read)) << "bit " << bit;
      data[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    }
    EXPECT_TRUE(check_read(data.data(), data.size(), kSeed, &read));
  }
}

TEST(Check, WrongLengthsAndSeedsAreNoticed) {
  const auto data = message_of(header_of(1));
  CheckHeader read{};
  EXPECT_FALSE(check_read(data.data(), data.size(), kSeed + 1, &read));
  for (size_t size = 0; size < data.size(); ++size) {
    EXPECT_FALSE(check_read(data.data(), size, kSeed, &read)) << size;
  }
  auto longer = data;
  longer.push_back(0);
  EXPECT_FALSE(check_read(longer.data(), longer.size(), kSeed, &read));
}

class LedgerTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(ledger_open(&ledger_, 2, false)); }
  void TearDown() override { ledger_close(&ledger_, &verdict_); }

  bool take(uint32_t sequence, uint16_t stream = 0, uint32_t total = 4) {
    const CheckHeader header = header_of(sequence, stream, 3, total);
    return ledger_take(&ledger_, &header, stream, &verdict_);
  }
  void take_all(std::initializer_list<uint32_t> sequences, uint16_t stream) {
    for (const uint32_t sequence : sequences) EXPECT_TRUE(take(sequence, stream));
  }
  void expect(uint64_t lost, uint64_t misordered, uint64_t duplicated) {
    ledger_close(&ledger_, &verdict_);
    EXPECT_EQ(verdict_.lost, lost);
    EXPECT_EQ(verdict_.misordered, misordered);
    EXPECT_EQ(verdict_.duplicated, duplicated);
  }

  Ledger ledger_{};
  Verdict verdict_{};
};

TEST_F(LedgerTest, AllInOrder) {
  take_all({0, 1, 2, 3}, 1);
  ledger_end(&ledger_, 8);
  EXPECT_FALSE(ledger_complete(&ledger_));
  take_all({0, 1, 2, 3}, 0);
  EXPECT_TRUE(ledger_complete(&ledger_));
  expect(0, 0, 0);
}

TEST_F(LedgerTest, CompleteOnlyOnceTheEndIsKnown) {
  take_all({0, 1}, 0);
  take_all({0}, 1);
  EXPECT_FALSE(ledger_complete(&ledger_));
  ledger_end(&ledger_, 3);  // dealt out in turn: two on stream 0, one on stream 1
  EXPECT_TRUE(ledger_complete(&ledger_));
  expect(0, 0, 0);
}

TEST_F(LedgerTest, OneMissing) {
  ledger_end(&ledger_, 8);
  take_all({0, 2, 3}, 0);
  take_all({0, 1, 2, 3}, 1);
  EXPECT_TRUE(ledger_complete(&ledger_));
  expect(1, 0, 0);
}

TEST_F(LedgerTest, TheEndMissing) {
  ledger_end(&ledger_, 8);
  take_all({0, 1, 2}, 0);
  take_all({0, 1, 2, 3}, 1);
  EXPECT_FALSE(ledger_complete(&ledger_));
  expect(1, 0, 0);
}

TEST_F(LedgerTest, WithoutAnEndOnlyGapsAreKnown) {
  take_all({0, 2}, 0);
  expect(1, 0, 0);
}

TEST_F(LedgerTest, TwoSwapped) {
  ledger_end(&ledger_, 8);
  take_all({0, 2, 1, 3}, 0);
  take_all({0, 1, 2, 3}, 1);
  expect(0, 1, 0);
}

TEST_F(LedgerTest, OneTwice) {
  ledger_end(&ledger_, 8);
  take_all({0, 1, 1, 2, 3, 0, 3}, 0);
  take_all({0, 1, 2, 3}, 1);
  expect(0, 0, 3);
}

TEST_F(LedgerTest, UnorderedJudgesNoOrderAndWaitsForAll) {
  ledger_close(&ledger_, &verdict_);
  ASSERT_TRUE(ledger_open(&ledger_, 1, true));
  ledger_end(&ledger_, 3);
  take_all({2, 0}, 0);
  EXPECT_FALSE(ledger_complete(&ledger_));
  take_all({1}, 0);
  EXPECT_TRUE(ledger_complete(&ledger_));
  expect(0, 0, 0);
}

TEST_F(LedgerTest, GrowsWithWhatComes) {
  for (uint32_t sequence = 0; sequence < 5000; ++sequence) EXPECT_TRUE(take(sequence, 0, 0));
  for (uint32_t sequence = 0; sequence < 5000; sequence += 511) EXPECT_TRUE(take(sequence, 0, 0));
  expect(0, 0, 10);
}

TEST_F(LedgerTest, ContradictionsAreRefused) {
  EXPECT_TRUE(take(0));
  CheckHeader header = header_of(1, 0, 4, 4);
  EXPECT_FALSE(ledger_take(&ledger_, &header, 0, &verdict_)) << "of another association";
  header = header_of(1, 0, 3, 4);
  EXPECT_FALSE(ledger_take(&ledger_, &header, 1, &verdict_)) << "on another stream";
  header = header_of(1, 2, 3, 4);
  EXPECT_FALSE(ledger_take(&ledger_, &header, 2, &verdict_)) << "on a stream too many";
  header = header_of(4, 0, 3, 4);
  EXPECT_FALSE(ledger_take(&ledger_, &header, 0, &verdict_)) << "beyond its own end";
  header = header_of(4000000000u, 0, 3, 0);
  EXPECT_FALSE(ledger_take(&ledger_, &header, 0, &verdict_)) << "far ahead";
  ledger_end(&ledger_, 4);
  EXPECT_FALSE(take(2, 0, 0)) << "beyond the end that was told";
}

// ---------------------------------------------------------------- planted faults

TEST(Fault, ReadsWhatItIsTold) {
  Fault fault{};
  ASSERT_TRUE(fault_parse("swap:receiver:7", &fault));
  EXPECT_EQ(fault.kind, kFaultSwap);
  EXPECT_TRUE(fault.on_receive);
  EXPECT_EQ(fault.at, 7u);
  ASSERT_TRUE(fault_parse("drop:sender", &fault));
  EXPECT_EQ(fault.kind, kFaultDrop);
  EXPECT_FALSE(fault.on_receive);
  for (const char* text : {"", "drop", "drop:", "drop:middle", "lose:sender",
                           "drop:sender:", "drop:sender:x", "drop:sender:7x", "drop:sender7"}) {
    EXPECT_FALSE(fault_parse(text, &fault)) << text;
  }
}

// What leaves when `all` messages of two streams are sent; -N for N corrupted, nothing for dropped.
std::vector<int> sent_through(FaultKind kind, uint64_t at, uint64_t all) {
  const Fault fault{kind, false, at};
  std::vector<int> out;
  for (uint64_t number = 0; number < all; ++number) {
    if (fault_drops(&fault, number, 2, all)) continue;
    const int content = static_cast<int>(fault_swapped(&fault, number, 2, all));
    out.push_back(fault_corrupts(&fault, number, 2, all) ? -content : content);
  }
  return out;
}

TEST(FaultAtTheSender, HappensOnce) {
  EXPECT_THAT(sent_through(kFaultNone, 3, 6), testing::ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(sent_through(kFaultDrop, 3, 6), testing::ElementsAre(0, 1, 2, 4, 5));
  EXPECT_THAT(sent_through(kFaultCorrupt, 3, 6), testing::ElementsAre(0, 1, 2, -3, 4, 5));
  EXPECT_THAT(sent_through(kFaultSwap, 2, 6), testing::ElementsAre(0, 1, 4, 3, 2, 5));
}

TEST(FaultAtTheSender, SparesTheEndOfAStream) {
  for (const auto kind : {kFaultCorrupt, kFaultDrop, kFaultSwap}) {
    EXPECT_THAT(sent_through(kind, 4, 6), testing::ElementsAre(0, 1, 2, 3, 4, 5));
  }
  const Fault fault{kFaultDrop, false, 4};
  EXPECT_FALSE(fault_was_sent(&fault, 6, 2));
  EXPECT_TRUE(fault_was_sent(&fault, 7, 2));
}

// The sequence numbers that come out when ten messages of two streams, in turn, go in.
std::vector<uint32_t> received_through(FaultKind kind, uint64_t at, size_t* corrupted = nullptr) {
  FaultInbox inbox{};
  inbox.fault = {kind, true, at};
  std::vector<uint32_t> out;
  for (uint32_t number = 0; number < 10; ++number) {
    auto data = message_of(header_of(number / 2, number % 2, 0, 5));
    const Parcel in{data.data(), static_cast<uint32_t>(data.size()),
                    static_cast<uint16_t>(number % 2)};
    Parcel passed[2];
    const int count = fault_pass(&inbox, in, number >= 6, passed);
    for (int i = 0; i < count; ++i) {
      CheckHeader read{};
      const bool whole = check_read(passed[i].data, passed[i].size, kSeed, &read);
      if (!whole && corrupted != nullptr) ++*corrupted;
      EXPECT_EQ(read.stream, passed[i].stream);
      out.push_back(read.sequence * 2 + read.stream);
    }
  }
  fault_free(&inbox);
  return out;
}

TEST(FaultAtTheReceiver, NoneChangesNothing) {
  EXPECT_THAT(received_through(kFaultNone, 0), testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(FaultAtTheReceiver, DropTakesOne) {
  EXPECT_THAT(received_through(kFaultDrop, 3), testing::ElementsAre(0, 1, 2, 4, 5, 6, 7, 8, 9));
}

TEST(FaultAtTheReceiver, SwapExchangesTwoOfOneStream) {
  EXPECT_THAT(received_through(kFaultSwap, 2), testing::ElementsAre(0, 1, 3, 4, 2, 5, 6, 7, 8, 9));
}

TEST(FaultAtTheReceiver, CorruptSpoilsOne) {
  size_t corrupted = 0;
  EXPECT_EQ(received_through(kFaultCorrupt, 4, &corrupted).size(), 10u);
  EXPECT_EQ(corrupted, 1u);
}

TEST(FaultAtTheReceiver, SparesTheEndOfAStream) {
  for (const auto kind : {kFaultCorrupt, kFaultDrop, kFaultSwap}) {
    size_t corrupted = 0;
    EXPECT_THAT(received_through(kind, 6, &corrupted),
                testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    EXPECT_EQ(corrupted, 0u);
  }
}

}  // namespace
