// SPDX-License-Identifier: BSD-3-Clause
// Descriptors of the mailbox. Doorbells are watched edge-triggered: every ring is news and nobody
// has to read the event fd, so a client can neither hide another's ring nor make a worker block.
#include "appring/mailbox.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <stdexcept>

namespace trunkline::appring {
namespace {

void ring(int fd) {
  const uint64_t one = 1;
  // A full counter is as good as one more ring.
  [[maybe_unused]] const ssize_t n = write(fd, &one, sizeof(one));
}

}  // namespace

BridgeMailbox::BridgeMailbox() {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  worker_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  control_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_fd_ < 0 || worker_fd_ < 0 || control_fd_ < 0 || !watch(worker_fd_)) {
    throw std::runtime_error("ring mailbox: no descriptors left; raise the limit of open files");
  }
}

BridgeMailbox::~BridgeMailbox() {
  if (epoll_fd_ >= 0) close(epoll_fd_);
  if (worker_fd_ >= 0) close(worker_fd_);
  if (control_fd_ >= 0) close(control_fd_);
}

bool BridgeMailbox::post_to_worker(Mail mail) {
  if (!to_worker_.put(mail)) return false;
  ring(worker_fd_);
  return true;
}

bool BridgeMailbox::post_to_control(Mail mail) {
  const bool put = to_control_.put(mail);
  ring(control_fd_);
  return put;
}

void BridgeMailbox::acknowledge() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = read(control_fd_, &count, sizeof(count));
}

bool BridgeMailbox::watch(int fd) {
  struct epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  event.data.fd = fd;
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void BridgeMailbox::unwatch(int fd) {
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

void BridgeMailbox::wait(int64_t ns) {
  struct epoll_event events[16];
  struct timespec limit = {};
  limit.tv_sec = ns / 1'000'000'000;
  limit.tv_nsec = ns % 1'000'000'000;
  if (epoll_pwait2(epoll_fd_, events, 16, ns < 0 ? nullptr : &limit, nullptr) < 0 &&
      errno == ENOSYS) {
    // Kernels before 5.11 count in milliseconds.
    epoll_wait(epoll_fd_, events, 16, ns < 0 ? -1 : static_cast<int>((ns + 999'999) / 1'000'000));
  }
}

}  // namespace trunkline::appring
