// SPDX-License-Identifier: BSD-3-Clause
// The SCTP packets printed in the book that this project grew from, as the Linux kernel sent them,
// from the common header on. Bytes lost in print are restored; each CRC32c agrees.
#pragma once

#include <string_view>

namespace trunkline::wire::book {

// Ports 56231 > 4444, tag 0, checksum 1d06220d. Initiate tag 0x08fe2132, a_rwnd 106496, 10 outbound
// and 65535 inbound streams, initial TSN 3543192493, IPv4 127.0.0.1, IPv4 192.168.10.4, supported
// address types {IPv4}, ECN, FORWARD-TSN supported.
inline constexpr std::string_view kInit =
    "dba7115c000000001d06220d0100003408fe21320001a000000affffd330d3ad000500087f00000100050008"
    "c0a80a04000c00060005000080000004c0000004";

// Ports 56231 > 4444, tag 0xa556dfe4, checksum aa256669. A cookie of 260 bytes.
inline constexpr std::string_view kCookieEcho =
    "dba7115ca556dfe4aa2566690a000108cc70a77ef9c13c8fef94f84cca1216faded3499e0000000000000000"
    "0000000000000000e4df56a53221fe0800000000000000004f66ac319f8200000a000a0096aa875d0200dba7"
    "7f00000100000000000000000000000000000000000000005c1101000000000080020024b29abf9e1f0c010c"
    "02663c4695e835c94276db51208ff61623f7994539e0d3700000000000000000000000000000000000000000"
    "000000000000000000000000000000000100003408fe21320001a000000affffd330d3ad000500087f000001"
    "00050008c0a80a04000c00060005000080000004c00000040000000000000000000000000000000000000000"
    "000000000000000000000000";

// Ports 4444 > 50792, tag 0x88e5e376, checksum 883432df. Cumulative TSN 2322614346, a_rwnd 106490,
// no gap blocks, no duplicates.
inline constexpr std::string_view kSack =
    "115cc66888e5e376883432df030000108a70484a00019ffa00000000";

}  // namespace trunkline::wire::book
