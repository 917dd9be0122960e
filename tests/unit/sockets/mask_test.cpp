// SPDX-License-Identifier: BSD-3-Clause
// What the kernel says of a handle in each state that a socket may be in.
#include "socket_test.h"

namespace trunkline::test {
namespace {

class MaskTest : public SocketTest {
 protected:
  void expect(const char* state, TestSocket& socket, const char* mask) {
    EXPECT_EQ(socket->mask(), mask) << state;
  }
};

TEST_F(MaskTest, BeforeAnAssociation) {
  TestSocket socket = make(left);
  expect("fresh", socket, "none");
  net.cut = true;
  ASSERT_EQ(connect(left, socket, right), Status::kOk);
  expect("connecting", socket, "none");
  EXPECT_EQ(socket.page().state, TLS_CONNECTING);
}

TEST_F(MaskTest, Established) {
  Pair pair = establish();
  expect("established, client", pair.client, "OUT");
  expect("established, server", pair.server, "OUT");
  ASSERT_TRUE(pair.client->send("x"));
  net.turns(20);
  expect("message unread", pair.server, "IN OUT");
  ASSERT_TRUE(pair.server->receive().has_value());
  pair.server->take_tokens();
  expect("message read", pair.server, "OUT");
  pair.server.page().options.events = 1u << 9;  // sender dry
  ASSERT_TRUE(pair.server->send("y"));
  net.turns(30);
  expect("notification unread", pair.server, "IN OUT");
}

TEST_F(MaskTest, FullWithAndWithoutData) {
  Pair pair = establish();
  // Nobody reads at the other side, until the sender has no room.
  for (int i = 0; i < 200; ++i) {
    while (pair.client->send(text(1000))) {
    }
    net.turn();
  }
  pair.client->put_ballast();
  expect("send buffer full", pair.client, "none");
  ASSERT_TRUE(pair.server->send("x"));
  net.turns(20);
  expect("data waits", pair.client, "IN");
}

TEST_F(MaskTest, PeerShutDown) {
  Pair pair = establish();
  pair.server->operation(TLR_OP_SHUTDOWN);
  net.turns(50);
  expect("peer's shutdown complete", pair.client, "IN OUT RDHUP");
  EXPECT_EQ(pair.client.page().state, TLS_ENDED);
  EXPECT_EQ(pair.client.page().error, 0u);
  // As on Linux: who has shut it down reads no end of file.
  expect("own shutdown complete", pair.server, "OUT");
}

TEST_F(MaskTest, Refused) {
  TestSocket socket = make(left);
  ASSERT_EQ(connect(left, socket, right), Status::kOk);
  ASSERT_TRUE(news(left, NewsKind::kFailed).has_value());
  expect("refused", socket, "IN OUT");
  EXPECT_EQ(socket.page().state, TLS_FRESH);
  EXPECT_EQ(socket.page().error, static_cast<uint32_t>(ECONNREFUSED));
  // Who takes the error puts both back.
  EXPECT_EQ(socket->take_tokens(), 1u);
  socket->put_ballast();
  expect("fresh again", socket, "none");
}

TEST_F(MaskTest, Aborted) {
  Pair pair = establish();
  pair.server->operation(TLR_OP_ABORT);
  ASSERT_TRUE(news(left, NewsKind::kEnded).has_value());
  expect("aborted", pair.client, "IN OUT");
  EXPECT_EQ(pair.client.page().error, static_cast<uint32_t>(ECONNRESET));
  EXPECT_EQ(pair.client.page().state, TLS_ENDED);
  ASSERT_TRUE(news(right, NewsKind::kEnded).has_value());
  EXPECT_EQ(pair.server.page().error, static_cast<uint32_t>(ECONNABORTED));
}

TEST_F(MaskTest, DaemonGone) {
  TestSocket socket = make(left);
  ends.clear();
  EXPECT_EQ(socket->mask(), "IN OUT RDHUP HUP ERR");
}

}  // namespace
}  // namespace trunkline::test
