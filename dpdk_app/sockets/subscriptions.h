// SPDX-License-Identifier: BSD-3-Clause
// What programs subscribe to.
#pragma once

#include <cstdint>

namespace trunkline::sockets {

// Bits of tls_options::events: notifications as <linux/sctp.h> numbers them.
enum Subscription : uint32_t {
  kAssocChange = 1u << 1,
  kPeerAddrChange = 1u << 2,
  kSendFailed = 1u << 3 | 1u << 13,  // and the event that RFC 6458 has instead
  kRemoteError = 1u << 4,
  kShutdownEvent = 1u << 5,
  kPartialDelivery = 1u << 6,
  kAdaptation = 1u << 7,
  kAuthentication = 1u << 8,
  kSenderDry = 1u << 9,
};

}  // namespace trunkline::sockets
