// SPDX-License-Identifier: BSD-3-Clause
// The common header of an SCTP packet (RFC 9260 section 3.1): view and parse. PacketWriter builds
// it. Nothing here judges the values: checksum, ports and tag are the dispatcher's questions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "trunkline/stack/types.h"

namespace trunkline::wire {

inline constexpr size_t kCommonHeaderSize = 12;
inline constexpr size_t kChecksumOffset = 8;

//  0        2        4        8        12
//  | source | dest.  | tag    | CRC32c | chunks ...
struct CommonHeader {
  PortNumber source_port;
  PortNumber destination_port;
  VerificationTag verification_tag;
  uint32_t checksum = 0;  // as packet_checksum gives it

  // Nothing for fewer than 12 bytes.
  [[nodiscard]] static std::optional<CommonHeader> parse(std::span<const uint8_t> packet) {
    if (packet.size() < kCommonHeaderSize) return std::nullopt;
    const uint8_t* const at = packet.data();
    return CommonHeader{PortNumber(load_be16(at)), PortNumber(load_be16(at + 2)),
                        VerificationTag(load_be32(at + 4)), load_be32(at + kChecksumOffset)};
  }
};

}  // namespace trunkline::wire
