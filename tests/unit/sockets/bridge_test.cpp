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

}  // namespace
}  // namespace trunkline::test
