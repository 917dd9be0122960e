// SPDX-License-Identifier: BSD-3-Clause
// Sockets and lines of the control server.
#include "control/server.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "unix_path.h"

namespace trunkline::control {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw std::runtime_error(fmt::format("{}: the path is too long for a socket", path));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

void watch(const Fd& epoll, int fd, uint32_t events, uint64_t tag, int operation) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  epoll_ctl(epoll.get(), operation, fd, &event);
}

}  // namespace

Fd listen_unix(const std::string& path, uint32_t mode) {
  const sockaddr_un address = address_of(path);
  switch (prepare_socket_path(path)) {
    case SocketPath::kFree:
      break;
    case SocketPath::kServed:
      throw std::runtime_error(fmt::format("{}: another daemon serves this socket", path));
    case SocketPath::kOther:
      throw std::runtime_error(fmt::format("{}: exists and is not a socket", path));
  }
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto fail = [&](std::string_view what) {
    throw std::runtime_error(fmt::format("{}: {}: {}", path, what, std::strerror(errno)));
  };
  if (!fd.valid()) fail("no socket");
  // Made with the narrowest permissions, so that nobody slips in before chmod.
  const mode_t before = umask(0177);
  const int bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  umask(before);
  if (bound != 0) fail("cannot bind");
  if (chmod(path.c_str(), mode) != 0) fail("cannot set permissions");
  if (listen(fd.get(), 16) != 0) fail("cannot listen");
  return fd;
}

Server::Server(const std::string& path, uint32_t mode, Handler handler, Gone gone)
    : path_(path),
      handler_(std::move(handler)),
      gone_(std::move(gone)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      listener_(listen_unix(path, mode)) {
  watch(epoll_, listener_.get(), EPOLLIN, 0, EPOLL_CTL_ADD);
}

Server::~Server() {
  for (const auto& connection : connections_) gone_(connection->id);
  unlink(path_.c_str());
}

void Server::poll() {
  ++turn_;
  epoll_event events[16];
  bool knocked = false;
  const int count = epoll_wait(epoll_.get(), events, 16, 0);
  for (int i = 0; i < count; ++i) {
    knocked |= events[i].data.u64 == 0;
    for (const auto& connection : connections_) {
      if (connection->id != events[i].data.u64) continue;
      if ((events[i].events & EPOLLOUT) != 0) write_to(*connection);
      if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_from(*connection);
      break;
    }
  }
  serve_some();
  sweep();
  if (knocked) accept_some();  // last: who has just asked is not idle
}

bool Server::busy() const {
  return std::any_of(connections_.begin(), connections_.end(),
                     [](const auto& connection) { return may_be_served(*connection); });
}

void Server::accept_some() {
  for (int i = 0; i < kAccepts; ++i) {
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) return;
    if (connections_.size() == kMostConnections && !make_room()) continue;  // hung up at once
    auto connection = std::make_unique<Connection>();
    connection->id = next_id_++;
    connection->used_at = turn_;
    connection->line_end = std::string::npos;
    connection->events = EPOLLIN;
    watch(epoll_, fd.get(), EPOLLIN, connection->id, EPOLL_CTL_ADD);
    connection->fd = std::move(fd);
    connections_.push_back(std::move(connection));
  }
}

// Hangs up on whom nothing has been heard from, and who has taken nothing, for longest. Who waits
// for an answer is not idle.
bool Server::make_room() {
  Connection* victim = nullptr;
  for (const auto& connection : connections_) {
    if (connection->owed) continue;
    if (victim == nullptr || connection->used_at < victim->used_at) victim = connection.get();
  }
  if (victim == nullptr) return false;
  victim->broken = true;
  sweep();
  return true;
}

