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

#include "control/fd.h"
#include "control/json.h"

namespace trunkline::control {

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
  static constexpr size_t kMostUnsent = 64u << 20;  // of somebody who asks and does not read

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
