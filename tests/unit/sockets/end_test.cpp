// SPDX-License-Identifier: BSD-3-Clause
// How sockets end, and how they begin in vain.
#include <unistd.h>

#include "socket_test.h"
#include "sockets/accept_queue.h"

namespace trunkline::test {
namespace {

class EndTest : public SocketTest {};

TEST_F(EndTest, CloseWithUnreadDataAborts) {
  Pair pair = establish();
  ASSERT_TRUE(pair.client->send("nobody reads this"));
  net.turns(20);
  close(right, pair.server);
  ASSERT_TRUE(news(right, NewsKind::kGone).has_value());
  ASSERT_TRUE(news(left, NewsKind::kEnded).has_value());
  EXPECT_EQ(pair.client.page().error, static_cast<uint32_t>(ECONNRESET));
  EXPECT_EQ(counter(right, SocketCounter::k_abort_unread), 1u);
}

TEST_F(EndTest, CloseOfAHalfReadMessageAborts) {
  Pair pair = establish();
  ASSERT_TRUE(pair.client->send("half of it"));
  net.turns(20);
  pair.server.page().rx_offset = 4;
  close(right, pair.server);
  ASSERT_TRUE(news(left, NewsKind::kEnded).has_value());
  EXPECT_EQ(pair.client.page().error, static_cast<uint32_t>(ECONNRESET));
}

TEST_F(EndTest, CloseAfterReadingShutsDown) {
  Pair pair = establish();
  ASSERT_TRUE(pair.client->send("read"));
  net.turns(20);
  EXPECT_EQ(pair.server->read_all(), "read");
  close(right, pair.server);
  ASSERT_TRUE(news(right, NewsKind::kGone).has_value());
  ASSERT_TRUE(news(left, NewsKind::kEnded).has_value());
  EXPECT_EQ(pair.client.page().error, 0u);
  EXPECT_EQ(left.host->shard.association_count(), 0u);
  EXPECT_EQ(right.host->shard.association_count(), 0u);
}

// What was read and never given back must not keep the window shut for the rest of the shutdown.
TEST_F(EndTest, SlotsThatNeverCameBackDoNotHoldUpTheEnd) {
  Pair pair = establish();
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(pair.client->send(text(1000)));
  net.turns(100);
  pair.server->take_without_giving_back();
  net.turns(50);
  AssocStatus status;
  ASSERT_TRUE(right.host->sockets.status(*pair.server.end, status));
  EXPECT_LT(status.a_rwnd, 8u * 1024);
  pair.server->take_without_giving_back();
  close(right, pair.server);
  net.step = std::chrono::milliseconds(1);
  ASSERT_TRUE(news(right, NewsKind::kGone, 300).has_value());
  EXPECT_EQ(counter(right, SocketCounter::k_abort_unread), 0u);
  EXPECT_EQ(pair.client->take_done(), 200u);
}

TEST_F(EndTest, AnUnreadNotificationIsNoUnreadData) {
  Pair pair = establish();
  pair.server.page().options.events = 1u << 9;
  ASSERT_TRUE(pair.server->send("x"));
  net.turns(30);
  EXPECT_EQ(pair.server->waiting(), 1u);
  close(right, pair.server);
  ASSERT_TRUE(news(left, NewsKind::kEnded).has_value());
  EXPECT_EQ(pair.client.page().error, 0u);
  EXPECT_EQ(pair.client->read_all(), "x");
}

TEST_F(EndTest, WhatWasSentBeforeCloseArrives) {
  Pair pair = establish();
  const std::string sent = text(400 * 1000);
  for (size_t at = 0; at < sent.size(); at += 1000) {
    ASSERT_TRUE(pair.client->send(std::string_view(sent).substr(at, 1000)) ||
                (pair.client.page().send_buffer = UINT32_MAX,
                 pair.client->send(std::string_view(sent).substr(at, 1000))));
  }
  close(left, pair.client);
  std::string got;
  for (int i = 0; i < 5000 && got.size() < sent.size(); ++i) {
    net.turn();
    got += pair.server->read_all();
  }
  EXPECT_EQ(got, sent);
  ASSERT_TRUE(news(left, NewsKind::kGone).has_value());
  ASSERT_TRUE(news(right, NewsKind::kEnded).has_value());
  EXPECT_EQ(pair.server->mask(), "IN OUT RDHUP");
  EXPECT_EQ(left.user->shares[0].units, 0u);
}

// The end comes after what lies before it, however slow the reader is.
TEST_F(EndTest, EndOfFileFollowsWhatWaitsForRoom) {
  geometry.rx_slots = 8;
  geometry.return_size = 8;
  Pair pair = establish();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(pair.client->send("m"));
  close(left, pair.client);
  net.turns(200);
  EXPECT_EQ(pair.server.page().state, TLS_ESTABLISHED);
  EXPECT_EQ(pair.server.page().shut, static_cast<uint32_t>(TLS_SHUT_SEND));
  std::string got;
  for (int i = 0; i < 50; ++i) {
    got += pair.server->read_all();
    net.turn();
  }
  EXPECT_EQ(got, std::string(40, 'm'));
  EXPECT_EQ(pair.server.page().state, TLS_ENDED);
  EXPECT_EQ(pair.server->mask(), "IN OUT RDHUP");
}

TEST_F(EndTest, LingerOfZeroAborts) {
  Pair pair = establish();
  close(left, pair.client, true);
  ASSERT_TRUE(news(left, NewsKind::kGone).has_value());
  ASSERT_TRUE(news(right, NewsKind::kEnded).has_value());
  EXPECT_EQ(pair.server.page().error, static_cast<uint32_t>(ECONNRESET));
}

TEST_F(EndTest, AnEndedSocketIsGoneAtOnce) {
  Pair pair = establish();
  pair.server->operation(TLR_OP_ABORT);
  ASSERT_TRUE(news(left, NewsKind::kEnded).has_value());
  close(left, pair.client);
  EXPECT_TRUE(news(left, NewsKind::kGone, 2).has_value());
  TestSocket unused = make(left);
  close(left, unused);
  EXPECT_TRUE(news(left, NewsKind::kGone, 2).has_value());
}

TEST_F(EndTest, ShutdownSendsWhatWasSentBefore) {
  Pair pair = establish();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(pair.client->send("m"));
  pair.client->operation(TLR_OP_SHUTDOWN);
  net.turns(100);
  EXPECT_EQ(pair.server->read_all(), std::string(100, 'm'));
  EXPECT_EQ(pair.client.page().shut & TLS_SHUT_SEND, static_cast<uint32_t>(TLS_SHUT_SEND));
  EXPECT_TRUE(news(left, NewsKind::kEnded).has_value());
}

// ---------------------------------------------------------------- in vain

TEST_F(EndTest, ARefusedSocketMayTryAgain) {
  TestSocket socket = make(left);
  ASSERT_EQ(connect(left, socket, right, PortNumber(4000)), Status::kOk);
  ASSERT_TRUE(news(left, NewsKind::kFailed).has_value());
  EXPECT_EQ(socket.page().error, static_cast<uint32_t>(ECONNREFUSED));
  EXPECT_EQ(socket.page().worker, TLS_NO_WORKER);
  socket.page().error = 0;
  socket->take_tokens();
  socket->put_ballast();
  listen(right);
  ASSERT_EQ(connect(left, socket, right, PortNumber(4000)), Status::kOk);
  ASSERT_TRUE(news(left, NewsKind::kConnected).has_value());
  EXPECT_EQ(socket->mask(), "OUT");
  TestSocket server = accept(right);
  ASSERT_TRUE(socket->send("at last"));
  net.turns(20);
  EXPECT_EQ(server->read_all(), "at last");
}

TEST_F(EndTest, AConnectThatNobodyAnswersTimesOut) {
  net.cut = true;
  net.step = std::chrono::milliseconds(5);
  profile.max_init_retransmits = 2;
  TestSocket socket = make(left);
  ASSERT_EQ(connect(left, socket, right), Status::kOk);
  ASSERT_TRUE(news(left, NewsKind::kFailed).has_value());
  EXPECT_EQ(socket.page().error, static_cast<uint32_t>(ETIMEDOUT));
  EXPECT_EQ(socket->mask(), "IN OUT");
  net.cut = false;
}

TEST_F(EndTest, AConnectMayBeClosedBeforeItsEnd) {
  net.cut = true;
  TestSocket socket = make(left);
  ASSERT_EQ(connect(left, socket, right), Status::kOk);
  close(left, socket);
  EXPECT_TRUE(news(left, NewsKind::kGone, 5).has_value());
  EXPECT_EQ(left.host->sockets.associations(), 0u);
}

TEST_F(EndTest, APeerThatVanishesIsATimeOut) {
  profile.association_max_retrans = 3;
  Pair pair = establish();
  net.cut = true;
  net.step = std::chrono::milliseconds(20);
  ASSERT_TRUE(pair.client->send("into the void"));
  ASSERT_TRUE(news(left, NewsKind::kEnded).has_value());
  EXPECT_EQ(pair.client.page().error, static_cast<uint32_t>(ETIMEDOUT));
  EXPECT_EQ(pair.client->take_done(), 1u);
}

// ---------------------------------------------------------------- waiting to be accepted

TEST_F(EndTest, MoreThanTheBacklogIsAborted) {
  listen(right, 2);
  std::vector<TestSocket> sockets;
  for (int i = 0; i < 3; ++i) {
    sockets.push_back(make(left));
    ASSERT_EQ(connect(left, sockets.back(), right), Status::kOk);
    net.turns(20);
  }
  EXPECT_EQ(counter(right, SocketCounter::k_refuse_accept_backlog), 1u);
  EXPECT_EQ(sockets[2].page().state, TLS_FRESH);
  EXPECT_EQ(sockets[2].page().error, static_cast<uint32_t>(ECONNREFUSED));
  // One that is accepted leaves its place to another.
  TestSocket server = accept(right);
  TestSocket next = make(left);
  ASSERT_EQ(connect(left, next, right), Status::kOk);
  net.turns(20);
  EXPECT_EQ(next.page().state, TLS_ESTABLISHED);
}

TEST_F(EndTest, WhatComesBeforeAcceptIsThereAfterwards) {
  listen(right);
  TestSocket client = make(left);
  ASSERT_EQ(connect(left, client, right), Status::kOk);
  net.turns(20);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(client->send("m" + std::to_string(i)));
  net.turns(30);
  AssocStatus status;
  ASSERT_TRUE(right.host->shard.status(right.host->shard.associations().front(), status));
  EXPECT_LE(status.a_rwnd, profile.a_rwnd - 20 * 512) << "what waits is charged";
  TestSocket server = accept(right);
  EXPECT_EQ(server.page().state, TLS_ESTABLISHED);
  EXPECT_EQ(server->mask(), "IN OUT");
  ASSERT_TRUE(client->send("m20"));
  net.turns(10);
  std::string wanted;
  for (int i = 0; i < 21; ++i) wanted += "m" + std::to_string(i);
  EXPECT_EQ(server->read_all(), wanted);
  net.turns(5);
  ASSERT_TRUE(right.host->shard.status(right.host->shard.associations().front(), status));
  EXPECT_EQ(status.a_rwnd, profile.a_rwnd);
  EXPECT_EQ(right.host->shard.receive_memory_fault(), nullptr);
}

// What was handed out and lies in the listener's pair counts as what is parked does.
TEST_F(EndTest, WhatTheProgramHasNotTakenCountsForTheBacklog) {
  TestSocket listener = make(right);
  at(right, [&](SocketBridge& bridge, TimePoint) {
    EXPECT_EQ(bridge.listen(name(right, kPort), kListener, 1, profile, listener.end->pair_fd()),
              Status::kOk);
  });
  TestSocket first = make(left);
  ASSERT_EQ(connect(left, first, right), Status::kOk);
  TestSocket server = accept(right);
  sockets::AcceptQueue queue(listener.end->pair_fd());
  queue.push(::dup(server->handle), server.end->memory_fd());
  ASSERT_TRUE(queue.flush());
  TestSocket second = make(left);
  ASSERT_EQ(connect(left, second, right), Status::kOk);
  net.turns(20);
  EXPECT_EQ(second.page().state, TLS_FRESH);
  EXPECT_EQ(second.page().error, static_cast<uint32_t>(ECONNREFUSED));
}

// As on Linux: a connection that is over already can be accepted, read, and found at its end.
TEST_F(EndTest, OneThatEndedBeforeAcceptIsReadToItsEnd) {
  listen(right);
  TestSocket client = make(left);
  ASSERT_EQ(connect(left, client, right), Status::kOk);
  net.turns(20);
  ASSERT_TRUE(client->send("in passing"));
  close(left, client);
  ASSERT_TRUE(news(left, NewsKind::kGone).has_value());
  net.turns(20);
  EXPECT_EQ(right.host->shard.association_count(), 0u);
  TestSocket server = accept(right);
  EXPECT_EQ(server.page().state, TLS_ENDED);
  EXPECT_EQ(server->read_all(), "in passing");
  EXPECT_EQ(server->mask(), "IN RDHUP");
  EXPECT_EQ(right.host->shard.pool_usage().receive_blocks_used, 0u);
}

TEST_F(EndTest, OneThatWasAbortedBeforeAcceptHasNoError) {
  listen(right);
  TestSocket client = make(left);
  ASSERT_EQ(connect(left, client, right), Status::kOk);
  net.turns(20);
  close(left, client, true);
  net.turns(20);
  TestSocket server = accept(right);
  EXPECT_EQ(server.page().state, TLS_ENDED);
  EXPECT_EQ(server.page().error, 0u);
  EXPECT_EQ(server->mask(), "IN RDHUP");
}

// The notification of the end is published with it: a token says that it can be read.
TEST_F(EndTest, TheNotificationOfOnesOwnShutdownWakesAReader) {
  Pair pair = establish();
  pair.client.page().options.events = 1u << 1;
  pair.client->operation(TLR_OP_SHUTDOWN);
  net.turns(50);
  EXPECT_EQ(pair.client.page().state, TLS_ENDED);
  EXPECT_EQ(pair.client->mask(), "IN OUT");
}

TEST_F(EndTest, RefusedAndWithdrawnOnesAreAborted) {
  listen(right);
  std::vector<TestSocket> sockets;
  for (int i = 0; i < 2; ++i) {
    sockets.push_back(make(left));
    ASSERT_EQ(connect(left, sockets.back(), right), Status::kOk);
    net.turns(20);
  }
  const auto first = news(right, NewsKind::kAccepted);
  const auto second = news(right, NewsKind::kAccepted);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->listener, kListener);
  EXPECT_EQ(first->local, right.host->address);
  ASSERT_EQ(first->peers.size(), 1u);
  EXPECT_EQ(first->peers[0], left.host->address);
  at(right, [&](SocketBridge& b, TimePoint now) { b.refuse(now, first->assoc); });
  at(right,
     [&](SocketBridge& b, TimePoint now) { b.unlisten(now, name(right, kPort), kListener); });
  const auto withdrawn = news(right, NewsKind::kWithdrawn);
  ASSERT_TRUE(withdrawn.has_value());
  EXPECT_EQ(withdrawn->assoc, second->assoc);
  net.turns(20);
  for (TestSocket& socket : sockets)
    EXPECT_EQ(socket.page().error, static_cast<uint32_t>(ECONNRESET));
  TestSocket late = make(right);
  EXPECT_EQ(accept_as(right, second->assoc, late), Status::kNoSuchAssociation);
  EXPECT_EQ(right.host->shard.association_count(), 0u);
}

// What waits for a reader that never comes is the shard's memory, and goes before the shard does.
TEST_F(EndTest, TheDaemonMayEndWhileMessagesWait) {
  geometry.rx_slots = 4;
  geometry.return_size = 4;
  Pair pair = establish();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(pair.client->send("nobody reads this"));
  net.turns(50);
  EXPECT_GT(counter(right, SocketCounter::k_socket_backlogged), 0u);
  right.host->sockets.close_all(net.now, true);
  net.turns(20);
  EXPECT_EQ(pair.server.page().state, TLS_ESTABLISHED) << "the end waits its turn";
}

TEST_F(EndTest, TheDaemonsEndIsTold) {
  Pair pair = establish();
  left.host->sockets.close_all(net.now, true);
  net.turns(20);
  EXPECT_EQ(pair.client.page().state, TLS_ENDED);
  EXPECT_EQ(pair.client.page().error, static_cast<uint32_t>(ECONNRESET));
  EXPECT_EQ(pair.server.page().error, static_cast<uint32_t>(ECONNRESET));
  EXPECT_EQ(left.host->sockets.associations(), 0u);
}

// The peer's program reads to the end; the daemon's own is told that it was not its doing.
TEST_F(EndTest, TheDaemonsEndInOrderIsTold) {
  Pair pair = establish();
  left.host->sockets.close_all(net.now, false);
  net.turns(50);
  EXPECT_EQ(pair.client.page().state, TLS_ENDED);
  EXPECT_EQ(pair.client.page().error, static_cast<uint32_t>(ECONNRESET));
  EXPECT_EQ(pair.server.page().state, TLS_ENDED);
  EXPECT_EQ(pair.server.page().error, 0u);
}

TEST_F(EndTest, WhoConnectsWhenTheDaemonEndsIsToldSo) {
  TestSocket client = make(left);
  net.cut = true;
  ASSERT_EQ(connect(left, client, right), Status::kOk);
  left.host->sockets.close_all(net.now, false);
  net.turns(50);
  EXPECT_EQ(client.page().state, TLS_FRESH);
  EXPECT_EQ(client.page().error, static_cast<uint32_t>(ECONNRESET));
}

// A slot of the shard that is used again before its former owner has heard of the end.
TEST_F(EndTest, ASlotThatIsUsedAgainTellsBoth) {
  Pair pair = establish();
  listen(left);
  TestSocket next = make(left);
  at(left, [&](SocketBridge& bridge, TimePoint now) {
    bridge.close(now, *pair.client.end, true);
    EXPECT_EQ(bridge.connect(now, *next.end,
                             {name(left, PortNumber(0)), {right.host->address}, kPort, profile}),
              Status::kOk);
  });
  EXPECT_TRUE(news(left, NewsKind::kGone).has_value());
  EXPECT_TRUE(news(left, NewsKind::kConnected).has_value());
  EXPECT_EQ(next.page().state, TLS_ESTABLISHED);
}

}  // namespace
}  // namespace trunkline::test
