// SPDX-License-Identifier: BSD-3-Clause
// What each call may do in each state of a one-to-one socket, in the errnos of Linux 6.1; addresses
// and ports, alone.
#include "sockets/socket_object.h"

#include <gtest/gtest.h>

#include "program.h"
#include "sockets/linux_sctp.h"
#include "trunkline/stack/port_claim.h"
#include "trunkline/stack/random.h"

namespace trunkline::test {
namespace {

using sockets::ConnectPlan;
using sockets::FamilyView;
using sockets::OwnAddresses;
using sockets::PortBook;
using sockets::SocketAddress;
using sockets::SocketObject;
using sockets::SocketState;
using sockets::SocketWorld;
using Bytes = std::vector<uint8_t>;

IpAddress address(const char* text) {
  return *IpAddress::parse(text);
}

Bytes joined(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// ---------------------------------------------------------------- addresses

SocketAddress read(const Bytes& bytes) {
  SocketAddress out;
  EXPECT_TRUE(sockets::read_address(bytes, out));
  return out;
}

TEST(SocketAddresses, AreReadOneBehindTheOther) {
  SocketAddress one;
  EXPECT_FALSE(sockets::read_address({}, one));
  Bytes bytes = ipv4("192.0.2.1", 99);
  EXPECT_TRUE(sockets::read_address(bytes, one));
  EXPECT_EQ(one.address, address("192.0.2.1"));
  EXPECT_EQ(one.port, 99);
  EXPECT_EQ(one.size, 16u);
  bytes.pop_back();
  EXPECT_FALSE(sockets::read_address(bytes, one));
  bytes = ipv6("::ffff:192.0.2.1", 7, 3);
  EXPECT_TRUE(sockets::read_address(bytes, one));
  EXPECT_EQ(one.address, address("192.0.2.1"));
  EXPECT_TRUE(one.mapped);
  EXPECT_EQ(one.scope, 3u);
  bytes[0] = 77;  // no family of ours
  EXPECT_FALSE(sockets::read_address(bytes, one));
  std::vector<SocketAddress> list;
  EXPECT_FALSE(sockets::read_addresses({}, list));
  Bytes two = joined(ipv4("192.0.2.1", 1), ipv6("::1", 1));
  ASSERT_TRUE(sockets::read_addresses(two, list));
  EXPECT_EQ(list.size(), 2u);
  two.push_back(2);
  EXPECT_FALSE(sockets::read_addresses(two, list));
}

TEST(SocketAddresses, AllIsZerosOrUnspecified) {
  EXPECT_TRUE(sockets::means_all(Bytes(128)));
  EXPECT_TRUE(sockets::means_all(ipv4("0.0.0.0", 9)));
  EXPECT_TRUE(sockets::means_all(ipv6("::", 9)));
  EXPECT_FALSE(sockets::means_all(ipv4("10.0.0.1", 0)));
  EXPECT_FALSE(sockets::means_all(Bytes(1)));
}

TEST(SocketAddresses, AreJudgedAsLinuxDoes) {
  const OwnAddresses own({address("192.0.2.1"), address("2001:db8::1"), address("fe80::1")});
  const FamilyView v4{false, false, true};
  const FamilyView v6{true, false, true};
  const FamilyView v6_only{true, true, true};
  const FamilyView unmapped{true, false, false};
  const auto local = [&](const Bytes& bytes, const FamilyView& family) {
    return sockets::check_local(read(bytes), family, own);
  };
  EXPECT_EQ(local(ipv4("192.0.2.1", 1), v4), 0);
  EXPECT_EQ(local(ipv4("192.0.2.2", 1), v4), EADDRNOTAVAIL);
  EXPECT_EQ(local(ipv4("127.9.9.9", 1), v4), 0);
  EXPECT_EQ(local(ipv4("0.0.0.0", 1), v4), 0);
  EXPECT_EQ(local(ipv6("::1", 1), v4), EINVAL);
  EXPECT_EQ(local(ipv6("::ffff:192.0.2.1", 1), v4), EINVAL);
  EXPECT_EQ(local(ipv4("192.0.2.1", 1), v6), 0);
  EXPECT_EQ(local(ipv6("::ffff:192.0.2.1", 1), v6), 0);
  EXPECT_EQ(local(ipv6("::ffff:192.0.2.1", 1), unmapped), 0);
  EXPECT_EQ(local(ipv4("192.0.2.1", 1), v6_only), EINVAL);
  EXPECT_EQ(local(ipv6("2001:db8::1", 1), v6_only), 0);
  EXPECT_EQ(local(ipv6("2001:db8::2", 1), v6), EADDRNOTAVAIL);
  EXPECT_EQ(local(ipv6("fe80::1", 1), v6), EADDRNOTAVAIL);  // without a scope
  EXPECT_EQ(local(ipv6("fe80::1", 1, 2), v6), 0);
  const auto peer = [&](const Bytes& bytes, const FamilyView& family) {
    return sockets::check_peer(read(bytes), family);
  };
  EXPECT_EQ(peer(ipv4("192.0.2.77", 1), v4), 0);
  EXPECT_EQ(peer(ipv4("224.0.0.1", 1), v4), EINVAL);
  EXPECT_EQ(peer(ipv4("255.255.255.255", 1), v4), EINVAL);
  EXPECT_EQ(peer(ipv6("2001:db8::77", 1), v4), EINVAL);
  EXPECT_EQ(peer(ipv6("ff02::1", 1), v6), EINVAL);
  EXPECT_EQ(peer(ipv6("fe80::77", 1), v6), EINVAL);
  EXPECT_EQ(peer(ipv6("fe80::77", 1, 2), v6), 0);
  EXPECT_EQ(peer(ipv6("::ffff:192.0.2.7", 1), v6_only), EINVAL);
}

TEST(SocketAddresses, AreShownAsTheSocketSeesThem) {
  const FamilyView v4{false, false, true};
  const FamilyView v6{true, false, true};
  const FamilyView unmapped{true, false, false};
  EXPECT_EQ(text_of(sockets::name_of(address("192.0.2.1"), 5, v4)), "192.0.2.1:5");
  EXPECT_EQ(text_of(sockets::name_of(address("192.0.2.1"), 5, v6)), "[::ffff:192.0.2.1]:5");
  EXPECT_EQ(text_of(sockets::name_of(address("192.0.2.1"), 5, unmapped)), "192.0.2.1:5");
  EXPECT_EQ(text_of(sockets::wildcard_name(5, v4)), "0.0.0.0:5");
  EXPECT_EQ(text_of(sockets::wildcard_name(5, v6)), "[::]:5");
}

// ---------------------------------------------------------------- states

class ObjectTest : public ::testing::Test {
 protected:
  ObjectTest() {
    rights.ports = {{1024, 65535}};
    rights.connect_from_any = true;
    world.own = OwnAddresses({address("192.0.2.1"), address("192.0.2.2"), address("2001:db8::1")});
  }
  std::unique_ptr<SocketObject> make(bool ipv6 = false, uint32_t uid = 1000) {
    return std::make_unique<SocketObject>(world, ipv6, uid);
  }
  int listen(SocketObject& socket, int backlog = 5) {
    bool stops = false;
    return socket.listen(rights, backlog, stops);
  }
  int connect(SocketObject& socket, const Bytes& to = ipv4("192.0.2.9", 3868)) {
    return socket.connect(rights, to, {}, plan);
  }
  int shut(SocketObject& socket, int how) {
    bool receive = false;
    return socket.shut_down(how, receive);
  }
  int set(SocketObject& socket, int level, int name, int value) {
    sockets::OptionAnswer out;
    return socket.set_option(level, name, nullptr, 0, bytes_of(value), out);
  }
  int get(SocketObject& socket, int level, int name) {
    sockets::OptionAnswer out;
    int value = -1;
    EXPECT_EQ(socket.get_option(level, name, nullptr, 0, bytes_of(value), sizeof(value), out), 0);
    EXPECT_EQ(out.body.size(), sizeof(value));
    std::memcpy(&value, out.body.data(), sizeof(value));
    return value;
  }
  static std::string name(const SocketObject& socket) { return text_of(socket.local_name()); }

  SeededRandom random{3};
  PortTablePtr table = make_port_table();
  PortBook ports{*table, random};
  SocketWorld world{ports, {}, {}, {}, nullptr, {}, 100};
  SocketObject::Rights rights;
  ConnectPlan plan;
};

TEST_F(ObjectTest, IsBoundOnce) {
  auto socket = make();
  EXPECT_EQ(name(*socket), "0.0.0.0:0");
  EXPECT_EQ(socket->bind(rights, ipv4("192.0.2.7", 3000)), EADDRNOTAVAIL);
  EXPECT_EQ(socket->bind(rights, Bytes(3)), EINVAL);
  EXPECT_EQ(socket->bind(rights, ipv6("::1", 3000)), EINVAL);
  EXPECT_EQ(socket->bind(rights, ipv4("192.0.2.1", 80)), EACCES);
  Bytes of_unix = ipv4("192.0.2.1", 3000);
  of_unix[0] = AF_UNIX;
  EXPECT_EQ(socket->bind(rights, of_unix), EAFNOSUPPORT);
  EXPECT_EQ(socket->bind(rights, ipv4("192.0.2.1", 3000)), 0);
  EXPECT_EQ(socket->bind(rights, of_unix), EAFNOSUPPORT);
  EXPECT_EQ(name(*socket), "192.0.2.1:3000");
  EXPECT_EQ(socket->bind(rights, ipv4("192.0.2.2", 3000)), EINVAL);
  EXPECT_EQ(socket->bind(rights, Bytes(3)), EINVAL);
  auto other = make();
  EXPECT_EQ(other->bind(rights, ipv4("192.0.2.1", 3000)), EADDRINUSE);
  EXPECT_EQ(other->bind(rights, ipv4("0.0.0.0", 3000)), EADDRINUSE);
  EXPECT_EQ(other->bind(rights, ipv4("192.0.2.2", 3000)), 0);
  other = make();
  EXPECT_EQ(other->bind(rights, ipv4("192.0.2.1", 0)), 0);
  EXPECT_GE(other->bound().port, 1024);
  socket.reset();
  other = make();
  EXPECT_EQ(other->bind(rights, ipv4("192.0.2.1", 3000)), 0);
}

TEST_F(ObjectTest, PortsThatNobodyGrantedAreRefused) {
  rights.connect_from_any = false;
  auto socket = make();
  EXPECT_EQ(socket->bind(rights, ipv4("0.0.0.0", 0)), EACCES);
  EXPECT_EQ(listen(*socket), EACCES);
  EXPECT_EQ(connect(*socket), EACCES);
  EXPECT_EQ(socket->state(), SocketState::kFresh);
  EXPECT_EQ(socket->bind(rights, ipv4("0.0.0.0", 1023)), EACCES);
  EXPECT_EQ(socket->bind(rights, ipv4("0.0.0.0", 1024)), 0);
  EXPECT_EQ(connect(*socket), 0);
}

TEST_F(ObjectTest, SeveralAddresses) {
  auto socket = make();
  const Bytes two = joined(ipv4("192.0.2.1", 4000), ipv4("192.0.2.2", 4000));
  EXPECT_EQ(socket->bind_add(rights, {}), EINVAL);
  EXPECT_EQ(socket->bind_add(rights, two), 0);
  EXPECT_EQ(socket->addresses().size(), 2u);
  EXPECT_EQ(socket->bind_add(rights, ipv4("192.0.2.1", 4000)), EINVAL);  // it has it
  EXPECT_EQ(socket->bind_add(rights, ipv4("127.0.0.1", 4001)), EINVAL);  // another port
  EXPECT_EQ(socket->bind_add(rights, ipv4("0.0.0.0", 4000)), EINVAL);
  EXPECT_EQ(socket->bind_add(rights, ipv4("127.0.0.1", 0)), 0);
  EXPECT_EQ(socket->bind_remove(rights, ipv4("127.0.0.1", 5)), EINVAL);
  EXPECT_EQ(socket->bind_remove(rights, ipv4("127.0.0.2", 0)), EINVAL);
  EXPECT_EQ(socket->bind_remove(rights, joined(ipv4("127.0.0.1", 4000), ipv4("192.0.2.2", 0))), 0);
  EXPECT_EQ(socket->bind_remove(rights, ipv4("192.0.2.1", 4000)), EBUSY);
  // What was added before one that can't be is taken away again, but for the last one.
  auto other = make();
  EXPECT_EQ(other->bind_add(rights, joined(ipv4("192.0.2.2", 4000), ipv4("192.0.2.1", 4000))),
            EADDRINUSE);
  EXPECT_EQ(other->addresses(), std::vector{address("192.0.2.2")});
  EXPECT_EQ(other->bind_add(rights, joined(ipv4("127.0.0.3", 0), ipv4("192.0.2.1", 4000))),
            EADDRINUSE);
  EXPECT_EQ(other->addresses(), std::vector{address("192.0.2.2")});
  EXPECT_EQ(other->bind_add(rights, ipv4("127.0.0.4", 0)), 0);
  EXPECT_EQ(name(*other), "127.0.0.4:4000");
  // What was removed before one that can't be comes back, as the last.
  EXPECT_EQ(other->bind_remove(rights, joined(ipv4("192.0.2.2", 0), ipv4("127.0.0.9", 0))), EBUSY);
  EXPECT_EQ(other->addresses(), (std::vector{address("127.0.0.4"), address("192.0.2.2")}));
  EXPECT_EQ(other->bind_remove(rights, ipv4("0.0.0.0", 0)), EADDRNOTAVAIL);
}

// Without ASCONF, what is bound later is for associations that begin later.
TEST_F(ObjectTest, AddressesChangeWhileItLives) {
  auto socket = make();
  EXPECT_EQ(socket->bind(rights, ipv4("192.0.2.1", 4000)), 0);
  EXPECT_EQ(listen(*socket), 0);
  EXPECT_EQ(socket->bind_add(rights, ipv4("192.0.2.2", 4000)), 0);
  auto accepted = make();
  EXPECT_TRUE(accepted->accepted(*socket, address("192.0.2.9"), 4444));
  EXPECT_EQ(socket->bind_remove(rights, ipv4("192.0.2.1", 4000)), 0);
  EXPECT_EQ(socket->addresses(), std::vector{address("192.0.2.2")});
  EXPECT_EQ(accepted->addresses().size(), 2u);
  EXPECT_EQ(accepted->bind_add(rights, ipv4("127.0.0.1", 4000)), 0);
  EXPECT_EQ(accepted->bind_remove(rights, ipv4("192.0.2.2", 0)), 0);
  auto other = make();
  EXPECT_EQ(other->bind(rights, ipv4("127.0.0.1", 4000)), EADDRINUSE);
  EXPECT_EQ(other->bind(rights, ipv4("127.0.0.2", 4000)), 0);
}

TEST_F(ObjectTest, Listening) {
  auto socket = make();
  EXPECT_EQ(listen(*socket, 0), EINVAL);
  EXPECT_EQ(listen(*socket, 7), 0);
  EXPECT_NE(socket->bound().port, 0);
  EXPECT_EQ(socket->backlog(), 7u);
  EXPECT_EQ(listen(*socket, -1), 0);
  EXPECT_EQ(socket->backlog(), world.max_backlog);
  EXPECT_EQ(connect(*socket), EISCONN);
  bool stops = false;
  EXPECT_EQ(socket->listen(rights, 0, stops), 0);
  EXPECT_TRUE(stops);
  EXPECT_EQ(socket->state(), SocketState::kFresh);
  EXPECT_EQ(connect(*socket), 0);
}

// As on Linux, it goes on as it is, for ever.
TEST_F(ObjectTest, AListenerThatWasShutListensOn) {
  auto socket = make();
  EXPECT_EQ(listen(*socket, 7), 0);
  EXPECT_EQ(shut(*socket, SHUT_WR), 0);
  EXPECT_EQ(shut(*socket, SHUT_RD), EOPNOTSUPP);
  EXPECT_EQ(shut(*socket, 3), EINVAL);
  EXPECT_EQ(listen(*socket, 0), EINVAL);
  EXPECT_EQ(socket->state(), SocketState::kListening);
}

TEST_F(ObjectTest, Connecting) {
  auto socket = make();
  EXPECT_EQ(shut(*socket, SHUT_WR), ENOTCONN);
  EXPECT_EQ(connect(*socket, Bytes(1)), EINVAL);
  EXPECT_EQ(connect(*socket, ipv6("::1", 1)), EINVAL);
  EXPECT_EQ(connect(*socket, ipv4("224.0.0.1", 1)), EINVAL);
  EXPECT_EQ(connect(*socket, joined(ipv4("192.0.2.9", 1), ipv4("192.0.2.8", 2))), EINVAL);
  EXPECT_EQ(socket->peer_name().length, 0u);
  EXPECT_EQ(connect(*socket), 0);
  EXPECT_EQ(plan.peers, std::vector{address("192.0.2.9")});
  EXPECT_EQ(plan.peer_port, 3868);
  EXPECT_NE(socket->bound().port, 0);
  EXPECT_EQ(connect(*socket), EALREADY);
  EXPECT_EQ(listen(*socket), EINVAL);
  EXPECT_EQ(shut(*socket, SHUT_RDWR), ENOTCONN);
  EXPECT_EQ(socket->bind_add(rights, ipv4("192.0.2.1", 3868)), EINVAL);  // it has all
  socket->connect_failed();
  EXPECT_EQ(socket->state(), SocketState::kFresh);
  EXPECT_EQ(socket->peer_name().length, 0u);
  EXPECT_EQ(name(*socket), "0.0.0.0:" + std::to_string(socket->bound().port));
  socket->set_source(sockets::name_of(address("192.0.2.2"), 1, socket->family()));
  EXPECT_EQ(name(*socket), "192.0.2.2:" + std::to_string(socket->bound().port));
  EXPECT_EQ(socket->name_to_connect_from().length, 0u);
  EXPECT_EQ(connect(*socket), 0);
  socket->connected();
  EXPECT_EQ(text_of(socket->peer_name()), "192.0.2.9:3868");
  EXPECT_EQ(connect(*socket), EISCONN);
  EXPECT_EQ(listen(*socket), EINVAL);
  EXPECT_EQ(socket->bind(rights, ipv4("192.0.2.1", 3000)), EINVAL);
  EXPECT_EQ(shut(*socket, SHUT_WR), 0);
  socket->ended();
  EXPECT_EQ(connect(*socket), EISCONN);
  EXPECT_EQ(listen(*socket), EINVAL);
}

// SCTP_INIT beside a message is for its association alone.
TEST_F(ObjectTest, AnAssociationMayBeginInItsOwnWay) {
  auto socket = make();
  sctp_initmsg init{};
  init.sinit_num_ostreams = 3;
  init.sinit_max_attempts = 2;
  EXPECT_EQ(socket->connect(rights, ipv4("192.0.2.9", 3868), init, plan), 0);
  EXPECT_EQ(plan.profile.outbound_streams, 3);
  EXPECT_EQ(plan.profile.max_init_retransmits, 2);
  EXPECT_EQ(plan.profile.max_inbound_streams, socket->profile().max_inbound_streams);
  EXPECT_NE(socket->profile().outbound_streams, 3);
}

// What is said of associations meanwhile holds for the next one, what is said of the socket at
// once.
TEST_F(ObjectTest, OptionsWhileConnecting) {
  auto socket = make();
  EXPECT_EQ(connect(*socket), 0);
  sockets::OptionAnswer out;
  sctp_rtoinfo rto{};
  rto.srto_max = 7000;
  EXPECT_EQ(socket->set_option(IPPROTO_SCTP, SCTP_RTOINFO, nullptr, 0, bytes_of(rto), out), 0);
  EXPECT_FALSE(out.effects.any());
  set(*socket, IPPROTO_SCTP, SCTP_NODELAY, 1);
  EXPECT_EQ(socket->set_option(IPPROTO_SCTP, SCTP_EVENTS, nullptr, 0, Bytes{0, 1}, out), 0);
  socket->connected();
  EXPECT_EQ(socket->profile_in_force().rto_max, plan.profile.rto_max);
  EXPECT_FALSE(socket->profile_in_force().nagle);
  EXPECT_EQ(socket->options().current->events, 2u);
  socket->ended();
  EXPECT_EQ(socket->profile().rto_max, Duration(std::chrono::seconds(7)));
}

TEST_F(ObjectTest, ReuseOfAddressesIsAsLinuxHasIt) {
  const Bytes here = ipv4("0.0.0.0", 5000);
  auto one = make();
  auto two = make();
  set(*one, SOL_SOCKET, SO_REUSEADDR, 1);
  EXPECT_EQ(one->bind(rights, here), 0);
  EXPECT_EQ(two->bind(rights, here), EADDRINUSE);  // both must want it
  set(*two, SOL_SOCKET, SO_REUSEADDR, 1);
  EXPECT_EQ(get(*two, SOL_SOCKET, SO_REUSEADDR), 1);
  EXPECT_EQ(two->bind(rights, here), 0);
  EXPECT_EQ(listen(*one), 0);
  EXPECT_EQ(listen(*two), EADDRINUSE);
  auto three = make();
  set(*three, SOL_SOCKET, SO_REUSEADDR, 1);
  EXPECT_EQ(three->bind(rights, here), EADDRINUSE);  // one listens
  EXPECT_EQ(three->bind(rights, ipv4("192.0.2.1", 5000)), EADDRINUSE);
  // Accepted ones have the port, and let it be bound again, like their listener.
  auto accepted = make();
  EXPECT_TRUE(accepted->accepted(*one, address("192.0.2.9"), 4444));
  EXPECT_EQ(accepted->state(), SocketState::kEstablished);
  EXPECT_EQ(get(*accepted, SOL_SOCKET, SO_REUSEADDR), 1);
  one.reset();
  two.reset();
  auto plain = make();
  EXPECT_EQ(plain->bind(rights, here), EADDRINUSE);
  EXPECT_EQ(three->bind(rights, here), 0);
  // Nor need the addresses be the same.
  auto four = make();
  set(*four, SOL_SOCKET, SO_REUSEADDR, 1);
  EXPECT_EQ(four->bind(rights, ipv4("192.0.2.1", 5000)), 0);
  EXPECT_EQ(listen(*three), 0);
  EXPECT_EQ(listen(*four), EADDRINUSE);
  // Whoever came first must want it, too.
  auto first = make();
  EXPECT_EQ(first->bind(rights, ipv4("0.0.0.0", 5001)), 0);
  auto second = make();
  set(*second, SOL_SOCKET, SO_REUSEADDR, 1);
  EXPECT_EQ(second->bind(rights, ipv4("0.0.0.0", 5001)), EADDRINUSE);
}

TEST_F(ObjectTest, ReuseOfPortsIsOfOneUser) {
  const Bytes here = ipv4("192.0.2.1", 5000);
  auto one = make();
  set(*one, SOL_SOCKET, SO_REUSEPORT, 1);
  EXPECT_EQ(one->bind(rights, here), 0);
  EXPECT_EQ(set(*one, IPPROTO_SCTP, SCTP_REUSE_PORT, 1), EFAULT);  // too late
  auto two = make();
  // That is SO_REUSEADDR by another name.
  EXPECT_EQ(set(*two, IPPROTO_SCTP, SCTP_REUSE_PORT, 1), 0);
  EXPECT_EQ(get(*two, SOL_SOCKET, SO_REUSEADDR), 0);
  EXPECT_EQ(two->bind(rights, here), EADDRINUSE);
  set(*two, SOL_SOCKET, SO_REUSEPORT, 1);
  EXPECT_EQ(two->bind(rights, here), 0);
  auto foreign = make(false, 1001);
  set(*foreign, SOL_SOCKET, SO_REUSEPORT, 1);
  EXPECT_EQ(foreign->bind(rights, here), EADDRINUSE);
  EXPECT_EQ(listen(*one), 0);
  EXPECT_EQ(listen(*two), 0);
  // Some addresses in common are no group.
  auto three = make();
  set(*three, SOL_SOCKET, SO_REUSEPORT, 1);
  EXPECT_EQ(three->bind_add(rights, joined(here, ipv4("192.0.2.2", 5000))), 0);
  EXPECT_EQ(listen(*three), EEXIST);
}

// As SO_REUSEADDR, with which it may be mixed: with those that do not listen.
TEST_F(ObjectTest, SctpsReuseOfPorts) {
  const Bytes here = ipv4("192.0.2.1", 5000);
  auto one = make();
  EXPECT_EQ(set(*one, IPPROTO_SCTP, SCTP_REUSE_PORT, 1), 0);
  EXPECT_EQ(one->bind(rights, here), 0);
  auto two = make();
  set(*two, SOL_SOCKET, SO_REUSEPORT, 1);
  EXPECT_EQ(two->bind(rights, here), EADDRINUSE);
  set(*two, SOL_SOCKET, SO_REUSEADDR, 1);
  EXPECT_EQ(two->bind(rights, here), 0);
  EXPECT_EQ(listen(*one), 0);
  auto three = make();
  EXPECT_EQ(set(*three, IPPROTO_SCTP, SCTP_REUSE_PORT, 1), 0);
  EXPECT_EQ(three->bind(rights, here), EADDRINUSE);
}

// A client of the rings has a port: no socket gets it, and the other way round.
TEST_F(ObjectTest, PortsAreTheDaemons) {
  const std::vector all = {address("0.0.0.0")};
  const PortClaim foreign(*table, PortNumber(6000), all, 1001, random);
  auto socket = make();
  EXPECT_EQ(socket->bind(rights, ipv4("192.0.2.1", 6000)), EADDRINUSE);
  EXPECT_EQ(socket->bind(rights, ipv4("192.0.2.1", 6001)), 0);
  EXPECT_EQ(PortClaim(*table, PortNumber(6001), all, 1001, random).status(),
            Status::kAlreadyExists);
}

TEST_F(ObjectTest, BothFamilies) {
  auto socket = make(true);
  EXPECT_EQ(name(*socket), "[::]:0");
  EXPECT_EQ(socket->bind(rights, ipv6("::", 7000)), 0);
  auto old = make();
  EXPECT_EQ(old->bind(rights, ipv4("0.0.0.0", 7000)), EADDRINUSE);
  auto only = make(true);
  EXPECT_EQ(set(*only, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
  EXPECT_EQ(only->bind(rights, ipv6("::", 7001)), 0);
  EXPECT_EQ(set(*only, IPPROTO_IPV6, IPV6_V6ONLY, 0), EINVAL);
  EXPECT_EQ(name(*only), "[::]:7001");
  EXPECT_EQ(old->bind(rights, ipv4("0.0.0.0", 7001)), 0);
  EXPECT_EQ(connect(*only, ipv4("192.0.2.9", 1)), EINVAL);
  EXPECT_EQ(connect(*socket, ipv4("192.0.2.9", 1)), 0);
  EXPECT_EQ(text_of(socket->peer_name()), "[::ffff:192.0.2.9]:1");
}

// The profile is that of the configured endpoint or peer, with what the program chose.
TEST_F(ObjectTest, ProfilesOfTheConfigurationComeFirst) {
  world.default_profile.association_max_retrans = 11;
  world.ends.push_back({8000, {address("192.0.2.1")}, {}});
  world.ends[0].profile.association_max_retrans = 22;
  Profile of_peer;
  of_peer.association_max_retrans = 33;
  world.peers = std::make_shared<const PeerTable>(
      std::vector<PeerProfile>{{address("192.0.2.9"), 32, of_peer, 1}});
  auto socket = make();
  EXPECT_EQ(socket->profile().association_max_retrans, 11);
  EXPECT_EQ(socket->profile().scheduler, StreamScheduling::kFirstCome);
  EXPECT_TRUE(socket->profile().nagle);
  EXPECT_EQ(socket->bind(rights, ipv4("192.0.2.1", 8000)), 0);
  EXPECT_EQ(socket->profile().association_max_retrans, 22);
  EXPECT_EQ(connect(*socket), 0);
  EXPECT_EQ(plan.profile.association_max_retrans, 33);
  socket->connect_failed();
  set(*socket, IPPROTO_SCTP, SCTP_NODELAY, 1);
  EXPECT_EQ(connect(*socket, ipv4("192.0.2.8", 1)), 0);
  EXPECT_EQ(plan.profile.association_max_retrans, 22);
  EXPECT_FALSE(plan.profile.nagle);
}

}  // namespace
}  // namespace trunkline::test
