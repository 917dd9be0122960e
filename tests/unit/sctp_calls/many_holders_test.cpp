// SPDX-License-Identifier: BSD-3-Clause
// Several processes that read one one-to-many socket, some of them killed anywhere, while
// associations come, go and are peeled off.
#include <sys/wait.h>

#include <csignal>

#include "many_traffic.h"

namespace trunkline::test {
namespace {

class ManyHoldersTest : public ManyTraffic {
 protected:
  static constexpr int kSenders = 3;

  ManyHoldersTest() : ManyTraffic(100'000) {}

  pid_t fork_readers() {
    return fork_threads(2, [&] {
      if (!read_numbers(front, *board, messages)) ::_exit(1);
    });
  }
  void send_all() {
    std::vector<std::thread> senders;
    for (int i = 0; i < kSenders; ++i) senders.emplace_back([this] { send_runs(); });
    for (std::thread& sender : senders) sender.join();
  }
  // All readers end, unless one sleeps through it.
  void finish(const pid_t (&children)[2], std::thread& peeler) {
    board->stop = 1;
    peeler.join();
    wait_until_read();
    send_ends(4);
    for (const pid_t child : children) {
      int status = 0;
      ::waitpid(child, &status, 0);
      EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(board->twice, 0u);
    EXPECT_EQ(board->late, 0u);
    expect_runs_in_order();
  }
};

TEST_F(ManyHoldersTest, FourReadersInTwoProcessesGetEachMessageOnce) {
  const pid_t children[2] = {fork_readers(), fork_readers()};
  std::thread peeler([this] { peel_some_off(); });
  send_all();
  finish(children, peeler);
  EXPECT_EQ(board->received, messages) << missing();
  EXPECT_EQ(board->sum, uint64_t{messages} * (messages - 1) / 2);
  EXPECT_GT(peeled_off, 0u);
}

// A reader that dies may take one message with it for each of its threads, and no more.
TEST_F(ManyHoldersTest, ReadersMayBeKilledAnywhere) {
  pid_t children[2] = {fork_readers(), fork_readers()};
  std::thread peeler([this] { peel_some_off(); });
  std::atomic<bool> sent{false};
  std::thread senders([&] {
    send_all();
    sent = true;
  });
  uint32_t kills = 0;
  for (uint32_t seed = 1; !sent; ++kills) {
    seed = seed * 1664525u + 1013904223u;
    ::usleep(5000 + (seed >> 18));
    pid_t& child = children[kills % 2];
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    child = fork_readers();
  }
  senders.join();
  finish(children, peeler);
  EXPECT_GT(kills, 0u);
  EXPECT_LE(board->received, messages);
  EXPECT_GE(board->received + 2 * kills, messages);
}

}  // namespace
}  // namespace trunkline::test
