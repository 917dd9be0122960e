// SPDX-License-Identifier: BSD-3-Clause
// Whose an option of a one-to-many socket is (RFC 6458 section 7): most structures have an
// association's id, some an address of a peer, and three ids mean something else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace trunkline::sockets {

struct OptionScope {
  enum Whose : uint8_t {
    kSocket,       // and of associations to come (SCTP_FUTURE_ASSOC)
    kAssociation,  // the one of `id`, or, if there is none and `address` is not 0, as kPeer
    kPeer,         // the one with the peer whose address lies at `address`
    kCurrent,      // of all that there are, and not of those to come (SCTP_CURRENT_ASSOC)
    kAll,          // of both (SCTP_ALL_ASSOC)
    kNobody        // EINVAL: no option of that kind means so many
  };
  Whose whose = kSocket;
  uint32_t id = 0;
  size_t address = 0;    // bytes from the beginning
  bool for_all = false;  // kSocket: living associations have it, too, at once
};

// `value`: what the program gave, or what lies in its buffer for getsockopt().
[[nodiscard]] OptionScope scope_of(int level, int name, std::span<const uint8_t> value, bool set);

}  // namespace trunkline::sockets
