// SPDX-License-Identifier: BSD-3-Clause
// The demo's judge: messages and their hash, the ledger, the planted faults, the histogram. If
// these were blind, the demo would pass whatever the stack does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

extern "C" {
#include "demo_fault.h"
#include "demo_ledger.h"
#include "demo_message.h"
}

namespace {

constexpr uint64_t kSeed = 7;

DemoHeader header_of(uint32_t sequence, uint16_t stream = 0, uint16_t assoc = 3,
                     uint32_t total = 10) {
  DemoHeader header{};
  header.assoc = assoc;
  header.stream = stream;
  header.sequence = sequence;
  header.total = total;
  header.sent_ns = 1000 + sequence;
  return header;
}

std::vector<uint8_t> message_of(const DemoHeader& header, uint64_t seed = kSeed) {
  std::vector<uint8_t> out(kDemoLongest);
  out.resize(demo_message_make(out.data(), &header, seed));
  return out;
}

TEST(DemoMessage, ReadsWhatItMade) {
  const auto data = message_of(header_of(4, 2));
  DemoHeader read{};
  ASSERT_TRUE(demo_message_read(data.data(), data.size(), kSeed, &read));
  EXPECT_EQ(read.sequence, 4u);
  EXPECT_EQ(read.stream, 2);
  EXPECT_EQ(read.assoc, 3);
  EXPECT_EQ(read.total, 10u);
  EXPECT_EQ(read.sent_ns, 1004u);
}

TEST(DemoMessage, EveryFlippedBitIsNoticed) {
  for (uint32_t sequence = 0; sequence < 8; ++sequence) {
    auto data = message_of(header_of(sequence));
    DemoHeader read{};
    for (size_t bit = 0; bit < data.size() * 8; ++bit) {
      data[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      EXPECT_FALSE(demo_message_read(data.data(), data.size(), kSeed, &read)) << "bit " << bit;
      data[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    }
    EXPECT_TRUE(demo_message_read(data.data(), data.size(), kSeed, &read));
  }
}

TEST(DemoMessage, WrongLengthsAndSeedsAreNoticed) {
  const auto data = message_of(header_of(1));
  DemoHeader read{};
  EXPECT_FALSE(demo_message_read(data.data(), data.size(), kSeed + 1, &read));
  for (size_t size = 0; size < data.size(); ++size) {
    EXPECT_FALSE(demo_message_read(data.data(), size, kSeed, &read)) << size;
  }
  auto longer = data;
  longer.push_back(0);
  EXPECT_FALSE(demo_message_read(longer.data(), longer.size(), kSeed, &read));
}

TEST(DemoMessage, SizesAreTheMixThatIsPromised) {
  std::set<size_t> sizes;
  for (uint32_t sequence = 0; sequence < 1000; ++sequence) {
    sizes.insert(message_of(header_of(sequence, 0, 0, 1000)).size());
  }
  EXPECT_EQ(*sizes.begin(), static_cast<size_t>(kDemoShortest));
  EXPECT_EQ(*sizes.rbegin(), static_cast<size_t>(kDemoLongest));
  EXPECT_GE(sizes.size(), 10u);
}

class Ledger : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(demo_ledger_open(&ledger_, 2, 4)); }
  void TearDown() override { demo_ledger_close(&ledger_, &counts_); }

  bool take(uint32_t sequence, uint16_t stream = 0) {
    const DemoHeader header = header_of(sequence, stream, 3, 4);
    return demo_ledger_take(&ledger_, &header, stream, &counts_);
  }
  void take_all(std::initializer_list<uint32_t> sequences, uint16_t stream) {
    for (const uint32_t sequence : sequences) EXPECT_TRUE(take(sequence, stream));
  }

  DemoLedger ledger_{};
  DemoCounts counts_{};
};

TEST_F(Ledger, AllInOrder) {
  take_all({0, 1, 2, 3}, 1);
  EXPECT_FALSE(demo_ledger_complete(&ledger_));
  take_all({0, 1, 2, 3}, 0);
  EXPECT_TRUE(demo_ledger_complete(&ledger_));
  demo_ledger_close(&ledger_, &counts_);
  EXPECT_EQ(counts_.lost + counts_.misordered + counts_.duplicated, 0u);
}

TEST_F(Ledger, OneMissing) {
  take_all({0, 2, 3}, 0);
  take_all({0, 1, 2, 3}, 1);
  EXPECT_TRUE(demo_ledger_complete(&ledger_));
  demo_ledger_close(&ledger_, &counts_);
  EXPECT_EQ(counts_.lost, 1u);
  EXPECT_EQ(counts_.misordered + counts_.duplicated, 0u);
}

TEST_F(Ledger, TheEndMissing) {
  take_all({0, 1, 2}, 0);
  take_all({0, 1, 2, 3}, 1);
  EXPECT_FALSE(demo_ledger_complete(&ledger_));
  demo_ledger_close(&ledger_, &counts_);
  EXPECT_EQ(counts_.lost, 1u);
}

TEST_F(Ledger, TwoSwapped) {
  take_all({0, 2, 1, 3}, 0);
  take_all({0, 1, 2, 3}, 1);
  demo_ledger_close(&ledger_, &counts_);
  EXPECT_EQ(counts_.misordered, 1u);
  EXPECT_EQ(counts_.lost + counts_.duplicated, 0u);
}

TEST_F(Ledger, OneTwice) {
  take_all({0, 1, 1, 2, 3, 0, 3}, 0);
  take_all({0, 1, 2, 3}, 1);
  demo_ledger_close(&ledger_, &counts_);
  EXPECT_EQ(counts_.duplicated, 3u);
  EXPECT_EQ(counts_.lost + counts_.misordered, 0u);
}

TEST_F(Ledger, ContradictionsAreRefused) {
  EXPECT_TRUE(take(0));
  DemoHeader header = header_of(1, 0, 4, 4);
  EXPECT_FALSE(demo_ledger_take(&ledger_, &header, 0, &counts_)) << "of another association";
  header = header_of(1, 0, 3, 4);
  EXPECT_FALSE(demo_ledger_take(&ledger_, &header, 1, &counts_)) << "on another stream";
  header = header_of(1, 2, 3, 4);
  EXPECT_FALSE(demo_ledger_take(&ledger_, &header, 2, &counts_)) << "on a stream too many";
  header = header_of(4, 0, 3, 4);
  EXPECT_FALSE(demo_ledger_take(&ledger_, &header, 0, &counts_)) << "beyond the end";
  header = header_of(1, 0, 3, 5);
  EXPECT_FALSE(demo_ledger_take(&ledger_, &header, 0, &counts_)) << "of a longer exchange";
}

// The sequence numbers that come out of a fault when ten messages of two streams, in turn, go in.
std::vector<uint32_t> through(DemoFaultKind kind, uint64_t at, size_t* corrupted = nullptr) {
  DemoFault fault{};
  fault.kind = kind;
  fault.at = at;
  fault.held_assoc = -1;
  std::vector<uint32_t> out;
  for (uint32_t number = 0; number < 10; ++number) {
    const auto data = message_of(header_of(number / 2, number % 2, 0, 5));
    DemoParcel in{};
    in.stream = number % 2;
    in.size = static_cast<uint16_t>(data.size());
    std::copy(data.begin(), data.end(), in.data);
    DemoParcel passed[2];
    const int count = demo_fault_pass(&fault, 0, &in, passed);
    for (int i = 0; i < count; ++i) {
      DemoHeader read{};
      const bool whole = demo_message_read(passed[i].data, passed[i].size, kSeed, &read);
      if (!whole && corrupted != nullptr) ++*corrupted;
      out.push_back(read.sequence * 2 + read.stream);
    }
  }
  return out;
}

TEST(DemoFault, NoneChangesNothing) {
  EXPECT_THAT(through(kDemoFaultNone, 0), testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(DemoFault, DropTakesOne) {
  EXPECT_THAT(through(kDemoFaultDrop, 3), testing::ElementsAre(0, 1, 2, 4, 5, 6, 7, 8, 9));
}

TEST(DemoFault, SwapExchangesTwoOfOneStream) {
  EXPECT_THAT(through(kDemoFaultSwap, 2), testing::ElementsAre(0, 1, 3, 4, 2, 5, 6, 7, 8, 9));
}

TEST(DemoFault, CorruptSpoilsOne) {
  size_t corrupted = 0;
  EXPECT_EQ(through(kDemoFaultCorrupt, 4, &corrupted).size(), 10u);
  EXPECT_EQ(corrupted, 1u);
}

TEST(DemoFault, SparesTheEndOfAStream) {
  for (const auto kind : {kDemoFaultCorrupt, kDemoFaultDrop, kDemoFaultSwap}) {
    size_t corrupted = 0;
    EXPECT_THAT(through(kind, 6, &corrupted), testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    EXPECT_EQ(corrupted, 0u);
  }
}

TEST(DemoHistogram, BucketsAreThreePercentWide) {
  for (uint64_t value = 1; value < UINT64_MAX / 3; value += value / 7 + 1) {
    DemoHistogram histogram{};
    demo_histogram_add(&histogram, value);
    uint32_t bucket = 0;
    while (histogram.counts[bucket] == 0) ASSERT_LT(++bucket, static_cast<uint32_t>(kDemoBuckets));
    const auto middle = static_cast<double>(demo_histogram_value(bucket));
    EXPECT_NEAR(middle, static_cast<double>(value), 1 + static_cast<double>(value) / 32);
  }
  DemoHistogram histogram{};
  demo_histogram_add(&histogram, UINT64_MAX);
  EXPECT_EQ(histogram.counts[kDemoBuckets - 1], 1u);
}

}  // namespace
