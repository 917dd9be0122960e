// SPDX-License-Identifier: BSD-3-Clause
// What makes a host's packets say something else than its stack does, before anybody sees them:
// peers that list addresses which are not theirs, and that tell of windows of any size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trunkline/stack/address.h"

namespace trunkline::sim {

// No SACK of the packet says more than `cap`.
void cap_windows(std::span<uint8_t> packet, uint32_t cap);

// Whoever has told of such a window has no room for more in one chunk: it answers larger DATA and
// takes none of it. For its stack the chunks are made duplicates, which do just that; in `taken`
// they are padding. False: everything fits, and nothing is changed.
[[nodiscard]] bool refuse_data(std::span<uint8_t> packet, uint32_t window,
                               std::vector<uint8_t>& taken);

// An INIT or INIT ACK lists these as well, if there is room; any other packet stays as it is. How
// long the packet is now, of `room` bytes. Where it had no list, its source is in it.
[[nodiscard]] size_t list_more(std::span<uint8_t> room, size_t length, const IpAddress& source,
                               const std::vector<IpAddress>& more);

// The addresses that an INIT or INIT ACK, and its source, name; none for any other packet.
struct Announced {
  uint32_t tag = 0;
  std::vector<IpAddress> addresses;
};
[[nodiscard]] Announced announced_in(std::span<const uint8_t> packet, const IpAddress& source);

}  // namespace trunkline::sim
