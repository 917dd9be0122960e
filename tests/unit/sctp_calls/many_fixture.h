// SPDX-License-Identifier: BSD-3-Clause
// A daemon in this process, a one-to-many socket of it that listens, and one-to-one sockets that
// are its peers.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/time.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "attachment.h"
#include "linux_sctp.h"
#include "looped_daemon.h"
#include "trunkline/sctp.h"

namespace trunkline::test {

class ManySocketsTest : public testing::Test {
 protected:
  static constexpr uint16_t kPort = 5000;
  static constexpr int kPatience = 60;  // seconds, of who waits in vain

  void SetUp() override {
    path_ = "/tmp/trunkline-many-" + std::to_string(::getpid()) + ".sock";
    ::setenv("TRUNKLINE_SOCKET", path_.c_str(), 1);
    sctp::attachment::detach();
    // Whoever closes waits as long for readers that are late: they may have been killed.
    Profile profile = SocketHost::profile();
    profile.shutdown_guard = std::chrono::seconds(kPatience);
    daemon = std::make_unique<LoopedDaemon>(path_, profile);
    front = make(SOCK_SEQPACKET);
    ASSERT_GE(front, 0);
    ASSERT_EQ(tlsctp_bind(front, as_name(name_), sizeof(name_)), 0);
    ASSERT_EQ(tlsctp_listen(front, 5), 0);
  }
  void TearDown() override {
    if (front >= 0) tlsctp_close(front);
    sctp::attachment::detach();
    daemon.reset();
  }

  static const sockaddr* as_name(const sockaddr_in& name) {
    return reinterpret_cast<const sockaddr*>(&name);
  }
  // One that waits in vain says so.
  static int make(int type) {
    const int fd = tlsctp_socket(AF_INET, type, IPPROTO_SCTP);
    const timeval limit{kPatience, 0};
    tlsctp_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    tlsctp_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return fd;
  }
  // A peer with an association of the front. -1: it could not connect.
  int connect_one() {
    const int fd = make(SOCK_STREAM);
    if (tlsctp_connect(fd, as_name(name_), sizeof(name_)) == 0) return fd;
    tlsctp_close(fd);
    return -1;
  }
  // By a one-to-many socket, to the front: what it is the first to send makes the association.
  ssize_t call(int fd, const void* data, size_t size, uint16_t flags = 0) const {
    return send_with(0, flags, fd, data, size, &name_);
  }
  // Of the associations that the front has.
  [[nodiscard]] std::vector<sctp_assoc_t> ids() const {
    std::vector<uint32_t> list(1024);
    auto size = static_cast<socklen_t>(list.size() * sizeof(uint32_t));
    if (tlsctp_getsockopt(front, IPPROTO_SCTP, SCTP_GET_ASSOC_ID_LIST, list.data(), &size) != 0) {
      return {};
    }
    std::vector<sctp_assoc_t> out;
    for (uint32_t i = 1; i <= list[0]; ++i) out.push_back(static_cast<sctp_assoc_t>(list[i]));
    return out;
  }
  // Its descriptor, or -1.
  [[nodiscard]] int peel_off(sctp_assoc_t id) const {
    sctp_peeloff_arg_t what{};
    what.associd = id;
    socklen_t size = sizeof(what);
    return tlsctp_getsockopt(front, IPPROTO_SCTP, SCTP_SOCKOPT_PEELOFF, &what, &size) < 0 ? -1
                                                                                          : what.sd;
  }

  // By the front, to one of its associations; `flags` are those of struct sctp_sndinfo.
  ssize_t send_to(sctp_assoc_t id, const void* data, size_t size, uint16_t flags = 0) const {
    return send_with(id, flags, front, data, size, nullptr);
  }

  std::unique_ptr<LoopedDaemon> daemon;
  int front = -1;

 private:
  static ssize_t send_with(sctp_assoc_t id, uint16_t flags, int fd, const void* data, size_t size,
                           const sockaddr_in* to) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(sctp_sndinfo))] = {};
    iovec part{const_cast<void*>(data), size};
    msghdr message{};
    message.msg_name = const_cast<sockaddr_in*>(to);
    message.msg_namelen = to != nullptr ? sizeof(*to) : 0;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* const c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = IPPROTO_SCTP;
    c->cmsg_type = SCTP_SNDINFO;
    c->cmsg_len = CMSG_LEN(sizeof(sctp_sndinfo));
    sctp_sndinfo info{};
    info.snd_assoc_id = id;
    info.snd_flags = flags;
    std::memcpy(CMSG_DATA(c), &info, sizeof(info));
    return tlsctp_sendmsg(fd, &message, MSG_NOSIGNAL);
  }
  static sockaddr_in name_of_front() {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(kPort);
    ::inet_pton(AF_INET, LoopedDaemon::kAddress, &out.sin_addr);
    return out;
  }
  sockaddr_in name_ = name_of_front();
  std::string path_;
};

}  // namespace trunkline::test
