// SPDX-License-Identifier: BSD-3-Clause
// Two peers that list the same address, as those behind NATs do with their private ones. Both INITs
// were answered before either came back with its cookie: the second one's association is made
// without the address that the first one's has.
#include "support/pair.h"

namespace trunkline::test {
namespace {

const IpAddress kShared = ip("192.168.1.10");

struct Caller {
  IpAddress source;
  VerificationTag tag;
  std::vector<IpAddress> list = {kShared};
  VerificationTag host_tag{};
  std::vector<uint8_t> cookie{};
};

class SharedAddress : public Peer {
 protected:
  void be(const Caller& caller) {
    peer_address = caller.source;
    peer_tag = caller.tag;
    peer_list = caller.list;
    host_tag = caller.host_tag;
    cookie = caller.cookie;
  }
  void call(Caller& caller) {
    be(caller);
    send_init();
    take_init_ack(hear_one());
    caller.host_tag = host_tag;
    caller.cookie = cookie;
  }
  std::string echo(const Caller& caller) {
    be(caller);
    tell(cookie_echo());
    return hear();
  }
  static std::vector<IpAddress> remotes(const AssocStatus& status) {
    std::vector<IpAddress> out;
    for (const PathStatus& path : status.paths) out.push_back(path.remote);
    return out;
  }

