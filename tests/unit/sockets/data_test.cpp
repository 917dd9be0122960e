// SPDX-License-Identifier: BSD-3-Clause
// Data through sockets: chains, windows, full buffers, tokens, what is unread.
#include "socket_test.h"

namespace trunkline::test {
namespace {

class DataTest : public SocketTest {
 protected:
  // Sends the text in messages of that size as room comes, and reads all the time.
  std::string exchange(TestSocket& from, TestSocket& to, const std::string& text, size_t size) {
    std::string got;
    size_t sent = 0;
    for (int i = 0; i < 20000 && got.size() < text.size(); ++i) {
      while (sent < text.size() && from->send(std::string_view(text).substr(sent, size))) {
        sent += std::min(size, text.size() - sent);
      }
      net.turn();
      got += to->read_all();
    }
    return got;
  }
  // Of what the client has sent, by that policy.
  AbandonedCounts given_up(const Pair& pair, Reliability::Policy policy) {
    AssocStatus status;
    at(left, [&](SocketBridge& bridge, TimePoint) {
      EXPECT_TRUE(bridge.status(*pair.client.end, status));
    });
    return status.abandoned[static_cast<size_t>(policy)];
  }
};

TEST_F(DataTest, SmallMessagesKeepTheirBoundariesAndOrder) {
  Pair pair = establish();
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(pair.client->send("m" + std::to_string(i)));
  net.turns(100);
  for (int i = 0; i < 200; ++i) {
    const auto got = pair.server->receive();
    ASSERT_TRUE(got.has_value()) << i;
    EXPECT_EQ(got->bytes, "m" + std::to_string(i));
  }
  EXPECT_EQ(pair.client->take_done(), 200u);
  EXPECT_EQ(pair.client.page().tx_bytes, 0u);
  EXPECT_EQ(left.user->shares[0].units, 0u);
}

TEST_F(DataTest, LargeMessagesGoInChains) {
  Pair pair = establish();
  const std::string sent = text(10000);
  ASSERT_TRUE(pair.client->send(sent));
  net.turns(100);
  const auto got = pair.server->receive();
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->bytes, sent);
  EXPECT_EQ(got->head.flags, 0);
}

TEST_F(DataTest, MoreThanTheWindowGoesInPieces) {
  Pair pair = establish();
  const std::string sent = text(200 * 1024);
  ASSERT_TRUE(pair.client->send(sent));
  std::string got;
  uint32_t pieces = 0;
  bool more = true;
  for (int i = 0; i < 5000 && more; ++i) {
    net.turn();
    while (auto piece = pair.server->receive()) {
      got += piece->bytes;
      ++pieces;
      more = (piece->head.flags & TLR_MESSAGE_MORE) != 0;
    }
  }
  EXPECT_FALSE(more);
  EXPECT_GT(pieces, 1u);
  EXPECT_EQ(got, sent);
}

TEST_F(DataTest, MessagesSayTheirTsnAndSsn) {
  Pair pair = establish();
  ASSERT_TRUE(pair.client->send("one", 3));
  ASSERT_TRUE(pair.client->send(text(10000), 3));  // in several chunks
  ASSERT_TRUE(pair.client->send("three", 3));
  ASSERT_TRUE(pair.client->send("elsewhere", 4));
  net.turns(100);
  std::vector<tlr_completion> heads;
  while (auto got = pair.server->receive()) heads.push_back(got->head);
  ASSERT_EQ(heads.size(), 4u);
  const uint32_t first = heads[0].tsn;
  EXPECT_EQ(heads[1].tsn, first + 1);
  EXPECT_GT(heads[2].tsn - first, 2u);
  EXPECT_EQ(heads[3].tsn, heads[2].tsn + 1);
  const uint16_t ssns[] = {0, 1, 2, 0};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(heads[i].ssn, ssns[i]) << i;
}

TEST_F(DataTest, UnorderedMessagesSayHowFarTheCumulativeTsnWas) {
  Pair pair = establish();
  const auto send = [&](std::string_view what) {
    ASSERT_TRUE(pair.client->send(what, 0, 0, 0, TLR_SEND_UNORDERED));
    net.turns(5);
  };
  send("in its turn");
  net.cut = true;
  send("late");
  net.cut = false;
  send("early");
  net.turns(20'000);
  std::map<std::string, tlr_completion> heads;
  while (auto got = pair.server->receive()) heads[got->bytes] = got->head;
  ASSERT_EQ(heads.size(), 3u);
  const uint32_t first = heads["in its turn"].tsn;
  EXPECT_EQ(heads["in its turn"].cum_ahead, 0);
  EXPECT_EQ(heads["early"].tsn, first + 2);
  EXPECT_EQ(heads["early"].cum_ahead, -2);
  EXPECT_EQ(heads["late"].tsn, first + 1);
  EXPECT_EQ(heads["late"].cum_ahead, 1);
}

TEST(MessageHead, ADistanceThatDoesNotFitIsTheNearestThatDoes) {
  const auto ahead = [](uint32_t cum_tsn, uint32_t tsn) {
    const uint16_t raw = appring::ChannelCore::MessageHead::ahead(Tsn(cum_tsn), Tsn(tsn));
    return static_cast<int16_t>(raw);
  };
  EXPECT_EQ(ahead(3, 0xffffffff), 4);
  EXPECT_EQ(ahead(0xffffffff, 3), -4);
  EXPECT_EQ(ahead(32767, 0), 32767);
  EXPECT_EQ(ahead(32768, 0), 32767);
  EXPECT_EQ(ahead(0, 32768), -32768);
  EXPECT_EQ(ahead(0, 65535), -32768);
}

TEST_F(DataTest, BothWaysWithLoss) {
  net.loss = 30;
  Pair pair = establish();
  const std::string sent = text(300 * 1000);
  EXPECT_EQ(exchange(pair.client, pair.server, sent, 3000), sent);
  EXPECT_EQ(exchange(pair.server, pair.client, sent, 700), sent);
}

// What nobody reads shuts the window: the sender keeps the rest, and its buffer fills.
TEST_F(DataTest, UnreadBytesShutTheWindowAndReadingOpensIt) {
  Pair pair = establish();
  const std::string sent = text(160 * 1000);
  size_t at = 0;
  for (int i = 0; i < 500; ++i) {
    while (at < sent.size() && pair.client->send(std::string_view(sent).substr(at, 1000)))
      at += 1000;
    net.turn();
  }
  AssocStatus status;
  ASSERT_TRUE(right.host->sockets.status(*pair.server.end, status));
  EXPECT_LT(status.a_rwnd, 8u * 1024);
  EXPECT_GE(pair.server->waiting(), 40u);
  EXPECT_LT(pair.server->waiting(), 80u);
  std::string got;
  for (int i = 0; i < 5000 && got.size() < sent.size(); ++i) {
    while (at < sent.size() && pair.client->send(std::string_view(sent).substr(at, 1000)))
      at += 1000;
    net.turn();
    got += pair.server->read_all();
  }
  EXPECT_EQ(got, sent);
  ASSERT_TRUE(right.host->sockets.status(*pair.server.end, status));
  EXPECT_GE(status.a_rwnd, profile.a_rwnd - 3000);
}

// Told too late, the peer would think that what it has just sent was read already.
TEST_F(DataTest, ASackKnowsWhatItsTurnDelivered) {
  Pair pair = establish();
  AssocStatus status;
  for (uint32_t i = 1; i <= 30; ++i) {
    ASSERT_TRUE(pair.client->send(text(1000)));
    net.turns(3);
    ASSERT_TRUE(left.host->sockets.status(*pair.client.end, status));
    constexpr uint32_t kTooLittleToTell = 4;
    const uint32_t told = i > kTooLittleToTell ? i * 1000 : 0;
    EXPECT_LE(status.peer_rwnd, profile.a_rwnd - told);
  }
  EXPECT_EQ(pair.server->waiting(), 30u);
}

// Fewer slots than the window has room for: what does not fit waits in the daemon, in its order.
TEST_F(DataTest, MessagesWaitForSlots) {
  geometry.rx_slots = 16;
  geometry.return_size = 16;
  Pair pair = establish();
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(pair.client->send("m" + std::to_string(i)));
  net.turns(100);
  EXPECT_EQ(pair.server->waiting(), 16u);
  EXPECT_GT(counter(right, SocketCounter::k_socket_backlogged), 0u);
  std::string got;
  for (int i = 0; i < 100; ++i) {
    got += pair.server->read_all();
    net.turn();
  }
  std::string wanted;
  for (int i = 0; i < 60; ++i) wanted += "m" + std::to_string(i);
  EXPECT_EQ(got, wanted);
}

TEST_F(DataTest, TheReceiveBufferMayShrink) {
  Pair pair = establish();
  right.host->sockets.set_receive_buffer(*pair.server.end, 1000);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pair.client->send(text(400)));
  net.turns(60);
  EXPECT_EQ(pair.server->waiting(), 2u);
  right.host->sockets.set_receive_buffer(*pair.server.end, 4000);
  pair.server->kick();
  net.turns(2);
  EXPECT_EQ(pair.server->waiting(), 10u);
}

TEST_F(DataTest, AFullSocketIsWritableAgainWhenAThirdIsFree) {
  Pair pair = establish();
  pair.client.page().send_buffer = 60'000;
  while (pair.client->send(text(1000))) {
  }
  net.cut = true;
  net.turns(5);
  pair.client->put_ballast();
  EXPECT_EQ(pair.client->mask(), "none");
  EXPECT_FALSE(pair.client->send(text(1000)));
  net.cut = false;
  bool opened = false;
  for (int i = 0; i < 2000 && !opened; ++i) {
    net.turn();
    opened = pair.client->mask() == "OUT";
    if (opened) pair.client->take_done();
    pair.server->read_all();
  }
  ASSERT_TRUE(opened);
  EXPECT_EQ(pair.client.page().full, 0u);
  EXPECT_LE(pair.client.page().tx_bytes, 40'000u);
  EXPECT_GT(pair.client.page().tx_bytes, 0u);
  EXPECT_EQ(counter(left, SocketCounter::k_socket_room_again), 1u);
}

TEST_F(DataTest, AProcessThatEndsInTheMiddleOfACallLeavesNobodyWaiting) {
  Pair pair = establish();
  // What it published, and did not kick for.
  const uint32_t index = pair.client.end->index();
  ASSERT_TRUE(pair.client->send("published"));
  left.kicks.area.kicks->bits[index / 64] = 0;
  // Its ballast, without a word of it.
  pair.client->put_ballast();
  pair.client.page().full = 0;
  net.turns(50);
  EXPECT_FALSE(pair.server->receive().has_value());
  EXPECT_EQ(pair.client->mask(), "none");

  left.host->sockets.remove_process(left.kicks.area);
  net.turns(50);
  EXPECT_TRUE(pair.server->receive().has_value());
  EXPECT_EQ(pair.client->mask(), "OUT");
}

// ---------------------------------------------------------------- tokens

TEST_F(DataTest, OneTokenUntilTheReaderTakesIt) {
  Pair pair = establish();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(pair.client->send("x"));
    net.turns(10);
  }
  EXPECT_EQ(pair.server.page().tokens, 1u);
  EXPECT_EQ(pair.server->take_tokens(), 1u);
  ASSERT_TRUE(pair.client->send("x"));
  net.turns(10);
  EXPECT_EQ(pair.server.page().tokens, 1u);
}

TEST_F(DataTest, ATokenForEachBurstWhereEdgesAreWaitedFor) {
  Pair pair = establish();
  pair.server.page().edge = 1;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(pair.client->send("x"));
    net.turns(10);
    EXPECT_EQ(pair.server.page().tokens, static_cast<uint32_t>(i + 1));
  }
  EXPECT_EQ(pair.server->take_tokens(), 3u);
}

