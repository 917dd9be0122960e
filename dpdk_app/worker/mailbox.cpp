// SPDX-License-Identifier: BSD-3-Clause
// Hand-over of closures between the control thread and a worker.
#include "worker/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <stdexcept>
#include <thread>

namespace trunkline::worker {

Mailbox::Mailbox() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::runtime_error("no event fd for a worker's mailbox");
}

Mailbox::~Mailbox() {
  close(fd_);
}

bool Mailbox::call(std::function<void(Worker&)> work, std::chrono::milliseconds patience) {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  if (head - tail_.load(std::memory_order_acquire) == kSize) return false;
  auto request = std::make_shared<Request>();
  request->work = std::move(work);
  ring_[head % kSize] = request;
  head_.store(head + 1, std::memory_order_release);
  const uint64_t one = 1;
  static_cast<void>(!write(fd_, &one, sizeof one));

  const auto until = std::chrono::steady_clock::now() + patience;
  while (request->state.load(std::memory_order_acquire) != kDone) {
    if (std::chrono::steady_clock::now() > until) {
      int expected = kWaiting;
      if (request->state.compare_exchange_strong(expected, kGivenUp)) return false;
      // It runs at this moment: what it refers to must stay, so wait for it.
    }
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return true;
}

void Mailbox::run_all(Worker& worker) {
  uint64_t count = 0;
  static_cast<void>(!read(fd_, &count, sizeof count));
  while (has_mail()) {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    const std::shared_ptr<Request> request = std::move(ring_[tail % kSize]);
    tail_.store(tail + 1, std::memory_order_release);
    int expected = kWaiting;
    if (!request->state.compare_exchange_strong(expected, kRunning)) continue;
    request->work(worker);
    request->state.store(kDone, std::memory_order_release);
  }
}

}  // namespace trunkline::worker
