// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 9260, sections 3 to 3.2.2, that no part's own tests prove: who may share a packet,
// verification tags, padding, parameters that nobody knows.
#include "support/pair.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

constexpr auto kHeartbeat = [](PacketWriter& w) {
  return wire::write_heartbeat(w, std::array<uint8_t, 4>{});
};

// ---------------------------------------------------------------- what a whole conversation shows

class Section3Packet : public Pair {
 protected:
  // Both sides send whenever they can, some of it is lost, both fall silent, one closes.
  void converse() {
    z();
    ASSERT_EQ(dial().status, Status::kOk);
    bool greeted = false;
    size_t n = 0;
    eats = [&](const Packet&) {
      const bool up = z().state() == AssocState::kEstablished;
      if (up && !std::exchange(greeted, true)) z().send(now, "from the first moment");
      return up && ++n % 7 == 0;
    };
    run(seconds(2));
    for (size_t size = 1; size <= 9; ++size) {
      a().send(now, std::string(size, 'a'));
      z().send(now, std::string(1450 + size, 'z'));
    }
    run(minutes(2));
    a().send(now, "last");
    z().send(now, "last");
    ASSERT_EQ(a().shard().shutdown(now, a().assoc), Status::kOk);
    run(seconds(30));
    EXPECT_EQ(z().count(EventKind::kMessage), 10u);
    EXPECT_EQ(a().count(EventKind::kClosed) + z().count(EventKind::kClosed), 2u);
    eats = nullptr;
  }
  [[nodiscard]] bool seen(ChunkType type) const {
    return std::any_of(wire.begin(), wire.end(),
                       [&](const Packet& packet) { return packet.find(type).has_value(); });
  }
};

TEST_F(Section3Packet, EveryPacketCarriesTheTagThatItsReceiverChose) {
  converse();
  const auto tag_of = [&](ChunkType type) {
    for (const Packet& packet : wire) {
      if (const auto chunk = packet.find(type))
        return VerificationTag(load_be32(chunk->value.data()));
    }
    return VerificationTag(0);
  };
  const VerificationTag chosen_by_a = tag_of(ChunkType::kInit);
  const VerificationTag chosen_by_z = tag_of(ChunkType::kInitAck);
  ASSERT_NE(chosen_by_a.value, 0u);
  ASSERT_NE(chosen_by_z.value, 0u);
  for (const Packet& packet : wire) {
    const bool to_z = packet.source == a_setup.addresses[0];
    const bool is_init = packet.find(ChunkType::kInit).has_value();
    EXPECT_EQ(packet.header().verification_tag,
              is_init ? VerificationTag(0) : (to_z ? chosen_by_z : chosen_by_a))
        << packet.names();
  }
  for (const ChunkType type :
       {ChunkType::kInit, ChunkType::kInitAck, ChunkType::kCookieEcho, ChunkType::kCookieAck,
        ChunkType::kData, ChunkType::kSack, ChunkType::kHeartbeat, ChunkType::kHeartbeatAck,
        ChunkType::kShutdown, ChunkType::kShutdownAck, ChunkType::kShutdownComplete}) {
    EXPECT_TRUE(seen(type)) << wire::chunk_name(type);
  }
}

TEST_F(Section3Packet, InitInitAckAndShutdownCompleteTravelAlone) {
  converse();
  for (const ChunkType type :
       {ChunkType::kInit, ChunkType::kInitAck, ChunkType::kShutdownComplete}) {
    EXPECT_TRUE(seen(type)) << wire::chunk_name(type);
    for (const Packet& packet : wire) {
      if (!packet.find(type)) continue;
      EXPECT_EQ(packet.chunks().size(), 1u) << packet.names();
    }
  }
}

void expect_padding(std::span<const uint8_t> items, bool to_the_end) {
  while (items.size() >= 4) {
    const size_t length = load_be16(items.data() + 2);
    ASSERT_GE(length, 4u);
    ASSERT_LE(length, items.size());
    const size_t padding = -length & 3;
    if (length + padding > items.size()) {
      EXPECT_FALSE(to_the_end) << "the padding of a chunk is in the packet";
      return;
    }
    for (size_t i = 0; i < padding; ++i) EXPECT_EQ(items[length + i], 0) << length;
    items = items.subspan(length + padding);
  }
  EXPECT_TRUE(items.empty()) << "what follows is no item: more padding than three bytes?";
}

TEST_F(Section3Packet, PaddingSentIsZeroAndAtMostThreeBytes) {
  // A cookie and reports of odd sizes in the INIT ACK.
  z().receive(now, from_a(VerificationTag(0),
                          raw_init({VerificationTag(77), 10000, 1, 1, Tsn(1)},
                                   {0xc0, 0x77, 0, 5, 9, 9, 9, 9, 0xc0, 0x78, 0, 6, 9, 9, 9, 9})));
  const std::vector<Packet> answer = z().transmit(now);
  ASSERT_EQ(names(answer), "INIT ACK");
  converse();
  wire.push_back(answer[0]);
  for (const Packet& packet : wire) {
    const std::span<const uint8_t> bytes(packet.bytes);
    SCOPED_TRACE(packet.names());
    expect_padding(bytes.subspan(wire::kCommonHeaderSize), true);
    for (const wire::ChunkView& chunk : packet.chunks()) {
      if (chunk.type == ChunkType::kInit || chunk.type == ChunkType::kInitAck) {
        expect_padding(chunk.value.subspan(16), false);
      }
    }
  }
}

