// SPDX-License-Identifier: BSD-3-Clause
// The control socket: JSON lines over a UNIX stream. One line asks, one line answers; a request
// may bring one file descriptor (the file that a capture is to write). Nobody who connects is
// trusted with the thread's time or memory: each has a little of a turn, and is asked nothing more
// before it has read the last answer. Control thread only.
#pragma once

#include <sys/socket.h>

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
  // One turn: of everything a little, so that the caller can look at its signals soon again however
  // much others ask. Never waits.
  void poll();
  // There is more to do at once, though fd() may not be readable.
  [[nodiscard]] bool busy() const;
  void reply(ConnectionId connection, const Json& answer);

 private:
  struct Connection {
    ConnectionId id = 0;
    Fd fd;
    Fd passed;
    std::string in;
    std::string out;
    size_t in_at = 0;      // so much of `in` has been served,
    size_t line_end = 0;   // and the next line goes so far; npos: it is not complete
    size_t out_at = 0;     // so much of `out` has been sent
    uint32_t events = 0;   // what epoll looks for
    uint64_t used_at = 0;  // the turn in which bytes were last read or written
    bool owed = false;     // an answer comes later
    bool ended = false;    // nothing more comes in
    bool broken = false;

    [[nodiscard]] bool has_line() const { return line_end != std::string::npos; }
    [[nodiscard]] bool has_output() const { return out_at < out.size(); }
    void find_line(size_t from) { line_end = in.find('\n', from); }
  };
  static constexpr size_t kMostConnections = 32;
  static constexpr size_t kLongestLine = 64 * 1024;
  static constexpr size_t kMostUnsent = 64u << 20;  // an answer is no larger
  // Of one turn:
  static constexpr int kAccepts = 8;
  static constexpr int kCommands = 4;                // of all connections; of one of them, one
  static constexpr size_t kReadBytes = 16 * 1024;    // of a connection
  static constexpr size_t kWriteBytes = 256 * 1024;  // likewise

  void accept_some();
  [[nodiscard]] bool make_room();
  void read_from(Connection& connection);
  void take_passed(Connection& connection, msghdr& message);
  void serve_some();
  void serve_line(Connection& connection);
  void write_to(Connection& connection);
  void watch_for(Connection& connection);
  void sweep();
  // Its next line may be served: the last answer has gone.
  [[nodiscard]] static bool may_be_served(const Connection& connection) {
    return !connection.broken && connection.has_line() && !connection.has_output();
  }

  std::string path_;
  Handler handler_;
  Gone gone_;
  Fd epoll_;
  Fd listener_;
  ConnectionId next_id_ = 1;
  uint64_t turn_ = 0;
  size_t next_served_ = 0;  // whose turn it is
  std::vector<std::unique_ptr<Connection>> connections_;
};

// Makes a listening UNIX socket; a left-over file that nobody serves is replaced. Throws
// std::runtime_error.
[[nodiscard]] Fd listen_unix(const std::string& path, uint32_t mode);

}  // namespace trunkline::control
