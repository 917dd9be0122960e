// SPDX-License-Identifier: BSD-3-Clause
// SipHash-2-4 against the vectors of its paper and reference code, and against OpenSSL's own
// implementation for every length up to 64 and many keys.
#include "base/siphash.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "trunkline/stack/random.h"

namespace trunkline {
namespace {

constexpr SipKey kPaperKey{0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};

std::vector<uint8_t> counting(size_t size) {
  std::vector<uint8_t> out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i);
  return out;
}

uint64_t little_endian(std::span<const uint8_t> bytes) {
  uint64_t out = 0;
  for (size_t i = 0; i < 8; ++i) out |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  return out;
}

// OpenSSL's answer; 0 (which no test input hashes to) when it has no SipHash.
uint64_t by_openssl(SipKey key, std::span<const uint8_t> bytes) {
  const std::unique_ptr<EVP_MAC, void (*)(EVP_MAC*)> mac(EVP_MAC_fetch(nullptr, "SIPHASH", nullptr),
                                                         EVP_MAC_free);
  if (!mac) return 0;
  const std::unique_ptr<EVP_MAC_CTX, void (*)(EVP_MAC_CTX*)> ctx(EVP_MAC_CTX_new(mac.get()),
                                                                 EVP_MAC_CTX_free);
  size_t size = 8;
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                   OSSL_PARAM_construct_end()};
  std::array<uint8_t, 16> raw{};
  for (size_t i = 0; i < 8; ++i) {
    raw[i] = static_cast<uint8_t>(key.k0 >> (8 * i));
    raw[8 + i] = static_cast<uint8_t>(key.k1 >> (8 * i));
  }
  std::array<uint8_t, 8> out{};
  size_t length = 0;
  if (EVP_MAC_init(ctx.get(), raw.data(), raw.size(), parameters) != 1 ||
      EVP_MAC_update(ctx.get(), bytes.data(), bytes.size()) != 1 ||
      EVP_MAC_final(ctx.get(), out.data(), &length, out.size()) != 1 || length != 8) {
    return 0;
  }
  return little_endian(out);
}

TEST(SipHash, TheExampleOfThePaper) {
  EXPECT_EQ(SipHash::of(kPaperKey, counting(15)), 0xa129ca6149be45e5ull);
}

TEST(SipHash, TheVectorsOfTheReferenceCode) {
  constexpr uint8_t kVectors[][8] = {
      {0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72},
      {0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74},
      {0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d},
      {0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85},
      {0xb7, 0x87, 0x71, 0x27, 0xe0, 0x94, 0x27, 0xcf},
      {0x8d, 0xa6, 0x99, 0xcd, 0x64, 0x55, 0x76, 0x18},
      {0xce, 0xe3, 0xfe, 0x58, 0x6e, 0x46, 0xc9, 0xcb},
      {0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab},
      {0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93},
  };
  for (size_t length = 0; length < std::size(kVectors); ++length) {
    EXPECT_EQ(SipHash::of(kPaperKey, counting(length)), little_endian(kVectors[length])) << length;
  }
}

TEST(SipHash, AgreesWithOpenSslForEveryLengthAndManyKeys) {
  SeededRandom random(1);
  for (int round = 0; round < 20; ++round) {
    const SipKey key{random.next(), random.next()};
    std::array<uint8_t, 64> bytes{};
    random.fill(bytes);
    for (size_t length = 0; length <= bytes.size(); ++length) {
      const auto part = std::span<const uint8_t>(bytes).first(length);
      ASSERT_EQ(SipHash::of(key, part), by_openssl(key, part)) << length;
    }
  }
}

TEST(SipHash, AWordHashesAsItsEightBytes) {
  SeededRandom random(2);
  for (int round = 0; round < 1000; ++round) {
    const SipKey key{random.next(), random.next()};
    const uint64_t word = random.next();
    std::array<uint8_t, 8> bytes{};
    for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(word >> (8 * i));
    ASSERT_EQ(SipHash::of(key, word), SipHash::of(key, bytes));
  }
}

TEST(SipHash, WordsAndARestHashAsTheirBytes) {
  SeededRandom random(3);
  for (size_t count = 0; count <= 4; ++count) {
    const SipKey key{random.next(), random.next()};
    std::array<uint64_t, 4> words{};
    for (uint64_t& word : words) word = random.next();
    const uint32_t rest = random.u32();
    std::array<uint8_t, 36> bytes{};
    std::memcpy(bytes.data(), words.data(), 8 * count);
    std::memcpy(bytes.data() + 8 * count, &rest, 4);
    EXPECT_EQ(SipHash::of(key, std::span(words).first(count), rest),
              SipHash::of(key, std::span(bytes).first(8 * count + 4)))
        << count;
  }
}

TEST(SipHash, EachBitOfKeyAndMessageMatters) {
  const std::vector<uint8_t> message = counting(23);
  const uint64_t plain = SipHash::of(kPaperKey, message);
  for (size_t bit = 0; bit < 64; ++bit) {
    EXPECT_NE(SipHash::of({kPaperKey.k0 ^ (1ull << bit), kPaperKey.k1}, message), plain);
    EXPECT_NE(SipHash::of({kPaperKey.k0, kPaperKey.k1 ^ (1ull << bit)}, message), plain);
  }
  for (size_t bit = 0; bit < message.size() * 8; ++bit) {
    std::vector<uint8_t> changed = message;
    changed[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    EXPECT_NE(SipHash::of(kPaperKey, changed), plain) << bit;
  }
}

}  // namespace
}  // namespace trunkline