// ---------------------------------------------------------------- packets made by hand

class Section3PacketByHand : public Peer {};

TEST_F(Section3PacketByHand, TheirCompanyIsDroppedWithThemInEveryState) {
  cookie = {1, 2, 3};
  const Write init = [&](PacketWriter& w) { return wire::write_init(w, init_fields(), {}); };
  const Write init_ack = [&](PacketWriter& w) {
    return wire::write_init_ack(w, init_fields(), {}, cookie);
  };
  const Write complete = [](PacketWriter& w) { return wire::write_shutdown_complete(w, false); };
  for (const AssocState state : kEveryState) {
    reach(state);
    const AssocStatus before = host().status();
    uint64_t dropped = 0;
    for (const Write& alone : {init, init_ack, complete}) {
      for (const VerificationTag tag : {host_tag, VerificationTag(0)}) {
        tell(tag, [&](PacketWriter& w) { return alone(w) && kHeartbeat(w); });
        tell(tag, [&](PacketWriter& w) { return kHeartbeat(w) && alone(w); });
        tell(tag, [&](PacketWriter& w) { return alone(w) && alone(w); });
        dropped += 3;
      }
    }
    EXPECT_EQ(hear(), "") << state_name(state);
    EXPECT_EQ(host().count(Counter::k_drop_bundled_init), dropped) << state_name(state);
    EXPECT_EQ(host().state(), state);
    EXPECT_EQ(host().status().packets_received, before.packets_received);
    start_over();
  }
}

TEST_F(Section3PacketByHand, PaddingReceivedIsNotLookedAt) {
  // In parameters: a Supported Address Types of two bytes, then an address.
  tell(VerificationTag(0), raw_init(init_fields(), {0, 12, 0, 6, 0, 5, 0xff, 0xff,  //
                                                    0, 5, 0, 8, 198, 51, 100, 2}));
  take_init_ack(hear_one());
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  EXPECT_EQ(host().status().paths.size(), 2u);
  // In chunks: three bytes behind the first DATA.
  const Write first = data({.text = "1"});
  const Write second = data({.text = "2"});
  Packet both = packet(host_tag, [&](PacketWriter& w) { return first(w) && second(w); });
  std::fill_n(both.bytes.begin() + 12 + 17, 3, uint8_t{0xff});
  wire::write_checksum(both.bytes);
  host().receive(now, both);
  EXPECT_EQ(host().messages(), (std::vector<std::string>{"1", "2"}));
}

TEST_F(Section3PacketByHand, Type5IsAnIpv4AddressInEveryChunk) {
  setup.addresses = {ip("192.0.2.1"), ip("192.0.2.2")};
  const std::vector<uint8_t> first = {0, 5, 0, 8, 192, 0, 2, 1};
  const std::vector<uint8_t> second = {0, 5, 0, 8, 192, 0, 2, 2};
  const auto addresses = [](const Packet& packet) {
    std::vector<std::vector<uint8_t>> out;
    for (const wire::ParameterView& parameter : parameters_of(packet)) {
      if (static_cast<uint16_t>(parameter.type) != 5) continue;
      out.emplace_back(parameter.whole.begin(), parameter.whole.end());
    }
    return out;
  };
  // What we say, in INIT and INIT ACK.
  ASSERT_EQ(host().connect(now, {ip("203.0.113.1")}, peer_port).status, Status::kOk);
  const Packet init = hear_one();
  EXPECT_EQ(addresses(init), (std::vector{first, second}));
  peer_list = {peer_address, ip("198.51.100.2")};
  send_init();
  const Packet init_ack = hear_one();
  EXPECT_EQ(addresses(init_ack), (std::vector{first, second}));
  // What we are told in an INIT, and say again in an ABORT.
  take_init_ack(init_ack);
  tell(cookie_echo());
  listen();
  EXPECT_EQ(host().status().paths[1].remote, ip("198.51.100.2"));
  tell(VerificationTag(0), raw_init(init_fields(), {0, 5, 0, 8, 198, 51, 100, 77}));
  const std::vector<Packet> said = listen();
  ASSERT_EQ(names(said), "ABORT, HEARTBEAT");
  const Packet& abort = said[0];
  ASSERT_EQ(causes(abort), std::vector{CauseCode::kRestartWithNewAddresses});
  wire::CauseCursor cursor(abort.chunks()[0].value);
  const auto cause = cursor.next();
  EXPECT_EQ(std::vector<uint8_t>(cause->value.begin(), cause->value.end()),
            (std::vector<uint8_t>{0, 5, 0, 8, 198, 51, 100, 77}));
}

