// SPDX-License-Identifier: BSD-3-Clause
#include "attachment.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

#include "raw_calls.h"

namespace trunkline::sctp::attachment {
namespace {

constexpr const char* kDefaultPath = "/run/trunkline/sockets.sock";
constexpr int kMaxDescriptors = 1 + TLR_MAX_WORKERS;

// What a descriptor is, to know it again: a program may close ours behind our back, by a system
// call of its own, and have another one under its number.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const Identity&) const = default;
};

Identity identity_of(int fd) {
  struct stat about {};
  if (raw::checked(::syscall(SYS_newfstatat, fd, "", &about, AT_EMPTY_PATH)) != 0) return {};
  return {about.st_dev, about.st_ino};
}

struct Connection {
  int fd = -1;
  Identity what;      // fd is
  Identity doorbell;  // all of them are: one and the same for all event fds
  ucred daemon{};
  uint32_t workers = 0;
  tls_kicks* kicks = nullptr;  // of the workers; never unmapped: a thread may be kicking
  int doorbells[TLR_MAX_WORKERS] = {};
};

pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
constinit Connection connection;  // constructors of others may use sockets before ours
uint32_t attached;                // 1: kick() may use the connection's kicks

// Above what programs count on: they expect the lowest free number, and select() of little ones.
int out_of_the_way(int fd) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t top = limit.rlim_cur < 1024 ? limit.rlim_cur : 1024;
  const long least = top > 128 ? static_cast<long>(top) - 96 : 0;
  const long moved = raw::fcntl(fd, F_DUPFD_CLOEXEC, least);
  if (moved < 0) return fd;
  raw::close(fd);
  return static_cast<int>(moved);
}

struct Wire {
  tls_reply head{};
  int fds[kMaxDescriptors];
  int fd_count = 0;
};

void close_all(Wire& wire, int from = 0) {
  for (int i = from; i < wire.fd_count; ++i) raw::close(wire.fds[i]);
}

void take_descriptors(msghdr& message, Wire& wire) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const auto n = static_cast<int>((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    for (int i = 0; i < n && wire.fd_count < kMaxDescriptors; ++i) {
      std::memcpy(&wire.fds[wire.fd_count++], CMSG_DATA(c) + static_cast<size_t>(i) * sizeof(int),
                  sizeof(int));
    }
  }
}

long send_request(int fd, const Request& request) {
  tls_request head{};
  head.magic = TLS_MAGIC;
  head.abi_version = request.kind == TLS_HELLO ? TLS_ABI_VERSION : 0;
  head.kind = request.kind;
  head.key = request.socket != nullptr ? request.socket->key : 0;
  head.socket = request.socket != nullptr ? request.socket->index : 0;
  head.a = request.a;
  head.b = request.b;
  head.length = request.meant != 0 ? request.meant : request.length;
  iovec parts[2] = {{&head, sizeof(head)}, {const_cast<void*>(request.body), request.length}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (request.descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* const c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(c), &request.descriptor, sizeof(int));
  }
  return raw::sendmsg(fd, &message, 0);
}

// One request and its answer. -EPIPE: the connection is of no use any more.
long exchange(int fd, const Request& request, Reply& reply, Wire& wire) {
  if (send_request(fd, request) < 0) return -EPIPE;
  iovec parts[2] = {{&wire.head, sizeof(wire.head)}, {reply.body, reply.room}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = reply.room != 0 ? 2 : 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  long n = 0;
  do {
    n = raw::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  } while (n == -EINTR);
  if (n < static_cast<long>(sizeof(wire.head))) return -EPIPE;
  take_descriptors(message, wire);
  if (wire.head.magic != TLS_MAGIC) {
    close_all(wire);
    return -EPIPE;
  }
  reply.value = wire.head.value;
  reply.length = static_cast<uint32_t>(n) - static_cast<uint32_t>(sizeof(wire.head));
  if (reply.length > wire.head.length) reply.length = wire.head.length;
  return 0;
}

long connect_to_daemon() {
  const char* path = ::secure_getenv("TRUNKLINE_SOCKET");
  if (path == nullptr || path[0] == '\0') path = kDefaultPath;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t length = std::strlen(path);
  if (length >= sizeof(address.sun_path)) return -ENAMETOOLONG;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const long fd = raw::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length + (path[0] == '@' ? 0u : 1u));
  const long failed =
      raw::connect(static_cast<int>(fd), reinterpret_cast<const sockaddr*>(&address), size);
  if (failed < 0) {
    raw::close(static_cast<int>(fd));
    return failed;
  }
  return out_of_the_way(static_cast<int>(fd));
}

