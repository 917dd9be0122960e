// SPDX-License-Identifier: BSD-3-Clause
// For the rules of sections 3 and 6: how much goes into a packet where nothing is said of its size.
#pragma once

#include <cstddef>

namespace trunkline::test {

inline constexpr size_t kPacket = 1480;              // SCTP packet in an IPv4 packet of 1500
inline constexpr size_t kLimit = kPacket - 12 - 16;  // user data in the largest DATA chunk

}  // namespace trunkline::test
