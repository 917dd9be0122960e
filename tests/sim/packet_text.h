// SPDX-License-Identifier: BSD-3-Clause
// An SCTP packet as one line of text, for the log of a failed simulation.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace trunkline::sim {

// "5000>6000 tag=1a2b3c4d SACK cum=17 a_rwnd=65536 gaps=2-3 | DATA tsn=5 sid=1 ssn=4 BE 120".
// Never fails: what can't be parsed is said to be malformed.
[[nodiscard]] std::string describe_packet(std::span<const uint8_t> bytes);

}  // namespace trunkline::sim
