// SPDX-License-Identifier: BSD-3-Clause
// Sockets and lines of the control server.
#include "control/server.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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
  epoll_event events[16];
  const int count = epoll_wait(epoll_.get(), events, 16, 0);
  for (int i = 0; i < count; ++i) {
    if (events[i].data.u64 == 0) {
      accept_all();
      continue;
    }
    for (const auto& connection : connections_) {
      if (connection->id != events[i].data.u64) continue;
      if ((events[i].events & EPOLLOUT) != 0) write_to(*connection);
      if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_from(*connection);
      break;
    }
  }
  sweep();
}

void Server::accept_all() {
  while (true) {
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) return;
    if (connections_.size() == kMostConnections) continue;  // hung up at once
    auto connection = std::make_unique<Connection>();
    connection->id = next_id_++;
    watch(epoll_, fd.get(), EPOLLIN, connection->id, EPOLL_CTL_ADD);
    connection->fd = std::move(fd);
    connections_.push_back(std::move(connection));
  }
}

void Server::read_from(Connection& connection) {
  char bytes[4096];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  while (!connection.broken) {
    iovec part{bytes, sizeof bytes};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t count = recvmsg(connection.fd.get(), &message, MSG_CMSG_CLOEXEC);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
      connection.broken = true;
      return;
    }
    for (cmsghdr* part_of = CMSG_FIRSTHDR(&message); part_of != nullptr;
         part_of = CMSG_NXTHDR(&message, part_of)) {
      if (part_of->cmsg_level != SOL_SOCKET || part_of->cmsg_type != SCM_RIGHTS) continue;
      const size_t fds = (part_of->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < fds; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(part_of) + i * sizeof fd, sizeof fd);
        connection.passed = Fd(fd);  // of several, the last one counts
      }
    }
    connection.in.append(bytes, static_cast<size_t>(count));
    serve_lines(connection);
    if (connection.in.size() > kLongestLine || connection.out.size() > kMostUnsent) {
      connection.broken = true;
    }
  }
}

void Server::serve_lines(Connection& connection) {
  size_t end = 0;
  while ((end = connection.in.find('\n')) != std::string::npos) {
    const std::string line = connection.in.substr(0, end);
    connection.in.erase(0, end + 1);
    const auto request = Json::parse(line);
    if (!request || !request->is_object()) {
      reply(connection.id, Json::object({{"ok", false}, {"error", "not a JSON object"}}));
      continue;
    }
    if (const auto answer = handler_(connection.id, *request, connection.passed)) {
      reply(connection.id, *answer);
    }
  }
}

void Server::reply(ConnectionId id, const Json& answer) {
  for (const auto& connection : connections_) {
    if (connection->id != id) continue;
    connection->out += answer.dump();
    connection->out += '\n';
    write_to(*connection);
  }
}

void Server::write_to(Connection& connection) {
  while (!connection.out.empty()) {
    const ssize_t count =
        send(connection.fd.get(), connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) break;
    if (count <= 0) {
      connection.broken = true;
      return;
    }
    connection.out.erase(0, static_cast<size_t>(count));
  }
  const uint32_t events = EPOLLIN | (connection.out.empty() ? 0u : uint32_t{EPOLLOUT});
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
