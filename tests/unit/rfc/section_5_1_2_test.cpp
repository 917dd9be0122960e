// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 9260, sections 5.1.2, 5.1.3 and 5.1.5, that no part's own tests prove: which
// addresses a peer has, and what a State Cookie is good for.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "assoc/cookie.h"
#include "set_up.h"

namespace trunkline::test {
namespace {

using Addresses = std::vector<IpAddress>;

class Section5Addresses : public States {
 protected:
  void dial(const Addresses& named) {
    ASSERT_EQ(host().connect(now, named, peer_port).status, Status::kOk);
    take_init(hear_one());
  }
  // INIT or INIT ACK with a host name, and a cookie in the latter.
  Write with_host_name(ChunkType type) {
    return [=, this](PacketWriter& w) {
      if (!w.begin_chunk(type, 0)) return false;
      uint8_t* const at = w.append(16);
      store_be32(at, peer_tag.value);
      store_be32(at + 4, peer_window);
      store_be16(at + 8, peer_streams_out);
      store_be16(at + 10, peer_streams_in);
      store_be32(at + 12, peer_tsn.value);
      for (const IpAddress& address : peer_list) w.append_address(address);
      if (type == ChunkType::kInitAck) w.append_tlv(7, some);
      return w.append_tlv(11, std::array<uint8_t, 4>{'a', '.', 'b', 0}) && w.end_chunk();
    };
  }
};

TEST_F(Section5Addresses, WithoutAListTheSourceIsTheOnlyOne) {
  open();
  EXPECT_EQ(remotes(), Addresses{kOne});
  EXPECT_EQ(host().status().peer_port, peer_port);
  peer_port = PortNumber(1);
  be_opened();
  EXPECT_EQ(remotes(), Addresses{kOne});
  EXPECT_EQ(host().status().peer_port, PortNumber(1));
}

TEST_F(Section5Addresses, TheListAndTheSourceAreAllOfThem) {
  peer_list = {kTwo, kThree, kTwo};
  open();
  EXPECT_EQ(remotes(), (Addresses{kOne, kTwo, kThree})) << "an INIT's";
  peer_port = PortNumber(1);
  be_opened();
  EXPECT_EQ(remotes(), (Addresses{kOne, kTwo, kThree})) << "an INIT ACK's";
}

TEST_F(Section5Addresses, NothingGoesAnywhereElse) {
  peer_list = {kTwo};
  open();
  ASSERT_EQ(host().send(now, "never acknowledged"), Status::kOk);
  std::set<std::string> reached;
  for (const auto& [at, packet] : overhear(minutes(10))) {
    reached.insert(packet.destination.to_string());
    EXPECT_EQ(packet.header().destination_port, peer_port);
  }
  EXPECT_EQ(reached, (std::set<std::string>{"198.51.100.1", "198.51.100.2"}));
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kTimedOut);
}

TEST_F(Section5Addresses, AnInitBelongsToWhomItsListNames) {
  open();
  const std::string before = what_it_has();
  peer_address = ip("198.51.100.9");
  peer_tag = VerificationTag(0x55);
  send_init();
  EXPECT_EQ(hear(), "INIT ACK") << "a stranger";
  peer_list = {kTwo, kOne};
  send_init();
  const std::vector<Packet> said = listen();
  ASSERT_EQ(names(said), "ABORT, HEARTBEAT") << "one of us";
  EXPECT_EQ(causes(said[0]), std::vector{CauseCode::kRestartWithNewAddresses});
  EXPECT_EQ(said[1].destination, kOne) << "which is asked whether it lives";
  EXPECT_EQ(what_it_has(), before);
}

TEST_F(Section5Addresses, AnInitAckFromAnUnknownAddressIsKnownByItsList) {
  dial({kOne});
  peer_address = ip("198.51.100.9");
  peer_list = {kTwo};
  tell_init_ack();
  EXPECT_EQ(hear(), "") << "none of these addresses was asked";
  EXPECT_EQ(host().state(), AssocState::kCookieWait);
  peer_list = {kTwo, kOne};
  tell(VerificationTag(host_tag.value ^ 1),
       [&](PacketWriter& w) { return wire::write_init_ack(w, init_fields(), peer_list, some); });
  EXPECT_EQ(hear(), "") << "the tag must be ours in any case";
  tell_init_ack();
  const Packet echo = hear_one();
  EXPECT_EQ(echo.names(), "COOKIE ECHO");
  EXPECT_EQ(echo.destination, kOne) << "the only one that is known to be the peer's";
  peer_address = kOne;
  tell(wire::write_cookie_ack);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  EXPECT_EQ(remotes(), (Addresses{kOne, ip("198.51.100.9"), kTwo}));
}

TEST_F(Section5Addresses, AHostNameInAnInitAckEndsTheAttempt) {
  dial({kOne, kTwo});
  peer_address = kTwo;
  tell(with_host_name(ChunkType::kInitAck));
  const Packet answer = hear_one();
  EXPECT_EQ(answer.destination, kTwo) << "where the INIT ACK came from";
  EXPECT_EQ(answer.names(), "ABORT");
  EXPECT_EQ(answer.header().verification_tag, peer_tag);
  EXPECT_EQ(causes(answer), std::vector{CauseCode::kUnresolvableAddress});
  const Seen failed = host().last(EventKind::kConnectFailed);
  EXPECT_EQ(failed.reason, Reason::kPeerViolation);
  EXPECT_EQ(failed.cause, static_cast<uint16_t>(CauseCode::kUnresolvableAddress));
  EXPECT_EQ(host().shard().association_count(), 0u);
}

TEST_F(Section5Addresses, ABadInitIsRefusedWhereItCameFrom) {
  peer_list = {kTwo, kThree};
  tell(VerificationTag(0), with_host_name(ChunkType::kInit));
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "ABORT");
  EXPECT_EQ(answer.destination, peer_address);
  EXPECT_EQ(answer.source, host_address);
}

