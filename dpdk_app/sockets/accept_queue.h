// SPDX-License-Identifier: BSD-3-Clause
// What a listening socket has accepted and its program has not: descriptors on their way over the
// listener's pair, and such that wait for room there. The kernel closes the former when the
// listener's last handle is gone, clear() the latter: either way the sockets hang up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace trunkline::sockets {

class AcceptQueue {
 public:
  AcceptQueue() = default;
  // `pair_fd`: the daemon's end of the listener's pair. It stays the caller's.
  explicit AcceptQueue(int pair_fd) : pair_fd_(pair_fd) {}
  AcceptQueue(AcceptQueue&& other) noexcept;
  AcceptQueue& operator=(AcceptQueue&& other) noexcept;
  ~AcceptQueue() { clear(); }

  // Takes `handle`, which it closes once it is on its way; `memory` stays the caller's and must
  // stay open until then.
  void push(int handle, int memory);
  // Sends what waits. False: there is no room; try again when the pair is writable.
  bool flush();
  // How many the program has not taken.
  [[nodiscard]] size_t unaccepted() const;
  // Of them, those that are in the pair already. Any thread.
  [[nodiscard]] static size_t unaccepted_at(int pair_fd);
  // Of them, those that are not: their handles are still here.
  [[nodiscard]] uint32_t held() const { return static_cast<uint32_t>(waiting_.size()); }
  void clear();

 private:
  struct Ready {
    int handle = -1;
    int memory = -1;
  };
  int pair_fd_ = -1;
  std::deque<Ready> waiting_;
};

}  // namespace trunkline::sockets