TEST_F(DataTest, NoMoreThanSixtyFourTokens) {
  Pair pair = establish();
  pair.server.page().edge = 1;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(pair.client->send("x"));
    net.turns(8);
  }
  EXPECT_EQ(pair.server->waiting(), 100u);
  EXPECT_EQ(pair.server->take_tokens(), 64u);
}

TEST_F(DataTest, ATokenThatCanNotBeSentIsTakenBack) {
  Pair pair = establish();
  pair.server->hang_up();
  ASSERT_TRUE(pair.client->send("x"));
  net.turns(10);
  EXPECT_EQ(pair.server.page().tokens, 0u);
  EXPECT_EQ(pair.server->waiting(), 1u);
}

// ---------------------------------------------------------------- notifications

TEST_F(DataTest, UnsubscribedNotificationsAreNotThere) {
  Pair pair = establish();
  EXPECT_EQ(pair.client->waiting(), 0u);
  EXPECT_EQ(pair.client.page().tokens, 0u);
  ASSERT_TRUE(pair.client->send("x"));
  net.turns(20);
  EXPECT_EQ(pair.client->waiting(), 0u);
}

TEST_F(DataTest, SubscribedOnesAre) {
  listen(right);
  TestSocket client = make(left);
  client.page().options.events = 1u << 1 | 1u << 5;
  ASSERT_EQ(connect(left, client, right), Status::kOk);
  TestSocket server = accept(right);
  net.turns(5);
  auto up = client->receive();
  ASSERT_TRUE(up.has_value());
  EXPECT_EQ(up->head.kind, TLR_CONNECTED);
  server->operation(TLR_OP_SHUTDOWN);
  net.turns(50);
  auto shut = client->receive();
  ASSERT_TRUE(shut.has_value());
  EXPECT_EQ(shut->head.kind, TLR_PEER_SHUTDOWN);
  auto over = client->receive();
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->head.kind, TLR_CLOSED);
}

