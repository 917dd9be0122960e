// SPDX-License-Identifier: BSD-3-Clause
// Between the control thread and one worker: "serve this client", "let it go", "it misbehaves",
// "it is gone". Two single-producer single-consumer queues, and the descriptor that a sleeping
// worker waits on: the doorbells of its clients and of this mailbox.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace trunkline::appring {

struct RingClient;

enum class MailKind : uint8_t {
  kAdd,       // control -> worker: serve its channels
  kRemove,    // control -> worker: it hung up; end its associations and let go
  kFault,     // worker -> control: bad indices or lost memory; hang up
  kDetached,  // worker -> control: its segment is not needed any more; some of what it had sent is
              // not acknowledged, and lies in the daemon's own memory
  kGone,      // worker -> control: nothing of this worker refers to it any more
};

struct Mail {
  MailKind kind = MailKind::kAdd;
  RingClient* client = nullptr;
};

// At most three mails a client are under way in each direction, so that it is never full as long as
// there are at most kCapacity / 4 clients, beside as many that are gone and left something behind.
class MailQueue {
 public:
  static constexpr size_t kCapacity = 4096;
  static constexpr size_t kMaxClients = kCapacity / 4;

  bool put(Mail mail) {
    const uint32_t at = produced_.load(std::memory_order_relaxed);
    if (at - consumed_.load(std::memory_order_acquire) == kCapacity) return false;
    mails_[at % kCapacity] = mail;
    produced_.store(at + 1, std::memory_order_seq_cst);
    return true;
  }
  bool take(Mail& out) {
    const uint32_t at = consumed_.load(std::memory_order_relaxed);
    if (at == produced_.load(std::memory_order_acquire)) return false;
    out = mails_[at % kCapacity];
    consumed_.store(at + 1, std::memory_order_release);
    return true;
  }
  [[nodiscard]] bool empty() const {
    return consumed_.load(std::memory_order_relaxed) == produced_.load(std::memory_order_seq_cst);
  }

 private:
  alignas(64) std::atomic<uint32_t> produced_{0};  // written by the putter
  alignas(64) std::atomic<uint32_t> consumed_{0};  // written by the taker
  alignas(64) std::array<Mail, kCapacity> mails_;
};

class BridgeMailbox {
 public:
  BridgeMailbox();  // throws std::runtime_error without descriptors
  ~BridgeMailbox();
  BridgeMailbox(const BridgeMailbox&) = delete;
  BridgeMailbox& operator=(const BridgeMailbox&) = delete;

  // -- control thread
  bool post_to_worker(Mail mail);
  bool take_from_worker(Mail& out) { return to_control_.take(out); }
  // An event fd: readable after the worker posted. acknowledge() first, then take all.
  [[nodiscard]] int control_fd() const { return control_fd_; }
  void acknowledge();
  // A client's doorbell for this worker. False without memory.
  bool watch(int fd);
  void unwatch(int fd);

  // -- worker
  [[nodiscard]] bool has_mail() const { return !to_worker_.empty(); }
  bool take_from_control(Mail& out) { return to_worker_.take(out); }
  bool post_to_control(Mail mail);  // false: full
  [[nodiscard]] int wait_fd() const { return epoll_fd_; }
  // Sleeps until a doorbell rings; `ns` < 0: without limit.
  void wait(int64_t ns);

 private:
  MailQueue to_worker_;
  MailQueue to_control_;
  int epoll_fd_ = -1;
  int worker_fd_ = -1;
  int control_fd_ = -1;
};

}  // namespace trunkline::appring
