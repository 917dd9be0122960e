// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 9260, sections 5, 5.1, 5.1.1 and 5.3.1, that no part's own tests prove: who says
// what, where to, in which packet and how often, until an association is up.
#include "set_up.h"

namespace trunkline::test {
namespace {

using Section5Init = States;
using Times = std::vector<std::pair<int64_t, IpAddress>>;

Times times_of(const std::vector<std::pair<int64_t, Packet>>& packets, std::string_view name) {
  Times out;
  for (const auto& [at, packet] : packets) {
    EXPECT_EQ(packet.names(), name);
    out.emplace_back(at, packet.destination);
  }
  return out;
}

TEST_F(Section5Init, SaysATagThatIsRandomAndNotZero) {
  std::set<uint32_t> tags;
  std::set<uint32_t> top_bytes;
  for (uint16_t i = 0; i < 300; ++i) {
    ASSERT_EQ(host().connect(now, {peer_address}, PortNumber(3000 + i)).status, Status::kOk);
    const Packet init = hear_one();
    ASSERT_EQ(init.names(), "INIT");
    EXPECT_EQ(init.header().verification_tag.value, 0u);
    const auto said = wire::InitChunk::parse(init.chunks()[0], false).init;
    EXPECT_NE(said.initiate_tag.value, 0u);
    EXPECT_EQ(said.initiate_tag, host().status().local_tag);
    EXPECT_EQ(said.outbound_streams, setup.profile.outbound_streams);
    EXPECT_EQ(said.inbound_streams, setup.profile.max_inbound_streams);
    tags.insert(said.initiate_tag.value);
    top_bytes.insert(said.initiate_tag.value >> 24);
  }
  EXPECT_EQ(tags.size(), 300u);
  EXPECT_GT(top_bytes.size(), 150u) << "they come from the whole range";
}

TEST_F(Section5Init, NoDataBeforeTheHandshakeIsDone) {
  for (const AssocState state : {AssocState::kCookieWait, AssocState::kCookieEchoed}) {
    bring_to(state);
    EXPECT_EQ(host().send(now, "early"), Status::kOk);
    tell(data({.text = "early", .tsn = peer_tsn}));
    EXPECT_EQ(hear(), "");
    EXPECT_TRUE(host().messages().empty());
  }
  tell(wire::write_cookie_ack);
  EXPECT_EQ(host().send(now, "now"), Status::kOk);
  const std::vector<wire::DataChunk> sent = data_of(hear_one());
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].tsn, host_tsn);
  // The side that is called: an INIT alone makes no association.
  peer_port = PortNumber(7);
  send_init();
  take_init_ack(hear_one());
  tell_data("early");
  EXPECT_EQ(hear(), "ABORT");
  EXPECT_TRUE(host().messages().empty());
}

TEST_F(Section5Init, IsAnsweredWhereItCameFrom) {
  peer_list = {ip("198.51.100.2"), peer_address};
  send_init();
  const Packet answer = hear_one();
  ASSERT_EQ(answer.names(), "INIT ACK");
  EXPECT_EQ(answer.destination, peer_address);
  EXPECT_EQ(answer.source, host_address);
  EXPECT_EQ(answer.header().destination_port, peer_port);
  EXPECT_EQ(answer.header().source_port, host_port);
  EXPECT_EQ(answer.header().verification_tag, peer_tag);
  const auto said = wire::InitChunk::parse(answer.chunks()[0], true).init;
  EXPECT_NE(said.initiate_tag.value, 0u);
  EXPECT_FALSE(said.cookie.empty());
  EXPECT_EQ(said.outbound_streams, setup.profile.outbound_streams);
  EXPECT_EQ(said.inbound_streams, setup.profile.max_inbound_streams);
  tell(said.initiate_tag, [&](PacketWriter& w) { return wire::write_cookie_echo(w, said.cookie); });
  EXPECT_EQ(host().status().local_tag, said.initiate_tag) << "the tag it said is its tag";
}

// 5.1 C, but a HEARTBEAT is answered from here on (8.3).
TEST_F(Section5Init, InCookieEchoedOnlyHeartbeatsAreAnswered) {
  bring_to(AssocState::kCookieEchoed);
  const Write writes[] = {
      data({.tsn = peer_tsn}),
      sack(host_tsn - 1),
      unknown(0x7f),
      unknown(0xff),
      [&](PacketWriter& w) { return wire::write_shutdown(w, host_tsn - 1); },
      [](PacketWriter& w) {
        return wire::begin_error(w) && wire::append_out_of_resource(w) && w.end_chunk();
      },
      [](PacketWriter& w) { return wire::write_heartbeat_ack(w, std::array<uint8_t, 26>{}); },
  };
  for (const Write& write : writes) {
    tell(write);
    EXPECT_EQ(hear(), "") << &write - writes;
    EXPECT_EQ(host().state(), AssocState::kCookieEchoed);
  }
  tell(heartbeat);
  EXPECT_EQ(hear(), "HEARTBEAT ACK");
  EXPECT_EQ(names({overhear(seconds(1)).at(0).second}), "COOKIE ECHO");
}

