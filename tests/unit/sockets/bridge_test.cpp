// SPDX-License-Identifier: BSD-3-Clause
// Sockets between two real stacks: set-up, both directions, and what the page says of it.
#include <netinet/in.h>

#include "socket_test.h"

namespace trunkline::test {
namespace {

uint16_t port_of(const tls_name& name) {
  struct sockaddr_in at;
  std::memcpy(&at, name.bytes, sizeof(at));
  return ntohs(at.sin_port);
}

TEST_F(SocketTest, ConnectsAcceptsAndExchangesMessages) {
  Pair pair = establish();
  EXPECT_EQ(pair.client.page().state, TLS_ESTABLISHED);
  EXPECT_EQ(pair.server.page().state, TLS_ESTABLISHED);
  EXPECT_EQ(pair.client->mask(), "OUT");
  EXPECT_EQ(pair.server->mask(), "OUT");
  EXPECT_EQ(port_of(pair.client.page().peer), kPort.value);
  EXPECT_EQ(port_of(pair.server.page().local), kPort.value);
  EXPECT_EQ(port_of(pair.server.page().peer), port_of(pair.client.page().local));
  EXPECT_EQ(pair.client.page().outbound_streams, 10u);

  ASSERT_TRUE(pair.client->send("hello", 3, 17));
  ASSERT_TRUE(pair.server->send("welcome", 1, 18));
  net.turns(20);
  EXPECT_EQ(pair.server->mask(), "IN OUT");
  const auto at_server = pair.server->receive();
  ASSERT_TRUE(at_server.has_value());
  EXPECT_EQ(at_server->bytes, "hello");
  EXPECT_EQ(at_server->head.stream, 3);
  EXPECT_EQ(at_server->head.ppid, 17u);
  const auto at_client = pair.client->receive();
  ASSERT_TRUE(at_client.has_value());
  EXPECT_EQ(at_client->bytes, "welcome");
  EXPECT_EQ(pair.client->take_done(), 1u);
}

// ---------------------------------------------------------------- endpoints

TEST_F(SocketTest, AcceptedAssociationsOutliveTheirListener) {
  Pair pair = establish();
  at(right,
     [&](SocketBridge& b, TimePoint now) { b.unlisten(now, name(right, kPort), kListener); });
  ASSERT_TRUE(pair.client->send("still"));
  net.turns(20);
  EXPECT_EQ(pair.server->read_all(), "still");
  TestSocket late = make(left);
  ASSERT_EQ(connect(left, late, right), Status::kOk);
  ASSERT_TRUE(news(left, NewsKind::kFailed).has_value());
  EXPECT_EQ(late.page().error, static_cast<uint32_t>(ECONNREFUSED));
  // The same name again, while the association lives.
  listen(right);
  TestSocket next = make(left);
  ASSERT_EQ(connect(left, next, right), Status::kOk);
  EXPECT_TRUE(news(left, NewsKind::kConnected).has_value());
}

TEST_F(SocketTest, ListenersOfOnePortTakeTurns) {
  const auto listen_as = [&](uint64_t listener) {
    at(right, [&](SocketBridge& b, TimePoint) {
      EXPECT_EQ(b.listen(name(right, kPort), listener, 1, profile), Status::kOk);
    });
  };
  const auto waiting_for = [&] {
    TestSocket client = make(left);
    EXPECT_EQ(connect(left, client, right), Status::kOk);
    const auto waiting = news(right, NewsKind::kAccepted);
    return waiting ? waiting->listener : 0;
  };
  listen_as(1);
  listen_as(2);
  const uint64_t first = waiting_for();
  const uint64_t second = waiting_for();
  EXPECT_EQ(first + second, 3u);
  // Neither has room any more.
  TestSocket refused = make(left);
  ASSERT_EQ(connect(left, refused, right), Status::kOk);
  net.turns(50);
  EXPECT_EQ(counter(right, SocketCounter::k_refuse_accept_backlog), 1u);
  // What waits for one that stops is aborted, and what waits for the other one is not.
  at(right, [&](SocketBridge& b, TimePoint now) { b.unlisten(now, name(right, kPort), first); });
  const auto gone = news(right, NewsKind::kWithdrawn);
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->listener, first);
  EXPECT_FALSE(news(right, NewsKind::kWithdrawn, 20).has_value());
  at(right, [&](SocketBridge& b, TimePoint now) { b.unlisten(now, name(right, kPort), second); });
  EXPECT_TRUE(news(right, NewsKind::kWithdrawn).has_value());
}

TEST_F(SocketTest, AnEndpointIsThereWhileSomebodyUsesIt) {
  TestSocket first = make(left);
  TestSocket second = make(left);
  listen(right);
  ASSERT_EQ(connect(left, first, right, PortNumber(5000)), Status::kOk);
  ASSERT_EQ(connect(left, second, right, PortNumber(5001)), Status::kOk);
  net.turns(20);
  // Another owner may not have the port, until its last association is gone.
  Status status = Status::kOk;
  const auto theirs = [&](SocketBridge& b, TimePoint) {
    status = b.listen({kOwner + 1, PortNumber(5000), {left.host->address}}, 1, 1, profile);
  };
  at(left, theirs);
  EXPECT_EQ(status, Status::kAlreadyExists);
  close(left, first, true);
  EXPECT_TRUE(news(left, NewsKind::kGone).has_value());
  at(left, theirs);
  EXPECT_EQ(status, Status::kOk);
}

TEST_F(SocketTest, OneAssociationWithAPeerAndItsPort) {
  Pair pair = establish();
  TestSocket again = make(left);
  const uint16_t local = port_of(pair.client.page().local);
  EXPECT_EQ(connect(left, again, right, PortNumber(local)), Status::kAlreadyExists);
  EXPECT_EQ(again.page().state, TLS_FRESH);
  EXPECT_EQ(again->mask(), "none");
}

// ---------------------------------------------------------------- options

TEST_F(SocketTest, OptionsAreThoseOfItsAssociation) {
  Pair pair = establish();
  SocketBridge& bridge = left.host->sockets;
  SocketEnd& end = *pair.client.end;
  AssocStatus status;
  ASSERT_TRUE(bridge.status(end, status));
  EXPECT_EQ(status.state, AssocState::kEstablished);
  EXPECT_EQ(pair.client.page().assoc_id, bridge.assoc_id_of(status.id));
  EXPECT_GE(pair.client.page().assoc_id, 3u);
  EXPECT_EQ(pair.client.page().fragment_point, 1500u - 20 - 12 - 16);
  ASSERT_NE(bridge.profile(end), nullptr);
  EXPECT_EQ(*bridge.profile(end), profile);
  ProfileEdit edit;
  edit.rto_max = std::chrono::milliseconds(150);
  EXPECT_EQ(bridge.edit(net.now, end, edit).status, Status::kOk);
  EXPECT_EQ(bridge.profile(end)->rto_max, Duration(std::chrono::milliseconds(150)));
  EXPECT_NE(bridge.path_profile(end, right.host->address), nullptr);
  EXPECT_EQ(bridge.path_profile(end, left.host->address), nullptr);
  EXPECT_EQ(bridge.set_primary(net.now, end, right.host->address), Status::kOk);
  EXPECT_EQ(bridge.request_heartbeat(net.now, end, right.host->address), Status::kOk);
  TestSocket unused = make(left);
  EXPECT_FALSE(bridge.status(*unused.end, status));
  EXPECT_EQ(bridge.profile(*unused.end), nullptr);
}

// ---------------------------------------------------------------- shares

class SocketShareTest : public SocketTest {
 protected:
  static sockets::SocketBridgeConfig small() {
    sockets::SocketBridgeConfig out;
    out.max_units = 200;
    out.max_users = 2;
    return out;
  }
  SocketShareTest() : SocketTest(small()) {}
};

// What one user has under way to a peer that takes nothing leaves another user's part alone; what
// waits goes when there is room.
TEST_F(SocketShareTest, AUserThatTakesAllLeavesTheOthersTheirPart) {
  Pair hog = establish();
  left.user = std::make_shared<SocketUser>();
  left.user->shares.resize(1);
  TestSocket other = make(left);
  ASSERT_EQ(connect(left, other, right), Status::kOk);
  TestSocket its_server = accept(right);
  net.cut = true;
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(hog.client->send("h"));
  net.turns(5);
  const uint64_t held = hog.client.end->user().shares[0].units;
  EXPECT_EQ(held, 100u);
  EXPECT_GT(counter(left, SocketCounter::k_socket_stalls), 0u);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(other->send("o"));
  net.turns(1);
  EXPECT_EQ(left.user->shares[0].units, 40u);
  net.cut = false;
  std::string got;
  std::string its;
  for (int i = 0; i < 3000 && got.size() < 300; ++i) {
    net.turn();
    got += hog.server->read_all();
    its += its_server->read_all();
  }
  net.turns(50);
  EXPECT_EQ(got, std::string(300, 'h'));
  EXPECT_EQ(its, std::string(40, 'o'));
  EXPECT_EQ(hog.client.end->user().shares[0].units, 0u);
  EXPECT_EQ(hog.client->take_done(), 300u);
}

TEST_F(SocketShareTest, ALimitWaitsTogetherWithItsMessage) {
  Pair hog = establish();
  net.cut = true;
  const Limit limit{TLR_POLICY_LIFETIME, 1'000'000};
  for (int i = 0; i < 150; ++i) ASSERT_TRUE(hog.client->send("h", 0, 0, 0, 0, limit));
  net.turns(5);
  EXPECT_GT(counter(left, SocketCounter::k_socket_stalls), 1u);
  EXPECT_EQ(counter(left, SocketCounter::k_socket_messages_in), 100u);
  EXPECT_EQ(hog.client->words().submission_consumed.value, 200u);
  net.cut = false;
  std::string got;
  for (int i = 0; i < 3000 && got.size() < 150; ++i) {
    net.turn();
    got += hog.server->read_all();
  }
  EXPECT_EQ(got, std::string(150, 'h'));
  EXPECT_EQ(counter(left, SocketCounter::k_socket_submissions), 300u);
}

}  // namespace
}  // namespace trunkline::test
