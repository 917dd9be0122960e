// SPDX-License-Identifier: BSD-3-Clause
// The oracle of addresses catches what is planted, and what makes packets lie does as it says.
#include "address_watch.h"

#include <gtest/gtest.h>

#include "mangle.h"
#include "wire/common_header.h"
#include "wire/crc32c.h"
#include "wire/data_chunk.h"
#include "wire/init_chunk.h"
#include "wire/packet_writer.h"
#include "wire/sack_chunk.h"

namespace trunkline::sim {
namespace {

const IpAddress kOurs = IpAddress::ipv4(192, 0, 2, 1);
const IpAddress kTheirs = IpAddress::ipv4(192, 0, 2, 2);
const IpAddress kOther = IpAddress::ipv4(10, 99, 0, 1);
const IpAddress kBridge = *IpAddress::parse("2001:db8::99");

std::vector<uint8_t> init(uint32_t tag, const std::vector<IpAddress>& list, bool ack = false) {
  std::vector<uint8_t> room(500);
  wire::PacketWriter writer(room);
  writer.write_header(PortNumber(7), PortNumber(8), VerificationTag(0));
  const wire::InitFields fields{VerificationTag(tag), 5000, 1, 1, Tsn(1)};
  const std::vector<uint8_t> cookie(5, 1);
  EXPECT_TRUE(ack ? wire::write_init_ack(writer, fields, list, cookie)
                  : wire::write_init(writer, fields, list));
  const auto bytes = writer.finish(true);
  return {bytes.begin(), bytes.end()};
}

AssocStatus with_paths(uint32_t peer_tag, const std::vector<IpAddress>& remotes) {
  AssocStatus status;
  status.peer_tag = VerificationTag(peer_tag);
  status.peer_port = PortNumber(7);
  for (const IpAddress& remote : remotes) status.paths.emplace_back().remote = remote;
  return status;
}

class Watch : public testing::Test {
 protected:
  Watch() {
    network.attach(0, kOurs);
    network.attach(1, kTheirs);
  }
  bool fails(const AssocStatus& status) {
    Verdict verdict;
    const EndBook ends(verdict);
    AddressWatch watch(verdict, network, ends);
    watch.sent(kNow, 1, kTheirs, kOurs, init(5, {kTheirs, kOther}));
    watch.sent(kNow, 1, kTheirs, kOurs, init(6, {}));
    watch.sent(kNow, 1, kTheirs, kOurs, init(8, {kTheirs, kOurs}));
    watch.check(kNow, 0, 1, status);
    return verdict.failed();
  }
  static constexpr TimePoint kNow = TimePoint::from_ns(1);
  Network network{1};
};

TEST_F(Watch, APathToWhatThePeerListsIsGood) {
  EXPECT_FALSE(fails(with_paths(5, {kTheirs, kOther})));
  EXPECT_FALSE(fails(with_paths(5, {kOther})));
  EXPECT_FALSE(fails(with_paths(6, {kTheirs})));
}

TEST_F(Watch, APathToWhatThePresentIncarnationDoesNotListIsCaught) {
  EXPECT_TRUE(fails(with_paths(6, {kTheirs, kOther})));
  EXPECT_TRUE(fails(with_paths(5, {kTheirs, kBridge})));
}

TEST_F(Watch, APathToTheHostsOwnAddressIsCaughtThoughItIsListed) {
  EXPECT_TRUE(fails(with_paths(8, {kTheirs, kOurs})));
  EXPECT_FALSE(fails(with_paths(8, {kTheirs})));
}

TEST_F(Watch, BeforeThePeerHasSpokenNothingIsJudged) {
  EXPECT_FALSE(fails(with_paths(0, {kTheirs, kOther})));
  EXPECT_FALSE(fails(with_paths(77, {kTheirs, kOther})));
}

// Of a host with itself every address is the host's own, and no other one is.
TEST_F(Watch, WithinAHostPathsLeadToItsOwnAddressesOnly) {
  for (const bool own : {true, false}) {
    Verdict verdict;
    const EndBook ends(verdict);
    AddressWatch watch(verdict, network, ends);
    const IpAddress loopback = IpAddress::ipv4(127, 0, 0, 1);
    watch.sent(kNow, 0, loopback, loopback, init(5, {loopback, kOurs, kTheirs}));
    watch.check(kNow, 0, 0, with_paths(5, {loopback, own ? kOurs : kTheirs}));
    EXPECT_EQ(verdict.failed(), !own);
  }
}

class Lists : public Watch {
 protected:
  // What the endpoint {kTheirs, kOther, 127.0.0.1} at port 7 tells a peer elsewhere, or at home.
  bool list_fails(const std::vector<IpAddress>& list, const IpAddress& to = kOurs,
                  const IpAddress& from = kTheirs) {
    Verdict verdict;
    EndBook ends(verdict);
    ends.set_host(1, {kTheirs, kOther, kBridge}, 0);
    ends.opened(kNow, 1, PortNumber(7), *BoundAddresses::of(std::vector{kTheirs, kOther, kLoop}));
    AddressWatch watch(verdict, network, ends);
    watch.sent(kNow, 1, from, to, init(5, list));
    EXPECT_EQ(watch.lists(), 1u);
    return verdict.failed();
  }
  const IpAddress kLoop = IpAddress::ipv4(127, 0, 0, 1);
};

TEST_F(Lists, TheEndpointsAddressesAndNoOthersAreToBeListed) {
  EXPECT_FALSE(list_fails({kTheirs, kOther}));
  EXPECT_FALSE(list_fails({kOther})) << "the packet itself has the other one";
  EXPECT_TRUE(list_fails({kTheirs, kOther, kBridge})) << "the host's, not the endpoint's";
  EXPECT_TRUE(list_fails({kTheirs}));
  EXPECT_TRUE(list_fails({}));
}

TEST_F(Lists, LoopbackIsToldOfToThisHostAlone) {
  EXPECT_TRUE(list_fails({kTheirs, kOther, kLoop}));
  EXPECT_FALSE(list_fails({kTheirs, kOther, kLoop}, kLoop, kLoop));
  EXPECT_TRUE(list_fails({kLoop}, kLoop, kLoop));
}

TEST(Mangle, MoreIsListedAndThePacketStaysSound) {
  for (const bool ack : {false, true}) {
    for (const std::vector<IpAddress>& own : {std::vector<IpAddress>{}, {kTheirs, kOther}}) {
      std::vector<uint8_t> packet = init(5, own, ack);
      const size_t length = packet.size();
      packet.resize(600);
      const size_t now = list_more(packet, length, kTheirs, {kBridge, kOurs});
      packet.resize(now);
      EXPECT_TRUE(wire::verify_checksum(packet));
      const Announced said = announced_in(packet, kTheirs);
      EXPECT_EQ(said.tag, 5u);
      EXPECT_EQ(said.addresses.size(), own.empty() ? 3u : 4u);
      EXPECT_TRUE(said.addresses.front() == kTheirs);
      EXPECT_TRUE(said.addresses.back() == kOurs);
    }
  }
}

TEST(Mangle, WhatIsNoInitListsNothing) {
  std::vector<uint8_t> room(100);
  wire::PacketWriter writer(room);
  writer.write_header(PortNumber(7), PortNumber(8), VerificationTag(1));
  ASSERT_TRUE(wire::write_sack(writer, Tsn(5), 4000, {}, {}));
  const size_t length = writer.finish(true).size();
  EXPECT_EQ(list_more(room, length, kTheirs, {kOther}), length);
  EXPECT_EQ(announced_in(std::span(room).first(length), kTheirs).tag, 0u);
}

TEST(Mangle, NoSackSaysMoreThanTheCap) {
  std::vector<uint8_t> room(200);
  wire::PacketWriter writer(room);
  writer.write_header(PortNumber(7), PortNumber(8), VerificationTag(1));
  ASSERT_TRUE(wire::write_sack(writer, Tsn(5), 4000, {}, {}));
  const size_t length = writer.finish(true).size();
  const auto packet = std::span(room).first(length);
  const auto window = [&] {
    wire::ChunkCursor chunks(packet.subspan(wire::kCommonHeaderSize));
    return wire::SackChunk::parse(*chunks.next())->a_rwnd;
  };
  cap_windows(packet, 5000);
  EXPECT_EQ(window(), 4000u);
  cap_windows(packet, 1);
  EXPECT_EQ(window(), 1u);
  EXPECT_TRUE(wire::verify_checksum(packet));
}

TEST(Mangle, WhatDoesNotFitTheWindowIsAnsweredAndNotTaken) {
  std::vector<uint8_t> room(500);
  wire::PacketWriter writer(room);
  writer.write_header(PortNumber(7), PortNumber(8), VerificationTag(1));
  for (const size_t size : {size_t{40}, size_t{100}}) {
    wire::DataChunk data;
    data.tsn = Tsn(77);
    ASSERT_NE(wire::write_data_header(writer, data, size), nullptr);
  }
  const size_t length = writer.finish(true).size();
  const auto packet = std::span(room).first(length);
  std::vector<uint8_t> taken;
  EXPECT_FALSE(refuse_data(packet, 100, taken));
  EXPECT_TRUE(taken.empty());
  ASSERT_TRUE(refuse_data(packet, 99, taken));
  EXPECT_TRUE(wire::verify_checksum(packet));
  const auto tsns = [](std::span<const uint8_t> of) {
    std::vector<uint32_t> out;
    wire::ChunkCursor chunks(of.subspan(wire::kCommonHeaderSize));
    while (const auto chunk = chunks.next()) {
      const auto data = wire::DataChunk::parse(*chunk);
      out.push_back(data ? data->tsn.value : 0);
    }
    return out;
  };
  EXPECT_EQ(tsns(packet), (std::vector<uint32_t>{77, 77 - (1u << 24)}));
  EXPECT_EQ(tsns(taken), (std::vector<uint32_t>{77, 0}));
}

TEST(Backwards, WhatIsSentWithinAPeriodArrivesInTheOppositeOrder) {
  Network network(3);
  network.attach(0, kOurs);
  network.attach(1, kTheirs);
  network.link(0, 1).backwards = std::chrono::milliseconds(10);
  for (uint8_t i = 0; i < 6; ++i) {
    // Pairs at one moment.
    network.send(TimePoint::from_ns(1'000'000 * (i / 2)), 0, kOurs, kTheirs, {i});
  }
  std::vector<uint8_t> order;
  while (const auto packet = network.receive(TimePoint::from_ns(1'000'000'000))) {
    order.push_back(packet->bytes[0]);
  }
  EXPECT_EQ(order, (std::vector<uint8_t>{5, 4, 3, 2, 1, 0}));
}

}  // namespace
}  // namespace trunkline::sim
