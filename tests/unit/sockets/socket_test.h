// SPDX-License-Identifier: BSD-3-Clause
// Tests of the worker's side: the test plays sockets threads and programs of both hosts.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "holder.h"
#include "two_hosts.h"

namespace trunkline::test {

using sockets::News;
using sockets::NewsKind;
using sockets::SocketBridge;
using sockets::SocketCounter;
using sockets::SocketEnd;
using sockets::SocketUser;

// A socket: the end that the daemon has, which lives as long as the test, and the program's.
struct TestSocket {
  SocketEnd* end = nullptr;
  std::unique_ptr<Holder> program;
  Holder* operator->() { return program.get(); }
  tls_page& page() { return program->page(); }
};

class SocketTest : public ::testing::Test {
 protected:
  static constexpr PortNumber kPort{3868};
  static constexpr uint64_t kOwner = 77;
  static constexpr uint64_t kListener = 5;

  explicit SocketTest(const sockets::SocketBridgeConfig& config = {}) : net(config) {
    net.step = std::chrono::microseconds(100);
    for (Side* side : {&left, &right}) {
      side->host->sockets.add_process(side->kicks.area);
      side->user->shares.resize(1);
    }
  }
  ~SocketTest() override {
    for (Side* side : {&left, &right}) side->host->sockets.close_all(net.now, true);
    net.turns(20);
  }

  struct Side {
    explicit Side(SocketHost& its) : host(&its) {}
    SocketHost* host;
    KickMemory kicks;
    std::shared_ptr<SocketUser> user = std::make_shared<SocketUser>();
    std::vector<News> news;
    uint32_t next_index = 7;
  };
  std::vector<std::unique_ptr<SocketEnd>> ends;  // outlive the payload that the shards hold
  TwoHosts net;
  Side left{net.left};
  Side right{net.right};
  Profile profile = SocketHost::profile();
  uint32_t ballast = SocketEnd::find_ballast();
  tlr_geometry geometry = SocketEnd::default_geometry();

  TestSocket make(Side& side) {
    TestSocket out;
    ends.push_back(SocketEnd::create(side.next_index++, 1234, AF_INET, SOCK_STREAM,
                                     {geometry, ballast}, side.user));
    out.end = ends.back().get();
    EXPECT_NE(out.end, nullptr);
    EXPECT_TRUE(out.end->put_ballast());
    out.program = std::make_unique<Holder>(*out.end, geometry, side.kicks);
    return out;
  }
  sockets::LocalEndName name(Side& side, PortNumber port) {
    return {kOwner, port, {side.host->address}};
  }
  // At the worker, in its next turn.
  void at(Side& side, std::function<void(SocketBridge&, TimePoint)> work) {
    side.host->mail.post(std::move(work));
    net.turn();
  }
  void listen(Side& side, uint32_t backlog = 16) {
    Status status = Status::kClosing;
    at(side, [&](SocketBridge& bridge, TimePoint) {
      status = bridge.listen(name(side, kPort), kListener, backlog, profile);
    });
    EXPECT_EQ(status, Status::kOk);
  }
  Status connect(Side& from, TestSocket& socket, Side& to, PortNumber local = PortNumber(0),
                 PortNumber port = kPort) {
    Status status = Status::kClosing;
    at(from, [&](SocketBridge& bridge, TimePoint now) {
      status =
          bridge.connect(now, *socket.end, {name(from, local), {to.host->address}, port, profile});
    });
    return status;
  }
  // Turns until there is news of that kind, which is taken.
  std::optional<News> news(Side& side, NewsKind kind, int most = 2000) {
    for (int i = 0; i < most; ++i) {
      for (News one; side.host->mail.take(one);) side.news.push_back(one);
      for (size_t n = 0; n < side.news.size(); ++n) {
        if (side.news[n].kind != kind) continue;
        News out = side.news[n];
        side.news.erase(side.news.begin() + static_cast<ptrdiff_t>(n));
        return out;
      }
      net.turn();
    }
    return {};
  }
  TestSocket accept(Side& side) {
    const auto waiting = news(side, NewsKind::kAccepted);
    EXPECT_TRUE(waiting.has_value());
    TestSocket out = make(side);
    EXPECT_EQ(accept_as(side, waiting ? waiting->assoc : AssocId{}, out), Status::kOk);
    return out;
  }
  Status accept_as(Side& side, AssocId id, TestSocket& socket) {
    Status status = Status::kClosing;
    at(side,
       [&](SocketBridge& bridge, TimePoint now) { status = bridge.accept(now, id, *socket.end); });
    return status;
  }
  // An established pair: client on the left, server on the right.
  struct Pair {
    TestSocket client;
    TestSocket server;
  };
  Pair establish() {
    listen(right);
    Pair out;
    out.client = make(left);
    EXPECT_EQ(connect(left, out.client, right), Status::kOk);
    out.server = accept(right);
    EXPECT_TRUE(news(left, NewsKind::kConnected).has_value());
    return out;
  }
  void close(Side& side, TestSocket& socket, bool abort = false) {
    socket->hang_up();
    at(side, [&](SocketBridge& bridge, TimePoint now) { bridge.close(now, *socket.end, abort); });
  }
  uint64_t counter(Side& side, SocketCounter which) {
    return side.host->sockets.counters().get(which);
  }
  // Everything that arrives at the server until nothing comes any more.
  static std::string text(size_t size, char first = 'a') {
    std::string out(size, first);
    for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + (i * 7 + i / 1000) % 26);
    return out;
  }
};

}  // namespace trunkline::test