  Caller first{ip("203.0.113.1"), VerificationTag(0x1001)};
  Caller second{ip("203.0.113.2"), VerificationTag(0x2002)};
};

TEST_F(SharedAddress, IsLeftOutOfTheSecondAssociation) {
  call(first);
  call(second);
  ASSERT_EQ(echo(first), "COOKIE ACK");
  const AssocId one = host().assoc;
  ASSERT_EQ(echo(second), "COOKIE ACK");
  const AssocId two = host().assoc;
  EXPECT_EQ(host().count(EventKind::kAccepted), 2u);
  EXPECT_EQ(remotes(host().status(one)), (std::vector{first.source, kShared}));
  EXPECT_EQ(remotes(host().status(two)), std::vector{second.source});
  EXPECT_EQ(host().count(Counter::k_addresses_taken), 1u);
  EXPECT_EQ(host().count(Counter::k_drop_cookie_collision), 0u);
  // Each hears its own.
  be(first);
  tell_data("from the first");
  be(second);
  peer_tsn = Tsn(1000);
  peer_ssn = 0;
  tell_data("from the second");
  EXPECT_EQ(host().messages().size(), 2u);
  // Again is acknowledged again, and left out again.
  listen();
  EXPECT_EQ(echo(second), "COOKIE ACK");
  EXPECT_EQ(host().shard().association_count(), 2u);
}

TEST_F(SharedAddress, IsLeftOutAmongOthersThatAreNot) {
  second.list = {ip("198.51.100.40"), kShared, ip("198.51.100.41")};
  call(first);
  call(second);
  ASSERT_EQ(echo(first), "COOKIE ACK");
  ASSERT_EQ(echo(second), "COOKIE ACK");
  EXPECT_EQ(remotes(host().status()),
            (std::vector{second.source, ip("198.51.100.40"), ip("198.51.100.41")}));
}

TEST_F(SharedAddress, EightPeersOfOnePrivateAddressAllGetIn) {
  std::vector<Caller> callers;
  for (uint32_t i = 0; i < 8; ++i) {
    callers.push_back(
        {IpAddress::ipv4(203, 0, 113, static_cast<uint8_t>(10 + i)), VerificationTag(0x3000 + i)});
  }
  for (Caller& caller : callers) call(caller);
  for (const Caller& caller : callers) EXPECT_EQ(echo(caller), "COOKIE ACK");
  EXPECT_EQ(host().count(EventKind::kAccepted), 8u);
  EXPECT_EQ(host().count(Counter::k_addresses_taken), 7u);
}

// Once the first one is gone, nothing is left of it.
// Once the first one is up, the second one's INIT looks like its restart with a new address, and
// that is what 5.2.2 has refused; nobody can tell the two apart before there is a cookie.
TEST_F(SharedAddress, WhoCallsWhileTheFirstOneLivesIsRefused) {
  call(first);
  ASSERT_EQ(echo(first), "COOKIE ACK");
  be(second);
  send_init();
  const std::vector<Packet> said = listen();  // and the first one is asked whether it lives
  ASSERT_EQ(said.size(), 2u);
  const Packet& answer = said[0];
  EXPECT_EQ(answer.names(), "ABORT");
  EXPECT_EQ(answer.destination, second.source);
  EXPECT_EQ(said[1].names(), "HEARTBEAT");
  EXPECT_EQ(answer.header().verification_tag, second.tag);
  EXPECT_EQ(host().count(Counter::k_restarts_refused), 1u);
  EXPECT_EQ(host().count(EventKind::kRestartRefused), 1u);
  EXPECT_EQ(host().shard().association_count(), 1u);
}

TEST_F(SharedAddress, IsFreeWhenTheFirstOneHasEnded) {
  call(first);
  call(second);
  ASSERT_EQ(echo(first), "COOKIE ACK");
  ASSERT_EQ(host().shard().abort(now, host().assoc, {}), Status::kOk);
  listen();
  ASSERT_EQ(echo(second), "COOKIE ACK");
  EXPECT_EQ(remotes(host().status()), (std::vector{second.source, kShared}));
}

// The COOKIE ECHO itself comes from the address that another one has: what goes there would reach
// that one. The peer is told, where its INIT ACK went, and need not wait for its timer.
TEST_F(SharedAddress, ThatTheCookieComesFromIsRefusedWhereTheInitCameFrom) {
  call(first);
  call(second);
  ASSERT_EQ(echo(first), "COOKIE ACK");
  be(second);
  peer_address = kShared;
  tell(cookie_echo());
  const Packet answer = hear_one();
  ASSERT_EQ(answer.names(), "ABORT");
  EXPECT_EQ(answer.destination, second.source);
  EXPECT_EQ(answer.source, host_address);
  EXPECT_EQ(answer.header().verification_tag, second.tag);
  EXPECT_EQ(answer.chunks()[0].flags, 0);
  EXPECT_EQ(host().shard().association_count(), 1u);
  EXPECT_EQ(host().count(Counter::k_drop_cookie_collision), 1u);
}

// Unless it would end the association that lives: a peer that has one address more than it said.
TEST_F(SharedAddress, NoAbortCarriesTheTagOfTheAssociationThatLives) {
  second.tag = first.tag;
  call(first);
  call(second);
  ASSERT_EQ(echo(first), "COOKIE ACK");
  for (const IpAddress& from : {kShared, second.source}) {
    be(second);
    peer_address = from;
    tell(cookie_echo());
    EXPECT_EQ(hear(), "") << from.to_string();
  }
  EXPECT_EQ(host().shard().association_count(), 1u);
  EXPECT_EQ(host().count(Counter::k_drop_cookie_collision), 2u);
}

// The same peer, as far as anybody can tell: 5.2.4 has no row for it, and it is discarded.
TEST_F(SharedAddress, AnEarlierCookieOfTheSameSourceIsDiscardedAsEver) {
  call(first);
  Caller again = first;
  again.tag = VerificationTag(0x1111);
  call(again);
  ASSERT_EQ(echo(again), "COOKIE ACK");
  EXPECT_EQ(echo(first), "");
  EXPECT_EQ(host().shard().association_count(), 1u);
  EXPECT_EQ(host().count(Counter::k_drop_cookie_collision), 1u);
}

TEST_F(SharedAddress, BudgetAndSilenceHoldForTheRefusal) {
  setup.out_of_blue = trunkline::OutOfBlue::kSilent;
  call(first);
  call(second);
  ASSERT_EQ(echo(first), "COOKIE ACK");
  be(second);
  peer_address = kShared;
  tell(cookie_echo());
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_cookie_collision), 1u);
}

