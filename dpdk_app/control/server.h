// SPDX-License-Identifier: BSD-3-Clause
// The control socket: JSON lines over a UNIX stream. One line asks, one line answers; a request
// may bring one file descriptor (the file that a capture is to write). Control thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/json.h"

namespace trunkline::control {

// A file descriptor that is closed by whoever has it last.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd();
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

class Server {
 public:
  // Names a connection for as long as it lives.
  using ConnectionId = uint64_t;
  // Answers a request; nothing means that the answer comes later through reply().
  using Handler = std::function<std::optional<Json>(ConnectionId, const Json& request, Fd& passed)>;
  using Gone = std::function<void(ConnectionId)>;

  // Throws std::runtime_error when the socket cannot be made.
  Server(const std::string& path, uint32_t mode, Handler handler, Gone gone);
  ~Server();  // removes the socket
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // An epoll descriptor: readable when poll() has something to do.
  [[nodiscard]] int fd() const { return epoll_.get(); }
  void poll();
  void reply(ConnectionId connection, const Json& answer);

 private:
  struct Connection {
    ConnectionId id = 0;
    Fd fd;
    Fd passed;
    std::string in;
    std::string out;
    bool broken = false;
  };
  static constexpr size_t kMostConnections = 32;
  static constexpr size_t kLongestLine = 64 * 1024;

  void accept_all();
  void read_from(Connection& connection);
  void serve_lines(Connection& connection);
  void write_to(Connection& connection);
  void sweep();

  std::string path_;
  Handler handler_;
  Gone gone_;
  Fd epoll_;
  Fd listener_;
  ConnectionId next_id_ = 1;
  std::vector<std::unique_ptr<Connection>> connections_;
};

// Makes a listening UNIX socket; a left-over file that nobody serves is replaced. Throws
// std::runtime_error.
[[nodiscard]] Fd listen_unix(const std::string& path, uint32_t mode);

}  // namespace trunkline::control
