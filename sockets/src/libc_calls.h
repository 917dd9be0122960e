// SPDX-License-Identifier: BSD-3-Clause
// The C library's own functions, for descriptors that are not ours and for waiting: they are
// cancellation points and see the descriptor's flags and time-outs. The library calls them
// directly (libc_direct.cpp); the preloaded one, which has their names, finds them behind itself
// (libc_next.cpp).
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <csignal>
#include <cstdio>
#include <ctime>

namespace trunkline::sctp {

// what, type, parameters
#define TRUNKLINE_LIBC_CALLS(X)                                                   \
  X(socket, int, (int, int, int))                                                 \
  X(bind, int, (int, const sockaddr*, socklen_t))                                 \
  X(listen, int, (int, int))                                                      \
  X(accept, int, (int, sockaddr*, socklen_t*))                                    \
  X(accept4, int, (int, sockaddr*, socklen_t*, int))                              \
  X(connect, int, (int, const sockaddr*, socklen_t))                              \
  X(getsockname, int, (int, sockaddr*, socklen_t*))                               \
  X(getpeername, int, (int, sockaddr*, socklen_t*))                               \
  X(getsockopt, int, (int, int, int, void*, socklen_t*))                          \
  X(setsockopt, int, (int, int, int, const void*, socklen_t))                     \
  X(send, ssize_t, (int, const void*, size_t, int))                               \
  X(sendto, ssize_t, (int, const void*, size_t, int, const sockaddr*, socklen_t)) \
  X(sendmsg, ssize_t, (int, const msghdr*, int))                                  \
  X(sendmmsg, int, (int, mmsghdr*, unsigned, int))                                \
  X(recv, ssize_t, (int, void*, size_t, int))                                     \
  X(recvfrom, ssize_t, (int, void*, size_t, int, sockaddr*, socklen_t*))          \
  X(recvmsg, ssize_t, (int, msghdr*, int))                                        \
  X(recvmmsg, int, (int, mmsghdr*, unsigned, int, timespec*))                     \
  X(read, ssize_t, (int, void*, size_t))                                          \
  X(readv, ssize_t, (int, const iovec*, int))                                     \
  X(preadv2, ssize_t, (int, const iovec*, int, off64_t, int))                     \
  X(write, ssize_t, (int, const void*, size_t))                                   \
  X(writev, ssize_t, (int, const iovec*, int))                                    \
  X(pwritev2, ssize_t, (int, const iovec*, int, off64_t, int))                    \
  X(shutdown, int, (int, int))                                                    \
  X(close, int, (int))                                                            \
  X(dup, int, (int))                                                              \
  X(dup2, int, (int, int))                                                        \
  X(dup3, int, (int, int, int))                                                   \
  X(fcntl, int, (int, int, ...))                                                  \
  X(ioctl, int, (int, unsigned long, ...))                                        \
  X(close_range, int, (unsigned, unsigned, int))                                  \
  X(poll, int, (pollfd*, nfds_t, int))                                            \
  X(ppoll, int, (pollfd*, nfds_t, const timespec*, const sigset_t*))              \
  X(epoll_ctl, int, (int, int, int, epoll_event*))                                \
  X(fdopen, FILE*, (int, const char*))                                            \
  X(sendfile, ssize_t, (int, int, off_t*, size_t))                                \
  X(splice, ssize_t, (int, off64_t*, int, off64_t*, size_t, unsigned))

struct LibcCalls {
#define TRUNKLINE_LIBC_POINTER(name, type, parameters) type(*name) parameters;
  TRUNKLINE_LIBC_CALLS(TRUNKLINE_LIBC_POINTER)
#undef TRUNKLINE_LIBC_POINTER
};

const LibcCalls& libc();

}  // namespace trunkline::sctp
