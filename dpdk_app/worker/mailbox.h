// SPDX-License-Identifier: BSD-3-Clause
// Requests from the control thread to one worker: a small ring of closures that the worker runs
// between iterations. The fast loop sees one atomic load now and then; nothing is locked.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace trunkline::worker {

class Worker;

class Mailbox {
 public:
  Mailbox();
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // -- control thread
  // Runs `work` in the worker and waits for it. False when the worker did not take it in time; it
  // will never run then. What `work` refers to need only live during the call.
  [[nodiscard]] bool call(std::function<void(Worker&)> work,
                          std::chrono::milliseconds patience = std::chrono::seconds(2));

  // -- worker
  [[nodiscard]] bool has_mail() const {
    return tail_.load(std::memory_order_relaxed) != head_.load(std::memory_order_acquire);
  }
  void run_all(Worker& worker);
  // Readable when mail has come since the last run_all().
  [[nodiscard]] int fd() const { return fd_; }

 private:
  enum State : int { kWaiting, kRunning, kDone, kGivenUp };
  struct Request {
    std::function<void(Worker&)> work;
    std::atomic<int> state{kWaiting};
  };
  static constexpr size_t kSize = 16;

  int fd_;
  std::shared_ptr<Request> ring_[kSize];
  alignas(64) std::atomic<uint64_t> head_{0};  // control thread writes, worker reads
  alignas(64) std::atomic<uint64_t> tail_{0};  // worker writes, control thread reads
};

}  // namespace trunkline::worker