TEST_F(DataTest, WhoSubscribesWhileNothingIsUnderWayIsToldSo) {
  Pair pair = establish();
  pair.client.page().options.events = 1u << 9;
  const auto ask = [&](SocketBridge& bridge, TimePoint now) {
    bridge.tell_if_dry(now, *pair.client.end);
  };
  at(left, ask);
  const auto dry = pair.client->receive();
  ASSERT_TRUE(dry.has_value());
  EXPECT_EQ(dry->head.kind, TLR_SENDER_DRY);
  net.cut = true;
  ASSERT_TRUE(pair.client->send("under way"));
  net.turn();
  at(left, ask);
  EXPECT_EQ(pair.client->waiting(), 0u);
}

TEST_F(DataTest, FailedSendsComeBackOneWayOrTheOther) {
  Pair pair = establish();
  net.cut = true;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(pair.client->send("lost"));
  net.turns(3);
  pair.client->operation(TLR_OP_ABORT);
  net.turns(5);
  EXPECT_EQ(pair.client->take_done(), 5u);
  EXPECT_EQ(pair.client->free_slots(), geometry.tx_slots);

  pair.server.page().options.events = 1u << 3;
  ASSERT_TRUE(pair.server->send("mine", 1, 9, 4711, TLR_SEND_UNORDERED));
  net.turns(3);
  pair.server->operation(TLR_OP_ABORT);
  net.turns(5);
  EXPECT_EQ(pair.server->take_done(), 0u);
  const auto failed = pair.server->receive();
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->head.kind, TLR_SEND_FAILED);
  EXPECT_EQ(failed->head.context, uint64_t{9} << 32 | 4711);  // the ppid, too
  EXPECT_EQ(failed->head.flags, TLR_FAILED_STARTED | TLR_FAILED_UNORDERED);
  EXPECT_EQ(failed->head.length, 4u);
  pair.server->free_chain(failed->head.slot);
  EXPECT_EQ(pair.server->free_slots(), geometry.tx_slots);
  EXPECT_EQ(right.user->shares[0].units, 0u);
}

