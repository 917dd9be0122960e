// SPDX-License-Identifier: BSD-3-Clause
// The functions that programs call: under libc's names in the preloaded library, with the prefix
// tlsctp_ in the other one (TRUNKLINE_PREFIX). A descriptor that is none of ours costs a look at
// one byte, and goes to libc.
#include <fcntl.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstdarg>

#include "calls.h"
#include "libc_calls.h"
#include "mode.h"
#include "raw_calls.h"
#include "trace.h"

#ifndef TRUNKLINE_PREFIX
#error "which names?"
#endif

// Under another name for the compiler, which knows things of libc's functions that don't hold here:
// which pointers are never null, for instance.
#define ENTRY(type, name, parameters)                           \
  extern "C" __attribute__((visibility("default")))             \
  type entry_##name parameters __asm__(TRUNKLINE_PREFIX #name); \
  type entry_##name parameters

#define TRACED(call, ...)       \
  const long result = call;     \
  if (mode.trace) [[unlikely]]  \
    trace(result, __VA_ARGS__); \
  return finish(result)

namespace {

using namespace trunkline::sctp;
using descriptors::is_ours;
using descriptors::Use;

// As an int or an ssize_t, whichever the entry returns.
struct Answer {
  long value;
  operator int() const { return static_cast<int>(value); }  // NOLINT
  operator ssize_t() const { return value; }                // NOLINT
};

Answer finish(long result) {
  if (result >= 0) return {result};
  errno = static_cast<int>(-result);
  return {-1};
}

// Whether socket(2) means one of ours. Among those of IP, SCTP alone has SOCK_SEQPACKET.
bool is_sctp(int family, int type, int protocol) {
  if (family != AF_INET && family != AF_INET6) return false;
  const int kind = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (kind == SOCK_SEQPACKET && (protocol == 0 || protocol == IPPROTO_SCTP)) return true;
  if (protocol == IPPROTO_SCTP) return kind == SOCK_STREAM;
  return mode.tcp && kind == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP);
}

}  // namespace

// ---------------------------------------------------------------- making and ending

ENTRY(int, socket, (int family, int type, int protocol)) {
  if (!is_sctp(family, type, protocol)) return libc().socket(family, type, protocol);
  TRACED(calls::socket(family, type), "socket(%d, %#x, %d)", family, type, protocol);
}

ENTRY(int, bind, (int fd, const sockaddr* name, socklen_t length)) {
  const Use use(fd);
  if (!use) return libc().bind(fd, name, length);
  TRACED(calls::bind(*use, name, length), "bind(%d, %p, %u)", fd, static_cast<const void*>(name),
         length);
}

ENTRY(int, listen, (int fd, int backlog)) {
  const Use use(fd);
  if (!use) return libc().listen(fd, backlog);
  TRACED(calls::listen(*use, backlog), "listen(%d, %d)", fd, backlog);
}

ENTRY(int, accept, (int fd, sockaddr* name, socklen_t* length)) {
  Use use(fd);
  if (!use) return libc().accept(fd, name, length);
  TRACED(calls::accept(use, fd, name, length, 0), "accept(%d)", fd);
}

ENTRY(int, accept4, (int fd, sockaddr* name, socklen_t* length, int flags)) {
  Use use(fd);
  if (!use) return libc().accept4(fd, name, length, flags);
  TRACED(calls::accept(use, fd, name, length, flags), "accept4(%d, %#x)", fd, flags);
}

ENTRY(int, connect, (int fd, const sockaddr* name, socklen_t length)) {
  Use use(fd);
  if (!use) return libc().connect(fd, name, length);
  TRACED(calls::connect(use, fd, name, length), "connect(%d, %p, %u)", fd,
         static_cast<const void*>(name), length);
}

ENTRY(int, shutdown, (int fd, int how)) {
  const Use use(fd);
  if (!use) return libc().shutdown(fd, how);
  TRACED(calls::shutdown(*use, fd, how), "shutdown(%d, %d)", fd, how);
}

ENTRY(int, getsockname, (int fd, sockaddr* name, socklen_t* length)) {
  const Use use(fd);
  if (!use) return libc().getsockname(fd, name, length);
  TRACED(calls::getsockname(*use, name, length), "getsockname(%d)", fd);
}

ENTRY(int, getpeername, (int fd, sockaddr* name, socklen_t* length)) {
  const Use use(fd);
  if (!use) return libc().getpeername(fd, name, length);
  TRACED(calls::getpeername(*use, name, length), "getpeername(%d)", fd);
}

