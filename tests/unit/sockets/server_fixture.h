// SPDX-License-Identifier: BSD-3-Clause
// The sockets threads of two daemons, each with a worker over a real shard, and a program at each.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "program.h"
#include "sockets/socket_server.h"

namespace trunkline::test {

using sockets::SocketServer;
using sockets::SocketServerConfig;
using sockets::SocketSnapshot;

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    char name[] = "/tmp/trunkline-test-XXXXXX";
    folder = mkdtemp(name);
    left_config = config("left", "10.1.0.1");
    right_config = config("right", "10.1.0.2");
  }
  ~ServerTest() override {
    left.reset();
    right.reset();
    if (servers_[0] != nullptr) {
      EXPECT_TRUE(servers_[0]->stop(std::chrono::seconds(10)));
      EXPECT_TRUE(servers_[1]->stop(std::chrono::seconds(10)));
      net.stop.store(true);
      workers_.join();
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  SocketServerConfig config(const char* name, const char* own) {
    SocketServerConfig out;
    out.place = {"sockets", folder + "/" + name, 0660, std::nullopt};
    out.permissions.push_back({std::nullopt, std::nullopt, {{1, 65535}}, true});
    out.own_addresses = {*IpAddress::parse(own)};
    out.default_profile = SocketHost::profile();
    return out;
  }
  void serve() {
    sockets::SocketMail* left_mail = &net.left.mail;
    sockets::SocketMail* right_mail = &net.right.mail;
    servers_[0] =
        std::make_unique<SocketServer>(left_config, std::span(&left_mail, 1), *net.left.ports);
    servers_[1] =
        std::make_unique<SocketServer>(right_config, std::span(&right_mail, 1), *net.right.ports);
    workers_ = std::thread([this] { net.run_worker(); });
    for (const auto& server : servers_) server->start();
  }
  void start() {
    serve();
    left = std::make_unique<Program>(left_config.place.path);
    right = std::make_unique<Program>(right_config.place.path);
    ASSERT_TRUE(left->connected && right->connected);
    ASSERT_EQ(left->hello(), 0);
    ASSERT_EQ(right->hello(), 0);
  }
  SocketSnapshot snapshot(int side) {
    auto out = servers_[side]->snapshot();
    EXPECT_TRUE(out.has_value());
    return out ? *out : SocketSnapshot{};
  }
  // Until the daemon has no more than so many sockets.
  bool waits_for_sockets(int side, size_t count) {
    for (int i = 0; i < 5000; ++i) {
      if (snapshot(side).sockets.size() == count) return true;
      usleep(1000);
    }
    return false;
  }
  struct Pair {
    std::unique_ptr<ProgramSocket> listener, client, server;
  };
  Pair establish(uint16_t port = 3868) {
    Pair out;
    out.listener = ProgramSocket::make(*right);
    EXPECT_EQ(out.listener->bind(ipv4("10.1.0.2", port)), 0);
    EXPECT_EQ(out.listener->listen(8), 0);
    out.client = ProgramSocket::make(*left);
    EXPECT_EQ(out.client->connect(ipv4("10.1.0.2", port)), 0);
    EXPECT_TRUE(out.client->wait_for(TLS_ESTABLISHED));
    out.server = out.listener->accept();
    EXPECT_NE(out.server, nullptr);
    return out;
  }

  std::string folder;
  TwoHosts net;
  SocketServerConfig left_config, right_config;
  std::unique_ptr<Program> left, right;

 private:
  std::unique_ptr<SocketServer> servers_[2];
  std::thread workers_;
};

}  // namespace trunkline::test