void drop() {
  __atomic_store_n(&attached, 0, __ATOMIC_SEQ_CST);
  if (connection.fd < 0) return;
  if (identity_of(connection.fd) == connection.what) raw::close(connection.fd);
  for (uint32_t i = 0; i < connection.workers; ++i) {
    const int doorbell = connection.doorbells[i];
    if (identity_of(doorbell) == connection.doorbell) raw::close(doorbell);
  }
  connection.fd = -1;
  connection.workers = 0;
}

// What keeps somebody out: a limit, of this process or of the daemon; or there is no daemon for it.
long reason_of(long error) {
  switch (error) {
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -ENOBUFS:
      return error;
    default:
      return -EPROTONOSUPPORT;
  }
}

// What HELLO brought. The kicks of an earlier connection stay mapped, since somebody may be about
// to write there; there is one for each start of the daemon.
long take_kicks(Connection& to, Wire& wire, uint32_t workers) {
  const int wanted = static_cast<int>(workers) + 1;
  if (workers == 0 || workers > TLR_MAX_WORKERS || wire.fd_count > wanted) return -EPROTONOSUPPORT;
  if (wire.fd_count < wanted) return -EMFILE;  // they had no room
  void* const at = ::mmap(nullptr, workers * sizeof(tls_kicks), PROT_READ | PROT_WRITE, MAP_SHARED,
                          wire.fds[0], 0);
  if (at == MAP_FAILED) return -ENOMEM;
  to.kicks = static_cast<tls_kicks*>(at);
  to.workers = workers;
  raw::close(wire.fds[0]);
  for (uint32_t i = 0; i < workers; ++i) to.doorbells[i] = out_of_the_way(wire.fds[i + 1]);
  return 0;
}

// A new connection that has said HELLO; the caller's.
long greet(Wire& wire, uint32_t& workers) {
  const long fd = connect_to_daemon();
  if (fd < 0) return reason_of(fd);
  Request hello;
  hello.kind = TLS_HELLO;
  Reply reply;
  const long failed = exchange(static_cast<int>(fd), hello, reply, wire);
  if (failed != 0 || wire.head.error != 0) {
    close_all(wire);
    raw::close(static_cast<int>(fd));
    return reason_of(failed == 0 ? wire.head.error : failed);
  }
  workers = static_cast<uint32_t>(reply.value);
  return fd;
}

// Under the mutex.
long attach() {
  if (connection.fd >= 0) return 0;
  Wire wire;
  Connection made;
  uint32_t workers = 0;
  const long fd = greet(wire, workers);
  if (fd < 0) return fd;
  const long failed = take_kicks(made, wire, workers);
  if (failed != 0) {
    close_all(wire);
    raw::close(static_cast<int>(fd));
    return failed;
  }
  made.fd = static_cast<int>(fd);
  made.what = identity_of(made.fd);
  made.doorbell = identity_of(made.doorbells[0]);
  socklen_t length = sizeof(made.daemon);
  raw::getsockopt(made.fd, SOL_SOCKET, SO_PEERCRED, &made.daemon, &length);
  connection = made;
  __atomic_store_n(&attached, 1, __ATOMIC_SEQ_CST);
  return 0;
}

long finish(Wire& wire, Reply& reply) {
  for (int i = 0; i < 2 && i < wire.fd_count; ++i) reply.descriptors[i] = wire.fds[i];
  close_all(wire, 2);
  return wire.head.error;
}

}  // namespace

