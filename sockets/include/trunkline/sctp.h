/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SCTP sockets of the trunklined daemon, for programs that ask for them by name: each function is
 * the one of POSIX without its prefix, with the same arguments, results, errno and options (RFC
 * 6458, Linux's numbers: <netinet/sctp.h> or <linux/sctp.h>). A descriptor that tlsctp_socket() or
 * tlsctp_accept() returned can be waited for by poll(), select() and epoll like any other; what is
 * done with it must be done by the functions here. They take every other descriptor, too, and hand
 * it to libc, so that one code may serve both.
 *
 * $TRUNKLINE_SOCKET names the daemon (default /run/trunkline/sockets.sock). One-to-one
 * sockets (SOCK_STREAM) and one-to-many ones (SOCK_SEQPACKET). Programs that can't be changed use
 * trunkline-run instead.
 *
 * All functions may be called by any thread. Those that wait are cancellation points.
 */
#ifndef TRUNKLINE_SCTP_H
#define TRUNKLINE_SCTP_H

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mmsghdr;

/* A socket: `family` AF_INET or AF_INET6, `type` SOCK_STREAM (with SOCK_CLOEXEC, SOCK_NONBLOCK),
 * `protocol` IPPROTO_SCTP; others are libc's. EPROTONOSUPPORT: there is no daemon, as on a kernel
 * without SCTP. */
int tlsctp_socket(int family, int type, int protocol);

/* The local address, a wildcard with port 0 for any. EACCES: a port that the operator has not
 * granted to this user. */
int tlsctp_bind(int fd, const struct sockaddr* name, socklen_t length);

/* Takes associations that peers begin, at most `backlog` of them waiting. */
int tlsctp_listen(int fd, int backlog);

/* The next association, as a socket of its own. */
int tlsctp_accept(int fd, struct sockaddr* name, socklen_t* length);
int tlsctp_accept4(int fd, struct sockaddr* name, socklen_t* length, int flags);

/* Begins an association and waits until it is established; EINPROGRESS with O_NONBLOCK. */
int tlsctp_connect(int fd, const struct sockaddr* name, socklen_t length);

/* SHUT_WR shuts the association down once everything was acknowledged (RFC 9260 section 9.2). */
int tlsctp_shutdown(int fd, int how);

int tlsctp_getsockname(int fd, struct sockaddr* name, socklen_t* length);
int tlsctp_getpeername(int fd, struct sockaddr* name, socklen_t* length);

/* Options of SOL_SOCKET and IPPROTO_SCTP (RFC 6458 section 8). */
int tlsctp_getsockopt(int fd, int level, int name, void* value, socklen_t* length);
int tlsctp_setsockopt(int fd, int level, int name, const void* value, socklen_t length);

/* One message each, on the stream and with the flags of SCTP_DEFAULT_SEND_PARAM, or as control data
 * says (SCTP_SNDRCV, SCTP_SNDINFO; RFC 6458 section 5.3). EMSGSIZE: larger than SO_SNDBUF. EPIPE,
 * with SIGPIPE unless MSG_NOSIGNAL: there is no association. */
ssize_t tlsctp_send(int fd, const void* data, size_t size, int flags);
ssize_t tlsctp_sendto(int fd, const void* data, size_t size, int flags, const struct sockaddr* name,
                      socklen_t length);
ssize_t tlsctp_sendmsg(int fd, const struct msghdr* message, int flags);
int tlsctp_sendmmsg(int fd, struct mmsghdr* messages, unsigned count, int flags);
ssize_t tlsctp_write(int fd, const void* data, size_t size);
ssize_t tlsctp_writev(int fd, const struct iovec* parts, int count);
/* RWF_NOWAIT: as MSG_DONTWAIT. ESPIPE: another offset than -1. */
ssize_t tlsctp_pwritev2(int fd, const struct iovec* parts, int count, off_t offset, int flags);

/* The next message or notification (MSG_NOTIFICATION), or what fits of it: the rest is read next,
 * and the last part has MSG_EOR. 0: the peer has shut the association down. */
ssize_t tlsctp_recv(int fd, void* data, size_t size, int flags);
ssize_t tlsctp_recvfrom(int fd, void* data, size_t size, int flags, struct sockaddr* name,
                        socklen_t* length);
ssize_t tlsctp_recvmsg(int fd, struct msghdr* message, int flags);
int tlsctp_recvmmsg(int fd, struct mmsghdr* messages, unsigned count, int flags,
                    struct timespec* limit);
ssize_t tlsctp_read(int fd, void* data, size_t size);
ssize_t tlsctp_readv(int fd, const struct iovec* parts, int count);
ssize_t tlsctp_preadv2(int fd, const struct iovec* parts, int count, off_t offset, int flags);

/* The last close() of a socket whose messages were all read shuts its association down; it is
 * aborted if some were not, or SO_LINGER says so. */
int tlsctp_close(int fd);
int tlsctp_dup(int fd);
int tlsctp_dup2(int from, int to);
int tlsctp_dup3(int from, int to, int flags);
int tlsctp_close_range(unsigned first, unsigned last, int flags);
void tlsctp_closefrom(int first);
int tlsctp_fcntl(int fd, int command, ...);
int tlsctp_fcntl64(int fd, int command, ...);

/* FIONREAD: bytes of the next message that are unread. */
int tlsctp_ioctl(int fd, unsigned long request, ...);

/* As poll(), with POLLERR where the socket has an error pending (libc's shows POLLIN and POLLOUT).
 */
int tlsctp_poll(struct pollfd* fds, nfds_t count, int timeout);
int tlsctp_ppoll(struct pollfd* fds, nfds_t count, const struct timespec* timeout,
                 const sigset_t* mask);

/* As epoll_ctl(); to be used for EPOLLET, which otherwise may miss edges. */
int tlsctp_epoll_ctl(int epoll, int operation, int fd, struct epoll_event* event);

/* EINVAL on a socket of ours. */
ssize_t tlsctp_sendfile(int to, int from, off_t* offset, size_t count);
ssize_t tlsctp_splice(int from, off_t* in, int to, off_t* out, size_t count, unsigned flags);

#ifdef __cplusplus
}
#endif

#endif