TEST_F(Section5Init, TheCookieAckComesFirstInItsPacket) {
  send_init();
  take_init_ack(hear_one());
  const Write early = data({.text = "early"});
  tell([&](PacketWriter& w) { return cookie_echo()(w) && early(w); });
  ASSERT_EQ(host().send(now, "at once"), Status::kOk);
  EXPECT_EQ(hear(), "COOKIE ACK + SACK + DATA");
}

TEST_F(Section5Init, InitAndInitAckTravelAlone) {
  // Sent: an owed SACK does not join the INIT ACK.
  open();
  tell_data();
  peer_tag = VerificationTag(0x77);
  send_init();
  size_t init_acks = 0;
  for (const Packet& packet : listen()) {
    if (!packet.find(ChunkType::kInitAck)) continue;
    ++init_acks;
    EXPECT_EQ(packet.names(), "INIT ACK");
  }
  EXPECT_EQ(init_acks, 1u);
  // Received: neither may come first, or behind.
  bring_to(AssocState::kCookieWait);
  const std::string before = all_of_it();
  const Write init_ack = [&](PacketWriter& w) {
    return wire::write_init_ack(w, init_fields(), {}, some);
  };
  tell([&](PacketWriter& w) { return init_ack(w) && wire::write_cookie_ack(w); });
  tell([&](PacketWriter& w) { return wire::write_cookie_ack(w) && init_ack(w); });
  tell([&](PacketWriter& w) { return init_ack(w) && init_ack(w); });
  tell([&](PacketWriter& w) {
    return wire::write_cookie_ack(w) && wire::write_init(w, init_fields(), {});
  });
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(all_of_it(), before);
  EXPECT_EQ(host().count(Counter::k_drop_bundled_init), 4u);
}

TEST_F(Section5Init, EachNamedAddressBacksOffByItself) {
  const IpAddress one = peer_address;
  const IpAddress two = ip("198.51.100.2");
  ASSERT_EQ(host().connect(now, {one, two}, peer_port).status, Status::kOk);
  EXPECT_EQ(times_of(overhear(seconds(15)), "INIT"), (Times{{0, one},
                                                            {1000, two},
                                                            {2000, one},
                                                            {4000, two},
                                                            {6000, one},
                                                            {10000, two},
                                                            {14000, one}}));
}

TEST_F(Section5Init, CookieEchosTakeTurnsOfTheNamedAddresses) {
  const IpAddress one = peer_address;
  const IpAddress two = ip("198.51.100.2");
  peer_list = {one, two, ip("198.51.100.3")};  // nobody named the third
  ASSERT_EQ(host().connect(now, {one, two}, peer_port).status, Status::kOk);
  ASSERT_EQ(answer_up_to_cookie_echo().destination, one);
  EXPECT_EQ(times_of(overhear(seconds(7)), "COOKIE ECHO"),
            (Times{{1000, two}, {2000, one}, {4000, two}, {6000, one}}));
}

TEST_F(Section5Init, TheCookieEchoIsRepeatedUnderT1) {
  setup.profile.max_init_retransmits = 3;
  bring_to(AssocState::kCookieEchoed);
  const auto packets = overhear(seconds(60));
  EXPECT_EQ(times_of(packets, "COOKIE ECHO"),
            (Times{{1000, peer_address}, {3000, peer_address}, {7000, peer_address}}));
  for (const auto& [at, packet] : packets) {
    const auto value = packet.chunks()[0].value;
    EXPECT_EQ(std::vector<uint8_t>(value.begin(), value.end()), cookie);
    EXPECT_EQ(packet.header().verification_tag, peer_tag);
  }
  EXPECT_EQ(host().last(EventKind::kConnectFailed).reason, Reason::kTimedOut);
}

TEST_F(Section5Init, TheAckPointBeginsBelowTheFirstTsn) {
  for (const bool called : {false, true}) {
    called ? open() : be_opened();
    ASSERT_EQ(host().send(now, "first"), Status::kOk);
    EXPECT_EQ(data_of(hear_one()).at(0).tsn, host_tsn);
    tell(sack(host_tsn - 2));
    EXPECT_EQ(host().count(Counter::k_drop_old_sack), called ? 2u : 1u) << "below that point";
    tell(sack(host_tsn - 1));
    EXPECT_EQ(host().count(Counter::k_drop_old_sack), called ? 2u : 1u) << "that very point";
    EXPECT_EQ(host().count(EventKind::kSendAcknowledged), called ? 1u : 0u);
    tell(sack(host_tsn));
    EXPECT_EQ(host().count(EventKind::kSendAcknowledged), called ? 2u : 1u);
    peer_port = PortNumber(9);
    peer_tsn = Tsn(1000);
  }
}

