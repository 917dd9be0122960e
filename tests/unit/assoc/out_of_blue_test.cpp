// SPDX-License-Identifier: BSD-3-Clause
// Packets that no association matches, rule by rule (RFC 9260 section 8.4), and tags that do not
// fit (8.5, 8.5.1); and what is dropped before any of that is asked.
#include "support/pair.h"
#include "wire/abort_chunk.h"
#include "wire/crc32c.h"
#include "wire/error_chunk.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

using OutOfBlue = Peer;
constexpr VerificationTag kStray{0xdeadbeef};

bool write_any(PacketWriter& w) {
  return wire::write_sack(w, Tsn(1), 1000, {}, {});
}

TEST_F(OutOfBlue, Rule1NotUnicastIsDropped) {
  const IpAddress right = peer_address;
  for (const char* bad : {"224.0.0.1", "255.255.255.255", "0.0.0.0"}) {
    peer_address = ip(bad);
    tell(kStray, write_any);
  }
  peer_address = right;
  host_address = ip("224.0.0.1");
  tell(kStray, write_any);
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_not_unicast), 4u);
}

TEST_F(OutOfBlue, Rule2AbortIsDropped) {
  for (const bool reflected : {false, true}) {
    tell(kStray, [&](PacketWriter& w) { return wire::write_abort(w, reflected); });
  }
  tell(kStray, [](PacketWriter& w) { return write_any(w) && wire::write_abort(w, false); });
  tell(kStray,
       [](PacketWriter& w) { return wire::write_shutdown_ack(w) && wire::write_abort(w, false); });
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_out_of_blue), 4u);
  EXPECT_EQ(host().count(Counter::k_out_of_blues), 4u);
}

TEST_F(OutOfBlue, Rule4CookieEchoIsJudgedByItsCookie) {
  cookie = std::vector<uint8_t>(200, 7);
  tell(kStray, cookie_echo());
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_bad_cookie), 1u);
}

TEST_F(OutOfBlue, Rule5ShutdownAckIsAnsweredWithShutdownComplete) {
  tell(kStray, wire::write_shutdown_ack);
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "SHUTDOWN COMPLETE");
  EXPECT_EQ(answer.header().verification_tag, kStray);
  EXPECT_EQ(answer.chunks()[0].flags, wire::kTagReflectedFlag);
  EXPECT_EQ(answer.source, host_address);
  EXPECT_EQ(answer.destination, peer_address);
  EXPECT_EQ(answer.header().source_port, host_port);
  EXPECT_EQ(answer.header().destination_port, peer_port);
}

TEST_F(OutOfBlue, Rule6ShutdownCompleteIsDropped) {
  tell(kStray, [](PacketWriter& w) { return wire::write_shutdown_complete(w, true); });
  tell(kStray, [](PacketWriter& w) { return wire::write_shutdown_complete(w, false); });
  EXPECT_EQ(hear(), "");
}

TEST_F(OutOfBlue, Rule7StaleCookieErrorAndCookieAckAreDropped) {
  tell(kStray, wire::write_cookie_ack);
  tell(kStray, [](PacketWriter& w) {
    return wire::begin_error(w) && wire::append_stale_cookie(w, 5) && w.end_chunk();
  });
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_out_of_blue), 2u);
}

TEST_F(OutOfBlue, Rule8AllElseIsAnsweredWithAReflectedAbort) {
  const Write all_else[] = {
      write_any,
      data({}),
      [](PacketWriter& w) { return wire::write_shutdown(w, Tsn(1)); },
      [](PacketWriter& w) { return wire::write_heartbeat(w, std::array<uint8_t, 4>{}); },
      [](PacketWriter& w) {
        return wire::begin_error(w) && wire::append_out_of_resource(w) && w.end_chunk();
      },
      [](PacketWriter& w) { return w.reserve_chunk(ChunkType{0xc7}, 0, 0) != nullptr; },
  };
  for (const Write& write : all_else) {
    tell(kStray, write);
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "ABORT");
    EXPECT_EQ(answer.header().verification_tag, kStray);
    EXPECT_EQ(answer.chunks()[0].flags, wire::kTagReflectedFlag);
  }
  EXPECT_EQ(host().count(Counter::k_oob_aborts_sent), std::size(all_else));
}

TEST_F(OutOfBlue, AnInitAckOutOfTheBlueIsAborted) {
  cookie = {1};
  tell(kStray, [&](PacketWriter& w) { return wire::write_init_ack(w, init_fields(), {}, cookie); });
  EXPECT_EQ(hear(), "ABORT");
}

TEST_F(OutOfBlue, AnswersAreLimitedByTheSecond) {
  setup.shard.out_of_blue_replies_per_second = 5;
  for (int i = 0; i < 20; ++i) tell(kStray, write_any);
  EXPECT_EQ(listen().size(), 5u);
  EXPECT_EQ(host().count(Counter::k_drop_oob_rate), 15u);
  wait(seconds(1));
  tell(kStray, write_any);
  EXPECT_EQ(hear(), "ABORT");
}

TEST_F(OutOfBlue, ZeroMeansSilence) {
  setup.shard.out_of_blue_replies_per_second = 0;
  tell(kStray, write_any);
  tell(kStray, wire::write_shutdown_ack);
  host_port = PortNumber(1);
  send_init();
  EXPECT_EQ(hear(), "");
}

// ---------------------------------------------------------------- tags that do not fit

