// SPDX-License-Identifier: BSD-3-Clause
// What sockets cost while they do nothing, and what their ends and their mail are by themselves.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <fstream>

#include "socket_test.h"

namespace trunkline::test {
namespace {

class MemoryTest : public SocketTest {
 protected:
  // Bytes of memory that the kernel has given to a memfd.
  static size_t in_memory(const SocketEnd& end) {
    struct stat about = {};
    EXPECT_EQ(fstat(end.memory_fd(), &about), 0);
    return static_cast<size_t>(about.st_blocks) * 512;
  }
  // Bytes of this process that are its own.
  static size_t anonymous() {
    std::ifstream rollup("/proc/self/smaps_rollup");
    std::string word;
    while (rollup >> word) {
      size_t kilobytes = 0;
      if (word == "Anonymous:" && rollup >> kilobytes) return kilobytes * 1024;
    }
    return 0;
  }
};

TEST_F(MemoryTest, AnIdleAcceptedSocketTakesTwentyFourKibibytes) {
  Pair pair = establish();
  EXPECT_LE(in_memory(*pair.server.end), 8u * 1024);
  EXPECT_LE(in_memory(*pair.client.end), 8u * 1024);
}

TEST_F(MemoryTest, TablesAreNotTouched) {
  constexpr size_t kMany = 200;
  ends.reserve(kMany);
  const size_t before = anonymous();
  if (before == 0) GTEST_SKIP() << "no smaps_rollup here";
  for (size_t i = 0; i < kMany; ++i) {
    ends.push_back(SocketEnd::create(static_cast<uint32_t>(i), 1, AF_INET, SOCK_STREAM,
                                     {geometry, ballast}, left.user));
    ASSERT_NE(ends.back(), nullptr);
  }
#ifndef __SANITIZE_THREAD__  // whose books are the process's own memory, too
  EXPECT_LE((anonymous() - before) / kMany, 8u * 1024);
#endif
  for (const auto& end : ends) EXPECT_LE(in_memory(*end), 8u * 1024);
}

TEST_F(MemoryTest, TheMemoryIsSealedAndSparse) {
  TestSocket socket = make(left);
  const int fd = socket.end->memory_fd();
  EXPECT_NE(ftruncate(fd, 4096), 0);
  EXPECT_NE(ftruncate(fd, 1 << 30), 0);
  EXPECT_EQ(socket.page().magic, TLS_MAGIC);
  EXPECT_EQ(socket.page().segment_size, tls_layout_of(&geometry).size);
  EXPECT_EQ(socket.page().tx_free_count, geometry.tx_slots);
}

TEST_F(MemoryTest, TheLocksAreRobustAndShared) {
  TestSocket socket = make(left);
  for (tls_lock* lock : {&socket.page().send_lock, &socket.page().receive_lock}) {
    std::thread([&] { EXPECT_EQ(pthread_mutex_lock(&lock->mutex), 0); }).join();
    EXPECT_EQ(pthread_mutex_lock(&lock->mutex), EOWNERDEAD);
    EXPECT_EQ(pthread_mutex_consistent(&lock->mutex), 0);
    EXPECT_EQ(pthread_mutex_unlock(&lock->mutex), 0);
  }
}

TEST_F(MemoryTest, TheBallastIsOneWriteThatFills) {
  EXPECT_GE(ballast, 64u);
  EXPECT_LE(ballast, 8192u);
  TestSocket socket = make(left);
  EXPECT_EQ(socket->mask(), "none");
  EXPECT_LT(send(socket->handle, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL), 0);
  EXPECT_EQ(errno, EAGAIN);
  socket.end->take_ballast();
  EXPECT_EQ(socket->mask(), "OUT");
}

TEST_F(MemoryTest, NamesAreThoseOfTheSystem) {
  const auto four = sockets::name_of(IpAddress::ipv4(10, 1, 2, 3), PortNumber(3868), AF_INET);
  ASSERT_EQ(four.length, sizeof(struct sockaddr_in));
  struct sockaddr_in in4;
  std::memcpy(&in4, four.bytes, sizeof(in4));
  EXPECT_EQ(in4.sin_family, AF_INET);
  EXPECT_EQ(ntohs(in4.sin_port), 3868);
  EXPECT_EQ(ntohl(in4.sin_addr.s_addr), 0x0a010203u);
  const auto mapped = sockets::name_of(IpAddress::ipv4(10, 1, 2, 3), PortNumber(1), AF_INET6);
  ASSERT_EQ(mapped.length, sizeof(struct sockaddr_in6));
  struct sockaddr_in6 in6;
  std::memcpy(&in6, mapped.bytes, sizeof(in6));
  EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr));
  EXPECT_EQ(sockets::name_of({}, PortNumber(1), AF_INET).length, 0u);
}

TEST_F(MemoryTest, MailRunsInItsOrderAndWakes) {
  sockets::SocketMail& mail = left.host->mail;
  std::string log;
  const auto readable = [](int fd) {
    struct pollfd at = {fd, POLLIN, 0};
    return poll(&at, 1, 0) == 1;
  };
  EXPECT_FALSE(readable(mail.worker_fd()));
  EXPECT_FALSE(left.host->sockets.has_work());
  mail.post([&](SocketBridge&, TimePoint) { log += "1"; });
  mail.post([&](SocketBridge&, TimePoint) {
    log += "2";
    mail.answer([&] { log += "a"; });
    EXPECT_FALSE(readable(mail.fd()));  // not before what came of it is visible
  });
  EXPECT_TRUE(readable(mail.worker_fd()));
  EXPECT_TRUE(readable(left.host->sockets.wait_fd()));
  EXPECT_TRUE(left.host->sockets.has_work());
  net.turn();
  EXPECT_EQ(log, "12");
  EXPECT_FALSE(readable(mail.worker_fd()));
  EXPECT_TRUE(readable(mail.fd()));
  mail.acknowledge();
  EXPECT_FALSE(readable(mail.fd()));
  std::vector<News> news;
  std::vector<sockets::SocketMail::Answer> answers;
  mail.tell({NewsKind::kEnded, 0, nullptr, AssocId{}});
  mail.take_all(news, answers);
  mail.tell({NewsKind::kGone, 0, nullptr,
             AssocId{}});  // what comes meanwhile is for the next time, and rings
  EXPECT_EQ(news.size(), 1u);
  ASSERT_EQ(answers.size(), 1u);
  answers.front()();
  EXPECT_EQ(log, "12a");
  EXPECT_TRUE(readable(mail.fd()));
  mail.take_all(news, answers);
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news.front().kind, NewsKind::kGone);
  EXPECT_TRUE(answers.empty());
}

// A worker that sleeps is rung once, and finds the kick.
TEST_F(MemoryTest, AKickWakesAWorkerThatSleeps) {
  Pair pair = establish();
  net.turns(20);
  SocketBridge& bridge = left.host->sockets;
  const auto readable = [&] {
    struct pollfd at = {bridge.wait_fd(), POLLIN, 0};
    return poll(&at, 1, 0) == 1;
  };
  bridge.wait_over();
  bridge.arm();
  EXPECT_FALSE(bridge.has_work());
  EXPECT_FALSE(readable());
  EXPECT_TRUE(left.kicks.kick(pair.client.end->index()));
  EXPECT_FALSE(left.kicks.kick(pair.client.end->index()));
  EXPECT_TRUE(bridge.has_work());
  EXPECT_TRUE(readable());
  bridge.wait_over();
  EXPECT_FALSE(readable());
  bridge.disarm();
  net.turn();
  EXPECT_FALSE(bridge.has_work());
}

}  // namespace
}  // namespace trunkline::test
