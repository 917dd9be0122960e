// SPDX-License-Identifier: BSD-3-Clause
// Two shards of one host: where a packet must go from wherever it lies, and what happens when both
// shards answer one peer.
#include <gtest/gtest.h>

#include <array>

#include "support/host.h"
#include "wire/abort_chunk.h"
#include "wire/cookie_chunk.h"
#include "wire/init_chunk.h"
#include "wire/shutdown_chunk.h"
#include "wire/valueless_chunks.h"

namespace trunkline {
namespace {

using std::chrono::milliseconds;
using test::Host;
using test::HostSetup;
using test::ip;
using test::Packet;

class TwoShards : public testing::Test {
 protected:
  TwoShards() : random_(9), directory_(make_directory(random_, 100)) {
    for (uint16_t i = 0; i < 2; ++i) {
      HostSetup setup;
      setup.addresses = {ip("192.0.2.26")};
      setup.port = PortNumber(5026);
      setup.shard.index = i;
      setup.shard.count = 2;
      z_[i] = std::make_unique<Host>(20 + i, setup, now_, directory_.get());
    }
    HostSetup setup;
    setup.addresses = {ip("192.0.2.1")};
    setup.port = PortNumber(5001);
    a_ = std::make_unique<Host>(1, setup, now_);
  }
  void TearDown() override {
    for (Host* host : {a_.get(), z_[0].get(), z_[1].get()}) {
      host->finish(now_);
      EXPECT_EQ(host->violation(), "");
    }
  }

  // Where the packet goes from shard `at`.
  uint16_t steer(uint16_t at, const Packet& packet, uint8_t hand_overs = 0) {
    return z_[at]->shard().steer(
        {packet.source, packet.destination, packet.bytes, ChecksumState::kUnchecked, hand_overs});
  }
  // As a host does it: from `at` to where it stays.
  uint16_t deliver(uint16_t at, const Packet& packet) {
    for (uint8_t hand_overs = 0;; ++hand_overs) {
      const uint16_t to = steer(at, packet, hand_overs);
      if (to == at) break;
      EXPECT_LT(hand_overs, 2);
      at = to;
    }
    z_[at]->receive(now_, packet);
    return at;
  }
  // Until nobody has anything to say; each packet for z arrives at shard `at`.
  void talk(uint16_t at) {
    for (bool busy = true; busy;) {
      busy = false;
      for (const Packet& packet : a_->transmit(now_)) {
        deliver(at, packet);
        busy = true;
      }
      for (auto& z : z_) {
        for (const Packet& packet : z->transmit(now_)) {
          a_->receive(now_, packet);
          busy = true;
        }
      }
    }
  }
  Packet from_a(VerificationTag tag, const std::function<bool(wire::PacketWriter&)>& write) {
    std::vector<uint8_t> room(200);
    wire::PacketWriter writer(room);
    EXPECT_TRUE(write(writer));
    writer.write_header(PortNumber(5001), PortNumber(5026), tag);
    const auto bytes = writer.finish(true);
    return {ip("192.0.2.1"), ip("192.0.2.26"), {bytes.begin(), bytes.end()}, 0};
  }
  // A tag that `owner` would draw, and that nobody has.
  VerificationTag unused_tag(uint16_t owner) {
    uint32_t tag = 77;
    while (owner_of(*directory_, VerificationTag(tag), 2) != owner) ++tag;
    return VerificationTag(tag);
  }