void Server::read_from(Connection& connection) {
  // Told that the other end has hung up while it is not listened to: what it asked before counts.
  if (connection.ended || (connection.events & EPOLLIN) == 0) {
    if (!connection.has_line()) connection.broken = true;
    return;
  }
  char bytes[kReadBytes];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec part{bytes, sizeof bytes};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t count = recvmsg(connection.fd.get(), &message, MSG_CMSG_CLOEXEC);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count < 0) {
    connection.broken = true;
    return;
  }
  connection.used_at = turn_;
  if (count == 0) connection.ended = true;
  take_passed(connection, message);
  const size_t before = connection.in.size();
  connection.in.append(bytes, static_cast<size_t>(count));
  connection.find_line(before);
  const size_t line = connection.has_line() ? connection.line_end : connection.in.size();
  if (line - connection.in_at > kLongestLine) connection.broken = true;
  watch_for(connection);
}

void Server::take_passed(Connection& connection, msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t fds = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < fds; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      connection.passed = Fd(fd);  // of several, the last one counts
    }
  }
}

void Server::serve_some() {
  int left = kCommands;
  for (size_t i = 0; i < connections_.size() && left > 0; ++i) {
    Connection& connection = *connections_[next_served_++ % connections_.size()];
    if (!may_be_served(connection)) continue;
    serve_line(connection);
    --left;
  }
}

void Server::serve_line(Connection& connection) {
  const std::string line =
      connection.in.substr(connection.in_at, connection.line_end - connection.in_at);
  connection.in_at = connection.line_end + 1;
  connection.find_line(connection.in_at);
  if (!connection.has_line()) {  // what is left is the beginning of the next one
    connection.in.erase(0, connection.in_at);
    connection.in_at = 0;
  }
  const auto request = Json::parse(line);
  std::optional<Json> answer;
  if (!request || !request->is_object()) {
    answer = Json::object({{"ok", false}, {"error", "not a JSON object"}});
  } else {
    answer = handler_(connection.id, *request, connection.passed);
  }
  if (answer) {
    reply(connection.id, *answer);
  } else {
    connection.owed = true;
    watch_for(connection);
  }
}

void Server::reply(ConnectionId id, const Json& answer) {
  for (const auto& connection : connections_) {
    if (connection->id != id) continue;
    connection->owed = false;
    connection->out += answer.dump();
    connection->out += '\n';
    if (connection->out.size() - connection->out_at > kMostUnsent) connection->broken = true;
    write_to(*connection);
  }
}

void Server::write_to(Connection& connection) {
  const size_t until = std::min(connection.out.size(), connection.out_at + kWriteBytes);
  while (connection.out_at < until) {
    const ssize_t count = send(connection.fd.get(), connection.out.data() + connection.out_at,
                               until - connection.out_at, MSG_NOSIGNAL);
    if (count < 0 && errno == EAGAIN) break;
    if (count <= 0) {
      connection.broken = true;
      return;
    }
    connection.out_at += static_cast<size_t>(count);
    connection.used_at = turn_;
  }
  if (!connection.has_output()) {
    connection.out = {};
    connection.out_at = 0;
  }
  watch_for(connection);
}

// Nothing is read while something waits to be served or to be sent.
void Server::watch_for(Connection& connection) {
  uint32_t events = 0;
  if (connection.has_output()) {
    events = EPOLLOUT;
  } else if (!connection.has_line() && !connection.ended) {
    events = EPOLLIN;
  }
  // Who has said that this was all is here until it has been answered.
  if (events == 0 && connection.ended && !connection.has_line()) connection.broken = true;
  if (events == connection.events) return;
  connection.events = events;
  watch(epoll_, connection.fd.get(), events, connection.id, EPOLL_CTL_MOD);
}

void Server::sweep() {
  for (size_t i = 0; i < connections_.size();) {
    if (!connections_[i]->broken) {
      ++i;
      continue;
    }
    const ConnectionId id = connections_[i]->id;
    connections_.erase(connections_.begin() + static_cast<ptrdiff_t>(i));
    gone_(id);
  }
}

}  // namespace trunkline::control
