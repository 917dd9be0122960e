// SPDX-License-Identifier: BSD-3-Clause
// The common header of an SCTP packet (RFC 9260 section 3.1): parse.
#include "wire/common_header.h"

#include "base/bytes.h"

namespace trunkline::wire {

std::optional<CommonHeader> CommonHeader::parse(std::span<const uint8_t> packet) {
  if (packet.size() < kCommonHeaderSize) return std::nullopt;
  const uint8_t* const at = packet.data();
  return CommonHeader{PortNumber(load_be16(at)), PortNumber(load_be16(at + 2)),
                      VerificationTag(load_be32(at + 4)), load_be32(at + kChecksumOffset)};
}

}  // namespace trunkline::wire
