// SPDX-License-Identifier: BSD-3-Clause
// The calls of sockets that are ours. Each returns what the call of that name does, failures as a
// negative errno; pointers are the program's and may be wild. Descriptors that are not ours never
// get here (entry_points.cpp).
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <ctime>

#include "descriptor_table.h"

struct sctp_initmsg;

namespace trunkline::sctp::calls {

using descriptors::Use;

// Flags of preadv2() and pwritev2(), as what they mean of a message; Linux knows those named here,
// and takes them on a socket.
inline long take_rwf(int rwf, int& flags) {
  constexpr int kKnown = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND;
  if ((rwf & ~kKnown) != 0) return -EOPNOTSUPP;
  if ((rwf & RWF_NOWAIT) != 0) flags |= MSG_DONTWAIT;
  return 0;
}

// -- calls_control.cpp
long socket(int family, int type);
long bind(Socket& socket, const sockaddr* name, socklen_t length);
long listen(Socket& socket, int backlog);
long accept(Use& use, int fd, sockaddr* name, socklen_t* length, int flags);
long connect(Use& use, int fd, const sockaddr* name, socklen_t length);
// To packed addresses in our memory.
long connect_to(Use& use, int fd, const void* names, uint32_t size, int32_t* assoc_id);
// Likewise, but nobody waits; `init`: null, or what SCTP_INIT said.
long begin_connect_to(Use& use, int fd, const void* names, uint32_t size, const sctp_initmsg* init);
// As the descriptor says. 0, or why it is not connected, which stays pending.
long wait_until_connected(Use& use, int fd);
long shutdown(Socket& socket, int fd, int how);
// What was sent goes out, and then the association's end.
long begin_shutdown(Socket& socket);
// A handle with its memory, which the daemon gave us, is a descriptor of the program from here on.
// `flags`: SOCK_CLOEXEC, SOCK_NONBLOCK.
long adopt(int handle, int memory, int flags);

// -- calls_many.cpp: one-to-many sockets
long connect_member(Use& use, int fd, const void* names, uint32_t size, int32_t* assoc_id);
// Until the association is no longer being set up, at most SO_SNDTIMEO; -EAGAIN: that is over.
long wait_until_begun(Socket& member, int fd);
// A descriptor.
long peel_off(Socket& front, int fd, int32_t assoc_id, int flags);
// What concerns waiting is the handle's, and a new socket has it of the one that it comes from.
void inherit_time_outs(int from, int made);
long getsockname(Socket& socket, sockaddr* name, socklen_t* length);
long getpeername(Socket& socket, sockaddr* name, socklen_t* length);
long ioctl(Socket& socket, int fd, unsigned long request, void* argument);

// -- calls_options.cpp
long getsockopt(Use& use, int fd, int level, int name, void* value, socklen_t* length);
long setsockopt(Use& use, int fd, int level, int name, const void* value, socklen_t length);

// -- calls_send.cpp
long send(Use& use, int fd, const void* data, size_t size, int flags);
long sendto(Use& use, int fd, const void* data, size_t size, int flags, const sockaddr* name,
            socklen_t length);
long sendmsg(Use& use, int fd, const msghdr* message, int flags);
long sendmmsg(Use& use, int fd, mmsghdr* messages, unsigned count, int flags);
// `rwf`: flags of pwritev2(), of which RWF_NOWAIT alone means something here.
long writev(Use& use, int fd, const iovec* parts, int count, int rwf = 0);

// -- calls_receive.cpp
long recv(Use& use, int fd, void* data, size_t size, int flags);
long recvfrom(Use& use, int fd, void* data, size_t size, int flags, sockaddr* name,
              socklen_t* length);
long recvmsg(Use& use, int fd, msghdr* message, int flags);
long recvmmsg(Use& use, int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit);
long readv(Use& use, int fd, const iovec* parts, int count, int rwf = 0);

// -- calls_descriptors.cpp: of all descriptors
long close(int fd);
long dup2(int from, int to, int flags, bool is_dup3);
long close_range(unsigned first, unsigned last, int flags);
// After a call that made `to` of `from`.
void duplicated(int from, int to);
// poll() has filled these in: what the kernel can't know of our sockets is repaired.
void repair_poll(pollfd* fds, nfds_t count);
// Somebody waits for edges, or wants signals (O_ASYNC): each message is news, not the first alone.
void note_edges(Socket& socket);
void note_epoll(int fd, const epoll_event* event);
// A message with descriptors goes to another process, or has come from one.
void note_passed(const msghdr* message);
void note_received(const msghdr* message);
// Another program is about to be started, with the descriptors that are not close-on-exec.
void note_spawn();
// Descriptors that this program was started with.
void identify_inherited();

}  // namespace trunkline::sctp::calls
