// SPDX-License-Identifier: BSD-3-Clause
// Where a packet ends that comes in at any shard, for each kind of packet, owner of its tag and
// owner of its addresses: always at the right shard, after two hand-overs at most; also where the
// shards on the way do not have the endpoint. And what happens where an association moves on
// meanwhile.
#include <gtest/gtest.h>

#include <array>

#include "support/host.h"
#include "wire/abort_chunk.h"
#include "wire/cookie_chunk.h"
#include "wire/init_chunk.h"
#include "wire/shutdown_chunk.h"

namespace trunkline {
namespace {

using test::Host;
using test::HostSetup;
using test::ip;
using test::Packet;

constexpr PortNumber kOurs(5026);
constexpr PortNumber kTheirs(5001);
const IpAddress kUs = ip("192.0.2.26");
const IpAddress kPeer = ip("192.0.2.1");
const IpAddress kStranger = ip("192.0.2.99");

using Write = std::function<bool(wire::PacketWriter&)>;

Packet from(const IpAddress& source, VerificationTag tag, const Write& write) {
  std::vector<uint8_t> room(400);
  wire::PacketWriter writer(room);
  EXPECT_TRUE(write(writer));
  writer.write_header(kTheirs, kOurs, tag);
  const auto bytes = writer.finish(true);
  return {source, kUs, {bytes.begin(), bytes.end()}, 0};
}
Packet init_from(const IpAddress& source, const std::vector<IpAddress>& list = {}) {
  return from(source, VerificationTag(0), [&](wire::PacketWriter& writer) {
    return wire::write_init(writer, {VerificationTag(5), 100'000, 1, 1, Tsn(1)}, list);
  });
}
Packet shutdown_from(const IpAddress& source, VerificationTag tag) {
  return from(source, tag,
              [](wire::PacketWriter& writer) { return wire::write_shutdown(writer, Tsn(1)); });
}
Packet reflected_from(const IpAddress& source) {
  return from(source, VerificationTag(77),
              [](wire::PacketWriter& writer) { return wire::write_abort(writer, true); });
}
Packet echo_from(const IpAddress& source, VerificationTag tag) {
  return from(source, tag, [](wire::PacketWriter& writer) {
    const std::array<uint8_t, 64> cookie{};
    return wire::write_cookie_echo(writer, cookie);
  });
}

// `count` shards of one host; the peer's association, in COOKIE-WAIT, is at `owner`.
class Shards {
 public:
  Shards(uint16_t count, uint16_t owner) : directory_(make_directory(random_, 100)) {
    for (uint16_t i = 0; i < count; ++i) {
      HostSetup setup;
      setup.addresses = {kUs};
      setup.port = kOurs;
      setup.shard.index = i;
      setup.shard.count = count;
      hosts.push_back(std::make_unique<Host>(20 + i, setup, now, directory_.get()));
    }
    EXPECT_EQ(hosts[owner]->connect(now, {kPeer}, kTheirs).status, Status::kOk);
  }
  ~Shards() {
    for (auto& host : hosts) {
      host->finish(now);
      EXPECT_EQ(host->violation(), "");
    }
  }
  [[nodiscard]] uint16_t steer(uint16_t at, const Packet& packet, uint8_t hand_overs) const {
    return hosts[at]->shard().steer(
        {packet.source, packet.destination, packet.bytes, ChecksumState::kUnchecked, hand_overs});
  }
  // The shard where it stays, and how often it was handed over.
  [[nodiscard]] std::pair<uint16_t, int> journey(uint16_t at, const Packet& packet) const {
    for (uint8_t hand_overs = 0;; ++hand_overs) {
      const uint16_t to = steer(at, packet, hand_overs);
      if (to == at || hand_overs == 200) return {at, hand_overs};
      at = to;
    }
  }
  // A tag that names `owner` and that nobody has.
  [[nodiscard]] VerificationTag unused_tag(uint16_t owner) const {
    uint32_t tag = 77;
    const auto count = static_cast<uint16_t>(hosts.size());
    while (owner_of(*directory_, VerificationTag(tag), count) != owner) ++tag;
    return VerificationTag(tag);
  }

  TimePoint now = TimePoint::from_ns(1'000'000'000);
  std::vector<std::unique_ptr<Host>> hosts;

 private:
  SeededRandom random_{9};
  DirectoryPtr directory_;
};

// Each packet from each shard: it ends at `expected`, or where it came in.
void check_all(const Shards& shards, uint16_t owner) {
  const auto count = static_cast<uint16_t>(shards.hosts.size());
  constexpr int kWhereItCameIn = -1;
  const auto expect = [&](const char* what, const Packet& packet, int expected) {
    for (uint16_t at = 0; at < count; ++at) {
      const auto [end, hand_overs] = shards.journey(at, packet);
      EXPECT_EQ(end, expected == kWhereItCameIn ? at : expected)
          << what << " at " << at << " of " << count << ", owner " << owner;
      EXPECT_LE(hand_overs, 2) << what;
    }
  };
  const VerificationTag tag = shards.hosts[owner]->status().local_tag;
  expect("the association's tag", shutdown_from(kPeer, tag), owner);
  expect("its tag, from elsewhere", shutdown_from(kStranger, tag), owner);
  expect("an INIT of the peer", init_from(kPeer), owner);
  expect("an INIT of a stranger", init_from(kStranger), kWhereItCameIn);
  expect("an INIT that lists the peer", init_from(kStranger, {kStranger, kPeer}), owner);
  expect("a reflected tag", reflected_from(kPeer), owner);
  expect("a stranger's reflected tag", reflected_from(kStranger), kWhereItCameIn);
  for (uint16_t tags_owner = 0; tags_owner < count; ++tags_owner) {
    const VerificationTag unused = shards.unused_tag(tags_owner);
    expect("a tag that nobody has", shutdown_from(kPeer, unused), owner);
    expect("a stranger's tag", shutdown_from(kStranger, unused), tags_owner);
    expect("a cookie of the peer", echo_from(kPeer, unused), tags_owner);
    expect("a stranger's cookie", echo_from(kStranger, unused), tags_owner);
  }
}

TEST(HandOver, TwoLeadToTheRightShardFromAnywhere) {
  for (uint16_t count = 1; count <= 4; ++count) {
    for (uint16_t owner = 0; owner < count; ++owner) {
      Shards shards(count, owner);
      check_all(shards, owner);
    }
  }
}

TEST(HandOver, AlsoThroughShardsThatDoNotHaveTheEndpoint) {
  for (uint16_t count = 2; count <= 4; ++count) {
    for (uint16_t owner = 0; owner < count; ++owner) {
      Shards shards(count, owner);
      for (uint16_t i = 0; i < count; ++i) {
        if (i == owner) continue;
        ASSERT_EQ(shards.hosts[i]->shard().close_endpoint(shards.hosts[i]->endpoint), Status::kOk);
      }
      check_all(shards, owner);
    }
  }
}

TEST(HandOver, WhatIcmpQuotesGoesToTheOwnerOfTheAssociation) {
  Shards shards(3, 2);
  const Packet init = shards.hosts[2]->transmit(shards.now).at(0);
  const PacketIn sent{init.source, init.destination, init.bytes, ChecksumState::kUnchecked, 0};
  for (const auto& host : shards.hosts) EXPECT_EQ(host->shard().steer_quoted(sent), 2);
  PacketIn other = sent;
  other.destination = kStranger;
  EXPECT_EQ(shards.hosts[0]->shard().steer_quoted(other), 0) << "nobody's: it stays";
  PacketIn shorter = sent;
  shorter.bytes = sent.bytes.first(7);
  EXPECT_EQ(shards.hosts[0]->shard().steer_quoted(shorter), 0);
  shards.hosts[0]->shard().protocol_unreachable(shards.now, sent);
  EXPECT_EQ(shards.hosts[0]->count(Counter::k_drop_icmp), 1u) << "not the owner's word";
  EXPECT_EQ(shards.hosts[2]->state(), AssocState::kCookieWait);
  shards.hosts[2]->shard().protocol_unreachable(shards.now, sent);
  shards.hosts[2]->drain(shards.now);
  EXPECT_EQ(shards.hosts[2]->last(EventKind::kConnectFailed).reason, Reason::kRefused);
}

// The association that a packet was handed over for has ended, and another shard has a new one.
TEST(HandOver, NothingIsSaidInTheNameOfAnAssociationThatLivesElsewhere) {
  Shards shards(4, 1);
  Host& was = *shards.hosts[1];
  const VerificationTag tag = was.status().local_tag;
  was.shard().abort(shards.now, was.assoc, {});
  was.transmit(shards.now);
  ASSERT_EQ(shards.hosts[3]->connect(shards.now, {kPeer}, kTheirs).status, Status::kOk);
  int number = 0;
  for (const Packet& packet : {shutdown_from(kPeer, tag), init_from(kPeer), reflected_from(kPeer),
                               init_from(kStranger, {kPeer})}) {
    EXPECT_EQ(shards.steer(1, packet, 1), 3) << "one hand-over is left";
    EXPECT_EQ(shards.steer(1, packet, 2), 1) << "and then none";
    was.receive(shards.now, packet);
    EXPECT_TRUE(was.transmit(shards.now).empty()) << number;
    EXPECT_EQ(was.count(Counter::k_drop_elsewhere), static_cast<uint64_t>(++number));
  }
  EXPECT_EQ(shards.hosts[3]->state(), AssocState::kCookieWait);
}

// ---------------------------------------------------------------- the slower of two shards

// Shard 0 has one more address than shard 1, and is asked there: what it looks for first is free,
// and only the claim finds that shard 1 has the peer. So it is for whoever comes between the two.
class Slower : public testing::Test {
 protected:
  Slower() : directory_(make_directory(random_, 100)) {
    for (uint16_t i = 0; i < 2; ++i) {
      HostSetup setup;
      setup.addresses = {kUs};
      if (i == 0) setup.addresses = {ip("192.0.2.25"), kUs};
      setup.port = kOurs;
      setup.shard.index = i;
      setup.shard.count = 2;
      hosts_[i] = std::make_unique<Host>(20 + i, setup, now_, directory_.get());
    }
  }
  void TearDown() override {
    for (auto& host : hosts_) {
      host->finish(now_);
      EXPECT_EQ(host->violation(), "");
    }
  }

  TimePoint now_ = TimePoint::from_ns(1'000'000'000);
  SeededRandom random_{9};
  DirectoryPtr directory_;
  std::array<std::unique_ptr<Host>, 2> hosts_;
};

TEST_F(Slower, ItsConnectIsToldThatTheAssociationExists) {
  ASSERT_EQ(hosts_[1]->connect(now_, {kPeer}, kTheirs).status, Status::kOk);
  EXPECT_EQ(hosts_[0]->connect(now_, {kPeer}, kTheirs).status, Status::kAlreadyExists);
  EXPECT_EQ(hosts_[0]->shard().association_count(), 0u);
  EXPECT_TRUE(hosts_[0]->transmit(now_).empty());
  EXPECT_EQ(hosts_[1]->state(), AssocState::kCookieWait);
}

TEST_F(Slower, ItsCookieIsDiscardedAndNobodyIsAborted) {
  Packet init = init_from(kPeer);
  init.destination = ip("192.0.2.25");
  hosts_[0]->receive(now_, init);
  const Packet answer = hosts_[0]->transmit(now_).at(0);
  const wire::InitParseResult ack = wire::InitChunk::parse(answer.chunks().at(0), true);
  ASSERT_TRUE(ack.ok());
  Packet echo = from(kPeer, ack.init.initiate_tag, [&](wire::PacketWriter& writer) {
    return wire::write_cookie_echo(writer, ack.init.cookie);
  });
  echo.destination = ip("192.0.2.25");
  ASSERT_EQ(hosts_[1]->connect(now_, {kPeer}, kTheirs).status, Status::kOk);
  hosts_[0]->receive(now_, echo);
  EXPECT_EQ(hosts_[0]->count(Counter::k_drop_cookie_collision), 1u);
  EXPECT_EQ(hosts_[0]->count(Counter::k_drop_no_association_memory), 0u);
  EXPECT_EQ(hosts_[0]->shard().association_count(), 0u);
  EXPECT_TRUE(hosts_[0]->transmit(now_).empty());
  EXPECT_TRUE(hosts_[0]->events.empty());
  // When the other one has gone, the cookie is as good as before: it was not spent.
  hosts_[1]->shard().abort(now_, hosts_[1]->assoc, {});
  hosts_[1]->transmit(now_);
  hosts_[0]->receive(now_, echo);
  EXPECT_EQ(hosts_[0]->state(), AssocState::kEstablished);
}

TEST(DirectoryFull, IsACountedRefusalAndNoAddressStaysBehind) {
  SeededRandom random(4);
  const DirectoryPtr directory = make_directory(random, 2);
  const TimePoint now = TimePoint::from_ns(1'000'000'000);
  HostSetup setup;
  setup.addresses = {kUs};
  setup.port = kOurs;
  Host host(1, setup, now, directory.get());
  EXPECT_EQ(host.connect(now, {kPeer, kStranger, ip("192.0.2.98")}, kTheirs).status,
            Status::kOutOfResources);
  EXPECT_EQ(host.count(Counter::k_directory_full), 1u);
  EXPECT_EQ(host.shard().association_count(), 0u);
  EXPECT_EQ(host.connect(now, {kPeer, kStranger}, kTheirs).status, Status::kOk);
  host.finish(now);
  EXPECT_EQ(host.violation(), "");
}

}  // namespace
}  // namespace trunkline
