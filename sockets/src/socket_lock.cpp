// SPDX-License-Identifier: BSD-3-Clause
#include "socket_lock.h"

#include <cerrno>

namespace trunkline::sctp {
namespace {

// The innermost lock of this thread. Written before the lock is taken and after it was given back,
// so that a signal handler never misses one.
[[gnu::tls_model("initial-exec")]] thread_local const Locked* innermost = nullptr;

}  // namespace

Locked::Order Locked::order_of(const tls_page& page, Which which) {
  if (which == kSend) return Order::kSend;
  return page.ready_rings != 0 ? Order::kFront : Order::kReceive;
}

Locked::Locked(tls_page& page, Which which)
    : lock_(which == kSend ? page.send_lock : page.receive_lock), order_(order_of(page, which)) {
  bool may_wait = true;
  for (const Locked* held = innermost; held != nullptr; held = held->outer_) {
    if (held->order_ >= order_) may_wait = false;
  }
  outer_ = innermost;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  __atomic_store_n(&innermost, this, __ATOMIC_RELAXED);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  const int failed = may_wait ? ::pthread_mutex_lock(&lock_.mutex)  //
                              : ::pthread_mutex_trylock(&lock_.mutex);
  if (failed == EOWNERDEAD) {
    inherited_ = true;
    ::pthread_mutex_consistent(&lock_.mutex);
  } else if (failed != 0) {
    __atomic_store_n(&innermost, outer_, __ATOMIC_RELAXED);
    error_ = failed == EBUSY ? -EAGAIN : -EIO;
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
