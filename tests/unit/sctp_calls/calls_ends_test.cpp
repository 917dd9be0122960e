// SPDX-License-Identifier: BSD-3-Clause
// What the calls say when an association, a direction, a descriptor or the daemon ends.
#include <atomic>
#include <csignal>
#include <string>
#include <thread>
#include <utility>

#include "asleep.h"
#include "fixture.h"

namespace trunkline::test {
namespace {

using CallsTest = SocketsTest;

std::atomic<int> pipes;
TEST_F(CallsTest, ABrokenPipeIsSignalled) {
  connect_pair();
  pipes = 0;
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { ++pipes; };
  ::sigaction(SIGPIPE, &action, &before);
  tlsctp_close(std::exchange(client, -1));
  char byte = 0;
  EXPECT_EQ(tlsctp_recv(server, &byte, 1, 0), 0);
  EXPECT_EQ(tlsctp_send(server, "x", 1, 0), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(pipes, 1);
  EXPECT_EQ(tlsctp_send(server, "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(pipes, 1);
  ::sigaction(SIGPIPE, &before, nullptr);
}

TEST_F(CallsTest, ShutdownIsTheEndAfterWhatWasSent) {
  connect_pair();
  ASSERT_EQ(tlsctp_send(client, "last", 4, 0), 4);
  ASSERT_EQ(tlsctp_shutdown(client, SHUT_WR), 0);
  EXPECT_EQ(tlsctp_send(client, "more", 4, MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EPIPE);
  char data[8];
  EXPECT_EQ(tlsctp_recv(server, data, sizeof(data), 0), 4);
  EXPECT_EQ(tlsctp_recv(server, data, sizeof(data), 0), 0);
  EXPECT_EQ(mask_of(server), "IN OUT RDHUP");
}

TEST_F(CallsTest, BothDirectionsShutAreAHangUp) {
  connect_pair();
  ASSERT_EQ(tlsctp_shutdown(client, SHUT_WR), 0);
  while (mask_of(server) != "IN OUT RDHUP") ::usleep(1000);
  ASSERT_EQ(tlsctp_shutdown(server, SHUT_WR), 0);
  EXPECT_EQ(mask_of(server), "IN OUT RDHUP HUP");
}

// As Linux has it: the error stays pending.
TEST_F(CallsTest, AnAssociationThatEndsBeneathASender) {
  connect_pair();
  daemon->at_daemon([&] { daemon->holds_acknowledgements = true; });
  const std::string message(500, 'x');
  while (tlsctp_send(client, message.data(), message.size(), MSG_DONTWAIT) > 0) {
  }
  Asleep asleep;
  std::thread blocked([&] {
    asleep.here();
    EXPECT_EQ(tlsctp_send(client, "y", 1, 0), -1);
    EXPECT_EQ(errno, ESRCH);
  });
  asleep.wait();
  daemon->at_daemon([&] {
    for (auto& [index, socket] : daemon->sockets) {
      if (socket->under_way() == 0) continue;
      store_seq_cst(socket->page.shut, TLS_SHUT_SEND);
      store_seq_cst(socket->page.error, ECONNRESET);
      store_seq_cst(socket->page.state, TLS_ENDED);
      socket->take_ballast();
    }
  });
  blocked.join();
  EXPECT_EQ(mask_of(client), "ERR OUT");
}

TEST_F(CallsTest, WhatIsClosedBeneathAReaderStaysOpenForIt) {
  connect_pair();
  std::thread blocked([fd = server] {
    char byte = 0;
    EXPECT_EQ(tlsctp_recv(fd, &byte, 1, 0), 1);
    EXPECT_EQ(byte, 'z');
  });
  bool waits = false;
  while (!waits) {
    daemon->at_daemon([&] {
      for (auto& [index, socket] : daemon->sockets)
        waits |= load_seq_cst(socket->page.waiting) != 0;
    });
  }
  EXPECT_EQ(tlsctp_close(server), 0);
  // Another one of that number is not touched.
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  EXPECT_EQ(::send(pair[1], "mine", 4, 0), 4);
  daemon->at_daemon([&] { EXPECT_NE(daemon->requests.back(), TLS_CLOSE); });
  EXPECT_EQ(tlsctp_send(client, "z", 1, 0), 1);
  blocked.join();
  char data[8];
  EXPECT_EQ(::recv(pair[0], data, sizeof(data), MSG_DONTWAIT), 4);
  ::close(pair[0]);
  ::close(pair[1]);
  server = -1;
}

TEST_F(CallsTest, TheLastCloseIsTold) {
  connect_pair();
  const int copy = tlsctp_dup(client);
  tlsctp_close(copy);
  daemon->at_daemon([&] { EXPECT_NE(daemon->requests.back(), TLS_CLOSE); });
  tlsctp_close(std::exchange(client, -1));
  daemon->at_daemon([&] { EXPECT_EQ(daemon->requests.back(), TLS_CLOSE); });
}

TEST_F(CallsTest, TheDaemonsEndIsAReset) {
  connect_pair();
  daemon.reset();
  char byte = 0;
  EXPECT_EQ(tlsctp_recv(client, &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_EQ(tlsctp_recv(client, &byte, 1, 0), 0);
  EXPECT_EQ(tlsctp_send(client, "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EPIPE);
  start({});
  const int fresh = make_socket();
  EXPECT_GE(fresh, 0);
  tlsctp_close(fresh);
}

}  // namespace
}  // namespace trunkline::test
