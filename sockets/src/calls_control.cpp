// SPDX-License-Identifier: BSD-3-Clause
// What makes, names, connects and ends a socket: mostly requests to the daemon.
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include <cstring>

#include "attachment.h"
#include "calls.h"
#include "libc_calls.h"
#include "linux_sctp.h"
#include "mirror.h"
#include "mode.h"
#include "names.h"
#include "notification.h"
#include "raw_calls.h"
#include "receiving.h"
#include "socket_lock.h"
#include "user_memory.h"

namespace trunkline::sctp::calls {
namespace {

using attachment::Reply;
using attachment::Request;

// The new handle with its memory is a descriptor of the program from here on.
}  // namespace

long adopt(int handle, int memory, int flags) {
  Socket* const socket = map_socket(memory);
  if (socket == nullptr) {
    raw::close(handle);
    return -ENOMEM;
  }
  if ((flags & SOCK_CLOEXEC) == 0) raw::fcntl(handle, F_SETFD, 0);
  if ((flags & SOCK_NONBLOCK) != 0) raw::fcntl(handle, F_SETFL, O_RDWR | O_NONBLOCK);
  if (!descriptors::add(handle, *socket)) {
    descriptors::drop(*socket);
    raw::close(handle);
    return -EMFILE;
  }
  return handle;
}

namespace {

long ask(const Socket& socket, tls_request_kind kind, int32_t a, const void* body,
         uint32_t length) {
  Request request;
  request.kind = kind;
  request.socket = socket.page;
  request.a = a;
  request.body = body;
  request.length = length;
  Reply reply;
  return attachment::request(request, reply);
}

// One address of the program's. Its length is what the program said.
long take_name(sockaddr_storage& out, const sockaddr* name, socklen_t length) {
  out = sockaddr_storage{};
  if (length > sizeof(out)) return -EINVAL;  // negative ones, too
  if (length == 0) return 0;
  return fetch(&out, name, length);
}

struct Received {
  int fds[2] = {-1, -1};
  int count = 0;
};

void take_descriptors(msghdr& message, Received& out) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
      if (out.count < 2) {
        out.fds[out.count++] = fd;
      } else {
        raw::close(fd);
      }
    }
  }
}

void release_use(void* use) {
  static_cast<Use*>(use)->release();
}

// The next pending connection, waiting for it as the descriptor says. 0: end of file.
long wait_for_connection(Use& use, int fd, Received& out) {
  uint8_t byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  long n = 0;
  pthread_cleanup_push(release_use, &use);
  n = raw::checked(libc().recvmsg(fd, &message, MSG_CMSG_CLOEXEC));
  pthread_cleanup_pop(0);
  if (n > 0) take_descriptors(message, out);
  return n;
}

// Descriptors that don't fit into the table are lost with the message that brought them.
bool room_for_two_descriptors(int fd) {
  const long one = raw::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (one < 0) return false;
  const long two = raw::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  raw::close(static_cast<int>(one));
  if (two < 0) return false;
  raw::close(static_cast<int>(two));
  return true;
}

}  // namespace

void inherit_time_outs(int from, int made) {
  constexpr int kNames[] = {SO_RCVTIMEO, SO_SNDTIMEO};
  for (const int name : kNames) {
    timeval value{};
    socklen_t length = sizeof(value);
    if (raw::getsockopt(from, SOL_SOCKET, name, &value, &length) != 0) continue;
    if (value.tv_sec == 0 && value.tv_usec == 0) continue;
    libc().setsockopt(made, SOL_SOCKET, name, &value, sizeof(value));
  }
}

long socket(int family, int type) {
  const int flags = type & (SOCK_CLOEXEC | SOCK_NONBLOCK);
  Request request;
  request.kind = TLS_SOCKET;
  request.a = family;
  request.b = type & ~flags;
  Reply reply;
  const long error = attachment::request(request, reply);
  if (error != 0) return error;
  if (reply.descriptors[0] < 0 || reply.descriptors[1] < 0) {
    if (reply.descriptors[0] >= 0) raw::close(reply.descriptors[0]);
    return -EMFILE;  // the daemon sent two; this process had no room
  }
  return adopt(reply.descriptors[0], reply.descriptors[1], flags);
}