TEST_F(Section5Addresses, OfAMixedListTheFamilyThatWeSpeakIsUsed) {
  peer_list = {kTwo, ip("2001:db8::7"), kThree};
  send_init();
  const Packet answer = hear_one();
  EXPECT_EQ(wire::InitChunk::parse(answer.chunks()[0], true).init.reported_by_peer, 0u);
  take_init_ack(answer);
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  EXPECT_EQ(remotes(), (Addresses{kOne, kTwo, kThree}));
  peer_port = PortNumber(1);
  be_opened();  // which says that the COOKIE ECHO came with no ERROR
  EXPECT_EQ(remotes(), (Addresses{kOne, kTwo, kThree}));
}

TEST_F(Section5Addresses, OfAMixedListTheOtherFamilyToo) {
  setup.addresses = {ip("2001:db8::1")};
  host_address = ip("2001:db8::1");
  peer_address = ip("2001:db8::7");
  peer_list = {kTwo, ip("2001:db8::8")};
  open();
  EXPECT_EQ(remotes(), (Addresses{ip("2001:db8::7"), ip("2001:db8::8")}));
}

TEST_F(Section5Addresses, AFamilyThatIsUsedIsSupported) {
  setup.addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
  wire::InitOptions options;
  options.lists_ipv4 = true;
  const auto only_ipv4 = [&](PacketWriter& w) {
    return wire::write_init(w, init_fields(), peer_list, options);
  };
  // It says IPv4, and comes over IPv6.
  host_address = ip("2001:db8::1");
  peer_address = ip("2001:db8::7");
  tell(VerificationTag(0), only_ipv4);
  Packet answer = hear_one();
  EXPECT_EQ(answer.destination, peer_address);
  EXPECT_EQ(wire::InitChunk::parse(answer.chunks()[0], true).init.reported_by_peer, 0u);
  take_init_ack(answer);
  EXPECT_EQ(host_list, setup.addresses) << "both families are offered to it";
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  EXPECT_EQ(remotes(), Addresses{peer_address});
  // It says IPv4, comes over IPv4, and lists an IPv6 address.
  host_address = ip("192.0.2.1");
  peer_address = kOne;
  peer_list = {ip("2001:db8::9")};
  tell(VerificationTag(0), only_ipv4);
  answer = hear_one();
  EXPECT_EQ(wire::InitChunk::parse(answer.chunks()[0], true).init.reported_by_peer, 0u);
  take_init_ack(answer);
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  EXPECT_EQ(remotes(), (Addresses{kOne, ip("2001:db8::9")}));
}

// ---------------------------------------------------------------- the cookie (5.1.3, 5.1.5)

using Section5Cookie = States;

TEST_F(Section5Cookie, AloneMakesTheAssociation) {
  peer_list = {kTwo};
  peer_streams_out = 3;
  peer_streams_in = 4;
  send_init();
  const Packet answer = hear_one();
  take_init_ack(answer);
  ASSERT_EQ(host().shard().association_count(), 0u);
  wait(seconds(30));
  tell(cookie_echo());
  const AssocStatus status = host().status();
  EXPECT_EQ(status.state, AssocState::kEstablished);
  EXPECT_EQ(status.local_tag, host_tag);
  EXPECT_EQ(status.peer_tag, peer_tag);
  EXPECT_EQ(status.next_tsn, host_tsn);
  EXPECT_EQ(status.cum_tsn_ack, peer_tsn - 1);
  EXPECT_EQ(status.peer_rwnd, peer_window);
  EXPECT_EQ(status.inbound_streams, 3);
  EXPECT_EQ(status.outbound_streams, 4);
  EXPECT_EQ(status.peer_port, peer_port);
  EXPECT_EQ(status.local_port, host_port);
  EXPECT_EQ(remotes(), (Addresses{kOne, kTwo}));
}

