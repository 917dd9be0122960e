// SPDX-License-Identifier: BSD-3-Clause
#include "descriptor_table.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "members.h"
#include "raw_calls.h"

namespace trunkline::sctp::descriptors {

uint8_t kinds[kMax];  // in pages that are touched only where there are descriptors of ours

namespace {

Socket* sockets[kMax];
uint32_t high_mark;  // one above the largest descriptor that was ours

constexpr uint32_t kPool = TLS_MAX_SOCKETS;
Socket* pool;
uint32_t made;
Socket* free_sockets;

pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

// Counts one more user, unless there is none any more.
bool count_up(Socket& socket) {
  uint32_t n = __atomic_load_n(&socket.references, __ATOMIC_RELAXED);
  while (n != 0) {
    if (__atomic_compare_exchange_n(&socket.references, &n, n + 1, true, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED)) {
      return true;
    }
  }
  return false;
}

// Under the mutex. The caller drops what it gets.
Socket* take_out(int fd) {
  __atomic_store_n(&kinds[fd], 0, __ATOMIC_RELEASE);
  Socket* const socket = __atomic_exchange_n(&sockets[fd], nullptr, __ATOMIC_SEQ_CST);
  if (socket != nullptr) --socket->descriptors;
  return socket;
}

// Under the mutex.
void put_in(int fd, Socket& socket) {
  ++socket.descriptors;
  __atomic_store_n(&sockets[fd], &socket, __ATOMIC_SEQ_CST);
  __atomic_store_n(&kinds[fd], 1, __ATOMIC_RELEASE);
  if (static_cast<uint32_t>(fd) >= high_mark) high_mark = static_cast<uint32_t>(fd) + 1;
}

}  // namespace

Socket* acquire_at(Socket* const& place) {
  Socket* const socket = __atomic_load_n(&place, __ATOMIC_ACQUIRE);
  if (socket == nullptr || !count_up(*socket)) return nullptr;
  // Between the two the object may have become another socket's.
  if (__atomic_load_n(&place, __ATOMIC_SEQ_CST) == socket) return socket;
  drop(*socket);
  return nullptr;
}

Socket* acquire(int fd) {
  return acquire_at(sockets[fd]);
}

void hold(Socket& socket) {
  __atomic_add_fetch(&socket.references, 1, __ATOMIC_RELAXED);
}

void drop(Socket& socket) {
  if (__atomic_sub_fetch(&socket.references, 1, __ATOMIC_ACQ_REL) != 0) return;
  if (socket.kept >= 0) raw::close(socket.kept);
  members::forget_all(socket);
  const raw::Guard guard(mutex);
  unmap_socket(socket);
  socket.next_free = free_sockets;
  free_sockets = &socket;
}

void Use::take(int fd) {
  socket_ = acquire(fd);
}

void Use::release() {
  if (socket_ != nullptr) drop(*socket_);
  socket_ = nullptr;
}

Socket* new_socket() {
  const raw::Guard guard(mutex);
  if (free_sockets != nullptr) {
    Socket* const socket = free_sockets;
    free_sockets = socket->next_free;
    return socket;
  }
  if (pool == nullptr) {
    void* const at = ::mmap(nullptr, kPool * sizeof(Socket), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return nullptr;
    pool = static_cast<Socket*>(at);
  }
  return made < kPool ? &pool[made++] : nullptr;
}

bool add(int fd, Socket& socket) {
  if (static_cast<uint32_t>(fd) >= kMax) return false;
  Socket* before = nullptr;
  {
    const raw::Guard guard(mutex);
    before = take_out(fd);  // closed behind our back
    put_in(fd, socket);
  }
  if (before != nullptr) drop(*before);
  return true;
}

void copy(int from, int to) {
  if (static_cast<uint32_t>(to) >= kMax) return;
  if (!is_ours(from) && !is_ours(to)) return;
  Socket* before = nullptr;
  {
    const raw::Guard guard(mutex);
    before = take_out(to);
    Socket* const socket = static_cast<uint32_t>(from) < kMax ? sockets[from] : nullptr;
    if (socket != nullptr && count_up(*socket)) put_in(to, *socket);
  }
  if (before != nullptr) drop(*before);
}

void forget(int fd) {
  if (!is_ours(fd)) return;
  Socket* before = nullptr;
  {
    const raw::Guard guard(mutex);
    before = take_out(fd);
  }
  if (before != nullptr) drop(*before);
}

void forget_range(uint32_t first, uint32_t last) {
  const uint32_t end = highest();
  for (uint32_t fd = first; fd < end && fd <= last; ++fd) forget(static_cast<int>(fd));
}

bool is_last(int fd) {
  const raw::Guard guard(mutex);
  return is_ours(fd) && sockets[fd]->descriptors == 1;
}

bool keep_for_others(int fd) {
  constexpr uint32_t kCallers = 1;  // that of this call
  const raw::Guard guard(mutex);
  if (!is_ours(fd)) return false;
  Socket& socket = *sockets[fd];
  const uint32_t all = __atomic_load_n(&socket.references, __ATOMIC_ACQUIRE);
  if (socket.descriptors != 1 || all <= socket.descriptors + kCallers) return false;
  constexpr int kHigh = 512;  // out of the program's way
  long kept = raw::fcntl(fd, F_DUPFD_CLOEXEC, kHigh);
  if (kept < 0) kept = raw::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (kept < 0) return false;
  __atomic_store_n(&socket.kept, static_cast<int>(kept), __ATOMIC_RELEASE);
  return true;
}

int current(int fd, const Socket& socket) {
  if (static_cast<uint32_t>(fd) < kMax &&
      __atomic_load_n(&sockets[fd], __ATOMIC_ACQUIRE) == &socket)
    return fd;
  if (const int kept = __atomic_load_n(&socket.kept, __ATOMIC_ACQUIRE); kept >= 0) return kept;
  int other = -1;
  each([&](int one) {
    if (__atomic_load_n(&sockets[one], __ATOMIC_ACQUIRE) == &socket) other = one;
  });
  return other;
}

uint32_t highest() {
  return __atomic_load_n(&high_mark, __ATOMIC_ACQUIRE);
}

void before_fork() {
  ::pthread_mutex_lock(&mutex);
  for (uint32_t i = 0; i < made; ++i) {
    if (__atomic_load_n(&pool[i].references, __ATOMIC_RELAXED) != 0) {
      __atomic_store_n(&pool[i].page->copied, 1, __ATOMIC_SEQ_CST);
    }
  }
}

void after_fork() {
  ::pthread_mutex_unlock(&mutex);
}

}  // namespace trunkline::sctp::descriptors
