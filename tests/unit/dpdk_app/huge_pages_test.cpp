// SPDX-License-Identifier: BSD-3-Clause
#include "huge_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace trunkline::test {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

class HugePagesOf : public ::testing::TestWithParam<size_t> {};

TEST_P(HugePagesOf, AreZeroAlignedAndGoneWhenReleased) {
  HugePages& source = huge_pages();
  auto* const memory = static_cast<uint8_t*>(source.reserve(GetParam()));
  ASSERT_NE(memory, nullptr);
  const auto at = reinterpret_cast<uintptr_t>(memory);
  EXPECT_EQ(at % (GetParam() < kHugePage ? 4096 : kHugePage), 0u);
  EXPECT_TRUE(std::all_of(memory, memory + GetParam(), [](uint8_t byte) { return byte == 0; }));
  memory[0] = memory[GetParam() - 1] = 1;
  source.release(memory, GetParam());
  std::vector<unsigned char> resident(2);
  EXPECT_NE(mincore(memory, 4096, resident.data()), 0) << "still mapped";
}
INSTANTIATE_TEST_SUITE_P(Sizes, HugePagesOf,
                         ::testing::Values(1, 4096, 5000, kHugePage - 1, kHugePage, kHugePage + 1,
                                           3 * kHugePage));

TEST(HugePages, CostAddressSpaceUntilTheyAreTouched) {
  constexpr size_t kMuch = size_t{1} << 36;  // more than any machine of ours has
  void* const memory = huge_pages().reserve(kMuch);
  ASSERT_NE(memory, nullptr);
  *static_cast<uint8_t*>(memory) = 1;
  huge_pages().release(memory, kMuch);
}

}  // namespace
}  // namespace trunkline::test
