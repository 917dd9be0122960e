// SPDX-License-Identifier: BSD-3-Clause
// The cookie jar alone (RFC 9260 sections 5.1.3, 5.1.5): what was sealed opens, nothing else does.
#include "assoc/cookie.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace trunkline {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr TimePoint kNow = TimePoint::from_ns(1'000'000'000);

Cookie example(size_t peers) {
  Cookie cookie;
  cookie.created = kNow;
  cookie.lifespan = std::chrono::seconds(60);
  cookie.local_tag = VerificationTag(0x01020304);
  cookie.peer_tag = VerificationTag(0xa1a2a3a4);
  cookie.local_initial_tsn = Tsn(5);
  cookie.peer_initial_tsn = Tsn(0xffffffff);
  cookie.peer_rwnd = 123456;
  cookie.peer_adaptation = 77;
  cookie.outbound_streams = 17;
  cookie.inbound_streams = 65535;
  cookie.features = {wire::Feature::kReconfiguration, wire::Feature::kAuthentication};
  cookie.local_tie = 0x1122334455667788ull;
  cookie.peer_tie = 0x99aabbccddeeff00ull;
  cookie.endpoint = EndpointId(9);
  cookie.local_port = PortNumber(2905);
  cookie.peer_port = PortNumber(36412);
  cookie.local_address = *IpAddress::parse("2001:db8::1");
  cookie.peer_address_count = peers;
  for (size_t i = 0; i < peers; ++i) {
    cookie.peer_addresses[i] = IpAddress::ipv4(198, 51, 100, static_cast<uint8_t>(i + 1));
  }
  return cookie;
}

class Jar : public ::testing::Test {
 protected:
  std::vector<uint8_t> seal(TimePoint now, const Cookie& cookie) {
    std::array<uint8_t, CookieJar::kMaxSize> room{};
    const size_t size = jar.seal(now, cookie, room);
    return {room.begin(), room.begin() + static_cast<ptrdiff_t>(size)};
  }
  bool opens(TimePoint now, const std::vector<uint8_t>& sealed) {
    return jar.open(now, sealed, opened);
  }

  SeededRandom random{1};
  CookieJar jar{random, kNow};
  Cookie opened;
};

TEST_F(Jar, GivesBackWhatWasSealed) {
  for (const size_t peers : {size_t{1}, size_t{3}, kMaxPaths}) {
    const Cookie cookie = example(peers);
    ASSERT_TRUE(opens(kNow, seal(kNow, cookie)));
    EXPECT_EQ(opened.created, cookie.created);
    EXPECT_EQ(opened.lifespan, cookie.lifespan);
    EXPECT_EQ(opened.local_tag, cookie.local_tag);
    EXPECT_EQ(opened.peer_tag, cookie.peer_tag);
    EXPECT_EQ(opened.local_initial_tsn, cookie.local_initial_tsn);
    EXPECT_EQ(opened.peer_initial_tsn, cookie.peer_initial_tsn);
    EXPECT_EQ(opened.peer_rwnd, cookie.peer_rwnd);
    EXPECT_EQ(opened.peer_adaptation, cookie.peer_adaptation);
    EXPECT_EQ(opened.outbound_streams, cookie.outbound_streams);
    EXPECT_EQ(opened.inbound_streams, cookie.inbound_streams);
    EXPECT_EQ(opened.features, cookie.features);
    EXPECT_EQ(opened.local_tie, cookie.local_tie);
    EXPECT_EQ(opened.peer_tie, cookie.peer_tie);
    EXPECT_EQ(opened.endpoint, cookie.endpoint);
    EXPECT_EQ(opened.local_port, cookie.local_port);
    EXPECT_EQ(opened.peer_port, cookie.peer_port);
    EXPECT_EQ(opened.local_address, cookie.local_address);
    ASSERT_EQ(opened.peer_address_count, peers);
    for (size_t i = 0; i < peers; ++i) {
      EXPECT_EQ(opened.peer_addresses[i], cookie.peer_addresses[i]);
    }
  }
}

