// SPDX-License-Identifier: BSD-3-Clause
// How large a ballast is: the least number of bytes that, written at once to the program's end of a
// pair with the smallest send buffer, leaves it not writable (socket_abi.h). It depends on the
// kernel and is found by trying. 0: no number does.
#pragma once

#include <cstdint>

namespace trunkline::sockets {

[[nodiscard]] uint32_t measure_ballast();

}  // namespace trunkline::sockets