long bind(Socket& socket, const sockaddr* name, socklen_t length) {
  sockaddr_storage body;
  const long error = take_name(body, name, length);
  return error != 0 ? error : ask(socket, TLS_BIND, 0, &body, length);
}

long listen(Socket& socket, int backlog) {
  return ask(socket, TLS_LISTEN, backlog, nullptr, 0);
}

long accept(Use& use, int fd, sockaddr* name, socklen_t* length, int flags) {
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0) return -EINVAL;
  if (use->page->type == SOCK_SEQPACKET) return -EOPNOTSUPP;
  if (use->state() != TLS_LISTENING) return -EINVAL;
  if (!room_for_two_descriptors(fd)) return -EMFILE;
  Received received;
  const long n = wait_for_connection(use, fd, received);
  if (n < 0) return n == -ECONNRESET ? -EINVAL : n;
  if (n == 0) return -EINVAL;
  if (received.count != 2) {
    if (received.count == 1) raw::close(received.fds[0]);
    return -ECONNABORTED;
  }
  const long handle = adopt(received.fds[0], received.fds[1], flags);
  if (handle < 0) return handle;
  inherit_time_outs(fd, static_cast<int>(handle));
  const Use made(static_cast<int>(handle));
  if (made && made->state() == TLS_ENDED) mirror::born_over(*made, static_cast<int>(handle));
  if (name == nullptr) return handle;
  const long error =
      made ? store_name(read_name(*made->page, made->page->peer), name, length) : -ECONNABORTED;
  if (error == 0) return handle;
  close(static_cast<int>(handle));
  return error;
}

// Begun; now it is waited for as the descriptor says.
long wait_until_connected(Use& use, int fd) {
  Socket& socket = *use;
  bool stray_byte = false;
  if (mirror::does_not_block(fd, 0)) return -EINPROGRESS;  // even if it was quicker than this
  // The error is written first, the state last: between them there is room for any number of bytes.
  while (socket.state() == TLS_CONNECTING && load_acquire(socket.page->error) == 0) {
    const long waited = mirror::wait_out(use, fd, 0);
    if (waited == -EAGAIN) return -EINPROGRESS;  // SO_SNDTIMEO
    if (waited == -EPIPE || waited == -ECONNRESET) {
      mirror::daemon_is_gone(socket);
    } else if (waited < 0) {
      return waited;
    }
    fd = descriptors::current(fd, socket);
    stray_byte = true;
  }
  mirror::wait_for_the_end_of_connect(socket);
  if (stray_byte) mirror::note_stray_byte(socket);
  if (socket.state() == TLS_ESTABLISHED) return 0;
  // It stays pending, as on Linux: SO_ERROR and poll() tell it once more.
  const auto error = static_cast<long>(load_acquire(socket.page->error));
  return error != 0 ? -error : socket.state() == TLS_FRESH ? -ECONNREFUSED : 0;
}

static long begin_connect(Socket& socket, int fd, const void* names, uint32_t size, bool is_list,
                          const sctp_initmsg* init, int32_t& assoc_id) {
  attachment::ready();
  uint8_t body[TLS_MAX_BODY + sizeof(*init)];
  Request request;
  request.kind = TLS_CONNECT;
  request.socket = socket.page;
  request.a = is_list ? 1 : 0;
  if (init != nullptr) {
    request.b = 1;
    std::memcpy(body, init, sizeof(*init));
    request.length = sizeof(*init);
  }
  std::memcpy(body + request.length, names, size);
  request.body = body;
  request.length += size;
  Reply reply;
  long error = attachment::request(request, reply);
  while (error == -ERESTART) {
    // Of an attempt that failed: the handle is as it was before it.
    mirror::take_error(socket, fd);
    error = attachment::request(request, reply);
  }
  assoc_id = reply.value;
  return error;
}

long begin_connect_to(Use& use, int fd, const void* names, uint32_t size,
                      const sctp_initmsg* init) {
  int32_t unused = 0;
  return begin_connect(*use, fd, names, size, false, init, unused);
}

long connect_to(Use& use, int fd, const void* names, uint32_t size, int32_t* assoc_id) {
  if (use->is_front()) return connect_member(use, fd, names, size, assoc_id);
  int32_t value = 0;
  const long error = begin_connect(*use, fd, names, size, assoc_id != nullptr, nullptr, value);
  if (assoc_id != nullptr) *assoc_id = value;
  return error != 0 ? error : wait_until_connected(use, fd);
}

