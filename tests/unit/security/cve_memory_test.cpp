// SPDX-License-Identifier: BSD-3-Clause
// Class 4 of the CVEs, ends that come while something is under way (2017-5986, 2017-6353,
// 2017-15115, 2019-8956, 2021-23133, 2023-2177, 2026-46227), and class 5, memory that strangers can
// make us hold: what is charged must be what is really held, bounded, and zero in the end. (That
// all pools are empty at the end is asserted after every test, by Host::finish.)
#include "rx/receive_blocks.h"
#include "shards/directory.h"
#include "support/staged.h"
#include "wire/abort_chunk.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

// ---------------------------------------------------------------- class 4: lifetime

class CveClass4Lifetime : public InEachState {};

// CVE-2017-5986, CVE-2017-6353: a wait for room in the send buffer outlived the association. Here
// nobody waits: an id that is dead answers so, whatever is asked of it.
TEST_P(CveClass4Lifetime, ADeadIdAnswersNothing) {
  reach(GetParam());
  const AssocId id = host().assoc;
  ASSERT_EQ(host().shard().abort(now, id, {}), Status::kOk);
  const std::string before = picture();
  EXPECT_EQ(host().send(now, "late"), Status::kNoSuchAssociation);
  EXPECT_EQ(host().shard().shutdown(now, id), Status::kNoSuchAssociation);
  EXPECT_EQ(host().shard().abort(now, id, {}), Status::kNoSuchAssociation);
  EXPECT_EQ(host().shard().set_user(id, 1), Status::kNoSuchAssociation);
  EXPECT_EQ(host().shard().request_heartbeat(now, id, peer_address), Status::kNoSuchAssociation);
  host().shard().consumed(now, id, 1000);
  EXPECT_EQ(host().status(id).state, AssocState::kClosed);
  host().drain(now);
  EXPECT_EQ(host().texts.living(), 0) << "what was sent has come back";
}

// CVE-2017-15115, CVE-2021-23133: the next user of a slot was taken for the last one.
TEST_P(CveClass4Lifetime, TheNextAssociationInTheSlotIsAnother) {
  setup.shard.max_associations = 1;
  reach(GetParam());
  const AssocId old = host().assoc;
  host().shard().abort(now, old, {});
  listen();
  peer_tag = VerificationTag(0x3131);
  peer_ssn = 0;
  open();
  EXPECT_EQ(host().assoc.slot, old.slot);
  const std::string before = picture();
  EXPECT_EQ(host().shard().abort(now, old, {}), Status::kNoSuchAssociation);
  host().shard().consumed(now, old, 1 << 20);
  EXPECT_EQ(picture(), before);
}

// CVE-2019-8956: a list of associations was walked while one of them went. Here the packet ends the
// association, and the rest of the burst is still for it.
TEST_P(CveClass4Lifetime, ABurstGoesOnBehindTheEnd) {
  reach(GetParam());
  const Packet end = packet(host_tag, [](PacketWriter& w) { return wire::write_abort(w, false); });
  const Packet more = packet(host_tag, data({.text = "behind"}));
  const Packet bundle = packet(host_tag, [&](PacketWriter& w) {
    return wire::write_abort(w, false) && data({.text = "behind"})(w);
  });
  host().receive(now, std::vector<Packet>{bundle, more, end, more, bundle});
  EXPECT_EQ(host().shard().association_count(), 0u);
  EXPECT_TRUE(host().messages().empty());
  for (const Packet& one : listen()) {
    EXPECT_EQ(one.chunks()[0].flags, wire::kTagReflectedFlag) << "out of the blue now";
  }
}

// CVE-2026-46227: the endpoint closed while its associations were at work.
TEST_P(CveClass4Lifetime, AnEndpointClosesUnderItsAssociations) {
  reach(GetParam());
  ASSERT_EQ(host().shard().close_endpoint(host().endpoint), Status::kOk);
  EXPECT_EQ(host().shard().close_endpoint(host().endpoint), Status::kNoSuchEndpoint);
  EXPECT_EQ(host().state(), GetParam()) << "lives on";
  const IpAddress right = std::exchange(peer_address, ip("198.51.100.99"));
  send_init();
  EXPECT_EQ(hear(), "ABORT") << "takes no new ones";
  peer_address = right;
  host().shard().abort(now, host().assoc, {});
  listen();
  send_init();
  EXPECT_EQ(hear(), "ABORT");
  EXPECT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kNoSuchEndpoint);
}

