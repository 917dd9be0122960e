// SPDX-License-Identifier: BSD-3-Clause
// A thread that sends and receives, and is interrupted all the time by a signal whose handler does
// so, too, on the same socket.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <thread>

#include "holders.h"
#include "trunkline/sctp.h"

namespace trunkline::test {

// SIGRTMIN to this thread.
class Interruptions {
 public:
  Interruptions(void (*handler)(int), long nanoseconds) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGRTMIN, &action, &before_);
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGRTMIN;
    event._sigev_un._tid = static_cast<int>(::syscall(SYS_gettid));
    ::timer_create(CLOCK_MONOTONIC, &event, &timer_);
    const itimerspec when{{0, nanoseconds}, {0, nanoseconds}};
    ::timer_settime(timer_, 0, &when, nullptr);
  }
  ~Interruptions() {
    ::timer_delete(timer_);
    ::sigaction(SIGRTMIN, &before_, nullptr);
  }
  Interruptions(const Interruptions&) = delete;
  Interruptions& operator=(const Interruptions&) = delete;

 private:
  struct sigaction before_ {};
  timer_t timer_{};
};

// Numbers that a peer sends back: the thread sends the first half of them, the handler the second,
// and whoever gets one notes it: these two or a third thread.
class InterruptedTraffic {
 public:
  using Send = ssize_t (*)(uint32_t number);  // never waits

  InterruptedTraffic(uint32_t messages, int socket, Send how)
      : fd(socket), messages_(messages), send_(how), next_(messages), board_(2 * messages) {
    running = this;
  }

  void run() {
    std::thread reader([this] { read_all(); });
    {
      const Interruptions interruptions(handle, 70'000);
      for (uint32_t i = 0; i < messages_ && failures_ == 0;) {
        if (send(i)) {
          ++i;
        } else {
          ::sched_yield();
        }
        receive();
      }
    }
    while (board_->received != next_ && failures_ == 0) ::usleep(1000);
    while (!send(2 * messages_) && failures_ == 0) ::usleep(1000);
    reader.join();
    EXPECT_EQ(failures_, 0u) << "errno " << error_;
    EXPECT_GT(next_, messages_);
    EXPECT_EQ(board_->received, next_);
    EXPECT_EQ(board_->sum, uint64_t{next_} * (next_ - 1) / 2);
    EXPECT_EQ(board_->twice, 0u);
  }
  // The peer.
  static void echo(int peer) {
    uint32_t number = 0;
    const uint32_t last = 2 * running->messages_;
    while (tlsctp_recv(peer, &number, sizeof(number), 0) == 4) {
      if (tlsctp_send(peer, &number, sizeof(number), 0) != 4 || number == last) return;
    }
  }

  const int fd;
  static inline InterruptedTraffic* running = nullptr;

 private:
  static void handle(int) {
    const int before = errno;
    InterruptedTraffic& me = *running;
    me.receive();
    if (me.next_ != 2 * me.messages_ && me.send(me.next_)) ++me.next_;
    errno = before;
  }
  void note_error() {
    if (errno == EAGAIN) return;
    error_ = errno;
    ++failures_;
  }
  void receive() {
    uint32_t number = 0;
    if (tlsctp_recv(fd, &number, sizeof(number), MSG_DONTWAIT) == 4) {
      board_->note(number);
    } else {
      note_error();
    }
  }
  bool send(uint32_t number) {
    if (send_(number) == 4) return true;
    note_error();
    return false;
  }
  void read_all() {
    uint32_t number = 0;
    while (tlsctp_recv(fd, &number, sizeof(number), 0) == 4) {
      if (number == 2 * messages_) return;
      board_->note(number);
    }
    note_error();
  }

  const uint32_t messages_;
  const Send send_;
  std::atomic<uint32_t> next_;  // of the handler
  std::atomic<uint32_t> failures_{0};
  std::atomic<int> error_{0};
  SharedBoard board_;
};

}  // namespace trunkline::test
