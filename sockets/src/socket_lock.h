// SPDX-License-Identifier: BSD-3-Clause
// The two locks of a socket's page, which all processes that hold its handle share. Who dies with
// one leaves what the next owner repairs. A signal handler can't wait for a lock that its own
// thread holds: it gets -EINTR.
#pragma once

#include "trunkline/socket_abi.h"

namespace trunkline::sctp {

class Locked {
 public:
  explicit Locked(tls_lock& lock);
  ~Locked() { release(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

  // 0: the lock is held.
  [[nodiscard]] long error() const { return error_; }
  // Its last owner died with it.
  [[nodiscard]] bool inherited() const { return inherited_; }
  void release();

 private:
  tls_lock& lock_;
  const Locked* outer_ = nullptr;  // what else this thread holds
  long error_ = 0;
  bool inherited_ = false;
};

}  // namespace trunkline::sctp