// CVE-2023-2177, CVE-2021-46929: diagnosis of an association that is going.
TEST_P(CveClass4Lifetime, TimePassesOverWhatHasEnded) {
  reach(GetParam());
  const size_t before = host().events.size();
  for (int i = 0; i < 400 && host().shard().association_count() > 0; ++i) {
    wait(seconds(5));
    listen();
    for (const AssocId id : host().shard().associations()) EXPECT_EQ(host().status(id).id, id);
  }
  if (GetParam() == AssocState::kEstablished) return;  // its peer is silent: HEARTBEATs tell, late
  EXPECT_EQ(host().shard().association_count(), 0u) << "a peer that says nothing more";
  EXPECT_GT(host().events.size(), before);
}

INSTANTIATE_TEST_SUITE_P(All, CveClass4Lifetime, each_state(), state_of);

using CveClass4Reader = Staged;

TEST_F(CveClass4Reader, AKeptMessageOutlivesItsAssociation) {
  open();
  host().keep_messages = true;
  for (int i = 0; i < 10; ++i) tell_data(std::string(600, 'k'));
  EXPECT_EQ(host().shard().pool_usage().receive_blocks_used, 20u);
  host().shard().abort(now, host().assoc, {});
  listen();
  EXPECT_EQ(host().shard().pool_usage().receive_blocks_used, 20u) << "the reader has them";
  host().read_kept(now);
  EXPECT_EQ(host().shard().pool_usage().receive_blocks_used, 0u);
}

TEST_F(CveClass4Reader, AnAssociationMayComeAndGoInOnePacket) {
  for (uint32_t i = 0; i < 20; ++i) {
    peer_tag = VerificationTag(0x600 + i);
    peer_ssn = 0;
    send_init();
    take_init_ack(hear_one());
    const Write first = data({.text = "hello"});
    tell([&](PacketWriter& w) {
      return cookie_echo()(w) && first(w) && wire::write_abort(w, false);
    });
    EXPECT_EQ(host().count(EventKind::kAccepted), i + 1);
    EXPECT_EQ(host().count(EventKind::kLost), i + 1);
    EXPECT_EQ(host().shard().association_count(), 0u);
    listen();
  }
  EXPECT_EQ(host().messages().size(), 20u);
}

// ---------------------------------------------------------------- class 5: memory

class CveClass5MemoryAccounting : public Staged {
 protected:
  uint64_t blocks() { return host().shard().pool_usage().receive_blocks_used; }
  // What the window says is held.
  uint64_t charged() { return setup.profile.a_rwnd - host().status().a_rwnd; }
};

// CVE-2019-3874 (memory that nobody was charged for), pion#471 and #443 (chunks that cost nothing):
// what is charged is blocks of 512 bytes, the ones that are in use.
TEST_F(CveClass5MemoryAccounting, EachChunkIsChargedWhatItHolds) {
  setup.profile.a_rwnd = 256 * 1024;
  open();
  ++peer_tsn;  // a gap, so that all of them wait
  uint64_t expected = 0;
  for (const size_t size : {1, 2, 100, 400, 416, 417, 511, 512, 513, 833, 1000, 1400}) {
    tell(data({.text = std::string(size, 'x'), .flags = "B", .ssn = peer_ssn, .tsn = peer_tsn}));
    peer_tsn = peer_tsn + 2;
    expected += ReceiveBlocks::blocks_for(size);
    EXPECT_EQ(blocks(), expected) << size;
    EXPECT_EQ(charged(), expected * ReceiveBlock::kSize) << size;
    listen();
  }
  EXPECT_EQ(expected, 21u);
}

