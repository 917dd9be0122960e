// SPDX-License-Identifier: BSD-3-Clause
#include "sockets/accept_queue.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "appring/unix_listener.h"
#include "trunkline/socket_abi.h"

namespace trunkline::sockets {
namespace {

int queued_bytes(int fd) {
  int bytes = 0;
  return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

bool send_accepted(int fd, int handle, int memory) {
  uint8_t byte = TLS_ACCEPT_BYTE;
  const iovec part{&byte, 1};
  const int fds[] = {handle, memory};
  return appring::send_message(fd, {&part, 1}, fds);
}

// What the kernel counts for one of them: the same for all, and found by trying.
size_t bytes_of_one() {
  static const size_t bytes = [] {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return size_t{0};
    const bool sent = send_accepted(pair[0], pair[0], pair[1]);
    const int out = sent ? queued_bytes(pair[0]) : 0;
    // Read, so that what was sent of itself does not keep the pair alive.
    char byte = 0;
    [[maybe_unused]] const ssize_t n = recv(pair[1], &byte, 1, MSG_DONTWAIT);
    close(pair[0]);
    close(pair[1]);
    return static_cast<size_t>(out);
  }();
  return bytes != 0 ? bytes : 1;
}

}  // namespace

AcceptQueue::AcceptQueue(AcceptQueue&& other) noexcept {
  *this = std::move(other);
}

AcceptQueue& AcceptQueue::operator=(AcceptQueue&& other) noexcept {
  std::swap(pair_fd_, other.pair_fd_);
  std::swap(waiting_, other.waiting_);
  return *this;
}

void AcceptQueue::push(int handle, int memory) {
  waiting_.push_back({handle, memory});
}

bool AcceptQueue::flush() {
  while (!waiting_.empty()) {
    const Ready& ready = waiting_.front();
    if (!send_accepted(pair_fd_, ready.handle, ready.memory)) {
      if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ETOOMANYREFS) {
        return false;
      }
      // The listener is gone; so is the connection.
    }
    close(ready.handle);
    waiting_.pop_front();
  }
  return true;
}

size_t AcceptQueue::unaccepted_at(int pair_fd) {
  const size_t one = bytes_of_one();
  return (static_cast<size_t>(queued_bytes(pair_fd)) + one - 1) / one;
}

size_t AcceptQueue::unaccepted() const {
  return waiting_.size() + unaccepted_at(pair_fd_);
}

void AcceptQueue::clear() {
  for (const Ready& ready : waiting_) close(ready.handle);
  waiting_.clear();
}

}  // namespace trunkline::sockets