// Remembers what it gave.
class Remembering final : public RandomSource {
 public:
  void fill(std::span<uint8_t> out) override {
    random_.fill(out);
    given.emplace_back(out.begin(), out.end());
  }
  std::vector<std::vector<uint8_t>> given;

 private:
  SeededRandom random_{5};
};

TEST(Section5CookieMac, IsHmacSha256UnderARandomKey) {
  Remembering random;
  CookieJar jar(random, kStart);
  ASSERT_EQ(random.given.size(), 1u);
  const std::vector<uint8_t> key = random.given[0];
  ASSERT_EQ(key.size(), 32u);
  Cookie cookie;
  cookie.created = kStart;
  cookie.peer_address_count = 1;
  cookie.peer_addresses[0] = cookie.local_address = kOne;
  std::array<uint8_t, CookieJar::kMaxSize> room{};
  const size_t size = jar.seal(kStart, cookie, room) - CookieJar::kMacSize;
  std::array<uint8_t, 32> mac{};
  unsigned length = 0;
  ASSERT_NE(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), room.data(), size,
                 mac.data(), &length),
            nullptr);
  EXPECT_EQ(length, CookieJar::kMacSize);
  EXPECT_TRUE(std::equal(mac.begin(), mac.end(), room.data() + size));
  // An hour later the key is another random one.
  jar.seal(kStart + std::chrono::hours(1), cookie, room);
  ASSERT_EQ(random.given.size(), 2u);
  EXPECT_NE(random.given[1], key);
}

bool holds(const std::vector<uint8_t>& bytes, VerificationTag tag) {
  std::array<uint8_t, 4> wanted{};
  store_be32(wanted.data(), tag.value);
  return std::search(bytes.begin(), bytes.end(), wanted.begin(), wanted.end()) != bytes.end();
}

TEST_F(Section5Cookie, TellsNoTagOfTheAssociationThatExists) {
  open();
  const AssocStatus status = host().status();
  EXPECT_TRUE(holds(cookie, status.local_tag)) << "of the association that it is for, it does";
  peer_tag = VerificationTag(0x55667788);
  send_init();
  take_init_ack(hear_one());
  EXPECT_TRUE(holds(cookie, peer_tag));
  EXPECT_FALSE(holds(cookie, status.local_tag));
  EXPECT_FALSE(holds(cookie, status.peer_tag));
}

TEST_F(Section5Cookie, IsSmall) {
  send_init();
  take_init_ack(hear_one());
  const size_t with_one = cookie.size();
  EXPECT_LE(with_one, 112u);
  for (uint8_t i = 2; i <= 8; ++i) {
    peer_list.push_back(IpAddress::ipv4(198, 51, 100, i));
    send_init();
    take_init_ack(hear_one());
    EXPECT_LE(cookie.size(), with_one + (i - 1u) * 5) << "the address, and its family";
  }
}

TEST_F(Section5Cookie, WhoseKeyIsGoneIsDroppedInSilence) {
  setup.profile.valid_cookie_life = std::chrono::hours(10);
  send_init();
  take_init_ack(hear_one());
  wait(std::chrono::hours(3));
  tell(cookie_echo());
  EXPECT_EQ(hear(), "") << "not even that it is stale";
  EXPECT_EQ(host().shard().association_count(), 0u);
  EXPECT_EQ(host().count(Counter::k_drop_bad_cookie), 1u);
}

TEST_F(Section5Cookie, ThatFailsTakesItsDataWithIt) {
  send_init();
  take_init_ack(hear_one());
  cookie.back() ^= 1;
  const Write early = data({.text = "early"});
  tell([&](PacketWriter& w) { return cookie_echo()(w) && early(w); });
  EXPECT_EQ(hear(), "");
  EXPECT_TRUE(host().events.empty());
}

TEST_F(Section5Cookie, ThatIsStaleTakesItsDataWithIt) {
  send_init();
  take_init_ack(hear_one());
  wait(seconds(61));
  const Write early = data({.text = "early"});
  tell([&](PacketWriter& w) { return cookie_echo()(w) && early(w); });
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "ERROR");
  EXPECT_EQ(causes(answer), std::vector{CauseCode::kStaleCookie});
  EXPECT_TRUE(host().events.empty());
  EXPECT_EQ(host().shard().association_count(), 0u);
}

}  // namespace
}  // namespace trunkline::test