// One byte in a chunk of its own, as often as the peer likes: the window is full long before the
// memory is.
TEST_F(CveClass5MemoryAccounting, TinyChunksFillTheWindowNotTheMemory) {
  setup.profile.a_rwnd = 32 * 1024;
  open();
  const Tsn missing = peer_tsn;
  ++peer_tsn;
  for (int i = 0; i < 2000; ++i) tell(data({.text = "x", .ssn = static_cast<uint16_t>(i + 1)}));
  listen();
  EXPECT_EQ(blocks(), 64u);
  EXPECT_EQ(blocks() * ReceiveBlock::kSize, setup.profile.a_rwnd);
  EXPECT_EQ(host().count(Counter::k_drop_data_no_window), 2000u - 64u);
  EXPECT_EQ(host().status().a_rwnd, 0u);
  // The missing one comes, and all of it goes.
  tell(data({.text = "first", .ssn = 0, .tsn = missing}));
  EXPECT_EQ(host().messages().size(), 65u);
  EXPECT_EQ(blocks(), 0u);
  EXPECT_EQ(host().status().a_rwnd, setup.profile.a_rwnd);
}

TEST_F(CveClass5MemoryAccounting, AReaderThatDoesNotReadIsChargedToo) {
  setup.profile.a_rwnd = 32 * 1024;
  open();
  host().keep_messages = true;
  for (int i = 0; i < 1000; ++i) tell_data("x");
  listen();
  EXPECT_EQ(blocks(), 64u);
  EXPECT_EQ(host().status().a_rwnd, 0u);
  EXPECT_EQ(host().count(Counter::k_drop_data_no_window), 1000u - 64u);
  host().read_kept(now);
  EXPECT_EQ(blocks(), 0u);
  EXPECT_EQ(host().status().a_rwnd, setup.profile.a_rwnd);
}

// A message that never ends: it is cut off when it has filled the window, not later.
TEST_F(CveClass5MemoryAccounting, AMessageWithoutEndIsCutOff) {
  setup.profile.a_rwnd = 32 * 1024;
  open();
  uint64_t most = 0;
  tell(data({.text = std::string(400, 'x'), .flags = "B", .ssn = uint16_t{0}}));
  for (int i = 0; i < 500 && host().shard().association_count() == 1; ++i) {
    tell(data({.text = std::string(400, 'x'), .flags = "", .ssn = uint16_t{0}}));
    most = std::max(most, blocks());
    if (i < 60) listen();
  }
  EXPECT_EQ(most, 64u);
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
  EXPECT_EQ(blocks(), 0u);
}

// Gaps: as many as a SACK can name, and no more are remembered.
TEST_F(CveClass5MemoryAccounting, GapsAreBounded) {
  open();
  const Tsn first = peer_tsn;
  for (uint32_t i = 0; i < 1000; ++i) {
    tell(data({.text = "x", .flags = "BEU", .tsn = first + (2 * i + 1)}));
  }
  const std::vector<Packet> packets = listen();
  const auto sack_chunk = packets.back().find(ChunkType::kSack);
  ASSERT_TRUE(sack_chunk.has_value());
  EXPECT_EQ(wire::SackChunk::parse(*sack_chunk)->gap_count(), 128u);
  EXPECT_EQ(host().count(Counter::k_drop_data_beyond_tsn_range), 1000u - 128u);
  EXPECT_EQ(host().messages().size(), 128u) << "dropped ones are not delivered either";
}

TEST_F(CveClass5MemoryAccounting, FarTsnsAreNotRemembered) {
  open();
  const std::string before = picture();
  for (const uint32_t ahead : {65536u, 100000u, 0x7ffffffeu}) {
    tell(data({.text = "x", .tsn = peer_tsn + ahead}));
  }
  EXPECT_EQ(host().count(Counter::k_drop_data_beyond_tsn_range), 3u);
  EXPECT_EQ(picture(), before);
}

TEST_F(CveClass5MemoryAccounting, DuplicatesAreReportedUpToALimit) {
  open();
  tell_data();
  listen();
  const Packet many = packet(host_tag, [&](PacketWriter& w) {
    for (int i = 0; i < 80; ++i) {
      if (!data({.text = "x", .ssn = 0, .tsn = peer_tsn - 1})(w)) return false;
    }
    return true;
  });
  host().receive(now, many);
  const Packet answer = hear_one();
  EXPECT_EQ(wire::SackChunk::parse(*answer.find(ChunkType::kSack))->dup_count(), 16u);
  EXPECT_EQ(host().count(Counter::k_duplicate_tsns), 80u);
  EXPECT_EQ(host().messages().size(), 1u);
}

