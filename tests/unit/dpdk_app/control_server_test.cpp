// SPDX-License-Identifier: BSD-3-Clause
// The operator's socket, and connections that ask more than anybody should: whatever they do, a
// turn ends soon, memory is bounded, and others are served.
#include "control/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace trunkline::control {
namespace {

class ControlServerTest : public ::testing::Test {
 protected:
  ControlServerTest() {
    char name[] = "/tmp/trunkline-control-XXXXXX";
    folder_ = mkdtemp(name);
    path_ = folder_ + "/sock";
    server_ = std::make_unique<Server>(
        path_, 0600,
        [this](Server::ConnectionId connection, const Json& request, Fd&) -> std::optional<Json> {
          ++asked_;
          last_ = connection;
          if (request["later"].as_uint() != 0) return std::nullopt;
          return Json::object({{"ok", true}, {"text", std::string(answer_, 'a')}});
        },
        [this](Server::ConnectionId) { ++gone_; });
  }
  ~ControlServerTest() override {
    server_.reset();
    rmdir(folder_.c_str());
  }
  Fd dial() const {
    Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  static size_t put(const Fd& fd, const std::string& text) {
    const ssize_t n = send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    return n > 0 ? static_cast<size_t>(n) : 0;
  }
  // As many lines as the socket takes.
  static void flood(const Fd& fd, const std::string& line) {
    std::string lines;
    for (int i = 0; i < 1000; ++i) lines += line;
    while (put(fd, lines) != 0) {
    }
  }
  // What there is to read; nothing and `*over`: the server has hung up.
  static std::string take(const Fd& fd, bool* over = nullptr) {
    std::string out;
    char bytes[65536];
    while (true) {
      const ssize_t n = recv(fd.get(), bytes, sizeof bytes, 0);
      if (n == 0 && over != nullptr) *over = true;
      if (n <= 0) return out;
      out.append(bytes, static_cast<size_t>(n));
    }
  }
  void turns(int n) {
    for (; n > 0; --n) server_->poll();
  }

  std::string folder_;
  std::string path_;
  std::unique_ptr<Server> server_;
  size_t answer_ = 1;
  size_t asked_ = 0;
  size_t gone_ = 0;
  Server::ConnectionId last_ = 0;
};

TEST_F(ControlServerTest, AsksAndAnswers) {
  const Fd fd = dial();
  put(fd, "{\"verb\":\"x\"}\n{\"verb\":");
  turns(3);
  EXPECT_EQ(take(fd), "{\"ok\":true,\"text\":\"a\"}\n");
  EXPECT_FALSE(server_->busy());
  put(fd, "\"y\"}\n");
  turns(2);
  EXPECT_EQ(take(fd), "{\"ok\":true,\"text\":\"a\"}\n");
  put(fd, "nonsense\n");
  turns(2);
  EXPECT_NE(take(fd).find("not a JSON object"), std::string::npos);
  EXPECT_EQ(asked_, 2U);
}

TEST_F(ControlServerTest, OneConnectionAsksForALittleEachTurn) {
  const Fd greedy = dial();
  turns(1);
  flood(greedy, "{}\n");
  server_->poll();
  EXPECT_LE(asked_, 1U);
  EXPECT_TRUE(server_->busy());
  const Fd modest = dial();
  put(modest, "{}\n");
  turns(3);
  EXPECT_NE(take(modest), "");
  EXPECT_LE(asked_, 8U);
}

TEST_F(ControlServerTest, ATurnEndsHoweverManyAsk) {
  std::vector<Fd> greedy;
  for (int i = 0; i < 16; ++i) greedy.push_back(dial());
  turns(10);
  for (const Fd& fd : greedy) flood(fd, "{}\n");
  for (int i = 0; i < 100; ++i) {
    const size_t before = asked_;
    server_->poll();
    EXPECT_LE(asked_ - before, 4U);
  }
  // Each has its turn.
  for (const Fd& fd : greedy) EXPECT_NE(take(fd), "");
}

TEST_F(ControlServerTest, WhoDoesNotReadIsAskedToWait) {
  answer_ = 1 << 20;
  const Fd deaf = dial();
  turns(1);
  flood(deaf, "{}\n");
  turns(200);
  EXPECT_LE(asked_, 2U);  // the first answer waits, the rest has not been made
  EXPECT_FALSE(server_->busy());
  std::string got;
  for (int i = 0; i < 100; ++i) {
    server_->poll();
    got += take(deaf);
  }
  EXPECT_GT(asked_, 2U);
  EXPECT_EQ(got.substr(0, 40), "{\"ok\":true,\"text\":\"" + std::string(21, 'a'));
}

TEST_F(ControlServerTest, ALineThatNeverEndsIsAHangUp) {
  const Fd fd = dial();
  turns(1);
  bool over = false;
  for (int i = 0; i < 200 && !over; ++i) {
    put(fd, std::string(4096, 'x'));
    server_->poll();
    take(fd, &over);
  }
  EXPECT_TRUE(over);
  EXPECT_EQ(gone_, 1U);
}

// Idle connections keep nobody out: the one that has been idle longest goes.
TEST_F(ControlServerTest, TheLongestIdleConnectionMakesRoom) {
  std::vector<Fd> idle;
  Server::ConnectionId waiting = 0;
  for (int i = 0; i < 40; ++i) {
    idle.push_back(dial());
    if (i == 3) put(idle.back(), "{\"later\":1}\n");  // an answer is owed to it
    turns(2);
    if (i == 3) waiting = last_;
  }
  const Fd operator_fd = dial();
  put(operator_fd, "{}\n");
  turns(4);
  EXPECT_NE(take(operator_fd), "");
  EXPECT_EQ(gone_, 9U);
  bool over = false;
  take(idle[0], &over);
  EXPECT_TRUE(over);
  over = false;
  take(idle[3], &over);
  EXPECT_FALSE(over);
  server_->reply(waiting, Json::object({{"ok", true}}));
  EXPECT_EQ(take(idle[3]), "{\"ok\":true}\n");
}

TEST_F(ControlServerTest, ManyConnectsAreAcceptedAFewATurn) {
  std::vector<Fd> many;
  for (int i = 0; i < 16; ++i) many.push_back(dial());
  for (const Fd& fd : many) put(fd, "{}\n");
  turns(40);
  for (const Fd& fd : many) EXPECT_NE(take(fd), "");
}

// Who asks, says that this was all, and reads, gets every answer.
TEST_F(ControlServerTest, WhatWasAskedBeforeTheEndIsAnswered) {
  const Fd fd = dial();
  put(fd, "{}\n{}\n{}\n");
  shutdown(fd.get(), SHUT_WR);
  turns(10);
  bool over = false;
  EXPECT_EQ(take(fd, &over).size(), 3 * std::strlen("{\"ok\":true,\"text\":\"a\"}\n"));
  EXPECT_TRUE(over);
  EXPECT_EQ(gone_, 1U);
}

TEST_F(ControlServerTest, AnAnswerThatComesLater) {
  const Fd fd = dial();
  put(fd, "{\"later\":1}\n{}\n");
  turns(5);
  EXPECT_EQ(asked_, 2U);
  take(fd);
  server_->reply(last_, Json::object({{"ok", true}}));
  EXPECT_EQ(take(fd), "{\"ok\":true}\n");
}

}  // namespace
}  // namespace trunkline::control