long request(const Request& request, Reply& reply) {
  const raw::Guard guard(mutex);
  for (int attempt = 0;; ++attempt) {
    if (connection.fd >= 0 && identity_of(connection.fd) != connection.what) drop();
    const bool was_attached = connection.fd >= 0;
    const long failed = attach();
    if (failed != 0) return was_attached || request.socket == nullptr ? failed : -ECONNRESET;
    Wire wire;
    if (exchange(connection.fd, request, reply, wire) == 0) return finish(wire, reply);
    drop();
    // A daemon that was started anew knows no socket of the old one, but makes new ones.
    if (request.socket != nullptr) return -ECONNRESET;
    if (attempt == 1 || !was_attached) return -EPROTONOSUPPORT;
  }
}

long request_alone(const Request& request, Reply& reply) {
  Wire greeting;
  uint32_t workers = 0;
  const long fd = greet(greeting, workers);
  if (fd < 0) return fd;
  close_all(greeting);
  Wire wire;
  const long failed = exchange(static_cast<int>(fd), request, reply, wire);
  raw::close(static_cast<int>(fd));
  return failed == 0 ? finish(wire, reply) : -ECONNRESET;
}

bool ready() {
  if (__atomic_load_n(&attached, __ATOMIC_ACQUIRE) != 0) [[likely]]
    return true;
  const raw::Guard guard(mutex);
  return attach() == 0;
}

void kick(uint32_t worker, uint32_t socket_index) {
  if (__atomic_load_n(&attached, __ATOMIC_ACQUIRE) == 0 || worker >= connection.workers ||
      socket_index >= TLS_MAX_SOCKETS) {
    return;
  }
  tls_kicks& kicks = connection.kicks[worker];
  const uint32_t word = socket_index / 64;
  const uint64_t bit = uint64_t{1} << socket_index % 64;
  if ((__atomic_fetch_or(&kicks.bits[word], bit, __ATOMIC_SEQ_CST) & bit) == 0) {
    __atomic_fetch_or(&kicks.summary[word / 64], uint64_t{1} << word % 64, __ATOMIC_SEQ_CST);
  }
  if (__atomic_load_n(&kicks.worker_armed, __ATOMIC_SEQ_CST) == 0) return;
  if (__atomic_exchange_n(&kicks.worker_armed, 0, __ATOMIC_SEQ_CST) == 0) return;
  if (identity_of(connection.doorbells[worker]) != connection.doorbell) return;
  const uint64_t one = 1;
  raw::write(connection.doorbells[worker], &one, sizeof(one));
}

bool is_daemon(const ucred& peer) {
  const raw::Guard guard(mutex);
  return attach() == 0 && peer.pid == connection.daemon.pid && peer.uid == connection.daemon.uid;
}

bool owns(int fd) {
  if (fd < 0 || __atomic_load_n(&attached, __ATOMIC_ACQUIRE) == 0) return false;
  if (fd == connection.fd) return true;
  for (uint32_t i = 0; i < connection.workers; ++i) {
    if (fd == connection.doorbells[i]) return true;
  }
  return false;
}

void vacate(int fd) {
  const raw::Guard guard(mutex);
  if (fd < 0 || connection.fd < 0) return;
  int* ours = fd == connection.fd ? &connection.fd : nullptr;
  for (uint32_t i = 0; i < connection.workers; ++i) {
    if (fd == connection.doorbells[i]) ours = &connection.doorbells[i];
  }
  if (ours == nullptr) return;
  const long moved = raw::fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
  if (moved >= 0) *ours = static_cast<int>(moved);
}

void before_fork() {
  ::pthread_mutex_lock(&mutex);
}
void after_fork_in_parent() {
  ::pthread_mutex_unlock(&mutex);
}
void after_fork_in_child() {
  drop();
  ::pthread_mutex_unlock(&mutex);
}

void detach() {
  const raw::Guard guard(mutex);
  drop();
}

}  // namespace trunkline::sctp::attachment