// Streams: what was negotiated binds, and using all of them holds no payload.
TEST_F(CveClass5MemoryAccounting, StreamsAreThoseThatWereNegotiated) {
  setup.profile.max_inbound_streams = 2048;
  peer_streams_out = 65535;
  open();
  EXPECT_EQ(host().status().inbound_streams, 2048);
  for (uint32_t stream = 0; stream < 3000; ++stream) {
    tell(data({.text = "x", .stream = static_cast<uint16_t>(stream), .ssn = uint16_t{0}}));
    if (stream % 64 == 0) listen();
  }
  EXPECT_EQ(host().messages().size(), 2048u);
  EXPECT_EQ(host().count(Counter::k_drop_bad_stream), 3000u - 2048u);
  EXPECT_EQ(blocks(), 0u);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

// pion#443: a chunk with a header and nothing else.
TEST_F(CveClass5MemoryAccounting, AChunkWithoutDataEndsTheAssociation) {
  open();
  tell(data({.text = ""}));
  EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kNoUserData});
  EXPECT_EQ(host().count(Counter::k_drop_empty_data), 1u);
  EXPECT_EQ(host().shard().association_count(), 0u);
}

// One association can't have more of the shard's buffers than its window; many of them no more than
// there are, and then whoever has most gives way, by name, until all have the same: whoever comes
// last is not worse off.
TEST_F(CveClass5MemoryAccounting, TheShardsBuffersAreOneBound) {
  setup.profile.a_rwnd = 64 * 1024;
  setup.shard.receive_buffer_bytes = 128 * 1024;
  setup.shard.inits_per_second_per_source = 0;
  for (uint16_t i = 0; i < 8; ++i) {
    peer_port = PortNumber(static_cast<uint16_t>(2000 + i));
    peer_tag = VerificationTag(0x800u + i);
    peer_tsn = Tsn(1);
    peer_ssn = 0;
    open();
    for (uint32_t n = 0; n < 100; ++n) {
      tell(data({.text = "x", .ssn = static_cast<uint16_t>(n + 1), .tsn = Tsn(2 + n)}));
    }
    listen();
    EXPECT_LE(blocks(), 256u);
  }
  EXPECT_EQ(blocks(), 256u);
  EXPECT_EQ(
      host().count(Counter::k_drop_data_no_memory) + host().count(Counter::k_drop_held_no_memory),
      800u - 256u);
  for (const AssocId id : host().shard().associations()) {
    const uint64_t held = setup.profile.a_rwnd - host().status(id).a_rwnd;
    EXPECT_NEAR(static_cast<double>(held), 32.0 * ReceiveBlock::kSize, 1.0 * ReceiveBlock::kSize);
  }
  EXPECT_STREQ(host().shard().receive_memory_fault(), nullptr);
  EXPECT_EQ(host().shard().association_count(), 8u);
}

// CVE-2014-4667: a count went down once more than up, and after some ends nobody could get in.
TEST_F(CveClass5MemoryAccounting, EndsAreCountedOnce) {
  setup.shard.max_associations = 4;
  setup.shard.inits_per_second_per_source = 0;
  for (uint32_t round = 0; round < 50; ++round) {
    for (uint16_t i = 0; i < 6; ++i) {
      peer_port = PortNumber(static_cast<uint16_t>(3000 + i));
      peer_tag = VerificationTag(0x9000 + 16 * round + i);
      send_init();
      take_init_ack(hear_one());
      tell(cookie_echo());
      ASSERT_EQ(hear(), i < 4 ? "COOKIE ACK" : "ABORT") << round << " " << i;
      ASSERT_EQ(host().shard().association_count(), std::min<size_t>(i + 1u, 4u));
    }
    EXPECT_EQ(host().count(Counter::k_curr_estab), 4u);
    for (const AssocId id : host().shard().associations()) host().shard().abort(now, id, {});
    listen();
    ASSERT_EQ(host().count(Counter::k_curr_estab), 0u);
  }
  EXPECT_EQ(host().count(Counter::k_drop_no_association_memory), 100u);
  EXPECT_EQ(host().count(Counter::k_aborteds), 200u);
}

