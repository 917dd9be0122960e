// SPDX-License-Identifier: BSD-3-Clause
// Several processes that hold one socket: readers and senders at once, some of them killed
// anywhere.
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>
#include <vector>

#include "fixture.h"
#include "holders.h"

namespace trunkline::test {
namespace {

class HoldersTest : public SocketsTest {
 protected:
  // Reads until somebody sends the last number, which it sends back for the next reader.
  static void read_all(int fd, Board& board, uint32_t messages) {
    for (;;) {
      uint32_t number = 0;
      const ssize_t n = tlsctp_recv(fd, &number, sizeof(number), 0);
      if (n <= 0) return;
      if (number >= messages) return;
      board.note(number);
    }
  }
  pid_t fork_reader(int threads) {
    return fork_threads(threads, [&] { read_all(server, *board, messages); });
  }
  void expect_nothing_lost_in_the_rings() {
    char byte = 0;
    // Whoever looks last takes what nobody accounts for.
    EXPECT_EQ(tlsctp_recv(server, &byte, 1, MSG_DONTWAIT), -1);
    daemon->at_daemon([&] {
      for (auto& [index, socket] : daemon->sockets) {
        if (socket->peer == nullptr) continue;
        socket->take_returns();
        EXPECT_EQ(socket->lent(), 0u);
        EXPECT_EQ(socket->under_way(), 0u);
        EXPECT_EQ(load_seq_cst(socket->page.tokens), 0u);
      }
    });
  }

  const uint32_t messages = wanted_messages(100'000);
  SharedBoard board{messages};
};

TEST_F(HoldersTest, FourReadersInTwoProcessesGetEachMessageOnce) {
  connect_pair();
  const pid_t children[2] = {fork_reader(2), fork_reader(2)};
  uint32_t seed = 1;
  for (uint32_t i = 0; i < messages; ++i) {
    ASSERT_EQ(tlsctp_send(client, &i, sizeof(i), 0), 4);
    seed = seed * 1664525u + 1013904223u;
    if (seed >> 24 == 0) std::this_thread::yield();
  }
  for (uint32_t i = 0; i < 4; ++i) tlsctp_send(client, &messages, sizeof(messages), 0);
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(board->received, messages);
  EXPECT_EQ(board->sum, uint64_t{messages} * (messages - 1) / 2);
  EXPECT_EQ(board->twice, 0u);
  expect_nothing_lost_in_the_rings();
}

// A reader that dies may take one message with it for each of its threads, and no more.
TEST_F(HoldersTest, ReadersMayBeKilledAnywhere) {
  connect_pair();
  pid_t children[2] = {fork_reader(2), fork_reader(2)};
  const uint32_t count = messages / 4;
  std::thread sender([&] {
    for (uint32_t i = 0; i < count; ++i) tlsctp_send(client, &i, sizeof(i), 0);
    // So many that all of them find one.
    for (uint32_t i = 0; i < 4; ++i) tlsctp_send(client, &messages, sizeof(messages), 0);
  });
  uint32_t kills = 0;
  uint64_t last = 0;
  for (uint32_t seed = 1; board->received + 2 * kills < count && kills < 60;) {
    seed = seed * 1664525u + 1013904223u;
    ::usleep(1000 + (seed >> 20));
    if (board->received == last && board->received == 0) continue;
    last = board->received;
    if (last + 4096 > count) break;  // the rest is for those that live
    pid_t& child = children[kills++ % 2];
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    child = fork_reader(2);
  }
  sender.join();
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_GT(kills, 0u);
  EXPECT_EQ(board->twice, 0u);
  EXPECT_LE(board->received, count);
  EXPECT_GE(board->received + 2 * kills, count);
  expect_nothing_lost_in_the_rings();
}

TEST_F(HoldersTest, SendersMayBeKilledAnywhere) {
  FakeGeometry small;
  small.tx_slots = 16;
  start(small);
  connect_pair();
  const auto fork_sender = [&] {
    return fork_threads(2, [&] {
      const std::string message(1200, 'x');
      while (board->stop == 0 && tlsctp_send(client, message.data(), message.size(), 0) > 0) {
      }
    });
  };
  pid_t children[2] = {fork_sender(), fork_sender()};
  std::thread reader([&] {
    char data[2048];
    for (ssize_t n; (n = tlsctp_recv(server, data, sizeof(data), 0)) > 0;) {
      if (n == 4) return;
      EXPECT_EQ(n, 1200);
      ++board->received;
    }
  });
  uint64_t last = 0;
  for (uint32_t i = 0, seed = 7; i < 60; ++i) {
    // Somebody sends, whoever was killed.
    while (board->received < last + 20) ::usleep(200);
    last = board->received;
    seed = seed * 1664525u + 1013904223u;
    ::usleep(seed >> 21);
    ::kill(children[i % 2], SIGKILL);
    ::waitpid(children[i % 2], nullptr, 0);
    children[i % 2] = fork_sender();
  }
  board->stop = 1;
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  ASSERT_EQ(tlsctp_send(client, "last", 4, 0), 4);
  reader.join();
  // All slots are there again.
  ASSERT_EQ(tlsctp_send(client, "more", 4, 0), 4);
  char data[8];
  ASSERT_EQ(tlsctp_recv(server, data, sizeof(data), 0), 4);
  daemon->at_daemon([] {});
  const std::string largest(size_t{16} * 512, 'y');
  ASSERT_EQ(tlsctp_send(client, largest.data(), largest.size(), MSG_DONTWAIT),
            static_cast<ssize_t>(largest.size()));
  std::vector<char> got(largest.size());
  ASSERT_EQ(tlsctp_recv(server, got.data(), got.size(), 0), static_cast<ssize_t>(got.size()));
  expect_nothing_lost_in_the_rings();
}

// A program that closes all by system calls of its own may have files under our numbers: nothing is
// written there, and they stay open.
TEST_F(HoldersTest, NumbersThatWereTakenOverAreLeftAlone) {
  connect_pair();
  const int file = ::memfd_create("a file", MFD_CLOEXEC);
  int taken = -1;
  for (int fd = 3; fd < 1100; ++fd) {
    if (!sctp::attachment::owns(fd)) continue;
    ASSERT_EQ(::syscall(SYS_dup3, file, fd, O_CLOEXEC), fd);
    taken = fd;
  }
  ASSERT_GE(taken, 0);
  const int another = make_socket();
  EXPECT_GE(another, 0);
  tlsctp_close(another);
  EXPECT_EQ(tlsctp_send(client, "y", 1, 0), 1);
  struct stat about {};
  EXPECT_EQ(::fstat(taken, &about), 0);
  EXPECT_EQ(about.st_size, 0);
  struct stat original {};
  EXPECT_EQ(::fstat(file, &original), 0);
  EXPECT_EQ(about.st_ino, original.st_ino);
}

// A child that cannot reach the daemon (another root directory, another user) hears of it: nobody
// would be told of what it sends.
TEST_F(HoldersTest, AChildWithoutADaemonSendsNothing) {
  connect_pair();
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("TRUNKLINE_SOCKET", "/nowhere", 1);
    const bool failed = tlsctp_send(client, "x", 1, MSG_NOSIGNAL) == -1 && errno == ECONNRESET;
    ::_exit(failed ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  char byte = 0;
  ASSERT_EQ(tlsctp_send(client, "y", 1, 0), 1);
  ASSERT_EQ(tlsctp_recv(server, &byte, 1, 0), 1);
  EXPECT_EQ(byte, 'y');
}

}  // namespace
}  // namespace trunkline::test
