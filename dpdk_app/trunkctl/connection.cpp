// SPDX-License-Identifier: BSD-3-Clause
// Requests and answers over the control socket.
#include "trunkctl/connection.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace trunkline::trunkctl {

using control::Json;

Connection::Connection(const std::string& path) : path_(path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw std::runtime_error(fmt::format("{}: the path is too long for a socket", path));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ >= 0 && connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return;
  }
  const int why = errno;
  if (fd_ >= 0) close(fd_);
  if (why == ENOENT || why == ECONNREFUSED) {
    throw std::runtime_error(fmt::format(
        "no daemon at {}; is trunklined running? Another socket is given with --socket", path));
  }
  throw std::runtime_error(fmt::format("{}: {}", path, std::strerror(why)));
}

Connection::~Connection() {
  close(fd_);
}

void Connection::send(const Json& request, int fd) {
  std::string line = request.dump() + "\n";
  iovec part{line.data(), line.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  if (sendmsg(fd_, &message, MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error(fmt::format("{}: the daemon hung up", path_));
  }
}

bool Connection::wait_answer(std::chrono::milliseconds patience) {
  if (in_.find('\n') != std::string::npos) return true;
  pollfd wanted{fd_, POLLIN, 0};
  if (poll(&wanted, 1, static_cast<int>(patience.count())) <= 0) return false;
  char bytes[65536];
  const ssize_t count = recv(fd_, bytes, sizeof bytes, 0);
  if (count < 0 && errno == EINTR) return false;
  if (count <= 0) {
    throw std::runtime_error(fmt::format("{}: the daemon hung up; it may have ended", path_));
  }
  in_.append(bytes, static_cast<size_t>(count));
  return in_.find('\n') != std::string::npos;
}

Json Connection::checked_answer() {
  while (!wait_answer(std::chrono::seconds(10))) {
  }
  const size_t end = in_.find('\n');
  const auto answer = Json::parse(std::string_view(in_).substr(0, end));
  in_.erase(0, end + 1);
  if (!answer) throw std::runtime_error("the daemon's answer is not JSON");
  if (!(*answer)["ok"].as_bool()) {
    const std::string& error = (*answer)["error"].as_string();
    throw std::runtime_error(error.empty() ? "the daemon refused without a reason" : error);
  }
  return *answer;
}

}  // namespace trunkline::trunkctl