// Behind what goes at once its turn comes too late.
TEST_F(DataTest, AMessageIsGivenUpWhenItsLifetimeIsOver) {
  Pair pair = establish();
  pair.client.page().options.events = 1u << 3;
  net.cut = true;
  ASSERT_TRUE(pair.client->send(text(10000)));
  ASSERT_TRUE(pair.client->send("late", 1, 9, 4711, 0, {TLR_POLICY_LIFETIME, 5}));
  net.turns(48);
  EXPECT_EQ(pair.client->waiting(), 0u);
  net.turns(5);
  const auto failed = pair.client->receive();
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->head.kind, TLR_SEND_FAILED);
  EXPECT_EQ(failed->head.reason, TLR_REASON_ABANDONED);
  EXPECT_EQ(failed->head.context, uint64_t{9} << 32 | 4711);
  EXPECT_EQ(failed->head.flags, 0);
  EXPECT_EQ(failed->head.length, 4u);
  const AbandonedCounts counts = given_up(pair, Reliability::Policy::kLifetime);
  EXPECT_EQ(counts.unsent, 1u);
  EXPECT_EQ(counts.sent, 0u);
}

TEST_F(DataTest, AMessageIsGivenUpInsteadOfBeingSentAgain) {
  Pair pair = establish();
  pair.client.page().options.events = 1u << 3;
  net.cut = true;
  ASSERT_TRUE(pair.client->send("once", 1, 9, 4711, 0, {TLR_POLICY_RETRANSMISSIONS, 0}));
  for (int i = 0; i < 40'000 && pair.client->waiting() == 0; ++i) net.turn();
  const auto failed = pair.client->receive();
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->head.kind, TLR_SEND_FAILED);
  EXPECT_EQ(failed->head.reason, TLR_REASON_ABANDONED);
  EXPECT_EQ(failed->head.flags, TLR_FAILED_STARTED);
  const AbandonedCounts counts = given_up(pair, Reliability::Policy::kRetransmissions);
  EXPECT_EQ(counts.unsent, 0u);
  EXPECT_EQ(counts.sent, 1u);
}

}  // namespace
}  // namespace trunkline::test
