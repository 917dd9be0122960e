// SPDX-License-Identifier: BSD-3-Clause
// INIT, INIT ACK and cookie with extensions: what is offered, what comes of it.
#include "assoc/setup_parameters.h"

#include <gtest/gtest.h>

namespace trunkline {
namespace {

using wire::Feature;
using wire::FeatureSet;

class SetupParameters : public testing::Test {
 protected:
  SetupParameters() {
    ours.addresses = {IpAddress::ipv4(192, 0, 2, 1)};
    ours.port = PortNumber(5000);
    peers.addresses[0] = peer;
    peers.count = 1;
  }
  // Keeps the bytes that the chunk points into.
  wire::InitChunk written_init(FeatureSet offers) {
    wire::PacketWriter writer(bytes);
    writer.write_header(PortNumber(1), PortNumber(2), VerificationTag(0));
    EXPECT_TRUE(write_our_init(writer, side(offers), ours.addresses[0], peer, 0));
    return parsed(writer.finish(false), false);
  }
  wire::InitChunk parsed(std::span<const uint8_t> packet, bool is_ack) {
    wire::ChunkCursor chunks(packet.subspan(wire::kCommonHeaderSize));
    const auto result = wire::InitChunk::parse(*chunks.next(), is_ack, kEvery);
    EXPECT_TRUE(result.ok());
    return result.init;
  }
  [[nodiscard]] SetupSide side(FeatureSet offers) const {
    return {ours, profile, VerificationTag(7), Tsn(1), 10, offers};
  }
  // The INIT ACK for what a host that offers `theirs` has sent, and the cookie in it.
  wire::InitChunk answered(FeatureSet here, FeatureSet theirs) {
    const wire::InitChunk init = written_init(theirs);
    const Cookie cookie =
        cookie_for(side(here), now, ours.addresses[0], peers, PortNumber(2), init);
    answer_init_with(ctx, now, side(here), cookie, init, 1480);
    answer = ctx.replies.front();
    ctx.replies.pop();
    const wire::InitChunk ack = parsed(std::span(answer.bytes).first(answer.length), true);
    EXPECT_TRUE(ctx.cookies.open(now, ack.cookie, opened));
    return ack;
  }

  static constexpr FeatureSet kEvery{Feature::kPartialReliability, Feature::kReconfiguration,
                                     Feature::kInterleaving, Feature::kAuthentication,
                                     Feature::kDynamicAddresses};
  const TimePoint now = TimePoint::from_ns(1);
  const IpAddress peer = IpAddress::ipv4(198, 51, 100, 1);
  SeededRandom random{1};
  ShardContext ctx{{}, random, now};
  LocalEnd ours;
  Profile profile;
  PeerAddresses peers;
  std::array<uint8_t, 1480> bytes{};
  Reply answer{};
  Cookie opened;
};

TEST_F(SetupParameters, AnInitOffersWhatItsSideHas) {
  EXPECT_TRUE(wire::announced(written_init({})).empty());
  EXPECT_TRUE(written_init({}).supported_extensions.empty());
  EXPECT_EQ(wire::announced(written_init(kEvery)), kEvery);
  EXPECT_TRUE(written_init({Feature::kPartialReliability}).forward_tsn_supported);
}

TEST_F(SetupParameters, AnInitAckAndItsCookieSayWhatBothHave) {
  const FeatureSet here{Feature::kInterleaving, Feature::kReconfiguration};
  const FeatureSet there{Feature::kPartialReliability, Feature::kInterleaving};
  const FeatureSet both{Feature::kInterleaving};
  EXPECT_EQ(wire::announced(answered(here, there)), both);
  EXPECT_EQ(opened.features, both);
  const wire::InitChunk ack = answered(here, {});
  EXPECT_TRUE(ack.supported_extensions.empty());
  EXPECT_FALSE(ack.forward_tsn_supported);
  EXPECT_TRUE(opened.features.empty());
}

// The set grows by nothing but the parameters that it takes.
TEST_F(SetupParameters, WhoOffersNothingSendsNothingMore) {
  static_cast<void>(answered({}, kEvery));
  const uint16_t plain = answer.length;
  static_cast<void>(answered({}, {}));
  EXPECT_EQ(answer.length, plain);
  static_cast<void>(answered({Feature::kReconfiguration}, kEvery));
  EXPECT_EQ(answer.length, plain + 8);
}

}  // namespace
}  // namespace trunkline
