// SPDX-License-Identifier: BSD-3-Clause
// The two locks of a socket's page, which all processes that hold its handle share. Who dies with
// one leaves what the next owner repairs.
//
// They have an order: the receive lock of a front, those of other sockets, send locks. A thread
// waits only for what comes after all that it has, so that nobody waits in a circle. Against the
// order goes a signal handler that interrupts who has a lock: it gets one that is free, else
// -EAGAIN. Not -EINTR, after which programs call again, in vain: what they wait for goes on when
// the handler returns.
#pragma once

#include <cstdint>

#include "trunkline/socket_abi.h"

namespace trunkline::sctp {

class Locked {
 public:
  enum Which : uint8_t { kReceive, kSend };
  Locked(tls_page& page, Which which);
  ~Locked() { release(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

  // 0: the lock is held.
  [[nodiscard]] long error() const { return error_; }
  // Its last owner died with it.
  [[nodiscard]] bool inherited() const { return inherited_; }
  void release();

 private:
  enum class Order : uint8_t { kFront, kReceive, kSend };
  static Order order_of(const tls_page& page, Which which);

  tls_lock& lock_;
  Order order_;
  const Locked* outer_ = nullptr;  // what else this thread holds
  long error_ = 0;
  bool inherited_ = false;
};

}  // namespace trunkline::sctp
