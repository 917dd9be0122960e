// SPDX-License-Identifier: BSD-3-Clause
// A program that speaks socket_abi.h by hand to a daemon's sockets thread: requests, answers and
// descriptors. What it does with a socket's memory is in holder.h.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../../support/control_message.h"
#include "holder.h"
#include "sockets/socket_end.h"

namespace trunkline::test {

inline std::vector<uint8_t> bytes_of(const void* from, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(from);
  return {bytes, bytes + size};
}
template <typename T>
std::vector<uint8_t> bytes_of(const T& value) {
  return bytes_of(&value, sizeof(value));
}

inline std::vector<uint8_t> ipv4(const char* text, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  EXPECT_EQ(inet_pton(AF_INET, text, &out.sin_addr), 1);
  return bytes_of(out);
}
inline std::vector<uint8_t> ipv6(const char* text, uint16_t port, uint32_t scope = 0) {
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(port);
  out.sin6_scope_id = scope;
  EXPECT_EQ(inet_pton(AF_INET6, text, &out.sin6_addr), 1);
  return bytes_of(out);
}
// "10.1.0.1:5000"
inline std::string text_of(const tls_name& name) {
  char text[INET6_ADDRSTRLEN] = "";
  if (name.length == sizeof(sockaddr_in)) {
    sockaddr_in at{};
    std::memcpy(&at, name.bytes, sizeof(at));
    return std::string(inet_ntop(AF_INET, &at.sin_addr, text, sizeof(text))) + ":" +
           std::to_string(ntohs(at.sin_port));
  }
  if (name.length != sizeof(sockaddr_in6)) return "none";
  sockaddr_in6 at{};
  std::memcpy(&at, name.bytes, sizeof(at));
  return "[" + std::string(inet_ntop(AF_INET6, &at.sin6_addr, text, sizeof(text))) +
         "]:" + std::to_string(ntohs(at.sin6_port));
}

struct Answer {
  int error = 0;  // an errno; -1: the daemon hung up
  int value = 0;
  std::vector<uint8_t> body;
  std::vector<int> fds;
};

class Program {
 public:
  explicit Program(const std::string& path) {
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, path.c_str(), path.size() + 1);
    connected = connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) == 0;
  }
  ~Program() {
    if (fd >= 0) close(fd);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  int hello() {
    tls_request head{};
    head.kind = TLS_HELLO;
    const Answer got = ask(head);
    if (got.error != 0) return got.error;
    EXPECT_EQ(got.value, 1);
    EXPECT_EQ(got.fds.size(), 2u);
    munmap(kicks.area.kicks, sizeof(tls_kicks));
    close(kicks.area.doorbell);
    void* const base =
        mmap(nullptr, sizeof(tls_kicks), PROT_READ | PROT_WRITE, MAP_SHARED, got.fds[0], 0);
    EXPECT_NE(base, MAP_FAILED);
    kicks.area = {static_cast<tls_kicks*>(base), got.fds[1]};
    close(got.fds[0]);
    return 0;
  }
  Answer ask(tls_request head, std::span<const uint8_t> body = {}, int passed = -1) {
    send(head, body, passed);
    return answer();
  }
  void send(tls_request head, std::span<const uint8_t> body = {}, int passed = -1) {
    head.magic = TLS_MAGIC;
    if (head.length == 0) head.length = static_cast<uint32_t>(body.size());
    iovec parts[] = {{&head, sizeof(head)}, {const_cast<uint8_t*>(body.data()), body.size()}};
    ControlMessage message(parts);
    if (passed >= 0) message.put(SOL_SOCKET, SCM_RIGHTS, passed);
    sendmsg(fd, &message, MSG_NOSIGNAL);
  }
  Answer answer() const {
    std::vector<uint8_t> room(sizeof(tls_reply) + TLS_MAX_BODY);
    std::vector<int> fds;
    const ssize_t n = receive(fd, room, fds);
    Answer out;
    out.fds = fds;
    if (n < static_cast<ssize_t>(sizeof(tls_reply))) {
      out.error = -1;
      return out;
    }
    tls_reply head{};
    std::memcpy(&head, room.data(), sizeof(head));
    EXPECT_EQ(head.magic, TLS_MAGIC);
    EXPECT_EQ(head.length, static_cast<size_t>(n) - sizeof(head));
    out.error = -head.error;
    out.value = head.value;
    out.body.assign(room.begin() + sizeof(head), room.begin() + n);
    return out;
  }
  static ssize_t receive(int from, std::span<uint8_t> room, std::vector<int>& fds, int flags = 0) {
    iovec part{room.data(), room.size()};
    alignas(cmsghdr) uint8_t control[CMSG_SPACE(70 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t n = recvmsg(from, &message, MSG_CMSG_CLOEXEC | flags);
    if (n < 0) return n;
    for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
      const size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      const size_t before = fds.size();
      fds.resize(before + count);
      std::memcpy(&fds[before], CMSG_DATA(at), count * sizeof(int));
    }
    return n;
  }

  int fd = -1;
  bool connected = false;
  KickMemory kicks;
};

// A socket of a program.
class ProgramSocket {
 public:
  ProgramSocket(Program& program, int handle, int memory) : program_(program), memory_(memory) {
    const tlr_geometry geometry = sockets::SocketEnd::default_geometry();
    holder = std::make_unique<Holder>(memory, handle, geometry, program.kicks);
  }
  static std::unique_ptr<ProgramSocket> make(Program& program, int family = AF_INET,
                                             int type = SOCK_STREAM) {
    tls_request head{};
    head.kind = TLS_SOCKET;
    head.a = family;
    head.b = type;
    const Answer got = program.ask(head);
    EXPECT_EQ(got.error, 0);
    if (got.fds.size() != 2) return nullptr;
    return std::make_unique<ProgramSocket>(program, got.fds[0], got.fds[1]);
  }
  ~ProgramSocket() { ::close(memory_); }

  Answer ask(uint32_t kind, int a = 0, int b = 0, std::span<const uint8_t> body = {},
             uint32_t length = 0) {
    return program_.ask(request(kind, a, b, length), body);
  }
  tls_request request(uint32_t kind, int a = 0, int b = 0, uint32_t length = 0) {
    tls_request head{};
    head.kind = kind;
    head.socket = page().index;
    head.key = page().key;
    head.a = a;
    head.b = b;
    head.length = length;
    return head;
  }
  int bind(const std::vector<uint8_t>& address) { return ask(TLS_BIND, 0, 0, address).error; }
  int listen(int backlog) { return ask(TLS_LISTEN, backlog).error; }
  int connect(const std::vector<uint8_t>& address) { return ask(TLS_CONNECT, 0, 0, address).error; }
  int set(int level, int name, std::span<const uint8_t> value) {
    return ask(TLS_SET_OPTION, level, name, value).error;
  }
  Answer get(int level, int name, std::span<const uint8_t> there, size_t room) {
    return ask(TLS_GET_OPTION, level, name, there, static_cast<uint32_t>(room));
  }
  template <typename T>
  int get(int level, int name, T& value) {
    const Answer got = get(level, name, bytes_of(value), sizeof(value));
    if (got.error == 0) std::memcpy(&value, got.body.data(), std::min(got.body.size(), sizeof(T)));
    return got.error;
  }
  // As accept() does it, waiting at most some seconds. Null: nothing comes.
  std::unique_ptr<ProgramSocket> accept(int patience = 5000) {
    pollfd at{holder->handle, POLLIN, 0};
    if (poll(&at, 1, patience) != 1) return nullptr;
    uint8_t byte = 0;
    std::vector<int> fds;
    if (Program::receive(holder->handle, {&byte, 1}, fds, MSG_DONTWAIT) != 1) return nullptr;
    EXPECT_EQ(byte, TLS_ACCEPT_BYTE);
    EXPECT_EQ(fds.size(), 2u);
    return std::make_unique<ProgramSocket>(program_, fds[0], fds[1]);
  }
  tls_page& page() { return holder->page(); }
  [[nodiscard]] uint32_t state() { return load_seq_cst(page().state); }
  bool wait_for(uint32_t wanted) {
    for (int i = 0; i < 5000; ++i) {
      if (state() == wanted) return true;
      usleep(1000);
    }
    return false;
  }
  std::unique_ptr<Holder> holder;

 private:
  Program& program_;
  int memory_;
};

}  // namespace trunkline::test