TEST_F(Section5Init, StreamsEndAtTheLesserOfOfferAndLimit) {
  struct Row {
    uint16_t limit;
    uint16_t streams;
  };
  for (const Row& row : {Row{1, 1}, Row{3, 3}, Row{10, 10}, Row{65535, 10}}) {
    for (const bool called : {false, true}) {
      peer_streams_in = row.limit;
      peer_port = PortNumber(static_cast<uint16_t>(peer_port.value + 1));
      called ? open() : be_opened();
      EXPECT_EQ(host().status().outbound_streams, row.streams);
      const auto send = [&](uint16_t stream) { return host().send(now, "x", {.stream = stream}); };
      EXPECT_EQ(send(0), Status::kOk);
      EXPECT_EQ(send(static_cast<uint16_t>(row.streams - 1)), Status::kOk);
      EXPECT_EQ(send(row.streams), Status::kInvalidStream);
      listen();
    }
  }
}

TEST_F(Section5Init, AnExtensionIsAtMostASecondAboveTheRoundTrip) {
  struct Row {
    uint32_t stale_us;
    uint32_t asked_ms;
  };
  for (const Row& row : {Row{0, 300}, Row{700000, 1000}, Row{1000000, 1300}, Row{50000000, 1300},
                         Row{UINT32_MAX, 1300}}) {
    bring_to(AssocState::kCookieEchoed);
    wait(milliseconds(300));
    tell([&](PacketWriter& w) {
      return wire::begin_error(w) && wire::append_stale_cookie(w, row.stale_us) && w.end_chunk();
    });
    const Packet init = hear_one();
    ASSERT_EQ(init.names(), "INIT");
    EXPECT_EQ(wire::InitChunk::parse(init.chunks()[0], false).init.cookie_preservative_ms,
              row.asked_ms);
    host().shard().abort(now, host().assoc, {});
  }
}

// ---------------------------------------------------------------- tags (5.3.1)

using Section5Tags = States;

TEST_F(Section5Tags, StayForTheLifeOfTheAssociation) {
  open();
  const AssocStatus before = host().status();
  const auto own_cookie = cookie;
  const auto unchanged = [&] {
    EXPECT_EQ(host().status().local_tag, before.local_tag);
    EXPECT_EQ(host().status().peer_tag, before.peer_tag);
    for (const Packet& packet : listen()) {
      if (packet.find(ChunkType::kInitAck)) continue;
      EXPECT_EQ(packet.header().verification_tag, before.peer_tag) << packet.names();
    }
  };
  tell_data();
  host().send(now, "x");
  unchanged();
  tell(sack(host_tsn));
  tell(cookie_echo());
  unchanged();
  // An INIT of a new life alone changes no tag, nor does an INIT ACK that comes late.
  peer_tag = VerificationTag(0x99);
  send_init();
  unchanged();
  tell_init_ack();
  unchanged();
  overhear(minutes(2));
  EXPECT_EQ(host().status().local_tag, before.local_tag);
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  unchanged();
}

TEST_F(Section5Tags, AreNewForANewAssociation) {
  std::set<uint32_t> tags;
  for (int i = 0; i < 50; ++i) {
    i % 2 == 0 ? open() : be_opened();
    tags.insert(host().status().local_tag.value);
    host().shard().abort(now, host().assoc, {});
    listen();
    peer_tsn = Tsn(1000);
  }
  EXPECT_EQ(tags.size(), 50u);
}

// Zeros at first, where a number is asked for; then the numbers of another source.
class ZeroNumbers final : public RandomSource {
 public:
  void fill(std::span<uint8_t> out) override {
    if (out.size() == 4 && zeros > 0) {
      --zeros;
      std::fill(out.begin(), out.end(), uint8_t{0});
      return;
    }
    random_.fill(out);
  }
  int zeros = 0;

 private:
  SeededRandom random_{1};
};

TEST(Section5TagOfZero, IsDrawnAgain) {
  ZeroNumbers random;
  const DirectoryPtr directory = make_directory(random, 100);
  Shard shard(ShardConfig{}, *directory, random, kStart);
  EndpointConfig config;
  config.port = PortNumber(5000);
  config.addresses = {ip("192.0.2.1")};
  ConnectRequest request;
  request.endpoint = shard.add_endpoint(config).endpoint;
  const IpAddress peers[] = {ip("198.51.100.1")};
  request.peer_addresses = peers;
  request.peer_port = PortNumber(1);
  random.zeros = 3;
  const ConnectResult result = shard.connect(kStart, request);
  ASSERT_EQ(result.status, Status::kOk);
  AssocStatus status;
  ASSERT_TRUE(shard.status(result.assoc, status));
  EXPECT_EQ(random.zeros, 0);
  EXPECT_NE(status.local_tag.value, 0u);
  shard.abort(kStart, result.assoc, {});
  while (shard.next_event() != nullptr) {
  }
}

}  // namespace
}  // namespace trunkline::test
