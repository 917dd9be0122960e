// SPDX-License-Identifier: BSD-3-Clause
#include "socket_lock.h"

#include <cerrno>

namespace trunkline::sctp {
namespace {

// The innermost lock of this thread. Written before the lock is taken and after it was given back,
// so that a signal handler never misses one.
[[gnu::tls_model("initial-exec")]] thread_local const Locked* innermost = nullptr;

}  // namespace

Locked::Locked(tls_lock& lock) : lock_(lock) {
  for (const Locked* held = innermost; held != nullptr; held = held->outer_) {
    if (&held->lock_ == &lock) {
      error_ = -EINTR;
      return;
    }
  }
  outer_ = innermost;
  __atomic_store_n(&innermost, this, __ATOMIC_RELAXED);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  const int failed = ::pthread_mutex_lock(&lock.mutex);
  if (failed == EOWNERDEAD) {
    inherited_ = true;
    ::pthread_mutex_consistent(&lock.mutex);
  } else if (failed != 0) {
    __atomic_store_n(&innermost, outer_, __ATOMIC_RELAXED);
    error_ = -EIO;
  }
}

void Locked::release() {
  if (error_ != 0) return;
  error_ = -EPERM;
  ::pthread_mutex_unlock(&lock_.mutex);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  __atomic_store_n(&innermost, outer_, __ATOMIC_RELAXED);
}

}  // namespace trunkline::sctp