TEST_F(OutOfBlue, AWrongTagIsDroppedInSilence) {
  open();
  const AssocStatus before = host().status();
  const Write writes[] = {data({.tsn = peer_tsn}),
                          sack(host_tsn),
                          wire::write_shutdown_ack,
                          wire::write_cookie_ack,
                          [](PacketWriter& w) { return wire::write_shutdown(w, Tsn(1)); },
                          [](PacketWriter& w) { return wire::write_abort(w, false); }};
  for (const Write& write : writes) {
    for (const VerificationTag tag : {VerificationTag(host_tag.value ^ 1), VerificationTag(0)}) {
      tell(tag, write);
    }
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_bad_tag), 2 * std::size(writes));
  EXPECT_EQ(host().status().cum_tsn_ack, before.cum_tsn_ack);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(OutOfBlue, AbortWithTheTBitNeedsThePeersTag) {
  open();
  tell(host_tag, [](PacketWriter& w) { return wire::write_abort(w, true); });
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  tell(VerificationTag(1), [](PacketWriter& w) { return wire::write_abort(w, true); });
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  tell(peer_tag, [](PacketWriter& w) { return wire::write_abort(w, false); });
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  tell(peer_tag, [](PacketWriter& w) { return wire::write_abort(w, true); });
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kReset);
}

TEST_F(OutOfBlue, AnAbortWithoutTheTBitNeedsOurTag) {
  open();
  tell(host_tag, [](PacketWriter& w) {
    return wire::begin_abort(w, false) && wire::append_user_initiated_abort(w, {}) && w.end_chunk();
  });
  const Seen lost = host().last(EventKind::kLost);
  EXPECT_EQ(lost.reason, Reason::kReset);
  EXPECT_EQ(lost.cause, 12u);
  EXPECT_EQ(hear(), "") << "never an answer to an ABORT";
}

TEST_F(OutOfBlue, AnAbortWithAMalformedCauseIsDiscarded) {
  open();
  tell(host_tag, [](PacketWriter& w) {
    uint8_t* const at = w.reserve_chunk(ChunkType::kAbort, 0, 4);
    store_be32(at, 0x000c0100);
    return true;
  });
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(OutOfBlue, TheRightTagFromAForeignAddressDoesNothing) {
  open();
  const Write write = data({});
  const IpAddress right = std::exchange(peer_address, ip("203.0.113.5"));
  tell(write);
  listen();
  peer_address = right;
  EXPECT_TRUE(host().messages().empty());
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

// It may be for an endpoint on the same port of another address, whose association has the same
// tag.
TEST_F(OutOfBlue, TheRightTagToAForeignAddressDoesNothing) {
  open();
  const uint64_t before = host().count(Counter::k_drop_bad_tag);
  const IpAddress right = std::exchange(host_address, ip("192.0.2.77"));
  tell(data({}));
  listen();
  host_address = right;
  EXPECT_TRUE(host().messages().empty());
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  EXPECT_EQ(host().count(Counter::k_drop_bad_tag), before + 1);
}

// 8.5.1 E
TEST_F(OutOfBlue, AShutdownAckWhileOpeningIsAnsweredAndNothingChanges) {
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  listen();
  tell(kStray, wire::write_shutdown_ack);
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "SHUTDOWN COMPLETE");
  EXPECT_EQ(answer.header().verification_tag, kStray);
  EXPECT_EQ(answer.chunks()[0].flags, wire::kTagReflectedFlag);
  EXPECT_EQ(host().state(), AssocState::kCookieWait);
  tell(host().status().local_tag, wire::write_shutdown_ack);
  EXPECT_EQ(hear(), "SHUTDOWN COMPLETE");
  EXPECT_EQ(host().state(), AssocState::kCookieWait);
}

// ---------------------------------------------------------------- before any association

TEST_F(OutOfBlue, DamagedPacketsAreDroppedByName) {
  const Packet good = packet(kStray, write_any);
  Packet damaged = good;
  damaged.bytes[20] ^= 1;
  host().receive(now, damaged);
  EXPECT_EQ(host().count(Counter::k_checksum_errors), 1u);
  for (size_t size = 0; size < 16; ++size) {
    Packet runt = good;
    runt.bytes.resize(size);
    host().receive(now, runt);
  }
  EXPECT_EQ(host().count(Counter::k_drop_runt), 16u);
  for (const size_t at : {size_t{0}, size_t{2}}) {
    Packet zero_port = good;
    store_be16(&zero_port.bytes[at], 0);
    wire::write_checksum(zero_port.bytes);
    host().receive(now, zero_port);
  }
  EXPECT_EQ(host().count(Counter::k_drop_zero_port), 2u);
  for (const unsigned length : {0u, 3u, 100u}) {
    Packet bad_length = good;
    store_be16(&bad_length.bytes[14], static_cast<uint16_t>(length));
    wire::write_checksum(bad_length.bytes);
    host().receive(now, bad_length);
  }
  EXPECT_EQ(host().count(Counter::k_drop_chunk_length), 3u);
  EXPECT_EQ(hear(), "");
}

TEST_F(OutOfBlue, ThePortsVerdictOnTheChecksumIsBelieved) {
  Packet wrong = packet(kStray, wire::write_shutdown_ack);
  wrong.bytes[8] ^= 1;
  const auto receive_as = [&](ChecksumState state) {
    const PacketIn in{wrong.source, wrong.destination, wrong.bytes, state};
    host().shard().receive(now, {&in, 1});
  };
  receive_as(ChecksumState::kGood);
  EXPECT_EQ(hear(), "SHUTDOWN COMPLETE");
  receive_as(ChecksumState::kUnchecked);
  EXPECT_EQ(hear(), "");
  wrong.bytes[8] ^= 1;
  receive_as(ChecksumState::kBad);
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_checksum_errors), 2u);
}

}  // namespace
}  // namespace trunkline::test
