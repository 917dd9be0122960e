// SPDX-License-Identifier: BSD-3-Clause
// The thread, and how others reach it.
#include "sockets/socket_server.h"

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include "sockets/socket_core.h"

namespace trunkline::sockets {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

}  // namespace

struct SocketServer::Thread {
  int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::thread thread;
  std::mutex lock;
  std::condition_variable answered;
  // Under the lock:
  bool asked = false;    // a snapshot is wanted
  bool list = false;     // with its sockets
  bool closing = false;  // stop() was called
  bool leaving = false;  // the thread is to end
  bool empty = false;    // nothing is left
  uint64_t answers = 0;
  SocketSnapshot snapshot;

  void wake() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = write(wake_fd, &one, sizeof(one));
  }
  ~Thread() {
    if (wake_fd >= 0) close(wake_fd);
  }
};

SocketServer::SocketServer(const SocketServerConfig& config, std::span<SocketMail* const> mails,
                           PortTable& ports)
    : core_(std::make_unique<SocketCore>(config, mails, ports)),
      thread_(std::make_unique<Thread>()) {
  if (thread_->wake_fd < 0) throw std::runtime_error("sockets: no descriptors left");
  core_->watch(thread_->wake_fd, [fd = thread_->wake_fd] {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = read(fd, &count, sizeof(count));
  });
}

SocketServer::~SocketServer() {
  stop(milliseconds(0));
}

void SocketServer::start() {
  thread_->thread = std::thread([this] {
    prctl(PR_SET_NAME, "sockets");
    Thread& t = *thread_;
    bool closed = false;
    for (;;) {
      core_->poll(milliseconds(closed ? 5 : 1000));
      std::unique_lock guard(t.lock);
      if (t.leaving) return;
      if (std::exchange(t.asked, false)) {
        t.snapshot = core_->snapshot(t.list);
        ++t.answers;
        t.answered.notify_all();
      }
      if (t.closing && !closed) {
        closed = true;
        core_->close_all();
      }
      if (closed && core_->is_empty()) {
        t.empty = true;
        t.answered.notify_all();
      }
    }
  });
}

bool SocketServer::stop(milliseconds patience) {
  Thread& t = *thread_;
  if (!t.thread.joinable()) return t.empty;
  {
    std::unique_lock guard(t.lock);
    t.closing = true;
    t.wake();
    t.answered.wait_for(guard, patience, [&] { return t.empty; });
    t.leaving = true;
    t.wake();
  }
  t.thread.join();
  return t.empty;
}

const SocketRoom& SocketServer::room() const {
  return core_->room();
}

std::optional<SocketSnapshot> SocketServer::snapshot(bool list) {
  Thread& t = *thread_;
  std::unique_lock guard(t.lock);
  const uint64_t before = t.answers;
  t.asked = true;
  t.list = list;
  t.wake();
  const bool in_time =
      t.answered.wait_for(guard, milliseconds(1000), [&] { return t.answers != before; });
  if (!in_time) return std::nullopt;
  return t.snapshot;
}

}  // namespace trunkline::sockets