  TimePoint now_ = TimePoint::from_ns(1'000'000'000);
  SeededRandom random_;
  DirectoryPtr directory_;
  std::array<std::unique_ptr<Host>, 2> z_;
  std::unique_ptr<Host> a_;
};

TEST_F(TwoShards, AnAssociationLivesWhereItsInitArrivedWhereverTheRestDoes) {
  a_->connect(now_, {ip("192.0.2.26")}, PortNumber(5026));
  deliver(1, a_->transmit(now_).at(0));
  a_->receive(now_, z_[1]->transmit(now_).at(0));
  talk(0);
  ASSERT_EQ(z_[1]->state(), AssocState::kEstablished);
  EXPECT_EQ(z_[0]->shard().association_count(), 0u);
  EXPECT_EQ(owner_of(*directory_, z_[1]->status().local_tag, 2), 1);
  ASSERT_EQ(a_->send(now_, "over here"), Status::kOk);
  talk(0);
  EXPECT_EQ(z_[1]->messages(), std::vector<std::string>{"over here"});
}

TEST_F(TwoShards, WhatCarriesNoTagOfOursIsSteeredByTheDirectory) {
  const Packet stranger = from_a(VerificationTag(0), [](wire::PacketWriter& writer) {
    return wire::write_init(writer, {VerificationTag(5), 100'000, 1, 1, Tsn(1)}, {});
  });
  EXPECT_EQ(steer(0, stranger), 0) << "an INIT stays where it is while nobody knows its sender";
  EXPECT_EQ(steer(1, stranger), 1);
  ASSERT_EQ(z_[1]->connect(now_, {ip("192.0.2.1")}, PortNumber(5001)).status, Status::kOk);
  EXPECT_EQ(steer(0, stranger), 1);
  EXPECT_EQ(steer(1, stranger), 1);
  talk(0);
  ASSERT_EQ(z_[1]->state(), AssocState::kEstablished);
  const Packet reflected = from_a(z_[1]->status().peer_tag, [](wire::PacketWriter& writer) {
    return wire::write_abort(writer, true);
  });
  EXPECT_EQ(deliver(0, reflected), 1);
  EXPECT_EQ(z_[1]->last(EventKind::kLost).reason, Reason::kReset);
}

TEST_F(TwoShards, ATagThatNobodyHasLeadsToTheAssociationWithTheseAddresses) {
  ASSERT_EQ(z_[1]->connect(now_, {ip("192.0.2.1")}, PortNumber(5001)).status, Status::kOk);
  talk(0);
  const Packet stale = from_a(unused_tag(0), [](wire::PacketWriter& writer) {
    return wire::write_shutdown(writer, Tsn(1));
  });
  EXPECT_EQ(steer(1, stale), 0) << "its owner may have an association with this tag";
  EXPECT_EQ(steer(0, stale, 1), 1);
  EXPECT_EQ(steer(1, stale, 2), 1);
  EXPECT_EQ(deliver(0, stale), 1);
  EXPECT_EQ(z_[1]->count(Counter::k_drop_bad_tag), 1u);
  EXPECT_TRUE(z_[1]->transmit(now_).empty()) << "section 8.5: discarded in silence";
  EXPECT_EQ(z_[1]->state(), AssocState::kEstablished);
}

TEST_F(TwoShards, ASecondConnectToTheSamePeerIsRefusedByTheOtherShardToo) {
  ASSERT_EQ(z_[0]->connect(now_, {ip("192.0.2.1")}, PortNumber(5001)).status, Status::kOk);
  EXPECT_EQ(z_[1]->connect(now_, {ip("192.0.2.1")}, PortNumber(5001)).status,
            Status::kAlreadyExists);
  EXPECT_EQ(z_[1]->shard().association_count(), 0u);
}

// The peer's INIT was answered here; before its cookie is back, the other shard calls the peer.
TEST_F(TwoShards, ACollisionAcrossShardsEndsWithOneAssociationAtBothEnds) {
  a_->connect(now_, {ip("192.0.2.26")}, PortNumber(5026));
  z_[0]->receive(now_, a_->transmit(now_));
  a_->receive(now_, z_[0]->transmit(now_));
  const Packet echo = a_->transmit(now_).at(0);
  ASSERT_EQ(z_[1]->connect(now_, {ip("192.0.2.1")}, PortNumber(5001)).status, Status::kOk);
  EXPECT_EQ(deliver(1, echo), 0) << "to the shard that made the cookie";
  EXPECT_EQ(z_[0]->count(Counter::k_drop_cookie_collision), 1u);
  EXPECT_TRUE(z_[0]->transmit(now_).empty());
  talk(0);
  EXPECT_EQ(z_[1]->state(), AssocState::kEstablished);
  EXPECT_EQ(z_[0]->shard().association_count(), 0u);
  EXPECT_EQ(a_->state(), AssocState::kEstablished);
  EXPECT_EQ(a_->shard().association_count(), 1u);
  EXPECT_EQ(a_->status().peer_tag, z_[1]->status().local_tag);
  ASSERT_EQ(a_->send(now_, "one of us"), Status::kOk);
  talk(0);
  EXPECT_EQ(z_[1]->messages(), std::vector<std::string>{"one of us"});
}

// The peer has forgotten everything and begins again at the shard that does not have it.
TEST_F(TwoShards, ARestartStaysWithTheOwnerUnderANewTagThatNamesIt) {
  ASSERT_EQ(z_[1]->connect(now_, {ip("192.0.2.1")}, PortNumber(5001)).status, Status::kOk);
  talk(0);
  const VerificationTag before = z_[1]->status().local_tag;
  HostSetup setup;
  setup.addresses = {ip("192.0.2.1")};
  setup.port = PortNumber(5001);
  a_ = std::make_unique<Host>(2, setup, now_);
  a_->connect(now_, {ip("192.0.2.26")}, PortNumber(5026));
  talk(0);
  EXPECT_EQ(z_[1]->count(EventKind::kRestarted), 1u);
  EXPECT_EQ(z_[0]->shard().association_count(), 0u);
  EXPECT_NE(z_[1]->status().local_tag, before);
  EXPECT_EQ(owner_of(*directory_, z_[1]->status().local_tag, 2), 1);
  EXPECT_EQ(a_->state(), AssocState::kEstablished);
}

// Called at two of its addresses, the peer tells both callers of both.
TEST_F(TwoShards, AnAddressThatAnotherAssociationHasIsNotTakenFromAnInitAck) {
  HostSetup setup;
  setup.addresses = {ip("192.0.2.7"), ip("192.0.2.8"), ip("192.0.2.9")};
  setup.port = PortNumber(5007);
  Host peer(7, setup, now_);
  ASSERT_EQ(z_[0]->connect(now_, {ip("192.0.2.7")}, PortNumber(5007)).status, Status::kOk);
  ASSERT_EQ(z_[1]->connect(now_, {ip("192.0.2.8")}, PortNumber(5007)).status, Status::kOk);
  for (const size_t i : {0u, 1u}) {
    peer.receive(now_, z_[i]->transmit(now_));
    z_[i]->receive(now_, peer.transmit(now_));
  }
  const auto addresses = [&](size_t i) {
    std::string out;
    for (const PathStatus& path : z_[i]->status().paths) out += path.remote.to_string() + " ";
    return out;
  };
  EXPECT_EQ(addresses(0), "192.0.2.7 192.0.2.9 ");
  EXPECT_EQ(addresses(1), "192.0.2.8 ");
  for (const char* const each : {"192.0.2.7", "192.0.2.8", "192.0.2.9"}) {
    Packet init = from_a(VerificationTag(0), [](wire::PacketWriter& writer) {
      return wire::write_init(writer, {VerificationTag(5), 100'000, 1, 1, Tsn(1)}, {});
    });
    init.source = ip(each);
    init.bytes[0] = 5007 >> 8;
    init.bytes[1] = 5007 & 0xff;
    EXPECT_EQ(steer(1, init), each == std::string("192.0.2.8") ? 1 : 0);
    EXPECT_EQ(steer(0, init), each == std::string("192.0.2.8") ? 1 : 0);
  }
  peer.finish(now_);
  EXPECT_EQ(peer.violation(), "");
}

// Each shard answered an INIT; the cookie of the slower one is valid, and comes too late.
TEST_F(TwoShards, OfTwoCookiesForOnePeerTheSecondIsDiscardedInSilence) {
  a_->connect(now_, {ip("192.0.2.26")}, PortNumber(5026));
  const Packet init = a_->transmit(now_).at(0);
  z_[0]->receive(now_, init);
  z_[1]->receive(now_, init);
  const Packet late = z_[1]->transmit(now_).at(0);
  a_->receive(now_, z_[0]->transmit(now_).at(0));
  talk(1);
  ASSERT_EQ(z_[0]->state(), AssocState::kEstablished);
  const wire::InitParseResult answer = wire::InitChunk::parse(late.chunks().at(0), true);
  ASSERT_TRUE(answer.ok());
  const Packet echo = from_a(answer.init.initiate_tag, [&](wire::PacketWriter& writer) {
    return wire::write_cookie_echo(writer, answer.init.cookie);
  });
  EXPECT_EQ(deliver(0, echo), 1);
  EXPECT_EQ(z_[1]->count(Counter::k_drop_cookie_collision), 1u);
  EXPECT_EQ(z_[1]->shard().association_count(), 0u);
  EXPECT_TRUE(z_[1]->transmit(now_).empty());
  EXPECT_EQ(z_[0]->state(), AssocState::kEstablished);
  // Section 5.2.4 step 3: expired, and of another association: said so.
  now_ = now_ + std::chrono::seconds(61);
  z_[1]->receive(now_, echo);
  const std::vector<Packet> said = z_[1]->transmit(now_);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].names(), "ERROR");
}

TEST_F(TwoShards, RubbishStaysWhereItIs) {
  Packet packet = from_a(VerificationTag(0), [](wire::PacketWriter& writer) {
    return wire::write_init(writer, {VerificationTag(5), 100'000, 1, 1, Tsn(1)}, {});
  });
  for (size_t size = 0; size < packet.bytes.size(); ++size) {
    Packet cut = packet;
    cut.bytes.resize(size);
    EXPECT_EQ(steer(0, cut), 0);
    EXPECT_EQ(steer(1, cut), 1);
  }
}

}  // namespace
}  // namespace trunkline
