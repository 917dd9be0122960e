// SPDX-License-Identifier: BSD-3-Clause
// Control data of RFC 6458 section 5.3, as Linux reads and writes it.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include "linux_sctp.h"

#include <cstddef>
#include <cstdint>

namespace trunkline::sctp {

// What a sender said beside the message.
struct SendControl {
  bool has_sndrcv = false;  // SCTP_SNDRCV
  bool has_sndinfo = false;
  bool has_prinfo = false;
  bool has_init = false;
  sctp_sndrcvinfo info{};  // of whichever there is
  sctp_prinfo prinfo{};    // without a policy its value is 0
  sctp_initmsg init{};
  // SCTP_DSTADDRV4, SCTP_DSTADDRV6: more addresses of the peer, in their order.
  static constexpr uint32_t kMostAddresses = 16;
  struct Address {
    sa_family_t family;
    uint8_t bytes[16];
  };
  Address addresses[kMostAddresses];
  uint32_t address_count = 0;
  bool short_address = false;  // one of them was cut: nothing is set up with it
};

// `data` lies in our memory. 0 or -EINVAL.
[[nodiscard]] long parse_control(const uint8_t* data, size_t size, SendControl& out);

// Writes headers one behind the other, as far as there is room.
class ControlWriter {
 public:
  ControlWriter(uint8_t* to, size_t room) : to_(to), room_(room) {}
  void put(int type, const void* data, size_t size);
  [[nodiscard]] size_t written() const { return written_; }
  [[nodiscard]] bool truncated() const { return truncated_; }

 private:
  uint8_t* to_;
  size_t room_;
  size_t written_ = 0;
  bool truncated_ = false;
};

}  // namespace trunkline::sctp
