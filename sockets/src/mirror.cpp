// SPDX-License-Identifier: BSD-3-Clause
#include "mirror.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "libc_calls.h"
#include "raw_calls.h"
#include "ready.h"
#include "socket_lock.h"

namespace trunkline::sctp::mirror {
namespace {

// They are on their way if they are not there: the daemon counts a token before it sends it. If it
// is gone, or the reading side is shut, none comes.
void read_bytes(int fd, uint32_t count) {
  uint8_t bytes[TLS_MAX_TOKENS];
  for (int patience = 200; count != 0 && patience != 0;) {
    const uint32_t n = count < sizeof(bytes) ? count : static_cast<uint32_t>(sizeof(bytes));
    const long got = raw::recv(fd, bytes, n, MSG_DONTWAIT);
    if (got > 0) {
      count -= static_cast<uint32_t>(got);
    } else if (got == -EAGAIN) {
      raw::wait_in(fd, 10);
      --patience;
    } else if (got != -EINTR) {
      return;
    }
  }
}

// Counted before the last look, so that whoever changes the state knows whom to wake.
class Waiting {
 public:
  explicit Waiting(descriptors::Use& use) : use_(use) { add(1); }
  ~Waiting() { add(~0u); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  static void cancel(void* waiting) {
    auto& me = *static_cast<Waiting*>(waiting);
    me.add(~0u);
    me.use_.release();
  }
  [[nodiscard]] bool is_old(uint32_t state) const {
    const tls_page& page = *use_->page;
    return load_seq_cst(page.state) != state || load_seq_cst(page.error) != 0;
  }

 private:
  void add(uint32_t n) { __atomic_fetch_add(&use_->page->waiting, n, __ATOMIC_SEQ_CST); }
  descriptors::Use& use_;
};

bool has_something(Socket& socket) {
  return socket.is_front() ? !ReadyRings(socket).empty() : socket.rings().has_completion();
}

void release_use(void* use) {
  static_cast<descriptors::Use*>(use)->release();
}

}  // namespace

void take_tokens(Socket& socket, int fd) {
  uint32_t& tokens = socket.page->tokens;
  if (load_seq_cst(tokens) == 0) return;
  const uint32_t n = __atomic_exchange_n(&tokens, 0, __ATOMIC_SEQ_CST);
  if (n == 0) return;
  if (has_something(socket)) {
    __atomic_fetch_add(&tokens, n, __ATOMIC_SEQ_CST);
    return;
  }
  read_bytes(fd, n);
}

// Bytes that have arrived are counted before the tokens are, so that one which is on its way can't
// be taken for a stray.
void heal_tokens(Socket& socket, int fd) {
  int there = 0;
  if (raw::ioctl(fd, FIONREAD, &there) != 0 || there <= 0) return;
  const uint32_t counted = load_seq_cst(socket.page->tokens);
  const auto bytes = static_cast<uint32_t>(there);
  if (bytes > counted) __atomic_fetch_add(&socket.page->tokens, bytes - counted, __ATOMIC_SEQ_CST);
}

static void fill_handle(const Socket& socket, int fd) {
  static constexpr uint8_t kNothing[8192] = {};
  const uint32_t size = socket.page->ballast;
  raw::send(fd, kNothing, size < sizeof(kNothing) ? size : sizeof(kNothing), MSG_DONTWAIT);
}

void put_ballast(Socket& socket, int fd) {
  fill_handle(socket, fd);
  __atomic_store_n(&socket.page->full, 1, __ATOMIC_SEQ_CST);
}

void note_stray_byte(Socket& socket) {
  __atomic_store_n(&socket.page->full, 1, __ATOMIC_SEQ_CST);
}

long wait_in(descriptors::Use& use, int fd, int flags, uint32_t state) {
  Waiting waiting(use);
  if (waiting.is_old(state)) return 1;
  long n = 0;
  pthread_cleanup_push(Waiting::cancel, &waiting);
  uint8_t byte = 0;
  n = raw::checked(libc().recv(fd, &byte, 1, MSG_PEEK | (flags & MSG_DONTWAIT)));
  pthread_cleanup_pop(0);
  return n;
}

long wait_out(descriptors::Use& use, int fd, int flags) {
  long n = 0;
  pthread_cleanup_push(release_use, &use);
  n = raw::checked(libc().send(fd, "", 1, MSG_NOSIGNAL | (flags & MSG_DONTWAIT)));
  pthread_cleanup_pop(0);
  return n;
}

long wait_for_another_state(Socket& member, int fd, uint32_t state, int milliseconds) {
  constexpr int kSlice = 100;
  tls_page& page = *member.page;
  __atomic_fetch_add(&page.waiting, 1, __ATOMIC_SEQ_CST);
  long result = 0;
  for (int left = milliseconds; result == 0 && load_seq_cst(page.state) == state;) {
    const int slice = left >= 0 && left < kSlice ? left : kSlice;
    if (left == 0) {
      result = -EAGAIN;
      break;
    }
    const timespec limit{0, slice * 1'000'000L};
    const long woken =
        raw::checked(::syscall(SYS_futex, &page.state, FUTEX_WAIT, state, &limit, nullptr, 0));
    if (woken == -EINTR) result = -EINTR;
    if (woken != -ETIMEDOUT) continue;
    if (left > 0) left -= slice;
    uint8_t byte = 0;
    const long there = raw::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (there == 0 || there == -ECONNRESET) result = -ECONNRESET;
  }
  __atomic_fetch_add(&page.waiting, ~0u, __ATOMIC_SEQ_CST);
  return result;
}

void wait_for_the_end_of_connect(const Socket& socket) {
  for (int i = 0; i < 10000 && socket.state() == TLS_CONNECTING; ++i) ::sched_yield();
}

void born_over(Socket& socket, int fd) {
  take_error(socket, fd);
  __atomic_fetch_or(&socket.page->shut, TLS_SHUT_RECEIVE | TLS_SHUT_SEND, __ATOMIC_SEQ_CST);
  raw::shutdown(fd, SHUT_RD);
  fill_handle(socket, fd);  // and nobody is asked to take it out
}

// After a failed connect the socket is as it was before: not readable, not writable. What has ended
// stays readable (end of file) and writable (EPIPE).
int take_error(Socket& socket, int fd) {
  if (load_acquire(socket.page->error) == 0) return 0;
  wait_for_the_end_of_connect(socket);
  const uint32_t state = socket.state();
  const auto error =
      static_cast<int>(__atomic_exchange_n(&socket.page->error, 0, __ATOMIC_SEQ_CST));
  if (error == 0) return 0;
  Locked lock(*socket.page, Locked::kReceive);
  if (lock.error() == 0 && !has_something(socket)) take_tokens(socket, fd);
  lock.release();
  if (state == TLS_FRESH && !socket.is_front()) put_ballast(socket, fd);
  return error;
}

void daemon_is_gone(Socket& socket) {
  tls_page& page = *socket.page;
  if (load_acquire(page.state) != TLS_ENDED) {
    uint32_t none = 0;
    __atomic_compare_exchange_n(&page.error, &none, ECONNRESET, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
  }
  __atomic_fetch_or(&page.shut, TLS_SHUT_RECEIVE | TLS_SHUT_SEND, __ATOMIC_SEQ_CST);
  store_release(page.state, TLS_ENDED);
}

bool does_not_block(int fd, int flags) {
  if ((flags & MSG_DONTWAIT) != 0) return true;
  const long status = raw::fcntl(fd, F_GETFL);
  return status >= 0 && (status & O_NONBLOCK) != 0;
}

}  // namespace trunkline::sctp::mirror