ENTRY(int, getsockopt, (int fd, int level, int name, void* value, socklen_t* length)) {
  Use use(fd);
  if (!use) return libc().getsockopt(fd, level, name, value, length);
  TRACED(calls::getsockopt(use, fd, level, name, value, length), "getsockopt(%d, %d, %d)", fd,
         level, name);
}

ENTRY(int, setsockopt, (int fd, int level, int name, const void* value, socklen_t length)) {
  Use use(fd);
  if (!use) return libc().setsockopt(fd, level, name, value, length);
  TRACED(calls::setsockopt(use, fd, level, name, value, length), "setsockopt(%d, %d, %d, %u)", fd,
         level, name, length);
}

// ---------------------------------------------------------------- sending

ENTRY(ssize_t, send, (int fd, const void* data, size_t size, int flags)) {
  Use use(fd);
  if (!use) return libc().send(fd, data, size, flags);
  TRACED(calls::send(use, fd, data, size, flags), "send(%d, %zu, %#x)", fd, size, flags);
}

ENTRY(ssize_t, sendto,
      (int fd, const void* data, size_t size, int flags, const sockaddr* name, socklen_t length)) {
  Use use(fd);
  if (!use) return libc().sendto(fd, data, size, flags, name, length);
  TRACED(calls::sendto(use, fd, data, size, flags, name, length), "sendto(%d, %zu, %#x)", fd, size,
         flags);
}

ENTRY(ssize_t, sendmsg, (int fd, const msghdr* message, int flags)) {
  Use use(fd);
  if (!use) {
    if (descriptors::highest() != 0) calls::note_passed(message);
    return libc().sendmsg(fd, message, flags);
  }
  TRACED(calls::sendmsg(use, fd, message, flags), "sendmsg(%d, %#x)", fd, flags);
}

ENTRY(int, sendmmsg, (int fd, mmsghdr* messages, unsigned count, int flags)) {
  Use use(fd);
  if (!use) return libc().sendmmsg(fd, messages, count, flags);
  TRACED(calls::sendmmsg(use, fd, messages, count, flags), "sendmmsg(%d, %u, %#x)", fd, count,
         flags);
}

ENTRY(ssize_t, write, (int fd, const void* data, size_t size)) {
  Use use(fd);
  if (!use) return libc().write(fd, data, size);
  TRACED(calls::send(use, fd, data, size, 0), "write(%d, %zu)", fd, size);
}

ENTRY(ssize_t, writev, (int fd, const iovec* parts, int count)) {
  Use use(fd);
  if (!use) return libc().writev(fd, parts, count);
  TRACED(calls::writev(use, fd, parts, count), "writev(%d, %d)", fd, count);
}

// A socket has no position but the current one (-1); libc refuses others.
ENTRY(ssize_t, pwritev2, (int fd, const iovec* parts, int count, off64_t offset, int flags)) {
  Use use(fd);
  if (!use || offset != -1) return libc().pwritev2(fd, parts, count, offset, flags);
  TRACED(calls::writev(use, fd, parts, count, flags), "pwritev2(%d, %d, %#x)", fd, count,
         static_cast<unsigned>(flags));
}

// ---------------------------------------------------------------- receiving

ENTRY(ssize_t, recv, (int fd, void* data, size_t size, int flags)) {
  Use use(fd);
  if (!use) return libc().recv(fd, data, size, flags);
  TRACED(calls::recv(use, fd, data, size, flags), "recv(%d, %zu, %#x)", fd, size, flags);
}

ENTRY(ssize_t, recvfrom,
      (int fd, void* data, size_t size, int flags, sockaddr* name, socklen_t* length)) {
  Use use(fd);
  if (!use) return libc().recvfrom(fd, data, size, flags, name, length);
  TRACED(calls::recvfrom(use, fd, data, size, flags, name, length), "recvfrom(%d, %zu, %#x)", fd,
         size, flags);
}

ENTRY(ssize_t, recvmsg, (int fd, msghdr* message, int flags)) {
  Use use(fd);
  if (!use) {
    const ssize_t n = libc().recvmsg(fd, message, flags);
    if (n >= 0 && message->msg_controllen != 0) calls::note_received(message);
    return n;
  }
  TRACED(calls::recvmsg(use, fd, message, flags), "recvmsg(%d, %#x)", fd, flags);
}

