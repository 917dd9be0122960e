// SPDX-License-Identifier: BSD-3-Clause
// A worker that sleeps when it has nothing to do, and programs that block in the kernel on their
// handles: nobody sleeps through what concerns it. A wake-up that is lost is a test that hangs
// until its handle's time-out.
#include <sys/time.h>

#include <thread>

#include "socket_test.h"

namespace trunkline::test {
namespace {

class ThreadsTest : public SocketTest {
 protected:
  static constexpr int kPatience = 60;  // seconds, of who waits in vain

  // As a worker's loop: turns, and sleeps until somebody rings or a timer is due.
  void run_sleeping_worker() {
    net.step = Duration{0};
    while (!net.stop.load()) {
      if (net.turn() != 0) continue;
      for (Side* side : {&left, &right}) side->host->sockets.arm();
      if (!left.host->sockets.has_work() && !right.host->sockets.has_work()) sleep();
      for (Side* side : {&left, &right}) {
        side->host->sockets.wait_over();
        side->host->sockets.disarm();
      }
    }
  }
  void sleep() {
    const TimePoint due =
        std::min(left.host->shard.next_deadline(), right.host->shard.next_deadline());
    const int64_t most = 1'000'000'000;
    const int64_t ns =
        due.is_never() ? most : std::clamp<int64_t>((due - net.now).count(), 0, most);
    std::array<struct pollfd, 2> fds = {
        {{left.host->sockets.wait_fd(), POLLIN, 0}, {right.host->sockets.wait_fd(), POLLIN, 0}}};
    struct timespec limit = {ns / most, ns % most};
    ppoll(fds.data(), fds.size(), &limit, nullptr);
  }

  static void be_patient(Holder& program) {
    const struct timeval limit = {kPatience, 0};
    setsockopt(program.handle, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(program.handle, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  }

  // Blocks in the kernel while there is no room. False: in vain.
  static bool send_blocking(Holder& program, const std::string& text) {
    while (!program.send(text)) {
      program.put_ballast();
      if (program.send(text)) return true;
      if (send(program.handle, "", 1, MSG_NOSIGNAL) != 1) return false;
      store_seq_cst(program.page().full, 1);  // the byte is to be taken out
    }
    return true;
  }

  // The tokens of an empty ring go, unless something came meanwhile.
  static bool take_tokens(Holder& program) {
    const uint32_t n = __atomic_exchange_n(&program.page().tokens, 0, __ATOMIC_SEQ_CST);
    if (n == 0) return true;
    if (program.waiting() != 0) {
      __atomic_fetch_add(&program.page().tokens, n, __ATOMIC_SEQ_CST);
      return true;
    }
    std::array<uint8_t, TLS_MAX_TOKENS> bytes;
    for (uint32_t left_over = n; left_over != 0;) {
      const ssize_t got = recv(program.handle, bytes.data(), left_over, 0);
      if (got <= 0) return false;
      left_over -= static_cast<uint32_t>(got);
    }
    return true;
  }

  // The next message, blocking in the kernel until there is one.
  static std::optional<Received> receive_blocking(Holder& program) {
    while (true) {
      if (auto got = program.receive()) return got;
      if (!take_tokens(program)) return {};
      if (program.waiting() != 0) continue;
      uint8_t byte;
      if (recv(program.handle, &byte, 1, MSG_PEEK) != 1) return {};
    }
  }

  static void write_all(Holder& program, int messages, size_t size) {
    for (int i = 0; i < messages; ++i) {
      std::string text = std::to_string(i);
      text.resize(std::max(text.size(), size), '.');
      ASSERT_TRUE(send_blocking(program, text)) << "waited in vain for room, message " << i;
    }
  }
  static void read_all(Holder& program, int messages) {
    for (int i = 0; i < messages; ++i) {
      const auto got = receive_blocking(program);
      ASSERT_TRUE(got.has_value()) << "waited in vain for message " << i;
      ASSERT_EQ(std::stoi(got->bytes), i);
    }
  }
};

TEST_F(ThreadsTest, NobodySleepsThroughAMessageOrThroughRoom) {
  constexpr int kMessages = 6000;
  Pair pair = establish();
  pair.client.page().send_buffer = 40'000;
  for (TestSocket* socket : {&pair.client, &pair.server}) be_patient(*socket->program);
  std::thread worker([this] { run_sleeping_worker(); });
  std::thread writer([&] { write_all(*pair.client.program, kMessages, 900); });
  std::thread reader([&] { read_all(*pair.server.program, kMessages); });
  writer.join();
  reader.join();
  net.stop.store(true);
  left.kicks.kick(pair.client.end->index());
  worker.join();
  net.step = std::chrono::microseconds(100);
}

TEST_F(ThreadsTest, PingPong) {
  constexpr int kRounds = 2000;
  Pair pair = establish();
  for (TestSocket* socket : {&pair.client, &pair.server}) be_patient(*socket->program);
  std::thread worker([this] { run_sleeping_worker(); });
  std::thread echo([&] {
    for (int i = 0; i < kRounds; ++i) {
      const auto got = receive_blocking(*pair.server.program);
      ASSERT_TRUE(got.has_value()) << i;
      ASSERT_TRUE(send_blocking(*pair.server.program, got->bytes));
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    ASSERT_TRUE(send_blocking(*pair.client.program, std::to_string(i)));
    const auto got = receive_blocking(*pair.client.program);
    ASSERT_TRUE(got.has_value()) << i;
    ASSERT_EQ(got->bytes, std::to_string(i));
  }
  echo.join();
  net.stop.store(true);
  left.kicks.kick(pair.client.end->index());
  worker.join();
  net.step = std::chrono::microseconds(100);
}

}  // namespace
}  // namespace trunkline::test
