// SPDX-License-Identifier: BSD-3-Clause
// A line for each call of a socket, on standard error, as strace prints them.
#pragma once

namespace trunkline::sctp {

// `result` as calls:: returns it.
[[gnu::format(printf, 2, 3)]] void trace(long result, const char* format, ...);

}  // namespace trunkline::sctp
