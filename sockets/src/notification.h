// SPDX-License-Identifier: BSD-3-Clause
// Notifications of RFC 6458 section 6.1, in Linux's layout, made of what the worker writes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "rings.h"

namespace trunkline::sctp {

// The front of the ring as the program reads it.
struct Content {
  bool notification = false;
  uint8_t head[256];         // of a notification
  uint32_t head_length = 0;  // of it; what follows lies in slots:
  uint32_t rx_slot = TLR_NO_SLOT;
  uint32_t tx_slot = TLR_NO_SLOT;
  uint32_t tail_length = 0;

  [[nodiscard]] uint32_t length() const { return head_length + tail_length; }
  void copy(const Rings& rings, uint32_t from, uint8_t* to, uint32_t size) const;
};

// Where the front's message came from; of a notification, the peer's name as getpeername() has it.
[[nodiscard]] tls_name name_of_sender(const tls_page& page, const Front& front);
// False: nothing that a program would see.
[[nodiscard]] bool describe(const tls_page& page, const Front& front, Content& out);

}  // namespace trunkline::sctp