ENTRY(int, recvmmsg, (int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit)) {
  Use use(fd);
  if (!use) return libc().recvmmsg(fd, messages, count, flags, limit);
  TRACED(calls::recvmmsg(use, fd, messages, count, flags, limit), "recvmmsg(%d, %u, %#x)", fd,
         count, flags);
}

ENTRY(ssize_t, read, (int fd, void* data, size_t size)) {
  Use use(fd);
  if (!use) return libc().read(fd, data, size);
  TRACED(size == 0 ? 0 : calls::recv(use, fd, data, size, 0), "read(%d, %zu)", fd, size);
}

ENTRY(ssize_t, readv, (int fd, const iovec* parts, int count)) {
  Use use(fd);
  if (!use) return libc().readv(fd, parts, count);
  TRACED(calls::readv(use, fd, parts, count), "readv(%d, %d)", fd, count);
}

ENTRY(ssize_t, preadv2, (int fd, const iovec* parts, int count, off64_t offset, int flags)) {
  Use use(fd);
  if (!use || offset != -1) return libc().preadv2(fd, parts, count, offset, flags);
  TRACED(calls::readv(use, fd, parts, count, flags), "preadv2(%d, %d, %#x)", fd, count,
         static_cast<unsigned>(flags));
}

// ---------------------------------------------------------------- descriptors

ENTRY(int, close, (int fd)) {
  const bool ours = is_ours(fd);
  const long result = calls::close(fd);
  if (ours && mode.trace) trace(result, "close(%d)", fd);
  return finish(result);
}

ENTRY(int, dup, (int fd)) {
  const int made = libc().dup(fd);
  if (made >= 0) calls::duplicated(fd, made);
  return made;
}

ENTRY(int, dup2, (int from, int to)) {
  return finish(calls::dup2(from, to, 0, false));
}

ENTRY(int, dup3, (int from, int to, int flags)) {
  return finish(calls::dup2(from, to, flags, true));
}

ENTRY(int, close_range, (unsigned first, unsigned last, int flags)) {
  return finish(calls::close_range(first, last, flags));
}

ENTRY(void, closefrom, (int first)) {
  calls::close_range(first < 0 ? 0u : static_cast<unsigned>(first), ~0u, 0);
}

ENTRY(int, fcntl, (int fd, int command, ...)) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (command == F_SETFL && (reinterpret_cast<uintptr_t>(argument) & O_ASYNC) != 0) {
    if (const Use use(fd); use) calls::note_edges(*use);
  }
  const int result = libc().fcntl(fd, command, argument);
  if (result >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC)) {
    calls::duplicated(fd, result);
  }
  return result;
}

ENTRY(int, fcntl64, (int fd, int command, ...)) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return entry_fcntl(fd, command, argument);
}

ENTRY(int, ioctl, (int fd, unsigned long request, ...)) {
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  const Use use(fd);
  if (!use) return libc().ioctl(fd, request, argument);
  TRACED(calls::ioctl(*use, fd, request, argument), "ioctl(%d, %#lx)", fd, request);
}

ENTRY(int, poll, (pollfd * fds, nfds_t count, int timeout)) {
  const int ready = libc().poll(fds, count, timeout);
  if (ready > 0 && descriptors::highest() != 0) calls::repair_poll(fds, count);
  return ready;
}

ENTRY(int, ppoll, (pollfd * fds, nfds_t count, const timespec* timeout, const sigset_t* mask)) {
  const int ready = libc().ppoll(fds, count, timeout, mask);
  if (ready > 0 && descriptors::highest() != 0) calls::repair_poll(fds, count);
  return ready;
}

ENTRY(int, epoll_ctl, (int epoll, int operation, int fd, epoll_event* event)) {
  if (is_ours(fd) && operation != EPOLL_CTL_DEL) calls::note_epoll(fd, event);
  return libc().epoll_ctl(epoll, operation, fd, event);
}

// Bytes that don't pass through the program have no message to be in.
ENTRY(ssize_t, sendfile, (int to, int from, off_t* offset, size_t count)) {
  if (!is_ours(to) && !is_ours(from)) return libc().sendfile(to, from, offset, count);
  return finish(-EINVAL);
}

ENTRY(ssize_t, splice,
      (int from, off64_t* in, int to, off64_t* out, size_t count, unsigned flags)) {
  if (!is_ours(to) && !is_ours(from)) return libc().splice(from, in, to, out, count, flags);
  return finish(-EINVAL);
}
