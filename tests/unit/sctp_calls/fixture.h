// SPDX-License-Identifier: BSD-3-Clause
// A fake daemon, and a pair of connected sockets of it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "attachment.h"
#include "fake_daemon.h"
#include "linux_sctp.h"
#include "trunkline/sctp.h"

namespace trunkline::test {

inline sockaddr_in loopback_port(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline const sockaddr* as_name(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// What poll() says, as letters.
inline std::string mask_of(int fd) {
  pollfd what{fd, POLLIN | POLLOUT | POLLRDHUP, 0};
  tlsctp_poll(&what, 1, 0);
  std::string out;
  if ((what.revents & POLLERR) != 0) out += "ERR ";
  if ((what.revents & POLLIN) != 0) out += "IN ";
  if ((what.revents & POLLOUT) != 0) out += "OUT ";
  if ((what.revents & POLLRDHUP) != 0) out += "RDHUP ";
  if ((what.revents & POLLHUP) != 0) out += "HUP ";
  if (!out.empty()) out.pop_back();
  return out;
}

class SocketsTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = "/tmp/trunkline-sockets-" + std::to_string(::getpid()) + ".sock";
    ::setenv("TRUNKLINE_SOCKET", path_.c_str(), 1);
    sctp::attachment::detach();
    start({});
  }
  void TearDown() override {
    for (const int fd : {client, server, listener}) {
      if (fd >= 0) tlsctp_close(fd);
    }
    sctp::attachment::detach();
    daemon.reset();
  }
  void start(const FakeGeometry& geometry) {
    daemon.reset();
    daemon = std::make_unique<FakeDaemon>(path_, geometry);
  }
  static int make_socket(int flags = 0) {
    return tlsctp_socket(AF_INET, SOCK_STREAM | flags, IPPROTO_SCTP);
  }
  void listen_at(uint16_t port) {
    listener = make_socket();
    ASSERT_GE(listener, 0);
    const sockaddr_in name = loopback_port(port);
    ASSERT_EQ(tlsctp_bind(listener, as_name(name), sizeof(name)), 0);
    ASSERT_EQ(tlsctp_listen(listener, 5), 0);
  }
  void connect_pair() {
    listen_at(5000);
    client = make_socket();
    const sockaddr_in name = loopback_port(5000);
    ASSERT_EQ(tlsctp_connect(client, as_name(name), sizeof(name)), 0);
    server = tlsctp_accept(listener, nullptr, nullptr);
    ASSERT_GE(server, 0);
  }

  std::string path_;
  std::unique_ptr<FakeDaemon> daemon;
  int listener = -1;
  int client = -1;
  int server = -1;
};

}  // namespace trunkline::test