// CVE-2014-3688: hundreds of chunks that each wanted an answer filled the output queue.
TEST_F(CveClass5MemoryAccounting, APacketOfManyChunksDrawsOnePacket) {
  open();
  for (const uint8_t type : {uint8_t{4}, uint8_t{0xc1}, uint8_t{0x80}, uint8_t{5}, uint8_t{9}}) {
    tell([&](PacketWriter& w) {
      for (int i = 0; i < 300; ++i) {
        if (!raw_chunk(type, {0, 1, 0, 4})(w)) return false;
      }
      return true;
    });
    EXPECT_LE(listen().size(), 1u) << int{type};
  }
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

// The other way: a peer that acknowledges nothing holds no more than the send buffer.
TEST_F(CveClass5MemoryAccounting, APeerThatAcknowledgesNothingHoldsTheSendBuffer) {
  setup.profile.send_buffer = 100000;
  peer_window = 1500;
  open();
  int accepted = 0;
  while (host().send(now, std::string(1000, 's')) == Status::kOk) ++accepted;
  EXPECT_EQ(accepted, 100);
  EXPECT_EQ(host().send(now, "x"), Status::kWouldBlock);
  listen();
  EXPECT_EQ(host().shard().pool_usage().messages_used, 100u);
  EXPECT_EQ(host().shard().pool_usage().chunks_used, 1u) << "its window binds";
  host().shard().abort(now, host().assoc, {});
  listen();
  EXPECT_EQ(host().count(EventKind::kSendFailed), 100u);
}

// A storm of SACKs that say nothing new makes nothing happen.
TEST_F(CveClass5MemoryAccounting, AStormOfSacksSendsNothing) {
  open();
  for (int i = 0; i < 40; ++i) ASSERT_EQ(host().send(now, std::string(1400, 's')), Status::kOk);
  const size_t first = listen().size();
  EXPECT_GE(first, 1u);
  const std::string before = picture();
  for (int i = 0; i < 200; ++i) {
    tell([&](PacketWriter& w) {
      for (int n = 0; n < 80; ++n) {
        if (!sack(host_tsn - 1)(w)) return false;
      }
      return true;
    });
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(host().count(Counter::k_drop_old_sack), 200u * 79u);
}

// What a second one says of the same packet, the first could have said.
TEST_F(CveClass5MemoryAccounting, OfAPacketsSacksTheFirstCounts) {
  open();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(host().send(now, "x"), Status::kOk);
  listen();
  tell([&](PacketWriter& w) { return sack(host_tsn)(w) && sack(host_tsn + 2)(w); });
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 1u);
  EXPECT_EQ(host().count(Counter::k_drop_old_sack), 1u);
  tell(sack(host_tsn + 2));
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 3u);
}

// Set-ups of our own that nobody answers: as many as there is room for, each with an end.
TEST_F(CveClass5MemoryAccounting, CallsThatNobodyAnswersAreBoundedAndEnd) {
  setup.shard.max_associations = 8;
  setup.profile.max_init_retransmits = 2;
  for (uint16_t i = 0; i < 20; ++i) {
    const PortNumber port(static_cast<uint16_t>(100 + i));
    EXPECT_EQ(host().connect(now, {peer_address}, port).status,
              i < 8 ? Status::kOk : Status::kOutOfResources);
  }
  EXPECT_EQ(host().count(Counter::k_refused_connects), 12u);
  listen();
  for (int i = 0; i < 20; ++i) {
    wait(seconds(1));
    listen();
  }
  EXPECT_EQ(host().shard().association_count(), 0u);
  EXPECT_EQ(host().count(EventKind::kConnectFailed), 8u);
  EXPECT_EQ(host().directory().size(), 0u);
}

}  // namespace
}  // namespace trunkline::test
