// SPDX-License-Identifier: BSD-3-Clause
// The two queues, and the event fds that say that they are not empty.
#include "sockets/news.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace trunkline::sockets {
namespace {

void ring(int fd) {
  const uint64_t one = 1;
  // A full counter is as good as one more ring.
  [[maybe_unused]] const ssize_t n = write(fd, &one, sizeof(one));
}

void silence(int fd) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = read(fd, &count, sizeof(count));
}

}  // namespace

SocketMail::SocketMail()
    : control_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      worker_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (control_fd_ < 0 || worker_fd_ < 0) {
    throw std::runtime_error("socket mail: no descriptors left; raise the limit of open files");
  }
}

SocketMail::~SocketMail() {
  close(control_fd_);
  close(worker_fd_);
}

void SocketMail::post(Work work) {
  {
    const std::lock_guard held(lock_);
    work_.push_back(std::move(work));
    has_mail_.store(true, std::memory_order_release);
  }
  ring(worker_fd_);
}

void SocketMail::acknowledge() {
  silence(control_fd_);
}

bool SocketMail::take(News& out) {
  const std::lock_guard held(lock_);
  if (news_.empty()) return false;
  out = std::move(news_.front());
  news_.pop_front();
  return true;
}

void SocketMail::take_all(std::vector<News>& news, std::vector<Answer>& answers) {
  const std::lock_guard held(lock_);
  news.assign(std::make_move_iterator(news_.begin()), std::make_move_iterator(news_.end()));
  news_.clear();
  answers.clear();
  answers.swap(answers_);
}

void SocketMail::run_mail(SocketBridge& bridge, TimePoint now) {
  silence(worker_fd_);
  std::vector<Work> work;
  {
    const std::lock_guard held(lock_);
    work.swap(work_);
    has_mail_.store(false, std::memory_order_release);
  }
  for (const Work& one : work) one(bridge, now);
}

void SocketMail::tell(News news) {
  {
    const std::lock_guard held(lock_);
    news_.push_back(std::move(news));
  }
  ring(control_fd_);
}

void SocketMail::send_answers() {
  if (ready_.empty()) return;
  {
    const std::lock_guard held(lock_);
    std::move(ready_.begin(), ready_.end(), std::back_inserter(answers_));
  }
  ready_.clear();
  ring(control_fd_);
}

}  // namespace trunkline::sockets