long connect(Use& use, int fd, const sockaddr* name, socklen_t length) {
  sockaddr_storage body;
  const long error = take_name(body, name, length);
  if (error != 0) return error;
  if (length < sizeof(sa_family_t)) return -EINVAL;
  if (body.ss_family == AF_UNSPEC) return ask(*use, TLS_DISCONNECT, 0, nullptr, 0);
  return connect_to(use, fd, &body, length, nullptr);
}

// As inet_shutdown() of Linux: what is not connected is told so, but shut all the same.
long shutdown(Socket& socket, int fd, int how) {
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  const uint32_t state = socket.state();
  if (state == TLS_LISTENING) {
    if (how == SHUT_WR) return 0;
    return ask(socket, TLS_SHUTDOWN, how, nullptr, 0);
  }
  if (how != SHUT_WR) {
    const long error = ask(socket, TLS_SHUTDOWN, how, nullptr, 0);
    if (error != 0 && error != -ENOTCONN) return error;
    __atomic_fetch_or(&socket.page->shut, TLS_SHUT_RECEIVE, __ATOMIC_SEQ_CST);
    raw::shutdown(fd, SHUT_RD);
  }
  if (how != SHUT_RD) __atomic_fetch_or(&socket.page->shut, TLS_SHUT_ASKED, __ATOMIC_SEQ_CST);
  if (state == TLS_FRESH || state == TLS_CONNECTING) return -ENOTCONN;
  if (how == SHUT_RD) return 0;
  // Peeled off: nothing goes to the peer before close(), and messages still may be sent.
  if (state != TLS_ESTABLISHED || socket.page->type != SOCK_STREAM) return 0;
  return begin_shutdown(socket);
}

long begin_shutdown(Socket& socket) {
  attachment::ready();
  Locked lock(*socket.page, Locked::kSend);
  if (lock.error() != 0) return lock.error();
  if (lock.inherited()) socket.rings().repair_sending();
  const uint32_t before = __atomic_fetch_or(&socket.page->shut, TLS_SHUT_SEND, __ATOMIC_SEQ_CST);
  if ((before & TLS_SHUT_SEND) == 0) {
    // The ring holds as many as there are slots, and is empty as soon as the worker looks.
    for (int patience = 1000; !socket.rings().submit(TLR_OP_SHUTDOWN) && patience != 0;
         --patience) {
      raw::wait_in(-1, 1);
    }
  }
  attachment::kick(load_relaxed(socket.page->worker), socket.page->index);
  return 0;
}

long getsockname(Socket& socket, sockaddr* name, socklen_t* length) {
  return store_name(read_name(*socket.page, socket.page->local), name, length);
}

long getpeername(Socket& socket, sockaddr* name, socklen_t* length) {
  const uint32_t state = socket.state();
  if (state != TLS_ESTABLISHED && state != TLS_ENDED) return -ENOTCONN;
  return store_name(read_name(*socket.page, socket.page->peer), name, length);
}

// The bytes of the front message that are unread.
static long next_length(Socket& socket) {
  Locked lock(*socket.page, Locked::kReceive);
  if (lock.error() != 0) return lock.error();
  if (lock.inherited()) socket.rings().repair_receiving();
  Front front;
  Content content;
  if (!socket.rings().front(front) || !describe(*socket.page, front, content)) return 0;
  return content.length() - socket.rings().read_of_front();
}

long ioctl(Socket& socket, int fd, unsigned long request, void* argument) {
  const bool of_data = request == FIONREAD || request == SIOCOUTQ;
  if (of_data && !socket.is_front() && socket.state() == TLS_LISTENING) return -ENOTCONN;
  if (request == FIONREAD) {
    const long length = socket.is_front() ? next_length_of_members(socket) : next_length(socket);
    if (length < 0) return length;
    const auto value = static_cast<int>(length);
    return store(argument, &value, sizeof(value));
  }
  if (request == SIOCOUTQ) return -ENOTTY;  // of the handle it would be something else
  if (request == FIOASYNC) note_edges(socket);
  return raw::checked(libc().ioctl(fd, request, argument));
}

}  // namespace trunkline::sctp::calls