// What an extension has to find again, however long it is.
TEST_F(Jar, KeepsWhatExtensionsPutIntoIt) {
  for (const size_t size : {size_t{1}, size_t{37}, Cookie::kMaxKept}) {
    Cookie cookie = example(kMaxPaths);
    cookie.kept_size = size;
    for (size_t i = 0; i < size; ++i) cookie.kept_bytes[i] = static_cast<uint8_t>(i * 7);
    const std::vector<uint8_t> sealed = seal(kNow, cookie);
    ASSERT_TRUE(opens(kNow, sealed));
    EXPECT_TRUE(std::ranges::equal(opened.kept(), cookie.kept()));
    EXPECT_EQ(sealed.size(), seal(kNow, example(kMaxPaths)).size() + size);
    std::vector<uint8_t> cut(sealed.begin(), sealed.end() - 1);
    EXPECT_FALSE(opens(kNow, cut));
  }
}

TEST_F(Jar, EachBitAlteredIsRefused) {
  const std::vector<uint8_t> good = seal(kNow, example(2));
  for (size_t i = 0; i < good.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::vector<uint8_t> bad = good;
      bad[i] ^= static_cast<uint8_t>(1u << bit);
      ASSERT_FALSE(opens(kNow, bad)) << i;
    }
  }
  EXPECT_TRUE(opens(kNow, good));
}

TEST_F(Jar, CutsAndTailsAreRefused) {
  const std::vector<uint8_t> good = seal(kNow, example(3));
  for (size_t size = 0; size < good.size(); ++size) {
    const std::vector<uint8_t> cut(good.begin(), good.begin() + static_cast<ptrdiff_t>(size));
    ASSERT_FALSE(opens(kNow, cut)) << size;
  }
  std::vector<uint8_t> longer = good;
  for (int i = 0; i < 600; ++i) {
    longer.push_back(0);
    ASSERT_FALSE(opens(kNow, longer)) << i;
  }
}

TEST_F(Jar, AnotherVersionIsRefused) {
  std::vector<uint8_t> sealed = seal(kNow, example(1));
  for (unsigned version = 0; version < 256; ++version) {
    if (version == 4) continue;
    sealed[0] = static_cast<uint8_t>(version);
    EXPECT_FALSE(opens(kNow, sealed)) << version;
  }
}

TEST_F(Jar, ACookieIsGoodUnderItsKeyAndTheNextAndNoLonger) {
  const std::vector<uint8_t> first = seal(kNow, example(1));
  EXPECT_TRUE(opens(kNow + minutes(59), first));
  EXPECT_TRUE(opens(kNow + minutes(61), first)) << "the key before the current one";
  const std::vector<uint8_t> second = seal(kNow + minutes(61), example(1));
  EXPECT_NE(first, second);
  EXPECT_TRUE(opens(kNow + minutes(119), first));
  EXPECT_TRUE(opens(kNow + minutes(122), second));
  EXPECT_FALSE(opens(kNow + minutes(122), first));
}

TEST_F(Jar, AfterALongSilenceNoOldKeyIsGood) {
  const std::vector<uint8_t> sealed = seal(kNow, example(1));
  EXPECT_FALSE(opens(kNow + hours(2), sealed));
  EXPECT_TRUE(opens(kNow + hours(2), seal(kNow + hours(2), example(1))));
}

TEST_F(Jar, KeyNumbersMayGoRound) {
  TimePoint now = kNow;
  std::vector<uint8_t> before;
  for (int i = 0; i < 600; ++i) {
    const std::vector<uint8_t> sealed = seal(now, example(1));
    ASSERT_TRUE(opens(now, sealed));
    if (!before.empty()) {
      ASSERT_TRUE(opens(now, before));
    }
    before = sealed;
    now = now + minutes(61);
  }
}

TEST_F(Jar, KeysAreTheirOwn) {
  CookieJar other(random, kNow);
  std::array<uint8_t, CookieJar::kMaxSize> room{};
  const size_t size = other.seal(kNow, example(1), room);
  EXPECT_FALSE(jar.open(kNow, std::span(room).first(size), opened));
  EXPECT_TRUE(other.open(kNow, std::span(room).first(size), opened));
}

TEST_F(Jar, RandomBytesNeverOpen) {
  for (int i = 0; i < 20000; ++i) {
    std::vector<uint8_t> bytes(random.below(CookieJar::kMaxSize + 10));
    random.fill(bytes);
    if (bytes.size() > 1) {
      bytes[0] = 2;
      bytes[1] = 1;
    }
    ASSERT_FALSE(opens(kNow, bytes));
  }
}

}  // namespace
}  // namespace trunkline
