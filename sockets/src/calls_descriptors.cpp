// SPDX-License-Identifier: BSD-3-Clause
// What happens to descriptors: closing, duplicating, forking, starting another program. The kernel
// does all of it; here the table follows, and the daemon is told of a last close, so that its port
// is free when close() returns.
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>

#include <cstdlib>
#include <cstring>

#include "attachment.h"
#include "calls.h"
#include "libc_calls.h"
#include "mirror.h"
#include "mode.h"
#include "raw_calls.h"
#include "user_memory.h"

namespace trunkline::sctp {

constinit Mode mode;

void read_mode() {
  const char* const trace = ::secure_getenv("TRUNKLINE_TRACE");
  mode.trace = trace != nullptr && trace[0] == '1';
  const char* const tcp = ::secure_getenv("TRUNKLINE_TCP");
  mode.tcp = tcp != nullptr && tcp[0] == '1';
}

namespace calls {
namespace {

int process;  // whose memory this is: a child of vfork() only borrows it

void fork_begins() {
  attachment::before_fork();
  descriptors::before_fork();
}
void fork_ends_in_parent() {
  descriptors::after_fork();
  attachment::after_fork_in_parent();
}
void fork_ends_in_child() {
  process = raw::pid();
  descriptors::after_fork();
  attachment::after_fork_in_child();
}

bool borrows_memory() {
  return raw::pid() != process;
}

// Before the program's descriptor is closed.
void part_from(int fd) {
  Use use(fd);
  if (!use) return;
  if (descriptors::keep_for_others(fd)) return descriptors::forget(fd);
  if (load_acquire(use->page->copied) == 0 && descriptors::is_last(fd)) {
    attachment::Request request;
    request.kind = TLS_CLOSE;
    request.socket = use->page;
    attachment::Reply reply;
    const long failed = use->lingers ? attachment::request_alone(request, reply)
                                     : attachment::request(request, reply);
    (void)failed;  // without a daemon there is nobody to tell
  }
  descriptors::forget(fd);
}

// Any process that was started with a daemon's descriptor: asks for its memory, by showing it.
void identify(int fd, const int* known, int known_count) {
  attachment::Request request;
  request.kind = TLS_IDENTIFY;
  request.descriptor = fd;
  attachment::Reply reply;
  if (attachment::request(request, reply) != 0 || reply.descriptors[0] < 0) return;
  Socket* const socket = map_socket(reply.descriptors[0]);
  if (socket == nullptr) return;
  __atomic_store_n(&socket->page->copied, 1, __ATOMIC_SEQ_CST);
  for (int i = 0; i < known_count; ++i) {
    const Use other(known[i]);
    if (!other || other->page->key != socket->page->key) continue;
    descriptors::copy(known[i], fd);
    descriptors::drop(*socket);
    return;
  }
  if (!descriptors::add(fd, *socket)) descriptors::drop(*socket);
}

int socket_number(int fd, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  return raw::getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

bool may_be_ours(int fd) {
  return socket_number(fd, SO_DOMAIN) == AF_UNIX && socket_number(fd, SO_TYPE) == SOCK_STREAM;
}

bool is_the_daemons(int fd) {
  ucred who{};
  socklen_t length = sizeof(who);
  return raw::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 &&
         attachment::is_daemon(who);
}

[[gnu::constructor(102)]] void start() {
  process = raw::pid();
  read_mode();
  ::pthread_atfork(fork_begins, fork_ends_in_parent, fork_ends_in_child);
  identify_inherited();
}

}  // namespace

void identify_inherited() {
  constexpr int kMost = 64;
  int candidates[kMost];
  int count = 0;
  // Most programs are started with three descriptors; the list of them is read otherwise.
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return;
  while (const dirent* const entry = ::readdir(folder)) {
    if (entry->d_name[0] == '.' || count == kMost) continue;
    const int fd = std::atoi(entry->d_name);
    if (may_be_ours(fd)) candidates[count++] = fd;
  }
  ::closedir(folder);
  for (int i = 0; i < count; ++i) {
    if (!descriptors::is_ours(candidates[i]) && is_the_daemons(candidates[i])) {
      identify(candidates[i], candidates, i);
    }
  }
}

long close(int fd) {
  if (attachment::owns(fd)) return -EBADF;  // the program can't know of it
  if (descriptors::is_ours(fd) && !borrows_memory()) part_from(fd);
  return raw::checked(libc().close(fd));
}

long dup2(int from, int to, int flags, bool is_dup3) {
  const bool ours = !borrows_memory();
  if (ours && from != to && attachment::owns(to)) attachment::vacate(to);
  if (ours && from != to && descriptors::is_ours(to) && raw::fcntl(from, F_GETFD) >= 0) {
    part_from(to);
  }
  const long result = raw::checked(is_dup3 ? libc().dup3(from, to, flags) : libc().dup2(from, to));
  if (result >= 0) duplicated(from, to);
  return result;
}

void duplicated(int from, int to) {
  if (from == to || !(descriptors::is_ours(from) || descriptors::is_ours(to))) return;
  if (!borrows_memory()) descriptors::copy(from, to);
}

long close_range(unsigned first, unsigned last, int flags) {
  constexpr int kCloseOnExec = 4;  // CLOSE_RANGE_CLOEXEC
  if (libc().close_range == nullptr) return -ENOSYS;
  if (first > last) return -EINVAL;
  if ((flags & kCloseOnExec) == 0 && !borrows_memory()) {
    descriptors::each([&](int fd) {
      if (static_cast<unsigned>(fd) >= first && static_cast<unsigned>(fd) <= last) part_from(fd);
    });
  }
  // Around those that are ours.
  unsigned from = first;
  for (unsigned fd = first; fd <= last && fd < descriptors::kMax; ++fd) {
    if (fd >= 65536) break;
    if (!attachment::owns(static_cast<int>(fd))) continue;
    if (fd > from) libc().close_range(from, fd - 1, flags);
    from = fd + 1;
  }
  return from > last ? 0 : raw::checked(libc().close_range(from, last, flags));
}

// The handle says IN and OUT where Linux says ERR, and no more than IN where both directions are
// shut (sctp_poll()).
void repair_poll(pollfd* fds, nfds_t count) {
  for (nfds_t i = 0; i < count; ++i) {
    if (fds[i].revents == 0 || !descriptors::is_ours(fds[i].fd)) continue;
    const Use use(fds[i].fd);
    if (!use) continue;
    const uint32_t shut = use->shut();
    constexpr uint32_t kBoth = TLS_SHUT_RECEIVE | TLS_SHUT_ASKED;
    if ((shut & kBoth) == kBoth) fds[i].revents |= POLLHUP;
    if (load_acquire(use->page->error) == 0) continue;
    int events = POLLERR | (fds[i].revents & POLLHUP);
    if ((shut & TLS_SHUT_RECEIVE) != 0) events |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (use->rings().has_completion()) events |= POLLIN | POLLRDNORM;
    if (use->state() != TLS_FRESH) events |= POLLOUT | POLLWRNORM;
    fds[i].revents = static_cast<short>(events & (fds[i].events | POLLERR | POLLHUP));
  }
}

void note_edges(Socket& socket) {
  __atomic_store_n(&socket.page->edge, 1, __ATOMIC_SEQ_CST);
}

void note_epoll(int fd, const epoll_event* event) {
  epoll_event what;
  const Use use(fd);
  if (!use || fetch(&what, event, sizeof(what)) != 0 || (what.events & EPOLLET) == 0) return;
  note_edges(*use);
}

namespace {

// visit(fd) of each descriptor that goes with a message.
template <typename Visit>
void each_descriptor(const msghdr* message, Visit&& visit) {
  msghdr header;
  if (fetch(&header, message, sizeof(header)) != 0 || header.msg_control == nullptr) return;
  alignas(cmsghdr) uint8_t control[2048];
  if (header.msg_controllen < sizeof(cmsghdr) || header.msg_controllen > sizeof(control) ||
      fetch(control, header.msg_control, header.msg_controllen) != 0) {
    return;
  }
  header.msg_control = control;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    if (c->cmsg_len < CMSG_LEN(0)) return;
    for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
      visit(fd);
    }
  }
}

void mark_as_copied(int fd) {
  const Use use(fd);
  if (use) __atomic_store_n(&use->page->copied, 1, __ATOMIC_SEQ_CST);
}

}  // namespace

void note_passed(const msghdr* message) {
  each_descriptor(message, mark_as_copied);
}

void note_received(const msghdr* message) {
  each_descriptor(message, [](int fd) {
    // The number may have been another one's that was closed behind our back.
    descriptors::forget(fd);
    if (may_be_ours(fd) && is_the_daemons(fd)) identify(fd, nullptr, 0);
  });
}

void note_spawn() {
  if (!borrows_memory()) descriptors::each(mark_as_copied);
}

}  // namespace calls
}  // namespace trunkline::sctp
