// SPDX-License-Identifier: BSD-3-Clause
// Which descriptors of this process are sockets of ours. A look at one that is not costs one byte;
// closing and duplicating have a mutex. A call under way holds a reference, so that the memory
// stays mapped whatever other threads close.
#pragma once

#include <cstdint>

#include "socket.h"

namespace trunkline::sctp::descriptors {

constexpr uint32_t kMax = 1u << 20;  // the kernel's own limit (fs.nr_open) unless raised

extern uint8_t kinds[kMax];  // 0: not ours
[[nodiscard]] inline bool is_ours(int fd) {
  return static_cast<uint32_t>(fd) < kMax && __atomic_load_n(&kinds[fd], __ATOMIC_ACQUIRE) != 0;
}

// A reference to the socket of `fd` for the time of a call; none: it is not ours.
class Use {
 public:
  explicit Use(int fd) {
    if (is_ours(fd)) take(fd);
  }
  ~Use() { release(); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  explicit operator bool() const { return socket_ != nullptr; }
  [[nodiscard]] Socket& operator*() const { return *socket_; }
  [[nodiscard]] Socket* operator->() const { return socket_; }
  // Also what a thread does that is cancelled in the middle of a call.
  void release();

 private:
  void take(int fd);
  Socket* socket_ = nullptr;
};

// The descriptor is one of that socket; takes over the caller's reference. False: too large.
bool add(int fd, Socket& socket);
// As Use, but the caller's to drop().
Socket* acquire(int fd);
void drop(Socket& socket);
// Likewise of whatever socket a place names, which may change meanwhile. Null: none.
Socket* acquire_at(Socket* const& place);
// One reference more to a socket that the caller has one of.
void hold(Socket& socket);
// `to` is the same open description as `from`, or none of ours if `from` is not.
void copy(int from, int to);
void forget(int fd);
// forget() of each in [first, last].
void forget_range(uint32_t first, uint32_t last);
// The socket of `fd`, if this is the only descriptor of it in this process that we know of.
[[nodiscard]] bool is_last(int fd);
// The last descriptor of a socket is about to be closed while calls of other threads are under way
// with it: keeps the handle open until they are over, as the kernel does. False: there are none.
bool keep_for_others(int fd);
// `fd`, or another descriptor of the socket if that was closed meanwhile, or -1.
[[nodiscard]] int current(int fd, const Socket& socket);
// visit(fd) of each.
template <typename Visit>
void each(Visit&& visit);
[[nodiscard]] uint32_t highest();

// For map_socket().
Socket* new_socket();

void before_fork();  // marks all sockets as copied
void after_fork();

template <typename Visit>
void each(Visit&& visit) {
  for (uint32_t fd = 0, top = highest(); fd < top; ++fd) {
    if (is_ours(static_cast<int>(fd))) visit(static_cast<int>(fd));
  }
}

}  // namespace trunkline::sctp::descriptors