// Called by us at an address that it lists, with no answer yet, the peer may be the one whose
// cookie this is: then it is one association that must come of it, and 5.2.4 has no row for the
// cookie.
TEST_F(SharedAddress, OfAPeerThatWeAreCallingIsTheSamePeers) {
  call(first);
  const ConnectResult called = host().connect(now, {kShared}, peer_port);
  ASSERT_EQ(called.status, Status::kOk);
  ASSERT_EQ(hear(), "INIT");
  EXPECT_EQ(echo(first), "");
  peer_address = kShared;
  tell(cookie_echo());
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_cookie_collision), 2u);
  EXPECT_EQ(host().shard().association_count(), 1u);
  // Once it has answered it is known to be another one.
  const AssocStatus calling = host().status(called.assoc);
  peer_address = kShared;
  peer_tag = VerificationTag(0x7777);
  cookie = {1, 2, 3};
  tell(calling.local_tag,
       [&](PacketWriter& w) { return wire::write_init_ack(w, init_fields(), {}, cookie); });
  ASSERT_EQ(hear(), "COOKIE ECHO");
  EXPECT_EQ(echo(first), "COOKIE ACK");
  EXPECT_EQ(remotes(host().status()), std::vector{first.source});
  EXPECT_EQ(host().shard().association_count(), 2u);
}

// The first one lives in another shard.
TEST_F(SharedAddress, IsLeftOutWhicheverShardTheFirstOneIsIn) {
  SeededRandom random(9);
  const DirectoryPtr directory = make_directory(random, 100);
  std::vector<std::unique_ptr<Host>> shards;
  for (uint16_t i = 0; i < 2; ++i) {
    HostSetup one = setup;
    one.shard.index = i;
    one.shard.count = 2;
    shards.push_back(std::make_unique<Host>(20 + i, one, now, directory.get()));
  }
  const auto call_at = [&](Host& shard, Caller& caller) {
    be(caller);
    shard.receive(now, packet(VerificationTag(0), [&](PacketWriter& w) {
                    return wire::write_init(w, init_fields(), peer_list);
                  }));
    take_init_ack(shard.transmit(now).at(0));
    caller.host_tag = host_tag;
    caller.cookie = cookie;
  };
  const auto echo_at = [&](Host& shard, const Caller& caller) {
    be(caller);
    shard.receive(now, packet(host_tag, cookie_echo()));
    return names(shard.transmit(now));
  };
  call_at(*shards[0], first);
  call_at(*shards[1], second);
  EXPECT_EQ(echo_at(*shards[0], first), "COOKIE ACK");
  EXPECT_EQ(echo_at(*shards[1], second), "COOKIE ACK");
  EXPECT_EQ(remotes(shards[1]->status()), std::vector{second.source});
  EXPECT_EQ(shards[1]->count(Counter::k_addresses_taken), 1u);
  // Or is being called from there.
  Caller third{ip("203.0.113.3"), VerificationTag(0x3003), {ip("192.168.1.30")}};
  call_at(*shards[1], third);
  const ConnectResult called = shards[0]->connect(now, third.list, peer_port);
  ASSERT_EQ(called.status, Status::kOk);
  ASSERT_EQ(names(shards[0]->transmit(now)), "INIT");
  EXPECT_EQ(echo_at(*shards[1], third), "");
  EXPECT_EQ(shards[1]->count(Counter::k_drop_cookie_collision), 1u);
  peer_address = third.list[0];
  peer_tag = VerificationTag(0x7777);
  cookie = {1, 2, 3};
  shards[0]->receive(now, packet(shards[0]->status(called.assoc).local_tag, [&](PacketWriter& w) {
                       return wire::write_init_ack(w, init_fields(), {}, cookie);
                     }));
  ASSERT_EQ(names(shards[0]->transmit(now)), "COOKIE ECHO");
  EXPECT_EQ(echo_at(*shards[1], third), "COOKIE ACK");
  EXPECT_EQ(remotes(shards[1]->status()), std::vector{third.source});
  for (auto& shard : shards) {
    shard->finish(now);
    EXPECT_EQ(shard->violation(), "");
  }
}

}  // namespace
}  // namespace trunkline::test