// ---------------------------------------------------------------- unknown parameters
// (3.2.1, 3.2.2)

// One parameter for each meaning of the two highest bits, and what is behind it an address.
struct UnknownCase {
  std::vector<uint8_t> parameter;
  bool reported;
  bool goes_on;
};
const UnknownCase kUnknownCases[] = {
    {{0x3f, 0xf0, 0, 4}, false, false},
    {{0x7f, 0xf0, 0, 6, 1, 2, 0, 0}, true, false},
    {{0xbf, 0xf0, 0, 8, 1, 2, 3, 4}, false, true},
    {{0xff, 0xf0, 0, 5, 1, 0, 0, 0}, true, true},
};

TEST_F(Section3PacketByHand, UnknownParametersOfAnInitAreReportedInTheInitAck) {
  for (const UnknownCase& c : kUnknownCases) {
    std::vector<uint8_t> parameters = c.parameter;
    parameters.insert(parameters.end(), {0, 5, 0, 8, 198, 51, 100, 2});
    tell(VerificationTag(0), raw_init(init_fields(), parameters));
    const Packet answer = hear_one();
    take_init_ack(answer);
    std::vector<std::vector<uint8_t>> reports;
    size_t cookies = 0;
    for (const wire::ParameterView& parameter : parameters_of(answer)) {
      if (parameter.type == wire::ParameterType::kUnrecognizedParameter) {
        reports.emplace_back(parameter.value.begin(), parameter.value.end());
      } else {
        EXPECT_EQ(parameter.type, wire::ParameterType::kStateCookie) << "and nothing unasked for";
        ++cookies;
      }
    }
    EXPECT_EQ(cookies, 1u);
    std::vector<uint8_t> whole = c.parameter;
    whole.resize(load_be16(&c.parameter[2]));
    ASSERT_EQ(reports.size(), c.reported ? 1u : 0u);
    if (c.reported) {
      EXPECT_EQ(reports[0], whole);
    }
    tell(cookie_echo());
    EXPECT_EQ(host().status().paths.size(), c.goes_on ? 2u : 1u) << int{c.parameter[0]};
    start_over();
  }
}

TEST_F(Section3PacketByHand, AsManyReportsAsFitComeWithTheInitAck) {
  // Three of 400 bytes and the cookie do: 1480 - 12 - 20 - 140 leaves room for three.
  std::vector<uint8_t> parameters;
  for (uint8_t i = 0; i < 5; ++i) {
    std::vector<uint8_t> one(400, i);
    one[0] = 0xc0;
    one[1] = i;
    store_be16(&one[2], 400);
    parameters.insert(parameters.end(), one.begin(), one.end());
  }
  tell(VerificationTag(0), raw_init(init_fields(), parameters));
  const Packet answer = hear_one();
  take_init_ack(answer);
  const auto parsed = wire::InitChunk::parse(answer.chunks()[0], true);
  EXPECT_EQ(parsed.init.reported_by_peer, 3u);
}

TEST_F(Section3PacketByHand, UnknownParametersOfAnInitAckAreReportedBehindTheCookieEcho) {
  for (const UnknownCase& c : kUnknownCases) {
    reach(AssocState::kCookieWait);
    std::vector<uint8_t> parameters = {0, 7, 0, 5, 9, 0, 0, 0};
    parameters.insert(parameters.end(), c.parameter.begin(), c.parameter.end());
    parameters.insert(parameters.end(), {0, 5, 0, 8, 198, 51, 100, 2});
    tell(raw_init(init_fields(), parameters, ChunkType::kInitAck));
    const Packet echo = hear_one();
    EXPECT_EQ(echo.names(), c.reported ? "COOKIE ECHO + ERROR" : "COOKIE ECHO");
    EXPECT_EQ(host().status().paths.size(), c.goes_on ? 2u : 1u) << int{c.parameter[0]};
    if (c.reported) {
      wire::CauseCursor cursor(echo.chunks()[1].value);
      const auto cause = cursor.next();
      EXPECT_EQ(cause->code, CauseCode::kUnrecognizedParameters);
      std::vector<uint8_t> whole = c.parameter;
      whole.resize(load_be16(&c.parameter[2]));
      EXPECT_EQ(std::vector<uint8_t>(cause->value.begin(), cause->value.end()), whole);
    }
    start_over();
  }
}

TEST_F(Section3PacketByHand, ACookieEchoBehindAnotherChunkIsPassedOver) {
  // Of an association that exists, and of none.
  open();
  tell([&](PacketWriter& w) { return wire::write_cookie_ack(w) && cookie_echo()(w); });
  EXPECT_EQ(hear(), "") << "else it were acknowledged";
  start_over();
  send_init();
  take_init_ack(hear_one());
  tell([&](PacketWriter& w) { return wire::write_cookie_ack(w) && cookie_echo()(w); });
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().shard().association_count(), 0u);
}

}  // namespace
}  // namespace trunkline::test
