// SPDX-License-Identifier: BSD-3-Clause
// What the digest of packets leaves out: the bytes of cookies and, where that is asked for, the
// Measure of Staleness and the Cookie Preservative; nothing beside them.
#include "../support/packet_digest.h"

#include <gtest/gtest.h>

#include <functional>

#include "wire/cause.h"
#include "wire/cookie_chunk.h"
#include "wire/error_chunk.h"
#include "wire/init_chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::test {
namespace {

using wire::PacketWriter;

constexpr bool kCounts = false;
constexpr bool kApart = true;

using Fill = std::function<void(PacketWriter&)>;
uint64_t digest_of(bool staleness_apart, const Fill& fill, uint32_t tag = 7) {
  std::vector<uint8_t> room(1000);
  PacketWriter writer(room);
  writer.write_header(PortNumber(1000), PortNumber(2000), VerificationTag(tag));
  fill(writer);
  PacketDigest digest(staleness_apart);
  digest.add_packet(writer.finish(true));
  return digest.value();
}

Fill stale(uint32_t staleness_us, bool more = false) {
  return [=](PacketWriter& writer) {
    ASSERT_TRUE(wire::begin_error(writer));
    ASSERT_TRUE(wire::append_stale_cookie(writer, staleness_us));
    if (more) {
      ASSERT_TRUE(wire::append_out_of_resource(writer));
    }
    ASSERT_TRUE(writer.end_chunk());
  };
}

Fill echo(const std::vector<uint8_t>& cookie) {
  return [=](PacketWriter& writer) { ASSERT_TRUE(wire::write_cookie_echo(writer, cookie)); };
}

Fill init_ack(const std::vector<uint8_t>& cookie, uint32_t tsn) {
  return [=](PacketWriter& writer) {
    const wire::InitFields fields{VerificationTag(9), 100'000, 10, 10, Tsn(tsn)};
    ASSERT_TRUE(wire::write_init_ack(writer, fields, {}, cookie, {}, {}));
  };
}

Fill init(uint32_t preservative_ms, uint32_t tsn = 5) {
  return [=](PacketWriter& writer) {
    const wire::InitFields fields{VerificationTag(9), 100'000, 10, 10, Tsn(tsn)};
    wire::InitOptions options;
    options.cookie_preservative_ms = preservative_ms;
    options.lists_ipv4 = true;
    ASSERT_TRUE(wire::write_init(writer, fields, {}, options));
  };
}

TEST(PacketDigest, LeavesOutCookies) {
  for (const bool apart : {kCounts, kApart}) {
    EXPECT_EQ(digest_of(apart, echo({1, 2, 3, 4})), digest_of(apart, echo({5, 6, 7, 8})));
    EXPECT_NE(digest_of(apart, echo({1, 2, 3, 4})), digest_of(apart, echo({1, 2, 3, 4, 5})));
    EXPECT_EQ(digest_of(apart, init_ack({1, 2, 3, 4}, 5)),
              digest_of(apart, init_ack({9, 9, 9, 9}, 5)));
    EXPECT_NE(digest_of(apart, init_ack({1, 2, 3, 4}, 5)),
              digest_of(apart, init_ack({1, 2, 3, 4}, 6)));
  }
}

TEST(PacketDigest, LeavesOutTheMeasureOfStalenessWhereAsked) {
  EXPECT_NE(digest_of(kCounts, stale(1000)), digest_of(kCounts, stale(1001)));
  EXPECT_EQ(digest_of(kApart, stale(1000)), digest_of(kApart, stale(1001)));
}

TEST(PacketDigest, LeavesOutTheCookiePreservativeWhereAsked) {
  EXPECT_NE(digest_of(kCounts, init(20)), digest_of(kCounts, init(21)));
  EXPECT_EQ(digest_of(kApart, init(20)), digest_of(kApart, init(21)));
  EXPECT_NE(digest_of(kApart, init(20, 5)), digest_of(kApart, init(20, 6)));
}

TEST(PacketDigest, LeavesOutNothingBesideTheMeasureOfStaleness) {
  EXPECT_NE(digest_of(kApart, stale(1000), 7), digest_of(kApart, stale(1000), 8));
  EXPECT_NE(digest_of(kApart, stale(1000)), digest_of(kApart, stale(1000, true)));
  // The same word in another cause, or under the code of the Stale Cookie with a length that it
  // can't have.
  const auto no_user_data = [](uint32_t tsn) {
    return [=](PacketWriter& writer) {
      ASSERT_TRUE(wire::begin_error(writer));
      ASSERT_TRUE(wire::append_no_user_data(writer, Tsn(tsn)));
      ASSERT_TRUE(writer.end_chunk());
    };
  };
  EXPECT_NE(digest_of(kApart, no_user_data(1)), digest_of(kApart, no_user_data(2)));
  const auto too_long = [](uint8_t last) {
    return [=](PacketWriter& writer) {
      const std::vector<uint8_t> value{0, 0, 0, 1, 0, 0, 0, last};
      ASSERT_TRUE(wire::begin_error(writer));
      ASSERT_TRUE(writer.append_tlv(static_cast<uint16_t>(wire::CauseCode::kStaleCookie), value));
      ASSERT_TRUE(writer.end_chunk());
    };
  };
  EXPECT_NE(digest_of(kApart, too_long(1)), digest_of(kApart, too_long(2)));
}

}  // namespace
}  // namespace trunkline::test
