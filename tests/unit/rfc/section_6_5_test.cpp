// SPDX-License-Identifier: BSD-3-Clause
// RFC 9260 sections 6.5 to 6.10: streams, order, checksum, fragments, bundles.
#include "sizes.h"
#include "support/pair.h"

namespace trunkline::test {
namespace {

std::vector<wire::DataChunk> data_of_all(const std::vector<Packet>& packets) {
  std::vector<wire::DataChunk> out;
  for (const Packet& packet : packets) {
    for (const wire::DataChunk& chunk : data_of(packet)) out.push_back(chunk);
  }
  return out;
}

// ---------------------------------------------------------------- 6.5, 6.6

class Section65 : public Peer {
 protected:
  void send(size_t size, Host::SendOptions options = {}) {
    ASSERT_EQ(host().send(now, std::string(size, 'x'), options), Status::kOk);
  }
};

TEST_F(Section65, TheSsnCountsOrderedMessagesOfEachStreamFromZero) {
  be_opened();
  send(1, {.stream = 3});
  send(1, {.stream = 3, .unordered = true});
  send(3000, {.stream = 3});
  send(1, {.stream = 4});
  send(1, {.stream = 3});
  std::map<uint16_t, std::vector<uint16_t>> ssns;
  const std::vector<Packet> packets = listen();
  for (const wire::DataChunk& chunk : data_of_all(packets)) {
    if (chunk.unordered || !chunk.beginning) continue;
    ssns[chunk.stream.value].push_back(static_cast<uint16_t>(chunk.mid.value));
  }
  EXPECT_EQ(ssns[3], (std::vector<uint16_t>{0, 1, 2}));
  EXPECT_EQ(ssns[4], (std::vector<uint16_t>{0}));
}

TEST_F(Section65, EveryChunkIsOnAStreamThatWasNegotiated) {
  peer_streams_in = 3;  // of the ten that the host would have
  be_opened();
  for (uint16_t stream = 0; stream < 12; ++stream) {
    EXPECT_EQ(host().send(now, "x", {.stream = stream}),
              stream < 3 ? Status::kOk : Status::kInvalidStream);
  }
  const std::vector<Packet> packets = listen();
  const auto chunks = data_of_all(packets);
  ASSERT_EQ(chunks.size(), 3u);
  for (const wire::DataChunk& chunk : chunks) EXPECT_LT(chunk.stream.value, 3u);
}

TEST_F(Section65, AnInvalidStreamIsReportedAtOnceEvenWhereTheSackIsNot) {
  open();
  tell_data();
  ASSERT_EQ(hear(), "SACK");
  tell(data({.stream = 10}));
  EXPECT_EQ(hear(), "ERROR");
  EXPECT_EQ(host().messages().size(), 1u);
  wait(milliseconds(50));
  const Packet later = hear_one();
  EXPECT_EQ(wire::SackChunk::parse(*later.find(ChunkType::kSack))->cum_tsn_ack, peer_tsn - 1);
}

TEST_F(Section65, OrderIsThatOfTheSsnWithinAStreamOnly) {
  open();
  tell(data({.text = "a2", .stream = 1, .ssn = 2}));
  tell(data({.text = "b0", .stream = 2, .ssn = 0}));
  tell(data({.text = "a1", .stream = 1, .ssn = 1}));
  EXPECT_EQ(host().messages(), (std::vector<std::string>{"b0"}))
      << "held, though no TSN is missing";
  tell(data({.text = "a0", .stream = 1, .ssn = 0}));
  EXPECT_EQ(host().messages(), (std::vector<std::string>{"b0", "a0", "a1", "a2"}));
}

// Counted serially, an SSN more than half the circle ahead would lie behind; but TSNs come from
// within 65,535, and so many messages may wait for the first.
TEST_F(Section65, MoreThanHalfTheCircleOfSsnsWaitsForTheFirst) {
  setup.profile.a_rwnd = 40u << 20;
  setup.shard.receive_buffer_bytes = 48ull << 20;
  open();
  const Tsn first = peer_tsn;
  ++peer_tsn;
  ++peer_ssn;
  for (int packets = 1; packets < 65535; packets += 69) {
    tell([&](PacketWriter& w) {
      for (int i = 0; i < 69 && peer_tsn.distance_from(first) < 65535; ++i) {
        if (!data({.text = std::to_string(peer_ssn)})(w)) return false;
      }
      return true;
    });
    ASSERT_EQ(host().state(), AssocState::kEstablished) << packets;
  }
  listen();
  EXPECT_TRUE(host().messages().empty());
  tell(data({.text = "0", .ssn = uint16_t{0}, .tsn = first}));
  const std::vector<std::string> messages = host().messages();
  ASSERT_EQ(messages.size(), 65535u);
  for (size_t i = 0; i < messages.size(); ++i) ASSERT_EQ(messages[i], std::to_string(i));
}

TEST_F(Section65, AnSsnThatWasGivenAlreadyEndsTheAssociation) {
  open();
  for (int i = 0; i < 3; ++i) tell_data();
  tell(data({.text = "again", .ssn = uint16_t{1}}));
  EXPECT_EQ(causes(listen().back()), std::vector{CauseCode::kProtocolViolation});
}

TEST_F(Section65, TheSsnOfUnorderedDataMeansNothing) {
  open();
  tell(data({.text = "u1", .flags = "BEU", .ssn = 777}));
  tell(data({.text = "u2a ", .flags = "BU", .ssn = 5}));
  tell(data({.text = "u2b ", .flags = "U", .ssn = 65535}));
  tell(data({.text = "u2c", .flags = "EU", .ssn = 0}));
  tell(data({.text = "o0", .ssn = 0}));
  tell(data({.text = "u3", .flags = "BEU", .ssn = 1}));
  tell(data({.text = "o1", .ssn = 1}));
  EXPECT_EQ(host().messages(), (std::vector<std::string>{"u1", "u2a u2b u2c", "o0", "u3", "o1"}));
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

// ---------------------------------------------------------------- 6.8

using Section68 = Section65;

TEST_F(Section68, EveryPacketCarriesTheChecksumOfItsBytes) {
  be_opened();
  for (const size_t size : {1u, 2u, 3u, 4u, 700u, 1452u}) {
    send(size);
    Packet packet = hear_one();
    EXPECT_EQ(packet.header().verification_tag, peer_tag);
    uint32_t told = 0;
    for (size_t i = 0; i < 4; ++i) {
      told |= uint32_t{std::exchange(packet.bytes[8 + i], uint8_t{0})} << (8 * i);
    }
    uint32_t crc = 0xffffffffu;  // appendix A, a bit at a time
    for (const uint8_t byte : packet.bytes) {
      crc ^= byte;
      for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
    }
    EXPECT_EQ(told, ~crc);
    tell(sack(last_tsn()));
  }
}

TEST_F(Section68, APacketWithAWrongChecksumNeverWas) {
  open();
  const Packet good = packet(host_tag, data({.text = "abcd", .flags = "BEI"}));
  for (size_t i = 0; i < good.bytes.size(); ++i) {
    Packet bad = good;
    bad.bytes[i] ^= 0x10;
    host().receive(now, bad);
    EXPECT_EQ(hear(), "");
  }
  EXPECT_EQ(host().count(Counter::k_checksum_errors), good.bytes.size());
  EXPECT_TRUE(host().messages().empty());
  host().receive(now, good);
  EXPECT_EQ(host().messages().size(), 1u);
}

// ---------------------------------------------------------------- 6.9

using Section69 = Section65;

TEST_F(Section69, FragmentsHaveConsecutiveTsnsOneSsnAndTheirFlags) {
  be_opened();
  for (const bool unordered : {false, true}) {
    send(2 * kLimit + 1, {.stream = 2, .unordered = unordered});
    const std::vector<Packet> packets = listen();
    const auto chunks = data_of_all(packets);
    ASSERT_EQ(chunks.size(), 3u);
    for (size_t i = 0; i < chunks.size(); ++i) {
      EXPECT_EQ(chunks[i].tsn, chunks[0].tsn + static_cast<uint32_t>(i));
      EXPECT_EQ(chunks[i].mid, chunks[0].mid);
      EXPECT_EQ(chunks[i].stream, StreamId(2));
      EXPECT_EQ(chunks[i].unordered, unordered);
      EXPECT_EQ(chunks[i].beginning, i == 0);
      EXPECT_EQ(chunks[i].ending, i == 2);
      EXPECT_LE(chunks[i].payload.size(), kLimit);
    }
    tell(sack(last_tsn()));
  }
}

TEST_F(Section69, FragmentsOfAMessageDoNotMixWithThoseOfAnother) {
  setup.profile.max_burst = 0;
  be_opened();
  for (uint16_t stream = 0; stream < 3; ++stream) send(2000, {.stream = stream});
  std::string seen;
  const std::vector<Packet> packets = listen();
  for (const wire::DataChunk& chunk : data_of_all(packets)) {
    if (chunk.beginning) seen += 'B';
    seen += std::to_string(chunk.stream.value);
    if (chunk.ending) seen += 'E';
  }
  // How often each is cut is not the point.
  EXPECT_EQ(seen.substr(0, 2), "B0");
  size_t open_messages = 0;
  for (const char c : seen) {
    if (c == 'B') ++open_messages;
    ASSERT_LE(open_messages, 1u) << seen;
    if (c == 'E') --open_messages;
  }
}

TEST_F(Section69, RoomForTheSackIsCountedIn) {
  be_opened();
  tell_data();
  ASSERT_EQ(hear(), "SACK");
  tell_data();
  send(2 * kLimit);
  const std::vector<Packet> packets = listen();
  ASSERT_EQ(names(packets), "SACK + DATA, DATA, DATA");
  EXPECT_EQ(packets[0].bytes.size(), kPacket);
  EXPECT_EQ(data_of(packets[0])[0].payload.size(), kLimit - 16);
}

TEST_F(Section69, ASecondMessageBeginsInThePacketOnlyIfMuchOfItFits) {
  be_opened();
  send(600);
  send(3000);
  const std::vector<Packet> packets = listen();
  ASSERT_EQ(data_of(packets[0]).size(), 2u);
  EXPECT_EQ(packets[0].bytes.size(), kPacket) << "600 + 836, with two headers, is a full packet";
  tell(sack(last_tsn()));
  send(1000);
  send(3000);
  EXPECT_EQ(data_of(listen()[0]).size(), 1u) << "a crumb costs more than it saves";
}

// ---------------------------------------------------------------- 6.10

using Section610 = Section65;

TEST_F(Section610, NoPacketExceedsThePath) {
  for (const uint16_t mtu : std::initializer_list<uint16_t>{576, 1280, 1500, 9000}) {
    setup.profile.path_mtu = mtu;
    setup.profile.max_burst = 0;
    HostSetup own = setup;
    own.port = PortNumber(7000);
    Host sender(mtu, own, now);
    Peer::host_port = own.port;
    ASSERT_EQ(sender.connect(now, {peer_address}, peer_port).status, Status::kOk);
    const auto init = wire::InitChunk::parse(sender.transmit(now).at(0).chunks()[0], false);
    host_tag = init.init.initiate_tag;
    cookie = {1};
    sender.receive(now, packet(host_tag, [&](PacketWriter& w) {
                     return wire::write_init_ack(w, init_fields(), {}, cookie);
                   }));
    sender.transmit(now);
    sender.receive(now, packet(host_tag, wire::write_cookie_ack));
    SeededRandom random(mtu);
    size_t full = 0;
    for (int i = 0; i < 300; ++i) {
      ASSERT_EQ(sender.send(now, std::string(1 + random.below(2u * mtu), 'x')), Status::kOk);
      if (random.below(3) == 0) {
        sender.receive(now, packet(host_tag, data({.flags = "BEU", .tsn = peer_tsn + 2})));
        peer_tsn = peer_tsn + 2;
      }
      const size_t largest = static_cast<size_t>((mtu - 20) & ~3);
      for (const Packet& out : sender.transmit(now)) {
        ASSERT_LE(out.bytes.size(), largest);
        full += out.bytes.size() == largest;
        Tsn last;
        bool first = true;
        bool data_seen = false;
        for (const wire::ChunkView& chunk : out.chunks()) {
          const auto parsed = wire::DataChunk::parse(chunk);
          ASSERT_TRUE(parsed || !data_seen) << "control chunks come first: " << out.names();
          if (!parsed) continue;
          data_seen = true;
          ASSERT_TRUE(first || parsed->tsn.after(last)) << "ascending";
          first = false;
          last = parsed->tsn;
        }
      }
      const Tsn cum = sender.status().next_tsn - 1;
      sender.receive(now, packet(host_tag, sack(cum)));
    }
    EXPECT_GT(full, 0u) << mtu;
    sender.finish(now);
    EXPECT_EQ(sender.violation(), "");
  }
}

TEST_F(Section610, ControlChunksComeFirst) {
  open();
  tell_data();
  ASSERT_EQ(hear(), "SACK");
  // The COOKIE ACK is lost, and the COOKIE ECHO comes again.
  tell_data();
  tell(cookie_echo());
  send(10);
  EXPECT_EQ(hear(), "COOKIE ACK + SACK + DATA");
}

TEST_F(Section610, ChunksAreProcessedInTheirOrder) {
  open();
  const Write one = data({.text = "before"});
  const Write two = data({.text = "behind"});
  tell([&](PacketWriter& w) { return one(w) && wire::write_shutdown(w, host_tsn - 1) && two(w); });
  EXPECT_EQ(host().messages(), std::vector<std::string>{"before"});
  EXPECT_EQ(host().count(Counter::k_drop_data_state), 1u) << "DATA behind a SHUTDOWN";
}

TEST_F(Section610, APartialChunkIsDropped) {
  open();
  Packet cut = packet(host_tag, data({.text = "0123456789", .flags = "BEI"}));
  const Packet whole = cut;
  for (size_t size = whole.bytes.size() - 4; size >= 16; size -= 4) {
    cut.bytes.resize(size);
    wire::write_checksum(cut.bytes);
    host().receive(now, cut);
  }
  EXPECT_TRUE(host().messages().empty());
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  host().receive(now, whole);
  EXPECT_EQ(host().messages().size(), 1u);
}

class Section610Pair : public Pair {};

TEST_F(Section610Pair, InitInitAckAndShutdownCompleteTravelAlone) {
  connect();
  for (int i = 0; i < 20; ++i) {
    a().send(now, std::string(1000, 'a'));
    z().send(now, std::string(1000, 'z'));
  }
  exchange();
  ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
  run(seconds(1));
  size_t seen = 0;
  for (const Packet& packet : wire) {
    for (const ChunkType alone :
         {ChunkType::kInit, ChunkType::kInitAck, ChunkType::kShutdownComplete}) {
      if (!packet.find(alone)) continue;
      ++seen;
      EXPECT_EQ(packet.chunks().size(), 1u) << packet.names();
    }
  }
  EXPECT_EQ(seen, 3u);
}

TEST_F(Section610Pair, AndAreDroppedWhereTheyDoNot) {
  connect();
  const VerificationTag tag = a().status().local_tag;
  const Write heartbeat = [](PacketWriter& w) {
    return w.reserve_chunk(ChunkType::kCookieAck, 0, 0) != nullptr;
  };
  const Write complete = [](PacketWriter& w) { return wire::write_shutdown_complete(w, false); };
  a().receive(now, from_z(tag, [&](PacketWriter& w) { return heartbeat(w) && complete(w); }));
  a().receive(now, from_z(tag, [&](PacketWriter& w) { return complete(w) && heartbeat(w); }));
  EXPECT_EQ(a().count(Counter::k_drop_bundled_init), 2u);
  EXPECT_EQ(a().count(Counter::k_drop_unexpected_shutdown), 0u);
  EXPECT_EQ(a().count(Counter::k_drop_unexpected_cookie_ack), 0u);
}

}  // namespace
}  // namespace trunkline::test
