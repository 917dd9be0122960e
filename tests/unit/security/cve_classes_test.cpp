// SPDX-License-Identifier: BSD-3-Clause
// The classes into which the CVEs of other SCTP stacks fall, told by the case that each descends
// from. Here: lengths and bounds (class 1), blind attacks on tags (class 6). State collisions are
// in cve_states_test.cpp, features that do not exist here in cve_absent_test.cpp, lifetime and
// memory in cve_memory_test.cpp.
#include "support/staged.h"
#include "wire/abort_chunk.h"
#include "wire/crc32c.h"
#include "wire/error_chunk.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

// A parameter or cause as bytes, its length field as given or right.
std::vector<uint8_t> tlv(uint16_t type, const std::vector<uint8_t>& value,
                         std::optional<uint16_t> length = std::nullopt) {
  std::vector<uint8_t> out(4);
  store_be16(out.data(), type);
  store_be16(out.data() + 2, length.value_or(static_cast<uint16_t>(4 + value.size())));
  out.insert(out.end(), value.begin(), value.end());
  out.resize((out.size() + 3) & ~size_t{3});
  return out;
}

std::vector<uint8_t> operator+(std::vector<uint8_t> a, const std::vector<uint8_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// ---------------------------------------------------------------- class 1: lengths and bounds

using CveClass1LengthsAndBounds = Staged;

class CveClass1InEachState : public InEachState {};

// CVE-2021-3655: chunks shorter than their type's fixed part were read all the same.
TEST_P(CveClass1InEachState, AChunkShorterThanItsFixedPartIsDropped) {
  reach(GetParam());
  const std::string before = picture();
  const struct {
    ChunkType type;
    size_t fixed;
  } table[] = {{ChunkType::kData, 12},        {ChunkType::kSack, 12},    {ChunkType::kHeartbeat, 4},
               {ChunkType::kHeartbeatAck, 4}, {ChunkType::kShutdown, 4}, {ChunkType::kError, 4},
               {ChunkType::kInit, 16},        {ChunkType::kInitAck, 16}};
  for (const auto& [type, fixed] : table) {
    for (size_t size = 0; size < fixed; ++size) {
      const VerificationTag tag = type == ChunkType::kInit ? VerificationTag(0) : host_tag;
      tell(tag, raw_chunk(static_cast<uint8_t>(type), std::vector<uint8_t>(size, 0)));
      ASSERT_EQ(hear(), "") << wire::chunk_name(type) << " of " << size;
      ASSERT_EQ(picture(), before) << wire::chunk_name(type) << " of " << size;
    }
  }
}

// CVE-2021-3655 again: the valueless chunks and those of fixed size, too long.
TEST_P(CveClass1InEachState, AChunkLongerThanItsTypeAllowsIsDropped) {
  reach(GetParam());
  const std::string before = picture();
  const uint64_t dropped = host().count(Counter::k_drop_bad_chunk);
  for (const ChunkType type : {ChunkType::kCookieAck, ChunkType::kShutdownAck}) {
    // 8.5.1 E: a SHUTDOWN ACK while opening is out of the blue.
    if (opening() && type == ChunkType::kShutdownAck) continue;
    tell(raw_chunk(static_cast<uint8_t>(type), {1, 2, 3, 4}));
  }
  tell(raw_chunk(static_cast<uint8_t>(ChunkType::kShutdown), std::vector<uint8_t>(8)));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(host().count(Counter::k_drop_bad_chunk), dropped + (opening() ? 2u : 3u));
}

// CVE-2016-9555: the first chunk's length was not checked before the packet was walked.
TEST_P(CveClass1InEachState, AFirstChunkThatEndsBeyondThePacketIsDropped) {
  reach(GetParam());
  const std::string before = picture();
  const Packet good = packet(host_tag, [&](PacketWriter& w) {
    return wire::write_sack(w, host_tsn - 1, peer_window, {}, {});
  });
  const uint64_t dropped = host().count(Counter::k_drop_chunk_length);
  for (const uint16_t length : std::initializer_list<uint16_t>{0, 1, 2, 3, 17, 100, 65535}) {
    host().receive(now, with_length(good, length));
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(host().count(Counter::k_drop_chunk_length), dropped + 7);
}

INSTANTIATE_TEST_SUITE_P(All, CveClass1InEachState, each_state(), state_of);

// CVE-2016-9555, as it was: out of the blue.
TEST_F(CveClass1LengthsAndBounds, OutOfTheBlueTheFirstChunksLengthIsCheckedToo) {
  const Packet good = packet(VerificationTag(7), raw_chunk(0xc1, {1, 2, 3, 4}));
  for (const uint16_t length : std::initializer_list<uint16_t>{0, 1, 2, 3, 9, 65535}) {
    host().receive(now, with_length(good, length));
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_chunk_length), 6u);
  EXPECT_EQ(host().count(Counter::k_out_of_blues), 0u);
}

// CVE-2014-7841: an INIT whose Set Primary holds a malformed address crashed the reader of the
// address. We do not know Set Primary (0xc004): it is reported, its inside is nobody's business.
TEST_F(CveClass1LengthsAndBounds, ASetPrimaryWithABrokenAddressIsReportedUnread) {
  const std::vector<uint8_t> bodies[] = {
      {}, {0, 0, 0, 1}, {0, 0, 0, 1, 0, 5, 0, 0}, {0, 0, 0, 1, 0, 6, 0, 20, 1, 2}};
  for (const auto& body : bodies) {
    const auto parameter = tlv(0xc004, body);
    send_init_with(parameter);
    const Packet answer = hear_one();
    ASSERT_EQ(answer.names(), "INIT ACK");
    const auto parsed = wire::InitChunk::parse(answer.chunks()[0], true);
    EXPECT_EQ(parsed.init.reported_by_peer, 1u);
  }
}

// CVE-2014-7841 and its like: any address parameter of the wrong size ends the INIT, in one answer.
TEST_F(CveClass1LengthsAndBounds, AnAddressOfAWrongSizeEndsTheInit) {
  for (const auto& [type, right] : {std::pair<uint16_t, size_t>{5, 4}, {6, 16}}) {
    for (size_t size = 0; size <= 24; ++size) {
      if (size == right) continue;
      send_init_with(tlv(type, std::vector<uint8_t>(size, 1)));
      const Packet answer = hear_one();
      EXPECT_EQ(answer.names(), "ABORT") << type << " " << size;
      EXPECT_EQ(answer.header().verification_tag, peer_tag);
    }
  }
  EXPECT_EQ(host().shard().association_count(), 0u);
}

// usrsctp walked an INIT's parameters twice, with different ideas of where they end
// (sctp_load_addresses_from_init). Here a walk that ends early gives no address to anybody.
TEST_F(CveClass1LengthsAndBounds, ParametersAreReadOnceAndInOneWay) {
  const auto address = tlv(5, {198, 51, 100, 77});
  const std::vector<uint8_t> inits[] = {
      address + tlv(0x8123, {1, 2, 3, 4}, uint16_t{400}),  // runs past the chunk
      address + tlv(0x8123, {}, uint16_t{3}),              // shorter than its header
      address + tlv(5, {198, 51, 100, 78}, uint16_t{6}),   // an address cut short
      tlv(0x8123, {1, 0, 5, 0}, uint16_t{5}) + address,    // its padding looks like one
  };
  for (size_t i = 0; i < 3; ++i) {
    send_init_with(inits[i]);
    EXPECT_EQ(hear(), "ABORT") << i;
  }
  send_init_with(inits[3]);
  take_init_ack(hear_one());
  tell(cookie_echo());
  ASSERT_EQ(host().state(), AssocState::kEstablished);
  std::vector<IpAddress> paths;
  for (const PathStatus& path : host().status().paths) paths.push_back(path.remote);
  EXPECT_EQ(paths, (std::vector{peer_address, ip("198.51.100.77")}));
}

// CVE-2018-5803: the INIT ACK's length was not checked when an INIT brought more than it can hold.
TEST_F(CveClass1LengthsAndBounds, AnInitThatAsksForTooLongAnAnswerGetsAShorterOne) {
  std::vector<uint8_t> parameters;
  for (uint16_t i = 0; i < 16; ++i) {
    parameters = parameters + tlv(static_cast<uint16_t>(0xc100 + i), std::vector<uint8_t>(4000, 9));
  }
  send_init_with(std::span(parameters).first(60000 & ~3u));
  EXPECT_EQ(hear(), "ABORT") << "the last one is cut";
  send_init_with(std::span(parameters).first(14 * 4004));
  const Packet answer = hear_one();
  ASSERT_EQ(answer.names(), "INIT ACK");
  EXPECT_LE(answer.bytes.size(), 1480u);
  const auto parsed = wire::InitChunk::parse(answer.chunks()[0], true);
  EXPECT_EQ(parsed.init.reported_by_peer, 0u);
  EXPECT_FALSE(parsed.init.cookie.empty());
}

// CVE-2014-3673: a malformed chunk was answered with an ERROR larger than the buffer for it.
TEST_F(CveClass1LengthsAndBounds, AReportHoldsAsMuchOfAChunkAsAPacketDoes) {
  open();
  for (const size_t size : {100, 1456, 1460, 1461, 9000, 60000}) {
    tell(raw_chunk(0xc1, std::vector<uint8_t>(size, 5)));
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "ERROR") << size;
    EXPECT_LE(answer.bytes.size(), 1480u) << size;
  }
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

// CVE-2021-3894, CVE-2022-0322: a chunk with odd lengths was sent back without room for its
// padding.
TEST_F(CveClass1LengthsAndBounds, ReportsOfUnpaddedChunksArePadded) {
  open();
  for (size_t size = 1; size <= 9; ++size) {
    Packet one = packet(host_tag, raw_chunk(0xc1, std::vector<uint8_t>(size, 5)));
    one.bytes.resize(12 + 4 + size);  // no padding at the end
    wire::write_checksum(one.bytes);
    host().receive(now, one);
    const Packet answer = hear_one();
    ASSERT_EQ(answer.names(), "ERROR") << size;
    EXPECT_EQ(answer.bytes.size(), 12 + 4 + 4 + ((4 + size + 3) & ~size_t{3}));
  }
}

// CVE-2026-53246: lengths inside the cookie were believed because it was ours once.
TEST_F(CveClass1LengthsAndBounds, OurOwnCookieIsUntrustedBytes) {
  peer_list = {ip("198.51.100.2")};
  send_init();
  take_init_ack(hear_one());
  const std::vector<uint8_t> good = cookie;
  uint64_t refused = 0;
  const auto refuse = [&](const char* what, size_t at) {
    tell(cookie_echo());
    ASSERT_EQ(hear(), "") << what << " " << at;
    ASSERT_EQ(host().count(Counter::k_drop_bad_cookie), ++refused) << what << " " << at;
  };
  for (size_t size = 1; size < good.size(); ++size) {
    cookie.assign(good.begin(), good.begin() + static_cast<ptrdiff_t>(size));
    refuse("cut to", size);
  }
  for (const size_t more : {1, 4, 17, 1000, 60000}) {
    cookie = good;
    cookie.resize(good.size() + more);
    refuse("longer by", more);
  }
  for (size_t at = 0; at < good.size(); ++at) {
    cookie = good;
    cookie[at] ^= 0x80;
    refuse("changed at", at);
  }
  EXPECT_EQ(host().shard().association_count(), 0u);
  cookie = good;
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
}

// CVE-2017-7558: more of an address was copied out than it has. What leaves us holds zeros there.
TEST_F(CveClass1LengthsAndBounds, UnusedBytesOfAnAddressAreZeroOnTheWire) {
  peer_list = {ip("198.51.100.2")};
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  host().advance(now);
  std::optional<wire::ChunkView> probe;
  const std::vector<Packet> packets = listen();
  for (const Packet& one : packets) {
    if (const auto found = one.find(ChunkType::kHeartbeat)) probe = found;
  }
  ASSERT_TRUE(probe.has_value());
  const auto heartbeat = wire::HeartbeatChunk::parse(*probe);
  ASSERT_TRUE(heartbeat.has_value());
  const auto address = heartbeat->info.subspan(10, 16);
  EXPECT_EQ(std::vector<uint8_t>(address.begin(), address.end()),
            (std::vector<uint8_t>{198, 51, 100, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

// A SACK whose counts claim more than it has, or that holds more than it counts.
TEST_F(CveClass1LengthsAndBounds, ASackWhoseCountsAreWrongIsDropped) {
  open();
  ASSERT_EQ(host().send(now, "x"), Status::kOk);
  listen();
  const std::string before = picture();
  for (const uint32_t counts : {0x00010000u, 0x00000001u, 0xffffffffu, 0xffff0000u, 0x0000ffffu}) {
    std::vector<uint8_t> value(12);
    store_be32(value.data(), host_tsn.value);
    store_be32(value.data() + 4, peer_window);
    store_be32(value.data() + 8, counts);
    tell(raw_chunk(static_cast<uint8_t>(ChunkType::kSack), value));
  }
  std::vector<uint8_t> longer(20);
  store_be32(longer.data(), host_tsn.value);
  tell(raw_chunk(static_cast<uint8_t>(ChunkType::kSack), longer));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(host().count(Counter::k_drop_bad_sack), 6u);
}

// An ERROR or ABORT whose causes run past it.
TEST_F(CveClass1LengthsAndBounds, CausesThatRunPastTheirChunkAreNotRead) {
  open();
  const std::string before = picture();
  for (const uint16_t length : std::initializer_list<uint16_t>{0, 3, 9, 65535}) {
    tell(raw_chunk(static_cast<uint8_t>(ChunkType::kError), tlv(3, {0, 0, 0, 9}, length)));
    tell(raw_chunk(static_cast<uint8_t>(ChunkType::kAbort), tlv(12, {0, 0, 0, 9}, length)));
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(host().count(Counter::k_drop_bad_chunk), 8u);
}

// ---------------------------------------------------------------- class 6: blind attacks on tags

using CveClass6BlindAttacks = Staged;
class CveClass6InEachState : public InEachState {};

std::vector<Write> one_of_each(Tsn tsn, Tsn cum) {
  wire::DataChunk chunk;
  chunk.beginning = chunk.ending = true;
  chunk.tsn = tsn;
  return {
      [chunk](PacketWriter& w) { return wire::write_data_header(w, chunk, 4) != nullptr; },
      [cum](PacketWriter& w) { return wire::write_sack(w, cum, 5000, {}, {}); },
      [](PacketWriter& w) { return wire::write_heartbeat(w, std::array<uint8_t, 4>{}); },
      [](PacketWriter& w) { return wire::write_heartbeat_ack(w, std::array<uint8_t, 4>{}); },
      [](PacketWriter& w) { return wire::write_abort(w, false); },
      [](PacketWriter& w) { return wire::write_abort(w, true); },
      [cum](PacketWriter& w) { return wire::write_shutdown(w, cum); },
      wire::write_cookie_ack,
      [](PacketWriter& w) { return wire::write_shutdown_complete(w, false); },
      [](PacketWriter& w) { return wire::write_shutdown_complete(w, true); },
      [](PacketWriter& w) {
        return wire::begin_error(w) && wire::append_stale_cookie(w, 5) && w.end_chunk();
      },
      [](PacketWriter& w) { return w.reserve_chunk(ChunkType{0xc1}, 0, 4) != nullptr; },
      [](PacketWriter& w) { return w.reserve_chunk(ChunkType::kInitAck, 0, 16) != nullptr; },
      [](PacketWriter& w) { return w.reserve_chunk(ChunkType::kSack, 0, 1) != nullptr; },
  };
}

// CVE-2021-3772: an invalid chunk with any tag ended associations, and the answer to an INIT with
// a bad one carried the association's tag.
TEST_P(CveClass6InEachState, NothingWithAWrongTagChangesAnything) {
  reach(GetParam());
  const std::string before = picture();
  const uint64_t dropped = host().count(Counter::k_drop_bad_tag);
  const auto writes = one_of_each(peer_tsn, host_tsn - 1);
  for (const Write& write : writes) {
    for (const uint32_t tag : {0u, 1u, host_tag.value ^ 1, host_tag.value + 1, 0xffffffffu}) {
      tell(VerificationTag(tag), write);
      ASSERT_EQ(hear(), "") << "no answer, lest the tag be guessed by it";
      ASSERT_EQ(picture(), before);
    }
  }
  EXPECT_EQ(host().count(Counter::k_drop_bad_tag), dropped + 5 * writes.size());
}

// A T-bit ABORT with a zero tag ended associations in COOKIE-WAIT, whose peer's tag is "zero"
// (git.proxmox.com 52688d6e).
TEST_P(CveClass6InEachState, AZeroTagIsNobodysTag) {
  reach(GetParam());
  const std::string before = picture();
  tell(VerificationTag(0), [](PacketWriter& w) { return wire::write_abort(w, true); });
  tell(VerificationTag(0), [](PacketWriter& w) { return wire::write_shutdown_complete(w, true); });
  tell(VerificationTag(0), [](PacketWriter& w) { return wire::write_abort(w, false); });
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(host().count(Counter::k_drop_bad_tag), 3u);
}

// The T bit must say the truth: our tag with it, or the peer's without, is no proof (8.5.1 B, C).
TEST_P(CveClass6InEachState, ATBitThatLiesIsNotBelieved) {
  reach(GetParam());
  const std::string before = picture();
  for (const Write& write :
       {Write([](PacketWriter& w) { return wire::write_abort(w, true); }),
        Write([](PacketWriter& w) { return wire::write_shutdown_complete(w, true); })}) {
    tell(host_tag, write);
  }
  for (const Write& write :
       {Write([](PacketWriter& w) { return wire::write_abort(w, false); }),
        Write([](PacketWriter& w) { return wire::write_shutdown_complete(w, false); })}) {
    tell(peer_tag, write);
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(host().count(Counter::k_drop_bad_tag), 4u);
}

// CVE-2021-3772: the ABORT that answers an impossible INIT carries the INIT's tag, not that of the
// association whose addresses it forged; and the association lives on.
TEST_P(CveClass6InEachState, AnImpossibleInitIsAnsweredWithItsOwnTag) {
  reach(GetParam());
  const std::string before = picture();
  peer_tag = VerificationTag(0x5a5a5a5a);
  peer_streams_in = 0;
  send_init();
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "ABORT");
  EXPECT_EQ(answer.header().verification_tag, peer_tag);
  EXPECT_EQ(answer.chunks()[0].flags, 0);
  EXPECT_EQ(picture(), before);
}

// An INIT with a good tag of ours in its header is no INIT (8.5.1 A).
TEST_P(CveClass6InEachState, AnInitWithATagIsDropped) {
  reach(GetParam());
  const std::string before = picture();
  tell(host_tag, [&](PacketWriter& w) { return wire::write_init(w, init_fields(), {}); });
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(host().count(Counter::k_drop_init_nonzero_tag), 1u);
}

// CVE-2021-3772 in COOKIE-WAIT: an INIT ACK needs the tag that our INIT told.
TEST_F(CveClass6BlindAttacks, AnInitAckThatGuessesOurTagIsDropped) {
  reach(AssocState::kCookieWait);
  const std::string before = picture();
  cookie = {1, 2, 3, 4};
  const Write init_ack = [&](PacketWriter& w) {
    return wire::write_init_ack(w, init_fields(), {}, cookie);
  };
  for (uint32_t guess = 1; guess <= 100; ++guess) {
    tell(VerificationTag(host_tag.value + guess), init_ack);
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
  tell(init_ack);
  EXPECT_EQ(hear(), "COOKIE ECHO");
}

// The tag is right, the INIT ACK is not: the ABORT carries the tag that the INIT ACK told.
TEST_F(CveClass6BlindAttacks, AnImpossibleInitAckIsAnsweredWithItsOwnTag) {
  reach(AssocState::kCookieWait);
  peer_tag = VerificationTag(0x5a5a5a5a);
  peer_streams_in = 0;
  cookie = {1, 2, 3, 4};
  tell([&](PacketWriter& w) { return wire::write_init_ack(w, init_fields(), {}, cookie); });
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "ABORT");
  EXPECT_EQ(answer.header().verification_tag, peer_tag);
  EXPECT_EQ(host().last(EventKind::kConnectFailed).reason, Reason::kPeerViolation);
}

INSTANTIATE_TEST_SUITE_P(All, CveClass6InEachState, each_state(), state_of);

}  // namespace
}  // namespace trunkline::test
