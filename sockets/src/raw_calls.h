// SPDX-License-Identifier: BSD-3-Clause
// System calls that are no cancellation points and that nobody interposes: what happens under a
// lock, and what the program must not see. Each returns what the kernel does: a negative errno on
// failure.
#pragma once

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>

namespace trunkline::sctp::raw {

inline long checked(long result) {
  return result == -1 ? -errno : result;
}

inline long recv(int fd, void* to, size_t size, int flags) {
  return checked(::syscall(SYS_recvfrom, fd, to, size, flags, nullptr, nullptr));
}
inline long send(int fd, const void* from, size_t size, int flags) {
  return checked(::syscall(SYS_sendto, fd, from, size, flags | MSG_NOSIGNAL, nullptr, 0));
}
inline long recvmsg(int fd, msghdr* message, int flags) {
  return checked(::syscall(SYS_recvmsg, fd, message, flags));
}
inline long sendmsg(int fd, const msghdr* message, int flags) {
  return checked(::syscall(SYS_sendmsg, fd, message, flags | MSG_NOSIGNAL));
}
inline long write(int fd, const void* from, size_t size) {
  return checked(::syscall(SYS_write, fd, from, size));
}
inline long close(int fd) {
  return checked(::syscall(SYS_close, fd));
}
inline long socket(int family, int type, int protocol) {
  return checked(::syscall(SYS_socket, family, type, protocol));
}
inline long connect(int fd, const sockaddr* to, socklen_t length) {
  return checked(::syscall(SYS_connect, fd, to, length));
}
inline long shutdown(int fd, int how) {
  return checked(::syscall(SYS_shutdown, fd, how));
}
inline long fcntl(int fd, int command, long argument = 0) {
  return checked(::syscall(SYS_fcntl, fd, command, argument));
}
inline long ioctl(int fd, unsigned long request, void* argument) {
  return checked(::syscall(SYS_ioctl, fd, request, argument));
}
inline long getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  return checked(::syscall(SYS_getsockopt, fd, level, name, value, length));
}
// Waits at most `milliseconds` for `fd` to be readable.
inline long wait_in(int fd, int milliseconds) {
  pollfd what{fd, POLLIN, 0};
  timespec limit{milliseconds / 1000, (milliseconds % 1000) * 1'000'000L};
  return checked(::syscall(SYS_ppoll, &what, 1, &limit, nullptr, 0));
}
inline int pid() {
  return static_cast<int>(::syscall(SYS_getpid));
}

// No signal of the thread is handled while one of these lives.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    const uint64_t all = ~uint64_t{0};
    ::syscall(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, &before_, sizeof(before_));
  }
  ~SignalsBlocked() {
    ::syscall(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &before_, nullptr, sizeof(before_));
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  uint64_t before_ = 0;
};

// Holds a lock of the process, and no signal comes meanwhile: its handler may need the lock.
class Guard {
 public:
  explicit Guard(pthread_mutex_t& mutex) : mutex_(mutex) { ::pthread_mutex_lock(&mutex_); }
  ~Guard() { ::pthread_mutex_unlock(&mutex_); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  SignalsBlocked blocked_;
  pthread_mutex_t& mutex_;
};

}  // namespace trunkline::sctp::raw
