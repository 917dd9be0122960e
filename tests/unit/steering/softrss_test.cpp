// SPDX-License-Identifier: BSD-3-Clause
// The model's hash is DPDK's.
#include <gtest/gtest.h>
#include <rte_thash.h>

#include <cstring>

#include "port_model.h"
#include "trunkline/stack/random.h"

namespace trunkline::test {
namespace {

TEST(SoftRss, AgreesWithDpdkForEveryLength) {
  SeededRandom random(1);
  alignas(4) std::array<uint8_t, 52> key{};
  for (int round = 0; round < 200; ++round) {
    random.fill(key);
    // IPv4 and IPv6 addresses; with ports; with the tag: 2, 3, 4 words and 8, 9, 10.
    for (const size_t words : {2u, 3u, 4u, 8u, 9u, 10u}) {
      std::array<uint8_t, 40> input{};
      random.fill(std::span(input).first(words * 4));
      std::array<uint32_t, 10> tuple{};  // rte_softrss() wants words in the host's order
      for (size_t i = 0; i < words; ++i) {
        uint32_t word = 0;
        std::memcpy(&word, &input[i * 4], 4);
        tuple[i] = rte_be_to_cpu_32(word);
      }
      EXPECT_EQ(toeplitz(key, std::span(input).first(words * 4)),
                rte_softrss(tuple.data(), static_cast<uint32_t>(words), key.data()));
    }
  }
}

}  // namespace
}  // namespace trunkline::test
