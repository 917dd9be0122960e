// SPDX-License-Identifier: BSD-3-Clause
// HMAC-SHA256 as others compute it: the vectors of RFC 4231, and OpenSSL's own HMAC.
#include "base/hmac_sha256.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string_view>
#include <vector>

#include "trunkline/stack/random.h"

namespace trunkline {
namespace {

using Mac = std::array<uint8_t, HmacSha256::kSize>;

std::vector<uint8_t> bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string out;
  for (const uint8_t byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

Mac mac_of(std::span<const uint8_t> key, std::span<const uint8_t> bytes) {
  Mac out{};
  HmacSha256(key).compute(bytes, out);
  return out;
}

TEST(HmacSha256, VectorsOfRfc4231) {
  EXPECT_EQ(hex(mac_of(std::vector<uint8_t>(20, 0x0b), bytes_of("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex(mac_of(bytes_of("Jefe"), bytes_of("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(mac_of(std::vector<uint8_t>(20, 0xaa), std::vector<uint8_t>(50, 0xdd))),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
}

TEST(HmacSha256, IsTheSameAsOpenSslsAtEveryLength) {
  SeededRandom random(3);
  std::vector<uint8_t> bytes(300);
  random.fill(bytes);
  for (const size_t key_size : {size_t{1}, size_t{32}, size_t{63}, size_t{64}}) {
    std::vector<uint8_t> key(key_size);
    random.fill(key);
    const HmacSha256 hmac(key);
    for (size_t size = 0; size <= bytes.size(); ++size) {
      Mac ours{};
      Mac theirs{};
      unsigned length = 0;
      hmac.compute(std::span(bytes).first(size), ours);
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes.data(), size,
           theirs.data(), &length);
      ASSERT_EQ(length, theirs.size());
      ASSERT_EQ(hex(ours), hex(theirs)) << size;
    }
  }
}

}  // namespace
}  // namespace trunkline
