// SPDX-License-Identifier: BSD-3-Clause
// Requests and answers over the control socket.
#include "trunkctl/connection.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
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
  // Also bounds the wait for a place in the queue of those that a stopped daemon does not accept.
  const timeval patience{kPatience.count(), 0};
  if (fd_ >= 0) setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (fd_ >= 0 && connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return;
  }
  const int why = errno;
  if (fd_ >= 0) close(fd_);
  if (why == ENOENT || why == ECONNREFUSED) {
    throw std::runtime_error(fmt::format(
        "no daemon at {}; is trunklined running? Another socket is given with --socket", path));
  }
  if (why == EAGAIN) give_up();
  throw std::runtime_error(fmt::format("{}: {}", path, std::strerror(why)));
}

void Connection::give_up() const {
  throw std::runtime_error(
      fmt::format("{}: the daemon does not answer within {} s; is it stopped, or starved of its "
                  "core?",
                  path_, kPatience.count()));
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
  const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) give_up();
  if (sent != static_cast<ssize_t>(line.size())) {
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
  using Clock = std::chrono::steady_clock;
  auto until = Clock::now() + kPatience;
  for (size_t had = in_.size(); !wait_answer(std::chrono::milliseconds(200)); had = in_.size()) {
    if (in_.size() > had) until = Clock::now() + kPatience;  // a long one is under way
    if (Clock::now() > until) give_up();
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
